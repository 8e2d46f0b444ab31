package io.bop.vxc.vertx.suites;

import io.bop.vxc.vertx.BopClusterManager;
import io.bop.vxc.vertx.testing.Managed;
import io.vertx.core.ComplexHATest;
import io.vertx.core.spi.cluster.ClusterManager;
import org.junit.Rule;

/** Upstream's ComplexHATest. */
public class BopComplexHATest extends ComplexHATest {
    @Rule(order = Managed.INNERMOST)
    public final Managed<BopClusterManager> managed = Suites.managed();

    @Override
    protected ClusterManager getClusterManager() {
        return managed.manager();
    }
}
