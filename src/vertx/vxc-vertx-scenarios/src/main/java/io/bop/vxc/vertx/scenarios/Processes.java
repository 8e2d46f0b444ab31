package io.bop.vxc.vertx.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import io.bop.vxc.vertx.data.FencedLock;
import io.vertx.core.json.JsonObject;
import java.util.Arrays;
import java.util.Collections;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** JVMs that are killed, and that are paused for longer than their lease. */
public abstract class Processes extends Scenario {
    private static final int WIDTH = 8;
    private static final int SOME = 500;

    private NodeProcess process(JsonObject config) {
        return closing(new NodeProcess(config, folder.resolve("jvm.log")));
    }

    @Test
    void ofAJvmThatIsKilledNothingIsLeft() {
        Vxcd server = alone();
        JsonObject config = config(server).put("sessionTimeoutMs", SHORT_LEASE_MS);
        Node one = join(config);
        Node two = join(config);
        NodeProcess jvm = process(config);
        for (Node node : Arrays.asList(one, two)) {
            node.consume("work");
        }
        jvm.ask("consume work");
        jvm.ask("lock lock");
        assertEquals(3, one.listeners("work").size());
        Traffic before = Traffic.of(WIDTH, () -> one.asking("work"));
        before.awaitMore(SOME);
        before.stop();

        long killedNs = System.nanoTime();
        jvm.kill();
        for (Node node : Arrays.asList(one, two)) {
            Wait.until("the others know", () -> node.news.contains("left " + jvm.id()));
        }
        long subscriptionsMs = millisSince(killedNs);
        assertEquals(Arrays.asList(one.id(), two.id()), one.listeners("work"));
        FencedLock lock = of(one.locking("lock", 2 * SHORT_LEASE_MS + SLACK_MS));
        long lockMs = millisSince(killedNs);
        print("kill -9: subscriptions gone everywhere in %d ms, lock in %d ms; the session timeout is %d ms",
                subscriptionsMs, lockMs, SHORT_LEASE_MS);
        assertTrue(subscriptionsMs <= SHORT_LEASE_MS + SLACK_MS, subscriptionsMs + " ms");
        assertTrue(lockMs <= SHORT_LEASE_MS + SLACK_MS, lockMs + " ms");
        assertTrue(lock.isHeld());
        for (Node node : Arrays.asList(one, two)) {
            Traffic after = Traffic.of(WIDTH, () -> node.asking("work")); // a message to the dead node would fail
            after.awaitMore(SOME);
            after.stop();
        }
        assertEquals(Arrays.asList(one.id(), two.id()), two.manager.getNodes());
    }

    @Test
    void aLockHolderThatWasPausedBeyondItsLeaseIsRefused() {
        Vxcd server = alone();
        JsonObject config = config(server).put("sessionTimeoutMs", SHORT_LEASE_MS);
        Node one = join(config);
        AtomicLong largest = new AtomicLong();
        one.<Long>consume("store", message -> message.reply(
                largest.accumulateAndGet(message.body(), Math::max) == message.body() ? "written" : "refused"));
        NodeProcess jvm = process(config);
        long token = Long.parseLong(jvm.ask("lock lock"));
        jvm.ask("consume home");
        assertEquals("written", jvm.ask("write store lock"));

        jvm.pause();
        jvm.tell("write store lock"); // it is about to write when it is paused
        FencedLock next = of(one.locking("lock", 20_000));
        assertTrue(next.fencingToken() > token);
        assertEquals("written", of(one.vertx.eventBus().<String>request("store", next.fencingToken())).body());
        Wait.until("the node is taken for dead", () -> one.news.contains("left " + jvm.id()));
        jvm.goOn();
        assertEquals("refused", jvm.answer(), "the fence protects the store");
        assertTrue(jvm.ask("lost lock").contains("session"), "the reason is told");
        assertEquals("false", jvm.ask("held lock"));
        assertEquals("refused", jvm.ask("write store lock"));

        Wait.until("it is back", () -> one.manager.getNodes().contains(jvm.id()));
        Wait.until("and listens", () -> one.listeners("home").equals(Collections.singletonList(jvm.id())));
        assertEquals(jvm.id(), one.ask("home"));
        assertTrue(next.isHeld());
    }
}
