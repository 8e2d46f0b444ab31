#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct vxc_result *add(struct fixture *f, const char *name, int64_t delta, bool old)
{
    struct vxc_command c = fixture_command(VXC_OP_COUNTER_ADD, name, NULL, NULL);

    c.a = delta;
    c.flags = old ? VXC_COMMAND_WANT_OLD : 0;
    return fixture_run(f, &c);
}

static const struct vxc_result *get(struct fixture *f, const char *name)
{
    struct vxc_command c = fixture_command(VXC_OP_COUNTER_GET, name, NULL, NULL);

    return fixture_ask(f, &c);
}

static const struct vxc_result *cas(struct fixture *f, int64_t expect, int64_t value)
{
    struct vxc_command c = fixture_command(VXC_OP_COUNTER_CAS, "c", NULL, NULL);

    c.a = expect;
    c.b = (uint64_t)value;
    return fixture_run(f, &c);
}

static void an_absent_counter_is_zero(void **state)
{
    struct fixture *f = *state;

    assert_false(get(f, "c")->found);
    assert_int_equal(f->result.number, 0);
    assert_true(cas(f, 0, 5)->found);
    assert_int_equal(get(f, "c")->number, 5);
    assert_true(f->result.found);
}

static void add_gives_the_new_value_or_the_old(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add(f, "c", 3, false)->number, 3);
    assert_int_equal(add(f, "c", -5, true)->number, 3);
    assert_int_equal(get(f, "c")->number, -2);
    fixture_restart(f);
    assert_int_equal(get(f, "c")->number, -2);
}

static void compare_and_set_needs_the_expected_value(void **state)
{
    struct fixture *f = *state;

    assert_false(cas(f, 1, 2)->found);
    assert_false(get(f, "c")->found); /* a compare that fails creates nothing */
    (void)add(f, "c", 1, false);
    assert_false(cas(f, 0, 9)->found);
    assert_int_equal(f->result.number, 1);
    assert_true(cas(f, 1, -9)->found);
    assert_int_equal(get(f, "c")->number, -9);
}

static void sums_wrap_around_at_64_bits(void **state)
{
    struct fixture *f = *state;

    (void)add(f, "c", INT64_MAX, false);
    assert_true(add(f, "c", 1, false)->number == INT64_MIN);
    assert_true(add(f, "c", -1, false)->number == INT64_MAX);
}

static void destroy_starts_it_over(void **state)
{
    struct fixture *f = *state;
    struct vxc_command c = fixture_command(VXC_OP_COUNTER_DESTROY, "c", NULL, NULL);
    struct vxc_fsm_stats stats;

    assert_false(fixture_run(f, &c)->found);
    (void)add(f, "c", 7, false);
    assert_true(fixture_run(f, &c)->found);
    vxc_fsm_stats(f->fsm, &stats);
    assert_int_equal(stats.counters, 0);
    assert_int_equal(stats.quota_bytes_used, 0);
    assert_int_equal(add(f, "c", 1, false)->number, 1);
}

static void the_list_gives_names_and_values(void **state)
{
    struct fixture *f = *state;
    struct vxc_command list = fixture_command(VXC_OP_COUNTER_LIST, NULL, NULL, NULL);
    char name[1001];

    memset(name, 'n', 1000);
    name[1000] = '\0';
    (void)add(f, name, 1, false);
    (void)add(f, "", 2, false);
    assert_int_equal(fixture_ask(f, &list)->number, 2);
    assert_slice_is(fixture_item(f->result.value, 0), "");
    assert_int_equal(vxc_load_u64(fixture_item(f->result.value, 1).data), 2);
    assert_slice_is(fixture_item(f->result.value, 2), name);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(an_absent_counter_is_zero),
        T(add_gives_the_new_value_or_the_old),
        T(compare_and_set_needs_the_expected_value),
        T(sums_wrap_around_at_64_bits),
        T(destroy_starts_it_over),
        T(the_list_gives_names_and_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
