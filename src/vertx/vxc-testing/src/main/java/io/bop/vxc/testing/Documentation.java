package io.bop.vxc.testing;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The code that documents show. A line "From [NAME](PATH):" before a block says where it stands. */
public final class Documentation {
    private static final Pattern SOURCE = Pattern.compile("^From \\[.*\\]\\((?:\\.\\./)?(.*)\\):$");

    private Documentation() {
    }

    /** Each block of Java that a document shows stands in a source, line for line, indentation aside. */
    public static void verify(String document) {
        boolean shown = false;
        String path = null;
        List<String> block = null;
        for (String line : Project.lines(document)) {
            Matcher source = SOURCE.matcher(line);
            if (source.matches()) {
                path = source.group(1);
            } else if (line.equals("```java")) {
                block = new ArrayList<>();
            } else if (block != null && line.equals("```")) {
                verify(document, path, block);
                shown = true;
                block = null;
                path = null;
            } else if (block != null) {
                block.add(line);
            }
        }
        if (!shown) {
            throw new AssertionError(document + " shows no program");
        }
    }

    private static void verify(String document, String path, List<String> block) {
        if (path == null) {
            throw new AssertionError(document + " does not say where this is from:\n" + String.join("\n", block));
        }
        if (!trimmed(Project.lines(path)).contains(trimmed(block))) {
            throw new AssertionError(path + " has no\n" + String.join("\n", block));
        }
    }

    private static String trimmed(List<String> lines) {
        return lines.stream().map(String::trim).collect(Collectors.joining("\n", "\n", "\n"));
    }
}
