#include "files.h"

#include "heap.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    BUCKETS = 1024,
    HEAP_ROOM = 1024 * 1024,          /* contents of up to so many bytes use the same pages again */
    MAPPING_ROOM = 256 * 1024 * 1024, /* address space for each mapped file: LMDB's whole map */
};

/* A descriptor. */
struct descriptor {
    struct file *file;        /* NULL: none of ours */
    const struct node *owner; /* whose life it belongs to; NULL = nobody's */
    uint64_t position;
};

static struct file *buckets[BUCKETS]; /* by inode; those with a name */
static struct file *mapped;           /* all that ever were */
static struct descriptor *descriptors;
static int descriptor_room;

static void *must(void *memory)
{
    if (memory == NULL) {
        sim_broken("out of memory");
    }
    return memory;
}

/* ---- contents ---- */

static uint64_t blocks_of(uint64_t size)
{
    return (size + FILE_BLOCK - 1) / FILE_BLOCK;
}

static void grow_blocks(struct file *file, uint64_t room)
{
    const uint64_t before = blocks_of(file->room);
    const uint64_t after = blocks_of(room);

    file->data = must(realloc(file->data, after));
    memset(file->data + before, 0, after - before);
}

static uint8_t *new_bytes(uint64_t room)
{
    return room > HEAP_ROOM ? must(calloc(1, room)) /* from the system, and never touched yet */
                            : memset(heap_new(room), 0, room);
}

static void free_bytes(uint8_t *bytes, uint64_t room)
{
    if (room > HEAP_ROOM) {
        free(bytes);
    } else if (bytes != NULL) {
        heap_free(bytes);
    }
}

static void make_room(struct file *file, uint64_t end)
{
    const uint64_t room = blocks_of(end) * FILE_BLOCK;
    uint8_t *bytes;

    if (room <= file->room) {
        return;
    }
    if (file->mapped) {
        sim_broken("a mapped file grows to %llu bytes", (unsigned long long)end);
    }
    bytes = new_bytes(room);
    if (file->size > 0) {
        memcpy(bytes, file->bytes, file->size);
    }
    free_bytes(file->bytes, file->room);
    file->bytes = bytes;
    grow_blocks(file, room);
    file->room = room;
}

static bool is_zero(const void *bytes, uint64_t size)
{
    const uint8_t *at = bytes;

    return at[0] == 0 && memcmp(at, at + 1, size - 1) == 0;
}

static bool is_all_hole(const struct file *file, uint64_t first, uint64_t last)
{
    return memchr(file->data + first, 1, last - first + 1) == NULL;
}

void file_write(struct file *file, uint64_t offset, const void *bytes, uint64_t size)
{
    const uint64_t first = offset / FILE_BLOCK;
    const uint64_t last = (offset + size - 1) / FILE_BLOCK;

    if (size == 0) {
        return;
    }
    make_room(file, offset + size);
    if (!is_all_hole(file, first, last) || !is_zero(bytes, size)) { /* else they are there */
        memcpy(file->bytes + offset, bytes, size);
    }
    memset(file->data + first, 1, last - first + 1);
    file->size = offset + size > file->size ? offset + size : file->size;
}

bool file_is_hole(const struct file *file, uint64_t offset)
{
    return offset >= file->room || file->data[offset / FILE_BLOCK] == 0;
}

void file_clear(struct file *file, uint64_t block)
{
    if (block < blocks_of(file->room)) {
        memset(file->bytes + block * FILE_BLOCK, 0, FILE_BLOCK);
        file->data[block] = 0;
    }
}

void file_read(const struct file *file, uint64_t offset, void *bytes, uint64_t size)
{
    const uint64_t there = offset >= file->size         ? 0
                           : file->size - offset < size ? file->size - offset
                                                        : size;

    if (there > 0) {
        memcpy(bytes, file->bytes + offset, there);
    }
    memset((uint8_t *)bytes + there, 0, size - there);
}

static void drop_bytes(struct file *file)
{
    free_bytes(file->bytes, file->room);
    free(file->data);
    file->bytes = file->data = NULL;
    file->size = file->room = 0;
}

void file_set_size(struct file *file, uint64_t size)
{
    if (size == 0 && !file->mapped) {
        drop_bytes(file); /* as a new file: what follows may be large, and never be written to */
    }
    if (size < file->size) {
        const uint64_t kept = blocks_of(size);

        memset(file->bytes + size, 0, file->size - size);
        memset(file->data + kept, 0, blocks_of(file->size) - kept);
    }
    make_room(file, size);
    file->size = size;
}

