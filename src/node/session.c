/* Hello, namespaces and sessions: the requests that decide what later ones of a connection mean.
 * They are begun in their turn and block their caller until they are answered. */
#include "base/check.h"
#include "base/memory.h"
#include "node/gateway_internal.h"

#include <openssl/crypto.h>
#include <string.h>

enum { SECRET_SIZE = 16 };

/* Also of a node whose state is being repaired, which knows no more than who it is. */
static void answer_hello(struct vxc_caller *caller, uint32_t request_id)
{
    static const uint8_t no_cluster[16];
    struct vxc_gateway *g = caller->gateway;
    struct vxc_message m = vxc_message_of(VXC_KIND_HELLO_REPLY);
    struct vxc_replica_status status = {0};

    if (g->options.replica != NULL) {
        vxc_replica_status(g->options.replica, &status);
    }
    m.hello_reply.version = VXC_PROTOCOL_VERSION;
    m.hello_reply.node_id = g->options.node_id;
    m.hello_reply.cluster_id =
        vxc_slice(g->options.fsm != NULL ? vxc_fsm_cluster_id(g->options.fsm) : no_cluster, 16);
    m.hello_reply.connection_id = caller->id;
    m.hello_reply.server_version = vxc_slice_of_string(VXC_VERSION);
    m.hello_reply.primary = vxc_gateway_serves(g) == 0;
    m.hello_reply.primary_address = vxc_membership_address(g, status.primary_id);
    m.hello_reply.frame_size_max = VXC_FRAME_SIZE_MAX;
    vxc_reply_message(caller, request_id, 0, &m);
}

static void answer_namespace(struct vxc_caller *caller, const struct vxc_request *r, uint64_t index)
{
    if (r->kind == VXC_KIND_HELLO) {
        answer_hello(caller, r->request_id);
    } else {
        struct vxc_message m = vxc_message_of(VXC_KIND_DONE_REPLY);
        m.done_reply.index = index;
        vxc_reply_message(caller, r->request_id, 0, &m);
    }
}

bool vxc_session_find_namespace(struct vxc_caller *caller, struct vxc_slice name)
{
    struct vxc_command query = {.op = VXC_OP_NAMESPACE_FIND, .name = name};
    struct vxc_result result = {0};

    if (caller->gateway->options.fsm == NULL) {
        return false;
    }
    vxc_fsm_query(caller->gateway->options.fsm, &query, &result);
    if (result.code != 0 || !result.found) {
        return false;
    }
    caller->namespace_id = (uint64_t)result.number;
    vxc_free(caller->namespace_name);
    caller->namespace_name = NULL;
    return true;
}

/* A backup has not got it, or not yet. */
static int leave_namespace_open(struct vxc_caller *caller, struct vxc_slice name)
{
    uint8_t *copy = vxc_malloc(name.size);

    if (copy == NULL) {
        return VXC_ENOMEM;
    }
    memcpy(copy, name.data, name.size);
    vxc_free(caller->namespace_name);
    caller->namespace_name = copy;
    caller->namespace_name_size = (uint32_t)name.size;
    caller->namespace_id = VXC_NAMESPACE_NONE;
    return 0;
}

/* hello and use_namespace: the namespace exists in the state before the answer. One that is there
 * already needs no place in the log, for none ever goes. Who is not primary answers hello even so: the client learns from it who is,
 * or reads what is there with STALE. */
static void enter_namespace(struct vxc_request *r, struct vxc_slice name)
{
    struct vxc_caller *caller = r->caller;
    struct vxc_gateway *g = caller->gateway;
    struct vxc_command ensure = {.op = VXC_OP_NAMESPACE_ENSURE, .name = name};
    bool found = vxc_session_find_namespace(caller, name);
    int rv = 0;

    if (!found && vxc_gateway_serves(g) == 0) {
        vxc_request_propose(r, &ensure);
        return;
    }
    if (!found) {
        rv = r->kind == VXC_KIND_HELLO ? leave_namespace_open(caller, name) : VXC_ENOTPRIMARY;
    }
    if (rv != 0) {
        vxc_request_refuse(r, rv, NULL);
    } else {
        r->state = VXC_REQUEST_ANSWERED;
        answer_namespace(caller, r, vxc_gateway_applied_index(g));
    }
}

