package io.bop.vxc.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcOptions;
import io.bop.vxc.testing.Project;
import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The jar, run as a user runs it. */
class ExampleIT {
    private static final int KILLED = 137;
    private static final int TERMINATED = 143;
    private static final Pattern TOKEN = Pattern.compile("this node is the leader, fencing token (\\d+)");

    @TempDir
    static Path folder;
    private static Vxcd server;
    private final List<Instance> instances = new ArrayList<>();

    /** A process of the program. */
    private static final class Instance {
        private final Path out;
        private final Path err;
        private final Process process;

        Instance(String... arguments) throws IOException {
            out = Files.createTempFile(folder, "out", ".txt");
            err = Files.createTempFile(folder, "err", ".txt");
            List<String> command = new ArrayList<>(Arrays.asList(
                    Paths.get(System.getProperty("java.home"), "bin", "java").toString(),
                    "-jar", System.getProperty("example.jar")));
            command.addAll(Arrays.asList(arguments));
            ProcessBuilder builder = new ProcessBuilder(command)
                    .redirectOutput(out.toFile()).redirectError(err.toFile());
            builder.environment().keySet().removeIf(name -> name.startsWith("VERTX_CLUSTER_"));
            process = builder.start();
        }

        String out() {
            return read(out);
        }

        String err() {
            return read(err);
        }

        /** Its name, once it has joined. */
        String name() {
            awaitOut("joined the cluster");
            return out().substring(0, 8);
        }

        void awaitOut(String text) {
            Wait.until(text, () -> {
                boolean alive = process.isAlive();
                if (out().contains(text)) {
                    return true;
                }
                assertTrue(alive, () -> "it has ended: " + out() + err());
                return false;
            });
        }

        int awaitEnd() throws InterruptedException {
            assertTrue(process.waitFor(30, TimeUnit.SECONDS), () -> "it does not end: " + out() + err());
            return process.exitValue();
        }

        private static String read(Path file) {
            try {
                return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    @BeforeAll
    static void startServer() {
        server = Vxcd.alone(folder.resolve("data"));
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @AfterEach
    void endAll() {
        instances.forEach(instance -> instance.process.destroyForcibly());
    }

    private Instance start(String... arguments) throws IOException {
        Instance instance = new Instance(arguments);
        instances.add(instance);
        return instance;
    }

    private static long token(Instance leader) {
        leader.awaitOut("this node is the leader, fencing token ");
        Matcher token = TOKEN.matcher(leader.out());
        assertTrue(token.find(), leader::out);
        return Long.parseLong(token.group(1));
    }

    @Test
    void instancesSeeEachOtherAndOneGoesOnWhenTheOtherIsKilled() throws Exception {
        Instance one = start("--endpoints", server.endpoint());
        long token = token(one);
        Instance other = start("--endpoints", server.endpoint());
        one.awaitOut(other.name() + " has joined, 2 nodes");
        one.awaitOut("hello " + one.name() + ", this is " + other.name());
        other.awaitOut("hello " + other.name() + ", this is " + one.name());
        other.awaitOut("; leader " + one.name() + ", fencing token " + token);

        one.process.destroyForcibly();
        assertEquals(KILLED, one.awaitEnd());
        long next = token(other); // when the session of the lock has ended: its timeout is 10 s
        assertTrue(next > token, () -> next + " behind " + token);
        other.awaitOut(one.name() + " has left, 1 nodes");
        other.awaitOut("this is " + other.name() + "; leader " + other.name() + ", fencing token " + next);

        other.process.destroy();
        assertEquals(TERMINATED, other.awaitEnd());
        assertTrue(other.out().endsWith("left the cluster" + System.lineSeparator()), other::out);
        try (VxcClient client = VxcClient.create(new VxcOptions(server.endpoint()))) {
            assertTrue(Wait.of(client.nodes().list()).isEmpty(), "it is a member still");
        }
    }

    @Test
    void theCommandLineShowsWhatInstancesDo() throws Exception {
        Instance one = start("--endpoints", server.endpoint());
        long token = token(one);
        Instance other = start("--endpoints", server.endpoint());
        other.awaitOut("; leader " + one.name());
        one.awaitOut("this is " + other.name());

        assertEquals("greeter\t2\n", vxc("registration", "list"));
        assertEquals(2, vxc("registration", "get", "greeter").split("\n").length);
        String nodes = vxc("node", "list");
        assertTrue(nodes.startsWith(one.name()) && nodes.contains("\n" + other.name()), nodes);
        assertEquals("j:{\"node\":\"" + one.name() + "\",\"token\":" + token + "}\n",
                vxc("map", "get", "example", "s:leader"));
        String lock = vxc("lock", "list");
        assertTrue(lock.matches("leader\t\\w+\t\\d+\t" + one.name() + "[^\t]*\t" + token + "\t1\n"), lock);
    }

    private static String vxc(String... command) throws Exception {
        List<String> all = new ArrayList<>(Arrays.asList(
                Project.programs().resolve("vxc").toString(), "-e", server.endpoint(), "-o", "raw"));
        all.addAll(Arrays.asList(command));
        Path out = Files.createTempFile(folder, "vxc", ".txt");
        Process process = new ProcessBuilder(all)
                .redirectOutput(out.toFile()).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        assertTrue(process.waitFor(30, TimeUnit.SECONDS), "vxc does not end");
        assertEquals(0, process.exitValue(), all::toString);
        return new String(Files.readAllBytes(out), StandardCharsets.UTF_8);
    }

    @Test
    void onceMakesOneRound() throws Exception {
        Instance once = start("--endpoints", server.endpoint(), "--once");
        assertEquals(0, once.awaitEnd(), once::err);
        assertTrue(once.out().contains("hello " + once.name() + ", this is " + once.name()), once::out);
    }

    @Test
    void helpIsShown() throws Exception {
        Instance help = start("--help");
        assertEquals(0, help.awaitEnd());
        assertTrue(help.out().startsWith("usage: java -jar example.jar"), help::out);
        assertEquals("", help.err());
    }

    @Test
    void wrongUsageIsTold() throws Exception {
        Instance unknown = start("--endpoint=x");
        assertEquals(2, unknown.awaitEnd());
        assertEquals("example: unknown option --endpoint=x; --help shows what there is" + System.lineSeparator(),
                unknown.err());

        Instance noPort = start("--endpoints", "10.0.0.1");
        assertEquals(2, noPort.awaitEnd());
        assertTrue(noPort.err().contains("\"10.0.0.1\" is not an endpoint; expected host:port"), noPort::err);
    }

    @Test
    void withoutAServerItSaysWhereItLooked() throws Exception {
        String nowhere = "127.0.0.1:" + Vxcd.freePorts(1)[0];
        Instance alone = start("--endpoints", nowhere);
        assertEquals(3, alone.awaitEnd());
        assertTrue(alone.err().contains("example: cannot join the cluster at " + nowhere), alone::err);
        assertTrue(alone.err().contains("Connection refused"), alone::err);
    }
}
