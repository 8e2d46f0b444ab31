package io.bop.vxc.vertx.scenarios;

import io.vertx.core.Future;
import io.vertx.core.eventbus.MessageConsumer;
import io.vertx.core.json.JsonObject;
import io.vertx.core.spi.cluster.ClusterManager;
import java.util.Iterator;
import java.util.ServiceLoader;

/** What the generations of Vert.x do not have in common; found on the class path. */
public interface Generation {
    ClusterManager manager(JsonObject config);

    /** Completes when the whole cluster knows of the consumer. */
    Future<Void> registered(MessageConsumer<?> consumer);

    static Generation present() {
        Iterator<Generation> found = ServiceLoader.load(Generation.class).iterator();
        if (!found.hasNext()) {
            throw new IllegalStateException("no generation of Vert.x is on the class path");
        }
        return found.next();
    }
}
