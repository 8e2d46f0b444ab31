/* Preloaded into a program, makes the i-th call of one class fail: io_errors.py goes through all i.
 *
 *   FAIL_IO_FOLDER  calls on files below it count, others are left alone
 *   FAIL_IO_CLASS   write, flush, rename, size or open, or several of them
 *   FAIL_IO_AT      which call, from 1
 *   FAIL_IO_WITH    EIO, ENOSPC, or short: half of the bytes are written
 *   FAIL_IO_WHILE   as long as this file exists all later calls fail as well (a full disk)
 *   FAIL_IO_AFTER   nothing counts before this file exists
 *   FAIL_IO_REPORT  file that gets one line when the first call fails: what it was, and on what
 */
#include "no_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BLOCK = 4096 };

static struct {
    const char *folder, *class, *while_file, *after_file, *report;
    size_t folder_size;
    unsigned long at;
    int error; /* 0 = short */
} plan;

static atomic_ulong calls;
static atomic_bool reported;

__attribute__((constructor)) static void read_plan(void)
{
    const char *at = getenv("FAIL_IO_AT");
    const char *with = getenv("FAIL_IO_WITH");

    plan.folder = getenv("FAIL_IO_FOLDER");
    plan.class = getenv("FAIL_IO_CLASS");
    plan.while_file = getenv("FAIL_IO_WHILE");
    plan.after_file = getenv("FAIL_IO_AFTER");
    plan.report = getenv("FAIL_IO_REPORT");
    plan.folder_size = plan.folder == NULL ? 0 : strlen(plan.folder);
    plan.at = at == NULL ? 0 : strtoul(at, NULL, 10);
    plan.error = with == NULL || strcmp(with, "short") == 0 ? 0
                 : strcmp(with, "EIO") == 0                 ? EIO
                                                            : ENOSPC;
}

/* ---- judging calls ---- */

static bool is_below(const char *path)
{
    return strncmp(path, plan.folder, plan.folder_size) == 0 &&
           (path[plan.folder_size] == '/' || path[plan.folder_size] == '\0');
}

/* A full disk takes what needs no further block: bytes over bytes that are there or reserved. */
static bool needs_no_room(int fd, off_t offset, size_t size)
{
    struct stat st;

    return plan.while_file != NULL && fstat(fd, &st) == 0 && offset + (off_t)size <= st.st_size &&
           (off_t)st.st_blocks * 512 >= st.st_size;
}

static void path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    ssize_t size;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, PATH_MAX - 1);
    path[size < 0 ? 0 : size] = '\0';
}

/* By bare system calls, for open and write are ours here. */
static void report(const char *call, const char *path)
{
    char line[PATH_MAX + 100];
    int size;
    int fd;

    if (plan.report == NULL || atomic_exchange(&reported, true)) {
        return;
    }
    size = snprintf(line, sizeof line, "%s %s\n", call, path);
    fd = (int)syscall(SYS_openat, AT_FDCWD, plan.report, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                      0600);
    (void)!syscall(SYS_write, fd, line, (size_t)size);
    (void)syscall(SYS_close, fd);
}

/* Is this call the one to fail? */
static bool hit(const char *class, const char *call, const char *path)
{
    unsigned long at;

    if (plan.at == 0 || plan.folder == NULL || strstr(plan.class, class) == NULL ||
        !is_below(path)) {
        return false;
    }
    if (plan.after_file != NULL && faccessat(AT_FDCWD, plan.after_file, F_OK, 0) != 0) {
        return false;
    }
    at = atomic_fetch_add(&calls, 1) + 1;
    if (plan.while_file == NULL
            ? at != plan.at
            : at < plan.at || faccessat(AT_FDCWD, plan.while_file, F_OK, 0) != 0) {
        return false;
    }
    report(call, path);
    return true;
}

static bool hit_fd(const char *class, const char *call, int fd)
{
    const int before = errno;
    char path[PATH_MAX];
    struct stat st;
    bool found = false;

    if (plan.at != 0 && fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
        path_of(fd, path);
        found = hit(class, call, path);
    }
    errno = before;
    return found;
}

static bool hit_name(const char *class, const char *call, int folder, const char *name)
{
    const int before = errno;
    char path[2 * PATH_MAX];
    char above[PATH_MAX];
    bool found;

    if (name[0] == '/') {
        found = hit(class, call, name);
    } else {
        if (folder == AT_FDCWD) {
            if (getcwd(above, sizeof above) == NULL) {
                above[0] = '\0';
            }
        } else {
            path_of(folder, above);
        }
        (void)snprintf(path, sizeof path, "%s/%s", above, name);
        found = hit(class, call, path);
    }
    errno = before;
    return found;
}

static int refuse(void)
{
    errno = plan.error != 0 ? plan.error : EIO;
    return -1;
}

/* ---- writes ---- */

/* Bytes that a short write lets through: whole blocks, as a direct one needs; all when there is only
 * one. */
