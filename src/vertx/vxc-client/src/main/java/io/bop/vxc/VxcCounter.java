package io.bop.vxc;

import io.bop.vxc.wire.Kind;
import java.util.concurrent.CompletionStage;

/**
 * A counter of the cluster, of 64 bits, which wraps. One that does not exist is 0. See {@link Handle} for how calls
 * end; within a session an addition takes effect once, whatever happens to the connection.
 */
public final class VxcCounter extends Handle<VxcCounter> {
    VxcCounter(VxcClient client, byte[] name, long timeoutMs, boolean stale) {
        super(client, name, timeoutMs, stale);
    }

    @Override
    VxcCounter with(long timeoutMs, boolean stale) {
        return new VxcCounter(client, name, timeoutMs, stale);
    }

    public CompletionStage<Long> get() {
        return number(() -> message(Kind.COUNTER_GET, name));
    }

    /** The value after. */
    public CompletionStage<Long> addAndGet(long delta) {
        return number(() -> message(Kind.COUNTER_ADD, name, delta, false));
    }

    /** The value before. */
    public CompletionStage<Long> getAndAdd(long delta) {
        return number(() -> message(Kind.COUNTER_ADD, name, delta, true));
    }

    /** Sets the value when it is the expected one; whether it did. */
    public CompletionStage<Boolean> compareAndSet(long expected, long value) {
        return truth(() -> message(Kind.COUNTER_COMPARE_AND_SET, name, expected, value));
    }

    /** Removes the counter; false when there was none. */
    public CompletionStage<Boolean> destroy() {
        return truth(() -> message(Kind.COUNTER_DESTROY, name));
    }
}
