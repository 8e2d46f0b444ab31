package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.Processes;

/** On Vert.x 5. */
class ProcessesIT extends Processes {
}
