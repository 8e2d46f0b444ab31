package io.bop.vxc.vertx.config;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.bop.vxc.core.Endpoint;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLConnection;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/**
 * How a cluster manager finds its cluster and behaves in it. Immutable.
 *
 * <p>Each source overrides those before it, key by key, also within objects; an array replaces the other as a whole:
 * <ol>
 * <li>the defaults: {@code io/bop/vxc/vertx/config/vxc-default.json} in our jar shows all keys
 * <li>{@code vxc.json} on the class path
 * <li>the file that the system property {@code vxc.config} names: a path, or {@code classpath:name}
 * <li>the environment variable {@code VERTX_CLUSTER_ENDPOINTS}
 * <li>the system property {@code vxc.endpoints}
 * <li>the object that the program gives
 * </ol>
 * A key that is unknown, or holds what it may not, is a {@link ConfigException}. An empty variable counts as none.
 *
 * <table>
 * <caption>Keys</caption>
 * <tr><th>key</th><th>default</th><th>meaning</th></tr>
 * <tr><td>{@code endpoints}</td><td>127.0.0.1:7400</td><td>where nodes are: {@code "host:port,host:port"}, or an array
 *     of strings; one member is enough to begin with</td></tr>
 * <tr><td>{@code namespace}</td><td>""</td><td>clusters in different namespaces see nothing of each other</td></tr>
 * <tr><td>{@code clientName}</td><td>vertx</td><td>shown in the server's lists</td></tr>
 * <tr><td>{@code sessionTimeoutMs}</td><td>10000</td><td>silence after which the cluster takes this member for dead;
 *     100 to 3600000</td></tr>
 * <tr><td>{@code closeGraceMs}</td><td>500</td><td>the same when the connection of this member was closed, as that of a
 *     killed process is; 0: as long as silence</td></tr>
 * <tr><td>{@code timeoutMs}</td><td>5000</td><td>from a call to its end</td></tr>
 * <tr><td>{@code joinTimeoutMs}</td><td>20000</td><td>from the start of joining to its end</td></tr>
 * <tr><td>{@code onExpired}</td><td>rejoin</td><td>what a member does that was taken for dead: {@code rejoin}, or
 *     {@code close} its Vert.x</td></tr>
 * <tr><td>{@code clusterHost}</td><td>null</td><td>where the event bus listens; null: the address by which this machine
 *     reaches the server</td></tr>
 * <tr><td>{@code clusterPublicHost}</td><td>null</td><td>where others reach the event bus, if elsewhere</td></tr>
 * <tr><td>{@code serialization.allow}</td><td>[]</td><td>classes that Java serialization may write and read besides
 *     those of the JDK: {@code com.acme.Order}, {@code com.acme.*}, {@code com.acme.**}</td></tr>
 * <tr><td>{@code server}</td><td>null</td><td>a vxcd that the manager starts, for development and tests; its endpoint
 *     is used instead of {@code endpoints}</td></tr>
 * <tr><td>{@code server.binary}</td><td>vxcd</td><td>a path, or a name looked up in {@code PATH}</td></tr>
 * <tr><td>{@code server.directory}</td><td>null</td><td>of its data; null: a temporary one</td></tr>
 * <tr><td>{@code server.port}</td><td>0</td><td>0: any free one</td></tr>
 * <tr><td>{@code server.arguments}</td><td>[]</td><td>further arguments of vxcd</td></tr>
 * </table>
 */
public final class VxcConfig {
    /** The name of the file on the class path. */
    public static final String FILE = "vxc.json";
    public static final String CONFIG_PROPERTY = "vxc.config";
    public static final String ENDPOINTS_PROPERTY = "vxc.endpoints";
    public static final String ENDPOINTS_VARIABLE = "VERTX_CLUSTER_ENDPOINTS";
    /** Bytes of a file. */
    public static final int FILE_SIZE_MAX = 1 << 20;

    private static final String CLASSPATH = "classpath:";

    /** What a member does when the cluster took it for dead. */
    public enum OnExpired {
        /** Comes back as a new member of the same name. */
        REJOIN,
        /** Closes its Vert.x. */
        CLOSE
    }

    private final JsonObject json = new JsonObject();
    private final List<String> sources = new ArrayList<>();

    private VxcConfig() {
    }

    /**
     * From all sources.
     *
     * @param given by the program; {@code null}: nothing
     * @throws ConfigException when a source cannot be read or used
     */
    public static VxcConfig load(JsonObject given) {
        return load(given, System::getenv, System::getProperty);
    }

    /** With an environment and system properties other than the real ones; they answer {@code null} for what is not. */
    static VxcConfig load(JsonObject given, UnaryOperator<String> environment, UnaryOperator<String> properties) {
        VxcConfig config = new VxcConfig();
        config.add("defaults", read(VxcConfig.class.getResource("vxc-default.json")));
        URL onClassPath = resource(FILE);
        if (onClassPath != null) {
            config.add(onClassPath.toString(), read(onClassPath));
        }
        String file = properties.apply(CONFIG_PROPERTY);
        if (isSet(file)) {
            config.addNamed(file);
        }
        config.addEndpoints("the environment variable " + ENDPOINTS_VARIABLE, environment.apply(ENDPOINTS_VARIABLE));
        config.addEndpoints("the system property " + ENDPOINTS_PROPERTY, properties.apply(ENDPOINTS_PROPERTY));
        if (given != null) {
            config.add("the given JsonObject", given);
        }
        return config;
    }

