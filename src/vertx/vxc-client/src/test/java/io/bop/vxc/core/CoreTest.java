package io.bop.vxc.core;

import static io.bop.vxc.core.Peer.bytes;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import io.bop.vxc.core.Peer.Asked;
import io.bop.vxc.core.Peer.Noted;
import io.bop.vxc.wire.Frame;
import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Calls over one connection, another one, and at another server; no socket, and time as the test says. */
class CoreTest {
    private final Peer peer = new Peer();

    private static VxcError refused(Runnable action) {
        return assertThrows(VxcException.class, action::run).error();
    }

    // ---- calls ----

    @Test
    void theHelloNamesTheNamespaceAndCallsFollowIt() {
        Noted call = peer.add("c");
        peer.connect();
        Asked hello = peer.take(Kind.HELLO);
        assertEquals("space", hello.message.text("namespace_name"));
        assertTrue(peer.asked.isEmpty(), "nothing else before its answer");
        peer.asked.add(hello);
        peer.answerHello(true, "");
        Asked asked = peer.take(Kind.COUNTER_ADD);
        assertFalse(asked.frame.has(Frame.SEQUENCED));
        peer.number(asked, 5, 1);
        assertEquals(1, call.reply.number("number"));
    }

    @Test
    void withinASessionWritesCarrySequenceAndFloor() {
        peer.wantSession(0);
        peer.ready();
        assertEquals("opened", peer.sessionOutcome);
        peer.add("a");
        peer.get("a");
        peer.add("b");
        peer.send();
        Asked first = peer.take(Kind.COUNTER_ADD);
        assertFalse(peer.take(Kind.COUNTER_GET).frame.has(Frame.SEQUENCED), "reads need none");
        Asked second = peer.take(Kind.COUNTER_ADD);
        assertEquals(1, first.frame.sequence);
        assertEquals(0, first.frame.floor);
        assertEquals(2, second.frame.sequence);
        assertEquals(0, second.frame.floor, "the first has no answer yet");
        peer.number(first, 11, 1);
        peer.add("c");
        peer.send();
        assertEquals(1, peer.take(Kind.COUNTER_ADD).frame.floor);
    }

    @Test
    void writesThatWaitForTheirSessionAreSequencedToo() {
        peer.wantSession(0);
        Noted call = peer.add("c");
        peer.ready();
        Asked asked = peer.take(Kind.COUNTER_ADD);
        assertEquals(1, asked.frame.sequence);
        peer.number(asked, 11, 1);
        assertEquals("done", call.outcome());
    }

    @Test
    void anErrorOfTheServerEndsTheCallForSure() {
        peer.ready();
        Noted call = peer.add("c");
        peer.send();
        peer.error(peer.take(Kind.COUNTER_ADD), VxcError.ENOSPC.code, "full");
        assertEquals("ENOSPC", call.outcome());
        assertEquals("ENOSPC: full", call.failure.getMessage());
    }

    @Test
    void aBusyServerIsAskedAgainUntilTheDeadline() {
        peer.ready();
        Noted call = peer.add("c");
        int times = 0;
        while (!call.isOver()) {
            peer.send();
            if (!peer.asked.isEmpty()) {
                peer.error(peer.take(Kind.COUNTER_ADD), VxcError.EBUSY.code, "busy");
                times++;
            }
            peer.tick(Math.max(1, peer.core.dueMs() - peer.nowMs));
        }
        assertEquals("EBUSY", call.outcome());
        assertTrue(times > 15 && times < 60, times + " times in 5 s");
    }

    @Test
    void theDeadlineTellsWhatIsKnown() {
        Noted never = peer.add("c");
        peer.tick(5000);
        assertEquals("ETIMEOUT", never.outcome(), "it never left");
        peer.wantSession(0);
        peer.ready();
        Noted read = peer.get("c");
        Noted write = peer.add("c");
        peer.send();
        peer.tick(5000);
        assertEquals("ETIMEOUT", read.outcome());
        assertEquals("ETIMEOUT unknown", write.outcome());
        peer.number(peer.take(Kind.COUNTER_GET), 11, 1); // a late answer is one to nobody
        peer.number(peer.take(Kind.COUNTER_ADD), 11, 1);
    }

