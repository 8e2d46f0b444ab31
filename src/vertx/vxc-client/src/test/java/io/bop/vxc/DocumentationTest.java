package io.bop.vxc;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.testing.Project;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** What docs/java.md shows of the examples stands in them, line for line, indentation aside. */
class DocumentationTest {
    private static final Pattern SOURCE = Pattern.compile("^From \\[.*\\]\\(\\.\\./(.*)\\):$");

    private static String trimmed(List<String> lines) {
        return lines.stream().map(String::trim).collect(Collectors.joining("\n", "\n", "\n"));
    }

    @Test
    void theShownCodeIsCompiledAndRun() {
        List<String> shown = new ArrayList<>();
        String path = null;
        List<String> block = null;
        for (String line : Project.lines("docs/java.md")) {
            Matcher source = SOURCE.matcher(line);
            if (source.matches()) {
                path = source.group(1);
            } else if (path != null && line.equals("```java")) {
                block = new ArrayList<>();
            } else if (block != null && line.equals("```")) {
                assertTrue(trimmed(Project.lines(path)).contains(trimmed(block)),
                        path + " has no\n" + String.join("\n", block));
                shown.add(path);
                block = null;
                path = null;
            } else if (block != null) {
                block.add(line);
            }
        }
        assertFalse(shown.isEmpty(), "docs/java.md shows no program");
    }
}
