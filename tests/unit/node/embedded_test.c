/* Nodes as a program embeds them: through vxc/node.h alone, on threads of their own and in this
 * program's loop, asked over connections without a socket. */
#include "vxc/node.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "wire/frame.h"
#include "wire/message.h"

enum { PATIENCE_S = 30 };

struct place {
    char root[64];
    char data[80];
    struct vxc_node_options options;
    struct vxc_node *node;
    atomic_int lines; /* that the sink received */
};

static void count_line(void *data, enum vxc_log_level level, const char *line)
{
    struct place *p = data;

    assert_in_range(level, VXC_LOG_ERROR, VXC_LOG_DEBUG);
    assert_null(strchr(line, '\n'));
    atomic_fetch_add(&p->lines, 1);
}

static void make_place(struct place *p)
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

static void start(struct place *p)
{
    struct vxc_error err = {0};

    assert_int_equal(vxc_node_create(&p->options, &p->node, &err), 0);
    if (vxc_node_start(p->node, &err) != 0) {
        fail_msg("the node does not start: %s", err.text);
    }
}

static void spawn(struct place *p)
{
    start(p);
    assert_int_equal(vxc_node_spawn(p->node, NULL), 0);
}

static void remove_place(struct place *p)
{
    char command[128];

    vxc_node_free(p->node);
    (void)snprintf(command, sizeof command, "rm -rf '%.63s'", p->root);
    assert_int_equal(system(command), 0);
}

/* One look at the node in this program's loop, waiting for at most a second. */
static void drive(struct vxc_node *node)
{
    struct pollfd fd = {.fd = vxc_node_fd(node), .events = POLLIN};
    int timeout_ms = vxc_node_timeout_ms(node);

    (void)poll(&fd, 1, timeout_ms < 0 || timeout_ms > 1000 ? 1000 : timeout_ms);
    assert_true(vxc_node_dispatch(node));
}

/* ---- the other side of a connection ---- */

struct end {
    struct vxc_node *driven; /* by this thread; NULL = it has its own */
    struct vxc_connection *connection;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct vxc_buffer in; /* frames that came */
    size_t frames, seen;
    size_t at; /* of the first frame that was not looked at */
    uint32_t request_id;
    uint64_t sequence;
    int closes, code;
    char reason[200];
};

