/* Dump: all rows of the state as JSON lines, page by page (VXC_OP_DUMP). */
#ifndef VXC_FSM_DUMP_H
#define VXC_FSM_DUMP_H

#include "fsm/state.h"

/* key cursor, b limits → pairs (name of the database, JSON line). A page may be empty and yet have
 * a next one: rows that are not shown count against the time of a turn too. */
void vxc_dump_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                    struct vxc_result *result);

#endif
