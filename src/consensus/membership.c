#include "consensus/membership.h"

#include <inttypes.h>
#include <stdio.h>

int vxc_membership_not_found(const struct vxc_configuration *configuration, uint64_t id,
                             struct vxc_error *err)
{
    char list[VXC_CONFIGURATION_MEMBERS_MAX * 24] = ""; /* a number has 20 digits at most */
    size_t size = 0;

    for (uint32_t i = 0; i < configuration->count; i++) {
        size += (size_t)snprintf(list + size, sizeof list - size, "%s%" PRIu64, i == 0 ? "" : ", ",
                                 configuration->members[i].id);
    }
    return vxc_error_set(err, VXC_ENOTFOUND, "%" PRIu64 " is not a member; the members are %s", id,
                         list);
}

/* Every voter but `except` and this node must be heard from. */
static int need_voters_up(const struct vxc_membership_view *view, uint64_t except,
                          struct vxc_error *err)
{
    const struct vxc_configuration *configuration = view->configuration;

    for (uint32_t i = 0; i < configuration->count; i++) {
        uint64_t id = configuration->members[i].id;

        if (configuration->members[i].role == VXC_MEMBER_VOTER && id != except &&
            id != view->self && !view->is_up(view->data, id)) {
            return vxc_error_set(err, VXC_EINVAL,
                                 "member %" PRIu64 " is silent: the members are only changed while "
                                 "all other voters are up; start it, or remove it first",
                                 id);
        }
    }
    return 0;
}

static int plan_add(const struct vxc_membership_view *view, uint64_t id,
                    struct vxc_configuration *next, struct vxc_error *err)
{
    if (vxc_configuration_find(next, id) >= 0) {
        return vxc_error_set(err, VXC_EEXISTS, "%" PRIu64 " is a member already", id);
    }
    if (id == 0 || id > UINT32_MAX) {
        return vxc_error_set(err, VXC_EINVAL, "%" PRIu64 " is not a node id from 1 to %" PRIu32, id,
                             UINT32_MAX);
    }
    if (next->count == VXC_CONFIGURATION_MEMBERS_MAX) {
        return vxc_error_set(err, VXC_ELIMIT,
                             "the cluster has %d members, which is the most; "
                             "remove one first",
                             VXC_CONFIGURATION_MEMBERS_MAX);
    }
    next->members[next->count].id = id;
    next->members[next->count].role = VXC_MEMBER_STANDBY;
    next->count++;
    return need_voters_up(view, 0, err);
}

static int plan_promote(const struct vxc_membership_view *view, uint64_t id,
                        struct vxc_configuration *next, struct vxc_error *err)
{
    int at = vxc_configuration_find(next, id);
    uint64_t match_index;

    if (at < 0) {
        return vxc_membership_not_found(next, id, err);
    }
    if (next->members[at].role == VXC_MEMBER_VOTER) {
        return vxc_error_set(err, VXC_EEXISTS, "%" PRIu64 " is a voter already", id);
    }
    match_index = view->match_index(view->data, id);
    if (!view->is_up(view->data, id) || match_index + VXC_MEMBER_LAG_MAX < view->last_index) {
        return vxc_error_set(err, VXC_EBUSY,
                             "%" PRIu64 " has not caught up: it has entry %" PRIu64 " of %" PRIu64
                             "; ask again when it has",
                             id, match_index, view->last_index);
    }
    next->members[at].role = VXC_MEMBER_VOTER;
    return need_voters_up(view, 0, err);
}

static int plan_remove(const struct vxc_membership_view *view, uint64_t id,
                       struct vxc_configuration *next, struct vxc_error *err)
{
    int at = vxc_configuration_find(next, id);
    bool voter;

    if (at < 0) {
        return vxc_membership_not_found(next, id, err);
    }
    if (id == view->self) {
        return vxc_error_set(err, VXC_EINVAL,
                             "%" PRIu64 " is the primary: hand over first (vxc member transfer)",
                             id);
    }
    voter = next->members[at].role == VXC_MEMBER_VOTER;
    if (voter && vxc_configuration_voters(next) <= 2) {
        return vxc_error_set(err, VXC_EINVAL,
                             "a cluster does not shrink to one voter; to go on with one node, "
                             "restore a snapshot as a new cluster");
    }
    next->count--;
    for (uint32_t i = (uint32_t)at; i < next->count; i++) {
        next->members[i] = next->members[i + 1];
    }
    return voter ? need_voters_up(view, id, err) : 0;
}

int vxc_membership_plan(const struct vxc_membership_view *view, enum vxc_membership_change change,
                        uint64_t id, struct vxc_configuration *next, struct vxc_error *err)
{
    *next = *view->configuration;
    switch (change) {
    case VXC_MEMBER_ADD:
        return plan_add(view, id, next, err);
    case VXC_MEMBER_PROMOTE:
        return plan_promote(view, id, next, err);
    default:
        return plan_remove(view, id, next, err);
    }
}
