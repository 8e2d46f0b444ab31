package example;

import io.bop.vxc.vertx.data.FencedLock;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.json.JsonObject;

/** What nodes share. */
public final class Shared {
    private Shared() {
    }

    /** A map and a counter that outlive all nodes. */
    public static Future<Long> order(Vertx vertx) {
        JsonObject order = new JsonObject().put("item", "tea").put("count", 2);
        return vertx.sharedData().getCounter("orders")
                .compose(orders -> orders.incrementAndGet())
                .compose(number -> vertx.sharedData().<Long, JsonObject>getAsyncMap("orders")
                        .compose(orders -> orders.put(number, order))
                        .map(number));
    }

    /** A lock whose token a store can check. */
    public static Future<Long> fenced(Vertx vertx) {
        return vertx.sharedData().getLockWithTimeout("deploy", 10_000).map(granted -> {
            FencedLock lock = (FencedLock) granted;
            lock.lost().onSuccess(reason -> System.out.println("stop: " + reason));
            long token = lock.fencingToken(); // a store that remembers the largest one refuses whoever was overtaken
            lock.release();
            return token;
        });
    }
}
