package io.bop.vxc.vertx.config;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Arrays.asList;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class VxcConfigTest {
    @TempDir
    private Path folder;
    private final Map<String, String> environment = new HashMap<>();
    private final Map<String, String> properties = new HashMap<>();
    private final ClassLoader loader = Thread.currentThread().getContextClassLoader();

    /** A class path of this test's own, in front of the real one. */
    @BeforeEach
    void enterClassPath() throws MalformedURLException {
        Thread.currentThread().setContextClassLoader(
                new URLClassLoader(new URL[] {folder.toUri().toURL()}, loader));
    }

    @AfterEach
    void leaveClassPath() throws IOException {
        ((URLClassLoader) Thread.currentThread().getContextClassLoader()).close();
        Thread.currentThread().setContextClassLoader(loader);
    }

    private VxcConfig load(JsonObject given) {
        return VxcConfig.load(given, environment::get, properties::get);
    }

    private VxcConfig load(String given) {
        return load(new JsonObject(given));
    }

    private ConfigException refused(JsonObject given) {
        return assertThrows(ConfigException.class, () -> load(given));
    }

    private String write(String name, String text) throws IOException {
        return Files.write(folder.resolve(name), text.getBytes(UTF_8)).toString();
    }

    @Test
    void defaultsAlone() {
        VxcConfig config = load((JsonObject) null);
        assertEquals("127.0.0.1:7400", config.endpoints());
        assertEquals("", config.namespace());
        assertEquals("vertx", config.clientName());
        assertEquals(10_000, config.sessionTimeoutMs());
        assertEquals(500, config.closeGraceMs());
        assertEquals(5000, config.timeoutMs());
        assertEquals(20_000, config.joinTimeoutMs());
        assertEquals(VxcConfig.OnExpired.REJOIN, config.onExpired());
        assertNull(config.clusterHost());
        assertNull(config.clusterPublicHost());
        assertEquals(Collections.emptyList(), config.serializationAllow());
        assertNull(config.server());
        assertEquals(Collections.singletonList("defaults"), config.sources());
    }

    /** The file of the defaults is the list of the keys. */
    @Test
    void theDefaultsShowAllKeys() {
        assertEquals(Schema.ROOT.keys(), load((JsonObject) null).toJson().fieldNames());
    }

    @Test
    void theRealSourcesAreRead() {
        assertEquals("a:1", VxcConfig.load(new JsonObject().put("endpoints", "a:1")).endpoints());
    }

    @Test
    void eachSourceOverridesThoseBeforeIt() throws IOException {
        write("vxc.json", "{\"endpoints\":\"file:1\",\"namespace\":\"file\",\"clientName\":\"file\"}");
        assertEquals("file:1", load((JsonObject) null).endpoints());
        String named = write("named.json", "{\"endpoints\":\"named:2\",\"clientName\":\"named\",\"timeoutMs\":7}");
        properties.put("vxc.config", named);
        assertEquals("named:2", load((JsonObject) null).endpoints());
        environment.put("VERTX_CLUSTER_ENDPOINTS", "environment:3");
        assertEquals("environment:3", load((JsonObject) null).endpoints());
        properties.put("vxc.endpoints", "property:4");
        assertEquals("property:4", load((JsonObject) null).endpoints());
        VxcConfig config = load("{\"endpoints\":\"given:5\"}");
        assertEquals("given:5", config.endpoints());
        assertEquals("file", config.namespace());
        assertEquals("named", config.clientName());
        assertEquals(7, config.timeoutMs());
        assertEquals(20_000, config.joinTimeoutMs());
        assertEquals(asList("defaults", folder.resolve("vxc.json").toUri().toURL().toString(), named,
                "the environment variable VERTX_CLUSTER_ENDPOINTS", "the system property vxc.endpoints",
                "the given JsonObject"), config.sources());
    }

    @Test
    void aNamedFileMayBeOnTheClassPath() throws IOException {
        write("other.json", "{\"namespace\":\"other\"}");
        properties.put("vxc.config", "classpath:other.json");
        assertEquals("other", load((JsonObject) null).namespace());
    }

    @Test
    void emptyVariablesCountAsNone() {
        environment.put("VERTX_CLUSTER_ENDPOINTS", "");
        properties.put("vxc.endpoints", "");
        properties.put("vxc.config", "");
        assertEquals(Collections.singletonList("defaults"), load((JsonObject) null).sources());
    }

    @Test
    void objectsMergeKeyByKey() throws IOException {
        write("vxc.json", "{\"server\":{\"binary\":\"/opt/vxcd\",\"port\":7000},"
                + "\"serialization\":{\"allow\":[\"a.B\"]}}");
        VxcConfig config = load("{\"server\":{\"port\":7001,\"arguments\":[\"--heartbeat\",\"50\"]},"
                + "\"serialization\":{}}");
        assertEquals(new ServerConfig("/opt/vxcd", null, 7001, asList("--heartbeat", "50")), config.server());
        assertEquals(Collections.singletonList("a.B"), config.serializationAllow());
        assertEquals(asList("c.*", "d.**"),
                load("{\"serialization\":{\"allow\":[\"c.*\",\"d.**\"]}}").serializationAllow());
        assertNull(load("{\"server\":null}").server());
    }

    @Test
    void aServerHasDefaults() {
        assertEquals(new ServerConfig("vxcd", null, 0, Collections.emptyList()), load("{\"server\":{}}").server());
    }

    @Test
    void allKeysAreRead() {
        VxcConfig config = load("{\"endpoints\":[\"a:1\",\" b:2\",\"[::1]:3\"],"
                + "\"namespace\":\"n\",\"clientName\":\"c\","
                + "\"sessionTimeoutMs\":100,\"timeoutMs\":1,\"joinTimeoutMs\":3600000,\"onExpired\":\"close\","
                + "\"clusterHost\":\"h\",\"clusterPublicHost\":\"p\","
                + "\"serialization\":{\"allow\":[\"com.acme.Order\"]},"
                + "\"server\":{\"binary\":\"b\",\"directory\":\"d\",\"port\":65535,\"arguments\":[]}}");
        assertEquals("a:1,b:2,[::1]:3", config.endpoints());
        assertEquals("n", config.namespace());
        assertEquals("c", config.clientName());
        assertEquals(100, config.sessionTimeoutMs());
        assertEquals(1, config.timeoutMs());
        assertEquals(3_600_000, config.joinTimeoutMs());
        assertEquals(VxcConfig.OnExpired.CLOSE, config.onExpired());
        assertEquals("h", config.clusterHost());
        assertEquals("p", config.clusterPublicHost());
        assertEquals(new ServerConfig("b", "d", 65_535, Collections.emptyList()), config.server());
    }

    /** Programs build objects of maps and lists too. */
    @Test
    void plainMapsAndListsAreObjectsAndArrays() {
        Map<String, Object> server = new HashMap<>();
        server.put("arguments", asList("-a", "-b"));
        Map<String, Object> given = new HashMap<>();
        given.put("server", server);
        given.put("endpoints", asList("a:1", "b:2"));
        VxcConfig config = load(new JsonObject(given));
        assertEquals(asList("-a", "-b"), config.server().arguments());
        assertEquals("a:1,b:2", config.endpoints());
        given.put("server", Collections.singletonMap("prot", 1));
        assertEquals("server.prot", refused(new JsonObject(given)).key());
    }

    @Test
    void whatIsGivenAndShownAreCopies() {
        JsonArray allow = new JsonArray().add("a.B");
        VxcConfig config = load(new JsonObject().put("serialization", new JsonObject().put("allow", allow)));
        allow.add("c.D");
        config.toJson().getJsonObject("serialization").getJsonArray("allow").add("e.F");
        assertEquals(Collections.singletonList("a.B"), config.serializationAllow());
    }

    @Test
    void whatIsShownCanBeGiven() {
        VxcConfig config = load("{\"endpoints\":[\"a:1\",\"b:2\"],\"server\":{\"port\":5},\"onExpired\":\"close\"}");
        assertEquals(config.toJson(), load(config.toJson()).toJson());
        assertTrue(config.toString().endsWith("from defaults, the given JsonObject"), config.toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "endpoint                   | did you mean \"endpoints\"?",
        "Endpoints                  | did you mean \"endpoints\"?",
        "sessionTimeout             | did you mean \"sessionTimeoutMs\"?",
        "session_timeout_ms         | did you mean \"sessionTimeoutMs\"?",
        "onexpire                   | did you mean \"onExpired\"?",
        "allow                      | it belongs into the object \"serialization\"",
        "binary                     | it belongs into the object \"server\"",
        "quorum                     | there are endpoints, namespace, clientName, sessionTimeoutMs, closeGraceMs, timeoutMs, "
                + "joinTimeoutMs, onExpired, clusterHost, clusterPublicHost, serialization, server"})
    void unknownKeysComeWithASuggestion(String key, String hint) {
        ConfigException e = refused(new JsonObject().put(key, "x"));
        assertEquals("unknown key \"" + key + "\" in the given JsonObject: " + hint, e.getMessage());
        assertEquals(key, e.key());
        assertEquals("the given JsonObject", e.source());
    }

    @Test
    void unknownNestedKeysToo() throws IOException {
        write("vxc.json", "{\"server\":{\"dir\":\"x\",\"binary\":\"y\"}}");
        String source = folder.resolve("vxc.json").toUri().toURL().toString();
        assertEquals("unknown key \"server.dir\" in " + source + ": there are binary, directory, port, arguments",
                refused(null).getMessage());
        write("vxc.json", "{\"serialization\":{\"allowed\":[]}}");
        assertEquals("unknown key \"serialization.allowed\" in " + source + ": did you mean \"allow\"?",
                refused(null).getMessage());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\'', value = {
        "endpoints         | 7400                | expected \"host:port,host:port\" or an array of strings, not 7400",
        "endpoints         | null                | expected \"host:port,host:port\" or an array of strings, not null",
        "endpoints         | \"\"                | expected one endpoint at least, as in 127.0.0.1:7400, not \"\"",
        "endpoints         | []                  | expected one endpoint at least, as in 127.0.0.1:7400, not []",
        "endpoints         | [1]                 | expected strings in it, not 1",
        "endpoints         | [\"a:1\",\"\"]      | \"\" is not an endpoint; expected host:port, as in 127.0.0.1:7400",
        "endpoints         | \"localhost\"       | \"localhost\" is not an endpoint; expected host:port, as in "
                + "127.0.0.1:7400",
        "endpoints         | \"a:1,b:70000\"     | \"b:70000\" is not an endpoint; expected host:port, as in "
                + "127.0.0.1:7400",
        "namespace         | null                | expected a string, not null",
        "clientName        | 1                   | expected a string, not 1",
        "sessionTimeoutMs  | 99                  | expected a whole number from 100 to 3600000, not 99",
        "sessionTimeoutMs  | 3600001             | expected a whole number from 100 to 3600000, not 3600001",
        "closeGraceMs      | -1                  | expected a whole number from 0 to 3600000, not -1",
        "sessionTimeoutMs  | 1e3                 | expected a whole number from 100 to 3600000, not 1000.0",
        "sessionTimeoutMs  | \"1000\"            | expected a whole number from 100 to 3600000, not \"1000\"",
        "timeoutMs         | 0                   | expected a whole number from 1 to 3600000, not 0",
        "joinTimeoutMs     | 99999999999999      | expected a whole number from 1 to 3600000, not 99999999999999",
        "onExpired         | \"die\"             | expected \"rejoin\" or \"close\", not \"die\"",
        "onExpired         | null                | expected \"rejoin\" or \"close\", not null",
        "clusterHost       | \"\"                | expected a string that is not empty, or null, not \"\"",
        "clusterPublicHost | true                | expected a string that is not empty, or null, not true",
        "serialization     | null                | expected an object, not null",
        "serialization     | []                  | expected an object, not []",
        "server            | true                | expected an object or null, not true"})
    void wrongValuesAreNamed(String key, String value, String problem) {
        assertWrong(key, "{\"" + key + "\":" + value + "}", problem);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\'', value = {
        "server.binary       | null        | expected a string that is not empty, not null",
        "server.directory    | 1           | expected a string that is not empty, or null, not 1",
        "server.port         | 65536       | expected a whole number from 0 to 65535, not 65536",
        "server.port         | -1          | expected a whole number from 0 to 65535, not -1",
        "server.arguments    | \"-a\"      | expected an array of strings, not \"-a\"",
        "server.arguments    | [null]      | expected strings in it, not null",
        "serialization.allow | null        | expected an array of strings, not null",
        "serialization.allow | [\"*\"]     | \"*\" is not a class name; expected com.acme.Order, com.acme.* or "
                + "com.acme.**"})
    void wrongNestedValuesAreNamed(String key, String value, String problem) {
        String[] names = key.split("\\.");
        assertWrong(key, "{\"" + names[0] + "\":{\"" + names[1] + "\":" + value + "}}", problem);
    }

    private void assertWrong(String key, String json, String problem) {
        ConfigException e = refused(new JsonObject(json));
        assertEquals("\"" + key + "\" in the given JsonObject: " + problem, e.getMessage());
        assertEquals(key, e.key());
    }

    @Test
    void wrongVariablesAreNamed() {
        environment.put("VERTX_CLUSTER_ENDPOINTS", "nowhere");
        assertTrue(refused(null).getMessage().startsWith(
                "\"endpoints\" in the environment variable VERTX_CLUSTER_ENDPOINTS: \"nowhere\" is not an endpoint"));
        environment.clear();
        properties.put("vxc.endpoints", ",");
        assertTrue(refused(null).getMessage().startsWith(
                "\"endpoints\" in the system property vxc.endpoints: \"\" is not an endpoint"));
    }

    /** Also when a stronger source says better. */
    @Test
    void aWrongSourceIsAnErrorEvenIfOverridden() throws IOException {
        write("vxc.json", "{\"timeoutMs\":0}");
        assertEquals("timeoutMs", refused(new JsonObject().put("timeoutMs", 1)).key());
    }

    @ParameterizedTest
    @ValueSource(strings = {"missing.json", "classpath:missing.json", "", "\0"})
    void aNamedFileThatCannotBeReadIsAnError(String name) {
        String path = name.startsWith("classpath:") ? name : folder + "/" + name;
        properties.put("vxc.config", path);
        ConfigException e = refused(null);
        assertTrue(e.getMessage().startsWith(path + " (named by the system property vxc.config) "), e.getMessage());
        assertNull(e.key());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "{", "{\"a\":}", "[]", "null", "1", "{} {}", "{\n\"namespace\": x}", "\ufeff{}"})
    void whatIsNoJsonObjectIsAnError(String text) throws IOException {
        String path = write("named.json", text);
        properties.put("vxc.config", path);
        ConfigException e = refused(null);
        assertTrue(e.getMessage().startsWith(path + " is not a JSON object: "), e.getMessage());
        assertEquals(path, e.source());
    }

    @Test
    void theErrorTellsTheLine() throws IOException {
        properties.put("vxc.config", write("named.json", "{\n  \"namespace\": x\n}"));
        assertTrue(refused(null).getMessage().contains("line: 2"), refused(null).getMessage());
    }

    @Test
    void otherBytesAreErrors() throws IOException {
        properties.put("vxc.config", folder.resolve("named.json").toString());
        Files.write(folder.resolve("named.json"), new byte[] {'{', (byte) 0xff, '}'});
        assertTrue(refused(null).getMessage().endsWith("named.json is not UTF-8"));
        Files.write(folder.resolve("named.json"), new byte[VxcConfig.FILE_SIZE_MAX + 1]);
        assertTrue(refused(null).getMessage().endsWith("named.json is larger than 1048576 bytes"));
    }

    @Test
    void distancesOfWords() {
        assertEquals(0, Schema.distance("", ""));
        assertEquals(3, Schema.distance("", "abc"));
        assertEquals(3, Schema.distance("kitten", "sitting"));
        assertEquals(0, Schema.distance("Ms", "ms"));
        assertEquals(2, Schema.distance("ab", "ba"));
    }
}
