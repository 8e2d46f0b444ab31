package io.bop.vxc.testing;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;

/** Signals to processes that a test has started. */
public final class Signals {
    private Signals() {
    }

    /** As {@code kill -name}: STOP, CONT, KILL … Behind a STOP the process stands still. */
    public static void send(Process process, String name) {
        try {
            int status = new ProcessBuilder("kill", "-" + name, String.valueOf(pid(process))).inheritIO().start()
                    .waitFor();
            if (status != 0) {
                throw new IllegalStateException("kill -" + name + " ended with " + status);
            }
            if (name.equals("STOP")) { // the threads hear of it one after the other
                Wait.until("all threads of the process stand still", () -> standsStill(pid(process)));
            }
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static boolean standsStill(long pid) {
        File[] threads = new File("/proc/" + pid + "/task").listFiles();
        return threads != null && Arrays.stream(threads).allMatch(thread -> state(thread) == 'T');
    }

    /** What stands behind the name of the thread, which is in brackets. */
    private static char state(File thread) {
        try {
            String stat = new String(Files.readAllBytes(new File(thread, "stat").toPath()), StandardCharsets.UTF_8);
            return stat.charAt(stat.lastIndexOf(')') + 2);
        } catch (IOException e) {
            return 'T'; // it has ended
        }
    }

    private static long pid(Process process) {
        try {
            return (Long) Process.class.getMethod("pid").invoke(process);
        } catch (NoSuchMethodException e) {
            return pidInJava8(process);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Which knows it, but has no method for it. */
    private static long pidInJava8(Process process) {
        try {
            Field pid = process.getClass().getDeclaredField("pid");
            pid.setAccessible(true);
            return pid.getInt(process);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }
}
