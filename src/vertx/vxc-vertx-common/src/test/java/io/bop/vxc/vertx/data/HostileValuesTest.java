package io.bop.vxc.vertx.data;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/** Streams that somebody else wrote, without asking the list. */
class HostileValuesTest {
    private static final Values VALUES = new Values(AllowList.of(Collections.emptyList()));
    /** Far more than any refusal takes, and far less than a bomb. */
    private static final Duration QUICKLY = Duration.ofSeconds(10);

    private static byte[] stream(Object value) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write('o');
        bytes.write(':');
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(value);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        return bytes.toByteArray();
    }

    private static String refusal(byte[] bytes) {
        return assertTimeoutPreemptively(QUICKLY,
                () -> assertThrows(ValueException.class, () -> VALUES.decode(bytes)).getMessage());
    }

    private static byte[] patched(byte[] bytes, String old, String now) {
        String text = new String(bytes, ISO_8859_1);
        assertTrue(text.contains(old));
        return text.replace(old, now).getBytes(ISO_8859_1);
    }

    /** An object without fields, and nothing else. */
    private static byte[] objectOf(Class<?> type) {
        String name = type.getName();
        ByteBuffer bytes = ByteBuffer.allocate(name.length() + 23);
        bytes.put("o:".getBytes(ISO_8859_1)).putInt(0xaced0005).put("sr".getBytes(ISO_8859_1));
        bytes.putShort((short) name.length()).put(name.getBytes(ISO_8859_1));
        bytes.putLong(1).put((byte) 2).putShort((short) 0).put("xp".getBytes(ISO_8859_1));
        return bytes.array();
    }

    private static byte[] clusterObjectOf(Class<?> type) {
        return ("k:" + type.getName() + "\0").getBytes(ISO_8859_1);
    }

    @Test
    void noCodeRunsOfAClassThatIsNotListed() {
        Class<?> gadget = Initialized.Gadget.class;
        assertTrue(refusal(objectOf(gadget)).startsWith(gadget.getName() + " may not be deserialized"));
        assertTrue(refusal(clusterObjectOf(gadget)).contains("is not a ClusterSerializable"));
        assertTrue(refusal(clusterObjectOf(Initialized.Plain.class)).contains("is not a ClusterSerializable"));
        assertEquals(0, Initialized.COUNT.get());
        // once listed it does run, so that it would have been seen
        assertEquals("resolved", new Values(AllowList.of(Collections.singletonList(gadget.getName())))
                .decode(objectOf(gadget)));
        assertEquals(2, Initialized.COUNT.get());
    }

    @Test
    void aClassThatIsNotListedCannotHide() {
        Order order = new Order("x", Order.Status.OPEN);
        for (Object value : new Object[] {order, new Order[0], new Order[1][1], new Object[] {order}, Order.class,
            Order.Status.OPEN, new ArrayList<>(Collections.singletonList(order)), Collections.singleton(order),
            new HashMap<>(Collections.singletonMap("k", new HashMap<>(Collections.singletonMap(1, order))))}) {
            assertTrue(refusal(stream(value)).startsWith("io.bop.vxc.vertx.data.Order"), value.toString());
        }
    }

    @Test
    void lambdasAndProxiesAreRefused() {
        assertTrue(refusal(stream((Supplier<String> & Serializable) () -> "x"))
                .startsWith("java.lang.invoke.SerializedLambda may not"));
        Object proxy = Proxy.newProxyInstance(getClass().getClassLoader(), new Class<?>[] {Runnable.class},
                new Handler());
        assertEquals("a dynamic proxy may not be deserialized", refusal(stream(proxy)));
        assertEquals("a dynamic proxy may not be serialized",
                assertThrows(ValueException.class, () -> VALUES.encode(proxy)).getMessage());
    }

    private static final class Handler implements InvocationHandler, Serializable {
        private static final long serialVersionUID = 1;

        @Override
        public Object invoke(Object proxy, Method method, Object[] arguments) {
            throw new AssertionError("nobody may call it");
        }
    }

    @Test
    void deepNestingIsRefused() {
        List<Object> deep = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            deep = new ArrayList<>(Collections.singletonList(deep));
        }
        assertTrue(refusal(stream(deep)).contains("depth " + JavaObjects.DEPTH_MAX));
    }

    @Test
    void jsonThatIsDeeperThanTheStackIsRefused() {
        StringBuilder deep = new StringBuilder("a:");
        for (int i = 0; i < 1_000_000; i++) {
            deep.append('[');
        }
        assertTrue(refusal(deep.toString().getBytes(ISO_8859_1)).startsWith("a value with the tag a: cannot be read"));
    }

    /** Sets of the same sets: hashing the outermost takes width^depth steps. */
    private static byte[] bomb(int width, int depth) {
        Set<Object> top = new HashSet<>();
        List<Set<Object>> upper = Collections.singletonList(top);
        for (int i = 0; i < depth; i++) {
            List<Set<Object>> lower = new ArrayList<>();
            for (int j = 0; j < width; j++) {
                lower.add(new HashSet<>(Collections.singletonList(j))); // hashed now, while it holds nothing else
            }
            upper.forEach(set -> set.addAll(lower));
            upper = lower;
        }
        return stream(top);
    }

    @Test
    void aDeepBombIsRefused() {
        assertTrue(refusal(bomb(2, 100)).contains("depth " + JavaObjects.DEPTH_MAX));
    }

    @Test
    void aWideBombIsRefused() {
        byte[] bytes = bomb(5, 16);
        JavaObjects objects = new JavaObjects(AllowList.of(Collections.emptyList()), 100);
        String message = assertTimeoutPreemptively(QUICKLY, () -> assertThrows(ValueException.class,
                () -> objects.read(Arrays.copyOfRange(bytes, 2, bytes.length))).getMessage());
        assertEquals("a serialized object takes more than 100 ms to read", message);
    }

    @Test
    void aHeaderCannotClaimMoreThanThereIs() {
        byte[] longs = patched(stream(new long[] {1}), "xp\0\0\0\u0001", "xp\u007f\u00ff\u00ff\u00ff");
        assertTrue(refusal(longs).contains("arrays no longer than its bytes"));
        byte[] objects = patched(stream(new Object[] {1}), "xp\0\0\0\u0001", "xp\0\u0010\0\0");
        assertTrue(refusal(objects).contains("arrays no longer than its bytes"));
        byte[] map = patched(stream(new HashMap<>(Collections.singletonMap("k", "v"))),
                "\0\0\0\u0001t\0\u0001k", "\u0020\0\0\0t\0\u0001k");
        assertTrue(refusal(map).contains("arrays no longer than its bytes"));
        byte[] list = patched(stream(new ArrayList<>(Collections.singletonList("k"))),
                "sizexp\0\0\0\u0001", "sizexp\u007f\u00ff\u00ff\u00f0");
        assertTrue(refusal(list).contains("arrays no longer than its bytes"));
    }

    @Test
    void moreReferencesThanTheBoundAreRefused() {
        Object[] many = new Object[JavaObjects.REFERENCES_MAX];
        Arrays.fill(many, "the same");
        assertTrue(refusal(stream(many)).contains(JavaObjects.REFERENCES_MAX + " references"));
    }
}
