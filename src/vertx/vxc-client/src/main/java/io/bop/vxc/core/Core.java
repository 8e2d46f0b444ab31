package io.bop.vxc.core;

import io.bop.vxc.Limits;
import io.bop.vxc.ServerInfo;
import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import io.bop.vxc.core.Pending.State;
import io.bop.vxc.wire.Frame;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import io.bop.vxc.wire.Pair;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * The client core: calls in, bytes out; bytes in, outcomes and notices out. No I/O, no clock; one thread. Semantics are
 * those of {@code src/client/core.h}.
 *
 * <pre>
 *     DOWN ── connected ──→ HELLO ── hello_reply ──→ SESSION ── session_reply ──→ READY
 *       ↑                     │  (no session wanted: straight to READY)             │
 *       └────── disconnected ─┴─────────────────────────────────────────────────────┘
 * </pre>
 *
 * <p>Calls stand in one list in the order of their submission, which is the order of their sequences. In READY they are
 * written as they come; after a break those that may be asked again go back to waiting and are written again, in order,
 * when READY is reached once more. The floor sent with each sequenced request is one less than the oldest sequence
 * without answer. A server that is not the primary is left, for the one that it names if it does. Refused requests were
 * not carried out and are asked again elsewhere, sequenced or not.
 *
 * <p>An acquire that was told "queued" keeps its place (and holds the floor down) until its outcome comes: after a
 * break it is sent again and so re-attaches. When its caller gives up, it is canceled at the server; a late grant is
 * released so.
 */
public final class Core {
    enum Phase { DOWN, HELLO, SESSION, READY }

    private static final int LOCK_GRANTED = 40;
    private static final int LOCK_TIMED_OUT = 41;
    private static final int SESSION_EXPIRED = 50;
    private static final int SESSION_CLOSED = 51;

    private final String clientName;
    private final byte[] namespace;
    private final CoreListener listener;
    private final Random random;
    final Patience patience;

    Phase phase = Phase.DOWN;
    Session session = new Session();
    final PendingList pending = new PendingList();
    private final Input in = new Input();
    private final Output out = new Output();
    private long nextDueMs = Long.MAX_VALUE; // no deadline or retry of a call is earlier
    private int nextRequestId;
    private int handshakeId; // of the hello or session request under way
    private int membersId; // of the last question for members, 0 = answered

    private ServerInfo server = ServerInfo.UNKNOWN;
    private String primaryAddress = "";
    private String lastReason = "not connected yet";
    private boolean searching; // the last server was not the primary
    boolean leaving; // this one is not: nothing more is asked, what was is answered …
    private long leaveMs; // … until then at the latest

    public Core(String clientName, byte[] namespace, long pingIntervalMs, Random random, CoreListener listener) {
        this.clientName = clientName;
        this.namespace = namespace;
        this.listener = listener;
        this.random = random;
        this.patience = new Patience(this, pingIntervalMs);
    }

    // ---- the connection ----

    public void connected(long nowMs) {
        in.clear();
        out.clear();
        leaving = false;
        primaryAddress = "";
        phase = Phase.HELLO;
        patience.connected(nowMs);
        handshakeId = nextId();
        Message hello = new Message(Kind.HELLO, (long) Frame.VERSION, (long) Frame.VERSION, 0L,
                clientName.getBytes(StandardCharsets.UTF_8), namespace);
        write(hello, Frame.REQUEST, handshakeId);
    }

