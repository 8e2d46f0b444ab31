#include "node/gateway.h"

#include "base/check.h"
#include "base/memory.h"
#include "node/gateway_internal.h"

#include <string.h>

enum { LOG_REPEAT_MS = 1000 };

/* ---- birth and death ---- */

int vxc_gateway_create(const struct vxc_gateway_options *options, struct vxc_gateway **out)
{
    struct vxc_gateway *g = vxc_calloc(1, sizeof *g);

    if (g == NULL) {
        return VXC_ENOMEM;
    }
    g->options = *options;
    if (options->news_held_size_min == 0) {
        g->options.news_held_size_min = VXC_NEWS_HELD_SIZE_MIN;
    }
    LIST_INIT(&g->rounds.callers);
    LIST_INIT(&g->with_news);
    *out = g;
    return 0;
}

void vxc_gateway_free(struct vxc_gateway *g)
{
    if (g == NULL) {
        return;
    }
    vxc_leases_free(g);
    while (g->free_requests != NULL) {
        struct vxc_request *r = g->free_requests;
        g->free_requests = r->next;
        vxc_free(r);
    }
    vxc_buffer_free(&g->scratch);
    vxc_free(g);
}

uint64_t vxc_gateway_now_ms(const struct vxc_gateway *g)
{
    return vxc_clock_ms(g->options.clock);
}

bool vxc_gateway_full(const struct vxc_gateway *g)
{
    return g->stats.inflight_bytes - g->deferred_bytes > VXC_NODE_INFLIGHT_BYTES_MAX;
}

void vxc_gateway_stats(const struct vxc_gateway *g, struct vxc_gateway_stats *stats)
{
    *stats = g->stats;
    for (struct vxc_lease *l = g->leases; l != NULL; l = l->by_session.next) {
        stats->sessions_connected += l->callers != NULL;
    }
}

int vxc_gateway_serves(const struct vxc_gateway *g)
{
    if (g->options.replica == NULL) {
        return VXC_EBUSY;
    }
    return vxc_replica_is_primary(g->options.replica) ? 0 : VXC_ENOTPRIMARY;
}

uint64_t vxc_gateway_applied_index(const struct vxc_gateway *g)
{
    return g->options.fsm != NULL ? vxc_fsm_applied_index(g->options.fsm) : 0;
}

/* ---- who asks ---- */

uint64_t vxc_caller_namespace(struct vxc_caller *caller)
{
    if (caller->namespace_id == VXC_NAMESPACE_NONE) { /* it may have come into being since */
        (void)vxc_session_find_namespace(
            caller, vxc_slice(caller->namespace_name, caller->namespace_name_size));
    }
    return caller->namespace_id;
}

uint64_t vxc_caller_session(const struct vxc_caller *caller)
{
    return caller->lease == NULL || caller->lease->legacy ? 0 : caller->lease->session;
}

/* ---- writes ---- */

static void on_write(struct vxc_caller *caller, const struct vxc_frame *frame,
                     const struct vxc_message *m)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_command command;
    const char *text = NULL;
    struct vxc_request *r = vxc_request_add(caller, frame);
    int rv;

    if (r == NULL) {
        return;
    }
    rv = vxc_route(m, &g->scratch, &command, &text);
    if (rv == 0 && m->kind == VXC_KIND_TRANSACTION) {
        struct vxc_buffer kinds = {0};
        rv = vxc_route_transaction_kinds(m, &kinds);
        rv = rv != 0 ? rv : vxc_request_keep(r, vxc_buffer_slice(&kinds));
        vxc_buffer_free(&kinds);
    }
    if (rv == 0 && (frame->flags & VXC_FRAME_SEQUENCED) != 0 && vxc_caller_session(caller) == 0) {
        rv = VXC_ESESSION;
        text = "a sequenced request needs a session on this connection";
    }
    if (rv == 0 && m->kind == VXC_KIND_LOCK_ACQUIRE &&
        (vxc_caller_session(caller) == 0 || frame->sequence == 0)) {
        rv = VXC_ESESSION;
        text = "a lock is owned by a session: open one and send a sequenced request";
    }
    if (rv != 0) {
        vxc_request_refuse(r, rv, text);
        vxc_caller_drain(caller);
        return;
    }
    command.namespace_id = caller->namespace_id;
    command.session = vxc_caller_session(caller);
    command.sequence = frame->sequence;
    command.floor = frame->floor;
    if (m->kind == VXC_KIND_LOCK_ACQUIRE) {
        command.b = frame->sequence; /* the ticket by which its outcome is known */
    }
    vxc_request_propose(r, &command);
    if (r->state != VXC_REQUEST_PROPOSED) {
        vxc_caller_drain(caller);
    }
}

/* ---- what is begun in its turn ---- */

bool vxc_request_begins(uint16_t kind)
{
    switch (kind) {
    case VXC_KIND_JOIN:
    case VXC_KIND_HELLO:
    case VXC_KIND_USE_NAMESPACE:
    case VXC_KIND_SESSION_OPEN:
    case VXC_KIND_SESSION_RESUME:
        return true;
    default:
        return vxc_membership_is_change(kind);
    }
}

