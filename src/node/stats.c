/* The numbers of a node, gathered from all layers. */
#include "node/node_internal.h"

#include <string.h>

static void of_replica(struct vxc_node *n, struct vxc_node_stats *s)
{
    struct vxc_replica_status r;

    vxc_replica_status(n->replica, &r);
    s->role = r.role;
    s->primary_id = r.primary_id;
    s->term = r.term;
    s->last_index = r.last_index;
    s->durable_index = r.durable_index;
    s->commit_index = r.commit_index;
    s->applied_index = r.applied_index;
    s->lmdb_applied_index = r.lmdb_applied_index;
    s->synced_index = r.synced_index;
    s->log_first_index = r.log_first_index;
    s->entries_total = r.entries_total;
    s->commands_total = r.commands_total;
    s->state_digest = r.state_digest;
    s->digest_index = r.digest_index;
    s->uncommitted_bytes = r.uncommitted_bytes;
    s->no_space = r.no_space;
    s->cluster_time_ms = vxc_replica_time_ms(n->replica);
    s->admission_percent = (uint64_t)vxc_replica_admission_percent(n->replica);
}

/* Its state is being repaired: what is known is the log. */
static void of_log(struct vxc_node *n, struct vxc_node_stats *s)
{
    s->role = "repairing";
    s->last_index = vxc_log_last_index(n->log);
    s->durable_index = vxc_log_durable_index(n->log);
    s->log_first_index = vxc_log_first_index(n->log);
}

static void of_state(struct vxc_node *n, struct vxc_node_stats *s)
{
    struct vxc_fsm_stats f;

    vxc_fsm_stats(n->fsm, &f);
    memcpy(s->cluster_id, vxc_fsm_cluster_id(n->fsm), sizeof s->cluster_id);
    s->sessions = f.sessions;
    s->nodes_legacy = f.legacy_sessions;
    s->nodes_managed = f.nodes > f.legacy_sessions ? f.nodes - f.legacy_sessions : 0;
    s->objects = f.objects;
    s->counters = f.counters;
    s->locks = f.locks;
    s->locks_held = f.locks_held;
    s->locks_waiting = f.locks_waiting;
    s->registrations = f.registrations;
    s->watches = f.watches;
    s->quota_bytes = f.quota_bytes_used;
    s->event_history_bytes = f.event_ring_bytes;
}

static void of_connections(struct vxc_node *n, struct vxc_node_stats *s)
{
    struct vxc_gateway_stats g;

    vxc_gateway_stats(n->gateway, &g);
    s->connections = vxc_listener_count(n->listener);
    s->connections_refused_total = vxc_listener_refused_total(n->listener);
    s->connections_silent_total = vxc_listener_silent_total(n->listener);
    s->held_bytes = vxc_listener_held_bytes(n->listener);
    s->active_connections = g.active_connections;
    s->sessions_connected = g.sessions_connected;
    s->inflight_requests = g.inflight_requests;
    s->inflight_bytes = g.inflight_bytes;
    s->requests_total = g.requests_total;
    s->replies_total = g.replies_total;
    s->errors_total = g.errors_total;
    s->events_total = g.events_total;
    s->sessions_silent_total = g.sessions_silent_total;
    vxc_cluster_count(n->cluster, &s->members, &s->peers_connected);
}

static void of_log_files(struct vxc_node *n, struct vxc_node_stats *s)
{
    struct vxc_log_stats log;

    vxc_log_stats(n->log, &log);
    s->log_io = log.io;
    s->log_segments = log.segments;
    s->log_bytes = log.bytes_on_disk;
    s->log_memory_bytes = log.bytes_in_memory;
    s->log_units_total = log.units_total;
    s->flush_us_last = log.flush_us_last;
    s->flush_us_max = log.flush_us_max;
}

static void of_state_files(struct vxc_node *n, struct vxc_node_stats *s)
{
    struct vxc_store_stats store;
    struct vxc_table_stats table;

    vxc_store_stats(n->store, &store);
    vxc_table_stats(n->table, &table);
    s->lmdb_commits_total = store.commits_total;
    s->lmdb_rows_total = store.rows_total;
    s->lmdb_commit_us_last = store.commit_us_last;
    s->lmdb_commit_us_max = store.commit_us_max;
    s->lmdb_bytes = store.file_bytes;
    s->lmdb_pinned_bytes = store.pinned_bytes;
    s->lmdb_pinned_by_pid = (uint64_t)store.pinned_by_pid;
    s->lmdb_no_space = store.no_space;
    s->clean_rows = table.clean_rows;
    s->clean_bytes = table.clean_bytes;
    s->dirty_rows = table.dirty_rows;
    s->dirty_bytes = table.dirty_bytes;
    s->frozen_rows = table.frozen_rows;
    s->frozen_bytes = table.frozen_bytes;
    s->cache_hits_total = table.hits_total;
    s->cache_misses_total = table.misses_total;
}

void vxc_node_gather(struct vxc_node *n, struct vxc_node_stats *s)
{
    *s = (struct vxc_node_stats){
        .node_id = n->options.node_id,
        .beginning = n->identity.fresh   ? VXC_NODE_NEW
                     : n->identity.clean ? VXC_NODE_CLEAN
                                         : VXC_NODE_RECOVERED,
        .recovered_index = n->recovered_index,
        .verified_rows = n->verified_rows,
        .ready_ms = n->ready_ms,
        .uptime_ms = (n->clock->monotonic_ns(n->clock->data) - n->started_ns) / 1000000,
    };
    of_connections(n, s);
    of_log_files(n, s);
    if (n->replica == NULL) {
        of_log(n, s);
        return;
    }
    of_replica(n, s);
    of_state(n, s);
    of_state_files(n, s);
}

/* ---- for any thread ---- */

struct question {
    struct vxc_node *node;
    struct vxc_node_stats stats;
};

static void answer(void *data)
{
    struct question *q = data;

    vxc_node_gather(q->node, &q->stats);
}

int vxc_node_stats(struct vxc_node *n, struct vxc_node_stats *stats, size_t size)
{
    struct question q = {.node = n};

    if (!n->started) {
        return VXC_EINVAL;
    }
    vxc_mailbox_call(n->mailbox, answer, &q);
    memcpy(stats, &q.stats, size < sizeof q.stats ? size : sizeof q.stats);
    return 0;
}