    /** Ends what cannot be asked again (unknown), keeps the rest. */
    public void disconnected(String reason) {
        if (phase == Phase.DOWN) {
            lastReason = reason;
            return;
        }
        boolean news = phase == Phase.READY || !searching; // a step of the search is none
        phase = Phase.DOWN;
        lastReason = reason;
        for (Pending p = pending.first(), next; p != null; p = next) {
            next = p.next;
            if (p.state == State.WAITING) {
                continue;
            }
            // A frame whose last byte never left cannot have been carried out.
            p.everSent = p.everSent || p.endOffset <= out.sentBytes();
            if (p.repeatable || !p.everSent) {
                pending.move(p, State.WAITING);
                p.retryMs = 0;
            } else {
                fail(p, VxcException.unknown(VxcError.EUNKNOWN, "the connection broke before the answer (" + reason
                        + "); whether it took effect is not known"));
            }
        }
        out.clear();
        if (news) {
            listener.disconnected(reason);
        }
    }

    /** Are there other servers to go to? Then silence ends a connection much sooner. */
    public void setOthers(boolean others) {
        patience.setOthers(others);
    }

    /** Room for bytes that arrive; say {@link #received} behind it. */
    public ByteBuffer space() {
        return in.space();
    }

    /**
     * Bytes have arrived in {@link #space}.
     *
     * @throws VxcException this connection is of no use any more; ENOTPRIMARY: go to {@link #primaryAddress}, or look
     *     for the primary elsewhere
     */
    public void received(long nowMs) {
        patience.heard(nowMs);
        ByteBuffer bytes = in.beginReading();
        Frame frame;
        while (phase != Phase.DOWN && (frame = Frame.decode(bytes)) != null) {
            take(frame, nowMs);
        }
        in.endReading();
    }

    public boolean hasOutput() {
        return phase != Phase.DOWN && !out.isEmpty();
    }

    /** What is to be sent first: whoever sends moves the positions, then says {@link #sent}. */
    public ByteBuffer[] output() {
        return out.parts();
    }

    public void sent(long size, long nowMs) {
        out.sent(size);
        patience.sent(out.sentBytes(), nowMs);
    }

    /**
     * Deadlines, retries, pings.
     *
     * @throws VxcException drop the connection: ETIMEOUT, the server is silent; ENOTPRIMARY as above
     */
    public void tick(long nowMs) {
        if (nextDueMs <= nowMs) {
            serve(nowMs);
        }
        if (session.wish != null && session.wishDeadlineMs <= nowMs) {
            giveUpSession();
        }
        if (patience.isSessionDoubtful(nowMs)) {
            session.doubtful = true;
            listener.sessionDoubtful(session.id);
        }
        if (phase == Phase.DOWN) {
            return;
        }
        if (leaving && (nowMs >= leaveMs || mayLeave())) {
            throw notPrimary();
        }
        patience.check(nowMs);
    }

    /** When tick is wanted next; {@code Long.MAX_VALUE} when not. */
    public long dueMs() {
        long dueMs = Math.min(nextDueMs, session.wish == null ? Long.MAX_VALUE : session.wishDeadlineMs);
        return Math.min(dueMs, patience.dueMs(leaving ? leaveMs : Long.MAX_VALUE));
    }

    // ---- work ----

    public void submit(Call call, long nowMs) {
        boolean read = Operations.isRead(call.kind);
        boolean writes = !read && !Operations.isOfMembers(call.kind);
        if (writes && (session.lost || session.closing)) {
            call.failed(VxcException.failed(VxcError.ESESSION,
                    session.lost ? "the session is lost: open another one" : "the session is being closed"));
            return;
        }
        boolean sequenced = writes && call.kind != Kind.SESSION_CLOSE && session.sequences();
        long deadlineMs = call.timeoutMs == Call.FOREVER ? Long.MAX_VALUE : nowMs + call.timeoutMs;
        Pending p = new Pending(call, sequenced ? session.nextSequence++ : 0, deadlineMs);
        call.sequence(p.sequence);
        pending.add(p);
        noteDue(deadlineMs);
        if (call.kind == Kind.SESSION_CLOSE) {
            session.closing = true; // not sequenced: the record of what was answered goes with the session
        }
        if (mayWrite()) {
            write(p, nowMs);
        }
    }

