#include "consensus/replica_internal.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/planted.h"
#include "consensus/recovery.h"

#include <inttypes.h>

enum {
    SPACE_RETRY_MS = 100, /* after the log had no space, proposals are let in again */
    BASE_RETRY_MS = 1000, /* after the base record had none */
    TURN_MS_MAX = 500,    /* cluster time counts gaps in full only below a second */
};

_Noreturn void vxc_replica_end_unread(const struct vxc_error *err, const char *doing)
{
    if (err->code == VXC_ENOMEM) {
        vxc_fatal("%s: %s; out of memory: give the node more and start it again", doing, err->text);
    }
    if (err->code == VXC_EIO || err->code == VXC_ENOSPC) {
        vxc_fatal("%s: %s", doing, err->text);
    }
    vxc_fatal_damage("%s: %s", doing, err->text);
}

void vxc_replica_refuse_for_a_while(struct vxc_replica *replica, int lack)
{
    replica->lack = lack;
    replica->no_space_until_ms = vxc_replica_now_ms(replica) + SPACE_RETRY_MS;
    if (replica->leader != 0 && replica->leader != replica->options.node_id) {
        vxc_replica_tell_lack(replica, replica->leader);
    }
}

/* The moment is over. What is in the log's memory still may have no room on the disk. */
static void look_for_room(struct vxc_replica *replica)
{
    const struct vxc_log *log = replica->options.log;
    struct vxc_log_stats stats;

    vxc_log_stats(log, &stats);
    replica->no_space_until_ms = 0;
    if (stats.no_space && vxc_log_durable_index(log) < vxc_log_last_index(log)) {
        vxc_replica_refuse_for_a_while(replica, stats.lack);
    }
}

/* ---- what the engine wants done ---- */

static void store_vote(void *data, uint64_t term, uint64_t voted_for)
{
    struct vxc_replica *replica = data;

    replica->vote = (struct vxc_vote){.term = term, .voted_for = voted_for};
    vxc_vote_store(replica->options.vote, &replica->vote);
}

/* Entries of a peer or of the engine itself. If the log has no space for them, the engine is begun
 * anew from what the log does hold, as after a crash: nothing of them was acknowledged. */
static void append_entries(void *data, uint64_t index, const struct vxc_engine_entry *entries,
                           uint32_t count)
{
    struct vxc_replica *replica = data;
    struct vxc_log *log = replica->options.log;
    struct vxc_error err = {0};

    if (replica->restart_engine) {
        return; /* the same message in several steps, of which one found no space */
    }
    if (index <= vxc_log_last_index(log)) {
        int rv = vxc_log_truncate(log, index, &err);

        if (rv == VXC_ENOSPC || rv == VXC_ENOMEM) {
            replica->restart_engine = true;
            vxc_replica_refuse_for_a_while(replica, rv);
            return;
        }
        if (rv != 0) {
            vxc_fatal("cutting the log at entry %" PRIu64 ": %s", index, err.text);
        }
        replica->flushes = 0; /* what was in flight is no more */
    }
    for (uint32_t i = 0; i < count; i++) {
        int rv =
            vxc_log_append(log, index + i, entries[i].term, entries[i].type, entries[i].payload);

        if (rv == VXC_ENOSPC || rv == VXC_ENOMEM) {
            replica->restart_engine = true;
            vxc_replica_refuse_for_a_while(replica, rv);
            return;
        }
        if (rv != 0) {
            vxc_fatal("appending entry %" PRIu64 " to the log: %s", index + i, vxc_strerror(rv));
        }
        replica->unflushed_bytes += entries[i].payload.size;
    }
}

/* The owner hears of it when the engine's step is over. */
static void install_image(void *data, const struct vxc_log_base *base)
{
    struct vxc_replica *replica = data;

    if (replica->options.on_install == NULL) {
        vxc_fatal("an image at entry %" PRIu64 " was announced, but this node takes none",
                  base->index);
    }
    vxc_buffer_clear(&replica->install_configuration);
    vxc_need_memory(vxc_buffer_append(&replica->install_configuration, base->configuration.data,
                                      base->configuration.size) == 0,
                    "a configuration");
    replica->install = *base;
    replica->install.configuration = vxc_buffer_slice(&replica->install_configuration);
    replica->install_from = replica->receiving_from;
    replica->install_asked = true;
}

static int create_engine(struct vxc_replica *replica, struct vxc_error *err)
{
    struct vxc_engine_options options = {
        .node_id = replica->options.node_id,
        .election_timeout_ms = replica->options.election_timeout_ms,
        .heartbeat_ms = replica->options.heartbeat_ms,
        .data = replica,
        .store_vote = store_vote,
        .append = append_entries,
        .install = install_image,
        .send = vxc_replica_send,
    };

    replica->options.clock->random(replica->options.clock->data, &options.seed,
                                   sizeof options.seed);
    return vxc_engine_create(&options, &replica->engine, err);
}

