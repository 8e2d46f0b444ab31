#include "embedded_fixture.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/frame.h"

enum { PATIENCE_S = 30 };

static void count_line(void *data, enum vxc_log_level level, const char *line)
{
    struct place *p = data;

    assert_in_range(level, VXC_LOG_ERROR, VXC_LOG_DEBUG);
    assert_null(strchr(line, '\n'));
    atomic_fetch_add(&p->lines, 1);
}

void make_place(struct place *p)
{
    memset(p, 0, sizeof *p);
    strcpy(p->root, "/tmp/vxc-embedded-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    (void)snprintf(p->data, sizeof p->data, "%s/d", p->root);
    p->options = vxc_node_options();
    p->options.data = p->data;
    p->options.host = NULL;
    p->options.data_of_log = p;
    p->options.on_log = count_line;
}

void start(struct place *p)
{
    struct vxc_error err = {0};

    assert_int_equal(vxc_node_create(&p->options, &p->node, &err), 0);
    if (vxc_node_start(p->node, &err) != 0) {
        fail_msg("the node does not start: %s", err.text);
    }
}

void spawn(struct place *p)
{
    start(p);
    assert_int_equal(vxc_node_spawn(p->node, NULL), 0);
}

void remove_folder(const char *path)
{
    char command[128];

    (void)snprintf(command, sizeof command, "rm -rf '%.100s'", path);
    assert_int_equal(system(command), 0);
}

void remove_place(struct place *p)
{
    vxc_node_free(p->node);
    remove_folder(p->root);
}

void drive(struct vxc_node *node)
{
    struct pollfd fd = {.fd = vxc_node_fd(node), .events = POLLIN};
    int timeout_ms = vxc_node_timeout_ms(node);

    (void)poll(&fd, 1, timeout_ms < 0 || timeout_ms > 1000 ? 1000 : timeout_ms);
    assert_true(vxc_node_dispatch(node));
}

/* ---- the other side of a connection ---- */

void on_frame(void *data, const void *frame, size_t size)
{
    struct end *e = data;

    pthread_mutex_lock(&e->lock);
    assert_int_equal(vxc_buffer_append(&e->in, frame, size), 0);
    e->frames++;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

void on_close(void *data, int code, const char *reason)
{
    struct end *e = data;

    pthread_mutex_lock(&e->lock);
    e->closes++;
    e->code = code;
    (void)snprintf(e->reason, sizeof e->reason, "%s", reason);
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

void dial(struct end *e, struct vxc_node *node, bool driven)
{
    struct vxc_connection_options options = vxc_connection_options();
    struct vxc_error err = {0};

    memset(e, 0, sizeof *e);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->changed, NULL);
    e->driven = driven ? node : NULL;
    options.data = e;
    options.on_frame = on_frame;
    options.on_close = on_close;
    assert_int_equal(vxc_node_connect(node, &options, &e->connection, &err), 0);
}

void wait_for(struct end *e, size_t frames, bool ended)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    while ((ended || e->frames < frames) && e->closes == 0) {
        if (e->driven != NULL) {
            pthread_mutex_unlock(&e->lock);
            drive(e->driven);
            pthread_mutex_lock(&e->lock);
        } else {
            assert_int_equal(pthread_cond_timedwait(&e->changed, &e->lock, &until), 0);
        }
    }
}

void hang_up(struct end *e)
{
    vxc_node_disconnect(e->connection);
    pthread_mutex_lock(&e->lock);
    wait_for(e, 0, true);
    assert_int_equal(e->closes, 1);
    pthread_mutex_unlock(&e->lock);
    vxc_buffer_free(&e->in);
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
}

void encode(struct end *e, const struct vxc_message *m, bool sequenced, struct vxc_buffer *out)
{
    size_t at;

    e->request_id++;
    at = sequenced ? vxc_frame_begin_sequenced(out, VXC_FRAME_REQUEST, m->kind, e->request_id,
                                               ++e->sequence, 0)
                   : vxc_frame_begin(out, VXC_FRAME_REQUEST, m->kind, e->request_id);
    assert_int_equal(vxc_message_encode(m, out), 0);
    assert_int_equal(vxc_frame_finish(out, at), 0);
}

void post(struct end *e, const struct vxc_message *m, bool sequenced)
{
    struct vxc_buffer out = {0};

    encode(e, m, sequenced, &out);
    assert_int_equal(vxc_node_process(e->connection, out.data, out.size), 0);
    vxc_buffer_free(&out);
}

void next(struct end *e, struct vxc_message *m, uint32_t *request_id)
{
    struct vxc_frame frame;
    uint32_t need;

    pthread_mutex_lock(&e->lock);
    wait_for(e, e->seen + 1, false);
    assert_true(e->frames > e->seen);
    assert_int_equal(vxc_frame_decode(vxc_slice(e->in.data + e->at, e->in.size - e->at),
                                      VXC_FRAME_SIZE_MAX, &frame, &need),
                     0);
    e->at += frame.size;
    e->seen++;
    *request_id = frame.request_id;
    assert_int_equal(vxc_message_decode(frame.kind, frame.payload, m), 0);
    pthread_mutex_unlock(&e->lock);
}

void ask(struct end *e, const struct vxc_message *m, bool sequenced, struct vxc_message *reply)
{
    uint32_t id;

    post(e, m, sequenced);
    do {
        next(e, reply, &id);
    } while (id != e->request_id);
}

struct vxc_message message(uint16_t kind)
{
    struct vxc_message m;

    memset(&m, 0, sizeof m);
    m.kind = kind;
    return m;
}

struct vxc_message put_of(const char *key, const char *value)
{
    struct vxc_message m = message(VXC_KIND_MAP_PUT);

    m.map_put.map = vxc_slice_of_string("m");
    m.map_put.key = vxc_slice_of_string(key);
    m.map_put.value = vxc_slice_of_string(value);
    return m;
}

void put(struct end *e, const char *key, const char *value)
{
    struct vxc_message m = put_of(key, value);
    struct vxc_message reply;

    ask(e, &m, false, &reply);
    assert_int_equal(reply.kind, VXC_KIND_VALUE_REPLY);
}

bool holds(struct end *e, const char *key, const char *value)
{
    struct vxc_message m = message(VXC_KIND_MAP_GET);
    struct vxc_message reply;

    m.map_get.map = vxc_slice_of_string("m");
    m.map_get.key = vxc_slice_of_string(key);
    ask(e, &m, false, &reply);
    assert_int_equal(reply.kind, VXC_KIND_VALUE_REPLY);
    return reply.value_reply.value.present &&
           vxc_slice_equal(reply.value_reply.value.bytes, vxc_slice_of_string(value));
}

struct vxc_message add_of(int64_t delta)
{
    struct vxc_message m = message(VXC_KIND_COUNTER_ADD);

    m.counter_add.counter = vxc_slice_of_string("c");
    m.counter_add.delta = delta;
    return m;
}

int64_t add(struct end *e, int64_t delta)
{
    struct vxc_message m = add_of(delta);
    struct vxc_message reply;

    ask(e, &m, false, &reply);
    assert_int_equal(reply.kind, VXC_KIND_NUMBER_REPLY);
    return reply.number_reply.number;
}

uint64_t open_session(struct end *e, uint32_t timeout_ms)
{
    struct vxc_message m = message(VXC_KIND_SESSION_OPEN);
    struct vxc_message reply;

    m.session_open.timeout_ms = timeout_ms;
    ask(e, &m, false, &reply);
    assert_int_equal(reply.kind, VXC_KIND_SESSION_REPLY);
    return reply.session_reply.session;
}

struct vxc_node_stats stats_of(struct vxc_node *node)
{
    struct vxc_node_stats stats;

    assert_int_equal(vxc_node_stats(node, &stats, sizeof stats), 0);
    return stats;
}

void *write_much(void *data)
{
    struct vxc_message add_one = add_of(1);
    struct end e;
    struct vxc_message reply;
    uint32_t id;

    dial(&e, data, false);
    for (int i = 0; i < 300; i++) {
        post(&e, &add_one, false);
    }
    for (uint32_t i = 1; i <= 300; i++) {
        next(&e, &reply, &id);
        assert_int_equal(id, i);
        assert_int_equal(reply.kind, VXC_KIND_NUMBER_REPLY);
    }
    hang_up(&e);
    return NULL;
}
