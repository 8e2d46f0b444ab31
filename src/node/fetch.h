/* Fetches an image of the state from a peer: what a node that is too far behind, empty, or without a
 * state that can be believed makes a new state from.
 *
 *   begin → peer_image_want, until the peer names an image (peer_image with term 0; it may have to
 *   make it first) → peer_image_read, piece by piece, a few under way at a time → each part of the
 *   file is checked when it is whole (storage/image_arrival.h) → a thread of its own unpacks it into
 *   DATA/incoming/state, checks the SHA-256 and walks all rows → ready: the state lies there,
 *   durably, for vxc_install_plan().
 *
 * What was cut or damaged is asked for again from where the whole parts end; a broken connection is
 * nothing but pieces that do not come, so the fetch goes on where it was as soon as there is a new
 * one, as long as the peer still has the same image. So it does when this node was restarted: what had
 * arrived is looked through, some of it in each turn, and only what is missing is asked for; nobody
 * wants it in VXC_SNAPSHOT_IDLE_MS, and it goes. A peer that names another image meanwhile has
 * lost that one: it begins anew. It fails for good when the peer says nothing for
 * VXC_PEER_IMAGE_SILENCE_MS, has no such image any more, sends the same damage again and again, or
 * when the disk cannot take it; and it fails as well when what arrived is whole but of another
 * cluster, or no state.
 *
 * Memory: one part and one piece. Loop thread only; the thread that checks is private.
 */
#ifndef VXC_NODE_FETCH_H
#define VXC_NODE_FETCH_H

#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "storage/image.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_fetch;

enum vxc_fetch_state {
    VXC_FETCH_NONE,
    VXC_FETCH_ASKING,   /* waits for the peer to name an image */
    VXC_FETCH_FETCHING, /* pieces come */
    VXC_FETCH_CHECKING, /* all are there; the thread unpacks and walks */
    VXC_FETCH_READY,
    VXC_FETCH_FAILED,
};

struct vxc_fetch_options {
    const char
        *folder; /* DATA/incoming: made when it is needed, emptied when it is done with; copied */
    const struct vxc_clock *clock;
    const struct vxc_logger *logger;
    void *data;
    /* VXC_ECLOSED: no connection; VXC_EBUSY: it is full. Neither is a failure here. */
    int (*send)(void *data, uint64_t peer, const struct vxc_message *message);
};

/* VXC_ENOMEM. */
int vxc_fetch_create(const struct vxc_fetch_options *options, struct vxc_fetch **fetch,
                     struct vxc_error *err);
/* Waits for its thread. What has arrived of an image stays for the next life. NULL is fine. */
void vxc_fetch_free(struct vxc_fetch *fetch);

/* Wants an image of `peer` that ends at entry `index` or later. `cluster_id` NULL: any will do, this
 * node belongs to none yet. What was there before is dropped. */
void vxc_fetch_begin(struct vxc_fetch *fetch, uint64_t peer, uint64_t index,
                     const uint8_t *cluster_id);
/* Messages 320 and 323 of a peer; others, and those of somebody else, are ignored. */
void vxc_fetch_on_message(struct vxc_fetch *fetch, uint64_t peer,
                          const struct vxc_message *message);
/* Part of each turn; returns ms until it wants the next. */
uint64_t vxc_fetch_turn(struct vxc_fetch *fetch);

enum vxc_fetch_state vxc_fetch_state(const struct vxc_fetch *fetch);
uint64_t vxc_fetch_peer(const struct vxc_fetch *fetch); /* of whom; 0 = none */
/* Bytes that are there, and of how many. */
void vxc_fetch_progress(const struct vxc_fetch *fetch, uint64_t *done, uint64_t *total);
/* READY: what the image says of itself. */
const struct vxc_image_info *vxc_fetch_info(const struct vxc_fetch *fetch);
/* FAILED: why. */
const struct vxc_error *vxc_fetch_error(const struct vxc_fetch *fetch);
/* Back to NONE: its files go, unless the state was installed. */
void vxc_fetch_end(struct vxc_fetch *fetch);

#endif
