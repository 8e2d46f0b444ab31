package io.bop.vxc.testing;

import java.io.IOException;

/** Signals to processes that a test has started. */
public final class Signals {
    private Signals() {
    }

    /** As {@code kill -name}: STOP, CONT, KILL … */
    public static void send(Process process, String name) {
        try {
            int status = new ProcessBuilder("kill", "-" + name, String.valueOf(pid(process))).inheritIO().start()
                    .waitFor();
            if (status != 0) {
                throw new IllegalStateException("kill -" + name + " ended with " + status);
            }
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Java 8 does not tell it. */
    private static long pid(Process process) {
        try {
            return (Long) Process.class.getMethod("pid").invoke(process);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }
}
