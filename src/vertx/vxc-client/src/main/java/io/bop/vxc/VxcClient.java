package io.bop.vxc;

import io.bop.vxc.core.Core;
import io.bop.vxc.core.Endpoint;
import io.bop.vxc.core.Router;
import io.bop.vxc.core.SessionWish;
import io.bop.vxc.net.Connection;
import io.bop.vxc.net.Loop;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.SocketAddress;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.LongConsumer;

/**
 * The client of vertx-cluster: talks to a cluster over one connection at a time.
 *
 * <pre>
 *     VxcClient client = VxcClient.create(new VxcOptions("127.0.0.1:7400"));
 *     client.openSession(20_000);
 *     client.map("greetings").put(key, value).thenCompose(done -&gt; client.counter("visits").addAndGet(1)) …
 *     client.close();
 * </pre>
 *
 * <p>The connection is made on demand, and made again with a jittered, growing delay when it breaks. The client finds
 * the primary from any endpoint and learns where all members are. What a broken connection means for a call under way:
 *
 * <ul>
 *   <li>a read is asked again;
 *   <li>a write within a session is sent again under the same sequence: it takes effect once, and its caller sees the
 *       first effect's answer;
 *   <li>a write without a session that may have reached the server ends as {@linkplain VxcException#isUnknown unknown}.
 * </ul>
 *
 * <p>Every stage completes: with the result, a failure, or by the call's time limit. At most {@link Limits#PENDING_MAX}
 * calls and {@link Limits#PENDING_BYTES_MAX} bytes of them are under way; one more fails with EBUSY at once, or waits
 * ({@link VxcOptions#queueMax}).
 *
 * <p>Thread-safe. One thread of the client's does the I/O; stages complete and listeners run on
 * {@linkplain VxcOptions#executor the executor}, in one order: a write's stage completes behind the events that the
 * write caused. Nothing that runs there may wait for a stage of the same client.
 */
public final class VxcClient implements AutoCloseable {
    /** The time of {@link #openSession(long, String, long)} that does not end. */
    public static final long FOREVER = Long.MAX_VALUE / 4;

    private final VxcOptions options;
    private final Dispatcher dispatcher;
    private final Core core;
    private final Connection connection;
    private final Loop loop;
    private final Watches watches = new Watches(); // used on the executor
    private final Map<Long, HeldLock> heldLocks = new ConcurrentHashMap<>();
    private final Admission admission;
    private volatile ServerInfo server = ServerInfo.UNKNOWN;
    private final AtomicBoolean closing = new AtomicBoolean();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();

    private VxcClient(VxcOptions options) throws IOException {
        this.options = options;
        dispatcher = new Dispatcher(options.executor);
        admission = new Admission(options.queueMax, this::start);
        Random random = new Random();
        core = new Core(options.clientName, Arguments.name(options.namespace), options.pingIntervalMs, random,
                new Notices(this));
        Router router = new Router(Endpoint.parse(options.endpoints), options.onlyGiven, random);
        connection = new Connection(core, router, options.transport, options.resolver,
                task -> execute(nowMs -> task.run(), () -> { }));
        loop = new Loop(core, connection, this::loopEnded);
    }

    /**
     * Makes a client; it begins to connect at once.
     *
     * @throws IllegalArgumentException for endpoints that cannot be read
     * @throws UncheckedIOException when no descriptor is left
     */
    public static VxcClient create(VxcOptions options) {
        try {
            VxcClient client = new VxcClient(new VxcOptions(options));
            client.loop.start();
            return client;
        } catch (IOException e) {
            throw new UncheckedIOException("a client cannot be made", e);
        }
    }

    // ---- what is in the cluster ----

    /**
     * No request is made. A name over {@link Limits#NAME_SIZE_MAX} throws {@link VxcException} ETOOBIG; as all below.
     */
    public VxcMap map(String name) {
        return new VxcMap(this, Arguments.utf8(name), options.timeoutMs, false);
    }

    public VxcSet set(String name) {
        return new VxcSet(this, Arguments.utf8(name), options.timeoutMs, false);
    }

    public VxcMultimap multimap(String name) {
        return new VxcMultimap(this, Arguments.utf8(name), options.timeoutMs, false);
    }

