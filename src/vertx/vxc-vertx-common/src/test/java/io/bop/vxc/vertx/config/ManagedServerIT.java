package io.bop.vxc.vertx.config;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With the real vxcd. */
class ManagedServerIT {
    private static final long LIMIT_S = 60;

    @TempDir
    private Path folder;
    private final List<ManagedServer> acquired = new ArrayList<>();

    private static String vxcd() {
        String environment = System.getenv("VXC_BIN");
        String bin = environment != null && !environment.isEmpty() ? environment : System.getProperty("vxc.bin");
        return Paths.get(bin).resolve("vxcd").toAbsolutePath().normalize().toString();
    }

    private ServerConfig config(String... arguments) {
        return new ServerConfig(vxcd(), folder.resolve("data").toString(), 0, Arrays.asList(arguments));
    }

    private ManagedServer acquire(ServerConfig config) {
        ManagedServer server = ManagedServer.acquire(config);
        acquired.add(server);
        return server;
    }

    private void release(ManagedServer server) {
        acquired.remove(server);
        server.release();
    }

    private String refused(ServerConfig config) {
        return assertThrows(IllegalStateException.class, () -> acquire(config)).getMessage();
    }

    @AfterEach
    void releaseAll() {
        acquired.forEach(ManagedServer::release);
    }

    private static <T> T await(CompletableFuture<T> future) {
        try {
            return future.get(LIMIT_S, TimeUnit.SECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    private static void assertEnds(Process process) throws InterruptedException {
        assertTrue(process.waitFor(LIMIT_S, TimeUnit.SECONDS), "it still runs");
    }

    private static void put(ManagedServer server, String key, String value) {
        try (VxcClient client = VxcClient.create(new VxcOptions(server.endpoint()))) {
            await(client.map("m").put(key.getBytes(UTF_8), value.getBytes(UTF_8)).toCompletableFuture());
        }
    }

    private static String get(ManagedServer server, String key) {
        try (VxcClient client = VxcClient.create(new VxcOptions(server.endpoint()))) {
            return new String(await(client.map("m").get(key.getBytes(UTF_8)).toCompletableFuture()), UTF_8);
        }
    }

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().collect(Collectors.toList());
        }
    }

    @Test
    void itServesAndKeepsItsData() throws Exception {
        ManagedServer server = acquire(config());
        assertTrue(server.isOwn());
        assertEquals(folder.resolve("data"), server.directory());
        put(server, "k", "v");
        Process process = server.process();
        release(server);
        assertFalse(process.isAlive());
        assertEquals(0, process.exitValue(), "it was not asked to stop, but killed");
        assertEquals(Arrays.asList("data", "data.log"), files());
        ManagedServer again = acquire(config());
        assertNotEquals(process, again.process());
        assertEquals("v", get(again, "k"));
    }

    @Test
    void aTemporaryDirectoryGoesWithIt() {
        ServerConfig config = new ServerConfig(vxcd(), null, 0, Collections.emptyList());
        ManagedServer server = acquire(config);
        put(server, "k", "v");
        Path temporary = server.directory().getParent();
        assertTrue(Files.isDirectory(server.directory()));
        assertSame(server, acquire(config), "the same settings are not shared");
        ManagedServer other = acquire(new ServerConfig(vxcd(), null, 0, Arrays.asList("--heartbeat", "50")));
        assertNotEquals(server.endpoint(), other.endpoint());
        release(server);
        assertTrue(server.process().isAlive());
        release(server);
        assertFalse(Files.exists(temporary));
        assertTrue(other.process().isAlive());
    }

    @Test
    void managersShareADirectory() throws Exception {
        int count = 8;
        CountDownLatch start = new CountDownLatch(count);
        List<CompletableFuture<ManagedServer>> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            CompletableFuture<ManagedServer> future = new CompletableFuture<>();
            all.add(future);
            new Thread(() -> {
                start.countDown();
                try {
                    start.await();
                    future.complete(ManagedServer.acquire(config()));
                } catch (Throwable e) {
                    future.completeExceptionally(e);
                }
            }).start();
        }
        for (CompletableFuture<ManagedServer> future : all) {
            acquired.add(await(future));
            assertSame(acquired.get(0), await(future));
        }
        ManagedServer server = acquired.get(0);
        for (int i = 1; i < count; i++) {
            release(server);
            assertTrue(server.process().isAlive(), "stopped with " + (count - i) + " users left");
        }
        release(server);
        assertFalse(server.process().isAlive());
        assertThrows(IllegalStateException.class, server::release);
    }

    @Test
    void otherSettingsOfASharedDirectoryAreAnError() {
        acquire(config());
        String message = refused(config("--heartbeat", "50"));
        assertTrue(message.startsWith("this JVM runs the vxcd of " + folder.resolve("data")), message);
    }

    @Test
    void whoeverComesAfterItsDeathStartsItAgainAtTheSamePlace() throws Exception {
        ManagedServer server = acquire(config());
        put(server, "k", "v");
        String endpoint = server.endpoint();
        server.process().destroyForcibly();
        assertEnds(server.process());
        assertSame(server, acquire(config()));
        assertEquals(endpoint, server.endpoint());
        assertEquals("v", get(server, "k"));
    }

