package io.bop.vxc;

import io.bop.vxc.core.Call;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.util.Optional;
import java.util.concurrent.CompletionStage;

/**
 * A lock of the cluster: one holder at a time, first come first served, not reentrant, each grant with a fencing token
 * larger than all before. It belongs to the client's session ({@link VxcClient#openSession} first) and goes with it.
 * See {@link Handle} for how calls end.
 */
public final class VxcLock extends Handle<VxcLock> {
    /** Wait until the lock is granted, or the session ends. */
    public static final long FOREVER = -1;

    VxcLock(VxcClient client, byte[] name, long timeoutMs, boolean stale) {
        super(client, name, timeoutMs, stale);
    }

    @Override
    VxcLock with(long timeoutMs, boolean stale) {
        return new VxcLock(client, name, timeoutMs, stale);
    }

    /**
     * Acquires the lock: empty when it was not granted within the wait. The server measures the wait, from when it
     * hears of it; the call's own time limit begins behind that. A caller that gives up, by that limit or by
     * {@code toCompletableFuture().cancel(true)}, leaves the queue, and a grant that comes all the same is given back.
     *
     * @param waitMs 0 = not at all, {@link #FOREVER} = until it is granted
     */
    public CompletionStage<Optional<HeldLock>> acquire(long waitMs) {
        if (waitMs < FOREVER) {
            throw new IllegalArgumentException("a wait of " + waitMs + " ms");
        }
        try {
            checkName();
        } catch (VxcException tooBig) {
            return client.failed(tooBig);
        }
        long limitMs = waitMs == FOREVER ? Call.FOREVER : Math.min(waitMs, Long.MAX_VALUE / 4) + timeoutMs;
        return client.submit(new Acquire(message(Kind.LOCK_ACQUIRE, name, waitMs), limitMs));
    }

    /** Who holds it and who waits; empty when nobody does. */
    public CompletionStage<Optional<LockInfo>> info() {
        return call(() -> message(Kind.LOCK_GET, name),
                reply -> Optional.ofNullable(reply.bytes("value")).map(LockInfo::of));
    }

    /** Gives it up under this token; false when it is not held under it any more. */
    CompletionStage<Boolean> release(long token) {
        return truth(() -> message(Kind.LOCK_RELEASE, name, token));
    }

    String name() {
        return Arguments.text(name);
    }

    private final class Acquire extends ClientCall<Optional<HeldLock>> {
        Acquire(Message request, long limitMs) {
            super(VxcLock.this.client, request, limitMs, false, VxcLock.this::held);
        }

        @Override
        void unwanted(Optional<HeldLock> lock) {
            lock.ifPresent(HeldLock::release);
        }
    }

    private Optional<HeldLock> held(Message reply) {
        return reply.truth("acquired")
                ? Optional.of(client.hold(new HeldLock(this, reply.number("token"))))
                : Optional.empty();
    }
}
