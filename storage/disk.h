/* Files of the log and the vote at the level of blocks: open past the page cache, reserve, zero,
 * read and write whole ranges, make durable.
 *
 * Every function returns 0 or a VXC_E… code and leaves errno as the system set it, so that the
 * caller, who knows what the file means, can write the message. Reads and writes go on over EINTR
 * and partial transfers. With a descriptor of vxc_disk_open_block() offset, size and memory must be
 * aligned to VXC_LOG_BLOCK_SIZE, for it may be O_DIRECT.
 */
#ifndef VXC_STORAGE_DISK_H
#define VXC_STORAGE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens a file of blocks in the open folder, O_DIRECT where the file system allows it; `flags` as
 * of openat(2), created files have mode 0600. */
int vxc_disk_open_block(int folder, const char *name, int flags, int *fd);

/* Reads exactly `size` bytes; VXC_EIO when the file ends before. */
int vxc_disk_read(int fd, uint64_t offset, void *data, size_t size);
int vxc_disk_write(int fd, uint64_t offset, const void *data, size_t size);

/* Lets the system begin to write these bytes, so that the flush that is to come finds little left. A
 * hint: it neither waits nor fails. */
void vxc_disk_begin_flush(int fd, uint64_t offset, size_t size);

/* Cuts a file down to nothing. One that holds nothing is left alone, because ext4 writes a file that
 * was ever cut to 0 to the disk when it is closed, be it needed there or not. */
int vxc_disk_empty(int fd);

/* Writing a large file out while it grows, in small steps: the flush that is to come finds little
 * left, and at no time has the disk more than two steps of it before it gets to somebody's log. */
struct vxc_disk_trickle {
    uint64_t step_at; /* where the last step begins, which may still be under way */
    uint64_t begun;   /* and ends */
};
/* The file has so many bytes by now. May wait for the step before. A failure is one of the file's: a
 * flush will not tell it again. */
int vxc_disk_trickle(struct vxc_disk_trickle *trickle, int fd, uint64_t size);

/* Makes the file `size` bytes long and reserves them. *reserved says whether the file system could
 * reserve; if not, only writing tells whether there is room. */
int vxc_disk_allocate(int fd, uint64_t size, bool *reserved);

/* Writes zeros to [from, to), both aligned to blocks; not yet durable. */
int vxc_disk_zero(int fd, uint64_t from, uint64_t to);

/* Next byte at or after `from` that may be other than a hole; `size` when there is none. */
uint64_t vxc_disk_next_data(int fd, uint64_t from, uint64_t size);

/* Next byte at or after `from` that lies in a hole (never written); `size` when there is none. */
uint64_t vxc_disk_next_hole(int fd, uint64_t from, uint64_t size);

bool vxc_disk_is_zero(const void *data, size_t size);

/* Memory aligned to a block, for descriptors of vxc_disk_open_block. */
void *vxc_disk_memory(size_t size);
void vxc_disk_memory_free(void *memory);

/* `size` rounded up to whole blocks. */
uint64_t vxc_disk_round_up(uint64_t size);

/* Makes the names in a folder durable. */
int vxc_disk_sync_folder(int folder);

/* Opens the folder `path`, made (mode 0700, durable in its parent) when absent and `create`; on
 * failure it is not there if it was not before. */
int vxc_disk_open_folder(const char *path, bool create, int *folder);

#endif