/* The bytes move to where they can stay. */
static void pin(struct file *file)
{
    uint8_t *bytes;

    if (file->mapped) {
        return;
    }
    bytes = (uint8_t *)syscall(SYS_mmap, NULL, (size_t)MAPPING_ROOM, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED || file->room > MAPPING_ROOM) {
        sim_broken("no room for a mapping: %s", strerror(errno));
    }
    if (file->size > 0) {
        memcpy(bytes, file->bytes, file->size);
    }
    free_bytes(file->bytes, file->room);
    grow_blocks(file, MAPPING_ROOM);
    file->bytes = bytes;
    file->room = MAPPING_ROOM;
    file->mapped = true;
    file->next_mapped = mapped;
    mapped = file;
}

/* ---- which file ---- */

static struct file **place_of(uint64_t inode)
{
    struct file **place = &buckets[inode % BUCKETS];

    while (*place != NULL && (*place)->inode != inode) {
        place = &(*place)->next;
    }
    return place;
}

static struct file *file_of_inode(uint64_t inode)
{
    struct file **place = place_of(inode);

    if (*place == NULL) {
        *place = must(calloc(1, sizeof **place));
        (*place)->inode = inode;
        (*place)->named = true;
    }
    return *place;
}

/* What is mapped stays: a life that crashed may have left its mapping behind. */
static void let_go(struct file *file)
{
    if (file->opens == 0 && !file->named && !file->mapped && !file->touched) {
        drop_bytes(file);
        free(file);
    }
}

void files_unname(int folder, const char *name)
{
    struct stat st;
    struct file **place;

    if (syscall(SYS_newfstatat, folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode)) {
        return;
    }
    place = place_of(st.st_ino);
    if (*place != NULL) {
        struct file *file = *place;

        *place = file->next; /* the inode's number may come back with another file */
        file->named = false;
        let_go(file);
    }
}

/* ---- descriptors ---- */

static struct descriptor *descriptor_of(int fd)
{
    return fd >= 0 && fd < descriptor_room ? &descriptors[fd] : NULL;
}

struct file *file_of(int fd)
{
    const struct descriptor *d = descriptor_of(fd);

    return d == NULL ? NULL : d->file;
}

uint64_t file_position(int fd)
{
    return descriptors[fd].position;
}

void file_move(int fd, uint64_t position)
{
    descriptors[fd].position = position;
}

static struct descriptor *add_descriptor(int fd)
{
    if (fd >= descriptor_room) {
        const int room = 2 * fd + 64;

        descriptors = must(realloc(descriptors, (size_t)room * sizeof *descriptors));
        memset(descriptors + descriptor_room, 0,
               (size_t)(room - descriptor_room) * sizeof *descriptors);
        descriptor_room = room;
    }
    descriptors[fd] = (struct descriptor){.owner = node_current};
    return &descriptors[fd];
}

/* A regular file that is opened in a run is one of ours: others open none. */
static int opened(int fd, int flags)
{
    struct descriptor *d;
    struct stat st;

    if (fd < 0 || sim_world == NULL) {
        return fd;
    }
    d = add_descriptor(fd);
    if ((flags & O_DIRECTORY) == 0 && syscall(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode)) {
        d->file = file_of_inode(st.st_ino);
        d->file->opens++;
        if ((flags & O_TRUNC) != 0) {
            file_set_size(d->file, 0);
        }
    }
    return fd;
}

void files_close_all(const struct node *node)
{
    for (int fd = 0; fd < descriptor_room; fd++) {
        if (descriptors[fd].owner == node) {
            (void)close(fd);
        }
    }
}

void files_copy(const char *from, const char *to)
{
    const int source = open(from, O_RDONLY | O_CLOEXEC);
    const int target = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (source < 0 || target < 0) {
        sim_broken("copying %s: %s", from, strerror(errno));
    }
    file_write(file_of(target), 0, file_of(source)->bytes, file_of(source)->size);
    (void)close(source);
    (void)close(target);
}

/* ---- in front of libc ---- */

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
    return opened((int)syscall(SYS_openat, folder, path, flags & ~O_DIRECT, mode), flags);
}

int openat(int folder, const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_at(folder, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_at(AT_FDCWD, path, flags, mode);
}

/* What libc's headers make of these two when there is no mode. */
int __open_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);

