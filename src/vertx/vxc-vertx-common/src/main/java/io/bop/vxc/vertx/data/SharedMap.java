package io.bop.vxc.vertx.data;

import io.bop.vxc.VxcMap;
import io.bop.vxc.vertx.node.ClusterNode;
import io.bop.vxc.vertx.node.Stages;
import io.vertx.core.Future;
import io.vertx.core.shareddata.AsyncMap;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;

/**
 * A map of the cluster: linearizable and durable, with all of Vert.x's operations, those with a time to live included.
 * Keys and values are equal when their bytes are ({@link Values}). Thread-safe.
 */
public final class SharedMap<K, V> implements AsyncMap<K, V> {
    private final ClusterNode node;
    private final String name;
    private final Values values;

    public SharedMap(ClusterNode node, String name, Values values) {
        this.node = node;
        this.name = name;
        this.values = values;
    }

    // ---- reads ----

    @Override
    public Future<V> get(K key) {
        return call(map -> map.get(values.encode(key)).thenApply(this::value));
    }

    @Override
    public Future<Integer> size() {
        return call(map -> map.size().thenApply(size -> (int) Math.min(size, Integer.MAX_VALUE)));
    }

    @Override
    public Future<Set<K>> keys() {
        return call(map -> map.keys().thenApply(keys -> {
            Set<K> all = new HashSet<>(2 * keys.size());
            keys.forEach(key -> all.add(values.decode(key)));
            return all;
        }));
    }

    @Override
    public Future<List<V>> values() {
        return call(map -> map.values().thenApply(found -> {
            List<V> all = new ArrayList<>(found.size());
            found.forEach(value -> all.add(values.decode(value)));
            return all;
        }));
    }

    @Override
    public Future<Map<K, V>> entries() {
        return call(map -> map.entries().thenApply(entries -> {
            Map<K, V> all = new LinkedHashMap<>(2 * entries.size());
            entries.forEach(entry -> all.put(values.decode(entry.key()), values.decode(entry.value())));
            return all;
        }));
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
        return call(map -> map.putIfAbsent(values.encode(key), values.encode(value)).thenApply(this::value));
    }

    @Override
    public Future<V> putIfAbsent(K key, V value, long ttlMs) {
        return call(map -> map.putIfAbsent(values.encode(key), values.encode(value), ttlMs).thenApply(this::value));
    }

    @Override
    public Future<V> remove(K key) {
        return call(map -> map.remove(values.encode(key)).thenApply(this::before));
    }

    @Override
    public Future<Boolean> removeIfPresent(K key, V value) {
        return call(map -> map.removeIf(values.encode(key), values.encode(value)));
    }

    @Override
    public Future<V> replace(K key, V value) {
        return call(map -> map.replace(values.encode(key), values.encode(value)).thenApply(this::before));
    }

    @Override
    public Future<V> replace(K key, V value, long ttlMs) {
        return call(map -> map.replace(values.encode(key), values.encode(value), ttlMs).thenApply(this::before));
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

    private V value(byte[] bytes) {
        return bytes == null ? null : values.decode(bytes);
    }

    /** Of a change that is made, whether or not what was there can be read. */
    private V before(byte[] bytes) {
        try {
            return value(bytes);
        } catch (ValueException e) {
            throw new ValueException("it is done, but what was there before cannot be read: " + e.getMessage(), e);
        }
    }

    private <T> Future<T> call(Function<VxcMap, CompletionStage<T>> call) {
        return Future.fromCompletionStage(
                Stages.unwrapped(node.inSession(client -> call.apply(client.map(name)))),
                node.vertx().getOrCreateContext());
    }
}
