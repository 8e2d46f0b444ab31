package io.bop.vxc.vertx;

import io.bop.vxc.vertx.node.ClusterManagerBase;
import io.bop.vxc.vertx.node.ClusterNode;
import io.bop.vxc.vertx.node.Host;
import io.bop.vxc.vertx.node.Log;
import io.bop.vxc.vertx.node.Stages;
import io.vertx.core.Completable;
import io.vertx.core.Vertx;
import io.vertx.core.internal.logging.Logger;
import io.vertx.core.internal.logging.LoggerFactory;
import io.vertx.core.json.JsonObject;
import io.vertx.core.shareddata.AsyncMap;
import io.vertx.core.shareddata.Counter;
import io.vertx.core.shareddata.Lock;
import io.vertx.core.spi.cluster.ClusterManager;
import io.vertx.core.spi.cluster.NodeInfo;
import io.vertx.core.spi.cluster.RegistrationInfo;
import io.vertx.core.spi.cluster.RegistrationListener;
import io.vertx.core.spi.cluster.RegistrationUpdateEvent;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;

/**
 * The cluster manager of vertx-cluster for Vert.x 5: a thin adapter of {@link ClusterNode}. Vert.x finds it on the class
 * path by itself, or it is given:
 *
 * <pre>
 *     Vertx.builder().withClusterManager(new BopClusterManager()).buildClustered();
 * </pre>
 *
 * <p>Configuration is looked for in {@code vxc.json} on the class path, the file that {@code -Dvxc.config} names,
 * {@code VERTX_CLUSTER_ENDPOINTS}, {@code -Dvxc.endpoints}, and what the constructor was given; the last one wins.
 * Thread-safe; one manager belongs to one Vert.x.
 */
public class BopClusterManager extends ClusterManagerBase implements ClusterManager {
    private static final Logger LOGGER = LoggerFactory.getLogger(BopClusterManager.class);

    private Vertx vertx;
    private RegistrationListener registrationListener;

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
    public void init(Vertx vertx) {
        this.vertx = vertx;
    }

    @Override
    public void join(Completable<Void> promise) {
        answer(promise, () -> join(vertx, new VertxHost()));
    }

    @Override
    public void leave(Completable<Void> promise) {
        answer(promise, this::leave);
    }

    // ---- nodes ----

    @Override
    public void setNodeInfo(NodeInfo info, Completable<Void> promise) {
        answer(promise, () -> node().setInfo(info));
    }

    @Override
    public void getNodeInfo(String nodeId, Completable<NodeInfo> promise) {
        answer(promise, () -> node().infoOf(nodeId));
    }

    // ---- registrations ----

    @Override
    public void registrationListener(RegistrationListener listener) {
        registrationListener = listener;
    }

    @Override
    public void addRegistration(String address, RegistrationInfo registration, Completable<Void> promise) {
        answer(promise, () -> node().addRegistration(address, registration));
    }

    @Override
    public void removeRegistration(String address, RegistrationInfo registration, Completable<Void> promise) {
        answer(promise, () -> node().removeRegistration(address, registration));
    }

    @Override
    public void getRegistrations(String address, Completable<List<RegistrationInfo>> promise) {
        answer(promise, () -> node().registrations(address));
    }

    // ---- shared data ----

    @Override
    public <K, V> void getAsyncMap(String name, Completable<AsyncMap<K, V>> promise) {
        promise.complete(node().asyncMap(name), null);
    }

    @Override
    public void getCounter(String name, Completable<Counter> promise) {
        promise.complete(node().counter(name), null);
    }

    @Override
    public void getLockWithTimeout(String name, long timeoutMs, Completable<Lock> promise) {
        answer(promise, () -> node().lock(name, timeoutMs));
    }

    private static <T> void answer(Completable<T> promise, Supplier<CompletionStage<T>> call) {
        Stages.whenDone(Stages.of(call), (result, failure) -> {
            promise.complete(result, failure);
        });
    }

    private final class VertxHost implements Host {
        @Override
        public void registrationsUpdated(RegistrationUpdateEvent event) {
            registrationListener.registrationsUpdated(event);
        }

        @Override
        public void registrationsLost() {
            registrationListener.registrationsLost();
        }

        @Override
        public boolean wantsUpdatesFor(String address) {
            return registrationListener.wantsUpdatesFor(address);
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
