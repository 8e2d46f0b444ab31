/* The members of the cluster, as the node that was asked knows them. */
#ifndef VXC_TOOLS_MEMBERS_H
#define VXC_TOOLS_MEMBERS_H

#include "tools/vxc/cli.h"

#define VXC_SHOWN_MEMBERS_MAX   64u  /* more are not shown */
#define VXC_MEMBER_ADDRESS_SIZE 300u /* bytes with NUL: a host name, a colon, a port */

struct vxc_member {
    uint64_t id;
    int rank; /* enum vxc_member_rank */
    char address[VXC_MEMBER_ADDRESS_SIZE];
    uint64_t match_index;
    int64_t silent_ms; /* -1 = not known */
};

struct vxc_members {
    struct vxc_member list[VXC_SHOWN_MEMBERS_MAX]; /* by id */
    size_t count;
};

/* Asks, without a word about failures: 0 or a VXC_E… code. any_node: a backup may answer; else the
 * primary is looked for, which alone knows match_index. timeout_ms 0 = that of the client. */
int vxc_members_ask(struct vxc_cli *cli, bool any_node, uint64_t timeout_ms,
                    struct vxc_members *members);
/* NULL = not there. */
const struct vxc_member *vxc_members_find(const struct vxc_members *members, uint64_t id);
const struct vxc_member *vxc_members_primary(const struct vxc_members *members);
/* "primary", "backup" (a voter) or "standby". */
const char *vxc_member_role(const struct vxc_member *member);

#endif
