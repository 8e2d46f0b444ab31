package io.bop.vxc.wire;

import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * One message: a kind and the values of its fields, in the order of the wire.
 *
 * <p>Encoding and decoding follow the table of {@link Kind}; nothing else knows a layout. Values are what
 * {@link FieldType} says; byte arrays are neither copied in nor out. Not to be changed once made.
 */
public final class Message {
    public final Kind kind;
    final Object[] values;

    /**
     * Makes a message of all its fields, in their order.
     *
     * @throws IllegalArgumentException for another number of values than the kind has fields
     */
    public Message(Kind kind, Object... values) {
        if (values.length != kind.fields.length) {
            throw new IllegalArgumentException(kind + " has " + kind.fields.length + " fields, not " + values.length);
        }
        this.kind = kind;
        this.values = values;
    }

    /**
     * Reads a payload. Bytes behind the last known field are passed over; fields of extensions that are missing at
     * the end read as zero, empty or absent.
     *
     * @throws VxcException EKIND for a kind that is not known, EPROTO for a payload that does not parse
     */
    public static Message decode(int number, byte[] bytes, int offset, int size) {
        Kind kind = Kind.of(number);
        if (kind == null) {
            throw VxcException.failed(VxcError.EKIND, "message kind " + number + " is not known");
        }
        return new Message(kind, new Reader(bytes, offset, size).fields(kind.fields, kind.isExtension()));
    }

    /** As above, of a whole array: a record or a part. */
    public static Message decode(int number, byte[] bytes) {
        return decode(number, bytes, 0, bytes.length);
    }

    /** The payload. */
    public byte[] encode() {
        Writer writer = new Writer();
        writer.fields(kind.fields, values);
        return writer.toBytes();
    }

    /** A number of any width; those of 64 bits that are unsigned are to be compared so. */
    public long number(String field) {
        return (Long) values[kind.indexOf(field)];
    }

    public boolean truth(String field) {
        return (Boolean) values[kind.indexOf(field)];
    }

    /** Bytes; {@code null} for optional ones that are absent. */
    public byte[] bytes(String field) {
        return (byte[]) values[kind.indexOf(field)];
    }

    /** Bytes read as UTF-8. */
    public String text(String field) {
        return new String(bytes(field), StandardCharsets.UTF_8);
    }

    /** An optional number; {@code null} when absent. */
    public Long optional(String field) {
        return (Long) values[kind.indexOf(field)];
    }

    @SuppressWarnings("unchecked")
    public List<byte[]> items(String field) {
        return (List<byte[]>) values[kind.indexOf(field)];
    }

    @SuppressWarnings("unchecked")
    public List<Pair> pairs(String field) {
        return (List<Pair>) values[kind.indexOf(field)];
    }

    @SuppressWarnings("unchecked")
    public List<Part> messages(String field) {
        return (List<Part>) values[kind.indexOf(field)];
    }
}
