package io.bop.vxc.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.eventbus.EventBusOptions;
import io.vertx.core.eventbus.MessageConsumer;
import io.vertx.core.impl.ContextInternal;
import io.vertx.core.impl.VertxInternal;
import io.vertx.core.json.JsonObject;
import io.vertx.core.shareddata.AsyncMap;
import io.vertx.core.spi.cluster.ClusterManager;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.IntFunction;

/**
 * One clustered Vert.x node, driven by lines of JSON: each line of the standard input is a command, each has one line of
 * the standard output as its answer. The cluster manager is the one on the class path. Ends with its input.
 */
public final class BenchNode {
    private static final long POLL_MS = 1;
    private static final long LOCK_TIMEOUT_MS = 30_000;
    private static final int FILL_IN_FLIGHT = 32;
    private static final int UNREGISTER_IN_FLIGHT = 64;
    private static final int VERTICLES = 8; // that register consumers

    private final PrintStream answers;
    private final List<MessageConsumer<?>> consumers = new ArrayList<>(); // of the load "register"
    private final List<Context> verticles = new ArrayList<>();
    private int registered;
    private VertxInternal vertx;
    private ClusterManager manager;
    private ContextInternal context; // of the loads
    private DeathWatch watch;

    private BenchNode(PrintStream answers) {
        this.answers = answers;
    }

