package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.BadValues;

/** On Vert.x 4. */
class BadValuesIT extends BadValues {
}
