#include "consensus/replica.h"

#include "base/check.h"
#include "base/memory.h"
#include "consensus/admission.h"
#include "consensus/engine.h"
#include "consensus/freeze.h"
#include "consensus/recovery.h"
#include "consensus/stamp.h"

#include <inttypes.h>

enum {
    APPLY_BYTES_PER_TURN = 8 * 1024 * 1024, /* of entries: a long replay leaves turns to others */
    SPACE_RETRY_MS = 100, /* after the log had no space, proposals are let in again */
    BASE_RETRY_MS = 1000, /* after the base record had none */
    TURN_MS_MAX = 500,    /* cluster time counts gaps in full only below a second */
};

struct vxc_replica {
    struct vxc_replica_options options;
    struct vxc_vote vote; /* as stored */
    struct vxc_engine *engine;
    struct vxc_proposals proposals;
    struct vxc_freeze freeze;
    struct vxc_stamp stamp;
    bool stopping;

    /* what the owner was told last */
    bool told;
    enum vxc_engine_role role;
    uint64_t term;
    uint64_t leader;

    /* of our own term as primary; zero when it begins */
    uint64_t noop_index;      /* our first entry; 0 = not written yet */
    uint64_t bootstrap_index; /* 0 = not proposed */
    bool ready;               /* no-op applied and the state bootstrapped */

    /* applying */
    uint64_t applied_index;  /* whole entries */
    uint32_t applied_within; /* commands of the next one that a reference-mode commit has already */
    bool applying;
    bool applying_ours; /* the entry being applied is the oldest of our proposals */

    /* the log */
    uint64_t flushed[VXC_LOG_INFLIGHT_MAX]; /* last index at each of the last flushes */
    uint64_t flushes;
    uint64_t durable_index;     /* as the engine was told */
    uint64_t unflushed_bytes;   /* appended since the last flush */
    uint64_t no_space_until_ms; /* 0 = the log has space */
    int lack;                   /* of what it has none: VXC_ENOSPC or VXC_ENOMEM */
    uint64_t base_retry_ms;
    bool restart_engine; /* the log could not take what the engine believes to be there */

    uint64_t entries_total, commands_total;
};

static uint64_t now_ms(const struct vxc_replica *replica)
{
    return vxc_clock_ms(replica->options.clock);
}

static uint64_t now_ns(const struct vxc_replica *replica)
{
    return replica->options.clock->monotonic_ns(replica->options.clock->data);
}

/* Neither a damaged entry nor a damaged row may be passed over, and nor may one that could not be
 * read for want of memory or because the disk failed; but those say nothing about the data. */
static _Noreturn void end_unread(const struct vxc_error *err, const char *doing)
{
    if (err->code == VXC_ENOMEM) {
        vxc_fatal("%s: %s; out of memory: give the node more and start it again", doing, err->text);
    }
    if (err->code == VXC_EIO || err->code == VXC_ENOSPC) {
        vxc_fatal("%s: %s", doing, err->text);
    }
    vxc_fatal_damage("%s: %s", doing, err->text);
}

static void refuse_for_a_while(struct vxc_replica *replica, int lack)
{
    replica->lack = lack;
    replica->no_space_until_ms = now_ms(replica) + SPACE_RETRY_MS;
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

    if (index <= vxc_log_last_index(log)) {
        if (vxc_log_truncate(log, index, &err) != 0) {
            vxc_fatal("cutting the log at entry %" PRIu64 ": %s", index, err.text);
        }
        replica->flushes = 0; /* what was in flight is no more */
    }
    for (uint32_t i = 0; i < count; i++) {
        int rv =
            vxc_log_append(log, index + i, entries[i].term, entries[i].type, entries[i].payload);

        if (rv == VXC_ENOSPC || rv == VXC_ENOMEM) {
            replica->restart_engine = true;
            refuse_for_a_while(replica, rv);
            return;
        }
        if (rv != 0) {
            vxc_fatal("appending entry %" PRIu64 " to the log: %s", index + i, vxc_strerror(rv));
        }
        replica->unflushed_bytes += entries[i].payload.size;
    }
}

static void install_image(void *data, const struct vxc_log_base *base)
{
    (void)data;
    vxc_fatal("an image at entry %" PRIu64 " was announced, but this node has no peers",
              base->index);
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
    return vxc_recovery_start(replica->engine, now_ms(replica), replica->options.log, &state,
                              &replica->vote, err);
}

