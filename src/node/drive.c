/* Who drives a node, and what a turn is. */
#include "base/check.h"
#include "base/thread.h"
#include "node/node_internal.h"
#include "node/reopen.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

enum { STOP_WAIT_MS = 5000, HAND_OVER_WAIT_MS = 1000 };

/* ---- one turn of the loop ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Who is primary hands that over before it stops: nobody has to miss it first. */
static void begin_to_stop(struct vxc_node *n)
{
    n->stopping = true;
    n->hands_over = n->replica != NULL && vxc_replica_is_primary(n->replica) &&
                    vxc_replica_transfer(n->replica, 0, NULL) == 0;
    n->stop_deadline_ms = vxc_clock_ms(n->clock) + STOP_WAIT_MS;
    vxc_listener_stop(n->listener);
    vxc_log_event(&n->logger, VXC_LOG_INFO, "stopping", "connections=%u",
                  vxc_listener_count(n->listener));
}

/* Asked once: when nothing is under way any more, or the time is over. Asked again: at once. */
static bool is_to_end(struct vxc_node *n)
{
    struct vxc_gateway_stats stats;
    unsigned asked = atomic_load(&n->stops_asked);
    bool again = n->stopping ? asked > n->stops_seen : asked > n->stops_seen + 1;

    if (asked > n->stops_seen && !n->stopping) {
        begin_to_stop(n);
    }
    n->stops_seen = asked;
    vxc_gateway_stats(n->gateway, &stats);
    if (n->hands_over &&
        (n->replica == NULL || !vxc_replica_is_primary(n->replica) ||
         vxc_clock_ms(n->clock) + STOP_WAIT_MS - HAND_OVER_WAIT_MS >= n->stop_deadline_ms)) {
        n->hands_over = false;
    }
    return n->stopping && (again || (stats.inflight_requests == 0 && !n->hands_over) ||
                           vxc_clock_ms(n->clock) >= n->stop_deadline_ms);
}

/* It cannot go on: whoever drives it is told by vxc_node_ended(). */
static void end_because(struct vxc_node *n, int code, const char *text)
{
    (void)vxc_error_set(&n->ended, code, "%s", text);
    vxc_log_event(&n->logger, VXC_LOG_ERROR, "node ends", "code=%s reason=\"%s\"",
                  vxc_error_name(code), text);
}

/* The vote is bound to the cluster once that has an id; a node that its cluster refuses may have
 * forgotten a vote, so it ends before it could vote again. */
static bool must_end(struct vxc_node *n)
{
    const char *refused = vxc_cluster_refused(n->cluster);
    struct vxc_error err = {0};

    if (refused != NULL) {
        end_because(n, VXC_EFOREIGN, refused);
    } else if (!n->vote_bound && n->fsm != NULL && vxc_fsm_bootstrapped(n->fsm)) {
        int rv = vxc_node_bind_vote(n, &err);

        if (rv != 0) {
            end_because(n, rv, err.text);
        }
    }
    return n->ended.code != 0;
}

/* A node whose state is being repaired has no replica, and nothing for clients. */
static uint64_t turn_replica(struct vxc_node *n)
{
    return n->replica == NULL
               ? UINT64_MAX
               : least(vxc_snapshots_turn(n->snapshots, n->replica), vxc_replica_turn(n->replica));
}

/* Everything that was read in this turn is submitted, applied and answered here. */
uint64_t vxc_node_on_turn(void *data)
{
    struct vxc_node *n = data;
    uint64_t wait_ms;

    vxc_mailbox_open(n->mailbox);
    wait_ms = vxc_gateway_turn(n->gateway);
    wait_ms = least(wait_ms, turn_replica(n));
    wait_ms = least(wait_ms, vxc_node_turn_images(n));
    wait_ms = least(wait_ms, vxc_cluster_turn(n->cluster));
    vxc_listener_admit(n->listener, n->stopping || vxc_gateway_full(n->gateway) ? 0
                                    : n->replica == NULL
                                        ? 100
                                        : vxc_replica_admission_percent(n->replica));
    vxc_gateway_end_turn(n->gateway);
    vxc_listener_flush(n->listener);
    if (must_end(n) || is_to_end(n)) {
        atomic_store(&n->stopped, true);
        vxc_loop_stop(n->loop);
    }
    return n->stopping ? least(wait_ms, 10) : wait_ms;
}

/* ---- on a thread ---- */

void vxc_pipe_guard_begin(struct vxc_pipe_guard *guard)
{
    sigset_t pending;
    sigset_t pipe;

    (void)sigpending(&pending); /* none of these can fail */
    guard->pending = sigismember(&pending, SIGPIPE) == 1;
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, &guard->before);
}

