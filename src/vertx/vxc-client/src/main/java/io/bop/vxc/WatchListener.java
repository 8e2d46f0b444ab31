package io.bop.vxc;

/**
 * Who is told of a watch's events, on the client's executor: each once, in the order of the log, in one stream with
 * replies; of several lists that one address has in quick succession the last may come alone. What a write causes is
 * told before the write's own stage completes. Must not wait for a stage of the same client.
 */
public interface WatchListener {
    void event(WatchEvent event);

    /** Events were missed; what the state shows at this index is complete, and later events follow. Read again. */
    default void resync(long index) {
    }

    /** The session has ended, and the watch with it. Nothing follows. */
    default void lost(String reason) {
    }
}
