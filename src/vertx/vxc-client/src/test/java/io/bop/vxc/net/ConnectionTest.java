package io.bop.vxc.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.ServerInfo;
import io.bop.vxc.VxcException;
import io.bop.vxc.core.Call;
import io.bop.vxc.core.Core;
import io.bop.vxc.core.CoreListener;
import io.bop.vxc.core.Endpoint;
import io.bop.vxc.core.Router;
import io.bop.vxc.wire.Frame;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import io.bop.vxc.wire.Pair;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectableChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Core, router and connection together, over a network and a clock of the test's own: three members, one primary. */
class ConnectionTest implements CoreListener {
    /** A member of a cluster: counts, once per sequence. */
    private final class Node {
        final int port;
        boolean up = true;
        boolean silent; // takes everything, says nothing

        Node(int port) {
            this.port = port;
        }

        void answer(Frame frame, Consumer<ByteBuffer> send) {
            Message m = frame.message();
            if (silent) {
                return;
            }
            boolean leads = this == primary;
            if (m.kind == Kind.HELLO) {
                send.accept(reply(frame, Kind.HELLO_REPLY, 1L, 0L, (long) port, new byte[16], 1L, bytes("0.1.0"), leads,
                        bytes(primary == null || leads ? "" : "10.0.0.1:" + primary.port), 1L << 24));
            } else if (m.kind == Kind.MEMBER_LIST) {
                List<Pair> rows = new ArrayList<>();
                nodes.values().forEach(node -> rows.add(new Pair(new byte[8], new Message(Kind.MEMBER_INFO,
                        (long) node.port, 1L, bytes("10.0.0.1:" + node.port), 0L, null).encode())));
                send.accept(reply(frame, Kind.PAGE_REPLY, 1L, null, rows));
            } else if (m.kind == Kind.PING) {
                send.accept(Frame.encode(Frame.RESPONSE | Frame.PONG, Kind.PONG.number, frame.requestId, new byte[0]));
            } else if (!leads) {
                send.accept(reply(frame, Kind.ERROR_REPLY, -12L, 0L,
                        bytes("not the primary" + (primary == null ? "" : "; it is at 10.0.0.1:" + primary.port))));
            } else if (m.kind == Kind.COUNTER_ADD) {
                send.accept(reply(frame, Kind.NUMBER_REPLY, ++counter, counter, true));
            }
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static ByteBuffer reply(Frame to, Kind kind, Object... values) {
        return Frame.encode(Frame.RESPONSE, kind.number, to.requestId, new Message(kind, values).encode());
    }

    /** The client's end of a connection to a node. */
    private final class FakeLink implements Link {
        private final Node node;
        private final ByteBuffer toNode = ByteBuffer.allocate(1 << 16);
        private final ByteBuffer toClient = ByteBuffer.allocate(1 << 16);

        FakeLink(Node node) {
            this.node = node;
        }

        @Override
        public SelectableChannel channel() {
            return null;
        }

        @Override
        public boolean finishConnect() throws IOException {
            if (node == null) {
                return false; // a place where nobody answers
            }
            if (!node.up) {
                throw new ConnectException("Connection refused");
            }
            return true;
        }

        @Override
        public int read(ByteBuffer to) {
            if (!node.up) {
                return -1;
            }
            toClient.flip();
            int count = 0;
            while (to.hasRemaining() && toClient.hasRemaining() && count < pieceSize) {
                to.put(toClient.get());
                count++;
            }
            toClient.compact();
            return count;
        }

        @Override
        public long write(ByteBuffer[] parts) throws IOException {
            if (!node.up) {
                throw new IOException("Broken pipe");
            }
            long count = 0;
            for (ByteBuffer part : parts) {
                while (part.hasRemaining() && count < pieceSize) {
                    toNode.put(part.get());
                    count++;
                }
            }
            toNode.flip();
            for (Frame frame; (frame = Frame.decode(toNode)) != null; ) {
                node.answer(frame, toClient::put);
            }
            toNode.compact();
            return count;
        }

        @Override
        public int interest(boolean output) {
            return 0;
        }

        @Override
        public boolean hasInput() {
            return toClient.position() > 0;
        }

        @Override
        public SocketAddress localAddress() {
            return new InetSocketAddress("127.0.0.1", 1);
        }

        @Override
        public void close() {
            closed++;
        }
    }

    private final Map<Integer, Node> nodes = new HashMap<>();
    private Node primary;
    private long counter;
    private int closed;
    private int pieceSize = Integer.MAX_VALUE;
    private final List<Integer> attempts = new ArrayList<>();
    private final List<String> told = new ArrayList<>();
    private final List<Runnable> tasks = new ArrayList<>();
    private Resolver resolver = host -> CompletableFuture.completedFuture(
            new InetAddress[] {InetAddress.getLoopbackAddress()});
    private Core core;
    private Connection connection;
    private long nowMs = 1_000_000;

    private void cluster(String endpoints, int... ports) {
        for (int port : ports) {
            nodes.put(port, new Node(port));
        }
        primary = nodes.get(ports.length == 0 ? 0 : ports[0]);
        Random random = new Random(1);
        core = new Core("test", new byte[0], 20_000, random, this);
        Transport transport = (address, host) -> {
            attempts.add(address.getPort());
            return new FakeLink(nodes.get(address.getPort()));
        };
        connection = new Connection(core, new Router(Endpoint.parse(endpoints), false, random), transport,
                host -> resolver.resolve(host), tasks::add);
    }

    /** Lets time pass until the condition holds; how long that took. */
    private long until(BooleanSupplier condition, long limitMs) {
        long beganMs = nowMs;
        while (!condition.getAsBoolean()) {
            assertTrue(nowMs - beganMs <= limitMs, "not within " + limitMs + " ms");
            List<Runnable> due = new ArrayList<>(tasks);
            tasks.clear();
            due.forEach(Runnable::run);
            connection.turn(nowMs, !nodes.values().stream().allMatch(node -> node.up));
            nowMs++;
        }
        return nowMs - beganMs;
    }

    private final class Add extends Call {
        private Object outcome;

        Add(long timeoutMs) {
            super(new Message(Kind.COUNTER_ADD, bytes("c"), 1L, false), timeoutMs, false);
            core.submit(this, nowMs);
        }

        @Override
        protected void done(Message reply) {
            outcome = reply.number("number");
        }

        @Override
        protected void failed(VxcException failure) {
            outcome = failure.getMessage();
        }

        boolean isOver() {
            return outcome != null;
        }
    }

    @Test
    void aBackupLeadsToThePrimaryAtOnce() {
        cluster("10.0.0.1:2", 1, 2, 3);
        Add add = new Add(5000);
        assertTrue(until(add::isOver, 5000) < 20);
        assertEquals(1L, add.outcome);
        assertEquals(Arrays.asList(2, 1), attempts);
    }

    @Test
    void fromOneEndpointTheOthersAreLearnedAndAnElectionIsSurvived() {
        cluster("10.0.0.1:1", 1, 2, 3);
        until(new Add(5000)::isOver, 1000);
        nodes.get(1).up = false;
        primary = null;
        Add add = new Add(5000);
        until(() -> nowMs > 1_001_500, 2000);
        primary = nodes.get(3);
        long tookMs = until(add::isOver, 2000);
        assertTrue(tookMs <= 200, tookMs + " ms behind the election");
        assertEquals(2L, add.outcome);
        assertTrue(attempts.size() < 120, attempts.size() + " attempts in 1.5 s");
    }

    @Test
    void aPrimaryThatStepsDownIsLeftForTheOneThatItNames() {
        cluster("10.0.0.1:1", 1, 2, 3);
        until(new Add(5000)::isOver, 1000);
        primary = nodes.get(2);
        Add add = new Add(5000);
        assertTrue(until(add::isOver, 1000) < 20);
        assertEquals(Arrays.asList(1, 2), attempts);
        assertEquals(1, closed);
    }

    @Test
    void aSilentPrimaryIsLeftWithinThreeSeconds() {
        cluster("10.0.0.1:1", 1, 2, 3);
        until(new Add(5000)::isOver, 1000);
        nodes.get(1).silent = true;
        primary = nodes.get(2);
        Add read = new Add(10_000);
        // It is a write without session, which may have taken effect: its end is "unknown", and no guess.
        until(read::isOver, 3000);
        assertTrue(read.outcome.toString().startsWith("EUNKNOWN"), read.outcome.toString());
        Add next = new Add(5000);
        assertTrue(until(next::isOver, 1000) < 20);
    }

    @Test
    void aPlaceWhereNobodyAnswersIsGivenUpForTheNext() {
        cluster("10.0.0.1:9,10.0.0.1:1", 1);
        Add add = new Add(5000);
        long tookMs = until(add::isOver, 1000);
        assertTrue(tookMs > 300 && tookMs < 350, tookMs + " ms");
    }

    @Test
    void withoutAnyServerTheDeadlineEndsTheCallAndSaysWhy() {
        cluster("10.0.0.1:1", 1);
        nodes.get(1).up = false;
        Add add = new Add(2000);
        until(add::isOver, 2001);
        assertEquals("ETIMEOUT: no answer in time: 10.0.0.1:1: Connection refused", add.outcome);
        int before = attempts.size();
        assertTrue(before < 12, before + " attempts in 2 s");
        nodes.get(1).up = true;
        Add again = new Add(5000);
        until(again::isOver, 1100);
        assertEquals(1L, again.outcome, "it recovers by itself");
    }

    @Test
    void bytesInPiecesOfOneAreTheSameBytes() {
        cluster("10.0.0.1:1", 1);
        pieceSize = 1;
        for (int i = 1; i <= 3; i++) {
            Add add = new Add(5000);
            until(add::isOver, 1000);
            assertEquals((long) i, add.outcome);
        }
    }

    @Test
    void aNameThatIsNotFoundIsTriedAgainAndOneThatTakesLongKeepsNobodyWaiting() {
        CompletableFuture<InetAddress[]> slow = new CompletableFuture<>();
        resolver = host -> slow;
        cluster("host.example:1", 1);
        Add add = new Add(2000);
        until(add::isOver, 2001);
        assertTrue(add.outcome.toString().startsWith("ETIMEOUT"), add.outcome.toString());
        until(() -> nowMs > 1_003_100, 2000);
        Add later = new Add(5000);
        slow.completeExceptionally(new UnknownHostException("host.example"));
        until(() -> nowMs > 1_004_000, 2000);
        assertFalse(later.isOver());
        resolver = host -> CompletableFuture.completedFuture(new InetAddress[] {InetAddress.getLoopbackAddress()});
        until(later::isOver, 3000);
        assertEquals(1L, later.outcome);
    }

    // ---- what is told ----

    @Override
    public void connected(ServerInfo server, long session) {
        told.add("connected");
    }

    @Override
    public void disconnected(String reason) {
        told.add("disconnected " + reason);
    }

    @Override
    public void sessionLost(long session, String reason) {
        told.add("lost");
    }

    @Override
    public void sessionDoubtful(long session) {
        told.add("doubtful");
    }

    @Override
    public void lockLost(byte[] name, long token, String reason) {
        told.add("lock");
    }

    @Override
    public void event(Message event) {
        told.add("event");
    }

    @Override
    public void resync(long index) {
        told.add("resync");
    }

    @Override
    public void members(List<String> addresses) {
        connection.learn(addresses);
    }
}
