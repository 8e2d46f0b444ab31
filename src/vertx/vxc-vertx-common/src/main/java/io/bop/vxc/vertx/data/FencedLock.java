package io.bop.vxc.vertx.data;

import io.bop.vxc.HeldLock;
import io.bop.vxc.vertx.node.Stages;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.shareddata.Lock;
import java.util.function.Consumer;

/**
 * A lock of the cluster, which {@code SharedData.getLock} and its like answer with: cast to it for the fencing token.
 *
 * <pre>
 *     FencedLock lock = (FencedLock) granted;
 *     lock.lost().onSuccess(reason -&gt; stopWriting());
 *     store.write(row, lock.fencingToken()); // the store refuses tokens smaller than the largest it has seen
 * </pre>
 *
 * Thread-safe.
 */
public final class FencedLock implements Lock {
    private final HeldLock held;
    private final Context context;
    private final Consumer<HeldLock> release;

    public FencedLock(HeldLock held, Context context, Consumer<HeldLock> release) {
        this.held = held;
        this.context = context;
        this.release = release;
    }

    /** Larger with every grant of any lock of the cluster, for ever. */
    public long fencingToken() {
        return held.token();
    }

    /** False once it was released or is known to be lost. True is no proof, the token is. */
    public boolean isHeld() {
        return held.isHeld();
    }

    /** Completes, with the reason, if the lock is lost before it is released. */
    public Future<String> lost() {
        return Future.fromCompletionStage(Stages.unwrapped(held.lost()), context);
    }

    /** Gives it to whoever is next. Releasing again does nothing. */
    @Override
    public void release() {
        release.accept(held);
    }
}
