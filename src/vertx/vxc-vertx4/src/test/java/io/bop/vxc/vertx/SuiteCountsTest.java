package io.bop.vxc.vertx;

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
import io.bop.vxc.vertx.testing.SuiteCounts;
import java.util.LinkedHashMap;
import java.util.Map;

/** Of Vert.x 4. */
class SuiteCountsTest extends SuiteCounts {
    SuiteCountsTest() {
        super(302, BopClusteredEventBusWithSSLTest.class, BopClusteredAsynchronousLockTest.class, suites());
    }

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
}
