#include "storage/image_read.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

int vxc_image_tell(const struct vxc_image_progress *progress, enum vxc_image_step step,
                   uint64_t done, uint64_t total, struct vxc_error *err)
{
    if (progress != NULL && progress->on_progress != NULL &&
        !progress->on_progress(progress->data, step, done, total)) {
        return vxc_error_set(err, VXC_ECANCELED, "canceled");
    }
    return 0;
}

/* Reads exactly `size` bytes and moves on. A file that ends before is damage where it ends. */
static int take(struct vxc_image_reader *r, void *out, size_t size, struct vxc_error *err)
{
    uint8_t *p = out;

    while (size > 0) {
        ssize_t n = pread(r->fd, p, size, (off_t)r->offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return vxc_error_set(err, vxc_error_from_errno(errno), "offset %" PRIu64 ": read: %s",
                                 r->offset, strerror(errno));
        }
        if (n == 0) {
            return vxc_error_set(err, VXC_ECORRUPT,
                                 "offset %" PRIu64 ": the file ends here, in the middle",
                                 r->offset);
        }
        p += n;
        size -= (size_t)n;
        r->offset += (uint64_t)n;
    }
    return 0;
}

static int hash(struct vxc_image_reader *r, const void *bytes, size_t size, struct vxc_error *err)
{
    return EVP_DigestUpdate(r->sha, bytes, size) == 1
               ? 0
               : vxc_error_set(err, VXC_ENOMEM, "SHA-256 failed");
}

