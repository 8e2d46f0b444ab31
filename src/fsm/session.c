/* Sessions: replicated leases, what each owns, and the gate that makes a command take effect once.
 *
 * All leases are resident, found by id and, for legacy clients, by (namespace, node id). A lease
 * that changed is written back by vxc_sessions_flush(); the list of what a session owns is rows at
 * once.
 *
 *   SESSION_OPEN    value secret (16 bytes), a timeout ms, name client name; with the flag LEGACY
 * also key node id → token session id, number timeout, found = it was open already SESSION_CLOSE
 * session → found SESSION_EXPIRE  a session id, b guard → found; a guard other than 0 is a log
 * index: a session that had a remembered command carried out above it lives on (found = false)
 *   SESSION_GET     a session id → found, value a session record
 *   SESSION_LIST    key cursor, b limits → value a list of session records, by id
 *
 *   session record  id u64 | namespace u64 | opened index u64 | timeout ms u32 | flags u8 (1
 * legacy) | locks held u64 | locks waiting u64 | registrations u64 | watches u64 | node id | client
 * name (u32 length + bytes each); the secret is never shown
 *
 * The end of a session is one command: it takes away, in this order, registrations (with their
 * events), locks held (granted to the next in the queue), queue places, watches, the node entry
 * (its node-left event last), and then the lease. While that runs the session is not live: it is
 * granted nothing and told nothing but, at last, that it has ended.
 */
#include <sys/queue.h>

#include "base/check.h"
#include "base/limits.h"
#include "fsm/describe.h"
#include "fsm/memory.h"
#include "fsm/session_reply.h"
#include "fsm/state.h"

#define uthash_fatal(message) vxc_fatal("sessions: %s", message)
#include <uthash.h>

enum {
    SECRET_SIZE = 16,
    OWNED_KIND_COUNT = VXC_OWNED_NODE,
    OWNED_KEY_SIZE_MAX = 480,
    OWNED_HEAD_SIZE = 1 + 8 + 1,
    OWNED_BATCH_SIZE = 4 * 1024 * 1024, /* bytes of keys copied before any of them is taken away */
    RECENT_COUNT = 256,
    LEASE_LEGACY = 1,
};

/* Names and node ids of all sessions together: they stay resident, so they need a bound of their
 * own. */
#define SESSION_NAME_BYTES_MAX (256ull * VXC_MIB)

struct vxc_session {
    uint64_t id;
    uint64_t namespace_id;
    uint64_t opened_index;
    uint32_t timeout_ms;
    bool legacy;
    bool ending;
    uint8_t secret[SECRET_SIZE];
    uint64_t owned[OWNED_KIND_COUNT + 1]; /* by enum vxc_owned_kind */
    uint64_t registrations;
    uint64_t notified_index;
    uint64_t node_namespace;
    struct vxc_slice node_id;    /* owned; size 0 = no node entry */
    struct vxc_slice name;       /* owned */
    struct vxc_slice legacy_key; /* owned: namespace (8), node id; size 0 when not legacy */
    struct vxc_reply_window replies;

    bool lease_dirty;
    bool replies_dirty;
    TAILQ_ENTRY(vxc_session) dirty_link; /* in `dirty` while one of the two is set */
    UT_hash_handle by_id;                /* in order of id, since ids rise */
    UT_hash_handle by_legacy;
};

struct vxc_session_set {
    struct vxc_session *by_id;
    struct vxc_session *by_legacy;
    struct vxc_session *recent[RECENT_COUNT]; /* by the low bits of the id: saves most searches */
    TAILQ_HEAD(, vxc_session) dirty;
    uint64_t name_bytes;
};

/* ---- finding ---- */

static struct vxc_session *find(const struct vxc_session_set *set, uint64_t id)
{
    struct vxc_session *session = NULL;

    HASH_FIND(by_id, set->by_id, &id, sizeof id, session);
    return session;
}

struct vxc_session *vxc_session_find(struct vxc_fsm *fsm, uint64_t id)
{
    struct vxc_session **recent = &fsm->sessions->recent[id % RECENT_COUNT];

    if (*recent == NULL || (*recent)->id != id) {
        struct vxc_session *session = find(fsm->sessions, id);
        if (session == NULL) {
            return NULL;
        }
        *recent = session;
    }
    return *recent;
}

bool vxc_session_live(const struct vxc_fsm *fsm, uint64_t id)
{
    const struct vxc_session *session = find(fsm->sessions, id);

    return session != NULL && !session->ending;
}

uint64_t vxc_session_namespace(const struct vxc_session *session)
{
    return session->namespace_id;
}

