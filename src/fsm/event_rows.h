/* Events that are part of the state: membership and registrations. The same on every node, kept
 * over restarts, as rows of the database `events`, bounded per namespace; the oldest go first. They
 * are kept only while somebody watches members or registrations of the namespace.
 *
 *   namespace(8) index(8) ordinal(8)   type u8 | kind u8 | given u8 (1 key, 2 value, 4 view) |
 *                                      number u64 | name | key | value | view
 *                                      (u32 length + bytes each)
 *   namespace(8)                       index of the newest event no longer kept, u64
 */
#ifndef VXC_FSM_EVENT_ROWS_H
#define VXC_FSM_EVENT_ROWS_H

#include "fsm/state.h"

/* Per namespace. A client that missed more reads the current state instead (VXC_ERESYNC), which at
 * that point is also the shorter way. */
#define VXC_EVENT_ROWS_MAX       10000u
#define VXC_EVENT_ROWS_BYTES_MAX (16u * VXC_MIB) /* membership events carry the whole view */

struct vxc_event_space; /* events of one namespace */

struct vxc_event_rows {
    struct vxc_event_space *spaces;
};

int vxc_event_rows_load(struct vxc_fsm *fsm, struct vxc_event_rows *rows, struct vxc_error *err);
void vxc_event_rows_deinit(struct vxc_event_rows *rows);

void vxc_event_rows_add(struct vxc_fsm *fsm, struct vxc_event_rows *rows, uint64_t namespace_id,
                        const struct vxc_event *event);
/* Nobody watches that namespace any more. */
void vxc_event_rows_drop(struct vxc_fsm *fsm, struct vxc_event_rows *rows, uint64_t namespace_id);

/* Every event kept since somebody watches, with a higher index than this, is here. */
uint64_t vxc_event_rows_complete_after(const struct vxc_event_rows *rows, uint64_t namespace_id);

/* Positions count from the oldest event kept. */
size_t vxc_event_rows_after(const struct vxc_event_rows *rows, uint64_t namespace_id,
                            uint64_t last_index);
/* Index and ordinal of a position; false behind the last. */
bool vxc_event_rows_place(const struct vxc_event_rows *rows, uint64_t namespace_id, size_t position,
                          uint64_t *index, uint32_t *ordinal);
/* Slices are borrowed from the table. VXC_ECORRUPT. */
int vxc_event_rows_at(struct vxc_fsm *fsm, const struct vxc_event_rows *rows, uint64_t namespace_id,
                      size_t position, struct vxc_event *event);

#endif
