package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.BadServers;

/** On Vert.x 5. */
class BadServersIT extends BadServers {
}
