/* The status of a node as one JSON object: who it is, where it stands, and how full everything is.
 */
#include "node/node_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "node/config.h"

/* A JSON object under construction; keys and formats are ours, texts are escaped. */
struct writer {
    struct vxc_buffer *out;
    bool first;
};

static void put(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct writer *w, const char *format, ...)
{
    char text[512];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size > 0) {
        (void)vxc_buffer_append(w->out, text, (size_t)size); /* out of memory shortens a status */
    }
}

static void key(struct writer *w, const char *name)
{
    put(w, "%s\"%s\":", w->first ? "" : ",", name);
    w->first = false;
}

static void number(struct writer *w, const char *name, uint64_t value)
{
    key(w, name);
    put(w, "%" PRIu64, value);
}

static void truth(struct writer *w, const char *name, bool value)
{
    key(w, name);
    put(w, value ? "true" : "false");
}

static void text(struct writer *w, const char *name, const char *value)
{
    key(w, name);
    put(w, "\"");
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            put(w, "\\%c", *c);
        } else if ((unsigned char)*c < 0x20) {
            put(w, "\\u%04x", (unsigned)*c);
        } else {
            put(w, "%c", *c);
        }
    }
    put(w, "\"");
}

static void open_object(struct writer *w, const char *name)
{
    key(w, name);
    put(w, "{");
    w->first = true;
}

static void close_object(struct writer *w)
{
    put(w, "}");
    w->first = false;
}

static void bound(struct writer *w, const char *name, const char *unit, uint64_t limit,
                  uint64_t used)
{
    open_object(w, name);
    number(w, "limit", limit);
    number(w, "used", used);
    text(w, "unit", unit);
    close_object(w);
}

static void put_identity(struct writer *w, const struct vxc_node *n, const struct vxc_node_stats *s)
{
    char hex[33];

    for (int i = 0; i < 16; i++) {
        (void)snprintf(hex + (size_t)i * 2, 3, "%02x", s->cluster_id[i]);
    }
    text(w, "version", VXC_VERSION);
    number(w, "node_id", s->node_id);
    text(w, "cluster_id", hex);
    text(w, "address", n->address);
    text(w, "data", n->options.data);
    text(w, "apply", n->options.apply_each ? "each" : "fast");
    key(w, "plaintext_on");
    put(w, vxc_config_is_plaintext(&n->options) ? "\"%s\"" : "null", n->options.host);
}

static void put_replica(struct writer *w, const struct vxc_node_stats *s)
{
    text(w, "role", s->role);
    number(w, "term", s->term);
    number(w, "primary_id", s->primary_id);
    number(w, "commit_index", s->commit_index);
    number(w, "applied_index", s->applied_index);
    number(w, "lmdb_applied_index", s->lmdb_applied_index);
    number(w, "synced_index", s->synced_index);
    number(w, "last_index", s->last_index);
    number(w, "durable_index", s->durable_index);
    number(w, "log_first_index", s->log_first_index);
    key(w, "state_digest");
    put(w, "\"%016" PRIx64 "\"", s->state_digest);
    number(w, "digest_index", s->digest_index);
    number(w, "entries_total", s->entries_total);
    number(w, "commands_total", s->commands_total);
    truth(w, "no_space", s->no_space);
    number(w, "cluster_time_ms", s->cluster_time_ms);
    number(w, "admission_percent", s->admission_percent);
}

/* Silence is judged by the primary alone, whom every member answers; whoever this node has no
 * connection to is unreachable for it. */
static const char *role_of(const struct vxc_node *n, const struct vxc_replica_member *m,
                           uint64_t primary_id, bool we_are_primary)
{
    bool other = m->id != n->options.node_id;

    if (!other && n->replica == NULL) {
        return "repairing";
    }
    if (other && (!vxc_cluster_is_connected(n->cluster, m->id) ||
                  (we_are_primary && m->heard_ms > n->options.election_timeout_ms))) {
        return "unreachable";
    }
    if (m->id == primary_id) {
        return "primary";
    }
    return m->role == VXC_MEMBER_VOTER ? "backup" : "standby";
}

/* While the state is repaired they are known from the log. */
static uint32_t gather_members(const struct vxc_node *n,
                               struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX])
{
    const struct vxc_configuration *c = &n->repair.configuration;

    if (n->replica != NULL) {
        return vxc_replica_members(n->replica, members);
    }
    for (uint32_t i = 0; i < c->count; i++) {
        members[i] = (struct vxc_replica_member){
            .id = c->members[i].id, .role = c->members[i].role, .heard_ms = UINT64_MAX};
    }
    return c->count;
}

static void put_members(struct writer *w, const struct vxc_node *n, const struct vxc_node_stats *s)
{
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    uint32_t count = gather_members(n, members);
    bool primary = n->replica != NULL && vxc_replica_is_primary(n->replica);

    key(w, "members");
    put(w, "[");
    for (uint32_t i = 0; i < count; i++) {
        const struct vxc_replica_member *m = &members[i];
        bool own = m->id == n->options.node_id;

        put(w, i == 0 ? "{" : ",{");
        w->first = true;
        number(w, "id", m->id);
        text(w, "address", vxc_cluster_address(n->cluster, m->id));
        text(w, "role", role_of(n, m, s->primary_id, primary));
        number(w, "match_index", m->match_index);
        key(w, "silent_ms");
        if (own || m->heard_ms == UINT64_MAX) {
            put(w, "null");
        } else {
            put(w, "%" PRIu64, m->heard_ms);
        }
        close_object(w);
    }
    put(w, "]");
}

