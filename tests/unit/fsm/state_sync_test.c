/* State syncs: one unit, once per id, and nothing that a client can send stops the node. */
#include "harness.h"

#include <stdio.h>

#include "base/limits.h"

/* A list of encoded commands being made. */
struct list {
    struct vxc_buffer bytes;
    uint32_t count;
};

static void append(struct list *list, struct vxc_command command)
{
    struct vxc_buffer item = {0};

    if (list->count == 0) {
        vxc_buffer_clear(&list->bytes);
        assert_int_equal(vxc_buffer_put_u32(&list->bytes, 0), 0);
    }
    assert_int_equal(vxc_command_encode(&command, &item), 0);
    assert_int_equal(vxc_buffer_put_bytes(&list->bytes, vxc_buffer_slice(&item)), 0);
    vxc_store_u32(list->bytes.data, ++list->count);
    vxc_buffer_free(&item);
}

/* Sends the list and begins a new one. */
static const struct vxc_result *send_list(struct harness *h, uint64_t id, struct list *list)
{
    const struct vxc_result *r = harness_run(
        h, (struct vxc_command){
               .op = VXC_OP_STATE_SYNC, .a = (int64_t)id, .value = vxc_buffer_slice(&list->bytes)});

    vxc_buffer_free(&list->bytes);
    *list = (struct list){0};
    return r;
}

static struct vxc_command add(const char *counter, int64_t delta)
{
    struct vxc_command c = fixture_command(VXC_OP_COUNTER_ADD, counter, NULL, NULL);

    c.a = delta;
    return c;
}

static int64_t count_of(struct harness *h, const char *counter)
{
    return harness_ask(h, fixture_command(VXC_OP_COUNTER_GET, counter, NULL, NULL))->number;
}

static bool has(struct harness *h, uint16_t op, const char *name, const char *key,
                const char *value)
{
    return harness_ask(h, fixture_command(op, name, key, value))->found;
}

static uint64_t digest(struct harness *h)
{
    fixture_commit(&h->f);
    return vxc_store_digest(h->f.store);
}

static void all_kinds_of_writes_are_one_unit(void **state)
{
    struct harness *h = *state;
    struct list list = {0};
    uint64_t session = open_session(h, "watcher");
    uint64_t index;

    (void)watch(h, session, VXC_WATCH_MULTIMAP, "mm", NULL);
    append(&list, fixture_command(VXC_OP_MAP_CREATE, "empty", NULL, NULL));
    append(&list, fixture_command(VXC_OP_MAP_PUT, "m", "k", "v"));
    append(&list, fixture_command(VXC_OP_MAP_PUT, "m", "gone", "v"));
    append(&list, fixture_command(VXC_OP_MAP_REMOVE, "m", "gone", NULL));
    append(&list, fixture_command(VXC_OP_SET_ADD, "s", "member", NULL));
    append(&list, fixture_command(VXC_OP_COUNTER_DESTROY, "c", NULL, NULL));
    append(&list, add("c", 42));
    append(&list, fixture_command(VXC_OP_MULTIMAP_PUT, "mm", "k", "1"));
    append(&list, fixture_command(VXC_OP_MULTIMAP_PUT, "mm", "k", "2"));
    append(&list, fixture_command(VXC_OP_MULTIMAP_REMOVE, "mm", "k", "1"));
    append(&list, fixture_command(VXC_OP_MULTIMAP_PUT, "mm", "other", "3"));
    append(&list, fixture_command(VXC_OP_MULTIMAP_REMOVE_KEY, "mm", "other", NULL));
    append(&list, fixture_command(VXC_OP_LOCK_CREATE, "lock", NULL, NULL));
    append(&list, fixture_command(VXC_OP_LOCK_CREATE, "lost", NULL, NULL));
    append(&list, fixture_command(VXC_OP_LOCK_DESTROY, "lost", NULL, NULL));
    assert_true(send_list(h, 7, &list)->found);
    assert_int_equal(h->f.result.code, 0);
    assert_int_equal(h->f.result.number, 15);
    assert_null(h->f.result.value.data);
    index = h->f.result.index;
    assert_true(has(h, VXC_OP_MAP_CONTAINS, "m", "k", NULL));
    assert_false(has(h, VXC_OP_MAP_CONTAINS, "m", "gone", NULL));
    assert_true(has(h, VXC_OP_SET_CONTAINS, "s", "member", NULL));
    assert_int_equal(count_of(h, "c"), 42);
    assert_true(has(h, VXC_OP_MULTIMAP_CONTAINS_ENTRY, "mm", "k", "2"));
    assert_false(has(h, VXC_OP_MULTIMAP_CONTAINS_ENTRY, "mm", "k", "1"));
    assert_false(has(h, VXC_OP_MULTIMAP_CONTAINS_KEY, "mm", "other", NULL));
    assert_true(has(h, VXC_OP_LOCK_INFO, "lock", NULL, NULL));
    assert_false(has(h, VXC_OP_LOCK_INFO, "lost", NULL, NULL));
    assert_int_equal(h->event_count, 5);
    for (size_t i = 0; i < h->event_count; i++) {
        assert_int_equal(h->events[i].index, index);
    }
}

