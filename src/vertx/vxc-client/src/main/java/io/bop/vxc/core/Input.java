package io.bop.vxc.core;

import io.bop.vxc.Limits;
import io.bop.vxc.wire.Frame;
import java.nio.ByteBuffer;

/** Bytes that arrived and are not a whole frame yet. */
final class Input {
    private ByteBuffer in = ByteBuffer.allocate(Limits.READ_SIZE);

    /** Room for what arrives, at least a few bytes; grows with what is there, not with what a header announces. */
    ByteBuffer space() {
        if (in.remaining() == 0) {
            int size = Math.min(2 * in.capacity(), Limits.FRAME_SIZE_MAX + Limits.READ_SIZE);
            ByteBuffer larger = ByteBuffer.allocate(size);
            in.flip();
            larger.put(in);
            in = larger;
        }
        return in;
    }

    /** What arrived can be read now, by {@link Frame#decode}; {@link #endReading} must follow. */
    ByteBuffer beginReading() {
        in.flip();
        return in;
    }

    void endReading() {
        if (in.hasRemaining()) {
            in.compact();
        } else {
            clear();
        }
    }

    void clear() {
        if (in.capacity() > 16 * Limits.READ_SIZE) { // one large frame is no reason to keep so much
            in = ByteBuffer.allocate(Limits.READ_SIZE);
        }
        in.clear();
    }
}
