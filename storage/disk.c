#include "disk.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ZERO_CHUNK_SIZE = 1024 * 1024,
    TRICKLE_SIZE =
        256 * 1024, /* bytes: a millisecond or less of a disk, and enough to keep it busy */
};

int vxc_disk_open_block(int folder, const char *name, int flags, int *fd)
{
    int got = openat(folder, name, flags | O_CLOEXEC | O_DIRECT, 0600);

    if (got < 0 && errno == EINVAL) {
        got = openat(folder, name, flags | O_CLOEXEC, 0600); /* e.g. an old tmpfs: no O_DIRECT */
    }
    if (got < 0) {
        return vxc_error_from_errno(errno);
    }
    *fd = got;
    return 0;
}

int vxc_disk_read(int fd, uint64_t offset, void *data, size_t size)
{
    uint8_t *to = data;

    while (size > 0) {
        ssize_t got = pread(fd, to, size, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return vxc_error_from_errno(errno);
        }
        if (got == 0) {
            errno = ENODATA; /* the file ends too early */
            return VXC_EIO;
        }
        to += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return 0;
}

int vxc_disk_write(int fd, uint64_t offset, const void *data, size_t size)
{
    const uint8_t *from = data;

    while (size > 0) {
        ssize_t put = pwrite(fd, from, size, (off_t)offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return vxc_error_from_errno(errno);
        }
        from += put;
        offset += (uint64_t)put;
        size -= (size_t)put;
    }
    return 0;
}

void vxc_disk_begin_flush(int fd, uint64_t offset, size_t size)
{
    (void)sync_file_range(fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

/* Where the system cannot write out a part of a file, the flush does all of it. */
static int judge_write_out(int rc)
{
    return rc == 0 || errno == ENOSYS || errno == EINVAL || errno == ESPIPE
               ? 0
               : vxc_error_from_errno(errno);
}

int vxc_disk_trickle(struct vxc_disk_trickle *trickle, int fd, uint64_t size)
{
    const uint64_t before = trickle->step_at;
    const uint64_t begun = trickle->begun;
    int rv = 0;

    if (size - begun < TRICKLE_SIZE) {
        return 0;
    }
    if (begun > before) { /* a size of 0 would mean all of the file */
        rv = judge_write_out(sync_file_range(fd, (off_t)before, (off_t)(begun - before),
                                             SYNC_FILE_RANGE_WAIT_BEFORE));
    }
    *trickle = (struct vxc_disk_trickle){.step_at = begun, .begun = size};
    return rv != 0 ? rv
                   : judge_write_out(sync_file_range(fd, (off_t)begun, (off_t)(size - begun),
                                                     SYNC_FILE_RANGE_WRITE));
}

int vxc_disk_allocate(int fd, uint64_t size, bool *reserved)
{
    int rv;

    do {
        rv = fallocate(fd, 0, 0, (off_t)size);
    } while (rv != 0 && errno == EINTR);
    if (rv == 0) {
        *reserved = true;
        return 0;
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS) {
        return vxc_error_from_errno(errno);
    }
    if (ftruncate(fd, (off_t)size) != 0) {
        return vxc_error_from_errno(errno);
    }
    *reserved = false;
    return 0;
}

int vxc_disk_empty(int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0 || (status.st_size > 0 && ftruncate(fd, 0) != 0)) {
        return vxc_error_from_errno(errno);
    }
    return 0;
}

int vxc_disk_zero(int fd, uint64_t from, uint64_t to)
{
    size_t chunk = to - from < ZERO_CHUNK_SIZE ? (size_t)(to - from) : ZERO_CHUNK_SIZE;
    void *zeros;
    int rv = 0;

    if (from >= to) {
        return 0;
    }
    zeros = vxc_disk_memory(chunk);
    if (zeros == NULL) {
        return VXC_ENOMEM;
    }
    memset(zeros, 0, chunk);
    while (rv == 0 && from < to) {
        size_t size = to - from < chunk ? (size_t)(to - from) : chunk;
        rv = vxc_disk_write(fd, from, zeros, size);
        from += size;
    }
    vxc_disk_memory_free(zeros);
    return rv;
}

uint64_t vxc_disk_next_data(int fd, uint64_t from, uint64_t size)
{
    off_t at;

    if (from >= size) {
        return size;
    }
    at = lseek(fd, (off_t)from, SEEK_DATA);
    if (at < 0) {
        /* ENXIO: only a hole is left. Anything else: cannot tell, so all of it may be data. */
        return errno == ENXIO ? size : from;
    }
    return (uint64_t)at < size ? (uint64_t)at : size;
}

uint64_t vxc_disk_next_hole(int fd, uint64_t from, uint64_t size)
{
    off_t at;

    if (from >= size) {
        return size;
    }
    at = lseek(fd, (off_t)from, SEEK_HOLE);
    return at < 0 || (uint64_t)at > size ? size : (uint64_t)at;
}

bool vxc_disk_is_zero(const void *data, size_t size)
{
    const uint8_t *bytes = data;

    /* Each byte equals its neighbour and the first is zero: memcmp's speed without a zero buffer.
     */
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

void *vxc_disk_memory(size_t size)
{
    return vxc_aligned_malloc(VXC_LOG_BLOCK_SIZE, (size_t)vxc_disk_round_up(size));
}

void vxc_disk_memory_free(void *memory)
{
    vxc_aligned_free(memory);
}

uint64_t vxc_disk_round_up(uint64_t size)
{
    return (size + VXC_LOG_BLOCK_SIZE - 1) / VXC_LOG_BLOCK_SIZE * VXC_LOG_BLOCK_SIZE;
}

int vxc_disk_sync_folder(int folder)
{
    /* Some file systems cannot fsync a folder (EINVAL) and need none. */
    if (fsync(folder) != 0 && errno != EINVAL) {
        return vxc_error_from_errno(errno);
    }
    return 0;
}

/* The new folder's own name lives in its parent, which must be made durable as well. */
static int sync_parent(const char *path)
{
    char above[PATH_MAX];
    int fd;
    int rv;

    if (snprintf(above, sizeof above, "%s/..", path) >= (int)sizeof above) {
        errno = ENAMETOOLONG;
        return VXC_EINVAL;
    }
    fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return vxc_error_from_errno(errno);
    }
    rv = vxc_disk_sync_folder(fd);
    (void)close(fd); /* opened for reading: nothing can be lost */
    return rv;
}

int vxc_disk_open_folder(const char *path, bool create, int *folder)
{
    const bool made = create && mkdir(path, 0700) == 0;
    int rv = 0;
    int fd = -1;

    if (made) {
        rv = sync_parent(path);
    } else if (create && errno != EEXIST && errno != EROFS) {
        return vxc_error_from_errno(errno); /* EROFS: it may exist; the open below will tell */
    }
    if (rv == 0) {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        rv = fd < 0 ? vxc_error_from_errno(errno) : 0;
    }
    if (rv == 0) {
        *folder = fd;
    } else if (made) {
        const int errnum = errno;

        (void)rmdir(path); /* as it was; what matters is told already */
        errno = errnum;
    }
    return rv;
}
