package io.bop.vxc.bench;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.eventbus.DeliveryOptions;
import io.vertx.core.eventbus.EventBus;
import io.vertx.core.impl.ContextInternal;
import io.vertx.core.json.JsonObject;
import io.vertx.core.spi.cluster.ClusterManager;
import io.vertx.core.spi.cluster.RegistrationInfo;
import java.util.ArrayList;
import java.util.List;

/**
 * Sees from this node how long the consumers of a killed node stay: by what applications notice, requests to an address
 * that go to nobody, and by what the cluster manager answers. Moments are of {@link System#nanoTime}, which on Linux is
 * one clock for all processes.
 */
final class DeathWatch {
    private static final long EVERY_MS = 5; // a request and a look at the registrations
    private static final long REQUEST_TIMEOUT_MS = 1_000;
    private static final int STREAK = 200; // answered one after the other: the dead node is in no round robin

    private enum Outcome { PENDING, ANSWERED, FAILED }

    /** One request. */
    private static final class Sent {
        final long at = System.nanoTime();
        Outcome outcome = Outcome.PENDING;
    }

    private final Vertx vertx;
    private final ContextInternal context; // all happens there
    private final ClusterManager manager;
    private final String address;
    private final String node;
    private final List<Sent> sent = new ArrayList<>(); // in order
    private final Promise<JsonObject> done = Promise.promise();

    private long killedAt; // 0: it lives
    private int requestsTotal;
    private int failedTotal;
    private long unregisteredAt; // first look that finds it gone; 0: not seen yet
    private boolean looking;

    /** Begins to send at once; the node is still alive. */
    DeathWatch(ContextInternal context, ClusterManager manager, String address, String node) {
        this.vertx = context.owner();
        this.context = context;
        this.manager = manager;
        this.address = address;
        this.node = node;
        context.runOnContext(nothing -> vertx.setPeriodic(EVERY_MS, this::tick));
    }

    /**
     * The node was killed then. Ends when both are seen: requests_s until the first of {@value #STREAK} requests in a
     * row that were all answered, registrations_s until the cluster manager names the node no more.
     */
    Future<JsonObject> untilGone(long at) {
        context.runOnContext(nothing -> killedAt = at);
        return done.future();
    }

    private void tick(long timer) {
        request(vertx.eventBus());
        if (killedAt == 0) {
            return;
        }
        look();
        int first = startOfStreak();
        if (first >= 0 && unregisteredAt != 0) {
            vertx.cancelTimer(timer);
            done.complete(new JsonObject().put("requests_s", seconds(sent.get(first).at))
                    .put("registrations_s", seconds(unregisteredAt))
                    .put("requests", requestsTotal).put("failed", failedTotal));
        }
    }

    private void request(EventBus bus) {
        Sent request = new Sent();
        sent.add(request);
        requestsTotal++;
        bus.request(address, "", new DeliveryOptions().setSendTimeout(REQUEST_TIMEOUT_MS)).onComplete(reply -> {
            request.outcome = reply.succeeded() ? Outcome.ANSWERED : Outcome.FAILED;
            failedTotal += reply.succeeded() ? 0 : 1;
        });
    }

    private void look() {
        if (looking) {
            return;
        }
        looking = true;
        Promise<List<RegistrationInfo>> promise = Promise.promise();
        manager.getRegistrations(address, promise);
        promise.future().onComplete(found -> context.runOnContext(nothing -> {
            looking = false;
            boolean named = found.failed() || found.result().stream().anyMatch(info -> node.equals(info.nodeId()));
            if (named) {
                unregisteredAt = 0;
            } else if (unregisteredAt == 0) {
                unregisteredAt = System.nanoTime();
            }
        }));
    }

    /** Index of the first request of the streak; -1 while there is none. */
    private int startOfStreak() {
        int streak = 0;
        for (int i = 0; i < sent.size(); i++) {
            Sent request = sent.get(i);
            if (request.outcome == Outcome.PENDING) {
                return -1;
            }
            streak = request.at >= killedAt && request.outcome == Outcome.ANSWERED ? streak + 1 : 0;
            if (streak == STREAK) {
                return i - STREAK + 1;
            }
        }
        return -1;
    }

    private double seconds(long at) {
        return (at - killedAt) / 1e9;
    }
}