static int read_header(struct vxc_image_reader *r, struct vxc_error *err)
{
    uint8_t prefix[VXC_IMAGE_PREFIX_SIZE];
    uint8_t *bytes;
    uint32_t size;
    int rv = take(r, prefix, sizeof prefix, err);

    rv = rv != 0 ? rv : vxc_image_header_size(prefix, &size, err);
    if (rv != 0) {
        return rv;
    }
    bytes = vxc_malloc(size);
    if (bytes == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    memcpy(bytes, prefix, sizeof prefix);
    rv = take(r, bytes + sizeof prefix, size - sizeof prefix, err);
    rv = rv != 0 ? rv : vxc_image_header_decode(bytes, size, &r->info, err);
    rv = rv != 0 ? rv : hash(r, bytes, size, err);
    vxc_free(bytes);
    return rv;
}

static int make_room(struct vxc_image_reader *r, struct vxc_error *err)
{
    r->stored = vxc_malloc(vxc_image_stored_size_max(&r->info));
    r->raw = vxc_malloc(r->info.chunk_size);
    return r->stored == NULL || r->raw == NULL ? vxc_error_set(err, VXC_ENOMEM, "out of memory")
                                               : 0;
}

int vxc_image_reader_begin(int fd, const char *path, struct vxc_image_reader *reader,
                           struct vxc_error *err)
{
    struct stat status;
    int rv = 0;

    *reader = (struct vxc_image_reader){.path = path, .fd = fd};
    reader->sha = EVP_MD_CTX_new();
    if (reader->sha == NULL || EVP_DigestInit_ex(reader->sha, EVP_sha256(), NULL) != 1) {
        rv = vxc_error_set(err, VXC_ENOMEM, "out of memory");
    } else if (fstat(fd, &status) != 0) {
        rv = vxc_error_set(err, vxc_error_from_errno(errno), "%s", strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        rv = vxc_error_set(err, VXC_EINVAL, "not a regular file");
    } else {
        reader->file_size = (uint64_t)status.st_size;
        rv = read_header(reader, err);
    }
    rv = rv != 0 ? rv : make_room(reader, err);
    if (rv != 0) {
        vxc_image_reader_close(reader);
        (void)vxc_error_prefix(err, "%s", path);
    }
    return rv;
}

int vxc_image_reader_open(const char *path, struct vxc_image_reader *reader, struct vxc_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */

    if (fd < 0) {
        return vxc_error_set(err, errno == ENOENT ? VXC_ENOTFOUND : vxc_error_from_errno(errno),
                             "%s: %s", path, strerror(errno));
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint */
    return vxc_image_reader_begin(fd, path, reader, err);
}

void vxc_image_reader_close(struct vxc_image_reader *reader)
{
    if (reader->fd >= 0) {
        (void)close(reader->fd); /* only read from */
    }
    EVP_MD_CTX_free(reader->sha);
    vxc_free(reader->stored);
    vxc_free(reader->raw);
    *reader = (struct vxc_image_reader){.fd = -1};
}

/* ---- chunks ---- */

static int read_chunk(struct vxc_image_reader *r, const uint8_t *mark, struct vxc_slice *raw,
                      struct vxc_error *err)
{
    const uint64_t at = r->offset - 4;
    uint8_t head[VXC_IMAGE_CHUNK_HEAD_SIZE];
    struct vxc_image_chunk chunk;
    int rv;

    memcpy(head, mark, 4);
    rv = take(r, head + 4, sizeof head - 4, err);
    rv = rv != 0 ? rv : vxc_image_chunk_decode(head, at, &r->info, r->info.chunks, &chunk, err);
    rv = rv != 0 ? rv : take(r, r->stored, chunk.stored_size, err);
    rv = rv != 0 ? rv : vxc_image_chunk_check(&chunk, head, r->stored, at, err);
    rv = rv != 0 ? rv : hash(r, head, sizeof head, err);
    rv = rv != 0 ? rv : hash(r, r->stored, chunk.stored_size, err);
    if (rv == 0 && chunk.packed) {
        rv = vxc_image_unpack(r->info.compression, &chunk, r->stored, r->raw, at, err);
    }
    if (rv == 0) {
        *raw = vxc_slice(chunk.packed ? r->raw : r->stored, chunk.raw_size);
        r->info.chunks++;
        r->info.raw_bytes += chunk.raw_size;
    }
    return rv;
}

static int check_end(struct vxc_image_reader *r, const uint8_t *bytes, uint32_t size, uint64_t at,
                     struct vxc_error *err)
{
    const size_t tail = VXC_IMAGE_SHA256_SIZE + 4;
    uint8_t sha256[VXC_IMAGE_SHA256_SIZE];
    uint8_t more;
    int rv = vxc_image_trailer_decode(bytes, size, at, &r->info, err);

    rv = rv != 0 ? rv : hash(r, bytes, size - tail, err);
    if (rv != 0) {
        return rv;
    }
    if (EVP_DigestFinal_ex(r->sha, sha256, NULL) != 1) {
        return vxc_error_set(err, VXC_ENOMEM, "SHA-256 failed");
    }
    if (memcmp(sha256, r->info.sha256, sizeof sha256) != 0) {
        return vxc_error_set(err, VXC_ECORRUPT,
                             "offset %" PRIu64 ": the SHA-256 of the file is another one",
                             at + size - tail);
    }
    if (pread(r->fd, &more, 1, (off_t)r->offset) == 1) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %" PRIu64 ": bytes behind the end",
                             r->offset);
    }
    return VXC_ENOTFOUND;
}

static int read_trailer(struct vxc_image_reader *r, const uint8_t *mark, struct vxc_error *err)
{
    const uint64_t at = r->offset - 4;
    uint8_t *bytes = vxc_malloc(VXC_IMAGE_TRAILER_SIZE_MAX);
    uint32_t size;
    int rv;

    if (bytes == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    memcpy(bytes, mark, 4);
    rv = take(r, bytes + 4, VXC_IMAGE_TRAILER_HEAD_SIZE - 4, err);
    rv = rv != 0 ? rv : vxc_image_trailer_size(bytes, at, &size, err);
    if (rv == 0) {
        rv = take(r, bytes + VXC_IMAGE_TRAILER_HEAD_SIZE, size - VXC_IMAGE_TRAILER_HEAD_SIZE, err);
    }
    rv = rv != 0 ? rv : check_end(r, bytes, size, at, err);
    vxc_free(bytes);
    return rv;
}

int vxc_image_reader_next(struct vxc_image_reader *reader, struct vxc_slice *raw,
                          struct vxc_error *err)
{
    uint8_t mark[4];
    enum vxc_image_part part;
    int rv;

    if (reader->ended != 0) {
        return reader->ended;
    }
    rv = take(reader, mark, sizeof mark, err);
    rv = rv != 0 ? rv : vxc_image_part_of(mark, reader->offset - 4, &part, err);
    if (rv == 0) {
        rv = part == VXC_IMAGE_PART_CHUNK ? read_chunk(reader, mark, raw, err)
                                          : read_trailer(reader, mark, err);
    }
    reader->ended = rv;
    if (rv != 0 && rv != VXC_ENOTFOUND) {
        (void)vxc_error_prefix(err, "%s", reader->path);
    }
    return rv;
}
