package io.bop.vxc.vertx.config;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.bop.vxc.core.Endpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A vxcd for development and tests. The first of a JVM that acquires a directory starts its vxcd, the last that
 * releases it stops it; those in between share it, as do those without a directory whose settings are the same. A vxcd
 * that another process runs upon the directory is used as it is, and left running. What is not released ends with
 * the JVM, unless that is killed: then the next one finds its vxcd still running.
 *
 * <p>What vxcd says goes to {@code DIRECTORY.log} beside the directory. A temporary directory goes with its vxcd.
 * Thread-safe. Blocks, so it is not for event loops.
 */
public final class ManagedServer {
    /** Milliseconds until a started vxcd is ready; it may have a long log to read. */
    public static final int START_MS_MAX = 30_000;
    /** Milliseconds until a vxcd that was asked to stop is killed, which its data survives too. */
    public static final int STOP_MS_MAX = 10_000;

    private static final int CONNECT_MS_MAX = 1000;
    /** Between two looks at a vxcd that starts. */
    private static final int POLL_MS = 5;
    /** Bytes of the log that are looked at, its last ones: a program that is no vxcd may write without end. */
    private static final int READ_SIZE_MAX = 64 << 10;
    /** The end of the log that an error shows: so many lines, and no more characters than that. */
    private static final int LINES_SHOWN = 10;
    private static final int SHOWN_MAX = 2000;

    private static final String READY = "ready in";
    private static final String IN_USE = "is in use by another node";
    private static final int STATUS_DIRECTORY = 5;

