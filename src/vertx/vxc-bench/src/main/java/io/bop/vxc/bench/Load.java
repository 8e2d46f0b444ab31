package io.bop.vxc.bench;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.impl.ContextInternal;
import io.vertx.core.json.JsonObject;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;

/**
 * A closed loop: so many operations under way at any time, each followed by the next one, all from one event loop.
 * It ends after a time, or after a number of operations; those that have begun by then are waited for.
 */
final class Load {
    private static final int FIRST_CAPACITY = 1 << 16;

    private final ContextInternal context;
    private final IntFunction<Future<?>> operation; // number of the worker → what it does once
    private final int inFlight;
    private final long countMax;
    private final Promise<JsonObject> ended = Promise.promise();

    private long begun;
    private long deadline;
    private long begunCount;
    private int working;
    private long[] nanos = new long[FIRST_CAPACITY]; // of each success
    private int succeeded;
    private int failed;
    private Throwable firstFailure;

    private Load(ContextInternal context, int inFlight, long countMax, IntFunction<Future<?>> operation) {
        this.context = context;
        this.inFlight = inFlight;
        this.countMax = countMax;
        this.operation = operation;
    }

    /** What was done, in how long: operations, failed, seconds, ops_per_second, p50_us, p99_us. */
    static Future<JsonObject> forSeconds(double seconds, ContextInternal context, int inFlight,
            IntFunction<Future<?>> operation) {
        return new Load(context, inFlight, Long.MAX_VALUE, operation).run((long) (seconds * 1e9));
    }

    static Future<JsonObject> ofCount(long count, ContextInternal context, int inFlight,
            IntFunction<Future<?>> operation) {
        return new Load(context, inFlight, count, operation).run(TimeUnit.DAYS.toNanos(1));
    }

    private Future<JsonObject> run(long durationNanos) {
        context.runOnContext(nothing -> {
            begun = System.nanoTime();
            deadline = begun + durationNanos;
            working = inFlight;
            for (int worker = 0; worker < inFlight; worker++) {
                work(worker);
            }
        });
        return ended.future();
    }

    /** Goes on in a loop, not by recursion, as long as the operations are done when they return. */
    private void work(int worker) {
        while (true) {
            long at = System.nanoTime();
            if (at - deadline >= 0 || begunCount == countMax) {
                end();
                return;
            }
            begunCount++;
            Future<?> future = operation.apply(worker);
            if (!future.isComplete()) {
                // Here at once where the future belongs to the same event loop; some belong to another one.
                future.onComplete(result -> context.execute(future, done -> {
                    record(done, at);
                    work(worker);
                }));
                return;
            }
            record(future, at);
        }
    }

    private void record(Future<?> future, long at) {
        if (future.failed()) {
            failed++;
            firstFailure = firstFailure == null ? future.cause() : firstFailure;
            return;
        }
        if (succeeded == nanos.length) {
            nanos = Arrays.copyOf(nanos, 2 * nanos.length);
        }
        nanos[succeeded++] = System.nanoTime() - at;
    }

    private void end() {
        if (--working > 0) {
            return;
        }
        double seconds = (System.nanoTime() - begun) / 1e9;
        long[] sorted = Arrays.copyOf(nanos, succeeded);
        Arrays.sort(sorted);
        JsonObject result = new JsonObject().put("operations", succeeded).put("failed", failed)
                .put("seconds", seconds).put("ops_per_second", succeeded / seconds)
                .put("p50_us", percentile(sorted, 50)).put("p99_us", percentile(sorted, 99));
        if (firstFailure != null) {
            result.put("first_failure", firstFailure.toString());
        }
        ended.complete(result);
    }

    /** The value that so many percent do not exceed. */
    private static double percentile(long[] sorted, int percent) {
        if (sorted.length == 0) {
            return 0;
        }
        return sorted[(int) (((long) sorted.length * percent + 99) / 100) - 1] / 1e3;
    }
}
