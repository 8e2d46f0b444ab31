package io.bop.vxc;

/** Every bound of the client: name, unit, reason. Those of the wire are {@code src/base/limits.h}'s. */
public final class Limits {
    // ---- what travels ----

    /** Bytes; a reader can buffer one whole frame. */
    public static final int FRAME_SIZE_MAX = 16 << 20;
    /** Bytes of a map key, set value, multimap key or value. */
    public static final int KEY_SIZE_MAX = 64 << 10;
    /** Bytes of the name of a map, lock, node, address … in UTF-8. */
    public static final int NAME_SIZE_MAX = 64 << 10;
    /** Bytes; key, name and heads fit beside. */
    public static final int VALUE_SIZE_MAX = FRAME_SIZE_MAX - (128 << 10);
    /** Bytes of a node's info. */
    public static final int INFO_SIZE_MAX = 64 << 10;

    // ---- what is under way ----

    /** Calls without answer; one more ends with EBUSY. A session's window is as wide. */
    public static final int PENDING_MAX = 4096;
    /** Bytes of their payloads; a server takes half as much from one connection before it stops reading. */
    public static final long PENDING_BYTES_MAX = 64L << 20;
    /** Bytes of calls that wait for their turn, in a client that has a queue: as many again as are under way. */
    public static final long QUEUE_BYTES_MAX = 64L << 20;
    /** Events that came before the answer to their watch; then the watch is told to read again. */
    public static final int EARLY_EVENTS_MAX = 4096;
    /** Bytes asked of the socket per read. */
    public static final int READ_SIZE = 64 << 10;
    /** Reads per turn; then deadlines and writers get theirs. */
    public static final int READS_PER_TURN = 16;

    // ---- sessions ----

    public static final int SESSION_TIMEOUT_MS_MIN = 100;
    public static final int SESSION_TIMEOUT_MS_MAX = 3_600_000;
    public static final int SECRET_SIZE_MAX = 64;

    // ---- where to connect ----

    /** Endpoints that a client is given. */
    public static final int ENDPOINTS_MAX = 16;
    /** Addresses of members that it learns besides: all of a cluster. */
    public static final int LEARNED_MAX = 16;
    /** Milliseconds until a place that failed is tried again: doubled by each failure, half of it chance. */
    public static final int RECONNECT_MS_MIN = 20;
    public static final int RECONNECT_MS_MAX = 1000;
    /**
     * Milliseconds until a node that is not the primary is asked again. An election takes one election timeout or
     * two, and a write is to be possible within a second of the old primary's end …
     */
    public static final int SEARCH_MS_MIN = 10;
    public static final int SEARCH_MS_MAX = 100;
    /** … but a cluster that has had no primary for so long (ms) is asked so many times less often. */
    public static final int SEARCH_EAGER_MS = 5000;
    public static final int SEARCH_LAZY_TIMES = 5;
    /** Milliseconds for a connection to be accepted: with nowhere else to go, and else (doubled by each failure). */
    public static final int CONNECT_MS_ALONE = 3000;
    public static final int CONNECT_MS = 300;
    /** Milliseconds until a node is left that accepts but does not answer the hello, if there are others. */
    public static final int HELLO_MS = 500;
    /**
     * Milliseconds without a word after which a server with a call under way is pinged, and after which one that was
     * pinged is left, if there are others; the latter doubles each time the same node is left so.
     */
    public static final int ASK_MS = 500;
    public static final int SILENCE_MS = 2000;
    /** With nowhere else to go: three pings, but no longer than this (ms). */
    public static final int SILENCE_MS_ALONE = 20_000;
    /**
     * Milliseconds that a client stays with a node that lost its primaryship, for the fate of what cannot be asked
     * again elsewhere; the node answers at once or is cut off.
     */
    public static final int LEAVE_MS = 300;
    /** Milliseconds between two looks at the list of members. */
    public static final int MEMBERS_MS = 30_000;
    /** Milliseconds until what a busy server refused is asked again: doubled by each refusal, half of it chance. */
    public static final int BUSY_RETRY_MS_MIN = 5;
    public static final int BUSY_RETRY_MS_MAX = 250;

    private Limits() {
    }
}
