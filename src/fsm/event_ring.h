/* The ring of recent events that are not part of the state: changes of watched data and what
 * sessions were told about themselves. Every node fills its own while applying, so that a client
 * finds its missed events at whichever node is the primary. Bounded by VXC_EVENT_HISTORY_BYTES; the
 * oldest go first. It is empty after a start, and then knows from which index on it is complete.
 */
#ifndef VXC_FSM_EVENT_RING_H
#define VXC_FSM_EVENT_RING_H

#include "fsm/fsm.h"

struct vxc_event_record;

struct vxc_event_ring {
    uint64_t complete_after; /* every event with a higher log index is here */
    uint64_t bytes;
    struct vxc_event_record **records; /* in order of (index, ordinal), round the end */
    size_t capacity;                   /* a power of two */
    size_t head;
    size_t count;
};

void vxc_event_ring_init(struct vxc_event_ring *ring, uint64_t complete_after);
void vxc_event_ring_deinit(struct vxc_event_ring *ring);

/* Copies the event; its session counts only for events without a kind (to the session itself). */
void vxc_event_ring_add(struct vxc_event_ring *ring, uint64_t namespace_id,
                        const struct vxc_event *event);

/* Position of the first event with an index above last_index; count when there is none. */
size_t vxc_event_ring_after(const struct vxc_event_ring *ring, uint64_t last_index);
/* Slices are borrowed until the next add. */
void vxc_event_ring_at(const struct vxc_event_ring *ring, size_t position, uint64_t *namespace_id,
                       struct vxc_event *event);

#endif