static void on_frame(void *data, const void *frame, size_t size)
{
    struct end *e = data;

    pthread_mutex_lock(&e->lock);
    assert_int_equal(vxc_buffer_append(&e->in, frame, size), 0);
    e->frames++;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

static void on_close(void *data, int code, const char *reason)
{
    struct end *e = data;

    pthread_mutex_lock(&e->lock);
    e->closes++;
    e->code = code;
    (void)snprintf(e->reason, sizeof e->reason, "%s", reason);
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

static void dial(struct end *e, struct vxc_node *node, bool driven)
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

/* Until `frames` have come or the connection has ended. Called with the lock. */
static void wait_for(struct end *e, size_t frames, bool ended)
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

static void hang_up(struct end *e)
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

static void encode(struct end *e, const struct vxc_message *m, bool sequenced,
                   struct vxc_buffer *out)
{
    size_t at;

    e->request_id++;
    at = sequenced ? vxc_frame_begin_sequenced(out, VXC_FRAME_REQUEST, m->kind, e->request_id,
                                               ++e->sequence, 0)
                   : vxc_frame_begin(out, VXC_FRAME_REQUEST, m->kind, e->request_id);
    assert_int_equal(vxc_message_encode(m, out), 0);
    assert_int_equal(vxc_frame_finish(out, at), 0);
}

static void post(struct end *e, const struct vxc_message *m, bool sequenced)
{
    struct vxc_buffer out = {0};

    encode(e, m, sequenced, &out);
    assert_int_equal(vxc_node_process(e->connection, out.data, out.size), 0);
    vxc_buffer_free(&out);
}

/* The next frame's message; its slices live as long as the end. */
static void next(struct end *e, struct vxc_message *m, uint32_t *request_id)
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

static void ask(struct end *e, const struct vxc_message *m, bool sequenced,
                struct vxc_message *reply)
{
    uint32_t id;

    post(e, m, sequenced);
    do {
        next(e, reply, &id);
    } while (id != e->request_id);
}

static struct vxc_message message(uint16_t kind)
{
    struct vxc_message m;

    memset(&m, 0, sizeof m);
    m.kind = kind;
    return m;
}

static struct vxc_message put_of(const char *key, const char *value)
{
    struct vxc_message m = message(VXC_KIND_MAP_PUT);

    m.map_put.map = vxc_slice_of_string("m");
    m.map_put.key = vxc_slice_of_string(key);
    m.map_put.value = vxc_slice_of_string(value);
    return m;
}

static void put(struct end *e, const char *key, const char *value)
{
    struct vxc_message m = put_of(key, value);
    struct vxc_message reply;

    ask(e, &m, false, &reply);
    assert_int_equal(reply.kind, VXC_KIND_VALUE_REPLY);
}

static bool holds(struct end *e, const char *key, const char *value)
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

static struct vxc_message add_of(int64_t delta)
{
    struct vxc_message m = message(VXC_KIND_COUNTER_ADD);

    m.counter_add.counter = vxc_slice_of_string("c");
    m.counter_add.delta = delta;
    return m;
}

static int64_t add(struct end *e, int64_t delta)
{
    struct vxc_message m = add_of(delta);
    struct vxc_message reply;

    ask(e, &m, false, &reply);
    assert_int_equal(reply.kind, VXC_KIND_NUMBER_REPLY);
    return reply.number_reply.number;
}

static uint64_t open_session(struct end *e, uint32_t timeout_ms)
{
    struct vxc_message m = message(VXC_KIND_SESSION_OPEN);
    struct vxc_message reply;

    m.session_open.timeout_ms = timeout_ms;
    ask(e, &m, false, &reply);
    assert_int_equal(reply.kind, VXC_KIND_SESSION_REPLY);
    return reply.session_reply.session;
}

static struct vxc_node_stats stats_of(struct vxc_node *node)
{
    struct vxc_node_stats stats;

    assert_int_equal(vxc_node_stats(node, &stats, sizeof stats), 0);
    return stats;
}

/* ---- options ---- */

static void forget_environment(void)
{
    unsetenv("NODE_ID");
    unsetenv("CLUSTER_HOST");
    unsetenv("CLUSTER_PORT");
    unsetenv("VERTX_CLUSTER_NODE_ID");
    unsetenv("VERTX_CLUSTER_TIMEOUT");
}

static void options_come_from_the_environment_the_longer_name_first(void **state)
{
    struct vxc_node_options o = vxc_node_options();

    (void)state;
    forget_environment();
    assert_int_equal(vxc_node_options_environment(&o, NULL), 0);
    assert_int_equal(o.node_id, 1);
    assert_string_equal(o.host, "127.0.0.1");
    assert_int_equal(o.timeout_ms, 20000);
    o.heartbeat_ms = 77;
    setenv("NODE_ID", "7", 1);
    setenv("CLUSTER_HOST", "::1", 1);
    setenv("CLUSTER_PORT", "7401", 1);
    setenv("VERTX_CLUSTER_TIMEOUT", "1234", 1);
    assert_int_equal(vxc_node_options_environment(&o, NULL), 0);
    assert_int_equal(o.node_id, 7);
    assert_string_equal(o.host, "::1");
    assert_int_equal(o.port, 7401);
    assert_int_equal(o.timeout_ms, 1234);
    assert_int_equal(o.heartbeat_ms, 77);
    setenv("VERTX_CLUSTER_NODE_ID", "8", 1);
    assert_int_equal(vxc_node_options_environment(&o, NULL), 0);
    assert_int_equal(o.node_id, 8);
    forget_environment();
}

static void a_bad_variable_is_named_and_changes_nothing(void **state)
{
    struct vxc_node_options o = vxc_node_options();
    struct vxc_error err = {0};

    (void)state;
    forget_environment();
    setenv("NODE_ID", "3", 1);
    setenv("CLUSTER_PORT", "70000", 1);
    assert_int_equal(vxc_node_options_environment(&o, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "CLUSTER_PORT"));
    assert_non_null(strstr(err.text, "\"70000\" is not a number from 0 to 65535"));
    assert_int_equal(o.node_id, 1);
    setenv("CLUSTER_PORT", "1", 1);
    setenv("NODE_ID", "web-1", 1);
    assert_int_equal(vxc_node_options_environment(&o, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "NODE_ID: \"web-1\""));
    setenv("NODE_ID", "3", 1);
    setenv("CLUSTER_HOST", "localhost", 1);
    assert_int_equal(vxc_node_options_environment(&o, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "CLUSTER_HOST"));
    forget_environment();
}

static void create_refuses_options_out_of_their_bounds(void **state)
{
    struct vxc_node *node = NULL;
    struct vxc_error err = {0};
    struct vxc_node_options o = vxc_node_options();

    (void)state;
    o.node_id = 0;
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "option node-id: \"0\""));
    o = vxc_node_options();
    o.timeout_ms = 1;
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "option timeout"));
    o = vxc_node_options();
    o.host = "example.org";
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    o = vxc_node_options();
    o.host = "0.0.0.0";
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "refusing to listen on 0.0.0.0"));
    o = vxc_node_options();
    o.data = NULL;
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    o = vxc_node_options();
    o.log_level = (enum vxc_log_level)9;
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    memset(&o, 0, sizeof o);
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "vxc_node_options()"));
    assert_null(node);
}

static void options_of_an_older_program_are_filled_with_defaults(void **state)
{
    struct place p;

    (void)state;
    make_place(&p);
    p.options.struct_size = offsetof(struct vxc_node_options, clean_cache_mib);
    p.options.clean_cache_mib = 0; /* out of its bounds, had it been looked at */
    p.options.log_level = (enum vxc_log_level)9;
    start(&p);
    p.options.struct_size = sizeof p.options;
    remove_place(&p);
}

static void the_library_says_who_it_is(void **state)
{
    (void)state;
    assert_non_null(strstr(vxc_greeting(), vxc_version()));
    assert_non_null(strstr(vxc_greeting(), "vertx-cluster"));
}

/* ---- misuse ---- */

