/* The caller: the FIFO of one connection's requests, and how much of it there may be.
 *
 * A request is answered when it is at the front and waits for nothing else. What it waits for has
 * three forms: its result from the log, its round (reads), or nothing but its turn. A request that
 * decides what later ones mean, or that takes several steps, is begun when it is at the front, and
 * no frames are taken meanwhile.
 *
 * Results come in the order of the log, and a read in front of a write may still wait for its round
 * then. So a read looks at the state before the write behind it is applied, and its reply is kept
 * until the round is confirmed; so is the result of the write. Where no write follows, or no round is
 * needed, nothing is kept: the read looks when it is answered.
 */
#include "base/check.h"
#include "base/memory.h"
#include "node/gateway_internal.h"

#include <stddef.h>
#include <string.h>

/* ---- flow control ---- */

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
    if (caller->throttled || caller->blocked || caller->leaving) {
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
    memset(r, 0, offsetof(struct vxc_request, small));
    r->caller = caller;
    r->request_id = frame->request_id;
    r->kind = frame->kind;
    r->flags = frame->flags;
    r->cost = frame->size + (uint32_t)sizeof *r; /* a ping, too, takes memory */
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

struct vxc_request *vxc_request_add_waiting(struct vxc_caller *caller,
                                            const struct vxc_frame *frame, uint16_t kind)
{
    struct vxc_request *r = vxc_request_add(caller, frame);

    if (r == NULL) {
        return NULL;
    }
    r->kind = kind;
    if (vxc_request_keep(r, frame->payload) != 0) {
        vxc_request_refuse(r, VXC_ENOMEM, NULL);
    }
    return r;
}

static void forget_payload(struct vxc_request *r)
{
    if (r->payload != r->small) {
        vxc_free(r->payload);
    }
    r->payload = NULL;
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
    forget_payload(r);
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

/* From anywhere behind the head. */
static void take_out(struct vxc_request *r)
{
    struct vxc_caller *caller = r->caller;
    struct vxc_request *before = caller->head;

    while (before->next != r) {
        before = before->next;
    }
    before->next = r->next;
    if (caller->tail == r) {
        caller->tail = before;
    }
    recycle(r);
}

int vxc_request_keep(struct vxc_request *r, struct vxc_slice bytes)
{
    uint8_t *copy = bytes.size <= sizeof r->small ? r->small : vxc_malloc(bytes.size);

    if (copy == NULL) {
        return VXC_ENOMEM;
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    forget_payload(r);
    r->payload = copy;
    r->payload_size = (uint32_t)bytes.size;
    return 0;
}

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

    if (caller->proposed > 0) {
        return false;
    }
    if (g->deferred_bytes + caller->bytes > VXC_NODE_DEFERRED_BYTES_MAX) {
        return false;
    }
    caller->deferred = caller->bytes;
    g->deferred_bytes += caller->deferred;
    return true;
}

/* ---- what comes before its turn ---- */

/* The reply is kept with its request, in the place of the payload, and counts as it did. */
static void keep_reply(struct vxc_request *r, struct vxc_buffer *reply)
{
    struct vxc_caller *caller = r->caller;

    caller->early = NULL;
    forget_payload(r);
    r->payload = reply->data;
    r->payload_size = (uint32_t)reply->size;
    r->cost += r->payload_size;
    caller->bytes += r->payload_size;
    caller->gateway->stats.inflight_bytes += r->payload_size;
    r->state = VXC_REQUEST_READY;
}

/* Reads from here on up to the next write in the log's hands look at the state now, for that write
 * changes it: it may be applied before their round is confirmed. */
static void look_early(struct vxc_request *r)
{
    for (; r != NULL && r->state != VXC_REQUEST_PROPOSED; r = r->next) {
        if (r->state == VXC_REQUEST_WAITING && !vxc_request_begins(r->kind)) {
            struct vxc_buffer reply = {0};

            r->caller->early = &reply;
            vxc_read_answer(r);
            keep_reply(r, &reply);
        }
    }
}

static void stop_awaiting(struct vxc_caller *caller)
{
    if (caller->awaits_round) {
        LIST_REMOVE(caller, of_waiting);
        caller->awaits_round = false;
    }
}

/* ---- what is at the front ---- */

/* Does it wait for more than its turn? */
static bool must_wait(struct vxc_caller *caller, const struct vxc_request *r)
{
    struct vxc_gateway *g = caller->gateway;

    if (r->state == VXC_REQUEST_PROPOSED || r->state == VXC_REQUEST_HELD) {
        return true;
    }
    if (r->round <= g->rounds.confirmed || r->round <= g->rounds.refused ||
        r->state == VXC_REQUEST_REFUSED) {
        return false;
    }
    if (!caller->awaits_round) {
        LIST_INSERT_HEAD(&g->rounds.callers, caller, of_waiting);
        caller->awaits_round = true;
    }
    if (caller->proposed > 0 && r->state == VXC_REQUEST_WAITING) {
        look_early(caller->head);
    }
    return true;
}

static void refuse_now(struct vxc_caller *caller, const struct vxc_request *r)
{
    vxc_reply_error(caller, r->kind, r->request_id, r->code, r->text);
    if (r->code == VXC_EVERSION) {
        vxc_conn_cut(caller->conn, r->code, "no common protocol version", true);
    }
}

/* Its turn has come. */
static void answer(struct vxc_caller *caller, struct vxc_request *r)
{
    int rv = r->state == VXC_REQUEST_READY && r->round == 0 ? 0 : vxc_read_refusal(r);

    if (r->state == VXC_REQUEST_ANSWERED) {
        return;
    }
    if (r->state == VXC_REQUEST_REFUSED) {
        refuse_now(caller, r);
    } else if (rv != 0) {
        vxc_reply_error(caller, r->kind, r->request_id, rv, NULL);
    } else if (r->state == VXC_REQUEST_READY) {
        vxc_reply_kept(caller, vxc_slice(r->payload, r->payload_size));
    } else if (r->state == VXC_REQUEST_BEGUN) {
        vxc_session_resumed(r);
    } else {
        vxc_read_answer(r);
    }
}

static void begin(struct vxc_request *r)
{
    struct vxc_message m;

    /* it was decoded once before it was kept */
    vxc_check(vxc_message_decode(r->kind, vxc_slice(r->payload, r->payload_size), &m) == 0);
    vxc_request_begin(r, &m);
}

/* Who lost the primary with his session goes to look for it once nothing is owed to him. */
static void leave_when_idle(struct vxc_caller *caller)
{
    if (caller->leaving && caller->head == NULL && caller->conn != NULL) {
        vxc_news_tell(caller);
        vxc_conn_cut(caller->conn, VXC_ENOTPRIMARY,
                     "this node is not the primary any more; resume the session there", true);
    }
}

void vxc_caller_leave(struct vxc_caller *caller)
{
    caller->leaving = true;
    update_pause(caller);
    leave_when_idle(caller);
}

/* Looks ahead of the front while a row of reads is answered. */
struct outlook {
    struct vxc_request *furthest; /* looked at; NULL: none that is still in the FIFO */
    uint32_t distance;            /* from the front */
};

static void look_ahead(struct vxc_caller *caller, struct outlook *o)
{
    if (o->furthest == NULL) {
        *o = (struct outlook){.furthest = caller->head};
    }
    while (o->distance < VXC_FSM_EXPECT_AHEAD && o->furthest->next != NULL) {
        const struct vxc_request *r = o->furthest = o->furthest->next;

        o->distance++;
        if (r->state == VXC_REQUEST_WAITING) {
            vxc_read_expect(caller, r->kind, vxc_slice(r->payload, r->payload_size));
        }
    }
}

static void step_on(struct vxc_caller *caller, struct outlook *o)
{
    if (o->distance == 0) {
        o->furthest = NULL;
    } else {
        o->distance--;
    }
    pop_head(caller);
}

void vxc_caller_drain(struct vxc_caller *caller)
{
    struct outlook outlook = {0};
    bool may_defer = true;

    stop_deferring(caller);
    while (caller->head != NULL && !must_wait(caller, caller->head)) {
        struct vxc_request *r = caller->head;

        look_ahead(caller, &outlook);

        if (may_defer && caller->conn != NULL && vxc_conn_is_choked(caller->conn)) {
            if (defer(caller)) {
                break;
            }
            may_defer = false; /* it is cut when this becomes too much */
        }
        vxc_news_tell(caller); /* which may be too much for the connection */
        if (caller->conn != NULL && vxc_conn_out(caller->conn) != NULL) {
            if (r->state == VXC_REQUEST_WAITING && vxc_request_begins(r->kind)) {
                begin(r);
                continue; /* what became of it is looked at */
            }
            answer(caller, r);
        }
        if (caller->blocked && vxc_request_begins(r->kind)) {
            vxc_caller_unblock(caller);
        }
        step_on(caller, &outlook);
    }
    if (caller->throttled) {
        update_pause(caller);
    }
    leave_when_idle(caller);
}

/* ---- what the log answers ---- */

void vxc_request_refuse(struct vxc_request *r, int code, const char *text)
{
    r->state = VXC_REQUEST_REFUSED;
    r->code = code;
    r->text = text;
}

void vxc_request_proposed(struct vxc_request *r)
{
    struct vxc_caller *caller = r->caller;

    if (r->state == VXC_REQUEST_PROPOSED) {
        return; /* its next stage */
    }
    r->state = VXC_REQUEST_PROPOSED;
    if (caller->proposed++ == 0 && caller->head != r) {
        look_early(caller->head);
    }
}

void vxc_request_propose(struct vxc_request *r, const struct vxc_command *command)
{
    int rv = vxc_replica_propose(r->caller->gateway->options.replica, command, &r->proposal);

    if (rv == 0) {
        vxc_request_proposed(r);
    } else {
        vxc_request_refuse(r, rv,
                           rv == VXC_EBUSY ? "busy: too much waits for the log; try again" : NULL);
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

/* Are writes before it still on their way? Results come in the order of the log, but for those of
 * commands that were given up before they reached it. */
static bool is_overtaking(const struct vxc_request *r, const struct vxc_result *result)
{
    const struct vxc_request *before = r->caller->head;

    while (result->code != 0 && before != r && before->state != VXC_REQUEST_PROPOSED) {
        before = before->next;
    }
    return result->code != 0 && before != r;
}

/* Reads in front may still wait for their round: then the reply is kept. */
void vxc_request_returned(struct vxc_request *r, const struct vxc_result *result,
                          bool (*reply)(struct vxc_request *, const struct vxc_result *))
{
    struct vxc_caller *caller = r->caller;
    struct vxc_buffer early = {0};
    bool front = caller->head == r;

    if (result->code == VXC_EUNKNOWN && (r->flags & VXC_FRAME_SEQUENCED) != 0) {
        /* the next primary knows the answer: the client asks there again, under this sequence */
        vxc_caller_leave(caller);
    } else if (caller->conn != NULL || vxc_membership_is_change(r->kind)) {
        caller->early = front ? vxc_news_replies(caller, r->kind) : &early;
        if (reply(r, result)) {
            vxc_check(front);
            return; /* the next stage was proposed under the same request */
        }
        caller->early = NULL;
    }
    caller->proposed--;
    if (front) {
        pop_head(caller);
        vxc_caller_drain(caller);
        return;
    }
    if (caller->conn == NULL) { /* it never left for the log, while those before it did */
        take_out(r);
        return;
    }
    keep_reply(r, &early);
    if (caller->proposed > 0 && !is_overtaking(r, result)) {
        look_early(r->next);
    }
}

void vxc_caller_close(struct vxc_caller *caller)
{
    struct vxc_request *r = caller->head;

    stop_deferring(caller);
    stop_awaiting(caller);
    vxc_news_forget(caller);
    caller->conn = NULL;
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
}

void vxc_caller_resume(struct vxc_caller *caller)
{
    stop_awaiting(caller);
    vxc_caller_drain(caller);
}
