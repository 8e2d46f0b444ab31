package io.bop.vxc.vertx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.VertxException;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.healthchecks.Status;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HealthIT {
    private static final long TIMEOUT_MS = 500; // of a call: how long a check of a dead server takes

    private static Status check(Vertx vertx) {
        Promise<Status> promise = Promise.promise();
        ClusterHealthCheck.createProcedure(vertx).handle(promise);
        return Wait.of(promise.future().toCompletionStage());
    }

    @Test
    void itIsDownWhileTheServerIs(@TempDir Path folder) {
        try (Vxcd server = Vxcd.alone(folder.resolve("vxcd"))) {
            JsonObject config = new JsonObject().put("endpoints", server.endpoint()).put("timeoutMs", TIMEOUT_MS);
            Vertx vertx = Wait.of(Vertx.builder().withClusterManager(new BopClusterManager(config)).buildClustered()
                    .toCompletionStage());
            try {
                Status up = check(vertx);
                assertTrue(up.isOk());
                assertEquals(1, up.getData().getInteger("nodes"), up.getData()::encode);
                server.kill();
                Status down = check(vertx);
                assertTrue(!down.isOk());
                assertTrue(down.getData().getString("reason").contains(server.endpoint()), down.getData()::encode);
                server.start();
                Wait.until("it is up again", () -> check(vertx).isOk());
            } finally {
                Wait.of(vertx.close().toCompletionStage());
            }
        }
    }

    @Test
    void aVertxWithoutOurManagerIsAMistake() {
        Vertx vertx = Vertx.vertx();
        try {
            VertxException failure =
                    assertThrows(VertxException.class, () -> ClusterHealthCheck.createProcedure(vertx));
            assertEquals("this Vert.x has no BopClusterManager but none", failure.getMessage());
        } finally {
            Wait.of(vertx.close().toCompletionStage());
        }
    }
}
