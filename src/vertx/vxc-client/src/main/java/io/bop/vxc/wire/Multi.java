package io.bop.vxc.wire;

import java.util.List;

/** A key with its values. */
public final class Multi {
    public final byte[] key;
    public final List<byte[]> values;

    public Multi(byte[] key, List<byte[]> values) {
        this.key = key;
        this.values = values;
    }
}
