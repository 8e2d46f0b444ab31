#include "fsm/restore.h"

#include "base/check.h"
#include "base/memory.h"
#include "fsm/memory.h"
#include "fsm/state.h"

#include <inttypes.h>

enum {
    RESTORED_FORMAT = 1,
    COMMIT_ROWS = 100000, /* dirty rows that are committed before going on: bounds memory */
};

struct restore {
    struct vxc_store *store; /* borrowed, as the next two */
    const struct vxc_fsm_restore_options *options;
    struct vxc_fsm_restore_report *report;
    struct vxc_table *table;
    struct vxc_fsm *fsm;
    uint64_t *sessions; /* ids, rising */
    size_t session_count;
    size_t session_capacity;
};

/* ---- commits ---- */

static int commit(struct restore *r, const struct vxc_store_meta *meta, struct vxc_error *err)
{
    struct vxc_store_stats stats;

    vxc_table_freeze(r->table, meta);
    if (!vxc_store_busy(r->store)) {
        return 0; /* nothing was left to write */
    }
    if (!vxc_store_collect(r->store)) {
        vxc_store_stats(r->store, &stats);
        vxc_check(stats.no_space); /* a synchronous commit is done, or has met no space */
        vxc_store_abandon(r->store);
        return vxc_error_set(err, VXC_ENOSPC, "no space to write the restored state");
    }
    vxc_table_thaw(r->table);
    vxc_table_end_turn(r->table);
    return 0;
}

/* Commits what is there when it is much. */
static int commit_some(struct restore *r, struct vxc_error *err)
{
    struct vxc_store_meta meta = *vxc_store_meta(r->store);
    struct vxc_table_stats stats;

    vxc_buffer_clear(&r->fsm->scratch);
    vxc_table_stats(r->table, &stats);
    if (stats.dirty_rows < COMMIT_ROWS) {
        return 0;
    }
    vxc_fsm_flush(r->fsm, &meta);
    return commit(r, &meta, err);
}

/* ---- sessions ---- */

static void note_session(void *data, const struct vxc_session_view *view)
{
    struct restore *r = data;

    if (r->session_count == r->session_capacity) {
        r->session_capacity = r->session_capacity * 2 + 64;
        r->sessions = vxc_realloc(r->sessions, r->session_capacity * sizeof *r->sessions);
        if (r->sessions == NULL) {
            vxc_fatal("out of memory for the sessions of a restore");
        }
    }
    r->sessions[r->session_count++] = view->id;
    r->report->locks_held += view->locks_held;
    r->report->locks_waiting += view->locks_waiting;
    r->report->registrations += view->registrations;
    r->report->watches += view->watches;
    r->report->nodes += view->node_id.size > 0 ? 1 : 0;
}

/* Damage met by the modules or the table. */
static int check(struct restore *r, struct vxc_error *err)
{
    int rv = vxc_table_error(r->table, err);

    return rv == 0 && r->fsm->damage.code != 0
               ? vxc_error_set(err, r->fsm->damage.code, "%s", r->fsm->damage.text)
               : rv;
}

/* Of all sessions, so that nobody is left to be granted anything or to be told. */
static int release_all(struct restore *r, enum vxc_owned_kind kind, struct vxc_error *err)
{
    int rv = 0;

    for (size_t i = 0; rv == 0 && i < r->session_count; i++) {
        vxc_session_release(r->fsm, r->sessions[i], kind);
        rv = check(r, err);
        rv = rv != 0 ? rv : commit_some(r, err);
    }
    return rv;
}

static int end_sessions(struct restore *r, struct vxc_error *err)
{
    int rv;

    vxc_fsm_each_session(r->fsm, note_session, r);
    r->report->sessions = r->session_count;
    rv = release_all(r, VXC_OWNED_WATCH, err);
    rv = rv != 0 ? rv : release_all(r, VXC_OWNED_WAIT, err);
    for (size_t i = 0; rv == 0 && i < r->session_count; i++) {
        const struct vxc_command expire = {.op = VXC_OP_SESSION_EXPIRE,
                                           .a = (int64_t)r->sessions[i]};
        struct vxc_result result = {0};

        vxc_session_apply(r->fsm, &expire, &result);
        rv = check(r, err);
        rv = rv != 0 ? rv : commit_some(r, err);
    }
    vxc_check(rv != 0 || r->fsm->stats.sessions == 0);
    return rv;
}

/* ---- the record ---- */

