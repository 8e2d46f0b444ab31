package io.bop.vxc.vertx.scenarios;

import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.eventbus.MessageConsumer;
import io.vertx.core.json.JsonObject;
import io.vertx.core.spi.cluster.ClusterManager;
import io.vertx.ext.healthchecks.Status;
import java.util.Iterator;
import java.util.ServiceLoader;

/** What the generations of Vert.x do not have in common; found on the class path. */
public interface Generation {
    ClusterManager manager(JsonObject config);

    /** Completes when the whole cluster knows of the consumer. */
    Future<Void> registered(MessageConsumer<?> consumer);

    /** Its {@code ClusterHealthCheck} of a Vert.x. */
    Handler<Promise<Status>> healthCheck(Vertx vertx);

    static Generation present() {
        Iterator<Generation> found = ServiceLoader.load(Generation.class).iterator();
        if (!found.hasNext()) {
            throw new IllegalStateException("no generation of Vert.x is on the class path");
        }
        return found.next();
    }
}
