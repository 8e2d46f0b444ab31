package io.bop.vxc;

/** What it takes to go on with a session in another client or process. Immutable; the secret is to be kept secret. */
public final class SessionHandle {
    private final long session;
    private final byte[] secret;
    private final long nextSequence;
    private final long leaseMs;

    /** @param nextSequence above all that were used within the session */
    public SessionHandle(long session, byte[] secret, long nextSequence, long leaseMs) {
        this.session = session;
        this.secret = secret.clone();
        this.nextSequence = nextSequence;
        this.leaseMs = leaseMs;
    }

    public long session() {
        return session;
    }

    public byte[] secret() {
        return secret.clone();
    }

    public long nextSequence() {
        return nextSequence;
    }

    /** Milliseconds without a word after which the session ends. */
    public long leaseMs() {
        return leaseMs;
    }
}