    @Test
    void aReplyOfAnotherKindIsNoReply() {
        peer.ready();
        peer.get("c");
        peer.send();
        Asked asked = peer.take(Kind.COUNTER_GET);
        assertEquals(VxcError.EPROTO, refused(() -> peer.reply(asked, Kind.TRUTH_REPLY, 1L, true)));
    }

    @Test
    void bytesThatAreNoFrameEndTheConnection() {
        peer.ready();
        assertEquals(VxcError.ECRC, refused(() -> peer.receive(ByteBuffer.wrap(new byte[] {1, 2, 3, 4, 16, 0, 0, 0, 1,
            2, 0, 0, 0, 0, 0, 0}))));
    }

    @Test
    void repliesInPiecesOfOneByteAreReplies() {
        peer.ready();
        Noted call = peer.get("c");
        peer.send();
        Asked asked = peer.take(Kind.COUNTER_GET);
        ByteBuffer frame = Frame.encode(Frame.RESPONSE, Kind.NUMBER_REPLY.number, asked.frame.requestId,
                new Message(Kind.NUMBER_REPLY, 1L, 3L, true).encode());
        while (frame.hasRemaining()) {
            assertFalse(call.isOver());
            peer.receive(ByteBuffer.wrap(new byte[] {frame.get()}));
        }
        assertEquals(3, call.reply.number("number"));
    }

    @Test
    void eventsOfALaterVersionArePassedOver() {
        peer.ready();
        peer.receive(Frame.encode(Frame.EVENT, 239, 0, new byte[] {1}));
        assertTrue(peer.core.isReady());
    }

    @Test
    void canceledBeforeItWasSentItNeverIs() {
        Noted call = peer.add("c");
        peer.core.cancel(call, peer.nowMs);
        assertEquals("ECANCELED", call.outcome());
        peer.ready();
        assertTrue(peer.asked.isEmpty());
    }

    @Test
    void theEndOfTheClientEndsAllCalls() {
        peer.wantSession(0);
        Noted waiting = peer.add("a");
        peer.core.failAll(VxcError.ECANCELED, "closed");
        assertEquals("ECANCELED", waiting.outcome());
        assertEquals("ECANCELED", peer.sessionOutcome);
    }

    // ---- another connection ----

    @Test
    void afterABreakReadsAndSequencedWritesAreAskedAgainInOrder() {
        peer.wantSession(0);
        peer.ready();
        List<Noted> calls = new ArrayList<>();
        calls.add(peer.add("a"));
        calls.add(peer.get("b"));
        calls.add(peer.add("c"));
        peer.send();
        peer.disconnect();
        peer.nowMs += 100;
        peer.connect();
        peer.answerHello(true, "");
        Asked resume = peer.take(Kind.SESSION_RESUME);
        assertEquals(42, resume.message.number("session"));
        assertTrue(peer.asked.isEmpty(), "the session comes first");
        peer.reply(resume, Kind.SESSION_REPLY, 12L, 42L, Peer.NONE, 9000L, true, false);
        Asked a = peer.take(Kind.COUNTER_ADD);
        Asked b = peer.take(Kind.COUNTER_GET);
        Asked c = peer.take(Kind.COUNTER_ADD);
        assertEquals(1, a.frame.sequence, "under the same sequence");
        assertEquals(2, c.frame.sequence);
        peer.number(a, 12, 1);
        peer.number(b, 12, 1);
        peer.number(c, 12, 1);
        calls.forEach(call -> assertEquals("done", call.outcome()));
        assertEquals(Arrays.asList("connected 42", "disconnected", "connected 42"), peer.told);
    }

    @Test
    void aWriteWithoutSessionIsUnknownIfItMayHaveLeftAndAskedAgainIfNot() {
        peer.ready();
        Noted left = peer.add("a");
        peer.send();
        Noted stayed = peer.add("b");
        peer.send(10); // not to its last byte
        peer.disconnect();
        assertEquals("EUNKNOWN unknown", left.outcome());
        assertEquals("open", stayed.outcome());
        peer.ready();
        peer.number(peer.take(Kind.COUNTER_ADD), 1, 1);
        assertEquals("done", stayed.outcome());
    }

