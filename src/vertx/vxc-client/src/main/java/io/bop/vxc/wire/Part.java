package io.bop.vxc.wire;

/** A message within a list of messages: its kind's number, and its payload as it travels. */
public final class Part {
    public final int kind;
    public final byte[] payload;

    public Part(int kind, byte[] payload) {
        this.kind = kind;
        this.payload = payload;
    }

    public static Part of(Message message) {
        return new Part(message.kind.number, message.encode());
    }
}
