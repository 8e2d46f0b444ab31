package io.bop.vxc.vertx.config;

import io.bop.vxc.core.Endpoint;
import io.bop.vxc.vertx.data.AllowList;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Which keys there are and what they may hold. */
final class Schema {
    static final int SESSION_TIMEOUT_MS_MIN = 100;
    static final int TIMEOUT_MS_MAX = 3_600_000;
    private static final int PORT_MAX = 65_535;

    /** What a key may hold: throws an IllegalArgumentException that tells what was expected. */
    private interface Rule {
        void check(Object value);
    }

    private static final Rule TEXT = value -> expect(value instanceof String, "expected a string", value);
    private static final Rule TEXT_OR_NULL =
            value -> expect(value == null || isFilled(value), "expected a string that is not empty, or null", value);
    private static final Rule FILLED = value -> expect(isFilled(value), "expected a string that is not empty", value);

    private static final Schema SERVER = new Schema()
            .key("binary", FILLED)
            .key("directory", TEXT_OR_NULL)
            .key("port", whole(0, PORT_MAX))
            .key("arguments", Schema::checkStrings);

    private static final Schema SERIALIZATION = new Schema()
            .key("allow", value -> AllowList.of(checkStrings(value)));

    static final Schema ROOT = new Schema()
            .key("endpoints", Schema::checkEndpoints)
            .key("namespace", TEXT)
            .key("clientName", TEXT)
            .key("sessionTimeoutMs", whole(SESSION_TIMEOUT_MS_MIN, TIMEOUT_MS_MAX))
            .key("closeGraceMs", whole(0, TIMEOUT_MS_MAX))
            .key("timeoutMs", whole(1, TIMEOUT_MS_MAX))
            .key("joinTimeoutMs", whole(1, TIMEOUT_MS_MAX))
            .key("onExpired", value -> expect("rejoin".equals(value) || "close".equals(value),
                    "expected \"rejoin\" or \"close\"", value))
            .key("clusterHost", TEXT_OR_NULL)
            .key("clusterPublicHost", TEXT_OR_NULL)
            .object("serialization", SERIALIZATION, false)
            .object("server", SERVER, true);

    private final Map<String, Rule> rules = new LinkedHashMap<>();
    private final Map<String, Schema> objects = new LinkedHashMap<>();

    private Schema key(String name, Rule rule) {
        rules.put(name, rule);
        return this;
    }

    private Schema object(String name, Schema schema, boolean orNull) {
        objects.put(name, schema);
        return key(name, value -> expect(value instanceof JsonObject || orNull && value == null,
                orNull ? "expected an object or null" : "expected an object", value));
    }

    Set<String> keys() {
        return Collections.unmodifiableSet(rules.keySet());
    }

    /** @throws ConfigException at the first key that is unknown or holds what it may not */
    void check(String source, JsonObject config) {
        check(source, "", config);
    }

    private void check(String source, String above, JsonObject config) {
        for (String name : config.fieldNames()) {
            Rule rule = rules.get(name);
            if (rule == null) {
                throw ConfigException.ofUnknownKey(source, above + name, suggestion(name));
            }
            Object value = config.getValue(name);
            try {
                rule.check(value);
            } catch (IllegalArgumentException e) {
                throw ConfigException.ofKey(source, above + name, e.getMessage());
            }
            if (value != null && objects.containsKey(name)) {
                objects.get(name).check(source, above + name + ".", (JsonObject) value);
            }
        }
    }

    private String suggestion(String name) {
        for (Map.Entry<String, Schema> object : objects.entrySet()) {
            if (object.getValue().rules.containsKey(name)) {
                return "it belongs into the object \"" + object.getKey() + "\"";
            }
        }
        String nearest = Collections.min(rules.keySet(), Comparator.comparingInt(known -> distance(name, known)));
        return distance(name, nearest) <= Math.max(2, name.length() / 3)
                ? "did you mean \"" + nearest + "\"?"
                : "there are " + String.join(", ", rules.keySet());
    }

    /** Letters to insert, to remove or to exchange, whatever their case, until one word is the other (Levenshtein). */
    static int distance(String one, String other) {
        String a = one.toLowerCase(Locale.ROOT);
        String b = other.toLowerCase(Locale.ROOT);
        int[] row = new int[b.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int exchanged = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(exchanged, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }

    private static boolean isFilled(Object value) {
        return value instanceof String && !((String) value).isEmpty();
    }

    private static Rule whole(int min, int max) {
        return value -> {
            boolean fits = (value instanceof Integer || value instanceof Long)
                    && ((Number) value).longValue() >= min && ((Number) value).longValue() <= max;
            expect(fits, "expected a whole number from " + min + " to " + max, value);
        };
    }

    private static List<String> checkStrings(Object value) {
        expect(value instanceof JsonArray, "expected an array of strings", value);
        List<String> strings = new ArrayList<>();
        for (Object one : (JsonArray) value) {
            expect(one instanceof String, "expected strings in it", one);
            strings.add((String) one);
        }
        return strings;
    }

    private static void checkEndpoints(Object value) {
        if (value instanceof JsonArray) {
            List<String> all = checkStrings(value);
            expect(!all.isEmpty(), "expected one endpoint at least, as in 127.0.0.1:7400", value);
            Endpoint.parse(String.join(",", all));
        } else {
            expect(value instanceof String, "expected \"host:port,host:port\" or an array of strings", value);
            expect(isFilled(value), "expected one endpoint at least, as in 127.0.0.1:7400", value);
            Endpoint.parse((String) value);
        }
    }

    private static void expect(boolean fulfilled, String expected, Object value) {
        if (!fulfilled) {
            String shown = value instanceof String ? "\"" + value + "\"" : String.valueOf(value);
            throw new IllegalArgumentException(expected + ", not " + shown);
        }
    }
}
