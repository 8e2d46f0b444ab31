#include "tools/vxc/members.h"

#include "base/error.h"

static bool take_member(struct vxc_bytes bytes, struct vxc_member *member)
{
    struct vxc_member_record record;

    if (vxc_member_record_read(bytes, &record) != VXC_OK ||
        record.address.size >= sizeof member->address) {
        return false;
    }
    *member = (struct vxc_member){.id = record.id,
                                  .rank = record.rank,
                                  .match_index = record.match_index,
                                  .silent_ms = record.silent_ms};
    if (record.address.size > 0) {
        memcpy(member->address, record.address.data, record.address.size);
    }
    return true;
}

static int ask(struct vxc_cli *cli, bool any_node, uint64_t timeout_ms, struct vxc_members *members)
{
    struct vxc_request request = vxc_request(VXC_CALL_MEMBER_LIST);
    struct vxc_reply reply;
    struct vxc_bytes id, record;
    int rc;

    request.flags = any_node ? VXC_REQUEST_STALE : 0;
    request.timeout_ms = (int64_t)timeout_ms;
    rc = vxc_client_call(cli->client, &request, &reply);
    members->count = 0;
    while (rc == VXC_OK && members->count < VXC_SHOWN_MEMBERS_MAX &&
           vxc_rows_next(&reply.rows, &id, &record)) {
        members->count += take_member(record, &members->list[members->count]);
    }
    vxc_reply_free(&reply);
    return rc;
}

/* A node that was the primary when we came answers the list all the same; this it does not. */
static int find_primary(struct vxc_cli *cli, uint64_t timeout_ms)
{
    struct vxc_request request = vxc_request(VXC_CALL_NAMESPACE_LIST);

    request.limit_rows = 1;
    request.timeout_ms = (int64_t)timeout_ms;
    return vxc_client_call(cli->client, &request, NULL);
}

int vxc_members_ask(struct vxc_cli *cli, bool any_node, uint64_t timeout_ms,
                    struct vxc_members *members)
{
    const struct vxc_member *primary;
    int rc = ask(cli, any_node, timeout_ms, members);

    if (rc != VXC_OK || any_node) {
        return rc;
    }
    primary = vxc_members_primary(members);
    if (primary != NULL && primary->match_index > 0) {
        return VXC_OK;
    }
    rc = find_primary(cli, timeout_ms);
    return rc != VXC_OK ? rc : ask(cli, any_node, timeout_ms, members);
}

const struct vxc_member *vxc_members_find(const struct vxc_members *members, uint64_t id)
{
    for (size_t i = 0; i < members->count; i++) {
        if (members->list[i].id == id) {
            return &members->list[i];
        }
    }
    return NULL;
}

const struct vxc_member *vxc_members_primary(const struct vxc_members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        if (members->list[i].rank == VXC_RANK_PRIMARY) {
            return &members->list[i];
        }
    }
    return NULL;
}

const char *vxc_member_role(const struct vxc_member *member)
{
    switch (member->rank) {
    case VXC_RANK_PRIMARY:
        return "primary";
    case VXC_RANK_VOTER:
        return "backup";
    default:
        return "standby";
    }
}
