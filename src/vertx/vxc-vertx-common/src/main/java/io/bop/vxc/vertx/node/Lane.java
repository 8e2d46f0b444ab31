package io.bop.vxc.vertx.node;

import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Calls in their order, so many under way at a time: ten thousand at once are no reason to refuse any. Used on one
 * thread, where calls complete too.
 */
final class Lane {
    private final int width;
    private final long patienceMs;
    private final Deque<Runnable> queue = new ArrayDeque<>();
    private int underWay;

    /** @param patienceMs that a call waits for its turn, and then fails: those before it get no answer */
    Lane(int width, long patienceMs) {
        this.width = width;
        this.patienceMs = patienceMs;
    }

    <T> CompletionStage<T> call(Supplier<CompletionStage<T>> call) {
        CompletableFuture<T> result = new CompletableFuture<>();
        long beganNs = System.nanoTime();
        queue.add(() -> {
            if (System.nanoTime() - beganNs > TimeUnit.MILLISECONDS.toNanos(patienceMs)) {
                underWay--;
                result.completeExceptionally(VxcException.failed(VxcError.ETIMEOUT,
                        "not asked: those before it were not answered in " + patienceMs + " ms"));
                return;
            }
            Stages.whenDone(Stages.of(call), (done, failure) -> {
                underWay--;
                Stages.complete(result, done, failure);
                advance();
            });
        });
        advance();
        return result;
    }

    private void advance() {
        while (underWay < width && !queue.isEmpty()) {
            underWay++;
            queue.poll().run();
        }
    }
}