struct vxc_slice vxc_session_client_name(const struct vxc_session *session)
{
    return session->name;
}

struct vxc_slice vxc_session_node_id(const struct vxc_session *session)
{
    return session->node_id;
}

uint64_t vxc_session_node_namespace(const struct vxc_session *session)
{
    return session->node_namespace;
}

uint64_t vxc_session_notified_index(const struct vxc_session *session)
{
    return session->notified_index;
}

/* Namespace and node id as one key; NULL data when out of memory cannot happen. */
static struct vxc_slice legacy_key(uint64_t namespace_id, struct vxc_slice node_id)
{
    uint8_t *key = vxc_must_calloc(1, 8 + node_id.size);

    vxc_store_u64(key, namespace_id);
    if (node_id.size != 0) {
        memcpy(key + 8, node_id.data, node_id.size);
    }
    return vxc_slice(key, 8 + node_id.size);
}

uint64_t vxc_fsm_legacy_session(struct vxc_fsm *fsm, uint64_t namespace_id,
                                struct vxc_slice node_id)
{
    struct vxc_slice key = legacy_key(namespace_id, node_id);
    struct vxc_session *session = NULL;

    HASH_FIND(by_legacy, fsm->sessions->by_legacy, key.data, key.size, session);
    vxc_slice_free(&key);
    return session == NULL ? 0 : session->id;
}

/* ---- rows ---- */

static void row_key(struct vxc_row_key *key, uint8_t kind, uint64_t id)
{
    vxc_row_key_begin(key);
    vxc_row_key_u8(key, kind);
    vxc_row_key_u64(key, id);
}

static void mark_dirty(struct vxc_fsm *fsm, struct vxc_session *session, bool lease)
{
    if (!session->lease_dirty && !session->replies_dirty) {
        TAILQ_INSERT_TAIL(&fsm->sessions->dirty, session, dirty_link);
    }
    if (lease) {
        session->lease_dirty = true;
    } else {
        session->replies_dirty = true;
    }
}

static struct vxc_slice legacy_node_id(const struct vxc_session *session)
{
    if (!session->legacy) {
        return vxc_slice(NULL, 0);
    }
    return vxc_slice(session->legacy_key.data + 8, session->legacy_key.size - 8);
}

static void lease_encode(const struct vxc_session *session, struct vxc_buffer *out)
{
    vxc_must(vxc_buffer_put_u64(out, session->opened_index));
    vxc_must(vxc_buffer_put_u64(out, session->namespace_id));
    vxc_must(vxc_buffer_put_u32(out, session->timeout_ms));
    vxc_must(vxc_buffer_put_u8(out, session->legacy ? LEASE_LEGACY : 0));
    vxc_must(vxc_buffer_append(out, session->secret, SECRET_SIZE));
    for (int kind = 1; kind <= OWNED_KIND_COUNT; kind++) {
        vxc_must(vxc_buffer_put_u64(out, session->owned[kind]));
    }
    vxc_must(vxc_buffer_put_u64(out, session->registrations));
    vxc_must(vxc_buffer_put_u64(out, session->notified_index));
    vxc_must(vxc_buffer_put_u64(out, session->node_namespace));
    vxc_must(vxc_buffer_put_bytes(out, session->node_id));
    vxc_must(vxc_buffer_put_bytes(out, session->name));
    vxc_must(vxc_buffer_put_bytes(out, legacy_node_id(session)));
}

/* The slices of *session borrow from `body`; *legacy_id is the node id of a legacy client. */
static int lease_decode(struct vxc_slice body, struct vxc_session *session,
                        struct vxc_slice *legacy_id)
{
    struct vxc_reader reader = vxc_reader(body);
    struct vxc_slice secret;
    uint8_t flags;

    session->opened_index = vxc_reader_u64(&reader);
    session->namespace_id = vxc_reader_u64(&reader);
    session->timeout_ms = vxc_reader_u32(&reader);
    flags = vxc_reader_u8(&reader);
    secret = vxc_reader_raw(&reader, SECRET_SIZE);
    for (int kind = 1; kind <= OWNED_KIND_COUNT; kind++) {
        session->owned[kind] = vxc_reader_u64(&reader);
    }
    session->registrations = vxc_reader_u64(&reader);
    session->notified_index = vxc_reader_u64(&reader);
    session->node_namespace = vxc_reader_u64(&reader);
    session->node_id = vxc_reader_bytes(&reader);
    session->name = vxc_reader_bytes(&reader);
    *legacy_id = vxc_reader_bytes(&reader);
    if (!vxc_reader_at_end(&reader) || flags > LEASE_LEGACY) {
        return VXC_ECORRUPT;
    }
    session->legacy = flags == LEASE_LEGACY;
    memcpy(session->secret, secret.data, SECRET_SIZE);
    return 0;
}