static void what_needs_a_start_says_so(void **state)
{
    struct vxc_connection_options options = vxc_connection_options();
    struct vxc_connection *connection;
    struct vxc_node_stats stats;
    struct vxc_error err = {0};
    struct place p;

    (void)state;
    make_place(&p);
    assert_int_equal(vxc_node_create(&p.options, &p.node, NULL), 0);
    assert_string_equal(vxc_node_address(p.node), "");
    options.on_frame = on_frame;
    options.on_close = on_close;
    assert_int_equal(vxc_node_connect(p.node, &options, &connection, &err), VXC_EINVAL);
    assert_int_equal(vxc_node_stats(p.node, &stats, sizeof stats), VXC_EINVAL);
    assert_int_equal(vxc_node_spawn(p.node, &err), VXC_EINVAL);
    assert_int_equal(vxc_node_run(p.node), VXC_EINVAL);
    assert_int_equal(vxc_node_snapshot(p.node, "x", VXC_SNAPSHOT_LZ4, NULL, &err), VXC_EINVAL);
    assert_int_equal(vxc_node_process_timeouts(p.node), 0);
    assert_false(vxc_node_dispatch(p.node));
    vxc_node_join(p.node);
    assert_int_equal(vxc_node_start(p.node, &err), 0);
    assert_int_equal(vxc_node_start(p.node, &err), VXC_EEXISTS);
    options.on_close = NULL;
    assert_int_equal(vxc_node_connect(p.node, &options, &connection, &err), VXC_EINVAL);
    vxc_node_disconnect(NULL);
    vxc_node_free(NULL);
    remove_place(&p);
}

static void a_node_has_one_driver(void **state)
{
    struct vxc_error err = {0};
    struct place p;

    (void)state;
    make_place(&p);
    spawn(&p);
    assert_int_equal(vxc_node_spawn(p.node, &err), VXC_EINVAL);
    assert_int_equal(vxc_node_run(p.node), VXC_EINVAL);
    vxc_node_stop(p.node);
    vxc_node_join(p.node);
    vxc_node_join(p.node);
    assert_int_equal(vxc_node_run(p.node), 0); /* it has stopped, so this ends */
    assert_false(vxc_node_dispatch(p.node));
    remove_place(&p);
}

static void a_directory_in_use_is_locked_also_within_the_process(void **state)
{
    struct vxc_node *second;
    struct vxc_error err = {0};
    struct place p;

    (void)state;
    make_place(&p);
    spawn(&p);
    assert_int_equal(vxc_node_create(&p.options, &second, NULL), 0);
    assert_int_equal(vxc_node_start(second, &err), VXC_ELOCKED);
    assert_non_null(strstr(err.text, p.data));
    vxc_node_free(second);
    remove_place(&p);
}

static void an_address_in_use_is_refused(void **state)
{
    struct vxc_error err = {0};
    struct place p;
    struct place q;

    (void)state;
    make_place(&p);
    p.options.host = "127.0.0.1";
    spawn(&p);
    make_place(&q);
    q.options.host = "127.0.0.1";
    q.options.port = (uint64_t)atoi(strrchr(vxc_node_address(p.node), ':') + 1);
    assert_int_equal(vxc_node_create(&q.options, &q.node, NULL), 0);
    assert_int_equal(vxc_node_start(q.node, &err), VXC_EADDRINUSE);
    assert_non_null(strstr(err.text, vxc_node_address(p.node)));
    remove_place(&q);
    remove_place(&p);
}

static void a_directory_that_cannot_be_made_is_an_error(void **state)
{
    struct vxc_error err = {0};
    struct place p;

    (void)state;
    make_place(&p);
    p.options.data = "/dev/null/d";
    assert_int_equal(vxc_node_create(&p.options, &p.node, NULL), 0);
    assert_true(vxc_node_start(p.node, &err) < 0);
    assert_non_null(strstr(err.text, "/dev/null/d"));
    remove_place(&p);
}

/* ---- the ways to drive a node ---- */

static void a_node_in_the_callers_loop_answers_when_it_is_dispatched(void **state)
{
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    start(&p);
    dial(&e, p.node, true);
    put(&e, "k", "v");
    assert_true(holds(&e, "k", "v"));
    assert_int_equal(add(&e, 5), 5);
    assert_int_equal(stats_of(p.node).active_connections, 1);
    vxc_node_stop(p.node);
    while (vxc_node_dispatch(p.node)) {
        struct pollfd fd = {.fd = vxc_node_fd(p.node), .events = POLLIN};
        (void)poll(&fd, 1, vxc_node_timeout_ms(p.node));
    }
    assert_int_equal(e.closes, 0); /* it ends with the node */
    vxc_node_free(p.node);
    assert_int_equal(e.closes, 1);
    assert_int_equal(e.code, VXC_ECLOSED);
    start(&p);
    hang_up(&e);
    dial(&e, p.node, true);
    assert_true(holds(&e, "k", "v"));
    hang_up(&e);
    remove_place(&p);
}

static void *run(void *data)
{
    assert_int_equal(vxc_node_run(data), 0);
    return NULL;
}

