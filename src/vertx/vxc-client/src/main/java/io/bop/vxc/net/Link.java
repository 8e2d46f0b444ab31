package io.bop.vxc.net;

import java.io.Closeable;
import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectableChannel;

/**
 * One connection, never blocking; used by one thread. A link that encrypts hands out plain bytes here, and says by
 * {@link #wantsWrite} that it has bytes of its own to send.
 */
public interface Link extends Closeable {
    /** What to wait on; {@code null} for a link of a test that nobody waits on. */
    SelectableChannel channel();

    /** True once bytes may be read and written: connected, and for TLS greeted. */
    boolean finishConnect() throws IOException;

    /** As {@link java.nio.channels.ReadableByteChannel#read}: -1 at the end, 0 when nothing is there. */
    int read(ByteBuffer to) throws IOException;

    /** As {@link java.nio.channels.GatheringByteChannel#write}: 0 when nothing can be taken now. */
    long write(ByteBuffer[] parts) throws IOException;

    /** Is there something to be sent that {@link #write} was not given? */
    default boolean wantsWrite() {
        return false;
    }

    SocketAddress localAddress() throws IOException;
}
