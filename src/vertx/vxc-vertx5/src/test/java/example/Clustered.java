package example;

import io.bop.vxc.vertx.BopClusterManager;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.json.JsonObject;

/** The ways to a clustered Vert.x. */
public final class Clustered {
    private Clustered() {
    }

    /** The manager is found on the class path. */
    public static Future<Vertx> found() {
        return Vertx.clusteredVertx(new VertxOptions());
    }

    /** The manager is given, with its configuration. */
    public static Future<Vertx> given() {
        JsonObject config = new JsonObject().put("namespace", "shop").put("sessionTimeoutMs", 5000);
        return Vertx.builder()
                .with(new VertxOptions())
                .withClusterManager(new BopClusterManager(config))
                .buildClustered();
    }
}
