#include "tools/vxc/load.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/limits.h"
#include "client/endpoint.h"
#include "wire/frame.h"
#include "wire/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX      256
#define READ_SIZE       (256u * VXC_KIB)
#define KEY_SIZE        16u  /* "key:000000000042" */
#define CONNECT_AT_ONCE 256u /* handshakes under way: a listen queue is short */

enum stage { STAGE_CONNECTING, STAGE_HELLO, STAGE_SESSION, STAGE_RUNNING, STAGE_DONE };

struct load_conn {
    int fd;
    enum stage stage;
    unsigned index;
    bool locked;       /* LOCK: the next operation is a release */
    uint64_t sequence; /* LOCK */
    uint32_t request_id;
    uint64_t sent, answered; /* operations; the ring below holds those between */
    uint64_t *sent_ns;       /* ring of `pipeline` times */
    struct vxc_buffer in, out;
    size_t out_sent;
    bool wants_write;
};

struct load {
    const struct vxc_load_options *options;
    struct vxc_load_report *report;
    const struct vxc_clock *clock;
    struct vxc_endpoint endpoint;
    int epoll;
    struct load_conn *conns;
    unsigned begun;   /* connections */
    unsigned running; /* of them ready */
    unsigned done;
    uint64_t issued;
    uint64_t began_ns, end_ns; /* of the measured part; 0 = not begun, UINT64_MAX = no end */
    uint64_t now_ns;           /* of this turn */
    uint64_t heard_ns;
    uint64_t random;
    uint8_t *value;
    uint8_t *input; /* READ_SIZE */
    struct vxc_error *err;
};

/* ---- requests ---- */

static uint64_t next_random(struct load *l)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return l->random;
}

static void write_key(struct load *l, uint8_t key[KEY_SIZE])
{
    uint64_t n = next_random(l) % l->options->keys;

    memcpy(key, "key:", 4);
    for (size_t i = KEY_SIZE; i > 4; i--) {
        key[i - 1] = (uint8_t)('0' + n % 10);
        n /= 10;
    }
}

static int put_map_put(struct load *l, struct load_conn *c)
{
    struct vxc_buffer *out = &c->out;
    uint8_t key[KEY_SIZE];
    const size_t at = vxc_frame_begin(out, VXC_FRAME_REQUEST, VXC_KIND_MAP_PUT, ++c->request_id);

    write_key(l, key);
    (void)vxc_buffer_put_bytes(out, vxc_slice("bench", 5)); /* room was reserved */
    (void)vxc_buffer_put_bytes(out, vxc_slice(key, sizeof key));
    (void)vxc_buffer_put_bytes(out, vxc_slice(l->value, l->options->value_size));
    (void)vxc_buffer_put_u64(out, 0); /* no ttl */
    (void)vxc_buffer_put_u8(out, 0);  /* the old value is not wanted */
    return vxc_frame_finish(out, at);
}

static int put_map_get(struct load *l, struct load_conn *c)
{
    uint8_t key[KEY_SIZE];
    const size_t at =
        vxc_frame_begin(&c->out, VXC_FRAME_REQUEST, VXC_KIND_MAP_GET, ++c->request_id);

    write_key(l, key);
    (void)vxc_buffer_put_bytes(&c->out, vxc_slice("bench", 5)); /* room was reserved */
    (void)vxc_buffer_put_bytes(&c->out, vxc_slice(key, sizeof key));
    return vxc_frame_finish(&c->out, at);
}

static int put_counter_add(struct load *l, struct load_conn *c)
{
    uint8_t name[KEY_SIZE];
    const size_t at =
        vxc_frame_begin(&c->out, VXC_FRAME_REQUEST, VXC_KIND_COUNTER_ADD, ++c->request_id);

    write_key(l, name);
    (void)vxc_buffer_put_bytes(&c->out, vxc_slice(name, sizeof name)); /* room was reserved */
    (void)vxc_buffer_put_u64(&c->out, 1);
    (void)vxc_buffer_put_u8(&c->out, 0);
    return vxc_frame_finish(&c->out, at);
}

static int put_lock(struct load_conn *c)
{
    char name[32];
    const int size = snprintf(name, sizeof name, "bench-%u", c->index);
    const uint16_t kind = c->locked ? VXC_KIND_LOCK_RELEASE : VXC_KIND_LOCK_ACQUIRE;
    const size_t at = vxc_frame_begin_sequenced(&c->out, VXC_FRAME_REQUEST, kind, ++c->request_id,
                                                ++c->sequence, c->answered);

    (void)vxc_buffer_put_bytes(&c->out, vxc_slice(name, (size_t)size)); /* room was reserved */
    (void)vxc_buffer_put_u64(&c->out, 0); /* do not wait; whatever token */
    c->locked = !c->locked;
    return vxc_frame_finish(&c->out, at);
}

