package io.bop.vxc.vertx.data;

import io.bop.vxc.VxcMap;
import io.bop.vxc.vertx.node.ClusterNode;
import io.bop.vxc.vertx.node.Stages;
import io.vertx.core.VertxException;
import java.util.AbstractMap;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * The blocking view of a map of the cluster, of the same one as {@link SharedMap} under this name. Each call waits for
 * the server, so that it belongs on worker threads. {@link #entrySet} is a copy. Thread-safe.
 */
public final class SyncMap<K, V> extends AbstractMap<K, V> {
    private final ClusterNode node;
    private final String name;
    private final Values values;
    private final Contents<K, V> contents;

    public SyncMap(ClusterNode node, String name, Values values) {
        this.node = node;
        this.name = name;
        this.values = values;
        this.contents = new Contents<>(name, values);
    }

    @Override
    public V get(Object key) {
        return wait(key, VxcMap::get, contents::value);
    }

    @Override
    public boolean containsKey(Object key) {
        return wait(map -> map.containsKey(values.encode(key)));
    }

    @Override
    public V put(K key, V value) {
        node.haInfoPut(name, key, value);
        return wait(key, (map, bytes) -> map.getAndPut(bytes, values.encode(value)), contents::before);
    }

    @Override
    public V remove(Object key) {
        node.haInfoPut(name, key, null);
        return wait(key, VxcMap::remove, contents::before);
    }

    @Override
    public void clear() {
        wait(VxcMap::clear);
    }

    @Override
    public int size() {
        return (int) Math.min(wait(VxcMap::size), Integer.MAX_VALUE);
    }

    @Override
    public V putIfAbsent(K key, V value) {
        return wait(key, (map, bytes) -> map.putIfAbsent(bytes, values.encode(value)), contents::value);
    }

    @Override
    public boolean remove(Object key, Object value) {
        return wait(map -> map.removeIf(values.encode(key), values.encode(value)));
    }

    @Override
    public V replace(K key, V value) {
        return wait(key, (map, bytes) -> map.replace(bytes, values.encode(value)), contents::before);
    }

    @Override
    public boolean replace(K key, V oldValue, V newValue) {
        return wait(map -> map.replaceIf(values.encode(key), values.encode(oldValue), values.encode(newValue)));
    }

    @Override
    public Set<Entry<K, V>> entrySet() {
        return contents.entries(wait(VxcMap::entries)).entrySet();
    }

    /** @param read the answer, together with the key */
    private V wait(Object key, BiFunction<VxcMap, byte[], CompletionStage<byte[]>> call,
            BiFunction<byte[], byte[], V> read) {
        byte[] bytes = values.encode(key);
        return read.apply(bytes, wait(map -> call.apply(map, bytes)));
    }

    private <T> T wait(Function<VxcMap, CompletionStage<T>> call) {
        if (node.isDispatcher()) {
            throw new IllegalStateException("the map " + name + " blocks, and this thread is the one that would end it");
        }
        CompletableFuture<T> stage = Stages.unwrapped(node.inSession(client -> call.apply(client.map(name))));
        try {
            return stage.get(); // ends by the call's own time limit
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VertxException("interrupted while waiting for the map " + name, e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException
                    ? (RuntimeException) e.getCause() : new VertxException(e.getCause());
        }
    }
}
