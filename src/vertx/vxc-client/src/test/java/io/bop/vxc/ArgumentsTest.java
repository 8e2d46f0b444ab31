package io.bop.vxc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ArgumentsTest {
    @ParameterizedTest
    @ValueSource(strings = {"", "a/b", "žluť", "\uD83D\uDE00", "a\uD83D\uDE00b", "\0"})
    void aNameTravelsAsUtf8(String name) {
        assertArrayEquals(name.getBytes(StandardCharsets.UTF_8), Arguments.utf8(name));
        assertEquals(name, Arguments.text(Arguments.utf8(name)));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void halfASurrogatePairIsRefused(int which) {
        String name = new String[] {"ab\uD83D", "ab\uDE00", "ab\uDE00\uD83D", "ab\uD83Dc"}[which];
        VxcException failure = assertThrows(VxcException.class, () -> Arguments.utf8(name));
        assertEquals(VxcError.EINVAL, failure.error());
        assertTrue(failure.getMessage().contains("at its character 2"), failure.getMessage());
    }

    @Test
    void aNameOverItsBoundIsRefused() {
        byte[] most = new byte[Limits.NAME_SIZE_MAX];
        assertEquals(most, Arguments.name(most));
        VxcException failure = assertThrows(VxcException.class,
                () -> Arguments.name(new byte[Limits.NAME_SIZE_MAX + 1]));
        assertEquals(VxcError.ETOOBIG, failure.error());
    }
}
