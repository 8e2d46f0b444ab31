#include "fixture.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The lines of a whole dump, each parsed. */
static json_t *dump(struct fixture *f, uint64_t limits)
{
    struct vxc_command query = {.op = VXC_OP_DUMP, .b = limits};
    struct vxc_buffer cursor = {0};
    json_t *lines = json_array();

    do {
        const struct vxc_result *r = fixture_ask(f, &query);
        assert_int_equal(r->code, 0);
        for (uint32_t i = 0; i < fixture_count(r->value); i += 2) {
            struct vxc_slice db = fixture_item(r->value, i);
            struct vxc_slice line = fixture_item(r->value, i + 1);
            json_t *parsed = json_loadb((const char *)line.data, line.size, JSON_ALLOW_NUL, NULL);
            assert_non_null(parsed);
            assert_slice_is(db, json_string_value(json_object_get(parsed, "db")));
            json_array_append_new(lines, parsed);
        }
        vxc_buffer_clear(&cursor);
        (void)vxc_buffer_append(&cursor, r->next.data, r->next.size);
        query.key = r->next.data == NULL ? r->next : vxc_buffer_slice(&cursor);
    } while (query.key.data != NULL);
    vxc_buffer_free(&cursor);
    return lines;
}

/* The line whose members `name` and (when given) `key` are these strings. */
static json_t *find(json_t *lines, const char *member, const char *name, const char *key)
{
    size_t i;
    json_t *line;

    json_array_foreach(lines, i, line)
    {
        const char *found_name = json_string_value(json_object_get(line, member));
        const char *found_key = json_string_value(json_object_get(line, "key"));
        bool same_key =
            key == NULL ? found_key == NULL : found_key != NULL && strcmp(found_key, key) == 0;
        if (found_name != NULL && strcmp(found_name, name) == 0 && same_key) {
            return line;
        }
    }
    return NULL;
}

static void fill(struct fixture *f)
{
    static const uint8_t binary[] = {0xff, 0x00, 0x10};
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m\n", "k\"ö", "v");
    struct vxc_command raw = fixture_command(VXC_OP_MAP_PUT, "m\n", "raw", NULL);
    struct vxc_command add = fixture_command(VXC_OP_SET_ADD, "s", "member", NULL);
    struct vxc_command multi = fixture_command(VXC_OP_MULTIMAP_PUT, "mm", "k", "v");
    struct vxc_command count = fixture_command(VXC_OP_COUNTER_ADD, "c", NULL, NULL);

    put.a = 5000;
    raw.value = vxc_slice(binary, sizeof binary);
    count.a = -3;
    (void)fixture_run(f, &put);
    (void)fixture_run(f, &raw);
    (void)fixture_run(f, &add);
    (void)fixture_run(f, &multi);
    (void)fixture_run(f, &count);
}

static void a_dump_shows_every_kind_of_row(void **state)
{
    struct fixture *f = *state;
    json_t *lines, *line;

    fill(f);
    lines = dump(f, 0);
    line = find(lines, "map", "m\n", NULL);
    assert_int_equal(json_integer_value(json_object_get(line, "count")), 2);
    line = find(lines, "map", "m\n", "k\"ö");
    assert_string_equal(json_string_value(json_object_get(line, "value")), "v");
    assert_int_equal(json_integer_value(json_object_get(line, "expires_at_ms")), 6000);
    line = find(lines, "map", "m\n", "raw");
    assert_null(json_object_get(line, "value"));
    assert_string_equal(json_string_value(json_object_get(line, "value64")), "/wAQ");
    line = find(lines, "multimap", "mm", "k");
    assert_string_equal(json_string_value(json_object_get(line, "value")), "v");
    line = find(lines, "counter", "c", NULL);
    assert_int_equal(json_integer_value(json_object_get(line, "value")), -3);
    assert_non_null(find(lines, "set", "s", NULL));
    assert_non_null(find(lines, "kind", "map entry", NULL));
    json_decref(lines);
}

static void pages_of_a_dump_add_up_to_the_whole(void **state)
{
    struct fixture *f = *state;
    json_t *whole, *pieces;

    fill(f);
    fixture_commit(f);
    fill(f);
    whole = dump(f, 0);
    pieces = dump(f, 1ull << 32);
    assert_true(json_array_size(whole) > 8);
    assert_true(json_equal(whole, pieces));
    json_decref(whole);
    json_decref(pieces);
}

