package io.bop.vxc.core;

import io.bop.vxc.Limits;
import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import io.bop.vxc.core.Core.Phase;

/**
 * Pings, and when a silent server is given up.
 *
 * <p>A server that is nobody's only hope is given up soon: it is pinged as soon as a request has waited for
 * {@link Limits#ASK_MS} in silence, and left {@link Limits#SILENCE_MS} after the ping. One that is merely slow is found
 * again by the search for the primary, and given twice the time.
 */
final class Patience {
    private static final long NEVER = -1;

    private final Core core;
    private final long pingIntervalMs;

    private boolean others; // there are other servers to go to
    private long sentMs; // when something was last sent, …
    private long heardMs; // … and received
    private long lifeMs = NEVER; // when a server that serves the session last said anything
    private long askedMs; // since when there have been requests without answer
    private boolean pingOpen; // a ping is unanswered …
    private long pingEnd; // … its end within all that this connection sends …
    private long pingMs; // … and when that was sent; NEVER = not yet
    private long membersDueMs = Long.MAX_VALUE;
    private long silentNode; // was left for its silence, and how often in a row
    private int silentCount;

    Patience(Core core, long pingIntervalMs) {
        this.core = core;
        this.pingIntervalMs = pingIntervalMs;
    }

    // ---- what happened ----

    void setOthers(boolean others) {
        this.others = others;
    }

    void connected(long nowMs) {
        pingOpen = false;
        membersDueMs = Long.MAX_VALUE;
        sentMs = nowMs;
        heardMs = nowMs;
    }

    /** Another one: what was heard before says nothing of it. */
    void sessionBegins() {
        lifeMs = NEVER;
    }

    void ready(long nodeId, long nowMs) {
        if (nodeId != silentNode) {
            silentCount = 0;
        }
        if (core.session.isOpen()) {
            lifeMs = nowMs;
        }
        membersDueMs = nowMs + Limits.MEMBERS_MS;
    }

    void heard(long nowMs) {
        heardMs = nowMs;
        if (core.phase == Phase.READY && core.session.isOpen() && !core.leaving) {
            lifeMs = nowMs;
            core.session.doubtful = false;
        }
    }

    void sent(long sentBytes, long nowMs) {
        if (pingOpen && pingMs == NEVER && pingEnd <= sentBytes) {
            pingMs = nowMs;
        }
        sentMs = nowMs;
    }

    void asked(long nowMs) {
        askedMs = nowMs;
    }

    void pong() {
        pingOpen = false;
    }

    // ---- what is due ----

    /** Pings, asks for the members, or throws: the server is silent for too long. */
    void check(long nowMs) {
        if (silentMs() <= nowMs) {
            giveUp(nowMs);
        }
        if (core.phase != Phase.READY) {
            return;
        }
        if (membersDueMs <= nowMs) {
            membersDueMs = nowMs + Limits.MEMBERS_MS;
            core.askMembers();
        }
        if (!pingOpen && pingDueMs() <= nowMs) {
            pingOpen = true;
            pingMs = NEVER;
            pingEnd = core.ping();
            sentMs = nowMs;
        }
    }

    /** When {@link Core#tick} is wanted because of all this; leaveMs: when the server is left in any case. */
    long dueMs(long leaveMs) {
        long dueMs = doubtMs();
        if (core.phase == Phase.DOWN) {
            return dueMs;
        }
        if (core.phase != Phase.READY) {
            return Math.min(dueMs, silentMs());
        }
        return Math.min(Math.min(dueMs, leaveMs), Math.min(membersDueMs, pingOpen ? silentMs() : pingDueMs()));
    }

    /** A tenth less than the lease, for the server began to count before we heard from it. */
    private long doubtMs() {
        Session session = core.session;
        return !session.isOpen() || session.doubtful || lifeMs == NEVER
                ? Long.MAX_VALUE
                : lifeMs + session.leaseMs - session.leaseMs / 10;
    }

    boolean isSessionDoubtful(long nowMs) {
        return nowMs >= doubtMs();
    }

    // ---- how long ----

    /** A session needs life signs well within its lease. */
    private long pingInterval() {
        long intervalMs = core.session.isOpen() ? Math.min(core.session.leaseMs / 3, pingIntervalMs) : pingIntervalMs;
        return Math.max(intervalMs, 1);
    }

    /** When the next ping is due, if none is open. */
    private long pingDueMs() {
        long idleMs = sentMs + pingInterval();
        return others && core.pending.hasSent() ? Math.min(Math.max(askedMs, heardMs) + Limits.ASK_MS, idleMs) : idleMs;
    }

    /** How long a server may be silent that has to say something. */
    private long patienceMs() {
        long aloneMs = Math.min(3 * pingInterval(), Limits.SILENCE_MS_ALONE);
        if (!others) {
            return aloneMs;
        }
        long othersMs = (long) Limits.SILENCE_MS << Math.min(silentCount, 4);
        if (core.phase == Phase.HELLO) {
            othersMs = Limits.HELLO_MS;
        } else if (core.session.isOpen()) {
            othersMs = Math.min(core.session.leaseMs / 4, othersMs);
        }
        return Math.min(othersMs, aloneMs);
    }

    private long silentMs() {
        if (core.phase == Phase.READY && !pingOpen) {
            return Long.MAX_VALUE; // nothing to say
        }
        long sinceMs = pingOpen && pingMs != NEVER ? pingMs : sentMs;
        return Math.max(heardMs, sinceMs) + patienceMs();
    }

    private void giveUp(long nowMs) {
        if (core.phase != Phase.HELLO) { // else we do not know who is silent
            long nodeId = core.server().nodeId();
            silentCount = nodeId == silentNode ? silentCount + 1 : 1;
            silentNode = nodeId;
        }
        throw VxcException.failed(VxcError.ETIMEOUT, "the server is silent for " + (nowMs - heardMs) + " ms");
    }
}
