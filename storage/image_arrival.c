#include "storage/image_arrival.h"

#include "storage/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum {
    MARK_SIZE = 4, /* tells a chunk from the trailer */
    SOURCE_SIZE = 48,
    SOURCE_VERSION = 1,
};

static int open_file(const char *path, int flags, uint64_t file_bytes,
                     struct vxc_image_arrival *arrival, struct vxc_error *err)
{
    int fd;

    if (file_bytes < VXC_IMAGE_HEADER_SIZE_MIN + VXC_IMAGE_TRAILER_HEAD_SIZE) {
        return vxc_error_set(err, VXC_ECORRUPT, "no image has %" PRIu64 " bytes", file_bytes);
    }
    fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (fd < 0) {
        return vxc_error_set(err, errno == ENOENT ? VXC_ENOTFOUND : vxc_error_from_errno(errno),
                             "%s: open: %s", path, strerror(errno));
    }
    *arrival = (struct vxc_image_arrival){.fd = fd, .file_bytes = file_bytes};
    return 0;
}

int vxc_image_arrival_begin(const char *path, uint64_t file_bytes,
                            struct vxc_image_arrival *arrival, struct vxc_error *err)
{
    return open_file(path, O_CREAT | O_TRUNC, file_bytes, arrival, err);
}

int vxc_image_arrival_resume(const char *path, uint64_t file_bytes,
                             struct vxc_image_arrival *arrival, struct vxc_error *err)
{
    int rv = open_file(path, 0, file_bytes, arrival, err);

    arrival->again = rv == 0;
    return rv;
}

void vxc_image_arrival_end(struct vxc_image_arrival *arrival)
{
    if (arrival->fd >= 0) {
        (void)close(arrival->fd); /* whoever reads the file notices what is not in it */
        arrival->fd = -1;
    }
    vxc_buffer_free(&arrival->waiting);
}

/* ---- parts: each says how many bytes it needs, or that it is whole ---- */

enum look { PART_IS_SHORT, PART_IS_WHOLE, PART_IS_BAD };

static enum look look_at_header(struct vxc_image_arrival *a, struct vxc_slice bytes, size_t *size,
                                struct vxc_error *err)
{
    uint32_t whole;

    if (bytes.size < VXC_IMAGE_PREFIX_SIZE) {
        return PART_IS_SHORT;
    }
    if (vxc_image_header_size(bytes.data, &whole, err) != 0) {
        return PART_IS_BAD;
    }
    if (bytes.size < whole) {
        return PART_IS_SHORT;
    }
    *size = whole;
    return vxc_image_header_decode(bytes.data, whole, &a->info, err) == 0 ? PART_IS_WHOLE
                                                                          : PART_IS_BAD;
}

static enum look look_at_chunk(struct vxc_image_arrival *a, struct vxc_slice bytes, size_t *size,
                               struct vxc_error *err)
{
    const uint8_t *stored = bytes.data + VXC_IMAGE_CHUNK_HEAD_SIZE;
    struct vxc_image_chunk chunk;

    if (bytes.size < VXC_IMAGE_CHUNK_HEAD_SIZE) {
        return PART_IS_SHORT;
    }
    if (vxc_image_chunk_decode(bytes.data, a->good, &a->info, a->info.chunks, &chunk, err) != 0) {
        return PART_IS_BAD;
    }
    if (bytes.size - VXC_IMAGE_CHUNK_HEAD_SIZE < chunk.stored_size) {
        return PART_IS_SHORT;
    }
    if (vxc_image_chunk_check(&chunk, bytes.data, stored, a->good, err) != 0) {
        return PART_IS_BAD;
    }
    a->info.chunks++;
    a->info.raw_bytes += chunk.raw_size;
    *size = VXC_IMAGE_CHUNK_HEAD_SIZE + chunk.stored_size;
    return PART_IS_WHOLE;
}

static enum look look_at_trailer(struct vxc_image_arrival *a, struct vxc_slice bytes, size_t *size,
                                 struct vxc_error *err)
{
    uint32_t whole;

    if (bytes.size < VXC_IMAGE_TRAILER_HEAD_SIZE) {
        return PART_IS_SHORT;
    }
    if (vxc_image_trailer_size(bytes.data, a->good, &whole, err) != 0) {
        return PART_IS_BAD;
    }
    if (bytes.size < whole) {
        return PART_IS_SHORT;
    }
    if (vxc_image_trailer_decode(bytes.data, whole, a->good, &a->info, err) != 0) {
        return PART_IS_BAD;
    }
    if (a->good + whole != a->file_bytes) {
        (void)vxc_error_set(err, VXC_ECORRUPT,
                            "offset %" PRIu64 ": the image ends here, not after the %" PRIu64
                            " bytes that were announced",
                            a->good + whole, a->file_bytes);
        return PART_IS_BAD;
    }
    a->ended = true;
    *size = whole;
    return PART_IS_WHOLE;
}

static enum look look(struct vxc_image_arrival *a, struct vxc_slice bytes, size_t *size,
                      struct vxc_error *err)
{
    enum vxc_image_part part;

    if (a->good == 0) {
        return look_at_header(a, bytes, size, err);
    }
    if (bytes.size < MARK_SIZE) {
        return PART_IS_SHORT;
    }
    if (vxc_image_part_of(bytes.data, a->good, &part, err) != 0) {
        return PART_IS_BAD;
    }
    return part == VXC_IMAGE_PART_CHUNK ? look_at_chunk(a, bytes, size, err)
                                        : look_at_trailer(a, bytes, size, err);
}