static void a_node_runs_on_the_thread_that_runs_it(void **state)
{
    pthread_t thread;
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    start(&p);
    assert_int_equal(pthread_create(&thread, NULL, run, p.node), 0);
    dial(&e, p.node, false);
    put(&e, "k", "v");
    assert_true(stats_of(p.node).commands_total > 0);
    vxc_node_stop(p.node);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(stats_of(p.node).commands_total > 0); /* nobody runs it, and it still knows */
    vxc_node_free(p.node);
    p.node = NULL;
    hang_up(&e);
    remove_place(&p);
}

static void a_clean_stop_is_told_at_the_next_start(void **state)
{
    struct vxc_node_stats stats;
    struct place p;

    (void)state;
    make_place(&p);
    spawn(&p);
    assert_int_equal(stats_of(p.node).beginning, VXC_NODE_NEW);
    vxc_node_free(p.node);
    spawn(&p);
    stats = stats_of(p.node);
    assert_int_equal(stats.beginning, VXC_NODE_CLEAN);
    assert_true(stats.recovered_index > 0);
    assert_true(stats.verified_rows > 0);
    assert_string_equal(stats.role, "primary");
    assert_int_equal(stats.node_id, 1);
    assert_true(stats.ready_ms <= stats.uptime_ms);
    assert_true(atomic_load(&p.lines) > 0); /* at least of the stop */
    remove_place(&p);
}

static void a_node_that_listens_nowhere_leaves_no_endpoint(void **state)
{
    char path[100];
    struct place p;

    (void)state;
    make_place(&p);
    spawn(&p);
    assert_string_equal(vxc_node_address(p.node), "");
    (void)snprintf(path, sizeof path, "%s/endpoint", p.data);
    assert_int_not_equal(access(path, F_OK), 0);
    remove_place(&p);
}

/* ---- connections ---- */

static void bytes_may_come_in_any_pieces(void **state)
{
    struct vxc_message add_one = add_of(1);
    struct vxc_message reply;
    struct vxc_buffer out = {0};
    uint32_t id;
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    dial(&e, p.node, false);
    for (int i = 0; i < 10; i++) {
        encode(&e, &add_one, false, &out);
    }
    for (size_t at = 0, piece = 1; at < out.size; at += piece, piece++) {
        piece = piece < out.size - at ? piece : out.size - at;
        assert_int_equal(vxc_node_process(e.connection, out.data + at, piece), 0);
    }
    for (int i = 1; i <= 10; i++) {
        next(&e, &reply, &id);
        assert_int_equal(id, (uint32_t)i);
        assert_int_equal(reply.number_reply.number, i);
    }
    vxc_buffer_free(&out);
    hang_up(&e);
    remove_place(&p);
}

static void bytes_that_are_no_frame_end_the_connection(void **state)
{
    uint8_t nonsense[64];
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    dial(&e, p.node, false);
    put(&e, "k", "v");
    memset(nonsense, 0, sizeof nonsense);
    assert_int_equal(vxc_node_process(e.connection, nonsense, sizeof nonsense), 0);
    pthread_mutex_lock(&e.lock);
    wait_for(&e, 0, true);
    assert_int_equal(e.code, VXC_EPROTO);
    assert_non_null(strstr(e.reason, "not a frame"));
    pthread_mutex_unlock(&e.lock);
    while (vxc_node_process(e.connection, nonsense, 1) != VXC_ECLOSED) {
        /* on_close has run; that it has returned shows here */
    }
    hang_up(&e);
    assert_int_equal(e.closes, 1);
    remove_place(&p);
}

static void a_damaged_frame_ends_the_connection_and_an_unknown_kind_does_not(void **state)
{
    struct vxc_message m = message(VXC_KIND_PING);
    struct vxc_message reply;
    struct vxc_buffer out = {0};
    uint32_t id;
    size_t at;
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    dial(&e, p.node, false);
    at = vxc_frame_begin(&out, VXC_FRAME_REQUEST, 9999, 77);
    assert_int_equal(vxc_frame_finish(&out, at), 0);
    assert_int_equal(vxc_node_process(e.connection, out.data, out.size), 0);
    next(&e, &reply, &id);
    assert_int_equal(id, 77);
    assert_int_equal(reply.kind, VXC_KIND_ERROR_REPLY);
    assert_int_equal(reply.error_reply.code, VXC_EKIND);
    vxc_buffer_clear(&out);
    encode(&e, &m, false, &out);
    out.data[12] ^= 1;
    assert_int_equal(vxc_node_process(e.connection, out.data, out.size), 0);
    pthread_mutex_lock(&e.lock);
    wait_for(&e, 0, true);
    assert_int_equal(e.code, VXC_ECRC);
    pthread_mutex_unlock(&e.lock);
    vxc_buffer_free(&out);
    hang_up(&e);
    remove_place(&p);
}

