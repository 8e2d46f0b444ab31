#include "harness.h"

#include <stdio.h>

static const struct vxc_result *get(struct harness *h, const char *node)
{
    return harness_ask(h, (struct vxc_command){.op = VXC_OP_NODE_GET, .key = text(node)});
}

static const char *members(struct harness *h)
{
    static char out[256];

    return joined(harness_ask(h, (struct vxc_command){.op = VXC_OP_NODE_LIST})->value, out,
                  sizeof out);
}

static const char *view(const struct vxc_event *event)
{
    static char out[256];

    return joined(event->view, out, sizeof out);
}

static const struct vxc_result *leave(struct harness *h, uint64_t session)
{
    return run_as(h, session, (struct vxc_command){.op = VXC_OP_NODE_LEAVE});
}

static void join_gives_the_view_in_join_order(void **state)
{
    struct harness *h = *state;
    uint64_t first = open_session(h, "c");
    uint64_t second = open_session(h, "c");
    char out[64];

    assert_true(join(h, first, "zeta", "i1")->found);
    assert_int_equal(h->f.result.number, 1);
    assert_int_equal(join(h, second, "alpha", "i2")->number, 2);
    assert_string_equal(joined(h->f.result.value, out, sizeof out), "zeta alpha");
    assert_string_equal(members(h), "zeta i1 alpha i2");
    assert_int_equal(h->f.result.number, 2);
    harness_restart(h);
    assert_string_equal(members(h), "zeta i1 alpha i2");
}

static void the_order_is_of_joining_even_after_leaving(void **state)
{
    struct harness *h = *state;
    uint64_t sessions[3];
    const char *const names[] = {"a", "b", "c"};

    for (int i = 0; i < 3; i++) {
        sessions[i] = open_session(h, "c");
        (void)join(h, sessions[i], names[i], "x");
    }
    assert_true(leave(h, sessions[0])->found);
    assert_false(leave(h, sessions[0])->found);
    assert_int_equal(h->f.result.code, 0);
    assert_int_equal(join(h, sessions[0], "a", "x")->number, 5);
    harness_restart(h);
    assert_string_equal(members(h), "b x c x a x");
}

static void info_is_set_later_or_not_at_all(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    struct vxc_command set = {.op = VXC_OP_NODE_SET_INFO, .value = text("info")};

    assert_int_equal(get(h, "n")->code, VXC_ENOTFOUND);
    assert_int_equal(run_as(h, session, set)->code, VXC_ENOTFOUND);
    (void)join(h, session, "n", NULL);
    assert_int_equal(get(h, "n")->code, 0);
    assert_false(h->f.result.found);
    assert_true(run_as(h, session, set)->found);
    harness_restart(h);
    assert_slice_is(get(h, "n")->value, "info");
    assert_int_equal(h->f.result.token, session);
    set.key = text("other");
    assert_int_equal(run_as(h, session, set)->code, VXC_ENOTFOUND);
    set.key = text("n");
    set.value = vxc_slice("", 0);
    assert_true(run_as(h, session, set)->found);
    assert_true(get(h, "n")->found);
    assert_int_equal(h->f.result.value.size, 0);
}

