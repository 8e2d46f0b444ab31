package io.bop.vxc.vertx.node;

import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** A thread that runs tasks in order. It is a daemon, and goes while it is idle. Thread-safe. */
final class OrderedThread implements Executor {
    private static final long IDLE_SECONDS = 10;

    private final ThreadPoolExecutor one;
    private final Consumer<Throwable> failed;
    private volatile Thread running; // a task

    /** @param failed is told what a task throws: it must not keep the others from being run */
    OrderedThread(String name, Consumer<Throwable> failed) {
        String full = Threads.name(name);
        this.failed = failed;
        one = new ThreadPoolExecutor(1, 1, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(),
                task -> Threads.daemon(full, task));
        one.allowCoreThreadTimeOut(true);
    }

    @Override
    public void execute(Runnable task) {
        one.execute(() -> {
            running = Thread.currentThread();
            try {
                task.run();
            } catch (RuntimeException e) {
                failed.accept(e);
            } finally {
                running = null;
            }
        });
    }

    /** Is this called from one of its tasks? Then nothing may wait for another. */
    boolean isHere() {
        return running == Thread.currentThread();
    }
}
