/* The session of a client: opened or resumed after the hello, lost when the server forgot it. */
#include "base/check.h"
#include "base/memory.h"
#include "client/core_internal.h"

static void session_done(struct vxc_core *core, int code, const char *text)
{
    void (*const on_done)(void *, int, const char *) = core->session.on_done;
    void *const data = core->session.data;

    core->session.on_done = NULL;
    core->told++;
    if (on_done != NULL) {
        vxc_core_leave(core);
        on_done(data, code, text);
        vxc_core_enter(core);
    }
}

int vxc_core_want_session(struct vxc_core *core, uint64_t session, struct vxc_slice secret,
                          uint64_t first_sequence, uint32_t timeout_ms, struct vxc_slice name,
                          void *data, void (*on_done)(void *data, int code, const char *text))
{
    struct core_session *s = &core->session;

    if (s->wanted) {
        return VXC_EEXISTS;
    }
    if (secret.size > sizeof s->secret) {
        return VXC_EINVAL;
    }
    vxc_buffer_clear(&s->name);
    if (vxc_buffer_append(&s->name, name.data, name.size) != VXC_OK) {
        return VXC_ENOMEM;
    }
    vxc_core_forget_locks(core);
    *s = (struct core_session){.wanted = true,
                               .id = session,
                               .secret_size = secret.size,
                               .timeout_ms = timeout_ms,
                               .next_sequence = first_sequence,
                               .name = s->name,
                               .data = data,
                               .on_done = on_done};
    TAILQ_INIT(&s->locks);
    if (secret.size > 0) {
        memcpy(s->secret, secret.data, secret.size);
    }
    if (core->state == VXC_CORE_READY) {
        return vxc_core_begin_session(core, core->sent_ms);
    }
    return VXC_OK;
}

/* Which events the server is to repeat: those of the newest index too, for some of them may have
 * been on their way; those that came are passed over then. */
static uint64_t resume_index(const struct core_session *s)
{
    return s->event_index <= s->seen_index ? s->seen_index : s->event_index - 1;
}

int vxc_core_begin_session(struct vxc_core *core, uint64_t now_ms)
{
    struct core_session *s = &core->session;
    struct vxc_message m = {.kind = VXC_KIND_SESSION_OPEN};

    (void)now_ms;
    if (s->id == 0) {
        m.session_open = (struct vxc_msg_session_open){.timeout_ms = s->timeout_ms,
                                                       .name = vxc_buffer_slice(&s->name)};
    } else {
        m.kind = VXC_KIND_SESSION_RESUME;
        m.session_resume =
            (struct vxc_msg_session_resume){.session = s->id,
                                            .secret = vxc_slice(s->secret, s->secret_size),
                                            .last_event_index = resume_index(s)};
    }
    core->state = VXC_CORE_SESSION;
    core->handshake_id = vxc_core_next_id(core);
    return vxc_message_frame(&m, VXC_FRAME_REQUEST, core->handshake_id, &core->out);
}

/* ---- the locks that it holds ---- */

int vxc_core_prepare_lock(struct pending *p)
{
    struct vxc_message m;
    struct vxc_slice name;

    if (p->kind != VXC_KIND_LOCK_ACQUIRE) {
        return VXC_OK;
    }
    vxc_check(vxc_message_decode(p->kind, vxc_slice(p->payload, p->payload_size), &m) == VXC_OK);
    name = m.lock_acquire.lock;
    p->lock = vxc_malloc(sizeof *p->lock + name.size);
    if (p->lock == NULL) {
        return VXC_ENOMEM;
    }
    *p->lock = (struct held_lock){.name_size = name.size};
    if (name.size > 0) {
        memcpy(p->lock->name, name.data, name.size);
    }
    return VXC_OK;
}

static void forget_lock(struct vxc_core *core, struct held_lock *lock)
{
    TAILQ_REMOVE(&core->session.locks, lock, link);
    vxc_free(lock);
}

void vxc_core_forget_locks(struct vxc_core *core)
{
    struct held_lock *lock;
    while ((lock = TAILQ_FIRST(&core->session.locks)) != NULL) {
        forget_lock(core, lock);
    }
}

