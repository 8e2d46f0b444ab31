package io.bop.vxc.vertx.scenarios;

import io.bop.vxc.testing.Wait;
import io.vertx.core.Future;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/** Calls made all the time, so many at a time, each anew when one has ended. */
final class Traffic {
    private final Supplier<Future<?>> call;
    private final AtomicInteger underWay;
    private final AtomicLong done = new AtomicLong();
    private final AtomicLong slowestNs = new AtomicLong();
    private final List<Throwable> failures = new CopyOnWriteArrayList<>();
    private volatile boolean stopped;

    private Traffic(int width, Supplier<Future<?>> call) {
        this.call = call;
        underWay = new AtomicInteger(width);
    }

    static Traffic of(int width, Supplier<Future<?>> call) {
        Traffic traffic = new Traffic(width, call);
        for (int i = 0; i < width; i++) {
            traffic.next();
        }
        return traffic;
    }

    private void next() {
        if (stopped) {
            underWay.decrementAndGet();
            return;
        }
        long beganNs = System.nanoTime();
        call.get().onComplete(outcome -> {
            slowestNs.accumulateAndGet(System.nanoTime() - beganNs, Math::max);
            if (outcome.succeeded()) {
                done.incrementAndGet();
            } else {
                failures.add(outcome.cause());
            }
            next();
        });
    }

    /** Returns when so many more have succeeded. */
    void awaitMore(long count) {
        long goal = done.get() + count;
        Wait.until(count + " more calls", () -> done.get() >= goal || !failures.isEmpty());
        check();
    }

    /** How many succeeded; none has failed. */
    long stop() {
        stopped = true;
        Wait.until("the last calls end", () -> underWay.get() == 0);
        check();
        return done.get();
    }

    long slowestMs() {
        return TimeUnit.NANOSECONDS.toMillis(slowestNs.get());
    }

    private void check() {
        if (!failures.isEmpty()) {
            throw new AssertionError(failures.size() + " calls have failed, the first", failures.get(0));
        }
    }
}
