/* Records: what the state machine says of sessions, locks and registrations, as wire records; and
 * the reads that need more than the state machine: status, who is connected. */
#include "node/gateway_internal.h"

#include <stdlib.h>

/* ---- sessions ---- */

/* A session record of the state machine (src/fsm/session.c) → session_info. */
static int session_info(struct vxc_gateway *g, struct vxc_slice record, struct vxc_message *m)
{
    struct vxc_reader r = vxc_reader(record);
    struct vxc_msg_session_info *info = &m->session_info;
    struct vxc_lease *lease;

    *m = vxc_message_of(VXC_KIND_SESSION_INFO);
    info->session = vxc_reader_u64(&r);
    (void)vxc_reader_u64(&r); /* namespace id; its name is the caller's own */
    info->opened_index = vxc_reader_u64(&r);
    info->timeout_ms = vxc_reader_u32(&r);
    info->legacy = (vxc_reader_u8(&r) & 1) != 0;
    info->locks_held = vxc_reader_u64(&r);
    info->locks_waiting = vxc_reader_u64(&r);
    info->registrations = vxc_reader_u64(&r);
    info->watches = vxc_reader_u64(&r);
    info->node_id = vxc_reader_bytes(&r);
    info->name = vxc_reader_bytes(&r);
    lease = vxc_lease_find(g, info->session);
    if (lease != NULL) {
        info->connected = lease->callers != NULL;
        info->idle_ms = vxc_gateway_now_ms(g) - lease->heard_ms;
        if (lease->callers != NULL) {
            info->address = vxc_slice_of_string(vxc_conn_address(lease->callers->conn));
        }
    }
    return vxc_reader_ok(&r) ? 0 : VXC_ECORRUPT;
}

int vxc_record_put(struct vxc_message *record, struct vxc_buffer *out)
{
    struct vxc_buffer payload = {0};
    int rv = vxc_message_encode(record, &payload);

    rv = rv != 0 ? rv : vxc_buffer_put_bytes(out, vxc_buffer_slice(&payload));
    vxc_buffer_free(&payload);
    return rv;
}

/* ---- locks ---- */

/* Whom people know as the owner: its node id, else the name of its client. */
static struct vxc_slice owner_of(struct vxc_reader *r)
{
    struct vxc_slice node_id = vxc_reader_bytes(r);
    struct vxc_slice name = vxc_reader_bytes(r);

    return node_id.size > 0 ? node_id : name;
}

/* A lock record (src/fsm/lock.c) → lock_info without waiters. */
static int lock_info(struct vxc_slice name, struct vxc_slice record, struct vxc_message *m)
{
    struct vxc_reader r = vxc_reader(record);
    struct vxc_msg_lock_info *info = &m->lock_info;

    *m = vxc_message_of(VXC_KIND_LOCK_INFO);
    info->name = name;
    info->session = vxc_reader_u64(&r);
    info->held = info->session != 0;
    info->token = vxc_reader_u64(&r);
    (void)vxc_reader_u64(&r); /* ticket */
    info->since_ms = vxc_reader_u64(&r);
    info->waiting = vxc_reader_u32(&r);
    info->owner = owner_of(&r);
    return vxc_reader_ok(&r) ? 0 : VXC_ECORRUPT;
}

/* A waiter record → lock_waiter, appended as an item. */
static int put_waiter(struct vxc_slice record, struct vxc_buffer *out)
{
    struct vxc_reader r = vxc_reader(record);
    struct vxc_message m = vxc_message_of(VXC_KIND_LOCK_WAITER);
    uint64_t due_ms;

    m.lock_waiter.session = vxc_reader_u64(&r);
    (void)vxc_reader_u64(&r); /* ticket */
    m.lock_waiter.since_ms = vxc_reader_u64(&r);
    due_ms = vxc_reader_u64(&r);
    m.lock_waiter.wait_ms = due_ms == UINT64_MAX ? -1 : (int64_t)(due_ms - m.lock_waiter.since_ms);
    m.lock_waiter.owner = owner_of(&r);
    return vxc_reader_ok(&r) ? vxc_record_put(&m, out) : VXC_ECORRUPT;
}

/* The list of LOCK_INFO: the lock, then its queue → lock_info with waiters (of the first page). */
static int lock_with_queue(struct vxc_slice name, struct vxc_slice value,
                           struct vxc_buffer *waiters, struct vxc_message *m)
{
    struct vxc_list list;
    struct vxc_slice record;
    int rv = vxc_list_read_items(value, &list);

