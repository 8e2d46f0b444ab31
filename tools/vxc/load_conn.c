#include "tools/vxc/load_internal.h"

#include "base/crc.h"
#include "wire/frame.h"
#include "wire/message.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* ---- requests ---- */

static bool may_issue(const struct load *l)
{
    if (l->phase == PHASE_FILL) {
        return l->issued < l->options->keys;
    }
    return l->now_ns < l->end_ns && (l->options->count == 0 || l->issued < l->options->count);
}

int vxc_load_out_of_memory(struct load *l)
{
    return vxc_error_set(l->err, VXC_ENOMEM, "%s", vxc_strerror(VXC_ENOMEM));
}

/* Fills the pipeline of a connection, as far as its output stays small. */
static int issue(struct load *l, struct load_conn *c)
{
    const size_t room = vxc_load_request_size_max(l->options);
    const uint64_t before = c->sent;

    while (c->sent - c->answered < l->window && c->out.size < VXC_MIB && may_issue(l)) {
        if (c->out.capacity - c->out.size < room && vxc_buffer_reserve(&c->out, room) != VXC_OK) {
            return vxc_load_out_of_memory(l);
        }
        if (l->phase == PHASE_FILL) {
            vxc_load_put_fill(&l->ops, l->issued, ++c->request_id, &c->out);
        } else {
            vxc_load_put_request(&l->ops, c->index, c->sent, ++c->request_id, &c->out);
        }
        c->sent++;
        l->issued++;
    }
    if (c->sent > before) {
        c->batches[c->end++ % l->window_max] =
            (struct batch){.ns = l->now_ns, .left = c->sent - before};
    }
    return VXC_OK;
}

/* ---- the socket ---- */

static int fail_conn(struct load *l, const struct load_conn *c, const char *what)
{
    return vxc_error_set(l->err, VXC_ECLOSED, "connection %u: %s", c->index, what);
}

static int flush(struct load *l, struct load_conn *c)
{
    while (c->out_sent < c->out.size) {
        const ssize_t n =
            send(c->fd, c->out.data + c->out_sent, c->out.size - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN) {
            return fail_conn(l, c, strerror(errno));
        }
        if (n < 0) {
            break;
        }
        c->out_sent += (size_t)n;
    }
    const bool wants_write = c->out_sent < c->out.size;
    if (!wants_write) {
        c->out.size = c->out_sent = 0;
    }
    if (wants_write != c->wants_write) {
        struct epoll_event e = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0), .data.ptr = c};
        c->wants_write = wants_write;
        (void)epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e); /* a known descriptor */
    }
    return VXC_OK;
}

static int send_message(struct load *l, struct load_conn *c, const struct vxc_message *m)
{
    return vxc_message_frame(m, VXC_FRAME_REQUEST, ++c->request_id, &c->out) == VXC_OK
               ? VXC_OK
               : vxc_load_out_of_memory(l);
}

/* ---- replies ---- */

static int on_handshake(struct load *l, struct load_conn *c, const struct vxc_frame *frame)
{
    struct vxc_message m;

    if (vxc_message_decode(frame->kind, frame->payload, &m) != VXC_OK ||
        frame->kind == VXC_KIND_ERROR_REPLY) {
        return fail_conn(l, c, "the server refused it");
    }
    if (c->stage == STAGE_HELLO && l->options->op == VXC_LOAD_LOCK) {
        m = (struct vxc_message){.kind = VXC_KIND_SESSION_OPEN};
        m.session_open.name = vxc_slice_of_string("vxc bench");
        c->stage = STAGE_SESSION;
        return send_message(l, c, &m);
    }
    c->stage = STAGE_RUNNING;
    l->running++;
    return VXC_OK;
}

static void count_fault(struct vxc_load_report *r, int code)
{
    unsigned i = 0;

    while (i < r->faults_count && r->faults[i].code != code && i < VXC_LOAD_FAULTS_MAX - 1) {
        i++;
    }
    if (i == r->faults_count) {
        r->faults[r->faults_count++].code = code;
    }
    r->faults[i].count++;
    r->errors++;
}

