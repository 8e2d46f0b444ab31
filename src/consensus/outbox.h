/* The outbox: what waits to be sent to one peer.
 *
 * Messages keep their order. An append is kept as a range of the log, without its entries: ranges
 * that follow one another are joined, so a peer that takes little holds little here, whatever is
 * behind it. At VXC_OUTBOX_MESSAGES_MAX a new message is dropped; the consensus takes that for loss
 * on the way and sends again.
 */
#ifndef VXC_CONSENSUS_OUTBOX_H
#define VXC_CONSENSUS_OUTBOX_H

#include "base/limits.h"
#include "consensus/peer.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_outbox {
    struct vxc_peer_message messages[VXC_OUTBOX_MESSAGES_MAX]; /* ring */
    uint32_t head, count;
};

/* Copies the message; slices in it must outlive it. */
void vxc_outbox_push(struct vxc_outbox *outbox, const struct vxc_peer_message *message);

/* The oldest message, which may be changed in place; NULL when there is none. */
struct vxc_peer_message *vxc_outbox_first(struct vxc_outbox *outbox);
void vxc_outbox_pop(struct vxc_outbox *outbox);
void vxc_outbox_clear(struct vxc_outbox *outbox);

#endif