static void restart_engine(struct vxc_replica *replica)
{
    struct vxc_error err = {0};
    int rv;

    replica->restart_engine = false;
    vxc_engine_free(replica->engine);
    rv = create_engine(replica, &err);
    if (rv == 0) {
        rv = start_engine(replica, &err);
    }
    if (rv != 0) {
        vxc_fatal("starting the engine anew: %s", err.text);
    }
}

/* ---- proposals ---- */

static void fail_proposal(void *data, struct vxc_proposal *proposal, int code)
{
    struct vxc_replica *replica = data;
    struct vxc_result result = {.code = code, .text = vxc_strerror(code)};

    replica->options.on_result(replica->options.data, proposal, &result);
}

/* Writes what the open entry holds, be it nothing, as the log's next entry. The log takes it first,
 * so that the engine never holds an entry for which there is no space. */
static int submit_open(struct vxc_replica *replica)
{
    struct vxc_log *log = replica->options.log;
    struct vxc_engine_entry entry = {.term = vxc_engine_term(replica->engine),
                                     .type = VXC_LOG_COMMAND};
    uint64_t index = vxc_engine_last_index(replica->engine) + 1;
    uint64_t count = replica->proposals.open_count;
    int rv;

    vxc_check(vxc_engine_can_submit(replica->engine));
    entry.payload =
        vxc_proposals_close(&replica->proposals, vxc_stamp_take(&replica->stamp, now_ns(replica)));
    rv = vxc_log_append(log, index, entry.term, entry.type, entry.payload);
    if (rv == VXC_ENOSPC || rv == VXC_ENOMEM) {
        refuse_for_a_while(replica, rv);
        return rv;
    }
    if (rv != 0) {
        vxc_fatal("appending entry %" PRIu64 " to the log: %s", index, vxc_strerror(rv));
    }
    rv = vxc_engine_submit(replica->engine, now_ms(replica), &entry);
    vxc_check(rv == 0); /* it can only refuse when it is not primary */
    replica->unflushed_bytes += entry.payload.size;
    replica->entries_total++;
    replica->commands_total += count;
    vxc_proposals_submitted(&replica->proposals, index, entry.term);
    return 0;
}

static bool can_submit(const struct vxc_replica *replica)
{
    return vxc_engine_can_submit(replica->engine) && replica->no_space_until_ms == 0 &&
           vxc_proposals_have_room(&replica->proposals);
}

int vxc_replica_propose(struct vxc_replica *replica, const struct vxc_command *command,
                        struct vxc_proposal *proposal)
{
    if (replica->stopping || !vxc_engine_can_submit(replica->engine)) {
        return VXC_ENOTPRIMARY;
    }
    if (!replica->ready) {
        return VXC_EBUSY;
    }
    if (replica->no_space_until_ms != 0) {
        return replica->lack;
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
            end_unread(&err, "reading");
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
    vxc_stamp_restart(&replica->stamp, last_stamp(replica), now_ns(replica));
    replica->noop_index = 0;
    replica->bootstrap_index = 0;
    replica->ready = false;
}

/* Looks whether role, term or primary have changed. */
static void observe(struct vxc_replica *replica)
{
    enum vxc_engine_role role;
    uint64_t term, leader;
    bool was_primary, is_primary;

    if (replica->restart_engine) {
        restart_engine(replica);
    }
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
        vxc_proposals_fail(&replica->proposals, VXC_ENOTPRIMARY, replica, fail_proposal);
        replica->ready = false;
    }
    if (is_primary && (!was_primary || term != replica->term)) {
        begin_term(replica);
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
        vxc_proposals_fail_open(&replica->proposals, rv, replica, fail_proposal);
    }
}

/* A new primary's way to readiness: its no-op, the bootstrap of a state that never had one. */
static void get_ready(struct vxc_replica *replica)
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

/* ---- apply ---- */

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
                       replica->options.apply_each ? commit_each : NULL, replica, &err);
    if (rv != 0) {
        end_unread(&err, "applying");
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
    struct vxc_configuration configuration;

    switch (entry->type) {
    case VXC_LOG_COMMAND:
        apply_command_entry(replica, entry);
        break;
    case VXC_LOG_CHANGE:
        if (vxc_configuration_decode(entry->payload, &configuration) != 0) {
            vxc_fatal("entry %" PRIu64 " is not a configuration", entry->index);
        }
        vxc_freeze_configure(&replica->freeze, entry->index, entry->payload);
        vxc_engine_configured(replica->engine, now_ms(replica), entry->index, entry->payload);
        vxc_fsm_pass(replica->options.fsm, entry->index, entry->term);
        break;
    default: /* a barrier only makes sure of what is before it */
        vxc_fsm_pass(replica->options.fsm, entry->index, entry->term);
        break;
    }
    if (vxc_table_error(replica->options.table, &err) != 0) {
        (void)vxc_error_prefix(&err, "entry %" PRIu64, entry->index);
        end_unread(&err, "applying");
    }
    replica->applied_index = entry->index;
}

