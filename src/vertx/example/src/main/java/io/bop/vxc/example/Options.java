package io.bop.vxc.example;

import io.vertx.core.json.JsonObject;
import java.util.Arrays;
import java.util.Iterator;

/** What the command line says. */
final class Options {
    static final String HELP = String.join(System.lineSeparator(),
            "usage: java -jar example.jar [--endpoints HOST:PORT,...] [--once]",
            "",
            "A clustered Vert.x application: start it several times. Each instance calls one of all of them once",
            "a second, counts the calls of all, and one is the leader. Ctrl-C ends it.",
            "",
            "  --endpoints HOST:PORT,...  nodes of the cluster; else VERTX_CLUSTER_ENDPOINTS, else 127.0.0.1:7400",
            "  --once                     one round, then end",
            "  --help                     show this",
            "",
            "Exit status: 0 done, 1 it failed, 2 usage, 3 no server reached, 130 Ctrl-C");

    private static final int JOIN_TIMEOUT_MS = 5000; // somebody looks on

    /** What is wrong with the command line. */
    static final class UsageException extends Exception {
        private static final long serialVersionUID = 1;

        UsageException(String message) {
            super(message);
        }
    }

    private String endpoints;
    private boolean once;
    private boolean help;

    static Options parse(String... arguments) throws UsageException {
        Options options = new Options();
        Iterator<String> rest = Arrays.asList(arguments).iterator();
        while (rest.hasNext()) {
            String option = rest.next();
            switch (option) {
                case "--endpoints":
                    if (!rest.hasNext()) {
                        throw new UsageException("--endpoints needs a value, as in 127.0.0.1:7400");
                    }
                    options.endpoints = rest.next();
                    break;
                case "--once":
                    options.once = true;
                    break;
                case "--help":
                    options.help = true;
                    break;
                default:
                    throw new UsageException("unknown option " + option);
            }
        }
        return options;
    }

    boolean once() {
        return once;
    }

    boolean help() {
        return help;
    }

    /** For the cluster manager, which finds the rest where it always looks. */
    JsonObject config() {
        JsonObject config = new JsonObject().put("clientName", "example").put("joinTimeoutMs", JOIN_TIMEOUT_MS);
        return endpoints == null ? config : config.put("endpoints", endpoints);
    }
}
