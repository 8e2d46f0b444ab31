#include "consensus/replica_internal.h"

#include "base/check.h"
#include "base/planted.h"

#include <inttypes.h>

enum {
    APPLY_BYTES_PER_TURN = 8 * 1024 * 1024, /* of entries: a long replay leaves turns to others */
};

static void on_fsm_result(void *data, uint32_t position, const struct vxc_result *result)
{
    struct vxc_replica *replica = data;

    if (replica->applying_ours) {
        struct vxc_proposal *proposal = vxc_proposals_at(&replica->proposals, position);
        if (proposal != NULL) {
            replica->options.on_result(replica->options.data, proposal, result);
        }
    }
}

static void on_fsm_event(void *data, const struct vxc_event *event)
{
    struct vxc_replica *replica = data;

    if (replica->options.on_event != NULL) {
        replica->options.on_event(replica->options.data, event);
    }
}

static void commit_each(void *data, uint32_t done)
{
    struct vxc_replica *replica = data;

    (void)done; /* the state machine knows where it stands */
    vxc_freeze_each(&replica->freeze);
}

static void apply_command_entry(struct vxc_replica *replica, const struct vxc_log_entry *entry)
{
    struct vxc_error err = {0};
    int rv;

    replica->applying_ours = vxc_proposals_take(&replica->proposals, entry->index, entry->term);
    rv = vxc_fsm_apply(replica->options.fsm, entry->index, entry->term, entry->payload,
                       replica->applying_ours, replica->applied_within,
                       replica->options.apply_each || VXC_PLANTED(freeze_inside_entry) ? commit_each
                                                                                       : NULL,
                       replica, &err);
    if (rv != 0) {
        vxc_replica_end_unread(&err, "applying");
    }
    if (replica->applying_ours) {
        vxc_proposals_done(&replica->proposals);
        replica->applying_ours = false;
    }
    replica->applied_within = 0;
}

static void apply_entry(struct vxc_replica *replica, const struct vxc_log_entry *entry)
{
    struct vxc_error err = {0};

    switch (entry->type) {
    case VXC_LOG_COMMAND:
        apply_command_entry(replica, entry);
        break;
    case VXC_LOG_CHANGE:
        if (vxc_configuration_decode(entry->payload, &replica->committed) != 0) {
            vxc_fatal("entry %" PRIu64 " is not a configuration", entry->index);
        }
        vxc_freeze_configure(&replica->freeze, entry->index, entry->payload);
        vxc_engine_configured(replica->engine, vxc_replica_now_ms(replica), entry->index,
                              entry->payload);
        vxc_fsm_pass(replica->options.fsm, entry->index, entry->term);
        vxc_replica_changed(replica, entry);
        break;
    default: /* a barrier only makes sure of what is before it */
        vxc_fsm_pass(replica->options.fsm, entry->index, entry->term);
        break;
    }
    if (vxc_table_error(replica->options.table, &err) != 0) {
        (void)vxc_error_prefix(&err, "entry %" PRIu64, entry->index);
        vxc_replica_end_unread(&err, "applying");
    }
    replica->applied_index = entry->index;
    if (vxc_fsm_checkpoint_index(replica->options.fsm) == entry->index) {
        replica->checkpoint_due = entry->index;
    }
}

/* At a checkpoint every node commits the state of the same entry, so nothing is applied until that
 * commit has begun, which an earlier one may hold up for a moment. A store without space commits
 * nothing: then this checkpoint has no digest here. */
static bool is_held_by_checkpoint(struct vxc_replica *replica)
{
    if (replica->checkpoint_due == 0) {
        return false;
    }
    if (!replica->freeze.no_space && !vxc_freeze_checkpoint(&replica->freeze)) {
        return true;
    }
    replica->checkpoint_due = 0;
    return false;
}

static uint64_t apply_limit(const struct vxc_replica *replica)
{
    uint64_t commit = vxc_engine_commit_index(replica->engine);
    uint64_t durable = VXC_PLANTED(reply_before_flush)
                           ? vxc_log_last_index(replica->options.log)
                           : vxc_log_durable_index(replica->options.log);

    if (vxc_engine_installing(replica->engine)) {
        return 0; /* the log on disk is not the one that the commit index speaks of */
    }
    if (VXC_PLANTED(reply_before_majority) && replica->role == VXC_ENGINE_LEADER) {
        return durable;
    }
    return commit < durable ? commit : durable;
}