void vxc_request_begin(struct vxc_request *r, const struct vxc_message *m)
{
    if (m->kind == VXC_KIND_JOIN) {
        vxc_legacy_join(r, m->join.node_id);
    } else if (vxc_membership_is_change(m->kind)) {
        vxc_membership_begin(r, m);
    } else {
        vxc_session_begin(r, m);
    }
    vxc_check(r->state != VXC_REQUEST_WAITING);
    if (r->state == VXC_REQUEST_BEGUN || r->state == VXC_REQUEST_PROPOSED ||
        r->state == VXC_REQUEST_HELD) {
        vxc_caller_block(r->caller);
    }
}

static void on_beginning(struct vxc_caller *caller, const struct vxc_frame *frame,
                         const struct vxc_message *m)
{
    bool first = caller->head == NULL;
    struct vxc_request *r =
        first ? vxc_request_add(caller, frame) : vxc_request_add_waiting(caller, frame, m->kind);

    if (r == NULL) {
        return;
    }
    if (first) {
        vxc_request_begin(r, m);
    } else {
        vxc_caller_block(caller);
    }
    vxc_caller_drain(caller);
}

/* ---- hooks of the listener ---- */

static void free_caller(struct vxc_caller *caller)
{
    vxc_free(caller->namespace_name);
    vxc_free(caller);
}

void *vxc_gateway_on_open(void *data, struct vxc_conn *conn)
{
    struct vxc_gateway *g = data;
    struct vxc_caller *caller = vxc_calloc(1, sizeof *caller);

    if (caller == NULL) {
        return NULL;
    }
    caller->gateway = g;
    caller->conn = conn;
    caller->id = vxc_conn_id(conn);
    g->stats.active_connections++;
    return caller;
}

/* An error in its turn. */
static void refuse_frame(struct vxc_caller *caller, const struct vxc_frame *frame, int code)
{
    struct vxc_request *r = vxc_request_add(caller, frame);

    if (r != NULL) {
        vxc_request_refuse(r, code, NULL);
        vxc_caller_drain(caller);
    }
}

/* A frame between nodes: the first of a connection makes it one of theirs, any other ends it. */
static void on_peer_frame(struct vxc_caller *caller, const struct vxc_frame *frame)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_conn *conn = caller->conn;

    if (caller->greeted || frame->kind != VXC_KIND_PEER_HELLO || g->options.on_peer == NULL) {
        g->stats.frames_refused_total++;
        vxc_conn_cut(conn, VXC_EPROTO,
                     g->options.on_peer == NULL ? "a message between nodes; this one has no peers"
                                                : "a message between nodes from a client",
                     true);
        return;
    }
    vxc_check(caller->head == NULL && caller->lease == NULL); /* nothing came before */
    g->stats.active_connections--;
    vxc_free(caller);
    g->options.on_peer(g->options.data, conn, frame);
}

/* 0 when this caller's requests may be proposed. */
static int may_write(struct vxc_caller *caller, uint16_t kind)
{
    int rv = vxc_gateway_serves(caller->gateway);

    if (kind == VXC_KIND_HELLO || (kind == VXC_KIND_USE_NAMESPACE && rv == VXC_ENOTPRIMARY)) {
        return 0; /* it looks for itself what it can say */
    }
    /* hello was said to a backup that did not have the namespace: it is to be said again */
    return rv == 0 && vxc_caller_namespace(caller) == VXC_NAMESPACE_NONE ? VXC_ENOTPRIMARY : rv;
}

void vxc_gateway_on_frame(void *data, struct vxc_conn *conn, const struct vxc_frame *frame)
{
    struct vxc_gateway *g = data;
    struct vxc_caller *caller = vxc_conn_user(conn);
    VXC_UNINITIALIZED struct vxc_message m;
    uint16_t kind = frame->kind;
    int rv;

    g->stats.requests_total++;
    if (vxc_conn_is_guest(conn) && frame->kind != VXC_KIND_PEER_HELLO &&
        !vxc_conn_take_place(conn)) {
        vxc_conn_cut(conn, VXC_ELIMIT, "all connections are taken", false);
        return;
    }
    if (frame->kind >= VXC_KIND_PEER_HELLO && vxc_message_schema(frame->kind) != NULL) {
        on_peer_frame(caller, frame);
        return;
    }
    caller->greeted = true;
    if (caller->lease != NULL) {
        caller->lease->heard_ms = vxc_gateway_now_ms(g);
    }
    if ((frame->flags & (VXC_FRAME_RESPONSE | VXC_FRAME_EVENT | VXC_FRAME_PONG)) != 0) {
        return; /* an answer nobody asked for: it counts as life and nothing else */
    }
    if ((frame->flags & VXC_FRAME_PING) != 0) {
        m.kind = kind = VXC_KIND_PING; /* whatever kind carries it */
        rv = 0;
    } else {
        rv = vxc_message_decode(kind, frame->payload, &m);
    }
    if (rv == 0 && vxc_message_schema(kind)->role != VXC_ROLE_REQUEST) {
        rv = VXC_EKIND;
    }
    if (rv != 0) {
        g->stats.frames_refused_total++;
        refuse_frame(caller, frame, rv);
    } else if (vxc_read_request(caller, frame, &m)) {
        return;
    } else if ((rv = may_write(caller, kind)) != 0) {
        refuse_frame(caller, frame, rv);
    } else if (vxc_request_begins(kind)) {
        on_beginning(caller, frame, &m);
    } else if (kind < VXC_KIND_ERROR_REPLY) {
        vxc_legacy_request(caller, frame, &m);
    } else {
        on_write(caller, frame, &m);
    }
}

