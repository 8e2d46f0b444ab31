/* Leases of sessions: who was heard when, and who must go.
 *
 * The primary judges by its own monotonic clock: a session that was silent for its timeout is
 * proposed for expiry. All leases begin anew when a primary takes over, a gap of the loop over a
 * second (a stopped process, a long stall) is added to every lease, sockets are read before
 * anything is judged, and who is not read at present (flow control) is not judged, as long as it
 * takes something of what it is sent: expiry may be late, never early. Sessions of legacy nodes are
 * opened with PING_INTERVAL on top, for they ping at their own pace.
 *
 * A client may say that its session is to end soon after it has closed the connection, as the
 * system does for a process that was killed (close_grace_ms). Only this primary knows of it: a new
 * one waits for the whole timeout, until the session is resumed and says so again.
 */
#include "base/check.h"
#include "base/memory.h"
#include "node/gateway_internal.h"

enum { LOOP_GAP_MS = 1000, LOOK_MS_MIN = 20, LOOK_MS_MAX = 1000 };

struct vxc_lease *vxc_lease_find(struct vxc_gateway *g, uint64_t session)
{
    struct vxc_lease *lease;

    HASH_FIND(by_session, g->leases, &session, sizeof session, lease);
    return lease;
}

struct vxc_lease *vxc_lease_add(struct vxc_gateway *g, const struct vxc_session_view *view)
{
    struct vxc_lease *lease = vxc_lease_find(g, view->id);

    if (lease != NULL) {
        return lease;
    }
    lease = vxc_calloc(1, sizeof *lease);
    if (lease == NULL) {
        return NULL;
    }
    lease->session = view->id;
    lease->namespace_id = view->namespace_id;
    lease->timeout_ms = view->timeout_ms;
    lease->legacy = view->legacy;
    lease->heard_ms = vxc_gateway_now_ms(g);
    HASH_ADD(by_session, g->leases, session, sizeof lease->session, lease);
    g->leases_due_ms = 0; /* a shorter timeout may ask for an earlier look */
    return lease;
}

void vxc_lease_attach(struct vxc_lease *lease, struct vxc_caller *caller)
{
    if (caller->lease == lease) {
        return;
    }
    vxc_lease_detach(caller);
    caller->lease = lease;
    caller->next_of_lease = lease->callers;
    lease->callers = caller;
    lease->heard_ms = vxc_gateway_now_ms(caller->gateway);
    lease->closed_ms = 0;
}

void vxc_lease_detach(struct vxc_caller *caller)
{
    struct vxc_lease *lease = caller->lease;
    struct vxc_caller **at;

    if (lease == NULL) {
        return;
    }
    for (at = &lease->callers; *at != caller; at = &(*at)->next_of_lease) {
        vxc_check(*at != NULL);
    }
    *at = caller->next_of_lease;
    caller->next_of_lease = NULL;
    caller->lease = NULL;
}

void vxc_lease_closed(struct vxc_caller *caller, int code)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_lease *lease = caller->lease;

    vxc_lease_detach(caller);
    if (lease != NULL && lease->callers == NULL && code == VXC_ECLOSED &&
        lease->close_grace_ms != 0) {
        lease->closed_ms = vxc_gateway_now_ms(g);
        g->leases_due_ms = 0;
    }
}

void vxc_lease_drop(struct vxc_gateway *g, struct vxc_lease *lease)
{
    while (lease->callers != NULL) {
        vxc_lease_detach(lease->callers);
    }
    HASH_DELETE(by_session, g->leases, lease);
    vxc_free(lease);
}

static void add_each(void *data, const struct vxc_session_view *view)
{
    struct vxc_gateway *g = data;
    struct vxc_lease *lease = vxc_lease_add(g, view);

    if (lease != NULL) {
        lease->heard_ms = vxc_gateway_now_ms(g);
        lease->closed_ms = 0;
        lease->expiring = false;
    }
}

void vxc_leases_restart(struct vxc_gateway *g)
{
    vxc_fsm_each_session(g->options.fsm, add_each, g);
}

void vxc_leases_leave(struct vxc_gateway *g)
{
    struct vxc_lease *lease;
    struct vxc_lease *next;

    HASH_ITER(by_session, g->leases, lease, next)
    {
        while (lease->callers != NULL) {
            struct vxc_caller *caller = lease->callers;

            vxc_lease_detach(caller);
            vxc_caller_leave(caller);
        }
        vxc_lease_drop(g, lease);
    }
}

