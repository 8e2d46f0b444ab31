#include "consensus/freeze.h"

#include "base/check.h"
#include "base/memory.h"

#include <inttypes.h>
#include <poll.h>

enum { FROZEN, COMMITTED, SYNCING, SYNCED }; /* places in configurations[] */

enum {
    WAIT_STEP_MS = 20,        /* between looks while waiting for a commit */
    EACH_WAIT_MS_MAX = 30000, /* the reference mode has no place to keep rows meanwhile */
};

/* Copies a base with its configuration, which lives in the buffer `place`. */
static void keep_base(struct vxc_freeze *freeze, int place, struct vxc_log_base *to,
                      const struct vxc_log_base *from)
{
    struct vxc_buffer *buffer = &freeze->configurations[place];

    vxc_buffer_clear(buffer);
    vxc_need_memory(vxc_buffer_append(buffer, from->configuration.data, from->configuration.size) ==
                        0,
                    "a configuration");
    *to = *from;
    to->configuration = vxc_buffer_slice(buffer);
}

int vxc_freeze_init(struct vxc_freeze *freeze, struct vxc_table *table, struct vxc_store *store,
                    struct vxc_fsm *fsm, uint64_t idle_ms, uint64_t sync_log_bytes)
{
    const struct vxc_store_meta *meta = vxc_store_meta(store);

    *freeze = (struct vxc_freeze){
        .table = table,
        .store = store,
        .fsm = fsm,
        .idle_ms = idle_ms != 0 ? idle_ms : VXC_FREEZE_IDLE_MS,
        .sync_log_bytes = sync_log_bytes != 0 ? sync_log_bytes : VXC_SYNC_LOG_BYTES,
    };
    for (size_t i = 0; i < sizeof freeze->configurations / sizeof freeze->configurations[0]; i++) {
        if (vxc_buffer_reserve(&freeze->configurations[i], meta->configuration.size + 1) != 0) {
            return VXC_ENOMEM;
        }
    }
    if (vxc_buffer_append(&freeze->configuration, meta->configuration.data,
                          meta->configuration.size) != 0) {
        return VXC_ENOMEM;
    }
    freeze->configuration_index = meta->configuration_index;
    freeze->replaying = true;
    keep_base(freeze, COMMITTED, &freeze->committed,
              &(struct vxc_log_base){
                  .index = meta->applied_index,
                  .term = meta->applied_term,
                  .configuration_index = meta->configuration_index,
                  .configuration = meta->configuration,
              });
    /* How much log a former life wrote since its last sync is not known: the first one is due. */
    freeze->unsynced_log_bytes = freeze->sync_log_bytes;
    return 0;
}

void vxc_freeze_deinit(struct vxc_freeze *freeze)
{
    vxc_buffer_free(&freeze->configuration);
    for (size_t i = 0; i < sizeof freeze->configurations / sizeof freeze->configurations[0]; i++) {
        vxc_buffer_free(&freeze->configurations[i]);
    }
}

/* ---- what happens to the state ---- */

void vxc_freeze_configure(struct vxc_freeze *freeze, uint64_t index, struct vxc_slice configuration)
{
    vxc_buffer_clear(&freeze->configuration);
    vxc_need_memory(
        vxc_buffer_append(&freeze->configuration, configuration.data, configuration.size) == 0,
        "a configuration");
    freeze->configuration_index = index;
}

void vxc_freeze_applied(struct vxc_freeze *freeze, uint64_t now_ms)
{
    freeze->newest_ms = now_ms == 0 ? 1 : now_ms;
    if (freeze->applied_ms == 0) {
        freeze->applied_ms = freeze->newest_ms;
    }
}

void vxc_freeze_logged(struct vxc_freeze *freeze, uint64_t bytes)
{
    freeze->unsynced_log_bytes += bytes;
}

void vxc_freeze_want(struct vxc_freeze *freeze, uint64_t index)
{
    freeze->wanted = freeze->committed.index >= index ? 0 : index;
}

/* ---- commits ---- */

