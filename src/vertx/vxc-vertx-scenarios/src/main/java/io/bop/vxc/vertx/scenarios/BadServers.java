package io.bop.vxc.vertx.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.VxcClient;
import io.bop.vxc.testing.Proxy;
import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import io.bop.vxc.vertx.config.VxcConfig;
import io.bop.vxc.vertx.node.ClusterNode;
import io.bop.vxc.vertx.node.Host;
import io.bop.vxc.vertx.node.Log;
import io.bop.vxc.wire.Frame;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.json.JsonObject;
import io.vertx.core.spi.cluster.RegistrationInfo;
import io.vertx.core.spi.cluster.RegistrationUpdateEvent;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/**
 * No server, the wrong one, one without quorum, one that falls silent: each call fails in its time with a text that
 * says why, and when the cause is gone all goes on by itself.
 */
public abstract class BadServers extends Scenario {
    private static final long TIMEOUT_MS = 1000;
    private static final int AT_A_TIME = 16;
    private static final int CUTS_SECONDS_MAX = 60;
    private static final int FRAMES_SIZE_MIN = 200; // of ten frames, each with its head

    private static JsonObject impatient(String endpoints) {
        return config(endpoints).put("timeoutMs", TIMEOUT_MS).put("joinTimeoutMs", TIMEOUT_MS);
    }

    // ---- joining ----

    @Test
    void whereNobodyListensJoiningFailsAndSaysWhatToDo() {
        String endpoint = "127.0.0.1:" + Vxcd.freePorts(1)[0];
        failure(Node.joining(impatient(endpoint)), TIMEOUT_MS, "cannot join the cluster at " + endpoint,
                "Connection refused", "does vxcd run there?", "-Dvxc.endpoints");
    }

    @Test
    void aServerThatIsLateIsWaitedFor() {
        Vxcd late = closing(Vxcd.on(folder.resolve("data"), Vxcd.freePorts(1)[0]));
        Future<Node> joining = Node.joining(config(late.endpoint()));
        late.start();
        closing(of(joining));
    }

    @Test
    void whereSomethingElseListensJoiningFails() {
        FakeServer web = closing(FakeServer.ofTheWeb());
        failure(Node.joining(impatient(web.endpoint())), TIMEOUT_MS, "cannot join the cluster at " + web.endpoint(),
                "a frame of", "does vxcd run there?");
    }

    @Test
    void whereNobodyAnswersJoiningFails() {
        FakeServer silent = closing(FakeServer.silent());
        failure(Node.joining(impatient(silent.endpoint())), TIMEOUT_MS, "cannot join the cluster at "
                + silent.endpoint(), "does not answer");
    }

    @Test
    void aServerOfAnotherVersionIsRefusedUntilItIsReplaced() throws IOException {
        FakeServer other = closing(FakeServer.ofAnotherVersion());
        failure(Node.joining(impatient(other.endpoint())), TIMEOUT_MS, "cannot join the cluster at "
                + other.endpoint(), "EVERSION", "this node speaks versions 7 to 9");
        Future<Node> joining = Node.joining(config(other.endpoint()));
        assertFalse(joining.isComplete());
        other.close();
        closing(Vxcd.on(folder.resolve("data"), other.port)).start();
        closing(of(joining));
    }

    @Test
    void aSessionThatIsLostWhileJoiningIsFollowedByTheNext() {
        Vxcd server = hidden();
        VxcClient other = client(server.endpoint());
        assertEquals(0, sessions(other));
        AtomicReference<Proxy> network = new AtomicReference<>();
        long answers = handshakeSize(other, server);
        // hello and session are answered and nothing else; the next connection hears nothing
        network.set(closing(new Proxy(server.port, server.endpoint(), (connection, toClient) -> {
            if (connection == 1) {
                network.get().cutSilently();
            }
            return connection == 0 && toClient ? answers : Long.MAX_VALUE;
        })));
        Future<Node> joining = Node.joining(config(server.namedEndpoint()));
        Wait.until("it had a session, and has none", () -> network.get().accepted() > 1 && sessions(other) == 0);
        assertFalse(joining.isComplete());
        network.get().heal();
        assertEquals(1, closing(of(joining)).manager.getNodes().size());
    }

