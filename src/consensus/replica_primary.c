#include "consensus/replica_internal.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/planted.h"
#include "consensus/admission.h"
#include "consensus/membership.h"

#include <inttypes.h>

/* ---- proposals ---- */

void vxc_replica_fail_proposal(void *data, struct vxc_proposal *proposal, int code)
{
    struct vxc_replica *replica = data;
    struct vxc_result result = {.code = code, .text = vxc_strerror(code)};

    replica->options.on_result(replica->options.data, proposal, &result);
}

/* Our own entry, the next of the log. The log takes it first, so that the engine never holds an entry
 * for which there is no space: VXC_ENOSPC, VXC_ENOMEM. Its payload is borrowed. */
static int submit_entry(struct vxc_replica *replica, const struct vxc_engine_entry *entry)
{
    uint64_t index = vxc_engine_last_index(replica->engine) + 1;
    int rv;

    vxc_check(vxc_engine_can_submit(replica->engine));
    rv = vxc_log_append(replica->options.log, index, entry->term, entry->type, entry->payload);
    if (rv == VXC_ENOSPC || rv == VXC_ENOMEM) {
        vxc_replica_refuse_for_a_while(replica, rv);
        return rv;
    }
    if (rv != 0) {
        vxc_fatal("appending entry %" PRIu64 " to the log: %s", index, vxc_strerror(rv));
    }
    rv = vxc_engine_submit(replica->engine, vxc_replica_now_ms(replica), entry);
    vxc_check(rv ==
              0); /* it refuses who is not primary, and changes that are not looked at first */
    replica->unflushed_bytes += entry->payload.size;
    replica->entries_total++;
    return 0;
}

/* Writes what the open entry holds, be it nothing, as the log's next entry. */
static int submit_open(struct vxc_replica *replica)
{
    struct vxc_engine_entry entry = {.term = vxc_engine_term(replica->engine),
                                     .type = VXC_LOG_COMMAND};
    uint64_t count = replica->proposals.open_count;
    int rv;

    entry.payload = vxc_proposals_close(
        &replica->proposals, vxc_stamp_take(&replica->stamp, vxc_replica_now_ns(replica)));
    rv = submit_entry(replica, &entry);
    if (rv == 0) {
        replica->commands_total += count;
        vxc_proposals_submitted(&replica->proposals, vxc_engine_last_index(replica->engine),
                                entry.term);
    }
    return rv;
}

static bool can_submit(const struct vxc_replica *replica)
{
    return vxc_engine_can_submit(replica->engine) && replica->no_space_until_ms == 0 &&
           vxc_proposals_have_room(&replica->proposals);
}

/* Of what so many voters have none that no majority is left which could take an entry; 0: of nothing. */
static int lack_of_majority(struct vxc_replica *replica)
{
    struct vxc_configuration newest;
    uint32_t voters = 0, full = 0;
    uint64_t now_ms;
    int lack = 0;

    if (!replica->peers_lack) {
        return 0; /* asked for every proposal */
    }
    now_ms = vxc_replica_now_ms(replica);
    replica->peers_lack = false;
    vxc_engine_configuration(replica->engine, &newest);
    for (uint32_t i = 0; i < newest.count; i++) {
        const struct vxc_replica_peer *peer = vxc_replica_peer(replica, newest.members[i].id);

        if (newest.members[i].role != VXC_MEMBER_VOTER) {
            continue;
        }
        voters++;
        if (peer != NULL && peer->lack != 0 && now_ms - peer->lack_ms < VXC_PEER_LACK_MS) {
            lack = peer->lack;
            full++;
            replica->peers_lack = true;
        }
    }
    return voters - full > voters / 2 ? 0 : lack;
}

int vxc_replica_propose(struct vxc_replica *replica, const struct vxc_command *command,
                        struct vxc_proposal *proposal)
{
    int lack;

