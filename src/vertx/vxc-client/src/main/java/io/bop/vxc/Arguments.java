package io.bop.vxc;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/** What callers give, before it becomes a message. */
final class Arguments {
    private Arguments() {
    }

    /** A name as it travels; ETOOBIG when it is over its bound. */
    static byte[] name(String name) {
        return name(utf8(name));
    }

    static byte[] name(byte[] name) {
        return bounded("a name", name, Limits.NAME_SIZE_MAX);
    }

    /** EINVAL for half a surrogate pair: the encoder would make "?" of it, and different names the same. */
    static byte[] utf8(String name) {
        for (int i = 0; i < name.length(); i++) {
            if (Character.isSurrogate(name.charAt(i))) {
                if (!Character.isSurrogatePair(name.charAt(i), i + 1 < name.length() ? name.charAt(i + 1) : 0)) {
                    throw VxcException.failed(VxcError.EINVAL,
                            "a name that has half a surrogate pair at its character " + i + ", and so no form in UTF-8");
                }
                i++;
            }
        }
        return name.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] key(byte[] key) {
        return bounded("a key", Objects.requireNonNull(key, "key"), Limits.KEY_SIZE_MAX);
    }

    static byte[] value(byte[] value) {
        return bounded("a value", Objects.requireNonNull(value, "value"), Limits.VALUE_SIZE_MAX);
    }

    static byte[] info(byte[] info) {
        return bounded("the info of a node", Objects.requireNonNull(info, "info"), Limits.INFO_SIZE_MAX);
    }

    private static byte[] bounded(String what, byte[] bytes, int max) {
        if (bytes.length > max) {
            throw VxcException.failed(VxcError.ETOOBIG, what + " of " + bytes.length + " bytes; at most " + max);
        }
        return bytes;
    }

    static long ttl(long ttlMs) {
        if (ttlMs <= 0) {
            throw new IllegalArgumentException("a TTL of " + ttlMs + " ms; without one an entry lives for ever");
        }
        return ttlMs;
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** The record within a value or row. */
    static Message record(Kind kind, byte[] bytes) {
        return Message.decode(kind.number, bytes);
    }
}
