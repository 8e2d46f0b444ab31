/* The node: all layers put together, from the data directory to the socket.
 *
 * create → start (opens, verifies, recovers, listens) → run (until stop) → stop → free. Everything
 * happens on the thread that calls run; several nodes may live in one process, each with its own
 * directory and thread.
 */
#ifndef VXC_NODE_NODE_H
#define VXC_NODE_NODE_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/logger.h"
#include "node/config.h"

struct vxc_node;

int vxc_node_create(const struct vxc_config *config, const struct vxc_logger *logger,
                    struct vxc_node **node, struct vxc_error *err);

/* Opens everything and listens. VXC_ELOCKED, VXC_EREADONLY, VXC_ENOSPC, VXC_EFOREIGN, VXC_ECORRUPT,
 * VXC_EADDRINUSE, VXC_EADDRESS …; the text says what, where and what to do. On failure the node can
 * only be freed. */
int vxc_node_start(struct vxc_node *node, struct vxc_error *err);

/* Serves until vxc_node_stop(). SIGTERM and SIGINT stop gracefully when handle_signals was set. */
void vxc_node_run(struct vxc_node *node);
void vxc_node_stop(struct vxc_node *node);        /* from a callback of the node's own thread */
void vxc_node_ask_to_stop(struct vxc_node *node); /* the same from any other thread */
int vxc_node_handle_signals(struct vxc_node *node);

void vxc_node_free(struct vxc_node *node); /* settles, syncs, closes; NULL is fine */

/* "127.0.0.1:7400" once started. */
const char *vxc_node_address(const struct vxc_node *node);

/* Lines for the operator after a start: at most 8, the last says ready and the ms. */
void vxc_node_describe(struct vxc_node *node, void (*line)(void *data, const char *text),
                       void *data);

/* Appends the status as one JSON object. */
void vxc_node_status(struct vxc_node *node, struct vxc_buffer *out);

#endif
