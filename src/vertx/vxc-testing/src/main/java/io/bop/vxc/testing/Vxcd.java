package io.bop.vxc.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A real node: a vxcd process with its folder, on a port of its own. */
public final class Vxcd implements AutoCloseable {
    public final long id;
    public final int port;
    private final Path folder;
    private final List<String> options;
    private Process process;

    private Vxcd(Path folder, long id, int port, String... options) {
        this.folder = folder;
        this.id = id;
        this.port = port;
        this.options = Arrays.asList(options);
    }

    /** Started, alone, on a free port. */
    public static Vxcd alone(Path folder, String... options) {
        Vxcd node = new Vxcd(folder, 1, freePorts(1)[0], options);
        node.start();
        return node;
    }

    /** Started, as one cluster. */
    public static Vxcd[] cluster(Path folder, int count, String... options) {
        int[] ports = freePorts(count);
        StringBuilder initial = new StringBuilder();
        for (int i = 0; i < count; i++) {
            initial.append(i == 0 ? "" : ",").append(i + 1).append("=127.0.0.1:").append(ports[i]);
        }
        Vxcd[] nodes = new Vxcd[count];
        for (int i = 0; i < count; i++) {
            String[] all = Arrays.copyOf(options, options.length + 2);
            all[options.length] = "--initial-cluster";
            all[options.length + 1] = initial.toString();
            nodes[i] = new Vxcd(folder.resolve(String.valueOf(i + 1)), i + 1, ports[i], all);
            nodes[i].start();
        }
        return nodes;
    }

    /** Ports that nobody has now. */
    public static int[] freePorts(int count) {
        int[] ports = new int[count];
        ServerSocket[] sockets = new ServerSocket[count];
        try {
            for (int i = 0; i < count; i++) {
                sockets[i] = new ServerSocket(0);
                ports[i] = sockets[i].getLocalPort();
            }
            for (ServerSocket socket : sockets) {
                socket.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return ports;
    }

    public String endpoint() {
        return "127.0.0.1:" + port;
    }

    public static String endpoints(Vxcd... nodes) {
        List<String> all = new ArrayList<>();
        for (Vxcd node : nodes) {
            all.add(node.endpoint());
        }
        return String.join(",", all);
    }

    /** Starts it, again if need be, and waits until it is ready. */
    public void start() {
        Path log = folder.resolveSibling(folder.getFileName() + ".log");
        List<String> command = new ArrayList<>(Arrays.asList(Project.programs().resolve("vxcd").toString(),
                "--data", folder.toString(), "--node-id", String.valueOf(id), "--port", String.valueOf(port)));
        command.addAll(options);
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("VERTX_CLUSTER_"));
        try {
            process = builder.start();
        } catch (IOException e) {
            throw new UncheckedIOException("build vxcd first (tools/up --build-only)", e);
        }
        Wait.until("vxcd is ready", () -> {
            boolean runs = process.isAlive(); // looked at first: what it says in the end is in the log then
            String said = read(log);
            if (!runs) {
                throw new IllegalStateException("vxcd has ended: " + said);
            }
            return said.contains("ready in");
        });
    }

    private static String read(Path log) {
        try {
            return new String(Files.readAllBytes(log), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public boolean isRunning() {
        return process.isAlive();
    }

    /** As a power cut of the process: signal 9. */
    public void kill() {
        process.destroyForcibly();
        try {
            if (!process.waitFor(20, TimeUnit.SECONDS)) {
                throw new IllegalStateException("vxcd does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Stops its process from running, and lets it go on: kill -STOP, kill -CONT. */
    public void signal(String name) {
        try {
            new ProcessBuilder("kill", "-" + name, String.valueOf(pid())).inheritIO().start().waitFor();
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Java 8 does not tell it. */
    private long pid() {
        try {
            java.lang.reflect.Method pid = Process.class.getMethod("pid");
            return (Long) pid.invoke(process);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        if (process != null) {
            kill();
        }
    }
}
