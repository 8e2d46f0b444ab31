#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct vxc_result *put(struct fixture *f, const char *key, const char *value,
                                    int64_t ttl_ms)
{
    struct vxc_command c = fixture_command(VXC_OP_MAP_PUT, "m", key, value);

    c.a = ttl_ms;
    c.flags = VXC_COMMAND_WANT_OLD;
    return fixture_run(f, &c);
}

static const struct vxc_result *get(struct fixture *f, const char *key)
{
    struct vxc_command c = fixture_command(VXC_OP_MAP_GET, "m", key, NULL);

    return fixture_ask(f, &c);
}

static int64_t size_of(struct fixture *f)
{
    struct vxc_command c = fixture_command(VXC_OP_MAP_SIZE, "m", NULL, NULL);

    return fixture_ask(f, &c)->number;
}

static void put_gives_the_old_value_when_asked(void **state)
{
    struct fixture *f = *state;
    const struct vxc_result *r = put(f, "k", "1", 0);

    assert_int_equal(r->code, 0);
    assert_false(r->found);
    assert_null(r->value.data);
    r = put(f, "k", "2", 0);
    assert_true(r->found);
    assert_slice_is(r->value, "1");
    assert_int_equal(r->index, f->index - 1);
    assert_slice_is(get(f, "k")->value, "2");
    assert_int_equal(size_of(f), 1);
}

static void empty_keys_and_values_are_values(void **state)
{
    struct fixture *f = *state;

    (void)put(f, "", "", 0);
    assert_true(get(f, "")->found);
    assert_non_null(f->result.value.data);
    assert_int_equal(f->result.value.size, 0);
    assert_false(get(f, "x")->found);
}

static void put_if_absent_leaves_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct vxc_command c = fixture_command(VXC_OP_MAP_PUT_IF_ABSENT, "m", "k", "new");

    (void)put(f, "k", "old", 50);
    c.flags = VXC_COMMAND_WANT_OLD;
    c.a = 100000;
    assert_true(fixture_run(f, &c)->found);
    assert_slice_is(f->result.value, "old");
    fixture_pass_time(f, 50);
    assert_false(get(f, "k")->found); /* the ttl of the first put still held */
    assert_false(fixture_run(f, &c)->found);
    assert_slice_is(get(f, "k")->value, "new");
}

static void remove_and_replace_act_only_on_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct vxc_command remove = fixture_command(VXC_OP_MAP_REMOVE, "m", "k", NULL);
    struct vxc_command replace = fixture_command(VXC_OP_MAP_REPLACE, "m", "k", "2");

    remove.flags = replace.flags = VXC_COMMAND_WANT_OLD;
    assert_false(fixture_run(f, &remove)->found);
    assert_false(fixture_run(f, &replace)->found);
    assert_int_equal(size_of(f), 0);
    (void)put(f, "k", "1", 0);
    assert_true(fixture_run(f, &replace)->found);
    assert_slice_is(f->result.value, "1");
    assert_true(fixture_run(f, &remove)->found);
    assert_slice_is(f->result.value, "2");
    assert_int_equal(size_of(f), 0);
}

static void conditional_writes_compare_bytes(void **state)
{
    struct fixture *f = *state;
    struct vxc_command replace_if = fixture_command(VXC_OP_MAP_REPLACE_IF, "m", "k", "2");
    struct vxc_command remove_if = fixture_command(VXC_OP_MAP_REMOVE_IF, "m", "k", NULL);

    replace_if.expect = remove_if.expect = text("1");
    assert_false(fixture_run(f, &replace_if)->found);
    assert_false(fixture_run(f, &remove_if)->found);
    (void)put(f, "k", "1", 0);
    assert_true(fixture_run(f, &replace_if)->found);
    assert_false(fixture_run(f, &replace_if)->found);
    assert_false(fixture_run(f, &remove_if)->found);
    assert_slice_is(get(f, "k")->value, "2");
    remove_if.expect = text("2");
    assert_true(fixture_run(f, &remove_if)->found);
    assert_false(get(f, "k")->found);
}

static void a_put_without_ttl_cancels_the_ttl(void **state)
{
    struct fixture *f = *state;

    (void)put(f, "k", "1", 10);
    (void)put(f, "k", "2", 0);
    assert_true(vxc_fsm_next_deadline_ms(f->fsm) == UINT64_MAX);
    fixture_pass_time(f, 1000);
    assert_slice_is(get(f, "k")->value, "2");
}

static void a_ttl_counts_from_the_stamp_of_its_write(void **state)
{
    struct fixture *f = *state;

    (void)put(f, "k", "1", 0);
    (void)put(f, "k", "2", 10);
    fixture_pass_time(f, 9);
    assert_true(get(f, "k")->found);
    fixture_pass_time(f, 1);
    assert_false(get(f, "k")->found);
    assert_int_equal(size_of(f), 0);
    assert_true(vxc_fsm_next_deadline_ms(f->fsm) == UINT64_MAX);
}