    public VxcCounter counter(String name) {
        return new VxcCounter(this, Arguments.utf8(name), options.timeoutMs, false);
    }

    public VxcLock lock(String name) {
        return new VxcLock(this, Arguments.utf8(name), options.timeoutMs, false);
    }

    public VxcNodes nodes() {
        return new VxcNodes(this, options.timeoutMs, false);
    }

    public VxcRegistrations registrations() {
        return new VxcRegistrations(this, options.timeoutMs, false);
    }

    public VxcCluster cluster() {
        return new VxcCluster(this, options.timeoutMs, false);
    }

    /**
     * Watches something, within the session: every change from here on is told, once and in order, also over a broken
     * connection and a change of the primary, or the listener is told to read again.
     */
    public CompletionStage<Watch> watch(WatchTarget target, WatchListener listener) {
        try {
            return submit(new WatchCall(this, watches, target, listener, options.timeoutMs));
        } catch (VxcException tooBig) {
            return failed(tooBig);
        }
    }

    CompletionStage<Void> unwatch(long id) {
        Message request = new Message(Kind.WATCH_REMOVE, id);
        return submit(new ClientCall<>(this, request, options.timeoutMs, false, reply -> {
            watches.closed(id);
            return null;
        }));
    }

    // ---- the session ----

    /**
     * Opens a session, one per client. From here on writes are sequenced: they wait for its answer and then take effect
     * exactly once. EEXISTS when there is one.
     *
     * @param leaseMs it ends when nothing is heard of the client for so long; {@link Limits#SESSION_TIMEOUT_MS_MIN} to
     *     {@link Limits#SESSION_TIMEOUT_MS_MAX}, 0 = the server's default
     * @return its id
     */
    public CompletionStage<Long> openSession(long leaseMs) {
        return openSession(leaseMs, options.clientName);
    }

    /** The same under a name of its own, shown in the server's lists. */
    public CompletionStage<Long> openSession(long leaseMs, String name) {
        return openSession(leaseMs, name, options.timeoutMs);
    }

    /**
     * The same, given up after so many milliseconds; {@link #FOREVER}: when the client is closed. Writes wait for it
     * meanwhile, each for its own time.
     */
    public CompletionStage<Long> openSession(long leaseMs, String name, long timeoutMs) {
        if (leaseMs < 0 || leaseMs > 0xffffffffL) {
            throw new IllegalArgumentException("a lease of " + leaseMs + " ms");
        }
        return wantSession(0, new byte[0], 1, leaseMs, Arguments.utf8(name), timeoutMs);
    }

    /**
     * Goes on with a session that another client has let go. Locks that it holds stay its own, but only those that this
     * client acquires are told as lost. ESESSION, ESECRET: it is gone, or another's.
     */
    public CompletionStage<Long> resumeSession(SessionHandle handle) {
        return wantSession(handle.session(), handle.secret(), handle.nextSequence(), handle.leaseMs(), new byte[0],
                options.timeoutMs);
    }

    private CompletionStage<Long> wantSession(
            long session, byte[] secret, long firstSequence, long leaseMs, byte[] name, long timeoutMs) {
        CompletableFuture<Long> opened = new CompletableFuture<>();
        SessionWish wish = new SessionWish(session, secret, firstSequence, leaseMs, name, timeoutMs,
                options.closeGraceMs) {
            @Override
            public void opened(long id) {
                dispatch(() -> opened.complete(id));
            }

            @Override
            public void failed(VxcException failure) {
                dispatch(() -> opened.completeExceptionally(failure));
            }
        };
        execute(nowMs -> core.openSession(wish, nowMs), () -> wish.failed(closed()));
        return opened;
    }

    /** What it takes to go on with the session elsewhere; {@code null} when none is open. */
    public CompletionStage<SessionHandle> sessionHandle() {
        CompletableFuture<SessionHandle> handle = new CompletableFuture<>();
        execute(nowMs -> {
            SessionHandle now = core.sessionId() == 0 ? null
                    : new SessionHandle(core.sessionId(), core.sessionSecret(), core.nextSequence(), core.leaseMs());
            dispatch(() -> handle.complete(now));
        }, () -> handle.completeExceptionally(closed()));
        return handle;
    }

