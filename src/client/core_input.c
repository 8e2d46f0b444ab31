/* What arrives: the answers to hello, replies, events, pings. */
#include "client/core_internal.h"

#include "base/planted.h"

#include <stdio.h>

/* Whether it is an address shows when the driver reads it. */
void vxc_core_note_primary(struct vxc_core *core, struct vxc_slice text)
{
    size_t at = text.size;

    while (at > 0 && text.data[at - 1] != ' ') {
        at--;
    }
    core->primary_address[0] = '\0';
    if (text.size > at && text.size - at < sizeof core->primary_address) {
        (void)snprintf(core->primary_address, sizeof core->primary_address, "%.*s",
                       (int)(text.size - at), (const char *)text.data + at);
    }
}

static int on_hello_reply(struct vxc_core *core, const struct vxc_message *m, uint64_t now_ms,
                          struct vxc_error *err)
{
    const struct vxc_msg_hello_reply *h = &m->hello_reply;
    struct vxc_reply reply;

    if (m->kind != VXC_KIND_HELLO_REPLY) {
        vxc_payload_reply_of(m, &reply, err);
        return reply.code != VXC_OK
                   ? vxc_error_prefix(err, "the server refused the hello")
                   : vxc_error_set(err, VXC_EPROTO, "hello was answered by kind %u", m->kind);
    }
    core->server = (struct vxc_server){
        .node_id = h->node_id, .connection_id = h->connection_id, .primary = h->primary};
    (void)snprintf(core->server.version, sizeof core->server.version, "%.*s",
                   h->server_version.size < 100 ? (int)h->server_version.size : 100,
                   h->server_version.data == NULL ? "" : (const char *)h->server_version.data);
    if (h->cluster_id.size == sizeof core->server.cluster_id) { /* a test's server has none */
        memcpy(core->server.cluster_id, h->cluster_id.data, h->cluster_id.size);
    }
    if (!h->primary) {
        vxc_core_note_primary(core, h->primary_address);
        if (vxc_core_needs_primary(core)) {
            core->searching = true;
            return vxc_core_not_primary(core, err);
        }
    }
    if (core->session.wanted) {
        return vxc_core_begin_session(core, now_ms);
    }
    vxc_core_become_ready(core, now_ms);
    return VXC_OK;
}

/* ---- replies ---- */

static struct pending *find_request(struct vxc_core *core, uint32_t request_id)
{
    struct pending *p;
    TAILQ_FOREACH(p, &core->pending, link) /* replies come in order: it is the first, or near it */
    {
        if (p->state != PENDING_WAITING && p->request_id == request_id) {
            return p;
        }
    }
    return NULL;
}

static void ask_again_later(struct vxc_core *core, struct pending *p, uint64_t now_ms)
{
    uint32_t delay_ms = BUSY_RETRY_MS_MIN << (p->busy_count < 6 ? p->busy_count : 6);

    delay_ms = delay_ms < BUSY_RETRY_MS_MAX ? delay_ms : BUSY_RETRY_MS_MAX;
    delay_ms = delay_ms / 2 + vxc_core_random(core) % (delay_ms / 2 + 1);
    p->busy_count = p->busy_count < UINT8_MAX ? p->busy_count + 1 : UINT8_MAX;
    vxc_core_move(core, p, PENDING_WAITING);
    p->retry_ms = now_ms + delay_ms;
    vxc_core_note_due(core, p->retry_ms);
}

/* Refused, hence not carried out: it is asked again at the primary. */
static void ask_elsewhere(struct vxc_core *core, struct pending *p, struct vxc_slice named,
                          uint64_t now_ms)
{
    vxc_core_move(core, p, PENDING_WAITING);
    p->retry_ms = 0;
    vxc_core_note_primary(core, named);
    core->searching = true;
    core->server.primary = false;
    if (!core->leaving) {
        core->leaving = true;
        core->leave_ms = now_ms + VXC_CLIENT_LEAVE_MS;
    }
}

static struct vxc_slice named_primary(const struct vxc_message *m)
{
    return m->kind == VXC_KIND_LEADER_REDIRECT ? m->leader_redirect.leader_address.bytes
                                               : m->error_reply.message;
}

/* The server lost the request out of its sight when it ceased to be the primary; whoever is it now
 * knows whether the sequence has been carried out. */