static size_t half_of(size_t size)
{
    return size <= 1          ? size
           : size < BLOCK     ? size / 2
           : size / 2 < BLOCK ? size
                              : size / 2 / BLOCK * BLOCK;
}

ssize_t write(int fd, const void *data, size_t size)
{
    const bool failing = hit_fd("write", "write", fd);

    return failing && plan.error != 0
               ? refuse()
               : syscall(SYS_write, fd, data, failing ? half_of(size) : size);
}

static ssize_t pwrite_at(int fd, const void *data, size_t size, off_t offset)
{
    const bool failing = !needs_no_room(fd, offset, size) && hit_fd("write", "pwrite", fd);

    return failing && plan.error != 0
               ? refuse()
               : syscall(SYS_pwrite64, fd, data, failing ? half_of(size) : size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite_at(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite_at(fd, data, size, offset);
}

static size_t size_of(const struct iovec *parts, int count)
{
    size_t size = 0;

    for (int i = 0; i < count; i++) {
        size += parts[i].iov_len;
    }
    return size;
}

/* A short one writes only the first part. */
static ssize_t pwritev_at(int fd, const struct iovec *parts, int count, off_t offset)
{
    const bool failing =
        !needs_no_room(fd, offset, size_of(parts, count)) && hit_fd("write", "pwritev", fd);

    if (failing && plan.error != 0) {
        return refuse();
    }
    if (failing) {
        return syscall(SYS_pwrite64, fd, parts[0].iov_base,
                       count > 1 ? parts[0].iov_len : half_of(parts[0].iov_len), offset);
    }
    return syscall(SYS_pwritev, fd, parts, count, offset, 0);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return pwritev_at(fd, parts, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
    return pwritev_at(fd, parts, count, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return hit_fd("write", "writev", fd) && plan.error != 0 ? refuse()
                                                            : syscall(SYS_writev, fd, parts, count);
}

/* ---- flushes ---- */

int fsync(int fd)
{
    return hit_fd("flush", "fsync", fd) ? refuse() : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return hit_fd("flush", "fdatasync", fd) ? refuse() : (int)syscall(SYS_fdatasync, fd);
}

/* ---- names ---- */

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return hit_name("rename", "rename", to_folder, to)
               ? refuse()
               : (int)syscall(SYS_renameat, from_folder, from, to_folder, to);
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    return hit_name("rename", "link", to_folder, to)
               ? refuse()
               : (int)syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
}

int mkdirat(int folder, const char *name, mode_t mode)
{
    return hit_name("open", "mkdir", folder, name) ? refuse()
                                                   : (int)syscall(SYS_mkdirat, folder, name, mode);
}

int mkdir(const char *name, mode_t mode)
{
    return mkdirat(AT_FDCWD, name, mode);
}

/* ---- sizes ---- */

int ftruncate(int fd, off_t size)
{
    return hit_fd("size", "ftruncate", fd) ? refuse() : (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return hit_fd("size", "fallocate", fd) ? refuse()
                                           : (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

int fallocate64(int fd, int mode, off_t offset, off_t size)
{
    return fallocate(fd, mode, offset, size);
}

/* ---- opens: ENOSPC only where a file may have to be made ---- */

static bool makes_file(int flags)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

static int open_at(int folder, const char *name, int flags, mode_t mode)
{
    const bool counts = plan.error != ENOSPC || makes_file(flags);

    return counts && hit_name("open", "open", folder, name)
               ? refuse()
               : (int)syscall(SYS_openat, folder, name, flags, mode);
}

#define MODE_OF(flags, mode)                                                                       \
    do {                                                                                           \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        (mode) = makes_file(flags) ? va_arg(arguments, mode_t) : 0;                                \
        va_end(arguments);                                                                         \
    } while (0)

int open(const char *name, int flags, ...)
{
    mode_t mode;

    MODE_OF(flags, mode);
    return open_at(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...)
{
    mode_t mode;

    MODE_OF(flags, mode);
    return open_at(AT_FDCWD, name, flags, mode);
}

int openat(int folder, const char *name, int flags, ...)
{
    mode_t mode;

    MODE_OF(flags, mode);
    return open_at(folder, name, flags, mode);
}

int openat64(int folder, const char *name, int flags, ...)
{
    mode_t mode;

    MODE_OF(flags, mode);
    return open_at(folder, name, flags, mode);
}

/* What the fortified headers call when a file is surely not made. */
int __open_2(const char *name, int flags);
int __open64_2(const char *name, int flags);
int __openat_2(int folder, const char *name, int flags);
int __openat64_2(int folder, const char *name, int flags);

int __open_2(const char *name, int flags)
{
    return open_at(AT_FDCWD, name, flags, 0);
}

int __open64_2(const char *name, int flags)
{
    return open_at(AT_FDCWD, name, flags, 0);
}

int __openat_2(int folder, const char *name, int flags)
{
    return open_at(folder, name, flags, 0);
}

int __openat64_2(int folder, const char *name, int flags)
{
    return open_at(folder, name, flags, 0);
}
