package io.bop.vxc.core;

import io.bop.vxc.Limits;
import java.util.ArrayList;
import java.util.List;

/** A host, by name or number, and a port. Immutable. */
public final class Endpoint {
    private static final int HOST_SIZE_MAX = 253;
    private static final int PORT_MAX = 65_535;

    public final String host;
    public final int port;

    private Endpoint(String host, int port) {
        this.host = host;
        this.port = port;
    }

    /**
     * Reads "host:port", several with commas between; a version-6 address stands in brackets.
     *
     * @throws IllegalArgumentException when it is something else, or more than {@link Limits#ENDPOINTS_MAX}
     */
    public static List<Endpoint> parse(String text) {
        List<Endpoint> endpoints = new ArrayList<>();
        for (String word : text.split(",", -1)) {
            Endpoint endpoint = parseOne(word.trim());
            if (endpoint == null) {
                throw new IllegalArgumentException(
                        "\"" + word + "\" is not an endpoint; expected host:port, as in 127.0.0.1:7400");
            }
            endpoints.add(endpoint);
        }
        if (endpoints.size() > Limits.ENDPOINTS_MAX) {
            throw new IllegalArgumentException("more than " + Limits.ENDPOINTS_MAX + " endpoints");
        }
        return endpoints;
    }

    /** One of them; {@code null} when it cannot be read. */
    static Endpoint parseOne(String text) {
        int colon = text.lastIndexOf(':');
        if (colon < 0) {
            return null;
        }
        String host = text.substring(0, colon);
        if (host.length() >= 2 && host.charAt(0) == '[' && host.charAt(host.length() - 1) == ']') {
            host = host.substring(1, host.length() - 1);
        } else if (host.indexOf(':') >= 0) {
            return null; // version 6 without brackets: where would the port begin?
        }
        int port = parsePort(text.substring(colon + 1));
        boolean readable = !host.isEmpty() && host.length() <= HOST_SIZE_MAX && host.chars().noneMatch(c -> c <= ' ');
        return readable && port > 0 ? new Endpoint(host, port) : null;
    }

    private static int parsePort(String text) {
        boolean digits = !text.isEmpty() && text.length() <= 5 && text.chars().allMatch(c -> c >= '0' && c <= '9');
        int port = digits ? Integer.parseInt(text) : 0;
        return port <= PORT_MAX ? port : 0;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Endpoint && ((Endpoint) other).host.equals(host) && ((Endpoint) other).port == port;
    }

    @Override
    public int hashCode() {
        return 31 * host.hashCode() + port;
    }

    @Override
    public String toString() {
        return host.indexOf(':') >= 0 ? "[" + host + "]:" + port : host + ":" + port;
    }
}
