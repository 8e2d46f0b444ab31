#include "client/core.h"

#include "base/check.h"
#include "base/memory.h"
#include "client/core_internal.h"

#include <stdio.h>

/* ---- birth and death ---- */

int vxc_core_create(const struct vxc_core_options *options, struct vxc_core **out)
{
    struct vxc_core *core = vxc_calloc(1, sizeof *core);
    const struct vxc_slice name = vxc_slice_of_string(options->client_name);

    if (core == NULL) {
        return VXC_ENOMEM;
    }
    core->options = *options;
    core->random = options->random_seed | 1;
    core->next_due_ms = UINT64_MAX;
    TAILQ_INIT(&core->pending);
    TAILQ_INIT(&core->loans);
    TAILQ_INIT(&core->session.locks);
    if (vxc_buffer_append(&core->namespace_name, options->namespace_name.data,
                          options->namespace_name.size) != VXC_OK ||
        vxc_buffer_append(&core->client_name, name.data, name.size) != VXC_OK) {
        vxc_core_free(core);
        return VXC_ENOMEM;
    }
    *out = core;
    return VXC_OK;
}

void vxc_core_free(struct vxc_core *core)
{
    struct pending *p;

    if (core == NULL) {
        return;
    }
    while ((p = TAILQ_FIRST(&core->pending)) != NULL) {
        vxc_core_fail(core, p, VXC_ECANCELED, "the client was closed");
    }
    vxc_core_output_clear(core);
    vxc_core_forget_locks(core);
    vxc_buffer_free(&core->namespace_name);
    vxc_buffer_free(&core->client_name);
    vxc_buffer_free(&core->session.name);
    vxc_buffer_free(&core->in);
    vxc_buffer_free(&core->out);
    vxc_free(core);
}

/* xorshift: spreads retries, guards nothing. */
uint32_t vxc_core_random(struct vxc_core *core)
{
    core->random ^= core->random << 13;
    core->random ^= core->random >> 17;
    core->random ^= core->random << 5;
    return core->random;
}

uint32_t vxc_core_next_id(struct vxc_core *core)
{
    core->next_request_id++;
    if (core->next_request_id == 0) { /* 0 marks events */
        core->next_request_id = 1;
    }
    return core->next_request_id;
}

void vxc_core_notice(struct vxc_core *core, int type, uint64_t id, int64_t number, const char *text)
{
    const struct vxc_notice notice = {.type = type, .id = id, .number = number, .text = text};
    vxc_core_tell(core, &notice);
}

void vxc_core_tell(struct vxc_core *core, const struct vxc_notice *notice)
{
    core->told++;
    if (core->options.on_notice != NULL) {
        vxc_core_leave(core);
        core->options.on_notice(core->options.data, notice);
        vxc_core_enter(core);
    }
}

void vxc_core_leave(struct vxc_core *core)
{
    if (core->options.leave != NULL) {
        core->options.leave(core->options.data);
    }
}

void vxc_core_enter(struct vxc_core *core)
{
    if (core->options.enter != NULL) {
        core->options.enter(core->options.data);
    }
}

/* ---- requests ---- */

void vxc_core_move(struct vxc_core *core, struct pending *p, enum pending_state state)
{
    core->waiting_count -= p->state == PENDING_WAITING;
    core->sent_count -= p->state == PENDING_SENT;
    p->state = state;
    core->waiting_count += state == PENDING_WAITING;
    core->sent_count += state == PENDING_SENT;
}

/* Takes the request off the list first: its callback may submit the next one. */
void vxc_core_finish(struct vxc_core *core, struct pending *p, const struct vxc_reply *reply)
{
    struct vxc_reply final = *reply;

    TAILQ_REMOVE(&core->pending, p, link);
    core->pending_count--;
    core->waiting_count -= p->state == PENDING_WAITING;
    core->sent_count -= p->state == PENDING_SENT;
    final.sequence = p->sequence;
    vxc_core_output_release(core, p);
    vxc_core_note_lock(core, p, &final);
    core->told++;
    vxc_core_leave(core);
    p->on_reply(p->data, &final);
    vxc_core_enter(core);
    vxc_free(p->lock);
    vxc_free(p);
}

