/* A whole node whose k-th allocation fails, for every k of a life: start, requests of every kind, a
 * snapshot, stop. It may refuse, cut a connection, not start, or end by the fatal message; and after
 * a start with memory again all that was acknowledged is there. */
#include "vxc/node.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/caller.h"
#include "lib/failing_heap.h"
#include "storage/image.h"

enum { KEYS = 4, PATIENCE_S = 5 };

/* What was acknowledged, and must be there after a restart. */
struct promises {
    bool put[KEYS];       /* map m: k<i> = v<i> */
    bool removed;         /* k0 of them, again */
    bool absent;          /* map m: a = x, put if absent */
    bool member;          /* set s: x */
    bool pair;            /* multimap mm: k → x */
    bool both;            /* map t: x and y, in one transaction */
    int64_t added, tried; /* counter c */
};

struct world {
    char root[64];
    char data[80];
    struct vxc_node_options options;
    int port[2]; /* a pipe: the child tells its port */
    struct caller caller;
    uint16_t at;     /* the port */
    bool gone;       /* nobody listens there any more */
    bool every_kind; /* which of the two talks */
    struct promises promised;
};

static void drop_line(void *data, enum vxc_log_level level, const char *line)
{
    (void)data;
    (void)level;
    (void)line;
}

static struct vxc_slice text(const char *s)
{
    return vxc_slice_of_string(s);
}

/* ---- the node, in the child ---- */

static int live(void *data)
{
    struct world *w = data;
    struct vxc_node *node = NULL;
    struct vxc_error err = {0};
    int rv = vxc_node_create(&w->options, &node, &err);

    (void)close(w->port[0]);
    if (rv == 0) {
        rv = vxc_node_start(node, &err);
    }
    if (rv == 0 && vxc_node_handle_signals(node) != 0) {
        rv = vxc_error_set(&err, VXC_ENOMEM, "cannot handle signals");
    }
    if (rv == 0) {
        const uint16_t port = (uint16_t)atoi(strrchr(vxc_node_address(node), ':') + 1);
        assert_int_equal(write(w->port[1], &port, sizeof port), sizeof port);
        (void)vxc_node_run(node);
    }
    vxc_node_free(node);
    fprintf(stderr, "the start said: %s\n", err.text);
    return rv == 0 || err.text[0] != '\0' ? rv : VXC_EINVAL; /* a refusal without a reason */
}

/* ---- asking it ---- */

static bool is_refusal(int64_t code)
{
    switch (code) {
    case VXC_ENOMEM:
    case VXC_EBUSY:
    case VXC_ENOSPC:
    case VXC_EUNKNOWN:
    case VXC_ENOTPRIMARY:
        return true;
    default:
        return false;
    }
}

static void redial(struct world *w)
{
    assert_false(w->caller.timed_out); /* a request is answered, or its connection is cut */
    caller_hang_up(&w->caller);
    w->gone = !caller_dial(&w->caller, w->at, PATIENCE_S);
}

/* True when the reply came and is no error. */
static bool asked(struct world *w, const struct vxc_message *m, bool sequenced,
                  struct vxc_message *reply)
{
    uint32_t id;

    if (w->gone) {
        return false;
    }
    id = caller_post(&w->caller, m, sequenced);
    if (id == 0 || !caller_answer(&w->caller, id, reply)) {
        redial(w);
        return false;
    }
    return reply->kind != VXC_KIND_ERROR_REPLY;
}

/* For a write that nothing but a lack of memory can refuse. */
static bool acknowledged(struct world *w, const struct vxc_message *m)
{
    struct vxc_message reply = {0};

    if (asked(w, m, false, &reply)) {
        return true;
    }
    assert_true(reply.kind != VXC_KIND_ERROR_REPLY || is_refusal(reply.error_reply.code));
    return false;
}

static struct vxc_message map_put(const char *map, const char *key, const char *value)
{
    struct vxc_message m = caller_message(VXC_KIND_MAP_PUT);

    m.map_put.map = text(map);
    m.map_put.key = text(key);
    m.map_put.value = text(value);
    m.map_put.want_old = true;
    return m;
}

