/* Whole nodes in this process, each on a thread of its own, asked over a real socket by the wire codec:
 * requests in their order, leases, events, legacy nodes, stop and restart. */
#include "vxc/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fsm/fsm.h"
#include "lib/caller.h"
#include "storage/image.h"
#include "wire/message.h"

struct server {
    char root[64];
    char data[80];
    struct vxc_node_options options;
    struct vxc_node *node;
    uint16_t port;
};

static void drop_line(void *data, enum vxc_log_level level, const char *line)
{
    (void)data;
    (void)level;
    (void)line;
}

/* ---- servers ---- */

static void start(struct server *s)
{
    struct vxc_error err = {0};

    assert_int_equal(vxc_node_create(&s->options, &s->node, &err), 0);
    if (vxc_node_start(s->node, &err) != 0) {
        fail_msg("the node does not start: %s", err.text);
    }
    s->port = (uint16_t)atoi(strrchr(vxc_node_address(s->node), ':') + 1);
    assert_int_equal(vxc_node_spawn(s->node, &err), 0);
}

static void stop(struct server *s)
{
    vxc_node_free(s->node);
    s->node = NULL;
}

static void make(struct server *s)
{
    memset(s, 0, sizeof *s);
    strcpy(s->root, "/tmp/vxc-node-XXXXXX");
    assert_non_null(mkdtemp(s->root));
    (void)snprintf(s->data, sizeof s->data, "%s/d", s->root);
    s->options = vxc_node_options();
    s->options.data = s->data;
    s->options.timeout_ms = 300;
    s->options.ping_interval_ms = 50;
    s->options.on_log = drop_line;
    start(s);
}

static void unmake(struct server *s)
{
    char command[128];

    if (s->node != NULL) {
        stop(s);
    }
    (void)snprintf(command, sizeof command, "rm -rf '%s'", s->root);
    assert_int_equal(system(command), 0);
}

/* ---- callers ---- */

static void dial(struct caller *c, const struct server *s)
{
    assert_true(caller_dial(c, s->port, 20));
}

static void hang_up(struct caller *c)
{
    caller_hang_up(c);
}

static uint32_t post(struct caller *c, const struct vxc_message *m, bool sequenced)
{
    const uint32_t id = caller_post(c, m, sequenced);

    assert_int_not_equal(id, 0);
    return id;
}

static bool next(struct caller *c, struct vxc_message *m, uint32_t *request_id)
{
    return caller_next(c, m, request_id);
}

static void expect(struct caller *c, uint32_t request_id, uint16_t kind, struct vxc_message *m)
{
    assert_true(caller_answer(c, request_id, m));
    assert_int_equal(m->kind, kind);
}

static void ask(struct caller *c, const struct vxc_message *request, uint16_t kind,
                struct vxc_message *reply)
{
    expect(c, post(c, request, false), kind, reply);
}

static struct vxc_message message(uint16_t kind)
{
    return caller_message(kind);
}

static struct vxc_slice text(const char *s)
{
    return vxc_slice_of_string(s);
}

static void put(struct caller *c, const char *key, const char *value)
{
    struct vxc_message m = message(VXC_KIND_MAP_PUT);
    struct vxc_message reply;

    m.map_put.map = text("m");
    m.map_put.key = text(key);
    m.map_put.value = text(value);
    ask(c, &m, VXC_KIND_VALUE_REPLY, &reply);
}

static bool holds(struct caller *c, const char *key, const char *value)
{
    struct vxc_message m = message(VXC_KIND_MAP_GET);
    struct vxc_message reply;

    m.map_get.map = text("m");
    m.map_get.key = text(key);
    ask(c, &m, VXC_KIND_VALUE_REPLY, &reply);
    return reply.value_reply.value.present &&
           vxc_slice_equal(reply.value_reply.value.bytes, text(value));
}

