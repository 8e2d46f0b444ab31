package io.bop.vxc.vertx.suites;

import io.bop.vxc.vertx.BopClusterManager;
import io.bop.vxc.vertx.testing.Managed;
import io.vertx.core.json.JsonObject;

/** What all suites have: a namespace for each method, and the manager under test. */
final class Suites {
    private Suites() {
    }

    static Managed<BopClusterManager> managed() {
        return new Managed<>(BopClusterManager.class,
                configuration -> new BopClusterManager(new JsonObject(configuration)), BopClusterManager::getNodeId);
    }
}
