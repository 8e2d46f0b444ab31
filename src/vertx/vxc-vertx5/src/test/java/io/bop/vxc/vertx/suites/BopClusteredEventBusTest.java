package io.bop.vxc.vertx.suites;

import io.bop.vxc.vertx.BopClusterManager;
import io.bop.vxc.vertx.testing.Managed;
import io.vertx.core.spi.cluster.ClusterManager;
import io.vertx.tests.eventbus.ClusteredEventBusTest;
import org.junit.Rule;

/** Upstream's ClusteredEventBusTest. */
public class BopClusteredEventBusTest extends ClusteredEventBusTest {
    @Rule(order = Managed.INNERMOST)
    public final Managed<BopClusterManager> managed = Suites.managed();

    @Override
    protected ClusterManager getClusterManager() {
        return managed.manager();
    }
}
