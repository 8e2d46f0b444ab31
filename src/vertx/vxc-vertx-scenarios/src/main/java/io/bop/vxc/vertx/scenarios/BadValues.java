package io.bop.vxc.vertx.scenarios;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.Limits;
import io.bop.vxc.Registration;
import io.bop.vxc.VxcClient;
import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import io.bop.vxc.vertx.data.FencedLock;
import io.bop.vxc.vertx.data.ValueException;
import io.vertx.core.VertxException;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.shareddata.AsyncMap;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What cannot be written or read, what others wrote, names of any characters, and sizes at the limits. */
public abstract class BadValues extends Scenario {
    private static final int TAG_SIZE = 2; // of values as bytes
    private static final long QUICK_MS = 1000;

    /** On no list. */
    static final class Unlisted implements Serializable {
        private static final long serialVersionUID = 1;
    }

    /** Says that it can be written. */
    static final class Liar implements Serializable {
        private static final long serialVersionUID = 1;
        final Object heart = new Object();
    }

    private Vxcd server;
    private Node one;
    private Node two;

    @BeforeEach
    void begin() {
        server = alone();
        one = join(config(server));
        two = join(config(server));
    }

    private static AsyncMap<Object, Object> map(Node node, String name) {
        return of(node.vertx.sharedData().getClusterWideMap(name));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }

    private static String repeated(char letter, int count) {
        return new String(new char[count]).replace('\0', letter);
    }

    // ---- values ----

    @Test
    void valuesThatCannotBeWrittenAreRefusedAndHarmNothing() {
        AsyncMap<Object, Object> map = map(one, "map");
        failure(one.putting("map", "key", new Object()), QUICK_MS, "Invalid type");
        failure(map.put("key", new Unlisted()), QUICK_MS, Unlisted.class.getName(), "serialization.allow");
        failure(map.put(new Unlisted(), "value"), QUICK_MS, Unlisted.class.getName());
        failure(map.put("key", new Liar()), QUICK_MS, Liar.class.getName());
        failure(map.put("key", new ArrayList<>(Collections.singletonList(new Object()))), QUICK_MS, "Object");
        HashMap<String, Object> circle = new HashMap<>();
        circle.put("self", circle);
        of(map.put("circle", circle)); // Java serialization can, and it comes back as one
        HashMap<?, ?> back = (HashMap<?, ?>) of(two.getting("map", "circle"));
        assertEquals(back, back.get("self"));
        assertNull(of(two.getting("map", "key")));
        assertEquals(1, of(map.size()));
        of(map.put("key", "value"));
        assertEquals("value", of(two.getting("map", "key")));
    }

    @Test
    void valuesThatAnotherProgramWroteAreToldApart() {
        VxcClient other = client(server.endpoint());
        List<String> hostile = Arrays.asList("", "x", "no tag", "i:", "i:seven", "q:of later", "t:maybe", "j:{", "a:]",
                "k:" + Unlisted.class.getName() + "\0", "k:java.lang.Runtime\0", "k:none.such\0", "o:", "o:\1\2\3");
        for (String value : hostile) {
            Wait.of(other.map("map").put(bytes("s:" + value), bytes(value)));
        }
        Wait.of(other.map("map").put(bytes("s:good"), bytes("s:value")));
        AsyncMap<Object, Object> map = map(one, "map");
        for (String value : hostile) {
            assertTrue(failure(map.get(value), QUICK_MS, "the map \"map\"") instanceof ValueException, value);
        }
        failure(map.get("no tag"), QUICK_MS, "the map \"map\", key \"s:no tag\"");
        assertTrue(failure(map.values(), QUICK_MS, "the map \"map\"") instanceof ValueException);
        assertEquals("value", of(map.get("good")));
        assertEquals(hostile.size() + 1, of(map.keys()).size());
        for (String value : hostile) {
            of(map.put(value, "mended"));
        }
        assertEquals(Collections.singleton("mended"),
                new HashSet<>(of(map.removeIfPresent("good", "value").compose(done -> map.values()))));
        Wait.of(other.map("map").put(bytes("no key of ours"), bytes("s:value")));
        failure(map.keys(), QUICK_MS, "the map \"map\"", "\"no key of ours\"", "without a tag");
        of(map.clear());
        assertEquals(Collections.emptySet(), of(map.keys()));
    }