static void a_sync_is_applied_once_also_after_a_restart(void **state)
{
    struct harness *h = *state;
    struct list list = {0};

    for (int i = 0; i < 3; i++) {
        append(&list, add("c", 1));
        assert_int_equal(send_list(h, 5, &list)->code, 0);
        assert_true(h->f.result.found == (i == 0));
        assert_true(h->f.result.replayed == (i != 0));
        assert_int_equal(count_of(h, "c"), 1);
        harness_restart(h);
    }
    append(&list, add("c", 1));
    assert_true(send_list(h, 0, &list)->found); /* 0 is an id like any other */
    append(&list, add("c", 1));
    assert_true(send_list(h, UINT64_MAX, &list)->found);
    assert_int_equal(count_of(h, "c"), 3);
    assert_true(send_list(h, 6, &list)->found); /* an empty one */
    assert_true(send_list(h, 6, &list)->replayed);
}

/* A sync with a put before and behind the operation in question. */
static const struct vxc_result *sync_with(struct harness *h, uint64_t id,
                                          struct vxc_command operation)
{
    struct list list = {0};

    append(&list, fixture_command(VXC_OP_MAP_PUT, "untouched", "k", "v"));
    append(&list, operation);
    append(&list, fixture_command(VXC_OP_MULTIMAP_PUT, "untouched", "k", "v"));
    return send_list(h, id, &list);
}

static void expect_refused(struct harness *h, struct vxc_command operation, int code)
{
    uint64_t before = digest(h);
    struct list empty = {0};

    assert_int_equal(sync_with(h, 9, operation)->code, code);
    assert_false(has(h, VXC_OP_MAP_CONTAINS, "untouched", "k", NULL));
    assert_true(digest(h) == before);
    assert_true(send_list(h, 9, &empty)->found); /* the id counts as not seen */
}

static void what_has_no_place_in_it_refuses_all_of_it(void **state)
{
    struct harness *h = *state;

    expect_refused(h, fixture_command(VXC_OP_MAP_GET, "m", "k", NULL), VXC_EINVAL);
}

static void sessions_and_members_have_no_place_in_it(void **state)
{
    struct harness *h = *state;
    static const uint16_t ops[] = {
        VXC_OP_BOOTSTRAP,     VXC_OP_NAMESPACE_ENSURE, VXC_OP_CHECKPOINT,    VXC_OP_MEMBER_SET,
        VXC_OP_MEMBER_FORGET, VXC_OP_SESSION_OPEN,     VXC_OP_SESSION_CLOSE, VXC_OP_SESSION_EXPIRE,
        VXC_OP_LOCK_ACQUIRE,  VXC_OP_LOCK_CANCEL,      VXC_OP_LOCK_RELEASE,  VXC_OP_NODE_JOIN,
        VXC_OP_NODE_LEAVE,    VXC_OP_REGISTRATION_ADD, VXC_OP_WATCH_ADD,     VXC_OP_DUMP};
    uint64_t before = digest(h);

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        assert_int_equal(sync_with(h, i, (struct vxc_command){.op = ops[i], .a = 1})->code,
                         VXC_EINVAL);
    }
    assert_true(digest(h) == before);
}

static void a_held_lock_that_should_go_refuses_all_of_it(void **state)
{
    struct harness *h = *state;

    (void)acquire(h, open_session(h, "holder"), "lock", 1, -1);
    expect_refused(h, fixture_command(VXC_OP_LOCK_DESTROY, "lock", NULL, NULL), VXC_EBUSY);
}

static void a_used_up_quota_refuses_all_of_it(void **state)
{
    struct harness *h = *state;

    h->f.fsm->quota_bytes = 40;
    expect_refused(h,
                   fixture_command(VXC_OP_MULTIMAP_PUT, "mm", "k", "a value of over thirty bytes"),
                   VXC_ENOSPC);
    h->f.fsm->quota_bytes = 100; /* a lock costs 96 and its name */
    assert_int_equal(sync_with(h, 1, fixture_command(VXC_OP_LOCK_CREATE, "lock", NULL, NULL))->code,
                     VXC_ENOSPC);
    assert_false(has(h, VXC_OP_LOCK_INFO, "lock", NULL, NULL));
}

static void a_wrong_time_to_live_refuses_all_of_it(void **state)
{
    struct harness *h = *state;
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m", "k", "v");

    put.a = -1;
    expect_refused(h, put, VXC_EINVAL);
}