static void all_watchers_see_the_same_ordered_views(void **state)
{
    struct harness *h = *state;
    uint64_t watchers[2] = {open_session(h, "w"), open_session(h, "w")};
    uint64_t node = open_session(h, "c");
    uint64_t other = open_session(h, "c");
    const struct {
        enum vxc_event_type type;
        const char *key, *view;
        int64_t epoch;
    } expected[] = {
        {VXC_EVENT_NODE_JOINED, "n1", "n1", 1},
        {VXC_EVENT_NODE_JOINED, "n2", "n1 n2", 2},
        {VXC_EVENT_NODE_INFO, "n1", "n1 n2", 2},
        {VXC_EVENT_NODE_LEFT, "n1", "n2", 3},
    };
    struct vxc_command set = {.op = VXC_OP_NODE_SET_INFO, .value = text("new")};

    (void)watch(h, watchers[0], VXC_WATCH_MEMBERS, NULL, NULL);
    (void)watch(h, watchers[1], VXC_WATCH_MEMBERS, NULL, NULL);
    (void)join(h, node, "n1", "i");
    (void)join(h, other, "n2", "i");
    (void)run_as(h, node, set);
    (void)run_as(h, node, set); /* the same again is no event */
    (void)expire_session(h, node);
    assert_int_equal(h->event_count, 2 * 4 + 1);
    for (size_t i = 0; i < 8; i++) {
        const struct vxc_event *event = &h->events[i];
        assert_int_equal(event->session, watchers[i % 2]);
        assert_int_equal(event->type, expected[i / 2].type);
        assert_slice_is(event->key, expected[i / 2].key);
        assert_string_equal(view(event), expected[i / 2].view);
        assert_int_equal(event->number, expected[i / 2].epoch);
    }
    assert_slice_is(h->events[0].value, "i");
    assert_slice_is(h->events[4].value, "new");
}

static void a_rejoin_under_a_new_session_is_quiet(void **state)
{
    struct harness *h = *state;
    uint64_t watcher = open_session(h, "w");
    uint64_t before = open_session(h, "c");
    uint64_t after = open_session(h, "c");

    (void)join(h, before, "n", "i");
    (void)watch(h, watcher, VXC_WATCH_MEMBERS, NULL, NULL);
    assert_false(join(h, after, "n", "i")->found);
    assert_int_equal(h->f.result.number, 1);
    harness_restart(h);
    (void)expire_session(h, before);
    assert_int_equal(h->event_count, 1);
    assert_int_equal(h->events[0].type, VXC_EVENT_SESSION_EXPIRED);
    assert_string_equal(members(h), "n i");
    assert_int_equal(get(h, "n")->token, after);
    (void)join(h, after, "n", "j");
    assert_int_equal(h->event_count, 2);
    assert_int_equal(h->events[1].type, VXC_EVENT_NODE_INFO);
    (void)expire_session(h, after);
    assert_string_equal(members(h), "");
    assert_int_equal(h->events[2].type, VXC_EVENT_NODE_LEFT);
}

static void a_session_is_one_node_at_most(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");

    (void)join(h, session, "n", "i");
    assert_int_equal(join(h, session, "m", "i")->code, VXC_EEXISTS);
    assert_int_equal(join(h, session + 5, "m", "i")->code, VXC_ESESSION);
    assert_int_equal(join(h, session, "", "i")->code, VXC_EINVAL);
    assert_string_equal(members(h), "n i");
}

static void the_first_member_finds_the_map_empty(void **state)
{
    struct harness *h = *state;
    uint64_t first = open_session(h, "c");
    uint64_t second = open_session(h, "c");
    struct vxc_command size = {.op = VXC_OP_MAP_SIZE, .name = text("ha")};
    struct vxc_command node = {
        .op = VXC_OP_NODE_JOIN, .key = text("n1"), .name = text("ha"), .value = text("i")};

    (void)fixture_run(&h->f, &(struct vxc_command){.op = VXC_OP_MAP_PUT,
                                                   .name = text("ha"),
                                                   .key = text("k"),
                                                   .value = text("left over")});
    (void)run_as(h, first, node);
    assert_int_equal(harness_ask(h, size)->number, 0);
    (void)fixture_run(&h->f, &(struct vxc_command){.op = VXC_OP_MAP_PUT,
                                                   .name = text("ha"),
                                                   .key = text("k"),
                                                   .value = text("of n1")});
    node.key = text("n2");
    (void)run_as(h, second, node);
    assert_int_equal(harness_ask(h, size)->number, 1);
}

static void leaving_takes_the_registrations_first(void **state)
{
    struct harness *h = *state;
    uint64_t watcher = open_session(h, "w");
    uint64_t session = open_session(h, "c");

    (void)join(h, session, "n", "i");
    (void)add_registration(h, session, "a", "n", 1, "");
    (void)acquire(h, session, "l", 1, -1);
    (void)watch(h, watcher, VXC_WATCH_MEMBERS, NULL, NULL);
    (void)watch(h, watcher, VXC_WATCH_REGISTRATIONS, NULL, NULL);
    assert_true(leave(h, session)->found);
    assert_int_equal(h->event_count, 2);
    assert_int_equal(h->events[0].type, VXC_EVENT_REGISTRATIONS);
    assert_int_equal(h->events[1].type, VXC_EVENT_NODE_LEFT);
    assert_int_equal(h->f.fsm->stats.locks_held, 1); /* the session goes on */
}

