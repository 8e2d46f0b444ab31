package io.bop.vxc.vertx.scenarios;

import io.bop.vxc.testing.Wait;
import io.bop.vxc.vertx.data.FencedLock;
import io.bop.vxc.vertx.node.ClusterManagerBase;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Vertx;
import io.vertx.core.eventbus.DeliveryOptions;
import io.vertx.core.eventbus.Message;
import io.vertx.core.eventbus.MessageConsumer;
import io.vertx.core.json.JsonObject;
import io.vertx.core.spi.cluster.ClusterManager;
import io.vertx.core.spi.cluster.NodeListener;
import io.vertx.core.spi.cluster.RegistrationInfo;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;

/** A Vert.x of a cluster, with what its node was told. */
final class Node implements AutoCloseable {
    private static final Generation GENERATION = Generation.present();
    private static final long SOON_MS = 500;

    final Vertx vertx;
    final ClusterManagerBase manager;
    /** "added" or "left", and the id of the node. */
    final List<String> news = new CopyOnWriteArrayList<>();

    private Node(Vertx vertx, ClusterManagerBase manager) {
        this.vertx = vertx;
        this.manager = manager;
        manager.nodeListener(new NodeListener() {
            @Override
            public void nodeAdded(String id) {
                news.add("added " + id);
            }

            @Override
            public void nodeLeft(String id) {
                news.add("left " + id);
            }
        });
    }

    static Future<Node> joining(JsonObject config) {
        ClusterManager manager = GENERATION.manager(config);
        return Vertx.builder().withClusterManager(manager).buildClustered()
                .map(vertx -> new Node(vertx, (ClusterManagerBase) manager));
    }

    static Node joined(JsonObject config) {
        return of(joining(config));
    }

    /** The result; a failure is thrown. */
    static <T> T of(Future<T> future) {
        return Wait.of(future.toCompletionStage());
    }

    String id() {
        return manager.getNodeId();
    }

    boolean heard(String what, Node of) {
        return news.contains(what + " " + of.id());
    }

    // ---- the event bus ----

    <T> MessageConsumer<T> consume(String address, Handler<Message<T>> handler) {
        MessageConsumer<T> consumer = vertx.eventBus().consumer(address, handler);
        of(GENERATION.registered(consumer));
        return consumer;
    }

    /** Replies with the id of this node. */
    MessageConsumer<String> consumer(String address) {
        return vertx.eventBus().consumer(address, message -> message.reply(id()));
    }

    Future<Void> registered(MessageConsumer<?> consumer) {
        return GENERATION.registered(consumer);
    }

    Future<Void> consuming(String address) {
        return registered(consumer(address));
    }

    MessageConsumer<String> consume(String address) {
        MessageConsumer<String> consumer = consumer(address);
        of(registered(consumer));
        return consumer;
    }

    Future<String> asking(String address) {
        return vertx.eventBus().<String>request(address, "who?").map(Message::body);
    }

    /**
     * Does it answer there, and soon? Until this node knows better it asks whoever listened before, who does not say
     * that he does no more.
     */
    boolean isAnsweredBy(Node other, String address) {
        DeliveryOptions soon = new DeliveryOptions().setSendTimeout(SOON_MS);
        try {
            return of(vertx.eventBus().<String>request(address, "who?", soon)).body().equals(other.id());
        } catch (RuntimeException nobody) {
            return false;
        }
    }

    /** Who answers there. */
    String ask(String address) {
        return of(asking(address));
    }

    /** The ids of the nodes that the server knows to listen there. */
    List<String> listeners(String address) {
        return Wait.of(manager.node().registrations(address)).stream().map(RegistrationInfo::nodeId)
                .collect(Collectors.toList());
    }

    // ---- data ----

    String put(String map, String key, String value) {
        of(putting(map, key, value));
        return value;
    }

    Future<Void> putting(String map, Object key, Object value) {
        return vertx.sharedData().getClusterWideMap(map).compose(found -> found.put(key, value));
    }

    Future<Object> getting(String map, Object key) {
        return vertx.sharedData().getClusterWideMap(map).compose(found -> found.get(key));
    }

    Future<Long> adding(String counter) {
        return vertx.sharedData().getCounter(counter).compose(found -> found.incrementAndGet());
    }

    Future<FencedLock> locking(String name, long waitMs) {
        return vertx.sharedData().getLockWithTimeout(name, waitMs).map(lock -> (FencedLock) lock);
    }

    @Override
    public void close() {
        of(vertx.close());
    }
}
