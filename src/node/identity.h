/* The data directory and whose it is.
 *
 *   DIR/node       who this node is: node id, the directory's incarnation, which no other directory
 *                  has, and its life, one more with each start; written anew, whole, by each start
 *   DIR/lock       held by flock() for the life of the process; never left behind by a crash
 *   DIR/endpoint   host:port while the node listens
 *   DIR/clean      written by a clean stop, removed at start: tells people how the last run ended
 *   DIR/log/ DIR/vote/ DIR/state/   see docs/format.md
 */
#ifndef VXC_NODE_IDENTITY_H
#define VXC_NODE_IDENTITY_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_identity {
    char path[1024];
    uint64_t node_id;
    uint64_t incarnation; /* random, never 0; for ever the same for one directory */
    uint64_t life;        /* this is its life-th start; durable before open() returns */
    int lock_descriptor;
    bool fresh; /* the directory is new */
    bool clean; /* the last stop was clean */
};

/* Creates the directory when absent (mode 0700), locks it, checks or writes whose it is,
 * begins a life of it. VXC_ELOCKED (names the holder's pid), VXC_EREADONLY, VXC_ENOSPC, VXC_EFOREIGN, VXC_ECORRUPT. */
int vxc_identity_open(const char *path, uint64_t node_id, struct vxc_identity *identity,
                      struct vxc_error *err);
/* Gives the lock back. clean = everything is settled and synced. */
void vxc_identity_close(struct vxc_identity *identity, bool clean);

int vxc_identity_write_endpoint(const struct vxc_identity *identity, const char *endpoint,
                                struct vxc_error *err);
void vxc_identity_remove_endpoint(const struct vxc_identity *identity);

/* Joins a name to the path; out holds 1200 bytes. */
void vxc_identity_path(const struct vxc_identity *identity, const char *name, char out[1200]);

#endif