static void write_row(struct vxc_fsm *fsm, uint8_t kind, const struct vxc_session *session,
                      struct vxc_slice body)
{
    struct vxc_row_key key;

    row_key(&key, kind, session->id);
    vxc_table_put(fsm->table, VXC_DB_SESSIONS, vxc_row_key_slice(&key), body, vxc_slice(NULL, 0));
}

void vxc_sessions_flush(struct vxc_fsm *fsm)
{
    struct vxc_session_set *set = fsm->sessions;
    struct vxc_buffer body = {0};
    struct vxc_session *session;

    while ((session = TAILQ_FIRST(&set->dirty)) != NULL) {
        if (session->lease_dirty) {
            vxc_buffer_clear(&body);
            lease_encode(session, &body);
            write_row(fsm, 's', session, vxc_buffer_slice(&body));
        }
        if (session->replies_dirty && !vxc_reply_window_is_blank(&session->replies)) {
            vxc_buffer_clear(&body);
            vxc_reply_window_encode(&session->replies, &body);
            write_row(fsm, 'r', session, vxc_buffer_slice(&body));
        }
        session->lease_dirty = false;
        session->replies_dirty = false;
        TAILQ_REMOVE(&set->dirty, session, dirty_link);
    }
    vxc_buffer_free(&body);
}

/* ---- birth and death ---- */

static uint64_t resident_name_bytes(const struct vxc_session *session)
{
    return session->name.size + session->node_id.size + session->legacy_key.size;
}

/* Takes a session whose id, namespace and legacy key are set into the indexes. */
static void attach(struct vxc_fsm *fsm, struct vxc_session *session)
{
    struct vxc_session_set *set = fsm->sessions;

    HASH_ADD(by_id, set->by_id, id, sizeof session->id, session);
    if (session->legacy) {
        HASH_ADD_KEYPTR(by_legacy, set->by_legacy, session->legacy_key.data,
                        session->legacy_key.size, session);
        fsm->stats.legacy_sessions++;
    }
    set->name_bytes += resident_name_bytes(session);
    fsm->stats.sessions++;
}

static void session_free(struct vxc_session *session)
{
    vxc_reply_window_deinit(&session->replies);
    vxc_slice_free(&session->node_id);
    vxc_slice_free(&session->name);
    vxc_slice_free(&session->legacy_key);
    free(session);
}

static void detach(struct vxc_fsm *fsm, struct vxc_session *session)
{
    struct vxc_session_set *set = fsm->sessions;

    HASH_DELETE(by_id, set->by_id, session);
    if (session->legacy) {
        HASH_DELETE(by_legacy, set->by_legacy, session);
        fsm->stats.legacy_sessions--;
    }
    if (session->lease_dirty || session->replies_dirty) {
        TAILQ_REMOVE(&set->dirty, session, dirty_link);
    }
    if (set->recent[session->id % RECENT_COUNT] == session) {
        set->recent[session->id % RECENT_COUNT] = NULL;
    }
    set->name_bytes -= resident_name_bytes(session);
    fsm->stats.sessions--;
}

static int load_lease(struct vxc_fsm *fsm, uint64_t id, struct vxc_slice body)
{
    struct vxc_session read = {.id = id};
    struct vxc_slice legacy_id;
    struct vxc_session *session;
    int rv = lease_decode(body, &read, &legacy_id);

    if (rv != 0) {
        return rv;
    }
    session = vxc_must_calloc(1, sizeof *session);
    *session = read;
    session->node_id = vxc_must_copy(read.node_id);
    session->name = vxc_must_copy(read.name);
    if (session->legacy) {
        session->legacy_key = legacy_key(session->namespace_id, legacy_id);
    }
    attach(fsm, session);
    return 0;
}

static int load_replies(struct vxc_fsm *fsm, uint64_t id, struct vxc_slice body)
{
    struct vxc_session *session = find(fsm->sessions, id);

    return session == NULL ? VXC_ECORRUPT : vxc_reply_window_decode(body, &session->replies);
}

/* Reads all rows of one kind through `load`. */
static int load_rows(struct vxc_fsm *fsm, uint8_t kind,
                     int (*load)(struct vxc_fsm *, uint64_t, struct vxc_slice),
                     struct vxc_error *err)
{
    struct vxc_slice prefix = vxc_slice(&kind, 1);
    struct vxc_table_scan *scan =
        vxc_table_scan_open(fsm->table, VXC_DB_SESSIONS, prefix, prefix, false);
    struct vxc_slice key;
    struct vxc_slice body;
    int rv = 0;

