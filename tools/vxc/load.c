#include "tools/vxc/load_internal.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define EVENTS_MAX      256
#define CONNECT_AT_ONCE 256u            /* handshakes under way: a listen queue is short */
#define FILL_BYTES_MAX  (16u * VXC_MIB) /* under way on all connections: below any server's bound */
#define FILL_WINDOW_MAX 256u            /* requests under way per connection */
#define SECOND_NS       1000000000ull

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
        rc = vxc_load_conn_serve(l, &l->conns[i], 0);
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
            return vxc_load_out_of_memory(l);
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
        rc = vxc_load_conn_begin(l);
    }
    if (rc != VXC_OK) {
        return rc;
    }
    const int count = epoll_wait(l->epoll, events, EVENTS_MAX, 100);
    l->now_ns = l->clock->monotonic_ns(l->clock->data);
    for (int i = 0; rc == VXC_OK && i < count; i++) {
        rc = vxc_load_conn_serve(l, events[i].data.ptr, events[i].events);
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
    l->input = malloc(VXC_LOAD_REST_MAX + VXC_LOAD_READ_SIZE);
    l->conns = calloc(options->connections, sizeof *l->conns);
    l->window_max = fill_window(options);
    l->window_max = l->window_max > options->pipeline ? l->window_max : options->pipeline;
    for (unsigned i = 0; l->conns != NULL && i < options->connections; i++) {
        l->conns[i].fd = -1; /* of all, for clean_up */
    }
    if (vxc_load_ops_init(&l->ops, options, seed | 1) != VXC_OK || l->epoll < 0 ||
        l->input == NULL || l->conns == NULL) {
        return vxc_load_out_of_memory(l);
    }
    for (unsigned i = 0; i < options->connections; i++) {
        l->conns[i].batches = malloc(l->window_max * sizeof(struct batch));
        if (l->conns[i].batches == NULL) {
            return vxc_load_out_of_memory(l);
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
