#include "tools/vxc/load.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crc.h"
#include "base/limits.h"
#include "client/endpoint.h"
#include "wire/frame.h"
#include "wire/message.h"

#include "tools/vxc/load_ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX      256
#define READ_SIZE       (256u * VXC_KIB) /* per read; fits a second-level cache */
#define REST_SIZE_MAX   (4u * VXC_KIB)   /* of an unfinished frame that is kept; larger ones pass */
#define HEAD_SIZE       64u              /* of a passing frame: all that is looked at */
#define CONNECT_AT_ONCE 256u             /* handshakes under way: a listen queue is short */
#define FILL_BYTES_MAX  (16u * VXC_MIB) /* under way on all connections: below any server's bound */
#define FILL_WINDOW_MAX 256u            /* requests under way per connection */
#define SECOND_NS       1000000000ull

enum stage { STAGE_CONNECTING, STAGE_HELLO, STAGE_SESSION, STAGE_RUNNING, STAGE_DONE };
enum phase { PHASE_CONNECT, PHASE_FILL, PHASE_MEASURE };

/* Requests that were written at the same moment. */
struct batch {
    uint64_t ns;
    uint64_t left; /* of them, not yet answered */
};

/* A large frame on its way through: its bytes are summed up and forgotten. */
struct passing {
    uint8_t head[HEAD_SIZE];
    uint32_t left; /* bytes; 0 = there is none */
    uint32_t crc;  /* of those that came */
};

struct load_conn {
    int fd;
    enum stage stage;
    unsigned index;
    uint32_t request_id;     /* of the last request */
    uint64_t sent, answered; /* requests after the handshake */
    struct batch *batches;   /* ring of `window_max`, of those between */
    uint64_t first, end;     /* batches in the ring, counted through */
    struct vxc_buffer rest;  /* the beginning of a frame that is not whole yet */
    struct passing passing;
    struct vxc_buffer out;
    size_t out_sent;
    bool wants_write;
};

struct load {
    const struct vxc_load_options *options;
    struct vxc_load_report *report;
    const struct vxc_clock *clock;
    struct vxc_endpoint endpoint;
    struct vxc_load_ops ops;
    int epoll;
    struct load_conn *conns;
    unsigned begun;   /* connections */
    unsigned running; /* of them ready */
    unsigned done;
    enum phase phase;
    unsigned window, window_max; /* requests under way per connection: now, in any phase */
    uint64_t issued, answered;   /* of this phase */
    uint64_t began_ns, end_ns;   /* of the measured part; end UINT64_MAX = none */
    uint64_t now_ns;             /* when the connection's turn began */
    uint64_t heard_ns;
    uint64_t success_ns;  /* of the last turn with one */
    uint64_t second_ends; /* of the second that is being counted */
    uint64_t second_successes;
    size_t per_second_room;
    uint8_t *input; /* REST_SIZE_MAX + READ_SIZE */
    struct vxc_error *err;
};

/* ---- requests ---- */

static bool may_issue(const struct load *l)
{
    if (l->phase == PHASE_FILL) {
        return l->issued < l->options->keys;
    }
    return l->now_ns < l->end_ns && (l->options->count == 0 || l->issued < l->options->count);
}

static int out_of_memory(struct load *l)
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
            return out_of_memory(l);
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
               : out_of_memory(l);
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
    if (c->stage != STAGE_RUNNING) {
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
    rc =
        vxc_frame_decode_head(vxc_slice(p->head, HEAD_SIZE), VXC_FRAME_SIZE_MAX, &frame, &checksum);
    if (rc == VXC_OK && checksum != p->crc) {
        rc = VXC_ECRC;
    }
    return rc == VXC_OK ? on_frame(l, c, &frame) : bad_frame(l, c, rc);
}

