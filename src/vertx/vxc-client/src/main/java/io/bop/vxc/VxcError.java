package io.bop.vxc;

/** The codes of the protocol. Their numbers never change meaning. Thread-safe: constants. */
public enum VxcError {
    /** Invalid argument. */
    EINVAL(-1, "invalid argument"),
    /** Out of memory. */
    ENOMEM(-2, "out of memory"),
    /** Input/output error. */
    EIO(-3, "input/output error"),
    /** No space. */
    ENOSPC(-4, "no space"),
    /** Busy. */
    EBUSY(-5, "busy"),
    /** Not found. */
    ENOTFOUND(-6, "not found"),
    /** Already exists. */
    EEXISTS(-7, "already exists"),
    /** Compare failed. */
    ECONFLICT(-8, "compare failed"),
    /** Outcome unknown. */
    EUNKNOWN(-9, "outcome unknown"),
    /** Timed out. */
    ETIMEOUT(-10, "timed out"),
    /** Canceled. */
    ECANCELED(-11, "canceled"),
    /** Not the primary. */
    ENOTPRIMARY(-12, "not the primary"),
    /** No quorum. */
    ENOQUORUM(-13, "no quorum"),
    /** Session unknown or expired. */
    ESESSION(-14, "session unknown or expired"),
    /** Wrong session secret. */
    ESECRET(-15, "wrong session secret"),
    /** Stale sequence. */
    ESEQUENCE(-16, "stale sequence"),
    /** Too big. */
    ETOOBIG(-17, "too big"),
    /** Malformed message. */
    EPROTO(-18, "malformed message"),
    /** Version not supported. */
    EVERSION(-19, "version not supported"),
    /** Unknown message kind. */
    EKIND(-20, "unknown message kind"),
    /** Checksum mismatch. */
    ECRC(-21, "checksum mismatch"),
    /** Damaged data. */
    ECORRUPT(-22, "damaged data"),
    /** Data of another node or cluster. */
    EFOREIGN(-23, "data of another node or cluster"),
    /** In use by another process. */
    ELOCKED(-24, "in use by another process"),
    /** Read-only. */
    EREADONLY(-25, "read-only"),
    /** Address in use. */
    EADDRINUSE(-26, "address in use"),
    /** Connection closed. */
    ECLOSED(-27, "connection closed"),
    /** Limit reached. */
    ELIMIT(-28, "limit reached"),
    /** Lock not held. */
    ENOTHELD(-29, "lock not held"),
    /** Queued. */
    EQUEUED(-30, "queued"),
    /** Events no longer kept, resynchronise. */
    ERESYNC(-31, "events no longer kept, resynchronise"),
    /** Not supported. */
    EUNSUPPORTED(-32, "not supported"),
    /** Bad address. */
    EADDRESS(-33, "bad address"),
    /** A code that this client does not know: a failure. */
    EUNDEFINED(0, "unknown error");

    private static final VxcError[] VALUES = values();

    /** The number on the wire, negative; 0 for {@link #EUNDEFINED}. */
    public final int code;
    /** For people. */
    public final String text;

    VxcError(int code, String text) {
        this.code = code;
        this.text = text;
    }

    /** The error with that code, {@link #EUNDEFINED} when there is none. */
    public static VxcError of(long code) {
        return code < 0 && code > -VALUES.length ? VALUES[(int) -code - 1] : EUNDEFINED;
    }
}
