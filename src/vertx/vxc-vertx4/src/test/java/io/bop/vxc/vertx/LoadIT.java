package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.Load;

/** On Vert.x 4. */
class LoadIT extends Load {
}