    if (rv != 0 || !vxc_list_next_item(&list, &record)) {
        return VXC_ECORRUPT;
    }
    rv = lock_info(name, record, m);
    while (rv == 0 && vxc_list_next_item(&list, &record)) {
        rv = put_waiter(record, waiters);
        m->lock_info.waiters.count++;
    }
    m->lock_info.waiters.raw = vxc_buffer_slice(waiters);
    return rv;
}

/* ---- pages of records ---- */

/* Turns one row of the state machine's page into (key, record) appended to `out`. */
typedef int (*row_cb)(struct vxc_gateway *g, struct vxc_slice first, struct vxc_slice second,
                      struct vxc_buffer *spare, struct vxc_buffer *out);

static int session_row(struct vxc_gateway *g, struct vxc_slice first, struct vxc_slice second,
                       struct vxc_buffer *spare, struct vxc_buffer *out)
{
    struct vxc_message m;
    uint8_t key[8];
    int rv = session_info(g, first, &m);

    (void)second;
    (void)spare;
    vxc_store_be64(key, m.session_info.session);
    rv = rv != 0 ? rv : vxc_buffer_put_bytes(out, vxc_slice(key, sizeof key));
    return rv != 0 ? rv : vxc_record_put(&m, out);
}

static int lock_row(struct vxc_gateway *g, struct vxc_slice first, struct vxc_slice second,
                    struct vxc_buffer *spare, struct vxc_buffer *out)
{
    struct vxc_message m;
    int rv = lock_info(first, second, &m);

    (void)g;
    (void)spare;
    rv = rv != 0 ? rv : vxc_buffer_put_bytes(out, first);
    return rv != 0 ? rv : vxc_record_put(&m, out);
}

static int registration_row(struct vxc_gateway *g, struct vxc_slice first, struct vxc_slice second,
                            struct vxc_buffer *spare, struct vxc_buffer *out)
{
    struct vxc_message m = vxc_message_of(VXC_KIND_REGISTRATION_INFO);
    struct vxc_reader r = vxc_reader(second);
    int rv;

    (void)g;
    (void)spare;
    m.registration_info.seq = vxc_reader_u64(&r);
    m.registration_info.data = vxc_reader_raw(&r, vxc_reader_left(&r));
    rv = vxc_reader_ok(&r) ? 0 : VXC_ECORRUPT;
    rv = rv != 0 ? rv : vxc_buffer_put_bytes(out, first);
    return rv != 0 ? rv : vxc_record_put(&m, out);
}

int vxc_reply_registrations(struct vxc_gateway *g, struct vxc_slice view, struct vxc_list *pairs)
{
    struct vxc_slice node_id;
    struct vxc_slice registration;
    struct vxc_list list;
    int rv = vxc_state_pairs(view, &list);

    pairs->count = list.count;
    vxc_buffer_clear(&g->scratch);
    while (rv == 0 && vxc_list_next_pair(&list, &node_id, &registration)) {
        rv = registration_row(g, node_id, registration, NULL, &g->scratch);
    }
    pairs->raw = vxc_buffer_slice(&g->scratch);
    return rv;
}

/* (address, its list) → (address, PAIRS of node id and registration_info) */
static int address_row(struct vxc_gateway *g, struct vxc_slice first, struct vxc_slice second,
                       struct vxc_buffer *spare, struct vxc_buffer *out)
{
    struct vxc_list pairs;
    int rv = vxc_reply_registrations(g, second, &pairs);

    vxc_buffer_clear(spare);
    rv = rv != 0 ? rv : vxc_buffer_put_u32(spare, pairs.count);
    rv = rv != 0 ? rv : vxc_buffer_append(spare, pairs.raw.data, pairs.raw.size);
    rv = rv != 0 ? rv : vxc_buffer_put_bytes(out, first);
    return rv != 0 ? rv : vxc_buffer_put_bytes(out, vxc_buffer_slice(spare));
}

