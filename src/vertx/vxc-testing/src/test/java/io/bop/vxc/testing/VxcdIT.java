package io.bop.vxc.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.Socket;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The nodes that other tests start are there when they say so, and gone when they say so. */
class VxcdIT {
    @TempDir
    Path folder;

    private static void connect(int port) throws IOException {
        new Socket("127.0.0.1", port).close();
    }

    @Test
    void aNodeIsReachableWhileItRunsAndAgainAfterItWasKilled() throws IOException {
        try (Vxcd node = Vxcd.alone(folder.resolve("data"))) {
            connect(node.port);
            node.kill();
            assertFalse(node.isRunning());
            assertThrows(IOException.class, () -> connect(node.port));
            node.start();
            connect(node.port);
        }
    }

    @Test
    void aClusterHasAsManyNodesAsWereAskedFor() throws IOException {
        Vxcd[] nodes = Vxcd.cluster(folder, 3);
        try {
            assertEquals(3, nodes.length);
            for (Vxcd node : nodes) {
                connect(node.port);
            }
            assertEquals(nodes[0].endpoint() + "," + nodes[1].endpoint(), Vxcd.endpoints(nodes[0], nodes[1]));
        } finally {
            for (Vxcd node : nodes) {
                node.close();
            }
        }
    }

    @Test
    void aHiddenNodeLeavesThePlaceThatItNamesToAnother() throws IOException {
        try (Vxcd node = Vxcd.hidden(folder.resolve("data"))) {
            assertThrows(IOException.class, () -> connect(node.port));
            try (Proxy proxy = Proxy.of(node)) {
                assertEquals(node.namedEndpoint(), proxy.endpoint());
                connect(node.port);
                Wait.until("the connection is let through", () -> proxy.accepted() == 1);
            }
            node.stop();
            assertFalse(node.isRunning());
        }
    }

    @Test
    void aNodeThatEndsAtOnceIsToldWithItsReason() {
        IllegalStateException failure = assertThrows(IllegalStateException.class,
                () -> Vxcd.alone(folder.resolve("data"), "--no-such-option"));
        assertTrue(failure.getMessage().contains("unknown option \"no-such-option\""), failure.getMessage());
    }

    @Test
    void allTestsShareOneNode() throws IOException {
        String endpoint = SharedVxcd.endpoint();
        assertEquals(endpoint, SharedVxcd.endpoint());
        connect(Integer.parseInt(endpoint.substring(endpoint.indexOf(':') + 1)));
    }
}