static void what_was_processed_before_a_disconnect_takes_effect(void **state)
{
    enum { WRITES = 500 };
    struct vxc_message hello = message(VXC_KIND_HELLO);
    struct vxc_message add_one = add_of(1);
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    for (int round = 0; round < 3; round++) {
        dial(&e, p.node, false);
        hello.hello.version_min = hello.hello.version_max = VXC_PROTOCOL_VERSION;
        hello.hello.namespace_name = vxc_slice_of_string(round == 0 ? "new" : ""); /* blocks */
        post(&e, &hello, false);
        if (round == 0) {
            hello.kind = VXC_KIND_PING;
            post(&e, &hello, false);
            hello.kind = VXC_KIND_HELLO;
        } else {
            for (int i = 0; i < WRITES; i++) {
                post(&e, &add_one, false);
            }
        }
        hang_up(&e);
    }
    dial(&e, p.node, false);
    assert_int_equal(add(&e, 0), 2 * WRITES);
    hang_up(&e);
    remove_place(&p);
}

static void a_connection_outlives_its_node_until_it_is_disconnected(void **state)
{
    struct place p;
    struct end e;
    struct end idle;

    (void)state;
    make_place(&p);
    spawn(&p);
    dial(&e, p.node, false);
    put(&e, "k", "v");
    dial(&idle, p.node, false);
    vxc_node_free(p.node);
    p.node = NULL;
    assert_int_equal(e.closes, 1);
    assert_int_equal(e.code, VXC_ECLOSED);
    assert_int_equal(idle.closes, 1);
    assert_int_equal(vxc_node_process(e.connection, "x", 1), VXC_ECLOSED);
    hang_up(&e);
    hang_up(&idle);
    remove_place(&p);
}

static void a_connection_too_many_is_closed(void **state)
{
    struct place p;
    struct end first;
    struct end second;

    (void)state;
    make_place(&p);
    p.options.connections_max = 1;
    spawn(&p);
    dial(&first, p.node, false);
    put(&first, "k", "v");
    dial(&second, p.node, false);
    pthread_mutex_lock(&second.lock);
    wait_for(&second, 0, true);
    assert_int_equal(second.code, VXC_ELIMIT);
    pthread_mutex_unlock(&second.lock);
    hang_up(&second);
    assert_true(holds(&first, "k", "v"));
    assert_int_equal(stats_of(p.node).connections_refused_total, 1);
    hang_up(&first);
    remove_place(&p);
}

static void an_inbox_is_bounded(void **state)
{
    enum { PIECE = 8 << 20 };
    char *piece = calloc(1, PIECE);
    struct place p;
    struct end e;
    int taken = 0;

    (void)state;
    assert_non_null(piece);
    make_place(&p);
    start(&p);
    dial(&e, p.node, true);
    while (vxc_node_process(e.connection, piece, PIECE) == 0) {
        taken++;
        assert_true(taken <= 4);
    }
    assert_int_equal(vxc_node_process(e.connection, piece, PIECE), VXC_EBUSY);
    assert_int_equal(taken, VXC_CONN_INFLIGHT_BYTES_MAX / PIECE);
    free(piece);
    hang_up(&e); /* it was nonsense, which shows now */
    assert_int_equal(e.code, VXC_EPROTO);
    remove_place(&p);
}

/* Answers to each frame from within the callback, and ends after some. */
struct echo {
    struct vxc_connection *connection;
    struct vxc_buffer request;
    atomic_int answers;
    atomic_int closes;
};

static void ask_again(void *data, const void *frame, size_t size)
{
    struct echo *echo = data;

    (void)frame;
    (void)size;
    if (atomic_fetch_add(&echo->answers, 1) + 1 < 100) {
        assert_int_equal(vxc_node_process(echo->connection, echo->request.data, echo->request.size),
                         0);
    } else {
        vxc_node_disconnect(echo->connection);
    }
}

static void count_close(void *data, int code, const char *reason)
{
    struct echo *echo = data;

    (void)reason;
    assert_int_equal(code, VXC_ECLOSED);
    atomic_fetch_add(&echo->closes, 1);
}

static void callbacks_may_process_and_disconnect(void **state)
{
    struct vxc_connection_options options = vxc_connection_options();
    struct vxc_message add_one = add_of(1);
    struct echo echo = {0};
    struct end e = {0};
    struct place p;

    (void)state;
    make_place(&p);
    start(&p);
    encode(&e, &add_one, false, &echo.request);
    options.data = &echo;
    options.on_frame = ask_again;
    options.on_close = count_close;
    assert_int_equal(vxc_node_connect(p.node, &options, &echo.connection, NULL), 0);
    assert_int_equal(vxc_node_process(echo.connection, echo.request.data, echo.request.size), 0);
    while (atomic_load(&echo.closes) == 0) {
        drive(p.node);
    }
    assert_int_equal(atomic_load(&echo.answers), 100);
    vxc_buffer_free(&echo.request);
    remove_place(&p);
}

static void raise_pipe(void *data, const void *frame, size_t size)
{
    on_frame(data, frame, size);
    assert_int_equal(raise(SIGPIPE), 0); /* as a write to a socket that is gone */
}

