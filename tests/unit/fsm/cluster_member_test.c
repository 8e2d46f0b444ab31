/* The replicated table of the cluster's members: who may come back, who may not, what lasts. */
#include "harness.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/limits.h"
#include "fsm/restore.h"

static const struct vxc_result *set(struct harness *h, int64_t id, uint64_t incarnation,
                                    uint64_t life, const char *address)
{
    uint8_t life_bytes[8];
    struct vxc_command c = {
        .op = VXC_OP_MEMBER_SET, .a = id, .b = incarnation, .name = text(address)};

    vxc_store_u64(life_bytes, life);
    if (life != 0) {
        c.value = vxc_slice(life_bytes, sizeof life_bytes);
    }
    return harness_run(h, c);
}

static const struct vxc_result *forget(struct harness *h, int64_t id)
{
    return harness_run(h, (struct vxc_command){.op = VXC_OP_MEMBER_FORGET, .a = id});
}

static struct vxc_member_view member(struct harness *h, uint64_t id)
{
    struct vxc_member_view view;

    assert_int_equal(vxc_fsm_member(h->f.fsm, id, &view), 0);
    assert_int_equal(view.id, id);
    return view;
}

static void note_id(void *data, const struct vxc_member_view *view)
{
    char *ids = data;
    size_t used = strlen(ids);

    (void)snprintf(ids + used, 200 - used, "%s%" PRIu64 "%s", used == 0 ? "" : " ", view->id,
                   view->gone ? "-" : "");
}

static void expect_members(struct harness *h, const char *expected)
{
    char ids[200] = "";

    vxc_fsm_each_member(h->f.fsm, note_id, ids);
    assert_string_equal(ids, expected);
}

static void members_come_by_id_and_last(void **state)
{
    struct harness *h = *state;
    struct vxc_member_view view;

    assert_true(set(h, 2, 22, 1, "b:2")->found);
    assert_true(set(h, 300, 33, 7, "c:3")->found);
    assert_true(set(h, 1, 11, 1, "a:1")->found);
    for (int i = 0; i < 2; i++) {
        expect_members(h, "1 2 300");
        view = member(h, 300);
        assert_int_equal(view.incarnation, 33);
        assert_int_equal(view.life, 7);
        assert_false(view.gone);
        assert_slice_is(view.address, "c:3");
        assert_int_equal(vxc_fsm_member(h->f.fsm, 3, &view), VXC_ENOTFOUND);
        harness_restart(h);
    }
}

static void only_what_is_given_changes(void **state)
{
    struct harness *h = *state;

    (void)set(h, 1, 11, 4, "a:1");
    assert_true(set(h, 1, 0, 0, "b:1")->found);
    assert_slice_is(member(h, 1).address, "b:1");
    assert_int_equal(member(h, 1).incarnation, 11);
    assert_int_equal(member(h, 1).life, 4);
    assert_true(set(h, 1, 11, 5, NULL)->found);
    assert_slice_is(member(h, 1).address, "b:1");
    assert_int_equal(member(h, 1).life, 5);
    assert_false(set(h, 1, 11, 5, "b:1")->found); /* no news */
    assert_int_equal(h->f.result.code, 0);
}

static void an_incarnation_is_set_once(void **state)
{
    struct harness *h = *state;

    (void)set(h, 1, 0, 0, "a:1");
    assert_int_equal(member(h, 1).incarnation, 0);
    assert_true(set(h, 1, 11, 1, "a:1")->found);
    assert_int_equal(set(h, 1, 12, 2, "b:1")->code, VXC_ECONFLICT);
    harness_restart(h);
    assert_int_equal(set(h, 1, UINT64_MAX, 2, "b:1")->code, VXC_ECONFLICT);
    assert_int_equal(member(h, 1).incarnation, 11);
    assert_int_equal(member(h, 1).life, 1); /* and nothing else of it was taken */
    assert_slice_is(member(h, 1).address, "a:1");
}

static void a_life_only_rises(void **state)
{
    struct harness *h = *state;

    (void)set(h, 1, 11, 5, "a:1");
    assert_int_equal(set(h, 1, 11, 4, "b:1")->code, VXC_ECONFLICT);
    assert_slice_is(member(h, 1).address, "a:1"); /* an announcement that was overtaken */
    assert_int_equal(set(h, 1, 11, UINT64_MAX, "b:1")->code, 0);
    assert_true(member(h, 1).life == UINT64_MAX);
}

