package io.bop.vxc;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;

/** A lock as the server shows it. Immutable. */
public final class LockInfo {
    private final Message info;

    private LockInfo(Message info) {
        this.info = info;
    }

    static LockInfo of(byte[] record) {
        return new LockInfo(Arguments.record(Kind.LOCK_INFO, record));
    }

    public String name() {
        return info.text("name");
    }

    public boolean isHeld() {
        return info.truth("held");
    }

    /** Of the holder. */
    public long session() {
        return info.number("session");
    }

    /** Name or node id of the holder's session. */
    public String owner() {
        return info.text("owner");
    }

    public long token() {
        return info.number("token");
    }

    /** How many wait. */
    public long waiting() {
        return info.number("waiting");
    }
}
