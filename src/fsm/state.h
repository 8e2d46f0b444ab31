/* Inside the state machine: what its modules share. Nobody outside src/fsm includes this.
 *
 * A module (map, set, multimap, counter, lock, session, member, registration, watch, transaction) owns
 * its rows and offers apply functions of one shape: they validate first, and write only when nothing
 * can fail any more. A result starts as {0}; vxc_result_fail() makes it an error.
 *
 * Rows (bodies; the row checksum before them belongs to storage/; all layouts in docs/format.md):
 *   meta          "fsm"                      next object id, next token, cluster time, counters, cluster id …
 *   namespaces    'n' name                   id
 *   names         kind(1) namespace(8) name  object id
 *   maps, sets, multimaps   id(8)            header: generation, digest slot, kind, namespace, count, bytes, created, name
 *                 id(8) generation(8) key    element
 *   counters      namespace(8) name          value
 *   locks         'l' namespace(8) name      lock head: id, holder, token, ticket, since, waiter count, name
 *                 'w' lock id(8) session(8) ticket(8)  waiter, linked to the next in the queue
 *   sessions      's' session(8)             lease;  'r' session(8)  cached replies;
 *                 'o' session(8) kind(1) key what it owns (locks, waits, registrations, watches)
 *   nodes         namespace(8) 'n' node id   member: join order, session, info;  namespace(8) 'e'  epoch
 *   registrations namespace(8) address       the whole list of the address
 *   watches       session(8) watch id(8)     what it looks at
 *   deadlines     due_ms(8) kind(1) key      what falls due
 *   cluster       'm' member id(8)           incarnation, life, gone, address
 *                 's' order(8)               id of a state sync that was applied
 *   events        namespace(8) index(8) ordinal(8)   membership and registration events;
 *                 namespace(8)               index of the last one no longer kept
 */
#ifndef VXC_FSM_STATE_H
#define VXC_FSM_STATE_H

#include "fsm/command.h"
#include "fsm/fsm.h"
#include "storage/table.h"

struct vxc_object_cache;    /* src/fsm/object.c */
struct vxc_session_set;     /* src/fsm/session.c */
struct vxc_watch_set;       /* src/fsm/watch.c */
struct vxc_member_set;      /* src/fsm/member.c; made and freed with the sessions */
struct vxc_cluster_members; /* src/fsm/cluster_member.c */
struct vxc_state_syncs;     /* src/fsm/state_sync.c */

/* Where the next page begins, opaque for clients: the byte 1, then the tail of the last row's key. */
enum { VXC_CURSOR_SIZE_MAX = 1 + 1 + VXC_ROW_KEY_SIZE_MAX };
struct vxc_cursor {
    size_t size;
    uint8_t data[VXC_CURSOR_SIZE_MAX];
};

struct vxc_fsm {
    struct vxc_table *table; /* borrowed */
    struct vxc_fsm_hooks hooks;

    /* replicated, in the meta row */
    uint64_t applied_index;
    uint64_t applied_term;
    uint32_t applied_position; /* commands of entry applied_index + 1 done; 0 at entry boundaries */
    uint64_t stamp_ms;         /* of the last entry */
    uint64_t checkpoint_index; /* of the last checkpoint of this life */
    uint64_t time_ms;          /* effective cluster time ≤ stamp_ms */
    uint64_t next_id;          /* objects, sessions, namespaces, locks, watches: never reused */
    uint64_t next_token;       /* fencing tokens: strictly increasing for ever */
    uint64_t quota_bytes;
    uint64_t quota_bytes_used;
    uint8_t cluster_id[16];
    bool bootstrapped;
    bool meta_dirty;

    uint64_t deadline_count; /* rows in deadlines */

    /* of the command being applied */
    uint64_t index;
    uint32_t position;
    uint32_t ordinal;          /* of the next event within the index; 0 at entry boundaries */
    struct vxc_buffer scratch; /* result lists and copies; cleared before each command and query */
    struct vxc_cursor cursor;  /* of the next page, given by vxc_page_end() */
    struct vxc_buffer head;    /* head of the row being written */

    /* resident, not replicated */
    uint64_t next_due_ms;    /* no deadline falls due before this */
    struct vxc_buffer work;  /* of one step: due rows, outcomes of a transaction's operations */
    struct vxc_error damage; /* first row met that no version of ours wrote; stops the node */
    uint64_t flushed_index;  /* what the meta row says */
    uint32_t flushed_position;

    /* resident, one owner each */
    struct vxc_object_cache *objects;
    struct vxc_session_set *sessions;
    struct vxc_watch_set *watches;
    struct vxc_member_set *members;
    struct vxc_cluster_members *cluster_members;
    struct vxc_state_syncs *state_syncs;

