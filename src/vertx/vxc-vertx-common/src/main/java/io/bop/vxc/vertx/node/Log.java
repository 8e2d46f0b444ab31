package io.bop.vxc.vertx.node;

/** Vert.x's logger, which lives in another package in each generation. Thread-safe. */
public interface Log {
    void info(String message);

    void warn(String message);

    void error(String message, Throwable cause);
}
