package io.bop.vxc.vertx.suites;

import io.bop.vxc.vertx.BopClusterManager;
import io.bop.vxc.vertx.testing.Managed;
import io.vertx.core.spi.cluster.ClusterManager;
import io.vertx.ext.web.it.sstore.ClusteredSessionHandlerTest;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Upstream's ClusteredSessionHandlerTest. */
public class BopClusteredSessionHandlerTest extends ClusteredSessionHandlerTest {
    @RegisterExtension
    public final Managed<BopClusterManager> managed = Suites.managed();

    @Override
    protected ClusterManager getClusterManager() {
        return managed.manager();
    }
}
