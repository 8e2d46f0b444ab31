package io.bop.vxc.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A network that is cut is cut, and heals. */
class ProxyTest {
    private static final int SILENCE_MS = 50;
    private static final int PATIENCE_MS = 10_000;

    private ServerSocket server;
    private Proxy proxy;

    @BeforeEach
    void begin() throws IOException {
        server = new ServerSocket(0, 0, InetAddress.getByName("127.0.0.1"));
        server.setSoTimeout(PATIENCE_MS);
    }

    @AfterEach
    void end() throws IOException {
        proxy.close();
        server.close();
    }

    private Socket connect(Proxy.Cut cut) throws IOException {
        proxy = new Proxy(0, "127.0.0.1:" + server.getLocalPort(), cut);
        return connect();
    }

    private Socket connect() throws IOException {
        String endpoint = proxy.endpoint();
        Socket client = new Socket("127.0.0.1", Integer.parseInt(endpoint.substring(endpoint.indexOf(':') + 1)));
        client.setSoTimeout(PATIENCE_MS);
        return client;
    }

    private Socket accept() throws IOException {
        Socket served = server.accept();
        served.setSoTimeout(PATIENCE_MS);
        return served;
    }

    private static void assertSilent(Socket socket) throws IOException {
        socket.setSoTimeout(SILENCE_MS);
        assertThrows(SocketTimeoutException.class, () -> socket.getInputStream().read());
        socket.setSoTimeout(PATIENCE_MS);
    }

    private static void assertEnded(Socket socket) {
        int end;
        try {
            end = socket.getInputStream().read();
        } catch (IOException reset) {
            end = -1;
        }
        assertEquals(-1, end);
    }

    @Test
    void bytesPassBothWays() throws IOException {
        try (Socket client = connect(Proxy.Cut.NEVER); Socket served = accept()) {
            client.getOutputStream().write(1);
            assertEquals(1, served.getInputStream().read());
            served.getOutputStream().write(2);
            assertEquals(2, client.getInputStream().read());
            assertEquals(1, proxy.accepted());
        }
    }

    @Test
    void inASilenceBytesAndEndsAreHeldBack() throws IOException {
        try (Socket client = connect(Proxy.Cut.NEVER); Socket served = accept()) {
            proxy.cutSilently();
            client.getOutputStream().write(1);
            served.getOutputStream().write(2);
            assertSilent(served);
            assertSilent(client);
            served.shutdownOutput();
            assertSilent(client);
            proxy.heal();
            assertEquals(2, client.getInputStream().read());
            assertEnded(client);
        }
    }

    @Test
    void aLoudCutEndsConnectionsAndRefusesOthers() throws IOException {
        try (Socket client = connect(Proxy.Cut.NEVER); Socket served = accept()) {
            proxy.cutLoudly();
            assertEnded(client);
            assertEnded(served);
            try (Socket refused = connect()) {
                assertEnded(refused);
            }
            assertEquals(1, proxy.refused());
            proxy.heal();
            try (Socket again = connect(); Socket servedAgain = accept()) {
                again.getOutputStream().write(3);
                assertEquals(3, servedAgain.getInputStream().read());
            }
        }
    }

    @Test
    void aConnectionBreaksBehindSoManyBytes() throws IOException {
        try (Socket client = connect((connection, toClient) -> connection == 0 && toClient ? 2 : Long.MAX_VALUE);
                Socket served = accept()) {
            served.getOutputStream().write(new byte[] {1, 2, 3});
            assertEquals(1, client.getInputStream().read());
            assertEquals(2, client.getInputStream().read());
            assertEnded(client);
            try (Socket next = connect(); Socket servedNext = accept()) {
                servedNext.getOutputStream().write(new byte[] {4, 5, 6});
                assertEquals(4, next.getInputStream().read());
                assertEquals(5, next.getInputStream().read());
                assertEquals(6, next.getInputStream().read());
            }
            assertEquals(2, proxy.accepted());
        }
    }
}
