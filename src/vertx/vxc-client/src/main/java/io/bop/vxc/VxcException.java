package io.bop.vxc;

/**
 * How an operation fails: a code, a text, and whether it can have taken effect.
 *
 * <p>{@link #isUnknown()} tells the two kinds of failure apart. {@code false}: the operation has not taken effect and
 * will not. {@code true}: nobody can tell whether it took effect, wholly or not at all, or still will; it must not be
 * reported as failed. Only writes end so. No stack trace: it would show this library's thread. Thread-safe.
 */
public final class VxcException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final VxcError error;
    private final boolean unknown;

    private VxcException(VxcError error, String message, boolean unknown) {
        super(error + ": " + message, null, false, false);
        this.error = error;
        this.unknown = unknown;
    }

    /** It has not taken effect. */
    public static VxcException failed(VxcError error, String message) {
        return new VxcException(error, message, false);
    }

    /** It may have taken effect. */
    public static VxcException unknown(VxcError error, String message) {
        return new VxcException(error, message, true);
    }

    public VxcError error() {
        return error;
    }

    /** Its number on the wire. */
    public int code() {
        return error.code;
    }

    /** May the operation have taken effect, or take effect yet? */
    public boolean isUnknown() {
        return unknown;
    }
}
