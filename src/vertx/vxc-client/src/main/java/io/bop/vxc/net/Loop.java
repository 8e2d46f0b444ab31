package io.bop.vxc.net;

import io.bop.vxc.VxcError;
import io.bop.vxc.core.Core;
import java.io.IOException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;

/**
 * The thread that drives a client's core and connection: tasks of other threads, the socket, the clock. It never blocks
 * but in its selector. Whatever ends it, every call ends too.
 */
public final class Loop {
    /** Something to be done on the loop's thread, or told that it never will. */
    public interface Task {
        void run(long nowMs);

        /** The loop has ended; on whatever thread finds out. */
        void rejected();
    }

    private static final long SELECT_MS_MAX = 60_000;
    private static final AtomicInteger COUNT = new AtomicInteger();

    private final Core core;
    private final Connection connection;
    private final Runnable onEnd;
    private final LongSupplier clock = () -> TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
    private final Queue<Task> tasks = new ConcurrentLinkedQueue<>();
    private final Selector selector;
    /** Between waking the selector and closing it; the selector holds its own lock while it sleeps. */
    private final Object gate = new Object();
    private final Thread thread;
    private Link registered;
    private SelectionKey key;
    private boolean readable; // something has arrived
    private volatile boolean asleep;
    private volatile boolean stopped;
    private volatile boolean ended;

    /** @param onEnd runs once, on the loop's thread, when all calls have ended */
    public Loop(Core core, Connection connection, Runnable onEnd) throws IOException {
        this.core = core;
        this.connection = connection;
        this.onEnd = onEnd;
        this.selector = Selector.open();
        this.thread = new Thread(this::run, "vxc-client-" + COUNT.incrementAndGet());
        thread.setDaemon(true);
    }

    public void start() {
        thread.start();
    }

    /** Any thread. */
    public void execute(Task task) {
        tasks.add(task);
        if (ended) {
            rejectAll();
        } else if (asleep) {
            wake();
        }
    }

    /** Ends the loop soon: calls under way end with ECANCELED. Any thread; again is fine. */
    public void stop() {
        stopped = true;
        wake();
    }

    private void wake() {
        synchronized (gate) {
            if (selector.isOpen()) {
                selector.wakeup();
            }
        }
    }

    public boolean isEnded() {
        return ended;
    }

    private void run() {
        VxcError why = VxcError.ECANCELED;
        String text = "the client was closed";
        try {
            while (!stopped) {
                turn();
            }
        } catch (Throwable e) { // a bug, or no memory: nobody may wait for ever
            why = VxcError.EIO;
            text = "the client ended: " + e;
            report(e);
        }
        end(why, text);
    }

    private void turn() throws IOException {
        long nowMs = clock.getAsLong();
        for (Task task; (task = tasks.poll()) != null; ) {
            task.run(nowMs);
        }
        connection.turn(clock.getAsLong(), readable);
        register();
        long waitMs = Math.min(connection.dueMs() - clock.getAsLong(), SELECT_MS_MAX);
        asleep = true;
        if (waitMs <= 0 || !tasks.isEmpty() || stopped) {
            selector.selectNow();
        } else {
            selector.select(waitMs);
        }
        asleep = false;
        readable = key != null && selector.selectedKeys().contains(key) && key.isValid() && key.isReadable();
        selector.selectedKeys().clear();
    }

    private void register() throws IOException {
        Link link = connection.link();
        if (link != registered) {
            registered = link;
            key = link == null ? null : link.channel().register(selector, 0);
        }
        if (key != null && key.isValid()) {
            int interest = connection.interest();
            if (key.interestOps() != interest) {
                key.interestOps(interest);
            }
        }
    }

    private static void report(Throwable e) {
        Thread thread = Thread.currentThread();
        thread.getUncaughtExceptionHandler().uncaughtException(thread, e);
    }

    private void end(VxcError why, String text) {
        connection.close();
        try {
            synchronized (gate) {
                selector.close();
            }
        } catch (IOException e) {
            // nobody waits on it any more
        }
        core.failAll(why, text);
        ended = true;
        rejectAll();
        onEnd.run();
    }

    private void rejectAll() {
        for (Task task; (task = tasks.poll()) != null; ) {
            task.rejected();
        }
    }
}