    /** "host:port", several with commas between. */
    public String endpoints() {
        return json.getString("endpoints");
    }

    public String namespace() {
        return json.getString("namespace");
    }

    public String clientName() {
        return json.getString("clientName");
    }

    public long sessionTimeoutMs() {
        return json.getLong("sessionTimeoutMs");
    }

    public long closeGraceMs() {
        return json.getLong("closeGraceMs");
    }

    public long timeoutMs() {
        return json.getLong("timeoutMs");
    }

    public long joinTimeoutMs() {
        return json.getLong("joinTimeoutMs");
    }

    public OnExpired onExpired() {
        return json.getString("onExpired").equals("close") ? OnExpired.CLOSE : OnExpired.REJOIN;
    }

    /** {@code null}: to be found. */
    public String clusterHost() {
        return json.getString("clusterHost");
    }

    /** {@code null}: to be found. */
    public String clusterPublicHost() {
        return json.getString("clusterPublicHost");
    }

    /** Class names and patterns, for {@link io.bop.vxc.vertx.data.AllowList#of}. */
    public List<String> serializationAllow() {
        return strings(json.getJsonObject("serialization").getJsonArray("allow"));
    }

    /** {@code null}: none is to be started. */
    public ServerConfig server() {
        JsonObject server = json.getJsonObject("server");
        return server == null ? null : ServerConfig.of(server);
    }

    /** All keys as they apply: a copy. */
    public JsonObject toJson() {
        return json.copy();
    }

    /** The sources that said something, the strongest last. */
    public List<String> sources() {
        return Collections.unmodifiableList(sources);
    }

    @Override
    public String toString() {
        return json.encode() + " from " + String.join(", ", sources);
    }

    private void add(String source, JsonObject more) {
        Schema.ROOT.check(source, more);
        json.mergeIn(more.copy(), true);
        Object endpoints = json.getValue("endpoints");
        if (endpoints instanceof JsonArray) {
            endpoints = String.join(",", strings((JsonArray) endpoints));
        }
        json.put("endpoints", Endpoint.parse((String) endpoints).stream().map(Endpoint::toString)
                .collect(Collectors.joining(",")));
        if (json.getValue("server") != null) {
            json.put("server", server().toJson());
        }
        sources.add(source);
    }

    private void addEndpoints(String source, String endpoints) {
        if (isSet(endpoints)) {
            add(source, new JsonObject().put("endpoints", endpoints));
        }
    }

    private void addNamed(String name) {
        String asked = " (named by the system property " + CONFIG_PROPERTY + ")";
        if (name.startsWith(CLASSPATH)) {
            URL url = resource(name.substring(CLASSPATH.length()));
            if (url == null) {
                throw ConfigException.ofSource(name + asked, "is not on the class path", null);
            }
            add(url.toString(), read(url));
            return;
        }
        try {
            Path path = Paths.get(name).toAbsolutePath();
            try (InputStream in = Files.newInputStream(path)) {
                add(path.toString(), parse(path.toString(), in));
            }
        } catch (InvalidPathException | IOException e) {
            throw ConfigException.ofSource(name + asked, "cannot be read: " + e, e);
        }
    }

    private static boolean isSet(String value) {
        return value != null && !value.isEmpty();
    }

    private static List<String> strings(JsonArray array) {
        return array.stream().map(String.class::cast).collect(Collectors.toList());
    }

    /** From the loader of the application, else from ours. */
    private static URL resource(String name) {
        ClassLoader context = Thread.currentThread().getContextClassLoader();
        URL url = context == null ? null : context.getResource(name);
        return url != null ? url : VxcConfig.class.getClassLoader().getResource(name);
    }

    private static JsonObject read(URL url) {
        try {
            URLConnection connection = url.openConnection();
            connection.setUseCaches(false); // a jar that stays open could not be replaced
            try (InputStream in = connection.getInputStream()) {
                return parse(url.toString(), in);
            }
        } catch (IOException e) {
            throw ConfigException.ofSource(url.toString(), "cannot be read: " + e, e);
        }
    }

    private static JsonObject parse(String source, InputStream in) throws IOException {
        byte[] block = new byte[8192];
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int size = in.read(block); size >= 0; size = in.read(block)) {
            bytes.write(block, 0, size);
            if (bytes.size() > FILE_SIZE_MAX) {
                throw ConfigException.ofSource(source, "is larger than " + FILE_SIZE_MAX + " bytes", null);
            }
        }
        try {
            return new JsonObject(UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes.toByteArray())).toString());
        } catch (CharacterCodingException e) {
            throw ConfigException.ofSource(source, "is not UTF-8", e);
        } catch (DecodeException | ClassCastException e) {
            throw ConfigException.ofSource(source, "is not a JSON object: " + e.getMessage(), e);
        }
    }
}
