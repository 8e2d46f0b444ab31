package io.bop.vxc.vertx.config;

/** A configuration that cannot be used: which source, which key, and what was expected. */
public final class ConfigException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final String source;
    private final String key;

    private ConfigException(String message, String source, String key, Throwable cause) {
        super(message, cause);
        this.source = source;
        this.key = key;
    }

    static ConfigException ofSource(String source, String problem, Throwable cause) {
        return new ConfigException(source + " " + problem, source, null, cause);
    }

    static ConfigException ofKey(String source, String key, String problem) {
        return new ConfigException("\"" + key + "\" in " + source + ": " + problem, source, key, null);
    }

    static ConfigException ofUnknownKey(String source, String key, String hint) {
        return new ConfigException("unknown key \"" + key + "\" in " + source + ": " + hint, source, key, null);
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