static void start_commit(struct vxc_freeze *freeze)
{
    struct vxc_store_meta meta = {0};

    vxc_check(!vxc_table_freezing(freeze->table));
    vxc_fsm_flush(freeze->fsm, &meta); /* index, term, position and time are its own */
    meta.configuration_index = freeze->configuration_index;
    meta.configuration = vxc_buffer_slice(&freeze->configuration);
    keep_base(freeze, FROZEN, &freeze->frozen,
              &(struct vxc_log_base){
                  .index = meta.applied_index,
                  .term = meta.applied_term,
                  .configuration_index = meta.configuration_index,
                  .configuration = meta.configuration,
              });
    freeze->applied_ms = 0;
    freeze->wanted = freeze->wanted <= meta.applied_index ? 0 : freeze->wanted;
    vxc_table_freeze(freeze->table, &meta);
    vxc_freeze_collect(freeze); /* a synchronous store is done already */
}

bool vxc_freeze_checkpoint(struct vxc_freeze *freeze)
{
    vxc_freeze_collect(freeze);
    if (vxc_table_freezing(freeze->table)) {
        return false;
    }
    freeze->checkpoint_asked = vxc_fsm_applied_index(freeze->fsm);
    start_commit(freeze);
    return true;
}

static void look_at_store(struct vxc_freeze *freeze, struct vxc_store_stats *stats)
{
    vxc_store_stats(freeze->store, stats);
    freeze->no_space = stats->no_space;
    if (freeze->syncing.index != 0 && stats->synced_index >= freeze->syncing.index) {
        keep_base(freeze, SYNCED, &freeze->synced, &freeze->syncing);
        freeze->syncing.index = 0;
    }
}

void vxc_freeze_collect(struct vxc_freeze *freeze)
{
    struct vxc_store_stats stats;

    if (vxc_store_collect(freeze->store)) {
        vxc_table_thaw(freeze->table);
        keep_base(freeze, COMMITTED, &freeze->committed, &freeze->frozen);
        freeze->no_space = false;
        if (freeze->checkpoint_asked != 0 && freeze->checkpoint_asked == freeze->committed.index) {
            freeze->checkpoint_index = freeze->committed.index;
            freeze->checkpoint_digest = vxc_store_digest(freeze->store);
        }
    }
    if (freeze->syncing.index != 0) {
        look_at_store(freeze, &stats);
    }
}

static bool is_large(const struct vxc_freeze *freeze, const struct vxc_table_stats *stats)
{
    if (freeze->replaying) {
        return stats->dirty_bytes >= VXC_DIRTY_BYTES_MAX / 2;
    }
    return stats->dirty_rows >= VXC_FREEZE_ROWS || stats->dirty_bytes >= VXC_FREEZE_BYTES;
}

void vxc_freeze_by_size(struct vxc_freeze *freeze)
{
    struct vxc_table_stats stats;

    if (freeze->applied_ms == 0 || vxc_table_freezing(freeze->table)) {
        return;
    }
    vxc_table_stats(freeze->table, &stats);
    if (is_large(freeze, &stats)) {
        start_commit(freeze);
    }
}

static void start_sync(struct vxc_freeze *freeze)
{
    keep_base(freeze, SYNCING, &freeze->syncing, &freeze->committed);
    freeze->unsynced_log_bytes = 0;
    vxc_store_sync(freeze->store);
    vxc_freeze_collect(freeze); /* a synchronous store is done already */
}

/* Starts a sync when enough log lies behind the last one and a commit has moved since. */
static void maybe_sync(struct vxc_freeze *freeze)
{
    if (freeze->syncing.index == 0 && freeze->unsynced_log_bytes >= freeze->sync_log_bytes &&
        freeze->committed.index > freeze->synced.index && !vxc_table_freezing(freeze->table)) {
        start_sync(freeze);
    }
}

/* When what is applied becomes due by age, if nothing more is applied. */
static uint64_t due_ms(const struct vxc_freeze *freeze, const struct vxc_table_stats *stats)
{
    const uint64_t loaded_ms = freeze->applied_ms + VXC_FREEZE_LOADED_MS;
    const uint64_t quiet_ms = freeze->newest_ms + freeze->idle_ms;

    if (stats->dirty_rows < VXC_FREEZE_SMALL_ROWS) {
        return freeze->applied_ms + freeze->idle_ms;
    }
    return quiet_ms < loaded_ms ? quiet_ms : loaded_ms;
}