static void who_is_gone_never_comes_back(void **state)
{
    struct harness *h = *state;

    (void)set(h, 1, 11, 1, "a:1");
    (void)set(h, 2, 22, 1, "b:2");
    assert_true(forget(h, 1)->found);
    assert_false(forget(h, 1)->found); /* is gone already */
    assert_int_equal(h->f.result.code, 0);
    assert_true(forget(h, 9)->found); /* nobody had announced it */
    for (int i = 0; i < 2; i++) {
        expect_members(h, "1- 2 9-");
        assert_true(member(h, 1).gone);
        assert_int_equal(member(h, 1).incarnation, 11);
        assert_int_equal(set(h, 1, 11, 2, "a:1")->code, VXC_EEXISTS);
        assert_int_equal(set(h, 1, 99, 1, "a:1")->code, VXC_EEXISTS);
        assert_int_equal(set(h, 9, 0, 0, "c:9")->code, VXC_EEXISTS);
        harness_restart(h);
    }
}

static void what_cannot_be_a_member_is_refused(void **state)
{
    struct harness *h = *state;
    char address[VXC_MEMBER_ADDRESS_SIZE_MAX + 2];
    struct vxc_command c = {.op = VXC_OP_MEMBER_SET, .a = 1, .value = text("seven..")};

    memset(address, 'x', sizeof address);
    address[sizeof address - 1] = '\0';
    assert_int_equal(set(h, 0, 1, 1, "a:1")->code, VXC_EINVAL);
    assert_int_equal(set(h, -1, 1, 1, "a:1")->code, VXC_EINVAL);
    assert_int_equal(set(h, (int64_t)UINT32_MAX + 1, 1, 1, "a:1")->code, VXC_EINVAL);
    assert_int_equal(forget(h, 0)->code, VXC_EINVAL);
    assert_int_equal(set(h, 1, 1, 1, address)->code, VXC_EINVAL);
    assert_int_equal(harness_run(h, c)->code, VXC_EINVAL);
    expect_members(h, "");
    address[sizeof address - 2] = '\0';
    assert_int_equal(set(h, 1, 1, 1, address)->code, 0);
    assert_int_equal(member(h, 1).address.size, VXC_MEMBER_ADDRESS_SIZE_MAX);
}

static void there_is_a_bound_for_members_but_a_removed_one_gives_room(void **state)
{
    struct harness *h = *state;
    char address[32];

    for (unsigned i = 1; i <= VXC_MEMBERS_MAX; i++) {
        (void)snprintf(address, sizeof address, "a:%u", i);
        assert_int_equal(set(h, i, i, 1, address)->code, 0);
    }
    assert_int_equal(set(h, 1000, 1, 1, "b:1")->code, VXC_ELIMIT);
    assert_int_equal(set(h, 1, 1, 2, "b:1")->code, 0); /* no new one */
    assert_int_equal(forget(h, 5)->code, 0);
    assert_int_equal(set(h, 1000, 1, 1, "b:1")->code, 0);
    harness_restart(h);
    assert_int_equal(set(h, 1001, 1, 1, "b:2")->code, VXC_ELIMIT);
}

static void there_is_a_bound_for_those_who_are_gone(void **state)
{
    struct harness *h = *state;

    for (unsigned i = 1; i <= VXC_MEMBERS_FORGOTTEN_MAX; i++) {
        assert_int_equal(forget(h, i)->code, 0);
    }
    assert_int_equal(forget(h, VXC_MEMBERS_FORGOTTEN_MAX + 1)->code, VXC_ELIMIT);
    assert_int_equal(forget(h, 1)->code, 0);
    assert_int_equal(set(h, VXC_MEMBERS_FORGOTTEN_MAX + 1, 1, 1, "a:1")->code, 0);
    harness_restart(h);
    assert_int_equal(forget(h, VXC_MEMBERS_FORGOTTEN_MAX + 1)->code, VXC_ELIMIT);
}

static uint64_t digest(struct harness *h)
{
    fixture_commit(&h->f);
    return vxc_store_digest(h->f.store);
}

