package io.bop.vxc.wire;

/** How a field is encoded (docs/protocol.md, "Types"), and what holds it in Java. */
enum FieldType {
    /** {@code Long}, 0 to 255. */
    U8,
    /** {@code Long}, 0 to 65,535. */
    U16,
    /** {@code Long}, 0 to 2^32 - 1. */
    U32,
    /** {@code Long}, to be read as unsigned. */
    U64,
    /** {@code Long}. */
    I64,
    /** {@code Boolean}. */
    BOOL,
    /** {@code Long}, 0 or 1. */
    CODE,
    /** {@code byte[]}. */
    BYTES,
    /** {@code byte[]} or {@code null}. */
    OPT_BYTES,
    /** {@code Long} or {@code null}. */
    OPT_U64,
    /** {@code List<byte[]>}. */
    ITEMS,
    /** {@code List<Pair>}. */
    PAIRS,
    /** {@code List<Multi>}. */
    MULTI,
    /** {@code List<Part>}. */
    MESSAGES,
    /** {@code List<Sync>}. */
    OPERATIONS
}