/* Runs the query and answers its page, row by row; `pairs` says which list the result is. */
static void answer_page(struct vxc_caller *caller, uint32_t request_id, const struct vxc_message *m,
                        bool pairs, row_cb row)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_message reply = vxc_message_of(VXC_KIND_PAGE_REPLY);
    struct vxc_buffer out = {0};
    struct vxc_buffer spare = {0};
    struct vxc_list list = {0};
    struct vxc_slice first;
    struct vxc_slice second = {0};
    struct vxc_command query;
    struct vxc_result result;
    const char *text = NULL;
    int rv = vxc_route(m, &g->scratch, &query, &text);

    query.namespace_id = caller->namespace_id;
    if (rv == 0) {
        vxc_fsm_query(g->options.fsm, &query, &result);
        rv = result.code;
        text = result.text;
    }
    if (rv == 0 && result.value.size > 0) {
        rv =
            pairs ? vxc_state_pairs(result.value, &list) : vxc_list_read_items(result.value, &list);
    }
    reply.page_reply.rows.count = list.count;
    while (rv == 0 && (pairs ? vxc_list_next_pair(&list, &first, &second)
                             : vxc_list_next_item(&list, &first))) {
        rv = row(g, first, second, &spare, &out);
    }
    if (rv == 0) {
        reply.page_reply.index = result.index;
        reply.page_reply.next.present = result.next.data != NULL;
        reply.page_reply.next.bytes = result.next;
        reply.page_reply.rows.raw = vxc_buffer_slice(&out);
        vxc_reply_message(caller, request_id, 0, &reply);
    } else {
        vxc_reply_error(caller, m->kind, request_id, rv, text);
    }
    vxc_buffer_free(&spare);
    vxc_buffer_free(&out);
}

/* One record as the value of a value_reply; absent when the state machine has none. */
static void answer_record(struct vxc_caller *caller, uint32_t request_id,
                          const struct vxc_message *m)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_message reply = vxc_message_of(VXC_KIND_VALUE_REPLY);
    struct vxc_message record;
    struct vxc_buffer waiters = {0};
    struct vxc_buffer out = {0};
    struct vxc_command query = {0};
    struct vxc_result result;
    const char *text = NULL;
    int rv = 0;

    if (m->kind == VXC_KIND_SESSION_GET) {
        query.op = VXC_OP_SESSION_GET;
        query.a = (int64_t)m->session_get.session;
    } else {
        rv = vxc_route(m, &g->scratch, &query, &text);
    }
    query.namespace_id = caller->namespace_id;
    if (rv == 0) {
        vxc_fsm_query(g->options.fsm, &query, &result);
        rv = result.code;
        text = result.text;
    }
    if (rv == 0 && result.found) {
        rv = m->kind == VXC_KIND_SESSION_GET
                 ? session_info(g, result.value, &record)
                 : lock_with_queue(m->lock_get.lock, result.value, &waiters, &record);
        rv = rv != 0 ? rv : vxc_message_encode(&record, &out);
    }
    if (rv == 0) {
        reply.value_reply.index = result.index;
        reply.value_reply.value.present = result.found;
        reply.value_reply.value.bytes = vxc_buffer_slice(&out);
        vxc_reply_message(caller, request_id, 0, &reply);
    } else {
        vxc_reply_error(caller, m->kind, request_id, rv, text);
    }
    vxc_buffer_free(&out);
    vxc_buffer_free(&waiters);
}

static void answer_status(struct vxc_caller *caller, uint32_t request_id)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_message reply = vxc_message_of(VXC_KIND_VALUE_REPLY);
    struct vxc_buffer json = {0};

    g->options.status(g->options.data, &json);
    reply.value_reply.index = vxc_gateway_applied_index(g);
    reply.value_reply.value.present = true;
    reply.value_reply.value.bytes = vxc_buffer_slice(&json);
    vxc_reply_message(caller, request_id, 0, &reply);
    vxc_buffer_free(&json);
}

/* A node that is not there is an absent value, not an error. */
static void answer_node(struct vxc_caller *caller, uint32_t request_id, const struct vxc_message *m)
{
    struct vxc_message reply = vxc_message_of(VXC_KIND_VALUE_REPLY);
    struct vxc_command query = {
        .op = VXC_OP_NODE_GET, .namespace_id = caller->namespace_id, .key = m->node_get.node_id};
    struct vxc_result result;

    vxc_fsm_query(caller->gateway->options.fsm, &query, &result);
    if (result.code != 0 && result.code != VXC_ENOTFOUND) {
        vxc_reply_error(caller, m->kind, request_id, result.code, result.text);
        return;
    }
    reply.value_reply.index = vxc_fsm_applied_index(caller->gateway->options.fsm);
    reply.value_reply.value.present = result.code == 0 && result.found;
    reply.value_reply.value.bytes = result.value;
    vxc_reply_message(caller, request_id, 0, &reply);
}

/* ---- snapshots ---- */

static void answer_value(struct vxc_caller *caller, uint32_t request_id, struct vxc_slice value)
{
    struct vxc_message reply = vxc_message_of(VXC_KIND_VALUE_REPLY);

    reply.value_reply.index = vxc_gateway_applied_index(caller->gateway);
    reply.value_reply.value.present = true;
    reply.value_reply.value.bytes = value;
    vxc_reply_message(caller, request_id, 0, &reply);
}

