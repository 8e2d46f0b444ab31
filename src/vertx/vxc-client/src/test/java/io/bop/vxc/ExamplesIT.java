package io.bop.vxc;

import static org.junit.jupiter.api.Assertions.assertTrue;

import example.Locks;
import example.Maps;
import example.Watching;
import io.bop.vxc.testing.Vxcd;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.UnsupportedEncodingException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The programs of docs/java.md. */
class ExamplesIT {
    @TempDir
    static Path folder;
    private static Vxcd node;

    @BeforeAll
    static void start() {
        node = Vxcd.alone(folder.resolve("data"));
    }

    @AfterAll
    static void stop() {
        node.close();
    }

    private static String output(Runnable program) {
        PrintStream before = System.out;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            System.setOut(new PrintStream(out, true, "UTF-8"));
            program.run();
            return out.toString("UTF-8");
        } catch (UnsupportedEncodingException e) {
            throw new IllegalStateException(e);
        } finally {
            System.setOut(before);
        }
    }

    @Test
    void maps() {
        assertTrue(output(() -> Maps.main(new String[] {node.endpoint()})).contains("hello world"));
    }

    @Test
    void locks() {
        assertTrue(output(() -> Locks.main(new String[] {node.endpoint()})).contains("deploying under token"));
    }

    @Test
    void watching() {
        String output = output(() -> Watching.main(new String[] {node.endpoint()}));
        assertTrue(output.contains("NODE_JOINED node-1, now [node-1]"), output);
    }
}
