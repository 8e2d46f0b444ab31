/* Who may take part, and what the primary writes down about members so that all others know it. */
#include "node/cluster_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ANNOUNCE_AGAIN_MS = 1000, ANNOUNCE_LOOK_MS = 100 };

#define START_ANEW                                                                                 \
    "start it with an empty --data under a new --node-id with --join, and add that one with vxc "  \
    "member add"
#define COME_BACK START_ANEW "; remove the old id with vxc member remove"

static uint64_t life_number(uint64_t life)
{
    return life >> 32;
}

/* A copy that is started as often as the original was has the same number, but another life. */
static int judge_life(const struct introduction *who, uint64_t seen, struct vxc_error *err)
{
    if (who->life == seen || life_number(who->life) > life_number(seen)) {
        return 0;
    }
    return vxc_error_set(err, VXC_EFOREIGN,
                         "node %" PRIu64 " runs on an older copy of its data directory (start "
                         "%" PRIu64 ", but another start %" PRIu64
                         " was seen); it may have forgotten what it promised, so it never takes "
                         "part again: " COME_BACK,
                         who->id, life_number(who->life), life_number(seen));
}

/* What the replicated member table says against it. */
static int judge_by_table(struct vxc_cluster *c, const struct introduction *who,
                          struct vxc_error *err)
{
    struct vxc_member_view member;

    if (c->fsm == NULL || vxc_fsm_member(c->fsm, who->id, &member) != 0) {
        return 0;
    }
    if (member.gone) {
        return vxc_error_set(
            err, VXC_EFOREIGN,
            "node %" PRIu64
            " was removed from the cluster, and its id never comes back: " START_ANEW,
            who->id);
    }
    if (member.incarnation == 0) { /* announced, and not seen yet */
        return 0;
    }
    if (member.incarnation != who->incarnation) {
        return vxc_error_set(err, VXC_EFOREIGN,
                             "node %" PRIu64
                             " has another data directory than it had: its disk was wiped, or "
                             "another node uses its id; it may have forgotten what it promised, so "
                             "it never takes part again: " COME_BACK,
                             who->id);
    }
    return judge_life(who, member.life, err);
}

/* What this node itself has seen of it, and the primary has heard of its log. */
static int judge_by_memory(struct vxc_cluster *c, const struct introduction *who,
                           struct vxc_error *err)
{
    const struct peer *peer = vxc_cluster_peer(c, who->id);
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    uint32_t count = 0;

    if (peer != NULL && peer->said.incarnation != 0) {
        int rv = peer->said.incarnation == who->incarnation
                     ? judge_life(who, peer->said.life, err)
                     : vxc_error_set(err, VXC_EEXISTS,
                                     "two nodes say that they are node %" PRIu64
                                     ": give each node a --node-id of its own",
                                     who->id);

        if (rv != 0) {
            return rv;
        }
    }
    if (c->replica != NULL && vxc_replica_is_primary(c->replica)) {
        count = vxc_replica_members(c->replica, members); /* at this moment */
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct vxc_replica_member *m = &members[i];

        if (m->id == who->id && who->last_index < m->match_index) {
            return vxc_error_set(
                err, VXC_EFOREIGN,
                "the log of node %" PRIu64 " ends at %" PRIu64 ", but it has acknowledged %" PRIu64
                ": it runs on an older copy of its data directory, and never takes "
                "part again: " COME_BACK,
                who->id, who->last_index, m->match_index);
        }
    }
    return 0;
}

int vxc_cluster_admit(struct vxc_cluster *c, const struct introduction *who, bool incoming,
                      struct vxc_error *err)
{
    struct introduction judged = *who;
    int rv;

    if (c->replica == NULL && !c->stands_in) {
        return vxc_error_set(err, VXC_EBUSY, "node %" PRIu64 " is putting an image in place",
                             c->node_id);
    }
    if (!incoming) {
        judged.last_index = UINT64_MAX; /* it did not say */
    }
    rv = judge_by_table(c, &judged, err);
    rv = rv != 0 ? rv : judge_by_memory(c, &judged, err);
    /* Who has the cluster's id was made a member once, and may be one by a configuration that this
     * node has yet to hear of, from that very member perhaps. Who joins takes whoever finds it. */
    if (rv == 0 && incoming && !who->of_cluster && vxc_cluster_knows_members(c) &&
        !vxc_cluster_has_member(c, who->id)) {
        rv = vxc_error_set(err, VXC_ENOTFOUND,
                           "node %" PRIu64 " is not a member yet: add it with vxc member add %s",
                           who->id, who->address[0] != '\0' ? who->address : "ADDRESS");
    }
    return rv;
}