    @Test
    void anotherProcessesVxcdIsUsedAndLeftRunning() throws Exception {
        Path log = folder.resolve("other.txt");
        Process other = new ProcessBuilder(vxcd(), "--data", folder.resolve("data").toString(), "--port", "0")
                .redirectErrorStream(true).redirectOutput(log.toFile()).start();
        try {
            // it may only be starting; whose the directory is shows in the file that it locks
            while (!Files.exists(folder.resolve("data").resolve("lock"))) {
                assertFalse(other.waitFor(5, TimeUnit.MILLISECONDS), "it has ended");
            }
            ManagedServer server = acquire(config());
            assertFalse(server.isOwn());
            put(server, "k", "v");
            assertSame(server, acquire(config()));
            release(server);
            release(server);
            assertTrue(other.isAlive());
            assertEquals("v", get(server, "k"));
            assertEquals(Arrays.asList("data", "other.txt"), files());
        } finally {
            other.destroy();
            assertEnds(other);
        }
        assertTrue(acquire(config()).isOwn());
    }

    @Test
    void theEnvironmentDoesNotReachIt() throws Exception {
        // the environment of a JVM cannot be set from within: in one of its own
        Process jvm = jvm("hold", "VERTX_CLUSTER_HEARTBEAT", "not a number");
        try {
            assertTrue(readLine(jvm).startsWith("127.0.0.1:"));
        } finally {
            jvm.getOutputStream().close();
            assertEnds(jvm);
        }
    }

    @Test
    void itEndsWithTheJvm() throws Exception {
        Process jvm = jvm("leave", "X", "");
        assertNotNull(readLine(jvm));
        assertEnds(jvm);
        assertEquals(0, jvm.exitValue());
        // had it not stopped, the directory would be another process's
        assertTrue(acquire(config()).isOwn());
        assertTrue(Files.exists(folder.resolve("data.log")));
    }

    private Process jvm(String what, String variable, String value) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(
                Paths.get(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp", System.getProperty("java.class.path"), OtherJvm.class.getName(), what, vxcd(),
                folder.resolve("data").toString());
        builder.environment().put(variable, value);
        return builder.redirectError(folder.resolve("jvm.txt").toFile()).start();
    }

    private static String readLine(Process process) throws IOException {
        return new BufferedReader(new InputStreamReader(process.getInputStream(), UTF_8)).readLine();
    }

    /** Acquires one and never releases it. */
    static final class OtherJvm {
        public static void main(String[] arguments) throws IOException {
            ManagedServer server = ManagedServer.acquire(
                    new ServerConfig(arguments[1], arguments[2], 0, Collections.emptyList()));
            System.out.println(server.endpoint());
            if (arguments[0].equals("hold")) {
                System.in.read(); // until the test closes it
            }
        }
    }

    @Test
    void aMissingBinaryIsAClearError() throws IOException {
        String message = refused(new ServerConfig("/no/such/vxcd", folder.resolve("data").toString(), 0,
                Collections.emptyList()));
        assertTrue(message.startsWith("cannot start a server (\"server\" in vxc.json): Cannot run program "
                + "\"/no/such/vxcd\""), message);
        assertEquals(Collections.emptyList(), files());
    }

    @Test
    void aFileThatCannotRunIsAClearError() throws IOException {
        Path text = Files.write(folder.resolve("text"), "no program".getBytes(UTF_8));
        String message = refused(new ServerConfig(text.toString(), null, 0, Collections.emptyList()));
        assertTrue(message.contains("Permission denied"), message);
    }

    @Test
    void aPortInUseIsAClearError() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String message = refused(new ServerConfig(vxcd(), folder.resolve("data").toString(),
                    socket.getLocalPort(), Collections.emptyList()));
            assertTrue(message.contains("ended with status 2 (wrong configuration, or the port is in use):"), message);
            assertTrue(message.contains("the port is in use by another process"), message);
        }
        assertTrue(new String(Files.readAllBytes(folder.resolve("data.log")), UTF_8).contains("the port is in use"));
        assertTrue(acquire(config()).isOwn(), "the failed attempt is in the way of the next");
    }

    @Test
    void wrongArgumentsAreAClearError() throws IOException {
        String message = refused(config("--no-such-option"));
        assertTrue(message.contains("ended with status 2"), message);
        assertTrue(message.contains("unknown option \"no-such-option\""), message);
    }

    @Test
    void aProgramThatSaysNothingIsAClearError() {
        String message = refused(new ServerConfig("false", null, 0, Collections.emptyList()));
        assertEquals("false ended with status 1 (not a status of vxcd) and said nothing", message);
    }

    private ServerConfig script(String text) throws IOException {
        Path script = Files.write(folder.resolve("script"), ("#!/bin/sh\n" + text + "\n").getBytes(UTF_8));
        assertTrue(script.toFile().setExecutable(true));
        return new ServerConfig(script.toString(), null, 0, Collections.emptyList());
    }

    @Test
    void ofAProgramThatSaysMuchTheEndIsTold() throws IOException {
        String message = refused(script("head -c 20000000 /dev/zero\necho\necho why\nexit 3"));
        assertTrue(message.endsWith("why"), message);
        assertTrue(message.length() < 3000, () -> message.length() + " characters");
    }

    @Test
    void anInterruptEndsTheWaiting() throws Exception {
        ServerConfig config = script("exec cat /dev/zero");
        Thread.currentThread().interrupt();
        String message = refused(config);
        assertTrue(Thread.interrupted(), "the interrupt is lost");
        assertEquals("the thread was interrupted while it waited for vxcd", message);
    }
}
