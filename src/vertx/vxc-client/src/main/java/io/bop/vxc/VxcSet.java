package io.bop.vxc;

import static io.bop.vxc.Arguments.key;

import io.bop.vxc.wire.Kind;
import java.util.List;
import java.util.concurrent.CompletionStage;

/**
 * A set of the cluster, in the order of its values. See {@link VxcMap} for its life, {@link Handle} for how calls end.
 */
public final class VxcSet extends Handle<VxcSet> {
    VxcSet(VxcClient client, byte[] name, long timeoutMs, boolean stale) {
        super(client, name, timeoutMs, stale);
    }

    @Override
    VxcSet with(long timeoutMs, boolean stale) {
        return new VxcSet(client, name, timeoutMs, stale);
    }

    /** Whether it is new. */
    public CompletionStage<Boolean> add(byte[] value) {
        return truth(() -> message(Kind.SET_ADD, name, key(value)));
    }

    /** Whether it was there. */
    public CompletionStage<Boolean> remove(byte[] value) {
        return truth(() -> message(Kind.SET_REMOVE, name, key(value)));
    }

    public CompletionStage<Boolean> contains(byte[] value) {
        return truth(() -> message(Kind.SET_CONTAINS, name, key(value)));
    }

    public CompletionStage<Long> size() {
        return number(() -> message(Kind.SET_SIZE, name));
    }

    /** A page; values are the keys of its entries. Cursor and limit as {@link VxcMap#scan}. */
    public CompletionStage<Page> scan(byte[] cursor, int limitRows) {
        return page(() -> message(Kind.SET_SCAN, name, cursor, (long) limitRows, 0L));
    }

    /** All values, as {@link VxcMap#keys}. */
    public CompletionStage<List<byte[]>> values() {
        return Pages.all(cursor -> scan(cursor, 0), Entry::key);
    }

    /** Removes all values in one step; how many there were. */
    public CompletionStage<Long> clear() {
        return number(() -> message(Kind.SET_CLEAR, name));
    }

    /** Makes an empty set; false when it is there. */
    public CompletionStage<Boolean> create() {
        return truth(() -> message(Kind.SET_CREATE, name));
    }

    /** Removes the set with all values; false when there was none. */
    public CompletionStage<Boolean> destroy() {
        return truth(() -> message(Kind.SET_DESTROY, name));
    }
}