    @Test
    void aSessionThatIsGoneLeavesSentWritesUnknownAndOthersFailed() {
        peer.wantSession(0);
        peer.ready();
        Noted sent = peer.add("a");
        peer.send();
        peer.disconnect();
        Noted waits = peer.add("b");
        Noted read = peer.get("c");
        peer.connect();
        peer.answerHello(true, "");
        peer.error(peer.take(Kind.SESSION_RESUME), VxcError.ESESSION.code, "it has ended");
        assertEquals("EUNKNOWN unknown", sent.outcome());
        assertEquals("ESESSION", waits.outcome());
        peer.number(peer.take(Kind.COUNTER_GET), 1, 1);
        assertEquals("done", read.outcome());
        assertEquals("lost 42", peer.told.get(peer.told.size() - 2));
        assertEquals("ESESSION", peer.add("d").outcome(), "until another one is opened");
        peer.wantSession(0);
        peer.send();
        peer.answerSession();
        peer.add("e");
        peer.send();
        assertEquals(1, peer.take(Kind.COUNTER_ADD).frame.sequence);
    }

    @Test
    void aRefusedResumeThatSaysNothingOfTheSessionIsAskedAgain() {
        peer.wantSession(0);
        peer.ready();
        for (VxcError error : new VxcError[] {
            VxcError.EBUSY, VxcError.ENOQUORUM, VxcError.EUNKNOWN, VxcError.ENOSPC, VxcError.ENOMEM}) {
            peer.disconnect();
            peer.connect();
            peer.answerHello(true, "");
            Asked resume = peer.take(Kind.SESSION_RESUME);
            assertEquals(error, refused(() -> peer.error(resume, error.code, "not now")));
            assertEquals(42, peer.core.sessionId());
        }
        assertFalse(peer.told.contains("lost 42"));
    }

    @Test
    void aForgedSecretLosesTheSession() {
        peer.wantSession(42);
        peer.connect();
        peer.answerHello(true, "");
        peer.error(peer.take(Kind.SESSION_RESUME), VxcError.ESECRET.code, "no");
        assertEquals("ESECRET", peer.sessionOutcome);
        assertEquals(0, peer.core.sessionId());
    }

    @Test
    void aSessionThatCannotBeHadInTimeEndsItsWishAndWhatWaitsForIt() {
        peer.wantSession(0);
        Noted call = peer.add("c");
        peer.tick(5000);
        assertEquals("ECLOSED", peer.sessionOutcome);
        assertTrue(call.isOver());
        peer.wantSession(0);
        assertEquals("ECLOSED", peer.sessionOutcome, "another one may be wanted");
    }

    @Test
    void closingTwiceOverABreakClosesOnce() {
        peer.wantSession(0);
        peer.ready();
        Noted close = peer.call(Kind.SESSION_CLOSE);
        peer.send();
        peer.disconnect();
        assertEquals("open", close.outcome());
        peer.connect();
        peer.answerHello(true, "");
        peer.error(peer.take(Kind.SESSION_RESUME), VxcError.ESESSION.code, "it has ended");
        assertEquals("done", close.outcome());
        assertFalse(peer.told.contains("lost 42"), "its end is no loss");
        assertEquals("open", peer.add("c").outcome(), "writes go on, without session");
    }

    // ---- another server ----

    @Test
    void aServerThatIsNotThePrimaryIsLeftAtItsHello() {
        Noted call = peer.add("c");
        peer.connect();
        assertEquals(VxcError.ENOTPRIMARY, refused(() -> peer.answerHello(false, "10.0.0.2:7400")));
        assertEquals("10.0.0.2:7400", peer.core.primaryAddress());
        peer.disconnect();
        assertTrue(peer.told.isEmpty(), "a step of the search is no news");
        peer.ready();
        peer.number(peer.take(Kind.COUNTER_ADD), 1, 1);
        assertEquals("done", call.outcome());
    }

    @Test
    void statusAndStaleReadsAreAskedAnywhere() {
        peer.call(Kind.STATUS);
        peer.call(5000, true, Kind.COUNTER_GET, (Object) bytes("c"));
        peer.connect();
        peer.answerHello(false, "10.0.0.2:7400");
        peer.take(Kind.STATUS);
        assertTrue(peer.take(Kind.COUNTER_GET).frame.has(Frame.STALE));
    }

