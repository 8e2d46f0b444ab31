package io.bop.vxc;

import io.bop.vxc.net.Resolver;
import io.bop.vxc.net.TcpTransport;
import io.bop.vxc.net.Transport;
import java.util.Objects;
import java.util.concurrent.Executor;

/**
 * How a client is made. Set what differs from the defaults, then give it to {@link VxcClient#create}, which copies it.
 * Not thread-safe.
 */
public final class VxcOptions {
    String endpoints;
    String namespace = "";
    String clientName = "vxc-client";
    long timeoutMs = 5000;
    long pingIntervalMs = 20_000;
    long closeGraceMs;
    int queueMax;
    boolean onlyGiven;
    Transport transport = new TcpTransport();
    Resolver resolver = Resolver.system();
    Executor executor;
    ClientListener listener = new ClientListener() { };

    /** @param endpoints "host:port", several with commas between; one member of a cluster is enough to begin with */
    public VxcOptions(String endpoints) {
        this.endpoints = Objects.requireNonNull(endpoints, "endpoints");
    }

    VxcOptions(VxcOptions other) {
        endpoints = other.endpoints;
        namespace = other.namespace;
        clientName = other.clientName;
        timeoutMs = other.timeoutMs;
        pingIntervalMs = other.pingIntervalMs;
        closeGraceMs = other.closeGraceMs;
        queueMax = other.queueMax;
        onlyGiven = other.onlyGiven;
        transport = other.transport;
        resolver = other.resolver;
        executor = other.executor;
        listener = other.listener;
    }

    /** Clients of different namespaces see nothing of each other; default "", the one that all share. */
    public VxcOptions namespace(String namespace) {
        this.namespace = Objects.requireNonNull(namespace, "namespace");
        return this;
    }

    /** Shown in the server's lists; default "vxc-client". */
    public VxcOptions clientName(String name) {
        this.clientName = Objects.requireNonNull(name, "name");
        return this;
    }

    /** From a call to its end, in milliseconds, where the call says nothing else; default 5000. */
    public VxcOptions timeoutMs(long timeoutMs) {
        this.timeoutMs = positive(timeoutMs);
        return this;
    }

    /**
     * At least one frame in so many milliseconds while connected, and in a third of a session's lease; default 20000.
     */
    public VxcOptions pingIntervalMs(long intervalMs) {
        this.pingIntervalMs = positive(intervalMs);
        return this;
    }

    /**
     * How long the server waits for a client whose connection was closed, before it ends the session; default 0: for
     * the whole lease. The connections of a process that was killed are closed at once, so a short grace makes its
     * registrations go at once. A client that lives is back within a few milliseconds, unless the network closes
     * connections and then fails: who must be sure of its session for the whole lease (a holder of locks) sets none.
     */
    public VxcOptions closeGraceMs(long graceMs) {
        if (graceMs < 0 || graceMs > 0xffffffffL) {
            throw new IllegalArgumentException("a grace of " + graceMs + " ms");
        }
        this.closeGraceMs = graceMs;
        return this;
    }

    /**
     * So many calls wait, in order, while {@link Limits#PENDING_MAX} are under way; at most
     * {@link Limits#QUEUE_BYTES_MAX} bytes of them. What a call waits is taken off its time, and one whose time is over
     * ends when its turn comes: after two times its time at the latest. Default 0: a call too many fails with EBUSY.
     */
    public VxcOptions queueMax(int calls) {
        if (calls < 0) {
            throw new IllegalArgumentException("a queue of " + calls + " calls");
        }
        this.queueMax = calls;
        return this;
    }

    /** Only the given endpoints are used, not those that the server names; for tools that ask certain nodes. */
    public VxcOptions onlyGivenEndpoints() {
        this.onlyGiven = true;
        return this;
    }

    /** How connections are made; default {@link TcpTransport}. */
    public VxcOptions transport(Transport transport) {
        this.transport = Objects.requireNonNull(transport, "transport");
        return this;
    }

    /** How host names are looked up; default {@link Resolver#system}. */
    public VxcOptions resolver(Resolver resolver) {
        this.resolver = Objects.requireNonNull(resolver, "resolver");
        return this;
    }

    /**
     * Where stages complete and listeners run. It must run tasks one after the other, in their order. {@code
     * Runnable::run} is the client's own I/O thread: nothing that blocks may run there. Default: one thread per client.
     */
    public VxcOptions executor(Executor executor) {
        this.executor = Objects.requireNonNull(executor, "executor");
        return this;
    }

    /** Who hears of the connection and the session. */
    public VxcOptions listener(ClientListener listener) {
        this.listener = Objects.requireNonNull(listener, "listener");
        return this;
    }

    private static long positive(long ms) {
        if (ms <= 0) {
            throw new IllegalArgumentException("a time of " + ms + " ms");
        }
        return ms;
    }
}