    if (replica->stopping || vxc_engine_role(replica->engine) != VXC_ENGINE_LEADER) {
        return VXC_ENOTPRIMARY;
    }
    if (!replica->ready || !vxc_engine_can_submit(replica->engine)) {
        return VXC_EBUSY; /* not yet, or about to hand over */
    }
    if (replica->no_space_until_ms != 0) {
        return replica->lack;
    }
    lack = lack_of_majority(replica);
    if (lack != 0) {
        return lack;
    }
    if (replica->freeze.no_space && vxc_command_grows(command)) {
        return VXC_ENOSPC;
    }
    if (vxc_freeze_is_full(&replica->freeze) && vxc_command_grows(command)) {
        return VXC_EBUSY;
    }
    if (vxc_proposals_overflow(&replica->proposals, command) && can_submit(replica)) {
        int rv = submit_open(replica);
        if (rv != 0) {
            return rv;
        }
    }
    return vxc_proposals_add(&replica->proposals, command, proposal);
}

/* Is something in flight in every slot that the log has? Then the open entry goes on collecting. */
static bool slots_are_busy(const struct vxc_replica *replica)
{
    return replica->flushes >= VXC_LOG_INFLIGHT_MAX &&
           replica->flushed[replica->flushes % VXC_LOG_INFLIGHT_MAX] >
               vxc_log_durable_index(replica->options.log);
}

void vxc_replica_submit_proposed(struct vxc_replica *replica)
{
    int rv;

    if (replica->proposals.open_count == 0 || !can_submit(replica)) {
        return;
    }
    if (slots_are_busy(replica) && replica->proposals.open.size < VXC_ENTRY_SIZE_TARGET) {
        return;
    }
    rv = submit_open(replica);
    if (rv != 0) {
        /* They never left: an answer now is better than a wait for somebody to clean up. */
        vxc_proposals_fail_open(&replica->proposals, rv, replica, vxc_replica_fail_proposal);
    }
}

/* ---- reads ---- */

int vxc_replica_read(struct vxc_replica *replica, uint64_t *round)
{
    *round = 0;
    if (replica->stopping || replica->role != VXC_ENGINE_LEADER) {
        return VXC_ENOTPRIMARY;
    }
    if (!replica->ready) {
        return VXC_EBUSY;
    }
    if (!VXC_PLANTED(read_without_probe) && !vxc_engine_is_alone(replica->engine)) {
        *round = vxc_read_index_want(&replica->reads);
    }
    return 0;
}

uint64_t vxc_replica_serve_reads(struct vxc_replica *replica)
{
    const uint64_t retry_ms = replica->options.heartbeat_ms;
    struct vxc_peer_message probe = {.type = VXC_PEER_PROBE};
    struct vxc_configuration newest;
    uint64_t round;

    if (!replica->ready || !vxc_read_index_is_busy(&replica->reads)) {
        return UINT64_MAX;
    }
    vxc_engine_configuration(replica->engine, &newest);
    round = vxc_read_index_begin(&replica->reads, vxc_engine_commit_index(replica->engine),
                                 vxc_replica_now_ms(replica), retry_ms);
    if (round != 0) {
        probe.probe.round = round;
        probe.probe.term = vxc_engine_term(replica->engine);
        vxc_replica_push_all(replica, &probe, true);
    }
    round = vxc_read_index_collect(&replica->reads, replica->options.node_id, &replica->committed,
                                   &newest, replica->applied_index);
    if (round != 0) {
        replica->options.on_reads(replica->options.data, round, 0);
    }
    return vxc_read_index_is_busy(&replica->reads) ? retry_ms : UINT64_MAX;
}

/* ---- members ---- */

static bool is_up(void *data, uint64_t id)
{
    const struct vxc_replica *replica = data;
    const struct vxc_replica_peer *peer = vxc_replica_peer(replica, id);

    return peer != NULL && peer->heard &&
           vxc_replica_now_ms(replica) - peer->heard_ms <= replica->options.election_timeout_ms;
}

static uint64_t match_index(void *data, uint64_t id)
{
    const struct vxc_replica *replica = data;

    return vxc_engine_match_index(replica->engine, id);
}

