package io.bop.vxc.core;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.testing.Project;
import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import io.bop.vxc.wire.Frame;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * A server that sends any message at any moment, whole or damaged, under a right checksum: it is left, or passed over;
 * calls end once, and nothing but a {@link VxcException} is thrown.
 */
class HostileServerTest {
    private static final int SEEDS = Integer.getInteger("vxc.hostile.seeds", 300);

    private final List<byte[]> frames = new ArrayList<>();
    private final Set<String> outcomes = new TreeSet<>();

    HostileServerTest() {
        for (String row : Project.lines("tests/vectors/v1.txt")) {
            if (!row.startsWith("#")) {
                String hex = row.substring(row.lastIndexOf(' ') + 1);
                byte[] frame = new byte[hex.length() / 2];
                for (int i = 0; i < frame.length; i++) {
                    frame[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
                }
                frames.add(frame);
            }
        }
    }

    /** Some message under some request id. */
    private ByteBuffer something(Random random) {
        Frame some = Frame.decode(ByteBuffer.wrap(frames.get(random.nextInt(frames.size()))));
        int flags = random.nextInt(4) > 0 ? Frame.RESPONSE : random.nextBoolean() ? Frame.EVENT : random.nextInt(256);
        return message(some.kind, flags & ~Frame.SEQUENCED, 1 + random.nextInt(12), random);
    }

    /** What that request is answered with, or an error, more often than not. */
    private ByteBuffer answer(Peer.Asked asked, Random random) {
        if (random.nextInt(3) == 0) {
            Message error = new Message(Kind.ERROR_REPLY, -1L - random.nextInt(40), 0L, Peer.bytes("at 10.0.0.2:1"));
            return Frame.encode(Frame.RESPONSE, Kind.ERROR_REPLY.number, asked.frame.requestId, error.encode());
        }
        return message(asked.kind().reply().number, Frame.RESPONSE, asked.frame.requestId, random);
    }

    /** The vector of that kind, sometimes damaged or cut. */
    private ByteBuffer message(int kind, int flags, int requestId, Random random) {
        byte[] frame = frames.stream().filter(f -> Frame.decode(ByteBuffer.wrap(f)).kind == kind).findFirst().get();
        Frame read = Frame.decode(ByteBuffer.wrap(frame));
        int head = read.has(Frame.SEQUENCED) ? 2 * Frame.HEADER_SIZE : Frame.HEADER_SIZE;
        byte[] payload = new byte[frame.length - head];
        System.arraycopy(frame, head, payload, 0, payload.length);
        if (payload.length > 0 && random.nextInt(3) == 0) {
            payload[random.nextInt(payload.length)] = (byte) random.nextInt(256);
        }
        if (random.nextInt(10) == 0) {
            payload = Arrays.copyOf(payload, random.nextInt(payload.length + 1));
        }
        return Frame.encode(flags, kind, requestId, payload);
    }

    @Test
    void nothingThatItSendsIsMoreThanAnEndOfTheConnection() {
        for (int seed = 1; seed <= SEEDS; seed++) {
            Random random = new Random(seed);
            Peer peer = new Peer();
            List<Peer.Noted> calls = new ArrayList<>();
            peer.wantSession(0);
            for (int step = 0; step < 200; step++) {
                try {
                    step(peer, calls, random);
                } catch (VxcException e) {
                    peer.disconnect();
                }
            }
            peer.core.failAll(VxcError.ECANCELED, "over");
            for (Peer.Noted call : calls) {
                assertTrue(call.isOver(), "seed " + seed);
                outcomes.add(call.outcome());
            }
        }
        // All of it was reached.
        assertTrue(outcomes.containsAll(Arrays.asList("done", "EUNKNOWN unknown", "ESESSION", "ENOSPC", "EUNDEFINED")),
                outcomes::toString);
    }

    private void step(Peer peer, List<Peer.Noted> calls, Random random) {
        switch (random.nextInt(8)) {
            case 0:
                calls.add(random.nextBoolean() ? peer.add("c") : peer.acquire("l", random.nextInt(3) - 1));
                break;
            case 1:
                if (peer.core.phase == Core.Phase.DOWN) {
                    peer.connect();
                    if (random.nextInt(4) > 0) {
                        peer.answerHello(true, "");
                    }
                }
                break;
            case 2:
                peer.tick(random.nextInt(400));
                break;
            case 3:
            case 4:
                if (peer.core.phase != Core.Phase.DOWN && !peer.asked.isEmpty()) {
                    peer.receive(answer(peer.asked.poll(), random));
                }
                break;
            default:
                if (peer.core.phase != Core.Phase.DOWN) {
                    peer.receive(something(random));
                }
                break;
        }
        if (!peer.asked.isEmpty() && peer.asked.peek().kind() == Kind.SESSION_OPEN && random.nextInt(3) > 0) {
            peer.answerSession();
        }
    }
}
