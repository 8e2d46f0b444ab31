package io.bop.vxc.testing;

import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

/** Waiting in tests: for stages and conditions, never for a fixed time. */
public final class Wait {
    private static final long LIMIT_MS = 30_000;
    private static final long BETWEEN_LOOKS_MS = 2;

    private Wait() {
    }

    /** The result; a failure is thrown. */
    public static <T> T of(CompletionStage<T> stage) {
        try {
            return stage.toCompletableFuture().get(LIMIT_MS, TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw rethrow(e.getCause());
        } catch (InterruptedException e) {
            throw interrupted("a stage", e);
        } catch (TimeoutException e) {
            throw new AssertionError("a stage did not complete in " + LIMIT_MS + " ms", e);
        }
    }

    private static RuntimeException rethrow(Throwable cause) {
        Throwable inner = cause instanceof CompletionException ? cause.getCause() : cause;
        if (inner instanceof Error) {
            throw (Error) inner;
        }
        return inner instanceof RuntimeException ? (RuntimeException) inner : new IllegalStateException(inner);
    }

    /** Returns when it holds. */
    public static void until(String what, BooleanSupplier condition) {
        long endNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(LIMIT_MS);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > endNs) {
                throw new AssertionError("in vain for " + LIMIT_MS + " ms: " + what);
            }
            try {
                Thread.sleep(BETWEEN_LOOKS_MS);
            } catch (InterruptedException e) {
                throw interrupted(what, e);
            }
        }
    }

    private static AssertionError interrupted(String what, InterruptedException e) {
        Thread.currentThread().interrupt();
        return new AssertionError("interrupted while waiting: " + what, e);
    }
}