/* A change may begin: a primary that is sure of its log, and nothing of the kind under way. */
static int need_quiet_members(const struct vxc_replica *replica, struct vxc_error *err)
{
    if (replica->stopping || replica->role != VXC_ENGINE_LEADER) {
        return vxc_error_set(err, VXC_ENOTPRIMARY, "only the primary changes the members");
    }
    if (!replica->ready || !vxc_engine_can_submit(replica->engine)) {
        return vxc_error_set(err, VXC_EBUSY, "the primary is not ready for it; try again");
    }
    if (replica->change.index != 0 || vxc_engine_pending_configuration(replica->engine) != 0) {
        return vxc_error_set(err, VXC_EBUSY,
                             "another change of the members is under way; try again");
    }
    return 0;
}

static int submit_change(struct vxc_replica *replica, const struct vxc_configuration *next,
                         struct vxc_proposal *proposal, struct vxc_error *err)
{
    struct vxc_engine_entry entry = {.term = vxc_engine_term(replica->engine),
                                     .type = VXC_LOG_CHANGE};
    struct vxc_buffer payload = {0};
    int rv = vxc_configuration_encode(next, &payload);

    entry.payload = vxc_buffer_slice(&payload);
    if (rv == 0) {
        rv = submit_entry(replica, &entry); /* need_quiet_members() has seen to it */
    }
    if (rv == 0) {
        replica->change.index = vxc_engine_last_index(replica->engine);
        replica->change.term = entry.term;
        replica->change.proposal = proposal;
    }
    vxc_buffer_free(&payload);
    return rv == 0 ? 0 : vxc_error_set(err, rv, "%s", vxc_strerror(rv));
}

static int change_members(struct vxc_replica *replica, enum vxc_membership_change change,
                          uint64_t id, struct vxc_proposal *proposal, struct vxc_error *err)
{
    struct vxc_configuration newest, next;
    const struct vxc_membership_view view = {
        .configuration = &newest,
        .self = replica->options.node_id,
        .last_index = vxc_engine_last_index(replica->engine),
        .data = replica,
        .is_up = is_up,
        .match_index = match_index,
    };
    int rv = need_quiet_members(replica, err);

    if (rv != 0) {
        return rv;
    }
    vxc_engine_configuration(replica->engine, &newest);
    rv = vxc_membership_plan(&view, change, id, &next, err);
    return rv != 0 ? rv : submit_change(replica, &next, proposal, err);
}

int vxc_replica_add_standby(struct vxc_replica *replica, uint64_t id, struct vxc_proposal *proposal,
                            struct vxc_error *err)
{
    return change_members(replica, VXC_MEMBER_ADD, id, proposal, err);
}

int vxc_replica_promote(struct vxc_replica *replica, uint64_t id, struct vxc_proposal *proposal,
                        struct vxc_error *err)
{
    return change_members(replica, VXC_MEMBER_PROMOTE, id, proposal, err);
}

int vxc_replica_remove(struct vxc_replica *replica, uint64_t id, struct vxc_proposal *proposal,
                       struct vxc_error *err)
{
    return change_members(replica, VXC_MEMBER_REMOVE, id, proposal, err);
}

void vxc_replica_changed(struct vxc_replica *replica, const struct vxc_log_entry *entry)
{
    struct vxc_proposal *proposal = replica->change.proposal;
    struct vxc_result result = {.index = entry->index};

    if (replica->change.index != entry->index || replica->change.term != entry->term) {
        return;
    }
    replica->change.index = 0;
    replica->change.proposal = NULL;
    if (proposal != NULL) {
        replica->options.on_result(replica->options.data, proposal, &result);
    }
}

/* The voter that is up and has most of the log; 0 = none is up. The engine would take the last one in
 * the configuration when nobody has all of the log, which under load is always: one that is down, or
 * has just begun to catch up, and nothing is written until that attempt is given up. */
static uint64_t best_heir(struct vxc_replica *replica)
{
    struct vxc_configuration newest;
    uint64_t best = 0;

    vxc_engine_configuration(replica->engine, &newest);
    for (uint32_t i = 0; i < newest.count; i++) {
        const uint64_t id = newest.members[i].id;

        if (newest.members[i].role == VXC_MEMBER_VOTER && id != replica->options.node_id &&
            is_up(replica, id) &&
            (best == 0 || match_index(replica, id) > match_index(replica, best))) {
            best = id;
        }
    }
    return best;
}