void vxc_pipe_guard_end(const struct vxc_pipe_guard *guard)
{
    const struct timespec now = {0};
    sigset_t pipe;

    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    while (!guard->pending && sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR) {
        /* another signal came in between */
    }
    (void)pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

static void drive(struct vxc_node *n)
{
    struct vxc_pipe_guard guard;

    vxc_pipe_guard_begin(&guard);
    vxc_mailbox_drive(n->mailbox);
    if (!atomic_load(&n->stopped)) {
        vxc_loop_run(n->loop);
    }
    vxc_snapshots_cancel(
        n->snapshots); /* who waits for one need not wait for the end of the node */
    vxc_mailbox_end_run(n->mailbox);
    vxc_pipe_guard_end(&guard);
}

int vxc_node_run(struct vxc_node *n)
{
    if (!n->started || n->dispatching || !vxc_mailbox_begin_run(n->mailbox)) {
        return VXC_EINVAL;
    }
    drive(n);
    return 0;
}

static void *run(void *data)
{
    struct vxc_node *n = data;

    (void)pthread_setname_np(pthread_self(), "vxc-node"); /* for people who look at threads */
    drive(n);
    return NULL;
}

int vxc_node_spawn(struct vxc_node *n, struct vxc_error *err)
{
    int rc;

    if (!n->started || n->dispatching || n->spawned || !vxc_mailbox_begin_run(n->mailbox)) {
        return vxc_error_set(err, VXC_EINVAL,
                             n->started ? "some thread drives the node already"
                                        : "the node was not started");
    }
    rc = vxc_thread_create(&n->thread, run, n);
    if (rc != 0) {
        vxc_mailbox_end_run(n->mailbox);
        return vxc_error_set(err, vxc_error_from_errno(rc), "no thread for the node");
    }
    n->spawned = true;
    return 0;
}

void vxc_node_join(struct vxc_node *n)
{
    if (n->spawned) {
        (void)pthread_join(n->thread, NULL); /* fails for no thread of ours */
        n->spawned = false;
    }
}

/* ---- in somebody else's loop ---- */

int vxc_node_fd(const struct vxc_node *n)
{
    return vxc_loop_fd(n->loop);
}

int vxc_node_timeout_ms(struct vxc_node *n)
{
    return vxc_loop_timeout_ms(n->loop);
}

bool vxc_node_dispatch(struct vxc_node *n)
{
    struct vxc_pipe_guard guard;

    vxc_check(!n->dispatching); /* not from a callback */
    if (!n->started || atomic_load(&n->stopped)) {
        return false;
    }
    n->dispatching = true;
    vxc_pipe_guard_begin(&guard);
    vxc_loop_dispatch(n->loop);
    vxc_pipe_guard_end(&guard);
    n->dispatching = false;
    if (atomic_load(&n->stopped)) {
        vxc_snapshots_cancel(n->snapshots);
        return false;
    }
    return true;
}

/* ---- the end ---- */

void vxc_node_stop(struct vxc_node *n)
{
    atomic_fetch_add(&n->stops_asked, 1);
    vxc_loop_wake(n->loop);
}

static void on_stop_signal(void *data)
{
    vxc_node_stop(data);
}

int vxc_node_handle_signals(struct vxc_node *n)
{
    int rv = vxc_loop_signal(n->loop, SIGTERM, on_stop_signal, n);

    return rv != 0 ? rv : vxc_loop_signal(n->loop, SIGINT, on_stop_signal, n);
}

/* ---- time ---- */

struct judgement {
    struct vxc_node *node;
    uint64_t cleaned;
};

static void judge(void *data)
{
    struct judgement *j = data;
    struct vxc_node *n = j->node;
    struct vxc_gateway_stats stats;
    uint64_t silent;

    if (!atomic_load(&n->stopped)) { /* a node that is driven no longer hears nobody */
        vxc_listener_sweep(n->listener);
        vxc_gateway_judge(n->gateway);
        vxc_loop_wake(n->loop); /* what was proposed goes out with the next turn */
    }
    vxc_gateway_stats(n->gateway, &stats);
    silent = vxc_listener_silent_total(n->listener) + stats.sessions_silent_total;
    j->cleaned = silent - n->silent_told;
    n->silent_told = silent;
}

uint64_t vxc_node_process_timeouts(struct vxc_node *n)
{
    struct judgement j = {.node = n};

    if (!n->started) {
        return 0;
    }
    /* within a turn the sockets were just read; a loop of the caller's has to get there first */
    if (!vxc_mailbox_is_run(n->mailbox)) {
        (void)vxc_node_dispatch(n);
    }
    vxc_mailbox_call(n->mailbox, judge, &j);
    return j.cleaned;
}