static int put_request(struct load *l, struct load_conn *c)
{
    enum vxc_load_op op = l->options->op;

    if (op == VXC_LOAD_MIXED) {
        const uint64_t dice = next_random(l) % 10;
        op = dice < 7 ? VXC_LOAD_MAP_GET : dice < 9 ? VXC_LOAD_MAP_PUT : VXC_LOAD_COUNTER_ADD;
    }
    switch (op) {
    case VXC_LOAD_MAP_PUT:
        return put_map_put(l, c);
    case VXC_LOAD_MAP_GET:
        return put_map_get(l, c);
    case VXC_LOAD_COUNTER_ADD:
        return put_counter_add(l, c);
    case VXC_LOAD_LOCK:
        return put_lock(c);
    default:
        return vxc_frame_finish(&c->out,
                                vxc_frame_begin(&c->out, VXC_FRAME_REQUEST | VXC_FRAME_PING,
                                                VXC_KIND_PING, ++c->request_id));
    }
}

static bool may_issue(const struct load *l)
{
    return l->now_ns < l->end_ns && (l->options->count == 0 || l->issued < l->options->count);
}

/* Fills the pipeline of a connection, as far as its output stays small. */
static int issue(struct load *l, struct load_conn *c)
{
    const unsigned pipeline = l->options->pipeline;

    while (c->sent - c->answered < pipeline && c->out.size < VXC_MIB && may_issue(l)) {
        if (vxc_buffer_reserve(&c->out, 256u + l->options->value_size) != VXC_OK ||
            put_request(l, c) != VXC_OK) {
            return vxc_error_set(l->err, VXC_ENOMEM, "%s", vxc_strerror(VXC_ENOMEM));
        }
        c->sent_ns[c->sent % pipeline] = l->now_ns;
        c->sent++;
        l->issued++;
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
    if (vxc_message_frame(m, VXC_FRAME_REQUEST, ++c->request_id, &c->out) != VXC_OK) {
        return vxc_error_set(l->err, VXC_ENOMEM, "%s", vxc_strerror(VXC_ENOMEM));
    }
    return VXC_OK;
}

static int begin_conn(struct load *l)
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

static void on_answer(struct load *l, struct load_conn *c, const struct vxc_frame *frame)
{
    struct vxc_load_report *r = l->report;

    vxc_histogram_record(&r->latency_ns,
                         l->now_ns - c->sent_ns[c->answered % l->options->pipeline]);
    c->answered++;
    r->operations++;
    if (frame->kind == VXC_KIND_ERROR_REPLY || frame->kind == VXC_KIND_LEGACY_ERROR) {
        r->errors++;
        if (r->error_code == 0) {
            r->error_code = frame->kind == VXC_KIND_ERROR_REPLY && frame->payload.size >= 8
                                ? (int)(int64_t)vxc_load_u64(frame->payload.data)
                                : VXC_EPROTO;
        }
    }
}

/* Takes the whole frames off the front of `bytes`. */
static int take_frames(struct load *l, struct load_conn *c, struct vxc_slice *bytes)
{
    int rc = VXC_OK;

    while (rc == VXC_OK) {
        struct vxc_frame frame;
        uint32_t need;
        rc = vxc_frame_decode(*bytes, VXC_FRAME_SIZE_MAX, &frame, &need);
        if (rc == VXC_EBUSY) {
            return VXC_OK;
        }
        if (rc != VXC_OK) {
            return fail_conn(l, c, vxc_strerror(rc));
        }
        *bytes = vxc_slice(bytes->data + frame.size, bytes->size - frame.size);
        if (c->stage == STAGE_RUNNING) {
            if ((frame.flags & VXC_FRAME_EVENT) == 0) {
                on_answer(l, c, &frame);
            }
        } else {
            rc = on_handshake(l, c, &frame);
        }
    }
    return rc;
}

/* All connections read into one buffer; a connection keeps only the frame that is not whole yet. */
static int read_conn(struct load *l, struct load_conn *c)
{
    const ssize_t got = recv(c->fd, l->input, READ_SIZE, 0);
    struct vxc_slice bytes;
    int rc;

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return VXC_OK;
    }
    if (got <= 0) {
        return fail_conn(l, c, got == 0 ? "the server closed it" : strerror(errno));
    }
    l->heard_ns = l->now_ns;
    bytes = vxc_slice(l->input, (size_t)got);
    if (c->in.size > 0) {
        if (vxc_buffer_append(&c->in, l->input, (size_t)got) != VXC_OK) {
            return vxc_error_set(l->err, VXC_ENOMEM, "%s", vxc_strerror(VXC_ENOMEM));
        }
        bytes = vxc_buffer_slice(&c->in);
    }
    rc = take_frames(l, c, &bytes);
    if (c->in.size > 0) {
        memmove(c->in.data, bytes.data, bytes.size);
        c->in.size = bytes.size;
    } else if (rc == VXC_OK && vxc_buffer_append(&c->in, bytes.data, bytes.size) != VXC_OK) {
        rc = vxc_error_set(l->err, VXC_ENOMEM, "%s", vxc_strerror(VXC_ENOMEM));
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

static int serve(struct load *l, struct load_conn *c, uint32_t events)
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
    if (rc == VXC_OK && c->stage == STAGE_RUNNING && l->began_ns != 0) {
        rc = issue(l, c);
        if (rc == VXC_OK && c->sent == c->answered && !may_issue(l)) {
            c->stage = STAGE_DONE;
            l->done++;
        }
    }
    return rc == VXC_OK ? flush(l, c) : rc;
}

/* ---- the run ---- */

/* All connections stand: the measured part begins. */
static int begin_measuring(struct load *l)
{
    int rc = VXC_OK;

    l->began_ns = l->heard_ns = l->now_ns;
    l->end_ns =
        l->options->seconds == 0 ? UINT64_MAX : l->now_ns + l->options->seconds * 1000000000ull;
    for (unsigned i = 0; rc == VXC_OK && i < l->options->connections; i++) {
        rc = serve(l, &l->conns[i], 0);
    }
    return rc;
}

static int turn(struct load *l)
{
    struct epoll_event events[EVENTS_MAX];
    int rc = VXC_OK;

    while (rc == VXC_OK && l->begun < l->options->connections &&
           l->begun - l->running < CONNECT_AT_ONCE) {
        rc = begin_conn(l);
    }
    if (rc != VXC_OK) {
        return rc;
    }
    const int count = epoll_wait(l->epoll, events, EVENTS_MAX, 100);
    l->now_ns = l->clock->monotonic_ns(l->clock->data);
    for (int i = 0; rc == VXC_OK && i < count; i++) {
        rc = serve(l, events[i].data.ptr, events[i].events);
    }
    if (rc == VXC_OK && l->now_ns - l->heard_ns > l->options->timeout_ms * 1000000ull) {
        return vxc_error_set(l->err, VXC_ETIMEOUT, "the server did not answer for %llu ms",
                             (unsigned long long)l->options->timeout_ms);
    }
    if (rc == VXC_OK && l->began_ns == 0 && l->running == l->options->connections) {
        rc = begin_measuring(l);
    }
    return rc;
}

/* Thousands of connections need as many descriptors. */
static void raise_descriptors(unsigned connections)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < connections + 64) {
        limit.rlim_cur = connections + 64 < limit.rlim_max ? connections + 64 : limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* else connecting says what is missing */
    }
}