int __open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int __openat_2(int folder, const char *path, int flags)
{
    return open_at(folder, path, flags, 0);
}

int eventfd(unsigned count, int flags)
{
    return opened((int)syscall(SYS_eventfd2, count, flags), O_DIRECTORY);
}

int close(int fd)
{
    struct descriptor *d = descriptor_of(fd);

    if (d != NULL) {
        struct file *file = d->file;

        *d = (struct descriptor){0};
        if (file != NULL) {
            file->opens--;
            let_go(file);
        }
    }
    return (int)syscall(SYS_close, fd);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
    const struct file *file = file_of(fd);

    if (file == NULL) {
        return syscall(SYS_pread64, fd, bytes, size, offset);
    }
    if ((uint64_t)offset >= file->size) {
        return 0;
    }
    size = file->size - (uint64_t)offset < size ? file->size - (uint64_t)offset : size;
    file_read(file, (uint64_t)offset, bytes, size);
    return (ssize_t)size;
}

ssize_t read(int fd, void *bytes, size_t size)
{
    ssize_t got;

    if (file_of(fd) == NULL) {
        return syscall(SYS_read, fd, bytes, size);
    }
    got = pread(fd, bytes, size, (off_t)file_position(fd));
    file_move(fd, file_position(fd) + (uint64_t)got);
    return got;
}

/* The next block from `at` on that is data, or a hole; the end is a hole. */
static off_t seek_block(const struct file *file, uint64_t at, uint8_t data)
{
    if (at >= file->size) {
        errno = ENXIO;
        return -1;
    }
    while (at < file->size && file->data[at / FILE_BLOCK] != data) {
        at = (at / FILE_BLOCK + 1) * FILE_BLOCK;
    }
    if (at >= file->size && data != 0) {
        errno = ENXIO;
        return -1;
    }
    return (off_t)(at < file->size ? at : file->size);
}

off_t lseek(int fd, off_t offset, int whence)
{
    const struct file *file = file_of(fd);
    off_t at;

    if (file == NULL) {
        return syscall(SYS_lseek, fd, offset, whence);
    }
    switch (whence) {
    case SEEK_DATA:
        at = seek_block(file, (uint64_t)offset, 1);
        break;
    case SEEK_HOLE:
        at = seek_block(file, (uint64_t)offset, 0);
        break;
    case SEEK_END:
        at = (off_t)file->size + offset;
        break;
    case SEEK_CUR:
        at = (off_t)file_position(fd) + offset;
        break;
    default:
        at = offset;
        break;
    }
    if (at >= 0) {
        file_move(fd, (uint64_t)at);
    }
    return at;
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    struct file *file = file_of(fd);

    if (file == NULL) {
        return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
    }
    if (size > MAPPING_ROOM) {
        sim_broken("a mapping of %zu bytes", size);
    }
    pin(file);
    return file->bytes + offset;
}

static bool is_ours(const void *address)
{
    for (const struct file *file = mapped; file != NULL; file = file->next_mapped) {
        if ((const uint8_t *)address >= file->bytes &&
            (const uint8_t *)address < file->bytes + MAPPING_ROOM) {
            return true;
        }
    }
    return false;
}

int munmap(void *address, size_t size)
{
    return is_ours(address) ? 0 : (int)syscall(SYS_munmap, address, size);
}

/* ---- sizes ---- */

static int with_size(int rc, struct stat *st)
{
    const struct file *file =
        rc == 0 && sim_world != NULL && S_ISREG(st->st_mode) ? *place_of(st->st_ino) : NULL;

    if (file != NULL) {
        st->st_size = (off_t)file->size;
    }
    return rc;
}

int fstatat(int folder, const char *path, struct stat *st, int flags)
{
    return with_size((int)syscall(SYS_newfstatat, folder, path, st, flags), st);
}

int stat(const char *path, struct stat *st)
{
    return fstatat(AT_FDCWD, path, st, 0);
}

int lstat(const char *path, struct stat *st)
{
    return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

int fstat(int fd, struct stat *st)
{
    const struct file *file = file_of(fd);
    const int rc = (int)syscall(SYS_fstat, fd, st);

    if (file != NULL) {
        st->st_size = (off_t)file->size;
    }
    return rc;
}

/* fstat as programs know it that were built with a libc before 2.33. */
int __fxstat(int version, int fd, struct stat *st);

int __fxstat(int version, int fd, struct stat *st)
{
    (void)version;
    return fstat(fd, st);
}
