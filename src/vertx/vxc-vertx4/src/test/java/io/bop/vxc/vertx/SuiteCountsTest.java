package io.bop.vxc.vertx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.bop.vxc.vertx.suites.BopClusteredAsyncMapTest;
import io.bop.vxc.vertx.suites.BopClusteredAsynchronousLockTest;
import io.bop.vxc.vertx.suites.BopClusteredEventBusTest;
import io.bop.vxc.vertx.suites.BopClusteredEventBusWithSSLTest;
import io.bop.vxc.vertx.suites.BopClusteredSessionHandlerTest;
import io.bop.vxc.vertx.suites.BopClusteredSharedCounterTest;
import io.bop.vxc.vertx.suites.BopComplexHATest;
import io.bop.vxc.vertx.suites.BopDiscoveryImplTest;
import io.bop.vxc.vertx.suites.BopFaultToleranceTest;
import io.bop.vxc.vertx.suites.BopHATest;
import io.bop.vxc.vertx.suites.BopNodeInfoTest;
import io.bop.vxc.vertx.testing.SuiteMethods;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Upstream's suites run whole: as many methods as upstream has, none ignored, none rewritten. */
class SuiteCountsTest {
    private static final int OF_ALL = 302; // without SSL, which no manager's own build runs
    private static final Map<Class<?>, Integer> SUITES = suites();

    private static Map<Class<?>, Integer> suites() {
        Map<Class<?>, Integer> suites = new LinkedHashMap<>();
        suites.put(BopClusteredEventBusTest.class, 113);
        suites.put(BopClusteredEventBusWithSSLTest.class, 74);
        suites.put(BopFaultToleranceTest.class, 1);
        suites.put(BopNodeInfoTest.class, 1);
        suites.put(BopClusteredAsyncMapTest.class, 114);
        suites.put(BopClusteredAsynchronousLockTest.class, 13);
        suites.put(BopClusteredSharedCounterTest.class, 10);
        suites.put(BopHATest.class, 10);
        suites.put(BopComplexHATest.class, 1);
        suites.put(BopClusteredSessionHandlerTest.class, 25);
        suites.put(BopDiscoveryImplTest.class, 14);
        return suites;
    }

    @Test
    void everyMethodRuns() {
        Map<Class<?>, Integer> run = new LinkedHashMap<>();
        SUITES.keySet().forEach(suite -> run.put(suite, SuiteMethods.run(suite).size()));
        assertEquals(SUITES, run);
        assertEquals(OF_ALL + run.get(BopClusteredEventBusWithSSLTest.class),
                run.values().stream().mapToInt(Integer::intValue).sum());
    }

    @Test
    void onlyTheTwoLockTestsThatUpstreamIgnoresAreOverridden() {
        Map<String, Object> overridden = new TreeMap<>();
        SUITES.keySet().forEach(suite -> SuiteMethods.declared(suite)
                .forEach(method -> overridden.put(method, suite)));
        assertEquals(new TreeMap<>(Arrays.asList("testLockReleasedForClosedNode", "testLockReleasedForKilledNode").stream()
                .collect(Collectors.toMap(method -> method, method -> BopClusteredAsynchronousLockTest.class))), overridden);
    }

    @Test
    void allSuitesAreCounted() {
        assertEquals(SUITES.keySet().stream().map(Class::getSimpleName).collect(Collectors.toSet()),
                SuiteMethods.suitesBeside(BopNodeInfoTest.class));
    }
}
