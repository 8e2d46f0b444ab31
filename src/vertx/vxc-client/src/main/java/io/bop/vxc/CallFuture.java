package io.bop.vxc;

import java.util.concurrent.CompletableFuture;

/** The stage of a call; canceling it takes the call back where that can be done. */
final class CallFuture<T> extends CompletableFuture<T> {
    private final Runnable onCancel;

    CallFuture(Runnable onCancel) {
        this.onCancel = onCancel;
    }

    @Override
    public boolean cancel(boolean mayInterruptIfRunning) {
        boolean canceled = super.cancel(mayInterruptIfRunning);
        if (canceled) {
            onCancel.run();
        }
        return canceled;
    }
}
