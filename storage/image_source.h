/* What goes into an image: LMDB's compact copy of a state as a stream of bytes, and what is true of
 * just that state.
 *
 * LMDB copies itself on a thread of its own into a pipe, so nothing of the copy is ever in a file.
 * The copy is of whatever the last commit is when it begins. So the store's gate is closed while the
 * last commit is described and until the first bytes of the copy are there: a commit that is due
 * waits for those few milliseconds.
 *
 * Memory: two buffers of 1 MiB in LMDB, and a pipe of 1 MiB. The copy's read transaction pins pages
 * until close. Not thread-safe; may be used on any thread beside the store's own commits.
 */
#ifndef VXC_STORAGE_IMAGE_SOURCE_H
#define VXC_STORAGE_IMAGE_SOURCE_H

#include "storage/image.h"

#include <pthread.h>

struct vxc_image_source {
    struct vxc_store *store; /* borrowed */
    uint64_t size;           /* bytes that the copy will have, about: for progress */
    pthread_t thread;        /* copies */
    int from;                /* the pipe; -1 = nothing is under way */
    int to;                  /* the thread's, which closes it */
    int rc;                  /* how the copy ended, in LMDB's words; the thread's until joined */
};

/* Puts index, term, counts … of the last commit into *info, all but cluster, node and time, and
 * begins to copy it. Tells progress (VXC_IMAGE_BEGINNING) before. VXC_ECORRUPT, VXC_ECANCELED, and
 * what LMDB says. On failure there is nothing to close. */
int vxc_image_source_open(struct vxc_image_source *source, struct vxc_store *store,
                          const struct vxc_image_progress *progress, struct vxc_image_info *info,
                          struct vxc_error *err);

/* The next bytes of the copy: all `size` of them unless it ends before; 0 at its end. */
int vxc_image_source_read(struct vxc_image_source *source, void *data, size_t size, size_t *got,
                          struct vxc_error *err);

/* At any time; ends the copy in the middle when it is not over. */
void vxc_image_source_close(struct vxc_image_source *source);

#endif
