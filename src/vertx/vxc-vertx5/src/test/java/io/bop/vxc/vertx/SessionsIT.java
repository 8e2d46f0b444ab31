package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.Sessions;

/** On Vert.x 5. */
class SessionsIT extends Sessions {
}
