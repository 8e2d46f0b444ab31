package io.bop.vxc.net;

import java.io.Closeable;
import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectableChannel;

/**
 * One connection, never blocking; used by one thread. A link that encrypts hands out plain bytes here; it says by
 * {@link #interest} what its greeting waits for, and by {@link #hasInput} that it holds bytes that were read already.
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

    /**
     * What to wait for on the channel: operations of {@link java.nio.channels.SelectionKey}.
     *
     * @param output there is something to be written
     */
    int interest(boolean output);

    /** Can something be read although the channel has nothing? */
    default boolean hasInput() {
        return false;
    }

    SocketAddress localAddress() throws IOException;
}
