package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.Faults;

/** On Vert.x 4. */
class FaultsIT extends Faults {
}
