package io.bop.vxc;

import static io.bop.vxc.Failure.failure;
import static io.bop.vxc.testing.Wait.of;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletionStage;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every operation, against one real node; a namespace per test. */
class OneNodeIT {
    @TempDir
    static Path folder;
    private static Vxcd node;

    private final String namespace = UUID.randomUUID().toString();
    private final List<VxcClient> clients = new ArrayList<>();
    private VxcClient client;

    @BeforeAll
    static void startNode() {
        node = Vxcd.alone(folder.resolve("data"));
    }

    @AfterAll
    static void stopNode() {
        node.close();
    }

    @BeforeEach
    void open() {
        client = another();
    }

    @AfterEach
    void close() {
        clients.forEach(VxcClient::close);
    }

    /** A client with a session of its own. */
    private VxcClient another() {
        VxcClient made = VxcClient.create(new VxcOptions(node.endpoint()).namespace(namespace));
        clients.add(made);
        assertTrue(of(made.openSession(10_000)) > 0);
        return made;
    }

    private static byte[] b(String text) {
        return text.getBytes(UTF_8);
    }

    private static String s(byte[] bytes) {
        return bytes == null ? null : new String(bytes, UTF_8);
    }

    private static List<String> s(List<byte[]> all) {
        return all.stream().map(OneNodeIT::s).collect(Collectors.toList());
    }

    @Test
    void mapsHoldWhatWasPut() {
        VxcMap map = client.map("m");
        assertNull(of(map.get(b("k"))));
        assertEquals(0, of(map.size()));
        of(map.put(b("k"), b("v")));
        assertEquals("v", s(of(map.get(b("k")))));
        assertTrue(of(map.containsKey(b("k"))));
        assertEquals("v", s(of(map.getAndPut(b("k"), b("w")))));
        assertEquals("w", s(of(map.remove(b("k")))));
        assertNull(of(map.remove(b("k"))));
        of(map.put(b("e"), new byte[0]));
        assertArrayEquals(new byte[0], of(map.get(b("e"))));
        of(map.delete(b("e")));
        assertFalse(of(map.containsKey(b("e"))));
    }

    @Test
    void conditionalWritesOfMapsLookAtWhatIsThere() {
        VxcMap map = client.map("m");
        assertNull(of(map.replace(b("k"), b("v"))));
        assertFalse(of(map.containsKey(b("k"))));
        assertNull(of(map.putIfAbsent(b("k"), b("v"))));
        assertEquals("v", s(of(map.putIfAbsent(b("k"), b("w")))));
        assertEquals("v", s(of(map.replace(b("k"), b("x")))));
        assertFalse(of(map.replaceIf(b("k"), b("v"), b("y"))));
        assertTrue(of(map.replaceIf(b("k"), b("x"), b("y"))));
        assertFalse(of(map.removeIf(b("k"), b("x"))));
        assertTrue(of(map.removeIf(b("k"), b("y"))));
        assertEquals(0, of(map.size()));
    }

    @Test
    void entriesWithATimeToLiveGoAndAPutWithoutOneKeepsThem() {
        VxcMap map = client.map("m");
        of(map.put(b("put"), b("v"), 20));
        assertNull(of(map.putIfAbsent(b("absent"), b("v"), 20)));
        of(map.put(b("replace"), b("v")));
        assertEquals("v", s(of(map.replace(b("replace"), b("w"), 20))));
        of(map.put(b("replaceIf"), b("v")));
        assertTrue(of(map.replaceIf(b("replaceIf"), b("v"), b("w"), 20)));
        assertNull(of(map.getAndPut(b("getAndPut"), b("v"), 20)));
        of(map.put(b("kept"), b("v"), 20));
        of(map.put(b("kept"), b("v")));
        Wait.until("all but one are gone", () -> of(map.size()) == 1);
        assertEquals(Collections.singletonList("kept"), s(of(map.keys())));
    }

