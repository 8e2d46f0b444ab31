package io.bop.vxc.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.Limits;
import io.bop.vxc.VxcError;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class RouterTest {
    private static Router router(String endpoints) {
        return new Router(Endpoint.parse(endpoints), false, new Random(1));
    }

    @Test
    void endpointsAreHostAndPort() {
        assertEquals("[127.0.0.1:7400, host.example:1, [::1]:65535]",
                Endpoint.parse("127.0.0.1:7400, host.example:1,[::1]:65535").toString());
        for (String bad : Arrays.asList("", "host", ":1", "host:", "host:0", "host:65536", "host:1x", "::1:7400",
                "a:1,", "a b:1", "[]:1", "host:999999")) {
            assertThrows(IllegalArgumentException.class, () -> Endpoint.parse(bad), bad);
        }
        assertThrows(IllegalArgumentException.class,
                () -> Endpoint.parse(String.join(",", Collections.nCopies(Limits.ENDPOINTS_MAX + 1, "a:1"))));
    }

    @Test
    void aFailedPlaceIsTriedAgainAfterAGrowingDelayThatIsHalfChance() {
        Router router = router("a:1");
        long longestMs = 0;
        for (int i = 0; i < 20; i++) {
            router.failed(1000, false);
            long delayMs = router.dueMs() - 1000;
            long capMs = Math.min(20L << Math.min(i, 6), Limits.RECONNECT_MS_MAX);
            assertTrue(delayMs >= capMs / 2 && delayMs <= capMs, delayMs + " of " + capMs);
            longestMs = Math.max(longestMs, delayMs);
        }
        assertTrue(longestMs > 500);
        router.found();
        assertEquals(0, router.dueMs());
    }

    @Test
    void whatCanBeTriedNowIsTriedNowAndNothingWithoutAPause() {
        Router router = router("a:1,b:1,c:1");
        Set<String> tried = new HashSet<>();
        for (int i = 0; i < 3; i++) {
            assertTrue(router.dueMs() <= 1000);
            tried.add(router.place().host);
            router.failed(1000, false);
        }
        assertEquals(3, tried.size());
        assertTrue(router.dueMs() > 1000, "all have failed now");
    }

    @Test
    void theNamedPrimaryIsGoneToAtOnceUnlessItHasJustRefused() {
        Router router = router("a:1,b:1");
        router.refused(1000, "x:1");
        assertEquals("x:1", router.place().toString());
        assertTrue(router.dueMs() <= 1000);
        router.refused(1000, "a:1"); // two that name each other lead nobody in a circle
        assertEquals("b:1", router.place().toString());
        router.refused(1000, "");
        assertTrue(router.dueMs() > 1000 && router.dueMs() <= 1100);
    }

    @Test
    void aLongSearchIsLessEager() {
        Router router = router("a:1");
        router.refused(1000, "");
        long eagerMs = router.dueMs() - 1000;
        assertTrue(eagerMs >= 10 && eagerMs <= 100);
        long nowMs = 1000 + Limits.SEARCH_EAGER_MS;
        router.refused(nowMs, "");
        long lazyMs = router.dueMs() - nowMs;
        assertTrue(lazyMs >= 50 && lazyMs <= 500);
    }

    @Test
    void whoServesSoonIsAskedAgain() {
        for (VxcError error : Arrays.asList(VxcError.EBUSY, VxcError.ENOQUORUM, VxcError.EUNKNOWN, VxcError.ENOSPC,
                VxcError.ENOMEM)) {
            Router router = router("a:1,b:1");
            router.ended(1000, error, "");
            assertEquals("a:1", router.place().toString());
            assertTrue(router.dueMs() >= 1010 && router.dueMs() <= 1100);
        }
    }

    @Test
    void aSilentPlaceComesLast() {
        Router router = router("a:1,b:1");
        router.ended(1000, VxcError.ETIMEOUT, "");
        assertEquals("b:1", router.place().toString());
        router.failed(1000, false);
        assertEquals("b:1", router.place().toString(), "b is due in 20 ms, a in half a second or more");
    }

    @Test
    void membersAreLearnedAndForgottenButNotTheGivenOnesNorWhereWeAre() {
        Router router = router("a:1");
        assertFalse(router.hasOthers());
        router.learn(Arrays.asList("a:1", "b:1", "c:1", "no address"));
        router.failed(1000, false);
        assertNotEquals("a:1", router.place().toString());
        Endpoint here = router.place();
        router.learn(Collections.singletonList("d:1"));
        assertEquals(here, router.place());
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < 20; i++) {
            seen.add(router.place().toString());
            router.failed(router.dueMs(), false);
        }
        assertEquals(new HashSet<>(Arrays.asList("a:1", "d:1", here.toString())), seen);
    }

    @Test
    void learningIsBoundedAndFixedRoutersLearnNothing() {
        Router router = router("a:1");
        List<String> many = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            many.add("m" + i + ":1");
        }
        router.learn(many);
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < 500; i++) {
            seen.add(router.place().toString());
            router.failed(router.dueMs(), false);
        }
        assertEquals(1 + Limits.LEARNED_MAX, seen.size());
        Router fixed = new Router(Endpoint.parse("a:1"), true, new Random(1));
        fixed.learn(many);
        fixed.refused(1000, "x:1");
        assertFalse(fixed.hasOthers());
        assertEquals("a:1", fixed.place().toString());
    }
}
