package io.bop.vxc.vertx.scenarios;

import io.bop.vxc.vertx.data.FencedLock;
import io.vertx.core.json.JsonObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** A node in a JVM of its own; its configuration is the argument. It does what is asked line by line. */
final class NodeMain {
    private final Node node;
    private final Map<String, FencedLock> locks = new HashMap<>();

    private NodeMain(Node node) {
        this.node = node;
    }

    public static void main(String[] arguments) throws IOException {
        NodeMain main = new NodeMain(Node.joined(new JsonObject(arguments[0])));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        say(main.node.id());
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            say(main.answer(line.split(" ")));
        }
        Runtime.getRuntime().halt(0); // whoever asked is gone
    }

    private static void say(String answer) {
        System.out.println(NodeProcess.ANSWER + answer);
    }

    private String answer(String[] words) {
        switch (words[0]) {
            case "consume":
                node.consume(words[1]);
                return "done";
            case "lock":
                locks.put(words[1], Node.of(node.locking(words[1], 10_000)));
                return String.valueOf(locks.get(words[1]).fencingToken());
            case "held":
                return String.valueOf(locks.get(words[1]).isHeld());
            case "lost":
                return Node.of(locks.get(words[1]).lost());
            case "write": // to the store at that address, under that lock
                return Node.of(node.vertx.eventBus()
                        .<String>request(words[1], locks.get(words[2]).fencingToken())).body();
            default:
                return "what is " + words[0] + "?";
        }
    }
}
