/* Proposals: commands on their way, from the open entry to their results.
 *
 * add() encodes a command into the open entry, the one that collects while earlier ones are
 * written. close() finishes it with a stamp; submitted() files it under its index and term; at its
 * turn to be applied, take() gives back who waits for each of its commands, and done() forgets it.
 * All of that is first in, first out.
 *
 * Bounds: an entry closes at VXC_ENTRY_SIZE_TARGET or holds one larger command, and at
 * VXC_ENTRY_COMMANDS_MAX; what is open, submitted and not yet applied is at most
 * VXC_LOG_UNCOMMITTED_MAX bytes, each command counted with VXC_PROPOSAL_OVERHEAD, which bounds
 * their number too. Full is VXC_EBUSY.
 *
 * Losing the primaryship: submitted commands may still be committed by the next primary, so their
 * outcome is VXC_EUNKNOWN; those of the open entry never left and get the code they are failed
 * with.
 */
#ifndef VXC_CONSENSUS_PROPOSAL_H
#define VXC_CONSENSUS_PROPOSAL_H

#include "base/bytes.h"
#include "base/limits.h"
#include "fsm/command.h"

#include <stdbool.h>
#include <stdint.h>

/* A command waiting for its commit; embedded by the owner, who keeps it alive until on_result. */
struct vxc_proposal {
    void *data;                /* owner's */
    struct vxc_proposal *next; /* owner's, for lists of its own; not touched here */
};

enum {
    VXC_PROPOSAL_OVERHEAD = 64, /* bytes: pointer, reply in the making, share of bookkeeping */
    VXC_PROPOSALS_MAX = VXC_LOG_UNCOMMITTED_MAX / VXC_PROPOSAL_OVERHEAD,
    VXC_PROPOSAL_ENTRIES_MAX = 4096, /* entries submitted and not yet applied */
};

struct vxc_proposals {
    struct vxc_buffer open; /* the open entry */
    uint32_t open_count;    /* its commands */

    struct vxc_proposal *
        *waiting; /* ring of VXC_PROPOSALS_MAX, one per command, NULL: nobody waits */
    uint64_t waiting_head, waiting_tail; /* ever taken, ever added; the open entry's are the last */
    struct {
        uint64_t index, term, bytes;
        uint32_t count;
    } * entries; /* ring of VXC_PROPOSAL_ENTRIES_MAX */
    uint64_t entries_head, entries_tail;
    uint64_t submitted_bytes;
};

int vxc_proposals_init(struct vxc_proposals *proposals); /* VXC_ENOMEM */
void vxc_proposals_deinit(struct vxc_proposals *proposals);

/* Would this command go beyond the target of the open entry, so that it is to be closed first? */
bool vxc_proposals_overflow(const struct vxc_proposals *proposals,
                            const struct vxc_command *command);

/* VXC_EBUSY, VXC_ETOOBIG, VXC_EINVAL, VXC_ENOMEM: nothing was added. */
int vxc_proposals_add(struct vxc_proposals *proposals, const struct vxc_command *command,
                      struct vxc_proposal *proposal);

/* May another entry be submitted? */
bool vxc_proposals_have_room(const struct vxc_proposals *proposals);

/* The finished open entry (of no commands: a no-op or a tick); borrowed until submitted() or add().
 */
struct vxc_slice vxc_proposals_close(struct vxc_proposals *proposals, uint64_t stamp_ms);

/* What close() gave is in the log at (index, term): a new open entry begins. */
void vxc_proposals_submitted(struct vxc_proposals *proposals, uint64_t index, uint64_t term);

/* Is the entry (index, term), about to be applied, the oldest of ours? */
bool vxc_proposals_take(const struct vxc_proposals *proposals, uint64_t index, uint64_t term);
/* Who waits for command `position` of the oldest entry; NULL: nobody. */
struct vxc_proposal *vxc_proposals_at(const struct vxc_proposals *proposals, uint32_t position);
/* The oldest entry is applied. */
void vxc_proposals_done(struct vxc_proposals *proposals);

/* Forgets all, giving each waiting proposal to `fail`: the submitted ones with VXC_EUNKNOWN, those
 * of the open entry with open_code. `fail` must not add. */
typedef void (*vxc_proposal_fail_cb)(void *data, struct vxc_proposal *proposal, int code);
void vxc_proposals_fail(struct vxc_proposals *proposals, int open_code, void *data,
                        vxc_proposal_fail_cb fail);
/* The same for the open entry alone. */
void vxc_proposals_fail_open(struct vxc_proposals *proposals, int open_code, void *data,
                             vxc_proposal_fail_cb fail);

static inline uint64_t vxc_proposals_in_flight(const struct vxc_proposals *proposals)
{
    return proposals->entries_tail - proposals->entries_head;
}

/* Fill of VXC_LOG_UNCOMMITTED_MAX. */
uint64_t vxc_proposals_bytes(const struct vxc_proposals *proposals);

#endif