    private static int sessions(VxcClient client) {
        return Wait.of(client.cluster().sessions()).size();
    }

    /** Bytes of what the server answers to hello and to the wish for a session. */
    private static long handshakeSize(VxcClient client, Vxcd server) {
        Message hello = new Message(Kind.HELLO_REPLY, 1L, 0L, server.id, new byte[16], 1L,
                client.server().version().getBytes(StandardCharsets.UTF_8), true,
                ("localhost:" + server.port).getBytes(StandardCharsets.UTF_8), 1L);
        Message session = new Message(Kind.SESSION_REPLY, 1L, 1L, new byte[16], 1L, false, false);
        return 2 * Frame.HEADER_SIZE + hello.encode().length + session.encode().length;
    }

    // ---- calls ----

    /** One call of each sort. */
    private static List<Future<?>> calls(Node node, String name) {
        List<Future<?>> calls = new ArrayList<>();
        calls.add(node.putting("map", name, "value"));
        calls.add(node.getting("map", name));
        calls.add(node.adding(name));
        calls.add(node.locking(name, 10));
        calls.add(node.consuming(name));
        calls.add(node.asking("nobody is at " + name));
        return calls;
    }

    private static void assertAllFail(Node node, String name, String says) {
        for (Future<?> call : calls(node, name)) {
            failure(call, TIMEOUT_MS, says);
        }
    }

    private static void assertAllSucceed(Node node, String name) {
        assertEquals("value", node.put("map", name, "value"));
        assertEquals("value", of(node.getting("map", name)));
        assertEquals(1, of(node.adding(name)));
        of(node.locking(name, 5000)).release();
        node.consume(name);
        assertEquals(node.id(), node.ask(name));
        failure(node.asking("nobody is at " + name), SLACK_MS, "No handlers");
        node.consume("nobody is at lost");
        assertEquals(node.id(), node.ask("nobody is at lost"), "an address that could not be looked up is again");
    }

    @Test
    void callsFailWhileThereIsNoServerAndGoOnWhenThereIs() {
        Vxcd server = alone();
        Node node = join(impatient(server.endpoint()));
        of(node.locking("held", 1000));
        server.kill();
        assertAllFail(node, "lost", "no answer in time: " + server.endpoint() + ": Connection refused");
        server.start();
        assertAllSucceed(node, "found");
        Wait.until("of what failed nothing is left", () -> node.listeners("lost").isEmpty());
    }

    @Test
    void callsFailWithoutQuorumAndGoOnWithOne() {
        Vxcd[] servers = three();
        Node node = join(impatient(Vxcd.endpoints(servers)));
        of(node.locking("held", 1000));
        servers[0].kill();
        servers[1].kill();
        for (Future<?> call : calls(node, "lost")) {
            String text = failure(call, TIMEOUT_MS).getMessage();
            assertTrue(text.contains("no node of the cluster is its primary now") || text.contains("no answer in time"),
                    text);
        }
        assertAllFail(node, "later", "no node of the cluster is its primary now");
        failure(Node.joining(impatient(Vxcd.endpoints(servers))), TIMEOUT_MS,
                "cannot join the cluster at ", "no node of the cluster is its primary now");
        servers[0].start();
        Wait.until("there is a primary", () -> primary(servers) != null);
        assertAllSucceed(node, "found");
        Wait.until("of what failed nothing is left", () -> node.listeners("lost").isEmpty()
                && node.listeners("later").isEmpty());
    }

