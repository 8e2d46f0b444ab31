package io.bop.vxc.core;

import io.bop.vxc.VxcException;

/** A session that somebody wants opened or resumed. One of its two outcomes is told, once. */
public abstract class SessionWish {
    final long session; // 0 = a new one
    final byte[] secret;
    final long firstSequence;
    final long leaseMs;
    final byte[] name;
    final long timeoutMs;
    final long closeGraceMs;

    /**
     * @param session 0 to open one, else which to resume, with its secret and a sequence above all that were used
     * @param leaseMs of a new one; 0 = the server's default
     * @param timeoutMs until it is given up
     * @param closeGraceMs how long the server waits for a client that has closed its connection; 0 = the lease
     */
    protected SessionWish(long session, byte[] secret, long firstSequence, long leaseMs, byte[] name, long timeoutMs,
            long closeGraceMs) {
        this.session = session;
        this.secret = secret;
        this.firstSequence = firstSequence;
        this.leaseMs = leaseMs;
        this.name = name;
        this.timeoutMs = timeoutMs;
        this.closeGraceMs = closeGraceMs;
    }

    public abstract void opened(long session);

    public abstract void failed(VxcException failure);
}
