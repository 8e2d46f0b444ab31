#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

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

static struct vxc_command compare(struct vxc_command query, enum vxc_compare how)
{
    query.flags = how;
    return query;
}

static const struct vxc_result *transact(struct fixture *f, const struct list *compares,
                                         const struct list *then, const struct list *otherwise)
{
    struct vxc_command c = {.op = VXC_OP_TRANSACTION};

    c.key = compares == NULL ? vxc_slice(NULL, 0) : vxc_buffer_slice(&compares->bytes);
    c.value = then == NULL ? vxc_slice(NULL, 0) : vxc_buffer_slice(&then->bytes);
    c.expect = otherwise == NULL ? vxc_slice(NULL, 0) : vxc_buffer_slice(&otherwise->bytes);
    return fixture_run(f, &c);
}

static struct vxc_result outcome(struct fixture *f, uint32_t index)
{
    struct vxc_result result;

    assert_int_equal(vxc_result_decode(fixture_item(f->result.value, index), &result), 0);
    return result;
}

static bool holds(struct fixture *f, struct vxc_command query, enum vxc_compare how)
{
    struct list compares = {0};
    bool held;

    append(&compares, compare(query, how));
    held = transact(f, &compares, NULL, NULL)->found;
    assert_int_equal(f->result.code, 0);
    vxc_buffer_free(&compares.bytes);
    return held;
}

static struct vxc_command counter(const char *name, int64_t delta)
{
    struct vxc_command c = fixture_command(VXC_OP_COUNTER_ADD, name, NULL, NULL);

    c.a = delta;
    return c;
}

static void each_operation_sees_the_ones_before_it(void **state)
{
    struct fixture *f = *state;
    struct list then = {0};

    append(&then, fixture_command(VXC_OP_MAP_PUT, "m", "k", "v"));
    append(&then, fixture_command(VXC_OP_MAP_GET, "m", "k", NULL));
    append(&then, fixture_command(VXC_OP_SET_ADD, "s", "a", NULL));
    append(&then, counter("c", 4));
    append(&then, counter("c", 4));
    append(&then, fixture_command(VXC_OP_MAP_SIZE, "m", NULL, NULL));
    assert_true(transact(f, NULL, &then, NULL)->found);
    assert_int_equal(fixture_count(f->result.value), 6);
    assert_slice_is(outcome(f, 1).value, "v");
    assert_true(outcome(f, 2).found);
    assert_int_equal(outcome(f, 4).number, 8);
    assert_int_equal(outcome(f, 5).number, 1);
    vxc_buffer_free(&then.bytes);
}

static void compares_choose_the_list(void **state)
{
    struct fixture *f = *state;
    struct list compares = {0}, then = {0}, otherwise = {0};

    append(&compares, compare(fixture_command(VXC_OP_MAP_GET, "m", "k", NULL), VXC_COMPARE_ABSENT));
    append(&then, fixture_command(VXC_OP_MAP_PUT, "m", "k", "1"));
    append(&otherwise, counter("losers", 1));
    assert_true(transact(f, &compares, &then, &otherwise)->found);
    assert_false(transact(f, &compares, &then, &otherwise)->found);
    assert_int_equal(outcome(f, 0).number, 1);
    vxc_buffer_free(&compares.bytes);
    vxc_buffer_free(&then.bytes);
    vxc_buffer_free(&otherwise.bytes);
}

static void every_compare_means_what_it_says(void **state)
{
    struct fixture *f = *state;
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m", "k", "1");
    struct vxc_command add = counter("c", 5);
    struct vxc_command get = fixture_command(VXC_OP_MAP_GET, "m", "k", NULL);
    struct vxc_command none = fixture_command(VXC_OP_MAP_GET, "m", "j", NULL);
    struct vxc_command count = fixture_command(VXC_OP_COUNTER_GET, "c", NULL, NULL);
    struct vxc_command member = fixture_command(VXC_OP_SET_CONTAINS, "s", "a", NULL);

    (void)fixture_run(f, &put);
    (void)fixture_run(f, &add);
    get.expect = none.expect = text("1");
    assert_true(holds(f, get, VXC_COMPARE_EQUAL));
    assert_false(holds(f, get, VXC_COMPARE_NOT_EQUAL));
    assert_true(holds(f, get, VXC_COMPARE_EXISTS));
    assert_false(holds(f, none, VXC_COMPARE_EQUAL));
    assert_true(holds(f, none, VXC_COMPARE_NOT_EQUAL));
    assert_true(holds(f, none, VXC_COMPARE_ABSENT));
    assert_true(holds(f, member, VXC_COMPARE_ABSENT));
    assert_false(holds(f, member, VXC_COMPARE_EXISTS));
    count.b = 5;
    assert_true(holds(f, count, VXC_COMPARE_EQUAL));
    assert_false(holds(f, count, VXC_COMPARE_LESS));
    count.b = (uint64_t)-1;
    assert_true(holds(f, count, VXC_COMPARE_GREATER));
    assert_true(holds(f, count, VXC_COMPARE_NOT_EQUAL));
}