    @Test
    void aRefusalLeadsToThePrimaryThatItNamesAndTheCallIsAskedThere() {
        peer.ready();
        Noted unsequenced = peer.add("c");
        peer.send();
        Asked asked = peer.take(Kind.COUNTER_ADD);
        assertEquals(VxcError.ENOTPRIMARY, refused(() ->
                peer.error(asked, VxcError.ENOTPRIMARY.code, "not the primary; it is at 10.0.0.2:7400")));
        assertTrue(peer.core.isLeaving());
        assertEquals("10.0.0.2:7400", peer.core.primaryAddress());
        peer.disconnect();
        peer.ready();
        peer.number(peer.take(Kind.COUNTER_ADD), 1, 1);
        assertEquals("done", unsequenced.outcome(), "it was not carried out before");
    }

    @Test
    void aRedirectOfTheOriginalProtocolIsUnderstood() {
        peer.ready();
        peer.get("c");
        peer.send();
        Asked asked = peer.take(Kind.COUNTER_GET);
        assertEquals(VxcError.ENOTPRIMARY, refused(() ->
                peer.reply(asked, Kind.LEADER_REDIRECT, 1L, bytes("10.0.0.2:7400"))));
        assertEquals("10.0.0.2:7400", peer.core.primaryAddress());
    }

    @Test
    void beforeItLeavesItWaitsForTheFateOfWhatCannotBeAskedAgain() {
        peer.ready();
        Noted first = peer.add("a");
        Noted second = peer.add("b");
        peer.send();
        Asked a = peer.take(Kind.COUNTER_ADD);
        Asked b = peer.take(Kind.COUNTER_ADD);
        peer.error(a, VxcError.ENOTPRIMARY.code, "not the primary");
        assertTrue(peer.core.isLeaving());
        assertEquals(VxcError.ENOTPRIMARY, refused(() -> peer.error(b, VxcError.EUNKNOWN.code, "who knows")));
        assertEquals("EUNKNOWN unknown", second.outcome());
        assertEquals("open", first.outcome());
    }

    @Test
    void theWaitBeforeLeavingIsBounded() {
        peer.ready();
        peer.add("a");
        peer.add("b");
        peer.send();
        peer.error(peer.take(Kind.COUNTER_ADD), VxcError.ENOTPRIMARY.code, "not the primary");
        peer.tick(299);
        assertEquals(VxcError.ENOTPRIMARY, refused(() -> peer.tick(1)));
    }

    @Test
    void aSequencedWriteOfUnknownFateIsAskedAgain() {
        peer.wantSession(0);
        peer.ready();
        Noted call = peer.add("c");
        peer.send();
        peer.error(peer.take(Kind.COUNTER_ADD), VxcError.EUNKNOWN.code, "who knows");
        assertEquals("open", call.outcome());
        peer.tick(300);
        Asked again = peer.take(Kind.COUNTER_ADD);
        assertEquals(1, again.frame.sequence);
        peer.number(again, 11, 1);
        assertEquals("done", call.outcome());
    }

    @Test
    void withoutPrimaryTheDeadlineSaysSo() {
        Noted call = peer.add("c");
        peer.connect();
        refused(() -> peer.answerHello(false, ""));
        peer.disconnect();
        peer.tick(5000);
        assertEquals("ENOTPRIMARY", call.outcome());
    }

    @Test
    void membersAreAskedForAndTold() {
        peer.core.connected(peer.nowMs);
        ByteBuffer hello = peer.core.output()[0].duplicate();
        peer.send();
        assertTrue(hello.hasRemaining());
        peer.answerHello(true, "");
        // The question follows the hello; its request id is the next one.
        byte[] info = new Message(Kind.MEMBER_INFO, 2L, 1L, bytes("10.0.0.2:7400"), 5L, null).encode();
        peer.receive(Frame.encode(Frame.RESPONSE, Kind.PAGE_REPLY.number, 2, new Message(Kind.PAGE_REPLY, 1L, null,
                Collections.singletonList(Peer.row(new byte[8], info))).encode()));
        assertEquals(Collections.singletonList("10.0.0.2:7400"), peer.members);
    }

    // ---- locks ----

    @Test
    void aGrantComesAsReplyOrAsEvent() {
        peer.wantSession(0);
        peer.ready();
        Noted now = peer.acquire("a", -1);
        Noted later = peer.acquire("b", -1);
        peer.send();
        peer.reply(peer.take(Kind.LOCK_ACQUIRE), Kind.LOCK_REPLY, 11L, true, 100L, 0L);
        peer.reply(peer.take(Kind.LOCK_ACQUIRE), Frame.RESPONSE | Frame.MORE, Kind.LOCK_REPLY, 12L, false, 0L, 1L);
        assertEquals(100, now.reply.number("token"));
        assertEquals("open", later.outcome());
        peer.event(Kind.EVENT_LOCK, 13L, 0L, 2L, 40L, bytes("b"), 101L);
        assertEquals(101, later.reply.number("token"));
    }