static void members_are_in_the_digest(void **state)
{
    struct harness *h = *state;
    uint64_t before = digest(h);
    uint64_t with_one;

    (void)set(h, 1, 11, 1, "a:1");
    with_one = digest(h);
    assert_true(with_one != before);
    (void)set(h, 1, 11, 2, "a:1");
    assert_true(digest(h) != with_one);
    with_one = digest(h);
    (void)set(h, 1, 11, 2, "a:1");
    assert_true(digest(h) == with_one);
    (void)forget(h, 1);
    assert_true(digest(h) != with_one);
}

static void a_new_cluster_knows_no_member_of_the_old_one(void **state)
{
    struct harness *h = *state;
    struct vxc_fsm_restore_options options = {.configuration = text("alone"),
                                              .reason = text("restored by a test")};
    struct vxc_fsm_restore_report report;
    struct vxc_error err = {0};

    (void)set(h, 1, 11, 1, "a:1");
    (void)set(h, 2, 22, 1, "b:2");
    (void)forget(h, 2);
    fixture_commit(&h->f);
    vxc_fsm_free(h->f.fsm);
    vxc_table_free(h->f.table);
    assert_int_equal(vxc_fsm_restore(h->f.store, &options, &report, &err), 0);
    assert_int_equal(vxc_table_create(h->f.store, 1u << 20, &h->f.table), 0);
    assert_int_equal(vxc_fsm_create(h->f.table, &h->f.fsm, &err), 0);
    h->f.index = report.restored_index + 1;
    harness_restart(h);
    expect_members(h, "");
    assert_int_equal(count_rows(h, VXC_DB_CLUSTER, ""), 0);
    assert_int_equal(set(h, 2, 99, 1, "c:2")->code, 0); /* an id of the old cluster, used anew */
}

static void rows_are_shown(void **state)
{
    struct harness *h = *state;
    struct vxc_command query = {.op = VXC_OP_DUMP};
    const struct vxc_result *r;

    (void)set(h, 1, 0xfedcba9876543210, 3, "a:1");
    (void)forget(h, 2);
    r = harness_ask(h, query);
    for (uint32_t i = 0; i + 2 < fixture_count(r->value); i += 2) {
        struct vxc_slice line = fixture_item(r->value, i + 1);
        json_t *parsed = json_loadb((const char *)line.data, line.size, 0, NULL);
        assert_non_null(parsed);
        json_decref(parsed);
    }
    assert_slice_is(fixture_item(r->value, fixture_count(r->value) - 3),
                    "{\"db\":\"cluster\",\"member\":1,\"address\":\"a:1\","
                    "\"incarnation\":\"fedcba9876543210\",\"life\":3,\"gone\":false}");
    assert_slice_is(fixture_item(r->value, fixture_count(r->value) - 1),
                    "{\"db\":\"cluster\",\"member\":2,\"address\":\"\","
                    "\"incarnation\":\"0000000000000000\",\"life\":0,\"gone\":true}");
}

static void a_damaged_row_is_no_member(void **state)
{
    struct harness *h = *state;
    struct vxc_error err = {0};

    vxc_table_put(h->f.table, VXC_DB_CLUSTER, text("m1234567"), text("short"), text(""));
    fixture_commit(&h->f);
    vxc_fsm_free(h->f.fsm);
    assert_int_equal(vxc_fsm_create(h->f.table, &h->f.fsm, &err), VXC_ECORRUPT);
    assert_string_equal(err.text, "cluster: a member cannot be read");
    vxc_table_del(h->f.table, VXC_DB_CLUSTER, text("m1234567"));
    assert_int_equal(vxc_fsm_create(h->f.table, &h->f.fsm, &err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(members_come_by_id_and_last),
        TEST(only_what_is_given_changes),
        TEST(an_incarnation_is_set_once),
        TEST(a_life_only_rises),
        TEST(who_is_gone_never_comes_back),
        TEST(what_cannot_be_a_member_is_refused),
        TEST(there_is_a_bound_for_members_but_a_removed_one_gives_room),
        TEST(there_is_a_bound_for_those_who_are_gone),
        TEST(members_are_in_the_digest),
        TEST(a_new_cluster_knows_no_member_of_the_old_one),
        TEST(rows_are_shown),
        TEST(a_damaged_row_is_no_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