static void write_maps(struct world *w)
{
    struct vxc_message m;

    for (int i = 0; i < KEYS; i++) {
        const char key[] = {'k', (char)('0' + i), '\0'};
        const char value[] = {'v', (char)('0' + i), '\0'};
        m = map_put("m", key, value);
        w->promised.put[i] = acknowledged(w, &m);
    }
    m = caller_message(VXC_KIND_MAP_REMOVE);
    m.map_remove.map = text("m");
    m.map_remove.key = text("k0");
    w->promised.put[0] = false; /* the removal may be in effect although it is not acknowledged */
    w->promised.removed = acknowledged(w, &m);
    m = caller_message(VXC_KIND_MAP_PUT_IF_ABSENT);
    m.map_put_if_absent.map = text("m");
    m.map_put_if_absent.key = text("a");
    m.map_put_if_absent.value = text("x");
    w->promised.absent = acknowledged(w, &m);
}

static void write_others(struct world *w)
{
    struct vxc_message m = caller_message(VXC_KIND_SET_ADD);

    m.set_add.set = text("s");
    m.set_add.value = text("x");
    w->promised.member = acknowledged(w, &m);
    m = caller_message(VXC_KIND_MULTIMAP_PUT);
    m.multimap_put.multimap = text("mm");
    m.multimap_put.key = text("k");
    m.multimap_put.value = text("x");
    w->promised.pair = acknowledged(w, &m);
    m = caller_message(VXC_KIND_COUNTER_ADD);
    m.counter_add.counter = text("c");
    m.counter_add.delta = 1;
    for (int i = 0; i < KEYS; i++) {
        w->promised.tried++;
        w->promised.added += acknowledged(w, &m);
    }
}

static void append_message(struct vxc_buffer *list, const struct vxc_message *m)
{
    struct vxc_buffer payload = {0};

    assert_int_equal(vxc_message_encode(m, &payload), 0);
    assert_int_equal(vxc_buffer_put_u16(list, m->kind), 0);
    assert_int_equal(vxc_buffer_put_bytes(list, vxc_buffer_slice(&payload)), 0);
    vxc_buffer_free(&payload);
}

static void write_both(struct world *w)
{
    struct vxc_message m = caller_message(VXC_KIND_TRANSACTION);
    struct vxc_message x = map_put("t", "x", "x");
    struct vxc_message y = map_put("t", "y", "y");
    struct vxc_buffer list = {0};

    append_message(&list, &x);
    append_message(&list, &y);
    m.transaction.then_operations = (struct vxc_list){2, vxc_buffer_slice(&list)};
    w->promised.both = acknowledged(w, &m);
    vxc_buffer_free(&list);
}

/* A session, its lock, its watch and the event of that, its registration. */
static void own_things(struct world *w)
{
    struct vxc_message m = caller_message(VXC_KIND_SESSION_OPEN);
    struct vxc_message reply;

    m.session_open.timeout_ms = 60000;
    m.session_open.name = text("test");
    if (!asked(w, &m, false, &reply)) {
        return;
    }
    w->caller.sequence = 0;
    m = caller_message(VXC_KIND_WATCH_ADD);
    m.watch_add.kind = 1;
    m.watch_add.name = text("m");
    (void)asked(w, &m, false, &reply);
    m = map_put("m", "k9", "watched");
    (void)asked(w, &m, true, &reply);
    m = caller_message(VXC_KIND_NODE_JOIN);
    m.node_join.node_id = text("n");
    (void)asked(w, &m, false, &reply);
    m = caller_message(VXC_KIND_REGISTRATION_ADD);
    m.registration_add.address = text("address");
    m.registration_add.node_id = text("n");
    m.registration_add.data = text("data");
    (void)asked(w, &m, true, &reply);
    m = caller_message(VXC_KIND_LOCK_ACQUIRE);
    m.lock_acquire.lock = text("l");
    m.lock_acquire.wait_ms = -1;
    (void)asked(w, &m, true, &reply);
    m = caller_message(VXC_KIND_SESSION_CLOSE);
    (void)asked(w, &m, false, &reply);
}

