/* Reads an image file from its beginning to its end, chunk by chunk, and checks all of it on the
 * way: every CRC, every size, the order of chunks, the SHA-256 and that nothing follows. Memory:
 * two chunks, of a size that the header's checksum vouches for.
 *
 *     vxc_image_reader_open() → vxc_image_reader_next() until VXC_ENOTFOUND → …_close()
 *
 * Only then, and not before, is the file known to be whole.
 */
#ifndef VXC_STORAGE_IMAGE_READ_H
#define VXC_STORAGE_IMAGE_READ_H

#include "storage/image_format.h"

#include <openssl/evp.h>

struct vxc_image_reader {
    const char *path; /* borrowed; for messages */
    int fd;           /* owned */
    uint64_t file_size;
    uint64_t offset;            /* of what is read next */
    int ended;                  /* VXC_ENOTFOUND behind a good trailer, or the first failure */
    struct vxc_image_info info; /* trailer fields count up and are final at the end */
    EVP_MD_CTX *sha;
    uint8_t *stored;
    uint8_t *raw;
};

/* Opens and checks the header. VXC_ENOTFOUND, VXC_ECORRUPT, VXC_EVERSION. */
int vxc_image_reader_open(const char *path, struct vxc_image_reader *reader, struct vxc_error *err);
/* The same of a descriptor, which is taken over in any case. */
int vxc_image_reader_begin(int fd, const char *path, struct vxc_image_reader *reader,
                           struct vxc_error *err);
/* The next piece of the state, borrowed until the next call; VXC_ENOTFOUND behind a good trailer.
 */
int vxc_image_reader_next(struct vxc_image_reader *reader, struct vxc_slice *raw,
                          struct vxc_error *err);
void vxc_image_reader_close(struct vxc_image_reader *reader);

/* Tells the progress; VXC_ECANCELED when it says so. */
int vxc_image_tell(const struct vxc_image_progress *progress, enum vxc_image_step step,
                   uint64_t done, uint64_t total, struct vxc_error *err);

#endif
