package io.bop.vxc.net;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;

/** Plain TCP. */
public final class TcpTransport implements Transport {
    @Override
    public Link open(InetSocketAddress address, String host) throws IOException {
        SocketChannel channel = SocketChannel.open();
        try {
            channel.configureBlocking(false);
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true); // small requests must not wait for each other
            channel.connect(address);
            return new TcpLink(channel);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static final class TcpLink implements Link {
        private final SocketChannel channel;

        TcpLink(SocketChannel channel) {
            this.channel = channel;
        }

        @Override
        public SelectableChannel channel() {
            return channel;
        }

        @Override
        public boolean finishConnect() throws IOException {
            return channel.finishConnect();
        }

        @Override
        public int read(ByteBuffer to) throws IOException {
            return channel.read(to);
        }

        @Override
        public long write(ByteBuffer[] parts) throws IOException {
            return channel.write(parts);
        }

        @Override
        public int interest(boolean output) {
            if (!channel.isConnected()) {
                return SelectionKey.OP_CONNECT;
            }
            return output ? SelectionKey.OP_READ | SelectionKey.OP_WRITE : SelectionKey.OP_READ;
        }

        @Override
        public SocketAddress localAddress() throws IOException {
            return channel.getLocalAddress();
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }
}