    @Test
    void scansGivePagesInOrder() {
        VxcMap map = client.map("m");
        List<CompletionStage<Void>> puts = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            puts.add(map.put(b(String.format("%03d", i)), b("v" + i)));
        }
        puts.forEach(Wait::of);
        Page first = of(map.scan(Rows.ENTRIES, null, 30));
        assertEquals(30, first.entries().size());
        Page second = of(map.scan(Rows.ENTRIES, first.next(), 1000));
        assertEquals(70, second.entries().size());
        assertNull(second.next());
        assertEquals("030", s(second.entries().get(0).key()));
        assertEquals("v30", s(second.entries().get(0).value()));
        assertEquals(100, of(map.keys()).size());
        assertEquals(100, of(map.values()).size());
        assertEquals("v99", s(of(map.entries()).get(99).value()));
        assertEquals(100, of(map.clear()));
        assertTrue(of(map.destroy()));
        assertFalse(of(map.destroy()));
        assertTrue(of(map.create()));
        assertFalse(of(map.create()));
    }

    @Test
    void readsOfAllPagesBringLargeMaps() {
        VxcMap map = client.map("m");
        byte[] value = new byte[100_000];
        for (int i = 0; i < 30; i++) {
            of(map.put(b(String.valueOf(i)), value));
        }
        assertEquals(30, of(map.entries()).size());
    }

    @Test
    void setsAndMultimaps() {
        VxcSet set = client.set("s");
        assertTrue(of(set.add(b("a"))));
        assertFalse(of(set.add(b("a"))));
        assertTrue(of(set.add(b("b"))));
        assertTrue(of(set.contains(b("a"))));
        assertEquals(2, of(set.size()));
        assertEquals(Arrays.asList("a", "b"), s(of(set.values())));
        assertTrue(of(set.remove(b("a"))));
        assertFalse(of(set.remove(b("a"))));
        assertEquals(1, of(set.clear()));
        assertTrue(of(set.destroy()));
        assertTrue(of(set.create()));

        VxcMultimap multimap = client.multimap("mm");
        assertTrue(of(multimap.put(b("k"), b("1"))));
        assertFalse(of(multimap.put(b("k"), b("1"))));
        assertTrue(of(multimap.put(b("k"), b("2"))));
        assertTrue(of(multimap.put(b("l"), b("1"))));
        assertEquals(Arrays.asList("1", "2"), s(of(multimap.get(b("k")))));
        assertTrue(of(multimap.containsKey(b("l"))));
        assertTrue(of(multimap.containsValue(b("2"))));
        assertTrue(of(multimap.containsEntry(b("l"), b("1"))));
        assertFalse(of(multimap.containsEntry(b("l"), b("2"))));
        assertEquals(3, of(multimap.size()));
        assertEquals(2, of(multimap.size(b("k"))));
        assertEquals(Arrays.asList("k", "l"), s(of(multimap.keys())));
        assertEquals(3, of(multimap.entries()).size());
        assertEquals(2, of(multimap.scan(Rows.VALUES, null, 2)).entries().size());
        assertTrue(of(multimap.remove(b("k"), b("1"))));
        assertEquals(1, of(multimap.removeKey(b("k"))));
        assertEquals(1, of(multimap.clear()));
        assertTrue(of(multimap.destroy()));
        assertTrue(of(multimap.create()));
    }

    @Test
    void countersCount() {
        VxcCounter counter = client.counter("c");
        assertEquals(0, of(counter.get()));
        assertEquals(5, of(counter.addAndGet(5)));
        assertEquals(5, of(counter.getAndAdd(-7)));
        assertEquals(-2, of(counter.get()));
        assertFalse(of(counter.compareAndSet(0, 1)));
        assertTrue(of(counter.compareAndSet(-2, Long.MAX_VALUE)));
        assertEquals(Long.MIN_VALUE, of(counter.addAndGet(1)));
        assertTrue(of(counter.destroy()));
        assertTrue(of(client.counter("d").compareAndSet(0, 3)));
    }

    @Test
    void locksAreFairAndFenced() {
        VxcClient second = another();
        VxcClient third = another();
        HeldLock held = of(client.lock("l").acquire(0)).get();
        assertEquals(Optional.empty(), of(second.lock("l").acquire(0)));
        assertEquals(Optional.empty(), of(second.lock("l").acquire(10)));
        CompletionStage<Optional<HeldLock>> waits = second.lock("l").acquire(VxcLock.FOREVER);
        Wait.until("the second waits", () -> of(client.lock("l").info()).get().waiting() == 1);
        CompletionStage<Optional<HeldLock>> waitsBehind = third.lock("l").acquire(20_000);
        Wait.until("the third waits", () -> of(client.lock("l").info()).get().waiting() == 2);
        assertTrue(of(held.release()));
        assertTrue(of(held.release()), "again is the same");
        HeldLock next = of(waits).get();
        assertTrue(next.token() > held.token());
        assertFalse(waitsBehind.toCompletableFuture().isDone());
        of(second.closeSession());
        assertFalse(next.isHeld());
        assertEquals("the session was closed", of(next.lost()));
        HeldLock last = of(waitsBehind).get();
        assertTrue(last.token() > next.token());
        of(last.release());
        assertEquals(Optional.empty(), of(client.lock("l").info()));
    }

    @Test
    void aLockIsNotReentrantAndItsHolderWaitsForItself() {
        HeldLock held = of(client.lock("l").acquire(0)).get();
        assertEquals(Optional.empty(), of(client.lock("l").acquire(0)));
        CompletionStage<Optional<HeldLock>> again = client.lock("l").acquire(VxcLock.FOREVER);
        of(held.release());
        assertTrue(of(again).get().isHeld());
    }

    @Test
    void whoCancelsLeavesTheQueue() {
        VxcClient second = another();
        HeldLock held = of(client.lock("l").acquire(0)).get();
        CompletionStage<Optional<HeldLock>> waits = second.lock("l").acquire(VxcLock.FOREVER);
        Wait.until("it waits", () -> of(client.lock("l").info()).get().waiting() == 1);
        assertTrue(waits.toCompletableFuture().cancel(true));
        Wait.until("it waits no more", () -> of(client.lock("l").info()).get().waiting() == 0);
        of(held.release());
        assertEquals(Optional.empty(), of(client.lock("l").info()));
    }

    @Test
    void aGrantThatNobodyWaitsForAnyMoreIsGivenBack() {
        for (int i = 0; i < 50; i++) {
            client.lock("l").acquire(VxcLock.FOREVER).toCompletableFuture().cancel(true);
        }
        VxcClient second = another();
        assertTrue(of(second.lock("l").acquire(10_000)).isPresent());
    }

    @Test
    void nodesJoinInOrderAndGoWithTheirSession() {
        VxcClient second = another();
        assertEquals(Collections.singletonList("n1"), of(client.nodes().join("n1", b("i1"))));
        assertEquals(Arrays.asList("n1", "n2"), of(second.nodes().join("n2", b(""))));
        of(second.nodes().setInfo(b("i2")));
        assertEquals("i2", s(of(client.nodes().get("n2"))));
        assertNull(of(client.nodes().get("n3")));
        Map<String, byte[]> list = of(client.nodes().list());
        assertEquals(Arrays.asList("n1", "n2"), new ArrayList<>(list.keySet()));
        assertEquals("i1", s(list.get("n1")));
        of(second.closeSession());
        assertEquals(Collections.singleton("n1"), of(client.nodes().list()).keySet());
        assertTrue(of(client.nodes().leave()));
        assertFalse(of(client.nodes().leave()), "leaving twice is no error");
    }

    @Test
    void theFirstToJoinClearsAMap() {
        of(client.map("ha").put(b("old"), b("v")));
        of(client.nodes().join("n1", b(""), "ha"));
        assertEquals(0, of(client.map("ha").size()));
        of(client.map("ha").put(b("new"), b("v")));
        of(another().nodes().join("n2", b(""), "ha"));
        assertEquals(1, of(client.map("ha").size()));
    }

    @Test
    void registrationsBelongToTheirSession() {
        VxcClient second = another();
        of(client.registrations().add("a", new Registration("n1", 1, b("d1"))));
        of(second.registrations().add("a", new Registration("n2", 1, b("d2"))));
        List<Registration> all = of(client.registrations().get("a"));
        assertEquals(2, all.size());
        assertEquals("n2", all.get(1).nodeId());
        assertEquals(1, all.get(1).seq());
        assertEquals("d2", s(all.get(1).data()));
        assertEquals(Collections.singletonList("a"), of(client.registrations().addresses()));
        Map<String, List<Registration>> own = new HashMap<>();
        own.put("b", Arrays.asList(new Registration("n1", 1, b("")), new Registration("n1", 2, b(""))));
        of(client.registrations().resync(own));
        assertEquals(1, of(client.registrations().get("a")).size());
        assertEquals(2, of(client.registrations().get("b")).size());
        assertTrue(of(client.registrations().remove("b", "n1", 2)));
        assertFalse(of(client.registrations().remove("b", "n1", 2)));
        of(second.closeSession());
        assertEquals(Collections.emptyList(), of(client.registrations().get("a")));
    }

    @Test
    void watchesTellEveryChangeOnceAndBeforeTheWriteCompletes() {
        List<String> told = Collections.synchronizedList(new ArrayList<>());
        Watch watch = of(client.watch(WatchTarget.map("m"), event -> told.add(event.type() + s(event.key()))));
        VxcMap map = client.map("m");
        of(map.put(b("k"), b("v")));
        assertEquals(Collections.singletonList("PUTk"), told);
        of(map.delete(b("k")));
        of(map.put(b("t"), b("v"), 20));
        Wait.until("it expires", () -> told.size() == 4);
        of(map.put(b("c"), b("v")));
        of(map.clear());
        of(map.destroy());
        assertEquals(Arrays.asList(
                "PUTk", "REMOVEDk", "PUTt", "EXPIREDt", "PUTc", "CLEAREDnull", "DESTROYEDnull"), told);
        of(watch.close());
        of(map.put(b("k"), b("v")));
        assertEquals(7, told.size());
    }

    @Test
    void nodesRegistrationsCountersAndLocksAreWatched() {
        List<String> told = Collections.synchronizedList(new ArrayList<>());
        WatchListener tells = event -> told.add(event.type() + " " + event.name() + " "
                + (event.type() == WatchEvent.Type.REGISTRATIONS ? event.registrations().size()
                        : event.type() == WatchEvent.Type.PUT ? event.number() : event.view()));
        of(client.watch(WatchTarget.nodes(), tells));
        of(client.watch(WatchTarget.registrations(), tells));
        of(client.watch(WatchTarget.counter("c"), tells));
        of(client.watch(WatchTarget.lock("l"), tells));
        VxcClient second = another();
        of(second.nodes().join("n1", b("")));
        of(second.registrations().add("a", new Registration("n1", 1, b(""))));
        of(second.counter("c").addAndGet(3));
        of(second.lock("l").acquire(0));
        of(second.closeSession());
        of(client.counter("c").get()); // all events before it have come
        assertEquals(Arrays.asList("NODE_JOINED n1 [n1]", "REGISTRATIONS a 1", "PUT c 3", "LOCKED l []",
                "REGISTRATIONS a 0", "UNLOCKED l []", "NODE_LEFT n1 []"), told);
    }

    @Test
    void anExpiredSessionTellsItsEndAndItsLocksAndAnotherOneCanBeOpened() {
        List<String> told = Collections.synchronizedList(new ArrayList<>());
        VxcClient watched = VxcClient.create(new VxcOptions(node.endpoint()).namespace(namespace)
                .listener(new ClientListener() {
                    @Override
                    public void lockLost(String name, long token, String reason) {
                        told.add("lock " + name);
                    }

                    @Override
                    public void sessionLost(long session, String reason) {
                        told.add(reason);
                    }
                }));
        clients.add(watched);
        long session = of(watched.openSession(10_000));
        HeldLock lock = of(watched.lock("l").acquire(0)).get();
        CompletionStage<Optional<HeldLock>> waits = client.lock("l").acquire(VxcLock.FOREVER);
        List<String> lost = Collections.synchronizedList(new ArrayList<>());
        of(watched.watch(WatchTarget.map("m"), new WatchListener() {
            @Override
            public void event(WatchEvent event) {
                lost.add(event.toString());
            }

            @Override
            public void lost(String reason) {
                lost.add(reason);
            }
        }));
        assertTrue(of(client.cluster().expireSession(session)));
        assertEquals("the session has expired", of(lock.lost()));
        assertTrue(of(waits).get().token() > lock.token());
        Wait.until("its end is told", () -> told.size() == 2);
        assertEquals(Arrays.asList("lock l", "the session has expired"), told);
        Wait.until("the watch hears of it", () -> lost.size() == 1);
        VxcException refused = failure(watched.map("m").put(b("k"), b("v")));
        assertEquals(VxcError.ESESSION, refused.error());
        assertFalse(refused.isUnknown());
        assertNull(of(watched.map("m").get(b("k"))), "reads need no session");
        assertTrue(of(watched.openSession(10_000)) != session);
        of(watched.map("m").put(b("k"), b("v")));
    }

    @Test
    void aSessionOfWhichNothingIsHeardExpires() {
        VxcClient silent = another();
        of(silent.closeSession());
        of(silent.openSession(300));
        of(silent.nodes().join("silent", b("")));
        of(silent.abandon());
        Wait.until("its node has left", () -> of(client.nodes().get("silent")) == null
                && of(client.nodes().list()).isEmpty());
    }

    @Test
    void aSessionIsResumedByAnotherClient() {
        VxcClient first = another();
        HeldLock lock = of(first.lock("l").acquire(0)).get();
        SessionHandle handle = of(first.sessionHandle());
        of(first.abandon());
        VxcClient second = VxcClient.create(new VxcOptions(node.endpoint()).namespace(namespace));
        clients.add(second);
        assertEquals(handle.session(), of(second.resumeSession(handle)));
        assertEquals(lock.token(), of(second.lock("l").info()).get().token());
        assertEquals(1, of(second.counter("c").addAndGet(1)), "its sequences go on");
        VxcClient third = VxcClient.create(new VxcOptions(node.endpoint()).namespace(namespace));
        clients.add(third);
        SessionHandle forged = new SessionHandle(handle.session(), new byte[16], 1, 10_000);
        assertEquals(VxcError.ESECRET, failure(third.resumeSession(forged)).error());
        of(second.closeSession());
        assertEquals(VxcError.ESESSION, failure(third.resumeSession(handle)).error());
    }

    @Test
    void aClientHasOneSession() {
        assertEquals(VxcError.EEXISTS, failure(client.openSession(1000)).error());
        of(client.closeSession());
        VxcException tooShort = failure(client.openSession(1));
        assertEquals(VxcError.EINVAL, tooShort.error());
        of(client.openSession(1000));
    }

    @Test
    void statusMembersAndSessionsAreShown() {
        assertTrue(of(client.cluster().status()).startsWith("{"));
        Member member = of(client.cluster().members()).get(0);
        assertEquals(Member.Role.PRIMARY, member.role());
        assertEquals(1, member.id());
        List<SessionInfo> sessions = of(client.cluster().sessions());
        long own = of(client.sessionHandle()).session();
        assertTrue(sessions.stream().anyMatch(session -> session.session() == own && session.isConnected()));
        assertTrue(client.server().isPrimary());
        assertEquals(1, of(client.connect()).nodeId());
        assertTrue(client.localAddress().toString().contains("127.0.0.1"));
    }

    @Test
    void namesMayHaveAnyCharactersAndUpTo64KiB() {
        char[] many = new char[Limits.NAME_SIZE_MAX];
        Arrays.fill(many, 'x');
        for (String name : new String[] {"a/b", "ä€😀", "", " ", "\0", new String(many)}) {
            of(client.map(name).put(b(name), b("v")));
            assertEquals("v", s(of(client.map(name).get(b(name)))), name.length() + " characters");
        }
        String tooLong = new String(many) + "y";
        assertEquals(VxcError.ETOOBIG, failure(client.map(tooLong).size()).error());
        assertEquals(VxcError.ETOOBIG, failure(client.lock(tooLong).acquire(0)).error());
        assertEquals(VxcError.ETOOBIG, failure(client.nodes().get(tooLong)).error());
        assertEquals(VxcError.ETOOBIG, failure(client.watch(WatchTarget.map(tooLong), event -> { })).error());
    }

    @Test
    void valuesAtAndOverTheLimit() {
        VxcMap map = client.map("m").withTimeout(20_000);
        byte[] largest = new byte[Limits.VALUE_SIZE_MAX];
        largest[largest.length - 1] = 1;
        of(map.put(b("k"), largest));
        assertArrayEquals(largest, of(map.get(b("k"))));
        assertEquals(VxcError.ETOOBIG, failure(map.put(b("k"), new byte[Limits.VALUE_SIZE_MAX + 1])).error());
        assertEquals(VxcError.ETOOBIG, failure(map.get(new byte[Limits.KEY_SIZE_MAX + 1])).error());
        CompletionStage<byte[]> small = map.put(b("k"), b("v")).thenCompose(done -> map.get(b("k")));
        assertEquals("v", s(of(small)));
    }

    @Test
    void tooManyCallsAreRefusedAtOnceAndTheOthersComplete() {
        List<CompletionStage<Long>> calls = new ArrayList<>();
        int refused = 0;
        for (int i = 0; i < 3 * Limits.PENDING_MAX; i++) {
            CompletionStage<Long> call = client.counter("c").addAndGet(1);
            if (call.toCompletableFuture().isCompletedExceptionally()) {
                assertEquals(VxcError.EBUSY, failure(call).error());
                refused++;
            } else {
                calls.add(call);
            }
        }
        calls.forEach(Wait::of);
        assertEquals(3 * Limits.PENDING_MAX - refused, of(client.counter("c").get()));
    }

    @Test
    void aClosedClientFailsEveryCall() {
        VxcClient closing = another();
        CompletionStage<Optional<HeldLock>> lock = closing.lock("l").acquire(0);
        assertTrue(of(lock).isPresent());
        CompletionStage<Optional<HeldLock>> waits = closing.lock("l").acquire(VxcLock.FOREVER);
        closing.shutdown();
        of(closing.shutdown()); // does not cut the first one short
        assertTrue(waits.toCompletableFuture().isCompletedExceptionally());
        assertEquals(VxcError.ECANCELED, failure(closing.counter("c").get()).error());
        assertEquals(VxcError.ECANCELED, failure(closing.openSession(1000)).error());
        of(closing.shutdown());
        of(closing.abandon());
        assertEquals(Optional.empty(), of(client.lock("l").info()), "its lock went with its session");
    }

    @Test
    void namespacesSeeNothingOfEachOther() {
        VxcClient other = VxcClient.create(new VxcOptions(node.endpoint()).namespace(namespace + "-other"));
        clients.add(other);
        of(client.map("m").put(b("k"), b("v")));
        assertNull(of(other.map("m").get(b("k"))));
    }
}