/* Answers to requests of one moment that come at one moment have one latency. */
static void take_latency(struct load *l, struct load_conn *c, uint64_t count)
{
    while (count > 0) {
        struct batch *b = &c->batches[c->first % l->window_max];
        const uint64_t now = count < b->left ? count : b->left;
        if (l->phase == PHASE_MEASURE) {
            vxc_histogram_record_many(&l->report->latency_ns, l->now_ns - b->ns, now);
        }
        b->left -= now;
        count -= now;
        c->first += b->left == 0;
    }
}

static int on_answer(struct load *l, struct load_conn *c, const struct vxc_frame *frame)
{
    int code;

    if (c->sent == c->answered ||
        frame->request_id != c->request_id - (uint32_t)(c->sent - c->answered) + 1) {
        (void)vxc_error_set(l->err, VXC_EPROTO, "connection %u: an answer that was not its turn",
                            c->index);
        return VXC_EPROTO;
    }
    if (l->phase == PHASE_FILL) {
        code = vxc_load_judge_fill(frame);
        if (code != VXC_OK) {
            return vxc_error_set(l->err, code, "filling map bench: %s", vxc_strerror(code));
        }
    } else {
        code = vxc_load_judge(&l->ops, c->index, c->answered, frame);
        if (code == VXC_ENOTPRIMARY) { /* nothing that follows would measure anything */
            return vxc_error_set(l->err, code, "connection %u: %s", c->index, vxc_strerror(code));
        }
        if (code != VXC_OK) {
            count_fault(l->report, code);
        } else {
            l->second_successes++;
        }
    }
    c->answered++;
    l->answered++;
    return VXC_OK;
}

static int on_frame(struct load *l, struct load_conn *c, const struct vxc_frame *frame)
{
    if (c->stage < STAGE_RUNNING) {
        return on_handshake(l, c, frame);
    }
    return (frame->flags & VXC_FRAME_EVENT) != 0 ? VXC_OK : on_answer(l, c, frame);
}

static int bad_frame(struct load *l, const struct load_conn *c, int code)
{
    return vxc_error_set(l->err, code, "connection %u: %s", c->index, vxc_strerror(code));
}

/* The rest of a large frame: sums up what is there. */
static int pass(struct load *l, struct load_conn *c, struct vxc_slice *bytes)
{
    struct passing *p = &c->passing;
    const size_t size = p->left < bytes->size ? p->left : bytes->size;
    struct vxc_frame frame;
    uint32_t checksum;
    int rc;

    p->crc = vxc_crc32(p->crc, bytes->data, size);
    p->left -= (uint32_t)size;
    *bytes = vxc_slice(bytes->data + size, bytes->size - size);
    if (p->left > 0) {
        return VXC_OK;
    }
    rc = vxc_frame_decode_head(vxc_slice(p->head, VXC_LOAD_HEAD_SIZE), VXC_FRAME_SIZE_MAX, &frame,
                               &checksum);
    if (rc == VXC_OK && checksum != p->crc) {
        rc = VXC_ECRC;
    }
    return rc == VXC_OK ? on_frame(l, c, &frame) : bad_frame(l, c, rc);
}

/* `bytes` ends within a frame of `need` bytes, of which it holds at least VXC_LOAD_HEAD_SIZE. */
static void begin_passing(struct load_conn *c, struct vxc_slice *bytes, uint32_t need)
{
    struct passing *p = &c->passing;

    memcpy(p->head, bytes->data, VXC_LOAD_HEAD_SIZE);
    p->crc =
        vxc_crc32(0, bytes->data + VXC_FRAME_CHECKED_FROM, bytes->size - VXC_FRAME_CHECKED_FROM);
    p->left = need - (uint32_t)bytes->size;
    *bytes = vxc_slice(bytes->data + bytes->size, 0);
}

