package io.bop.vxc.wire;

/** Two byte strings that stand together in a list of pairs. */
public final class Pair {
    public final byte[] first;
    public final byte[] second;

    public Pair(byte[] first, byte[] second) {
        this.first = first;
        this.second = second;
    }
}
