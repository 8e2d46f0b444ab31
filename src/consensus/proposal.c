#include "consensus/proposal.h"

#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"

enum {
    COMMAND_HEAD_MOST = 128,                    /* bytes of a command that are not its fields */
    OPEN_KEPT = 2 * (int)VXC_ENTRY_SIZE_TARGET, /* a larger buffer is given back after use */
    WAITING_MASK = (int)VXC_PROPOSALS_MAX - 1,
    ENTRIES_MASK = VXC_PROPOSAL_ENTRIES_MAX - 1,
};

_Static_assert((VXC_PROPOSALS_MAX & WAITING_MASK) == 0, "a ring's size is a power of two");
_Static_assert((VXC_PROPOSAL_ENTRIES_MAX & ENTRIES_MASK) == 0, "a ring's size is a power of two");
_Static_assert(VXC_ENTRY_SIZE_MAX + VXC_PROPOSAL_OVERHEAD < VXC_LOG_UNCOMMITTED_MAX,
               "one largest command is always admitted when nothing else is on its way");

int vxc_proposals_init(struct vxc_proposals *proposals)
{
    *proposals = (struct vxc_proposals){0};
    /* 8 MiB, of which mostly the first page is used: a slot is written before it is read */
    proposals->waiting = vxc_malloc(VXC_PROPOSALS_MAX * sizeof(struct vxc_proposal *));
    proposals->entries = vxc_malloc(VXC_PROPOSAL_ENTRIES_MAX * sizeof *proposals->entries);
    if (proposals->waiting == NULL || proposals->entries == NULL ||
        vxc_entry_begin(&proposals->open) != 0) {
        vxc_proposals_deinit(proposals);
        return VXC_ENOMEM;
    }
    return 0;
}

void vxc_proposals_deinit(struct vxc_proposals *proposals)
{
    vxc_free(proposals->waiting);
    vxc_free(proposals->entries);
    vxc_buffer_free(&proposals->open);
    *proposals = (struct vxc_proposals){0};
}

static uint64_t size_most(const struct vxc_command *command)
{
    return COMMAND_HEAD_MOST + (uint64_t)command->name.size + command->key.size +
           command->value.size + command->expect.size;
}

static uint64_t open_bytes(const struct vxc_proposals *proposals)
{
    return proposals->open.size + (uint64_t)proposals->open_count * VXC_PROPOSAL_OVERHEAD;
}

uint64_t vxc_proposals_bytes(const struct vxc_proposals *proposals)
{
    return proposals->submitted_bytes + (proposals->open_count == 0 ? 0 : open_bytes(proposals));
}

bool vxc_proposals_overflow(const struct vxc_proposals *proposals,
                            const struct vxc_command *command)
{
    return proposals->open_count > 0 &&
           (proposals->open_count >= VXC_ENTRY_COMMANDS_MAX ||
            proposals->open.size + size_most(command) > VXC_ENTRY_SIZE_TARGET);
}

int vxc_proposals_add(struct vxc_proposals *proposals, const struct vxc_command *command,
                      struct vxc_proposal *proposal)
{
    int rv;

    if (vxc_proposals_bytes(proposals) + size_most(command) + VXC_PROPOSAL_OVERHEAD >
            VXC_LOG_UNCOMMITTED_MAX &&
        vxc_proposals_bytes(proposals) > 0) {
        return VXC_EBUSY;
    }
    if (vxc_proposals_overflow(proposals, command)) {
        return VXC_EBUSY; /* the open entry is full and could not be submitted */
    }
    rv = vxc_entry_add(&proposals->open, command);
    if (rv != 0) {
        return rv;
    }
    vxc_check(proposals->waiting_tail - proposals->waiting_head < VXC_PROPOSALS_MAX);
    proposals->waiting[proposals->waiting_tail & WAITING_MASK] = proposal;
    proposals->waiting_tail++;
    proposals->open_count++;
    return 0;
}

