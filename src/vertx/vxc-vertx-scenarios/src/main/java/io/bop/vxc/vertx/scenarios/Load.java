package io.bop.vxc.vertx.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.bop.vxc.VxcClient;
import io.bop.vxc.testing.Proxy;
import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import io.bop.vxc.vertx.data.FencedLock;
import io.vertx.core.Future;
import io.vertx.core.eventbus.MessageConsumer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;

/** Much at once. */
public abstract class Load extends Scenario {
    private static final int ADDRESSES = 10_000;
    private static final int CONSUMERS = 5_000;
    private static final int SAMPLES = 100;
    private static final int WRITES = 20_000;
    private static final int LOCKS = 5_000;
    private static final int WIDTH = 256;

    /** So many calls, so many at a time. Returns the milliseconds that they took. */
    private static long calls(int count, int width, IntFunction<Future<?>> call) {
        AtomicInteger next = new AtomicInteger();
        AtomicInteger done = new AtomicInteger();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        long beganNs = System.nanoTime();
        for (int i = 0; i < width; i++) {
            step(count, next, done, failure, call);
        }
        Wait.until("the calls end", () -> done.get() == count || failure.get() != null);
        if (failure.get() != null) {
            throw new AssertionError("after " + done + " of " + count, failure.get());
        }
        return millisSince(beganNs);
    }

    private static void step(int count, AtomicInteger next, AtomicInteger done, AtomicReference<Throwable> failure,
            IntFunction<Future<?>> call) {
        int mine = next.getAndIncrement();
        if (mine >= count) {
            return;
        }
        call.apply(mine).onComplete(outcome -> {
            if (outcome.failed()) {
                failure.compareAndSet(null, outcome.cause());
            } else {
                done.incrementAndGet();
                step(count, next, done, failure, call);
            }
        });
    }

    @Test
    void tenThousandAddressesPerNode() {
        Vxcd server = hidden();
        Proxy network = closing(Proxy.of(server));
        Node one = join(config(server.endpoint()));
        Node two = join(config(network.endpoint()).put("sessionTimeoutMs", SHORT_LEASE_MS));
        List<MessageConsumer<?>> consumers = Collections.synchronizedList(new ArrayList<>());
        for (Node node : Arrays.asList(one, two)) {
            // all at once, as a start-up does
            long tookMs = calls(ADDRESSES, ADDRESSES, i -> {
                MessageConsumer<String> consumer = node.consumer(node.id() + "/" + i);
                consumers.add(consumer);
                return node.registered(consumer);
            });
            print("%d addresses registered in %d ms: %d/s", ADDRESSES, tookMs, ADDRESSES * 1000L / tookMs);
        }
        assertVisibleAtOnce(one, two);
        long[] visibleNs = new long[SAMPLES];
        for (int i = 0; i < SAMPLES; i++) {
            visibleNs[i] = timeToVisible(one, two, "visible-" + i);
        }
        Arrays.sort(visibleNs);
        print("from the wish to register until the other node sends there: median %d us, longest %d us",
                TimeUnit.NANOSECONDS.toMicros(visibleNs[SAMPLES / 2]),
                TimeUnit.NANOSECONDS.toMicros(visibleNs[SAMPLES - 1]));

        network.cutSilently();
        Wait.until("the node is taken for dead", () -> one.heard("left", two));
        long healedNs = System.nanoTime();
        network.heal();
        Wait.until("all are back", () -> one.listeners(two.id() + "/" + (ADDRESSES - 1)).size() == 1
                && one.listeners("visible-" + (SAMPLES - 1)).size() == 1);
        print("a node with %d addresses is back %d ms after its network", ADDRESSES, millisSince(healedNs));
        assertVisibleAtOnce(one, two);

        network.cutSilently();
        Wait.until("the node is taken for dead again", () -> one.news.lastIndexOf("left " + two.id()) > one.news
                .lastIndexOf("added " + two.id()));
        network.heal();
        Wait.until("it begins to register again", () -> one.news.lastIndexOf("added " + two.id()) > one.news
                .lastIndexOf("left " + two.id()));
        long tookMs = calls(consumers.size(), consumers.size(),
                i -> consumers.get(consumers.size() - 1 - i).unregister());
        print("%d addresses removed in %d ms: %d/s", consumers.size(), tookMs, consumers.size() * 1000L / tookMs);
        Wait.until("it has registered the others again",
                () -> one.listeners("visible-" + (SAMPLES - 1)).size() == 1);
        VxcClient client = client(server.endpoint());
        Wait.until("none but the others is left",
                () -> Wait.of(client.registrations().addresses()).size() == SAMPLES);
    }

    /** As where each browser has a consumer of its own: every change is of the whole list. */
    @Test
    void thousandsOfConsumersOfOneAddress() {
        Vxcd server = hidden();
        Proxy first = closing(Proxy.of(server));
        Proxy second = closing(new Proxy(0, server.endpoint(), Proxy.Cut.NEVER));
        Node one = join(config(first.endpoint()));
        Node two = join(config(second.endpoint()));
        one.consume("news");
        for (Node node : Arrays.asList(one, two)) {
            node.ask("news"); // from now on it follows the list
        }
        List<MessageConsumer<?>> consumers = Collections.synchronizedList(new ArrayList<>());
        long tookMs = calls(CONSUMERS, CONSUMERS, i -> {
            MessageConsumer<String> consumer = one.consumer("news");
            consumers.add(consumer);
            return one.registered(consumer);
        });
        assertEquals(one.id(), two.ask("news"));
        assertEquals(CONSUMERS + 1, two.listeners("news").size());
        long removedMs = calls(CONSUMERS, CONSUMERS, i -> consumers.get(i).unregister());
        assertEquals(1, two.listeners("news").size());
        assertEquals(one.id(), two.ask("news"));
        print("%d consumers of one address: registered %d/s, removed %d/s", CONSUMERS, CONSUMERS * 1000L / tookMs,
                CONSUMERS * 1000L / removedMs);
        assertEquals(1, first.accepted(), "its node had more to read than it could");
        assertEquals(1, second.accepted(), "its node had more to read than it could");
    }

    private static void assertVisibleAtOnce(Node one, Node two) {
        for (int i = 0; i < ADDRESSES; i += ADDRESSES / SAMPLES) {
            assertEquals(two.id(), one.ask(two.id() + "/" + i));
            assertEquals(one.id(), two.ask(one.id() + "/" + i));
        }
    }

    private static long timeToVisible(Node from, Node at, String address) {
        long beganNs = System.nanoTime();
        assertEquals(at.id(), of(at.consuming(address).compose(done -> from.asking(address))));
        return System.nanoTime() - beganNs;
    }

    @Test
    void aLockThatIsWaitedForStopsNobody() {
        Vxcd server = alone();
        Node holder = join(config(server));
        Node node = join(config(server));
        FencedLock held = of(holder.locking("leader", 1000));
        Future<FencedLock> waiting = node.locking("leader", 120_000);
        long writesMs = calls(WRITES, WIDTH, i -> node.putting("map", i % 1000, i));
        long locksMs = calls(LOCKS, WIDTH, i -> node.locking("lock-" + i % WIDTH, 30_000).map(lock -> {
            lock.release();
            return null;
        }));
        print("behind a lock that is waited for: %d writes in %d ms, %d locks acquired and released in %d ms",
                WRITES, writesMs, LOCKS, locksMs);
        assertFalse(waiting.isComplete());
        held.release();
        FencedLock lock = of(waiting);
        lock.release();
        of(holder.locking("leader", 5000));
    }
}