static void a_broken_pipe_does_not_reach_the_program(void **state)
{
    struct vxc_connection_options options = vxc_connection_options();
    struct vxc_message add_one = add_of(1);
    struct vxc_buffer request = {0};
    struct vxc_connection *connection;
    struct place p;
    struct end e;
    sigset_t pending;

    (void)state;
    make_place(&p);
    start(&p);
    dial(&e, p.node, true);
    options.data = &e;
    options.on_frame = raise_pipe;
    options.on_close = on_close;
    assert_int_equal(vxc_node_connect(p.node, &options, &connection, NULL), 0);
    encode(&e, &add_one, false, &request);
    assert_int_equal(vxc_node_process(connection, request.data, request.size), 0);
    vxc_buffer_free(&request);
    while (e.frames == 0) {
        drive(p.node);
    }
    assert_int_equal(sigpending(&pending), 0);
    assert_false(sigismember(&pending, SIGPIPE));
    vxc_node_free(p.node);
    p.node = NULL;
    assert_int_equal(e.closes, 2);
    vxc_node_disconnect(connection);
    vxc_node_disconnect(e.connection);
    vxc_buffer_free(&e.in);
    remove_place(&p);
}

static void *write_much(void *data)
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

static void threads_have_connections_of_their_own(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_much, p.node), 0);
    }
    for (int i = 0; i < 50; i++) {
        assert_true(stats_of(p.node).applied_index > 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    dial(&e, p.node, false);
    assert_int_equal(add(&e, 0), THREADS * 300);
    hang_up(&e);
    remove_place(&p);
}

/* ---- time ---- */

static void a_silent_session_is_cleaned_away_and_told_once(void **state)
{
    struct vxc_message m = message(VXC_KIND_LOCK_ACQUIRE);
    struct vxc_message reply;
    uint64_t cleaned = 0;
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    start(&p);
    dial(&e, p.node, true);
    assert_true(open_session(&e, 200) > 0);
    m.lock_acquire.lock = vxc_slice_of_string("l");
    ask(&e, &m, true, &reply);
    assert_true(reply.lock_reply.acquired);
    assert_int_equal(vxc_node_process_timeouts(p.node), 0);
    hang_up(&e);
    assert_int_equal(stats_of(p.node).sessions, 1); /* it lives without its connection */
    while (stats_of(p.node).sessions > 0) {
        cleaned += vxc_node_process_timeouts(p.node);
        drive(p.node);
    }
    assert_int_equal(cleaned, 1);
    assert_int_equal(vxc_node_process_timeouts(p.node), 0);
    assert_int_equal(stats_of(p.node).locks_held, 0);
    assert_int_equal(stats_of(p.node).sessions_silent_total, 1);
    remove_place(&p);
}

static void timeouts_are_told_of_a_node_with_its_own_thread(void **state)
{
    uint64_t cleaned = 0;
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    dial(&e, p.node, false);
    assert_true(open_session(&e, 100) > 0);
    hang_up(&e);
    while (cleaned == 0) {
        cleaned = vxc_node_process_timeouts(p.node);
    }
    assert_int_equal(cleaned, 1);
    vxc_node_stop(p.node);
    vxc_node_join(p.node);
    assert_int_equal(vxc_node_process_timeouts(p.node), 0);
    remove_place(&p);
}

/* ---- snapshots ---- */

static void restore(const struct place *from, const char *name, struct place *to)
{
    struct vxc_restore_options options = vxc_restore_options();
    struct vxc_restore_report report;
    struct vxc_error err = {0};
    char path[100];

    make_place(to);
    (void)snprintf(path, sizeof path, "%s/%s", from->root, name);
    options.path = path;
    options.data = to->data;
    if (vxc_node_restore(&options, &report, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_true(report.index == report.from_index + 1);
    assert_memory_not_equal(report.cluster_id, report.from_cluster_id, 16);
}

static void a_snapshot_is_saved_while_the_node_serves_and_restored(void **state)
{
    struct vxc_snapshot_info info;
    struct vxc_error err = {0};
    char path[100];
    struct place p;
    struct place q;
    struct end e;

    (void)state;
    for (int own_thread = 0; own_thread < 2; own_thread++) {
        make_place(&p);
        start(&p);
        if (own_thread) {
            assert_int_equal(vxc_node_spawn(p.node, NULL), 0);
        }
        dial(&e, p.node, !own_thread);
        put(&e, "k", "v");
        (void)snprintf(path, sizeof path, "%s/s", p.root);
        assert_int_equal(vxc_node_snapshot(p.node, path, VXC_SNAPSHOT_ZLIB, &info, &err), 0);
        assert_true(info.index > 0 && info.rows > 0 && info.file_bytes > 0);
        assert_int_equal(info.node_id, 1);
        put(&e, "k", "later");
        assert_int_equal(vxc_node_snapshot(p.node, path, VXC_SNAPSHOT_LZ4, NULL, &err), 0);
        put(&e, "k", "latest");
        hang_up(&e);
        restore(&p, "s", &q);
        spawn(&q);
        dial(&e, q.node, false);
        assert_true(holds(&e, "k", "later"));
        hang_up(&e);
        remove_place(&q);
        remove_place(&p);
    }
}

static void a_snapshot_that_cannot_be_written_is_an_error(void **state)
{
    struct vxc_error err = {0};
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    assert_true(vxc_node_snapshot(p.node, "/dev/null/s", VXC_SNAPSHOT_LZ4, NULL, &err) < 0);
    assert_non_null(strstr(err.text, "/dev/null/s"));
    assert_int_equal(vxc_node_snapshot(p.node, "/tmp/s", 9, NULL, &err), VXC_EINVAL);
    assert_int_equal(vxc_node_snapshot(p.node, "", VXC_SNAPSHOT_LZ4, NULL, &err), VXC_EINVAL);
    dial(&e, p.node, false);
    put(&e, "k", "v"); /* it lives on */
    hang_up(&e);
    vxc_node_stop(p.node);
    vxc_node_join(p.node);
    assert_int_equal(vxc_node_snapshot(p.node, "/tmp/s", VXC_SNAPSHOT_LZ4, NULL, &err),
                     VXC_ECLOSED);
    remove_place(&p);
}

struct outcome {
    int calls, code;
    uint64_t index;
    int from_within; /* what a wait from within the callback says */
    struct vxc_node *node;
};

static void on_saved(void *data, int code, const struct vxc_snapshot_info *info,
                     const char *message)
{
    struct outcome *o = data;

    assert_non_null(message);
    o->calls++;
    o->code = code;
    o->index = info == NULL ? 0 : info->index;
    o->from_within = vxc_node_snapshot(o->node, "/tmp/s", VXC_SNAPSHOT_LZ4, NULL, NULL);
}

static void a_snapshot_tells_its_end_from_the_drivers_thread(void **state)
{
    struct outcome first = {0};
    struct outcome second = {0};
    char path[100];
    struct place p;

    (void)state;
    make_place(&p);
    start(&p);
    first.node = second.node = p.node;
    (void)snprintf(path, sizeof path, "%s/s", p.root);
    assert_int_equal(
        vxc_node_snapshot_begin(p.node, path, VXC_SNAPSHOT_PLAIN, &first, on_saved, NULL), 0);
    assert_int_equal(
        vxc_node_snapshot_begin(p.node, path, VXC_SNAPSHOT_PLAIN, &second, on_saved, NULL),
        VXC_EBUSY);
    while (first.calls == 0) {
        drive(p.node);
    }
    assert_int_equal(first.code, 0);
    assert_true(first.index > 0);
    assert_int_equal(first.from_within, VXC_EINVAL);
    assert_int_equal(
        vxc_node_snapshot_begin(p.node, path, VXC_SNAPSHOT_PLAIN, &second, on_saved, NULL), 0);
    vxc_node_free(p.node); /* before anything of it was driven */
    p.node = NULL;
    assert_int_equal(second.calls, 1);
    assert_int_equal(second.code, VXC_ECANCELED);
    assert_int_equal(first.calls, 1);
    remove_place(&p);
}

/* Only the entries that a folder has beside its own two. */
static int entries_of(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count - 2;
}

static void a_restore_needs_a_whole_file_and_an_empty_folder(void **state)
{
    struct vxc_restore_options options = vxc_restore_options();
    struct vxc_error err = {0};
    char path[100];
    char fresh[100];
    FILE *file;
    struct place p;

    (void)state;
    make_place(&p);
    spawn(&p);
    (void)snprintf(path, sizeof path, "%s/s", p.root);
    (void)snprintf(fresh, sizeof fresh, "%s/fresh", p.root);
    assert_int_equal(vxc_node_snapshot(p.node, path, VXC_SNAPSHOT_LZ4, NULL, NULL), 0);
    options.path = path;
    assert_int_equal(vxc_node_restore(&options, NULL, &err), VXC_EINVAL);
    options.data = p.data;
    assert_int_equal(vxc_node_restore(&options, NULL, &err), VXC_EEXISTS);
    options.data = fresh;
    options.node_id = 0;
    assert_int_equal(vxc_node_restore(&options, NULL, &err), VXC_EINVAL);
    options.node_id = 1;
    options.path = "/nowhere/s";
    assert_int_equal(vxc_node_restore(&options, NULL, &err), VXC_ENOTFOUND);
    file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -40, SEEK_END), 0);
    assert_int_equal(fputc(0x5a, file), 0x5a);
    assert_int_equal(fclose(file), 0);
    options.path = path;
    assert_int_equal(vxc_node_restore(&options, NULL, &err), VXC_ECORRUPT);
    assert_non_null(strstr(err.text, path));
    assert_int_not_equal(access(fresh, F_OK), 0); /* as it was */
    assert_true(entries_of(p.root) == 2);
    remove_place(&p);
}

/* ---- several ---- */

static void nodes_of_one_process(int count, bool own_threads)
{
    struct place places[3];
    struct end ends[3];
    pthread_t threads[3];
    char value[8];

    for (int i = 0; i < count; i++) {
        make_place(&places[i]);
        places[i].options.node_id = (uint64_t)i + 1;
        places[i].options.host = "127.0.0.1";
        start(&places[i]);
        if (own_threads) {
            assert_int_equal(vxc_node_spawn(places[i].node, NULL), 0);
            assert_int_equal(pthread_create(&threads[i], NULL, write_much, places[i].node), 0);
        }
    }
    for (int i = 0; i < count; i++) {
        dial(&ends[i], places[i].node, !own_threads);
        (void)snprintf(value, sizeof value, "%d", i);
        put(&ends[i], "who", value);
    }
    for (int i = 0; i < count; i++) {
        (void)snprintf(value, sizeof value, "%d", i);
        assert_true(holds(&ends[i], "who", value));
        assert_int_equal(stats_of(places[i].node).node_id, i + 1);
        if (own_threads) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(add(&ends[i], 0), 300);
        }
        hang_up(&ends[i]);
    }
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(vxc_node_address(places[i].node),
                                    vxc_node_address(places[j].node));
        }
    }
    for (int i = 0; i < count; i++) {
        remove_place(&places[i]);
    }
}

