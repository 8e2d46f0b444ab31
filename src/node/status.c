/* The status of a node as one JSON object: who it is, where it stands, and how full everything is.
 */
#include "node/node_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"

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

static void put_identity(struct writer *w, struct vxc_node *n)
{
    const uint8_t *id = vxc_fsm_cluster_id(n->fsm);
    char hex[33];

    for (int i = 0; i < 16; i++) {
        (void)snprintf(hex + (size_t)i * 2, 3, "%02x", id[i]);
    }
    text(w, "version", VXC_VERSION);
    number(w, "node_id", n->config.node_id);
    text(w, "cluster_id", hex);
    text(w, "address", n->address);
    text(w, "data", n->config.data);
    text(w, "apply", n->config.apply_each ? "each" : "fast");
    key(w, "plaintext_on");
    put(w, n->config.plaintext ? "\"%s\"" : "null", n->config.host);
}

static void put_replica(struct writer *w, struct vxc_node *n, const struct vxc_replica_status *s)
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
    number(w, "cluster_time_ms", vxc_replica_time_ms(n->replica));
    number(w, "admission_percent", (uint64_t)vxc_replica_admission_percent(n->replica));
}

static void put_storage(struct writer *w, const struct vxc_log_stats *log,
                        const struct vxc_store_stats *store, const struct vxc_table_stats *table)
{
    open_object(w, "log");
    text(w, "io", log->io);
    number(w, "segments", log->segments);
    number(w, "bytes", log->bytes_on_disk);
    number(w, "units_total", log->units_total);
    number(w, "flush_us_last", log->flush_us_last);
    number(w, "flush_us_max", log->flush_us_max);
    close_object(w);
    open_object(w, "store");
    number(w, "commits_total", store->commits_total);
    number(w, "rows_total", store->rows_total);
    number(w, "commit_us_last", store->commit_us_last);
    number(w, "commit_us_max", store->commit_us_max);
    number(w, "file_bytes", store->file_bytes);
    number(w, "pinned_bytes", store->pinned_bytes);
    number(w, "pinned_by_pid", (uint64_t)store->pinned_by_pid);
    truth(w, "no_space", store->no_space);
    close_object(w);
    open_object(w, "table");
    number(w, "clean_rows", table->clean_rows);
    number(w, "dirty_rows", table->dirty_rows);
    number(w, "frozen_rows", table->frozen_rows);
    number(w, "hits_total", table->hits_total);
    number(w, "misses_total", table->misses_total);
    close_object(w);
}

static void put_bounds(struct writer *w, struct vxc_node *n, const struct vxc_fsm_stats *fsm,
                       const struct vxc_gateway_stats *gateway, const struct vxc_log_stats *log,
                       const struct vxc_table_stats *table,
                       const struct vxc_replica_status *replica)
{
    open_object(w, "bounds");
    bound(w, "connections", "connections", n->config.connections_max,
          vxc_listener_count(n->listener));
    bound(w, "sessions", "sessions", VXC_SESSIONS_MAX, fsm->sessions);
    bound(w, "inflight", "bytes", VXC_NODE_INFLIGHT_BYTES_MAX, gateway->inflight_bytes);
    bound(w, "held", "bytes", VXC_NODE_HELD_BYTES_MAX, vxc_listener_held_bytes(n->listener));
    bound(w, "uncommitted_log", "bytes", VXC_LOG_UNCOMMITTED_MAX, replica->uncommitted_bytes);
    bound(w, "log_memory", "bytes", VXC_LOG_UNCOMMITTED_MAX + VXC_LOG_TRAILING_SIZE,
          log->bytes_in_memory);
    bound(w, "clean_rows", "bytes", n->config.clean_cache_mib << 20, table->clean_bytes);
    bound(w, "dirty_rows", "bytes", VXC_DIRTY_BYTES_MAX, table->dirty_bytes + table->frozen_bytes);
    bound(w, "event_history", "bytes", VXC_EVENT_HISTORY_BYTES, fsm->event_ring_bytes);
    bound(w, "quota", "bytes", VXC_QUOTA_BYTES_DEFAULT, fsm->quota_bytes_used);
    close_object(w);
}

void vxc_node_status(struct vxc_node *n, struct vxc_buffer *out)
{
    struct writer w = {.out = out, .first = true};
    struct vxc_replica_status replica;
    struct vxc_gateway_stats gateway;
    struct vxc_fsm_stats fsm;
    struct vxc_log_stats log;
    struct vxc_store_stats store;
    struct vxc_table_stats table;

    vxc_replica_status(n->replica, &replica);
    vxc_gateway_stats(n->gateway, &gateway);
    vxc_fsm_stats(n->fsm, &fsm);
    vxc_log_stats(n->log, &log);
    vxc_store_stats(n->store, &store);
    vxc_table_stats(n->table, &table);
    put(&w, "{");
    put_identity(&w, n);
    put_replica(&w, n, &replica);
    open_object(&w, "nodes");
    number(&w, "legacy", fsm.legacy_sessions);
    number(&w, "managed", fsm.nodes > fsm.legacy_sessions ? fsm.nodes - fsm.legacy_sessions : 0);
    number(&w, "active", gateway.active_connections);
    close_object(&w);
    number(&w, "sessions", fsm.sessions);
    number(&w, "sessions_connected", gateway.sessions_connected);
    number(&w, "connections", vxc_listener_count(n->listener));
    number(&w, "connections_refused_total", vxc_listener_refused_total(n->listener));
    number(&w, "objects", fsm.objects);
    number(&w, "counters", fsm.counters);
    number(&w, "locks", fsm.locks);
    number(&w, "locks_held", fsm.locks_held);
    number(&w, "locks_waiting", fsm.locks_waiting);
    number(&w, "registrations", fsm.registrations);
    number(&w, "watches", fsm.watches);
    number(&w, "requests_total", gateway.requests_total);
    number(&w, "replies_total", gateway.replies_total);
    number(&w, "errors_total", gateway.errors_total);
    number(&w, "events_total", gateway.events_total);
    number(&w, "uptime_ms", (n->clock->monotonic_ns(n->clock->data) - n->started_ns) / 1000000);
    number(&w, "ready_ms", n->ready_ms);
    put_storage(&w, &log, &store, &table);
    put_bounds(&w, n, &fsm, &gateway, &log, &table, &replica);
    put(&w, "}");
}
