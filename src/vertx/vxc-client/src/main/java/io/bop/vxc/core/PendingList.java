package io.bop.vxc.core;

import io.bop.vxc.core.Pending.State;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;

/** All calls that have not ended, in the order of their submission, which is that of their sequences. */
final class PendingList {
    private final Map<Integer, Pending> byRequestId = new HashMap<>(); // SENT and QUEUED
    private final Map<Long, Pending> bySequence = new HashMap<>();
    /** In the order of their sequences; those that are answered go when they are the first. */
    private final ArrayDeque<Pending> unanswered = new ArrayDeque<>();
    private Pending first;
    private Pending last;
    private int waitingCount;
    private int sentCount;

    /** The oldest; walk on by {@code next}, taken before the call may end. */
    Pending first() {
        return first;
    }

    boolean hasWaiting() {
        return waitingCount > 0;
    }

    boolean hasSent() {
        return sentCount > 0;
    }

    void add(Pending p) {
        p.previous = last;
        if (last == null) {
            first = p;
        } else {
            last.next = p;
        }
        last = p;
        waitingCount++;
        if (p.sequence != 0) {
            bySequence.put(p.sequence, p);
            unanswered.add(p);
        }
    }

    void remove(Pending p) {
        move(p, State.WAITING);
        waitingCount--;
        if (p.previous == null) {
            first = p.next;
        } else {
            p.previous.next = p.next;
        }
        if (p.next == null) {
            last = p.previous;
        } else {
            p.next.previous = p.previous;
        }
        bySequence.remove(p.sequence);
        p.ended = true;
    }

    /** The only way into another state; SENT with the request id of its frame. */
    void move(Pending p, State state) {
        waitingCount -= p.state == State.WAITING ? 1 : 0;
        sentCount -= p.state == State.SENT ? 1 : 0;
        if (state == State.WAITING && p.state != State.WAITING) {
            byRequestId.remove(p.requestId);
        }
        p.state = state;
        waitingCount += state == State.WAITING ? 1 : 0;
        sentCount += state == State.SENT ? 1 : 0;
    }

    void sent(Pending p, int requestId) {
        p.requestId = requestId;
        move(p, State.SENT);
        byRequestId.put(requestId, p);
    }

    /** {@code null}: its caller gave up waiting. */
    Pending ofRequest(int requestId) {
        return byRequestId.get(requestId);
    }

    Pending ofSequence(long sequence) {
        return bySequence.get(sequence);
    }

    Pending of(Call call) {
        Pending p = first;
        while (p != null && p.call != call) {
            p = p.next;
        }
        return p;
    }

    /** The floor to send: one less than the oldest sequence without answer, {@code otherwise} when there is none. */
    long floor(long otherwise) {
        while (!unanswered.isEmpty() && unanswered.peek().ended) {
            unanswered.poll();
        }
        return unanswered.isEmpty() ? otherwise : unanswered.peek().sequence - 1;
    }
}
