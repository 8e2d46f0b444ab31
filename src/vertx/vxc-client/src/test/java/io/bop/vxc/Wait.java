package io.bop.vxc;

import static org.junit.jupiter.api.Assertions.fail;

import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

/** Waiting in tests: for stages and conditions, never for a fixed time. */
public final class Wait {
    private static final long LIMIT_MS = 30_000;

    private Wait() {
    }

    /** The result; a failure is thrown. */
    public static <T> T of(CompletionStage<T> stage) {
        try {
            return stage.toCompletableFuture().get(LIMIT_MS, TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw rethrow(e.getCause());
        } catch (InterruptedException | TimeoutException e) {
            return fail("a stage did not complete", e);
        }
    }

    /** How it failed. */
    public static VxcException failure(CompletionStage<?> stage) {
        try {
            Object result = of(stage);
            return fail("it did not fail: " + result);
        } catch (VxcException e) {
            return e;
        }
    }

    static RuntimeException rethrow(Throwable cause) {
        Throwable inner = cause instanceof CompletionException ? cause.getCause() : cause;
        if (inner instanceof Error) {
            throw (Error) inner;
        }
        return inner instanceof RuntimeException ? (RuntimeException) inner : new IllegalStateException(inner);
    }

    public static void until(String what, BooleanSupplier condition) {
        long endNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(LIMIT_MS);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > endNs) {
                fail("in vain: " + what);
            }
            nap();
        }
    }

    /** Between two looks at a condition. */
    static void nap() {
        try {
            Thread.sleep(2);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            fail(e);
        }
    }
}