void vxc_leases_free(struct vxc_gateway *g)
{
    struct vxc_lease *lease;
    struct vxc_lease *next;

    HASH_ITER(by_session, g->leases, lease, next)
    {
        vxc_lease_drop(g, lease);
    }
}

/* It is not read because it does not read what it is sent, and it has taken nothing of that since this
 * was last asked, a whole timeout ago: the process is stopped, or its machine is gone. */
static bool takes_nothing(struct vxc_caller *c)
{
    uint64_t before = c->taken_bytes;

    c->taken_bytes = vxc_conn_taken_bytes(c->conn);
    return vxc_conn_is_choked(c->conn) && c->taken_bytes == before;
}

/* A connection of the session is not read from at present, so its silence says nothing. */
static bool is_held_back(const struct vxc_lease *lease)
{
    bool held_back = false;

    for (struct vxc_caller *c = lease->callers; c != NULL; c = c->next_of_lease) {
        if (!vxc_conn_is_read(c->conn) && !takes_nothing(c)) {
            held_back = true;
        }
    }
    return held_back;
}

/* When it has been silent, or closed, for too long. */
static uint64_t lease_end_ms(const struct vxc_lease *lease)
{
    uint64_t silent_ms = lease->heard_ms + lease->timeout_ms;
    uint64_t closed_ms = lease->closed_ms + lease->close_grace_ms;

    return lease->closed_ms != 0 && closed_ms < silent_ms ? closed_ms : silent_ms;
}

/* Proposes the expiry of what was silent too long; returns ms until the next one can be due. */
static uint64_t judge(struct vxc_gateway *g, uint64_t now_ms)
{
    uint64_t next_ms = LOOK_MS_MAX;
    struct vxc_lease *lease;
    struct vxc_lease *other;

    HASH_ITER(by_session, g->leases, lease, other)
    {
        uint64_t end_ms = lease_end_ms(lease);

        if (lease->expiring) {
            continue;
        }
        if (now_ms > end_ms && is_held_back(lease)) {
            lease->heard_ms = now_ms;
        } else if (now_ms > end_ms) {
            struct vxc_command expire = {
                .op = VXC_OP_SESSION_EXPIRE,
                .a = (int64_t)lease->session,
            };
            lease->expiring = vxc_replica_propose(g->options.replica, &expire, NULL) == 0;
            g->stats.sessions_silent_total += lease->expiring;
        } else if (end_ms - now_ms < next_ms) {
            next_ms = end_ms - now_ms;
        }
    }
    return next_ms < LOOK_MS_MIN ? LOOK_MS_MIN : next_ms;
}

uint64_t vxc_gateway_turn(struct vxc_gateway *g)
{
    uint64_t now_ms = vxc_gateway_now_ms(g);
    uint64_t change_ms;

    if (g->last_turn_ms != 0 && now_ms - g->last_turn_ms > LOOP_GAP_MS + LOOK_MS_MAX) {
        uint64_t gap_ms = now_ms - g->last_turn_ms;
        struct vxc_lease *lease;
        struct vxc_lease *other;

        HASH_ITER(by_session, g->leases, lease, other)
        {
            lease->heard_ms += gap_ms; /* nobody could be heard meanwhile */
            lease->closed_ms += lease->closed_ms != 0 ? gap_ms : 0;
        }
        vxc_log_event(g->options.logger, VXC_LOG_WARN, "loop_gap",
                      "ms=%llu; added to every session lease", (unsigned long long)gap_ms);
    }
    g->last_turn_ms = now_ms;
    if (!g->leading) {
        return LOOK_MS_MAX;
    }
    if (now_ms >= g->leases_due_ms) {
        g->leases_due_ms = now_ms + judge(g, now_ms);
    }
    change_ms = vxc_membership_turn(g, now_ms);
    return change_ms < g->leases_due_ms - now_ms ? change_ms : g->leases_due_ms - now_ms;
}

void vxc_gateway_judge(struct vxc_gateway *g)
{
    g->leases_due_ms = 0;
    (void)vxc_gateway_turn(g); /* the next turn asks again when it wants to come back */
}
