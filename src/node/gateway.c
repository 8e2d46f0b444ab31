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
    LIST_INIT(&g->rounds.callers);
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

/* ---- flow control of one caller ---- */

/* Reads the socket or not: not while blocked, and with hysteresis around the in-flight bounds. */
static void update_pause(struct vxc_caller *caller)
{
    bool over = caller->requests >= VXC_CONN_INFLIGHT_REQUESTS_MAX ||
                caller->bytes >= VXC_CONN_INFLIGHT_BYTES_MAX;
    bool under = caller->requests <= VXC_CONN_INFLIGHT_REQUESTS_MAX / 2 &&
                 caller->bytes <= VXC_CONN_INFLIGHT_BYTES_MAX / 2;

    if (caller->conn == NULL) {
        return;
    }
    caller->throttled = over || (caller->throttled && !under);
    if (caller->throttled || caller->blocked) {
        vxc_conn_pause(caller->conn);
    } else {
        vxc_conn_resume(caller->conn);
    }
}

void vxc_caller_block(struct vxc_caller *caller)
{
    caller->blocked = true;
    update_pause(caller);
}

void vxc_caller_unblock(struct vxc_caller *caller)
{
    caller->blocked = false;
    update_pause(caller);
}

/* ---- requests ---- */

struct vxc_request *vxc_request_add(struct vxc_caller *caller, const struct vxc_frame *frame)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_request *r = g->free_requests;

    if (r != NULL) {
        g->free_requests = r->next;
    } else {
        r = vxc_malloc(sizeof *r);
        if (r == NULL) {
            vxc_conn_cut(caller->conn, VXC_ENOMEM, "out of memory", false);
            return NULL;
        }
    }
    *r = (struct vxc_request){
        .caller = caller,
        .request_id = frame->request_id,
        .kind = frame->kind,
        .flags = frame->flags,
        .cost = frame->size + (uint32_t)sizeof *r, /* a ping, too, takes memory */
    };
    if (caller->tail != NULL) {
        caller->tail->next = r;
    } else {
        caller->head = r;
    }
    caller->tail = r;
    caller->requests++;
    caller->bytes += r->cost;
    g->stats.inflight_requests++;
    g->stats.inflight_bytes += r->cost;
    if (caller->requests >= VXC_CONN_INFLIGHT_REQUESTS_MAX ||
        caller->bytes >= VXC_CONN_INFLIGHT_BYTES_MAX) {
        update_pause(caller);
    }
    return r;
}

/* Back to the pool; the request is out of its FIFO already. */
static void recycle(struct vxc_request *r)
{
    struct vxc_caller *caller = r->caller;
    struct vxc_gateway *g = caller->gateway;

    if (g->change == r) {
        g->change = NULL;
    }
    caller->requests--;
    caller->bytes -= r->cost;
    g->stats.inflight_requests--;
    g->stats.inflight_bytes -= r->cost;
    vxc_free(r->payload);
    r->payload = NULL;
    r->next = g->free_requests;
    g->free_requests = r;
}

static void pop_head(struct vxc_caller *caller)
{
    struct vxc_request *r = caller->head;

    caller->head = r->next;
    if (caller->head == NULL) {
        caller->tail = NULL;
    }
    recycle(r);
}

