package io.bop.vxc;

import static io.bop.vxc.Arguments.key;
import static io.bop.vxc.Arguments.ttl;
import static io.bop.vxc.Arguments.value;

import io.bop.vxc.wire.Kind;
import java.util.List;
import java.util.concurrent.CompletionStage;

/**
 * A map of the cluster: byte arrays to byte arrays, in the order of their keys. It comes into being by its first
 * write; one that does not exist is empty. Values are compared byte by byte. Times to live are in milliseconds, above
 * 0; an entry may live a little longer than its own, never shorter. See {@link Handle} for how calls end.
 */
public final class VxcMap extends Handle<VxcMap> {
    VxcMap(VxcClient client, byte[] name, long timeoutMs, boolean stale) {
        super(client, name, timeoutMs, stale);
    }

    @Override
    VxcMap with(long timeoutMs, boolean stale) {
        return new VxcMap(client, name, timeoutMs, stale);
    }

    // ---- reads ----

    /** The value, {@code null} when there is none. */
    public CompletionStage<byte[]> get(byte[] key) {
        return bytes(() -> message(Kind.MAP_GET, name, key(key)));
    }

    public CompletionStage<Boolean> containsKey(byte[] key) {
        return truth(() -> message(Kind.MAP_CONTAINS, name, key(key)));
    }

    public CompletionStage<Long> size() {
        return number(() -> message(Kind.MAP_SIZE, name));
    }

    /**
     * A page of what {@code what} says.
     *
     * @param cursor {@link Page#next} of the page before, {@code null} for the first
     * @param limitRows at most so many rows; 0 = the server's own bound, 10,000
     */
    public CompletionStage<Page> scan(Rows what, byte[] cursor, int limitRows) {
        return page(() -> message(Kind.MAP_SCAN, name, what.number, cursor, (long) limitRows, 0L));
    }

    /**
     * All keys, page by page; what is put or removed meanwhile may be among them or not. The time limit is per page.
     */
    public CompletionStage<List<byte[]>> keys() {
        return Pages.all(cursor -> scan(Rows.KEYS, cursor, 0), Entry::key);
    }

    /** All values, as {@link #keys}. */
    public CompletionStage<List<byte[]>> values() {
        return Pages.all(cursor -> scan(Rows.VALUES, cursor, 0), Entry::value);
    }

    /** All entries, as {@link #keys}. */
    public CompletionStage<List<Entry>> entries() {
        return Pages.all(cursor -> scan(Rows.ENTRIES, cursor, 0), entry -> entry);
    }

    // ---- writes ----

    /** Sets the value and cancels a time to live. */
    public CompletionStage<Void> put(byte[] key, byte[] value) {
        return done(() -> message(Kind.MAP_PUT, name, key(key), value(value), 0L, false));
    }

    /** Sets the value, which goes after so many milliseconds. */
    public CompletionStage<Void> put(byte[] key, byte[] value, long ttlMs) {
        return done(() -> message(Kind.MAP_PUT, name, key(key), value(value), ttl(ttlMs), false));
    }

    /** As {@link #put(byte[], byte[])}; the value before, {@code null} when there was none. */
    public CompletionStage<byte[]> getAndPut(byte[] key, byte[] value) {
        return bytes(() -> message(Kind.MAP_PUT, name, key(key), value(value), 0L, true));
    }

    /** As {@link #put(byte[], byte[], long)}; the value before, {@code null} when there was none. */
    public CompletionStage<byte[]> getAndPut(byte[] key, byte[] value, long ttlMs) {
        return bytes(() -> message(Kind.MAP_PUT, name, key(key), value(value), ttl(ttlMs), true));
    }

    /** Puts only when the key is not there: {@code null}; else the value that is there, whose time to live goes on. */
    public CompletionStage<byte[]> putIfAbsent(byte[] key, byte[] value) {
        return bytes(() -> message(Kind.MAP_PUT_IF_ABSENT, name, key(key), value(value), 0L));
    }

    public CompletionStage<byte[]> putIfAbsent(byte[] key, byte[] value, long ttlMs) {
        return bytes(() -> message(Kind.MAP_PUT_IF_ABSENT, name, key(key), value(value), ttl(ttlMs)));
    }

    /** Removes the entry; the value before, {@code null} when there was none. */
    public CompletionStage<byte[]> remove(byte[] key) {
        return bytes(() -> message(Kind.MAP_REMOVE, name, key(key), true));
    }

    /** The same, whoever does not want to know what was there. */
    public CompletionStage<Void> delete(byte[] key) {
        return done(() -> message(Kind.MAP_REMOVE, name, key(key), false));
    }

    /** Removes the entry when its value is the expected one; whether it did. */
    public CompletionStage<Boolean> removeIf(byte[] key, byte[] expected) {
        return truth(() -> message(Kind.MAP_REMOVE_IF, name, key(key), value(expected)));
    }

    /** Puts only when the key is there: the value before; {@code null}: it is not there and nothing was put. */
    public CompletionStage<byte[]> replace(byte[] key, byte[] value) {
        return bytes(() -> message(Kind.MAP_REPLACE, name, key(key), value(value), 0L));
    }

    public CompletionStage<byte[]> replace(byte[] key, byte[] value, long ttlMs) {
        return bytes(() -> message(Kind.MAP_REPLACE, name, key(key), value(value), ttl(ttlMs)));
    }

    /** Puts only when the value is the expected one; whether it did. */
    public CompletionStage<Boolean> replaceIf(byte[] key, byte[] expected, byte[] value) {
        return truth(() -> message(Kind.MAP_REPLACE_IF, name, key(key), value(expected), value(value), 0L));
    }

    public CompletionStage<Boolean> replaceIf(byte[] key, byte[] expected, byte[] value, long ttlMs) {
        return truth(() -> message(Kind.MAP_REPLACE_IF, name, key(key), value(expected), value(value), ttl(ttlMs)));
    }

    /** Removes all entries in one step; how many there were. */
    public CompletionStage<Long> clear() {
        return number(() -> message(Kind.MAP_CLEAR, name));
    }

    /** Makes an empty map; false when it is there. */
    public CompletionStage<Boolean> create() {
        return truth(() -> message(Kind.MAP_CREATE, name));
    }

    /** Removes the map with all entries; false when there was none. */
    public CompletionStage<Boolean> destroy() {
        return truth(() -> message(Kind.MAP_DESTROY, name));
    }
}
