package io.bop.vxc.wire;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Fields as tests/vectors write them (docs/protocol.md, "Golden vectors"). */
final class VectorText {
    private VectorText() {
    }

    static String of(Message message) {
        String text = fields(message.kind.fields, message.values);
        return text.isEmpty() ? "-" : text;
    }

    private static String fields(Field[] fields, Object[] values) {
        List<String> words = new ArrayList<>();
        for (int i = 0; i < fields.length; i++) {
            words.add(fields[i].name + "=" + field(fields[i].type, values[i]));
        }
        return String.join(" ", words);
    }

    @SuppressWarnings("unchecked")
    private static String field(FieldType type, Object value) {
        if (value == null) {
            return "none";
        }
        switch (type) {
            case BOOL:
                return (Boolean) value ? "1" : "0";
            case I64:
                return value.toString();
            case BYTES:
            case OPT_BYTES:
                return bytes((byte[]) value);
            case ITEMS:
            case PAIRS:
            case MULTI:
            case MESSAGES:
            case OPERATIONS:
                return list((List<Object>) value);
            default:
                return Long.toUnsignedString((Long) value);
        }
    }

    private static String list(List<?> items) {
        List<String> words = new ArrayList<>();
        for (Object item : items) {
            words.add(item(item));
        }
        return "[" + String.join(", ", words) + "]";
    }

    private static String item(Object item) {
        if (item instanceof Pair) {
            return "(" + bytes(((Pair) item).first) + ", " + bytes(((Pair) item).second) + ")";
        }
        if (item instanceof Multi) {
            return "(" + bytes(((Multi) item).key) + ", " + list(((Multi) item).values) + ")";
        }
        if (item instanceof Part) {
            String payload = hex(((Part) item).payload);
            return "(" + ((Part) item).kind + ", hex:" + (payload.isEmpty() ? "-" : payload) + ")";
        }
        if (item instanceof Sync) {
            Sync sync = (Sync) item;
            return "(" + sync.operation.ordinal() + " " + sync.operation.name().toLowerCase(Locale.ROOT) + " "
                    + fields(sync.operation.fields, sync.values) + ")";
        }
        return bytes((byte[]) item);
    }

    private static String bytes(byte[] bytes) {
        StringBuilder text = new StringBuilder("\"");
        for (byte b : bytes) {
            if (b < ' ' || b > '~' || b == '"' || b == '\\' || b == '|') {
                return "hex:" + hex(bytes);
            }
            text.append((char) b);
        }
        return text.append('"').toString();
    }

    static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) {
            text.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
        }
        return text.toString();
    }

    static byte[] unhex(String text) {
        byte[] bytes = new byte["-".equals(text) ? 0 : text.length() / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(text.substring(2 * i, 2 * i + 2), 16);
        }
        return bytes;
    }
}
