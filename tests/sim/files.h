/* Files whose contents are memory of the simulator's process.
 *
 * Names, folders and descriptors are the kernel's, in a folder of the seed's own; what the files hold
 * is here: the program's own open, pread, mmap, … stand in front of libc's, for LMDB too. A mapping
 * is the very memory that pwrite writes to. The files that the kernel sees stay empty, so a call that
 * went past these would be noticed at the next start of a node.
 *
 * This file knows neither nodes nor faults but for one thing: what a node has opened is closed when its
 * life ends. disk.c decides what becomes of a write.
 */
#ifndef VXC_TESTS_SIM_FILES_H
#define VXC_TESTS_SIM_FILES_H

#include "sim.h"

enum { FILE_BLOCK = 4096 };

/* The contents of one inode. */
struct file {
    struct file *next; /* of those whose inode falls into the same bucket */
    uint64_t inode;
    unsigned opens; /* descriptors */
    bool named;
    bool mapped; /* the bytes stay where they are, and for good */
    struct file *next_mapped;
    uint8_t *bytes; /* zeros from size to room */
    uint8_t *data;  /* per block: written to; else it is a hole */
    uint64_t size, room;

    /* the disk's: what was overwritten since the file was flushed */
    struct disk_undo *newest;
    struct file *next_touched;
    bool touched;
};

/* NULL: none of ours. */
struct file *file_of(int fd);
/* Where the next write goes that says no place. */
uint64_t file_position(int fd);
void file_move(int fd, uint64_t position);

void file_write(struct file *file, uint64_t offset, const void *bytes, uint64_t size);
/* Zeros behind the end. */
void file_read(const struct file *file, uint64_t offset, void *bytes, uint64_t size);
/* Nothing was written to the block of this offset. */
bool file_is_hole(const struct file *file, uint64_t offset);
/* Makes one of a block, by number. */
void file_clear(struct file *file, uint64_t block);
void file_set_size(struct file *file, uint64_t size);

/* The name goes, or is about to mean another file. */
void files_unname(int folder, const char *name);
/* Both paths may be of any file; the new one becomes a copy. */
void files_copy(const char *from, const char *to);
/* The node's process has ended: what it had open is closed. */
void files_close_all(const struct node *node);

#endif
