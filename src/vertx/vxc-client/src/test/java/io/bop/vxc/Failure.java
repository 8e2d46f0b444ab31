package io.bop.vxc;

import io.bop.vxc.testing.Wait;
import java.util.concurrent.CompletionStage;

/** How a call failed that has to. */
final class Failure {
    private Failure() {
    }

    static VxcException failure(CompletionStage<?> stage) {
        Object result;
        try {
            result = Wait.of(stage);
        } catch (VxcException e) {
            return e;
        }
        throw new AssertionError("it did not fail: " + result);
    }
}
