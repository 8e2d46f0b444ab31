package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.Sessions;

/** On Vert.x 4. */
class SessionsIT extends Sessions {
}
