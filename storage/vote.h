/* The vote: the engine's current term and whom this node voted for in it.
 *
 * A node that forgets its vote may vote twice in a term, and two primaries may follow. So the pair
 * is kept twice (files vote-a and vote-b, each: magic, format, cluster id, node id, sequence, term,
 * vote, CRC): a store writes A, flushes, writes B, flushes, and only then returns; a load takes the
 * valid one with the higher sequence. One damaged copy is healed from the other; both damaged, or
 * one missing beside a damaged one, is VXC_ECORRUPT: such a node comes back under a new id only.
 */
#ifndef VXC_STORAGE_VOTE_H
#define VXC_STORAGE_VOTE_H

#include "base/error.h"

#include <stdint.h>

struct vxc_vote {
    uint64_t term;
    uint64_t voted_for; /* node id; 0 = nobody */
};

struct vxc_vote_file;

/* Opens or creates (when neither file is there and create is true) the pair in folder `path`.
 * VXC_ENOTFOUND without create, VXC_ECORRUPT naming file and offset, VXC_EFOREIGN, VXC_EVERSION,
 * VXC_ENOSPC and VXC_EREADONLY while creating, VXC_EIO. */
int vxc_vote_open(const char *path, int create, uint64_t node_id, struct vxc_vote_file **file,
                  struct vxc_vote *vote, struct vxc_error *err);

/* Durable on return. A failed write or flush ends the process. VXC_ENOSPC cannot occur: the files
 * keep their size. */
void vxc_vote_store(struct vxc_vote_file *file, const struct vxc_vote *vote);

/* Ties the vote to a cluster once its id is known: stored at the first call, compared at later ones
 * (VXC_EFOREIGN). Durable on return. */
int vxc_vote_bind(struct vxc_vote_file *file, uint64_t cluster_id_lo, uint64_t cluster_id_hi,
                  struct vxc_error *err);

/* To which cluster it is tied: as bind() takes it; 0, 0 = to none yet. */
void vxc_vote_cluster_id(const struct vxc_vote_file *file, uint64_t *cluster_id_lo,
                         uint64_t *cluster_id_hi);

void vxc_vote_close(struct vxc_vote_file *file); /* NULL is fine */

/* Decodes one file's bytes; for fuzzing and offline tools. */
int vxc_vote_decode(const void *bytes, uint64_t size, struct vxc_vote *vote, uint64_t *sequence,
                    uint64_t *node_id, struct vxc_error *err);

#endif
