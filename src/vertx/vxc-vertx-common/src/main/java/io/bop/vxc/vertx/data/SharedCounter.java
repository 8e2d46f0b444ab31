package io.bop.vxc.vertx.data;

import io.bop.vxc.VxcCounter;
import io.bop.vxc.vertx.node.ClusterNode;
import io.bop.vxc.vertx.node.Stages;
import io.vertx.core.Future;
import io.vertx.core.shareddata.Counter;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;

/** A counter of the cluster: linearizable, durable, and each change takes effect once. Thread-safe. */
public final class SharedCounter implements Counter {
    private final ClusterNode node;
    private final String name;

    public SharedCounter(ClusterNode node, String name) {
        this.node = node;
        this.name = name;
    }

    @Override
    public Future<Long> get() {
        return call(VxcCounter::get);
    }

    @Override
    public Future<Long> incrementAndGet() {
        return addAndGet(1);
    }

    @Override
    public Future<Long> getAndIncrement() {
        return getAndAdd(1);
    }

    @Override
    public Future<Long> decrementAndGet() {
        return addAndGet(-1);
    }

    @Override
    public Future<Long> addAndGet(long value) {
        return call(counter -> counter.addAndGet(value));
    }

    @Override
    public Future<Long> getAndAdd(long value) {
        return call(counter -> counter.getAndAdd(value));
    }

    @Override
    public Future<Boolean> compareAndSet(long expected, long value) {
        return call(counter -> counter.compareAndSet(expected, value));
    }

    private <T> Future<T> call(Function<VxcCounter, CompletionStage<T>> call) {
        return Future.fromCompletionStage(
                Stages.unwrapped(node.inSession(client -> call.apply(client.counter(name)))),
                node.vertx().getOrCreateContext());
    }
}
