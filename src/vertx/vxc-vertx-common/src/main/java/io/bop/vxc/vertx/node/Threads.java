package io.bop.vxc.vertx.node;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** Threads, named as Vert.x names its own, for tools that tell threads by their names. */
final class Threads {
    private static final AtomicInteger COUNT = new AtomicInteger();

    private Threads() {
    }

    static String name(String what) {
        return "vert.x-vxc-" + what + "-" + COUNT.getAndIncrement();
    }

    static Thread daemon(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }

    static void run(String what, Runnable task) {
        daemon(name(what), task).start();
    }

    /**
     * Keeps the JVM from ending until the returned task runs. While a node joins there may be daemons only: main has
     * returned, and Vert.x starts its event loops when it has joined.
     */
    static Runnable holdJvm(String what) {
        CountDownLatch held = new CountDownLatch(1);
        Thread thread = new Thread(() -> {
            try {
                held.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt(); // whoever wants it to end may have it
            }
        }, name(what));
        thread.setDaemon(false);
        thread.start();
        return held::countDown;
    }
}
