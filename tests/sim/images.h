/* Images between nodes: who is too far behind gets the state of the primary.
 *
 * What carries them is simulated (a copy of the committed LMDB file that arrives after a while, or
 * does not); what makes a state of it is the product's storage/install.h, with a crash at any step. */
#ifndef VXC_TESTS_SIM_IMAGES_H
#define VXC_TESTS_SIM_IMAGES_H

#include "node.h"

/* Hooks of the replica. */
void images_on_wanted(void *node, uint64_t peer);
void images_on_install(void *node, uint64_t peer, const struct vxc_log_base *base);

#endif
