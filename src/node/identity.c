#include "node/identity.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crc.h"
#include "storage/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* DIR/node: magic 8 | format u32 | node id u64 | incarnation u64 | life u64 | crc u32 of what
 * precedes. Format 1 had neither incarnation nor life. */
enum { NODE_FORMAT = 2, NODE_FILE_SIZE = 40, NODE_FILE_SIZE_1 = 24 };
enum { AT_FORMAT = 8, AT_NODE_ID = 12, AT_INCARNATION = 20, AT_LIFE = 28 };
enum { LOCK_WAIT_MS = 1000, LOCK_RETRY_MS = 5 };
static const char magic[8] = {'v', 'x', 'c', ' ', 'n', 'o', 'd', 'e'};

void vxc_identity_path(const struct vxc_identity *identity, const char *name, char out[1200])
{
    (void)snprintf(out, 1200, "%s/%s", identity->path, name);
}

static int failed(struct vxc_error *err, const char *what, const char *path)
{
    /* a path that cannot be is a mistake of the configuration, not of the disk */
    int code = errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG || errno == ELOOP
                   ? VXC_EINVAL
                   : vxc_error_from_errno(errno);
    const char *advice =
        code == VXC_ENOSPC      ? "; make room or choose another --data"
        : code == VXC_EREADONLY ? "; make it writable for this user or choose another --data"
        : code == VXC_EINVAL ? "; --data names a directory, or a new one in a directory that exists"
                             : "";

    return vxc_error_set(err, code, "%s %s: %s%s", what, path, strerror(errno), advice);
}

static int flush_folder(const struct vxc_identity *identity, struct vxc_error *err)
{
    int dir = open(identity->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rv = 0;

    if (dir < 0 || fsync(dir) != 0) {
        rv = failed(err, "cannot flush", identity->path);
    }
    if (dir >= 0) {
        (void)close(dir); /* only read from */
    }
    return rv;
}

/* Writes a small file so that whoever reads it sees it whole or not at all; durable: also after a
 * power cut. */
static int write_whole(const struct vxc_identity *identity, const char *name, const void *bytes,
                       size_t size, bool durable, struct vxc_error *err)
{
    char path[1200];
    char part[1210];
    int fd;
    bool written;

    vxc_identity_path(identity, name, path);
    (void)snprintf(part, sizeof part, "%s.part", path);
    fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return failed(err, "cannot write", part);
    }
    written = vxc_disk_write(fd, 0, bytes, size) == 0 && (!durable || fsync(fd) == 0);
    if (close(fd) != 0 || !written || rename(part, path) != 0) {
        int rv = failed(err, "cannot write", path);
        (void)unlink(part); /* the error that matters is already told */
        return rv;
    }
    return durable ? flush_folder(identity, err) : 0;
}

/* The process that holds the lock, from the file's text; 0 when it cannot be read. */
static long holder(int fd)
{
    char text[32] = {0};

    return pread(fd, text, sizeof text - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

/* A killed process holds its lock until the kernel is done with its memory, and nobody outside can
 * see that it is dying. So a lock is asked for again for a second before somebody is believed to
 * hold it. */
static bool lock_file(int fd)
{
    const struct timespec pause = {.tv_nsec = LOCK_RETRY_MS * 1000000};

    for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_RETRY_MS) {
        if (errno != EWOULDBLOCK || waited_ms >= LOCK_WAIT_MS) {
            return false;
        }
        (void)nanosleep(&pause, NULL); /* cut short is fine */
    }
    return true;
}

static int take_lock(struct vxc_identity *identity, struct vxc_error *err)
{
    char path[1200];
    char text[32];
    int fd;
    int size;

    vxc_identity_path(identity, "lock", path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return failed(err, "cannot open the lock", path);
    }
    if (!lock_file(fd)) {
        int rv = errno == EWOULDBLOCK ? 0 : failed(err, "cannot lock", path);
        long pid = holder(fd);

        (void)close(fd);
        if (rv != 0) {
            return rv;
        }
        return vxc_error_set(err, VXC_ELOCKED,
                             "data directory %s is in use by another node (pid %ld); stop it or "
                             "choose another --data",
                             identity->path, pid);
    }
    size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || vxc_disk_write(fd, 0, text, (size_t)size) != 0) {
        int rv = failed(err, "cannot write", path);
        (void)close(fd);
        return rv;
    }
    identity->lock_descriptor = fd;
    return 0;
}

/* A life of this directory begins: nothing may leave the node before that is durable. */
static int begin_life(struct vxc_identity *identity, struct vxc_error *err)
{
    uint8_t raw[NODE_FILE_SIZE];

    while (identity->incarnation == 0) {
        const struct vxc_clock *clock = vxc_clock_system();
        clock->random(clock->data, &identity->incarnation, sizeof identity->incarnation);
    }
    identity->life++;
    memcpy(raw, magic, sizeof magic);
    vxc_store_u32(raw + AT_FORMAT, NODE_FORMAT);
    vxc_store_u64(raw + AT_NODE_ID, identity->node_id);
    vxc_store_u64(raw + AT_INCARNATION, identity->incarnation);
    vxc_store_u64(raw + AT_LIFE, identity->life);
    vxc_store_u32(raw + sizeof raw - 4, vxc_crc32(0, raw, sizeof raw - 4));
    return write_whole(identity, "node", raw, sizeof raw, true, err);
}