static void open_session(struct caller *c, uint32_t timeout_ms, struct vxc_message *reply)
{
    struct vxc_message m = message(VXC_KIND_SESSION_OPEN);

    m.session_open.timeout_ms = timeout_ms;
    m.session_open.name = text("test");
    ask(c, &m, VXC_KIND_SESSION_REPLY, reply);
}

static bool acquire(struct caller *c, int64_t wait_ms, uint64_t *token)
{
    struct vxc_message m = message(VXC_KIND_LOCK_ACQUIRE);
    struct vxc_message reply;

    m.lock_acquire.lock = text("l");
    m.lock_acquire.wait_ms = wait_ms;
    expect(c, post(c, &m, true), VXC_KIND_LOCK_REPLY, &reply);
    *token = reply.lock_reply.token;
    return reply.lock_reply.acquired;
}

static void join(struct caller *c, const char *node_id)
{
    struct vxc_message m = message(VXC_KIND_JOIN);
    struct vxc_message reply;

    m.join.node_id = text(node_id);
    ask(c, &m, VXC_KIND_JOIN_REPLY, &reply);
    assert_int_equal(reply.join_reply.code, 0);
}

static void ping(struct caller *c)
{
    struct vxc_message m = message(VXC_KIND_PING);
    struct vxc_message reply;

    ask(c, &m, VXC_KIND_PONG, &reply);
}

static bool status_says(struct caller *c, const char *fragment)
{
    struct vxc_message m = message(VXC_KIND_STATUS);
    struct vxc_message reply;
    struct vxc_slice json;

    ask(c, &m, VXC_KIND_VALUE_REPLY, &reply);
    json = reply.value_reply.value.bytes;
    return memmem(json.data, json.size, fragment, strlen(fragment)) != NULL;
}

/* ---- the tests ---- */

static void what_was_acknowledged_is_there_after_a_restart(void **state)
{
    struct server s;
    struct caller c;

    (void)state;
    make(&s);
    dial(&c, &s);
    put(&c, "k", "v");
    hang_up(&c);
    stop(&s);
    start(&s);
    dial(&c, &s);
    assert_true(holds(&c, "k", "v"));
    hang_up(&c);
    unmake(&s);
}

static void two_nodes_in_one_process_keep_apart(void **state)
{
    struct server a;
    struct server b;
    struct caller ca;
    struct caller cb;

    (void)state;
    make(&a);
    make(&b);
    dial(&ca, &a);
    dial(&cb, &b);
    put(&ca, "k", "a");
    assert_false(holds(&cb, "k", "a"));
    put(&cb, "k", "b");
    assert_true(holds(&ca, "k", "a"));
    hang_up(&ca);
    hang_up(&cb);
    unmake(&a);
    unmake(&b);
}

static void a_silent_session_ends_and_its_lock_goes_to_the_next(void **state)
{
    struct server s;
    struct caller silent;
    struct caller waiting;
    struct vxc_message m;
    uint64_t first;
    uint64_t none;
    uint32_t id;

    (void)state;
    make(&s);
    dial(&silent, &s);
    dial(&waiting, &s);
    open_session(&silent, 200, &m);
    open_session(&waiting, 60000, &m);
    assert_true(acquire(&silent, -1, &first));
    assert_false(acquire(&waiting, -1, &none));
    assert_true(next(&waiting, &m, &id)); /* nothing else comes before the grant */
    assert_int_equal(m.kind, VXC_KIND_EVENT_LOCK);
    assert_int_equal(m.event_lock.type, VXC_EVENT_LOCK_GRANTED);
    assert_true(m.event_lock.token > first);
    assert_true(next(&silent, &m, &id));
    assert_int_equal(m.kind, VXC_KIND_EVENT_SESSION);
    hang_up(&silent);
    hang_up(&waiting);
    unmake(&s);
}