/* The one of that name, token (0 = any) and acquire (0 = any) is held no more. Releases come soon
 * after their acquire, so the newest are looked at first. */
static void note_release(struct vxc_core *core, struct vxc_slice name, uint64_t token,
                         uint64_t sequence)
{
    struct held_lock *lock;

    TAILQ_FOREACH(lock, &core->session.locks, link)
    {
        if ((token == 0 || token == lock->token) && (sequence == 0 || sequence == lock->sequence) &&
            vxc_slice_equal(name, vxc_slice(lock->name, lock->name_size))) {
            forget_lock(core, lock);
            return; /* a lock is held once */
        }
    }
}

void vxc_core_note_lock(struct vxc_core *core, struct pending *p, const struct vxc_reply *reply)
{
    struct vxc_message m;

    if (p->kind != VXC_KIND_LOCK_ACQUIRE && p->kind != VXC_KIND_LOCK_RELEASE &&
        p->kind != VXC_KIND_LOCK_CANCEL) {
        return;
    }
    if (reply->code != VXC_OK ||
        vxc_message_decode(p->kind, vxc_slice(p->payload, p->payload_size), &m) != VXC_OK) {
        return;
    }
    if (p->kind == VXC_KIND_LOCK_ACQUIRE && reply->found && p->sequence != 0 &&
        core->session.id != 0) {
        p->lock->sequence = p->sequence;
        p->lock->token = reply->token;
        TAILQ_INSERT_HEAD(&core->session.locks, p->lock, link);
        p->lock = NULL;
    } else if (p->kind == VXC_KIND_LOCK_RELEASE) {
        note_release(core, m.lock_release.lock, m.lock_release.token, 0);
    } else if (p->kind == VXC_KIND_LOCK_CANCEL && m.lock_cancel.acquire_sequence != 0) {
        note_release(core, m.lock_cancel.lock, 0, m.lock_cancel.acquire_sequence);
    }
}

static void lose_locks(struct vxc_core *core, const char *text)
{
    struct held_lock *lock;

    while ((lock = TAILQ_FIRST(&core->session.locks)) != NULL) {
        const struct vxc_notice notice = {.type = VXC_NOTICE_LOCK_LOST,
                                          .token = lock->token,
                                          .name = vxc_bytes(lock->name, lock->name_size),
                                          .text = text};
        TAILQ_REMOVE(&core->session.locks, lock, link);
        vxc_core_tell(core, &notice);
        vxc_free(lock);
    }
}

/* ---- its end ---- */

/* The server does not know the session any more. What was sent under it may have taken effect. */
void vxc_core_lose_session(struct vxc_core *core, const char *text)
{
    const uint64_t id = core->session.id;
    struct pending *p, *next;

    core->session.wanted = false;
    core->session.lost = true;
    core->session.id = 0;
    for (p = TAILQ_FIRST(&core->pending); p != NULL; p = next) {
        next = TAILQ_NEXT(p, link);
        if (p->sequence == 0) {
            continue;
        }
        if (p->ever_sent || p->state != PENDING_WAITING) {
            vxc_core_fail(
                core, p, VXC_EUNKNOWN,
                "the session was lost before the answer; whether it took effect is not known");
        } else {
            vxc_core_fail(core, p, VXC_ESESSION, text);
        }
    }
    lose_locks(core, text);
    vxc_core_notice(core, VXC_NOTICE_SESSION_EXPIRED, id, 0, text);
}

/* ---- what nobody says: the lease may be over ---- */

/* A tenth less than the lease, for the server began to count before we heard from it. */
uint64_t vxc_core_doubt_ms(const struct vxc_core *core)
{
    const struct core_session *s = &core->session;

    return s->id == 0 || s->doubtful || core->life_ms == 0
               ? UINT64_MAX
               : core->life_ms + s->timeout_ms - s->timeout_ms / 10;
}

void vxc_core_doubt_session(struct vxc_core *core, uint64_t now_ms)
{
    if (now_ms >= vxc_core_doubt_ms(core)) {
        core->session.doubtful = true;
        vxc_core_notice(core, VXC_NOTICE_SESSION_DOUBTFUL, core->session.id, 0,
                        "the server is silent; the session's lease may be over");
    }
}

