package io.bop.vxc.vertx.data;

import io.bop.vxc.VxcMap;
import io.bop.vxc.vertx.node.ClusterNode;
import io.bop.vxc.vertx.node.Stages;
import io.vertx.core.Future;
import io.vertx.core.shareddata.AsyncMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * A map of the cluster: linearizable and durable, with all of Vert.x's operations, those with a time to live included.
 * Keys and values are equal when their bytes are ({@link Values}). Thread-safe.
 */
public final class SharedMap<K, V> implements AsyncMap<K, V> {
    private final ClusterNode node;
    private final String name;
    private final Values values;
    private final Contents<K, V> contents;

    public SharedMap(ClusterNode node, String name, Values values) {
        this.node = node;
        this.name = name;
        this.values = values;
        this.contents = new Contents<>(name, values);
    }

    // ---- reads ----

    @Override
    public Future<V> get(K key) {
        return call(key, VxcMap::get, contents::value);
    }

    @Override
    public Future<Integer> size() {
        return call(map -> map.size().thenApply(size -> (int) Math.min(size, Integer.MAX_VALUE)));
    }

    @Override
    public Future<Set<K>> keys() {
        return call(map -> map.keys().thenApply(contents::keys));
    }

    @Override
    public Future<List<V>> values() {
        return call(map -> map.values().thenApply(contents::values));
    }

    @Override
    public Future<Map<K, V>> entries() {
        return call(map -> map.entries().thenApply(contents::entries));
    }

    // ---- writes ----

    @Override
    public Future<Void> put(K key, V value) {
        return call(map -> map.put(values.encode(key), values.encode(value)));
    }

    @Override
    public Future<Void> put(K key, V value, long ttlMs) {
        return call(map -> map.put(values.encode(key), values.encode(value), ttlMs));
    }

    @Override
    public Future<V> putIfAbsent(K key, V value) {
        return call(key, (map, bytes) -> map.putIfAbsent(bytes, values.encode(value)), contents::value);
    }

    @Override
    public Future<V> putIfAbsent(K key, V value, long ttlMs) {
        return call(key, (map, bytes) -> map.putIfAbsent(bytes, values.encode(value), ttlMs), contents::value);
    }

    @Override
    public Future<V> remove(K key) {
        return call(key, VxcMap::remove, contents::before);
    }

    @Override
    public Future<Boolean> removeIfPresent(K key, V value) {
        return call(map -> map.removeIf(values.encode(key), values.encode(value)));
    }

    @Override
    public Future<V> replace(K key, V value) {
        return call(key, (map, bytes) -> map.replace(bytes, values.encode(value)), contents::before);
    }

    @Override
    public Future<V> replace(K key, V value, long ttlMs) {
        return call(key, (map, bytes) -> map.replace(bytes, values.encode(value), ttlMs), contents::before);
    }

    @Override
    public Future<Boolean> replaceIfPresent(K key, V oldValue, V newValue) {
        return call(map -> map.replaceIf(values.encode(key), values.encode(oldValue), values.encode(newValue)));
    }

    @Override
    public Future<Boolean> replaceIfPresent(K key, V oldValue, V newValue, long ttlMs) {
        return call(map -> map.replaceIf(values.encode(key), values.encode(oldValue), values.encode(newValue), ttlMs));
    }

    @Override
    public Future<Void> clear() {
        return call(map -> map.clear().thenApply(count -> null));
    }

    /** @param read the answer, together with the key */
    private Future<V> call(K key, BiFunction<VxcMap, byte[], CompletionStage<byte[]>> call,
            BiFunction<byte[], byte[], V> read) {
        return call(map -> {
            byte[] bytes = values.encode(key);
            return call.apply(map, bytes).thenApply(value -> read.apply(bytes, value));
        });
    }

    private <T> Future<T> call(Function<VxcMap, CompletionStage<T>> call) {
        return Future.fromCompletionStage(
                Stages.unwrapped(node.inSession(client -> call.apply(client.map(name)))),
                node.vertx().getOrCreateContext());
    }
}
