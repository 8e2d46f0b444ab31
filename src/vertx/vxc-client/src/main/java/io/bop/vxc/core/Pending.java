package io.bop.vxc.core;

import io.bop.vxc.wire.Frame;
import io.bop.vxc.wire.Kind;

/** A call that has not ended. */
final class Pending {
    enum State {
        /** To be written when the connection is ready, and not before {@link #retryMs}. */
        WAITING,
        /** Written on this connection. */
        SENT,
        /** An acquire that was told "queued"; its outcome comes as an event. */
        QUEUED
    }

    final Call call;
    final Kind kind;
    final long sequence; // 0 = not sequenced
    final long deadlineMs; // Long.MAX_VALUE = none
    final boolean read;
    final boolean anyNode; // a backup can answer it too
    final boolean repeatable; // may be asked again after a break

    Pending previous;
    Pending next;
    State state = State.WAITING;
    boolean everSent; // on any connection: then it may have taken effect
    boolean ended;
    int busyCount; // answers "busy" so far
    int requestId; // on this connection, while SENT or QUEUED
    long endOffset; // of its frame within all that this connection sends
    long retryMs;

    Pending(Call call, long sequence, long deadlineMs) {
        this.call = call;
        this.kind = call.kind;
        this.sequence = sequence;
        this.deadlineMs = deadlineMs;
        this.read = Operations.isRead(kind);
        this.anyNode = read && (call.stale || kind == Kind.STATUS);
        // Closing a session twice closes it once.
        this.repeatable = read || sequence != 0 || kind == Kind.SESSION_CLOSE;
    }

    int flags() {
        return Frame.REQUEST | (sequence != 0 ? Frame.SEQUENCED : 0) | (read && call.stale ? Frame.STALE : 0);
    }
}
