/* The state machine: applies log entries to the table, answers queries, emits events.
 *
 * apply() carries out one entry: cluster time moves to the entry's stamp; due rows (TTLs, lock
 * waits) are reaped first, at most VXC_REAP_ROWS_PER_ENTRY in (deadline, key) order — if more
 * remain, effective time stops at the next deadline: late, never early; then each command, wholly
 * or not at all, validated before its first write. Results and events come out through the hooks,
 * events of a command before its result. Everything is a function of the log alone: no clock, no
 * randomness, no file, no float; ids and tokens come from the replicated state.
 *
 * Resident typed objects (object headers, sessions with their cached replies) are written back as
 * rows by flush(), which the caller runs before each freeze of the table.
 *
 * Exactly once: a command with (session, sequence) that was carried out before is answered from the
 * session's record and changes nothing. Lock acquisition is answered `queued` and then by an event
 * keyed by the ticket; its cached reply follows the outcome, so that a retry re-attaches.
 *
 * Session expiry or close is one command that removes all the session owned: registrations first
 * (with their events), then locks and queue places (grants follow), watches, then the node entry
 * (its node-left event last), then the session.
 *
 * Threads: loop thread only.
 */
#ifndef VXC_FSM_FSM_H
#define VXC_FSM_FSM_H

#include "base/bytes.h"
#include "base/error.h"
#include "fsm/command.h"
#include "storage/store.h"
#include "storage/table.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_fsm;

enum vxc_event_type {
    /* to watchers of data: kind, name, key, value, number */
    VXC_EVENT_PUT = 1, /* value, or set member/multimap entry added, counter changed (number) */
    VXC_EVENT_REMOVE = 2,
    VXC_EVENT_EXPIRE = 3, /* removed by its TTL */
    VXC_EVENT_CLEAR = 4,
    VXC_EVENT_DESTROY = 5,
    VXC_EVENT_LOCKED = 6, /* lock watch: number session of the holder, token */
    VXC_EVENT_UNLOCKED = 7,
    /* to watchers of members: key node id, value info, view */
    VXC_EVENT_NODE_JOINED = 20,
    VXC_EVENT_NODE_LEFT = 21,
    VXC_EVENT_NODE_INFO = 22,
    /* to watchers of registrations: name address, view = full new list of that address */
    VXC_EVENT_REGISTRATIONS = 30,
    /* to the session itself */
    VXC_EVENT_LOCK_GRANTED = 40, /* name, ticket, token */
    VXC_EVENT_LOCK_TIMEOUT = 41,
    VXC_EVENT_LOCK_CANCELED = 42,
    VXC_EVENT_SESSION_EXPIRED = 50,
    VXC_EVENT_SESSION_CLOSED = 51,
};

struct vxc_event {
    enum vxc_event_type type;
    enum vxc_watch_kind kind; /* of what is watched; 0 for events to the session itself */
    uint64_t index;           /* log index; events are ordered by (index, ordinal) */
    uint32_t ordinal;         /* within the index */
    uint64_t session;         /* whom it goes to */
    uint64_t watch;           /* id of the watch; 0 for events to the session itself */
    uint64_t ticket;          /* of the acquire that this answers */
    uint64_t token;
    int64_t number; /* counter value; membership epoch */
    struct vxc_slice name;
    struct vxc_slice key;
    struct vxc_slice value; /* data == NULL: none */
    struct vxc_slice
        view; /* encoded list: node ids in join order, or pairs (node id, registration info) */
};

struct vxc_fsm_hooks {
    void *data;
    /* One per command, in order; position counts from 0. Slices are borrowed during the call. */
    void (*on_result)(void *data, uint32_t position, const struct vxc_result *result);
    void (*on_event)(void *data, const struct vxc_event *event);
};

/* Takes the table on loan. Loads what it keeps resident from the rows. VXC_ECORRUPT, VXC_ENOMEM. */
int vxc_fsm_create(struct vxc_table *table, struct vxc_fsm **fsm, struct vxc_error *err);
void vxc_fsm_free(struct vxc_fsm *fsm);
void vxc_fsm_set_hooks(struct vxc_fsm *fsm, const struct vxc_fsm_hooks *hooks);

/* Applies the entry `index`. skip = commands of it already in the state (`--apply each` after a
 * crash), whose results are not given again. own = this process made the entry by vxc_entry_add(),
 * which lets nothing through that could not be applied: it is not looked through first.
 * VXC_ECORRUPT (not an entry of ours), VXC_EVERSION (an operation of a newer version: nothing of the
 * entry was applied). `after_each`, when not NULL, runs after every command (the reference mode
 * commits there). */
int vxc_fsm_apply(struct vxc_fsm *fsm, uint64_t index, uint64_t term, struct vxc_slice entry,
                  bool own, uint32_t skip, void (*after_each)(void *data, uint32_t done),
                  void *data, struct vxc_error *err);

/* Notes that the log entry `index` was none of ours (the engine's own: a configuration, a barrier).
 */
void vxc_fsm_pass(struct vxc_fsm *fsm, uint64_t index, uint64_t term);

