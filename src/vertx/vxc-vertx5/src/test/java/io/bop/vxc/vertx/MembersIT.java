package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.Members;

/** On Vert.x 5. */
class MembersIT extends Members {
}