    /** Those of this JVM, by directory or, without one, by settings. Guards itself and its values. */
    private static final Map<Object, ManagedServer> SERVERS = new HashMap<>();
    /** Those with a process, for the end of the JVM, which waits for no lock. */
    private static final Set<ManagedServer> RUNNING = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> RUNNING.forEach(ManagedServer::stop), "vxcd-stop"));
    }

    private final ServerConfig config;
    private final Object key;
    private final boolean temporary;
    private final Path directory;
    private final Path log;
    private int port;
    private int users;
    /** {@code null}: another process's. */
    private volatile Process process;
    private volatile String endpoint;

    private ManagedServer(ServerConfig config, Object key) throws IOException {
        this.config = config;
        this.key = key;
        temporary = config.directory() == null;
        directory = temporary ? Files.createTempDirectory("vxcd-").resolve("data") : (Path) key;
        log = directory.resolveSibling(directory.getFileName() + ".log");
        port = config.port();
    }

    /**
     * Starts it, or shares the one that runs. Blocks until it is ready.
     *
     * @throws IllegalStateException when it cannot be started, is not ready in {@link #START_MS_MAX}, or runs in this
     *     JVM with other settings
     */
    public static ManagedServer acquire(ServerConfig config) {
        Object key = config.directory() == null ? config : Paths.get(config.directory()).toAbsolutePath().normalize();
        synchronized (SERVERS) {
            try {
                ManagedServer server = SERVERS.get(key);
                if (server == null) {
                    server = new ManagedServer(config, key);
                    server.start();
                    SERVERS.put(key, server);
                } else if (!server.config.equals(config)) {
                    throw new IllegalStateException("this JVM runs the vxcd of " + key + " as " + server.config
                            + "; it was asked for as " + config);
                } else if (!server.isAlive()) {
                    server.start();
                }
                server.users++;
                return server;
            } catch (IOException e) {
                throw new IllegalStateException("cannot start a server (\"server\" in vxc.json): " + e.getMessage(), e);
            }
        }
    }

    /** Its "host:port". */
    public String endpoint() {
        return endpoint;
    }

    /** Where its data is. */
    public Path directory() {
        return directory;
    }

    /** Did this JVM start it, so that it ends with the last release? */
    public boolean isOwn() {
        return process != null;
    }

    /** Gives it back, once for each {@link #acquire}. The last one blocks until it has ended. */
    public void release() {
        synchronized (SERVERS) {
            if (users == 0) {
                throw new IllegalStateException("the vxcd of " + directory + " was released more often than acquired");
            }
            if (--users == 0) {
                SERVERS.remove(key);
                stop();
            }
        }
    }

    Process process() {
        return process;
    }

    private boolean isAlive() {
        return process != null ? process.isAlive() : answers();
    }

    /** A file of its own until it is known whose directory it is, for another vxcd may be writing the log. */
    private void start() throws IOException {
        Files.createDirectories(directory.getParent());
        Path said = Files.createTempFile(directory.getParent(), log.getFileName() + ".", null);
        try {
            process = launch(said);
            RUNNING.add(this);
            if (awaitReady(said)) {
                endpoint = readEndpoint();
                port = Endpoint.parse(endpoint).get(0).port; // should it be started again, its users look there
            } else {
                join();
            }
        } catch (IOException | RuntimeException e) {
            stop();
            throw e;
        } finally {
            if (isOwn() && Files.exists(directory.getParent())) {
                Files.move(said, log, StandardCopyOption.REPLACE_EXISTING);
            } else {
                Files.deleteIfExists(said);
            }
        }
    }

    private Process launch(Path said) throws IOException {
        List<String> command = new ArrayList<>(Arrays.asList(config.binary(),
                "--data", directory.toString(), "--port", String.valueOf(port)));
        command.addAll(config.arguments());
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("VERTX_CLUSTER_"));
        return builder.start();
    }

    /** Is it ready, and ours? If not, another process has the directory; all else is thrown. */
    private boolean awaitReady(Path said) throws IOException {
        long endNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(START_MS_MAX);
        boolean ended;
        do {
            ended = waitFor(POLL_MS);
            if (!ended && read(said).contains(READY)) {
                return true;
            }
        } while (!ended && System.nanoTime() < endNs && !Thread.currentThread().isInterrupted());
        checkInterrupt();
        String text = read(said);
        if (!ended) {
            throw new IllegalStateException(config.binary() + " was not ready in " + START_MS_MAX + " ms" + end(text));
        }
        int status = process.exitValue();
        if (status == STATUS_DIRECTORY && text.contains(IN_USE)) {
            return false;
        }
        throw new IllegalStateException(config.binary() + " ended with status " + status + " (" + meaning(status) + ")"
                + end(text));
    }

    /** The one that another process runs here; it may just be starting. */
    private void join() throws IOException {
        RUNNING.remove(this);
        process = null;
        long endNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(START_MS_MAX);
        while (!answers()) {
            checkInterrupt();
            if (System.nanoTime() > endNs) {
                throw new IllegalStateException("another process has " + directory + " in use, but no vxcd answers at "
                        + endpoint + " as its file \"endpoint\" says; stop that process, or choose another directory");
            }
            pause();
        }
    }

    /** Can it be reached where its file says? */
    private boolean answers() {
        try (Socket socket = new Socket()) {
            endpoint = readEndpoint();
            Endpoint at = Endpoint.parse(endpoint).get(0);
            socket.connect(new InetSocketAddress(at.host, at.port), CONNECT_MS_MAX);
            return true;
        } catch (IOException | IllegalArgumentException e) {
            return false; // not there yet, not there any more, or half written
        }
    }

    private String readEndpoint() throws IOException {
        return read(directory.resolve("endpoint")).trim();
    }

    private void stop() {
        Process ours = process;
        if (ours != null && ours.isAlive()) {
            ours.destroy();
            if (!waitFor(STOP_MS_MAX)) {
                ours.destroyForcibly();
            }
        }
        RUNNING.remove(this);
        if (temporary) {
            removeTree(directory.getParent());
        }
    }

    /** Has it ended, in this time? An interrupted thread stays so, and does not wait. */
    private boolean waitFor(int ms) {
        try {
            return process.waitFor(ms, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return !process.isAlive();
        }
    }

    private static void checkInterrupt() {
        if (Thread.currentThread().isInterrupted()) {
            throw new IllegalStateException("the thread was interrupted while it waited for vxcd");
        }
    }

    private static void pause() {
        try {
            Thread.sleep(POLL_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static String meaning(int status) {
        switch (status) {
            case 0:
                return "stopped";
            case 2:
                return "wrong configuration, or the port is in use";
            case STATUS_DIRECTORY:
                return "the data directory is locked, read-only or full";
            case 6:
                return "damaged or foreign data, or refused by its cluster";
            case 70:
                return "a failed flush or lost invariant";
            default:
                return status > 128 ? "signal " + (status - 128) : "not a status of vxcd";
        }
    }

    private static String end(String text) {
        String[] lines = text.substring(Math.max(0, text.length() - SHOWN_MAX)).split("\n");
        return text.trim().isEmpty() ? " and said nothing" : ":\n"
                + Arrays.stream(lines).skip(Math.max(0, lines.length - LINES_SHOWN)).collect(Collectors.joining("\n"));
    }

    /** Its end. */
    private static String read(Path file) throws IOException {
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            channel.position(Math.max(0, channel.size() - READ_SIZE_MAX));
            ByteBuffer end = ByteBuffer.allocate(READ_SIZE_MAX);
            int size = 0;
            while (size >= 0 && end.hasRemaining()) {
                size = channel.read(end);
            }
            return new String(end.array(), 0, end.position(), UTF_8);
        } catch (ClosedByInterruptException e) {
            checkInterrupt();
            throw e;
        }
    }

    private static void removeTree(Path top) {
        try (Stream<Path> paths = Files.walk(top)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).collect(Collectors.toList())) {
                Files.deleteIfExists(path);
            }
        } catch (IOException | UncheckedIOException e) {
            // what is left in the folder of temporary files is the system's to remove
        }
    }
}
