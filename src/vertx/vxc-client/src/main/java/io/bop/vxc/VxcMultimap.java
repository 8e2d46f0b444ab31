package io.bop.vxc;

import static io.bop.vxc.Arguments.key;

import io.bop.vxc.wire.Kind;
import java.util.List;
import java.util.concurrent.CompletionStage;

/**
 * A multimap of the cluster: each key with a set of values. See {@link VxcMap} for its life, {@link Handle} for how
 * calls end.
 */
public final class VxcMultimap extends Handle<VxcMultimap> {
    VxcMultimap(VxcClient client, byte[] name, long timeoutMs, boolean stale) {
        super(client, name, timeoutMs, stale);
    }

    @Override
    VxcMultimap with(long timeoutMs, boolean stale) {
        return new VxcMultimap(client, name, timeoutMs, stale);
    }

    /** Whether the entry is new. */
    public CompletionStage<Boolean> put(byte[] key, byte[] value) {
        return truth(() -> message(Kind.MULTIMAP_PUT, name, key(key), key(value)));
    }

    /** Whether the entry was there. */
    public CompletionStage<Boolean> remove(byte[] key, byte[] value) {
        return truth(() -> message(Kind.MULTIMAP_REMOVE, name, key(key), key(value)));
    }

    /** Removes the key with all its values; how many there were. */
    public CompletionStage<Long> removeKey(byte[] key) {
        return number(() -> message(Kind.MULTIMAP_REMOVE_KEY, name, key(key)));
    }

    /** All values of the key, as {@link VxcMap#keys}. */
    public CompletionStage<List<byte[]>> get(byte[] key) {
        return Pages.all(cursor -> get(key, cursor, 0), Entry::value);
    }

    /** A page of the values of the key. Cursor and limit as {@link VxcMap#scan}. */
    public CompletionStage<Page> get(byte[] key, byte[] cursor, int limitRows) {
        return page(() -> message(Kind.MULTIMAP_GET, name, key(key), cursor, (long) limitRows, 0L));
    }

    public CompletionStage<Boolean> containsKey(byte[] key) {
        return truth(() -> message(Kind.MULTIMAP_CONTAINS_KEY, name, key(key)));
    }

    /** Looks at every entry. */
    public CompletionStage<Boolean> containsValue(byte[] value) {
        return truth(() -> message(Kind.MULTIMAP_CONTAINS_VALUE, name, key(value)));
    }

    public CompletionStage<Boolean> containsEntry(byte[] key, byte[] value) {
        return truth(() -> message(Kind.MULTIMAP_CONTAINS_ENTRY, name, key(key), key(value)));
    }

    /** How many entries. */
    public CompletionStage<Long> size() {
        return number(() -> message(Kind.MULTIMAP_SIZE, name));
    }

    /** How many values the key has. */
    public CompletionStage<Long> size(byte[] key) {
        return number(() -> message(Kind.MULTIMAP_KEY_SIZE, name, key(key)));
    }

    /** A page, as {@link VxcMap#scan}; keys come once each. */
    public CompletionStage<Page> scan(Rows what, byte[] cursor, int limitRows) {
        return page(() -> message(Kind.MULTIMAP_SCAN, name, what.number, cursor, (long) limitRows, 0L));
    }

    /** All keys, once each, as {@link VxcMap#keys}. */
    public CompletionStage<List<byte[]>> keys() {
        return Pages.all(cursor -> scan(Rows.KEYS, cursor, 0), Entry::key);
    }

    /** All entries, as {@link VxcMap#keys}. */
    public CompletionStage<List<Entry>> entries() {
        return Pages.all(cursor -> scan(Rows.ENTRIES, cursor, 0), entry -> entry);
    }

    /** Removes all entries in one step; how many there were. */
    public CompletionStage<Long> clear() {
        return number(() -> message(Kind.MULTIMAP_CLEAR, name));
    }

    /** Makes an empty multimap; false when it is there. */
    public CompletionStage<Boolean> create() {
        return truth(() -> message(Kind.MULTIMAP_CREATE, name));
    }

    /** Removes the multimap with all entries; false when there was none. */
    public CompletionStage<Boolean> destroy() {
        return truth(() -> message(Kind.MULTIMAP_DESTROY, name));
    }
}
