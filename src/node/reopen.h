/* Images in the life of a node: it supplies peers with them, and takes one of a peer in the place of
 * its own state, without a new process.
 *
 *   on_install of the replica, or a state that is damaged (node/repair.c) → fetched (node/fetch.h)
 *   → DATA/install (storage/install.h) → replica, state, log and vote are closed → the install is
 *   carried out → all is opened again, and a new replica started on it
 *
 * Meanwhile gateway and cluster have no replica: requests are refused, the connections stay. When a
 * fetch fails for good the replica is started anew on what is there, and its engine asks again. A
 * crash in between is what storage/install.h is made for; a failure that leaves nothing to go on with
 * ends the process, and the next start goes on with it.
 *
 * Private to src/node; loop thread only.
 */
#ifndef VXC_NODE_REOPEN_H
#define VXC_NODE_REOPEN_H

#include "consensus/replica.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_node;

/* Part of a start: supply and fetch, without a replica yet. */
int vxc_node_open_images(struct vxc_node *node, struct vxc_error *err);
/* Before replica and store go. */
void vxc_node_close_images(struct vxc_node *node);
/* Part of each turn, behind the replica's; may exchange the replica. */
uint64_t vxc_node_turn_images(struct vxc_node *node);

/* Gives cluster, supply and snapshots what is open now, and watches log and store. */
int vxc_node_attach(struct vxc_node *node, struct vxc_error *err);

/* Hooks of the replica and of the cluster; data is the node. */
void vxc_node_on_image_wanted(void *node, uint64_t peer);
void vxc_node_on_install(void *node, uint64_t peer, const struct vxc_log_base *base);
void vxc_node_on_damaged(void *node, uint64_t index, uint64_t ours, uint64_t theirs);
void vxc_node_on_image_message(void *node, uint64_t peer, const struct vxc_message *message);

/* ---- repair.c ---- */

/* The state cannot be believed: *err says why. When this node is a member of a cluster with other
 * voters the damaged state is put aside, log and vote are opened and stay open, and turns get a state
 * from a peer: 0. Else, as for a node alone, the error is left as it is and its code returned. */
int vxc_node_begin_repair(struct vxc_node *node, struct vxc_error *err);
/* Log or vote are damaged, or they contradict each other: *err says how. Adds how a member of a cluster
 * comes back. */
void vxc_node_explain_loss(const struct vxc_node *node, struct vxc_error *err);
/* Who to ask next: the other members in turn, 0 = nobody is connected. */
uint64_t vxc_node_repair_peer(struct vxc_node *node);
/* What the cluster says of this node as long as it has no state. */
void vxc_node_stand_in(struct vxc_node *node);

#endif
