package io.bop.vxc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.bop.vxc.testing.Project;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class VxcErrorTest {
    @Test
    void codesNamesAndTextsAreTheProtocols() {
        List<String> expected = Project.lines("docs/protocol.md").stream()
                .filter(line -> line.matches("\\| -\\d+ \\| E\\w+ \\| .* \\|"))
                .collect(Collectors.toList());
        List<String> actual = new ArrayList<>();
        for (VxcError error : VxcError.values()) {
            if (error != VxcError.EUNDEFINED) {
                actual.add("| " + error.code + " | " + error + " | " + error.text + " |");
            }
        }
        assertEquals(expected, actual);
    }

    @Test
    void errorsAreFoundByCode() {
        for (VxcError error : VxcError.values()) {
            assertSame(error, VxcError.of(error.code));
        }
        for (long code : new long[] {1, -34, Long.MIN_VALUE, Long.MAX_VALUE, -1L << 32}) {
            assertSame(VxcError.EUNDEFINED, VxcError.of(code));
        }
    }
}
