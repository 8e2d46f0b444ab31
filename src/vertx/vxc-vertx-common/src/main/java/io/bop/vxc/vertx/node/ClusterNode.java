package io.bop.vxc.vertx.node;

import io.bop.vxc.ClientListener;
import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import io.bop.vxc.VxcOptions;
import io.bop.vxc.WatchEvent;
import io.bop.vxc.WatchListener;
import io.bop.vxc.WatchTarget;
import io.bop.vxc.vertx.config.ManagedServer;
import io.bop.vxc.vertx.config.VxcConfig;
import io.bop.vxc.vertx.data.AllowList;
import io.bop.vxc.vertx.data.FencedLock;
import io.bop.vxc.vertx.data.SharedCounter;
import io.bop.vxc.vertx.data.SharedMap;
import io.bop.vxc.vertx.data.SyncMap;
import io.bop.vxc.vertx.data.Values;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.VertxException;
import io.vertx.core.eventbus.ReplyException;
import io.vertx.core.eventbus.ReplyFailure;
import io.vertx.core.json.JsonObject;
import io.vertx.core.shareddata.AsyncMap;
import io.vertx.core.shareddata.Counter;
import io.vertx.core.shareddata.Lock;
import io.vertx.core.spi.cluster.NodeInfo;
import io.vertx.core.spi.cluster.NodeListener;
import io.vertx.core.spi.cluster.RegistrationInfo;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * One Vert.x as a node of the cluster: what the cluster managers of both generations are thin adapters of.
 *
 * <p>It lives in one session of the server. While the connection is broken the event bus goes on with the lists that it
 * has, and calls wait for their time. When the session has expired (the JVM was paused, or cut off, for longer than the
 * lease), the node comes back under the same id: session, node entry and info, HA info, own registrations; then the
 * event bus is told each list anew. What the old session held is gone: locks are told as lost.
 *
 * <p>Thread-safe; nothing blocks but {@link #syncMap maps}. Stages complete on the dispatcher, one thread that keeps
 * the order of the log.
 */
public final class ClusterNode {
    /** The map of Vert.x's HA, emptied in the step in which the first node joins: nothing is left to fail over. */
    static final String HA_INFO = "__vertx.haInfo";

    /** Calls of an application that registers all its addresses, or fills a map, in one go. */
    private static final int CALLS_WAITING_MAX = 262_144;
    private static final byte[] NO_INFO = new byte[0];

    private enum State { NEW, JOINING, ACTIVE, REJOINING, LEFT }

    private final String id;
    private final Vertx vertx;
    private final Host host;
    private final Log log;
    private final VxcConfig config;
    private final Values values;
    private final OrderedThread dispatcher;
    private final Membership members;
    private final Registrations registrations;
    private final Sessions sessions;
    private final Locks locks;
    private final AtomicReference<State> state = new AtomicReference<>(State.NEW);
    private final CompletableFuture<Void> left = new CompletableFuture<>();
    private final AtomicReference<ManagedServer> server = new AtomicReference<>();
    private volatile String endpoints;
    private volatile VxcClient client;
    private volatile NodeInfo info;
    private volatile String ownHaInfo;
    private int attempt; // to come back, counted on the dispatcher

    /** @param id of the node, for as long as the Vert.x lives */
    public ClusterNode(String id, VxcConfig config, Vertx vertx, Host host) {
        this.id = id;
        this.config = config;
        this.vertx = vertx;
        this.host = host;
        log = host.log();
        values = new Values(AllowList.of(config.serializationAllow()));
        Consumer<Throwable> failed = failure -> log.error("a listener of the cluster failed", failure);
        dispatcher = new OrderedThread("dispatch", failed);
        members = new Membership(id, new OrderedThread("nodes", failed));
        sessions = new Sessions(vertx, this::isActive);
        registrations = new Registrations(host, dispatcher, this::client, sessions);
        locks = new Locks(id, config.sessionTimeoutMs(), log, sessions, this::options);
    }

    // ---- coming and going ----

    /** Fails with a text that says what to do; then, and after leaving, it cannot be joined again. */
    public CompletionStage<Void> join() {
        if (!state.compareAndSet(State.NEW, State.JOINING)) {
            return Stages.failed(new VertxException("node " + id + " is " + state + " already", true));
        }
        CompletableFuture<Void> joined = new CompletableFuture<>();
        Runnable release = Threads.holdJvm("join");
        Stages.whenDone(Stages.of(this::enterFirst), (done, failure) -> {
            if (failure == null && state.compareAndSet(State.JOINING, State.ACTIVE)) {
                log.info("node " + id + " has joined the cluster at " + endpoints);
                joined.complete(null); // in here Vert.x starts the threads that hold the JVM from now on
                release.run();
                return;
            }
            leave().whenComplete((gone, none) -> {
                joined.completeExceptionally(failure == null ? hasLeft() : failure);
                release.run();
            });
        });
        return joined;
    }

    private CompletionStage<Void> enterFirst() {
        CompletionStage<String> found = config.server() == null
                ? CompletableFuture.completedFuture(config.endpoints())
                : CompletableFuture.supplyAsync(this::startServer, task -> Threads.run("server", task));
        return found.thenComposeAsync(this::connect, dispatcher);
    }

    private String startServer() {
        ManagedServer started = ManagedServer.acquire(config.server());
        server.set(started);
        return started.endpoint();
    }

    /** On the dispatcher, so that all that hangs on the stages is there too. */
    private CompletionStage<Void> connect(String endpoints) {
        if (state.get() == State.LEFT) {
            throw hasLeft();
        }
        this.endpoints = endpoints;
        client = VxcClient.create(options().closeGraceMs(config.closeGraceMs()).listener(new Notices()));
        return enterWithin(config.joinTimeoutMs()).handle((done, failure) -> {
            if (failure != null) {
                Throwable cause = Stages.unwrap(failure);
                throw new VertxException("cannot join the cluster at " + endpoints + ": " + cause.getMessage()
                        + advice(cause), cause, true);
            }
            return done;
        });
    }

    /** A session that is lost before the node has entered is followed by the next, as long as there is time. */
    private CompletionStage<Void> enterWithin(long timeMs) {
        long begunNs = System.nanoTime();
        CompletionStage<Void> entered = client
                .openSession(config.sessionTimeoutMs(), config.clientName(), timeMs)
                .thenCompose(session -> enter());
        CompletableFuture<Void> result = new CompletableFuture<>();
        Stages.whenDone(entered, (done, failure) -> {
            long restMs = timeMs - TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begunNs);
            if (failure != null && Stages.isSessionOver(failure) && restMs > 0 && state.get() == State.JOINING) {
                Stages.into(result, enterWithin(restMs));
            } else {
                Stages.complete(result, done, failure);
            }
        });
        return result;
    }

    private static VertxException hasLeft() {
        return new VertxException("this node has left the cluster", true);
    }

    private String advice(Throwable failure) {
        VxcError error = failure instanceof VxcException ? ((VxcException) failure).error() : null;
        if (error == VxcError.ECLOSED) {
            return " (tried for " + config.joinTimeoutMs() + " ms: does vxcd run there? endpoints are set by vxc.json,"
                    + " -Dvxc.endpoints or VERTX_CLUSTER_ENDPOINTS)";
        }
        return "";
    }

    private VxcOptions options() {
        return new VxcOptions(endpoints)
                .namespace(config.namespace())
                .clientName(config.clientName())
                .timeoutMs(config.timeoutMs())
                .queueMax(CALLS_WAITING_MAX)
                .executor(dispatcher);
    }

    /** Watches first, then the node entry: what changes behind it is told. On one connection the order is kept. */
    private CompletionStage<Void> enter() {
        VxcClient to = client;
        CompletionStage<?> nodes = to.watch(WatchTarget.nodes(), new Nodes());
        CompletionStage<?> addresses = to.watch(WatchTarget.registrations(), new Addresses());
        NodeInfo known = info;
        CompletionStage<Void> entry = to.nodes().join(id, known == null ? NO_INFO : NodeInfos.encode(known), HA_INFO)
                .thenAccept(members::update);
        return nodes.thenCompose(done -> addresses).thenCompose(done -> entry);
    }

    private void rejoin() {
        VxcClient to = client;
        int mine = ++attempt;
        CompletionStage<Void> back = to
                .openSession(config.sessionTimeoutMs(), config.clientName(), VxcClient.FOREVER)
                .thenCompose(session -> enter())
                .thenCompose(done -> restoreHaInfo())
                .thenCompose(done -> registrations.addAllAgain());
        sessions.next();
        Stages.whenDone(back, (done, failure) -> {
            if (mine != attempt || state.get() != State.REJOINING) {
                return; // the new session was lost, too, and the next attempt is under way; or the node has left
            }
            if (failure == null && state.compareAndSet(State.REJOINING, State.ACTIVE)) {
                log.info("node " + id + " has joined the cluster again");
                tellAllAgain();
            } else if (failure != null) {
                log.warn("node " + id + " cannot come back yet: " + failure.getMessage());
                to.closeSession().whenComplete((closed, none) -> sessions.later(() -> dispatcher.execute(() -> {
                    if (mine == attempt) {
                        rejoin();
                    }
                })));
            }
        });
    }

    private void sessionLost(String reason) {
        State now = state.get();
        if (now == State.LEFT || now == State.JOINING) {
            return; // who joins tries again
        }
        if (config.onExpired() == VxcConfig.OnExpired.CLOSE) {
            log.error("node " + id + " has lost its place in the cluster (" + reason + ") and closes: "
                    + "onExpired is close", null);
            sessions.end();
            host.closeVertx();
            return;
        }
        if (state.compareAndSet(State.ACTIVE, State.REJOINING) || state.get() == State.REJOINING) {
            log.warn("node " + id + " has lost its place in the cluster (" + reason + ") and joins again");
            rejoin();
        }
    }

    /** Others took the entry away when they failed this node over; its own Vert.x believes that it is there. */
    private CompletionStage<Void> restoreHaInfo() {
        String json = ownHaInfo;
        return json == null
                ? CompletableFuture.completedFuture(null)
                : client.map(HA_INFO).put(values.encode(id), values.encode(json));
    }

    private void tellAllAgain() {
        Stages.whenDone(registrations.tellAllAgain(), (done, failure) -> {
            if (failure != null && isActive()) {
                log.warn("registrations cannot be read yet: " + failure.getMessage());
                sessions.later(() -> dispatcher.execute(this::tellAllAgain));
            }
        });
    }

    /** Gives everything back in one step. Always completes, and may be repeated, also while the node joins. */
    public CompletionStage<Void> leave() {
        boolean first = state.getAndSet(State.LEFT) != State.LEFT;
        VxcClient own = client;
        CompletionStage<Void> closed = own == null ? CompletableFuture.completedFuture(null) : own.shutdown();
        sessions.end();
        CompletionStage<Void> all = locks.close().thenCompose(done -> closed).thenCompose(done -> stopServer());
        if (first) {
            all.whenComplete((done, failure) -> left.complete(null));
        }
        return left;
    }

    private CompletionStage<Void> stopServer() {
        ManagedServer started = server.getAndSet(null);
        return started == null
                ? CompletableFuture.completedFuture(null)
                : CompletableFuture.runAsync(started::release, task -> Threads.run("server", task));
    }

    public boolean isActive() {
        State now = state.get();
        return now == State.ACTIVE || now == State.REJOINING;
    }

    /** What is configured, else the address from which this program reaches the cluster; {@code null} before it does. */
    public String clusterHost() {
        if (config.clusterHost() != null) {
            return config.clusterHost();
        }
        VxcClient now = client;
        SocketAddress address = now == null ? null : now.localAddress();
        return address instanceof InetSocketAddress ? ((InetSocketAddress) address).getAddress().getHostAddress() : null;
    }

    // ---- nodes ----

    public String id() {
        return id;
    }

    public VxcConfig config() {
        return config;
    }

    public List<String> nodes() {
        return members.nodes();
    }

    public void nodeListener(NodeListener listener) {
        members.listener(listener);
    }

    public NodeInfo info() {
        return info;
    }

    public CompletionStage<Void> setInfo(NodeInfo info) {
        this.info = info;
        return call(() -> sessions.repeated(() -> client.nodes().setInfo(NodeInfos.encode(info))));
    }

    public CompletionStage<NodeInfo> infoOf(String nodeId) {
        return call(() -> client.nodes().get(nodeId).thenApply(bytes -> {
            if (bytes == null || bytes.length == 0) {
                throw new VertxException("node " + nodeId + " is not a member of the cluster", true);
            }
            return NodeInfos.decode(nodeId, bytes);
        }));
    }

    /**
     * Is all well? It is when the primary, with a majority behind it, says within the time of a call that this node is
     * a member. For people: the nodes, and who was asked.
     */
    public CompletionStage<JsonObject> health() {
        return call(() -> client.nodes().list().thenApply(nodes -> {
            if (!nodes.containsKey(id)) {
                throw new VertxException("this node has lost its place in the cluster", true);
            }
            return new JsonObject()
                    .put("nodeId", id)
                    .put("nodes", nodes.size())
                    .put("server", "node " + client.server().nodeId() + ", vxcd " + client.server().version());
        }));
    }

    // ---- registrations ----

    public CompletionStage<Void> addRegistration(String address, RegistrationInfo registration) {
        return call(() -> registrations.add(address, registration));
    }

    /** After leaving there is nothing to remove: the session's end took it away. */
    public CompletionStage<Void> removeRegistration(String address, RegistrationInfo registration) {
        return isActive() ? registrations.remove(address, registration) : CompletableFuture.completedFuture(null);
    }

    /** Its failure is one that the event bus hands to whoever sent a request there; of any other he never hears. */
    public CompletionStage<List<RegistrationInfo>> registrations(String address) {
        CompletableFuture<List<RegistrationInfo>> found = new CompletableFuture<>();
        Stages.whenDone(call(() -> registrations.get(address)), (list, failure) -> Stages.complete(found, list,
                failure == null ? null : new ReplyException(ReplyFailure.ERROR,
                        "who listens at an address of the event bus cannot be told: " + failure.getMessage())));
        return found;
    }

    // ---- data ----

    public <K, V> AsyncMap<K, V> asyncMap(String name) {
        return new SharedMap<>(this, Objects.requireNonNull(name, "name"), values);
    }

    public <K, V> Map<K, V> syncMap(String name) {
        return new SyncMap<>(this, Objects.requireNonNull(name, "name"), values);
    }

    public Counter counter(String name) {
        return new SharedCounter(this, Objects.requireNonNull(name, "name"));
    }

    /** Fails with "Timed out waiting to get lock …" when it was not granted in time. */
    public CompletionStage<Lock> lock(String name, long timeoutMs) {
        Context context = vertx.getOrCreateContext();
        return call(() -> locks.acquire(name, timeoutMs)
                .thenApply(held -> {
                    if (!held.isPresent()) {
                        throw new VertxException("Timed out waiting to get lock " + name, true);
                    }
                    return new FencedLock(held.get(), context, locks::release);
                }));
    }

    // ---- for what is shared ----

    public Vertx vertx() {
        return vertx;
    }

    /** A call within the session; one that was refused because the session had just ended is made again in the next. */
    public <T> CompletionStage<T> inSession(Function<VxcClient, CompletionStage<T>> call) {
        return call(() -> sessions.retried(() -> call.apply(client)));
    }

    /** Is this thread the one that completes stages? Then it must not wait for one. */
    public boolean isDispatcher() {
        return dispatcher.isHere();
    }

    /** The HA info that this node has put last; null: it has taken it away. */
    public void haInfoPut(String map, Object key, Object json) {
        if (map.equals(HA_INFO) && id.equals(key)) {
            ownHaInfo = (String) json;
        }
    }

    private VxcClient client() {
        return client;
    }

    private <T> CompletionStage<T> call(Supplier<CompletionStage<T>> call) {
        if (!isActive()) {
            return Stages.failed(state.get() == State.LEFT
                    ? hasLeft() : new VertxException("this node has not joined the cluster", true));
        }
        return Stages.of(call);
    }

    // ---- what the client tells, on the dispatcher ----

    private final class Notices implements ClientListener {
        private boolean broken; // and told: each further attempt is none worth telling

        @Override
        public void disconnected(String reason) {
            if (isActive() && !broken) {
                broken = true;
                log.warn("the connection to the cluster is broken, and is being made again: " + reason);
            }
        }

        @Override
        public void connected(long session) {
            if (isActive() && session != 0) {
                broken = false;
                log.info("connected to the cluster");
            }
        }

        @Override
        public void sessionDoubtful(long session) {
            log.warn("nothing was heard of the cluster for most of the session's " + config.sessionTimeoutMs()
                    + " ms: the place in the cluster may be lost");
        }

        @Override
        public void sessionLost(long session, String reason) {
            ClusterNode.this.sessionLost(reason);
        }
    }

    private final class Nodes implements WatchListener {
        @Override
        public void event(WatchEvent event) {
            members.update(event.view());
        }

        @Override
        public void resync(long index) {
            Stages.whenDone(client.nodes().list(), (nodes, failure) -> {
                if (failure == null) {
                    members.update(new ArrayList<>(nodes.keySet()));
                } else if (isActive()) {
                    sessions.later(() -> dispatcher.execute(() -> resync(index)));
                }
            });
        }
    }

    private final class Addresses implements WatchListener {
        @Override
        public void event(WatchEvent event) {
            registrations.event(event);
        }

        @Override
        public void resync(long index) {
            tellAllAgain();
        }

        @Override
        public void lost(String reason) {
            registrations.missed();
        }
    }
}
