/* Members come and go: changes asked of whoever is primary, and what follows from those that are
 * committed. */
#ifndef VXC_TESTS_SIM_MEMBERS_H
#define VXC_TESTS_SIM_MEMBERS_H

#include "consensus/configuration.h"
#include "node.h"

/* Asks for some change of the members, or for another primary. */
void members_change(struct world *world);
/* True when the proposal was one of these. */
bool members_on_result(struct node *node, const struct vxc_proposal *proposal,
                       const struct vxc_result *result);
/* A configuration was committed: who is in it no more is shut down. */
void members_committed(struct world *world, const struct vxc_configuration *configuration);

#endif
