package io.bop.vxc.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.core.Peer.Asked;
import io.bop.vxc.core.Peer.Noted;
import io.bop.vxc.wire.Kind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * A server that keeps (sequence → reply) as a real one does, answers late, and whose connection breaks at any moment.
 */
final class BreakingServer {
    private static final int CALLS = 200;

    private final long seed;
    private final Random random;
    private final Peer peer = new Peer();
    private final Map<Long, Long> replies = new HashMap<>();
    private final List<Noted> calls = new ArrayList<>();
    private long counter;
    private long floor;
    private boolean connected;

    BreakingServer(long seed) {
        this.seed = seed;
        this.random = new Random(seed);
    }

    void run() {
        peer.wantSession(0);
        while (calls.size() < CALLS || calls.stream().anyMatch(call -> !call.isOver())) {
            step();
        }
        assertEquals(CALLS, counter, "seed " + seed);
        for (Noted call : calls) {
            assertEquals("done", call.outcome(), "seed " + seed);
        }
        assertEquals(CALLS, calls.stream().map(call -> call.reply.number("number")).distinct().count(), "seed " + seed);
    }

    private void step() {
        if (calls.size() < CALLS && random.nextInt(3) > 0) {
            calls.add(peer.call(Call.FOREVER, false, Kind.COUNTER_ADD, Peer.bytes("c"), 1L, false));
        }
        if (!connected) {
            peer.ready();
            connected = true;
        } else if (random.nextInt(10) == 0) {
            peer.send(random.nextInt(200)); // some of it arrives, and is carried out, but not answered
            peer.asked.forEach(this::carryOut);
            peer.disconnect();
            connected = false;
        } else {
            peer.send();
            for (int count = random.nextInt(4); count > 0 && !peer.asked.isEmpty(); count--) {
                Asked asked = peer.take(Kind.COUNTER_ADD);
                peer.number(asked, 100 + counter, carryOut(asked));
            }
        }
    }

    private long carryOut(Asked asked) {
        if (asked.kind() != Kind.COUNTER_ADD) {
            return 0;
        }
        long sequence = asked.frame.sequence;
        assertTrue(sequence > floor, "a sequence at or below the floor is asked again; seed " + seed);
        floor = Math.max(floor, asked.frame.floor);
        assertFalse(sequence == 0);
        return replies.computeIfAbsent(sequence, key -> ++counter);
    }
}
