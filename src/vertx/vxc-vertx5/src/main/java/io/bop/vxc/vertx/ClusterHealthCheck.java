package io.bop.vxc.vertx;

import io.bop.vxc.vertx.node.Stages;
import io.vertx.core.Handler;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.VertxException;
import io.vertx.core.internal.VertxInternal;
import io.vertx.core.json.JsonObject;
import io.vertx.core.spi.cluster.ClusterManager;
import io.vertx.ext.healthchecks.Status;

/**
 * A procedure for Vert.x's health checks (vertx-health-check): is this node a member of a cluster that has its quorum?
 *
 * <pre>
 *     HealthChecks checks = HealthChecks.create(vertx);
 *     checks.register("cluster", ClusterHealthCheck.createProcedure(vertx));
 * </pre>
 */
public final class ClusterHealthCheck {
    private ClusterHealthCheck() {
    }

    /** Answers within the time of a call; with how many nodes there are, or with what is wrong. */
    public static Handler<Promise<Status>> createProcedure(Vertx vertx) {
        ClusterManager manager = ((VertxInternal) vertx).clusterManager();
        if (!(manager instanceof BopClusterManager)) {
            throw new VertxException("this Vert.x has no BopClusterManager but "
                    + (manager == null ? "none" : manager.getClass().getName()));
        }
        return promise -> Stages.whenDone(Stages.of(() -> ((BopClusterManager) manager).node().health()),
                (details, failure) -> promise.complete(failure == null
                        ? Status.OK(details)
                        : Status.KO(new JsonObject().put("reason", failure.getMessage()))));
    }
}
