/* Preloaded into a node, makes each flush take longer while a file exists: a disk that has become slow.
 *
 *   SLOW_FLUSH_WHILE  the file
 *   SLOW_FLUSH_MS     added to each flush, in milliseconds
 */
#include "integration/no_ring.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);

static void wait_if_slow(void)
{
    const char *path = getenv("SLOW_FLUSH_WHILE"), *text = getenv("SLOW_FLUSH_MS");
    const long ms = text == NULL ? 0 : strtol(text, NULL, 10);
    const struct timespec delay = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    if (path != NULL && access(path, F_OK) == 0) {
        (void)nanosleep(&delay, NULL); /* a signal only shortens it */
    }
}

int fsync(int fd)
{
    wait_if_slow();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    wait_if_slow();
    return (int)syscall(SYS_fdatasync, fd);
}
