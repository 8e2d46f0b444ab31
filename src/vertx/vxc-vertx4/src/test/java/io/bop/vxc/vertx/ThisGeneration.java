package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.Generation;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.eventbus.MessageConsumer;
import io.vertx.core.json.JsonObject;
import io.vertx.core.spi.cluster.ClusterManager;
import io.vertx.ext.healthchecks.Status;

/** Vert.x 4. */
public final class ThisGeneration implements Generation {
    @Override
    public ClusterManager manager(JsonObject config) {
        return new BopClusterManager(config);
    }

    @Override
    public Future<Void> registered(MessageConsumer<?> consumer) {
        Promise<Void> done = Promise.promise();
        consumer.completionHandler(done);
        return done.future();
    }

    @Override
    public Handler<Promise<Status>> healthCheck(Vertx vertx) {
        return ClusterHealthCheck.createProcedure(vertx);
    }
}
