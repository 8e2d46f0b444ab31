package io.bop.vxc.vertx.data;

import io.vertx.core.VertxException;

/**
 * A value that cannot be written into a shared map, or bytes of one that cannot be read. The message names the type or
 * the tag and, of an entry that is there, map and key. The map is as it was, unless the message says that it is done.
 */
public final class ValueException extends VertxException {
    private static final long serialVersionUID = 1;

    ValueException(String message) {
        super(message);
    }

    ValueException(String message, Throwable cause) {
        super(message, cause);
    }
}
