package io.bop.vxc.vertx.data;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.util.Arrays;

/**
 * Keys and values of shared maps as bytes, readable by other languages and by {@code vxc map get}: a letter, a colon,
 * and what follows. Maps compare keys and values by these bytes. Equal objects may have different ones where Java
 * serialization wrote them ({@code o:}): a HashMap's tell its capacity. As keys, and where {@code replaceIfPresent} and
 * {@code removeIfPresent} compare, take one of the other types. Thread-safe.
 *
 * <table>
 * <caption>The format</caption>
 * <tr><th>tag</th><th>type</th><th>what follows</th></tr>
 * <tr><td>{@code s:}</td><td>String</td><td>UTF-8</td></tr>
 * <tr><td>{@code u:}</td><td>String with half a surrogate pair</td><td>UTF-16, big end first</td></tr>
 * <tr><td>{@code i:}</td><td>Integer</td><td>decimal, as in {@code -7}</td></tr>
 * <tr><td>{@code l:}</td><td>Long</td><td>decimal</td></tr>
 * <tr><td>{@code h:}</td><td>Short</td><td>decimal</td></tr>
 * <tr><td>{@code y:}</td><td>Byte</td><td>decimal</td></tr>
 * <tr><td>{@code f:}</td><td>Float</td><td>as {@link Float#toString} writes it: {@code 1.5}, {@code -0.0},
 *     {@code 1.0E10}, {@code NaN}, {@code -Infinity}</td></tr>
 * <tr><td>{@code d:}</td><td>Double</td><td>likewise</td></tr>
 * <tr><td>{@code t:}</td><td>Boolean</td><td>{@code true} or {@code false}</td></tr>
 * <tr><td>{@code c:}</td><td>Character</td><td>its UTF-16 code unit, decimal</td></tr>
 * <tr><td>{@code b:}</td><td>byte[]</td><td>the bytes</td></tr>
 * <tr><td>{@code B:}</td><td>Buffer</td><td>the bytes</td></tr>
 * <tr><td>{@code j:}</td><td>JsonObject</td><td>JSON, keys in the order of their insertion</td></tr>
 * <tr><td>{@code a:}</td><td>JsonArray</td><td>JSON</td></tr>
 * <tr><td>{@code k:}</td><td>ClusterSerializable</td><td>the name of its class in UTF-8, a zero byte, and what its
 *     {@code writeToBuffer} wrote; any such class of the class path will do, if it is public and has a public
 *     constructor without parameters</td></tr>
 * <tr><td>{@code o:}</td><td>other Serializable</td><td>a stream of Java serialization, if all its classes are on the
 *     {@linkplain AllowList list}</td></tr>
 * </table>
 */
public final class Values {
    private static final int TAG_SIZE = 2;

    private final JavaObjects javaObjects;

    /** @param allowed what Java serialization may write and read */
    public Values(AllowList allowed) {
        javaObjects = new JavaObjects(allowed);
    }

    /**
     * The bytes of a key or value.
     *
     * @throws NullPointerException when it is null
     * @throws ValueException when it is of no type that could be read back
     */
    public byte[] encode(Object value) {
        if (value == null) {
            throw new NullPointerException("a shared map holds no null, neither as key nor as value");
        }
        try {
            return write(value);
        } catch (ValueException e) {
            throw e;
        } catch (Throwable e) { // values bring their own code; a circle in them ends as a StackOverflowError
            throw new ValueException("a value of " + value.getClass().getName() + " cannot be written: " + e, e);
        }
    }

    /**
     * The key or value that these bytes are.
     *
     * @throws ValueException when they are none, whatever they are
     */
    @SuppressWarnings("unchecked") // the caller knows what it put
    public <T> T decode(byte[] bytes) {
        if (bytes.length < TAG_SIZE || bytes[1] != ':') {
            throw new ValueException("a value of " + bytes.length + " bytes without a tag: it was written by another "
                    + "program; expected a letter and a colon, as in s:text");
        }
        char tag = (char) (bytes[0] & 0xff);
        try {
            return (T) read(tag, Arrays.copyOfRange(bytes, TAG_SIZE, bytes.length));
        } catch (ValueException e) {
            throw e;
        } catch (Throwable e) { // bytes may be anybody's, and bring any code of the list to any end
            throw new ValueException("a value with the tag " + tag + ": cannot be read: " + e, e);
        }
    }

    private byte[] write(Object value) throws Throwable {
        Class<?> type = value.getClass();
        if (type == String.class) {
            return ofString((String) value);
        } else if (type == Integer.class) {
            return ofText('i', value.toString());
        } else if (type == Long.class) {
            return ofText('l', value.toString());
        } else if (type == Short.class) {
            return ofText('h', value.toString());
        } else if (type == Byte.class) {
            return ofText('y', value.toString());
        } else if (type == Float.class) {
            return ofText('f', value.toString());
        } else if (type == Double.class) {
            return ofText('d', value.toString());
        } else if (type == Boolean.class) {
            return ofText('t', value.toString());
        } else if (type == Character.class) {
            return ofText('c', Integer.toString((Character) value));
        } else if (type == byte[].class) {
            return tagged('b', (byte[]) value);
        } else if (value instanceof Buffer) {
            return tagged('B', ((Buffer) value).getBytes());
        } else if (type == JsonObject.class) {
            return ofText('j', escapeHalfPairs(((JsonObject) value).encode()));
        } else if (type == JsonArray.class) {
            return ofText('a', escapeHalfPairs(((JsonArray) value).encode()));
        } else if (ClusterObjects.accepts(value)) {
            return tagged('k', (type.getName() + '\0').getBytes(UTF_8), ClusterObjects.write(value));
        } else if (value instanceof Serializable) {
            return tagged('o', javaObjects.write(value));
        }
        throw new ValueException(type.getName() + " is neither Serializable nor ClusterSerializable");
    }

