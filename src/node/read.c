/* Requests that only look: what they need before they may be answered, and the answer. */
#include "base/check.h"
#include "node/gateway_internal.h"

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
    VXC_UNINITIALIZED struct vxc_request asked; /* what the reply to a read needs of it is set */
    struct vxc_command query;
    struct vxc_result result;
    const char *text = NULL;
    int rv;

    if (m->kind == VXC_KIND_PING) {
        struct vxc_message pong = vxc_message_of(VXC_KIND_PONG);
        vxc_reply_message(caller, request_id, VXC_FRAME_PONG, &pong);
        return;
    }
    if (g->options.fsm == NULL && m->kind != VXC_KIND_STATUS) {
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
    query.session = vxc_caller_session(caller);
    vxc_fsm_query(g->options.fsm, &query, &result);
    asked.kind = m->kind;
    asked.request_id = request_id;
    asked.stage =
        query.op == VXC_OP_MAP_SCAN || query.op == VXC_OP_MULTIMAP_SCAN ? (uint8_t)query.a : 0;
    vxc_reply_result(caller, &asked, &result);
}

int vxc_read_refusal(const struct vxc_request *r)
{
    const struct vxc_gateway *g = r->caller->gateway;

    if (is_answered_anywhere(r->kind, r->flags)) {
        return 0;
    }
    return r->round > g->rounds.confirmed ? g->rounds.refusal : vxc_gateway_serves(g);
}

void vxc_read_answer(struct vxc_request *r)
{
    struct vxc_message m;

    /* it was decoded once before it was kept */
    vxc_check(vxc_message_decode(r->kind, vxc_slice(r->payload, r->payload_size), &m) == 0);
    read_now(r->caller, r->request_id, &m);
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

void vxc_read_expect(const struct vxc_caller *caller, uint16_t kind, struct vxc_slice payload)
{
    struct vxc_fsm *fsm = caller->gateway->options.fsm;
    struct vxc_reader reader = vxc_reader(payload);
    struct vxc_command query = {.namespace_id = caller->namespace_id};

    switch (fsm == NULL ? 0 : kind) {
    case VXC_KIND_MAP_GET:
        query.op = VXC_OP_MAP_GET;
        break;
    case VXC_KIND_MAP_CONTAINS:
        query.op = VXC_OP_MAP_CONTAINS;
        break;
    case VXC_KIND_SET_CONTAINS:
        query.op = VXC_OP_SET_CONTAINS;
        break;
    case VXC_KIND_COUNTER_GET:
        query.op = VXC_OP_COUNTER_GET;
        break;
    default:
        return;
    }
    query.name = vxc_reader_bytes(&reader); /* all four begin with name and key; a counter's ends */
    query.key = vxc_reader_bytes(&reader);
    vxc_fsm_expect(fsm, &query);
}

bool vxc_read_request(struct vxc_caller *caller, const struct vxc_frame *frame,
                      const struct vxc_message *m)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_request *r;
    uint64_t round = 0;
    int rv;

    if (!is_read(m)) {
        return false;
    }
    rv = is_answered_anywhere(m->kind, frame->flags) ? 0 : vxc_rounds_ask(g, &round);
    if (caller->head == NULL && rv != 0) {
        vxc_reply_error(caller, m->kind, frame->request_id, rv, NULL);
        return true;
    }
    if (caller->head == NULL && round == 0) {
        read_now(caller, frame->request_id, m);
        return true;
    }
    r = vxc_request_add_waiting(caller, frame, m->kind);
    if (r == NULL) {
        return true; /* the connection is cut */
    }
    r->round = round;
    if (rv != 0) {
        vxc_request_refuse(r, rv, NULL);
    }
    if (caller->head == r) {
        vxc_caller_drain(caller);
    }
    return true;
}

/* ---- rounds ---- */

int vxc_rounds_ask(struct vxc_gateway *g, uint64_t *round)
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

/* Those whose front waited go on. */
static void run_waiting(struct vxc_gateway *g)
{
    struct vxc_caller *next;

    for (struct vxc_caller *c = LIST_FIRST(&g->rounds.callers); c != NULL; c = next) {
        next = LIST_NEXT(c, of_waiting); /* who must wait again is put before the first */
        vxc_caller_resume(c);
    }
}

void vxc_rounds_refuse(struct vxc_gateway *g, uint64_t round, int code)
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
        vxc_rounds_refuse(g, round, code);
        return;
    }
    g->rounds.confirmed = round > g->rounds.confirmed ? round : g->rounds.confirmed;
    run_waiting(g);
}
