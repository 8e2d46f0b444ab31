package io.bop.vxc.vertx.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import io.bop.vxc.vertx.data.FencedLock;
import io.vertx.core.Future;
import io.vertx.core.eventbus.MessageConsumer;
import java.util.Arrays;
import java.util.Collections;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Servers that end and come back, while the event bus and shared data are used: no call fails, no node is missed. */
public abstract class Faults extends Scenario {
    private static final int WIDTH = 16;
    private static final int SOME = 200;

    private final AtomicInteger fresh = new AtomicInteger();

    /** A consumer comes, is reached from the other node, and goes: each step needs the server. */
    private Future<?> freshAddress(Node at, Node from) {
        String address = "fresh-" + fresh.getAndIncrement();
        MessageConsumer<String> consumer = at.consumer(address);
        return at.registered(consumer)
                .compose(done -> from.asking(address))
                .compose(answer -> consumer.unregister());
    }

    @Test
    void thePrimaryIsKilledUnderTraffic() {
        Vxcd[] servers = three();
        Node one = join(config(servers));
        Node two = join(config(servers));
        two.consume("steady");
        Traffic steady = Traffic.of(WIDTH, () -> one.asking("steady"));
        Traffic changing = Traffic.of(WIDTH, () -> freshAddress(two, one));
        Traffic counting = Traffic.of(WIDTH, () -> one.adding("count"));
        counting.awaitMore(SOME);
        primary(servers).kill();
        counting.awaitMore(SOME);
        changing.awaitMore(SOME);
        steady.awaitMore(SOME);
        long steadyCount = steady.stop();
        long changes = changing.stop();
        long counted = counting.stop();
        print("primary killed: %d requests, the slowest took %d ms; %d fresh addresses, %d ms; %d increments, %d ms",
                steadyCount, steady.slowestMs(), changes, changing.slowestMs(), counted, counting.slowestMs());
        assertEquals(counted + 1, of(one.adding("count")), "each increment took effect once");
        assertNobodyLeft(one, two);
    }

    @Test
    void allServersAreRestarted() {
        Vxcd[] servers = three();
        Node one = join(config(servers));
        Node two = join(config(servers));
        two.consume("steady");
        one.put("map", "key", "value");
        of(one.adding("count"));
        FencedLock lock = of(one.locking("lock", 1000));
        Traffic steady = Traffic.of(WIDTH, () -> one.asking("steady"));
        steady.awaitMore(SOME);
        Arrays.stream(servers).forEach(Vxcd::kill);
        Future<Long> waiting = one.adding("count");
        Future<?> change = freshAddress(two, one);
        steady.awaitMore(SOME); // the bus needs no server for an address that it knows
        Arrays.stream(servers).parallel().forEach(Vxcd::start);
        assertEquals(2, of(waiting));
        of(change);
        assertEquals("value", of(two.getting("map", "key")));
        assertTrue(lock.isHeld());
        assertEquals(Arrays.asList(one.id(), two.id()), two.manager.getNodes());
        steady.stop();
        assertNobodyLeft(one, two);
    }

    @Test
    void serversAreReplacedOneAfterTheOther() {
        Vxcd[] servers = three();
        Node one = join(config(servers));
        Node two = join(config(servers));
        two.consume("steady");
        Traffic steady = Traffic.of(WIDTH, () -> one.asking("steady"));
        Traffic changing = Traffic.of(WIDTH, () -> freshAddress(two, one));
        Traffic counting = Traffic.of(WIDTH, () -> one.adding("count"));
        for (Vxcd server : servers) {
            counting.awaitMore(SOME);
            server.stop();
            counting.awaitMore(SOME);
            server.start();
            counting.awaitMore(SOME);
        }
        steady.stop();
        changing.stop();
        long counted = counting.stop();
        print("rolling restart: the slowest request took %d ms, fresh address %d ms, increment %d ms",
                steady.slowestMs(), changing.slowestMs(), counting.slowestMs());
        assertEquals(counted + 1, of(one.adding("count")), "each increment took effect once");
        assertNobodyLeft(one, two);
    }

    /** The second joined behind the first, and that was all. */
    private static void assertNobodyLeft(Node one, Node two) {
        assertEquals(Collections.singletonList("added " + two.id()), one.news);
        assertEquals(Collections.emptyList(), two.news);
    }
}