/* May this one be the next primary? */
static int check_heir(struct vxc_replica *replica, uint64_t id, struct vxc_error *err)
{
    struct vxc_configuration newest;
    int at;

    vxc_engine_configuration(replica->engine, &newest);
    at = vxc_configuration_find(&newest, id);
    if (at < 0) {
        return vxc_membership_not_found(&newest, id, err);
    }
    if (id == replica->options.node_id) {
        return vxc_error_set(err, VXC_EINVAL, "%" PRIu64 " is the primary already", id);
    }
    if (newest.members[at].role != VXC_MEMBER_VOTER) {
        return vxc_error_set(err, VXC_EINVAL,
                             "%" PRIu64 " is a standby, and only a voter can be the primary: "
                             "promote it first",
                             id);
    }
    return is_up(replica, id) ? 0
                              : vxc_error_set(err, VXC_EINVAL, "member %" PRIu64 " is silent", id);
}

int vxc_replica_transfer(struct vxc_replica *replica, uint64_t id, struct vxc_error *err)
{
    int rv = need_quiet_members(replica, err);

    rv = rv != 0 || id == 0 ? rv : check_heir(replica, id, err);
    if (rv != 0) {
        return rv;
    }
    rv = vxc_engine_transfer(replica->engine, vxc_replica_now_ms(replica),
                             id != 0 ? id : best_heir(replica));
    return rv == 0 ? 0 : vxc_error_set(err, rv, "there is no other voter to hand over to");
}

/* ---- what is lost with the primaryship ---- */

void vxc_replica_fail_all(struct vxc_replica *replica, int open_code)
{
    struct vxc_proposal *change = replica->change.proposal;
    uint64_t round = vxc_read_index_abort(&replica->reads);

    vxc_proposals_fail(&replica->proposals, open_code, replica, vxc_replica_fail_proposal);
    replica->change.index = 0;
    replica->change.proposal = NULL;
    if (change != NULL) {
        vxc_replica_fail_proposal(replica, change, VXC_EUNKNOWN);
    }
    if (round != 0) {
        replica->options.on_reads(replica->options.data, round, VXC_ENOTPRIMARY);
    }
}

/* ---- checkpoints ---- */

int vxc_replica_checkpoint(struct vxc_replica *replica, struct vxc_proposal *proposal)
{
    struct vxc_command command = {.op = VXC_OP_CHECKPOINT};

    return vxc_replica_propose(replica, &command, proposal);
}

void vxc_replica_keep_checkpoints(struct vxc_replica *replica, uint64_t now_ms)
{
    if (!replica->ready || now_ms < replica->checkpoint_ms) {
        return;
    }
    if (replica->checkpoint_ms != 0 && replica->applied_index > replica->checkpoint_seen &&
        !vxc_engine_is_alone(replica->engine)) {
        if (vxc_replica_checkpoint(replica, NULL) != 0) {
            return; /* the next turn tries again */
        }
        replica->checkpoint_seen = vxc_engine_last_index(replica->engine) + 1; /* its own entry */
    }
    replica->checkpoint_ms = now_ms + VXC_CHECKPOINT_MS;
}

/* ---- becoming and ceasing to be primary ---- */

/* The highest stamp that the log may carry: of its last command entry, applied or not. */
static uint64_t last_stamp(struct vxc_replica *replica)
{
    struct vxc_log *log = replica->options.log;
    uint64_t stamp_ms = vxc_fsm_stamp_ms(replica->options.fsm);

    for (uint64_t i = vxc_log_last_index(log); i > replica->applied_index; i--) {
        struct vxc_error err = {0};
        struct vxc_log_entry entry;
        struct vxc_entry_head head;
        struct vxc_slice rest;

        if (vxc_log_type(log, i) != VXC_LOG_COMMAND) {
            continue;
        }
        if (vxc_log_get(log, i, &entry, &err) != 0) {
            (void)vxc_error_prefix(&err, "entry %" PRIu64, i);
            vxc_replica_end_unread(&err, "reading");
        }
        if (vxc_entry_read_head(entry.payload, &head, &rest) == 0 && head.stamp_ms > stamp_ms) {
            stamp_ms = head.stamp_ms; /* an unreadable one stops the node when it is applied */
        }
        break;
    }
    return stamp_ms;
}