    /* Counts kept by the modules. The meta row keeps (so that a restart need not count rows): objects,
     * counters, locks, locks_held, locks_waiting, nodes, registrations; whoever changes one of them sets
     * meta_dirty. sessions, legacy_sessions and watches start at 0 and are counted by
     * vxc_sessions_create() and vxc_watches_create(). */
    struct vxc_fsm_stats stats;
};

static inline void vxc_result_fail(struct vxc_result *result, int code, const char *text)
{
    *result = (struct vxc_result){.code = code, .text = text};
}

/* ---- the core (fsm.c) ---- */

/* Gives out the next id (and marks the meta row dirty). */
uint64_t vxc_fsm_take_id(struct vxc_fsm *fsm);
uint64_t vxc_fsm_take_token(struct vxc_fsm *fsm);

/* To be called for a row (checksum fine) that cannot be read: remembered, and ends the apply. */
void vxc_fsm_damaged(struct vxc_fsm *fsm, enum vxc_database db, const char *what);

/* Copies into fsm->scratch; the slice is borrowed until scratch grows. Out of memory is fatal: a node
 * that answers differently from the others is worse than one that stops. */
struct vxc_slice vxc_fsm_keep(struct vxc_fsm *fsm, struct vxc_slice bytes);

/* Writes all resident objects back as rows (flush and live dumps). */
void vxc_fsm_write_back(struct vxc_fsm *fsm);

/* vxc_fsm_session(), vxc_fsm_each_session() and vxc_fsm_legacy_session() of fsm.h live in session.c,
 * vxc_fsm_replay() in watch.c. */

/* ---- sessions (session.c): owner of leases, reply caches, and of the list of what each owns ---- */

struct vxc_session; /* opaque outside session.c */

int vxc_sessions_create(struct vxc_fsm *fsm,
                        struct vxc_error *err); /* fills fsm->sessions from rows */
void vxc_sessions_free(struct vxc_fsm *fsm);
void vxc_sessions_flush(struct vxc_fsm *fsm); /* writes dirty lease and reply rows */

/* NULL when there is none (any more). */
struct vxc_session *vxc_session_find(struct vxc_fsm *fsm, uint64_t id);
uint64_t vxc_session_namespace(const struct vxc_session *session);
struct vxc_slice vxc_session_client_name(const struct vxc_session *session);
/* Of its node entry; size 0 = it has none. */
struct vxc_slice vxc_session_node_id(const struct vxc_session *session);
uint64_t vxc_session_node_namespace(const struct vxc_session *session);
void vxc_session_set_node(struct vxc_fsm *fsm, struct vxc_session *session, uint64_t namespace_id,
                          struct vxc_slice node_id);
/* True until its end begins: only a live session is granted locks and told events. */
bool vxc_session_live(const struct vxc_fsm *fsm, uint64_t id);
/* Index of the last event to the session itself: older clients must have seen it or resynchronise. */
uint64_t vxc_session_notified_index(const struct vxc_session *session);
void vxc_session_set_notified(struct vxc_fsm *fsm, struct vxc_session *session, uint64_t index);

/* The exactly-once gate. Before a command with a sequence is carried out:
 *   0               not seen: carry it out, then vxc_session_remember()
 *   1               seen: *result is the cached one (replayed = true)
 *   VXC_ESEQUENCE   at or below the floor, VXC_EBUSY the window is full, VXC_ESESSION no such session */
int vxc_session_admit(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_result *result);
void vxc_session_remember(struct vxc_fsm *fsm, const struct vxc_command *command,
                          const struct vxc_result *result);
/* A deferred outcome (grant, timeout, cancel) replaces the cached reply of the acquire. */
void vxc_session_amend(struct vxc_fsm *fsm, uint64_t session, uint64_t sequence,
                       const struct vxc_result *result);

enum vxc_owned_kind { /* order = order of removal at expiry */
                      VXC_OWNED_REGISTRATION = 1,
                      VXC_OWNED_LOCK = 2, /* held */
                      VXC_OWNED_WAIT = 3, /* a place in a queue */
                      VXC_OWNED_WATCH = 4,
                      VXC_OWNED_NODE = 5,
};
/* Keeps the list of what a session owns: rows 'o' session kind key. `key` is the module's own row key
 * of the thing, ≤ 480 bytes. For registrations that is the row of an address: their own number is
 * counted beside. Both keep the counts of fsm->stats. */
void vxc_session_own(struct vxc_fsm *fsm, uint64_t session, enum vxc_owned_kind kind,
                     struct vxc_slice key);
void vxc_session_disown(struct vxc_fsm *fsm, uint64_t session, enum vxc_owned_kind kind,
                        struct vxc_slice key);