    private Object read(char tag, byte[] bytes) throws Throwable {
        switch (tag) {
            case 's':
                return text(bytes, UTF_8);
            case 'u':
                return utf16(bytes);
            case 'i':
                return Integer.valueOf(text(bytes, US_ASCII));
            case 'l':
                return Long.valueOf(text(bytes, US_ASCII));
            case 'h':
                return Short.valueOf(text(bytes, US_ASCII));
            case 'y':
                return Byte.valueOf(text(bytes, US_ASCII));
            case 'f':
                return Float.valueOf(text(bytes, US_ASCII));
            case 'd':
                return Double.valueOf(text(bytes, US_ASCII));
            case 't':
                return bool(text(bytes, US_ASCII));
            case 'c':
                return character(Integer.parseInt(text(bytes, US_ASCII)));
            case 'b':
                return bytes;
            case 'B':
                return Buffer.buffer(bytes);
            case 'j':
                return new JsonObject(text(bytes, UTF_8));
            case 'a':
                return new JsonArray(text(bytes, UTF_8));
            case 'k':
                return clusterObject(bytes);
            case 'o':
                return javaObjects.read(bytes);
            default:
                throw new ValueException("a value with an unknown tag (" + (int) tag
                        + "): a newer version or another program wrote it");
        }
    }

    private static Object clusterObject(byte[] bytes) throws Throwable {
        int end = 0;
        while (end < bytes.length && bytes[end] != 0) {
            end++;
        }
        if (end == bytes.length) {
            throw new ValueException("a ClusterSerializable whose class name has no end");
        }
        String name = text(Arrays.copyOf(bytes, end), UTF_8);
        try {
            return ClusterObjects.read(name, Arrays.copyOfRange(bytes, end + 1, bytes.length));
        } catch (ClassNotFoundException e) {
            throw new ValueException(name + " is not on the class path, but an object of it is in a shared map", e);
        }
    }

    private static Boolean bool(String text) {
        if (text.equals("true") || text.equals("false")) {
            return text.equals("true");
        }
        throw new ValueException("\"" + text + "\" is neither true nor false");
    }

    private static Character character(int unit) {
        if (unit < Character.MIN_VALUE || unit > Character.MAX_VALUE) {
            throw new ValueException(unit + " is not a UTF-16 code unit");
        }
        return (char) unit;
    }

    /** Strict: what is not of the character set fails. */
    private static String text(byte[] bytes, Charset charset) throws CharacterCodingException {
        return charset.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    }

    /** Not by a decoder, which would not let half a pair pass. */
    private static String utf16(byte[] bytes) {
        if (bytes.length % Character.BYTES != 0) {
            throw new ValueException("UTF-16 of " + bytes.length + " bytes");
        }
        return ByteBuffer.wrap(bytes).asCharBuffer().toString();
    }

    private static byte[] ofString(String value) {
        try {
            ByteBuffer utf8 = UTF_8.newEncoder().encode(CharBuffer.wrap(value));
            byte[] bytes = new byte[TAG_SIZE + utf8.remaining()];
            bytes[0] = 's';
            bytes[1] = ':';
            utf8.get(bytes, TAG_SIZE, utf8.remaining());
            return bytes;
        } catch (CharacterCodingException halfPair) {
            byte[] utf16 = new byte[value.length() * Character.BYTES];
            ByteBuffer.wrap(utf16).asCharBuffer().put(value);
            return tagged('u', utf16);
        }
    }

    /** In JSON text they stand in strings, where they can be escaped; UTF-8 has no place for them. */
    private static String escapeHalfPairs(String json) {
        StringBuilder escaped = new StringBuilder(json.length());
        for (int i = 0; i < json.length(); i++) {
            char unit = json.charAt(i);
            if (!Character.isSurrogate(unit)) {
                escaped.append(unit);
            } else if (i + 1 < json.length() && Character.isSurrogatePair(unit, json.charAt(i + 1))) {
                escaped.append(unit).append(json.charAt(++i));
            } else {
                escaped.append(String.format("\\u%04x", (int) unit));
            }
        }
        return escaped.toString();
    }

    private static byte[] ofText(char tag, String text) {
        return tagged(tag, text.getBytes(UTF_8));
    }

    private static byte[] tagged(char tag, byte[]... parts) {
        int size = TAG_SIZE + Arrays.stream(parts).mapToInt(part -> part.length).sum();
        ByteBuffer bytes = ByteBuffer.allocate(size).put((byte) tag).put((byte) ':');
        for (byte[] part : parts) {
            bytes.put(part);
        }
        return bytes.array();
    }
}