static void a_negative_ttl_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(put(f, "k", "1", -1)->code, VXC_EINVAL);
    assert_non_null(f->result.text);
    assert_false(get(f, "k")->found);
}

static void clear_empties_in_one_step_and_forgets_ttls(void **state)
{
    struct fixture *f = *state;
    struct vxc_command clear = fixture_command(VXC_OP_MAP_CLEAR, "m", NULL, NULL);

    (void)put(f, "a", "1", 10);
    (void)put(f, "b", "2", 0);
    assert_int_equal(fixture_run(f, &clear)->number, 2);
    assert_int_equal(size_of(f), 0);
    assert_false(get(f, "a")->found);
    (void)put(f, "a", "3", 0);
    fixture_pass_time(f, 100); /* the deadline of the entry before the clear means nothing */
    assert_slice_is(get(f, "a")->value, "3");
    fixture_restart(f);
    assert_slice_is(get(f, "a")->value, "3");
    assert_false(get(f, "b")->found);
}

static void destroy_frees_name_and_quota(void **state)
{
    struct fixture *f = *state;
    struct vxc_command destroy = fixture_command(VXC_OP_MAP_DESTROY, "m", NULL, NULL);
    struct vxc_command create = fixture_command(VXC_OP_MAP_CREATE, "m", NULL, NULL);
    struct vxc_fsm_stats stats;

    assert_false(fixture_run(f, &destroy)->found);
    assert_true(fixture_run(f, &create)->found);
    assert_false(fixture_run(f, &create)->found);
    (void)put(f, "a", "1", 10);
    assert_true(fixture_run(f, &destroy)->found);
    vxc_fsm_stats(f->fsm, &stats);
    assert_int_equal(stats.quota_bytes_used, 0);
    assert_int_equal(stats.objects, 0);
    fixture_pass_time(f, 100);
    assert_false(get(f, "a")->found);
}

static void the_quota_refuses_growth_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct vxc_command remove = fixture_command(VXC_OP_MAP_REMOVE, "m", "k", NULL);

    f->fsm->quota_bytes = 10;
    (void)put(f, "k", "12345678", 0); /* with the name: 10 bytes */
    assert_int_equal(put(f, "j", "", 0)->code, VXC_ENOSPC);
    assert_int_equal(put(f, "k", "123456789", 0)->code, VXC_ENOSPC);
    assert_slice_is(get(f, "k")->value, "12345678");
    assert_int_equal(put(f, "k", "87654321", 0)->code, 0);
    assert_int_equal(put(f, "k", "1", 0)->code, 0);
    assert_true(fixture_run(f, &remove)->found);
}

static void long_keys_are_told_apart_by_their_whole(void **state)
{
    struct fixture *f = *state;
    char *a = malloc(VXC_KEY_SIZE_MAX + 1);
    char *b = malloc(VXC_KEY_SIZE_MAX + 1);

    memset(a, 'x', VXC_KEY_SIZE_MAX);
    a[VXC_KEY_SIZE_MAX] = '\0';
    memcpy(b, a, VXC_KEY_SIZE_MAX + 1);
    b[VXC_KEY_SIZE_MAX - 1] = 'y';
    (void)put(f, a, "1", 0);
    (void)put(f, b, "2", 0);
    fixture_restart(f);
    assert_slice_is(get(f, a)->value, "1");
    assert_slice_is(get(f, b)->value, "2");
    a[440] = '\0'; /* the longest that is stored plainly */
    assert_false(get(f, a)->found);
    (void)put(f, a, "3", 0);
    assert_slice_is(get(f, a)->value, "3");
    assert_int_equal(size_of(f), 3);
    free(a);
    free(b);
}

static void keys_with_one_hash_are_refused_and_not_mixed_up(void **state)
{
    struct fixture *f = *state;
    struct vxc_row_key row;
    uint8_t head[9 + 4] = {2, 1}; /* flags, version, size of the full key */
    char key[501], other[501];

    memset(key, 'k', 500);
    key[500] = '\0';
    memcpy(other, key, sizeof key);
    other[499] = 'o';
    (void)put(f, key, "1", 0);
    /* Nobody knows two such keys: forge the row of one under the hash of the other. */
    vxc_row_key_begin(&row);
    vxc_row_key_u64(&row, 1);
    vxc_row_key_u64(&row, 1);
    vxc_row_key_user(&row, text(other));
    vxc_store_u32(head + 9, 500);
    vxc_table_put(f->table, VXC_DB_MAPS, vxc_row_key_slice(&row), vxc_slice(head, sizeof head),
                  text(key));
    assert_int_equal(get(f, other)->code, VXC_ECONFLICT);
    assert_int_equal(put(f, other, "2", 0)->code, VXC_ECONFLICT);
    assert_slice_is(get(f, key)->value, "1");
}