static void open_session(struct vxc_request *r, const struct vxc_msg_session_open *open)
{
    struct vxc_gateway *g = r->caller->gateway;
    uint8_t secret[SECRET_SIZE] = {0};
    struct vxc_command command = {
        .op = VXC_OP_SESSION_OPEN,
        .namespace_id = r->caller->namespace_id,
        .a = open->timeout_ms == 0 ? g->options.timeout_ms : open->timeout_ms,
        .name = open->name,
        .value = vxc_slice(secret, sizeof secret),
    };

    g->options.clock->random(g->options.clock->data, secret, sizeof secret);
    r->close_grace_ms = open->close_grace_ms;
    vxc_request_propose(r, &command);
}

void vxc_session_opened(struct vxc_gateway *g, uint64_t session)
{
    struct vxc_session_view view;

    if (vxc_fsm_session(g->options.fsm, session, &view) == 0) {
        (void)vxc_lease_add(g, &view); /* out of memory: it lives until a restart judges it */
    }
}

static void answer_session(struct vxc_caller *caller, uint32_t request_id,
                           const struct vxc_session_view *view, bool resumed, bool resync)
{
    struct vxc_message m = vxc_message_of(VXC_KIND_SESSION_REPLY);

    m.session_reply.index = vxc_fsm_applied_index(caller->gateway->options.fsm);
    m.session_reply.session = view->id;
    m.session_reply.secret = view->secret;
    m.session_reply.timeout_ms = view->timeout_ms;
    m.session_reply.resumed = resumed;
    m.session_reply.resync = resync;
    vxc_reply_message(caller, request_id, 0, &m);
}

/* The connection takes the session over; another connection of it is closed. */
static void take_over(struct vxc_lease *lease, struct vxc_caller *caller)
{
    while (lease->callers != NULL && lease->callers != caller) {
        struct vxc_caller *old = lease->callers;

        vxc_lease_detach(old);
        vxc_conn_cut(old->conn, VXC_ECLOSED, "its session was resumed on another connection", true);
    }
    vxc_lease_attach(lease, caller);
    caller->namespace_id = lease->namespace_id;
}

static bool is_secret_of(const struct vxc_session_view *view, struct vxc_slice secret)
{
    return view->secret.size == SECRET_SIZE && secret.size == SECRET_SIZE &&
           CRYPTO_memcmp(view->secret.data, secret.data, SECRET_SIZE) == 0;
}

/* Who asks for his session lives. True: its expiry is not under way, nor will it be soon. */
static bool hear(struct vxc_gateway *g, const struct vxc_msg_session_resume *resume)
{
    struct vxc_lease *lease = vxc_lease_find(g, resume->session);
    struct vxc_session_view view;

    if (lease == NULL || lease->expiring ||
        vxc_fsm_session(g->options.fsm, resume->session, &view) != 0 ||
        !is_secret_of(&view, resume->secret)) {
        return false;
    }
    lease->heard_ms = vxc_gateway_now_ms(g);
    lease->closed_ms = 0;
    return true;
}

/* Resume only reads the state, as soon as it is certain that nobody else is primary. An expiry that is
 * under way comes first: then a command that changes nothing takes a place in the log behind it. */
static void resume_session(struct vxc_request *r, const struct vxc_msg_session_resume *resume)
{
    struct vxc_command command = {.op = VXC_OP_NAMESPACE_ENSURE};
    const bool is_alive = hear(r->caller->gateway, resume);
    uint8_t kept[8 + SECRET_SIZE + 8] = {0};
    int rv;

    r->close_grace_ms = resume->close_grace_ms;
    if (resume->secret.size == SECRET_SIZE) {
        vxc_store_u64(kept, resume->session);
        memcpy(kept + 8, resume->secret.data, SECRET_SIZE);
        vxc_store_u64(kept + 8 + SECRET_SIZE, resume->last_event_index);
    }
    if (vxc_request_keep(r, vxc_slice(kept, sizeof kept)) != 0) {
        vxc_request_refuse(r, VXC_ENOMEM, NULL);
        return;
    }
    if (!is_alive) {
        vxc_request_propose(r, &command);
        return;
    }
    r->state = VXC_REQUEST_BEGUN;
    rv = vxc_rounds_ask(r->caller->gateway, &r->round);
    if (rv != 0) {
        vxc_request_refuse(r, rv, NULL);
    }
}