bool vxc_replica_advance(struct vxc_replica *replica)
{
    struct vxc_log *log = replica->options.log;
    uint64_t limit = apply_limit(replica);
    uint64_t time_ms;
    size_t bytes = 0;

    vxc_check(!replica->applying);
    if (is_held_by_checkpoint(replica) || replica->applied_index >= limit) {
        return false;
    }
    replica->applying = true;
    time_ms = vxc_replica_now_ms(replica);
    while (replica->applied_index < limit && bytes < APPLY_BYTES_PER_TURN) {
        struct vxc_error err = {0};
        struct vxc_log_entry entry;

        if (vxc_log_get(log, replica->applied_index + 1, &entry, &err) != 0) {
            (void)vxc_error_prefix(&err, "entry %" PRIu64, replica->applied_index + 1);
            vxc_replica_end_unread(&err, "reading");
        }
        bytes += entry.payload.size + VXC_LOG_BLOCK_SIZE;
        apply_entry(replica, &entry);
        vxc_freeze_applied(&replica->freeze, time_ms);
        if (is_held_by_checkpoint(replica)) {
            limit = replica->applied_index; /* the commit that is under way wakes us */
        } else if (replica->options.apply_each) {
            vxc_freeze_each(&replica->freeze);
        } else {
            vxc_freeze_by_size(&replica->freeze);
        }
    }
    vxc_log_release(log, replica->applied_index);
    replica->applying = false;
    return replica->applied_index < limit;
}

/* ---- checkpoints ---- */

/* Voters that said this digest of the checkpoint that we have; we are one of them or not. */
static uint32_t agree(const struct vxc_replica *replica, uint64_t digest)
{
    const struct vxc_freeze *freeze = &replica->freeze;
    uint32_t count = 0;

    for (uint32_t i = 0; i < replica->committed.count; i++) {
        const uint64_t id = replica->committed.members[i].id;
        const struct vxc_replica_peer *peer = vxc_replica_peer(replica, id);

        if (replica->committed.members[i].role != VXC_MEMBER_VOTER) {
            continue;
        }
        if (id == replica->options.node_id) {
            count += freeze->checkpoint_digest == digest;
        } else if (peer != NULL && peer->digest_index == freeze->checkpoint_index) {
            count += peer->digest == digest;
        }
    }
    return count;
}

static void on_difference(struct vxc_replica *replica, const struct vxc_replica_peer *peer)
{
    const struct vxc_freeze *freeze = &replica->freeze;

    vxc_log_event(replica->options.logger, VXC_LOG_ERROR, "divergence",
                  "index=%" PRIu64 " digest=%016" PRIx64 " member=%" PRIu64
                  " its_digest=%016" PRIx64 "; one of the two states is damaged",
                  freeze->checkpoint_index, freeze->checkpoint_digest, peer->id, peer->digest);
    if (agree(replica, peer->digest) > vxc_configuration_voters(&replica->committed) / 2 &&
        replica->options.on_damaged != NULL) {
        replica->options.on_damaged(replica->options.data, freeze->checkpoint_index,
                                    freeze->checkpoint_digest, peer->digest);
    }
}

void vxc_replica_compare_digests(struct vxc_replica *replica)
{
    const struct vxc_freeze *freeze = &replica->freeze;
    struct vxc_peer_message message = {
        .type = VXC_PEER_DIGEST,
        .digest = {.index = freeze->checkpoint_index, .digest = freeze->checkpoint_digest},
    };

    if (freeze->checkpoint_index == 0) {
        return;
    }
    if (replica->checkpoint_told != freeze->checkpoint_index) {
        replica->checkpoint_told = freeze->checkpoint_index;
        vxc_replica_push_all(replica, &message, false);
    }
    for (uint32_t i = 0; i < replica->peers_count; i++) {
        struct vxc_replica_peer *peer = replica->peers[i];

        if (peer->digest_index == freeze->checkpoint_index && !peer->digest_seen) {
            peer->digest_seen = true;
            if (peer->digest != freeze->checkpoint_digest) {
                on_difference(replica, peer);
            }
        }
    }
}

void vxc_replica_hook_fsm(struct vxc_replica *replica)
{
    struct vxc_fsm_hooks hooks = {
        .data = replica, .on_result = on_fsm_result, .on_event = on_fsm_event};

    vxc_fsm_set_hooks(replica->options.fsm, &hooks);
}
