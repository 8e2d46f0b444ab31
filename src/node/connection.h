/* Connections without a socket, of a program that embeds the node (vxc_node_connect).
 *
 * The owner's threads put bytes into the connection's inbox and post its letter; the driver opens
 * the letter, hands the inbox to a connection of the listener and, when the owner let go, ends that.
 * From there on it is a connection as any other: gateway, sessions, leases, bounds.
 *
 * Three have it: the owner until it disconnects, the driver until on_close has run, the mailbox
 * while it has the letter. The last of them frees it.
 */
#ifndef VXC_NODE_CONNECTION_H
#define VXC_NODE_CONNECTION_H

#include "base/error.h"
#include "net/listener.h"
#include "node/mailbox.h"
#include "vxc/node.h"

/* Any thread. The listener is touched by the driver only, until the connection has ended.
 * VXC_EINVAL, VXC_ENOMEM, VXC_ECLOSED: the mailbox is closed. */
int vxc_connection_open(struct vxc_mailbox *mailbox, struct vxc_listener *listener,
                        const struct vxc_connection_options *options,
                        struct vxc_connection **connection, struct vxc_error *err);

#endif