static void namespaces_have_members_of_their_own(void **state)
{
    struct harness *h = *state;
    uint64_t here = open_session(h, "c");
    uint64_t there = open_session(h, "c");
    struct vxc_command node = {
        .op = VXC_OP_NODE_JOIN, .namespace_id = 9, .key = text("n"), .value = text("there")};

    (void)join(h, here, "n", "here");
    assert_int_equal(run_as(h, there, node)->number, 1);
    harness_restart(h);
    assert_string_equal(members(h), "n here");
    assert_slice_is(
        harness_ask(
            h, (struct vxc_command){.op = VXC_OP_NODE_GET, .namespace_id = 9, .key = text("n")})
            ->value,
        "there");
    (void)expire_session(h, here);
    assert_string_equal(members(h), "");
}

static void many_members_are_listed_whole_or_in_pages(void **state)
{
    enum { MEMBERS = 3000 };
    struct harness *h = *state;
    struct vxc_command list = {.op = VXC_OP_NODE_LIST};
    uint8_t cursor[64];
    uint32_t seen = 0;
    char name[64];

    for (int i = 0; i < MEMBERS; i++) {
        (void)snprintf(name, sizeof name, "node-%036d", MEMBERS - i);
        assert_int_equal(join(h, open_session(h, "c"), name, "some info about the node")->code, 0);
    }
    assert_int_equal(fixture_count(harness_ask(h, list)->value), 2 * MEMBERS);
    assert_null(h->f.result.next.data);
    list.b = UINT64_C(70) << 32;
    for (;;) {
        const struct vxc_result *r = harness_ask(h, list);
        for (uint32_t i = 0; i < fixture_count(r->value); i += 2, seen++) {
            (void)snprintf(name, sizeof name, "node-%036d", MEMBERS - (int)seen);
            assert_slice_is(fixture_item(r->value, i), name);
        }
        if (r->next.data == NULL) {
            break;
        }
        memcpy(cursor, r->next.data, r->next.size);
        list.key = vxc_slice(cursor, r->next.size);
    }
    assert_int_equal(seen, MEMBERS);
}

static void node_ids_take_a_bounded_room(void **state)
{
    static uint8_t name[VXC_NAME_SIZE_MAX];
    struct harness *h = *state;
    struct vxc_command node = {.op = VXC_OP_NODE_JOIN, .key = vxc_slice(name, sizeof name)};
    int joined_count = 0;

    for (; joined_count < 100; joined_count++) {
        name[0] = (uint8_t)joined_count;
        if (run_as(h, open_session(h, "c"), node)->code != 0) {
            break;
        }
    }
    assert_int_equal(h->f.result.code, VXC_ELIMIT);
    assert_int_equal(joined_count, 63);
    name[0] = 5;
    assert_int_equal(harness_ask(h, (struct vxc_command){.op = VXC_OP_NODE_GET,
                                                         .key = vxc_slice(name, sizeof name)})
                         ->code,
                     0);
    harness_restart(h);
    assert_int_equal(h->f.fsm->stats.nodes, 63);
}

#define test(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(join_gives_the_view_in_join_order),
        test(the_order_is_of_joining_even_after_leaving),
        test(info_is_set_later_or_not_at_all),
        test(all_watchers_see_the_same_ordered_views),
        test(a_rejoin_under_a_new_session_is_quiet),
        test(a_session_is_one_node_at_most),
        test(the_first_member_finds_the_map_empty),
        test(leaving_takes_the_registrations_first),
        test(namespaces_have_members_of_their_own),
        test(many_members_are_listed_whole_or_in_pages),
        test(node_ids_take_a_bounded_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
