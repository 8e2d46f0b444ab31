/* Verification of a state folder before it is opened: LMDB does not notice corruption, so the file
 * size is held against the meta page and a forked child walks every row, checks every checksum and
 * compares the sums with the stored digests. Death of the child by a signal is damage. */
#ifndef VXC_STORAGE_VERIFY_H
#define VXC_STORAGE_VERIFY_H

#include "base/error.h"

#include <stdint.h>

struct vxc_verify_report {
    uint64_t rows;          /* of all databases, with those that wait to be reclaimed */
    uint64_t bytes;         /* of their keys and values */
    uint64_t applied_index; /* of the state */
    uint64_t digest;        /* total, at applied_index */
};

/* VXC_ECORRUPT naming file, and offset or database and key; VXC_ENOTFOUND when there is no state;
 * VXC_EFOREIGN, VXC_EVERSION, VXC_EIO. The environment must not be open in this process. */
int vxc_verify_state(const char *path, struct vxc_verify_report *report, struct vxc_error *err);

/* Only whether there is a state: VXC_ENOTFOUND for no or an empty folder, VXC_ECORRUPT when the
 * folder holds other files but no data.mdb. */
int vxc_verify_presence(const char *path, struct vxc_error *err);

#endif
