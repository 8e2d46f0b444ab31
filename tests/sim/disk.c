#include "disk.h"

#include "files.h"
#include "heap.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* A block that was overwritten since the file was flushed. */
struct disk_undo {
    struct disk_undo *older;
    uint64_t offset;
    uint32_t size;
    bool hole;       /* nothing stood there */
    uint8_t bytes[]; /* what stood there, unless it was a hole; zeros behind the end of the file */
};

/* The disk of the node that runs now; NULL while the simulator itself does. */
static struct disk *current(void)
{
    return node_current == NULL ? NULL : &node_current->disk;
}

void disk_step(struct disk *disk)
{
    if (disk->calls_left > 0 && --disk->calls_left == 0) {
        node_end_now(NODE_CUT);
    }
}

/* ---- what is not flushed yet ---- */

static void touch(struct disk *disk, struct file *file)
{
    if (!file->touched) {
        file->touched = true;
        file->next_touched = disk->touched;
        disk->touched = file;
    }
}

static void forget(struct file *file)
{
    while (file->newest != NULL) {
        struct disk_undo *undo = file->newest;
        file->newest = undo->older;
        heap_free(undo);
    }
}

static void remember(struct disk *disk, struct file *file, uint64_t offset, uint64_t size)
{
    touch(disk, file);
    while (size > 0) {
        const uint64_t left = FILE_BLOCK - offset % FILE_BLOCK;
        const uint64_t part = left < size ? left : size;
        const bool hole = file_is_hole(file, offset);
        struct disk_undo *undo = heap_new(sizeof *undo + (hole ? 0 : part));

        *undo = (struct disk_undo){
            .older = file->newest, .offset = offset, .size = (uint32_t)part, .hole = hole};
        if (!hole) {
            file_read(file, offset, undo->bytes, part);
        }
        file->newest = undo;
        offset += part;
        size -= part;
    }
}

static bool is_settled(const uint64_t *settled, size_t count, uint64_t block)
{
    for (size_t i = 0; i < count; i++) {
        if (settled[i] == block) {
            return true;
        }
    }
    return false;
}

/* Newest first: a block whose write stayed hides all older ones of that block. */
static void decide(struct disk *disk, struct file *file, unsigned keep_per_mille)
{
    uint64_t settled[512];
    size_t count = 0;

    for (struct disk_undo *undo = file->newest; undo != NULL; undo = undo->older) {
        const uint64_t block = undo->offset / FILE_BLOCK;

        if (is_settled(settled, count, block)) {
            continue;
        }
        if (count == sizeof settled / sizeof settled[0] ||
            sim_chance(&disk->world->disk, keep_per_mille)) {
            if (count < sizeof settled / sizeof settled[0]) {
                settled[count++] = block;
            }
            continue;
        }
        if (undo->hole) {
            file_clear(file, block);
        } else {
            file_write(file, undo->offset, undo->bytes, undo->size);
        }
        disk->world->counts.torn_writes++;
    }
}

static void end_life(struct disk *disk)
{
    while (disk->touched != NULL) {
        struct file *file = disk->touched;

        disk->touched = file->next_touched;
        file->touched = false;
        forget(file);
    }
    disk->calls_left = 0;
}

void disk_cut_power(struct disk *disk)
{
    static const unsigned keeps[] = {0, 500, 900};

    for (struct file *file = disk->touched; file != NULL; file = file->next_touched) {
        if (file->newest != NULL) {
            decide(disk, file, keeps[sim_draw(&disk->world->disk, 3)]);
        }
    }
    end_life(disk);
}

void disk_keep_all(struct disk *disk)
{
    end_life(disk);
}

void disk_write_durable(int fd, uint64_t offset, const void *data, size_t size)
{
    struct file *file = file_of(fd);

    if (file == NULL) {
        sim_broken("a write to descriptor %d, which is none of the simulated disk", fd);
    }
    file_write(file, offset, data, size);
}

/* ---- in front of libc ---- */