static int prepare(struct load *l)
{
    const unsigned count = l->options->connections;
    size_t endpoints;
    struct vxc_endpoint parsed[VXC_ENDPOINTS_MAX];
    int rc = vxc_endpoints_parse(l->options->endpoint, parsed, &endpoints, l->err);

    if (rc != VXC_OK) {
        return rc;
    }
    l->endpoint = parsed[0];
    raise_descriptors(count);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->value = malloc(l->options->value_size + 1u);
    l->input = malloc(READ_SIZE);
    l->conns = calloc(count, sizeof *l->conns);
    if (l->epoll < 0 || l->value == NULL || l->input == NULL || l->conns == NULL) {
        return vxc_error_set(l->err, VXC_ENOMEM, "%s", vxc_strerror(VXC_ENOMEM));
    }
    memset(l->value, 'v', l->options->value_size);
    for (unsigned i = 0; i < count; i++) {
        l->conns[i].fd = -1;
        l->conns[i].sent_ns = malloc(l->options->pipeline * sizeof(uint64_t));
        if (l->conns[i].sent_ns == NULL) {
            return vxc_error_set(l->err, VXC_ENOMEM, "%s", vxc_strerror(VXC_ENOMEM));
        }
    }
    return VXC_OK;
}

static void clean_up(struct load *l)
{
    for (unsigned i = 0; l->conns != NULL && i < l->options->connections; i++) {
        struct load_conn *c = &l->conns[i];
        if (c->fd >= 0) {
            (void)close(c->fd); /* all answers are here */
        }
        free(c->sent_ns);
        vxc_buffer_free(&c->in);
        vxc_buffer_free(&c->out);
    }
    free(l->conns);
    free(l->value);
    free(l->input);
    if (l->epoll >= 0) {
        (void)close(l->epoll); /* held nothing */
    }
}

int vxc_load_run(const struct vxc_load_options *options, struct vxc_load_report *report,
                 struct vxc_error *err)
{
    struct load l = {.options = options,
                     .report = report,
                     .clock = vxc_clock_system(),
                     .epoll = -1,
                     .end_ns = UINT64_MAX,
                     .err = err};
    int rc;

    *report = (struct vxc_load_report){0};
    l.clock->random(l.clock->data, &l.random, sizeof l.random);
    l.random |= 1;
    l.now_ns = l.heard_ns = l.clock->monotonic_ns(l.clock->data);
    rc = prepare(&l);
    while (rc == VXC_OK && l.done < options->connections) {
        rc = turn(&l);
    }
    report->seconds = (double)(l.now_ns - l.began_ns) / 1e9;
    clean_up(&l);
    return rc;
}
