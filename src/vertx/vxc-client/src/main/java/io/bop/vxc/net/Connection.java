package io.bop.vxc.net;

import io.bop.vxc.Limits;
import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import io.bop.vxc.core.Core;
import io.bop.vxc.core.Endpoint;
import io.bop.vxc.core.Router;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.Executor;

/** The connection of a client: where to connect and when, reading, writing. One thread; it never blocks. */
public final class Connection {
    private final Core core;
    private final Router router;
    private final Transport transport;
    private final Resolver resolver;
    private final Executor executor; // of the thread that drives

    private Link link; // null while there is none
    private boolean resolving;
    private boolean connecting;
    private boolean reached;
    private String failure; // why this attempt has failed already; null = it has not
    private int attempt; // tells a late answer of the resolver from that to this attempt
    private long dueMs; // next attempt, or the end of this one
    private volatile SocketAddress localAddress; // of the last connection that stood

    public Connection(Core core, Router router, Transport transport, Resolver resolver, Executor executor) {
        this.core = core;
        this.router = router;
        this.transport = transport;
        this.resolver = resolver;
        this.executor = executor;
        core.setOthers(router.hasOthers());
    }

    // ---- a turn ----

    /** Does what can be done now: connect, read (if something may be there), look at the clock, write. */
    public void turn(long nowMs, boolean readable) {
        if (link == null && !resolving && nowMs >= dueMs) {
            beginResolve(nowMs);
        }
        if (connecting || resolving) {
            finishConnect(nowMs);
        }
        if (isOpen() && (readable || link.hasInput())) {
            read(nowMs);
        }
        try {
            core.tick(nowMs);
        } catch (VxcException e) {
            drop(e.error(), e.getMessage(), nowMs);
        }
        if (isOpen()) {
            write(nowMs);
        }
    }

    /** When a turn is wanted next; {@code Long.MAX_VALUE} when not. */
    public long dueMs() {
        if (isOpen() && link.hasInput()) {
            return 0;
        }
        return isOpen() ? core.dueMs() : Math.min(core.dueMs(), dueMs);
    }

    /** What to wait on; {@code null} while there is no connection. */
    public Link link() {
        return link;
    }

    /** For what to wait on it. */
    public int interest() {
        return link.interest(core.hasOutput());
    }

    private boolean isOpen() {
        return link != null && !connecting;
    }

    // ---- beginning ----

    private void beginResolve(long nowMs) {
        int id = ++attempt;
        failure = null;
        Endpoint place = router.place();
        core.setOthers(router.hasOthers());
        resolving = true;
        dueMs = nowMs + router.connectMs();
        resolver.resolve(place.host).whenComplete((addresses, problem) -> executor.execute(() -> {
            if (id == attempt) {
                resolved(place, addresses, problem);
            }
        }));
    }

    private void resolved(Endpoint place, InetAddress[] addresses, Throwable problem) {
        if (problem != null || addresses.length == 0) {
            failure = place.host + " is not the name of a host that can be found";
            return;
        }
        InetAddress address = addresses[router.failures() % addresses.length]; // all in turn
        try {
            link = transport.open(new InetSocketAddress(address, place.port), place.host);
            connecting = true;
            resolving = false;
        } catch (IOException | RuntimeException e) {
            failure = reason(e);
        }
    }

    private void finishConnect(long nowMs) {
        try {
            if (connecting && link.finishConnect()) {
                connecting = false;
                reached = true;
                localAddress = link.localAddress();
                core.connected(nowMs);
                return;
            }
        } catch (IOException | RuntimeException e) {
            drop(VxcError.ECLOSED, reason(e), nowMs);
            return;
        }
        if (failure != null) {
            drop(VxcError.ECLOSED, failure, nowMs);
        } else if (nowMs >= dueMs) {
            drop(VxcError.ETIMEOUT, resolving ? "its name is not found in time" : "no answer to the connection", nowMs);
        }
    }

    // ---- bytes ----

    private void read(long nowMs) {
        for (int i = 0; i < Limits.READS_PER_TURN; i++) {
            ByteBuffer space = core.space();
            int room = space.remaining();
            int got;
            try {
                got = link.read(space);
            } catch (IOException | RuntimeException e) {
                drop(VxcError.ECLOSED, reason(e), nowMs);
                return;
            }
            if (got < 0) {
                drop(VxcError.ECLOSED, "the server closed the connection", nowMs);
                return;
            }
            if (got == 0) {
                return;
            }
            try {
                core.received(nowMs);
            } catch (VxcException e) {
                drop(e.error(), e.getMessage(), nowMs);
                return;
            }
            if (core.isReady() && !core.isSearching()) {
                router.found();
            }
            if (got < room) {
                return;
            }
        }
    }

    private void write(long nowMs) {
        try {
            while (core.hasOutput()) {
                long sent = link.write(core.output());
                if (sent <= 0) {
                    return;
                }
                core.sent(sent, nowMs);
            }
        } catch (IOException | RuntimeException e) {
            drop(VxcError.ECLOSED, reason(e), nowMs);
        }
    }

    // ---- ending ----

    /** Drops the connection, or what was to become one; where the next one goes follows from why. */
    private void drop(VxcError why, String text, long nowMs) {
        String reason = router.place() + ": " + text;
        VxcError ended = core.isLeaving() ? VxcError.ENOTPRIMARY : why; // however it ended, it had said so
        close();
        router.ended(nowMs, ended, core.primaryAddress());
        dueMs = router.dueMs();
        core.setOthers(router.hasOthers());
        core.disconnected(reason);
    }

    /** Closes the connection for good. */
    public void close() {
        Link open = link;
        link = null;
        connecting = false;
        resolving = false;
        attempt++;
        if (open != null) {
            try {
                open.close();
            } catch (IOException e) {
                // nothing more is expected from it
            }
        }
    }

    private static String reason(Throwable e) {
        String text = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        return e instanceof ConnectException && text.isEmpty() ? "connection refused" : text;
    }

    // ---- what else is known ----

    /** Tells the router who the members are. */
    public void learn(List<String> addresses) {
        router.learn(addresses);
        core.setOthers(router.hasOthers());
    }

    /** Has any server accepted a connection? */
    public boolean wasReached() {
        return reached;
    }

    /** Of the last connection that stood; {@code null} before. Any thread. */
    public SocketAddress localAddress() {
        return localAddress;
    }
}
