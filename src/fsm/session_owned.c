/* What a session owns: the list of it, and taking it all away. */
#include "fsm/session_internal.h"

enum {
    OWNED_KEY_SIZE_MAX = 480,
    OWNED_BATCH_SIZE = 4 * 1024 * 1024, /* bytes of keys copied before any of them is taken away */
};

static void owned_key(struct vxc_row_key *row, uint64_t session, enum vxc_owned_kind kind,
                      struct vxc_slice key)
{
    vxc_check(key.size <= OWNED_KEY_SIZE_MAX);
    vxc_session_row_key(row, 'o', session);
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
    vxc_session_lease_dirty(fsm, session);
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
    vxc_session_lease_dirty(fsm, session);
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
    vxc_session_lease_dirty(fsm, session);
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
        vxc_check(key.size > VXC_OWNED_HEAD_SIZE && key.size <= VXC_ROW_KEY_SIZE_MAX);
        vxc_must(vxc_buffer_put_u16(keys, (uint16_t)(key.size - VXC_OWNED_HEAD_SIZE)));
        vxc_must(vxc_buffer_append(keys, key.data + VXC_OWNED_HEAD_SIZE,
                                   key.size - VXC_OWNED_HEAD_SIZE));
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
    if (vxc_session_owned_count(fsm, session, kind) != 0) {
        vxc_fsm_damaged(fsm, VXC_DB_SESSIONS, "what a session owns is not all there");
    }
}
