/* Membership: which change of the configuration may be made, and what it leads to.
 *
 * One server at a time, and only while the cluster is well: the engine knows no joint consensus, and
 * a node that believes that it is no voter refuses every vote, so a crash in the middle of a change
 * with voters missing can leave nobody to elect. It never shrinks to one voter, for a sole voter
 * elects itself without asking (G3); a snapshot makes a cluster of one.
 */
#ifndef VXC_CONSENSUS_MEMBERSHIP_H
#define VXC_CONSENSUS_MEMBERSHIP_H

#include "base/error.h"
#include "consensus/configuration.h"

#include <stdbool.h>
#include <stdint.h>

/* What the primary knows of a member. */
struct vxc_membership_view {
    const struct vxc_configuration *configuration; /* the newest, which is committed */
    uint64_t self;
    uint64_t last_index; /* of the log */
    void *data;
    bool (*is_up)(void *data, uint64_t id); /* heard within the election timeout */
    uint64_t (*match_index)(void *data, uint64_t id);
};

enum vxc_membership_change { VXC_MEMBER_ADD, VXC_MEMBER_PROMOTE, VXC_MEMBER_REMOVE };

/* How far a standby may be behind and still become a voter, in entries: less than what is under way
 * on a busy cluster. */
enum { VXC_MEMBER_LAG_MAX = 256 };

/* 0 with the next configuration, or the refusal with its reason and what to do. */
int vxc_membership_plan(const struct vxc_membership_view *view, enum vxc_membership_change change,
                        uint64_t id, struct vxc_configuration *next, struct vxc_error *err);

/* VXC_ENOTFOUND for an id that is no member's; the text lists those that are. */
int vxc_membership_not_found(const struct vxc_configuration *configuration, uint64_t id,
                             struct vxc_error *err);

#endif
