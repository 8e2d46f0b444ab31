package io.bop.vxc;

import static io.bop.vxc.Failure.failure;
import static io.bop.vxc.testing.Wait.of;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.testing.Wait;
import io.bop.vxc.wire.Frame;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** Servers that are none, or bad ones, over real sockets: every call ends in time and says why. */
class FaultsTest {
    /** What a server does with one connection. */
    private interface Behaviour {
        void serve(Socket socket) throws IOException;
    }

    /** Accepts connections one after the other until it is closed. */
    private static final class Server implements AutoCloseable {
        private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        final AtomicInteger connections = new AtomicInteger();

        Server(Behaviour behaviour) throws IOException {
            Thread thread = new Thread(() -> {
                while (!listener.isClosed()) {
                    try (Socket socket = listener.accept()) {
                        connections.incrementAndGet();
                        behaviour.serve(socket);
                    } catch (IOException e) {
                        // the client has gone, or the test is over
                    }
                }
            }, "bad-server");
            thread.setDaemon(true);
            thread.start();
        }

        String endpoint() {
            return "127.0.0.1:" + listener.getLocalPort();
        }

        @Override
        public void close() throws IOException {
            listener.close();
        }
    }

    private static Frame read(Socket socket) throws IOException {
        DataInputStream in = new DataInputStream(socket.getInputStream());
        byte[] head = new byte[8];
        in.readFully(head);
        int size = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getInt(4);
        byte[] all = Arrays.copyOf(head, size);
        in.readFully(all, 8, size - 8);
        return Frame.decode(ByteBuffer.wrap(all));
    }

    private static byte[] reply(Frame to, Kind kind, Object... values) {
        return Frame.encode(Frame.RESPONSE, kind.number, to.requestId, new Message(kind, values).encode()).array();
    }

    private static void greet(Socket socket) throws IOException {
        socket.getOutputStream().write(reply(read(socket), Kind.HELLO_REPLY, 1L, 0L, 7L, new byte[16], 1L, new byte[0],
                true, new byte[0], 1L << 24));
    }

    /** Answers the next request of that kind with the bytes; others are passed over. */
    private static Frame await(Socket socket, Kind kind) throws IOException {
        Frame frame = read(socket);
        while (frame.kind != kind.number) {
            frame = read(socket);
        }
        return frame;
    }

    private static VxcClient client(String endpoint, long timeoutMs) {
        return VxcClient.create(new VxcOptions(endpoint).timeoutMs(timeoutMs));
    }

    private static byte[] key() {
        return "k".getBytes(UTF_8);
    }

    private static void untilClosed(Socket socket) throws IOException {
        while (socket.getInputStream().read() >= 0) {
            // whatever it says
        }
    }

    @Test
    void whereNobodyListensCallsEndInTimeAndSayWhy() throws IOException {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        try (VxcClient client = client("127.0.0.1:" + port, 300)) {
            VxcException failure = failure(client.map("m").put(key(), key()));
            assertEquals(VxcError.ETIMEOUT, failure.error());
            assertFalse(failure.isUnknown(), "it never left");
            assertTrue(failure.getMessage().contains("127.0.0.1:" + port), failure.getMessage());
            assertEquals(VxcError.ECLOSED, failure(client.openSession(1000)).error());
        }
    }

    @Test
    void aServerThatStopsAnsweringEndsCallsByTheirDeadline() throws IOException {
        try (Server server = new Server(socket -> {
            greet(socket);
            untilClosed(socket);
        }); VxcClient client = client(server.endpoint(), 300)) {
            CompletionStage<Long> write = client.counter("c").addAndGet(1);
            CompletionStage<Long> read = client.counter("c").get();
            assertTrue(failure(write).isUnknown());
            assertEquals(VxcError.ETIMEOUT, failure(write).error());
            assertFalse(failure(read).isUnknown());
            assertEquals(VxcError.ETIMEOUT, failure(read).error());
            assertEquals(VxcError.ETIMEOUT, failure(client.openSession(1000)).error());
        }
    }

    @Test
    void aServerOfAnotherVersionSaysSo() throws IOException {
        try (Server server = new Server(socket -> {
            socket.getOutputStream().write(reply(read(socket), Kind.ERROR_REPLY, (long) VxcError.EVERSION.code, 0L,
                    "version 9 is spoken here".getBytes(UTF_8)));
            untilClosed(socket);
        }); VxcClient client = client(server.endpoint(), 2000)) {
            VxcException failure = failure(client.map("m").get(key()));
            assertTrue(failure.getMessage().contains("version 9 is spoken here"), failure.getMessage());
        }
    }

