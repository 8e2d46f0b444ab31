package io.bop.vxc.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.Limits;
import io.bop.vxc.testing.Project;
import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The golden vectors, which the C code is checked against too. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class VectorsTest {
    private static final String SEPARATOR = " \\| ";

    private static Stream<String> rows(String file) {
        return Project.lines("tests/vectors/" + file).stream().filter(line -> !line.startsWith("#"));
    }

    static Stream<String> golden() {
        return rows("v1.txt");
    }

    static Stream<String> edges() {
        return rows("v1-edges.txt");
    }

    @ParameterizedTest
    @MethodSource("golden")
    void everyVectorIsReadAndWrittenToTheSameBytes(String row) {
        String[] column = row.split(SEPARATOR);
        byte[] bytes = VectorText.unhex(column[6]);
        Frame frame = Frame.decode(ByteBuffer.wrap(bytes));

        assertEquals(column[1], String.valueOf(frame.kind));
        assertEquals(column[2], String.valueOf(frame.flags));
        assertEquals(column[3], Integer.toUnsignedString(frame.requestId));
        assertEquals(column[4], frame.has(Frame.SEQUENCED)
                ? Long.toUnsignedString(frame.sequence) + " " + Long.toUnsignedString(frame.floor) : "-");
        assertEquals(column[5], VectorText.of(frame.message()));
        ByteBuffer written = Frame.encode(
                frame.flags, frame.kind, frame.requestId, frame.sequence, frame.floor, frame.message().encode());
        assertEquals(column[6], VectorText.hex(written.array()));
    }

    @Test
    void everyKindHasAVector() {
        Set<Kind> missing = EnumSet.allOf(Kind.class);
        golden().forEach(row -> missing.remove(Kind.of(Integer.parseInt(row.split(SEPARATOR)[1]))));
        assertEquals(EnumSet.noneOf(Kind.class), missing);
    }

    @ParameterizedTest
    @MethodSource("edges")
    void everyFrameAtTheEdgeIsReadOrRefusedAsTheTableSays(String row) {
        String[] column = row.split(SEPARATOR);
        assertEquals(column[1] + " " + column[2], result(VectorText.unhex(column[3])));
    }

    private static String result(byte[] bytes) {
        try {
            Frame frame = Frame.decode(ByteBuffer.wrap(bytes));
            return frame == null ? "EBUSY -" : "OK " + VectorText.of(frame.message());
        } catch (VxcException e) {
            return e.error() + " -";
        }
    }

    @ParameterizedTest
    @MethodSource("golden")
    void everyCutFrameIsNotWholeYet(String row) {
        byte[] bytes = VectorText.unhex(row.split(SEPARATOR)[6]);
        for (int size = 0; size < bytes.length; size++) {
            ByteBuffer cut = ByteBuffer.wrap(bytes, 0, size);
            assertNull(Frame.decode(cut), "cut to " + size);
            assertEquals(0, cut.position());
        }
    }

    @ParameterizedTest
    @MethodSource("golden")
    void everyFlippedBitIsRefused(String row) {
        byte[] bytes = VectorText.unhex(row.split(SEPARATOR)[6]);
        for (int bit = 0; bit < 8 * bytes.length; bit++) {
            byte[] damaged = bytes.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            String result = result(damaged);
            boolean size = bit / 32 == 1; // then it may say that more is to come
            assertTrue(result.startsWith("ECRC") || size && !result.startsWith("OK"), "bit " + bit + ": " + result);
        }
    }

    @ParameterizedTest
    @MethodSource("golden")
    void everyDamagedPayloadIsReadOrRefusedAsMalformed(String row) {
        Frame frame = Frame.decode(ByteBuffer.wrap(VectorText.unhex(row.split(SEPARATOR)[6])));
        byte[] payload = frame.message().encode();
        for (int size = 0; size <= payload.length; size++) {
            readOrRefuse(frame.kind, Arrays.copyOf(payload, size));
        }
        for (int bit = 0; bit < 8 * payload.length; bit++) {
            byte[] damaged = payload.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            readOrRefuse(frame.kind, damaged);
        }
    }

    /** What is read can be written and read again. */
    private static void readOrRefuse(int kind, byte[] payload) {
        try {
            Message message = Message.decode(kind, payload);
            assertEquals(VectorText.of(message), VectorText.of(Message.decode(kind, message.encode())));
        } catch (VxcException e) {
            assertEquals(VxcError.EPROTO, e.error());
        }
    }

    @Test
    void framesFollowOneAnother() {
        ByteBuffer two = ByteBuffer.allocate(1000);
        two.put(Frame.encode(Frame.REQUEST, 71, 1, new byte[0])).put(Frame.encode(Frame.REQUEST, 71, 2, new byte[0]));
        two.flip();
        assertEquals(1, Frame.decode(two).requestId);
        assertEquals(2, Frame.decode(two).requestId);
        assertNull(Frame.decode(two));
    }

    @Test
    void theLargestFrameIsWrittenAndReadAndOneMoreByteIsTooBig() {
        byte[] payload = new byte[Limits.FRAME_SIZE_MAX - Frame.HEADER_SIZE];
        ByteBuffer frame = Frame.encode(Frame.RESPONSE, 102, 1, payload);
        assertEquals(Limits.FRAME_SIZE_MAX, frame.remaining());
        assertNotNull(Frame.decode(frame));
        VxcException tooBig = assertThrows(VxcException.class,
                () -> Frame.encode(Frame.RESPONSE, 102, 1, new byte[payload.length + 1]));
        assertEquals(VxcError.ETOOBIG, tooBig.error());
        byte[] value = new byte[Limits.FRAME_SIZE_MAX];
        Message message = new Message(Kind.NODE_SET_INFO, (Object) value);
        assertEquals(VxcError.ETOOBIG, assertThrows(VxcException.class, message::encode).error());
    }
}
