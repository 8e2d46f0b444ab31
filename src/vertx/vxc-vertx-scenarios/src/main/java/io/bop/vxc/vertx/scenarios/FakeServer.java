package io.bop.vxc.vertx.scenarios;

import io.bop.vxc.wire.Frame;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/** Listens where a vxcd is expected, and answers the first frame of each connection with the same bytes. */
final class FakeServer implements AutoCloseable {
    private static final int EVERSION = -19;

    final int port;
    private final ServerSocket listener;
    private final Function<Frame, byte[]> answer;
    private final Set<Socket> connections = ConcurrentHashMap.newKeySet();

    private FakeServer(Function<Frame, byte[]> answer) {
        this.answer = answer;
        try {
            listener = new ServerSocket(0, 0, InetAddress.getByName("127.0.0.1"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        port = listener.getLocalPort();
        start(this::accept);
    }

    /** Speaks no version of the protocol that the client speaks. */
    static FakeServer ofAnotherVersion() {
        return new FakeServer(hello -> {
            byte[] text = "this node speaks versions 7 to 9".getBytes(StandardCharsets.UTF_8);
            Message refusal = new Message(Kind.ERROR_REPLY, (long) EVERSION, 0L, text);
            return Frame.encode(Frame.RESPONSE, Kind.ERROR_REPLY.number, hello.requestId, refusal.encode()).array();
        });
    }

    /** Speaks something else. */
    static FakeServer ofTheWeb() {
        return new FakeServer(hello -> "HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
    }

    /** Accepts, and says nothing. */
    static FakeServer silent() {
        return new FakeServer(hello -> new byte[0]);
    }

    private void accept() {
        try {
            while (true) {
                Socket connection = listener.accept();
                connections.add(connection);
                start(() -> serve(connection));
            }
        } catch (IOException e) {
            // closed
        }
    }

    private void serve(Socket connection) {
        try {
            ByteBuffer bytes = ByteBuffer.allocate(4096);
            InputStream in = connection.getInputStream();
            while (true) {
                int size = in.read(bytes.array(), bytes.position(), bytes.remaining());
                if (size < 0) {
                    return;
                }
                bytes.position(bytes.position() + size);
                ByteBuffer whole = (ByteBuffer) bytes.duplicate().flip();
                Frame hello = Frame.decode(whole);
                if (hello != null) {
                    connection.getOutputStream().write(answer.apply(hello));
                }
            }
        } catch (IOException e) {
            // the client has gone
        }
    }

    private static void start(Runnable task) {
        Thread thread = new Thread(task, "fake-server");
        thread.setDaemon(true);
        thread.start();
    }

    String endpoint() {
        return "127.0.0.1:" + port;
    }

    @Override
    public void close() throws IOException {
        listener.close();
        for (Socket connection : connections) {
            connection.close();
        }
    }
}