static void two_nodes_live_in_one_process(void **state)
{
    (void)state;
    nodes_of_one_process(2, true);
}

static void three_nodes_live_in_one_process(void **state)
{
    (void)state;
    nodes_of_one_process(3, true);
}

static void one_thread_drives_three_nodes(void **state)
{
    (void)state;
    nodes_of_one_process(3, false);
}

/* ---- memory ---- */

static atomic_llong blocks;
static atomic_llong calls;

static void *counted_malloc(void *data, size_t size)
{
    void *memory = malloc(size);

    (void)data;
    atomic_fetch_add(&calls, 1);
    atomic_fetch_add(&blocks, memory != NULL);
    return memory;
}

static void *counted_realloc(void *data, void *memory, size_t size)
{
    void *moved = realloc(memory, size);

    (void)data;
    atomic_fetch_add(&blocks, memory == NULL && moved != NULL);
    return moved;
}

static void counted_free(void *data, void *memory)
{
    (void)data;
    atomic_fetch_sub(&blocks, memory != NULL);
    free(memory);
}

static void all_memory_comes_from_the_callers_allocator_and_goes_back(void **state)
{
    const struct vxc_allocator allocator = {
        .malloc = counted_malloc, .realloc = counted_realloc, .free = counted_free};
    struct vxc_error err = {0};
    char path[100];
    struct place p;
    struct end e;

    (void)state;
    vxc_set_allocator(&allocator);
    make_place(&p);
    p.options.host = "127.0.0.1";
    spawn(&p);
    dial(&e, p.node, false);
    put(&e, "k", "v");
    assert_true(open_session(&e, 1000) > 0);
    (void)snprintf(path, sizeof path, "%s/s", p.root);
    assert_int_equal(vxc_node_snapshot(p.node, path, VXC_SNAPSHOT_LZ4, NULL, &err), 0);
    hang_up(&e);
    remove_place(&p);
    assert_true(atomic_load(&calls) > 50);
    assert_int_equal(atomic_load(&blocks), 0);
    vxc_set_allocator(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_come_from_the_environment_the_longer_name_first),
        cmocka_unit_test(a_bad_variable_is_named_and_changes_nothing),
        cmocka_unit_test(create_refuses_options_out_of_their_bounds),
        cmocka_unit_test(options_of_an_older_program_are_filled_with_defaults),
        cmocka_unit_test(the_library_says_who_it_is),
        cmocka_unit_test(what_needs_a_start_says_so),
        cmocka_unit_test(a_node_has_one_driver),
        cmocka_unit_test(a_directory_in_use_is_locked_also_within_the_process),
        cmocka_unit_test(an_address_in_use_is_refused),
        cmocka_unit_test(a_directory_that_cannot_be_made_is_an_error),
        cmocka_unit_test(a_node_in_the_callers_loop_answers_when_it_is_dispatched),
        cmocka_unit_test(a_node_runs_on_the_thread_that_runs_it),
        cmocka_unit_test(a_clean_stop_is_told_at_the_next_start),
        cmocka_unit_test(a_node_that_listens_nowhere_leaves_no_endpoint),
        cmocka_unit_test(bytes_may_come_in_any_pieces),
        cmocka_unit_test(bytes_that_are_no_frame_end_the_connection),
        cmocka_unit_test(a_damaged_frame_ends_the_connection_and_an_unknown_kind_does_not),
        cmocka_unit_test(what_was_processed_before_a_disconnect_takes_effect),
        cmocka_unit_test(a_connection_outlives_its_node_until_it_is_disconnected),
        cmocka_unit_test(a_connection_too_many_is_closed),
        cmocka_unit_test(an_inbox_is_bounded),
        cmocka_unit_test(callbacks_may_process_and_disconnect),
        cmocka_unit_test(a_broken_pipe_does_not_reach_the_program),
        cmocka_unit_test(threads_have_connections_of_their_own),
        cmocka_unit_test(a_silent_session_is_cleaned_away_and_told_once),
        cmocka_unit_test(timeouts_are_told_of_a_node_with_its_own_thread),
        cmocka_unit_test(a_snapshot_is_saved_while_the_node_serves_and_restored),
        cmocka_unit_test(a_snapshot_that_cannot_be_written_is_an_error),
        cmocka_unit_test(a_snapshot_tells_its_end_from_the_drivers_thread),
        cmocka_unit_test(a_restore_needs_a_whole_file_and_an_empty_folder),
        cmocka_unit_test(two_nodes_live_in_one_process),
        cmocka_unit_test(three_nodes_live_in_one_process),
        cmocka_unit_test(one_thread_drives_three_nodes),
        cmocka_unit_test(all_memory_comes_from_the_callers_allocator_and_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