    /** Closes it: its locks, registrations, watches and node entry are gone when the stage completes. */
    public CompletionStage<Void> closeSession() {
        return submit(new ClientCall<>(this, new Message(Kind.SESSION_CLOSE), options.timeoutMs, false, reply -> {
            sessionEnded("the session was closed");
            return null;
        }));
    }

    /** On the executor. */
    void sessionEnded(String reason) {
        heldLocks.values().forEach(lock -> lock.lose(reason));
        heldLocks.clear();
        watches.lost(reason);
    }

    // ---- the connection ----

    /** Completes when a server has answered; it need not be the primary. */
    public CompletionStage<ServerInfo> connect() {
        return submit(new ClientCall<>(this, new Message(Kind.STATUS), options.timeoutMs, false, reply -> server));
    }

    /** Who was at the other end last. */
    public ServerInfo server() {
        return server;
    }

    void server(ServerInfo server) {
        this.server = server;
    }

    /** The local address of the last connection that stood; {@code null} before the first. */
    public SocketAddress localAddress() {
        return connection.localAddress();
    }

    // ---- the end ----

    /** Closes the session, if there is one, then the client; calls under way end with ECANCELED. Always completes. */
    public CompletionStage<Void> shutdown() {
        if (!closing.compareAndSet(false, true)) {
            return ended;
        }
        execute(nowMs -> {
            if (core.sessionId() == 0) {
                loop.stop();
            } else {
                closeSession().whenComplete((done, failure) -> loop.stop());
            }
        }, () -> { });
        return ended;
    }

    /** Ends the client at once, as if the process had ended: the session is left to its lease. Always completes. */
    public CompletionStage<Void> abandon() {
        loop.stop();
        return ended;
    }

    /** {@link #shutdown}, and waits for it; on the client's executor without waiting. */
    @Override
    public void close() {
        CompletionStage<Void> end = shutdown();
        if (dispatcher.isHere()) {
            return;
        }
        try {
            end.toCompletableFuture().get(2 * options.timeoutMs, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            abandon();
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            abandon();
        }
    }

    private void loopEnded() {
        dispatch(() -> {
            sessionEnded("the client was closed");
            ended.complete(null);
        });
    }

    // ---- calls ----

    <T> CompletionStage<T> submit(ClientCall<T> call) {
        try {
            admission.enter(call);
        } catch (VxcException busy) {
            return failed(busy);
        }
        return call.future;
    }

    private void start(ClientCall<?> call) {
        execute(nowMs -> {
            call.submitted();
            core.submit(call, nowMs);
        }, () -> call.failed(closed()));
    }

    void cancel(ClientCall<?> call) {
        execute(nowMs -> core.cancel(call, nowMs), () -> { });
    }

    /** It is under way no more. */
    void ended(ClientCall<?> call) {
        admission.leave(call);
    }

    <T> CompletionStage<T> failed(VxcException failure) {
        CompletableFuture<T> future = new CompletableFuture<>();
        future.completeExceptionally(failure);
        return future;
    }

    void dispatch(Runnable task) {
        dispatcher.execute(task);
    }

    private static VxcException closed() {
        return VxcException.failed(VxcError.ECANCELED, "the client is closed");
    }

    private void execute(LongConsumer work, Runnable otherwise) {
        loop.execute(new Loop.Task() {
            @Override
            public void run(long nowMs) {
                work.accept(nowMs);
            }

            @Override
            public void rejected() {
                otherwise.run();
            }
        });
    }

    // ---- locks and notices ----

    HeldLock hold(HeldLock lock) {
        heldLocks.put(lock.token(), lock);
        return lock;
    }

    void letGo(long token) {
        heldLocks.remove(token);
    }

    /** On the executor. */
    void lockLost(long token, String reason) {
        HeldLock lock = heldLocks.remove(token);
        if (lock != null) {
            lock.lose(reason);
        }
    }

    Watches watches() {
        return watches;
    }

    Connection connection() {
        return connection;
    }

    /** Tells the listener, on the executor. */
    void tell(Consumer<ClientListener> notice) {
        dispatch(() -> notice.accept(options.listener));
    }
}
