package io.bop.vxc.vertx.suites;

import io.bop.vxc.vertx.BopClusterManager;
import io.bop.vxc.vertx.testing.Managed;
import io.vertx.core.spi.cluster.ClusterManager;
import io.vertx.tests.eventbus.FaultToleranceTest;
import java.util.List;
import org.junit.Rule;

/** Upstream's FaultToleranceTest. */
public class BopFaultToleranceTest extends FaultToleranceTest {
    @Rule(order = Managed.INNERMOST)
    public final Managed<BopClusterManager> managed = Suites.managed().withOthers(NODE_COUNT);

    @Override
    protected ClusterManager getClusterManager() {
        return managed.manager();
    }

    @Override
    protected List<String> getExternalNodeSystemProperties() {
        return managed.systemProperties();
    }
}
