/* Preloaded into a node, makes every flush a lie: it reports success and flushes nothing.
 *
 * The positive control of the power-cut test: a node on such a disk must lose acknowledged writes,
 * and the test must see it. A flush through io_uring would not come by here, so setting up a ring
 * fails as on a kernel without it, and the node flushes by a thread.
 */
#include <errno.h>
#include <stddef.h>

int fsync(int fd);
int fdatasync(int fd);
int syncfs(int fd);
int msync(void *address, size_t length, int flags);
int io_uring_queue_init(unsigned entries, void *ring, unsigned flags);
int io_uring_queue_init_params(unsigned entries, void *ring, void *params);

int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

int syncfs(int fd)
{
    (void)fd;
    return 0;
}

int msync(void *address, size_t length, int flags)
{
    (void)address;
    (void)length;
    (void)flags;
    return 0;
}

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags)
{
    (void)entries;
    (void)ring;
    (void)flags;
    return -ENOSYS;
}

int io_uring_queue_init_params(unsigned entries, void *ring, void *params)
{
    (void)entries;
    (void)ring;
    (void)params;
    return -ENOSYS;
}