    /** Its caller does not want it any more: what was not sent is not; an acquire gives up its place or its lock. */
    public void cancel(Call call, long nowMs) {
        Pending p = pending.of(call);
        if (p == null) {
            return;
        }
        if (p.state == State.WAITING && !p.everSent) {
            fail(p, VxcException.failed(VxcError.ECANCELED, "canceled before it was sent"));
        } else if (p.kind == Kind.LOCK_ACQUIRE) {
            cancelAcquire(p, nowMs);
        }
    }

    /** The grant of a sequenced acquire is not wanted any more, whether it has come or may come yet. */
    private void cancelAcquire(Pending p, long nowMs) {
        if (p.sequence == 0 || session.lost || session.closing) {
            return; // its session's end gives it back
        }
        byte[] lock = Message.decode(p.kind.number, p.call.payload).bytes("lock");
        submit(new Call(new Message(Kind.LOCK_CANCEL, lock, p.sequence), Call.FOREVER, false) {
            @Override
            protected void done(Message reply) {
                // the server has given it back
            }

            @Override
            protected void failed(VxcException failure) {
                // the session's end has given it back
            }
        }, nowMs);
    }

    /** Ends everything: calls, and a session that is being opened. */
    public void failAll(VxcError error, String text) {
        for (Pending p = pending.first(), next; p != null; p = next) {
            next = p.next;
            boolean unknown = !p.read && (p.everSent || p.state != State.WAITING);
            fail(p, unknown ? VxcException.unknown(error, text) : VxcException.failed(error, text));
        }
        endWish(VxcException.failed(error, text));
    }

    // ---- the session ----

    /** EEXISTS when there is one. The wish is answered, or ends by its deadline. */
    public void openSession(SessionWish wish, long nowMs) {
        if (session.wanted) {
            wish.failed(VxcException.failed(VxcError.EEXISTS, "the client has a session already"));
            return;
        }
        session = Session.wanted(wish, nowMs);
        patience.sessionBegins();
        if (phase == Phase.READY && !leaving) {
            if (server.isPrimary()) {
                beginSession();
            } else {
                startLeaving(nowMs);
            }
        }
    }

    private void beginSession() {
        phase = Phase.SESSION;
        handshakeId = nextId();
        write(session.request(), Frame.REQUEST, handshakeId);
    }

    /** failure null: it is open. */
    private void endWish(VxcException failure) {
        SessionWish wish = session.wish;
        session.wish = null;
        if (wish == null) {
            return;
        }
        if (failure == null) {
            wish.opened(session.id);
        } else {
            wish.failed(failure);
        }
    }

    private void giveUpSession() {
        VxcException failure = searching
                ? VxcException.failed(VxcError.ENOTPRIMARY, "no node of the cluster is its primary now: " + lastReason)
                : VxcException.failed(phase == Phase.DOWN ? VxcError.ECLOSED : VxcError.ETIMEOUT,
                        "no session in time: " + (phase == Phase.DOWN ? lastReason : "the server does not answer"));
        refuseSession(failure);
        if (phase == Phase.SESSION) {
            phase = Phase.READY; // a late answer is one to nobody
            nextDueMs = 0; // what waited for the session goes at the next tick
        }
    }

    /** There will be none: what was to be sent under it is not sent. */
    private void refuseSession(VxcException failure) {
        for (Pending p = pending.first(), next; p != null; p = next) {
            next = p.next;
            if (p.sequence != 0) {
                fail(p, failure);
            }
        }
        endWish(failure);
        session = new Session();
    }

    /** The server does not know the session any more. What was sent under it may have taken effect. */
    private void loseSession(String text) {
        long id = session.id;
        boolean closing = session.closing;
        session.wanted = false;
        session.lost = true;
        session.id = 0;
        endWish(VxcException.failed(VxcError.ESESSION, text));
        for (Pending p = pending.first(), next; p != null; p = next) {
            next = p.next;
            if (p.sequence != 0) {
                boolean unknown = p.everSent || p.state != State.WAITING;
                fail(p, unknown
                        ? VxcException.unknown(VxcError.EUNKNOWN,
                                "the session was lost before the answer; whether it took effect is not known")
                        : VxcException.failed(VxcError.ESESSION, text));
            }
        }
        if (closing) {
            endClosing();
            return;
        }
        for (Locks.Held lock : session.locks.takeAll()) {
            listener.lockLost(lock.name, lock.token, text);
        }
        listener.sessionLost(id, text);
    }

