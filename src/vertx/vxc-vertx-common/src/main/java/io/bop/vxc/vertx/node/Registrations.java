package io.bop.vxc.vertx.node;

import io.bop.vxc.Registration;
import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import io.bop.vxc.WatchEvent;
import io.vertx.core.spi.cluster.RegistrationInfo;
import io.vertx.core.spi.cluster.RegistrationUpdateEvent;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/**
 * Who listens on which event-bus address, as this node needs it.
 *
 * <p>The server owns the registrations and takes them away with the session, so nobody ever cleans up behind somebody
 * else. Here is kept: what this node has registered, to do it again in a new session; what is registered on this node
 * alone, which the server never hears of; and the lists that the event bus holds ({@link Host#wantsUpdatesFor}), to
 * tell it anew after a gap. Vert.x 5 forgets nothing by itself then, so it is told each address.
 *
 * <p>All state is touched on the dispatcher alone, where replies and events come in the order of the log: the list that
 * is told last is the latest. Public methods are thread-safe.
 */
final class Registrations {
    private static final byte[] NO_DATA = new byte[0];
    private static final int PRUNE_AT_MIN = 1024; // lists: fewer are not worth a look
    private static final int WINDOW = 256; // calls at a time: well below the client's bound, enough to fill the wire

    private final Host host;
    private final Executor dispatcher;
    private final Supplier<VxcClient> client;
    private final Sessions sessions;

    private final Map<String, Set<RegistrationInfo>> own = new LinkedHashMap<>();
    private final Map<String, Set<RegistrationInfo>> local = new HashMap<>();
    private final Map<String, List<RegistrationInfo>> known = new HashMap<>(); // the server's part of what is held
    private final ListReads reads = new ListReads();
    private int pruneAt = PRUNE_AT_MIN;
    private final Set<Key> leftovers = new LinkedHashSet<>(); // may be there and must not be
    private boolean sweeping;

    Registrations(Host host, Executor dispatcher, Supplier<VxcClient> client, Sessions sessions) {
        this.host = host;
        this.dispatcher = dispatcher;
        this.client = client;
        this.sessions = sessions;
    }

    // ---- what Vert.x asks for ----

    CompletionStage<Void> add(String address, RegistrationInfo info) {
        return dispatched(() -> {
            if (info.localOnly()) {
                put(local, address, info);
                localChanged(address);
                return CompletableFuture.completedFuture(null);
            }
            put(own, address, info);
            Key key = new Key(address, info);
            leftovers.remove(key);
            return checked(sessions.repeated(() -> addToServer(key)), key);
        });
    }

    CompletionStage<Void> remove(String address, RegistrationInfo info) {
        return dispatched(() -> {
            if (info.localOnly()) {
                take(local, address, info);
                localChanged(address);
                return CompletableFuture.completedFuture(null);
            }
            take(own, address, info);
            Key key = new Key(address, info);
            return checked(sessions.repeated(() -> removeFromServer(key)), key);
        });
    }

    CompletionStage<List<RegistrationInfo>> get(String address) {
        return dispatched(() -> read(address).thenApply(list -> {
            known.put(address, list);
            prune();
            return withLocal(address, list);
        }));
    }

    private CompletionStage<List<RegistrationInfo>> read(String address) {
        reads.begins(address);
        CompletableFuture<List<RegistrationInfo>> result = new CompletableFuture<>();
        Stages.whenDone(Stages.of(() -> client.get().registrations().get(address)), (rows, failure) ->
                Stages.complete(result, reads.ends(address, failure == null ? infos(rows) : null), failure));
        return result;
    }

    /** Who asks for many addresses does not hold them all for ever, and does not say when he lets go. */
    private void prune() {
        if (known.size() >= pruneAt) {
            known.keySet().removeIf(address -> !host.wantsUpdatesFor(address));
            pruneAt = Math.max(PRUNE_AT_MIN, 2 * known.size());
        }
    }

    /** A failed change may have taken effect all the same, or a removal not: it is made true in the background. */
    private CompletionStage<Void> checked(CompletionStage<Void> change, Key key) {
        CompletableFuture<Void> result = new CompletableFuture<>();
        Stages.whenDone(change, (done, failure) -> {
            if (failure != null) {
                take(own, key.address, key.info);
                if (!isRefused(failure)) {
                    leftovers.add(key);
                    sweepLater();
                }
            }
            Stages.complete(result, done, failure);
        });
        return result;
    }

    /** Is it the request that cannot be, an address that is too long? Then there is nothing to remove. */
    private static boolean isRefused(Throwable failure) {
        VxcError error = failure instanceof VxcException ? ((VxcException) failure).error() : null;
        return error == VxcError.ETOOBIG || error == VxcError.EINVAL;
    }

    private void sweepLater() {
        if (!sweeping) {
            sweeping = true;
            sessions.later(() -> dispatcher.execute(this::sweep));
        }
    }

