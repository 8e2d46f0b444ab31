package io.bop.vxc.vertx.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.VertxException;
import io.vertx.ext.healthchecks.Status;
import org.junit.jupiter.api.Test;

/** What a health check says while the server is there, while it is not, and of a Vert.x that is in no cluster. */
public abstract class Health extends Scenario {
    private static final Generation GENERATION = Generation.present();
    private static final long TIMEOUT_MS = 500; // of a call: how long a check of a dead server takes

    private static Status check(Vertx vertx) {
        Promise<Status> promise = Promise.promise();
        GENERATION.healthCheck(vertx).handle(promise);
        return of(promise.future());
    }

    @Test
    void itIsDownWhileTheServerIs() {
        Vxcd server = alone();
        Vertx vertx = join(config(server).put("timeoutMs", TIMEOUT_MS)).vertx;
        Status up = check(vertx);
        assertTrue(up.isOk());
        assertEquals(1, up.getData().getInteger("nodes"), up.getData()::encode);
        server.kill();
        Status down = check(vertx);
        assertFalse(down.isOk());
        assertTrue(down.getData().getString("reason").contains(server.endpoint()), down.getData()::encode);
        server.start();
        Wait.until("it is up again", () -> check(vertx).isOk());
    }

    @Test
    void aVertxWithoutOurManagerIsAMistake() {
        Vertx vertx = Vertx.vertx();
        try {
            VertxException failure = assertThrows(VertxException.class, () -> GENERATION.healthCheck(vertx));
            assertEquals("this Vert.x has no BopClusterManager but none", failure.getMessage());
        } finally {
            of(vertx.close());
        }
    }
}
