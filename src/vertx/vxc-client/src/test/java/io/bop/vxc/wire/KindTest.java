package io.bop.vxc.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.bop.vxc.testing.Project;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The table is src/wire/message.def's, row by row. */
class KindTest {
    private static final String DEFINITION = String.join("\n", Project.lines("src/wire/message.def"))
            .replace("\\\n", "").replaceAll("(?s)/\\*.*?\\*/", "");

    private static List<Matcher> all(String pattern) {
        List<Matcher> found = new ArrayList<>();
        Matcher matcher = Pattern.compile(pattern).matcher(DEFINITION);
        while (matcher.find()) {
            Matcher one = Pattern.compile(pattern).matcher(DEFINITION);
            one.find(matcher.start());
            found.add(one);
        }
        return found;
    }

    private static Map<String, String> fieldsOf(String macro) {
        Map<String, String> fields = new LinkedHashMap<>();
        for (Matcher row : all("#define " + macro + "(\\w+)\\(F, \\w\\)([^\\n]*)")) {
            StringBuilder text = new StringBuilder();
            Matcher field = Pattern.compile("F\\(\\w, (\\w+), (\\w+)\\)").matcher(row.group(2));
            while (field.find()) {
                text.append(text.length() == 0 ? "" : " ").append(field.group(2)).append(':').append(field.group(1));
            }
            fields.put(row.group(1), text.toString());
        }
        return fields;
    }

    private static String text(Field[] fields) {
        List<String> words = new ArrayList<>();
        for (Field field : fields) {
            words.add(field.name + ":" + field.type);
        }
        return String.join(" ", words);
    }

    private static String lower(Enum<?> constant) {
        return constant == null ? "none" : constant.name().toLowerCase(Locale.ROOT);
    }

    @Test
    void kindsAreThoseOfTheDefinition() {
        Map<String, String> fields = fieldsOf("VXC_FIELDS_");
        List<String> expected = new ArrayList<>();
        for (Matcher row : all("\\bM\\((\\d+), \\w+, (\\w+), (\\w+),\\s*(\\w+)\\)")) {
            expected.add(row.group(1) + " " + row.group(2) + " " + row.group(3) + " " + row.group(4) + " "
                    + fields.get(row.group(2)));
        }
        List<String> actual = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            actual.add(kind.number + " " + lower(kind) + " " + kind.role + " " + lower(kind.reply()) + " "
                    + text(kind.fields));
        }
        assertEquals(String.join("\n", expected), String.join("\n", actual));
        assertEquals(fields.size(), actual.size(), "as many as there are lists of fields");
    }

    @Test
    void stateSyncOperationsAreThoseOfTheDefinition() {
        Map<String, String> fields = fieldsOf("VXC_SYNC_FIELDS_");
        List<String> expected = new ArrayList<>();
        for (Matcher row : all("\\bO\\((\\d+), \\w+, (\\w+)\\)")) {
            expected.add(row.group(1) + " " + row.group(2) + " " + fields.get(row.group(2)));
        }
        List<String> actual = new ArrayList<>();
        for (SyncOperation operation : SyncOperation.values()) {
            actual.add(operation.ordinal() + " " + lower(operation) + " " + text(operation.fields));
        }
        assertEquals(String.join("\n", expected), String.join("\n", actual));
    }

    @Test
    void kindsAreFoundByNumber() {
        for (Kind kind : Kind.values()) {
            assertSame(kind, Kind.of(kind.number));
        }
        assertNull(Kind.of(0));
        assertNull(Kind.of(75));
        assertNull(Kind.of(65_535));
    }
}
