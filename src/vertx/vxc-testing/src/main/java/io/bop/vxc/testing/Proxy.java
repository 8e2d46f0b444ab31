package io.bop.vxc.testing;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A network between clients and a server, to be cut and healed.
 *
 * <pre>
 *     OPEN ── bytes pass
 *     SILENT ── they are held back, both ways, and so is the end of a connection: cables that are pulled
 *     REFUSING ── connections break, and new ones do so at once: a firewall that rejects
 * </pre>
 *
 * Thread-safe.
 */
public final class Proxy implements AutoCloseable {
    private static final int BLOCK_SIZE = 8192;

    /** What becomes of bytes. */
    public enum State { OPEN, SILENT, REFUSING }

    /** How many bytes of a connection pass before it breaks. */
    public interface Cut {
        /** No limit. */
        Cut NEVER = (connection, toClient) -> Long.MAX_VALUE;

        /** @param connection counted from 0 */
        long after(int connection, boolean toClient);
    }

    private final InetSocketAddress target;
    private final Cut cut;
    private final ServerSocket listener;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private final AtomicInteger accepted = new AtomicInteger();
    private final AtomicInteger refused = new AtomicInteger();
    private State state = State.OPEN;
    private boolean closed;

    /** Begins to listen. @param port 0: any free one */
    public Proxy(int port, String targetEndpoint, Cut cut) {
        int colon = targetEndpoint.lastIndexOf(':');
        target = new InetSocketAddress(
                targetEndpoint.substring(0, colon), Integer.parseInt(targetEndpoint.substring(colon + 1)));
        this.cut = cut;
        try {
            listener = new ServerSocket(port, 0, InetAddress.getByName("127.0.0.1"));
        } catch (IOException e) {
            throw new UncheckedIOException("the proxy cannot listen", e);
        }
        start("proxy-accept", this::accept);
    }

    /** In front of a node that is hidden behind it. */
    public static Proxy of(Vxcd hidden) {
        return new Proxy(hidden.port, hidden.endpoint(), Cut.NEVER);
    }

    public String endpoint() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    /** Connections that were let through. */
    public int accepted() {
        return accepted.get();
    }

    /** Attempts to connect that were not. */
    public int refused() {
        return refused.get();
    }

    public void heal() {
        become(State.OPEN);
    }

    public void cutSilently() {
        become(State.SILENT);
    }

    public void cutLoudly() {
        become(State.REFUSING);
        sockets.forEach(this::end);
    }

    private synchronized void become(State next) {
        state = next;
        notifyAll();
    }

    private synchronized State state() {
        return state;
    }

    /** False when there is nothing to wait for any more. */
    private synchronized boolean awaitPassage() {
        while (state == State.SILENT && !closed) {
            try {
                wait();
            } catch (InterruptedException e) {
                return false;
            }
        }
        return !closed;
    }

    // ---- connections ----

    private void accept() {
        try {
            while (true) {
                Socket client = listener.accept();
                sockets.add(client);
                if (state() == State.REFUSING) {
                    refused.incrementAndGet();
                    end(client);
                } else {
                    start("proxy-connect", () -> connect(client));
                }
            }
        } catch (IOException e) {
            // closed
        }
    }

    private void connect(Socket client) {
        if (!awaitPassage()) {
            return;
        }
        Socket server = new Socket();
        sockets.add(server);
        try {
            server.connect(target);
            client.setTcpNoDelay(true);
            server.setTcpNoDelay(true);
        } catch (IOException e) {
            end(client);
            end(server);
            return;
        }
        int connection = accepted.getAndIncrement();
        start("proxy-up", () -> pump(client, server, cut.after(connection, false)));
        pump(server, client, cut.after(connection, true));
    }

    private void pump(Socket from, Socket to, long limit) {
        byte[] block = new byte[BLOCK_SIZE];
        long rest = limit;
        try {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            while (rest > 0) {
                int size = in.read(block, 0, (int) Math.min(block.length, rest));
                if (!awaitPassage() || size < 0) {
                    break;
                }
                out.write(block, 0, size);
                rest -= size;
            }
        } catch (IOException e) {
            awaitPassage(); // the other end hears of it when anything can be heard
        }
        end(from);
        end(to);
    }

    private void end(Socket socket) {
        sockets.remove(socket);
        try {
            socket.close();
        } catch (IOException e) {
            // nothing more is expected from it
        }
    }

    private static void start(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        try {
            listener.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        sockets.forEach(this::end);
    }
}