int vxc_request_keep(struct vxc_request *r, struct vxc_slice bytes)
{
    uint8_t *copy = vxc_malloc(bytes.size == 0 ? 1 : bytes.size);

    if (copy == NULL) {
        return VXC_ENOMEM;
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    vxc_free(r->payload);
    r->payload = copy;
    r->payload_size = (uint32_t)bytes.size;
    return 0;
}

static void answer_waiting(struct vxc_caller *caller, struct vxc_request *r);

static void stop_deferring(struct vxc_caller *caller)
{
    caller->gateway->deferred_bytes -= caller->deferred;
    caller->deferred = 0;
}

/* What is left waits until the client has taken earlier replies. That is for reads with no write
 * behind them: a read shows the state before the writes that follow it. */
static bool defer(struct vxc_caller *caller)
{
    struct vxc_gateway *g = caller->gateway;

    for (const struct vxc_request *r = caller->head; r != NULL; r = r->next) {
        if (r->state == VXC_REQUEST_PROPOSED || vxc_membership_is_change(r->kind)) {
            return false;
        }
    }
    if (g->deferred_bytes + caller->bytes > VXC_NODE_DEFERRED_BYTES_MAX) {
        return false;
    }
    caller->deferred = caller->bytes;
    g->deferred_bytes += caller->deferred;
    return true;
}

static void stop_awaiting(struct vxc_caller *caller)
{
    if (caller->awaits_round) {
        LIST_REMOVE(caller, of_waiting);
        caller->awaits_round = false;
    }
}

/* Does the front of the FIFO wait for more than its turn? */
static bool must_wait(struct vxc_caller *caller, const struct vxc_request *r)
{
    struct vxc_gateway *g = caller->gateway;

    if (r->state == VXC_REQUEST_PROPOSED || r->state == VXC_REQUEST_HELD) {
        return true;
    }
    if (r->state != VXC_REQUEST_WAITING || r->round <= g->rounds.confirmed ||
        r->round <= g->rounds.refused) {
        return false;
    }
    if (!caller->awaits_round) {
        LIST_INSERT_HEAD(&g->rounds.callers, caller, of_waiting);
        caller->awaits_round = true;
    }
    return true;
}

/* Who lost the primary with his session goes to look for it once nothing is owed to him. */
static void leave_when_idle(struct vxc_caller *caller)
{
    if (caller->leaving && caller->head == NULL && caller->conn != NULL) {
        caller->leaving = false;
        vxc_conn_cut(caller->conn, VXC_ENOTPRIMARY,
                     "this node is not the primary any more; resume the session there", true);
    }
}

void vxc_caller_leave(struct vxc_caller *caller)
{
    caller->leaving = true;
    vxc_caller_block(caller);
    leave_when_idle(caller);
}

/* Answers everything at the front of the FIFO that needs no log any more. */
void vxc_caller_drain(struct vxc_caller *caller)
{
    bool may_defer = true;

    stop_deferring(caller);
    while (caller->head != NULL && !must_wait(caller, caller->head)) {
        if (may_defer && caller->conn != NULL && vxc_conn_is_choked(caller->conn)) {
            if (defer(caller)) {
                break;
            }
            may_defer = false; /* it is cut when this becomes too much */
        }
        if (caller->conn != NULL && vxc_conn_out(caller->conn) != NULL) {
            answer_waiting(caller, caller->head);
            if (must_wait(caller, caller->head)) {
                break; /* it has only begun */
            }
        }
        pop_head(caller);
    }
    if (caller->throttled) {
        update_pause(caller);
    }
    leave_when_idle(caller);
}

void vxc_request_refuse(struct vxc_request *r, int code, const char *text)
{
    r->state = VXC_REQUEST_REFUSED;
    r->code = code;
    r->text = text;
}

void vxc_request_refuse_with(struct vxc_request *r, int code, const char *text)
{
    bool kept = text[0] != '\0' && vxc_request_keep(r, vxc_slice(text, strlen(text) + 1)) == 0;

    vxc_request_refuse(r, code, kept ? (const char *)r->payload : NULL);
}

void vxc_request_propose(struct vxc_request *r, const struct vxc_command *command)
{
    struct vxc_gateway *g = r->caller->gateway;
    int rv;

    r->state = VXC_REQUEST_PROPOSED;
    rv = vxc_replica_propose(g->options.replica, command, &r->proposal);
    if (rv != 0) {
        if (r->caller->blocked) {
            vxc_caller_unblock(r->caller);
        }
        vxc_request_refuse(r, rv,
                           rv == VXC_EBUSY ? "busy: too much waits for the log; try again" : NULL);
        vxc_caller_drain(r->caller);
    }
}

bool vxc_request_continue(struct vxc_request *r, const struct vxc_command *command)
{
    int rv = vxc_replica_propose(r->caller->gateway->options.replica, command, &r->proposal);

    if (rv != 0) {
        vxc_reply_error(r->caller, r->kind, r->request_id, rv, NULL);
    }
    return rv == 0;
}

/* The session that extensions of this connection act for; the implicit one of a node that joined by
 * kind 1 is not for them: it has neither sequences nor events. */
static uint64_t session_of(const struct vxc_caller *caller)
{
    return caller->lease == NULL || caller->lease->legacy ? 0 : caller->lease->session;
}

uint64_t vxc_caller_namespace(struct vxc_caller *caller)
{
    if (caller->namespace_id == VXC_NAMESPACE_NONE) { /* it may have come into being since */
        (void)vxc_session_find_namespace(
            caller, vxc_slice(caller->namespace_name, caller->namespace_name_size));
    }
    return caller->namespace_id;
}

/* ---- reads ---- */

/* True for reads that say nothing about the replicated state, or that may say what is past: any node
 * answers them at once. */
static bool is_answered_anywhere(uint16_t kind, uint8_t flags)
{
    switch (kind) {
    case VXC_KIND_PING:
    case VXC_KIND_STATUS:
    case VXC_KIND_MEMBER_LIST:
    case VXC_KIND_SNAPSHOT_GET: /* of this node's own file */
    case VXC_KIND_SNAPSHOT_READ:
    case VXC_KIND_SNAPSHOT_END:
        return true;
    default:
        return (flags & VXC_FRAME_STALE) != 0 && kind >= VXC_KIND_ERROR_REPLY;
    }
}

static void read_now(struct vxc_caller *caller, uint32_t request_id, const struct vxc_message *m)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_command query;
    struct vxc_result result;
    const char *text = NULL;
    int rv;

    if (m->kind == VXC_KIND_PING) {
        struct vxc_message pong = vxc_message_of(VXC_KIND_PONG);
        vxc_reply_message(caller, request_id, VXC_FRAME_PONG, &pong);
        return;
    }
    if (g->options.fsm == NULL) {
        vxc_reply_error(caller, m->kind, request_id, VXC_EBUSY, NULL);
        return;
    }
    (void)vxc_caller_namespace(caller);
    if (m->kind < VXC_KIND_ERROR_REPLY) {
        vxc_legacy_read(caller, request_id, m);
        return;
    }
    if (vxc_reply_local(caller, request_id, m)) {
        return;
    }
    rv = vxc_route(m, &g->scratch, &query, &text);
    if (rv != 0) {
        vxc_reply_error(caller, m->kind, request_id, rv, text);
        return;
    }
    query.namespace_id = caller->namespace_id;
    query.session = session_of(caller);
    vxc_fsm_query(g->options.fsm, &query, &result);
    vxc_reply_result(caller,
                     &(struct vxc_request){.kind = m->kind,
                                           .request_id = request_id,
                                           .stage = query.op == VXC_OP_MAP_SCAN ||
                                                            query.op == VXC_OP_MULTIMAP_SCAN
                                                        ? (uint8_t)query.a
                                                        : 0},
                     &result);
}

