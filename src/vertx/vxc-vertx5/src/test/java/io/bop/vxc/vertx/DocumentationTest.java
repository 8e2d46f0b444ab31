package io.bop.vxc.vertx;

import io.bop.vxc.testing.Documentation;
import org.junit.jupiter.api.Test;

/** What is shown stands in the examples of both generations, which ExamplesIT runs. */
class DocumentationTest {
    @Test
    void theShownCodeIsCompiledAndRun() {
        Documentation.verify("docs/vertx.md");
    }

    @Test
    void theFirstSnippetOfTheReadmeIsToo() {
        Documentation.verify("README.md");
    }
}
