package io.bop.vxc.vertx.suites;

import static org.junit.Assert.assertTrue;

import io.bop.vxc.vertx.BopClusterManager;
import io.bop.vxc.vertx.testing.Managed;
import io.vertx.core.Vertx;
import io.vertx.servicediscovery.ServiceDiscoveryOptions;
import io.vertx.servicediscovery.impl.DiscoveryImpl;
import io.vertx.servicediscovery.impl.DiscoveryImplTestBase;
import java.util.concurrent.TimeUnit;
import org.junit.Before;
import org.junit.Rule;

/** Upstream's DiscoveryImplTestBase, on a clustered Vert.x. */
public class BopDiscoveryImplTest extends DiscoveryImplTestBase {
    private static final long START_S = 30;

    @Rule(order = Managed.INNERMOST)
    public final Managed<BopClusterManager> managed = Suites.managed();

    @Before
    public void setUp() throws Exception {
        vertx = Vertx.builder().withClusterManager(managed.manager()).buildClustered()
                .toCompletionStage().toCompletableFuture().get(START_S, TimeUnit.SECONDS);
        assertTrue(vertx.isClustered());
        discovery = new DiscoveryImpl(vertx, new ServiceDiscoveryOptions());
    }
}
