package io.bop.vxc.vertx.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.LockInfo;
import io.bop.vxc.Registration;
import io.bop.vxc.VxcClient;
import io.bop.vxc.WatchEvent;
import io.bop.vxc.WatchListener;
import io.bop.vxc.WatchTarget;
import io.bop.vxc.testing.Proxy;
import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import io.bop.vxc.vertx.data.FencedLock;
import io.vertx.core.Future;
import io.vertx.core.VertxException;
import io.vertx.core.eventbus.MessageConsumer;
import io.vertx.core.json.JsonObject;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The network between a node and the cluster is cut and healed. Within the lease nobody notices; beyond it the node is
 * taken for dead, and comes back under its id, with all that is its own, and with all that it had missed.
 */
public abstract class Sessions extends Scenario {
    private static final long LONG_LEASE_MS = 20_000;
    private static final int HISTORY_SIZE = 64 << 20; // of the events that a server keeps
    private static final int LARGE = 60_000; // an address
    private static final int AT_A_TIME = 256;

    private Vxcd server;
    private Proxy network;
    private Node far; // behind the network
    private Node near;

    @BeforeEach
    void begin() {
        server = hidden();
        network = closing(Proxy.of(server));
    }

    private void joinBoth(JsonObject farConfig) {
        near = join(config(server.endpoint()));
        far = join(farConfig);
        far.consume("at far");
        near.consume("at near");
        assertEquals(far.id(), near.ask("at far"));
        assertEquals(near.id(), far.ask("at near"));
    }

    private JsonObject farConfig(long leaseMs) {
        return config(network.endpoint()).put("sessionTimeoutMs", leaseMs);
    }

    // ---- within the lease ----

    @Test
    void aCutWithinTheLeaseIsNotNoticed() {
        joinBoth(farConfig(LONG_LEASE_MS).put("closeGraceMs", 0));
        FencedLock lock = of(far.locking("lock", 1000));
        network.cutLoudly();
        Future<Long> waiting = far.adding("count");
        near.put("map", "key", "new");
        near.consume("later");
        Wait.until("the node finds the network cut", () -> network.refused() > 0);
        assertEquals(far.id(), near.ask("at far"), "the event bus does not need the server");
        assertEquals(near.id(), far.ask("at near"));
        assertFalse(waiting.isComplete());
        network.heal();
        assertNobodyNoticed(waiting, lock);
    }

    @Test
    void aSilenceWithinTheLeaseIsNotNoticed() {
        joinBoth(farConfig(LONG_LEASE_MS));
        FencedLock lock = of(far.locking("lock", 1000));
        int before = network.accepted();
        network.cutSilently();
        Future<Long> waiting = far.adding("count");
        near.put("map", "key", "new");
        near.consume("later");
        assertEquals(far.id(), near.ask("at far"), "the event bus does not need the server");
        assertEquals(near.id(), far.ask("at near"));
        assertFalse(waiting.isComplete());
        network.heal();
        assertNobodyNoticed(waiting, lock);
        assertTrue(network.accepted() >= before);
    }

    private void assertNobodyNoticed(Future<Long> waiting, FencedLock lock) {
        assertEquals(1, of(waiting), "the call took effect, once");
        assertEquals("new", of(far.getting("map", "key")));
        assertEquals(near.id(), far.ask("later"));
        assertTrue(lock.isHeld());
        assertFalse(lock.lost().isComplete());
        lock.release();
        of(near.locking("lock", 5000));
        assertEquals(Collections.singletonList("added " + far.id()), near.news);
        assertEquals(Collections.emptyList(), far.news);
    }

    @Test
    void whatIsMissedWithinTheLeaseAndNotKeptIsReadAgain() {
        joinBoth(farConfig(LONG_LEASE_MS).put("closeGraceMs", 0));
        MessageConsumer<String> moving = near.consume("moving");
        assertEquals(near.id(), far.ask("moving"));
        AtomicBoolean missed = new AtomicBoolean(); // by a client that is cut off as the node is
        VxcClient witness = client(network.endpoint());
        Wait.of(witness.openSession(LONG_LEASE_MS));
        Wait.of(witness.watch(WatchTarget.registrations(), new WatchListener() {
            @Override
            public void event(WatchEvent event) {
                // until it is cut off
            }

            @Override
            public void resync(long index) {
                missed.set(true);
            }
        }));
        network.cutLoudly();
        Wait.until("the node finds the network cut", () -> network.refused() > 0);
        of(moving.unregister());
        Node third = join(config(server.endpoint()));
        third.consume("moving");
        makeServerForget();
        network.heal();
        Wait.until("it is told that it missed some", missed::get);
        Wait.until("it knows who listens now", () -> far.isAnsweredBy(third, "moving"));
        Wait.until("it knows the nodes", () -> far.manager.getNodes().equals(third.manager.getNodes()));
        Wait.until("and is told of the new one", () -> far.heard("added", third));
        assertEquals(Collections.singletonList("added " + third.id()), far.news);
        assertEquals(Arrays.asList("added " + far.id(), "added " + third.id()), near.news);
    }

    /** More events than a server keeps for those who are away. */
    private void makeServerForget() {
        VxcClient client = client(server.endpoint());
        Wait.of(client.openSession(LONG_LEASE_MS));
        List<CompletionStage<Void>> adding = new ArrayList<>();
        String address = new String(new char[LARGE]).replace('\0', 'x');
        for (int i = 0; i * (long) LARGE <= HISTORY_SIZE; i++) {
            adding.add(client.registrations().add(address + i, new Registration("nobody", i, new byte[0])));
            if (adding.size() == AT_A_TIME) {
                adding.forEach(Wait::of);
                adding.clear();
            }
        }
        adding.forEach(Wait::of);
    }

    // ---- beyond it ----

