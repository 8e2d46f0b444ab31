#include "consensus/read_index.h"

#include "base/check.h"

void vxc_read_index_init(struct vxc_read_index *reads)
{
    *reads = (struct vxc_read_index){.next = 1};
}

uint64_t vxc_read_index_want(struct vxc_read_index *reads)
{
    reads->wanted = true;
    return reads->next;
}

bool vxc_read_index_is_busy(const struct vxc_read_index *reads)
{
    return reads->wanted || reads->count > 0;
}

uint64_t vxc_read_index_begin(struct vxc_read_index *reads, uint64_t commit_index, uint64_t now_ms,
                              uint64_t retry_ms)
{
    bool overdue = reads->count > 0 && now_ms - reads->asked_ms >= retry_ms;

    if (reads->wanted && reads->count < VXC_READ_ROUNDS_MAX) {
        reads->rounds[reads->count].round = reads->next;
        reads->rounds[reads->count].commit_index = commit_index;
        reads->count++;
        reads->next++;
        reads->wanted = false;
    } else if (!overdue) {
        return 0;
    }
    reads->asked_ms = now_ms;
    return reads->next - 1;
}

void vxc_read_index_answer(struct vxc_read_index *reads, uint64_t id, uint64_t round)
{
    if (round >= reads->next) {
        return; /* we never asked that */
    }
    for (uint32_t i = 0; i < VXC_CONFIGURATION_MEMBERS_MAX; i++) {
        if (reads->answers[i].id == id || reads->answers[i].id == 0) {
            reads->answers[i].id = id;
            if (round > reads->answers[i].round) {
                reads->answers[i].round = round;
            }
            return;
        }
    }
    /* Members have come and gone: whoever is still asked will answer again. */
    for (uint32_t i = 0; i < VXC_CONFIGURATION_MEMBERS_MAX; i++) {
        reads->answers[i].id = 0;
        reads->answers[i].round = 0;
    }
    reads->answers[0].id = id;
    reads->answers[0].round = round;
}

static uint64_t answered(const struct vxc_read_index *reads, uint64_t id)
{
    for (uint32_t i = 0; i < VXC_CONFIGURATION_MEMBERS_MAX; i++) {
        if (reads->answers[i].id == id) {
            return reads->answers[i].round;
        }
    }
    return 0;
}

/* Has a majority of the voters answered this round? A primary that is no voter (any more) does not
 * count itself. */
static bool has_majority(const struct vxc_read_index *reads, uint64_t self, uint64_t round,
                         const struct vxc_configuration *configuration)
{
    uint32_t yes = 0;

    for (uint32_t i = 0; i < configuration->count; i++) {
        uint64_t id = configuration->members[i].id;

        if (configuration->members[i].role == VXC_MEMBER_VOTER &&
            (id == self || answered(reads, id) >= round)) {
            yes++;
        }
    }
    return yes > vxc_configuration_voters(configuration) / 2;
}

uint64_t vxc_read_index_collect(struct vxc_read_index *reads, uint64_t self,
                                const struct vxc_configuration *committed,
                                const struct vxc_configuration *newest, uint64_t applied_index)
{
    uint64_t round = 0;
    uint32_t done = 0;

    while (done < reads->count && reads->rounds[done].commit_index <= applied_index &&
           has_majority(reads, self, reads->rounds[done].round, committed) &&
           has_majority(reads, self, reads->rounds[done].round, newest)) {
        round = reads->rounds[done].round;
        done++;
    }
    if (done == 0) {
        return 0;
    }
    reads->count -= done;
    for (uint32_t i = 0; i < reads->count; i++) {
        reads->rounds[i] = reads->rounds[i + done];
    }
    return round;
}

uint64_t vxc_read_index_abort(struct vxc_read_index *reads)
{
    uint64_t round = !vxc_read_index_is_busy(reads) ? 0 : reads->next;

    reads->next++; /* who waited for a round to begin is not taken for one who comes later */
    reads->wanted = false;
    reads->count = 0;
    for (uint32_t i = 0; i < VXC_CONFIGURATION_MEMBERS_MAX; i++) {
        reads->answers[i].id = 0;
        reads->answers[i].round = 0;
    }
    return round;
}
