package io.bop.vxc.net;

import java.io.IOException;
import java.net.InetSocketAddress;

/** Makes connections: TCP ({@link TcpTransport}); a test's own; later TLS over it. */
public interface Transport {
    /**
     * Begins to connect, without waiting.
     *
     * @param address resolved
     * @param host as it was configured: the name that a certificate must be for
     */
    Link open(InetSocketAddress address, String host) throws IOException;
}
