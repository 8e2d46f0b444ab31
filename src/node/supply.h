/* Supplies peers with an image of the state: a backup that needs what the log no longer holds, a new
 * member, a node whose state is damaged.
 *
 * There is one image at a time, for all who want one. It is made as a client's snapshot is (node/
 * snapshot.h, an instance of its own, so that neither waits for the other): a commit of all that is
 * applied, an image written by a thread of its own into DATA/outgoing. While it is of use, the log
 * behind it is held, so that who has installed it can go on from there.
 *
 *   the replica: a peer needs one (on_image_wanted) → made → vxc_replica_offer_image: the peer's
 *   engine hears of it, and its node asks here with peer_image_want
 *   peer_image_want → peer_image (term 0): its name, size and where it ends; while it is being made
 *   peer_image_bytes with image 0 and VXC_EBUSY; VXC_ENOTFOUND when this node cannot have one
 *   peer_image_read → peer_image_bytes, in the order of the questions, as far as the connection takes
 *   them: at most VXC_PEER_IMAGE_TURN_BYTES per turn, so that heartbeats pass between
 *
 * The image is given up, and its log let go, when no peer has asked for VXC_SNAPSHOT_IDLE_MS and none
 * still has to catch up with its end; or when the log behind it has grown over
 * VXC_LOG_HELD_BYTES_MAX: then who still fetches is told VXC_ENOTFOUND, and a new one is made when
 * the replica wants it.
 *
 * Loop thread only. Hooks of the replica only take notes here: all work is done in turns.
 */
#ifndef VXC_NODE_SUPPLY_H
#define VXC_NODE_SUPPLY_H

#include "consensus/replica.h"
#include "fsm/fsm.h"
#include "node/snapshot.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_supply;

struct vxc_supply_options {
    const char *folder; /* DATA/outgoing; copied */
    const struct vxc_clock *clock;
    const struct vxc_logger *logger;
    uint64_t node_id;
    void *data;
    /* VXC_ECLOSED: no connection; VXC_EBUSY: it is full. */
    int (*send)(void *data, uint64_t peer, const struct vxc_message *message);
};

/* Empties the folder. VXC_ENOMEM, VXC_EIO. */
int vxc_supply_create(const struct vxc_supply_options *options, struct vxc_supply **supply,
                      struct vxc_error *err);
/* Before the store is closed. NULL is fine. */
void vxc_supply_free(struct vxc_supply *supply);

/* What is supplied from; all NULL while there is no state, and then there is no image. Waits for the
 * thread of one that is being made. All borrowed. */
void vxc_supply_set_replica(struct vxc_supply *supply, struct vxc_replica *replica,
                            struct vxc_fsm *fsm, struct vxc_store *store, struct vxc_log *log);

/* The replica's hook. */
void vxc_supply_on_wanted(struct vxc_supply *supply, uint64_t peer);
/* Messages 321 and 322 of a peer; others are ignored. */
void vxc_supply_on_message(struct vxc_supply *supply, uint64_t peer,
                           const struct vxc_message *message);
/* Part of each turn; returns ms until it wants the next. */
uint64_t vxc_supply_turn(struct vxc_supply *supply);

/* Where the image that is there ends; 0 = there is none. */
uint64_t vxc_supply_index(const struct vxc_supply *supply);

#endif