static int keep(struct vxc_image_arrival *a, struct vxc_slice part, struct vxc_error *err)
{
    if (a->again) { /* it is there */
        a->good += part.size;
        return 0;
    }
    if (vxc_disk_write(a->fd, a->good, part.data, part.size) != 0) {
        int code = errno == EFBIG ? VXC_ENOSPC : vxc_error_from_errno(errno);

        return vxc_error_set(err, code, "writing the image: %s", strerror(errno));
    }
    vxc_disk_begin_flush(a->fd, a->good, part.size);
    a->good += part.size;
    return 0;
}

/* Moves what is whole into the file. *used: bytes of `bytes` that are there now. */
static int keep_whole_parts(struct vxc_image_arrival *a, struct vxc_slice bytes, size_t *used,
                            struct vxc_error *err)
{
    *used = 0;
    while (*used < bytes.size && !a->ended) {
        const uint64_t chunks = a->info.chunks;
        const uint64_t raw_bytes = a->info.raw_bytes;
        struct vxc_slice part = vxc_slice(bytes.data + *used, bytes.size - *used);
        enum look found = look(a, part, &part.size, err);

        if (found == PART_IS_SHORT) {
            return 0;
        }
        if (found == PART_IS_BAD || keep(a, part, err) != 0) {
            a->info.chunks = chunks; /* it has to come again */
            a->info.raw_bytes = raw_bytes;
            a->ended = false;
            return err->code;
        }
        *used += part.size;
    }
    return 0;
}

static int take(struct vxc_image_arrival *a, struct vxc_slice piece, struct vxc_error *err)
{
    size_t used;
    int rv;

    if (piece.size > a->file_bytes - vxc_image_arrival_next(a)) {
        return vxc_error_set(err, VXC_ECORRUPT, "more bytes than were announced");
    }
    if (vxc_buffer_append(&a->waiting, piece.data, piece.size) != 0) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    rv = keep_whole_parts(a, vxc_buffer_slice(&a->waiting), &used, err);
    if (rv != 0) {
        return rv;
    }
    a->waiting.size -= used;
    if (a->waiting.size != 0 && used != 0) {
        memmove(a->waiting.data, a->waiting.data + used, a->waiting.size);
    }
    if (vxc_image_arrival_next(a) == a->file_bytes && !a->ended) {
        return vxc_error_set(err, VXC_ECORRUPT, "the image ends in the middle of a part");
    }
    return 0;
}

int vxc_image_arrival_take(struct vxc_image_arrival *arrival, struct vxc_slice piece,
                           struct vxc_error *err)
{
    int rv = take(arrival, piece, err);

    if (rv != 0) {
        vxc_buffer_clear(&arrival->waiting);
    }
    return rv;
}

/* ---- what a former life has written ---- */

/* Whatever is behind the parts that are whole comes from the peer. */
static int end_look(struct vxc_image_arrival *a, struct vxc_error *err)
{
    vxc_buffer_clear(&a->waiting);
    a->again = false;
    return ftruncate(a->fd, (off_t)a->good) == 0
               ? 0
               : vxc_error_set(err, vxc_error_from_errno(errno), "cutting the image: %s",
                               strerror(errno));
}

int vxc_image_arrival_look(struct vxc_image_arrival *a, struct vxc_error *err)
{
    const uint64_t next = vxc_image_arrival_next(a);
    const uint64_t left = a->file_bytes - next;
    const size_t size = left < VXC_IMAGE_LOOK_SIZE ? (size_t)left : VXC_IMAGE_LOOK_SIZE;
    struct vxc_buffer piece = {0};
    ssize_t got;
    int rv = 0;

    if (a->ended || size == 0) {
        return end_look(a, err);
    }
    if (vxc_buffer_reserve(&piece, size) != 0) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    do {
        got = pread(a->fd, piece.data, size, (off_t)next);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        rv = vxc_image_arrival_take(a, vxc_slice(piece.data, (size_t)got), err);
    } else if (got < 0) {
        rv = vxc_error_set(err, VXC_EIO, "reading the image: %s", strerror(errno));
    }
    vxc_buffer_free(&piece);
    if (got == 0 || rv == VXC_ECORRUPT || rv == VXC_EVERSION) {
        *err = (struct vxc_error){0};
        return end_look(a, err); /* from here on it comes again */
    }
    return rv;
}

/* ---- whose it is ---- */

static void encode_source(const struct vxc_image_source *source, uint8_t bytes[SOURCE_SIZE])
{
    memset(bytes, 0, SOURCE_SIZE);
    memcpy(bytes, "VXCPART\n", 8);
    vxc_store_u16(bytes + 8, SOURCE_VERSION);
    vxc_store_u64(bytes + 16, source->peer);
    vxc_store_u64(bytes + 24, source->image);
    vxc_store_u64(bytes + 32, source->file_bytes);
    vxc_store_u64(bytes + 40, source->index);
}

int vxc_image_source_write(const char *path, const struct vxc_image_source *source,
                           struct vxc_error *err)
{
    uint8_t bytes[SOURCE_SIZE];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rv = 0;

    encode_source(source, bytes);
    if (fd < 0 || vxc_disk_write(fd, 0, bytes, sizeof bytes) != 0) {
        rv =
            vxc_error_set(err, vxc_error_from_errno(errno), "%s: write: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd); /* whoever reads the file notices what is not in it */
    }
    return rv;
}

bool vxc_image_source_is(const char *path, const struct vxc_image_source *source)
{
    uint8_t expected[SOURCE_SIZE];
    uint8_t bytes[SOURCE_SIZE + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);

    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    encode_source(source, expected);
    return size == SOURCE_SIZE && memcmp(bytes, expected, SOURCE_SIZE) == 0;
}
