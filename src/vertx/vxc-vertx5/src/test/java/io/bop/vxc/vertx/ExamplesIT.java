package io.bop.vxc.vertx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import example.Clustered;
import example.Health;
import example.Shared;
import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcOptions;
import io.bop.vxc.testing.SharedVxcd;
import io.bop.vxc.testing.Wait;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.internal.VertxInternal;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.healthchecks.CheckResult;
import java.nio.charset.StandardCharsets;
import java.util.function.Function;
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

    private static <T> T of(Future<T> future) {
        return Wait.of(future.toCompletionStage());
    }

    private static <T> T with(Future<Vertx> started, Function<Vertx, T> body) {
        Vertx vertx = of(started);
        try {
            assertEquals(BopClusterManager.class, ((VertxInternal) vertx).clusterManager().getClass());
            return body.apply(vertx);
        } finally {
            of(vertx.close());
        }
    }

    @Test
    void theManagerIsFoundOnTheClassPath() {
        assertTrue(with(Clustered.found(), Vertx::isClustered));
    }

    @Test
    void whatIsSharedIsThereWhenAllNodesAreGone() {
        long number = with(Clustered.given(), vertx -> of(Shared.order(vertx)));
        try (VxcClient client = VxcClient.create(new VxcOptions(SharedVxcd.endpoint()).namespace("shop"))) {
            byte[] value = Wait.of(client.map("orders").get(("l:" + number).getBytes(StandardCharsets.UTF_8)));
            assertEquals("j:{\"item\":\"tea\",\"count\":2}", new String(value, StandardCharsets.UTF_8));
        }
    }

    @Test
    void fencingTokensRise() {
        long first = with(Clustered.given(), vertx -> of(Shared.fenced(vertx)));
        long second = with(Clustered.given(), vertx -> of(Shared.fenced(vertx)));
        assertTrue(second > first, () -> second + " behind " + first);
    }

    @Test
    void theHealthOfTheClusterIsTold() {
        CheckResult result = with(Clustered.given(), vertx -> of(Health.check(vertx)));
        assertTrue(result.getUp());
        JsonObject data = result.getChecks().get(0).getData();
        assertEquals(1, data.getInteger("nodes"), data::encode);
    }
}