/* Answers a query from the applied state. Result slices live until the next call. */
void vxc_fsm_query(struct vxc_fsm *fsm, const struct vxc_command *query, struct vxc_result *result);

/* Says that this query or command comes soon, after some VXC_FSM_EXPECT_AHEAD others: what it will
 * look at is fetched from memory meanwhile. Only operation, namespace, name and key are looked at;
 * nothing changes. */
#define VXC_FSM_EXPECT_AHEAD 8u
void vxc_fsm_expect(struct vxc_fsm *fsm, const struct vxc_command *command);

/* Writes resident objects back as rows; fills applied index, term, time into *meta. */
void vxc_fsm_flush(struct vxc_fsm *fsm, struct vxc_store_meta *meta);

uint64_t vxc_fsm_applied_index(const struct vxc_fsm *fsm);
uint64_t vxc_fsm_time_ms(const struct vxc_fsm *fsm); /* effective cluster time */
uint64_t
vxc_fsm_stamp_ms(const struct vxc_fsm *fsm); /* of the last entry: a primary goes on from it */
/* Of the last CHECKPOINT that this process has applied; 0 = none. */
uint64_t vxc_fsm_checkpoint_index(const struct vxc_fsm *fsm);
/* Next due time of a TTL or lock wait; UINT64_MAX when none: an idle primary ticks then. May be too
 * early when the first deadline was withdrawn since; the tick then finds nothing to do. */
uint64_t vxc_fsm_next_deadline_ms(struct vxc_fsm *fsm);
bool vxc_fsm_bootstrapped(const struct vxc_fsm *fsm);
/* 16 bytes, zeros before bootstrap. */
const uint8_t *vxc_fsm_cluster_id(const struct vxc_fsm *fsm);

/* ---- sessions, for the primary's lease keeping ---- */

struct vxc_session_view {
    uint64_t id;
    uint64_t namespace_id;
    uint32_t timeout_ms;
    bool legacy;
    struct vxc_slice secret;  /* 16 bytes, borrowed until the next apply */
    struct vxc_slice node_id; /* of its node entry; size 0 = none */
    uint64_t locks_held, locks_waiting, registrations, watches;
    uint64_t opened_index;
};
/* 0 or VXC_ESESSION. */
int vxc_fsm_session(struct vxc_fsm *fsm, uint64_t session, struct vxc_session_view *view);
/* Calls `each` for every live session, by id. */
void vxc_fsm_each_session(struct vxc_fsm *fsm,
                          void (*each)(void *data, const struct vxc_session_view *), void *data);
/* The legacy session of a node id in a namespace, 0 when there is none. */
uint64_t vxc_fsm_legacy_session(struct vxc_fsm *fsm, uint64_t namespace_id,
                                struct vxc_slice node_id);

/* ---- members of the cluster, as MEMBER_SET wrote them ---- */

struct vxc_member_view {
    uint64_t id;
    uint64_t incarnation;     /* of its data directory */
    uint64_t life;            /* how often it was started, at least */
    bool gone;                /* MEMBER_FORGET: its id never comes back */
    struct vxc_slice address; /* "host:port"; borrowed until the next apply */
};
/* 0 or VXC_ENOTFOUND. */
int vxc_fsm_member(struct vxc_fsm *fsm, uint64_t id, struct vxc_member_view *view);
/* Calls `each` for every one, by id. */
void vxc_fsm_each_member(struct vxc_fsm *fsm,
                         void (*each)(void *data, const struct vxc_member_view *), void *data);

/* Replays to on_event the events after `last_index` that go to `session`: 0, or VXC_ERESYNC when
 * they are no longer all kept (then nothing is replayed). */
int vxc_fsm_replay(struct vxc_fsm *fsm, uint64_t session, uint64_t last_index);

struct vxc_fsm_stats {
    uint64_t sessions, legacy_sessions, nodes, objects, locks, counters, watches, registrations;
    uint64_t locks_held, locks_waiting;
    uint64_t quota_bytes_used;
    uint64_t event_ring_bytes;
    uint64_t commands_total, replayed_total, expired_rows_total;
};
void vxc_fsm_stats(struct vxc_fsm *fsm, struct vxc_fsm_stats *stats);

/* One row as a JSON object on one line ({"db":"maps","map":…,"key":…,"value":…} or key64/value64),
 * for dump, live and offline; appended to `out`. VXC_ENOTFOUND for rows that are not shown (old
 * generations), VXC_ECORRUPT. `resolve` gives the object header body for element rows. */
struct vxc_row_resolver {
    void *data;
    int (*object)(void *data, enum vxc_database db, uint64_t object_id, struct vxc_slice *body);
};
int vxc_row_describe(enum vxc_database db, struct vxc_slice key, struct vxc_slice body,
                     const struct vxc_row_resolver *resolve, struct vxc_buffer *out);
/* One command as a JSON object on one line, for `dump --log`. */
int vxc_command_describe(const struct vxc_command *command, struct vxc_buffer *out);

#endif