static bool no_space(struct disk *disk, const struct file *file, uint64_t end)
{
    if (disk->full && end > file->size) {
        disk->full_hits++;
        errno = ENOSPC;
        return true;
    }
    return false;
}

/* One step towards a crash; false when there is no space up to `end`. */
static bool may_write(const struct file *file, uint64_t end)
{
    struct disk *disk = current();

    if (disk == NULL) {
        return true;
    }
    disk_step(disk);
    return !no_space(disk, file, end);
}

static void put(struct file *file, uint64_t offset, const void *data, size_t size)
{
    if (current() != NULL) {
        remember(current(), file, offset, size);
    }
    file_write(file, offset, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    struct file *file = file_of(fd);

    if (file == NULL) {
        return syscall(SYS_pwrite64, fd, data, size, offset);
    }
    if (!may_write(file, (uint64_t)offset + size)) {
        return -1;
    }
    put(file, (uint64_t)offset, data, size);
    return (ssize_t)size;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    struct file *file = file_of(fd);
    size_t size = 0;

    if (file == NULL) {
        return syscall(SYS_writev, fd, parts, count);
    }
    for (int i = 0; i < count; i++) {
        size += parts[i].iov_len;
    }
    if (!may_write(file, file_position(fd) + size)) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        put(file, file_position(fd), parts[i].iov_base, parts[i].iov_len);
        file_move(fd, file_position(fd) + parts[i].iov_len);
    }
    return (ssize_t)size;
}

static int flush(int fd)
{
    struct file *file = file_of(fd);

    if (current() != NULL) {
        disk_step(current());
    }
    if (file != NULL) {
        forget(file);
    }
    return 0;
}

int fdatasync(int fd)
{
    return flush(fd);
}

int fsync(int fd)
{
    return flush(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags)
{
    (void)fd, (void)offset, (void)size, (void)flags; /* a hint */
    return 0;
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    struct file *file = file_of(fd);
    const uint64_t end = (uint64_t)(offset + size);

    if (file == NULL) {
        return (int)syscall(SYS_fallocate, fd, mode, offset, size);
    }
    if (mode != 0) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (!may_write(file, end)) {
        return -1;
    }
    if (end > file->size) {
        file_set_size(file, end);
    }
    return 0;
}

int ftruncate(int fd, off_t size)
{
    struct file *file = file_of(fd);

    if (file == NULL) {
        return (int)syscall(SYS_ftruncate, fd, size);
    }
    if (!may_write(file, (uint64_t)size)) {
        return -1;
    }
    file_set_size(file, (uint64_t)size);
    return 0;
}

int truncate(const char *path, off_t size)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    int rc;

    if (fd < 0) {
        return -1;
    }
    rc = ftruncate(fd, size);
    (void)close(fd);
    return rc;
}

/* Names are durable at once. */

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    int rc;

    if (current() != NULL) {
        disk_step(current());
    }
    rc = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, RENAME_NOREPLACE);
    if (rc != 0 && errno == EEXIST) {
        files_unname(to_folder, to);
        rc = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
    }
    return rc;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int folder, const char *name, int flags)
{
    if (current() != NULL) {
        disk_step(current());
    }
    if (sim_world != NULL) {
        files_unname(folder, name);
    }
    return (int)syscall(SYS_unlinkat, folder, name, flags);
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

/* ---- time ---- */

/* Whoever asks libc for the time is told the node's. */
int clock_gettime(clockid_t which, struct timespec *time)
{
    if (node_current == NULL) {
        return (int)syscall(SYS_clock_gettime, which, time);
    }
    const uint64_t ns = node_current->clock.monotonic_ns(node_current->clock.data);

    time->tv_sec = (time_t)(ns / SIM_S);
    time->tv_nsec = (long)(ns % SIM_S);
    return 0;
}

/* A node that waits for its disk stands still; what it waits for is space, which comes back. */
int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (current() != NULL) {
        current()->full = false;
        return 0;
    }
    const struct timespec limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};

    return (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &limit, NULL, 0);
}