static void put_checkpoint(struct writer *w, struct vxc_node *n)
{
    struct vxc_replica_status status = {0};

    if (n->replica != NULL) {
        vxc_replica_status(n->replica, &status);
    }
    number(w, "checkpoint_index", status.checkpoint_index);
    key(w, "checkpoint_digest");
    put(w, "\"%016" PRIx64 "\"", status.checkpoint_digest);
}

/* Images between nodes: where the one ends that this node has for peers, how much of one has come. */
static void put_image(struct writer *w, const struct vxc_node *n)
{
    uint64_t done;
    uint64_t total;

    vxc_fetch_progress(n->fetch, &done, &total);
    open_object(w, "image");
    number(w, "supplied_index", vxc_supply_index(n->supply));
    number(w, "fetched_bytes", done);
    number(w, "fetched_of_bytes", total);
    number(w, "fetched_from", vxc_fetch_peer(n->fetch));
    close_object(w);
}

static void put_clients(struct writer *w, const struct vxc_node_stats *s)
{
    open_object(w, "nodes");
    number(w, "legacy", s->nodes_legacy);
    number(w, "managed", s->nodes_managed);
    number(w, "active", s->active_connections);
    close_object(w);
    number(w, "sessions", s->sessions);
    number(w, "sessions_connected", s->sessions_connected);
    number(w, "sessions_silent_total", s->sessions_silent_total);
    number(w, "connections", s->connections);
    number(w, "connections_refused_total", s->connections_refused_total);
    number(w, "connections_silent_total", s->connections_silent_total);
}

static void put_state(struct writer *w, const struct vxc_node_stats *s)
{
    number(w, "objects", s->objects);
    number(w, "counters", s->counters);
    number(w, "locks", s->locks);
    number(w, "locks_held", s->locks_held);
    number(w, "locks_waiting", s->locks_waiting);
    number(w, "registrations", s->registrations);
    number(w, "watches", s->watches);
    number(w, "requests_total", s->requests_total);
    number(w, "replies_total", s->replies_total);
    number(w, "errors_total", s->errors_total);
    number(w, "events_total", s->events_total);
    number(w, "uptime_ms", s->uptime_ms);
    number(w, "ready_ms", s->ready_ms);
}

static void put_storage(struct writer *w, const struct vxc_node_stats *s)
{
    open_object(w, "log");
    text(w, "io", s->log_io);
    number(w, "segments", s->log_segments);
    number(w, "bytes", s->log_bytes);
    number(w, "units_total", s->log_units_total);
    number(w, "flush_us_last", s->flush_us_last);
    number(w, "flush_us_max", s->flush_us_max);
    close_object(w);
    open_object(w, "store");
    number(w, "commits_total", s->lmdb_commits_total);
    number(w, "rows_total", s->lmdb_rows_total);
    number(w, "commit_us_last", s->lmdb_commit_us_last);
    number(w, "commit_us_max", s->lmdb_commit_us_max);
    number(w, "file_bytes", s->lmdb_bytes);
    number(w, "pinned_bytes", s->lmdb_pinned_bytes);
    number(w, "pinned_by_pid", s->lmdb_pinned_by_pid);
    truth(w, "no_space", s->lmdb_no_space);
    close_object(w);
    open_object(w, "table");
    number(w, "clean_rows", s->clean_rows);
    number(w, "dirty_rows", s->dirty_rows);
    number(w, "frozen_rows", s->frozen_rows);
    number(w, "hits_total", s->cache_hits_total);
    number(w, "misses_total", s->cache_misses_total);
    close_object(w);
}

static void put_bounds(struct writer *w, const struct vxc_node_options *o,
                       const struct vxc_node_stats *s)
{
    open_object(w, "bounds");
    bound(w, "connections", "connections", o->connections_max, s->connections);
    bound(w, "sessions", "sessions", VXC_SESSIONS_MAX, s->sessions);
    bound(w, "inflight", "bytes", VXC_NODE_INFLIGHT_BYTES_MAX, s->inflight_bytes);
    bound(w, "held", "bytes", VXC_NODE_HELD_BYTES_MAX, s->held_bytes);
    bound(w, "uncommitted_log", "bytes", VXC_LOG_UNCOMMITTED_MAX, s->uncommitted_bytes);
    bound(w, "log_memory", "bytes", VXC_LOG_UNCOMMITTED_MAX + VXC_LOG_TRAILING_SIZE,
          s->log_memory_bytes);
    bound(w, "clean_rows", "bytes", o->clean_cache_mib << 20, s->clean_bytes);
    bound(w, "dirty_rows", "bytes", VXC_DIRTY_BYTES_MAX, s->dirty_bytes + s->frozen_bytes);
    bound(w, "event_history", "bytes", VXC_EVENT_HISTORY_BYTES, s->event_history_bytes);
    bound(w, "quota", "bytes", VXC_QUOTA_BYTES_DEFAULT, s->quota_bytes);
    close_object(w);
}

void vxc_node_status(struct vxc_node *n, struct vxc_buffer *out)
{
    struct writer w = {.out = out, .first = true};
    struct vxc_node_stats stats;

    vxc_node_gather(n, &stats);
    put(&w, "{");
    put_identity(&w, n, &stats);
    put_replica(&w, &stats);
    text(&w, "primary_address", vxc_cluster_address(n->cluster, stats.primary_id));
    put_checkpoint(&w, n);
    put_members(&w, n, &stats);
    put_image(&w, n);
    put_clients(&w, &stats);
    put_state(&w, &stats);
    put_storage(&w, &stats);
    put_bounds(&w, &n->options, &stats);
    put(&w, "}");
}
