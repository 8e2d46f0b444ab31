package io.bop.vxc.wire;

import io.bop.vxc.Limits;
import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import java.util.Arrays;
import java.util.List;

/** Writes fields, little-endian, into a growing array of at most a frame's size. */
final class Writer {
    private byte[] out = new byte[64];
    private int size;

    byte[] toBytes() {
        return size == out.length ? out : Arrays.copyOf(out, size);
    }

    void fields(Field[] fields, Object[] values) {
        for (int i = 0; i < fields.length; i++) {
            field(fields[i].type, values[i]);
        }
    }

    private void field(FieldType type, Object value) {
        switch (type) {
            case U8:
            case CODE:
                number((Long) value, 1);
                break;
            case U16:
                number((Long) value, 2);
                break;
            case U32:
                number((Long) value, 4);
                break;
            case U64:
            case I64:
                number((Long) value, 8);
                break;
            case BOOL:
                number((Boolean) value ? 1 : 0, 1);
                break;
            case BYTES:
                bytes((byte[]) value);
                break;
            case OPT_BYTES:
                number(value == null ? 0 : 1, 1);
                if (value != null) {
                    bytes((byte[]) value);
                }
                break;
            case OPT_U64:
                number(value == null ? 0 : 1, 1);
                if (value != null) {
                    number((Long) value, 8);
                }
                break;
            default:
                list((List<?>) value);
                break;
        }
    }

    private void list(List<?> items) {
        number(items.size(), 4);
        for (Object item : items) {
            if (item instanceof byte[]) {
                bytes((byte[]) item);
            } else if (item instanceof Pair) {
                bytes(((Pair) item).first);
                bytes(((Pair) item).second);
            } else if (item instanceof Multi) {
                bytes(((Multi) item).key);
                list(((Multi) item).values);
            } else if (item instanceof Part) {
                number(((Part) item).kind, 2);
                bytes(((Part) item).payload);
            } else {
                Sync sync = (Sync) item;
                number(sync.operation.ordinal(), 1);
                fields(sync.operation.fields, sync.values);
            }
        }
    }

    private void number(long value, int width) {
        reserve(width);
        for (int i = 0; i < width; i++) {
            out[size++] = (byte) (value >>> (8 * i));
        }
    }

    private void bytes(byte[] bytes) {
        number(bytes.length, 4);
        reserve(bytes.length);
        System.arraycopy(bytes, 0, out, size, bytes.length);
        size += bytes.length;
    }

    private void reserve(int more) {
        if (more > Limits.FRAME_SIZE_MAX - size) {
            throw VxcException.failed(VxcError.ETOOBIG,
                    "the message does not fit a frame of " + Limits.FRAME_SIZE_MAX + " bytes");
        }
        if (out.length - size < more) {
            out = Arrays.copyOf(out, Math.min(Limits.FRAME_SIZE_MAX, Math.max(size + more, 2 * out.length)));
        }
    }
}
