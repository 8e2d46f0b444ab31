#include "consensus/outbox.h"

#include "base/check.h"

static struct vxc_peer_message *at(struct vxc_outbox *outbox, uint32_t position)
{
    return &outbox->messages[(outbox->head + position) % VXC_OUTBOX_MESSAGES_MAX];
}

/* Can an append go on where the newest one ends? Then one range says it all. */
static bool join(struct vxc_outbox *outbox, const struct vxc_peer_message *message)
{
    const struct vxc_engine_message *next = &message->engine;
    struct vxc_engine_message *last;

    if (outbox->count == 0 || message->type != VXC_PEER_ENGINE || next->type != VXC_ENGINE_APPEND) {
        return false;
    }
    if (at(outbox, outbox->count - 1)->type != VXC_PEER_ENGINE) {
        return false;
    }
    last = &at(outbox, outbox->count - 1)->engine;
    if (last->type != VXC_ENGINE_APPEND || last->term != next->term ||
        last->append.prev_index + last->append.count != next->append.prev_index ||
        last->append.count + next->append.count > VXC_PEER_ENTRIES_MAX) {
        return false;
    }
    last->append.count += next->append.count;
    last->append.commit_index = next->append.commit_index;
    return true;
}

void vxc_outbox_push(struct vxc_outbox *outbox, const struct vxc_peer_message *message)
{
    if (join(outbox, message)) {
        return;
    }
    if (outbox->count == VXC_OUTBOX_MESSAGES_MAX) {
        return;
    }
    *at(outbox, outbox->count) = *message;
    outbox->count++;
}

struct vxc_peer_message *vxc_outbox_first(struct vxc_outbox *outbox)
{
    return outbox->count == 0 ? NULL : at(outbox, 0);
}

void vxc_outbox_pop(struct vxc_outbox *outbox)
{
    vxc_check(outbox->count > 0);
    outbox->head = (outbox->head + 1) % VXC_OUTBOX_MESSAGES_MAX;
    outbox->count--;
}

void vxc_outbox_clear(struct vxc_outbox *outbox)
{
    outbox->head = 0;
    outbox->count = 0;
}
