package io.bop.vxc.wire;

/** Who sends a message, or where it stands. */
public enum Role {
    /** A client asks. */
    REQUEST,
    /** A node answers. */
    REPLY,
    /** A node speaks unasked. */
    EVENT,
    /** Stands within values, rows and lists; never a frame. */
    RECORD
}
