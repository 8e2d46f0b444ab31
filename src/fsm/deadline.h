/* Deadlines: the part that only fsm.c calls; modules use vxc_deadline_add() and _remove() of
 * state.h. */
#ifndef VXC_FSM_DEADLINE_H
#define VXC_FSM_DEADLINE_H

#include "fsm/state.h"

/* Finds the first deadline after a start. */
void vxc_deadlines_load(struct vxc_fsm *fsm);

/* Moves effective time to fsm->stamp_ms, reaping what falls due on the way. */
void vxc_deadlines_reap(struct vxc_fsm *fsm);

#endif
