package io.bop.vxc.core;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;

/** Frames to be sent; small ones are put together, so that one write takes many. */
final class Output {
    private static final int CHUNK_SIZE = 64 << 10;
    private static final int SMALL_SIZE_MAX = 8 << 10;
    private static final int PARTS_MAX = 16;

    private final ArrayDeque<ByteBuffer> parts = new ArrayDeque<>();
    private ByteBuffer chunk; // the last part, with room behind its limit; null when the last one is no chunk
    private ByteBuffer spare; // a chunk that was sent, to be used again
    private long addedBytes;
    private long sentBytes;

    /** Returns where the frame ends within all that this connection sends. */
    long add(ByteBuffer frame) {
        int size = frame.remaining();
        if (size > SMALL_SIZE_MAX) {
            parts.add(frame);
            chunk = null;
        } else {
            addSmall(frame, size);
        }
        addedBytes += size;
        return addedBytes;
    }

    private void addSmall(ByteBuffer frame, int size) {
        if (chunk == null || chunk.capacity() - chunk.limit() < size) {
            chunk = spare != null ? spare : ByteBuffer.allocate(CHUNK_SIZE);
            spare = null;
            chunk.position(0).limit(0);
            parts.add(chunk);
        }
        int end = chunk.limit();
        chunk.limit(end + size);
        System.arraycopy(frame.array(), frame.arrayOffset() + frame.position(), chunk.array(), end, size);
    }

    boolean isEmpty() {
        return parts.isEmpty();
    }

    /** What is to be sent first; the reader moves their positions, then says {@link #sent}. */
    ByteBuffer[] parts() {
        ByteBuffer[] some = new ByteBuffer[Math.min(parts.size(), PARTS_MAX)];
        int count = 0;
        for (ByteBuffer part : parts) {
            if (count == some.length) {
                break;
            }
            some[count++] = part;
        }
        return some;
    }

    void sent(long size) {
        sentBytes += size;
        while (!parts.isEmpty() && !parts.peek().hasRemaining()) {
            ByteBuffer done = parts.poll();
            if (done == chunk) {
                spare = chunk;
                chunk = null;
            }
        }
    }

    /** Of this connection. */
    long sentBytes() {
        return sentBytes;
    }

    void clear() {
        parts.clear();
        chunk = null;
        addedBytes = 0;
        sentBytes = 0;
    }
}