/* The engine's first event. What is applied stands for a snapshot in its eyes. */
static int start_engine(struct vxc_replica *replica, struct vxc_error *err)
{
    struct vxc_log_base state = {
        .index = replica->applied_index,
        .term = replica->applied_index == 0
                    ? 0
                    : vxc_log_term(replica->options.log, replica->applied_index),
        .configuration_index = replica->freeze.configuration_index,
        .configuration = vxc_buffer_slice(&replica->freeze.configuration),
    };

    if (replica->applied_index != 0 && state.term == 0) {
        state.term = vxc_store_meta(replica->options.store)->applied_term;
    }
    return vxc_recovery_start(replica->engine, vxc_replica_now_ms(replica), replica->options.log,
                              &state, &replica->vote, err);
}

static void restart_engine(struct vxc_replica *replica)
{
    struct vxc_error err = {0};
    int rv;

    replica->restart_engine = false;
    replica->install_asked = false;
    vxc_engine_free(replica->engine);
    rv = create_engine(replica, &err);
    if (rv == 0) {
        rv = start_engine(replica, &err);
    }
    if (rv != 0) {
        vxc_fatal("starting the engine anew: %s", err.text);
    }
}

/* ---- the turn ---- */

/* Tells the engine what is durable, applies what that commits. */
static bool progress(struct vxc_replica *replica)
{
    bool more;

    if (replica->restart_engine) {
        /* first: the engine believes in entries in whose place the log still has others */
        restart_engine(replica);
    }
    replica->durable_index = VXC_PLANTED(reply_before_flush)
                                 ? vxc_log_last_index(replica->options.log)
                                 : vxc_log_durable_index(replica->options.log);
    vxc_engine_persisted(replica->engine, vxc_replica_now_ms(replica), replica->durable_index);
    more = vxc_replica_advance(replica);
    if (replica->restart_engine) {
        restart_engine(replica);
    }
    vxc_replica_observe(replica);
    vxc_replica_get_ready(replica);
    return more;
}

/* Has more become durable than the engine knows? Not only poll() moves that: setting the base
 * drains the log too. */
static bool has_news(const struct vxc_replica *replica)
{
    return vxc_log_durable_index(replica->options.log) != replica->durable_index;
}

static void flush_log(struct vxc_replica *replica)
{
    struct vxc_log *log = replica->options.log;
    uint64_t bytes = replica->unflushed_bytes + VXC_LOG_BLOCK_SIZE;

    if (replica->unflushed_bytes == 0) {
        return;
    }
    replica->flushed[replica->flushes % VXC_LOG_INFLIGHT_MAX] = vxc_log_last_index(log);
    replica->flushes++;
    replica->unflushed_bytes = 0;
    vxc_freeze_logged(&replica->freeze, bytes - bytes % VXC_LOG_BLOCK_SIZE);
    if (vxc_log_flush(log) == VXC_ENOSPC) {
        /* What is in the log's memory stays there and is written when there is room. */
        vxc_replica_refuse_for_a_while(replica, VXC_ENOSPC);
    }
}

