package io.bop.vxc;

import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Runs what callers are told, in its order: on their executor, or on one daemon thread that goes when it is idle. */
final class Dispatcher {
    private static final long IDLE_SECONDS = 10;
    private static final AtomicInteger COUNT = new AtomicInteger();

    private final Executor executor;
    private volatile Thread here; // runs a task now

    Dispatcher(Executor given) {
        executor = given != null ? given : ownThread();
    }

    private static Executor ownThread() {
        String name = "vxc-dispatch-" + COUNT.incrementAndGet();
        ThreadPoolExecutor pool = new ThreadPoolExecutor(
                1, 1, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> {
                    Thread thread = new Thread(task, name);
                    thread.setDaemon(true);
                    return thread;
                });
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }

    void execute(Runnable task) {
        Runnable guarded = () -> run(task);
        try {
            executor.execute(guarded);
        } catch (RejectedExecutionException e) { // the caller's executor has ended: a stage completes all the same
            guarded.run();
        }
    }

    private void run(Runnable task) {
        Thread thread = Thread.currentThread();
        Thread outer = here; // a direct executor runs one task within another
        here = thread;
        try {
            task.run();
        } catch (Throwable e) { // of a listener: it must not end the others
            thread.getUncaughtExceptionHandler().uncaughtException(thread, e);
        } finally {
            here = outer == thread ? outer : null;
        }
    }

    /** Is this called from a task? */
    boolean isHere() {
        return here == Thread.currentThread();
    }
}
