#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct vxc_result *run(struct fixture *f, uint16_t op, const char *key)
{
    struct vxc_command c = fixture_command(op, "s", key, NULL);

    return vxc_op_is_query(op) ? fixture_ask(f, &c) : fixture_run(f, &c);
}

static void a_member_is_added_once(void **state)
{
    struct fixture *f = *state;

    assert_true(run(f, VXC_OP_SET_ADD, "a")->found);
    assert_false(run(f, VXC_OP_SET_ADD, "a")->found);
    assert_true(run(f, VXC_OP_SET_CONTAINS, "a")->found);
    assert_false(run(f, VXC_OP_SET_CONTAINS, "b")->found);
    assert_int_equal(run(f, VXC_OP_SET_SIZE, NULL)->number, 1);
}

static void a_member_is_removed_once(void **state)
{
    struct fixture *f = *state;

    assert_false(run(f, VXC_OP_SET_REMOVE, "a")->found);
    (void)run(f, VXC_OP_SET_ADD, "a");
    fixture_restart(f);
    assert_true(run(f, VXC_OP_SET_REMOVE, "a")->found);
    assert_false(run(f, VXC_OP_SET_REMOVE, "a")->found);
    assert_int_equal(run(f, VXC_OP_SET_SIZE, NULL)->number, 0);
}

static void members_come_in_order(void **state)
{
    struct fixture *f = *state;

    (void)run(f, VXC_OP_SET_ADD, "b");
    (void)run(f, VXC_OP_SET_ADD, "");
    (void)run(f, VXC_OP_SET_ADD, "a");
    assert_int_equal(run(f, VXC_OP_SET_SCAN, NULL)->number, 3);
    assert_slice_is(fixture_item(f->result.value, 0), "");
    assert_slice_is(fixture_item(f->result.value, 2), "b");
    assert_null(f->result.next.data);
}

static void clear_and_destroy_work_as_for_maps(void **state)
{
    struct fixture *f = *state;

    assert_true(run(f, VXC_OP_SET_CREATE, NULL)->found);
    (void)run(f, VXC_OP_SET_ADD, "b");
    assert_int_equal(run(f, VXC_OP_SET_CLEAR, NULL)->number, 1);
    assert_false(run(f, VXC_OP_SET_CONTAINS, "b")->found);
    assert_true(run(f, VXC_OP_SET_DESTROY, NULL)->found);
    assert_int_equal(run(f, VXC_OP_SET_LIST, NULL)->number, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_member_is_added_once),
        T(a_member_is_removed_once),
        T(members_come_in_order),
        T(clear_and_destroy_work_as_for_maps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