static void answer_waiting(struct vxc_caller *caller, struct vxc_request *r)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_message m;
    int rv;

    if (r->state == VXC_REQUEST_ANSWERED) {
        return;
    }
    if (r->state == VXC_REQUEST_REFUSED) {
        vxc_reply_error(caller, r->kind, r->request_id, r->code, r->text);
        if (r->code == VXC_EVERSION) {
            vxc_conn_cut(caller->conn, r->code, "no common protocol version", true);
        }
        return;
    }
    rv = is_answered_anywhere(r->kind, r->flags) ? 0
         : r->round > g->rounds.confirmed        ? g->rounds.refusal
                                                 : vxc_gateway_serves(g);
    if (rv != 0) {
        vxc_reply_error(caller, r->kind, r->request_id, rv, NULL);
        if (vxc_membership_is_change(r->kind)) {
            vxc_caller_unblock(caller);
        }
        return;
    }
    /* it was decoded once before it was kept */
    vxc_check(vxc_message_decode(r->kind, vxc_slice(r->payload, r->payload_size), &m) == 0);
    if (vxc_membership_is_change(r->kind)) {
        vxc_membership_begin(r, &m);
    } else {
        read_now(caller, r->request_id, &m);
    }
}

/* True for requests that only look. */
static bool is_read(const struct vxc_message *m)
{
    switch (m->kind) {
    case VXC_KIND_PING:
    case VXC_KIND_GET_NODES:
    case VXC_KIND_LEGACY_MAP_GET:
    case VXC_KIND_LEGACY_MAP_SIZE:
    case VXC_KIND_LEGACY_SET_CONTAINS:
    case VXC_KIND_LEGACY_SET_SIZE:
    case VXC_KIND_LEGACY_COUNTER_GET:
    case VXC_KIND_LOCK_SYNC:
    case VXC_KIND_LEGACY_MULTIMAP_GET:
    case VXC_KIND_LEGACY_MULTIMAP_SIZE:
    case VXC_KIND_LEGACY_MULTIMAP_KEY_SIZE:
    case VXC_KIND_LEGACY_CONTAINS_KEY:
    case VXC_KIND_LEGACY_CONTAINS_VALUE:
    case VXC_KIND_LEGACY_CONTAINS_ENTRY:
    case VXC_KIND_LEGACY_KEYS:
    case VXC_KIND_LEGACY_VALUES:
    case VXC_KIND_LEGACY_ENTRIES:
    case VXC_KIND_NAMESPACE_LIST:
    case VXC_KIND_SESSION_LIST:
    case VXC_KIND_SESSION_GET:
    case VXC_KIND_MAP_GET:
    case VXC_KIND_MAP_CONTAINS:
    case VXC_KIND_MAP_SIZE:
    case VXC_KIND_MAP_SCAN:
    case VXC_KIND_MAP_LIST:
    case VXC_KIND_SET_CONTAINS:
    case VXC_KIND_SET_SIZE:
    case VXC_KIND_SET_SCAN:
    case VXC_KIND_SET_LIST:
    case VXC_KIND_MULTIMAP_GET:
    case VXC_KIND_MULTIMAP_CONTAINS_KEY:
    case VXC_KIND_MULTIMAP_CONTAINS_VALUE:
    case VXC_KIND_MULTIMAP_CONTAINS_ENTRY:
    case VXC_KIND_MULTIMAP_SIZE:
    case VXC_KIND_MULTIMAP_KEY_SIZE:
    case VXC_KIND_MULTIMAP_SCAN:
    case VXC_KIND_MULTIMAP_LIST:
    case VXC_KIND_COUNTER_GET:
    case VXC_KIND_COUNTER_LIST:
    case VXC_KIND_LOCK_GET:
    case VXC_KIND_LOCK_LIST:
    case VXC_KIND_REGISTRATION_GET:
    case VXC_KIND_REGISTRATION_LIST:
    case VXC_KIND_NODE_GET:
    case VXC_KIND_NODE_LIST:
    case VXC_KIND_STATUS:
    case VXC_KIND_DUMP:
    case VXC_KIND_SNAPSHOT_BEGIN: /* a file beside the state: nothing for the log */
    case VXC_KIND_SNAPSHOT_GET:
    case VXC_KIND_SNAPSHOT_READ:
    case VXC_KIND_SNAPSHOT_END:
    case VXC_KIND_MEMBER_LIST:
        return true;
    default:
        return false;
    }
}

