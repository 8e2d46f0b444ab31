/* Time: deadlines and retries of requests, pings, and when a silent server is given up.
 *
 * A server that is nobody's only hope is given up soon: it is pinged as soon as a request has waited
 * for VXC_CLIENT_ASK_MS in silence, and left VXC_CLIENT_SILENCE_MS after the ping. One that is merely
 * slow is found again by the search for the primary, and given twice the time.
 */
#include "client/core_internal.h"

/* ---- pings ---- */

/* A session needs life signs well within its lease. */
static uint64_t ping_interval(const struct vxc_core *core)
{
    uint64_t interval = core->options.ping_interval_ms;
    if (core->session.id != 0 && core->session.timeout_ms / 3 < interval) {
        interval = core->session.timeout_ms / 3;
    }
    return interval == 0 ? 1 : interval;
}

/* When the next ping is due, if none is open. */
static uint64_t ping_due_ms(const struct vxc_core *core)
{
    const uint64_t idle_ms = core->sent_ms + ping_interval(core);
    uint64_t asked_ms = core->asked_ms > core->heard_ms ? core->asked_ms : core->heard_ms;

    if (!core->others || core->sent_count == 0) {
        return idle_ms;
    }
    asked_ms += VXC_CLIENT_ASK_MS;
    return asked_ms < idle_ms ? asked_ms : idle_ms;
}

static void send_ping(struct vxc_core *core, uint64_t now_ms)
{
    const struct vxc_message ping = {.kind = VXC_KIND_PING};
    if (vxc_message_frame(&ping, VXC_FRAME_REQUEST | VXC_FRAME_PING, vxc_core_next_id(core),
                          &core->out) == VXC_OK) {
        core->ping_open = true;
        core->ping_end = core->out_offset + core->out.size + core->lent_bytes;
        core->ping_ms = 0;
        core->sent_ms = now_ms;
    }
}

void vxc_core_ask_members(struct vxc_core *core, uint64_t now_ms)
{
    const struct vxc_message ask = {.kind = VXC_KIND_MEMBER_LIST};

    if (core->options.on_members == NULL) {
        return;
    }
    core->members_due_ms = now_ms + VXC_CLIENT_MEMBERS_MS;
    core->members_id = vxc_core_next_id(core);
    /* Without memory for it the next time will do. */
    (void)vxc_message_frame(&ask, VXC_FRAME_REQUEST, core->members_id, &core->out);
}

/* ---- silence ---- */

/* How long a server may be silent that has to say something. */
static uint64_t patience(const struct vxc_core *core)
{
    const uint64_t three = 3 * ping_interval(core);
    const uint64_t alone =
        three < VXC_CLIENT_SILENCE_MS_ALONE ? three : VXC_CLIENT_SILENCE_MS_ALONE;
    const unsigned doubled = core->silent_count < 4 ? core->silent_count : 4;
    uint64_t others = (uint64_t)VXC_CLIENT_SILENCE_MS << doubled;

    if (!core->others) {
        return alone;
    }
    if (core->state == VXC_CORE_HELLO) {
        others = VXC_CLIENT_HELLO_MS;
    } else if (core->session.id != 0 && core->session.timeout_ms / 4 < others) {
        others = core->session.timeout_ms / 4;
    }
    return others < alone ? others : alone;
}

/* When the server is silent for too long. */
static uint64_t silent_ms(const struct vxc_core *core)
{
    uint64_t since_ms = core->sent_ms;

    if (core->state == VXC_CORE_READY && !core->ping_open) {
        return UINT64_MAX; /* nothing to say */
    }
    if (core->ping_open && core->ping_ms != 0) {
        since_ms = core->ping_ms;
    }
    return (core->heard_ms > since_ms ? core->heard_ms : since_ms) + patience(core);
}

static int give_up(struct vxc_core *core, uint64_t now_ms, struct vxc_error *err)
{
    if (core->state != VXC_CORE_HELLO) { /* else we do not know who is silent */
        core->silent_count = core->server.node_id == core->silent_node ? core->silent_count + 1 : 1;
        core->silent_node = core->server.node_id;
    }
    return vxc_error_set(err, VXC_ETIMEOUT, "the server is silent for %llu ms",
                         (unsigned long long)(now_ms - core->heard_ms));
}

/* ---- requests ---- */

static void fail_overdue(struct vxc_core *core, struct pending *p)
{
    const bool unasked = p->state == PENDING_WAITING && (p->read || !p->ever_sent);

    if (unasked && core->searching) {
        vxc_core_fail(core, p, VXC_ENOTPRIMARY, "no node of the cluster is its primary now");
    } else if (p->state == PENDING_WAITING && p->busy_count > 0 && !p->ever_sent) {
        vxc_core_fail(core, p, VXC_EBUSY, "the server is busy: try again later");
    } else if (unasked || p->read) {
        vxc_core_fail(core, p, VXC_ETIMEOUT, "no answer in time");
    } else {
        vxc_core_fail(core, p, VXC_ETIMEOUT, "no answer in time; it may still take effect");
    }
}

/* Ends the overdue, writes what waited long enough, and finds the next moment of either. */
static void serve_requests(struct vxc_core *core, uint64_t now_ms)
{
    struct pending *p, *next;

    for (p = TAILQ_FIRST(&core->pending); p != NULL; p = next) {
        next = TAILQ_NEXT(p, link);
        if (p->deadline_ms <= now_ms) {
            fail_overdue(core, p);
        }
    }
    vxc_core_write_waiting(core, now_ms);
    core->next_due_ms = UINT64_MAX;
    TAILQ_FOREACH(p, &core->pending, link)
    {
        vxc_core_note_due(core, p->deadline_ms);
        if (p->state == PENDING_WAITING && p->retry_ms > now_ms) {
            vxc_core_note_due(core, p->retry_ms);
        }
    }
}

/* ---- all of it ---- */

int vxc_core_tick(struct vxc_core *core, uint64_t now_ms, struct vxc_error *err)
{
    if (core->next_due_ms <= now_ms) {
        serve_requests(core, now_ms);
    }
    vxc_core_doubt_session(core, now_ms);
    if (core->state == VXC_CORE_DOWN) {
        return VXC_OK;
    }
    if (core->out_torn) {
        return vxc_error_set(err, VXC_ENOMEM, "no memory to send the rest of a value");
    }
    if (core->leaving && (now_ms >= core->leave_ms || vxc_core_may_leave(core))) {
        return vxc_core_not_primary(core, err);
    }
    if (silent_ms(core) <= now_ms) {
        return give_up(core, now_ms, err);
    }
    if (core->state != VXC_CORE_READY) {
        return VXC_OK;
    }
    if (core->members_due_ms <= now_ms) {
        vxc_core_ask_members(core, now_ms);
    }
    if (!core->ping_open && ping_due_ms(core) <= now_ms) {
        send_ping(core, now_ms);
    }
    return VXC_OK;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t vxc_core_due_ms(const struct vxc_core *core)
{
    const uint64_t due = earlier(core->next_due_ms, vxc_core_doubt_ms(core));

    if (core->state == VXC_CORE_DOWN) {
        return due;
    }
    if (core->out_torn) {
        return 0;
    }
    if (core->state != VXC_CORE_READY) {
        return earlier(due, silent_ms(core));
    }
    return earlier(
        earlier(due, core->leaving ? core->leave_ms : UINT64_MAX),
        earlier(core->members_due_ms, core->ping_open ? silent_ms(core) : ping_due_ms(core)));
}
