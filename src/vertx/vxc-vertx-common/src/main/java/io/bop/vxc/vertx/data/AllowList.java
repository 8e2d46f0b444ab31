package io.bop.vxc.vertx.data;

import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The classes that Java serialization may write and read: value types of the JDK, and what the user adds. Bytes that
 * somebody put into a shared map cannot bring any other class to life. Arrays are judged by their elements. A class
 * needs its serializable superclasses, nested classes, enums and the classes of its fields on the list too. Immutable.
 */
public final class AllowList {
    private static final Pattern CLASS_NAME = Pattern.compile("[^.\\s*\\[/;]+(\\.[^.\\s*\\[/;]+)*");

    /** Types without behaviour at reading beyond their own parts: nothing here loads, connects, looks up or runs. */
    private static final String[] JDK = {
        "java.lang.Boolean", "java.lang.Byte", "java.lang.Character", "java.lang.Double", "java.lang.Enum",
        "java.lang.Float", "java.lang.Integer", "java.lang.Long", "java.lang.Number", "java.lang.Object",
        "java.lang.Short", "java.lang.String", "java.lang.String$CaseInsensitiveComparator",
        "java.math.*",
        "java.net.Inet4Address", "java.net.Inet6Address", "java.net.InetAddress", "java.net.InetSocketAddress",
        "java.net.SocketAddress", "java.net.URI",
        "java.time.*", "java.time.chrono.*", "java.time.temporal.ChronoField", "java.time.temporal.ChronoUnit",
        "java.util.AbstractMap$SimpleEntry", "java.util.AbstractMap$SimpleImmutableEntry", "java.util.ArrayDeque",
        "java.util.ArrayList", "java.util.Arrays$ArrayList", "java.util.BitSet", "java.util.CollSer",
        "java.util.Collections$EmptyList", "java.util.Collections$EmptyMap", "java.util.Collections$EmptySet",
        "java.util.Collections$ReverseComparator", "java.util.Collections$SetFromMap",
        "java.util.Collections$SingletonList", "java.util.Collections$SingletonMap",
        "java.util.Collections$SingletonSet", "java.util.Collections$SynchronizedCollection",
        "java.util.Collections$SynchronizedList", "java.util.Collections$SynchronizedMap",
        "java.util.Collections$SynchronizedRandomAccessList", "java.util.Collections$SynchronizedSet",
        "java.util.Collections$UnmodifiableCollection", "java.util.Collections$UnmodifiableList",
        "java.util.Collections$UnmodifiableMap", "java.util.Collections$UnmodifiableRandomAccessList",
        "java.util.Collections$UnmodifiableSet", "java.util.Currency", "java.util.Date", "java.util.EnumMap",
        "java.util.EnumSet$SerializationProxy", "java.util.HashMap", "java.util.HashSet", "java.util.LinkedHashMap",
        "java.util.LinkedHashSet", "java.util.LinkedList", "java.util.Locale", "java.util.TreeMap",
        "java.util.TreeSet", "java.util.UUID", "java.util.Vector",
        "java.util.concurrent.ConcurrentHashMap", "java.util.concurrent.ConcurrentHashMap$Segment",
        "java.util.concurrent.CopyOnWriteArrayList", "java.util.concurrent.CopyOnWriteArraySet",
        "java.util.concurrent.TimeUnit", "java.util.concurrent.atomic.AtomicBoolean",
        "java.util.concurrent.atomic.AtomicInteger", "java.util.concurrent.atomic.AtomicLong",
        // the lock that each segment of a ConcurrentHashMap is, on the wire
        "java.util.concurrent.locks.AbstractOwnableSynchronizer",
        "java.util.concurrent.locks.AbstractQueuedSynchronizer", "java.util.concurrent.locks.ReentrantLock",
        "java.util.concurrent.locks.ReentrantLock$NonfairSync", "java.util.concurrent.locks.ReentrantLock$Sync",
    };

    private final Set<String> classes = new HashSet<>();
    /** Their classes, but not those of the packages below … */
    private final Set<String> packages = new HashSet<>();
    /** … and these with all below; each ends in a dot. */
    private final Set<String> trees = new HashSet<>();

    private AllowList() {
    }

    /**
     * What the JDK has, and these.
     *
     * @param patterns {@code com.acme.Order}, {@code com.acme.*} for a package, {@code com.acme.**} for it and all
     *     below it
     * @throws IllegalArgumentException when one is something else
     */
    public static AllowList of(Collection<String> patterns) {
        AllowList list = new AllowList();
        Arrays.asList(JDK).forEach(list::add);
        patterns.forEach(list::add);
        return list;
    }

    private void add(String pattern) {
        String name = pattern.replaceFirst("\\.\\*{1,2}$", "");
        if (!CLASS_NAME.matcher(name).matches()) {
            throw new IllegalArgumentException("\"" + pattern
                    + "\" is not a class name; expected com.acme.Order, com.acme.* or com.acme.**");
        }
        if (pattern.endsWith(".**")) {
            trees.add(name + ".");
        } else if (pattern.endsWith(".*")) {
            packages.add(name);
        } else {
            classes.add(name);
        }
    }

    /** @param className as {@link Class#getName} tells it, arrays too */
    public boolean allows(String className) {
        String name = elementOf(className);
        return name.isEmpty() || classes.contains(name) || packages.contains(packageOf(name))
                || trees.stream().anyMatch(name::startsWith);
    }

    /** The class that an array is made of in the end; empty for a primitive type. */
    static String elementOf(String name) {
        if (!name.startsWith("[")) {
            return name;
        }
        int at = name.lastIndexOf('[') + 1;
        return name.startsWith("L", at) && name.endsWith(";") ? name.substring(at + 1, name.length() - 1) : "";
    }

    private static String packageOf(String name) {
        return name.substring(0, Math.max(0, name.lastIndexOf('.')));
    }
}