void vxc_core_fail(struct vxc_core *core, struct pending *p, int code, const char *text)
{
    const struct vxc_reply reply = {.code = code, .message = text};
    vxc_core_finish(core, p, &reply);
}

static uint64_t floor_now(const struct vxc_core *core)
{
    const struct pending *p;
    TAILQ_FOREACH(p, &core->pending, link)
    {
        if (p->sequence != 0) {
            return p->sequence - 1;
        }
    }
    return core->session.next_sequence - 1;
}

static int write_frame(struct vxc_core *core, struct pending *p, uint64_t now_ms)
{
    int rc;

    if (core->sent_count == 0) {
        core->asked_ms = now_ms;
    }
    p->request_id = vxc_core_next_id(core);
    rc = vxc_core_output_add(core, p, floor_now(core));
    if (rc == VXC_OK) {
        vxc_core_move(core, p, PENDING_SENT);
    }
    return rc;
}

/* To a server that is being left nothing is written any more. */
static bool may_write(const struct vxc_core *core)
{
    return core->state == VXC_CORE_READY && !core->leaving;
}

void vxc_core_write_waiting(struct vxc_core *core, uint64_t now_ms)
{
    struct pending *p, *next;

    if (!may_write(core)) {
        return;
    }
    for (p = TAILQ_FIRST(&core->pending); p != NULL && core->waiting_count > 0; p = next) {
        next = TAILQ_NEXT(p, link);
        if (p->state != PENDING_WAITING || p->retry_ms > now_ms) {
            continue;
        }
        const int rc = write_frame(core, p, now_ms);
        if (rc != VXC_OK) {
            vxc_core_fail(core, p, rc, vxc_strerror(rc));
        }
    }
}

void vxc_core_become_ready(struct vxc_core *core, uint64_t now_ms)
{
    core->state = VXC_CORE_READY;
    core->was_ready = true;
    core->searching = core->searching && !core->server.primary;
    if (core->server.node_id != core->silent_node) {
        core->silent_count = 0;
    }
    if (core->session.id != 0) {
        core->life_ms = now_ms;
    }
    vxc_core_write_waiting(core, now_ms);
    vxc_core_ask_members(core, now_ms);
    vxc_core_notice(core, VXC_NOTICE_CONNECTED, core->session.id, 0, "");
}

void vxc_core_note_due(struct vxc_core *core, uint64_t due_ms)
{
    if (due_ms < core->next_due_ms) {
        core->next_due_ms = due_ms;
    }
}

/* Puts a request that is complete into the list. */
static void add_pending(struct vxc_core *core, struct pending *p, uint64_t now_ms)
{
    TAILQ_INSERT_TAIL(&core->pending, p, link);
    core->pending_count++;
    core->waiting_count++;
    vxc_core_note_due(core, p->deadline_ms);
    if (may_write(core)) {
        /* Out of memory for the frame: tick tries again. */
        if (write_frame(core, p, now_ms) != VXC_OK) {
            p->retry_ms = now_ms + BUSY_RETRY_MS_MAX;
            vxc_core_note_due(core, p->retry_ms);
        }
    }
}

static struct pending *new_pending(uint16_t kind, struct vxc_slice payload)
{
    struct pending *p = vxc_malloc(sizeof *p + payload.size);

    if (p == NULL) {
        return NULL;
    }
    *p = (struct pending){.kind = kind,
                          .state = PENDING_WAITING,
                          .flags = VXC_FRAME_REQUEST,
                          .payload_size = payload.size};
    if (payload.size > 0) {
        memcpy(p->payload, payload.data, payload.size);
    }
    if (vxc_core_prepare_lock(p) != VXC_OK) {
        vxc_free(p);
        return NULL;
    }
    return p;
}