    /** The session is gone, at our own wish. */
    private void endClosing() {
        session = new Session();
        for (Pending p = pending.first(), next; p != null; p = next) {
            next = p.next;
            if (p.kind == Kind.SESSION_CLOSE) {
                finish(p, new Message(Kind.DONE_REPLY, 0L));
            }
        }
    }

    // ---- calls ----

    /** Takes the call off the list first: its end may bring others. */
    private void finish(Pending p, Message reply) {
        pending.remove(p);
        session.noteLock(p, reply);
        p.call.done(reply);
    }

    private void fail(Pending p, VxcException failure) {
        pending.remove(p);
        p.call.failed(failure);
    }

    private void noteDue(long dueMs) {
        nextDueMs = Math.min(nextDueMs, dueMs);
    }

    /** To a server that is being left nothing is written any more. */
    private boolean mayWrite() {
        return phase == Phase.READY && !leaving;
    }

    private void write(Message message, int flags, int requestId) {
        out.add(Frame.encode(flags, message.kind.number, requestId, message.encode()));
    }

    private void write(Pending p, long nowMs) {
        int id = nextId();
        try {
            p.endOffset = out.add(Frame.encode(p.flags(), p.kind.number, id, p.sequence,
                    pending.floor(session.nextSequence - 1), p.call.payload));
        } catch (VxcException tooBig) {
            fail(p, tooBig);
            return;
        }
        if (!pending.hasSent()) {
            patience.asked(nowMs);
        }
        pending.sent(p, id);
    }

    private void writeWaiting(long nowMs) {
        for (Pending p = pending.first(), next; p != null && mayWrite() && pending.hasWaiting(); p = next) {
            next = p.next;
            if (p.state == State.WAITING && p.retryMs <= nowMs) {
                write(p, nowMs);
            }
        }
    }

    /** Ends the overdue, writes what waited long enough, and finds the next moment of either. */
    private void serve(long nowMs) {
        for (Pending p = pending.first(), next; p != null; p = next) {
            next = p.next;
            if (p.deadlineMs <= nowMs) {
                failOverdue(p, nowMs);
            }
        }
        writeWaiting(nowMs);
        nextDueMs = Long.MAX_VALUE;
        for (Pending p = pending.first(); p != null; p = p.next) {
            noteDue(p.deadlineMs);
            if (p.state == State.WAITING && p.retryMs > nowMs) {
                noteDue(p.retryMs);
            }
        }
    }

    private void failOverdue(Pending p, long nowMs) {
        boolean unasked = p.state == State.WAITING && !p.everSent;
        String where = phase == Phase.DOWN ? ": " + lastReason : "";
        if (p.kind == Kind.LOCK_ACQUIRE && !unasked) {
            cancelAcquire(p, nowMs);
        }
        if (p.kind == Kind.SESSION_CLOSE) {
            session.closing = false;
        }
        if ((unasked || p.read && p.state == State.WAITING) && searching) {
            fail(p, VxcException.failed(VxcError.ENOTPRIMARY, "no node of the cluster is its primary now" + where));
        } else if (unasked && p.busyCount > 0) {
            fail(p, VxcException.failed(VxcError.EBUSY, "the server is busy: try again later"));
        } else if (unasked || p.read) {
            fail(p, VxcException.failed(VxcError.ETIMEOUT, "no answer in time" + where));
        } else {
            fail(p, VxcException.unknown(VxcError.ETIMEOUT, "no answer in time; it may still take effect" + where));
        }
    }

