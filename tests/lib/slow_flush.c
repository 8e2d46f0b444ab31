/* Preloaded into a node: flushes take longer, as on a bad disk. The file that SLOW_FLUSH_FILE names holds
 * how many ms are added to each; without the file nothing is, so that a test can begin and end it. */
#include "integration/no_ring.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void linger(void)
{
    const char *name = getenv("SLOW_FLUSH_FILE");
    const int fd = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    char text[16] = "";

    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) > 0) {
            const long ms = strtol(text, NULL, 10);
            const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
            (void)nanosleep(&time, NULL); /* cut short is fine */
        }
        (void)close(fd);
    }
}

int fsync(int fd)
{
    linger();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    linger();
    return (int)syscall(SYS_fdatasync, fd);
}
