package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.BadServers;

/** On Vert.x 4. */
class BadServersIT extends BadServers {
}
