package io.bop.vxc;

import static io.bop.vxc.Arguments.key;
import static io.bop.vxc.Arguments.name;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;

/** What is watched; it need not exist. Immutable. Names and keys over their bounds throw ETOOBIG here. */
public final class WatchTarget {
    private static final byte[] NO_NAME = new byte[0];

    private final long kind;
    private final byte[] name;
    private final byte[] key;

    private WatchTarget(long kind, byte[] name, byte[] key) {
        this.kind = kind;
        this.name = name;
        this.key = key;
    }

    public static WatchTarget map(String name) {
        return new WatchTarget(1, name(name), null);
    }

    /** Only that key. */
    public static WatchTarget map(String name, byte[] key) {
        return new WatchTarget(1, name(name), key(key));
    }

    public static WatchTarget set(String name) {
        return new WatchTarget(2, name(name), null);
    }

    public static WatchTarget multimap(String name) {
        return new WatchTarget(3, name(name), null);
    }

    public static WatchTarget counter(String name) {
        return new WatchTarget(4, name(name), null);
    }

    public static WatchTarget lock(String name) {
        return new WatchTarget(5, name(name), null);
    }

    /** Who joins, leaves, or sets its info. */
    public static WatchTarget nodes() {
        return new WatchTarget(6, NO_NAME, null);
    }

    /** Registrations of all addresses. */
    public static WatchTarget registrations() {
        return new WatchTarget(7, NO_NAME, null);
    }

    /** Registrations of that address. */
    public static WatchTarget registrations(String address) {
        return new WatchTarget(7, name(address), null);
    }

    Message request() {
        return new Message(Kind.WATCH_ADD, kind, name, key);
    }
}
