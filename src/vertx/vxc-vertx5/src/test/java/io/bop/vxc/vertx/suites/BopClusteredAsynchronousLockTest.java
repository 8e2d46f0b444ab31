package io.bop.vxc.vertx.suites;

import io.bop.vxc.vertx.BopClusterManager;
import io.bop.vxc.vertx.testing.Managed;
import io.vertx.core.spi.cluster.ClusterManager;
import io.vertx.tests.shareddata.ClusteredAsynchronousLockTest;
import org.junit.Rule;
import org.junit.Test;

/** Upstream's ClusteredAsynchronousLockTest, with the two tests that its own manager cannot pass. */
public class BopClusteredAsynchronousLockTest extends ClusteredAsynchronousLockTest {
    @Rule(order = Managed.INNERMOST)
    public final Managed<BopClusterManager> managed = Suites.managed();

    @Override
    protected ClusterManager getClusterManager() {
        return managed.manager();
    }

    @Override
    @Test
    public void testLockReleasedForClosedNode() throws Exception {
        super.testLockReleasedForClosedNode();
    }

    @Override
    @Test
    public void testLockReleasedForKilledNode() throws Exception {
        super.testLockReleasedForKilledNode();
    }
}
