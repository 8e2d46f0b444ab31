/* The meta row of the state machine: what is replicated besides the rows of the modules. */
#ifndef VXC_FSM_META_H
#define VXC_FSM_META_H

#include "fsm/state.h"

/* The state before the first entry. */
void vxc_meta_begin(struct vxc_fsm *fsm);
/* Reads the row, when there is one. VXC_ECORRUPT, VXC_EVERSION. */
int vxc_meta_load(struct vxc_fsm *fsm, struct vxc_error *err);
/* Writes the row when something in it has changed. */
void vxc_meta_flush(struct vxc_fsm *fsm);

#endif