static void begin_term(struct vxc_replica *replica)
{
    vxc_stamp_restart(&replica->stamp, last_stamp(replica), vxc_replica_now_ns(replica));
    replica->noop_index = 0;
    replica->bootstrap_index = 0;
    replica->ready = false;
}

void vxc_replica_observe(struct vxc_replica *replica)
{
    enum vxc_engine_role role;
    uint64_t term, leader;
    bool was_primary, is_primary;

    role = vxc_engine_role(replica->engine);
    term = vxc_engine_term(replica->engine);
    leader = vxc_engine_leader(replica->engine);
    if (replica->told && role == replica->role && term == replica->term &&
        leader == replica->leader) {
        return;
    }
    was_primary = replica->told && replica->role == VXC_ENGINE_LEADER;
    is_primary = role == VXC_ENGINE_LEADER;
    if (was_primary && (!is_primary || term != replica->term)) {
        replica->ready = false;
        vxc_replica_fail_all(replica, VXC_ENOTPRIMARY);
    }
    if (is_primary && (!was_primary || term != replica->term)) {
        begin_term(replica);
    }
    if (!is_primary && leader != 0) {
        replica->freeze.replaying = false; /* a backup is never ready: it follows */
    }
    replica->told = true;
    replica->role = role;
    replica->term = term;
    replica->leader = leader;
    if (replica->options.on_role != NULL) {
        replica->options.on_role(replica->options.data);
    }
}

static void propose_bootstrap(struct vxc_replica *replica)
{
    const struct vxc_clock *clock = replica->options.clock;
    uint8_t cluster_id[16] = {0};
    struct vxc_command command = {.op = VXC_OP_BOOTSTRAP,
                                  .value = vxc_slice(cluster_id, sizeof cluster_id)};
    int rv;

    clock->random(clock->data, cluster_id, sizeof cluster_id);
    command.a = (int64_t)clock->wall_us(clock->data);
    vxc_need_memory(vxc_proposals_add(&replica->proposals, &command, NULL) == 0, "the bootstrap");
    rv = submit_open(replica);
    if (rv == 0) {
        replica->bootstrap_index = vxc_engine_last_index(replica->engine);
    } else {
        vxc_proposals_fail_open(&replica->proposals, rv, replica, vxc_replica_fail_proposal);
    }
}

void vxc_replica_get_ready(struct vxc_replica *replica)
{
    bool confirmed;

    if (replica->role != VXC_ENGINE_LEADER || replica->ready || replica->stopping) {
        return;
    }
    if (replica->noop_index == 0 && can_submit(replica) && submit_open(replica) == 0) {
        replica->noop_index = vxc_engine_last_index(replica->engine);
    }
    confirmed = replica->noop_index != 0 && replica->applied_index >= replica->noop_index;
    if (!confirmed) {
        return;
    }
    vxc_engine_confirmed(replica->engine);
    if (!vxc_fsm_bootstrapped(replica->options.fsm)) {
        if (replica->bootstrap_index == 0 && can_submit(replica)) {
            propose_bootstrap(replica);
        }
        return;
    }
    replica->ready = true;
    replica->freeze.replaying = false;
    if (replica->options.on_role != NULL) {
        replica->options.on_role(replica->options.data);
    }
}

uint64_t vxc_replica_tick(struct vxc_replica *replica)
{
    uint64_t due_ms, estimate_ms;

    if (!replica->ready) {
        return UINT64_MAX;
    }
    due_ms = vxc_fsm_next_deadline_ms(replica->options.fsm);
    estimate_ms = vxc_stamp_estimate(&replica->stamp, vxc_replica_now_ns(replica));
    if (due_ms > estimate_ms) {
        return due_ms == UINT64_MAX ? UINT64_MAX : due_ms - estimate_ms;
    }
    if (replica->proposals.open_count == 0 && vxc_proposals_in_flight(&replica->proposals) == 0 &&
        can_submit(replica)) {
        (void)submit_open(replica); /* without space it is tried again */
    }
    return UINT64_MAX; /* whatever is in flight wakes us when it is applied */
}
