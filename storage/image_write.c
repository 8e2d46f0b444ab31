/* Saving. In order: TARGET.part made and locked → the state is described and its copy begun
 * (image_source.h) → header, chunks as they come out of the copy, trailer into TARGET.part → flush →
 * read back → rename → flush of the folder. */
#include "storage/image.h"

#include "base/check.h"
#include "base/memory.h"
#include "storage/disk.h"
#include "storage/image_read.h"
#include "storage/image_source.h"
#include "storage/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct writer {
    struct vxc_store *store; /* borrowed */
    const char *path;        /* borrowed */
    const struct vxc_image_progress *progress;
    char *part;                     /* TARGET.part */
    bool part_named;                /* it still has its name, which is ours to remove */
    bool passing;                   /* no flushes */
    _Atomic uint64_t *stored_bytes; /* borrowed; NULL = nobody reads along */
    int part_fd;
    struct vxc_disk_trickle trickle;
    struct vxc_image_source source;
    struct vxc_image_info info; /* what goes into the file */
    EVP_MD_CTX *sha;
    uint8_t *raw;
    uint8_t *stored;
};

static int failed(struct vxc_error *err, const char *doing, const char *path)
{
    /* A file size limit is to the user what a full disk is. */
    int code = errno == EFBIG ? VXC_ENOSPC : vxc_error_from_errno(errno);

    return vxc_error_set(err, code, "%s: %s: %s", path, doing, strerror(errno));
}

/* ---- files ---- */

