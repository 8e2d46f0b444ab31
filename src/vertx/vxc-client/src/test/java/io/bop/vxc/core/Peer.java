package io.bop.vxc.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.ServerInfo;
import io.bop.vxc.VxcException;
import io.bop.vxc.wire.Frame;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import io.bop.vxc.wire.Pair;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Random;

/** A core, the server that it talks to, and the time: all in the hands of a test. */
final class Peer implements CoreListener {
    static final byte[] NONE = new byte[0];

    /** One request as the server sees it. */
    static final class Asked {
        final Frame frame;
        final Message message;

        Asked(Frame frame) {
            this.frame = frame;
            this.message = frame.message();
        }

        Kind kind() {
            return message.kind;
        }
    }

    /** A call that notes its outcome. */
    static final class Noted extends Call {
        Message reply;
        VxcException failure;

        Noted(long timeoutMs, boolean stale, Kind kind, Object... values) {
            super(new Message(kind, values), timeoutMs, stale);
        }

        @Override
        protected void done(Message reply) {
            assertTrue(this.reply == null && failure == null, "once");
            this.reply = reply;
        }

        @Override
        protected void failed(VxcException failure) {
            assertTrue(this.reply == null && this.failure == null, "once");
            this.failure = failure;
        }

        boolean isOver() {
            return reply != null || failure != null;
        }

        String outcome() {
            return reply != null ? "done" : failure == null ? "open"
                    : failure.error() + (failure.isUnknown() ? " unknown" : "");
        }
    }

    final Core core = new Core("test", bytes("space"), 20_000, new Random(1), this);
    final List<String> told = new ArrayList<>();
    final Deque<Asked> asked = new ArrayDeque<>();
    List<String> members = Collections.emptyList();
    long nowMs = 1000;
    String sessionOutcome = "";

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    // ---- the client's side ----

    Noted call(Kind kind, Object... values) {
        return call(5000, false, kind, values);
    }

    Noted call(long timeoutMs, boolean stale, Kind kind, Object... values) {
        Noted call = new Noted(timeoutMs, stale, kind, values);
        core.submit(call, nowMs);
        return call;
    }

    Noted add(String counter) {
        return call(Kind.COUNTER_ADD, bytes(counter), 1L, false);
    }

    Noted get(String counter) {
        return call(Kind.COUNTER_GET, (Object) bytes(counter));
    }

    Noted acquire(String lock, long waitMs) {
        return call(waitMs < 0 ? Call.FOREVER : waitMs + 5000, false, Kind.LOCK_ACQUIRE, bytes(lock), waitMs);
    }

    void wantSession(long id) {
        core.openSession(new SessionWish(id, bytes("secret"), 1, 9000, bytes("name"), 5000, 0) {
            @Override
            public void opened(long session) {
                sessionOutcome += "opened";
            }

            @Override
            public void failed(VxcException failure) {
                sessionOutcome += failure.error();
            }
        }, nowMs);
    }

    // ---- the connection ----

    void connect() {
        asked.clear();
        core.connected(nowMs);
        send();
    }

    /** Hello and, if wanted, the session are answered. */
    void ready() {
        connect();
        answerHello(true, "");
        if (core.session.wanted) {
            answerSession();
        }
        send();
    }

    void disconnect() {
        core.disconnected("broken");
        asked.clear();
    }

    /** What the core has to say reaches the server. */
    void send() {
        send(Long.MAX_VALUE);
    }

    /** Only so many bytes of it leave. */
    void send(long bytes) {
        ByteBuffer all = ByteBuffer.allocate(1 << 20);
        while (core.hasOutput() && bytes > 0) {
            long sent = 0;
            for (ByteBuffer part : core.output()) {
                while (part.hasRemaining() && bytes > 0) {
                    all.put(part.get());
                    sent++;
                    bytes--;
                }
            }
            core.sent(sent, nowMs);
        }
        all.flip();
        for (Frame frame; (frame = Frame.decode(all)) != null; ) {
            if (frame.kind != Kind.MEMBER_LIST.number) {
                asked.add(new Asked(frame));
            }
        }
    }

    void tick(long afterMs) {
        nowMs += afterMs;
        core.tick(nowMs);
        send();
    }

    // ---- the server's side ----

    Asked take(Kind kind) {
        Asked next = asked.poll();
        assertNotNull(next, "the server was asked " + kind);
        assertEquals(kind, next.kind());
        return next;
    }

    void receive(ByteBuffer frame) {
        while (frame.hasRemaining()) {
            ByteBuffer space = core.space();
            while (space.hasRemaining() && frame.hasRemaining()) {
                space.put(frame.get());
            }
            core.received(nowMs);
        }
        send();
    }

    void reply(Asked to, Kind kind, Object... values) {
        reply(to, Frame.RESPONSE, kind, values);
    }

    void reply(Asked to, int flags, Kind kind, Object... values) {
        receive(Frame.encode(flags, kind.number, to.frame.requestId, new Message(kind, values).encode()));
    }

    void error(Asked to, long code, String text) {
        reply(to, Kind.ERROR_REPLY, code, 0L, bytes(text));
    }

    void event(Kind kind, Object... values) {
        receive(Frame.encode(Frame.EVENT, kind.number, 0, new Message(kind, values).encode()));
    }

    /** A change of a watched map. */
    void dataEvent(long index, long ordinal, long watch) {
        event(Kind.EVENT_DATA, index, ordinal, watch, 1L, 1L, bytes("m"), bytes("k"), null, 0L, 0L);
    }

    void answerHello(boolean primary, String address) {
        reply(take(Kind.HELLO), Kind.HELLO_REPLY, 1L, 0L, 7L, new byte[16], 1L, bytes("0.1.0"), primary, bytes(address),
                1L << 24);
    }

    void answerSession() {
        Asked session = asked.poll();
        assertNotNull(session, "a session was asked for");
        boolean resumed = session.kind() == Kind.SESSION_RESUME;
        reply(session, Kind.SESSION_REPLY, 10L, 42L, bytes("secret"), 9000L, resumed, false);
    }

    void number(Asked to, long index, long number) {
        reply(to, Kind.NUMBER_REPLY, index, number, true);
    }

    // ---- what is told ----

    @Override
    public void connected(ServerInfo server, long session) {
        told.add("connected " + session);
    }

    @Override
    public void disconnected(String reason) {
        told.add("disconnected");
    }

    @Override
    public void sessionLost(long session, String reason) {
        told.add("lost " + session);
    }

    @Override
    public void sessionDoubtful(long session) {
        told.add("doubtful " + session);
    }

    @Override
    public void lockLost(byte[] name, long token, String reason) {
        told.add("lock " + new String(name, StandardCharsets.UTF_8) + " " + token);
    }

    @Override
    public void event(Message event) {
        told.add("event " + event.number("index") + "." + event.number("ordinal") + "." + event.number("watch"));
    }

    @Override
    public void resync(long index) {
        told.add("resync " + index);
    }

    @Override
    public void members(List<String> addresses) {
        members = addresses;
    }

    static Pair row(byte[] first, byte[] second) {
        return new Pair(first, second);
    }
}
