/* fs_shutdown MOUNT_POINT UNSYNCED_FILE ACKED_FILE ACKED_SIZE: cuts the power of one filesystem.
 *
 * The shutdown request without a log flush makes ext4 (or xfs) refuse all further I/O at once and
 * forget what its page cache has not written: after umount and mount the disk holds what had been
 * flushed, as after a power cut.
 *
 * The cut comes as soon as ACKED_FILE, the client's list of acknowledged keys on another
 * filesystem, has ACKED_SIZE bytes, or after two seconds. UNSYNCED_FILE is written just before and
 * not flushed: the control that the cut loses what it should.
 *
 * Prints the size of ACKED_FILE just before the cut: only what was acknowledged by then counts.
 * After a real cut nobody acknowledges anything; here the node lives on for a moment, and a flush
 * that is under way while ext4 aborts its journal may report success all the same: the abort ends
 * the transaction, and the flush takes one that has ended for one that is on disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
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

/* Waits until the file has the size. Returns the size then, or -1. */
static long long wait_for_size(int fd, const char *path, long long size)
{
    const struct timespec pause = {.tv_nsec = 50000};
    struct stat info;

    for (int i = 0; i < 2000 * 20; i++) {
        if (fstat(fd, &info) != 0) {
            fprintf(stderr, "fs_shutdown: size of %s: %s\n", path, strerror(errno));
            return -1;
        }
        if (info.st_size >= size) {
            break;
        }
        (void)nanosleep(&pause, NULL); /* cut short is fine */
    }
    return info.st_size;
}

int main(int argc, char **argv)
{
    uint32_t how = SHUTDOWN_WITHOUT_LOG_FLUSH;
    long long size;
    int disk;
    int acked;

    if (argc != 5) {
        fprintf(stderr, "usage: fs_shutdown MOUNT_POINT UNSYNCED_FILE ACKED_FILE ACKED_SIZE\n");
        return 2;
    }
    disk = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    acked = open(argv[3], O_RDONLY | O_CLOEXEC);
    if (disk < 0 || acked < 0) {
        fprintf(stderr, "fs_shutdown: open %s: %s\n", argv[disk < 0 ? 1 : 3], strerror(errno));
        return 1;
    }
    size = wait_for_size(acked, argv[3], strtoll(argv[4], NULL, 10));
    if (size < 0 || write_unsynced(argv[2]) != 0) {
        return 1;
    }
    size = wait_for_size(acked, argv[3], 0);
    if (ioctl(disk, FS_IOC_SHUTDOWN, &how) != 0) {
        fprintf(stderr, "fs_shutdown: shut down %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    printf("%lld\n", size);
    return 0;
}