    @Test
    void callsFailWhileTheServerIsStoppedAndGoOnWhenItIsNot() {
        Vxcd server = alone();
        Node node = join(impatient(server.endpoint()).put("sessionTimeoutMs", 60_000));
        of(node.locking("held", 1000));
        List<Future<?>> midway = new ArrayList<>();
        server.signal("STOP");
        try {
            midway.addAll(calls(node, "lost"));
            for (Future<?> call : midway) {
                failure(call, TIMEOUT_MS, "no answer in time");
            }
        } finally {
            server.signal("CONT");
        }
        assertAllSucceed(node, "found");
        Wait.until("of what failed nothing is left", () -> node.listeners("lost").isEmpty());
    }

    // ---- cut frames ----

    /** A node alone, without an event bus; it is made in no time. */
    private static final class Quiet implements Host, Log {
        @Override
        public void registrationsUpdated(RegistrationUpdateEvent event) {
            // nobody listens
        }

        @Override
        public void registrationsLost() {
            // nobody listens
        }

        @Override
        public boolean wantsUpdatesFor(String address) {
            return true;
        }

        @Override
        public void closeVertx() {
            throw new AssertionError("nothing says so");
        }

        @Override
        public Log log() {
            return this;
        }

        @Override
        public void info(String message) {
            // expected
        }

        @Override
        public void warn(String message) {
            // expected
        }

        @Override
        public void error(String message, Throwable cause) {
            throw new AssertionError(message, cause);
        }
    }

    /** The first connection breaks after so many bytes. Returns whether it did before all was done. */
    private static boolean useCutAfter(long size, boolean toClient, Vxcd server, String namespace, Vertx vertx) {
        Proxy.Cut cut = (connection, down) -> connection == 0 && down == toClient ? size : Long.MAX_VALUE;
        try (Proxy network = new Proxy(0, server.endpoint(), cut)) {
            ClusterNode node = new ClusterNode(UUID.randomUUID().toString(),
                    VxcConfig.load(config(network.endpoint()).put("namespace", namespace)), vertx, new Quiet());
            Wait.of(node.join());
            String name = toClient + "/" + size;
            RegistrationInfo registration = new RegistrationInfo(node.id(), size, false);
            CompletableFuture<?> added = node.addRegistration(name, registration).toCompletableFuture();
            assertEquals(1, of(node.counter(name).incrementAndGet()));
            of(node.asyncMap("map").put(size, toClient));
            Wait.of(added);
            assertEquals(Collections.singletonList(registration), Wait.of(node.registrations(name)));
            assertEquals(1, of(node.counter(name).get()), "it took effect once");
            Wait.of(node.leave());
            return network.accepted() > 1;
        }
    }

    @Test
    void framesMayBeCutAtEveryByte() throws Exception {
        Vxcd server = hidden();
        Vertx vertx = Vertx.vertx();
        closing(() -> of(vertx.close()));
        ExecutorService threads = Executors.newFixedThreadPool(AT_A_TIME);
        closing(threads::shutdownNow);
        for (boolean toClient : new boolean[] {true, false}) {
            AtomicInteger next = new AtomicInteger();
            List<CompletableFuture<?>> all = new ArrayList<>();
            for (int i = 0; i < AT_A_TIME; i++) {
                String namespace = "one of " + i; // so that all see the same bytes
                all.add(CompletableFuture.runAsync(() -> {
                    boolean broke = true;
                    while (broke) {
                        broke = useCutAfter(next.getAndIncrement(), toClient, server, namespace, vertx);
                    }
                }, threads));
            }
            for (CompletableFuture<?> one : all) {
                one.get(CUTS_SECONDS_MAX, TimeUnit.SECONDS);
            }
            int cuts = next.get() - AT_A_TIME;
            print("cut at each of %d bytes to the %s", cuts, toClient ? "client" : "server");
            assertTrue(cuts > FRAMES_SIZE_MIN, cuts + " bytes are not all that is said");
        }
    }
}
