package io.bop.vxc.vertx.data;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Arrays.asList;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.core.shareddata.ClusterSerializable;
import java.io.File;
import java.io.Serializable;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.Currency;
import java.util.Date;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.LinkedList;
import java.util.Locale;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.Vector;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ValuesTest {
    private static final Values VALUES =
            new Values(AllowList.of(asList(Order.class.getName(), Order.Status.class.getName())));

    private static ValueException refused(byte[] bytes) {
        return assertThrows(ValueException.class, () -> VALUES.decode(bytes));
    }

    private static ValueException refused(String bytes) {
        return refused(bytes.getBytes(ISO_8859_1));
    }

    static Stream<Object> simple() {
        return Stream.of("", "text", "ümläut \u20ac", "\ud83d\ude00 of four bytes", "\0", "s:",
                "\ud800", "\udc00 comes second \ud800", "ends \ud83d",
                0, 1, -7, Integer.MIN_VALUE, Integer.MAX_VALUE,
                0L, -1L, Long.MIN_VALUE, Long.MAX_VALUE,
                (short) 0, Short.MIN_VALUE, Short.MAX_VALUE, (byte) 0, Byte.MIN_VALUE, Byte.MAX_VALUE,
                0f, -0f, 1.5f, Float.MIN_VALUE, Float.MAX_VALUE, Float.NaN, Float.NEGATIVE_INFINITY,
                0d, -0d, 0.1, 1e300, Double.MIN_VALUE, Double.MAX_VALUE, Double.NaN, Double.POSITIVE_INFINITY,
                true, false, 'a', '\0', '\ud800', '\uffff',
                Buffer.buffer(), Buffer.buffer("buffer"), Buffer.buffer(new byte[] {0, -1}),
                new JsonObject(), new JsonObject().put("a", 1).put("b", new JsonArray().add(true).addNull()),
                new JsonObject().put("\ud83d\ude00", "half \ud800 a pair").putNull("n").put("l", Long.MAX_VALUE),
                new JsonArray(), new JsonArray().add("x").add(1.5).add(new JsonObject().put("deep", new JsonArray())),
                new Point(), new Point(-1, Integer.MAX_VALUE));
    }

    static Stream<Object> serializable() throws Exception {
        return Stream.of(new Order("tea", Order.Status.SHIPPED), new Order[] {new Order("", Order.Status.OPEN)},
                Order.Status.OPEN, new BigInteger("-123456789012345678901234567890"), new BigDecimal("1.10"),
                UUID.fromString("00000000-0000-0001-0000-000000000002"), new Date(0), Locale.GERMANY,
                Currency.getInstance("EUR"), BitSet.valueOf(new long[] {5}), URI.create("http://[::1]:80/x?y#z"),
                InetAddress.getByAddress("name", new byte[] {127, 0, 0, 1}), InetAddress.getByName("::1"),
                InetSocketAddress.createUnresolved("host", 1), Instant.EPOCH, Duration.ofMillis(1),
                LocalDate.of(2024, 2, 29), ZonedDateTime.of(2024, 2, 29, 1, 2, 3, 4, ZoneId.of("Europe/Berlin")),
                DayOfWeek.MONDAY, ChronoUnit.DAYS, TimeUnit.DAYS,
                new ArrayList<>(asList(1, "two", 3L, null)), new LinkedList<>(asList('a', 1f)), asList("a", "b"),
                new Vector<>(asList(1, 2)), new CopyOnWriteArrayList<>(asList(1, 2)),
                new HashSet<>(asList(1, 2)), new LinkedHashSet<>(asList(2, 1)), new TreeSet<>(asList(2, 1)),
                EnumSet.of(DayOfWeek.MONDAY), EnumSet.noneOf(Order.Status.class),
                new EnumMap<>(Collections.singletonMap(Order.Status.OPEN, 1)),
                new HashMap<>(Collections.singletonMap("k", new ArrayList<>(asList(1, 2)))),
                new LinkedHashMap<>(Collections.singletonMap(1, 2)), new TreeMap<>(Collections.singletonMap(1, 2)),
                new ConcurrentHashMap<>(Collections.singletonMap(1, 2)),
                Collections.emptyList(), Collections.emptyMap(), Collections.emptySet(),
                Collections.singletonList(1), Collections.singleton(1), Collections.singletonMap(1, 2),
                Collections.unmodifiableList(new LinkedList<>(asList(1, 2))),
                Collections.unmodifiableList(new ArrayList<>(asList(1, 2))),
                Collections.unmodifiableSet(new HashSet<>(asList(1, 2))),
                Collections.unmodifiableMap(new HashMap<>(Collections.singletonMap(1, 2))),
                Collections.synchronizedList(new ArrayList<>(asList(1, 2))),
                Collections.synchronizedMap(new HashMap<>(Collections.singletonMap(1, 2))),
                Collections.newSetFromMap(new ConcurrentHashMap<>()),
                new HashMap<>(1 << 20), new HashSet<>(1 << 20), new ArrayList<>(1 << 20)); // room is no content
    }

    static Stream<Object> all() throws Exception {
        return Stream.concat(simple(), serializable());
    }

    @ParameterizedTest
    @MethodSource("all")
    void whatIsWrittenIsReadBack(Object value) {
        Object back = VALUES.decode(VALUES.encode(value));
        if (value instanceof Object[]) {
            assertArrayEquals((Object[]) value, (Object[]) back);
        } else {
            assertEquals(value, back);
            assertSame(value.getClass(), back.getClass());
        }
    }

    /** Which a map needs to find its keys. */
    @ParameterizedTest
    @MethodSource("simple")
    void whatIsReadHasTheSameBytesAgain(Object value) {
        byte[] bytes = VALUES.encode(value);
        assertArrayEquals(bytes, VALUES.encode(VALUES.decode(bytes)));
    }

    @Test
    void arraysAndOtherThingsWithoutEquals() {
        for (byte[] bytes : new byte[][] {{}, {0}, {-1, 's', ':'}}) {
            assertArrayEquals(bytes, VALUES.<byte[]>decode(VALUES.encode(bytes)));
        }
        assertArrayEquals(new int[0], VALUES.<int[]>decode(VALUES.encode(new int[0])));
        assertArrayEquals(new long[] {1, -1}, VALUES.<long[]>decode(VALUES.encode(new long[] {1, -1})));
        assertArrayEquals(new String[] {"a", null}, VALUES.<String[]>decode(VALUES.encode(new String[] {"a", null})));
        assertArrayEquals(new int[1000], VALUES.<int[]>decode(VALUES.encode(new int[1000])));
        assertArrayEquals(new Object[1000], VALUES.<Object[]>decode(VALUES.encode(new Object[1000])));
        assertEquals(7, VALUES.<AtomicLong>decode(VALUES.encode(new AtomicLong(7))).get());
        assertEquals(new ArrayList<>(asList(1, 2)),
                new ArrayList<>(VALUES.<ArrayDeque<Integer>>decode(VALUES.encode(new ArrayDeque<>(asList(1, 2))))));
        Object same = VALUES.decode(VALUES.encode(Order.Status.SHIPPED));
        assertSame(Order.Status.SHIPPED, same);
    }

    /** The immutable collections of Java 9; Java 8 has none, and nothing to try then. */
    @Test
    void collectionsOfNewerJdks() throws Exception {
        if (Stream.of(java.util.List.class.getMethods()).noneMatch(method -> method.getName().equals("of"))) {
            return;
        }
        Object list = java.util.List.class.getMethod("of", Object.class).invoke(null, "one");
        assertEquals(Collections.singletonList("one"), VALUES.decode(VALUES.encode(list)));
    }

    @Test
    void goldenBytes() {
        assertGolden("s:h\u00c3\u00a9", "h\u00e9");
        assertGolden("s:\u00f0\u009f\u0098\u0080", "\ud83d\ude00");
        assertGolden("u:\u00d8\u0000\u0000a", "\ud800a");
        assertGolden("i:-7", -7);
        assertGolden("l:9223372036854775807", Long.MAX_VALUE);
        assertGolden("h:300", (short) 300);
        assertGolden("y:-128", Byte.MIN_VALUE);
        assertGolden("f:1.5", 1.5f);
        assertGolden("f:-Infinity", Float.NEGATIVE_INFINITY);
        assertGolden("d:1.0E10", 1e10);
        assertGolden("d:-0.0", -0d);
        assertGolden("d:NaN", Double.NaN);
        assertGolden("t:true", true);
        assertGolden("t:false", false);
        assertGolden("c:65", 'A');
        assertGolden("B:\u0000\u00ff", Buffer.buffer(new byte[] {0, -1}));
        assertGolden("j:{\"z\":1,\"a\":\"\u00c3\u00a9\",\"h\":\"\\ud800\"}",
                new JsonObject().put("z", 1).put("a", "\u00e9").put("h", "\ud800"));
        assertGolden("a:[1,null,\"x\"]", new JsonArray().add(1).addNull().add("x"));
        assertGolden("k:io.bop.vxc.vertx.data.Point\0\0\0\0\u0001\0\0\0\u0002", new Point(1, 2));
        assertGolden("o:\u00ac\u00ed\0\u0005~r\0\"io.bop.vxc.vertx.data.Order$Status\0\0\0\0\0\0\0\0\u0012\0\0x"
                + "r\0\u000ejava.lang.Enum\0\0\0\0\0\0\0\0\u0012\0\0xpt\0\u0004OPEN", Order.Status.OPEN);
        assertEquals("b:\u0000\u00ff", new String(VALUES.encode(new byte[] {0, -1}), ISO_8859_1));
    }

    private static void assertGolden(String bytes, Object value) {
        assertEquals(bytes, new String(VALUES.encode(value), ISO_8859_1));
        Object back = VALUES.decode(bytes.getBytes(ISO_8859_1));
        assertEquals(value, back);
    }

    @Test
    void keysOfJsonKeepTheirOrder() {
        JsonObject object = VALUES.decode("j:{\"z\":1,\"a\":2,\"m\":{\"y\":1,\"b\":2}}".getBytes(UTF_8));
        assertEquals("{\"z\":1,\"a\":2,\"m\":{\"y\":1,\"b\":2}}", object.encode());
    }

    @Test
    void bytesGivenAwayAreCopies() {
        byte[] given = {1, 2};
        byte[] written = VALUES.encode(given);
        byte[] read = VALUES.decode(written);
        given[0] = 9;
        read[1] = 9;
        assertArrayEquals(new byte[] {'b', ':', 1, 2}, written);
    }

    @Test
    void nullIsRefused() {
        Exception e = assertThrows(NullPointerException.class, () -> VALUES.encode(null));
        assertTrue(e.getMessage().contains("no null"), e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "s", "i1", ":", "::x", "z:1", "S:x", "\u00ff:", "\0:", "u:x", "s:\u00c3",
        "s:\u00ed\u00a0\u0080", "i:", "i:x", "i:1.5", "i:2147483648", "i:1 ", "i:\u00d9\u00a1",
        "l:9223372036854775808", "h:32768", "y:128", "f:",
        "f:one", "d:", "d:1,5", "t:", "t:TRUE", "t:1", "c:", "c:-1", "c:65536", "c:x", "j:", "j:{", "j:[]", "j:null",
        "j:{}x", "j:1", "j:\"s\"", "j:{\"a\":\u00c3}", "a:", "a:{}", "a:null", "a:[1", "a:[1]]", "k:", "k:\0",
        "k:io.bop.vxc.vertx.data.Point", "k:io.bop.vxc.vertx.data.Point\0", "k:no.such.Class\0", "k:[I\0",
        "k:java.lang.String\0", "k:io.vertx.core.shareddata.ClusterSerializable\0", "k:io/bop/vxc/vertx/data/Point\0",
        "k:io.bop.vxc.vertx.data.point\0", "o:", "o:\u00ac\u00ed", "o:\u00ac\u00ed\0\u0005",
        "o:\u00ac\u00ed\0\u0005q\0~\0\0"})
    void malformedBytesAreRefused(String bytes) {
        assertNotNull(refused(bytes).getMessage());
    }

    @Test
    void theMessageTellsWhatToDo() {
        assertEquals("java.io.File may not be serialized: add it to serialization.allow in vxc.json, "
                + "or make it a ClusterSerializable",
                assertThrows(ValueException.class, () -> VALUES.encode(new File("x"))).getMessage());
        assertEquals("io.bop.vxc.vertx.data.Order may not be deserialized: add it to serialization.allow in vxc.json, "
                + "or make it a ClusterSerializable",
                assertThrows(ValueException.class, () -> new Values(AllowList.of(Collections.emptyList()))
                        .decode(VALUES.encode(new Order("x", Order.Status.OPEN)))).getMessage());
        assertEquals("no.such.Class is not on the class path, but an object of it is in a shared map",
                refused("k:no.such.Class\0").getMessage());
        assertEquals("java.lang.String is not a ClusterSerializable", refused("k:java.lang.String\0x").getMessage());
        assertTrue(refused("z:1").getMessage().contains("unknown tag"));
    }

    @Test
    void everyTruncationIsReadOrRefused() throws Exception {
        int refusals = 0;
        for (Object value : all().toArray()) {
            byte[] bytes = VALUES.encode(value);
            for (int size = 0; size < bytes.length; size++) {
                try {
                    Object back = VALUES.decode(Arrays.copyOf(bytes, size));
                    assertSame(value.getClass(), back.getClass());
                } catch (ValueException e) {
                    refusals++;
                }
            }
        }
        assertTrue(refusals > 1000, "only " + refusals + " were refused");
    }

    @Test
    void randomBytesAreReadOrRefused() throws Exception {
        Random random = new Random(42);
        Object[] values = all().toArray();
        String tags = "suilhyfdtcbBjako";
        int refusals = 0;
        for (int round = 0; round < 10_000; round++) {
            byte[] bytes;
            if (round % 2 == 0) { // anything behind a tag
                bytes = new byte[2 + random.nextInt(40)];
                random.nextBytes(bytes);
                bytes[0] = (byte) tags.charAt(random.nextInt(tags.length()));
                bytes[1] = ':';
            } else { // something real with some bytes exchanged
                bytes = VALUES.encode(values[random.nextInt(values.length)]);
                for (int i = random.nextInt(4); i >= 0; i--) {
                    bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
                }
            }
            try {
                VALUES.decode(bytes);
            } catch (ValueException e) {
                refusals++;
            }
        }
        assertTrue(refusals > 2000, "only " + refusals + " were refused");
    }

    static class Hidden extends Point {
        public Hidden() {
        }
    }

    public static class WithoutConstructor extends Point {
        public WithoutConstructor(int x) {
            super(x, x);
        }
    }

    public static class Failing implements ClusterSerializable {
        @Override
        public void writeToBuffer(Buffer buffer) {
            throw new AssertionError("does not like to be written");
        }

        @Override
        public int readFromBuffer(int at, Buffer buffer) {
            throw new NoClassDefFoundError("does not like to be read");
        }
    }

    /** What could not be read back is not written. */
    @Test
    void writingFailsEarly() {
        for (Object value : new Object[] {new Object(), Thread.currentThread(), new Hidden(), new WithoutConstructor(1),
            new Point() { }, new Failing(), new File("x"), new ArrayList<>(asList(1, new File("x"))), new File[0],
            (Supplier<String> & Serializable) () -> "lambda", nested(JavaObjects.DEPTH_MAX + 1), selfContaining()}) {
            ValueException e = assertThrows(ValueException.class, () -> VALUES.encode(value));
            assertTrue(e.getMessage().length() > 20, e.getMessage());
        }
    }

    @Test
    void aValueMayBeAsDeepAsTheBound() {
        Object deep = nested(JavaObjects.DEPTH_MAX);
        assertEquals(deep, VALUES.decode(VALUES.encode(deep)));
    }

    private static Object nested(int lists) {
        Object nested = "in the middle";
        for (int i = 0; i < lists; i++) {
            nested = new ArrayList<>(Collections.singletonList(nested));
        }
        return nested;
    }

    private static JsonArray selfContaining() {
        JsonArray array = new JsonArray();
        return array.add(array);
    }

    @Test
    void codeOfTheValueThatFailsIsReported() {
        assertTrue(refused("k:" + Failing.class.getName() + "\0").getMessage().contains("does not like to be read"));
    }

    @Test
    void subclassesOfJsonAreThemselves() {
        Object back = VALUES.decode(VALUES.encode(new Special().put("a", 1)));
        assertSame(Special.class, back.getClass());
        assertEquals("{\"a\":1}", ((JsonObject) back).encode());
    }

    public static class Special extends JsonObject {
    }

    /** A class that only the loader of the application has. */
    @Test
    void classesComeFromTheContextLoaderFirst() throws Exception {
        ClassLoader ours = Thread.currentThread().getContextClassLoader();
        URL classes = Point.class.getProtectionDomain().getCodeSource().getLocation();
        try (URLClassLoader own = new URLClassLoader(new URL[] {classes}, ours) {
            @Override
            protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
                return name.equals(Point.class.getName()) ? findClass(name) : super.loadClass(name, resolve);
            }
        }) {
            Thread.currentThread().setContextClassLoader(own);
            Object point = VALUES.decode(VALUES.encode(new Point(1, 2)));
            assertSame(own, point.getClass().getClassLoader());
            Thread.currentThread().setContextClassLoader(null);
            assertEquals(new Point(1, 2), VALUES.decode(VALUES.encode(new Point(1, 2))));
            Thread.currentThread().setContextClassLoader(new URLClassLoader(new URL[0], null)); // knows the JDK alone
            assertEquals(new Point(1, 2), VALUES.decode(VALUES.encode(new Point(1, 2))));
        } finally {
            Thread.currentThread().setContextClassLoader(ours);
        }
    }
}