static void nothing_is_written_when_one_operation_is_refused(void **state)
{
    struct fixture *f = *state;
    struct list then = {0};
    struct vxc_command get = fixture_command(VXC_OP_MAP_GET, "m", "k", NULL);
    struct vxc_command bad = fixture_command(VXC_OP_MAP_PUT, "m", "j", "2");

    append(&then, fixture_command(VXC_OP_MAP_PUT, "m", "k", "1"));
    bad.a = -1;
    append(&then, bad);
    assert_int_equal(transact(f, NULL, &then, NULL)->code, VXC_EINVAL);
    assert_false(fixture_ask(f, &get)->found);
    then.count = 0;
    append(&then, fixture_command(VXC_OP_MAP_PUT, "m", "k", "1"));
    append(&then, fixture_command(VXC_OP_MULTIMAP_PUT, "m", "k", "1"));
    assert_int_equal(transact(f, NULL, &then, NULL)->code, VXC_EINVAL);
    assert_false(fixture_ask(f, &get)->found);
    then.count = 0;
    f->fsm->quota_bytes = 6; /* m k 1 fits, m k 1 j 22 6666 does not */
    append(&then, fixture_command(VXC_OP_MAP_PUT, "m", "k", "1"));
    append(&then, fixture_command(VXC_OP_MAP_PUT, "m", "j", "22666"));
    assert_int_equal(transact(f, NULL, &then, NULL)->code, VXC_ENOSPC);
    assert_false(fixture_ask(f, &get)->found);
    vxc_buffer_free(&then.bytes);
}

static void a_compare_of_another_kind_is_refused(void **state)
{
    struct fixture *f = *state;
    struct list compares = {0};

    append(&compares,
           compare(fixture_command(VXC_OP_SET_CONTAINS, "s", "a", NULL), VXC_COMPARE_LESS));
    assert_int_equal(transact(f, &compares, NULL, NULL)->code, VXC_EINVAL);
    vxc_buffer_free(&compares.bytes);
}

static void the_number_of_operations_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct list then = {0};

    for (unsigned i = 0; i < VXC_TRANSACTION_OPS_MAX; i++) {
        append(&then, counter("c", 1));
    }
    assert_int_equal(transact(f, NULL, &then, NULL)->code, 0);
    assert_int_equal(outcome(f, VXC_TRANSACTION_OPS_MAX - 1).number, VXC_TRANSACTION_OPS_MAX);
    append(&then, counter("c", 1));
    assert_int_equal(transact(f, NULL, &then, NULL)->code, VXC_ELIMIT);
    vxc_buffer_free(&then.bytes);
}

static void answers_that_would_not_fit_a_reply_are_refused_before_the_writes(void **state)
{
    struct fixture *f = *state;
    struct list then = {0};
    size_t size = VXC_VALUE_SIZE_MAX / 2;
    uint8_t *large = calloc(1, size);
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m", "k", NULL);
    struct vxc_command count = fixture_command(VXC_OP_COUNTER_GET, "c", NULL, NULL);

    put.value = vxc_slice(large, size);
    append(&then, counter("c", 1));
    append(&then, put);
    append(&then, fixture_command(VXC_OP_MAP_GET, "m", "k", NULL));
    assert_int_equal(transact(f, NULL, &then, NULL)->code, 0);
    append(&then, fixture_command(VXC_OP_MAP_GET, "m", "k", NULL));
    assert_int_equal(transact(f, NULL, &then, NULL)->code, VXC_ETOOBIG);
    assert_int_equal(fixture_ask(f, &count)->number, 1);
    free(large);
    vxc_buffer_free(&then.bytes);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(each_operation_sees_the_ones_before_it),
        T(compares_choose_the_list),
        T(every_compare_means_what_it_says),
        T(nothing_is_written_when_one_operation_is_refused),
        T(a_compare_of_another_kind_is_refused),
        T(the_number_of_operations_is_bounded),
        T(answers_that_would_not_fit_a_reply_are_refused_before_the_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