static void record(struct restore *r)
{
    const struct vxc_fsm_restore_report *report = r->report;
    const uint64_t words[] = {
        report->index,      report->term,          r->options->wall_us,    report->sessions,
        report->locks_held, report->locks_waiting, report->nodes,          report->registrations,
        report->watches,    report->next_token,    report->restored_index,
    };
    struct vxc_buffer body = {0};

    vxc_must(vxc_buffer_put_u8(&body, RESTORED_FORMAT));
    vxc_must(vxc_buffer_append(&body, report->cluster_id, sizeof report->cluster_id));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        vxc_must(vxc_buffer_put_u64(&body, words[i]));
    }
    vxc_table_put(r->table, VXC_DB_META, vxc_slice_of_string("restored"), vxc_buffer_slice(&body),
                  r->options->reason);
    vxc_buffer_free(&body);
}

/* ---- all of it ---- */

static void set_members(struct restore *r)
{
    vxc_cluster_members_drop(r->fsm);
    for (size_t i = 0; i < r->options->member_count; i++) {
        const struct vxc_member_view *member = &r->options->members[i];
        const struct vxc_command set = {
            .op = VXC_OP_MEMBER_SET, .a = (int64_t)member->id, .name = member->address};
        struct vxc_result result = {0};

        vxc_cluster_member_apply(r->fsm, &set, &result);
        vxc_check(result.code == 0); /* ids and addresses of a valid list */
    }
}

static void begin_life(struct restore *r)
{
    struct vxc_fsm *fsm = r->fsm;

    set_members(r);
    memcpy(fsm->cluster_id, r->options->cluster_id, sizeof fsm->cluster_id);
    fsm->bootstrapped = true;
    if (r->options->wall_us > fsm->next_token) {
        fsm->next_token = r->options->wall_us;
    }
    fsm->next_token += r->options->token_leap;
    fsm->meta_dirty = true;
    r->report->next_token = fsm->next_token;
}

static int edit(struct restore *r, struct vxc_error *err)
{
    struct vxc_fsm *fsm = r->fsm;
    struct vxc_store_meta meta = *vxc_store_meta(r->store);
    struct vxc_fsm_restore_report *report = r->report;
    int rv;

    if (fsm->applied_index != meta.applied_index) {
        return vxc_error_set(err, VXC_ECORRUPT,
                             "meta: row \"fsm\" is of entry %" PRIu64 ", the state of %" PRIu64,
                             fsm->applied_index, meta.applied_index);
    }
    if (fsm->next_token > INT64_MAX) {
        return vxc_error_set(err, VXC_ECORRUPT,
                             "meta: row \"fsm\" has a fencing token that no "
                             "cluster lives long enough to give");
    }
    memcpy(report->cluster_id, fsm->cluster_id, sizeof report->cluster_id);
    report->index = fsm->applied_index;
    report->term = fsm->applied_term;
    /* Commands of the entry behind may be in it (`--apply each`): then that index is in use. */
    report->restored_index = fsm->applied_index + (fsm->applied_position != 0 ? 2 : 1);
    fsm->index = report->restored_index;
    fsm->position = 0;
    fsm->ordinal = 0;
    rv = end_sessions(r, err);
    if (rv != 0) {
        return rv;
    }
    begin_life(r);
    record(r);
    fsm->applied_position = 0;
    vxc_fsm_pass(fsm, report->restored_index, report->term == 0 ? 1 : report->term);
    vxc_fsm_flush(fsm, &meta);
    meta.configuration = r->options->configuration;
    meta.configuration_index = report->restored_index;
    rv = commit(r, &meta, err);
    return rv != 0 ? rv : check(r, err);
}

int vxc_fsm_restore(struct vxc_store *store, const struct vxc_fsm_restore_options *options,
                    struct vxc_fsm_restore_report *report, struct vxc_error *err)
{
    struct restore r = {.store = store, .options = options, .report = report};
    int rv;

    *report = (struct vxc_fsm_restore_report){0};
    rv = vxc_table_create(store, VXC_CLEAN_BYTES_DEFAULT, &r.table);
    rv = rv != 0 ? vxc_error_set(err, rv, "out of memory") : vxc_fsm_create(r.table, &r.fsm, err);
    rv = rv != 0 ? rv : edit(&r, err);
    vxc_free(r.sessions);
    vxc_fsm_free(r.fsm);
    vxc_table_free(r.table);
    return rv;
}

int vxc_fsm_read_cluster_id(struct vxc_store *store, uint8_t cluster_id[16], struct vxc_error *err)
{
    struct vxc_table *table;
    struct vxc_fsm *fsm;
    int rv = vxc_table_create(store, VXC_CLEAN_BYTES_DEFAULT, &table);

    if (rv != 0) {
        return vxc_error_set(err, rv, "out of memory");
    }
    rv = vxc_fsm_create(table, &fsm, err);
    if (rv == 0) {
        memcpy(cluster_id, vxc_fsm_cluster_id(fsm), 16);
        vxc_fsm_free(fsm);
    }
    vxc_table_free(table);
    return rv;
}
