/* Restore: a state from a snapshot begins a new life as another cluster.
 *
 * What belonged to the old life ends: all sessions with what they owned — registrations, held
 * locks, queue places, watches, node entries. Waiters leave before holders, so nothing is granted
 * on the way. The members of the old cluster are no members of the new one: their rows go, also of
 * those that were removed. Fencing tokens go on from the larger of the stored one and the wall clock, so none is
 * ever given twice. The result is a function of state and options alone: nodes that are restored from
 * one file with the same options have the same state. All of it is one entry behind the image's (index + 1), which nobody else has;
 * row "restored" of the meta database records what happened, from which state and why.
 */
#ifndef VXC_FSM_RESTORE_H
#define VXC_FSM_RESTORE_H

#include "base/bytes.h"
#include "base/error.h"
#include "fsm/fsm.h"
#include "storage/store.h"

#include <stdint.h>

struct vxc_fsm_restore_options {
    uint8_t cluster_id[16]; /* of the new cluster */
    uint64_t wall_us;       /* now, in microseconds since 1970; or when it was saved … */
    uint64_t token_leap;    /* … and then so many tokens are left out */
    const struct vxc_member_view
        *members; /* of the new cluster, with id and address; may be NULL */
    size_t member_count;
    struct vxc_slice configuration; /* of the new cluster, in the engine's encoding */
    struct vxc_slice reason;        /* for people: "restored from a snapshot" */
};

struct vxc_fsm_restore_report {
    uint8_t cluster_id[16]; /* of the state before */
    uint64_t index;         /* applied index of the state before */
    uint64_t term;
    uint64_t sessions; /* ended, with … */
    uint64_t locks_held;
    uint64_t locks_waiting;
    uint64_t nodes;
    uint64_t registrations;
    uint64_t watches;
    uint64_t next_token;
    uint64_t restored_index; /* applied index of the state now */
};

/* Edits and commits; the store must be synchronous and nobody else's. VXC_ECORRUPT, VXC_EVERSION,
 * VXC_ENOSPC (then the state is of no use). */
int vxc_fsm_restore(struct vxc_store *store, const struct vxc_fsm_restore_options *options,
                    struct vxc_fsm_restore_report *report, struct vxc_error *err);

/* Cluster id of a state, zeros before its bootstrap. VXC_ECORRUPT. */
int vxc_fsm_read_cluster_id(struct vxc_store *store, uint8_t cluster_id[16], struct vxc_error *err);

#endif
