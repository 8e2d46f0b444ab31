package io.bop.vxc;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;

/** A session as the server shows it. Immutable. */
public final class SessionInfo {
    private final Message info;

    private SessionInfo(Message info) {
        this.info = info;
    }

    static SessionInfo of(byte[] record) {
        return new SessionInfo(Arguments.record(Kind.SESSION_INFO, record));
    }

    public long session() {
        return info.number("session");
    }

    public String name() {
        return info.text("name");
    }

    /** Under which it has joined; "" when it has not. */
    public String nodeId() {
        return info.text("node_id");
    }

    /** Milliseconds. */
    public long leaseMs() {
        return info.number("timeout_ms");
    }

    public boolean isConnected() {
        return info.truth("connected");
    }

    /** Where its connection comes from; "" when there is none. */
    public String address() {
        return info.text("address");
    }

    public long locksHeld() {
        return info.number("locks_held");
    }

    public long registrations() {
        return info.number("registrations");
    }
}
