package io.bop.vxc;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Which calls are under way, and which wait in front. At most {@link Limits#PENDING_MAX} calls and
 * {@link Limits#PENDING_BYTES_MAX} bytes of them are under way; more wait, in order, as far as the client was made with
 * a queue. Thread-safe.
 */
final class Admission {
    private final int queueMax;
    private final Consumer<ClientCall<?>> start;
    private final Deque<ClientCall<?>> queue = new ArrayDeque<>();
    private long queueBytes;
    private int count;
    private long bytes;

    /** @param start called in the order of calls, and must not wait */
    Admission(int queueMax, Consumer<ClientCall<?>> start) {
        this.queueMax = queueMax;
        this.start = start;
    }

    /** It is started now or in its turn. {@code EBUSY}: there is no place for it. */
    synchronized void enter(ClientCall<?> call) {
        if (queue.isEmpty() && fits(call)) {
            take(call);
        } else if (queue.size() < queueMax && queueBytes + call.size() <= Limits.QUEUE_BYTES_MAX) {
            call.queuedNs = System.nanoTime();
            queue.add(call);
            queueBytes += call.size();
        } else {
            throw VxcException.failed(VxcError.EBUSY, count + " calls with " + bytes + " bytes are under way already"
                    + (queueMax == 0 ? "" : ", and " + queue.size() + " wait"));
        }
    }

    /** A call that was started is under way no more. */
    synchronized void leave(ClientCall<?> call) {
        count--;
        bytes -= call.size();
        for (ClientCall<?> next; (next = queue.peek()) != null && fits(next); ) {
            queue.remove();
            queueBytes -= next.size();
            next.waited(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - next.queuedNs));
            take(next);
        }
    }

    private boolean fits(ClientCall<?> call) {
        return count < Limits.PENDING_MAX && bytes + call.size() <= Limits.PENDING_BYTES_MAX;
    }

    private void take(ClientCall<?> call) {
        count++;
        bytes += call.size();
        start.accept(call);
    }
}