static void make_snapshot(struct world *w)
{
    struct vxc_message m = caller_message(VXC_KIND_SNAPSHOT_BEGIN);
    struct vxc_message reply;
    struct vxc_message info = {0};

    m.snapshot_begin.compression = VXC_IMAGE_LZ4;
    while (asked(w, &m, false, &reply) && reply.kind == VXC_KIND_VALUE_REPLY &&
           vxc_message_decode(VXC_KIND_SNAPSHOT_INFO, reply.value_reply.value.bytes, &info) == 0 &&
           !info.snapshot_info.ready) {
        m = caller_message(VXC_KIND_SNAPSHOT_GET);
        m.snapshot_get.id = info.snapshot_info.id;
    }
    m = caller_message(VXC_KIND_SNAPSHOT_READ);
    m.snapshot_read.id = info.snapshot_info.id;
    m.snapshot_read.size = 1024;
    (void)asked(w, &m, false, &reply);
    m = caller_message(VXC_KIND_SNAPSHOT_END);
    m.snapshot_end.id = info.snapshot_info.id;
    (void)asked(w, &m, false, &reply);
}

static void look_around(struct world *w)
{
    struct vxc_message m = caller_message(VXC_KIND_MAP_SCAN);
    struct vxc_message reply;

    m.map_scan.map = text("m");
    m.map_scan.what = 3;
    (void)asked(w, &m, false, &reply);
    m = caller_message(VXC_KIND_STATUS);
    (void)asked(w, &m, false, &reply);
    m = caller_message(VXC_KIND_DUMP);
    m.dump.limit = 100;
    (void)asked(w, &m, false, &reply);
}

/* A request of this kind whose bytes are "x" and whose numbers are 1. */
static struct vxc_message filled(const struct vxc_message_schema *schema)
{
    struct vxc_message m = caller_message(schema->kind);

    for (uint16_t i = 0; i < schema->fields_count; i++) {
        /* as the codec does: the union's members begin where the union does */
        uint8_t *at = (uint8_t *)&m.join + schema->fields[i].offset;

        switch (schema->fields[i].type) {
        case VXC_TYPE_BYTES:
            *(struct vxc_slice *)(void *)at = text("x");
            break;
        case VXC_TYPE_U8:
        case VXC_TYPE_U16:
        case VXC_TYPE_U32:
        case VXC_TYPE_U64:
        case VXC_TYPE_I64:
        case VXC_TYPE_BOOL:
            *at = 1; /* little-endian */
            break;
        default:
            break; /* absent or empty */
        }
    }
    return m;
}

/* Requests of every kind after one another, without waiting in between; what they answer is for
 * other tests, that they do not end the conversation in silence is for this one. */
static void ask_every_kind(struct world *w)
{
    size_t count;
    const struct vxc_message_schema *schemas = vxc_message_schemas(&count);
    struct vxc_message reply;
    uint32_t last = 0;

    for (size_t i = 0; i < count && !w->gone; i++) {
        if (schemas[i].role == VXC_ROLE_REQUEST) {
            const struct vxc_message m = filled(&schemas[i]);
            last = caller_post(&w->caller, &m, false);
            if (last == 0) {
                redial(w);
            }
        }
    }
    if (!w->gone && last != 0 && !caller_answer(&w->caller, last, &reply)) {
        redial(w);
    }
}

static void talk(void *data, pid_t child)
{
    struct world *w = data;

    (void)close(w->port[1]);
    if (read(w->port[0], &w->at, sizeof w->at) == (ssize_t)sizeof w->at) {
        w->gone = !caller_dial(&w->caller, w->at, PATIENCE_S);
        if (w->every_kind) {
            ask_every_kind(w);
        } else {
            write_maps(w);
            write_others(w);
            write_both(w);
            own_things(w);
            make_snapshot(w);
            look_around(w);
        }
        caller_hang_up(&w->caller);
        (void)kill(child, SIGTERM); /* it may have ended by itself */
    }
    (void)close(w->port[0]);
}

/* ---- afterwards ---- */

static bool value_is(struct world *w, const char *map, const char *key, const char *value)
{
    struct vxc_message m = caller_message(VXC_KIND_MAP_GET);
    struct vxc_message reply;

    m.map_get.map = text(map);
    m.map_get.key = text(key);
    assert_true(asked(w, &m, false, &reply));
    if (value == NULL || !reply.value_reply.value.present) {
        return (value == NULL) == !reply.value_reply.value.present;
    }
    return vxc_slice_equal(reply.value_reply.value.bytes, text(value));
}