int vxc_core_submit(struct vxc_core *core, const struct vxc_request *request, uint64_t now_ms,
                    uint64_t deadline_ms, void *data, vxc_reply_cb on_reply, struct vxc_error *err)
{
    const bool read = vxc_operation_is_read(request->operation);
    const bool sequenced = !read && !vxc_operation_is_of_members(request->operation) &&
                           core->session.id != 0 && !core->session.lost;
    const bool stale = read && (request->flags & VXC_REQUEST_STALE) != 0;
    struct vxc_buffer payload = {0};
    struct pending *p = NULL;
    struct vxc_slice lent;
    size_t lent_at = 0;
    int rc;

    if (core->pending_count >= VXC_CLIENT_PENDING_MAX) {
        return vxc_error_set(err, VXC_EBUSY, "%u requests are under way already",
                             VXC_CLIENT_PENDING_MAX);
    }
    if (!read && core->session.lost) {
        return vxc_error_set(err, VXC_ESESSION, "the session is lost: open another one");
    }
    rc = vxc_payload_write_around(request, &payload, &lent, &lent_at, err);
    if (rc == VXC_OK) {
        p = new_pending((uint16_t)request->operation, vxc_buffer_slice(&payload));
        if (p == NULL) {
            rc = vxc_error_set(err, VXC_ENOMEM, "%s", vxc_strerror(VXC_ENOMEM));
        }
    }
    vxc_buffer_free(&payload);
    if (rc != VXC_OK) {
        return rc;
    }
    p->read = read;
    p->any_node = stale || request->operation == VXC_CALL_STATUS;
    p->flags = stale ? VXC_FRAME_REQUEST | VXC_FRAME_STALE : VXC_FRAME_REQUEST;
    p->sequence = sequenced ? core->session.next_sequence++ : 0;
    p->deadline_ms = deadline_ms;
    p->data = data;
    p->on_reply = on_reply;
    p->lent = lent;
    p->lent_at = lent_at;
    add_pending(core, p, now_ms);
    return VXC_OK;
}

int vxc_core_close_session(struct vxc_core *core, uint64_t now_ms, uint64_t deadline_ms, void *data,
                           vxc_reply_cb on_reply)
{
    struct pending *p = new_pending(VXC_KIND_SESSION_CLOSE, vxc_slice(NULL, 0));

    if (p == NULL) {
        return VXC_ENOMEM;
    }
    /* Not sequenced: the record of what was answered goes with the session. */
    p->deadline_ms = deadline_ms;
    p->data = data;
    p->on_reply = on_reply;
    core->session.closing = true;
    add_pending(core, p, now_ms);
    return VXC_OK;
}

size_t vxc_core_pending(const struct vxc_core *core)
{
    return core->pending_count;
}

/* ---- the connection ---- */

void vxc_core_on_connected(struct vxc_core *core, uint64_t now_ms)
{
    struct vxc_message hello = {.kind = VXC_KIND_HELLO};

    vxc_check(core->state == VXC_CORE_DOWN);
    core->in.size = 0;
    vxc_core_output_clear(core);
    core->ping_open = core->leaving = false;
    core->members_due_ms = UINT64_MAX;
    core->sent_ms = now_ms;
    core->primary_address[0] = '\0';
    core->state = VXC_CORE_HELLO;
    core->handshake_id = vxc_core_next_id(core);
    hello.hello = (struct vxc_msg_hello){.version_min = VXC_PROTOCOL_VERSION,
                                         .version_max = VXC_PROTOCOL_VERSION,
                                         .client_name = vxc_buffer_slice(&core->client_name),
                                         .namespace_name = vxc_buffer_slice(&core->namespace_name)};
    /* Without memory for a hello the silence ends this connection. */
    (void)vxc_message_frame(&hello, VXC_FRAME_REQUEST, core->handshake_id, &core->out);
}

