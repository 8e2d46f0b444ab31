/* Verification of a state folder before it is opened: LMDB does not notice corruption, so the file
 * size is held against the meta page and a forked child walks every row, checks every checksum and
 * compares the sums with the stored digests. Death of the child by a signal is damage. */
#ifndef VXC_STORAGE_VERIFY_H
#define VXC_STORAGE_VERIFY_H

#include "base/error.h"

#include <stdint.h>

struct vxc_verify_report {
    uint64_t rows;
    uint64_t bytes;
    uint64_t applied_index;
    uint64_t digest;
};

/* VXC_ECORRUPT naming file, and offset or database and key; VXC_ENOTFOUND when there is no state. */
int vxc_verify_state(const char *path, struct vxc_verify_report *report, struct vxc_error *err);

#endif
