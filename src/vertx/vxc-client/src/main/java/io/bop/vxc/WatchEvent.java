package io.bop.vxc;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.util.Collections;
import java.util.List;

/** Something that is watched has changed. Immutable but for the arrays, which are the listener's. */
public final class WatchEvent {
    /** What happened. */
    public enum Type {
        /** Put, added, or a counter changed. */
        PUT(1),
        REMOVED(2),
        /** Removed by its time to live. */
        EXPIRED(3),
        CLEARED(4),
        DESTROYED(5),
        LOCKED(6),
        UNLOCKED(7),
        NODE_JOINED(20),
        NODE_LEFT(21),
        NODE_INFO(22),
        /** The registrations of an address: {@link #registrations} is the full new list. */
        REGISTRATIONS(-1),
        /** A type of a later version. */
        OTHER(-2);

        private final long number;

        Type(long number) {
            this.number = number;
        }

        static Type of(long number) {
            for (Type type : values()) {
                if (type.number == number) {
                    return type;
                }
            }
            return OTHER;
        }
    }

    private final Message event;

    WatchEvent(Message event) {
        this.event = event;
    }

    public Type type() {
        return event.kind == Kind.EVENT_REGISTRATIONS ? Type.REGISTRATIONS : Type.of(event.number("type"));
    }

    /** Place in the log. */
    public long index() {
        return event.number("index");
    }

    /** Place within the index. */
    public long ordinal() {
        return event.number("ordinal");
    }

    long watch() {
        return event.number("watch");
    }

    /** Of the map, set, multimap, counter or lock; the address of registrations; the node id of node events. */
    public String name() {
        switch (event.kind) {
            case EVENT_DATA:
                return event.text("name");
            case EVENT_REGISTRATIONS:
                return event.text("address");
            default:
                return event.text("node_id");
        }
    }

    /** The key, or the value of a set; {@code null} where there is none. */
    public byte[] key() {
        return event.kind == Kind.EVENT_DATA ? event.bytes("key") : null;
    }

    /**
     * The new value, or the info of a node; {@code null} where there is none, and when it is too large for the event.
     */
    public byte[] value() {
        switch (event.kind) {
            case EVENT_DATA:
                return event.bytes("value");
            case EVENT_MEMBERS:
                return event.bytes("info");
            default:
                return null;
        }
    }

    /** The value of a counter; for node events the epoch, which counts changes of membership. */
    public long number() {
        switch (event.kind) {
            case EVENT_DATA:
                return event.number("number");
            case EVENT_MEMBERS:
                return event.number("epoch");
            default:
                return 0;
        }
    }

    /** The fencing token of {@link Type#LOCKED}. */
    public long token() {
        return event.kind == Kind.EVENT_DATA ? event.number("token") : 0;
    }

    /** For node events: all node ids after it, in join order; the same for everybody. */
    public List<String> view() {
        return event.kind == Kind.EVENT_MEMBERS ? VxcNodes.texts(event.items("view")) : Collections.emptyList();
    }

    /** For {@link Type#REGISTRATIONS}. */
    public List<Registration> registrations() {
        return event.kind == Kind.EVENT_REGISTRATIONS
                ? Registration.of(event.pairs("registrations"))
                : Collections.emptyList();
    }

    @Override
    public String toString() {
        return type() + " " + name() + " at " + index() + "." + ordinal();
    }
}