uint64_t vxc_session_owned_count(struct vxc_fsm *fsm, uint64_t session, enum vxc_owned_kind kind);
void vxc_session_count_registrations(struct vxc_fsm *fsm, uint64_t session, int64_t more);
uint64_t vxc_session_registration_count(struct vxc_fsm *fsm, uint64_t session);
/* Takes away all it owns of one kind, through the disown functions below. */
void vxc_session_release(struct vxc_fsm *fsm, uint64_t session, enum vxc_owned_kind kind);
/* The keys of what it owns of one kind, in key order: calls `each` on copies, so that it may write. */
void vxc_session_each_owned(struct vxc_fsm *fsm, uint64_t session, enum vxc_owned_kind kind,
                            void (*each)(struct vxc_fsm *fsm, uint64_t session, void *data,
                                         struct vxc_slice key),
                            void *data);

void vxc_session_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                       struct vxc_result *result); /* SESSION_* */
void vxc_session_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                       struct vxc_result *result);

/* ---- members (member.c): the ordered view of each namespace stays resident ---- */

int vxc_members_create(struct vxc_fsm *fsm,
                       struct vxc_error *err); /* called by vxc_sessions_create() */
void vxc_members_free(struct vxc_fsm *fsm);

/* ---- the cluster (cluster_member.c: who is in it; state_sync.c: what was applied once) ---- */

int vxc_cluster_members_create(struct vxc_fsm *fsm, struct vxc_error *err);
void vxc_cluster_members_free(struct vxc_fsm *fsm);
/* MEMBER_SET, MEMBER_FORGET. vxc_fsm_member() and vxc_fsm_each_member() live there too. */
void vxc_cluster_member_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                              struct vxc_result *result);
/* The state begins a life in another cluster: nobody is a member of it, nobody was. */
void vxc_cluster_members_drop(struct vxc_fsm *fsm);

int vxc_state_syncs_create(struct vxc_fsm *fsm, struct vxc_error *err);
void vxc_state_syncs_free(struct vxc_fsm *fsm);
void vxc_state_sync_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                          struct vxc_result *result); /* STATE_SYNC */

/* ---- what falls due (deadline.c) ---- */

enum vxc_deadline_kind { VXC_DEADLINE_MAP_ENTRY = 1, VXC_DEADLINE_LOCK_WAIT = 2 };

/* Adds or removes (due, kind, key); key = row key of the map entry or of the waiter, ≤ 490 bytes. */
void vxc_deadline_add(struct vxc_fsm *fsm, uint64_t due_ms, enum vxc_deadline_kind kind,
                      struct vxc_slice key);
void vxc_deadline_remove(struct vxc_fsm *fsm, uint64_t due_ms, enum vxc_deadline_kind kind,
                         struct vxc_slice key);
/* Called by the reaper of deadline.c for rows that are due; the row itself is already gone. */
void vxc_map_entry_due(struct vxc_fsm *fsm, struct vxc_slice row_key, uint64_t due_ms);
void vxc_lock_wait_due(struct vxc_fsm *fsm, struct vxc_slice row_key, uint64_t due_ms);

/* ---- events (watch.c): watches, the ring of data events, the rows of state events ---- */

int vxc_watches_create(struct vxc_fsm *fsm, struct vxc_error *err);
void vxc_watches_free(struct vxc_fsm *fsm);

/* True when somebody watches this object: lets the data path skip building the event. O(1). */
bool vxc_watched(const struct vxc_fsm *fsm, enum vxc_watch_kind kind, uint64_t namespace_id,
                 struct vxc_slice name);
/* A change of watched data or of members/registrations: goes into history and to every matching watch.
 * event->session and ->watch are filled in here. */
void vxc_watch_notify(struct vxc_fsm *fsm, uint64_t namespace_id, struct vxc_event *event);
/* An event to one session itself (lock outcomes, its end). */
void vxc_session_notify(struct vxc_fsm *fsm, uint64_t session, struct vxc_event *event);

void vxc_watch_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                     struct vxc_result *result); /* WATCH_* */
void vxc_watch_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                     struct vxc_result *result);

/* ---- the other modules: one apply and one query each, for their operations of VXC_OP_MAP ---- */

#define VXC_FSM_MODULE(name)                                                                       \
    void vxc_##name##_apply(struct vxc_fsm *fsm, const struct vxc_command *command,                \
                            struct vxc_result *result);                                            \
    void vxc_##name##_query(struct vxc_fsm *fsm, const struct vxc_command *query,                  \
                            struct vxc_result *result);