    @Test
    void registrationsAndNodesOfOtherProgramsHarmNoOthers() {
        VxcClient other = client(server.endpoint());
        Wait.of(other.openSession(20_000));
        Wait.of(other.nodes().join("stranger", bytes("{\"host\":7")));
        Wait.until("it is seen", () -> one.manager.getNodes().contains("stranger"));
        Wait.of(other.registrations().add("address", new Registration("stranger", 1, bytes("any"))));
        Wait.of(other.registrations().add("address", new Registration("no / such ü node", -1, new byte[0])));
        two.consume("address");
        // one message in three is sent to a node that there is
        Wait.until("a message arrives", () -> one.isAnsweredBy(two, "address"));
        assertThrows(VertxException.class, () -> Wait.of(one.manager.node().infoOf("stranger")));
        assertThrows(VertxException.class, () -> Wait.of(one.manager.node().infoOf("no / such ü node")));
        Wait.of(other.closeSession());
        Wait.until("they are gone", () -> one.listeners("address").equals(Collections.singletonList(two.id())));
        for (int i = 0; i < 10; i++) {
            assertEquals(two.id(), one.ask("address"));
        }
    }

    // ---- names ----

    @Test
    void namesMayHaveAnyCharacters() {
        List<String> names = Arrays.asList("", "/", "//", "a/b", "..", "../..", " ", "\t\r\n", "\0", "%00", "*", "'\"\\",
                "ü", "名前", "\ud83d\ude00", "\u202e", "__vertx", repeated('/', Limits.NAME_SIZE_MAX),
                repeated('ü', Limits.NAME_SIZE_MAX / 2));
        for (String name : names) {
            of(one.putting(name, "key", name));
            assertEquals(1, of(one.adding(name)));
            FencedLock lock = of(one.locking(name, 1000));
            failure(two.locking(name, 0), QUICK_MS, "Timed out waiting to get lock " + name);
            if (name.isEmpty()) {
                failure(one.consuming(name), QUICK_MS, "a registration needs an address");
            } else {
                one.consume(name);
                assertEquals(one.id(), two.ask(name));
            }
            lock.release();
        }
        for (String name : names) {
            assertEquals(name, of(two.getting(name, "key")), "no two names mean the same");
            assertEquals(2, of(two.adding(name)));
            of(two.locking(name, 5000)).release();
        }
        AsyncMap<Object, Object> map = map(one, "keys");
        for (String key : names.subList(0, names.size() - 2)) {
            of(map.put(key, key));
        }
        assertEquals(new HashSet<>(names.subList(0, names.size() - 2)), of(map(two, "keys").keys()));
    }

    @Test
    void aNameThatIsTooLongIsRefusedAndHarmsNothing() {
        String name = repeated('n', Limits.NAME_SIZE_MAX + 1);
        failure(one.putting(name, "key", "value"), QUICK_MS, "ETOOBIG", "name");
        failure(one.getting(name, "key"), QUICK_MS, "ETOOBIG");
        failure(one.adding(name), QUICK_MS, "ETOOBIG");
        failure(one.locking(name, 1000), QUICK_MS, "ETOOBIG");
        failure(one.consuming(name), QUICK_MS, "ETOOBIG");
        failure(one.asking(name), QUICK_MS, "ETOOBIG");
        one.consume("address");
        assertEquals(one.id(), two.ask("address"));
    }

    // ---- sizes ----

    @Test
    void valuesFitUpToTheLimitOfAFrame() {
        Buffer largest = Buffer.buffer(new byte[Limits.VALUE_SIZE_MAX - TAG_SIZE]).setByte(7, (byte) 7);
        Buffer larger = Buffer.buffer(new byte[Limits.VALUE_SIZE_MAX - TAG_SIZE + 1]);
        AsyncMap<Object, Object> map = map(one, "map");
        of(map.put("key", largest));
        assertEquals(largest, of(two.getting("map", "key")));
        failure(map.put("key", larger), 5 * QUICK_MS, "ETOOBIG", "value");
        failure(map.putIfAbsent("other", larger), 5 * QUICK_MS, "ETOOBIG");
        failure(map.replace("key", larger), 5 * QUICK_MS, "ETOOBIG");
        assertEquals(largest, of(map.replace("key", "small")));
        String longest = repeated('k', Limits.KEY_SIZE_MAX - TAG_SIZE);
        of(map.put(longest, "value"));
        assertEquals("value", of(two.getting("map", longest)));
        failure(map.put(longest + "k", "value"), QUICK_MS, "ETOOBIG", "key");
        for (int i = 0; i < 3; i++) {
            of(map.put(i, largest));
        }
        assertEquals(5, of(map(two, "map").entries()).size(), "more than a frame in all");
    }
}
