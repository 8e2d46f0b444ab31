package io.bop.vxc.example;

import io.bop.vxc.vertx.data.FencedLock;
import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import io.vertx.core.eventbus.DeliveryOptions;
import io.vertx.core.eventbus.Message;
import io.vertx.core.json.JsonObject;
import io.vertx.core.shareddata.AsyncMap;
import io.vertx.core.shareddata.Counter;
import io.vertx.core.shareddata.Lock;
import java.util.function.Consumer;

/**
 * Calls a {@link Greeter} of whatever instance, and counts the calls of all instances, once a second. Besides it waits
 * to become the leader: the one instance that holds the lock. The map {@code example} tells who that is.
 */
public final class Caller extends VerticleBase {
    static final String LEADER = "leader";

    private static final long BETWEEN_ROUNDS_MS = 1000;
    private static final DeliveryOptions CALL = new DeliveryOptions().setSendTimeout(2000);

    private final String node;
    private final long leaderWaitMs;
    private final Consumer<String> out;
    private AsyncMap<String, JsonObject> map;
    private Counter calls;
    private FencedLock lock;
    private boolean stopped;

    /** @param leaderWaitMs how long to wait for the leader's lock */
    Caller(String node, long leaderWaitMs, Consumer<String> out) {
        this.node = node;
        this.leaderWaitMs = leaderWaitMs;
        this.out = out;
    }

    @Override
    public Future<?> start() {
        return vertx.sharedData().<String, JsonObject>getAsyncMap("example")
                .onSuccess(map -> this.map = map)
                .compose(map -> vertx.sharedData().getCounter("calls"))
                .onSuccess(calls -> this.calls = calls);
    }

    /** Until the program ends. */
    void callForEver() {
        leadForEver();
        rounds();
    }

    private void leadForEver() {
        lead().onFailure(failure -> {
            if (!stopped) {
                out.accept("cannot become the leader: " + failure.getMessage());
            }
        });
    }

    private void rounds() {
        round().onComplete(done -> vertx.setTimer(BETWEEN_ROUNDS_MS, timer -> rounds()));
    }

    /** One call; what fails is told, and the next round tries again. */
    Future<Void> round() {
        return vertx.eventBus().<String>request(Greeter.ADDRESS, node, CALL)
                .map(Message::body)
                .compose(reply -> calls.incrementAndGet()
                        .compose(count -> leader().map(leader -> "call " + count + ": " + reply + "; " + leader)))
                .onSuccess(out::accept)
                .onFailure(failure -> out.accept("call failed: " + failure.getMessage()))
                .mapEmpty();
    }

    /** Completes when this instance is the leader; fails when another one has been for the whole time. */
    Future<Void> lead() {
        return vertx.sharedData().getLockWithTimeout(LEADER, leaderWaitMs).compose(this::leads);
    }

    private Future<Void> leads(Lock granted) {
        lock = (FencedLock) granted;
        lock.lost().onSuccess(reason -> {
            out.accept("no longer the leader: " + reason);
            leadForEver();
        });
        out.accept("this node is the leader, fencing token " + lock.fencingToken());
        return map.put(LEADER, entry());
    }

    private JsonObject entry() {
        return new JsonObject().put("node", node).put("token", lock.fencingToken());
    }

    private Future<String> leader() {
        return map.get(LEADER).map(entry -> entry == null
                ? "nobody leads"
                : "leader " + entry.getString("node") + ", fencing token " + entry.getLong("token"));
    }

    @Override
    public Future<?> stop() {
        stopped = true;
        if (lock == null) {
            return Future.succeededFuture();
        }
        return map.removeIfPresent(LEADER, entry()).onComplete(done -> lock.release());
    }
}