uint64_t vxc_freeze_turn(struct vxc_freeze *freeze, uint64_t now_ms)
{
    struct vxc_table_stats table;

    if (vxc_table_freezing(freeze->table) || freeze->syncing.index != 0) {
        if (now_ms - freeze->looked_ms >= VXC_FREEZE_LOOK_MS) {
            struct vxc_store_stats store;

            freeze->looked_ms = now_ms;
            vxc_freeze_collect(freeze); /* a synchronous store tries again only when asked */
            look_at_store(freeze, &store);
        }
    }
    maybe_sync(freeze);
    if (vxc_table_freezing(freeze->table)) {
        return VXC_FREEZE_LOOK_MS;
    }
    if (freeze->applied_ms == 0) {
        return UINT64_MAX;
    }
    vxc_table_stats(freeze->table, &table);
    if (is_large(freeze, &table) || now_ms >= due_ms(freeze, &table) || freeze->wanted != 0) {
        start_commit(freeze);
        maybe_sync(freeze);
        return VXC_FREEZE_LOOK_MS;
    }
    return due_ms(freeze, &table) - now_ms;
}

/* ---- waiting ---- */

/* Waits until no commit runs; false when there is no space for it. */
static bool await_commit(struct vxc_freeze *freeze)
{
    struct vxc_store_stats stats;

    vxc_freeze_collect(freeze);
    while (vxc_table_freezing(freeze->table)) {
        struct pollfd ready = {.fd = vxc_store_fd(freeze->store), .events = POLLIN};

        (void)poll(&ready, 1, WAIT_STEP_MS); /* the loop looks at the state itself */
        vxc_freeze_collect(freeze);
        if (!vxc_table_freezing(freeze->table)) {
            break;
        }
        look_at_store(freeze, &stats);
        if (stats.no_space) {
            return false;
        }
    }
    return true;
}

bool vxc_freeze_settle(struct vxc_freeze *freeze)
{
    if (!await_commit(freeze)) {
        return false;
    }
    if (freeze->applied_ms == 0) {
        return true;
    }
    start_commit(freeze);
    return await_commit(freeze);
}

static void await_sync(struct vxc_freeze *freeze)
{
    struct vxc_store_stats stats;

    vxc_store_wait(freeze->store); /* no commit runs: only the sync is waited for */
    vxc_freeze_collect(freeze);
    look_at_store(freeze, &stats);
    vxc_check(freeze->syncing.index == 0);
}

bool vxc_freeze_sync(struct vxc_freeze *freeze)
{
    if (!vxc_freeze_settle(freeze)) {
        return false;
    }
    await_sync(freeze); /* one may be under way, for an older state */
    if (freeze->committed.index > freeze->synced.index) {
        start_sync(freeze);
        await_sync(freeze);
    }
    return true;
}

void vxc_freeze_each(struct vxc_freeze *freeze)
{
    uint64_t waited_ms = 0;

    start_commit(freeze);
    while (!await_commit(freeze)) {
        if (waited_ms >= EACH_WAIT_MS_MAX) {
            vxc_fatal("no space for the commit of entry %" PRIu64
                      " in the reference mode (--apply each), which cannot go on without it",
                      vxc_fsm_applied_index(freeze->fsm));
        }
        (void)poll(NULL, 0, WAIT_STEP_MS); /* room may come back */
        waited_ms += WAIT_STEP_MS;
    }
}

/* ---- inspection ---- */

int vxc_freeze_admission_percent(const struct vxc_freeze *freeze)
{
    struct vxc_table_stats stats;
    uint64_t used;

    if (!vxc_table_freezing(freeze->table)) {
        return 100;
    }
    vxc_table_stats(freeze->table, &stats);
    used = stats.dirty_bytes + stats.frozen_bytes;
    if (used <= VXC_DIRTY_BYTES_MAX / 2) {
        return 100;
    }
    if (used >= VXC_DIRTY_BYTES_MAX) {
        return 0;
    }
    return (int)((VXC_DIRTY_BYTES_MAX - used) * 100 / (VXC_DIRTY_BYTES_MAX / 2));
}

bool vxc_freeze_is_full(const struct vxc_freeze *freeze)
{
    return vxc_freeze_admission_percent(freeze) == 0;
}
