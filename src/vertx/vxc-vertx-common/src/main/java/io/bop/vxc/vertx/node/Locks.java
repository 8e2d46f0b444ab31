package io.bop.vxc.vertx.node;

import io.bop.vxc.HeldLock;
import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import io.bop.vxc.VxcOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * The locks of a node. They live in sessions of their own: while an acquire waits, the server keeps the answer to every
 * later write of its session, 4,096 at most, so that a leader's lock that is waited for all day must not share a session
 * with what the application writes all day. For the same reason a session in which an acquire has waited for long gets
 * no new ones: the next session does. The first is opened by the first lock. Thread-safe.
 */
final class Locks {
    /** As many sessions as one node opens for locks; each but one has an acquire that waits behind a thousand others. */
    private static final int SESSIONS_MAX = 64;

    private final String owner;
    private final long leaseMs;
    private final Log log;
    private final Sessions calls;
    private final Supplier<VxcOptions> options;
    private final List<LockSession> sessions = new ArrayList<>(); // the last one takes new acquires
    private boolean closed;

    /** @param owner whom the server's lists show as the holder: the node */
    Locks(String owner, long leaseMs, Log log, Sessions calls, Supplier<VxcOptions> options) {
        this.owner = owner;
        this.leaseMs = leaseMs;
        this.log = log;
        this.calls = calls;
        this.options = options;
    }

    /** Empty when it was not granted in time. An acquire whose session ends meanwhile queues again in the next. */
    CompletionStage<Optional<HeldLock>> acquire(String name, long waitMs) {
        CompletableFuture<Optional<HeldLock>> result = new CompletableFuture<>();
        acquire(name, waitMs, waitMs, System.nanoTime(), result);
        return result;
    }

    private void acquire(String name, long restMs, long waitMs, long begunNs,
            CompletableFuture<Optional<HeldLock>> result) {
        LockSession session;
        try {
            session = current();
        } catch (RuntimeException e) {
            result.completeExceptionally(e);
            return;
        }
        Stages.whenDone(session.acquire(name, restMs), (held, failure) -> {
            long leftMs = waitMs - TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begunNs);
            if (failure == null || !session.isLost()) {
                Stages.complete(result, held, failure);
            } else if (leftMs > 0) {
                acquire(name, leftMs, waitMs, begunNs, result);
            } else {
                result.complete(Optional.empty()); // whatever it was granted went with the session
            }
        });
    }

    private synchronized LockSession current() {
        if (closed) {
            throw VxcException.failed(VxcError.ECANCELED, "this node has left the cluster");
        }
        sessions.removeIf(LockSession::endIfIdle);
        LockSession last = sessions.isEmpty() ? null : sessions.get(sessions.size() - 1);
        if (last != null && last.takesMore()) {
            return last;
        }
        if (sessions.size() >= SESSIONS_MAX) {
            throw VxcException.failed(VxcError.EBUSY, "this node waits for locks in " + SESSIONS_MAX
                    + " sessions already: acquire fewer at a time, or wait shorter");
        }
        LockSession next = new LockSession(options.get(), owner, leaseMs, log, this::lost);
        sessions.add(next);
        return next;
    }

    private synchronized void lost(LockSession session) {
        sessions.remove(session);
    }

    /** Until it is done: a lock that nobody gives back would be held for as long as this program runs. */
    void release(HeldLock lock) {
        if (lock.isHeld()) {
            Stages.whenDone(lock.release(), (held, failure) -> {
                if (failure == null) {
                    released(lock);
                } else if (!Stages.isSessionOver(failure) && !isClosed(failure)) {
                    log.warn("lock " + lock.name() + " is not given back yet: " + failure.getMessage());
                    calls.later(() -> release(lock));
                }
            });
        }
    }

    /** Its client is closed: the session has ended. */
    private static boolean isClosed(Throwable failure) {
        return failure instanceof VxcException && ((VxcException) failure).error() == VxcError.ECANCELED;
    }

    private synchronized void released(HeldLock lock) {
        sessions.forEach(session -> session.released(lock));
    }

    CompletionStage<Void> close() {
        List<LockSession> all;
        synchronized (this) {
            closed = true;
            all = new ArrayList<>(sessions);
            sessions.clear();
        }
        CompletableFuture<?>[] ends = all.stream()
                .map(session -> session.close().toCompletableFuture())
                .toArray(CompletableFuture[]::new);
        return CompletableFuture.allOf(ends);
    }
}
