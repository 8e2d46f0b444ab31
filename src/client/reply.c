#include "client/payload.h"

/* How the rows of a list stand one after the other. */
enum rows_shape { ROWS_ITEMS = 1, ROWS_PAIRS = 2, ROWS_MESSAGES = 3 };

static struct vxc_rows rows_of(struct vxc_list list, enum rows_shape shape)
{
    return (struct vxc_rows){
        .count = list.count, .shape = (int)shape, .rest = vxc_bytes_of(list.raw)};
}

static struct vxc_list list_of(const struct vxc_rows *rows)
{
    return (struct vxc_list){.count = rows->count, .raw = vxc_slice_of(rows->rest)};
}

static void keep_rest(struct vxc_rows *rows, struct vxc_list list)
{
    rows->count = list.count;
    rows->rest = vxc_bytes_of(list.raw);
}

bool vxc_rows_next(struct vxc_rows *rows, struct vxc_bytes *first, struct vxc_bytes *second)
{
    struct vxc_list list = list_of(rows);
    struct vxc_slice a = {0}, b = {0};
    bool more = false;

    if (rows->shape == ROWS_ITEMS) {
        more = vxc_list_next_item(&list, &a);
    } else if (rows->shape == ROWS_PAIRS) {
        more = vxc_list_next_pair(&list, &a, &b);
    }
    if (more) {
        keep_rest(rows, list);
        *first = vxc_bytes_of(a);
        *second = vxc_bytes_of(b);
    }
    return more;
}

bool vxc_reply_next(struct vxc_rows *replies, struct vxc_reply *reply)
{
    struct vxc_list list = list_of(replies);
    struct vxc_slice payload;
    uint16_t kind;

    if (replies->shape != ROWS_MESSAGES || !vxc_list_next_message(&list, &kind, &payload)) {
        return false;
    }
    keep_rest(replies, list);
    vxc_payload_read_reply(kind, payload, reply, NULL);
    return true;
}

static void optional(struct vxc_opt_bytes bytes, struct vxc_bytes *to)
{
    /* An empty value is there all the same: its pointer must not read as "none". */
    *to = vxc_bytes(NULL, 0);
    if (bytes.present) {
        *to = vxc_bytes(bytes.bytes.data == NULL ? "" : (const void *)bytes.bytes.data,
                        bytes.bytes.size);
    }
}

static void reply_error(struct vxc_reply *reply, struct vxc_error *err, int code,
                        struct vxc_slice text)
{
    /* An error without a code would read as success. */
    reply->code = code < 0 ? code : VXC_EPROTO;
    (void)vxc_error_set(err, reply->code, "%.*s", text.size < 400 ? (int)text.size : 400,
                        text.data == NULL ? "" : (const char *)text.data);
    reply->message = vxc_strerror(reply->code);
    if (err != NULL && err->text[0] != '\0') {
        reply->message = err->text;
    }
}

static int code_of(int64_t code)
{
    return code < 0 && code > -10000 ? (int)code : VXC_EPROTO;
}