static void too_many_operations_are_refused(void **state)
{
    struct harness *h = *state;
    struct list list = {0};

    for (unsigned i = 0; i < VXC_TRANSACTION_OPS_MAX + 1; i++) {
        append(&list, add("c", 1));
    }
    assert_int_equal(send_list(h, 1, &list)->code, VXC_ELIMIT);
    for (unsigned i = 0; i < VXC_TRANSACTION_OPS_MAX; i++) {
        append(&list, add("c", 1));
    }
    assert_true(send_list(h, 1, &list)->found);
    assert_int_equal(count_of(h, "c"), VXC_TRANSACTION_OPS_MAX);
}

static void lists_do_not_nest(void **state)
{
    struct harness *h = *state;
    struct list list = {0};
    struct vxc_command outer = {.op = VXC_OP_STATE_SYNC, .a = 1};

    (void)h;
    append(&list, (struct vxc_command){.op = VXC_OP_STATE_SYNC, .a = 2});
    outer.value = vxc_buffer_slice(&list.bytes);
    assert_int_equal(vxc_entry_add(&h->f.entry, &outer), VXC_EINVAL);
    outer.op = VXC_OP_TRANSACTION;
    assert_int_equal(vxc_entry_add(&h->f.entry, &outer), VXC_EINVAL);
    outer.op = VXC_OP_STATE_SYNC;
    outer.value = text("junk");
    assert_int_equal(vxc_entry_add(&h->f.entry, &outer), VXC_EINVAL);
    vxc_buffer_free(&list.bytes);
}

static void the_last_ids_are_kept_and_the_oldest_go(void **state)
{
    struct harness *h = *state;
    struct list list = {0};

    for (uint64_t id = 1; id <= VXC_STATE_SYNCS_KEPT + 3; id++) {
        append(&list, add("c", 1));
        assert_true(send_list(h, id, &list)->found);
    }
    assert_int_equal(count_rows(h, VXC_DB_CLUSTER, "s"), VXC_STATE_SYNCS_KEPT);
    for (int i = 0; i < 2; i++) {
        assert_true(send_list(h, 4, &list)->replayed);
        assert_true(send_list(h, VXC_STATE_SYNCS_KEPT + 3, &list)->replayed);
        harness_restart(h);
    }
    assert_true(send_list(h, 3, &list)->found);
    assert_true(send_list(h, 4, &list)->found); /* went when 3 came in */
    assert_true(send_list(h, 6, &list)->replayed);
    assert_int_equal(count_rows(h, VXC_DB_CLUSTER, "s"), VXC_STATE_SYNCS_KEPT);
}

static void operations_are_of_the_namespace_of_the_sync(void **state)
{
    struct harness *h = *state;
    struct list list = {0};
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m", "k", "v");
    struct vxc_command get = fixture_command(VXC_OP_MAP_CONTAINS, "m", "k", NULL);
    uint64_t id =
        (uint64_t)harness_run(h, fixture_command(VXC_OP_NAMESPACE_ENSURE, "space", NULL, NULL))
            ->number;

    put.namespace_id = 99;
    append(&list, put);
    assert_true(harness_run(h, (struct vxc_command){.op = VXC_OP_STATE_SYNC,
                                                    .namespace_id = id,
                                                    .value = vxc_buffer_slice(&list.bytes)})
                    ->found);
    assert_false(harness_ask(h, get)->found);
    get.namespace_id = id;
    assert_true(harness_ask(h, get)->found);
    vxc_buffer_free(&list.bytes);
}

static void the_row_of_a_sync_is_shown(void **state)
{
    struct harness *h = *state;
    struct list list = {0};
    struct vxc_command query = {.op = VXC_OP_DUMP};
    const struct vxc_result *r;
    char expected[80];

    (void)snprintf(expected, sizeof expected,
                   "{\"db\":\"cluster\",\"state_sync\":77,\"order\":1,\"index\":%u}",
                   (unsigned)h->f.index);
    (void)send_list(h, 77, &list);
    r = harness_ask(h, query);
    assert_slice_is(fixture_item(r->value, fixture_count(r->value) - 1), expected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_kinds_of_writes_are_one_unit),
        TEST(a_sync_is_applied_once_also_after_a_restart),
        TEST(what_has_no_place_in_it_refuses_all_of_it),
        TEST(sessions_and_members_have_no_place_in_it),
        TEST(a_held_lock_that_should_go_refuses_all_of_it),
        TEST(a_used_up_quota_refuses_all_of_it),
        TEST(a_wrong_time_to_live_refuses_all_of_it),
        TEST(too_many_operations_are_refused),
        TEST(lists_do_not_nest),
        TEST(the_last_ids_are_kept_and_the_oldest_go),
        TEST(operations_are_of_the_namespace_of_the_sync),
        TEST(the_row_of_a_sync_is_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
