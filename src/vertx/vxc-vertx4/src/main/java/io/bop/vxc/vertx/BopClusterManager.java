package io.bop.vxc.vertx;

import io.bop.vxc.vertx.node.ClusterManagerBase;
import io.bop.vxc.vertx.node.ClusterNode;
import io.bop.vxc.vertx.node.Host;
import io.bop.vxc.vertx.node.Log;
import io.bop.vxc.vertx.node.Stages;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.impl.logging.Logger;
import io.vertx.core.impl.logging.LoggerFactory;
import io.vertx.core.json.JsonObject;
import io.vertx.core.shareddata.AsyncMap;
import io.vertx.core.shareddata.Counter;
import io.vertx.core.shareddata.Lock;
import io.vertx.core.spi.cluster.ClusterManager;
import io.vertx.core.spi.cluster.NodeInfo;
import io.vertx.core.spi.cluster.NodeSelector;
import io.vertx.core.spi.cluster.RegistrationInfo;
import io.vertx.core.spi.cluster.RegistrationUpdateEvent;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;

/**
 * The cluster manager of vertx-cluster for Vert.x 4: a thin adapter of {@link ClusterNode}. Vert.x finds it on the class
 * path by itself, or it is given:
 *
 * <pre>
 *     VertxOptions options = new VertxOptions().setClusterManager(new BopClusterManager());
 *     Vertx.clusteredVertx(options, clustered -&gt; …);
 * </pre>
 *
 * <p>Configuration is looked for in {@code vxc.json} on the class path, the file that {@code -Dvxc.config} names,
 * {@code VERTX_CLUSTER_ENDPOINTS}, {@code -Dvxc.endpoints}, and what the constructor was given; the last one wins.
 * Thread-safe; one manager belongs to one Vert.x.
 */
public class BopClusterManager extends ClusterManagerBase implements ClusterManager {
    private static final Logger LOGGER = LoggerFactory.getLogger(BopClusterManager.class);

    private Vertx vertx;
    private NodeSelector selector;

    /** Configured from outside alone. */
    public BopClusterManager() {
        this(null);
    }

    /** @param config wins over what is found outside; the keys are in docs/vertx.md */
    public BopClusterManager(JsonObject config) {
        super(config);
    }

    // ---- the life of a node ----

    @Override
    public void init(Vertx vertx, NodeSelector selector) {
        this.vertx = vertx;
        this.selector = selector;
    }

    @Override
    public void join(Promise<Void> promise) {
        answer(promise, () -> join(vertx, new VertxHost()));
    }

    @Override
    public void leave(Promise<Void> promise) {
        answer(promise, this::leave);
    }

    // ---- nodes ----

    @Override
    public void setNodeInfo(NodeInfo info, Promise<Void> promise) {
        answer(promise, () -> node().setInfo(info));
    }

    @Override
    public void getNodeInfo(String nodeId, Promise<NodeInfo> promise) {
        answer(promise, () -> node().infoOf(nodeId));
    }

    // ---- registrations ----

    @Override
    public void addRegistration(String address, RegistrationInfo registration, Promise<Void> promise) {
        answer(promise, () -> node().addRegistration(address, registration));
    }

    @Override
    public void removeRegistration(String address, RegistrationInfo registration, Promise<Void> promise) {
        answer(promise, () -> node().removeRegistration(address, registration));
    }

    @Override
    public void getRegistrations(String address, Promise<List<RegistrationInfo>> promise) {
        answer(promise, () -> node().registrations(address));
    }

    // ---- shared data ----

    @Override
    public <K, V> void getAsyncMap(String name, Promise<AsyncMap<K, V>> promise) {
        promise.complete(node().asyncMap(name));
    }

    @Override
    public void getCounter(String name, Promise<Counter> promise) {
        promise.complete(node().counter(name));
    }

    @Override
    public void getLockWithTimeout(String name, long timeoutMs, Promise<Lock> promise) {
        answer(promise, () -> node().lock(name, timeoutMs));
    }

    private static <T> void answer(Promise<T> promise, Supplier<CompletionStage<T>> call) {
        Stages.whenDone(Stages.of(call), (result, failure) -> {
            if (failure == null) {
                promise.complete(result);
            } else {
                promise.fail(failure);
            }
        });
    }

    private final class VertxHost implements Host {
        @Override
        public void registrationsUpdated(RegistrationUpdateEvent event) {
            selector.registrationsUpdated(event);
        }

        @Override
        public void registrationsLost() {
            selector.registrationsLost();
        }

        @Override
        public boolean wantsUpdatesFor(String address) {
            return selector.wantsUpdatesFor(address);
        }

        @Override
        public void closeVertx() {
            vertx.close();
        }

        @Override
        public Log log() {
            return new VertxLog();
        }
    }

    private static final class VertxLog implements Log {
        @Override
        public void info(String message) {
            LOGGER.info(message);
        }

        @Override
        public void warn(String message) {
            LOGGER.warn(message);
        }

        @Override
        public void error(String message, Throwable cause) {
            LOGGER.error(message, cause);
        }
    }
}