    while (rv == 0 && vxc_table_scan_next(scan, &key, &body)) {
        uint64_t id = key.size == 1 + 8 ? vxc_load_be64(key.data + 1) : 0;
        rv = id == 0 ? VXC_ECORRUPT : load(fsm, id, body);
        if (rv != 0) {
            (void)vxc_error_set(err, rv, "sessions: the row '%c' of session %llu cannot be read",
                                kind, (unsigned long long)id);
        }
    }
    vxc_table_scan_close(scan);
    return rv;
}

int vxc_sessions_create(struct vxc_fsm *fsm, struct vxc_error *err)
{
    int rv;

    fsm->sessions = calloc(1, sizeof *fsm->sessions);
    if (fsm->sessions == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "sessions");
    }
    TAILQ_INIT(&fsm->sessions->dirty);
    rv = load_rows(fsm, 's', load_lease, err);
    if (rv == 0) {
        rv = load_rows(fsm, 'r', load_replies, err);
    }
    if (rv == 0) {
        rv = vxc_members_create(fsm, err);
    }
    if (rv != 0) {
        vxc_sessions_free(fsm);
    }
    return rv;
}

void vxc_sessions_free(struct vxc_fsm *fsm)
{
    struct vxc_session *session;
    struct vxc_session *next;

    vxc_members_free(fsm);
    if (fsm->sessions == NULL) {
        return;
    }
    HASH_CLEAR(by_legacy, fsm->sessions->by_legacy);
    HASH_ITER(by_id, fsm->sessions->by_id, session, next)
    {
        HASH_DELETE(by_id, fsm->sessions->by_id, session);
        session_free(session);
    }
    free(fsm->sessions);
    fsm->sessions = NULL;
}

/* ---- exactly once ---- */

int vxc_session_admit(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_result *result)
{
    struct vxc_session *session = vxc_session_find(fsm, command->session);
    uint64_t floor;
    int rv;

    if (session == NULL) {
        return VXC_ESESSION;
    }
    floor = session->replies.floor;
    rv = vxc_reply_window_admit(&session->replies, command->sequence, command->floor, result);
    if (session->replies.floor != floor) {
        mark_dirty(fsm, session, false);
    }
    return rv;
}

void vxc_session_remember(struct vxc_fsm *fsm, const struct vxc_command *command,
                          const struct vxc_result *result)
{
    struct vxc_session *session = vxc_session_find(fsm, command->session);

    if (session == NULL) {
        return; /* it was this very command that ended it */
    }
    vxc_reply_window_remember(&session->replies, command->sequence, fsm->index, result);
    mark_dirty(fsm, session, false);
}

void vxc_session_amend(struct vxc_fsm *fsm, uint64_t id, uint64_t sequence,
                       const struct vxc_result *result)
{
    struct vxc_session *session = vxc_session_find(fsm, id);

    if (session != NULL && vxc_reply_window_amend(&session->replies, sequence, result)) {
        mark_dirty(fsm, session, false);
    }
}

void vxc_session_set_notified(struct vxc_fsm *fsm, struct vxc_session *session, uint64_t index)
{
    if (session->notified_index != index) {
        session->notified_index = index;
        mark_dirty(fsm, session, true);
    }
}

/* ---- what a session owns ---- */

static void owned_key(struct vxc_row_key *row, uint64_t session, enum vxc_owned_kind kind,
                      struct vxc_slice key)
{
    vxc_check(key.size <= OWNED_KEY_SIZE_MAX);
    row_key(row, 'o', session);
    vxc_row_key_u8(row, (uint8_t)kind);
    if (key.size != 0) {
        memcpy(row->data + row->size, key.data, key.size);
        row->size = (uint16_t)(row->size + key.size);
    }
}

/* The count of fsm->stats that a kind of thing is part of. */
static uint64_t *stat_of(struct vxc_fsm *fsm, enum vxc_owned_kind kind)
{
    switch (kind) {
    case VXC_OWNED_LOCK:
        return &fsm->stats.locks_held;
    case VXC_OWNED_WAIT:
        return &fsm->stats.locks_waiting;
    case VXC_OWNED_WATCH:
        return &fsm->stats.watches;
    case VXC_OWNED_NODE:
        return &fsm->stats.nodes;
    case VXC_OWNED_REGISTRATION: /* addresses; vxc_session_count_registrations() counts them */
    default:
        return NULL;
    }
}

