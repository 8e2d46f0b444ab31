package io.bop.vxc.vertx.node;

import io.bop.vxc.vertx.config.VxcConfig;
import io.vertx.core.Vertx;
import io.vertx.core.VertxException;
import io.vertx.core.json.JsonObject;
import io.vertx.core.spi.cluster.NodeInfo;
import io.vertx.core.spi.cluster.NodeListener;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** What the cluster managers of both generations have in common: the methods of Vert.x's SPI that did not change. */
public abstract class ClusterManagerBase {
    private final String nodeId = UUID.randomUUID().toString(); // Vert.x stamps it into every message, for its life
    private final JsonObject given;
    private volatile ClusterNode node;
    private volatile NodeListener nodeListener;

    protected ClusterManagerBase(JsonObject config) {
        given = config == null ? null : config.copy();
    }

    protected CompletionStage<Void> join(Vertx vertx, Host host) {
        node = new ClusterNode(nodeId, VxcConfig.load(given), vertx, host);
        node.nodeListener(nodeListener);
        return node.join();
    }

    /** Always completes, and may be repeated. */
    protected CompletionStage<Void> leave() {
        return node == null ? CompletableFuture.completedFuture(null) : node.leave();
    }

    /** The node in the cluster, for what Vert.x does not ask for. */
    public ClusterNode node() {
        ClusterNode now = node;
        if (now == null) {
            throw new VertxException("the cluster manager has not joined its cluster yet", true);
        }
        return now;
    }

    public boolean isActive() {
        return node != null && node.isActive();
    }

    /** The address of this host from which the cluster was reached, unless the configuration names another. */
    public String clusterHost() {
        return node == null ? null : node.clusterHost();
    }

    public String clusterPublicHost() {
        return node == null ? null : node.config().clusterPublicHost();
    }

    public String getNodeId() {
        return nodeId;
    }

    public List<String> getNodes() {
        return node().nodes();
    }

    public void nodeListener(NodeListener listener) {
        nodeListener = listener;
        if (node != null) {
            node.nodeListener(listener);
        }
    }

    public NodeInfo getNodeInfo() {
        return node().info();
    }

    /** Blocks: for worker threads. */
    public <K, V> Map<K, V> getSyncMap(String name) {
        return node().syncMap(name);
    }
}