/* ---- refusals ---- */

void vxc_cluster_take_refusal(struct vxc_cluster *c, const char *by, const char *text)
{
    if (c->refused[0] == '\0') {
        (void)snprintf(c->refused, sizeof c->refused, "refused by %s: %s", by, text);
    }
}

void vxc_cluster_log_refusal(struct vxc_cluster *c, struct peer *peer, const char *event, int code,
                             const char *address, const char *text)
{
    int *last = peer != NULL ? &peer->refusal.code : &c->stranger.code;
    uint64_t *logged_ms = peer != NULL ? &peer->refusal.logged_ms : &c->stranger.logged_ms;
    uint64_t *kept_back = peer != NULL ? &peer->refusal.kept_back : &c->stranger.kept_back;
    uint64_t now_ms = vxc_cluster_now_ms(c);

    if (*last == code && now_ms - *logged_ms < VXC_PEER_REFUSAL_LOG_MS) {
        (*kept_back)++;
        return;
    }
    vxc_log_event(c->logger, VXC_LOG_WARN, event,
                  "peer=%" PRIu64 " address=%s code=%s kept_back=%" PRIu64 " reason=\"%s\"",
                  peer != NULL ? peer->id : 0, address, vxc_error_name(code), *kept_back, text);
    *last = code;
    *logged_ms = now_ms;
    *kept_back = 0;
}

/* ---- the member table ---- */

/* Does the table lack what is known of the node? */
static bool is_news(struct vxc_cluster *c, const struct introduction *who)
{
    struct vxc_member_view member;

    if (who->incarnation == 0) {
        return false;
    }
    if (vxc_fsm_member(c->fsm, who->id, &member) != 0) {
        return true;
    }
    if (member.gone || (member.incarnation != 0 && member.incarnation != who->incarnation) ||
        who->life < member.life) {
        return false;
    }
    return member.incarnation == 0 || who->life > member.life ||
           (who->address[0] != '\0' &&
            !vxc_slice_equal(member.address, vxc_slice_of_string(who->address)));
}

static bool announce(struct vxc_cluster *c, struct peer *peer, uint64_t now_ms)
{
    struct vxc_command command = {.op = VXC_OP_MEMBER_SET};
    struct vxc_member_view member;
    uint8_t life[8];

    if (now_ms < peer->announce_ms) {
        return false;
    }
    if (!is_news(c, &peer->said)) {
        peer->announce_ms = now_ms + ANNOUNCE_LOOK_MS;
        return false;
    }
    vxc_store_u64(life, peer->said.life);
    command.a = (int64_t)peer->said.id;
    command.b = peer->said.incarnation;
    command.name = vxc_slice_of_string(peer->said.address);
    if (command.name.size == 0 && vxc_fsm_member(c->fsm, peer->said.id, &member) == 0) {
        command.name = member.address; /* it does not say: what is known stands */
    }
    if (command.name.size == 0) {
        command.name = vxc_slice_of_string(peer->address);
    }
    command.value = vxc_slice(life, sizeof life);
    /* refused now (busy, no longer primary) it is tried again; committed it is no news any more */
    peer->announce_ms = now_ms + ANNOUNCE_AGAIN_MS;
    return vxc_replica_propose(c->replica, &command, NULL) == 0;
}

bool vxc_cluster_announce(struct vxc_cluster *c, uint64_t now_ms)
{
    bool proposed;

    /* a node alone need not be found by others */
    if (c->member_count < 2 || c->replica == NULL || !vxc_replica_is_ready(c->replica)) {
        return false;
    }
    proposed = announce(c, &c->self, now_ms);
    for (int i = 0; i < PEERS_MAX; i++) {
        struct peer *peer = &c->peers[i];

        if (peer->used && peer->said.id != 0 && vxc_cluster_has_member(c, peer->id)) {
            proposed = announce(c, peer, now_ms) || proposed;
        }
    }
    return proposed;
}
