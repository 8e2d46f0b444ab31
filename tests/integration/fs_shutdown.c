/* fs_shutdown MOUNT_POINT [UNSYNCED_FILE]: cuts the power of one ext4 or xfs filesystem.
 *
 * The shutdown request without a log flush makes the filesystem refuse all further I/O at once and
 * forget what its page cache has not written: after umount and mount the disk holds what had been
 * flushed, as after a power cut. When UNSYNCED_FILE is named, it is written first and not flushed:
 * the control that the cut loses what it should lose.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FS_IOC_SHUTDOWN            _IOR('X', 125, uint32_t)
#define SHUTDOWN_WITHOUT_LOG_FLUSH 2u

static int write_unsynced(const char *path)
{
    char block[4096];
    memset(block, 'u', sizeof block);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, block, sizeof block) != (ssize_t)sizeof block) {
        fprintf(stderr, "fs_shutdown: write %s: %s\n", path, strerror(errno));
        return 1;
    }
    (void)close(fd); /* a close does not flush, and its failure would show in the cut */
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: fs_shutdown MOUNT_POINT [UNSYNCED_FILE]\n");
        return 2;
    }
    int fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "fs_shutdown: open %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    if (argc == 3 && write_unsynced(argv[2]) != 0) {
        return 1;
    }
    uint32_t how = SHUTDOWN_WITHOUT_LOG_FLUSH;
    if (ioctl(fd, FS_IOC_SHUTDOWN, &how) != 0) {
        fprintf(stderr, "fs_shutdown: shut down %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    (void)close(fd);
    return 0;
}
