package io.bop.vxc.vertx.scenarios;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcOptions;
import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import io.vertx.core.Future;
import io.vertx.core.json.JsonObject;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;

/** What all scenarios use: servers, nodes, and their end. */
abstract class Scenario {
    /** A session that ends soon enough to be waited for, and bears a busy machine. */
    static final long SHORT_LEASE_MS = 1500;
    /** What a server may take to notice, and a busy machine to tell: added to what the protocol promises. */
    static final long SLACK_MS = 2000;

    @TempDir
    protected Path folder;

    private final Deque<AutoCloseable> open = new ArrayDeque<>();

    /** Closed behind the test, the last one first. */
    <T extends AutoCloseable> T closing(T resource) {
        open.push(resource);
        return resource;
    }

    @AfterEach
    void closeAll() throws Exception {
        while (!open.isEmpty()) {
            open.pop().close();
        }
    }

    // ---- servers ----

    Vxcd alone() {
        return closing(Vxcd.alone(folder.resolve("data")));
    }

    /** Behind a proxy, for those who know no better. */
    Vxcd hidden() {
        return closing(Vxcd.hidden(folder.resolve("data")));
    }

    Vxcd[] three() {
        Vxcd[] nodes = Vxcd.cluster(folder, 3);
        for (Vxcd node : nodes) {
            closing(node);
        }
        return nodes;
    }

    VxcClient client(String endpoints) {
        return closing(VxcClient.create(new VxcOptions(endpoints)));
    }

    /** Which one is it now? */
    static Vxcd primary(Vxcd[] nodes) {
        try (VxcClient client = VxcClient.create(new VxcOptions(Vxcd.endpoints(nodes)).timeoutMs(20_000))) {
            Wait.of(client.map("any").size()); // only the primary answers reads
            for (Vxcd node : nodes) {
                if (node.id == client.server().nodeId()) {
                    return node;
                }
            }
            throw new AssertionError("node " + client.server().nodeId() + " is none of these");
        }
    }

    // ---- nodes ----

    static JsonObject config(String endpoints) {
        return new JsonObject().put("endpoints", endpoints);
    }

    static JsonObject config(Vxcd... servers) {
        return config(Vxcd.endpoints(servers));
    }

    Node join(JsonObject config) {
        return closing(Node.joined(config));
    }

    // ---- what is expected ----

    static <T> T of(Future<T> future) {
        return Node.of(future);
    }

    /** Fails by then, with a text that says at least this. */
    static Throwable failure(Future<?> future, long withinMs, String... says) {
        long beganNs = System.nanoTime();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        AtomicReference<Object> result = new AtomicReference<>();
        future.onComplete(outcome -> {
            result.set(outcome.result());
            failure.set(outcome.succeeded() ? new AssertionError("it has succeeded") : outcome.cause());
        });
        Wait.until("the call ends", () -> failure.get() != null);
        long tookMs = millisSince(beganNs);
        assertTrue(!(failure.get() instanceof AssertionError), () -> "no failure but " + result.get());
        assertTrue(tookMs <= withinMs + SLACK_MS, () -> "took " + tookMs + " ms: " + failure.get());
        for (String words : says) {
            assertTrue(String.valueOf(failure.get().getMessage()).contains(words),
                    () -> "\"" + words + "\" is not in: " + failure.get());
        }
        return failure.get();
    }

    static long millisSince(long ns) {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - ns);
    }

    /** A figure for whoever reads the log of the tests. */
    static void print(String format, Object... values) {
        System.out.println(String.format(format, values));
    }
}
