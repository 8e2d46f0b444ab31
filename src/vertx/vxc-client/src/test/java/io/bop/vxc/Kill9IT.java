package io.bop.vxc;

import static io.bop.vxc.testing.Wait.of;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.testing.Vxcd;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One node that is killed with signal 9 under load and started again: nothing acknowledged is lost or done twice. */
class Kill9IT {
    private static final int ROUNDS = Integer.getInteger("vxc.kill9.rounds", 5);
    private static final int CALLS = 700; // of all rounds below 4,096: the acquire that waits keeps the replies

    @TempDir
    Path folder;

    @Test
    void eachAdditionAndEachEventCountsOnceOverKills() {
        Random random = new Random();
        try (Vxcd node = Vxcd.alone(folder.resolve("data"));
                VxcClient client = VxcClient.create(new VxcOptions(node.endpoint()).timeoutMs(60_000))) {
            of(client.openSession(60_000));
            List<Long> events = Collections.synchronizedList(new ArrayList<>());
            List<String> resyncs = Collections.synchronizedList(new ArrayList<>());
            of(client.watch(WatchTarget.counter("c"), new WatchListener() {
                @Override
                public void event(WatchEvent event) {
                    events.add(event.number());
                }

                @Override
                public void resync(long index) {
                    resyncs.add("resync " + index);
                }
            }));
            HeldLock lock = of(client.lock("l").acquire(0)).get();
            CompletionStage<Optional<HeldLock>> waits = client.lock("l").acquire(VxcLock.FOREVER);
            List<Long> values = new ArrayList<>();
            for (int round = 0; round < ROUNDS; round++) {
                List<CompletionStage<Long>> calls = new ArrayList<>();
                int killAt = random.nextInt(CALLS);
                for (int i = 0; i < CALLS; i++) {
                    calls.add(client.counter("c").addAndGet(1));
                    if (i == killAt) {
                        of(calls.get(killAt / 2)); // the load is under way
                        node.kill();
                        node.start();
                    }
                }
                calls.forEach(call -> values.add(of(call)));
            }
            long total = (long) ROUNDS * CALLS;
            assertEquals(total, of(client.counter("c").get()), "none lost, none twice");
            assertEquals(total, values.stream().distinct().count(), "each saw its own addition");
            assertTrue(lock.isHeld());
            of(lock.release());
            assertTrue(of(waits).get().token() > lock.token(), "the queue has outlived the kills");
            if (resyncs.isEmpty()) { // else the node told that its ring did not outlive it
                assertEquals(total, events.size());
            }
            for (int i = 1; i < events.size(); i++) {
                assertTrue(events.get(i) > events.get(i - 1), "in order, none twice");
            }
        }
    }

    @Test
    void withoutSessionWhatIsUnknownIsSaidToBeSo() {
        try (Vxcd node = Vxcd.alone(folder.resolve("data"));
                VxcClient client = VxcClient.create(new VxcOptions(node.endpoint()).timeoutMs(30_000))) {
            List<CompletionStage<Long>> calls = new ArrayList<>();
            for (int i = 0; i < CALLS; i++) {
                calls.add(client.counter("c").addAndGet(1));
            }
            of(calls.get(CALLS / 10));
            node.kill();
            node.start();
            long done = 0;
            long unknown = 0;
            for (CompletionStage<Long> call : calls) {
                try {
                    of(call);
                    done++;
                } catch (VxcException e) {
                    assertTrue(e.isUnknown(), e.getMessage());
                    unknown++;
                }
            }
            long counted = of(client.counter("c").get());
            assertTrue(counted >= done && counted <= done + unknown,
                    done + " done, " + unknown + " unknown, " + counted);
        }
    }

    @Test
    void sessionsAndWritesOutliveARestart() {
        try (Vxcd node = Vxcd.alone(folder.resolve("data"));
                VxcClient client = VxcClient.create(new VxcOptions(node.endpoint()).timeoutMs(30_000))) {
            long session = of(client.openSession(30_000));
            of(client.map("m").put("k".getBytes(UTF_8), "v".getBytes(UTF_8)));
            node.kill();
            CompletionStage<byte[]> read = client.map("m").get("k".getBytes(UTF_8));
            node.start();
            assertEquals("v", new String(of(read), UTF_8));
            assertEquals(session, of(client.sessionHandle()).session());
        }
    }
}