    @Test
    void aQueuedAcquireHoldsTheFloorAndIsAskedAgainAfterABreak() {
        peer.wantSession(0);
        peer.ready();
        Noted waits = peer.acquire("l", -1);
        peer.send();
        peer.reply(peer.take(Kind.LOCK_ACQUIRE), Frame.RESPONSE | Frame.MORE, Kind.LOCK_REPLY, 11L, false, 0L, 1L);
        peer.add("c");
        peer.send();
        Asked add = peer.take(Kind.COUNTER_ADD);
        assertEquals(0, add.frame.floor);
        peer.number(add, 12, 1);
        peer.disconnect();
        peer.ready();
        Asked again = peer.take(Kind.LOCK_ACQUIRE);
        assertEquals(1, again.frame.sequence);
        peer.reply(again, Kind.LOCK_REPLY, 11L, true, 100L, 0L);
        assertEquals(100, waits.reply.number("token"));
    }

    @Test
    void theEndOfAWaitIsAReplyWhicheverWayItComes() {
        peer.wantSession(0);
        peer.ready();
        Noted byEvent = peer.acquire("a", 10);
        Noted byReply = peer.acquire("b", 10);
        peer.send();
        peer.reply(peer.take(Kind.LOCK_ACQUIRE), Frame.RESPONSE | Frame.MORE, Kind.LOCK_REPLY, 11L, false, 0L, 1L);
        peer.error(peer.take(Kind.LOCK_ACQUIRE), VxcError.ETIMEOUT.code, "over");
        peer.event(Kind.EVENT_LOCK, 13L, 0L, 1L, 41L, bytes("a"), 0L);
        assertFalse(byEvent.reply.truth("acquired"));
        assertFalse(byReply.reply.truth("acquired"));
    }

    @Test
    void whoeverGivesUpAnAcquireCancelsItAtTheServer() {
        peer.wantSession(0);
        peer.ready();
        Noted overdue = peer.acquire("a", 10);
        Noted unwanted = peer.acquire("b", -1);
        peer.send();
        peer.take(Kind.LOCK_ACQUIRE);
        peer.take(Kind.LOCK_ACQUIRE);
        peer.core.cancel(unwanted, peer.nowMs);
        peer.send();
        assertEquals(2, peer.take(Kind.LOCK_CANCEL).message.number("acquire_sequence"));
        peer.nowMs += 5010;
        try {
            peer.core.tick(peer.nowMs);
        } catch (VxcException silent) {
            // and the server may be left
        }
        assertEquals("ETIMEOUT unknown", overdue.outcome());
        peer.send();
        assertEquals(1, peer.asked.stream().filter(asked -> asked.kind() == Kind.LOCK_CANCEL)
                .filter(asked -> asked.message.number("acquire_sequence") == 1).count());
    }

    @Test
    void theEndOfTheSessionTellsEachLockThatIsStillHeld() {
        peer.wantSession(0);
        peer.ready();
        for (long token = 100; token < 103; token++) {
            peer.acquire("l" + token, 0);
            peer.send();
            peer.reply(peer.take(Kind.LOCK_ACQUIRE), Kind.LOCK_REPLY, 11L, true, token, 0L);
        }
        peer.call(Kind.LOCK_RELEASE, bytes("l101"), 101L);
        peer.send();
        peer.reply(peer.take(Kind.LOCK_RELEASE), Kind.TRUTH_REPLY, 12L, true);
        peer.told.clear();
        peer.event(Kind.EVENT_SESSION, 13L, 0L, 42L, 50L);
        assertEquals(Arrays.asList("lock l100 100", "lock l102 102", "lost 42"), peer.told);
    }

    // ---- events ----

