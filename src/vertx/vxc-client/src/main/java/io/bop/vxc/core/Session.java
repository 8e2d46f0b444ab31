package io.bop.vxc.core;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;

/** The session of a client: wanted, open, lost; and up to where its events have come. */
final class Session {
    boolean wanted; // to be opened or resumed when connected
    boolean lost; // the server does not know it any more
    boolean closing; // at our own wish: its end is no loss
    boolean doubtful; // told that its lease may be over
    long id; // 0 = not open yet
    byte[] secret = new byte[0];
    long leaseMs;
    private long closeGraceMs;
    byte[] name = new byte[0];
    long nextSequence = 1;
    SessionWish wish; // not answered yet
    long wishDeadlineMs = Long.MAX_VALUE;
    final Locks locks = new Locks();
    private long seenIndex; // replies prove that all events up to it came
    private long eventIndex; // of the newest watch event, …
    private long eventOrdinal; // … its place within the index, …
    private long eventWatch; // … and which of the watches it was for

    static Session wanted(SessionWish wish, long nowMs) {
        Session session = new Session();
        session.wanted = true;
        session.id = wish.session;
        session.secret = wish.secret;
        session.leaseMs = wish.leaseMs;
        session.closeGraceMs = wish.closeGraceMs;
        session.name = wish.name;
        session.nextSequence = wish.firstSequence;
        session.wish = wish;
        session.wishDeadlineMs = nowMs + wish.timeoutMs;
        return session;
    }

    boolean isOpen() {
        return id != 0;
    }

    /** Are writes to be sequenced? From the wish on: they wait for its answer. */
    boolean sequences() {
        return wanted && !lost && !closing;
    }

    /** What asks the server for it. */
    Message request() {
        return id == 0
                ? new Message(Kind.SESSION_OPEN, leaseMs, name, closeGraceMs)
                : new Message(Kind.SESSION_RESUME, id, secret, resumeIndex(), closeGraceMs);
    }

    /** The server gave it. */
    void granted(Message reply) {
        if (id == 0) {
            seenIndex = reply.number("index");
        }
        id = reply.number("session");
        doubtful = false;
        leaseMs = reply.number("timeout_ms");
        if (reply.bytes("secret").length > 0) {
            secret = reply.bytes("secret");
        }
        if (reply.truth("resync")) {
            // What is read again now has all up to here in it: none of that is to come a second time.
            eventIndex = reply.number("index");
            eventOrdinal = eventWatch = -1; // unsigned: the largest
            seenIndex = Math.max(seenIndex, eventIndex);
        }
    }

    // ---- events ----

    /**
     * Which events the server is to repeat: those of the newest index too, for some of them may have been on their
     * way; those that came are passed over then.
     */
    private long resumeIndex() {
        return eventIndex <= seenIndex ? seenIndex : eventIndex - 1;
    }

    /**
     * A reply proves that all events before it came. A write shares its index with others of the same entry, whose
     * events may be behind its reply; a read is answered between entries.
     */
    void seen(Pending p, long index) {
        seenIndex = Math.max(seenIndex, p.sequence != 0 && index > 0 ? index - 1 : index);
    }

    /** False when a resumed session repeats what has come already. */
    boolean isNew(Message event) {
        long index = event.number("index");
        long ordinal = event.number("ordinal");
        long watch = event.number("watch");
        boolean later = index != eventIndex ? index > eventIndex
                : ordinal != eventOrdinal ? Long.compareUnsigned(ordinal, eventOrdinal) > 0
                : Long.compareUnsigned(watch, eventWatch) > 0;
        if (later) {
            eventIndex = index;
            eventOrdinal = ordinal;
            eventWatch = watch;
        }
        return later;
    }

    // ---- locks ----

    /** Notes which locks are held, from what an acquire, a release or a cancel was answered. */
    void noteLock(Pending p, Message reply) {
        if (p.kind == Kind.LOCK_ACQUIRE && reply.truth("acquired") && p.sequence != 0 && isOpen()) {
            locks.granted(request(p).bytes("lock"), reply.number("token"), p.sequence);
        } else if (p.kind == Kind.LOCK_RELEASE) {
            Message request = request(p);
            locks.released(request.bytes("lock"), request.number("token"));
        } else if (p.kind == Kind.LOCK_CANCEL) {
            locks.canceled(request(p).number("acquire_sequence"));
        }
    }

    private static Message request(Pending p) {
        return Message.decode(p.kind.number, p.call.payload);
    }
}