static void scans_come_in_pages_in_key_order(void **state)
{
    struct fixture *f = *state;
    struct vxc_command scan = fixture_command(VXC_OP_MAP_SCAN, "m", NULL, NULL);
    struct vxc_buffer cursor = {0};
    const char *keys[] = {"", "a", "aa", "b", "c"};

    for (int i = 4; i >= 0; i--) {
        (void)put(f, keys[i], "v", 0);
        if (i == 2) {
            fixture_commit(f); /* some rows come from the store, some from memory */
        }
    }
    scan.a = VXC_SCAN_ENTRIES;
    scan.b = 2ull << 32;
    for (int page = 0; page < 3; page++) {
        const struct vxc_result *r = fixture_ask(f, &scan);
        int64_t rows = page == 2 ? 1 : 2;
        assert_int_equal(r->number, rows);
        assert_int_equal(fixture_count(r->value), 2 * rows);
        assert_slice_is(fixture_item(r->value, 0), keys[2 * page]);
        assert_slice_is(fixture_item(r->value, 1), "v");
        assert_int_equal(r->next.data != NULL, page < 2);
        vxc_buffer_clear(&cursor);
        (void)vxc_buffer_append(&cursor, r->next.data, r->next.size);
        scan.key = vxc_buffer_slice(&cursor);
    }
    vxc_buffer_free(&cursor);
    scan.key = text("?");
    assert_int_equal(fixture_ask(f, &scan)->code, VXC_EINVAL);
}

static void a_page_holds_at_least_one_row(void **state)
{
    struct fixture *f = *state;
    struct vxc_command scan = fixture_command(VXC_OP_MAP_SCAN, "m", NULL, NULL);

    (void)put(f, "a", "a long value", 0);
    (void)put(f, "b", "another one", 0);
    scan.a = VXC_SCAN_VALUES;
    scan.b = 1; /* byte */
    assert_int_equal(fixture_ask(f, &scan)->number, 1);
    assert_slice_is(fixture_item(f->result.value, 0), "a long value");
    assert_non_null(f->result.next.data);
}

static void namespaces_keep_maps_apart(void **state)
{
    struct fixture *f = *state;
    struct vxc_command ensure = fixture_command(VXC_OP_NAMESPACE_ENSURE, "app", NULL, NULL);
    struct vxc_command other = fixture_command(VXC_OP_MAP_GET, "m", "k", NULL);
    int64_t id = fixture_run(f, &ensure)->number;

    assert_true(id > 0);
    assert_int_equal(fixture_run(f, &ensure)->number, id);
    assert_true(f->result.found);
    (void)put(f, "k", "1", 0);
    other.namespace_id = (uint64_t)id;
    assert_false(fixture_ask(f, &other)->found);
    ensure.op = VXC_OP_NAMESPACE_LIST;
    assert_int_equal(fixture_ask(f, &ensure)->number, 2);
    assert_slice_is(fixture_item(f->result.value, 2), "app");
}

static void lists_show_count_and_bytes(void **state)
{
    struct fixture *f = *state;
    struct vxc_command list = fixture_command(VXC_OP_MAP_LIST, NULL, NULL, NULL);
    struct vxc_slice sizes;

    (void)put(f, "key", "value", 0);
    fixture_commit(f);
    (void)put(f, "key2", "", 0);
    assert_int_equal(fixture_ask(f, &list)->number, 1);
    assert_slice_is(fixture_item(f->result.value, 0), "m");
    sizes = fixture_item(f->result.value, 1);
    assert_int_equal(sizes.size, 16);
    assert_int_equal(vxc_load_u64(sizes.data), 2);
    assert_int_equal(vxc_load_u64(sizes.data + 8), 12);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(put_gives_the_old_value_when_asked),
        T(empty_keys_and_values_are_values),
        T(put_if_absent_leaves_what_is_there),
        T(remove_and_replace_act_only_on_what_is_there),
        T(conditional_writes_compare_bytes),
        T(a_put_without_ttl_cancels_the_ttl),
        T(a_ttl_counts_from_the_stamp_of_its_write),
        T(a_negative_ttl_is_refused),
        T(clear_empties_in_one_step_and_forgets_ttls),
        T(destroy_frees_name_and_quota),
        T(the_quota_refuses_growth_and_nothing_else),
        T(long_keys_are_told_apart_by_their_whole),
        T(keys_with_one_hash_are_refused_and_not_mixed_up),
        T(scans_come_in_pages_in_key_order),
        T(a_page_holds_at_least_one_row),
        T(namespaces_keep_maps_apart),
        T(lists_show_count_and_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