/* A directory without its identity file must be new: else the file was lost. */
static bool holds_data(const struct vxc_identity *identity)
{
    static const char *const names[] = {"log", "vote", "state"};
    char path[1200];

    for (size_t i = 0; i < 3; i++) {
        vxc_identity_path(identity, names[i], path);
        if (access(path, F_OK) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_sound(const uint8_t *raw, ssize_t size)
{
    return size >= NODE_FILE_SIZE_1 && memcmp(raw, magic, sizeof magic) == 0 &&
           vxc_load_u32(raw + size - 4) == vxc_crc32(0, raw, (size_t)size - 4);
}

/* What the file says: whose data this is, and how often it was started. */
static int take_node_file(struct vxc_identity *identity, const char *path, const uint8_t *raw,
                          ssize_t size, struct vxc_error *err)
{
    uint32_t format = is_sound(raw, size) ? vxc_load_u32(raw + AT_FORMAT) : 0;

    if (format > NODE_FORMAT) {
        return vxc_error_set(err, VXC_EVERSION, "%s was written by a newer version (format %u)",
                             path, format);
    }
    if (format == 0 || size != (format == 1 ? NODE_FILE_SIZE_1 : NODE_FILE_SIZE)) {
        return vxc_error_set(err, VXC_ECORRUPT,
                             "%s is damaged (offset 0, %zd of %d bytes): it says whose data this "
                             "is; restore it from a copy",
                             path, size, NODE_FILE_SIZE);
    }
    if (vxc_load_u64(raw + AT_NODE_ID) != identity->node_id) {
        unsigned long long owner = vxc_load_u64(raw + AT_NODE_ID);

        return vxc_error_set(err, VXC_EFOREIGN,
                             "%s belongs to node %llu, not to node %llu: give --node-id %llu or "
                             "another --data",
                             identity->path, owner, (unsigned long long)identity->node_id, owner);
    }
    if (format > 1) {
        identity->incarnation = vxc_load_u64(raw + AT_INCARNATION);
        identity->life = vxc_load_u64(raw + AT_LIFE);
    }
    return 0;
}

static int check_node_file(struct vxc_identity *identity, struct vxc_error *err)
{
    uint8_t raw[256]; /* room for what a newer version may write */
    char path[1200];
    ssize_t size;
    int fd;

    vxc_identity_path(identity, "node", path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        if (holds_data(identity)) {
            return vxc_error_set(err, VXC_ECORRUPT,
                                 "%s is missing beside a log, vote or state: restore the whole "
                                 "directory from a copy, or start with an empty --data",
                                 path);
        }
        identity->fresh = true;
        return 0;
    }
    if (fd < 0) {
        return failed(err, "cannot read", path);
    }
    size = read(fd, raw, sizeof raw);
    (void)close(fd); /* only read from */
    return take_node_file(identity, path, raw, size, err);
}

static void take_clean_mark(struct vxc_identity *identity)
{
    char path[1200];

    vxc_identity_path(identity, "clean", path);
    identity->clean = unlink(path) == 0;
}

int vxc_identity_open(const char *path, uint64_t node_id, struct vxc_identity *identity,
                      struct vxc_error *err)
{
    int rv;

    memset(identity, 0, sizeof *identity);
    identity->lock_descriptor = -1;
    identity->node_id = node_id;
    (void)snprintf(identity->path, sizeof identity->path, "%s", path);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return failed(err, "cannot create the data directory", path);
    }
    rv = take_lock(identity, err);
    if (rv == 0) {
        rv = check_node_file(identity, err);
    }
    if (rv == 0) {
        rv = begin_life(identity, err);
    }
    if (rv == 0) {
        take_clean_mark(identity);
    } else {
        vxc_identity_close(identity, false);
    }
    return rv;
}

void vxc_identity_close(struct vxc_identity *identity, bool clean)
{
    if (identity->lock_descriptor < 0) {
        return;
    }
    if (clean) {
        /* without it the state is walked */
        (void)write_whole(identity, "clean", "clean\n", 6, true, NULL);
    }
    (void)close(identity->lock_descriptor); /* gives the lock back */
    identity->lock_descriptor = -1;
}

int vxc_identity_write_endpoint(const struct vxc_identity *identity, const char *endpoint,
                                struct vxc_error *err)
{
    char line[160];
    int size = snprintf(line, sizeof line, "%s\n", endpoint);

    /* it tells where a running node listens: a power cut leaves nothing to tell */
    return write_whole(identity, "endpoint", line, (size_t)size, false, err);
}

void vxc_identity_remove_endpoint(const struct vxc_identity *identity)
{
    char path[1200];

    vxc_identity_path(identity, "endpoint", path);
    (void)unlink(path); /* absent is as good */
}
