/* Waiting for a lock, interruptible by signals. Shared by `lock run` and `lock acquire`. */
#ifndef VXC_TOOLS_LOCK_WAIT_H
#define VXC_TOOLS_LOCK_WAIT_H

#include "tools/vxc/cli.h"

struct vxc_lock_wait {
    int64_t wait_ms;   /* -1 = for ever, 0 = not at all */
    uint32_t lease_ms; /* of the session */
    uint64_t token;    /* once acquired */
};

/* --wait, --no-wait, --lease. */
int vxc_lock_wait_options(struct vxc_cli *cli, struct vxc_lock_wait *wait);

/* Waits within the open session. 0: held, wait->token is set. VXC_EXIT_CONFLICT: somebody else has
 * it. VXC_EXIT_SIGNAL + n: a signal came. Else what went wrong, said. */
int vxc_lock_wait_acquire(struct vxc_cli *cli, struct vxc_lock_wait *wait, const char *name,
                          int signals);

#endif