    private void askAgainLater(Pending p, long nowMs) {
        int delayMs = Math.min(Limits.BUSY_RETRY_MS_MIN << Math.min(p.busyCount, 6), Limits.BUSY_RETRY_MS_MAX);
        p.busyCount++;
        pending.move(p, State.WAITING);
        p.retryMs = nowMs + delayMs / 2 + random.nextInt(delayMs / 2 + 1);
        noteDue(p.retryMs);
    }

    // ---- what arrives ----

    private void take(Frame frame, long nowMs) {
        if (frame.has(Frame.PONG) || frame.kind == Kind.PONG.number) {
            patience.pong();
            return;
        }
        boolean event = frame.has(Frame.EVENT);
        if (event && Kind.of(frame.kind) == null) {
            return; // of a later version
        }
        Message m = frame.message();
        if (event) {
            takeEvent(m);
        } else if (frame.requestId == handshakeId && phase == Phase.HELLO) {
            takeHello(m, nowMs);
        } else if (frame.requestId == handshakeId && phase == Phase.SESSION) {
            takeSession(m, nowMs);
        } else if (frame.requestId == membersId && membersId != 0) {
            takeMembers(m);
        } else {
            takeReply(frame, m, nowMs);
            // One refusal is enough, but what cannot be asked again gets its own answer first.
            if (leaving && mayLeave()) {
                throw notPrimary();
            }
        }
    }

    private void takeHello(Message m, long nowMs) {
        VxcError error = Replies.error(m);
        if (error != null) {
            throw VxcException.failed(error, "the server refused the hello: " + Replies.text(m));
        }
        if (m.kind != Kind.HELLO_REPLY) {
            throw VxcException.failed(VxcError.EPROTO, "hello was answered by " + m.kind);
        }
        server = new ServerInfo(
                m.number("node_id"), m.bytes("cluster_id"), m.text("server_version"), m.truth("primary"));
        if (!server.isPrimary()) {
            primaryAddress = m.text("primary_address");
            if (needsPrimary()) {
                searching = true;
                throw notPrimary();
            }
        }
        if (session.wanted) {
            beginSession();
        } else {
            becomeReady(nowMs);
        }
    }

    private void becomeReady(long nowMs) {
        phase = Phase.READY;
        searching = searching && !server.isPrimary();
        patience.ready(server.nodeId(), nowMs);
        writeWaiting(nowMs);
        askMembers();
        listener.connected(server, session.id);
    }

    void askMembers() {
        membersId = nextId();
        write(new Message(Kind.MEMBER_LIST), Frame.REQUEST, membersId);
    }

    /** Returns where it ends within all that this connection sends. */
    long ping() {
        return out.add(Frame.encode(Frame.REQUEST | Frame.PING, Kind.PING.number, nextId(), new byte[0]));
    }

    private void takeMembers(Message m) {
        membersId = 0;
        if (m.kind != Kind.PAGE_REPLY) {
            return; // an older server has no list
        }
        List<String> addresses = new ArrayList<>();
        for (Pair row : m.pairs("rows")) {
            addresses.add(Message.decode(Kind.MEMBER_INFO.number, row.second).text("address"));
        }
        listener.members(addresses);
    }

    private void takeSession(Message m, long nowMs) {
        VxcError error = Replies.error(m);
        if (error != null) {
            takeSessionRefusal(error, m, nowMs);
            return;
        }
        if (m.kind != Kind.SESSION_REPLY || m.number("session") == 0
                || m.bytes("secret").length > Limits.SECRET_SIZE_MAX) {
            throw VxcException.failed(VxcError.EPROTO, "a session request was answered by " + m.kind
                    + (m.kind == Kind.SESSION_REPLY ? " without id, or with a secret that is too long" : ""));
        }
        session.granted(m);
        server = server.as(true); // nobody else gives sessions
        if (m.truth("resync")) {
            listener.resync(m.number("index"));
        }
        becomeReady(nowMs);
        endWish(null);
    }