    @Test
    void aResumeAsksForEventsFromTheLastOneThatIsWholeAndDropsWhatComesTwice() {
        peer.wantSession(0);
        peer.ready();
        peer.dataEvent(20, 0, 1);
        peer.dataEvent(20, 1, 1);
        peer.disconnect();
        peer.connect();
        peer.answerHello(true, "");
        Asked resume = peer.take(Kind.SESSION_RESUME);
        assertEquals(19, resume.message.number("last_event_index"), "20 may not be whole");
        peer.told.clear();
        peer.dataEvent(20, 0, 1);
        peer.dataEvent(20, 1, 1);
        peer.dataEvent(20, 1, 2);
        peer.dataEvent(20, 2, 1);
        peer.dataEvent(21, 0, 1);
        peer.reply(resume, Kind.SESSION_REPLY, 21L, 42L, Peer.NONE, 9000L, true, false);
        assertEquals(Arrays.asList("event 20.1.2", "event 20.2.1", "event 21.0.1", "connected 42"), peer.told);
    }

    @Test
    void aReadsReplyProvesThatAllEventsBeforeItCame() {
        peer.wantSession(0);
        peer.ready();
        peer.dataEvent(20, 0, 1);
        peer.get("c");
        peer.send();
        peer.number(peer.take(Kind.COUNTER_GET), 25, 1);
        peer.disconnect();
        peer.connect();
        peer.answerHello(true, "");
        assertEquals(25, peer.take(Kind.SESSION_RESUME).message.number("last_event_index"));
    }

    @Test
    void missedEventsAreTold() {
        peer.wantSession(0);
        peer.ready();
        peer.dataEvent(20, 0, 1);
        peer.disconnect();
        peer.connect();
        peer.answerHello(true, "");
        peer.told.clear();
        peer.reply(peer.take(Kind.SESSION_RESUME), Kind.SESSION_REPLY, 90L, 42L, Peer.NONE, 9000L, true, true);
        peer.dataEvent(90, 3, 1); // what is read again has it
        peer.dataEvent(91, 0, 1);
        assertEquals(Arrays.asList("resync 90", "connected 42", "event 91.0.1"), peer.told);
    }

    // ---- time ----

    @Test
    void anIdleSessionIsKeptAliveByPingsWithinAThirdOfItsLease() {
        peer.wantSession(0);
        peer.ready();
        for (int i = 0; i < 20; i++) {
            long waitMs = peer.core.dueMs() - peer.nowMs;
            assertTrue(waitMs <= 3000, waitMs + " ms");
            peer.tick(waitMs);
            if (!peer.asked.isEmpty()) {
                Asked ping = peer.take(Kind.PING);
                assertTrue(ping.frame.has(Frame.PING));
                peer.receive(Frame.encode(
                        Frame.RESPONSE | Frame.PONG, Kind.PONG.number, ping.frame.requestId, Peer.NONE));
            }
        }
        assertFalse(peer.told.contains("doubtful 42"));
    }

    @Test
    void aSilentServerIsLeftSoonWhenThereAreOthersAndLaterWhenNot() {
        for (boolean others : new boolean[] {true, false}) {
            Peer silent = new Peer();
            silent.core.setOthers(others);
            silent.ready();
            silent.get("c");
            silent.send();
            long beganMs = silent.nowMs;
            assertEquals(VxcError.ETIMEOUT, refused(() -> {
                while (true) {
                    silent.tick(Math.max(1, silent.core.dueMs() - silent.nowMs));
                }
            }));
            long tookMs = silent.nowMs - beganMs;
            assertEquals(others ? 2500 : 40_000, tookMs);
        }
    }

    @Test
    void aServerThatDoesNotAnswerTheHelloIsLeft() {
        peer.core.setOthers(true);
        peer.connect();
        peer.tick(499);
        assertEquals(VxcError.ETIMEOUT, refused(() -> peer.tick(1)));
    }

    @Test
    void theLeaseIsDoubtedOnceAfterNineTenthsOfIt() {
        peer.wantSession(0);
        peer.ready();
        peer.disconnect();
        peer.tick(8099);
        assertFalse(peer.told.contains("doubtful 42"));
        peer.tick(1);
        peer.tick(1000);
        assertEquals(1, Collections.frequency(peer.told, "doubtful 42"));
        peer.ready();
        peer.disconnect();
        peer.tick(9000);
        assertEquals(2, Collections.frequency(peer.told, "doubtful 42"));
    }

    // ---- all of it, by chance ----

    /** Breaks at any moment: every write's effect is counted once, every call ends once. */
    @Test
    void overManyBreaksEachWriteTakesEffectOnce() {
        for (long seed = 1; seed <= 50; seed++) {
            new BreakingServer(seed).run();
        }
    }
}