static bool is_known_elsewhere(const struct vxc_core *core, const struct pending *p,
                               const struct vxc_reply *reply)
{
    return reply->code == VXC_EUNKNOWN && p->sequence != 0 && core->session.id != 0;
}

/* What "busy" means to a change of the membership is for its caller to read. */
static bool is_to_be_repeated(const struct pending *p, const struct vxc_reply *reply)
{
    return reply->code == VXC_EBUSY && !vxc_operation_is_of_members(p->kind);
}

/* An acquire that stands in the queue: its outcome is an event. */
static bool is_queued(const struct pending *p, const struct vxc_frame *frame,
                      const struct vxc_message *m)
{
    return p->kind == VXC_KIND_LOCK_ACQUIRE && m->kind == VXC_KIND_LOCK_REPLY &&
           !m->lock_reply.acquired &&
           (m->lock_reply.queue_position > 0 || (frame->flags & VXC_FRAME_MORE) != 0);
}

/* A reply proves that all events before it came. A write shares its index with others of the same
 * entry, whose events may be behind its reply; a read is answered between entries. */
static void note_seen(struct core_session *s, const struct pending *p, uint64_t index)
{
    uint64_t seen_index = p->sequence != 0 && index > 0 ? index - 1 : index;

    if (seen_index > s->seen_index) {
        s->seen_index = seen_index;
    }
}

static void on_reply(struct vxc_core *core, const struct vxc_frame *frame,
                     const struct vxc_message *m, uint64_t now_ms)
{
    struct pending *p = find_request(core, frame->request_id);
    struct vxc_error text = {0};
    struct vxc_reply reply;

    if (p == NULL) {
        return; /* its caller gave up waiting */
    }
    vxc_payload_reply_of(m, &reply, &text);
    if (reply.code == VXC_ETIMEOUT && p->kind == VXC_KIND_LOCK_ACQUIRE) {
        /* Asked again after the wait was over: the same answer as by event. */
        reply = (struct vxc_reply){.message = "the wait for the lock is over"};
    }
    if (reply.code == VXC_OK) {
        note_seen(&core->session, p, reply.index);
    }
    if (is_to_be_repeated(p, &reply)) {
        ask_again_later(core, p, now_ms);
    } else if (is_known_elsewhere(core, p, &reply)) {
        p->ever_sent = true;
        ask_again_later(core, p, now_ms);
    } else if (reply.code == VXC_ENOTPRIMARY) {
        ask_elsewhere(core, p, named_primary(m), now_ms);
    } else if (reply.code == VXC_ESESSION && p->sequence != 0 && core->session.id != 0) {
        vxc_core_fail(core, p, reply.code, reply.message);
        vxc_core_lose_session(core, reply.message);
    } else if (is_queued(p, frame, m)) {
        if (p->state == PENDING_SENT) {
            vxc_core_move(core, p, PENDING_QUEUED);
            vxc_core_notice(core, VXC_NOTICE_LOCK_QUEUED, p->sequence, reply.number, "");
        }
    } else {
        vxc_core_finish(core, p, &reply);
    }
}

/* ---- events ---- */

static void on_lock_outcome(struct vxc_core *core, const struct vxc_msg_event_lock *e)
{
    struct vxc_reply reply = {.message = "", .index = e->index};
    struct pending *p;

    TAILQ_FOREACH(p, &core->pending, link)
    {
        if (p->kind == VXC_KIND_LOCK_ACQUIRE && p->sequence == e->acquire_sequence) {
            break;
        }
    }
    if (p == NULL) {
        return; /* repeated, or its caller gave up */
    }
    switch (e->type) {
    case 40: /* granted */
        reply.found = true;
        reply.token = e->token;
        break;
    case 41: /* the wait is over */
        reply.message = "the wait for the lock is over";
        break;
    default:
        reply.code = VXC_ECANCELED;
        reply.message = "the wait for the lock was canceled";
        break;
    }
    vxc_core_finish(core, p, &reply);
}

/* Where a watch event stands in the order in which a session is told: by index, by its place within
 * that, and by watch when it is for several. */
struct event_place {
    uint64_t index, ordinal, watch;
};

