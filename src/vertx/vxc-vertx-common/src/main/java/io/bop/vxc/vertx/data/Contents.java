package io.bop.vxc.vertx.data;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.bop.vxc.Entry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads what a map of the cluster holds: as {@link Values}, but what fails names the map and the entry, as {@code vxc
 * map remove} takes them. Thread-safe.
 */
final class Contents<K, V> {
    private static final int SHOWN_MAX = 200; // characters of a key in a message

    private final String map;
    private final Values values;

    Contents(String map, Values values) {
        this.map = map;
        this.values = values;
    }

    /** Of the entry under this key; {@code null} when there is none. */
    V value(byte[] key, byte[] value) {
        try {
            return value == null ? null : values.decode(value);
        } catch (ValueException e) {
            throw new ValueException(place(key) + ": " + e.getMessage(), e);
        }
    }

    /** Of an entry that has been changed, whether or not what was there can be read. */
    V before(byte[] key, byte[] value) {
        try {
            return value(key, value);
        } catch (ValueException e) {
            throw new ValueException("it is done, but what was there before cannot be read: " + e.getMessage(), e);
        }
    }

    Set<K> keys(List<byte[]> keys) {
        Set<K> all = new HashSet<>(2 * keys.size());
        keys.forEach(key -> all.add(key(key)));
        return all;
    }

    List<V> values(List<byte[]> found) {
        List<V> all = new ArrayList<>(found.size());
        try {
            found.forEach(value -> all.add(values.decode(value)));
        } catch (ValueException e) {
            throw new ValueException(place() + ": " + e.getMessage(), e);
        }
        return all;
    }

    Map<K, V> entries(List<Entry> entries) {
        Map<K, V> all = new LinkedHashMap<>(2 * entries.size());
        entries.forEach(entry -> all.put(key(entry.key()), value(entry.key(), entry.value())));
        return all;
    }

    private K key(byte[] key) {
        try {
            return values.decode(key);
        } catch (ValueException e) {
            throw new ValueException("the key of " + place(key) + ": " + e.getMessage(), e);
        }
    }

    private String place() {
        return "an entry of the map \"" + map + "\"";
    }

    private String place(byte[] key) {
        return place() + ", key " + shown(key);
    }

    /** As text that a terminal takes, or in base 64. */
    private static String shown(byte[] key) {
        String text = new String(key, UTF_8);
        boolean clean = Arrays.equals(key, text.getBytes(UTF_8)) && text.codePoints().allMatch(Contents::isClean);
        String whole = clean ? text : Base64.getEncoder().encodeToString(key);
        String shown = whole.length() <= SHOWN_MAX ? whole : whole.substring(0, SHOWN_MAX) + "...";
        return clean ? "\"" + shown + "\"" : shown + " (base64)";
    }

    private static boolean isClean(int point) {
        return point >= ' ' && point <= '~' || Character.isLetterOrDigit(point);
    }
}