static void frames_of_any_kind_keep_a_session_alive(void **state)
{
    struct server s;
    struct caller c;
    struct caller other;
    struct vxc_message m;
    uint64_t token;
    uint64_t none;

    (void)state;
    make(&s);
    dial(&c, &s);
    dial(&other, &s);
    open_session(&c, 200, &m);
    assert_true(acquire(&c, -1, &token));
    open_session(&other, 60000, &m);
    for (int i = 0; i < 3; i++) { /* three times as long as its timeout, by the waits of another */
        struct vxc_message reply;
        uint32_t id;
        bool over = false;

        m = message(VXC_KIND_LOCK_ACQUIRE);
        m.lock_acquire.lock = text("l");
        m.lock_acquire.wait_ms = 200;
        (void)post(&other, &m, true);
        while (!over) {
            ping(&c);
            if (recv(other.fd, &id, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
                assert_true(next(&other, &reply, &id));
                over = reply.kind == VXC_KIND_EVENT_LOCK;
                assert_true(!over || reply.event_lock.type == VXC_EVENT_LOCK_TIMEOUT);
            }
        }
    }
    assert_false(acquire(&other, 0, &none));
    hang_up(&c);
    hang_up(&other);
    unmake(&s);
}

/* As a process that was stopped: what the kernel keeps for it is full, and the node waits for it to read. */
static void a_client_that_takes_nothing_any_more_is_silent_too(void **state)
{
    enum { VALUE = 1024 * 1024, PUTS = 24 }; /* beyond what the kernel takes, below what cuts */
    struct server s;
    struct caller stopped;
    struct caller waiting;
    struct caller writer;
    struct vxc_message m;
    uint64_t first;
    uint64_t none;
    uint32_t id;
    char *value = calloc(1, VALUE);

    (void)state;
    assert_non_null(value);
    memset(value, 'v', VALUE - 1);
    make(&s);
    dial(&stopped, &s);
    dial(&waiting, &s);
    dial(&writer, &s);
    open_session(&stopped, 2000, &m);
    open_session(&waiting, 60000, &m);
    assert_true(acquire(&stopped, -1, &first));
    m = message(VXC_KIND_WATCH_ADD);
    m.watch_add.kind = VXC_WATCH_MAP;
    m.watch_add.name = text("m");
    ask(&stopped, &m, VXC_KIND_NUMBER_REPLY, &m);
    assert_false(acquire(&waiting, -1, &none));
    for (int i = 0; i < PUTS; i++) {
        put(&writer, "k", value);
    }
    free(value);
    assert_true(next(&waiting, &m, &id)); /* nothing else comes before the grant */
    assert_int_equal(m.kind, VXC_KIND_EVENT_LOCK);
    assert_int_equal(m.event_lock.type, VXC_EVENT_LOCK_GRANTED);
    assert_true(m.event_lock.token > first);
    hang_up(&stopped);
    hang_up(&waiting);
    hang_up(&writer);
    unmake(&s);
}

static void a_session_moves_to_the_connection_that_resumes_it(void **state)
{
    struct server s;
    struct caller first;
    struct caller second;
    struct vxc_message opened;
    struct vxc_message m = message(VXC_KIND_SESSION_RESUME);
    struct vxc_message reply;
    uint8_t secret[16];
    uint64_t token;
    uint32_t id;

    (void)state;
    make(&s);
    dial(&first, &s);
    dial(&second, &s);
    open_session(&first, 60000, &opened);
    m.session_resume.session = opened.session_reply.session;
    memcpy(secret, opened.session_reply.secret.data, sizeof secret);
    assert_true(acquire(&first, -1, &token));
    secret[0] ^= 1;
    m.session_resume.secret = vxc_slice(secret, sizeof secret);
    ask(&second, &m, VXC_KIND_ERROR_REPLY, &reply);
    assert_int_equal(reply.error_reply.code, VXC_ESECRET);
    secret[0] ^= 1;
    ask(&second, &m, VXC_KIND_SESSION_REPLY, &reply);
    assert_true(reply.session_reply.resumed);
    assert_false(next(&first, &reply, &id)); /* the first connection was closed */
    m = message(VXC_KIND_LOCK_RELEASE);
    m.lock_release.lock = text("l");
    m.lock_release.token = token;
    second.sequence = first.sequence;
    expect(&second, post(&second, &m, true), VXC_KIND_TRUTH_REPLY, &reply);
    assert_true(reply.truth_reply.truth);
    hang_up(&first);
    hang_up(&second);
    unmake(&s);
}

static void a_legacy_node_is_one_node_on_two_connections(void **state)
{
    struct server s;
    struct caller a;
    struct caller b;
    struct caller watcher;

    (void)state;
    make(&s);
    dial(&a, &s);
    dial(&b, &s);
    dial(&watcher, &s);
    join(&a, "node-1");
    join(&b, "node-1");
    assert_true(status_says(&watcher, "\"nodes\":{\"legacy\":1,\"managed\":0,\"active\":3}"));
    hang_up(&a);
    ping(&b); /* one of them is enough to live on */
    assert_true(status_says(&watcher, "\"legacy\":1"));
    hang_up(&b);
    while (!status_says(&watcher, "\"legacy\":0")) {
        ping(&watcher); /* TIMEOUT + PING_INTERVAL after the last was heard */
    }
    hang_up(&watcher);
    unmake(&s);
}

static void replies_keep_the_order_of_requests(void **state)
{
    enum { PAIRS = 200 };
    struct server s;
    struct caller c;
    struct vxc_message write = message(VXC_KIND_COUNTER_ADD);
    struct vxc_message read = message(VXC_KIND_COUNTER_GET);
    uint32_t id;

    (void)state;
    make(&s);
    dial(&c, &s);
    write.counter_add.counter = read.counter_get.counter = text("c");
    write.counter_add.delta = 1;
    for (int i = 0; i < PAIRS; i++) {
        (void)post(&c, &write, false);
        (void)post(&c, &read, false);
    }
    for (uint32_t i = 1; i <= 2 * PAIRS; i++) {
        struct vxc_message reply;

        assert_true(next(&c, &reply, &id));
        assert_int_equal(id, i);
        assert_int_equal(reply.kind, VXC_KIND_NUMBER_REPLY);
        assert_int_equal(reply.number_reply.number, (i + 1) / 2);
    }
    hang_up(&c);
    unmake(&s);
}

static void a_busy_port_and_a_foreign_directory_are_refused(void **state)
{
    struct server s;
    struct vxc_node_options other;
    char data[80];
    struct vxc_node *node;
    struct vxc_error err = {0};

    (void)state;
    make(&s);
    other = s.options;
    (void)snprintf(data, sizeof data, "%s/e", s.root);
    other.data = data;
    other.port = s.port;
    assert_int_equal(vxc_node_create(&other, &node, &err), 0);
    assert_int_equal(vxc_node_start(node, &err), VXC_EADDRINUSE);
    vxc_node_free(node);
    other.port = 0;
    other.node_id = 9;
    assert_int_equal(vxc_node_create(&other, &node, &err), 0);
    assert_int_equal(vxc_node_start(node, &err), VXC_EFOREIGN);
    vxc_node_free(node);
    unmake(&s);
}

/* ---- snapshots ---- */

static int64_t code_of(const struct vxc_message *reply)
{
    return reply->kind == VXC_KIND_ERROR_REPLY ? reply->error_reply.code : 0;
}

/* Any request about a snapshot; the reply, be it an error. */
static void ask_snapshot(struct caller *c, uint16_t kind, uint64_t id, struct vxc_message *reply)
{
    struct vxc_message m = message(kind);
    uint32_t got;

    if (kind == VXC_KIND_SNAPSHOT_BEGIN) {
        m.snapshot_begin.compression = VXC_IMAGE_LZ4;
    } else if (kind == VXC_KIND_SNAPSHOT_READ) {
        m.snapshot_read.id = id;
        m.snapshot_read.size = 1024;
    } else {
        m.snapshot_get.id = id; /* snapshot_end has the same */
    }
    (void)post(c, &m, false);
    assert_true(next(c, reply, &got));
    assert_int_equal(got, c->request_id);
}

static void read_info(const struct vxc_message *reply, struct vxc_message *info)
{
    assert_int_equal(reply->kind, VXC_KIND_VALUE_REPLY);
    assert_int_equal(
        vxc_message_decode(VXC_KIND_SNAPSHOT_INFO, reply->value_reply.value.bytes, info), 0);
}

/* Begins when no other one is left, and asks until it is ready. */
static uint64_t make_snapshot(struct caller *c, struct vxc_message *info)
{
    struct vxc_message reply;

    do {
        ask_snapshot(c, VXC_KIND_SNAPSHOT_BEGIN, 0, &reply);
    } while (code_of(&reply) == VXC_EBUSY);
    read_info(&reply, info);
    while (!info->snapshot_info.ready) {
        ask_snapshot(c, VXC_KIND_SNAPSHOT_GET, info->snapshot_info.id, &reply);
        read_info(&reply, info);
    }
    return info->snapshot_info.id;
}

/* Reads it in pieces of an odd size into a file. */
static void fetch_snapshot(struct caller *c, uint64_t id, uint64_t size, const char *path)
{
    struct vxc_message m = message(VXC_KIND_SNAPSHOT_READ);
    struct vxc_message reply;
    FILE *file = fopen(path, "wbe");
    struct vxc_slice got;

    assert_non_null(file);
    m.snapshot_read.id = id;
    m.snapshot_read.size = 777;
    do {
        ask(c, &m, VXC_KIND_VALUE_REPLY, &reply);
        got = reply.value_reply.value.bytes;
        assert_true(reply.value_reply.value.present);
        assert_int_equal(fwrite(got.data, 1, got.size, file), got.size);
        m.snapshot_read.offset += got.size;
    } while (got.size == 777);
    assert_int_equal(m.snapshot_read.offset, size);
    ask(c, &m, VXC_KIND_VALUE_REPLY, &reply); /* behind the end there is nothing */
    assert_int_equal(reply.value_reply.value.bytes.size, 0);
    assert_int_equal(fclose(file), 0);
}

static void a_snapshot_holds_what_was_acknowledged(void **state)
{
    struct server s;
    struct caller c;
    struct vxc_message info;
    struct vxc_image_info image;
    struct vxc_error err = {0};
    char path[128];

    (void)state;
    make(&s);
    (void)snprintf(path, sizeof path, "%s/image", s.root);
    dial(&c, &s);
    for (int i = 0; i < 20; i++) {
        char key[16];
        uint8_t sha256[VXC_IMAGE_SHA256_SIZE];
        uint64_t id;

        (void)snprintf(key, sizeof key, "key %d", i);
        put(&c, key, "value");
        id = make_snapshot(&c, &info);
        assert_int_equal(info.snapshot_info.sha256.size, sizeof sha256);
        memcpy(sha256, info.snapshot_info.sha256.data, sizeof sha256);
        fetch_snapshot(&c, id, info.snapshot_info.file_bytes, path);
        assert_int_equal(vxc_image_verify(path, s.root, NULL, &image, &err), 0);
        assert_int_equal(image.applied_index, info.snapshot_info.index);
        assert_memory_equal(image.sha256, sha256, sizeof sha256);
        assert_int_equal(image.databases[VXC_DB_MAPS].rows, 1 + i + 1); /* a header and rows */
        ask_snapshot(&c, VXC_KIND_SNAPSHOT_END, id, &info);
        assert_true(info.truth_reply.truth);
    }
    hang_up(&c);
    unmake(&s);
}

static void a_snapshot_belongs_to_its_connection(void **state)
{
    struct server s;
    struct caller mine;
    struct caller other;
    struct vxc_message m;
    struct vxc_message bad = message(VXC_KIND_SNAPSHOT_BEGIN);
    uint64_t id;

    (void)state;
    make(&s);
    dial(&mine, &s);
    dial(&other, &s);
    bad.snapshot_begin.compression = 9;
    ask(&mine, &bad, VXC_KIND_ERROR_REPLY, &m);
    assert_int_equal(m.error_reply.code, VXC_EINVAL);
    id = make_snapshot(&mine, &m);
    ask_snapshot(&other, VXC_KIND_SNAPSHOT_BEGIN, 0, &m);
    assert_int_equal(code_of(&m), VXC_EBUSY);
    ask_snapshot(&other, VXC_KIND_SNAPSHOT_GET, id, &m);
    assert_int_equal(code_of(&m), VXC_ENOTFOUND);
    ask_snapshot(&other, VXC_KIND_SNAPSHOT_READ, id, &m);
    assert_int_equal(code_of(&m), VXC_ENOTFOUND);
    ask_snapshot(&other, VXC_KIND_SNAPSHOT_END, id, &m);
    assert_false(m.truth_reply.truth);
    bad = message(VXC_KIND_SNAPSHOT_READ);
    bad.snapshot_read.id = id;
    ask(&mine, &bad, VXC_KIND_ERROR_REPLY, &m);
    assert_int_equal(m.error_reply.code, VXC_EINVAL);
    bad.snapshot_read.size = 1024 * 1024 + 1;
    ask(&mine, &bad, VXC_KIND_ERROR_REPLY, &m);
    assert_int_equal(m.error_reply.code, VXC_EINVAL);
    hang_up(&mine);
    assert_true(make_snapshot(&other, &m) > id); /* the place is free again */
    hang_up(&other);
    unmake(&s);
}

/* Given up by a client that ends it, by one that goes, and by the node itself. */
static void a_snapshot_under_way_is_given_up(void **state)
{
    struct server s;
    struct caller c;
    struct vxc_message m;
    char *value = calloc(1, 4u << 20);

    (void)state;
    assert_non_null(value);
    memset(value, 'v', (4u << 20) - 1);
    make(&s);
    dial(&c, &s);
    for (int i = 0; i < 8; i++) {
        put(&c, (char[]){(char)('a' + i), '\0'}, value);
    }
    free(value);
    ask_snapshot(&c, VXC_KIND_SNAPSHOT_BEGIN, 0, &m);
    assert_int_equal(code_of(&m), 0);
    ask_snapshot(&c, VXC_KIND_SNAPSHOT_END, 1, &m);
    assert_true(m.truth_reply.truth);
    ask_snapshot(&c, VXC_KIND_SNAPSHOT_GET, 1, &m);
    assert_int_equal(code_of(&m), VXC_ENOTFOUND);
    do {
        ask_snapshot(&c, VXC_KIND_SNAPSHOT_BEGIN, 0, &m);
    } while (code_of(&m) == VXC_EBUSY);
    hang_up(&c);
    dial(&c, &s);
    (void)make_snapshot(&c, &m);
    hang_up(&c);
    dial(&c, &s);
    do {
        ask_snapshot(&c, VXC_KIND_SNAPSHOT_BEGIN, 0, &m);
    } while (code_of(&m) == VXC_EBUSY);
    stop(&s);
    start(&s);
    hang_up(&c);
    dial(&c, &s);
    (void)make_snapshot(&c, &m);
    hang_up(&c);
    unmake(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_is_there_after_a_restart),
        cmocka_unit_test(two_nodes_in_one_process_keep_apart),
        cmocka_unit_test(a_silent_session_ends_and_its_lock_goes_to_the_next),
        cmocka_unit_test(frames_of_any_kind_keep_a_session_alive),
        cmocka_unit_test(a_client_that_takes_nothing_any_more_is_silent_too),
        cmocka_unit_test(a_session_moves_to_the_connection_that_resumes_it),
        cmocka_unit_test(a_legacy_node_is_one_node_on_two_connections),
        cmocka_unit_test(replies_keep_the_order_of_requests),
        cmocka_unit_test(a_snapshot_holds_what_was_acknowledged),
        cmocka_unit_test(a_snapshot_belongs_to_its_connection),
        cmocka_unit_test(a_snapshot_under_way_is_given_up),
        cmocka_unit_test(a_busy_port_and_a_foreign_directory_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
