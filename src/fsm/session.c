/* Sessions: replicated leases, and the gate that makes a command take effect once.
 *
 * All leases are resident, found by id and, for legacy clients, by (namespace, node id).
 *
 *   SESSION_OPEN    value secret (16 bytes), a timeout ms, name client name; with the flag LEGACY
 *                   also key node id → token session id, number timeout ms,
 *                   found = it was open already
 *   SESSION_CLOSE   session → found
 *   SESSION_EXPIRE  a session id, b guard → found; a guard other than 0 is a log index: a session
 *                   that had a remembered command carried out above it lives on (found = false)
 *   SESSION_GET     a session id → found, value a session record
 *   SESSION_LIST    key cursor, b limits → value a list of session records, by id
 *
 *   session record  id u64 | namespace u64 | opened index u64 | timeout ms u32 |
 *                   flags u8 (1 legacy) | locks held u64 | locks waiting u64 |
 *                   registrations u64 | watches u64 | node id | client name
 *                   (u32 length + bytes each); the secret is never shown
 *
 * The end of a session is one command: it takes away, in this order, registrations (with their
 * events), locks held (granted to the next in the queue), queue places, watches, the node entry
 * (its node-left event last), and then the lease. While that runs the session is not live: it is
 * granted nothing and told nothing but, at last, that it has ended.
 */
#include "fsm/session_internal.h"

#include "base/memory.h"

/* Names and node ids of all sessions together: they stay resident, so they need a bound of their
 * own. */
#define SESSION_NAME_BYTES_MAX (256ull * VXC_MIB)

/* ---- finding ---- */

struct vxc_session *vxc_session_lookup(const struct vxc_session_set *set, uint64_t id)
{
    struct vxc_session *session = NULL;

    HASH_FIND(by_id, set->by_id, &id, sizeof id, session);
    return session;
}

struct vxc_session *vxc_session_find(struct vxc_fsm *fsm, uint64_t id)
{
    struct vxc_session **recent = &fsm->sessions->recent[id % VXC_RECENT_SESSIONS];

    if (*recent == NULL || (*recent)->id != id) {
        struct vxc_session *session = vxc_session_lookup(fsm->sessions, id);
        if (session == NULL) {
            return NULL;
        }
        *recent = session;
    }
    return *recent;
}

bool vxc_session_live(const struct vxc_fsm *fsm, uint64_t id)
{
    const struct vxc_session *session = vxc_session_lookup(fsm->sessions, id);

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

struct vxc_slice vxc_session_legacy_key(uint64_t namespace_id, struct vxc_slice node_id)
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
    struct vxc_slice key = vxc_session_legacy_key(namespace_id, node_id);
    struct vxc_session *session = NULL;

    HASH_FIND(by_legacy, fsm->sessions->by_legacy, key.data, key.size, session);
    vxc_slice_free(&key);
    return session == NULL ? 0 : session->id;
}

/* ---- birth and death ---- */

static uint64_t resident_name_bytes(const struct vxc_session *session)
{
    return session->name.size + session->node_id.size + session->legacy_key.size;
}

void vxc_session_attach(struct vxc_fsm *fsm, struct vxc_session *session)
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
    vxc_free(session);
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
    if (set->recent[session->id % VXC_RECENT_SESSIONS] == session) {
        set->recent[session->id % VXC_RECENT_SESSIONS] = NULL;
    }
    set->name_bytes -= resident_name_bytes(session);
    fsm->stats.sessions--;
}

int vxc_sessions_create(struct vxc_fsm *fsm, struct vxc_error *err)
{
    int rv;

    fsm->sessions = vxc_calloc(1, sizeof *fsm->sessions);
    if (fsm->sessions == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "sessions");
    }
    TAILQ_INIT(&fsm->sessions->dirty);
    rv = vxc_session_rows_load(fsm, err);
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
    vxc_free(fsm->sessions);
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
    rv = vxc_reply_window_admit(&session->replies, command->sequence, command->floor, command->op,
                                result);
    if (session->replies.floor != floor) {
        vxc_session_replies_dirty(fsm, session);
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
    vxc_reply_window_remember(&session->replies, command->sequence, fsm->index, command->op,
                              result);
    vxc_session_replies_dirty(fsm, session);
}

void vxc_session_amend(struct vxc_fsm *fsm, uint64_t id, uint64_t sequence,
                       const struct vxc_result *result)
{
    struct vxc_session *session = vxc_session_find(fsm, id);

    if (session != NULL && vxc_reply_window_amend(&session->replies, sequence, result)) {
        vxc_session_replies_dirty(fsm, session);
    }
}

void vxc_session_set_notified(struct vxc_fsm *fsm, struct vxc_session *session, uint64_t index)
{
    if (session->notified_index != index) {
        session->notified_index = index;
        vxc_session_lease_dirty(fsm, session);
    }
}

/* ---- commands ---- */

static int check_open(struct vxc_fsm *fsm, const struct vxc_command *command, bool legacy,
                      const char **text)
{
    if (command->value.size != VXC_SECRET_SIZE) {
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
        memcpy(session->secret, command->value.data, VXC_SECRET_SIZE);
        session->name = vxc_must_copy(command->name);
        if (legacy) {
            session->legacy_key = vxc_session_legacy_key(command->namespace_id, command->key);
        }
        vxc_session_attach(fsm, session);
        vxc_session_lease_dirty(fsm, session);
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
    vxc_session_row_key(&key, 's', id);
    vxc_table_del(fsm->table, VXC_DB_SESSIONS, vxc_row_key_slice(&key));
    if (!vxc_reply_window_is_blank(&session->replies)) {
        vxc_session_row_key(&key, 'r', id);
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