static bool truth(struct world *w, const struct vxc_message *m)
{
    struct vxc_message reply;

    assert_true(asked(w, m, false, &reply));
    assert_int_equal(reply.kind, VXC_KIND_TRUTH_REPLY);
    return reply.truth_reply.truth;
}

static void look_for_promises(struct world *w)
{
    const struct promises *p = &w->promised;
    struct vxc_message m;
    struct vxc_message reply;

    for (int i = 0; i < KEYS; i++) {
        const char key[] = {'k', (char)('0' + i), '\0'};
        const char value[] = {'v', (char)('0' + i), '\0'};
        assert_true(!p->put[i] || value_is(w, "m", key, value));
    }
    assert_true(!p->removed || value_is(w, "m", "k0", NULL));
    assert_true(!p->absent || value_is(w, "m", "a", "x"));
    m = caller_message(VXC_KIND_SET_CONTAINS);
    m.set_contains.set = text("s");
    m.set_contains.value = text("x");
    assert_true(!p->member || truth(w, &m));
    m = caller_message(VXC_KIND_MULTIMAP_CONTAINS_ENTRY);
    m.multimap_contains_entry.multimap = text("mm");
    m.multimap_contains_entry.key = text("k");
    m.multimap_contains_entry.value = text("x");
    assert_true(!p->pair || truth(w, &m));
    m = caller_message(VXC_KIND_COUNTER_GET);
    m.counter_get.counter = text("c");
    assert_true(asked(w, &m, false, &reply));
    assert_in_range(reply.number_reply.number, p->added, p->tried);
    assert_int_equal(value_is(w, "t", "x", "x"), value_is(w, "t", "y", "y")); /* both or none */
    assert_true(!p->both || value_is(w, "t", "x", "x"));
}

static void remove_data(struct world *w)
{
    char command[128];

    (void)snprintf(command, sizeof command, "rm -rf '%s/d'", w->root);
    assert_int_equal(system(command), 0);
}

static void check(void *data)
{
    struct world *w = data;
    struct vxc_error err = {0};
    struct vxc_node *node;

    assert_int_equal(vxc_node_create(&w->options, &node, &err), 0);
    if (vxc_node_start(node, &err) != 0) {
        fail_msg("the node does not start with memory again: %s", err.text);
    }
    w->at = (uint16_t)atoi(strrchr(vxc_node_address(node), ':') + 1);
    assert_int_equal(vxc_node_spawn(node, &err), 0);
    assert_true(caller_dial(&w->caller, w->at, PATIENCE_S));
    w->gone = false;
    look_for_promises(w);
    caller_hang_up(&w->caller);
    vxc_node_free(node);
    remove_data(w);
}

/* ---- the tests ---- */

static void prepare(void *data)
{
    struct world *w = data;

    w->promised = (struct promises){0};
    w->gone = true;
    assert_int_equal(pipe(w->port), 0);
}

static void make(struct world *w)
{
    memset(w, 0, sizeof *w);
    strcpy(w->root, "/tmp/vxc-memory-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    (void)snprintf(w->data, sizeof w->data, "%s/d", w->root);
    w->options = vxc_node_options();
    w->options.data = w->data;
    w->options.on_log = drop_line;
}

static void sweep(struct world *w)
{
    const struct failing_heap_story story = {
        .data = w, .prepare = prepare, .run = live, .talk = talk, .check = check, .may_end = true};

    failing_heap_sweep(&story);
    assert_int_equal(rmdir(w->root), 0);
}

static void no_failed_allocation_loses_what_was_acknowledged(void **state)
{
    struct world w;

    (void)state;
    make(&w);
    sweep(&w);
}

static void the_reference_mode_survives_as_well(void **state)
{
    struct world w;

    (void)state;
    make(&w);
    w.options.apply_each = true;
    sweep(&w);
}

static void no_kind_of_request_is_left_without_an_answer(void **state)
{
    struct world w;

    (void)state;
    make(&w);
    w.every_kind = true;
    sweep(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(no_failed_allocation_loses_what_was_acknowledged,
                                  failing_heap_give_up),
        cmocka_unit_test_teardown(the_reference_mode_survives_as_well, failing_heap_give_up),
        cmocka_unit_test_teardown(no_kind_of_request_is_left_without_an_answer,
                                  failing_heap_give_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