    private void sweep() {
        Stages.forEach(new ArrayList<>(leftovers), WINDOW, this::sweep).whenComplete((done, failure) -> {
            sweeping = false;
            if (!leftovers.isEmpty()) {
                sweepLater();
            }
        });
    }

    private CompletionStage<?> sweep(Key key) {
        if (!leftovers.contains(key)) {
            return CompletableFuture.completedFuture(null); // it was registered again meanwhile
        }
        return removeFromServer(key).thenRun(() -> leftovers.remove(key));
    }

    private CompletionStage<Void> addToServer(Key key) {
        return client.get().registrations().add(key.address,
                new Registration(key.info.nodeId(), key.info.seq(), NO_DATA));
    }

    private CompletionStage<Void> removeFromServer(Key key) {
        return client.get().registrations().remove(key.address, key.info.nodeId(), key.info.seq())
                .thenApply(was -> null);
    }

    // ---- on the dispatcher ----

    /** Of any address, of thousands at a time: a list that nobody wants is not looked at. */
    void event(WatchEvent event) {
        String address = event.name();
        if (!reads.isUnderWay(address) && !host.wantsUpdatesFor(address)) {
            known.remove(address);
            return;
        }
        List<RegistrationInfo> list = infos(event.registrations());
        reads.told(address, list);
        changed(address, list);
    }

    /** Events were missed: what was told until now may be older than what a read says. */
    void missed() {
        reads.missed();
    }

    private void changed(String address, List<RegistrationInfo> list) {
        if (!host.wantsUpdatesFor(address)) {
            known.remove(address);
            return;
        }
        known.put(address, list);
        host.registrationsUpdated(new RegistrationUpdateEvent(address, withLocal(address, list)));
    }

    private void localChanged(String address) {
        if (host.wantsUpdatesFor(address)) {
            List<RegistrationInfo> list = known.getOrDefault(address, Collections.emptyList());
            host.registrationsUpdated(new RegistrationUpdateEvent(address, withLocal(address, list)));
        }
    }

    /** The session is a new one: all that this node has registered is registered again. */
    CompletionStage<Void> addAllAgain() {
        List<Key> all = new ArrayList<>();
        own.forEach((address, infos) -> infos.forEach(info -> all.add(new Key(address, info))));
        return Stages.forEach(all, WINDOW, key -> isOwn(key)
                ? addToServer(key)
                : CompletableFuture.completedFuture(null)); // removed meanwhile
    }

    private boolean isOwn(Key key) {
        return own.getOrDefault(key.address, Collections.emptySet()).contains(key.info);
    }

    /** Events were missed: each address that the event bus holds is read and told anew. */
    CompletionStage<Void> tellAllAgain() {
        missed();
        List<String> held = new ArrayList<>(known.keySet());
        host.registrationsLost();
        return Stages.forEach(held, WINDOW, address -> {
            if (!host.wantsUpdatesFor(address)) {
                known.remove(address);
                return CompletableFuture.completedFuture(null);
            }
            return read(address).thenAccept(list -> changed(address, list));
        });
    }

    // ---- lists ----

    private List<RegistrationInfo> withLocal(String address, List<RegistrationInfo> list) {
        Set<RegistrationInfo> here = local.get(address);
        if (here == null) {
            return list;
        }
        List<RegistrationInfo> both = new ArrayList<>(list);
        both.addAll(here);
        return both;
    }

    private static List<RegistrationInfo> infos(List<Registration> rows) {
        List<RegistrationInfo> infos = new ArrayList<>(rows.size());
        rows.forEach(row -> infos.add(new RegistrationInfo(row.nodeId(), row.seq(), false)));
        return infos;
    }

    private static void put(Map<String, Set<RegistrationInfo>> table, String address, RegistrationInfo info) {
        table.computeIfAbsent(address, none -> new LinkedHashSet<>()).add(info);
    }

    private static void take(Map<String, Set<RegistrationInfo>> table, String address, RegistrationInfo info) {
        table.computeIfPresent(address, (same, infos) -> infos.remove(info) && infos.isEmpty() ? null : infos);
    }

    /**
     * The work, and what hangs on its stages, runs on the dispatcher. So it never completes in the caller's stack, on
     * which Vert.x relies.
     */
    private <T> CompletionStage<T> dispatched(Supplier<CompletionStage<T>> work) {
        CompletableFuture<T> result = new CompletableFuture<>();
        dispatcher.execute(() -> Stages.into(result, Stages.of(work)));
        return result;
    }

    private static final class Key {
        final String address;
        final RegistrationInfo info;

        Key(String address, RegistrationInfo info) {
            this.address = address;
            this.info = info;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Key && address.equals(((Key) other).address) && info.equals(((Key) other).info);
        }

        @Override
        public int hashCode() {
            return Objects.hash(address, info);
        }
    }
}
