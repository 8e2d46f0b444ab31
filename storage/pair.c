#include "pair.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/planted.h"
#include "storage/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One copy as found. */
struct copy {
    uint8_t *bytes;    /* NULL when the file is missing */
    int rv;            /* 0 = valid; VXC_ENOTFOUND = missing; else what is wrong */
    uint64_t sequence; /* when valid */
    struct vxc_error err;
};

static int pair_names(struct vxc_pair *pair, const char *name)
{
    for (int i = 0; i < 2; i++) {
        int length = snprintf(pair->name[i], sizeof pair->name[i], "%s-%c", name, 'a' + i);
        if (length >= (int)sizeof pair->name[i]) {
            return VXC_EINVAL;
        }
        pair->fd[i] = -1;
    }
    return 0;
}

/* Reads copy i and judges it. Returns only what makes the whole open fail; the rest is in copy->rv.
 */
static int copy_load(struct vxc_pair *pair, int i, int folder, bool read_only,
                     vxc_pair_judge_cb judge, void *data, struct copy *copy, struct vxc_error *err)
{
    struct stat st;
    int rv;

    pair->fd[i] = openat(folder, pair->name[i], (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (pair->fd[i] < 0) {
        copy->rv = VXC_ENOTFOUND;
        return errno == ENOENT ? 0
                               : vxc_error_set(err, vxc_error_from_errno(errno), "%s: open: %s",
                                               pair->name[i], strerror(errno));
    }
    if (fstat(pair->fd[i], &st) != 0) {
        return vxc_error_set(err, VXC_EIO, "%s: %s", pair->name[i], strerror(errno));
    }
    if (st.st_size != (off_t)pair->size) {
        copy->rv = vxc_error_set(&copy->err, VXC_ECORRUPT,
                                 "%s: offset %lld: the file ends here, it "
                                 "should have %zu bytes",
                                 pair->name[i], (long long)st.st_size, pair->size);
        return 0;
    }
    copy->bytes = vxc_malloc(pair->size);
    if (copy->bytes == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "%s: out of memory", pair->name[i]);
    }
    rv = vxc_disk_read(pair->fd[i], 0, copy->bytes, pair->size);
    if (rv != 0) {
        return vxc_error_set(err, VXC_EIO, "%s: read: %s", pair->name[i], strerror(errno));
    }
    copy->rv = judge(data, copy->bytes, pair->size, &copy->sequence, &copy->err);
    if (copy->rv != 0) {
        (void)vxc_error_prefix(&copy->err, "%s", pair->name[i]);
    }
    return 0;
}

/* Index of the copy to believe, or an error. */
static int pair_choose(const struct copy copies[2], struct vxc_error *err)
{
    for (int i = 0; i < 2; i++) {
        /* A newer format or a foreign owner is no damage: healing over it would destroy it. */
        if (copies[i].rv != 0 && copies[i].rv != VXC_ENOTFOUND && copies[i].rv != VXC_ECORRUPT) {
            *err = copies[i].err;
            return copies[i].rv;
        }
    }
    if (copies[0].rv == 0 && copies[1].rv == 0) {
        return copies[0].sequence >= copies[1].sequence ? 0 : 1;
    }
    if (copies[0].rv == 0 || copies[1].rv == 0) {
        return copies[0].rv == 0 ? 0 : 1;
    }
    if (copies[0].rv == VXC_ENOTFOUND && copies[1].rv == VXC_ENOTFOUND) {
        return VXC_ENOTFOUND;
    }
    *err = copies[0].rv == VXC_ECORRUPT ? copies[0].err : copies[1].err;
    return vxc_error_prefix(err, "no valid copy is left");
}

static void part_name(const struct vxc_pair *pair, int i, char part[VXC_PAIR_NAME_MAX + 8])
{
    (void)snprintf(part, VXC_PAIR_NAME_MAX + 8, "%s.part", pair->name[i]);
}

static int part_failed(const struct vxc_pair *pair, int i, const char *step, int rv,
                       struct vxc_error *err)
{
    return vxc_error_set(err, rv, "%s.part: %s: %s", pair->name[i], step, strerror(errno));
}

/* Makes a copy under another name first, so that a file of the final name is always whole. The disk
 * begins to take it at once: whoever writes two waits for both together. */
static int copy_write(struct vxc_pair *pair, int i, int folder, const void *bytes,
                      struct vxc_error *err)
{
    char part[VXC_PAIR_NAME_MAX + 8];
    int rv;

    part_name(pair, i, part);
    pair->fd[i] = openat(folder, part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (pair->fd[i] < 0) {
        return part_failed(pair, i, "create", vxc_error_from_errno(errno), err);
    }
    rv = vxc_disk_write(pair->fd[i], 0, bytes, pair->size);
    if (rv != 0) {
        return part_failed(pair, i, "write", rv, err);
    }
    vxc_disk_begin_flush(pair->fd[i], 0, pair->size);
    return 0;
}

/* Flushes what copy_write wrote and gives it its name. */
static int copy_name(struct vxc_pair *pair, int i, int folder, struct vxc_error *err)
{
    char part[VXC_PAIR_NAME_MAX + 8];

    part_name(pair, i, part);
    if (fsync(pair->fd[i]) != 0) {
        return part_failed(pair, i, "fsync", vxc_error_from_errno(errno), err);
    }
    if (renameat(folder, part, folder, pair->name[i]) != 0) {
        return part_failed(pair, i, "rename", vxc_error_from_errno(errno), err);
    }
    return 0;
}

/* What the disk holds now is unknown. The folder is not kept; the kernel knows where the file is. */
static _Noreturn void end_unknown(const struct vxc_pair *pair, int i, const char *what)
{
    const int errnum = errno;
    char link[32];
    char path[PATH_MAX];
    ssize_t size;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", pair->fd[i]);
    size = readlink(link, path, sizeof path - 1);
    path[size < 0 ? 0 : size] = '\0';
    vxc_fatal("%s: %s failed: %s", size > 0 ? path : pair->name[i], what, strerror(errnum));
}

static void copy_store(struct vxc_pair *pair, int i, const void *bytes)
{
    if (vxc_disk_write(pair->fd[i], 0, bytes, pair->size) != 0) {
        end_unknown(pair, i, "write");
    }
    if (!VXC_PLANTED(vote_not_flushed) && fdatasync(pair->fd[i]) != 0) {
        end_unknown(pair, i, "flush");
    }
}

static int sync_names(const struct vxc_pair *pair, int folder, struct vxc_error *err)
{
    const int rv = vxc_disk_sync_folder(folder);

    return rv == 0 ? 0
                   : vxc_error_set(err, rv, "flush the names of %s and %s: %s", pair->name[0],
                                   pair->name[1], strerror(errno));
}

/* Brings the other copy in line and flushes both: what was read may not have been durable yet. */
static int pair_heal(struct vxc_pair *pair, int folder, const struct copy copies[2], int chosen,
                     struct vxc_error *err)
{
    int other = 1 - chosen;
    int rv;

    /* The winner itself is not rewritten while it may be the only whole copy, only flushed. */
    if (fdatasync(pair->fd[chosen]) != 0) {
        end_unknown(pair, chosen, "flush");
    }
    if (pair->fd[other] >= 0 && copies[other].bytes != NULL) {
        copy_store(pair, other, copies[chosen].bytes); /* of the right size: in place, no space */
        return 0;
    }
    if (pair->fd[other] >= 0) {
        (void)close(pair->fd[other]); /* of a wrong size: replaced by a new file */
    }
    rv = copy_write(pair, other, folder, copies[chosen].bytes, err);
    if (rv == 0) {
        rv = copy_name(pair, other, folder, err);
    }
    return rv != 0 ? rv : sync_names(pair, folder, err);
}

int vxc_pair_open(struct vxc_pair *pair, int folder, const char *name, void *bytes, size_t size,
                  bool read_only, vxc_pair_judge_cb judge, void *data, struct vxc_error *err)
{
    struct copy copies[2] = {{.rv = VXC_ENOTFOUND}, {.rv = VXC_ENOTFOUND}};
    int chosen = -1;
    int rv = pair_names(pair, name);

    pair->size = size;
    for (int i = 0; i < 2 && rv == 0; i++) {
        rv = copy_load(pair, i, folder, read_only, judge, data, &copies[i], err);
    }
    if (rv == 0) {
        chosen = pair_choose(copies, err);
        rv = chosen < 0 ? chosen : 0;
    }
    if (rv == 0 && !read_only) {
        rv = pair_heal(pair, folder, copies, chosen, err);
    }
    if (rv == 0) {
        memcpy(bytes, copies[chosen].bytes, size);
    } else {
        vxc_pair_close(pair);
    }
    vxc_free(copies[0].bytes);
    vxc_free(copies[1].bytes);
    return rv;
}

int vxc_pair_create(struct vxc_pair *pair, int folder, const char *name, const void *bytes,
                    size_t size, struct vxc_error *err)
{
    int rv = pair_names(pair, name);

    pair->size = size;
    for (int i = 0; i < 2 && rv == 0; i++) {
        rv = copy_write(pair, i, folder, bytes, err);
    }
    for (int i = 0; i < 2 && rv == 0; i++) {
        rv = copy_name(pair, i, folder, err);
    }
    if (rv == 0) {
        rv = sync_names(pair, folder, err);
    }
    if (rv != 0) {
        vxc_pair_close(pair);
    }
    return rv;
}

void vxc_pair_store(struct vxc_pair *pair, const void *bytes)
{
    vxc_check(pair->fd[0] >= 0);
    vxc_check(pair->fd[1] >= 0);
    copy_store(pair, 0, bytes);
    copy_store(pair, 1, bytes);
}

void vxc_pair_close(struct vxc_pair *pair)
{
    for (int i = 0; i < 2; i++) {
        if (pair->fd[i] >= 0) {
            (void)close(pair->fd[i]); /* every store was flushed */
            pair->fd[i] = -1;
        }
    }
}
