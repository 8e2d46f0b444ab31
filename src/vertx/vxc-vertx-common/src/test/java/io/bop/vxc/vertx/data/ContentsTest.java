package io.bop.vxc.vertx.data;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.HashSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What cannot be read is told with its place. */
class ContentsTest {
    private static final byte[] BARE = "bare".getBytes(UTF_8);
    private static final String WHY = ": a value of 4 bytes without a tag";

    private final Contents<String, String> users =
            new Contents<>("users", new Values(AllowList.of(Collections.emptyList())));

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }

    private static void fails(Executable read, String beginning) {
        String message = assertThrows(ValueException.class, read).getMessage();
        assertTrue(message.startsWith(beginning), message);
    }

    @Test
    void whatCanBeReadIsRead() {
        assertEquals("value", users.value(bytes("s:key"), bytes("s:value")));
        assertNull(users.value(bytes("s:key"), null));
        assertEquals("value", users.before(bytes("s:key"), bytes("s:value")));
        assertNull(users.before(bytes("s:key"), null));
        assertEquals(new HashSet<>(Arrays.asList("a", "b")), users.keys(Arrays.asList(bytes("s:a"), bytes("s:b"))));
        assertEquals(Arrays.asList("a", "a"), users.values(Arrays.asList(bytes("s:a"), bytes("s:a"))));
    }

    @Test
    void aValueIsToldWithItsMapAndKey() {
        fails(() -> users.value(bytes("s:key"), BARE), "an entry of the map \"users\", key \"s:key\"" + WHY);
        fails(() -> users.before(bytes("s:key"), BARE), "it is done, but what was there before cannot be read: "
                + "an entry of the map \"users\", key \"s:key\"" + WHY);
        fails(() -> users.values(Arrays.asList(bytes("s:good"), BARE)), "an entry of the map \"users\"" + WHY);
    }

    @Test
    void aKeyIsToldAsTheCommandLineTakesIt() {
        fails(() -> users.keys(Arrays.asList(bytes("s:good"), BARE)),
                "the key of an entry of the map \"users\", key \"bare\"" + WHY);
        fails(() -> users.keys(Collections.singletonList(bytes("Gr\u00fc\u00df 7"))),
                "the key of an entry of the map \"users\", key \"Gr\u00fc\u00df 7\": ");
        for (byte[] unprintable : Arrays.asList(new byte[] {0, 1, 2}, new byte[] {'s', (byte) 0xff}, bytes("\u202e"))) {
            fails(() -> users.keys(Collections.singletonList(unprintable)),
                    "the key of an entry of the map \"users\", key "
                            + Base64.getEncoder().encodeToString(unprintable) + " (base64): ");
        }
        String longest = String.join("", Collections.nCopies(60_000, "k"));
        assertTrue(assertThrows(ValueException.class, () -> users.keys(Collections.singletonList(bytes(longest))))
                .getMessage().length() < 500);
    }
}
