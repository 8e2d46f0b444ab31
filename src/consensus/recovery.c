#include "consensus/recovery.h"

#include <inttypes.h>

static bool is_empty(const struct vxc_log *log, const struct vxc_store_meta *state)
{
    return vxc_log_last_index(log) == 0 && state->applied_index == 0;
}

int vxc_recovery_check_state(const struct vxc_log *log, const struct vxc_store_meta *state,
                             struct vxc_error *err)
{
    const uint64_t first = vxc_log_first_index(log);

    if (first <= state->applied_index + 1) {
        return 0;
    }
    return vxc_error_set(err, VXC_ECORRUPT,
                         "the log begins at entry %" PRIu64 ", but the state ends at entry "
                         "%" PRIu64 ": the state is %s; restore a snapshot",
                         first, state->applied_index,
                         state->applied_index == 0 ? "missing" : "too old");
}

int vxc_recovery_check(const struct vxc_log *log, const struct vxc_store_meta *state,
                       const struct vxc_vote *vote, bool joins, struct vxc_error *err)
{
    uint64_t last = vxc_log_last_index(log);
    uint64_t applied = state->applied_index;
    uint64_t term;

    if (is_empty(log, state)) {
        if (vote->term > 1 && !joins) {
            return vxc_error_set(err, VXC_ECORRUPT,
                                 "the log and the state are empty, but the vote is of term %" PRIu64
                                 ": they were lost; restore a snapshot, or give the node a new id",
                                 vote->term);
        }
        return 0;
    }
    if (last < applied) {
        return vxc_error_set(err, VXC_ECORRUPT,
                             "the log ends at entry %" PRIu64 ", but the state has applied entry "
                             "%" PRIu64 ": the end of the log was lost; restore a snapshot",
                             last, applied);
    }
    if (vxc_recovery_check_state(log, state, err) != 0) {
        return VXC_ECORRUPT;
    }
    term = applied == 0 ? 0 : vxc_log_term(log, applied);
    if (term != 0 && term != state->applied_term) {
        return vxc_error_set(err, VXC_ECORRUPT,
                             "entry %" PRIu64 " has term %" PRIu64 " in the log and %" PRIu64
                             " in the state: they are not of the same node",
                             applied, term, state->applied_term);
    }
    term = vxc_log_term(log, last);
    if (vote->term < term) {
        return vxc_error_set(err, VXC_ECORRUPT,
                             "the vote is of term %" PRIu64 ", but the log's entry %" PRIu64
                             " is of term %" PRIu64 ": the vote was lost or is an old copy",
                             vote->term, last, term);
    }
    return 0;
}

int vxc_recovery_bootstrap(struct vxc_log *log, const struct vxc_store_meta *state,
                           struct vxc_vote_file *file, struct vxc_vote *vote,
                           const struct vxc_configuration *initial, struct vxc_error *err)
{
    struct vxc_buffer payload;
    int rv;

    if (!is_empty(log, state)) {
        return 0;
    }
    *vote = (struct vxc_vote){.term = 1, .voted_for = 0};
    vxc_vote_store(file, vote);
    vxc_buffer_init(&payload);
    rv = vxc_configuration_encode(initial, &payload);
    if (rv == 0) {
        rv = vxc_log_append(log, 1, 1, VXC_LOG_CHANGE, vxc_buffer_slice(&payload));
    }
    vxc_buffer_free(&payload);
    if (rv == 0) {
        struct vxc_log_stats stats = {0};

        vxc_log_sync(log);
        vxc_log_stats(log, &stats);
        rv = vxc_log_durable_index(log) == 1 ? 0 : stats.lack;
    }
    return rv == 0 ? 0 : vxc_error_set(err, rv, "writing entry 1 of the log: %s", vxc_strerror(rv));
}

static int entry_for_engine(void *data, uint64_t index, struct vxc_engine_entry *entry,
                            struct vxc_error *err)
{
    struct vxc_log *log = data;
    struct vxc_log_entry read;

    entry->term = vxc_log_term(log, index);
    entry->type = vxc_log_type(log, index);
    if (entry->type == VXC_LOG_CHANGE) {
        int rv = vxc_log_get(log, index, &read, err);
        if (rv != 0) {
            return rv;
        }
        entry->payload = read.payload;
    }
    return 0;
}

int vxc_recovery_start(struct vxc_engine *engine, uint64_t now_ms, struct vxc_log *log,
                       const struct vxc_log_base *state, const struct vxc_vote *vote,
                       struct vxc_error *err)
{
    const struct vxc_engine_start start = {
        .term = vote->term,
        .voted_for = vote->voted_for,
        .base = state->index == 0 ? NULL : state,
        .first_index = vxc_log_first_index(log),
        .last_index = vxc_log_last_index(log),
        .entry = entry_for_engine,
        .data = log,
    };

    return vxc_engine_start(engine, now_ms, &start, err);
}