static void rows_of_cleared_generations_are_not_shown(void **state)
{
    struct fixture *f = *state;
    struct vxc_command clear = fixture_command(VXC_OP_MAP_CLEAR, "m\n", NULL, NULL);
    json_t *lines;

    fill(f);
    (void)fixture_run(f, &clear);
    lines = dump(f, 0);
    assert_null(find(lines, "map", "m\n", "raw"));
    assert_non_null(find(lines, "map", "m\n", NULL));
    json_decref(lines);
}

static void a_command_is_one_line(void **state)
{
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m", "k", "\x01");
    struct vxc_command transaction = {.op = VXC_OP_TRANSACTION};
    struct vxc_buffer out = {0}, item = {0}, list = {0};
    json_t *parsed, *then;

    (void)state;
    put.session = 7;
    assert_int_equal(vxc_command_describe(&put, &out), 0);
    assert_slice_is(vxc_buffer_slice(&out),
                    "{\"op\":\"map put\",\"namespace\":0,\"session\":7,\"name\":\"m\","
                    "\"key\":\"k\",\"value\":\"\\u0001\"}");
    assert_int_equal(vxc_command_encode(&put, &item), 0);
    assert_int_equal(vxc_buffer_put_u32(&list, 2), 0);
    assert_int_equal(vxc_buffer_put_bytes(&list, vxc_buffer_slice(&item)), 0);
    assert_int_equal(vxc_buffer_put_bytes(&list, vxc_buffer_slice(&item)), 0);
    transaction.value = vxc_buffer_slice(&list);
    vxc_buffer_clear(&out);
    assert_int_equal(vxc_command_describe(&transaction, &out), 0);
    parsed = json_loadb((const char *)out.data, out.size, 0, NULL);
    assert_non_null(parsed);
    then = json_object_get(parsed, "then");
    assert_int_equal(json_array_size(then), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(then, 1), "key")), "k");
    json_decref(parsed);
    vxc_buffer_free(&out);
    vxc_buffer_free(&item);
    vxc_buffer_free(&list);
}

static void a_member_is_shown_by_the_names_of_its_fields(void **state)
{
    static const uint8_t life[8] = {3};
    struct vxc_command set = {.op = VXC_OP_MEMBER_SET,
                              .a = 2,
                              .b = 0xfedcba9876543210,
                              .name = text("b:1"),
                              .value = {life, sizeof life}};
    struct vxc_buffer out = {0};

    (void)state;
    assert_int_equal(vxc_command_describe(&set, &out), 0);
    assert_slice_is(vxc_buffer_slice(&out),
                    "{\"op\":\"member set\",\"member\":2,\"address\":\"b:1\","
                    "\"incarnation\":\"fedcba9876543210\",\"life\":3}");
    vxc_buffer_free(&out);
}

static void a_state_sync_shows_its_operations(void **state)
{
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m", "k", "v");
    struct vxc_command sync = {.op = VXC_OP_STATE_SYNC, .a = 3};
    struct vxc_buffer out = {0}, item = {0}, list = {0};

    (void)state;
    assert_int_equal(vxc_command_encode(&put, &item), 0);
    assert_int_equal(vxc_buffer_put_u32(&list, 1), 0);
    assert_int_equal(vxc_buffer_put_bytes(&list, vxc_buffer_slice(&item)), 0);
    sync.value = vxc_buffer_slice(&list);
    assert_int_equal(vxc_command_describe(&sync, &out), 0);
    assert_slice_is(vxc_buffer_slice(&out),
                    "{\"op\":\"state sync\",\"namespace\":0,\"a\":3,\"operations\":["
                    "{\"op\":\"map put\",\"namespace\":0,\"name\":\"m\",\"key\":\"k\","
                    "\"value\":\"v\"}]}");
    vxc_buffer_free(&out);
    vxc_buffer_free(&item);
    vxc_buffer_free(&list);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_dump_shows_every_kind_of_row),
        T(pages_of_a_dump_add_up_to_the_whole),
        T(rows_of_cleared_generations_are_not_shown),
        T(a_command_is_one_line),
        T(a_member_is_shown_by_the_names_of_its_fields),
        T(a_state_sync_shows_its_operations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
