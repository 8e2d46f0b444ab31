package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.Processes;

/** On Vert.x 4. */
class ProcessesIT extends Processes {
}
