package io.bop.vxc.wire;

import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Reads fields; every length and count is compared with the bytes that are left before it is used. */
final class Reader {
    private static final byte[] NOTHING = new byte[0];

    private final ByteBuffer in;

    Reader(byte[] bytes, int offset, int size) {
        in = ByteBuffer.wrap(bytes, offset, size).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** openEnd: fields may be missing at the end. */
    Object[] fields(Field[] fields, boolean openEnd) {
        Object[] values = new Object[fields.length];
        for (int i = 0; i < fields.length; i++) {
            boolean missing = openEnd && !in.hasRemaining();
            values[i] = missing ? none(fields[i].type) : field(fields[i].type);
        }
        return values;
    }

    private static Object none(FieldType type) {
        switch (type) {
            case OPT_BYTES:
            case OPT_U64:
                return null;
            case BOOL:
                return Boolean.FALSE;
            case BYTES:
                return NOTHING;
            case ITEMS:
            case PAIRS:
            case MULTI:
            case MESSAGES:
            case OPERATIONS:
                return Collections.emptyList();
            default:
                return 0L;
        }
    }

    private Object field(FieldType type) {
        switch (type) {
            case U8:
                return (long) u8();
            case U16:
                return (long) u16();
            case U32:
                return u32();
            case U64:
            case I64:
                return u64();
            case BOOL:
                return flag();
            case CODE:
                return flag() ? 1L : 0L;
            case BYTES:
                return bytes();
            case OPT_BYTES:
                return flag() ? bytes() : null;
            case OPT_U64:
                return flag() ? (Long) u64() : null;
            default:
                return list(type);
        }
    }

    private static VxcException malformed() {
        return VxcException.failed(VxcError.EPROTO, "the payload does not parse");
    }

    private void need(long size) {
        if (size > in.remaining()) {
            throw malformed();
        }
    }

    private int u8() {
        need(1);
        return in.get() & 0xff;
    }

    private int u16() {
        need(2);
        return in.getShort() & 0xffff;
    }

    private long u32() {
        need(4);
        return in.getInt() & 0xffffffffL;
    }

    private long u64() {
        need(8);
        return in.getLong();
    }

    private boolean flag() {
        int value = u8();
        if (value > 1) {
            throw malformed();
        }
        return value == 1;
    }

    private byte[] bytes() {
        long size = u32();
        need(size);
        if (size == 0) {
            return NOTHING;
        }
        byte[] bytes = new byte[(int) size];
        in.get(bytes);
        return bytes;
    }

    // ---- lists ----

    /** The least that one item takes. */
    private static int itemSizeMin(FieldType type) {
        switch (type) {
            case PAIRS: // two lengths
            case MULTI: // a length and a count
                return 8;
            case MESSAGES: // a kind and a length
                return 6;
            case OPERATIONS: // a tag and a length
                return 5;
            default:
                return 4;
        }
    }

    private List<Object> list(FieldType type) {
        long count = u32();
        need(count * itemSizeMin(type));
        List<Object> items = new ArrayList<>((int) count);
        for (long i = 0; i < count; i++) {
            items.add(item(type));
        }
        return items;
    }

    @SuppressWarnings("unchecked")
    private Object item(FieldType type) {
        switch (type) {
            case PAIRS:
                return new Pair(bytes(), bytes());
            case MULTI:
                return new Multi(bytes(), (List<byte[]>) (List<?>) list(FieldType.ITEMS));
            case MESSAGES:
                return new Part(u16(), bytes());
            case OPERATIONS:
                return operation();
            default:
                return bytes();
        }
    }

    private Sync operation() {
        SyncOperation operation = SyncOperation.of(u8());
        if (operation == null) {
            throw malformed();
        }
        return new Sync(operation, fields(operation.fields, false));
    }
}