bool vxc_proposals_have_room(const struct vxc_proposals *proposals)
{
    return vxc_proposals_in_flight(proposals) < VXC_PROPOSAL_ENTRIES_MAX;
}

struct vxc_slice vxc_proposals_close(struct vxc_proposals *proposals, uint64_t stamp_ms)
{
    vxc_check(vxc_proposals_have_room(proposals));
    vxc_entry_finish(&proposals->open, stamp_ms, proposals->open_count);
    return vxc_buffer_slice(&proposals->open);
}

static void begin_open(struct vxc_proposals *proposals)
{
    if (proposals->open.capacity > OPEN_KEPT) {
        vxc_buffer_free(&proposals->open);
    }
    vxc_need_memory(vxc_entry_begin(&proposals->open) == 0, "the next entry"); /* 14 bytes */
    proposals->open_count = 0;
}

void vxc_proposals_submitted(struct vxc_proposals *proposals, uint64_t index, uint64_t term)
{
    uint64_t slot = proposals->entries_tail & ENTRIES_MASK;
    uint64_t bytes = open_bytes(proposals);

    proposals->entries[slot].index = index;
    proposals->entries[slot].term = term;
    proposals->entries[slot].count = proposals->open_count;
    proposals->entries[slot].bytes = bytes;
    proposals->entries_tail++;
    proposals->submitted_bytes += bytes;
    begin_open(proposals);
}

bool vxc_proposals_take(const struct vxc_proposals *proposals, uint64_t index, uint64_t term)
{
    uint64_t slot = proposals->entries_head & ENTRIES_MASK;

    return vxc_proposals_in_flight(proposals) > 0 && proposals->entries[slot].index == index &&
           proposals->entries[slot].term == term;
}

struct vxc_proposal *vxc_proposals_at(const struct vxc_proposals *proposals, uint32_t position)
{
    vxc_check(vxc_proposals_in_flight(proposals) > 0);
    vxc_check(position < proposals->entries[proposals->entries_head & ENTRIES_MASK].count);
    return proposals->waiting[(proposals->waiting_head + position) & WAITING_MASK];
}

void vxc_proposals_done(struct vxc_proposals *proposals)
{
    uint64_t slot = proposals->entries_head & ENTRIES_MASK;

    vxc_check(vxc_proposals_in_flight(proposals) > 0);
    proposals->waiting_head += proposals->entries[slot].count;
    proposals->submitted_bytes -= proposals->entries[slot].bytes;
    proposals->entries_head++;
    if (proposals->waiting_head == proposals->waiting_tail) {
        /* Back to the ring's first pages, which are in the cache and in memory already. */
        proposals->waiting_head = 0;
        proposals->waiting_tail = 0;
    }
}

void vxc_proposals_fail_open(struct vxc_proposals *proposals, int open_code, void *data,
                             vxc_proposal_fail_cb fail)
{
    uint64_t count = proposals->open_count;

    begin_open(proposals);
    for (uint64_t i = count; i > 0; i--) {
        struct vxc_proposal *proposal =
            proposals->waiting[(proposals->waiting_tail - i) & WAITING_MASK];
        if (proposal != NULL) {
            fail(data, proposal, open_code);
        }
    }
    proposals->waiting_tail -= count;
}

void vxc_proposals_fail(struct vxc_proposals *proposals, int open_code, void *data,
                        vxc_proposal_fail_cb fail)
{
    while (vxc_proposals_in_flight(proposals) > 0) {
        uint32_t count = proposals->entries[proposals->entries_head & ENTRIES_MASK].count;

        for (uint32_t i = 0; i < count; i++) {
            struct vxc_proposal *proposal = vxc_proposals_at(proposals, i);
            if (proposal != NULL) {
                fail(data, proposal, VXC_EUNKNOWN);
            }
        }
        vxc_proposals_done(proposals);
    }
    vxc_proposals_fail_open(proposals, open_code, data, fail);
}