/* Takes the whole frames off the front of `bytes`. */
static int take_frames(struct load *l, struct load_conn *c, struct vxc_slice *bytes)
{
    int rc = c->passing.left > 0 ? pass(l, c, bytes) : VXC_OK;

    while (rc == VXC_OK) {
        struct vxc_frame frame;
        uint32_t need;
        rc = vxc_frame_decode(*bytes, VXC_FRAME_SIZE_MAX, &frame, &need);
        if (rc == VXC_EBUSY) {
            if (need > VXC_LOAD_REST_MAX && bytes->size >= VXC_LOAD_HEAD_SIZE) {
                begin_passing(c, bytes, need);
            }
            return VXC_OK;
        }
        if (rc != VXC_OK) {
            return bad_frame(l, c, rc);
        }
        *bytes = vxc_slice(bytes->data + frame.size, bytes->size - frame.size);
        rc = on_frame(l, c, &frame);
    }
    return rc;
}

/* All connections read into one buffer, behind the unfinished frame that this one kept. */
static int read_conn(struct load *l, struct load_conn *c)
{
    const size_t kept = c->rest.size;
    const uint64_t answered = c->answered;
    const ssize_t got = recv(c->fd, l->input + kept, VXC_LOAD_READ_SIZE, 0);
    struct vxc_slice bytes;
    int rc;

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return VXC_OK;
    }
    if (got <= 0) {
        return fail_conn(l, c, got == 0 ? "the server closed it" : strerror(errno));
    }
    l->now_ns = l->heard_ns = l->clock->monotonic_ns(l->clock->data);
    if (kept > 0) {
        memcpy(l->input, c->rest.data, kept);
        vxc_buffer_clear(&c->rest);
    }
    bytes = vxc_slice(l->input, kept + (size_t)got);
    rc = take_frames(l, c, &bytes);
    take_latency(l, c, c->answered - answered);
    if (rc == VXC_OK && vxc_buffer_append(&c->rest, bytes.data, bytes.size) != VXC_OK) {
        rc = vxc_load_out_of_memory(l);
    }
    return rc;
}

static int send_hello(struct load *l, struct load_conn *c)
{
    struct vxc_message m = {.kind = VXC_KIND_HELLO};

    m.hello.version_min = m.hello.version_max = VXC_PROTOCOL_VERSION;
    m.hello.client_name = vxc_slice_of_string("vxc bench");
    if (l->options->namespace_name != NULL) {
        m.hello.namespace_name = vxc_slice_of_string(l->options->namespace_name);
    }
    c->stage = STAGE_HELLO;
    return send_message(l, c, &m);
}

/* ---- a turn ---- */

int vxc_load_conn_begin(struct load *l)
{
    struct load_conn *c = &l->conns[l->begun];
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    const int rc = vxc_endpoint_connect(&l->endpoint, &c->fd, l->err);

    if (rc != VXC_OK) {
        return rc;
    }
    c->index = l->begun++;
    c->wants_write = true;
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0) {
        return fail_conn(l, c, strerror(errno));
    }
    return VXC_OK;
}

int vxc_load_conn_serve(struct load *l, struct load_conn *c, uint32_t events)
{
    int rc = VXC_OK;

    if (c->stage == STAGE_CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            return fail_conn(l, c, strerror(error != 0 ? error : errno));
        }
        rc = send_hello(l, c);
    } else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        rc = read_conn(l, c);
    }
    if (rc == VXC_OK && c->stage == STAGE_RUNNING && l->phase != PHASE_CONNECT) {
        rc = issue(l, c);
        if (rc == VXC_OK && l->phase == PHASE_MEASURE && c->sent == c->answered && !may_issue(l)) {
            c->stage = STAGE_DONE;
            l->done++;
        }
    }
    return rc == VXC_OK ? flush(l, c) : rc;
}
