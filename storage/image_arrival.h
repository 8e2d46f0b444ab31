/* An image file that arrives in pieces, from its first byte on, and is checked while it does.
 *
 * Pieces are kept in memory until a part of the file is whole (the header, a chunk, the trailer);
 * its checksum, its number and its bounds are looked at, and only then its bytes go into the file.
 * So the file never holds a byte that nobody has vouched for, and whatever was cut or damaged is
 * forgotten and asked for again: vxc_image_arrival_next() says from where.
 *
 * A file that a former life has begun can be gone on with: it is looked through again, part by part,
 * for a power failure may have left less of it than was written, and what does not check is cut off. Of
 * which image it is is noted beside it.
 *
 * Memory: one part and one piece. What a file claims of itself is bounded before it is believed; the
 * SHA-256 over all of it is checked where it is unpacked (vxc_image_extract). One thread at a time.
 */
#ifndef VXC_STORAGE_IMAGE_ARRIVAL_H
#define VXC_STORAGE_IMAGE_ARRIVAL_H

#include "storage/image_format.h"

#include <stdbool.h>
#include <stdint.h>

enum { VXC_IMAGE_LOOK_SIZE = 2 * 1024 * 1024 }; /* bytes: a turn stays short */

struct vxc_image_arrival {
    int fd;                     /* owned; -1 = none */
    uint64_t file_bytes;        /* of the whole image, as announced */
    uint64_t good;              /* bytes of whole and checked parts, all in the file */
    struct vxc_image_info info; /* header fields once good > 0, all at the end */
    struct vxc_buffer waiting;  /* the bytes behind `good`, of a part that is not whole yet */
    bool ended;                 /* the trailer was there and nothing is behind it */
    bool again;                 /* what a former life has written is looked through */
};

/* Creates the file, replacing one that is there. VXC_ECORRUPT when an image cannot be so small. */
int vxc_image_arrival_begin(const char *path, uint64_t file_bytes,
                            struct vxc_image_arrival *arrival, struct vxc_error *err);

/* Where the next piece has to begin. */
static inline uint64_t vxc_image_arrival_next(const struct vxc_image_arrival *arrival)
{
    return arrival->good + arrival->waiting.size;
}

/* The piece that begins there. VXC_ECORRUPT, VXC_EVERSION: nothing since `good` is kept; the bytes
 * behind it have to come again. VXC_EIO, VXC_ENOSPC, VXC_ENOMEM likewise. */
int vxc_image_arrival_take(struct vxc_image_arrival *arrival, struct vxc_slice piece,
                           struct vxc_error *err);

/* Opens a file that a former life has begun, to be looked through. VXC_ENOTFOUND, VXC_ECORRUPT. */
int vxc_image_arrival_resume(const char *path, uint64_t file_bytes,
                             struct vxc_image_arrival *arrival, struct vxc_error *err);
/* Looks at up to VXC_IMAGE_LOOK_SIZE bytes more, as long as `again`: then `good` says how much of it is
 * there. VXC_EIO, VXC_ENOMEM. */
int vxc_image_arrival_look(struct vxc_image_arrival *arrival, struct vxc_error *err);

/* Closes the file, which stays. A zeroed one whose fd is -1 is fine. */
void vxc_image_arrival_end(struct vxc_image_arrival *arrival);

/* Whose image a file is of; docs/format.md. */
struct vxc_image_source {
    uint64_t peer;  /* who has it */
    uint64_t image; /* by which name; no two images have the same */
    uint64_t file_bytes;
    uint64_t index; /* where it ends */
};

/* Writes it, replacing what is there. Not flushed: a note that is lost costs a transfer. */
int vxc_image_source_write(const char *path, const struct vxc_image_source *source,
                           struct vxc_error *err);
/* Does the file say exactly this? */
bool vxc_image_source_is(const char *path, const struct vxc_image_source *source);

#endif
