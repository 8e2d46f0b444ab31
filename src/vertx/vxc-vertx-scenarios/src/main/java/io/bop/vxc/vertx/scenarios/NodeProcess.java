package io.bop.vxc.vertx.scenarios;

import io.bop.vxc.testing.Signals;
import io.vertx.core.json.JsonObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A {@link NodeMain}, to be killed and paused. */
final class NodeProcess implements AutoCloseable {
    static final String ANSWER = "= ";
    private static final String ENDED = "the process has ended";
    private static final long ANSWER_SECONDS = 40;

    private final Process process;
    private final PrintStream questions;
    private final BlockingQueue<String> answers = new LinkedBlockingQueue<>();
    private String id;

    /** Begins to start; {@link #id} waits. */
    NodeProcess(JsonObject config, Path log) {
        try {
            process = new ProcessBuilder(Paths.get(System.getProperty("java.home"), "bin", "java").toString(),
                    "-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                    "-cp", System.getProperty("java.class.path"), NodeMain.class.getName(), config.encode())
                    .redirectError(log.toFile()).start();
            questions = new PrintStream(process.getOutputStream(), true, "UTF-8");
        } catch (IOException e) {
            throw new UncheckedIOException("no JVM can be started", e);
        }
        Thread reader = new Thread(this::read, "node-answers");
        reader.setDaemon(true);
        reader.start();
    }

    private void read() {
        try (BufferedReader in = new BufferedReader(
                new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                if (line.startsWith(ANSWER)) {
                    answers.add(line.substring(ANSWER.length()));
                }
            }
        } catch (IOException e) {
            // it was killed
        }
        answers.add(ENDED);
    }

    /** Of its node, once that has joined. */
    String id() {
        if (id == null) {
            id = answer();
        }
        return id;
    }

    String ask(String question) {
        tell(question);
        return answer();
    }

    /** Without waiting: it may be paused. */
    void tell(String question) {
        id();
        questions.println(question);
    }

    String answer() {
        try {
            String answer = answers.poll(ANSWER_SECONDS, TimeUnit.SECONDS);
            if (answer == null || answer.equals(ENDED)) {
                throw new AssertionError(answer == null ? "no answer in " + ANSWER_SECONDS + " s" : ENDED);
            }
            return answer;
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    void pause() {
        Signals.send(process, "STOP");
    }

    void goOn() {
        Signals.send(process, "CONT");
    }

    /** Signal 9. */
    void kill() {
        Signals.send(process, "KILL");
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
