package io.bop.vxc;

import static io.bop.vxc.Arguments.utf8;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.util.Objects;

/** What is watched; it need not exist. Immutable. */
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
        return new WatchTarget(1, utf8(name), null);
    }

    /** Only that key. */
    public static WatchTarget map(String name, byte[] key) {
        return new WatchTarget(1, utf8(name), Objects.requireNonNull(key, "key"));
    }

    public static WatchTarget set(String name) {
        return new WatchTarget(2, utf8(name), null);
    }

    public static WatchTarget multimap(String name) {
        return new WatchTarget(3, utf8(name), null);
    }

    public static WatchTarget counter(String name) {
        return new WatchTarget(4, utf8(name), null);
    }

    public static WatchTarget lock(String name) {
        return new WatchTarget(5, utf8(name), null);
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
        return new WatchTarget(7, utf8(address), null);
    }

    Message request() {
        return new Message(Kind.WATCH_ADD, kind, Arguments.name(name), key == null ? null : Arguments.key(key));
    }
}
