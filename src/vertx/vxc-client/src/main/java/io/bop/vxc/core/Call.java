package io.bop.vxc.core;

import io.bop.vxc.VxcException;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;

/**
 * One request of a caller, and who is told its outcome. Exactly one of {@link #done} and {@link #failed} is called,
 * once, on the thread that drives the {@link Core}; they must neither block nor call the core.
 */
public abstract class Call {
    /** No deadline: its end is the session's or the client's. */
    public static final long FOREVER = -1;

    final Kind kind;
    final byte[] payload;
    long timeoutMs;
    final boolean stale;
    private long sequence;

    /**
     * @param timeoutMs from its submission to its end, or {@link #FOREVER}
     * @param stale a read that any node may answer from what it has applied
     */
    protected Call(Message request, long timeoutMs, boolean stale) {
        this.kind = request.kind;
        this.payload = request.encode();
        this.timeoutMs = timeoutMs;
        this.stale = stale;
    }

    /** It succeeded with this reply; for an acquire always a LOCK_REPLY, however the outcome came. */
    protected abstract void done(Message reply);

    protected abstract void failed(VxcException failure);

    /** Bytes that it holds while it is under way. */
    public int size() {
        return payload.length;
    }

    /** So much of its time has passed before its submission. */
    public void waited(long ms) {
        if (timeoutMs != FOREVER) {
            timeoutMs = Math.max(0, timeoutMs - ms);
        }
    }

    /** Its place in the session's sequence, 0 when it is not sequenced; known once it was submitted. */
    protected long sequence() {
        return sequence;
    }

    void sequence(long sequence) {
        this.sequence = sequence;
    }
}