static int put_snapshot(const struct vxc_snapshot_view *view, struct vxc_buffer *out)
{
    struct vxc_message m = vxc_message_of(VXC_KIND_SNAPSHOT_INFO);
    struct vxc_msg_snapshot_info *info = &m.snapshot_info;

    info->id = view->id;
    info->ready = view->image != NULL;
    info->step = view->step;
    info->done = view->done;
    info->total = view->total;
    info->file_bytes = view->file_bytes;
    if (view->image != NULL) {
        info->index = view->image->applied_index;
        info->term = view->image->applied_term;
        info->sha256 = vxc_slice(view->image->sha256, sizeof view->image->sha256);
    }
    vxc_buffer_clear(out);
    return vxc_message_encode(&m, out);
}

/* All that is acknowledged is applied, so what is applied now is what the image has to hold. */
static int begin_snapshot(struct vxc_caller *caller, uint8_t compression, uint64_t *id,
                          struct vxc_error *err)
{
    struct vxc_gateway *g = caller->gateway;
    int rv = vxc_snapshots_begin(g->options.snapshots, caller, compression,
                                 vxc_fsm_cluster_id(g->options.fsm), id, err);

    if (rv == 0) {
        vxc_snapshots_await(g->options.snapshots, vxc_replica_ask_commit(g->options.replica));
    }
    return rv;
}

static void answer_snapshot(struct vxc_caller *caller, uint32_t request_id,
                            const struct vxc_message *m)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_snapshot_view view;
    struct vxc_error err = {0};
    uint64_t id = m->snapshot_get.id;
    int rv = 0;

    if (m->kind == VXC_KIND_SNAPSHOT_BEGIN) {
        rv = begin_snapshot(caller, m->snapshot_begin.compression, &id, &err);
    }
    if (m->kind == VXC_KIND_SNAPSHOT_READ) {
        rv = vxc_snapshots_read(g->options.snapshots, caller, m->snapshot_read.id,
                                m->snapshot_read.offset, m->snapshot_read.size, &g->scratch, &err);
    } else {
        rv = rv != 0 ? rv : vxc_snapshots_look(g->options.snapshots, caller, id, &view, &err);
        rv = rv != 0 ? rv : put_snapshot(&view, &g->scratch);
    }
    if (rv != 0) {
        vxc_reply_error(caller, m->kind, request_id, rv, err.text[0] != '\0' ? err.text : NULL);
        return;
    }
    answer_value(caller, request_id, vxc_buffer_slice(&g->scratch));
}

static void answer_snapshot_end(struct vxc_caller *caller, uint32_t request_id, uint64_t id)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_message reply = vxc_message_of(VXC_KIND_TRUTH_REPLY);

    reply.truth_reply.index = vxc_fsm_applied_index(g->options.fsm);
    reply.truth_reply.truth = vxc_snapshots_end(g->options.snapshots, caller, id);
    vxc_reply_message(caller, request_id, 0, &reply);
}

bool vxc_reply_local(struct vxc_caller *caller, uint32_t request_id, const struct vxc_message *m)
{
    switch (m->kind) {
    case VXC_KIND_STATUS:
        answer_status(caller, request_id);
        return true;
    case VXC_KIND_MEMBER_LIST:
        vxc_membership_list(caller, request_id);
        return true;
    case VXC_KIND_SESSION_LIST:
        answer_page(caller, request_id, m, false, session_row);
        return true;
    case VXC_KIND_LOCK_LIST:
        answer_page(caller, request_id, m, true, lock_row);
        return true;
    case VXC_KIND_REGISTRATION_GET:
        answer_page(caller, request_id, m, true, registration_row);
        return true;
    case VXC_KIND_REGISTRATION_LIST:
        answer_page(caller, request_id, m, true, address_row);
        return true;
    case VXC_KIND_SESSION_GET:
    case VXC_KIND_LOCK_GET:
        answer_record(caller, request_id, m);
        return true;
    case VXC_KIND_SNAPSHOT_BEGIN:
    case VXC_KIND_SNAPSHOT_GET:
    case VXC_KIND_SNAPSHOT_READ:
        answer_snapshot(caller, request_id, m);
        return true;
    case VXC_KIND_SNAPSHOT_END:
        answer_snapshot_end(caller, request_id, m->snapshot_end.id);
        return true;
    case VXC_KIND_NODE_GET:
        answer_node(caller, request_id, m);
        return true;
    default:
        return false;
    }
}