void vxc_payload_reply_of(const struct vxc_message *m, struct vxc_reply *reply,
                          struct vxc_error *err)
{
    *reply = (struct vxc_reply){.message = ""};
    switch (m->kind) {
    case VXC_KIND_ERROR_REPLY:
        reply->index = m->error_reply.index;
        reply_error(reply, err, code_of(m->error_reply.code), m->error_reply.message);
        return;
    case VXC_KIND_LEGACY_ERROR:
        reply_error(reply, err, VXC_EPROTO, m->legacy_error.error);
        return;
    case VXC_KIND_LEADER_REDIRECT:
        reply_error(reply, err, VXC_ENOTPRIMARY, m->leader_redirect.leader_address.bytes);
        return;
    case VXC_KIND_DONE_REPLY:
        reply->index = m->done_reply.index;
        reply->found = true;
        return;
    case VXC_KIND_VALUE_REPLY:
        reply->index = m->value_reply.index;
        reply->found = m->value_reply.value.present;
        optional(m->value_reply.value, &reply->value);
        return;
    case VXC_KIND_NUMBER_REPLY:
        reply->index = m->number_reply.index;
        reply->found = m->number_reply.found;
        reply->number = m->number_reply.number;
        return;
    case VXC_KIND_TRUTH_REPLY:
        reply->index = m->truth_reply.index;
        reply->found = m->truth_reply.truth;
        return;
    case VXC_KIND_PAGE_REPLY:
        reply->index = m->page_reply.index;
        reply->found = true;
        optional(m->page_reply.next, &reply->next);
        reply->rows = rows_of(m->page_reply.rows, ROWS_PAIRS);
        return;
    case VXC_KIND_ITEMS_REPLY:
        reply->index = m->items_reply.index;
        reply->found = true;
        reply->rows = rows_of(m->items_reply.items, ROWS_ITEMS);
        return;
    case VXC_KIND_LOCK_REPLY:
        reply->index = m->lock_reply.index;
        reply->found = m->lock_reply.acquired;
        reply->token = m->lock_reply.token;
        reply->number = (int64_t)m->lock_reply.queue_position;
        return;
    case VXC_KIND_MEMBERS_REPLY:
        reply->index = m->members_reply.index;
        reply->found = true;
        reply->number = (int64_t)m->members_reply.epoch;
        reply->rows = rows_of(m->members_reply.nodes, ROWS_ITEMS);
        return;
    case VXC_KIND_TRANSACTION_REPLY:
        reply->index = m->transaction_reply.index;
        reply->found = m->transaction_reply.succeeded;
        reply->rows = rows_of(m->transaction_reply.replies, ROWS_MESSAGES);
        return;
    default:
        reply_error(reply, err, VXC_EPROTO, vxc_slice_of_string("a reply of an unexpected kind"));
    }
}

void vxc_payload_read_reply(uint16_t kind, struct vxc_slice payload, struct vxc_reply *reply,
                            struct vxc_error *err)
{
    struct vxc_message m;
    const int rc = vxc_message_decode(kind, payload, &m);

    if (rc != VXC_OK) {
        *reply = (struct vxc_reply){.code = rc, .message = vxc_strerror(rc)};
        (void)vxc_error_set(err, rc, "the reply of kind %u cannot be read", kind);
        return;
    }
    vxc_payload_reply_of(&m, reply, err);
}

/* ---- notices ---- */

int vxc_payload_read_notice(const struct vxc_message *m, struct vxc_notice *notice)
{
    *notice = (struct vxc_notice){.text = ""};
    switch (m->kind) {
    case VXC_KIND_EVENT_DATA:
        notice->type = m->event_data.type;
        notice->watched = m->event_data.kind;
        notice->index = m->event_data.index;
        notice->id = m->event_data.watch;
        notice->token = m->event_data.token;
        notice->number = m->event_data.number;
        notice->name = vxc_bytes_of(m->event_data.name);
        optional(m->event_data.key, &notice->key);
        optional(m->event_data.value, &notice->value);
        return VXC_OK;
    case VXC_KIND_EVENT_MEMBERS:
        notice->type = m->event_members.type;
        notice->watched = VXC_WATCHED_MEMBERS;
        notice->index = m->event_members.index;
        notice->id = m->event_members.watch;
        notice->number = (int64_t)m->event_members.epoch;
        notice->key = vxc_bytes_of(m->event_members.node_id);
        notice->value = vxc_bytes_of(m->event_members.info);
        notice->view = rows_of(m->event_members.view, ROWS_ITEMS);
        return VXC_OK;
    case VXC_KIND_EVENT_REGISTRATIONS:
        notice->type = VXC_NOTICE_REGISTRATIONS;
        notice->watched = VXC_WATCHED_REGISTRATIONS;
        notice->index = m->event_registrations.index;
        notice->id = m->event_registrations.watch;
        notice->name = vxc_bytes_of(m->event_registrations.address);
        notice->view = rows_of(m->event_registrations.registrations, ROWS_PAIRS);
        return VXC_OK;
    case VXC_KIND_EVENT_SESSION:
        notice->type = m->event_session.type;
        notice->index = m->event_session.index;
        notice->id = m->event_session.session;
        return VXC_OK;
    case VXC_KIND_EVENT_RESYNC:
        notice->type = VXC_NOTICE_RESYNC;
        notice->index = m->event_resync.index;
        return VXC_OK;
    default:
        return VXC_EKIND;
    }
}

/* ---- records ---- */

static int read_record(uint16_t kind, struct vxc_bytes bytes, struct vxc_message *m)
{
    return vxc_message_decode(kind, vxc_slice_of(bytes), m) == VXC_OK ? VXC_OK : VXC_EPROTO;
}

