/* Admission: which commands a node without space still takes. */
#ifndef VXC_CONSENSUS_ADMISSION_H
#define VXC_CONSENSUS_ADMISSION_H

#include "fsm/command.h"

#include <stdbool.h>

/* False for commands that remove or release, which a full store takes all the same: they are how
 * room is made. What is not known to shrink counts as growing. */
bool vxc_command_grows(const struct vxc_command *command);

#endif