static void count_owned(struct vxc_fsm *fsm, struct vxc_session *session, enum vxc_owned_kind kind,
                        uint64_t change)
{
    uint64_t *stat = stat_of(fsm, kind);

    session->owned[kind] += change; /* wraps for a decrease */
    if (stat != NULL) {
        *stat += change;
        fsm->meta_dirty = true;
    }
    mark_dirty(fsm, session, true);
}

void vxc_session_own(struct vxc_fsm *fsm, uint64_t id, enum vxc_owned_kind kind,
                     struct vxc_slice key)
{
    struct vxc_session *session = vxc_session_find(fsm, id);
    struct vxc_row_key row;

    vxc_check(session != NULL);
    vxc_check(!session->ending);
    owned_key(&row, id, kind, key);
    vxc_table_put(fsm->table, VXC_DB_SESSIONS, vxc_row_key_slice(&row), vxc_slice(NULL, 0),
                  vxc_slice(NULL, 0));
    count_owned(fsm, session, kind, 1);
}

void vxc_session_disown(struct vxc_fsm *fsm, uint64_t id, enum vxc_owned_kind kind,
                        struct vxc_slice key)
{
    struct vxc_session *session = vxc_session_find(fsm, id);
    struct vxc_row_key row;

    vxc_check(session != NULL);
    vxc_check(session->owned[kind] > 0);
    owned_key(&row, id, kind, key);
    vxc_table_del(fsm->table, VXC_DB_SESSIONS, vxc_row_key_slice(&row));
    count_owned(fsm, session, kind, (uint64_t)-1);
}

uint64_t vxc_session_owned_count(struct vxc_fsm *fsm, uint64_t id, enum vxc_owned_kind kind)
{
    const struct vxc_session *session = vxc_session_find(fsm, id);

    return session == NULL ? 0 : session->owned[kind];
}

void vxc_session_count_registrations(struct vxc_fsm *fsm, uint64_t id, int64_t more)
{
    struct vxc_session *session = vxc_session_find(fsm, id);

    if (more == 0) {
        return;
    }
    vxc_check(session != NULL);
    vxc_check(more > 0 || session->registrations >= (uint64_t)-more);
    session->registrations += (uint64_t)more;
    fsm->stats.registrations += (uint64_t)more;
    fsm->meta_dirty = true;
    mark_dirty(fsm, session, true);
}

uint64_t vxc_session_registration_count(struct vxc_fsm *fsm, uint64_t id)
{
    const struct vxc_session *session = vxc_session_find(fsm, id);

    return session == NULL ? 0 : session->registrations;
}

void vxc_session_set_node(struct vxc_fsm *fsm, struct vxc_session *session, uint64_t namespace_id,
                          struct vxc_slice node_id)
{
    struct vxc_slice copy = vxc_must_copy(node_id);

    fsm->sessions->name_bytes += copy.size;
    fsm->sessions->name_bytes -= session->node_id.size;
    vxc_slice_free(&session->node_id);
    session->node_id = copy;
    session->node_namespace = namespace_id;
    mark_dirty(fsm, session, true);
}

/* Copies keys (u16 size + bytes each) of one kind behind `from` until a batch is full; false at the
 * end of the kind. `from` becomes the last row copied. */
static bool copy_owned_keys(struct vxc_fsm *fsm, const struct vxc_row_key *prefix,
                            struct vxc_row_key *from, struct vxc_buffer *keys)
{
    struct vxc_table_scan *scan =
        vxc_table_scan_open(fsm->table, VXC_DB_SESSIONS, vxc_row_key_slice(prefix),
                            vxc_row_key_slice(from), from->size > prefix->size);
    struct vxc_slice key;
    struct vxc_slice body;
    bool more = false;

    vxc_buffer_clear(keys);
    while (!more && vxc_table_scan_next(scan, &key, &body)) {
        vxc_check(key.size > OWNED_HEAD_SIZE && key.size <= VXC_ROW_KEY_SIZE_MAX);
        vxc_must(vxc_buffer_put_u16(keys, (uint16_t)(key.size - OWNED_HEAD_SIZE)));
        vxc_must(vxc_buffer_append(keys, key.data + OWNED_HEAD_SIZE, key.size - OWNED_HEAD_SIZE));
        memcpy(from->data, key.data, key.size);
        from->size = (uint16_t)key.size;
        more = keys->size >= OWNED_BATCH_SIZE;
    }
    vxc_table_scan_close(scan);
    return more;
}