/* What the store holds for sure becomes the base of the log; engine and log are trimmed to it. */
static void trim(struct vxc_replica *replica, uint64_t time_ms)
{
    const struct vxc_log_base *synced = &replica->freeze.synced;
    struct vxc_log *log = replica->options.log;
    struct vxc_error err = {0};
    uint64_t trailing = replica->options.trailing_bytes != 0 ? replica->options.trailing_bytes
                                                             : VXC_LOG_TRAILING_SIZE;
    int rv;

    if (synced->index <= vxc_log_base(log)->index || time_ms < replica->base_retry_ms) {
        return;
    }
    /* The engine hears of each index once, and it began with the state of its start: a log that is
     * trimmed to that would be shorter than it believes, and whoever needs what is gone would be sent
     * nothing at all, neither entries nor an image. */
    if (synced->index <= vxc_engine_base_index(replica->engine)) {
        return;
    }
    /* Not only the entries stay while they are held, but the base as well: the engine anchors its
     * heartbeats at it, and who has installed an older image than that would be sent another one. */
    if (replica->held_index < synced->index) {
        return;
    }
    rv = vxc_log_set_base(log, synced, trailing, &err);
    if (rv == VXC_ENOSPC || rv == VXC_ENOMEM) {
        replica->base_retry_ms = time_ms + BASE_RETRY_MS;
        return;
    }
    if (rv != 0) {
        vxc_fatal("setting the base of the log to entry %" PRIu64 ": %s", synced->index, err.text);
    }
    vxc_engine_trimmed(replica->engine, time_ms, synced, vxc_log_first_index(log));
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A query of this turn may have met damage; it was answered with an error, and this is the end. */
static void stop_on_damage(struct vxc_replica *replica)
{
    struct vxc_error err;

    if (vxc_table_error(replica->options.table, &err) != 0) {
        vxc_replica_end_unread(&err, "reading the state");
    }
}

uint64_t vxc_replica_turn(struct vxc_replica *replica)
{
    struct vxc_log *log = replica->options.log;
    uint64_t time_ms = vxc_replica_now_ms(replica);
    uint64_t wait_ms = TURN_MS_MAX;
    uint64_t timeout_ms;

    vxc_check(!replica->applying);
    stop_on_damage(replica);
    vxc_stamp_look(&replica->stamp, vxc_replica_now_ns(replica));
    if (vxc_log_durable_index(log) < vxc_log_last_index(log)) {
        (void)vxc_log_poll(log);
    }
    if (replica->no_space_until_ms != 0 && time_ms >= replica->no_space_until_ms) {
        look_for_room(replica);
    }
    vxc_replica_keep_checkpoints(replica, time_ms);
    vxc_replica_submit_proposed(replica); /* the disk works while what it had before is applied */
    flush_log(replica);
    if (progress(replica)) {
        wait_ms = 0;
    }
    if (time_ms >= vxc_engine_timeout_ms(replica->engine)) {
        vxc_engine_timeout(replica->engine, time_ms);
        (void)progress(replica);
    }
    vxc_replica_submit_proposed(replica); /* what being applied brought about */
    wait_ms = earlier(wait_ms, vxc_replica_tick(replica));
    flush_log(replica);
    if (!replica->options.apply_each) {
        wait_ms = earlier(wait_ms, vxc_freeze_turn(&replica->freeze, time_ms));
    } else {
        (void)vxc_freeze_turn(&replica->freeze, time_ms); /* only its syncs */
    }
    wait_ms = earlier(wait_ms, vxc_replica_serve_reads(replica));
    vxc_replica_compare_digests(replica);
    vxc_replica_tell_images(replica);
    trim(replica, time_ms);
    wait_ms = earlier(wait_ms, vxc_log_idle(log, time_ms));
    vxc_table_end_turn(replica->options.table);

    timeout_ms = vxc_engine_timeout_ms(replica->engine);
    wait_ms = earlier(wait_ms, timeout_ms > time_ms ? timeout_ms - time_ms : 0);
    if (replica->no_space_until_ms != 0) {
        wait_ms = earlier(wait_ms, replica->no_space_until_ms - time_ms);
    }
    return has_news(replica) ? 0 : wait_ms;
}

void vxc_replica_on_log(struct vxc_replica *replica)
{
    /* It is applied in the turn, once what was proposed meanwhile is on its way to the disk. */
    (void)vxc_log_poll(replica->options.log);
}

void vxc_replica_on_store(struct vxc_replica *replica)
{
    vxc_freeze_collect(&replica->freeze);
}

/* ---- birth and death ---- */

static void free_replica(struct vxc_replica *replica)
{
    vxc_replica_free_peers(replica);
    vxc_buffer_free(&replica->outgoing);
    vxc_buffer_free(&replica->install_configuration);
    vxc_engine_free(replica->engine);
    vxc_freeze_deinit(&replica->freeze);
    vxc_proposals_deinit(&replica->proposals);
    vxc_free(replica);
}

static int recover(struct vxc_replica *replica, struct vxc_error *err)
{
    const struct vxc_replica_options *options = &replica->options;
    const struct vxc_store_meta *state = vxc_store_meta(options->store);
    struct vxc_configuration alone = {.count = 1,
                                      .members = {{options->node_id, VXC_MEMBER_VOTER}}};
    int rv = vxc_recovery_check(options->log, state, &replica->vote, options->joins, err);

    if (rv == 0 && !options->joins) {
        rv = vxc_recovery_bootstrap(options->log, state, options->vote, &replica->vote,
                                    options->initial != NULL ? options->initial : &alone, err);
    }
    if (rv == 0) {
        rv = create_engine(replica, err);
    }
    if (rv == 0) {
        replica->applied_index = state->applied_index;
        replica->applied_within = state->applied_position;
        if (VXC_PLANTED(committed_tail_cut) &&
            vxc_log_last_index(options->log) > state->applied_index + 1) {
            rv = vxc_log_truncate(options->log, vxc_log_last_index(options->log), err);
        }
        replica->recovered_index = vxc_log_last_index(options->log);
        if (state->configuration.size > 0 &&
            vxc_configuration_decode(state->configuration, &replica->committed) != 0) {
            return vxc_error_set(err, VXC_ECORRUPT,
                                 "the state's configuration (of index %" PRIu64 ") is unreadable",
                                 state->configuration_index);
        }
        rv = start_engine(replica, err);
    }
    return rv;
}

int vxc_replica_start(const struct vxc_replica_options *options, struct vxc_replica **replica,
                      struct vxc_error *err)
{
    struct vxc_replica *started = vxc_calloc(1, sizeof *started);
    int rv;

    if (started == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "replica");
    }
    started->options = *options;
    started->vote = options->initial_vote;
    started->held_index = UINT64_MAX;
    vxc_read_index_init(&started->reads);
    rv = vxc_proposals_init(&started->proposals);
    if (rv == 0) {
        rv = vxc_freeze_init(&started->freeze, options->table, options->store, options->fsm,
                             options->freeze_idle_ms, options->sync_log_bytes);
    }
    if (rv != 0) {
        (void)vxc_error_set(err, rv, "replica: %s", vxc_strerror(rv));
    } else {
        rv = recover(started, err);
    }
    if (rv != 0) {
        free_replica(started);
        return rv;
    }
    vxc_replica_hook_fsm(started);
    *replica = started;
    return 0;
}

