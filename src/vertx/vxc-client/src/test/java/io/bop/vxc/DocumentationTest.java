package io.bop.vxc;

import io.bop.vxc.testing.Documentation;
import org.junit.jupiter.api.Test;

class DocumentationTest {
    @Test
    void theShownCodeIsCompiledAndRun() {
        Documentation.verify("docs/java.md");
    }
}