    /** Reads commands until there are no more. */
    public static void main(String[] arguments) throws IOException {
        BenchNode node = new BenchNode(System.out);
        System.setOut(System.err); // answers are alone there, whatever a library prints
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            node.answer(new JsonObject(line));
        }
        System.exit(0);
    }

    private void answer(JsonObject command) {
        Future<JsonObject> done;
        try {
            done = run(command);
        } catch (RuntimeException e) {
            done = Future.failedFuture(e);
        }
        done.onComplete(result -> {
            if (result.failed()) {
                result.cause().printStackTrace();
            }
            JsonObject answer = result.succeeded() ? result.result()
                    : new JsonObject().put("error", String.valueOf(result.cause()));
            answers.println(answer.encode());
            answers.flush();
        });
    }

    private Future<JsonObject> run(JsonObject command) {
        switch (command.getString("command")) {
        case "start":
            return start(command.getString("host"), command.getInteger("nodes"));
        case "fill":
            return fill(command);
        case "load":
            return load(command);
        case "consume":
            return consume(command.getString("address"), command.getInteger("others"));
        case "unregister":
            return unregister();
        case "watch":
            watch = new DeathWatch(vertx.createEventLoopContext(), manager, command.getString("address"),
                    command.getString("node"));
            return Future.succeededFuture(new JsonObject());
        case "killed":
            return watch.untilGone(command.getLong("at"));
        case "members":
            return untilMembers(command.getInteger("count"));
        case "heap":
            return Future.succeededFuture(new JsonObject().put("bytes", heapInUse()));
        default:
            throw new IllegalArgumentException("no such command: " + command.encode());
        }
    }

    /** Done when this node sees that many members. */
    private Future<JsonObject> start(String host, int nodes) {
        return Vertx.builder().with(new VertxOptions()
                .setEventBusOptions(new EventBusOptions().setHost(host))).buildClustered().compose(started -> {
                    vertx = (VertxInternal) started;
                    manager = vertx.getClusterManager();
                    context = vertx.createEventLoopContext();
                    for (int i = 0; i < VERTICLES; i++) {
                        verticles.add(vertx.createEventLoopContext());
                    }
                    return untilMembers(nodes);
                });
    }

    private Future<JsonObject> untilMembers(int count) {
        Promise<JsonObject> promise = Promise.promise();
        // On the context: a timer set by another thread may fire before it can be cancelled.
        context.runOnContext(nothing -> vertx.setPeriodic(POLL_MS, timer -> {
            if (manager.getNodes().size() == count && vertx.cancelTimer(timer)) {
                promise.complete(new JsonObject().put("node", manager.getNodeId()));
            }
        }));
        return promise.future();
    }

    private Future<JsonObject> fill(JsonObject command) {
        int from = command.getInteger("from");
        int to = command.getInteger("to");
        String value = "x".repeat(command.getInteger("valueSize"));
        int[] next = {from};
        return vertx.sharedData().<String, String>getClusterWideMap(command.getString("name"))
                .compose(map -> Load.ofCount(to - from, context, FILL_IN_FLIGHT,
                        worker -> map.put(key(next[0]++), value)));
    }

    private Future<JsonObject> load(JsonObject command) {
        int keys = command.getInteger("keys");
        String value = "x".repeat(command.getInteger("valueSize"));
        String name = command.getString("name");
        switch (command.getString("op")) {
        case "put":
            return onMap(command, map -> map.put(randomKey(keys), value));
        case "get":
            return onMap(command, map -> map.get(randomKey(keys)).map(BenchNode::expectValue));
        case "lock":
            // The same name for all workers of all nodes, or one for each worker of this node.
            return run(command, worker -> lockAndRelease(
                    command.getBoolean("contended") ? name : name + '-' + manager.getNodeId() + '-' + worker));
        case "counter":
            return vertx.sharedData().getCounter(name)
                    .compose(counter -> run(command, worker -> counter.incrementAndGet()));
        case "register":
            return run(command, this::register);
        default:
            throw new IllegalArgumentException("no such load: " + command.encode());
        }
    }

    private static String expectValue(String value) {
        if (value == null) {
            throw new IllegalStateException("a key of the map has no value");
        }
        return value;
    }

    private interface OnMap {
        Future<?> apply(AsyncMap<String, String> map);
    }

    private Future<JsonObject> onMap(JsonObject command, OnMap operation) {
        return vertx.sharedData().<String, String>getClusterWideMap(command.getString("name"))
                .compose(map -> run(command, worker -> operation.apply(map)));
    }

    private Future<JsonObject> run(JsonObject command, IntFunction<Future<?>> operation) {
        return Load.forSeconds(command.getDouble("seconds"), context, command.getInteger("inFlight"), operation);
    }

    private Future<?> lockAndRelease(String name) {
        return vertx.sharedData().getLockWithTimeout(name, LOCK_TIMEOUT_MS).map(lock -> {
            lock.release();
            return null;
        });
    }

    /** A consumer of an address of its own, in one of the verticles: managers may keep an order within each. */
    private Future<?> register(int worker) {
        String address = "bench." + manager.getNodeId() + '.' + registered++;
        Promise<MessageConsumer<?>> promise = context.promise();
        verticles.get(worker % VERTICLES).runOnContext(nothing -> {
            MessageConsumer<?> consumer = vertx.eventBus().consumer(address, message -> message.reply(""));
            completion(consumer).<MessageConsumer<?>>map(consumer).onComplete(promise);
        });
        return promise.future().onSuccess(consumers::add);
    }

    private static Future<Void> completion(MessageConsumer<?> consumer) {
        Promise<Void> promise = Promise.promise();
        consumer.completionHandler(promise);
        return promise.future();
    }

    private Future<JsonObject> unregister() {
        int[] next = {0};
        return Load.ofCount(consumers.size(), context, UNREGISTER_IN_FLIGHT,
                worker -> consumers.get(next[0]++).unregister()).onComplete(done -> consumers.clear());
    }

    /** Answers requests to the address; has many other consumers besides, as nodes have. */
    private Future<JsonObject> consume(String address, int others) {
        return completion(vertx.eventBus().consumer(address, message -> message.reply("")))
                .compose(done -> Load.ofCount(others, context, FILL_IN_FLIGHT, this::register));
    }

    /** Twice: what the first collection finalizes, the second one frees. */
    private static long heapInUse() {
        System.gc();
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    private static String key(int number) {
        return "key-" + number;
    }

    private static String randomKey(int keys) {
        return key(ThreadLocalRandom.current().nextInt(keys));
    }
}