/* `bytes` ends within a frame of `need` bytes, of which it holds at least HEAD_SIZE. */
static void begin_passing(struct load_conn *c, struct vxc_slice *bytes, uint32_t need)
{
    struct passing *p = &c->passing;

    memcpy(p->head, bytes->data, HEAD_SIZE);
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
            if (need > REST_SIZE_MAX && bytes->size >= HEAD_SIZE) {
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
    const ssize_t got = recv(c->fd, l->input + kept, READ_SIZE, 0);
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
        rc = out_of_memory(l);
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
    if (rc == VXC_OK && c->stage == STAGE_RUNNING && l->phase != PHASE_CONNECT) {
        rc = issue(l, c);
        if (rc == VXC_OK && l->phase == PHASE_MEASURE && c->sent == c->answered && !may_issue(l)) {
            c->stage = STAGE_DONE;
            l->done++;
        }
    }
    return rc == VXC_OK ? flush(l, c) : rc;
}

/* ---- the run ---- */

/* Requests under way per connection while the map is filled. */
static unsigned fill_window(const struct vxc_load_options *options)
{
    const uint64_t one = (uint64_t)options->connections * vxc_load_request_size_max(options);
    const uint64_t window = FILL_BYTES_MAX / one;

    return window < 1 ? 1 : window > FILL_WINDOW_MAX ? FILL_WINDOW_MAX : (unsigned)window;
}

/* All connections are idle: the next phase sets them to work. */
static int begin_phase(struct load *l, enum phase phase)
{
    int rc = VXC_OK;

    l->phase = phase;
    l->issued = l->answered = 0;
    l->window = phase == PHASE_FILL ? fill_window(l->options) : l->options->pipeline;
    l->now_ns = l->heard_ns = l->clock->monotonic_ns(l->clock->data);
    if (phase == PHASE_MEASURE) {
        l->began_ns = l->success_ns = l->now_ns;
        l->second_ends = l->now_ns + SECOND_NS;
        l->end_ns =
            l->options->seconds == 0 ? UINT64_MAX : l->now_ns + l->options->seconds * SECOND_NS;
    }
    for (unsigned i = 0; rc == VXC_OK && i < l->options->connections; i++) {
        rc = serve(l, &l->conns[i], 0);
    }
    return rc;
}

static int begin_next_phase(struct load *l)
{
    if (l->phase == PHASE_CONNECT && l->running == l->options->connections) {
        return begin_phase(l, l->options->fill ? PHASE_FILL : PHASE_MEASURE);
    }
    if (l->phase == PHASE_FILL && l->answered == l->options->keys) {
        return begin_phase(l, PHASE_MEASURE);
    }
    return VXC_OK;
}

static int close_second(struct load *l)
{
    struct vxc_load_report *r = l->report;

    if (r->per_second_count == l->per_second_room) {
        const size_t room = l->per_second_room == 0 ? 64 : l->per_second_room * 2;
        uint64_t *larger = realloc(r->per_second, room * sizeof *larger);
        if (larger == NULL) {
            return out_of_memory(l);
        }
        r->per_second = larger;
        l->per_second_room = room;
    }
    r->per_second[r->per_second_count++] = l->second_successes;
    l->second_successes = 0;
    l->second_ends += SECOND_NS;
    if (l->options->on_second != NULL) {
        l->options->on_second(l->options->data, r->per_second_count,
                              r->per_second[r->per_second_count - 1]);
    }
    return VXC_OK;
}

/* After a turn that had `successes` before it: stalls and seconds. */
static int look_at_time(struct load *l, uint64_t successes_before)
{
    int rc = VXC_OK;

    if (l->phase != PHASE_MEASURE) {
        return VXC_OK;
    }
    if (l->second_successes > successes_before) {
        const uint64_t stall = l->now_ns - l->success_ns;
        l->report->stall_ns = stall > l->report->stall_ns ? stall : l->report->stall_ns;
        l->success_ns = l->now_ns;
    }
    while (rc == VXC_OK && l->now_ns >= l->second_ends) {
        rc = close_second(l);
    }
    return rc;
}

static int turn(struct load *l)
{
    struct epoll_event events[EVENTS_MAX];
    const uint64_t successes = l->second_successes;
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
    rc = rc == VXC_OK ? look_at_time(l, successes) : rc;
    return rc == VXC_OK ? begin_next_phase(l) : rc;
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
    const struct vxc_load_options *options = l->options;
    struct vxc_endpoint parsed[VXC_ENDPOINTS_MAX];
    size_t endpoints;
    uint64_t seed;
    int rc = vxc_endpoints_parse(options->endpoint, parsed, &endpoints, l->err);

    if (rc != VXC_OK) {
        return rc;
    }
    l->endpoint = parsed[0];
    raise_descriptors(options->connections);
    l->clock->random(l->clock->data, &seed, sizeof seed);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->input = malloc(REST_SIZE_MAX + READ_SIZE);
    l->conns = calloc(options->connections, sizeof *l->conns);
    l->window_max = fill_window(options);
    l->window_max = l->window_max > options->pipeline ? l->window_max : options->pipeline;
    for (unsigned i = 0; l->conns != NULL && i < options->connections; i++) {
        l->conns[i].fd = -1; /* of all, for clean_up */
    }
    if (vxc_load_ops_init(&l->ops, options, seed | 1) != VXC_OK || l->epoll < 0 ||
        l->input == NULL || l->conns == NULL) {
        return out_of_memory(l);
    }
    for (unsigned i = 0; i < options->connections; i++) {
        l->conns[i].batches = malloc(l->window_max * sizeof(struct batch));
        if (l->conns[i].batches == NULL) {
            return out_of_memory(l);
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
        free(c->batches);
        vxc_buffer_free(&c->rest);
        vxc_buffer_free(&c->out);
    }
    free(l->conns);
    free(l->input);
    vxc_load_ops_deinit(&l->ops);
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
    l.now_ns = l.heard_ns = l.clock->monotonic_ns(l.clock->data);
    rc = prepare(&l);
    while (rc == VXC_OK && l.done < options->connections) {
        rc = turn(&l);
    }
    report->operations = l.answered;
    report->seconds = (double)(l.now_ns - l.began_ns) / 1e9;
    clean_up(&l);
    return rc;
}

void vxc_load_report_free(struct vxc_load_report *report)
{
    free(report->per_second);
    *report = (struct vxc_load_report){0};
}