void vxc_session_each_owned(struct vxc_fsm *fsm, uint64_t id, enum vxc_owned_kind kind,
                            void (*each)(struct vxc_fsm *fsm, uint64_t session, void *data,
                                         struct vxc_slice key),
                            void *data)
{
    struct vxc_buffer keys = {0};
    struct vxc_row_key prefix;
    struct vxc_row_key from;
    bool more = vxc_session_owned_count(fsm, id, kind) > 0;

    owned_key(&prefix, id, kind, vxc_slice(NULL, 0));
    from = prefix;
    while (more) {
        struct vxc_reader reader;
        more = copy_owned_keys(fsm, &prefix, &from, &keys);
        reader = vxc_reader(vxc_buffer_slice(&keys));
        while (vxc_reader_left(&reader) > 0) {
            uint16_t size = vxc_reader_u16(&reader);
            each(fsm, id, data, vxc_reader_raw(&reader, size));
        }
    }
    vxc_buffer_free(&keys);
}

static void release_one(struct vxc_fsm *fsm, uint64_t session, void *data, struct vxc_slice key)
{
    switch (*(const enum vxc_owned_kind *)data) {
    case VXC_OWNED_REGISTRATION:
        vxc_registration_disown(fsm, session, key);
        break;
    case VXC_OWNED_LOCK:
        vxc_lock_disown(fsm, session, key);
        break;
    case VXC_OWNED_WAIT:
        vxc_lock_wait_disown(fsm, session, key);
        break;
    case VXC_OWNED_WATCH:
        vxc_watch_disown(fsm, session, key);
        break;
    case VXC_OWNED_NODE:
        vxc_member_disown(fsm, session, key);
        break;
    }
}

void vxc_session_release(struct vxc_fsm *fsm, uint64_t session, enum vxc_owned_kind kind)
{
    vxc_session_each_owned(fsm, session, kind, release_one, &kind);
    vxc_check(vxc_session_owned_count(fsm, session, kind) == 0);
}

/* ---- commands ---- */

static int check_open(struct vxc_fsm *fsm, const struct vxc_command *command, bool legacy,
                      const char **text)
{
    if (command->value.size != SECRET_SIZE) {
        *text = "a session needs a secret of 16 bytes";
        return VXC_EINVAL;
    }
    if (command->a < VXC_SESSION_TIMEOUT_MS_MIN || command->a > VXC_SESSION_TIMEOUT_MS_MAX) {
        *text = "the session timeout must be within 100 and 3600000 ms";
        return VXC_EINVAL;
    }
    if (legacy && command->key.size == 0) {
        *text = "a client of the kinds 1-74 needs a node id";
        return VXC_EINVAL;
    }
    if (fsm->stats.sessions >= VXC_SESSIONS_MAX) {
        *text = "too many sessions; close some or wait until they expire";
        return VXC_ELIMIT;
    }
    if (fsm->sessions->name_bytes + command->name.size + command->key.size >
        SESSION_NAME_BYTES_MAX) {
        *text = "names of clients and nodes take too much room; use shorter ones";
        return VXC_ELIMIT;
    }
    return 0;
}

static void apply_open(struct vxc_fsm *fsm, const struct vxc_command *command,
                       struct vxc_result *result)
{
    bool legacy = (command->flags & VXC_COMMAND_LEGACY) != 0;
    struct vxc_session *session;
    const char *text = NULL;
    uint64_t id = legacy ? vxc_fsm_legacy_session(fsm, command->namespace_id, command->key) : 0;
    int rv;

    result->found = id != 0;
    if (id == 0) {
        rv = check_open(fsm, command, legacy, &text);
        if (rv != 0) {
            vxc_result_fail(result, rv, text);
            return;
        }
        session = vxc_must_calloc(1, sizeof *session);
        session->id = vxc_fsm_take_id(fsm);
        session->namespace_id = command->namespace_id;
        session->opened_index = fsm->index;
        session->timeout_ms = (uint32_t)command->a;
        session->legacy = legacy;
        memcpy(session->secret, command->value.data, SECRET_SIZE);
        session->name = vxc_must_copy(command->name);
        if (legacy) {
            session->legacy_key = legacy_key(command->namespace_id, command->key);
        }
        attach(fsm, session);
        mark_dirty(fsm, session, true);
        id = session->id;
    }
    session = vxc_session_find(fsm, id);
    result->token = id;
    result->number = session->timeout_ms;
}