/* Behind what is under way, with a copy of its payload. */
static struct vxc_request *add_waiting(struct vxc_caller *caller, const struct vxc_frame *frame,
                                       uint16_t kind)
{
    struct vxc_request *r = vxc_request_add(caller, frame);

    if (r == NULL) {
        return NULL;
    }
    r->kind = kind;
    r->state = VXC_REQUEST_WAITING;
    if (vxc_request_keep(r, frame->payload) != 0) {
        vxc_request_refuse(r, VXC_ENOMEM, NULL);
    }
    return r;
}

/* From when on it may be answered; VXC_EBUSY, VXC_ENOTPRIMARY. */
static int ask_round(struct vxc_gateway *g, uint64_t *round)
{
    int rv;

    if (g->options.replica == NULL) {
        return VXC_EBUSY;
    }
    rv = vxc_replica_read(g->options.replica, round);
    if (rv == 0 && *round != 0) {
        *round += g->rounds.base;
        g->rounds.asked = *round;
    }
    return rv;
}

static void on_read(struct vxc_caller *caller, const struct vxc_frame *frame,
                    const struct vxc_message *m)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_request *r;
    uint64_t round = 0;
    int rv = is_answered_anywhere(m->kind, frame->flags) ? 0 : ask_round(g, &round);

    if (caller->head == NULL && rv != 0) {
        vxc_reply_error(caller, m->kind, frame->request_id, rv, NULL);
        return;
    }
    if (caller->head == NULL && round == 0) {
        read_now(caller, frame->request_id, m);
        return;
    }
    r = add_waiting(caller, frame, m->kind);
    if (r == NULL) {
        return;
    }
    r->round = round;
    if (rv != 0) {
        vxc_request_refuse(r, rv, NULL);
    }
    if (caller->head == r) {
        vxc_caller_drain(caller);
    }
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
    if (rv == 0 && (frame->flags & VXC_FRAME_SEQUENCED) != 0 && session_of(caller) == 0) {
        rv = VXC_ESESSION;
        text = "a sequenced request needs a session on this connection";
    }
    if (rv == 0 && m->kind == VXC_KIND_LOCK_ACQUIRE &&
        (session_of(caller) == 0 || frame->sequence == 0)) {
        rv = VXC_ESESSION;
        text = "a lock is owned by a session: open one and send a sequenced request";
    }
    if (rv != 0) {
        vxc_request_refuse(r, rv, text);
        vxc_caller_drain(caller);
        return;
    }
    command.namespace_id = caller->namespace_id;
    command.session = session_of(caller);
    command.sequence = frame->sequence;
    command.floor = frame->floor;
    if (m->kind == VXC_KIND_LOCK_ACQUIRE) {
        command.b = frame->sequence; /* the ticket by which its outcome is known */
    }
    vxc_request_propose(r, &command);
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

