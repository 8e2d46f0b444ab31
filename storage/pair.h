/* A pair: one small record of fixed size kept in two files, NAME-a and NAME-b, of which one is
 * always whole. The vote and the log's base record live in pairs.
 *
 * A store writes and flushes first a, then b, always in place: it needs no space, so it works on a
 * full disk. A load takes the valid copy with the higher sequence and heals the other one from it,
 * so after open both copies are equal and durable. A file that exists was once written whole (it is
 * made under another name and renamed), hence a copy that cannot be read is damage, not an
 * interrupted creation.
 *
 * A failed write or flush of an open pair ends the process: its outcome is unknown.
 */
#ifndef VXC_STORAGE_PAIR_H
#define VXC_STORAGE_PAIR_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VXC_PAIR_NAME_MAX 32 /* bytes of a file name, with the closing NUL */

/* Judges one copy: 0 and its sequence; VXC_ECORRUPT makes the other copy count; any other error
 * (VXC_EVERSION, VXC_EFOREIGN) is final whatever the other copy says. */
typedef int (*vxc_pair_judge_cb)(void *data, const void *bytes, size_t size, uint64_t *sequence,
                                 struct vxc_error *err);

struct vxc_pair {
    int fd[2];                       /* of a and b; -1 when read-only and missing */
    char name[2][VXC_PAIR_NAME_MAX]; /* "vote-a", "vote-b" */
    size_t size;                     /* bytes of each file */
};

/* Opens NAME-a and NAME-b in the open folder, each of `size` bytes, and copies the winner to
 * `bytes`. Unless read_only both copies are healed and durable on return. VXC_ENOTFOUND when
 * neither is there, VXC_ECORRUPT naming file and offset, VXC_EIO, VXC_EREADONLY, or what judge
 * said. */
int vxc_pair_open(struct vxc_pair *pair, int folder, const char *name, void *bytes, size_t size,
                  bool read_only, vxc_pair_judge_cb judge, void *data, struct vxc_error *err);

/* Creates both files with these bytes; durable on return. VXC_ENOSPC, VXC_EREADONLY, VXC_EIO. */
int vxc_pair_create(struct vxc_pair *pair, int folder, const char *name, const void *bytes,
                    size_t size, struct vxc_error *err);

/* Overwrites both copies; durable on return. */
void vxc_pair_store(struct vxc_pair *pair, const void *bytes);

void vxc_pair_close(struct vxc_pair *pair);

#endif
