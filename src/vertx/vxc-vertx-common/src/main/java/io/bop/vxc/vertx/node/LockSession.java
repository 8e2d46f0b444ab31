package io.bop.vxc.vertx.node;

import io.bop.vxc.ClientListener;
import io.bop.vxc.HeldLock;
import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcOptions;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;

/**
 * A session with locks in it. Thread-safe.
 *
 * <p>It has no grace for a closed connection, unlike the node's: a holder that lives may count on its whole lease.
 */
final class LockSession {
    /**
     * Acquires behind one that still waits. Each may be followed by a release, or by a cancel and a release, and the
     * server keeps 4,096 answers.
     */
    private static final long BEHIND_MAX = 1024;

    private final VxcClient client;
    private final Set<Long> waiting = new LinkedHashSet<>(); // the oldest first
    private final Set<HeldLock> held = new LinkedHashSet<>();
    private long acquires;
    private boolean lost;

    LockSession(VxcOptions options, String owner, long leaseMs, Log log, Consumer<LockSession> whenLost) {
        client = VxcClient.create(options.listener(new ClientListener() {
            @Override
            public void sessionLost(long session, String reason) {
                synchronized (LockSession.this) {
                    lost = true;
                }
                whenLost.accept(LockSession.this);
                client.abandon();
            }

            @Override
            public void lockLost(String name, long token, String reason) {
                log.warn("lock " + name + " (fencing token " + token + ") is lost: " + reason);
            }
        }));
        client.openSession(leaseMs, owner, VxcClient.FOREVER);
    }

    synchronized boolean takesMore() {
        Iterator<Long> oldest = waiting.iterator();
        return !lost && (!oldest.hasNext() || acquires - oldest.next() < BEHIND_MAX);
    }

    /** One that takes no more, and has nothing left, is closed. */
    synchronized boolean endIfIdle() {
        if (takesMore() || !waiting.isEmpty() || !held.isEmpty()) {
            return false;
        }
        client.shutdown();
        return true;
    }

    CompletionStage<Optional<HeldLock>> acquire(String name, long waitMs) {
        long mine;
        synchronized (this) {
            mine = ++acquires;
            waiting.add(mine);
        }
        CompletionStage<Optional<HeldLock>> granted = Stages.of(() -> client.lock(name).acquire(waitMs));
        return granted.whenComplete((lock, failure) -> {
            synchronized (this) {
                waiting.remove(mine);
                if (failure == null) {
                    lock.ifPresent(held::add);
                }
            }
        });
    }

    synchronized void released(HeldLock lock) {
        held.remove(lock);
    }

    CompletionStage<Void> close() {
        return client.shutdown();
    }
}