void vxc_core_on_disconnected(struct vxc_core *core, const char *reason)
{
    const uint64_t sent_end = core->sent_bytes;
    struct pending *p, *next;
    char text[VXC_ERROR_TEXT_MAX];
    const bool was_ready = core->state == VXC_CORE_READY;

    if (core->state == VXC_CORE_DOWN) {
        return;
    }
    core->state = VXC_CORE_DOWN;
    vxc_core_output_clear(core); /* what was lent needs no copy now */
    (void)snprintf(text, sizeof text,
                   "the connection broke before the answer (%s); whether it took "
                   "effect is not known",
                   reason);
    for (p = TAILQ_FIRST(&core->pending); p != NULL; p = next) {
        next = TAILQ_NEXT(p, link);
        if (p->state == PENDING_WAITING) {
            continue;
        }
        /* A frame whose last byte never left cannot have been carried out. */
        p->ever_sent = p->ever_sent || p->end_offset <= sent_end;
        if (p->read || p->sequence != 0 || !p->ever_sent) {
            vxc_core_move(core, p, PENDING_WAITING);
            p->retry_ms = 0;
        } else {
            vxc_core_fail(core, p, VXC_EUNKNOWN, text);
        }
    }
    if (was_ready || !core->searching) { /* a step of the search is no news */
        vxc_core_notice(core, VXC_NOTICE_DISCONNECTED, 0, 0, reason);
    }
}

void vxc_core_set_others(struct vxc_core *core, bool others)
{
    core->others = others;
}

bool vxc_core_needs_primary(const struct vxc_core *core)
{
    const struct pending *p;

    TAILQ_FOREACH(p, &core->pending, link)
    {
        if (!p->any_node) {
            return true;
        }
    }
    return core->session.wanted;
}

/* All but a write without sequence is asked again anyway. */
bool vxc_core_may_leave(const struct vxc_core *core)
{
    const struct pending *p;

    TAILQ_FOREACH(p, &core->pending, link)
    {
        if (p->state == PENDING_SENT && !p->read && p->sequence == 0 &&
            p->end_offset <= core->sent_bytes) {
            return false;
        }
    }
    return true;
}

int vxc_core_not_primary(const struct vxc_core *core, struct vxc_error *err)
{
    return vxc_error_set(err, VXC_ENOTPRIMARY, "node %llu is not the primary%s%s",
                         (unsigned long long)core->server.node_id,
                         core->primary_address[0] == '\0' ? "" : "; it names ",
                         core->primary_address);
}

int vxc_core_input(struct vxc_core *core, struct vxc_slice bytes, uint64_t now_ms,
                   struct vxc_error *err)
{
    size_t at = 0;
    int rc = vxc_buffer_append(&core->in, bytes.data, bytes.size);

    core->heard_ms = now_ms;
    if (core->state == VXC_CORE_READY && core->session.id != 0 && !core->leaving) {
        core->life_ms = now_ms;
        core->session.doubtful = false;
    }
    while (rc == VXC_OK && core->state != VXC_CORE_DOWN) {
        struct vxc_frame frame;
        uint32_t need;
        rc = vxc_frame_decode(vxc_slice(core->in.data + at, core->in.size - at), VXC_FRAME_SIZE_MAX,
                              &frame, &need);
        if (rc == VXC_EBUSY) {
            rc = VXC_OK;
            break;
        }
        if (rc != VXC_OK) {
            (void)vxc_error_set(err, rc, "the server sent what is no frame: %s", vxc_strerror(rc));
            break;
        }
        at += frame.size;
        rc = vxc_core_take_frame(core, &frame, now_ms, err);
    }
    if (at > 0 && at < core->in.size) {
        memmove(core->in.data, core->in.data + at, core->in.size - at);
    }
    core->in.size -= at;
    return rc;
}

/* ---- inspection ---- */

enum vxc_core_state vxc_core_state(const struct vxc_core *core)
{
    return core->state;
}

bool vxc_core_was_ready(const struct vxc_core *core)
{
    return core->was_ready;
}

uint64_t vxc_core_told(const struct vxc_core *core)
{
    return core->told;
}

uint64_t vxc_core_heard_ms(const struct vxc_core *core)
{
    return core->session.id != 0 ? core->life_ms : core->heard_ms;
}

bool vxc_core_is_leaving(const struct vxc_core *core)
{
    return core->state == VXC_CORE_READY && core->leaving;
}

bool vxc_core_is_searching(const struct vxc_core *core)
{
    return core->searching;
}

const struct vxc_server *vxc_core_server(const struct vxc_core *core)
{
    return &core->server;
}

const char *vxc_core_primary_address(const struct vxc_core *core)
{
    return core->primary_address;
}
