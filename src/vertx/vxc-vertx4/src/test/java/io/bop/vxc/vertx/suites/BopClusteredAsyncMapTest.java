package io.bop.vxc.vertx.suites;

import io.bop.vxc.vertx.BopClusterManager;
import io.bop.vxc.vertx.testing.Managed;
import io.vertx.core.shareddata.ClusteredAsyncMapTest;
import io.vertx.core.spi.cluster.ClusterManager;
import org.junit.Rule;

/** Upstream's ClusteredAsyncMapTest. */
public class BopClusteredAsyncMapTest extends ClusteredAsyncMapTest {
    @Rule(order = Managed.INNERMOST)
    public final Managed<BopClusterManager> managed = Suites.managed();

    @Override
    protected ClusterManager getClusterManager() {
        return managed.manager();
    }
}
