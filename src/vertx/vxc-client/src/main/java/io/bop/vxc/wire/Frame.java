package io.bop.vxc.wire;

import io.bop.vxc.Limits;
import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32;

/**
 * A frame: 16 bytes of header, a sequence and a floor when it is SEQUENCED, and the payload.
 *
 * <p>The checksum is CRC-32 (IEEE) of everything behind it. What is wrong with received bytes is told by a
 * {@link VxcException}; the bytes behind them cannot be trusted then. Not to be changed once made.
 */
public final class Frame {
    private static final String NO_SERVER = ": what answers there is no vxcd, or the stream is damaged";

    public static final int REQUEST = 1;
    public static final int RESPONSE = 2;
    public static final int PING = 4;
    public static final int PONG = 8;
    public static final int EVENT = 16;
    public static final int SEQUENCED = 32;
    public static final int STALE = 64;
    public static final int MORE = 128;

    public static final int VERSION = 1;
    public static final int HEADER_SIZE = 16;
    static final int SEQUENCED_SIZE = 16;
    private static final int AT_SIZE = 4;

    public final int flags;
    public final int kind;
    public final int requestId;
    /** 0 when the frame is not SEQUENCED. */
    public final long sequence;
    public final long floor;
    /** Of the whole frame, in bytes. */
    public final int size;
    private final byte[] bytes;
    private final int payloadAt;
    private final int payloadSize;

    private Frame(ByteBuffer in, int start, int size) {
        this.size = size;
        flags = in.get(start + 9) & 0xff;
        kind = in.getShort(start + 10) & 0xffff;
        requestId = in.getInt(start + 12);
        boolean sequenced = (flags & SEQUENCED) != 0;
        int head = sequenced ? HEADER_SIZE + SEQUENCED_SIZE : HEADER_SIZE;
        if (size < head) {
            throw VxcException.failed(VxcError.EPROTO, "a sequenced frame without sequence");
        }
        sequence = sequenced ? in.getLong(start + HEADER_SIZE) : 0;
        floor = sequenced ? in.getLong(start + HEADER_SIZE + 8) : 0;
        bytes = in.array();
        payloadAt = in.arrayOffset() + start + head;
        payloadSize = size - head;
    }

    /**
     * Cuts the next frame off the buffer, between its position and its limit; {@code null} when it is not whole yet.
     * The frame refers to the buffer's array: read its message before the buffer changes.
     *
     * @param in has an array
     * @throws VxcException EPROTO, ETOOBIG, ECRC or EVERSION: no frame; the buffer is as before
     */
    public static Frame decode(ByteBuffer in) {
        in.order(ByteOrder.LITTLE_ENDIAN);
        int start = in.position();
        if (in.remaining() < AT_SIZE + 4) {
            return null;
        }
        long size = in.getInt(start + AT_SIZE) & 0xffffffffL;
        if (size < HEADER_SIZE) {
            throw VxcException.failed(VxcError.EPROTO, "a frame of " + size + " bytes" + NO_SERVER);
        }
        if (size > Limits.FRAME_SIZE_MAX) {
            throw VxcException.failed(VxcError.ETOOBIG, "a frame of " + size + " bytes" + NO_SERVER);
        }
        if (in.remaining() < size) {
            return null;
        }
        // The checksum comes before the version: a flipped bit is damage, not a newer server.
        int checksum = checksum(in.array(), in.arrayOffset() + start, (int) size);
        if (checksum != in.getInt(start)) {
            throw VxcException.failed(VxcError.ECRC, "a frame whose checksum is wrong");
        }
        int version = in.get(start + 8) & 0xff;
        if (version != VERSION) {
            throw VxcException.failed(VxcError.EVERSION, "a frame of protocol version " + version);
        }
        Frame frame = new Frame(in, start, (int) size);
        in.position(start + frame.size);
        return frame;
    }

    /**
     * How many bytes the frame at the buffer's position needs to be whole, as far as is known.
     *
     * @return at least {@link #HEADER_SIZE}; what {@link #decode} refuses may be anything
     */
    public static long sizeNeeded(ByteBuffer in) {
        in.order(ByteOrder.LITTLE_ENDIAN);
        return in.remaining() < AT_SIZE + 4 ? HEADER_SIZE : in.getInt(in.position() + AT_SIZE) & 0xffffffffL;
    }

    /**
     * The message of this frame.
     *
     * @throws VxcException EKIND, EPROTO
     */
    public Message message() {
        return Message.decode(kind, bytes, payloadAt, payloadSize);
    }

    public boolean has(int flag) {
        return (flags & flag) != 0;
    }

    // ---- writing ----

    /** A whole frame, from its header to the end of the payload. ETOOBIG when it is over the limit. */
    public static ByteBuffer encode(int flags, int kind, int requestId, byte[] payload) {
        return encode(flags, kind, requestId, 0, 0, payload);
    }

    /** The same; with the flag SEQUENCED, sequence and floor stand before the payload. */
    public static ByteBuffer encode(int flags, int kind, int requestId, long sequence, long floor, byte[] payload) {
        boolean sequenced = (flags & SEQUENCED) != 0;
        int head = sequenced ? HEADER_SIZE + SEQUENCED_SIZE : HEADER_SIZE;
        if (payload.length > Limits.FRAME_SIZE_MAX - head) {
            throw VxcException.failed(VxcError.ETOOBIG,
                    "the request does not fit a frame of " + Limits.FRAME_SIZE_MAX + " bytes");
        }
        ByteBuffer out = ByteBuffer.allocate(head + payload.length).order(ByteOrder.LITTLE_ENDIAN);
        out.putInt(0).putInt(out.capacity()); // the checksum comes last
        out.put((byte) VERSION).put((byte) flags).putShort((short) kind).putInt(requestId);
        if (sequenced) {
            out.putLong(sequence).putLong(floor);
        }
        out.put(payload);
        out.putInt(0, checksum(out.array(), 0, out.capacity()));
        out.flip();
        return out;
    }

    private static int checksum(byte[] bytes, int start, int size) {
        CRC32 crc = new CRC32();
        crc.update(bytes, start + AT_SIZE, size - AT_SIZE);
        return (int) crc.getValue();
    }
}
