package io.bop.vxc.vertx.node;

import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import java.util.Iterator;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.Supplier;

/** What completion stages lack. */
public final class Stages {
    private Stages() {
    }

    public static <T> CompletableFuture<T> failed(Throwable failure) {
        CompletableFuture<T> stage = new CompletableFuture<>();
        stage.completeExceptionally(failure);
        return stage;
    }

    /** The failure itself, not the wrapping that dependent stages put around it. */
    public static Throwable unwrap(Throwable failure) {
        return failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
    }

    /** Hears of the outcome, with the failure itself. */
    public static <T> void whenDone(CompletionStage<T> stage, BiConsumer<T, Throwable> action) {
        stage.whenComplete((result, failure) -> action.accept(result, failure == null ? null : unwrap(failure)));
    }

    /** The same outcome, with the failure itself. */
    public static <T> CompletableFuture<T> unwrapped(CompletionStage<T> stage) {
        CompletableFuture<T> plain = new CompletableFuture<>();
        into(plain, stage);
        return plain;
    }

    /** The one ends as the other does, with the failure itself. */
    static <T> void into(CompletableFuture<T> target, CompletionStage<T> stage) {
        whenDone(stage, (result, failure) -> complete(target, result, failure));
    }

    /** @param failure null: there is a result */
    static <T> void complete(CompletableFuture<T> stage, T result, Throwable failure) {
        if (failure == null) {
            stage.complete(result);
        } else {
            stage.completeExceptionally(failure);
        }
    }

    /** What the call answers; what it throws is a failed stage. */
    public static <T> CompletionStage<T> of(Supplier<CompletionStage<T>> call) {
        try {
            return call.get();
        } catch (RuntimeException e) {
            return failed(e);
        }
    }

    /** Was it refused for want of a session, and so has not taken effect? */
    static boolean isSessionLost(Throwable failure) {
        return failure instanceof VxcException
                && ((VxcException) failure).error() == VxcError.ESESSION && !((VxcException) failure).isUnknown();
    }

    /** Did it end with its session, whether it took effect or not? The client asks again for all that it can ask. */
    static boolean isSessionOver(Throwable failure) {
        VxcError error = failure instanceof VxcException ? ((VxcException) failure).error() : null;
        return error == VxcError.ESESSION || error == VxcError.EUNKNOWN;
    }

    /**
     * Makes a call per item, at most so many at a time. Completes when all have, with the first failure if there was
     * one; behind a failure no further call is made. Calls must complete on one thread, where this is called too.
     */
    static <T> CompletionStage<Void> forEach(Iterable<T> items, int width, Function<T, CompletionStage<?>> call) {
        Window<T> window = new Window<>(items.iterator(), width, call);
        window.advance();
        return window.all;
    }

    private static final class Window<T> {
        private final CompletableFuture<Void> all = new CompletableFuture<>();
        private final Iterator<T> rest;
        private final int width;
        private final Function<T, CompletionStage<?>> call;
        private int underWay;
        private boolean advancing;
        private Throwable firstFailure;

        Window(Iterator<T> items, int width, Function<T, CompletionStage<?>> call) {
            this.rest = items;
            this.width = width;
            this.call = call;
        }

        void advance() {
            if (advancing) {
                return; // a call that was complete at once
            }
            advancing = true;
            while (underWay < width && firstFailure == null && rest.hasNext()) {
                underWay++;
                whenDone(call.apply(rest.next()), (result, failure) -> {
                    underWay--;
                    firstFailure = firstFailure == null ? failure : firstFailure;
                    advance();
                });
            }
            advancing = false;
            if (underWay > 0) {
                return;
            }
            if (firstFailure == null) {
                all.complete(null);
            } else {
                all.completeExceptionally(firstFailure);
            }
        }
    }
}