int vxc_gateway_serves(const struct vxc_gateway *g)
{
    if (g->options.replica == NULL) {
        return VXC_EBUSY;
    }
    return vxc_replica_is_primary(g->options.replica) ? 0 : VXC_ENOTPRIMARY;
}

/* 0 when this caller's requests may be proposed. */
static int may_write(struct vxc_caller *caller, uint16_t kind)
{
    int rv = vxc_gateway_serves(caller->gateway);

    if (kind == VXC_KIND_HELLO || kind == VXC_KIND_USE_NAMESPACE) {
        return rv == VXC_ENOTPRIMARY ? 0 : rv; /* it looks for itself what it can say */
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

    if (kind == VXC_KIND_PEER_HELLO && g->options.on_peer != NULL) {
        vxc_gateway_on_close(g, conn, 0, "");
        g->options.on_peer(g->options.data, conn, frame);
        return;
    }
    g->stats.requests_total++;
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
    } else if (is_read(&m)) {
        on_read(caller, frame, &m);
    } else if ((rv = may_write(caller, kind)) != 0) {
        refuse_frame(caller, frame, rv);
    } else if (vxc_membership_is_change(kind)) {
        (void)add_waiting(caller, frame, kind); /* without it the connection is cut */
        vxc_caller_block(caller);
        vxc_caller_drain(caller);
    } else if (kind < VXC_KIND_ERROR_REPLY) {
        vxc_legacy_request(caller, frame, &m);
    } else if (!vxc_session_request(caller, frame, &m)) {
        on_write(caller, frame, &m);
    }
}

/* A read that will be answered in this turn: what it looks at is fetched while others are answered.
 * Writes are applied later, and looked ahead at there. */
