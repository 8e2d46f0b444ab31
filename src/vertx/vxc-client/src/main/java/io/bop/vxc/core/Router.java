package io.bop.vxc.core;

import io.bop.vxc.Limits;
import io.bop.vxc.VxcError;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/**
 * Where to connect, and when: the endpoints that were given, the members that were learned, and what became of each
 * attempt. No I/O, no clock; one thread. The rules are those of {@code src/client/router.h}:
 *
 * <pre>
 *     at a place ── failed ──→ the next place; this one again after a growing, jittered delay
 *         │
 *         ├── refused, names another ──→ that one at once, unless it failed or refused a moment ago
 *         ├── refused ──→ the next place; this one again in 10 to 100 ms: an election may be under way
 *         └── found ──→ all is forgotten
 * </pre>
 *
 * <p>The next place is the one whose time comes first, and of equals the one that follows in the list. So everything
 * that can be tried now is tried now, nothing is tried in a loop without a pause, and two nodes that name each other
 * lead nobody in a circle.
 */
public final class Router {
    private static final long NEVER = -1;

    private static final class Place {
        final Endpoint endpoint;
        int failures; // in a row
        long dueMs; // not to be tried before

        Place(Endpoint endpoint) {
            this.endpoint = endpoint;
        }
    }

    private final List<Place> places = new ArrayList<>(); // given ones first, then learned ones
    private final int givenCount;
    private final boolean fixed;
    private final Random random;
    private Place at;
    private long searchBeganMs = NEVER;

    /** @param fixed nothing is learned, and a named place is followed only if it was given */
    public Router(List<Endpoint> given, boolean fixed, Random random) {
        given.forEach(endpoint -> places.add(new Place(endpoint)));
        this.givenCount = given.size();
        this.fixed = fixed;
        this.random = random;
        this.at = places.get(0);
    }

    // ---- where and when ----

    public Endpoint place() {
        return at.endpoint;
    }

    /** Connect there then. */
    public long dueMs() {
        return at.dueMs;
    }

    /** How often in a row it has failed. */
    public int failures() {
        return at.failures;
    }

    /** And give up after so many milliseconds. */
    public long connectMs() {
        long limitMs = (long) Limits.CONNECT_MS << Math.min(at.failures, 4);
        return hasOthers() ? Math.min(limitMs, Limits.CONNECT_MS_ALONE) : Limits.CONNECT_MS_ALONE;
    }

    public boolean hasOthers() {
        return places.size() > 1;
    }

    // ---- what became of it ----

    /** The place serves. */
    public void found() {
        at.failures = 0;
        at.dueMs = 0;
        searchBeganMs = NEVER;
    }

    /** Its connection ended so; {@code primary} is the address that the node named, "" when none. */
    public void ended(long nowMs, VxcError why, String primary) {
        switch (why) {
            case ENOTPRIMARY:
                refused(nowMs, primary);
                break;
            case EBUSY:
            case ENOQUORUM:
            case EUNKNOWN:
            case ENOSPC:
            case ENOMEM:
                postponed(nowMs);
                break;
            default:
                failed(nowMs, why == VxcError.ETIMEOUT);
                break;
        }
    }

    /** It could not be reached, broke, or (silent) gave no answer in time. */
    void failed(long nowMs, boolean silent) {
        long delayMs = Math.min((long) Limits.RECONNECT_MS_MIN << Math.min(at.failures, 6), Limits.RECONNECT_MS_MAX);
        if (silent && hasOthers()) { // the next attempt costs time again: the others come first
            delayMs = Limits.RECONNECT_MS_MAX;
        }
        at.failures++;
        at.dueMs = nowMs + chance(delayMs / 2, delayMs);
        choose(nowMs);
    }

    /** It will serve soon, and is asked again. */
    void postponed(long nowMs) {
        int times = 1;
        if (searchBeganMs == NEVER) {
            searchBeganMs = nowMs;
        } else if (nowMs - searchBeganMs >= Limits.SEARCH_EAGER_MS) {
            times = Limits.SEARCH_LAZY_TIMES;
        }
        at.failures = 0;
        at.dueMs = nowMs + chance((long) times * Limits.SEARCH_MS_MIN, (long) times * Limits.SEARCH_MS_MAX);
    }

    /** The node there is not the primary. */
    void refused(long nowMs, String primary) {
        postponed(nowMs);
        Endpoint named = Endpoint.parseOne(primary);
        Place place = named == null ? null : findOrAdd(named);
        if (place != null && place != at && place.dueMs <= nowMs) {
            at = place;
        } else {
            choose(nowMs);
        }
    }

    /** These are all members: what was learned before and is not among them is forgotten. */
    public void learn(List<String> addresses) {
        if (fixed) {
            return;
        }
        Set<Endpoint> members = new HashSet<>();
        for (String address : addresses) {
            Endpoint endpoint = Endpoint.parseOne(address);
            if (endpoint != null) {
                members.add(endpoint);
            }
        }
        for (int i = places.size() - 1; i >= givenCount; i--) {
            if (places.get(i) != at && !members.contains(places.get(i).endpoint)) { // where we are is kept
                places.remove(i);
            }
        }
        members.forEach(this::findOrAdd);
    }

    // ---- the list ----

    /** {@code null} when it is not there and there is no room for it. */
    private Place findOrAdd(Endpoint endpoint) {
        for (Place place : places) {
            if (place.endpoint.equals(endpoint)) {
                return place;
            }
        }
        if (fixed || places.size() - givenCount >= Limits.LEARNED_MAX) {
            return null;
        }
        Place place = new Place(endpoint);
        places.add(place);
        return place;
    }

    /** From min to max. Spreads the clients of a node that has ended, guards nothing. */
    private long chance(long min, long max) {
        return min + random.nextInt((int) (max - min) + 1);
    }

    /** The place whose time comes first, beginning behind the present one. */
    private void choose(long nowMs) {
        int here = places.indexOf(at);
        long bestMs = Long.MAX_VALUE;
        for (int i = 1; i <= places.size(); i++) {
            Place place = places.get((here + i) % places.size());
            long fromMs = Math.max(place.dueMs, nowMs);
            if (fromMs < bestMs) {
                bestMs = fromMs;
                at = place;
            }
        }
    }
}
