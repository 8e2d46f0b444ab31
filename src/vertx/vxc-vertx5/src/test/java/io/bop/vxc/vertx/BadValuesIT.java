package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.BadValues;

/** On Vert.x 5. */
class BadValuesIT extends BadValues {
}
