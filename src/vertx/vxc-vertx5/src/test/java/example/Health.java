package example;

import io.bop.vxc.vertx.ClusterHealthCheck;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.ext.healthchecks.CheckResult;
import io.vertx.ext.healthchecks.HealthChecks;

/** Is this node a member of a cluster that can write? */
public final class Health {
    private Health() {
    }

    public static Future<CheckResult> check(Vertx vertx) {
        HealthChecks checks = HealthChecks.create(vertx);
        checks.register("cluster", ClusterHealthCheck.createProcedure(vertx));
        return checks.checkStatus();
    }
}
