package io.bop.vxc.vertx.node;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/** Threads that run tasks in order. They are daemons and go when they are idle. */
final class Threads {
    private static final long IDLE_SECONDS = 10;
    private static final AtomicInteger COUNT = new AtomicInteger();

    private Threads() {
    }

    /** Named as Vert.x names its own, for tools that tell threads by their names. */
    static Executor ordered(String name, Consumer<Throwable> failed) {
        String full = "vert.x-vxc-" + name + "-" + COUNT.getAndIncrement();
        ThreadPoolExecutor one = new ThreadPoolExecutor(
                1, 1, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> daemon(full, task));
        one.allowCoreThreadTimeOut(true);
        return task -> one.execute(() -> {
            try {
                task.run();
            } catch (RuntimeException e) { // of a listener: it must not keep the others from being told
                failed.accept(e);
            }
        });
    }

    static void run(String name, Runnable task) {
        daemon("vert.x-vxc-" + name + "-" + COUNT.getAndIncrement(), task).start();
    }

    /**
     * Keeps the JVM from ending until the returned task runs. While a node joins there may be daemons only: main has
     * returned, and Vert.x starts its event loops when it has joined.
     */
    static Runnable holdJvm(String name) {
        CountDownLatch held = new CountDownLatch(1);
        Thread thread = new Thread(() -> {
            try {
                held.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt(); // whoever wants it to end may have it
            }
        }, "vert.x-vxc-" + name + "-" + COUNT.getAndIncrement());
        thread.setDaemon(false);
        thread.start();
        return held::countDown;
    }

    private static Thread daemon(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }
}
