package io.bop.vxc.vertx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import example.Clustered;
import io.bop.vxc.testing.SharedVxcd;
import io.bop.vxc.testing.Wait;
import io.vertx.core.Vertx;
import io.vertx.core.impl.VertxInternal;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The programs of docs/vertx.md. */
class ExamplesIT {
    @BeforeEach
    void tellTheEndpoint() {
        System.setProperty("vxc.endpoints", SharedVxcd.endpoint());
    }

    @AfterEach
    void forgetTheEndpoint() {
        System.clearProperty("vxc.endpoints");
    }

    private static void checkAndClose(Vertx vertx) {
        try {
            assertEquals(BopClusterManager.class, ((VertxInternal) vertx).getClusterManager().getClass());
        } finally {
            Wait.of(vertx.close().toCompletionStage());
        }
    }

    @Test
    void theManagerIsAnOptionOfVertx() {
        CompletableFuture<Vertx> started = new CompletableFuture<>();
        Clustered.callback(started::complete);
        checkAndClose(Wait.of(started));
    }

    @Test
    void theManagerIsGivenToTheBuilder() {
        checkAndClose(Wait.of(Clustered.builder().toCompletionStage()));
    }
}