/* True when the descriptor is what the name means: another save may just have published it. */
static bool is_named(int fd, const char *path)
{
    struct stat mine;
    struct stat named;

    return fstat(fd, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

static int open_part(struct writer *w, struct vxc_error *err)
{
    struct stat status;

    if (stat(w->path, &status) == 0 && !S_ISREG(status.st_mode)) {
        return vxc_error_set(err, VXC_EINVAL, "%s: there is something that is no file", w->path);
    }
    w->part_fd = open(w->part, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (w->part_fd < 0) {
        return failed(err, "create", w->part);
    }
    if (flock(w->part_fd, LOCK_EX | LOCK_NB) != 0 || !is_named(w->part_fd, w->part)) {
        (void)close(w->part_fd); /* another's: not ours to empty or remove */
        w->part_fd = -1;
        return vxc_error_set(err, VXC_ELOCKED, "%s: another save writes it at this moment",
                             w->part);
    }
    w->part_named = true;
    return vxc_disk_empty(w->part_fd) == 0 ? 0 : failed(err, "empty", w->part);
}

/* ---- the file ---- */

/* Adds bytes to the file and to its SHA-256. */
static int put(struct writer *w, const void *bytes, size_t size, struct vxc_error *err)
{
    if (EVP_DigestUpdate(w->sha, bytes, size) != 1) {
        return vxc_error_set(err, VXC_ENOMEM, "SHA-256 failed");
    }
    if (vxc_disk_write(w->part_fd, w->info.file_bytes, bytes, size) != 0) {
        return failed(err, "write", w->part);
    }
    w->info.file_bytes += size;
    if (!w->passing && vxc_disk_trickle(&w->trickle, w->part_fd, w->info.file_bytes) != 0) {
        return failed(err, "write out", w->part);
    }
    if (w->stored_bytes != NULL) {
        atomic_store(w->stored_bytes, w->info.file_bytes);
    }
    return 0;
}

static int put_header(struct writer *w, struct vxc_error *err)
{
    struct vxc_buffer bytes = {0};
    int rv = vxc_image_header_encode(&w->info, &bytes);

    rv = rv != 0 ? vxc_error_set(err, rv, "out of memory") : put(w, bytes.data, bytes.size, err);
    vxc_buffer_free(&bytes);
    return rv;
}

static int put_chunk(struct writer *w, uint32_t raw_size, struct vxc_error *err)
{
    struct vxc_image_chunk chunk = {.number = (uint32_t)w->info.chunks, .raw_size = raw_size};
    uint8_t *stored = w->stored + VXC_IMAGE_CHUNK_HEAD_SIZE;

    chunk.packed = vxc_image_pack(w->info.compression, w->raw, raw_size, stored,
                                  vxc_image_stored_size_max(&w->info), &chunk.stored_size);
    if (!chunk.packed) {
        chunk.stored_size = raw_size;
        memcpy(stored, w->raw, raw_size);
    }
    vxc_image_chunk_encode(&chunk, stored, w->stored);
    w->info.chunks++;
    w->info.raw_bytes += raw_size;
    return put(w, w->stored, VXC_IMAGE_CHUNK_HEAD_SIZE + chunk.stored_size, err);
}

static int tell_written(struct writer *w, uint64_t expected, struct vxc_error *err)
{
    const uint64_t done = w->info.raw_bytes;

    return vxc_image_tell(w->progress, VXC_IMAGE_WRITING, done, done < expected ? expected : done,
                          err);
}

static int put_chunks(struct writer *w, struct vxc_error *err)
{
    size_t size = w->info.chunk_size;
    int rv = 0;

    while (rv == 0 && size == w->info.chunk_size) {
        if (w->info.chunks > UINT32_MAX) {
            return vxc_error_set(err, VXC_ETOOBIG, "%s: too large for an image", w->path);
        }
        rv = vxc_image_source_read(&w->source, w->raw, w->info.chunk_size, &size, err);
        if (rv == 0 && size > 0) {
            rv = put_chunk(w, (uint32_t)size, err);
            rv = rv != 0 ? rv : tell_written(w, w->source.size, err);
        }
    }
    return rv != 0 ? rv : tell_written(w, 0, err); /* now it is known how much there was */
}

static int put_trailer(struct writer *w, struct vxc_error *err)
{
    struct vxc_buffer bytes = {0};
    uint64_t at = w->info.file_bytes;
    int rv = vxc_image_trailer_begin(&w->info, &bytes);

    if (rv == 0 && (EVP_DigestUpdate(w->sha, bytes.data, bytes.size) != 1 ||
                    EVP_DigestFinal_ex(w->sha, w->info.sha256, NULL) != 1)) {
        rv = VXC_ENOMEM;
    }
    rv = rv != 0 ? rv : vxc_image_trailer_seal(w->info.sha256, &bytes);
    if (rv != 0) {
        (void)vxc_error_set(err, rv, "out of memory");
    } else if (vxc_disk_write(w->part_fd, at, bytes.data, bytes.size) != 0) {
        rv = failed(err, "write", w->part);
    } else {
        w->info.file_bytes = at + bytes.size;
    }
    vxc_buffer_free(&bytes);
    return rv;
}

static int write_part(struct writer *w, struct vxc_error *err)
{
    int rv;

    w->raw = vxc_malloc(w->info.chunk_size);
    w->stored = vxc_malloc(VXC_IMAGE_CHUNK_HEAD_SIZE + vxc_image_stored_size_max(&w->info));
    w->sha = EVP_MD_CTX_new();
    if (w->raw == NULL || w->stored == NULL || w->sha == NULL ||
        EVP_DigestInit_ex(w->sha, EVP_sha256(), NULL) != 1) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    rv = vxc_image_source_open(&w->source, w->store, w->progress, &w->info, err);
    if (rv != 0) {
        return rv;
    }
    rv = put_header(w, err);
    rv = rv != 0 ? rv : put_chunks(w, err);
    vxc_image_source_close(&w->source);
    rv = rv != 0 ? rv : put_trailer(w, err);
    if (rv == 0 && !w->passing && fsync(w->part_fd) != 0) {
        rv = failed(err, "flush", w->part);
    }
    return rv;
}

/* Reads the flushed file from its beginning, before it gets its name. One that only passes through
 * here is checked by whoever keeps it, against the checksum of what was written. */
static int check_part(struct writer *w, struct vxc_image_info *info, struct vxc_error *err)
{
    int rv;

    if (w->passing) {
        *info = w->info;
        return 0;
    }
    rv = vxc_image_inspect(w->part, w->progress, info, err);

    if (rv == 0 && (info->file_bytes != w->info.file_bytes || info->chunks != w->info.chunks ||
                    memcmp(info->sha256, w->info.sha256, sizeof info->sha256) != 0)) {
        rv = vxc_error_set(err, VXC_ECORRUPT, "%s: reads otherwise than it was written", w->part);
    }
    return rv;
}

static int publish(struct writer *w, struct vxc_error *err)
{
    const char *slash = strrchr(w->path, '/');
    char *parent = slash == NULL      ? vxc_strdup(".")
                   : slash == w->path ? vxc_strdup("/")
                                      : vxc_strndup(w->path, (size_t)(slash - w->path));
    int folder = -1;
    int rv = 0;

    if (parent == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    if (vxc_disk_open_folder(parent, false, &folder) != 0) {
        rv = failed(err, "open", parent);
    } else if (rename(w->part, w->path) != 0) {
        rv = failed(err, "rename", w->part);
    } else {
        w->part_named = false;
        if (!w->passing &&
            vxc_disk_sync_folder(folder) != 0) { /* whole, but perhaps not after a power cut */
            rv = failed(err, "flush", parent);
        }
    }
    if (folder >= 0) {
        (void)close(folder); /* only read from */
    }
    vxc_free(parent);
    return rv;
}

/* ---- all of it ---- */

static int save(struct writer *w, struct vxc_image_info *info, struct vxc_error *err)
{
    int rv = open_part(w, err);

    rv = rv != 0 ? rv : write_part(w, err);
    rv = rv != 0 ? rv : check_part(w, info, err);
    rv = rv != 0 ? rv : publish(w, err);
    if (w->part_named) {
        (void)unlink(w->part); /* one that stays is overwritten by the next save */
    }
    if (w->part_fd >= 0) {
        (void)close(w->part_fd); /* flushed, or of no use */
    }
    return rv;
}

int vxc_image_write(struct vxc_store *store, const char *path,
                    const struct vxc_image_write_options *options,
                    const struct vxc_image_progress *progress, struct vxc_image_info *info,
                    struct vxc_error *err)
{
    struct writer w = {.store = store, .path = path, .progress = progress, .part_fd = -1};
    struct vxc_image_info written;
    int rv;

    vxc_check((unsigned)options->compression < VXC_IMAGE_COMPRESSIONS);
    w.passing = options->passing;
    w.stored_bytes = options->stored;
    w.info.version = VXC_IMAGE_VERSION;
    w.info.compression = options->compression;
    w.info.chunk_size = options->chunk_size == 0 ? VXC_IMAGE_CHUNK_SIZE : options->chunk_size;
    vxc_check(w.info.chunk_size >= VXC_IMAGE_CHUNK_SIZE_MIN);
    vxc_check(w.info.chunk_size <= VXC_IMAGE_CHUNK_SIZE_MAX);
    memcpy(w.info.cluster_id, options->cluster_id, sizeof w.info.cluster_id);
    w.info.node_id = options->node_id;
    w.info.saved_at_us = options->saved_at_us;
    w.part = vxc_format("%s" VXC_IMAGE_PART_SUFFIX, path);
    rv = w.part == NULL ? vxc_error_set(err, VXC_ENOMEM, "out of memory") : save(&w, &written, err);
    if (rv == 0 && info != NULL) {
        *info = written;
    }
    EVP_MD_CTX_free(w.sha);
    vxc_free(w.stored);
    vxc_free(w.raw);
    vxc_free(w.part);
    return rv;
}

int vxc_image_write_folder(const char *state_path, const char *path,
                           const struct vxc_image_write_options *options,
                           const struct vxc_image_progress *progress, struct vxc_image_info *info,
                           struct vxc_error *err)
{
    const struct vxc_store_options read_only = {.read_only = true};
    struct vxc_verify_report report;
    struct vxc_store *store;
    int rv = vxc_verify_state(state_path, &report, err);

    rv = rv != 0 ? rv : vxc_store_open(state_path, &read_only, &store, err);
    if (rv == 0) {
        rv = vxc_image_write(store, path, options, progress, info, err);
        vxc_store_close(store);
    }
    return rv;
}
