#include "disk.h"

#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096 };

/* A block that was overwritten since the file was flushed. */
struct disk_undo {
    struct disk_undo *older;
    uint64_t offset;
    uint32_t size;
    uint8_t bytes[BLOCK]; /* what stood there; zeros behind the end of the file */
};

struct disk_file {
    struct disk_file *next;
    dev_t device;
    ino_t inode;
    int fd; /* our own, so that the file can be put back when the node has closed it */
    struct disk_undo *newest;
};

/* The disk of the node that runs now; NULL while the simulator itself does. */
static struct disk *current(void)
{
    return node_current == NULL ? NULL : &node_current->disk;
}

void sim_disk_begin(struct world *world)
{
    (void)world;
}

void disk_step(struct disk *disk)
{
    if (disk->calls_left > 0 && --disk->calls_left == 0) {
        node_end_now(NODE_CUT);
    }
}

/* ---- what is not flushed yet ---- */

static struct disk_file *file_of(struct disk *disk, int fd)
{
    struct disk_file *file;
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return NULL;
    }
    for (file = disk->files; file != NULL; file = file->next) {
        if (file->inode == st.st_ino && file->device == st.st_dev) {
            return file;
        }
    }
    file = calloc(1, sizeof *file);
    if (file == NULL) {
        sim_broken("out of memory");
    }
    *file = (struct disk_file){
        .next = disk->files, .device = st.st_dev, .inode = st.st_ino, .fd = dup(fd)};
    disk->files = file;
    return file;
}

/* Used again and again: there are thousands in a run, of a page each. */
static struct disk_undo *free_undos;

static struct disk_undo *new_undo(void)
{
    struct disk_undo *undo = free_undos;

    if (undo != NULL) {
        free_undos = undo->older;
        return undo;
    }
    undo = malloc(sizeof *undo);
    if (undo == NULL) {
        sim_broken("out of memory");
    }
    return undo;
}

static void forget(struct disk_file *file)
{
    while (file->newest != NULL) {
        struct disk_undo *undo = file->newest;
        file->newest = undo->older;
        undo->older = free_undos;
        free_undos = undo;
    }
}

static void remember(struct disk *disk, int fd, uint64_t offset, uint64_t size)
{
    struct disk_file *file = file_of(disk, fd);

    while (file != NULL && size > 0) {
        const uint64_t part = BLOCK - offset % BLOCK < size ? BLOCK - offset % BLOCK : size;
        struct disk_undo *undo = new_undo();
        long got = syscall(SYS_pread64, fd, undo->bytes, part, offset);

        got = got < 0 ? 0 : got;
        memset(undo->bytes + got, 0, part - (uint64_t)got); /* the file ended before */
        undo->older = file->newest;
        undo->offset = offset;
        undo->size = (uint32_t)part;
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
static void decide(struct disk *disk, struct disk_file *file, unsigned keep_per_mille)
{
    uint64_t settled[512];
    size_t count = 0;

    for (struct disk_undo *undo = file->newest; undo != NULL; undo = undo->older) {
        const uint64_t block = undo->offset / BLOCK;

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
        (void)syscall(SYS_pwrite64, file->fd, undo->bytes, undo->size, undo->offset);
        disk->world->counts.torn_writes++;
    }
}

static void end_files(struct disk *disk)
{
    while (disk->files != NULL) {
        struct disk_file *file = disk->files;

        disk->files = file->next;
        forget(file);
        (void)close(file->fd);
        free(file);
    }
}

void disk_cut_power(struct disk *disk)
{
    static const unsigned keeps[] = {0, 500, 900};

    for (struct disk_file *file = disk->files; file != NULL; file = file->next) {
        if (file->newest != NULL) {
            decide(disk, file, keeps[sim_draw(&disk->world->disk, 3)]);
        }
    }
    end_files(disk);
    disk->calls_left = 0;
}

void disk_keep_all(struct disk *disk)
{
    end_files(disk);
    disk->calls_left = 0;
}

void disk_write_durable(int fd, uint64_t offset, const void *data, size_t size)
{
    if (syscall(SYS_pwrite64, fd, data, size, offset) != (long)size) {
        sim_broken("writing to the simulated disk: %s", strerror(errno));
    }
}

/* ---- in front of libc ---- */

static bool grows(int fd, uint64_t end)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && end > (uint64_t)st.st_size;
}

static bool no_space(struct disk *disk, int fd, uint64_t end)
{
    if (disk->full && grows(fd, end)) {
        disk->full_hits++;
        errno = ENOSPC;
        return true;
    }
    return false;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    struct disk *disk = current();

    if (disk != NULL) {
        disk_step(disk);
        if (no_space(disk, fd, (uint64_t)offset + size)) {
            return -1;
        }
        remember(disk, fd, (uint64_t)offset, size);
    }
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    struct disk *disk = current();

    if (disk != NULL) {
        const off_t at = lseek(fd, 0, SEEK_CUR);
        size_t size = 0;

        for (int i = 0; i < count; i++) {
            size += parts[i].iov_len;
        }
        if (at >= 0) {
            disk_step(disk);
            if (no_space(disk, fd, (uint64_t)at + size)) {
                return -1;
            }
            remember(disk, fd, (uint64_t)at, size);
        }
    }
    return syscall(SYS_writev, fd, parts, count);
}

static int flush(int fd)
{
    struct disk *disk = current();

    if (disk != NULL) {
        struct disk_file *file;

        disk_step(disk);
        file = file_of(disk, fd);
        if (file != NULL) {
            forget(file);
        }
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
    struct disk *disk = current();

    if (disk != NULL) {
        disk_step(disk);
        if (no_space(disk, fd, (uint64_t)(offset + size))) {
            return -1;
        }
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

int ftruncate(int fd, off_t size)
{
    struct disk *disk = current();

    if (disk != NULL) {
        disk_step(disk);
        if (no_space(disk, fd, (uint64_t)size)) {
            return -1;
        }
    }
    return (int)syscall(SYS_ftruncate, fd, size);
}

int rename(const char *from, const char *to)
{
    if (current() != NULL) {
        disk_step(current());
    }
    return (int)syscall(SYS_rename, from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    if (current() != NULL) {
        disk_step(current());
    }
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
}

int unlinkat(int folder, const char *name, int flags)
{
    if (current() != NULL) {
        disk_step(current());
    }
    return (int)syscall(SYS_unlinkat, folder, name, flags);
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
