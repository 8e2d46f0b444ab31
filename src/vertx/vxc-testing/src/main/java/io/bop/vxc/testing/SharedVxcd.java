package io.bop.vxc.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

/**
 * One node for all tests of a JVM that keep apart by namespaces: started when the first one asks, stopped when the JVM
 * ends, its folder removed.
 */
public final class SharedVxcd {
    private static Vxcd node;

    private SharedVxcd() {
    }

    /** Where it is. */
    public static synchronized String endpoint() {
        if (node == null) {
            node = started();
        }
        return node.endpoint();
    }

    private static Vxcd started() {
        try {
            Path folder = Files.createTempDirectory("vxcd-");
            Vxcd started = Vxcd.alone(folder.resolve("data"));
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                started.close();
                remove(folder);
            }, "stop-vxcd"));
            return started;
        } catch (IOException e) {
            throw new UncheckedIOException("no folder for vxcd can be made", e);
        }
    }

    private static void remove(Path folder) {
        try (Stream<Path> all = Files.walk(folder)) {
            all.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
        } catch (IOException e) {
            throw new UncheckedIOException(folder + " cannot be removed", e);
        }
    }
}