void vxc_session_resumed(struct vxc_request *r)
{
    struct vxc_caller *caller = r->caller;
    struct vxc_gateway *g = caller->gateway;
    uint64_t session = vxc_load_u64(r->payload);
    uint64_t last_index = vxc_load_u64(r->payload + 8 + SECRET_SIZE);
    struct vxc_lease *lease = NULL;
    struct vxc_session_view view;
    bool resync;

    if (vxc_fsm_session(g->options.fsm, session, &view) == 0 && !view.legacy) {
        lease =
            vxc_lease_add(g, &view); /* the one that it has; anew if there was no memory for it */
    }
    if (lease == NULL) {
        vxc_reply_error(caller, r->kind, r->request_id, VXC_ESESSION,
                        "no such session: it has expired or was closed; open a new one");
        return;
    }
    if (!is_secret_of(&view, vxc_slice(r->payload + 8, SECRET_SIZE))) {
        vxc_reply_error(caller, r->kind, r->request_id, VXC_ESECRET, NULL);
        return;
    }
    take_over(lease, caller);
    lease->close_grace_ms = r->close_grace_ms;
    resync = vxc_fsm_replay(g->options.fsm, session, last_index) != 0;
    vxc_news_tell(caller);
    if (resync) {
        struct vxc_message m = vxc_message_of(VXC_KIND_EVENT_RESYNC);
        m.event_resync.index = vxc_fsm_applied_index(g->options.fsm);
        vxc_reply_message(caller, 0, VXC_FRAME_EVENT, &m);
    }
    (void)vxc_fsm_session(g->options.fsm, session,
                          &view); /* still there: nothing was applied since */
    answer_session(caller, r->request_id, &view, true, resync);
}

void vxc_session_begin(struct vxc_request *r, const struct vxc_message *m)
{
    int rv = vxc_gateway_serves(r->caller->gateway);

    if (m->kind == VXC_KIND_HELLO && (m->hello.version_min > VXC_PROTOCOL_VERSION ||
                                      m->hello.version_max < VXC_PROTOCOL_VERSION)) {
        /* in its turn; then the connection is cut */
        vxc_request_refuse(r, VXC_EVERSION, "this node speaks protocol version 1 only");
    } else if (rv != 0 && m->kind != VXC_KIND_HELLO &&
               (rv == VXC_EBUSY || m->kind != VXC_KIND_USE_NAMESPACE)) {
        vxc_request_refuse(r, rv, NULL);
    } else if (m->kind == VXC_KIND_HELLO) {
        enter_namespace(r, m->hello.namespace_name);
    } else if (m->kind == VXC_KIND_USE_NAMESPACE) {
        enter_namespace(r, m->use_namespace.namespace_name);
    } else if (m->kind == VXC_KIND_SESSION_OPEN) {
        open_session(r, &m->session_open);
    } else {
        resume_session(r, &m->session_resume);
    }
}

bool vxc_session_result(struct vxc_request *r, const struct vxc_result *result)
{
    struct vxc_caller *caller = r->caller;
    struct vxc_gateway *g = caller->gateway;
    struct vxc_session_view view;

    switch (r->kind) {
    case VXC_KIND_HELLO:
    case VXC_KIND_USE_NAMESPACE:
    case VXC_KIND_SESSION_OPEN:
    case VXC_KIND_SESSION_RESUME:
        break;
    default:
        if (vxc_membership_is_change(r->kind)) {
            return vxc_membership_result(r, result);
        }
        vxc_reply_result(caller, r, result);
        return false;
    }
    if (result->code != 0) {
        vxc_reply_error(caller, r->kind, r->request_id, result->code, result->text);
    } else if (r->kind == VXC_KIND_SESSION_OPEN) {
        struct vxc_lease *lease = vxc_lease_find(g, result->token);
        int rv = vxc_fsm_session(g->options.fsm, result->token, &view);

        if (lease == NULL || rv != 0) {
            vxc_reply_error(caller, r->kind, r->request_id, VXC_ESESSION, NULL);
        } else {
            take_over(lease, caller);
            lease->close_grace_ms = r->close_grace_ms;
            answer_session(caller, r->request_id, &view, false, false);
        }
    } else if (r->kind == VXC_KIND_SESSION_RESUME) {
        vxc_session_resumed(r);
    } else {
        caller->namespace_id = (uint64_t)result->number;
        vxc_free(caller->namespace_name);
        caller->namespace_name = NULL;
        answer_namespace(caller, r, result->index);
    }
    vxc_caller_unblock(caller);
    return false;
}
