package io.bop.vxc;

/**
 * What happens to a client's connection and session. Called on the client's executor, in one order with stages and
 * watch events. Must not wait for a stage of the same client.
 */
public interface ClientListener {
    /** Ready for requests. @param session its id, 0 when there is none */
    default void connected(long session) {
    }

    /** The connection is gone, and is being made again. */
    default void disconnected(String reason) {
    }

    /**
     * Nothing was heard for nine tenths of the session's lease: it may be over, and its locks with others. The next
     * answer or {@link #connected} says that it lives, {@link #sessionLost} that it does not.
     */
    default void sessionDoubtful(long session) {
    }

    /**
     * The session has expired or was ended by somebody else; its locks, registrations, watches and node entry are gone.
     * Writes fail with ESESSION until {@link VxcClient#openSession} opens another one.
     */
    default void sessionLost(long session, String reason) {
    }

    /** A lock that this client held is held no more; told for each one before {@link #sessionLost}. */
    default void lockLost(String name, long token, String reason) {
    }

    /** Events were missed: what is watched is to be read again. Each watch is told too. */
    default void resync(long index) {
    }
}
