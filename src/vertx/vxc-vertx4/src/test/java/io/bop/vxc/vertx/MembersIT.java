package io.bop.vxc.vertx;

import io.bop.vxc.vertx.scenarios.Members;

/** On Vert.x 4. */
class MembersIT extends Members {
}
