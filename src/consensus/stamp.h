/* Cluster time, as the primary counts it: milliseconds that only ever move forward.
 *
 * The primary adds the monotonic time that it saw pass to the last stamped time. Each look at the
 * clock adds at most VXC_STAMP_STEP_MS_MAX, so a process that was stopped, swapped out or moved to
 * another machine does not bring a jump that would expire what nobody could have renewed. An idle
 * primary looks at least twice a second (its election timer), so idle time is counted in full and a
 * distant deadline needs no entries to reach it. Late is possible, early is not.
 *
 * Fractions of a millisecond are carried over: many short turns lose nothing.
 */
#ifndef VXC_CONSENSUS_STAMP_H
#define VXC_CONSENSUS_STAMP_H

#include <stdint.h>

struct vxc_stamp {
    uint64_t stamped_ms; /* of the last stamp */
    uint64_t credit_ns;  /* seen to pass since */
    uint64_t seen_ns;    /* monotonic, of the last look */
};

/* Takes over at `stamped_ms`, the last stamp in the log. */
void vxc_stamp_restart(struct vxc_stamp *stamp, uint64_t stamped_ms, uint64_t now_ns);

/* Looks at the clock; once per turn. */
void vxc_stamp_look(struct vxc_stamp *stamp, uint64_t now_ns);

/* What vxc_stamp_take() would give at now_ns, without taking it. */
uint64_t vxc_stamp_estimate(const struct vxc_stamp *stamp, uint64_t now_ns);

/* The stamp of the entry being closed. */
uint64_t vxc_stamp_take(struct vxc_stamp *stamp, uint64_t now_ns);

#endif
