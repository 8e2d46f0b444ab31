package io.bop.vxc;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicReference;

/** A lock that was granted. Thread-safe. */
public final class HeldLock {
    private final VxcLock lock;
    private final long token;
    private final CompletableFuture<String> lost = new CompletableFuture<>();
    private final AtomicReference<CompletionStage<Boolean>> release = new AtomicReference<>();

    HeldLock(VxcLock lock, long token) {
        this.lock = lock;
        this.token = token;
    }

    public String name() {
        return lock.name();
    }

    /** Larger with every grant of any lock: give it along, and let what the lock protects refuse smaller ones. */
    public long token() {
        return token;
    }

    /**
     * False once it was released or is known to be lost. True is no proof: while nothing is heard of the cluster the
     * session may be over ({@link ClientListener#sessionDoubtful}); the token is what protects.
     */
    public boolean isHeld() {
        return release.get() == null && !lost.isDone();
    }

    /** Completes, with the reason, if the lock is lost before it is released: its session has ended. */
    public CompletionStage<String> lost() {
        return lost;
    }

    /**
     * Gives it to whoever is next. True when it was held until now. Releasing again asks nobody: it is the same stage,
     * unless that failed.
     */
    public CompletionStage<Boolean> release() {
        CompletionStage<Boolean> before = release.get();
        if (before != null) {
            return before;
        }
        CompletableFuture<Boolean> first = new CompletableFuture<>();
        if (!release.compareAndSet(null, first)) {
            return release.get();
        }
        lock.client.letGo(token);
        lock.release(token).whenComplete((held, failure) -> {
            if (failure == null) {
                first.complete(held);
            } else {
                notReleased(failure);
                first.completeExceptionally(failure);
            }
        });
        return first;
    }

    private void notReleased(Throwable failure) {
        if (failure instanceof VxcException && ((VxcException) failure).error() == VxcError.ESESSION) {
            lose(failure.getMessage()); // it went with its session
        } else {
            release.set(null); // it may be held still
            lock.client.hold(this);
        }
    }

    void lose(String reason) {
        lost.complete(reason);
    }
}
