package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.Health;

/** On Vert.x 5. */
class HealthIT extends Health {
}
