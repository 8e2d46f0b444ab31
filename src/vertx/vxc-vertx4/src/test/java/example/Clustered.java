package example;

import io.bop.vxc.vertx.BopClusterManager;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import java.util.function.Consumer;

/** The ways to a clustered Vert.x. */
public final class Clustered {
    private Clustered() {
    }

    /** With callbacks. */
    @SuppressWarnings("deprecation") // of setClusterManager, in favour of the builder
    public static void callback(Consumer<Vertx> run) {
        VertxOptions options = new VertxOptions().setClusterManager(new BopClusterManager());
        Vertx.clusteredVertx(options, res -> {
            if (res.succeeded()) {
                run.accept(res.result());
            } else {
                System.err.println(res.cause().getMessage());
            }
        });
    }

    /** As in Vert.x 5. */
    public static Future<Vertx> builder() {
        return Vertx.builder().withClusterManager(new BopClusterManager()).buildClustered();
    }
}