static uint64_t apply_limit(const struct vxc_replica *replica)
{
    uint64_t commit = vxc_engine_commit_index(replica->engine);
    uint64_t durable = vxc_log_durable_index(replica->options.log);

    if (vxc_engine_installing(replica->engine)) {
        return 0; /* the log on disk is not the one that the commit index speaks of */
    }
    return commit < durable ? commit : durable;
}

/* Applies what is committed and durable; returns true when more is left than one turn should do. */
static bool advance(struct vxc_replica *replica)
{
    struct vxc_log *log = replica->options.log;
    uint64_t limit = apply_limit(replica);
    uint64_t time_ms;
    size_t bytes = 0;

    vxc_check(!replica->applying);
    if (replica->applied_index >= limit) {
        return false;
    }
    replica->applying = true;
    time_ms = now_ms(replica);
    while (replica->applied_index < limit && bytes < APPLY_BYTES_PER_TURN) {
        struct vxc_error err = {0};
        struct vxc_log_entry entry;

        if (vxc_log_get(log, replica->applied_index + 1, &entry, &err) != 0) {
            (void)vxc_error_prefix(&err, "entry %" PRIu64, replica->applied_index + 1);
            end_unread(&err, "reading");
        }
        bytes += entry.payload.size + VXC_LOG_BLOCK_SIZE;
        apply_entry(replica, &entry);
        vxc_freeze_applied(&replica->freeze, time_ms);
        if (replica->options.apply_each) {
            vxc_freeze_each(&replica->freeze);
        } else {
            vxc_freeze_by_size(&replica->freeze);
        }
    }
    vxc_log_release(log, replica->applied_index);
    replica->applying = false;
    return replica->applied_index < limit;
}

/* Tells the engine what is durable, applies what that commits. */
static bool progress(struct vxc_replica *replica)
{
    bool more;

    replica->durable_index = vxc_log_durable_index(replica->options.log);
    vxc_engine_persisted(replica->engine, now_ms(replica), replica->durable_index);
    more = advance(replica);
    observe(replica);
    get_ready(replica);
    return more;
}

/* Has more become durable than the engine knows? Not only poll() moves that: setting the base
 * drains the log too. */
static bool has_news(const struct vxc_replica *replica)
{
    return vxc_log_durable_index(replica->options.log) != replica->durable_index;
}

/* ---- the turn ---- */

/* Is something in flight in every slot that the log has? Then the open entry goes on collecting. */
static bool slots_are_busy(const struct vxc_replica *replica)
{
    return replica->flushes >= VXC_LOG_INFLIGHT_MAX &&
           replica->flushed[replica->flushes % VXC_LOG_INFLIGHT_MAX] >
               vxc_log_durable_index(replica->options.log);
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
        refuse_for_a_while(replica, VXC_ENOSPC);
    }
}

/* Closes and submits what was proposed since the last turn. */
static void submit_proposed(struct vxc_replica *replica)
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
        vxc_proposals_fail_open(&replica->proposals, rv, replica, fail_proposal);
    }
}

/* An idle primary moves cluster time when something falls due; ms until it wants to, at most. */
static uint64_t tick(struct vxc_replica *replica)
{
    uint64_t due_ms, estimate_ms;

    if (!replica->ready) {
        return UINT64_MAX;
    }
    due_ms = vxc_fsm_next_deadline_ms(replica->options.fsm);
    estimate_ms = vxc_stamp_estimate(&replica->stamp, now_ns(replica));
    if (due_ms > estimate_ms) {
        return due_ms == UINT64_MAX ? UINT64_MAX : due_ms - estimate_ms;
    }
    if (replica->proposals.open_count == 0 && vxc_proposals_in_flight(&replica->proposals) == 0 &&
        can_submit(replica)) {
        (void)submit_open(replica); /* without space it is tried again */
    }
    return UINT64_MAX; /* whatever is in flight wakes us when it is applied */
}