void vxc_gateway_on_ahead(void *data, struct vxc_conn *conn, const struct vxc_frame *frame)
{
    struct vxc_gateway *g = data;
    const struct vxc_caller *caller = vxc_conn_user(conn);
    struct vxc_reader reader = vxc_reader(frame->payload);
    uint16_t op;

    switch (caller->head == NULL ? frame->kind : 0) {
    case VXC_KIND_MAP_GET:
        op = VXC_OP_MAP_GET;
        break;
    case VXC_KIND_MAP_CONTAINS:
        op = VXC_OP_MAP_CONTAINS;
        break;
    case VXC_KIND_SET_CONTAINS:
        op = VXC_OP_SET_CONTAINS;
        break;
    case VXC_KIND_COUNTER_GET:
        op = VXC_OP_COUNTER_GET;
        break;
    default:
        return;
    }
    if (g->options.fsm == NULL) {
        return;
    }
    struct vxc_command query = {.op = op, .namespace_id = caller->namespace_id};
    query.name = vxc_reader_bytes(&reader); /* all four begin with name and key; a counter's ends */
    query.key = vxc_reader_bytes(&reader);
    vxc_fsm_expect(g->options.fsm, &query);
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
    struct vxc_request *r = caller->head;

    log_close(g, caller, code, reason);
    g->stats.active_connections--;
    vxc_lease_detach(caller);
    vxc_snapshots_forget(g->options.snapshots, caller);
    stop_deferring(caller);
    stop_awaiting(caller);
    caller->conn = NULL;
    /* only what the log holds must be waited for */
    caller->head = caller->tail = NULL;
    while (r != NULL) {
        struct vxc_request *next = r->next;
        r->next = NULL;
        if (r->state != VXC_REQUEST_PROPOSED) {
            recycle(r);
        } else if (caller->tail != NULL) {
            caller->tail = caller->tail->next = r;
        } else {
            caller->head = caller->tail = r;
        }
        r = next;
    }
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

    vxc_check(caller->head == r); /* one connection's commands come back in their order */
    if (result->code == 0 && (r->kind == VXC_KIND_SESSION_OPEN || r->kind == VXC_KIND_JOIN)) {
        vxc_session_opened(g, result->token);
    }
    if (result->code == VXC_EUNKNOWN && (r->flags & VXC_FRAME_SEQUENCED) != 0) {
        /* the next primary knows the answer: the client asks there again, under this sequence */
        vxc_caller_leave(caller);
    } else if (caller->conn != NULL || vxc_membership_is_change(r->kind)) {
        bool more = r->kind < VXC_KIND_ERROR_REPLY ? vxc_legacy_result(r, result)
                                                   : vxc_session_result(r, result);
        if (more) {
            return; /* the next stage was proposed under the same request */
        }
    }
    pop_head(caller);
    if (caller->conn == NULL) {
        if (caller->head == NULL) {
            free_caller(caller);
        }
        return;
    }
    vxc_caller_drain(caller);
}

/* Those whose front waited go on. */
static void run_waiting(struct vxc_gateway *g)
{
    struct vxc_caller *next;

    for (struct vxc_caller *c = LIST_FIRST(&g->rounds.callers); c != NULL; c = next) {
        next = LIST_NEXT(c, of_waiting); /* who must wait again is put before the first */
        stop_awaiting(c);
        vxc_caller_drain(c);
    }
}

static void refuse_rounds(struct vxc_gateway *g, uint64_t round, int code)
{
    g->rounds.refused = round > g->rounds.refused ? round : g->rounds.refused;
    g->rounds.refusal = code;
    run_waiting(g);
}

void vxc_gateway_on_reads(void *data, uint64_t round, int code)
{
    struct vxc_gateway *g = data;

    round += g->rounds.base;
    if (code != 0) {
        refuse_rounds(g, round, code);
        return;
    }
    g->rounds.confirmed = round > g->rounds.confirmed ? round : g->rounds.confirmed;
    run_waiting(g);
}

/* The sessions are somebody else's: nothing is known of them here any more. */
static void stop_leading(struct vxc_gateway *g, int code)
{
    g->leading = false;
    refuse_rounds(g, g->rounds.asked, code);
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
