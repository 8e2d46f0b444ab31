/* The secret that the nodes of a cluster share, from its file. */
#ifndef VXC_NODE_SECRET_H
#define VXC_NODE_SECRET_H

#include "base/bytes.h"
#include "base/error.h"

/* Appends what the file holds, less the line's end behind it. VXC_EINVAL: it is not there, or not a
 * file, others than its owner may read it, or it is shorter than VXC_PEER_SECRET_SIZE_MIN or longer
 * than VXC_PEER_SECRET_SIZE_MAX; VXC_EIO, VXC_ENOMEM. */
int vxc_secret_read(const char *path, struct vxc_buffer *secret, struct vxc_error *err);
/* Frees it and leaves no copy in memory. */
void vxc_secret_free(struct vxc_buffer *secret);

#endif