static void end_session(struct vxc_fsm *fsm, struct vxc_session *session, enum vxc_event_type type)
{
    uint64_t id = session->id;
    struct vxc_event event = {.type = type};
    struct vxc_row_key key;

    vxc_check(!session->ending);
    session->ending = true;
    vxc_session_release(fsm, id, VXC_OWNED_REGISTRATION);
    vxc_session_release(fsm, id, VXC_OWNED_LOCK);
    vxc_session_release(fsm, id, VXC_OWNED_WAIT);
    vxc_session_release(fsm, id, VXC_OWNED_WATCH);
    vxc_session_release(fsm, id, VXC_OWNED_NODE);
    vxc_check(session->registrations == 0);
    row_key(&key, 's', id);
    vxc_table_del(fsm->table, VXC_DB_SESSIONS, vxc_row_key_slice(&key));
    if (!vxc_reply_window_is_blank(&session->replies)) {
        row_key(&key, 'r', id);
        vxc_table_del(fsm->table, VXC_DB_SESSIONS, vxc_row_key_slice(&key));
    }
    detach(fsm, session);
    session_free(session);
    vxc_session_notify(fsm, id, &event);
}

static void apply_close(struct vxc_fsm *fsm, const struct vxc_command *command,
                        struct vxc_result *result)
{
    struct vxc_session *session = vxc_session_find(fsm, command->session);

    if (session == NULL) {
        vxc_result_fail(result, VXC_ESESSION, "the session is unknown or has expired");
        return;
    }
    end_session(fsm, session, VXC_EVENT_SESSION_CLOSED);
    result->found = true;
}

static void apply_expire(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct vxc_result *result)
{
    struct vxc_session *session = vxc_session_find(fsm, (uint64_t)command->a);

    if (session == NULL || (command->b != 0 && session->replies.heard_index > command->b)) {
        return;
    }
    end_session(fsm, session, VXC_EVENT_SESSION_EXPIRED);
    result->found = true;
}

void vxc_session_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                       struct vxc_result *result)
{
    switch (command->op) {
    case VXC_OP_SESSION_OPEN:
        apply_open(fsm, command, result);
        break;
    case VXC_OP_SESSION_CLOSE:
        apply_close(fsm, command, result);
        break;
    case VXC_OP_SESSION_EXPIRE:
        apply_expire(fsm, command, result);
        break;
    default:
        vxc_result_fail(result, VXC_EUNSUPPORTED, "not an operation of sessions");
    }
}

/* ---- inspection ---- */

static void view_of(const struct vxc_session *session, struct vxc_session_view *view)
{
    *view = (struct vxc_session_view){
        .id = session->id,
        .namespace_id = session->namespace_id,
        .timeout_ms = session->timeout_ms,
        .legacy = session->legacy,
        .secret = vxc_slice(session->secret, SECRET_SIZE),
        .node_id = session->node_id,
        .locks_held = session->owned[VXC_OWNED_LOCK],
        .locks_waiting = session->owned[VXC_OWNED_WAIT],
        .registrations = session->registrations,
        .watches = session->owned[VXC_OWNED_WATCH],
        .opened_index = session->opened_index,
    };
}

int vxc_fsm_session(struct vxc_fsm *fsm, uint64_t id, struct vxc_session_view *view)
{
    const struct vxc_session *session = vxc_session_find(fsm, id);

    if (session == NULL) {
        return VXC_ESESSION;
    }
    view_of(session, view);
    return 0;
}

void vxc_fsm_each_session(struct vxc_fsm *fsm,
                          void (*each)(void *data, const struct vxc_session_view *), void *data)
{
    struct vxc_session *session;
    struct vxc_session *next;

    HASH_ITER(by_id, fsm->sessions->by_id, session, next)
    {
        struct vxc_session_view view;
        view_of(session, &view);
        each(data, &view);
    }
}

static void record_encode(const struct vxc_session *session, struct vxc_buffer *out)
{
    vxc_must(vxc_buffer_put_u64(out, session->id));
    vxc_must(vxc_buffer_put_u64(out, session->namespace_id));
    vxc_must(vxc_buffer_put_u64(out, session->opened_index));
    vxc_must(vxc_buffer_put_u32(out, session->timeout_ms));
    vxc_must(vxc_buffer_put_u8(out, session->legacy ? LEASE_LEGACY : 0));
    vxc_must(vxc_buffer_put_u64(out, session->owned[VXC_OWNED_LOCK]));
    vxc_must(vxc_buffer_put_u64(out, session->owned[VXC_OWNED_WAIT]));
    vxc_must(vxc_buffer_put_u64(out, session->registrations));
    vxc_must(vxc_buffer_put_u64(out, session->owned[VXC_OWNED_WATCH]));
    vxc_must(vxc_buffer_put_bytes(out, session->node_id));
    vxc_must(vxc_buffer_put_bytes(out, session->name));
}

static void query_get(struct vxc_fsm *fsm, const struct vxc_command *query,
                      struct vxc_result *result)
{
    const struct vxc_session *session = vxc_session_find(fsm, (uint64_t)query->a);

