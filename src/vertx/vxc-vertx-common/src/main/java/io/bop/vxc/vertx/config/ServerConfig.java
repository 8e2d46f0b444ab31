package io.bop.vxc.vertx.config;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;

/** The vxcd that a {@link ManagedServer} is to start. Immutable; equal when all parts are. */
public final class ServerConfig {
    private final String binary;
    private final String directory;
    private final int port;
    private final List<String> arguments;

    /**
     * @param binary a path, or a name that is looked up in {@code PATH}
     * @param directory of its data; {@code null}: a temporary one
     * @param port 0: any free one
     * @param arguments further ones
     */
    public ServerConfig(String binary, String directory, int port, List<String> arguments) {
        this.binary = Objects.requireNonNull(binary, "binary");
        this.directory = directory;
        this.port = port;
        this.arguments = Collections.unmodifiableList(new ArrayList<>(arguments));
    }

    static ServerConfig of(JsonObject json) {
        List<String> arguments = new ArrayList<>();
        json.getJsonArray("arguments", new JsonArray()).forEach(one -> arguments.add((String) one));
        return new ServerConfig(json.getString("binary", "vxcd"), json.getString("directory"),
                json.getInteger("port", 0), arguments);
    }

    JsonObject toJson() {
        return new JsonObject().put("binary", binary).put("directory", directory).put("port", port)
                .put("arguments", new JsonArray(new ArrayList<>(arguments)));
    }

    public String binary() {
        return binary;
    }

    /** {@code null}: a temporary one. */
    public String directory() {
        return directory;
    }

    public int port() {
        return port;
    }

    public List<String> arguments() {
        return arguments;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ServerConfig && toJson().equals(((ServerConfig) other).toJson());
    }

    @Override
    public int hashCode() {
        return Objects.hash(binary, directory, port, arguments);
    }

    @Override
    public String toString() {
        return toJson().encode();
    }
}