    @Test
    void aNodeThatWasCutOffBeyondItsLeaseComesBack() {
        joinBoth(farConfig(SHORT_LEASE_MS));
        FencedLock lock = of(far.locking("lock", 1000));
        MessageConsumer<String> gone = near.consume("gone");
        assertEquals(near.id(), far.ask("gone"));
        MessageConsumer<String> moving = near.consume("moving");
        assertEquals(near.id(), far.ask("moving"));
        network.cutSilently();
        Wait.until("the node is taken for dead", () -> near.heard("left", far));
        assertEquals(Collections.singletonList(near.id()), near.manager.getNodes());
        assertEquals(Collections.emptyList(), near.listeners("at far"));
        failure(near.asking("at far"), SLACK_MS, "No handlers");
        FencedLock next = of(near.locking("lock", 10_000));
        assertTrue(next.fencingToken() > lock.fencingToken());
        // meanwhile things change, at addresses that the other node knows, and at one that it does not
        of(gone.unregister());
        of(moving.unregister());
        Node third = join(config(server.endpoint()));
        third.consume("moving");
        third.consume("new");

        network.heal();
        Wait.until("the node is back", () -> near.news.lastIndexOf("added " + far.id()) > near.news.indexOf(
                "left " + far.id()));
        assertBack(third);
        Wait.until("the lock is told as lost", () -> lock.lost().isComplete());
        assertFalse(lock.isHeld());
        assertTrue(next.isHeld());
        lock.release(); // it is another's now
        failure(third.locking("lock", 100), 100, "Timed out waiting to get lock lock");
    }

    private void assertBack(Node third) {
        Wait.until("its registrations are back", () -> near.listeners("at far").contains(far.id()));
        assertEquals(Collections.singletonList(far.id()), near.listeners("at far"));
        assertEquals(far.id(), near.ask("at far"), "same node, reached by its info");
        assertEquals(Wait.of(near.manager.node().infoOf(far.id())).port(), far.manager.getNodeInfo().port());
        assertEquals(Arrays.asList(near.id(), third.id(), far.id()), near.manager.getNodes());
        Wait.until("it sees the same", () -> far.manager.getNodes().equals(near.manager.getNodes()));
        Wait.until("what it missed is told", () -> far.heard("added", third));
        Wait.until("it knows who listens now", () -> far.isAnsweredBy(third, "moving"));
        assertEquals(third.id(), far.ask("new"));
        failure(far.asking("gone"), SLACK_MS, "No handlers");
        assertEquals(near.id(), far.ask("at near"));
        assertFalse(near.heard("left", third));
    }

    @Test
    void callsThatWaitWhileTheLeaseEndsAreMadeInTheNextSession() {
        joinBoth(farConfig(SHORT_LEASE_MS).put("timeoutMs", 20_000));
        network.cutLoudly();
        Wait.until("the node finds the network cut", () -> network.refused() > 0);
        Future<Void> put = far.putting("map", "key", "value");
        Future<Long> count = far.adding("count");
        Future<Void> registered = far.consuming("added in the gap");
        Future<FencedLock> lock = far.locking("lock", 20_000);
        Wait.until("the node is taken for dead", () -> near.heard("left", far));
        network.heal();
        of(put);
        assertEquals("value", of(near.getting("map", "key")));
        assertEquals(1, of(count));
        of(registered);
        assertEquals(far.id(), near.ask("added in the gap"));
        assertTrue(of(lock).isHeld());
    }

    @Test
    void changesOfRegistrationsWhoseAnswerWasLostWithTheSessionAreMadeTrue() {
        joinBoth(farConfig(SHORT_LEASE_MS).put("timeoutMs", 20_000));
        MessageConsumer<String> going = far.consume("going");
        assertEquals(far.id(), near.ask("going"));
        network.cutSilently();
        Future<Void> registered = far.consuming("coming");
        Future<Void> unregistered = going.unregister();
        Wait.until("the node is taken for dead", () -> near.heard("left", far));
        network.heal();
        of(registered);
        of(unregistered);
        Wait.until("the other registrations are back", () -> near.listeners("at far").contains(far.id()));
        assertEquals(Collections.singletonList(far.id()), near.listeners("coming"));
        assertEquals(far.id(), near.ask("coming"));
        assertEquals(Collections.emptyList(), near.listeners("going"));
    }

    @Test
    void whoWaitedForALockWaitsOnInTheNextSession() {
        joinBoth(farConfig(SHORT_LEASE_MS));
        FencedLock held = of(near.locking("lock", 1000));
        Future<FencedLock> waiting = far.locking("lock", 20_000);
        awaitQueue("lock", 1);
        network.cutSilently();
        awaitQueue("lock", 0);
        network.heal();
        awaitQueue("lock", 1);
        assertFalse(waiting.isComplete());
        held.release();
        assertTrue(of(waiting).fencingToken() > held.fencingToken());
    }

    private void awaitQueue(String lock, long length) {
        VxcClient client = client(server.endpoint());
        Wait.until(length + " wait for the lock",
                () -> Wait.of(client.lock(lock).info()).map(LockInfo::waiting).orElse(0L) == length);
    }

    @Test
    void aNodeThatClosesWhenItsPlaceIsLostDoes() {
        joinBoth(farConfig(SHORT_LEASE_MS).put("onExpired", "close"));
        network.cutSilently();
        Wait.until("the node is taken for dead", () -> near.heard("left", far));
        network.heal();
        Wait.until("it has closed", () -> !far.manager.isActive());
        // not by its Vert.x, whose threads have ended or will in a moment
        Exception failure = assertThrows(VertxException.class, () -> Wait.of(far.manager.node().infoOf(near.id())));
        assertTrue(failure.getMessage().contains("has left the cluster"), failure.getMessage());
    }
}