    private void takeSessionRefusal(VxcError error, Message m, long nowMs) {
        String text = Replies.text(m);
        if (error == VxcError.ENOTPRIMARY) {
            primaryAddress = Replies.primary(m);
            searching = true;
            throw notPrimary();
        }
        if (isForAWhile(error)) {
            throw VxcException.failed(error, "no session yet: " + text);
        }
        if (session.isOpen() && session.wish == null) {
            loseSession(text);
        } else {
            refuseSession(VxcException.failed(error, text));
        }
        becomeReady(nowMs);
    }

    /** Does the refusal say nothing about the session itself? It is asked for again then. */
    private boolean isForAWhile(VxcError error) {
        switch (error) {
            case EBUSY:
            case ENOQUORUM:
            case EUNKNOWN:
                return true;
            case ENOSPC: // the lease goes on
            case ENOMEM:
                return session.isOpen();
            default:
                return false;
        }
    }

    private void takeReply(Frame frame, Message m, long nowMs) {
        Pending p = pending.ofRequest(frame.requestId);
        if (p == null) {
            return; // its caller gave up waiting
        }
        VxcError error = Replies.error(m);
        if (error != null) {
            takeRefusal(p, error, m, nowMs);
            return;
        }
        if (m.kind != p.kind.reply()) {
            throw VxcException.failed(VxcError.EPROTO, p.kind + " was answered by " + m.kind);
        }
        session.seen(p, m.number("index"));
        if (isQueued(p, frame, m)) {
            if (p.state == State.SENT) {
                pending.move(p, State.QUEUED);
            }
        } else {
            finish(p, m);
            if (p.kind == Kind.SESSION_CLOSE) {
                endClosing();
            }
        }
    }

    /** An acquire that stands in the queue: its outcome is an event. */
    private static boolean isQueued(Pending p, Frame frame, Message m) {
        return p.kind == Kind.LOCK_ACQUIRE && !m.truth("acquired")
                && (m.number("queue_position") != 0 || frame.has(Frame.MORE));
    }

    private void takeRefusal(Pending p, VxcError error, Message m, long nowMs) {
        String text = Replies.text(m);
        switch (error) {
            case ETIMEOUT:
                if (p.kind == Kind.LOCK_ACQUIRE) { // asked again after the wait was over: as by event
                    finish(p, notAcquired(m.number("index")));
                } else {
                    failKnown(p, error, text);
                }
                break;
            case EBUSY: // what it means to a change of the membership is for its caller to read
                if (Operations.isOfMembers(p.kind)) {
                    failKnown(p, error, text);
                } else {
                    askAgainLater(p, nowMs);
                }
                break;
            case EUNKNOWN: // whoever is the primary next knows whether the sequence has been carried out
                if (p.sequence != 0 && session.isOpen()) {
                    p.everSent = true;
                    askAgainLater(p, nowMs);
                } else {
                    fail(p, p.read ? VxcException.failed(error, text) : VxcException.unknown(error, text));
                }
                break;
            case ENOTPRIMARY: // refused, hence not carried out: it is asked again at the primary
                pending.move(p, State.WAITING);
                p.retryMs = 0;
                primaryAddress = Replies.primary(m);
                startLeaving(nowMs);
                break;
            case ESESSION:
                takeSessionGone(p, text);
                break;
            default:
                failKnown(p, error, text);
                break;
        }
    }

    private void takeSessionGone(Pending p, String text) {
        if (p.kind == Kind.SESSION_CLOSE) {
            endClosing();
        } else if (p.sequence != 0 && session.isOpen()) {
            fail(p, p.everSent ? VxcException.unknown(VxcError.EUNKNOWN, text)
                    : VxcException.failed(VxcError.ESESSION, text));
            loseSession(text);
        } else {
            failKnown(p, VxcError.ESESSION, text);
        }
    }

