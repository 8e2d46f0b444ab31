package io.bop.vxc.vertx.node;

import io.vertx.core.Vertx;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** What to do with calls that meet the end of a session. Thread-safe. */
final class Sessions {
    private static final long LATER_MS = 250; // a server in trouble is asked four to eight times a second

    private final Vertx vertx;
    private final BooleanSupplier active;

    Sessions(Vertx vertx, BooleanSupplier active) {
        this.vertx = vertx;
        this.active = active;
    }

    /**
     * A call that was refused because its session had ended, and so has not taken effect, is made once more. By then
     * the next session is being opened (its end was told before the refusal), and the call waits for it.
     */
    <T> CompletionStage<T> retried(Supplier<CompletionStage<T>> call) {
        CompletableFuture<T> result = new CompletableFuture<>();
        Stages.whenDone(Stages.of(call), (done, failure) -> {
            if (failure == null) {
                result.complete(done);
            } else if (Stages.isSessionLost(failure) && active.getAsBoolean()) {
                Stages.whenDone(Stages.of(call), (again, failedAgain) -> {
                    if (failedAgain == null) {
                        result.complete(again);
                    } else {
                        result.completeExceptionally(failedAgain);
                    }
                });
            } else {
                result.completeExceptionally(failure);
            }
        });
        return result;
    }

    /** A bit later, unless the node has left by then. */
    void later(Runnable task) {
        if (active.getAsBoolean()) {
            vertx.setTimer(LATER_MS / 2 + ThreadLocalRandom.current().nextLong(LATER_MS / 2), timer -> {
                if (active.getAsBoolean()) {
                    task.run();
                }
            });
        }
    }
}
