/* Looking at sessions: for the primary's lease keeping, and for people. The forms are in session.c.
 */
#include "fsm/session_internal.h"

enum { RECORD_LEGACY = 1 };

static void view_of(const struct vxc_session *session, struct vxc_session_view *view)
{
    *view = (struct vxc_session_view){
        .id = session->id,
        .namespace_id = session->namespace_id,
        .timeout_ms = session->timeout_ms,
        .legacy = session->legacy,
        .secret = vxc_slice(session->secret, VXC_SECRET_SIZE),
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
    vxc_must(vxc_buffer_put_u8(out, session->legacy ? RECORD_LEGACY : 0));
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
