/* Rows of the sessions.
 *
 *   's' session(8)   lease: opened index u64 | namespace u64 | timeout ms u32 |
 *                    flags u8 (1 legacy) | secret (16) | owned counts, 5 × u64
 *                    (enum vxc_owned_kind) | registrations u64 | notified index u64 |
 *                    node namespace u64 | node id of its entry | client name |
 *                    node id of a legacy client (u32 length + bytes each)
 *   'r' session(8)   reply window (session_reply.h)
 *   'o' session(8) kind(1) key
 *                    empty: it owns the row of that key
 *
 * Leases and windows are resident and written back, once however often they changed, by a flush.
 */
#include "fsm/session_internal.h"

#include "base/planted.h"

#include "fsm/describe.h"

enum { LEASE_LEGACY = 1 };

/* ---- keys and marks ---- */

void vxc_session_row_key(struct vxc_row_key *key, uint8_t kind, uint64_t id)
{
    vxc_row_key_begin(key);
    vxc_row_key_u8(key, kind);
    vxc_row_key_u64(key, id);
}

static void link_dirty(struct vxc_fsm *fsm, struct vxc_session *session)
{
    if (!session->lease_dirty && !session->replies_dirty) {
        TAILQ_INSERT_TAIL(&fsm->sessions->dirty, session, dirty_link);
    }
}

void vxc_session_lease_dirty(struct vxc_fsm *fsm, struct vxc_session *session)
{
    link_dirty(fsm, session);
    session->lease_dirty = true;
}

void vxc_session_replies_dirty(struct vxc_fsm *fsm, struct vxc_session *session)
{
    link_dirty(fsm, session);
    session->replies_dirty = true;
}

/* ---- leases ---- */

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
    vxc_must(vxc_buffer_append(out, session->secret, VXC_SECRET_SIZE));
    for (int kind = 1; kind <= VXC_OWNED_KINDS; kind++) {
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
    secret = vxc_reader_raw(&reader, VXC_SECRET_SIZE);
    for (int kind = 1; kind <= VXC_OWNED_KINDS; kind++) {
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
    memcpy(session->secret, secret.data, VXC_SECRET_SIZE);
    return 0;
}

/* ---- writing back ---- */

static void write_row(struct vxc_fsm *fsm, uint8_t kind, const struct vxc_session *session,
                      struct vxc_slice body)
{
    struct vxc_row_key key;

    vxc_session_row_key(&key, kind, session->id);
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
            if (!VXC_PLANTED(reply_cache_left_out)) {
                write_row(fsm, 'r', session, vxc_buffer_slice(&body));
            }
        }
        session->lease_dirty = false;
        session->replies_dirty = false;
        TAILQ_REMOVE(&set->dirty, session, dirty_link);
    }
    vxc_buffer_free(&body);
}

/* ---- loading ---- */

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
        session->legacy_key = vxc_session_legacy_key(session->namespace_id, legacy_id);
    }
    vxc_session_attach(fsm, session);
    return 0;
}

static int load_replies(struct vxc_fsm *fsm, uint64_t id, struct vxc_slice body)
{
    struct vxc_session *session = vxc_session_lookup(fsm->sessions, id);

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

int vxc_session_rows_load(struct vxc_fsm *fsm, struct vxc_error *err)
{
    int rv = load_rows(fsm, 's', load_lease, err);

    return rv == 0 ? load_rows(fsm, 'r', load_replies, err) : rv;
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
    if (key.data[0] != 'o' || key.size <= VXC_OWNED_HEAD_SIZE || key.data[9] < 1 ||
        key.data[9] > VXC_OWNED_KINDS) {
        return VXC_ECORRUPT;
    }
    vxc_json_string(json, "owns", kinds[key.data[9]]);
    vxc_json_bytes(json, "row",
                   vxc_slice(key.data + VXC_OWNED_HEAD_SIZE, key.size - VXC_OWNED_HEAD_SIZE));
    return json->code;
}