/* Does the refusal say nothing about the session itself? It is asked for again then. */
static bool is_for_a_while(const struct vxc_core *core, int code)
{
    switch (code) {
    case VXC_EBUSY:
    case VXC_ENOQUORUM:
    case VXC_EUNKNOWN:
        return true;
    case VXC_ENOSPC: /* a resume may need a place in the log, and there was none: the lease goes on */
    case VXC_ENOMEM:
        return core->session.id != 0;
    default:
        return false;
    }
}

static int on_session_refused(struct vxc_core *core, const struct vxc_message *m, uint64_t now_ms,
                              struct vxc_error *err)
{
    struct vxc_error text = {0};
    struct vxc_reply reply;

    vxc_payload_reply_of(m, &reply, &text);
    if (reply.code == VXC_OK) {
        return vxc_error_set(err, VXC_EPROTO, "a session request was answered by kind %u", m->kind);
    }
    if (reply.code == VXC_ENOTPRIMARY) {
        vxc_core_note_primary(core, m->kind == VXC_KIND_ERROR_REPLY
                                        ? m->error_reply.message
                                        : m->leader_redirect.leader_address.bytes);
        core->searching = true;
        return vxc_core_not_primary(core, err);
    }
    if (is_for_a_while(core, reply.code)) {
        return vxc_error_set(err, reply.code, "no session yet: %s", reply.message);
    }
    if (core->session.id != 0 && core->session.on_done == NULL) {
        vxc_core_lose_session(core, reply.message);
    } else {
        core->session.wanted = false;
        core->session.id = 0;
    }
    vxc_core_become_ready(core, now_ms);
    session_done(core, reply.code, reply.message);
    return VXC_OK;
}

int vxc_core_on_session_reply(struct vxc_core *core, const struct vxc_message *m, uint64_t now_ms,
                              struct vxc_error *err)
{
    const struct vxc_msg_session_reply *r = &m->session_reply;
    struct core_session *s = &core->session;

    if (m->kind != VXC_KIND_SESSION_REPLY) {
        return on_session_refused(core, m, now_ms, err);
    }
    if (r->session == 0 || r->secret.size > sizeof s->secret) {
        return vxc_error_set(err, VXC_EPROTO,
                             "the server gave a session without id, or a secret "
                             "of %zu bytes",
                             r->secret.size);
    }
    if (s->id == 0) {
        s->seen_index = r->index;
    }
    s->id = r->session;
    s->doubtful = false;
    core->server.primary = true; /* nobody else gives sessions */
    s->timeout_ms = r->timeout_ms;
    if (r->secret.size > 0) {
        memcpy(s->secret, r->secret.data, r->secret.size);
        s->secret_size = r->secret.size;
    }
    if (r->resync) {
        /* What is read again now has all up to here in it: none of that is to come a second time. */
        s->event_index = r->index;
        s->event_ordinal = s->event_watch = UINT64_MAX;
        s->seen_index = r->index > s->seen_index ? r->index : s->seen_index;
        vxc_core_notice(core, VXC_NOTICE_RESYNC, 0, 0, "events were missed");
    }
    vxc_core_become_ready(core, now_ms);
    session_done(core, VXC_OK, "");
    return VXC_OK;
}

void vxc_core_forget_session(struct vxc_core *core)
{
    struct vxc_buffer name = core->session.name;

    vxc_core_forget_locks(core);
    core->session = (struct core_session){.name = name};
    TAILQ_INIT(&core->session.locks);
    if (core->state == VXC_CORE_SESSION) {
        core->state = VXC_CORE_READY; /* a late answer is one to nobody */
        core->next_due_ms = 0;        /* what waited for the session goes at the next tick */
    }
}

uint64_t vxc_core_session(const struct vxc_core *core, struct vxc_slice *secret)
{
    if (secret != NULL) {
        *secret = vxc_slice(core->session.secret, core->session.secret_size);
    }
    return core->session.id;
}

uint64_t vxc_core_sequence(const struct vxc_core *core)
{
    return core->session.next_sequence;
}