    @Test
    void whatSpeaksAnotherProtocolIsNoServer() throws IOException {
        try (Server server = new Server(socket -> {
            socket.getOutputStream().write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(UTF_8));
            untilClosed(socket);
        }); VxcClient client = client(server.endpoint(), 300)) {
            VxcException failure = failure(client.map("m").get(key()));
            assertTrue(failure.getMessage().contains("a frame of"), failure.getMessage());
        }
    }

    /** The reply to a read is cut at every byte, each time by another connection, and at last it is whole. */
    @Test
    void aReplyCutAtEveryByteIsAskedForAgain() throws IOException {
        AtomicInteger cut = new AtomicInteger();
        try (Server server = new Server(socket -> {
            greet(socket);
            byte[] whole = reply(await(socket, Kind.COUNTER_GET), Kind.NUMBER_REPLY, 1L, 5L, true);
            int size = cut.getAndIncrement();
            socket.getOutputStream().write(whole, 0, Math.min(size, whole.length));
            if (size >= whole.length) {
                untilClosed(socket);
            }
        }); VxcClient client = client(server.endpoint(), 30_000)) {
            long value = of(client.counter("c").get());
            assertEquals(5, value);
            assertEquals(1 + 16 + 17, cut.get());
        }
    }

    @Test
    void aReplyWithAnyBitFlippedIsNotBelieved() throws IOException {
        AtomicInteger flip = new AtomicInteger();
        int bits = 8 * (16 + 17);
        try (Server server = new Server(socket -> {
            greet(socket);
            byte[] whole = reply(await(socket, Kind.COUNTER_GET), Kind.NUMBER_REPLY, 1L, 5L, true);
            int bit = flip.getAndAdd(11);
            if (bit < bits) {
                whole[bit / 8] ^= (byte) (1 << bit % 8);
            }
            OutputStream out = socket.getOutputStream();
            out.write(whole);
            if (bit < bits && bit / 32 == 1) {
                return; // the size: it would wait for more
            }
            untilClosed(socket);
        }); VxcClient client = client(server.endpoint(), 30_000)) {
            long value = of(client.counter("c").get());
            assertEquals(5, value);
            assertTrue(flip.get() >= bits);
        }
    }

    @Test
    void aServerThatClosesEachConnectionIsNotAskedInALoopWithoutPause() throws IOException {
        try (Server server = new Server(socket -> { }); VxcClient client = client(server.endpoint(), 1000)) {
            failure(client.map("m").get(key()));
            assertTrue(server.connections.get() < 20, server.connections.get() + " connections in a second");
        }
    }

    @Test
    void listenersThatThrowAndExecutorsThatRefuseKeepNobodyWaiting() throws IOException {
        AtomicReference<Throwable> reported = new AtomicReference<>();
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((thread, e) -> reported.set(e));
        try (Server server = new Server(socket -> {
            greet(socket);
            socket.getOutputStream().write(reply(await(socket, Kind.COUNTER_GET), Kind.NUMBER_REPLY, 1L, 5L, true));
            untilClosed(socket);
        }); VxcClient client = VxcClient.create(new VxcOptions(server.endpoint()).executor(task -> {
            throw new RejectedExecutionException("it has ended");
        }).listener(new ClientListener() {
            @Override
            public void connected(long session) {
                throw new IllegalStateException("of a listener");
            }
        }))) {
            long value = of(client.counter("c").get());
            assertEquals(5, value);
            assertEquals("of a listener", reported.get().getMessage());
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before);
        }
    }

    @Test
    void optionsAndArgumentsThatMakeNoSenseAreRefusedAtOnce() {
        assertThrows(IllegalArgumentException.class, () -> VxcClient.create(new VxcOptions("nowhere")));
        assertThrows(IllegalArgumentException.class, () -> new VxcOptions("a:1").timeoutMs(0));
        try (VxcClient client = client("127.0.0.1:1", 100)) {
            assertThrows(NullPointerException.class, () -> client.map("m").get(null));
            assertThrows(NullPointerException.class, () -> client.map(null));
            assertThrows(IllegalArgumentException.class, () -> client.map("m").put(key(), key(), 0));
            assertThrows(IllegalArgumentException.class, () -> client.map("m").withTimeout(-1));
            assertThrows(IllegalArgumentException.class, () -> client.lock("l").acquire(-2));
        }
    }

    @Test
    void threadsEndWithTheirClient() {
        VxcClient client = client("127.0.0.1:1", 100);
        Wait.until("it has a thread", () -> threads() > 0);
        client.close();
        Wait.until("its thread has ended", () -> threads() == 0);
    }

    private static long threads() {
        return Thread.getAllStackTraces().keySet().stream().filter(t -> t.getName().startsWith("vxc-client-")).count();
    }
}