VXC_FSM_MODULE(namespace)
VXC_FSM_MODULE(map)
VXC_FSM_MODULE(set)
VXC_FSM_MODULE(multimap)
VXC_FSM_MODULE(counter)
VXC_FSM_MODULE(transaction)
/* Carries a list of encoded commands out as a transaction does, wholly or not at all: the operations
 * that `takes` lets through, which are writes to maps, sets, multimaps and counters, LOCK_CREATE and
 * LOCK_DESTROY. False: *result says why not, and nothing was changed. True: its value is the list of
 * the encoded results. */
bool vxc_transaction_run(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct vxc_slice list, bool (*takes)(uint16_t op),
                         struct vxc_result *result);
/* What an operation of such a list would meet: found = the entry or key is there; an error is the one
 * that it would end in. */
void vxc_multimap_probe(struct vxc_fsm *fsm, const struct vxc_command *command,
                        struct vxc_result *before);
/* The same of LOCK_CREATE and LOCK_DESTROY; number = bytes of quota that it would take. */
void vxc_lock_probe(struct vxc_fsm *fsm, const struct vxc_command *command,
                    struct vxc_result *before);
/* For vxc_fsm_expect(): this counter will be looked up soon. */
void vxc_counter_expect(struct vxc_fsm *fsm, const struct vxc_command *command);
VXC_FSM_MODULE(lock)   /* also: vxc_lock_disown below */
VXC_FSM_MODULE(member) /* NODE_* */
VXC_FSM_MODULE(registration)
#undef VXC_FSM_MODULE

/* Called by the end of a session for each thing it owned, in the order of enum vxc_owned_kind; the
 * module removes the thing, emits its events and calls vxc_session_disown(). */
void vxc_registration_disown(struct vxc_fsm *fsm, uint64_t session, struct vxc_slice key);
void vxc_lock_disown(struct vxc_fsm *fsm, uint64_t session, struct vxc_slice key);      /* held */
void vxc_lock_wait_disown(struct vxc_fsm *fsm, uint64_t session, struct vxc_slice key); /* queued */
void vxc_watch_disown(struct vxc_fsm *fsm, uint64_t session, struct vxc_slice key);
void vxc_member_disown(struct vxc_fsm *fsm, uint64_t session, struct vxc_slice key);

/* When a time to live given now ends (0 = never); false when it is negative or too long. */
bool vxc_map_due(const struct vxc_fsm *fsm, int64_t ttl_ms, uint64_t *due_ms);

/* Clears a map by name if it exists (used by NODE_JOIN when membership goes from none to one). */
void vxc_map_clear_by_name(struct vxc_fsm *fsm, uint64_t namespace_id, struct vxc_slice name);

/* ---- lists in fsm->scratch: u32 count, then items of u32 length + bytes ---- */

struct vxc_list_writer {
    struct vxc_fsm *fsm;
    size_t start; /* of the count within scratch */
    uint32_t count;
};
void vxc_list_begin(struct vxc_fsm *fsm, struct vxc_list_writer *list);
void vxc_list_add(struct vxc_list_writer *list, struct vxc_slice item);
/* Closes the list and gives its bytes; scratch must not grow while the slice is in use. */
struct vxc_slice vxc_list_end(struct vxc_list_writer *list);

/* ---- pages of scans: a list that knows when it is full (list.c) ---- */

struct vxc_page {
    struct vxc_list_writer list;
    uint32_t row_count;
    uint32_t row_count_max;
    size_t size_max;        /* bytes of items; the first row always fits */
    struct vxc_cursor last; /* of the row last added */
};

/* limits = rows << 32 | bytes as clients give them; 0 = the default. */
void vxc_page_begin(struct vxc_fsm *fsm, struct vxc_page *page, uint64_t limits);
/* False when a row of `size` bytes of items does not fit any more: end the page then. */
bool vxc_page_has_room(const struct vxc_page *page, size_t size);
/* Adds one row of one item (second == NULL) or of a pair. `tail` is what distinguishes its row key
 * within the scan (≤ 512 bytes): the next page begins behind it. */
void vxc_page_add(struct vxc_page *page, struct vxc_slice tail, struct vxc_slice first,
                  const struct vxc_slice *second);
/* Moves the cursor of the next page behind rows that were looked at and not added. */
void vxc_page_mark(struct vxc_page *page, struct vxc_slice tail);
/* Sets value, number (rows), and next when `more` rows are left. */
void vxc_page_end(struct vxc_page *page, bool more, struct vxc_result *result);

/* Opens a scan of the rows that begin with `prefix`, behind the cursor when one is given. NULL when the
 * cursor is none of ours: then *result says so. */
struct vxc_table_scan *vxc_page_scan(struct vxc_fsm *fsm, enum vxc_database db,
                                     const struct vxc_row_key *prefix, struct vxc_slice cursor,
                                     struct vxc_result *result);

#endif
