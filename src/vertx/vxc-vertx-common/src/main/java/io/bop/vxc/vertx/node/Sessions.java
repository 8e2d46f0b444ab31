package io.bop.vxc.vertx.node;

import io.vertx.core.Vertx;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** What to do with calls that meet the end of a session. Thread-safe. */
final class Sessions {
    private static final long LATER_MS = 250; // a server in trouble is asked four to eight times a second

    private final Vertx vertx;
    private final BooleanSupplier active;
    private List<Runnable> waiting = new ArrayList<>(); // for the next session
    private long count; // of sessions that were asked for
    private boolean over;

    Sessions(Vertx vertx, BooleanSupplier active) {
        this.vertx = vertx;
        this.active = active;
    }

    /** A call that was refused because its session had ended, and so has not taken effect, is made in the next one. */
    <T> CompletionStage<T> retried(Supplier<CompletionStage<T>> call) {
        return again(call, Stages::isSessionLost);
    }

    /** The same for a call that may well take effect twice: it is also made again when it may have taken effect. */
    <T> CompletionStage<T> repeated(Supplier<CompletionStage<T>> call) {
        return again(call, Stages::isSessionOver);
    }

    private <T> CompletionStage<T> again(Supplier<CompletionStage<T>> call, Predicate<Throwable> ended) {
        CompletableFuture<T> result = new CompletableFuture<>();
        long session = current();
        Stages.whenDone(Stages.of(call), (done, failure) -> {
            if (failure != null && ended.test(failure) && active.getAsBoolean()) {
                behind(session, () -> Stages.into(result, Stages.of(call)));
            } else {
                Stages.complete(result, done, failure);
            }
        });
        return result;
    }

    private synchronized long current() {
        return count;
    }

    /** When a session behind this one was asked for, be it now: a call is refused before its session's end is told. */
    private void behind(long session, Runnable task) {
        synchronized (this) {
            if (count == session && !over) {
                waiting.add(task);
                return;
            }
        }
        task.run();
    }

    /** The next session is asked for: calls wait for its answer from here on. */
    void next() {
        makeWaiting(false);
    }

    /** There will be none: calls fail. */
    void end() {
        makeWaiting(true);
    }

    private void makeWaiting(boolean last) {
        List<Runnable> due;
        synchronized (this) {
            over = over || last;
            count++;
            due = waiting;
            waiting = new ArrayList<>();
        }
        due.forEach(Runnable::run);
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
