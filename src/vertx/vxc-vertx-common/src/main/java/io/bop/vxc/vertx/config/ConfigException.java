package io.bop.vxc.vertx.config;

/** A configuration that cannot be used: which source, which key, and what was expected. */
public final class ConfigException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final String source;
    private final String key;

    ConfigException(String source, String key, String problem) {
        super((key == null ? "" : "\"" + key + "\" ") + "in " + source + ": " + problem);
        this.source = source;
        this.key = key;
    }

    ConfigException(String source, String problem, Throwable cause) {
        super(source + ": " + problem, cause);
        this.source = source;
        this.key = null;
    }

    /** A file, a variable, a property, or the object that the program gave. */
    public String source() {
        return source;
    }

    /** With the keys above it, as in {@code serialization.allow}; {@code null} when the source as a whole is wrong. */
    public String key() {
        return key;
    }
}
