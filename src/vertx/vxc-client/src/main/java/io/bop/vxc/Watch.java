package io.bop.vxc;

import java.util.concurrent.CompletionStage;

/** A standing interest; until {@link #close}, or the session ends. Thread-safe. */
public final class Watch {
    private final VxcClient client;
    private final long id;

    Watch(VxcClient client, long id) {
        this.client = client;
        this.id = id;
    }

    long id() {
        return id;
    }

    /** Ends it: once the stage completes nothing more is told. */
    public CompletionStage<Void> close() {
        return client.unwatch(id);
    }
}
