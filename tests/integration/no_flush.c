/* Preloaded into a node, makes every flush a lie: it reports success and flushes nothing.
 *
 * The positive control of the power-cut test: a node on such a disk must lose acknowledged writes,
 * and the test must see it.
 */
#include "no_ring.h"

#include <stddef.h>

int fsync(int fd);
int fdatasync(int fd);
int syncfs(int fd);
int msync(void *address, size_t length, int flags);

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
