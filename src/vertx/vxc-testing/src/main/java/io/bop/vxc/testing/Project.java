package io.bop.vxc.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.List;

/** The checkout that the tests run in. */
public final class Project {
    private Project() {
    }

    /** A file of it. */
    public static Path file(String name) {
        return Paths.get(System.getProperty("vxc.root", "../../..")).resolve(name);
    }

    public static List<String> lines(String name) {
        try {
            return Files.readAllLines(file(name), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The folder of vxcd and vxc. */
    public static Path programs() {
        String environment = System.getenv("VXC_BIN");
        return Paths.get(environment != null && !environment.isEmpty() ? environment : System.getProperty("vxc.bin"))
                .toAbsolutePath().normalize();
    }
}