uint64_t vxc_replica_ask_commit(struct vxc_replica *replica)
{
    vxc_freeze_want(&replica->freeze, replica->applied_index);
    return replica->applied_index;
}

int vxc_replica_asked_commit(const struct vxc_replica *replica, uint64_t index)
{
    if (replica->freeze.committed.index >= index) {
        return 0;
    }
    return replica->freeze.no_space ? VXC_ENOSPC : VXC_EBUSY;
}

void vxc_replica_settle(struct vxc_replica *replica)
{
    (void)vxc_freeze_settle(&replica->freeze); /* without space the rows stay in log and memory */
}

void vxc_replica_stop(struct vxc_replica *replica)
{
    struct vxc_fsm_hooks none = {0};

    if (replica == NULL) {
        return;
    }
    replica->stopping = true;
    vxc_log_sync(replica->options.log);
    while (progress(replica)) {
    }
    vxc_replica_fail_all(replica, VXC_EUNKNOWN);
    if (vxc_freeze_sync(&replica->freeze)) {
        trim(replica, vxc_replica_now_ms(replica));
    }
    vxc_table_end_turn(replica->options.table);
    vxc_fsm_set_hooks(replica->options.fsm, &none);
    free_replica(replica);
}

/* ---- inspection ---- */

bool vxc_replica_is_primary(const struct vxc_replica *replica)
{
    return vxc_engine_role(replica->engine) == VXC_ENGINE_LEADER;
}

bool vxc_replica_is_ready(const struct vxc_replica *replica)
{
    return replica->ready;
}

int vxc_replica_admission_percent(const struct vxc_replica *replica)
{
    if (vxc_proposals_bytes(&replica->proposals) >=
        VXC_LOG_UNCOMMITTED_MAX - VXC_ENTRY_SIZE_TARGET) {
        return 0;
    }
    return vxc_freeze_admission_percent(&replica->freeze);
}

uint64_t vxc_replica_time_ms(const struct vxc_replica *replica)
{
    return vxc_replica_is_primary(replica)
               ? vxc_stamp_estimate(&replica->stamp, vxc_replica_now_ns(replica))
               : vxc_fsm_stamp_ms(replica->options.fsm);
}

static const char *role_name(const struct vxc_replica *replica)
{
    switch (vxc_engine_role(replica->engine)) {
    case VXC_ENGINE_LEADER:
        return "primary";
    case VXC_ENGINE_CANDIDATE:
        return "candidate";
    default:
        return vxc_engine_is_voter(replica->engine) ? "backup" : "standby";
    }
}

void vxc_replica_status(struct vxc_replica *replica, struct vxc_replica_status *status)
{
    const struct vxc_replica_options *options = &replica->options;
    struct vxc_store_stats store;

    vxc_store_stats(options->store, &store);
    *status = (struct vxc_replica_status){
        .role = role_name(replica),
        .term = vxc_engine_term(replica->engine),
        .voted_for = vxc_engine_voted_for(replica->engine),
        .commit_index = vxc_engine_commit_index(replica->engine),
        .applied_index = replica->applied_index,
        .last_index = vxc_log_last_index(options->log),
        .durable_index = vxc_log_durable_index(options->log),
        .lmdb_applied_index = vxc_store_meta(options->store)->applied_index,
        .synced_index = store.synced_index,
        .log_first_index = vxc_log_first_index(options->log),
        .state_digest = vxc_store_digest(options->store),
        .digest_index = vxc_store_meta(options->store)->applied_index,
        .checkpoint_index = replica->freeze.checkpoint_index,
        .checkpoint_digest = replica->freeze.checkpoint_digest,
        .uncommitted_bytes = vxc_proposals_bytes(&replica->proposals),
        .primary_id = vxc_engine_leader(replica->engine),
        .entries_total = replica->entries_total,
        .commands_total = replica->commands_total,
        .no_space = replica->no_space_until_ms != 0 || store.no_space,
    };
}
