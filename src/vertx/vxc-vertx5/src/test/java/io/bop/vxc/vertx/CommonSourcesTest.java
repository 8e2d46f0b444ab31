package io.bop.vxc.vertx;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** vxc-vertx-common is compiled against Vert.x 4.5: does it use anything that Vert.x 5 has not? */
class CommonSourcesTest {
    @Test
    void compileAgainstVertx5(@TempDir Path classes) throws IOException {
        Path sources = Paths.get(System.getProperty("vxc.root"), "src/vertx/vxc-vertx-common/src/main/java");
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter said = new StringWriter();
        try (Stream<Path> files = Files.walk(sources);
                StandardJavaFileManager manager = compiler.getStandardFileManager(null, null, null)) {
            List<Path> java = files.filter(file -> file.toString().endsWith(".java")).collect(Collectors.toList());
            List<String> options = Arrays.asList("-d", classes.toString(), "-proc:none",
                    "-classpath", System.getProperty("java.class.path"));
            assertTrue(compiler.getTask(said, manager, null, options, null,
                    manager.getJavaFileObjectsFromPaths(java)).call(), said::toString);
            assertTrue(java.size() > 20, "they are not where they were looked for: " + sources);
        }
    }
}