/* A read that will be answered in this turn: what it looks at is fetched while others are answered.
 * Writes are applied later, and looked ahead at there; so are reads that wait. */
void vxc_gateway_on_ahead(void *data, struct vxc_conn *conn, const struct vxc_frame *frame)
{
    const struct vxc_caller *caller = vxc_conn_user(conn);

    (void)data;
    if (caller->head == NULL) {
        vxc_read_expect(caller, frame->kind, frame->payload);
    }
}

/* Cut connections are told at most once a second; what was left out is counted. */
static void log_close(struct vxc_gateway *g, const struct vxc_caller *caller, int code,
                      const char *reason)
{
    uint64_t now_ms = vxc_gateway_now_ms(g);
    bool told = code == VXC_ECLOSED || now_ms - g->cut_logged_ms >= LOG_REPEAT_MS;

    if (!told) {
        g->cuts_left_out++;
        return;
    }
    vxc_log_event(g->options.logger, code == VXC_ECLOSED ? VXC_LOG_DEBUG : VXC_LOG_WARN,
                  code == VXC_ECLOSED ? "conn_closed" : "conn_cut",
                  "conn=%u address=%s code=%s reason=\"%s\" left_out=%llu", caller->id,
                  vxc_conn_address(caller->conn), vxc_error_name(code), reason,
                  (unsigned long long)g->cuts_left_out);
    if (code != VXC_ECLOSED) {
        g->cut_logged_ms = now_ms;
        g->cuts_left_out = 0;
    }
}

void vxc_gateway_on_room(void *data, struct vxc_conn *conn)
{
    (void)data;
    vxc_caller_drain(vxc_conn_user(conn));
}

void vxc_gateway_on_close(void *data, struct vxc_conn *conn, int code, const char *reason)
{
    struct vxc_gateway *g = data;
    struct vxc_caller *caller = vxc_conn_user(conn);

    log_close(g, caller, code, reason);
    g->stats.active_connections--;
    vxc_lease_closed(caller, code);
    vxc_snapshots_forget(g->options.snapshots, caller);
    vxc_caller_close(caller); /* only what the log holds must be waited for */
    if (caller->head == NULL) {
        free_caller(caller);
    }
}

/* ---- hooks of the replica ---- */

void vxc_gateway_on_result(void *data, struct vxc_proposal *proposal,
                           const struct vxc_result *result)
{
    struct vxc_request *r = (struct vxc_request *)(void *)proposal;
    struct vxc_caller *caller = r->caller;
    struct vxc_gateway *g = data;

    if (result->code == 0 && (r->kind == VXC_KIND_SESSION_OPEN || r->kind == VXC_KIND_JOIN)) {
        vxc_session_opened(g, result->token);
    }
    vxc_request_returned(r, result,
                         r->kind < VXC_KIND_ERROR_REPLY ? vxc_legacy_result : vxc_session_result);
    if (caller->conn == NULL && caller->head == NULL) {
        free_caller(caller);
    }
}

/* The sessions are somebody else's: nothing is known of them here any more. */
static void stop_leading(struct vxc_gateway *g, int code)
{
    g->leading = false;
    vxc_rounds_refuse(g, g->rounds.asked, code);
    vxc_leases_leave(g);
}

void vxc_gateway_on_role(void *data)
{
    struct vxc_gateway *g = data;
    struct vxc_replica *replica = g->options.replica;

    if (replica == NULL) {
        return;
    }
    if (g->leading && !vxc_replica_is_primary(replica)) {
        stop_leading(g, VXC_ENOTPRIMARY);
    } else if (!g->leading && vxc_replica_is_ready(replica)) {
        g->leading = true;
        vxc_leases_restart(g);
        vxc_membership_lead(g);
    }
    vxc_membership_on_role(g);
}

void vxc_gateway_set_replica(struct vxc_gateway *g, struct vxc_replica *replica,
                             struct vxc_fsm *fsm)
{
    g->options.replica = replica;
    g->options.fsm = fsm;
    stop_leading(g, VXC_EBUSY);
    vxc_membership_on_role(g); /* a transfer, too, has come to its end */
    g->rounds.base = g->rounds.asked;
    vxc_gateway_on_role(g);
}
