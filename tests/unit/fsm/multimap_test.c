#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct vxc_result *run(struct fixture *f, uint16_t op, const char *key,
                                    const char *value)
{
    struct vxc_command c = fixture_command(op, "mm", key, value);

    return vxc_op_is_query(op) ? fixture_ask(f, &c) : fixture_run(f, &c);
}

static const struct vxc_result *scan(struct fixture *f, enum vxc_scan_what what)
{
    struct vxc_command c = fixture_command(VXC_OP_MULTIMAP_SCAN, "mm", NULL, NULL);

    c.a = (int64_t)what;
    return fixture_ask(f, &c);
}

static void a_key_holds_several_values_each_once(void **state)
{
    struct fixture *f = *state;

    assert_true(run(f, VXC_OP_MULTIMAP_PUT, "k", "1")->found);
    assert_true(run(f, VXC_OP_MULTIMAP_PUT, "k", "2")->found);
    assert_false(run(f, VXC_OP_MULTIMAP_PUT, "k", "2")->found);
    assert_true(run(f, VXC_OP_MULTIMAP_PUT, "j", "2")->found);
    assert_int_equal(run(f, VXC_OP_MULTIMAP_SIZE, NULL, NULL)->number, 3);
    assert_int_equal(run(f, VXC_OP_MULTIMAP_KEY_SIZE, "k", NULL)->number, 2);
    assert_int_equal(run(f, VXC_OP_MULTIMAP_GET, "k", NULL)->number, 2);
    assert_slice_is(fixture_item(f->result.value, 0), "1");
    assert_slice_is(fixture_item(f->result.value, 1), "2");
    assert_true(run(f, VXC_OP_MULTIMAP_CONTAINS_KEY, "j", NULL)->found);
    assert_false(run(f, VXC_OP_MULTIMAP_CONTAINS_KEY, "i", NULL)->found);
    assert_true(run(f, VXC_OP_MULTIMAP_CONTAINS_VALUE, NULL, "2")->found);
    assert_false(run(f, VXC_OP_MULTIMAP_CONTAINS_VALUE, NULL, "3")->found);
    assert_true(run(f, VXC_OP_MULTIMAP_CONTAINS_ENTRY, "k", "1")->found);
    assert_false(run(f, VXC_OP_MULTIMAP_CONTAINS_ENTRY, "j", "1")->found);
}

static void the_last_value_takes_its_key_along(void **state)
{
    struct fixture *f = *state;

    (void)run(f, VXC_OP_MULTIMAP_PUT, "k", "1");
    (void)run(f, VXC_OP_MULTIMAP_PUT, "k", "2");
    assert_true(run(f, VXC_OP_MULTIMAP_REMOVE, "k", "1")->found);
    assert_false(run(f, VXC_OP_MULTIMAP_REMOVE, "k", "1")->found);
    assert_true(run(f, VXC_OP_MULTIMAP_CONTAINS_KEY, "k", NULL)->found);
    assert_true(run(f, VXC_OP_MULTIMAP_REMOVE, "k", "2")->found);
    assert_false(run(f, VXC_OP_MULTIMAP_CONTAINS_KEY, "k", NULL)->found);
    assert_int_equal(scan(f, VXC_SCAN_KEYS)->number, 0);
}

static void remove_key_removes_its_values_and_no_others(void **state)
{
    struct fixture *f = *state;

    (void)run(f, VXC_OP_MULTIMAP_PUT, "k", "1");
    (void)run(f, VXC_OP_MULTIMAP_PUT, "k", "2");
    (void)run(f, VXC_OP_MULTIMAP_PUT, "kk", "3");
    fixture_commit(f);
    (void)run(f, VXC_OP_MULTIMAP_PUT, "k", "4");
    assert_int_equal(run(f, VXC_OP_MULTIMAP_REMOVE_KEY, "k", NULL)->number, 3);
    assert_false(run(f, VXC_OP_MULTIMAP_REMOVE_KEY, "k", NULL)->found);
    assert_int_equal(run(f, VXC_OP_MULTIMAP_SIZE, NULL, NULL)->number, 1);
    assert_true(run(f, VXC_OP_MULTIMAP_CONTAINS_ENTRY, "kk", "3")->found);
    fixture_restart(f);
    assert_int_equal(scan(f, VXC_SCAN_ENTRIES)->number, 1);
    assert_slice_is(fixture_item(f->result.value, 0), "kk");
    assert_slice_is(fixture_item(f->result.value, 1), "3");
}

static void keys_come_once_and_in_order(void **state)
{
    struct fixture *f = *state;

    (void)run(f, VXC_OP_MULTIMAP_PUT, "b", "1");
    (void)run(f, VXC_OP_MULTIMAP_PUT, "b", "2");
    (void)run(f, VXC_OP_MULTIMAP_PUT, "aa", "3");
    assert_int_equal(scan(f, VXC_SCAN_KEYS)->number, 2);
    assert_slice_is(fixture_item(f->result.value, 0), "aa");
    assert_slice_is(fixture_item(f->result.value, 1), "b");
    assert_int_equal(scan(f, VXC_SCAN_VALUES)->number, 3);
    assert_slice_is(fixture_item(f->result.value, 0), "1");
}

static void long_keys_and_values_keep_their_whole(void **state)
{
    struct fixture *f = *state;
    char *key = malloc(VXC_KEY_SIZE_MAX + 1);
    char *value = malloc(VXC_KEY_SIZE_MAX + 1);

    memset(key, 'k', VXC_KEY_SIZE_MAX);
    memset(value, 'v', VXC_KEY_SIZE_MAX);
    key[VXC_KEY_SIZE_MAX] = value[VXC_KEY_SIZE_MAX] = '\0';
    assert_true(run(f, VXC_OP_MULTIMAP_PUT, key, value)->found);
    value[VXC_KEY_SIZE_MAX - 1] = 'w';
    assert_false(run(f, VXC_OP_MULTIMAP_CONTAINS_ENTRY, key, value)->found);
    assert_true(run(f, VXC_OP_MULTIMAP_PUT, key, value)->found);
    fixture_restart(f);
    assert_int_equal(run(f, VXC_OP_MULTIMAP_KEY_SIZE, key, NULL)->number, 2);
    assert_true(run(f, VXC_OP_MULTIMAP_CONTAINS_ENTRY, key, value)->found);
    assert_int_equal(scan(f, VXC_SCAN_KEYS)->number, 1);
    assert_slice_is(fixture_item(f->result.value, 0), key);
    assert_true(run(f, VXC_OP_MULTIMAP_REMOVE, key, value)->found);
    free(key);
    free(value);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_key_holds_several_values_each_once),        T(the_last_value_takes_its_key_along),
        T(remove_key_removes_its_values_and_no_others), T(keys_come_once_and_in_order),
        T(long_keys_and_values_keep_their_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