int vxc_session_record_read(struct vxc_bytes bytes, struct vxc_session_record *record)
{
    struct vxc_message m;
    if (read_record(VXC_KIND_SESSION_INFO, bytes, &m) != VXC_OK) {
        return VXC_EPROTO;
    }
    const struct vxc_msg_session_info *s = &m.session_info;
    *record = (struct vxc_session_record){.session = s->session,
                                          .name = vxc_bytes_of(s->name),
                                          .namespace_name = vxc_bytes_of(s->namespace_name),
                                          .node_id = vxc_bytes_of(s->node_id),
                                          .address = vxc_bytes_of(s->address),
                                          .timeout_ms = s->timeout_ms,
                                          .legacy = s->legacy,
                                          .connected = s->connected,
                                          .opened_index = s->opened_index,
                                          .idle_ms = s->idle_ms,
                                          .locks_held = s->locks_held,
                                          .locks_waiting = s->locks_waiting,
                                          .registrations = s->registrations,
                                          .watches = s->watches};
    return VXC_OK;
}

int vxc_snapshot_record_read(struct vxc_bytes bytes, struct vxc_snapshot_record *record)
{
    struct vxc_message m;
    if (read_record(VXC_KIND_SNAPSHOT_INFO, bytes, &m) != VXC_OK) {
        return VXC_EPROTO;
    }
    const struct vxc_msg_snapshot_info *s = &m.snapshot_info;
    *record = (struct vxc_snapshot_record){.id = s->id,
                                           .ready = s->ready,
                                           .step = s->step,
                                           .done = s->done,
                                           .total = s->total,
                                           .index = s->index,
                                           .term = s->term,
                                           .file_bytes = s->file_bytes,
                                           .sha256 = vxc_bytes_of(s->sha256)};
    return VXC_OK;
}

int vxc_member_record_read(struct vxc_bytes bytes, struct vxc_member_record *record)
{
    struct vxc_message m;
    if (read_record(VXC_KIND_MEMBER_INFO, bytes, &m) != VXC_OK ||
        m.member_info.role > VXC_RANK_PRIMARY) {
        return VXC_EPROTO;
    }
    const struct vxc_msg_member_info *member = &m.member_info;
    *record = (struct vxc_member_record){
        .id = member->id,
        .rank = member->role,
        .address = vxc_bytes_of(member->address),
        .match_index = member->match_index,
        .silent_ms = member->silent_ms.present ? (int64_t)member->silent_ms.number : -1};
    return VXC_OK;
}

int vxc_lock_record_read(struct vxc_bytes bytes, struct vxc_lock_record *record)
{
    struct vxc_message m;
    if (read_record(VXC_KIND_LOCK_INFO, bytes, &m) != VXC_OK) {
        return VXC_EPROTO;
    }
    const struct vxc_msg_lock_info *l = &m.lock_info;
    *record = (struct vxc_lock_record){.name = vxc_bytes_of(l->name),
                                       .held = l->held,
                                       .session = l->session,
                                       .owner = vxc_bytes_of(l->owner),
                                       .token = l->token,
                                       .since_ms = l->since_ms,
                                       .waiting = l->waiting,
                                       .waiters = rows_of(l->waiters, ROWS_ITEMS)};
    return VXC_OK;
}

int vxc_waiter_record_read(struct vxc_bytes bytes, struct vxc_waiter_record *record)
{
    struct vxc_message m;
    if (read_record(VXC_KIND_LOCK_WAITER, bytes, &m) != VXC_OK) {
        return VXC_EPROTO;
    }
    *record = (struct vxc_waiter_record){.session = m.lock_waiter.session,
                                         .owner = vxc_bytes_of(m.lock_waiter.owner),
                                         .since_ms = m.lock_waiter.since_ms,
                                         .wait_ms = m.lock_waiter.wait_ms};
    return VXC_OK;
}

int vxc_registration_record_read(struct vxc_bytes bytes, struct vxc_registration_record *record)
{
    struct vxc_message m;
    if (read_record(VXC_KIND_REGISTRATION_INFO, bytes, &m) != VXC_OK) {
        return VXC_EPROTO;
    }
    *record = (struct vxc_registration_record){.seq = m.registration_info.seq,
                                               .data = vxc_bytes_of(m.registration_info.data)};
    return VXC_OK;
}
