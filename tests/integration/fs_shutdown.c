/* fs_shutdown MOUNT_POINT ACKED_FILE UNSYNCED_FILE: cuts the power of one ext4 or xfs filesystem.
 *
 * The shutdown request without a log flush makes the filesystem refuse all further I/O at once and
 * forget what its page cache has not written: after umount and mount the disk holds what had been
 * flushed, as after a power cut.
 *
 * UNSYNCED_FILE is written just before and not flushed: the control that the cut loses what it
 * should.
 *
 * Prints the size of ACKED_FILE (on another filesystem) just before the cut: only what was
 * acknowledged by then counts. After a real cut nobody acknowledges anything; here the node lives
 * on for a moment, and a flush that is under way while ext4 aborts its journal may report success
 * all the same: the abort ends the transaction, and the flush takes one that has ended for one that
 * is on disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
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
    if (argc != 4) {
        fprintf(stderr, "usage: fs_shutdown MOUNT_POINT ACKED_FILE UNSYNCED_FILE\n");
        return 2;
    }
    int fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int acked_fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || acked_fd < 0) {
        fprintf(stderr, "fs_shutdown: open %s: %s\n", argv[fd < 0 ? 1 : 2], strerror(errno));
        return 1;
    }
    if (write_unsynced(argv[3]) != 0) {
        return 1;
    }
    uint32_t how = SHUTDOWN_WITHOUT_LOG_FLUSH;
    struct stat acked;
    int acked_failed = fstat(acked_fd, &acked);
    if (ioctl(fd, FS_IOC_SHUTDOWN, &how) != 0) {
        fprintf(stderr, "fs_shutdown: shut down %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    if (acked_failed) {
        fprintf(stderr, "fs_shutdown: size of %s: %s\n", argv[2], strerror(errno));
        return 1;
    }
    printf("%lld\n", (long long)acked.st_size);
    return 0;
}