    if (session != NULL) {
        record_encode(session, &fsm->scratch);
        result->found = true;
        result->token = session->id;
        result->number = session->timeout_ms;
        result->value = vxc_buffer_slice(&fsm->scratch);
    }
}

/* A cursor of our pages is the byte 1 and the id last given. */
static bool cursor_id(struct vxc_slice cursor, uint64_t *id)
{
    if (cursor.data == NULL) {
        *id = 0;
        return true;
    }
    if (cursor.size != 1 + 8 || cursor.data[0] != 1) {
        return false;
    }
    *id = vxc_load_be64(cursor.data + 1);
    return true;
}

static void query_list(struct vxc_fsm *fsm, const struct vxc_command *query,
                       struct vxc_result *result)
{
    struct vxc_buffer record = {0};
    struct vxc_session *session;
    struct vxc_session *next;
    struct vxc_page page;
    uint64_t after;
    bool more = false;

    if (!cursor_id(query->key, &after)) {
        vxc_result_fail(result, VXC_EINVAL, "the cursor was not given by this cluster");
        return;
    }
    vxc_page_begin(fsm, &page, query->b);
    HASH_ITER(by_id, fsm->sessions->by_id, session, next)
    {
        uint8_t tail[8];
        if (session->id <= after) {
            continue;
        }
        vxc_buffer_clear(&record);
        record_encode(session, &record);
        if (!vxc_page_has_room(&page, record.size)) {
            more = true;
            break;
        }
        vxc_store_be64(tail, session->id);
        vxc_page_add(&page, vxc_slice(tail, sizeof tail), vxc_buffer_slice(&record), NULL);
    }
    vxc_page_end(&page, more, result);
    vxc_buffer_free(&record);
}

void vxc_session_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                       struct vxc_result *result)
{
    switch (query->op) {
    case VXC_OP_SESSION_GET:
        query_get(fsm, query, result);
        break;
    case VXC_OP_SESSION_LIST:
        query_list(fsm, query, result);
        break;
    default:
        vxc_result_fail(result, VXC_EUNSUPPORTED, "not a query of sessions");
    }
}

/* ---- dumps ---- */

static int describe_lease(struct vxc_slice body, struct vxc_json *json)
{
    struct vxc_session session = {0};
    struct vxc_slice legacy_id;
    int rv = lease_decode(body, &session, &legacy_id);

    if (rv != 0) {
        return rv;
    }
    vxc_json_u64(json, "namespace_id", session.namespace_id);
    vxc_json_bytes(json, "name", session.name);
    vxc_json_u64(json, "timeout_ms", session.timeout_ms);
    vxc_json_bool(json, "legacy", session.legacy);
    vxc_json_u64(json, "opened_index", session.opened_index);
    vxc_json_bytes(json, "node", session.legacy ? legacy_id : session.node_id);
    vxc_json_u64(json, "locks_held", session.owned[VXC_OWNED_LOCK]);
    vxc_json_u64(json, "locks_waiting", session.owned[VXC_OWNED_WAIT]);
    vxc_json_u64(json, "registrations", session.registrations);
    vxc_json_u64(json, "watches", session.owned[VXC_OWNED_WATCH]);
    return json->code;
}

static int describe_replies(struct vxc_slice body, struct vxc_json *json)
{
    struct vxc_reply_window window = {0};
    int rv = vxc_reply_window_decode(body, &window);

    if (rv != 0) {
        return rv;
    }
    vxc_json_u64(json, "floor", window.floor);
    vxc_json_u64(json, "heard_index", window.heard_index);
    vxc_json_u64(json, "replies", window.count);
    vxc_reply_window_deinit(&window);
    return json->code;
}

int vxc_session_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    static const char *const kinds[] = {NULL, "registration", "lock", "wait", "watch", "node"};

    if (key.size < 1 + 8) {
        return VXC_ECORRUPT;
    }
    vxc_json_u64(json, "session", vxc_load_be64(key.data + 1));
    if (key.data[0] == 's' && key.size == 1 + 8) {
        return describe_lease(body, json);
    }
    if (key.data[0] == 'r' && key.size == 1 + 8) {
        return describe_replies(body, json);
    }
    if (key.data[0] != 'o' || key.size <= OWNED_HEAD_SIZE || key.data[9] < 1 ||
        key.data[9] > OWNED_KIND_COUNT) {
        return VXC_ECORRUPT;
    }
    vxc_json_string(json, "owns", kinds[key.data[9]]);
    vxc_json_bytes(json, "row", vxc_slice(key.data + OWNED_HEAD_SIZE, key.size - OWNED_HEAD_SIZE));
    return json->code;
}