/* What the store holds for sure becomes the base of the log; engine and log are trimmed to it. */
static void trim(struct vxc_replica *replica, uint64_t time_ms)
{
    const struct vxc_log_base *synced = &replica->freeze.synced;
    struct vxc_log *log = replica->options.log;
    struct vxc_error err = {0};
    int rv;

    if (synced->index <= vxc_log_base(log)->index || time_ms < replica->base_retry_ms) {
        return;
    }
    rv = vxc_log_set_base(log, synced, VXC_LOG_TRAILING_SIZE, &err);
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
        end_unread(&err, "reading the state");
    }
}

uint64_t vxc_replica_turn(struct vxc_replica *replica)
{
    struct vxc_log *log = replica->options.log;
    uint64_t time_ms = now_ms(replica);
    uint64_t wait_ms = TURN_MS_MAX;
    uint64_t timeout_ms;

    vxc_check(!replica->applying);
    stop_on_damage(replica);
    vxc_stamp_look(&replica->stamp, now_ns(replica));
    if (replica->no_space_until_ms != 0 && time_ms >= replica->no_space_until_ms) {
        replica->no_space_until_ms = 0;
    }
    if (vxc_log_durable_index(log) < vxc_log_last_index(log)) {
        (void)vxc_log_poll(log);
    }
    submit_proposed(replica); /* the disk works while what it had before is applied */
    flush_log(replica);
    if (progress(replica)) {
        wait_ms = 0;
    }
    if (time_ms >= vxc_engine_timeout_ms(replica->engine)) {
        vxc_engine_timeout(replica->engine, time_ms);
        (void)progress(replica);
    }
    submit_proposed(replica); /* what being applied brought about */
    wait_ms = earlier(wait_ms, tick(replica));
    flush_log(replica);
    if (!replica->options.apply_each) {
        wait_ms = earlier(wait_ms, vxc_freeze_turn(&replica->freeze, time_ms));
    } else {
        (void)vxc_freeze_turn(&replica->freeze, time_ms); /* only its syncs */
    }
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
    vxc_engine_free(replica->engine);
    vxc_freeze_deinit(&replica->freeze);
    vxc_proposals_deinit(&replica->proposals);
    vxc_free(replica);
}

static int recover(struct vxc_replica *replica, struct vxc_error *err)
{
    const struct vxc_replica_options *options = &replica->options;
    const struct vxc_store_meta *state = vxc_store_meta(options->store);
    int rv = vxc_recovery_check(options->log, state, &replica->vote, err);

    if (rv == 0) {
        rv = vxc_recovery_bootstrap(options->log, state, options->vote, &replica->vote,
                                    options->node_id, err);
    }
    if (rv == 0) {
        rv = create_engine(replica, err);
    }
    if (rv == 0) {
        replica->applied_index = state->applied_index;
        replica->applied_within = state->applied_position;
        rv = start_engine(replica, err);
    }
    return rv;
}

int vxc_replica_start(const struct vxc_replica_options *options, struct vxc_replica **replica,
                      struct vxc_error *err)
{
    struct vxc_replica *started = vxc_calloc(1, sizeof *started);
    struct vxc_fsm_hooks hooks = {
        .data = started, .on_result = on_fsm_result, .on_event = on_fsm_event};
    int rv;

    if (started == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "replica");
    }
    started->options = *options;
    started->vote = options->initial_vote;
    rv = vxc_proposals_init(&started->proposals);
    if (rv == 0) {
        rv = vxc_freeze_init(&started->freeze, options->table, options->store, options->fsm);
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
    vxc_fsm_set_hooks(options->fsm, &hooks);
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
    vxc_proposals_fail(&replica->proposals, VXC_EUNKNOWN, replica, fail_proposal);
    if (vxc_freeze_sync(&replica->freeze)) {
        trim(replica, now_ms(replica));
    }
    vxc_table_end_turn(replica->options.table);
    vxc_fsm_set_hooks(replica->options.fsm, &none);
    free_replica(replica);
}

/* ---- inspection ---- */

int vxc_replica_read(struct vxc_replica *replica, uint64_t *round)
{
    *round = 0;
    if (replica->stopping || replica->role != VXC_ENGINE_LEADER) {
        return VXC_ENOTPRIMARY;
    }
    return replica->ready && vxc_engine_is_alone(replica->engine) ? 0 : VXC_EBUSY;
}

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
    return vxc_replica_is_primary(replica) ? vxc_stamp_estimate(&replica->stamp, now_ns(replica))
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
        .uncommitted_bytes = vxc_proposals_bytes(&replica->proposals),
        .primary_id = vxc_engine_leader(replica->engine),
        .entries_total = replica->entries_total,
        .commands_total = replica->commands_total,
        .no_space = replica->no_space_until_ms != 0 || store.no_space,
    };
}
