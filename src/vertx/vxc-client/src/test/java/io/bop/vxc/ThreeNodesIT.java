package io.bop.vxc;

import static io.bop.vxc.Failure.failure;
import static io.bop.vxc.testing.Wait.of;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Three members; the primary is killed, paused, or hands over, under load. */
class ThreeNodesIT {
    @TempDir
    Path folder;
    private Vxcd[] nodes;
    private final List<VxcClient> clients = new ArrayList<>();

    @BeforeEach
    void start() {
        nodes = Vxcd.cluster(folder, 3);
    }

    @AfterEach
    void stop() {
        clients.forEach(VxcClient::abandon);
        for (Vxcd node : nodes) {
            node.close();
        }
    }

    private VxcClient client(String endpoints) {
        VxcClient client = VxcClient.create(new VxcOptions(endpoints).timeoutMs(25_000));
        clients.add(client);
        of(client.openSession(20_000));
        return client;
    }

    /** The primary's process. */
    private Vxcd primary(VxcClient client) {
        of(client.counter("none").get());
        return nodes[(int) client.server().nodeId() - 1];
    }

    @Test
    void overTwoKilledPrimariesNothingIsLostOrDoneTwiceAndEventsAreWhole() throws InterruptedException {
        // Knows one node: it learns the others.
        VxcClient client = client(nodes[0].endpoint());
        VxcClient watcher = client(nodes[1].endpoint());
        List<Long> events = Collections.synchronizedList(new ArrayList<>());
        List<String> resyncs = Collections.synchronizedList(new ArrayList<>());
        of(watcher.watch(WatchTarget.counter("c"), new WatchListener() {
            @Override
            public void event(WatchEvent event) {
                events.add(event.number());
            }

            @Override
            public void resync(long index) {
                resyncs.add("resync " + index);
            }
        }));
        AtomicBoolean stop = new AtomicBoolean();
        AtomicLong added = new AtomicLong();
        List<String> failures = Collections.synchronizedList(new ArrayList<>());
        Thread load = new Thread(() -> {
            while (!stop.get()) {
                List<CompletionStage<Long>> calls = new ArrayList<>();
                for (int i = 0; i < 50; i++) {
                    calls.add(client.counter("c").addAndGet(1));
                }
                for (CompletionStage<Long> call : calls) {
                    try {
                        of(call);
                        added.incrementAndGet();
                    } catch (VxcException e) {
                        failures.add(e.getMessage());
                    }
                }
            }
        });
        load.start();
        try {
            for (int kills = 0; kills < 2; kills++) {
                long before = added.get();
                Wait.until("the load is under way", () -> added.get() > before + 500);
                Vxcd killed = primary(watcher);
                killed.kill();
                long killedAt = added.get();
                long beganNs = System.nanoTime();
                Wait.until("writes go on", () -> added.get() > killedAt + 500);
                long tookMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - beganNs);
                System.out.println("writes go on " + tookMs + " ms after the kill");
                killed.start();
            }
        } finally {
            stop.set(true);
            load.join();
        }
        assertEquals(Collections.emptyList(), failures);
        assertEquals(added.get(), of(client.counter("c").get()), "none lost, none twice");
        of(watcher.counter("c").get()); // all events before it have come
        assertEquals(Collections.emptyList(), resyncs);
        assertEquals(added.get(), events.size());
        for (int i = 0; i < events.size(); i++) {
            assertEquals(i + 1, events.get(i));
        }
    }

    @Test
    void locksPassOnAndTheirTokensRiseOverAKilledPrimary() {
        VxcClient first = client(Vxcd.endpoints(nodes));
        VxcClient second = client(Vxcd.endpoints(nodes));
        long token = 0;
        HeldLock held = of(first.lock("l").acquire(0)).get();
        for (int kills = 0; kills < 2; kills++) {
            VxcClient next = kills == 0 ? second : first;
            CompletionStage<HeldLock> waits = next.lock("l").acquire(VxcLock.FOREVER).thenApply(lock -> lock.get());
            VxcClient holder = kills == 0 ? first : second;
            Wait.until("it waits", () -> of(holder.lock("l").info()).get().waiting() == 1);
            Vxcd killed = primary(holder);
            killed.kill();
            assertTrue(of(held.release()), "the lock has outlived its primary");
            HeldLock granted = of(waits);
            assertTrue(granted.token() > held.token());
            assertTrue(granted.token() > token);
            token = granted.token();
            held = granted;
            killed.start();
        }
    }

    @Test
    void aPausedPrimaryIsLeftAndWhatItHeldBackTakesEffectOnce() {
        VxcClient client = client(Vxcd.endpoints(nodes));
        Vxcd paused = primary(client);
        of(client.counter("c").addAndGet(1));
        paused.signal("STOP");
        try {
            List<CompletionStage<Long>> calls = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                calls.add(client.counter("c").addAndGet(1));
            }
            calls.forEach(Wait::of);
        } finally {
            paused.signal("CONT");
        }
        assertEquals(101, of(client.counter("c").get()));
        assertFalse(primary(client) == paused);
    }

    @Test
    void aHandOverIsFollowedWithoutAFailure() {
        VxcClient client = client(Vxcd.endpoints(nodes));
        Vxcd before = primary(client);
        long target = before.id % 3 + 1;
        List<CompletionStage<Long>> calls = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            calls.add(client.counter("c").addAndGet(1));
        }
        VxcClient operator = client(Vxcd.endpoints(nodes));
        of(operator.cluster().transferPrimary(target));
        for (int i = 0; i < 500; i++) {
            calls.add(client.counter("c").addAndGet(1));
        }
        calls.forEach(Wait::of);
        assertEquals(1000, of(client.counter("c").get()));
        assertEquals(target, primary(client).id);
        List<Member> members = of(client.cluster().members());
        assertEquals(3, members.size());
        assertEquals(target, members.stream().filter(m -> m.role() == Member.Role.PRIMARY).findFirst().get().id());
    }

    @Test
    void withoutAMajorityCallsEndInTimeAndTheClientRecoversByItself() {
        VxcClient client = VxcClient.create(new VxcOptions(Vxcd.endpoints(nodes)).timeoutMs(2000));
        clients.add(client);
        of(client.openSession(60_000));
        byte[] key = "k".getBytes(UTF_8);
        of(client.map("m").put(key, key));
        Vxcd stays = primary(client);
        List<Vxcd> others = new ArrayList<>(Arrays.asList(nodes));
        others.remove(stays);
        others.forEach(Vxcd::kill);
        long beganNs = System.nanoTime();
        VxcException failure = failure(client.map("m").put(key, new byte[] {1}));
        long tookMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - beganNs);
        assertTrue(tookMs < 4000, tookMs + " ms");
        assertTrue(failure.isUnknown() || failure.error() != VxcError.EUNKNOWN, failure.getMessage());
        VxcClient reader = VxcClient.create(new VxcOptions(stays.endpoint()).onlyGivenEndpoints().timeoutMs(5000));
        clients.add(reader);
        assertTrue(of(reader.map("m").stale().get(key)) != null, "old reads are answered all the same");
        others.forEach(Vxcd::start);
        of(client.map("m").withTimeout(25_000).put(key, new byte[] {2}));
        assertEquals(2, of(client.map("m").get(key))[0]);
    }
}