static struct event_place place_of(const struct vxc_message *m)
{
    switch (m->kind) {
    case VXC_KIND_EVENT_MEMBERS:
        return (struct event_place){m->event_members.index, m->event_members.ordinal,
                                    m->event_members.watch};
    case VXC_KIND_EVENT_REGISTRATIONS:
        return (struct event_place){m->event_registrations.index, m->event_registrations.ordinal,
                                    m->event_registrations.watch};
    default:
        return (struct event_place){m->event_data.index, m->event_data.ordinal,
                                    m->event_data.watch};
    }
}

/* True when a resumed session repeats what has been told already. Counting what came of an index
 * would not do: events of a watch that was removed meanwhile are not repeated. */
static bool is_repeated(struct core_session *s, struct event_place place)
{
    bool later = place.index != s->event_index       ? place.index > s->event_index
                 : place.ordinal != s->event_ordinal ? place.ordinal > s->event_ordinal
                                                     : place.watch > s->event_watch;

    if (later) {
        s->event_index = place.index;
        s->event_ordinal = place.ordinal;
        s->event_watch = place.watch;
    }
    return !VXC_PLANTED(event_told_twice) && !later;
}

static int on_event(struct vxc_core *core, const struct vxc_message *m)
{
    struct vxc_notice notice;

    if (m->kind == VXC_KIND_EVENT_LOCK) {
        on_lock_outcome(core, &m->event_lock);
        return VXC_OK;
    }
    if (vxc_payload_read_notice(m, &notice) != VXC_OK) {
        return VXC_OK; /* an event of a later version */
    }
    if (notice.watched != 0 && is_repeated(&core->session, place_of(m))) {
        return VXC_OK;
    }
    if (notice.type == VXC_NOTICE_SESSION_EXPIRED && notice.id == core->session.id) {
        vxc_core_lose_session(core, "the session has expired");
        return VXC_OK;
    }
    if (notice.type == VXC_NOTICE_SESSION_CLOSED && notice.id == core->session.id &&
        !core->session.closing) {
        vxc_core_lose_session(core, "the session was closed by another connection");
        return VXC_OK;
    }
    vxc_core_tell(core, &notice);
    return VXC_OK;
}

/* ---- members ---- */

static void on_members(struct vxc_core *core, const struct vxc_message *m)
{
    struct vxc_slice addresses[VXC_CLIENT_LEARNED_MAX];
    struct vxc_list rows = m->page_reply.rows;
    struct vxc_slice id, record;
    size_t count = 0;

    core->members_id = 0;
    if (m->kind != VXC_KIND_PAGE_REPLY) {
        return; /* an older server has no list */
    }
    while (count < VXC_CLIENT_LEARNED_MAX && vxc_list_next_pair(&rows, &id, &record)) {
        struct vxc_message member;
        if (vxc_message_decode(VXC_KIND_MEMBER_INFO, record, &member) == VXC_OK) {
            addresses[count++] = member.member_info.address;
        }
    }
    core->options.on_members(core->options.data, addresses, count);
}

/* ---- all of it ---- */

int vxc_core_take_frame(struct vxc_core *core, const struct vxc_frame *frame, uint64_t now_ms,
                        struct vxc_error *err)
{
    struct vxc_message m;
    int rc;

    if ((frame->flags & VXC_FRAME_PONG) != 0 || frame->kind == VXC_KIND_PONG) {
        core->ping_open = false;
        return VXC_OK;
    }
    rc = vxc_message_decode(frame->kind, frame->payload, &m);
    if (rc == VXC_EKIND && (frame->flags & VXC_FRAME_EVENT) != 0) {
        return VXC_OK; /* an event of a later version */
    }
    if (rc != VXC_OK) {
        return vxc_error_set(err, rc, "the server sent kind %u, which cannot be read", frame->kind);
    }
    if ((frame->flags & VXC_FRAME_EVENT) != 0) {
        return on_event(core, &m);
    }
    if (frame->request_id == core->handshake_id && core->state == VXC_CORE_HELLO) {
        return on_hello_reply(core, &m, now_ms, err);
    }
    if (frame->request_id == core->handshake_id && core->state == VXC_CORE_SESSION) {
        return vxc_core_on_session_reply(core, &m, now_ms, err);
    }
    if (frame->request_id == core->members_id && core->members_id != 0) {
        on_members(core, &m);
        return VXC_OK;
    }
    on_reply(core, frame, &m, now_ms);
    /* One refusal is enough, but what cannot be asked again gets its own answer first. */
    return core->leaving && vxc_core_may_leave(core) ? vxc_core_not_primary(core, err) : VXC_OK;
}