    private void failKnown(Pending p, VxcError error, String text) {
        fail(p, VxcException.failed(error, text));
    }

    private static Message notAcquired(long index) {
        return new Message(Kind.LOCK_REPLY, index, false, 0L, 0L);
    }

    // ---- events ----

    private void takeEvent(Message m) {
        switch (m.kind) {
            case EVENT_LOCK:
                takeLockOutcome(m);
                break;
            case EVENT_DATA:
            case EVENT_MEMBERS:
            case EVENT_REGISTRATIONS:
                if (session.isNew(m)) {
                    listener.event(m);
                }
                break;
            case EVENT_SESSION:
                takeSessionEnd(m);
                break;
            case EVENT_RESYNC: // the reply to the resume says so too
                break;
            default:
                break;
        }
    }

    private void takeLockOutcome(Message m) {
        Pending p = pending.ofSequence(m.number("acquire_sequence"));
        if (p == null || p.kind != Kind.LOCK_ACQUIRE) {
            return; // repeated, or its caller gave up
        }
        switch ((int) m.number("type")) {
            case LOCK_GRANTED:
                finish(p, new Message(Kind.LOCK_REPLY, m.number("index"), true, m.number("token"), 0L));
                break;
            case LOCK_TIMED_OUT:
                finish(p, notAcquired(m.number("index")));
                break;
            default:
                failKnown(p, VxcError.ECANCELED, "the wait for the lock was canceled");
                break;
        }
    }

    private void takeSessionEnd(Message m) {
        if (m.number("session") != session.id) {
            return;
        }
        long type = m.number("type");
        if (type == SESSION_EXPIRED) {
            loseSession("the session has expired");
        } else if (type == SESSION_CLOSED && !session.closing) {
            loseSession("the session was closed by another connection");
        }
    }

    // ---- the primary ----

    private boolean needsPrimary() {
        for (Pending p = pending.first(); p != null; p = p.next) {
            if (!p.anyNode) {
                return true;
            }
        }
        return session.wanted;
    }

    private void startLeaving(long nowMs) {
        searching = true;
        server = server.as(false);
        if (!leaving) {
            leaving = true;
            leaveMs = nowMs + Limits.LEAVE_MS;
        }
    }

    /** May the server be left now? All but a write without sequence is asked again anyway. */
    private boolean mayLeave() {
        for (Pending p = pending.first(); p != null; p = p.next) {
            if (p.state == State.SENT && !p.repeatable && p.endOffset <= out.sentBytes()) {
                return false;
            }
        }
        return true;
    }

    private VxcException notPrimary() {
        return VxcException.failed(VxcError.ENOTPRIMARY, "node " + Long.toUnsignedString(server.nodeId())
                + " is not the primary" + (primaryAddress.isEmpty() ? "" : "; it names " + primaryAddress));
    }

    private int nextId() {
        nextRequestId++;
        if (nextRequestId == 0) { // 0 marks events
            nextRequestId = 1;
        }
        return nextRequestId;
    }

    // ---- inspection ----

    public boolean isReady() {
        return phase == Phase.READY;
    }

    /** Has this server said that it is not the primary, and is left? */
    public boolean isLeaving() {
        return phase == Phase.READY && leaving;
    }

    /** Is a primary being looked for, none of the servers asked last having been it? */
    public boolean isSearching() {
        return searching;
    }

    /** Where the server says the primary is; "" when it is here or nobody knows. */
    public String primaryAddress() {
        return primaryAddress;
    }

    public ServerInfo server() {
        return server;
    }

    /** Of the open session; 0 when there is none. */
    public long sessionId() {
        return session.id;
    }

    public byte[] sessionSecret() {
        return session.secret.clone();
    }

    /** Of the next sequenced request. */
    public long nextSequence() {
        return session.nextSequence;
    }

    public long leaseMs() {
        return session.leaseMs;
    }
}
