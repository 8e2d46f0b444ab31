/* How write units reach the disk: submit a write, collect it when it is durable.
 *
 * Three kinds of device stand behind one small table of functions: io_uring on the loop thread
 * (files opened O_DSYNC, so a finished write is a durable one), a thread with pwrite and one
 * fdatasync for all writes it finds waiting, and whatever a test or the simulator supplies. Writes
 * may finish in any order. A device never retries a failed write: its outcome is unknown, and the
 * log ends the process.
 */
#ifndef VXC_STORAGE_LOG_IO_H
#define VXC_STORAGE_LOG_IO_H

#include "storage/log.h"

#include <stddef.h>
#include <stdint.h>

/* One write in flight; memory of the caller until collected. */
struct vxc_log_write {
    void *owner;      /* for the caller */
    int fd;           /* opened with the device's open_flags */
    uint64_t offset;  /* aligned to VXC_LOG_BLOCK_SIZE, as are size and data */
    const void *data; /* borrowed until collected */
    size_t size;
    int result;                 /* 0 = durable; else the errno of what failed */
    struct vxc_log_write *next; /* for the device */
};

struct vxc_log_device {
    const char *name; /* "io_uring", "thread" */
    int open_flags;   /* to open segments with: O_DSYNC or 0 */
    int event_fd;     /* readable when collect() or the keeper has something; -1 = inline keeper */
    void (*submit)(struct vxc_log_device *device, struct vxc_log_write *write);
    /* One finished write, or NULL when none is. Clear event_fd first, then collect until NULL. */
    struct vxc_log_write *(*collect)(struct vxc_log_device *device);
    /* Blocks until event_fd is readable, or (a simulated device) makes some progress itself. */
    void (*wait)(struct vxc_log_device *device);
    void (*free)(struct vxc_log_device *device); /* nothing may be in flight */
};

/* VXC_EUNSUPPORTED when io_uring is asked for by name and the kernel or a filter forbids it; with
 * VXC_LOG_IO_AUTO the thread takes over then. */
int vxc_log_device_create(enum vxc_log_io kind, struct vxc_log_device **device,
                          struct vxc_error *err);

/* As vxc_log_open, on a device of the caller's (taken on success, NULL = by options->io). One
 * without event_fd gets its housekeeping done inline: nothing runs on another thread, for the
 * simulator. */
int vxc_log_open_on(const char *path, const struct vxc_log_options *options,
                    struct vxc_log_device *device, struct vxc_log **log, struct vxc_error *err);

#endif
