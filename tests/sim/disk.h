/* The disk below a node: what a crash makes of its files (files.h).
 *
 * The program's own pwrite, writev, fdatasync, … stand in front of libc's, for LMDB too. While a
 * node runs they remember what each write overwrote until the file is flushed. At a power cut each
 * 4 KiB block of what was not flushed stays or is put back, as chance will have it; a mere end of
 * the process loses nothing, for the kernel has it. Names (rename, unlink) are durable at once.
 *
 * A crash may come at any of these calls: the k-th one does not return.
 */
#ifndef VXC_TESTS_SIM_DISK_H
#define VXC_TESTS_SIM_DISK_H

#include "sim.h"

struct file;

struct disk {
    struct world *world;
    struct file *touched; /* in this life: written to */
    unsigned calls_left;  /* 0 = no crash is planned, else it comes at the so many-th call */
    bool full;            /* what grows finds no space */
    uint64_t full_hits;
};

/* After the last life's end: what is not flushed is decided upon. */
void disk_cut_power(struct disk *disk);
/* The same when only the process ended. */
void disk_keep_all(struct disk *disk);
/* A durable write behind the disk's back: the log's device has its own rules. */
void disk_write_durable(int fd, uint64_t offset, const void *data, size_t size);

/* One step of the node's towards a planned crash. */
void disk_step(struct disk *disk);

#endif
