package io.bop.vxc;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;

/** A member of the cluster. Immutable. */
public final class Member {
    /** What it may do. */
    public enum Role {
        STANDBY,
        VOTER,
        PRIMARY
    }

    private static final Role[] ROLES = Role.values();

    private final Message info;

    private Member(Message info) {
        this.info = info;
    }

    static Member of(byte[] record) {
        Message info = Arguments.record(Kind.MEMBER_INFO, record);
        if (info.number("role") >= ROLES.length) {
            throw VxcException.failed(VxcError.EPROTO, "a member in a role that is not known");
        }
        return new Member(info);
    }

    public long id() {
        return info.number("id");
    }

    public Role role() {
        return ROLES[(int) info.number("role")];
    }

    /** "host:port"; "" when it is not known. */
    public String address() {
        return info.text("address");
    }

    /** On the primary: up to where the member is known to have the log, durably. */
    public long matchIndex() {
        return info.number("match_index");
    }

    /** On the primary: milliseconds since something was heard of it; -1 = never, or the primary itself. */
    public long silentMs() {
        Long silentMs = info.optional("silent_ms");
        return silentMs == null ? -1 : silentMs;
    }
}
