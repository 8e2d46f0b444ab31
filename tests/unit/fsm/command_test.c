#include "fsm/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct vxc_slice text(const char *string)
{
    return vxc_slice_of_string(string);
}

static struct vxc_command full_command(void)
{
    return (struct vxc_command){
        .op = VXC_OP_MAP_REPLACE_IF,
        .flags = VXC_COMMAND_WANT_OLD,
        .namespace_id = 2,
        .session = 3,
        .sequence = 4,
        .floor = 5,
        .a = -6,
        .b = UINT64_MAX,
        .name = text("name"),
        .key = text(""),
        .value = text("value"),
        .expect = text("expect"),
    };
}

static void assert_same_slice(struct vxc_slice a, struct vxc_slice b)
{
    assert_int_equal(a.data == NULL, b.data == NULL);
    assert_true(vxc_slice_equal(a, b));
}

static void assert_same(const struct vxc_command *a, const struct vxc_command *b)
{
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->namespace_id, b->namespace_id);
    assert_int_equal(a->session, b->session);
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->floor, b->floor);
    assert_int_equal(a->a, b->a);
    assert_int_equal(a->b, b->b);
    assert_same_slice(a->name, b->name);
    assert_same_slice(a->key, b->key);
    assert_same_slice(a->value, b->value);
    assert_same_slice(a->expect, b->expect);
}

static void a_command_survives_the_round_trip(void **state)
{
    struct vxc_command command = full_command(), decoded;
    struct vxc_command bare = {.op = VXC_OP_MAP_CLEAR};
    struct vxc_buffer out = {0};

    (void)state;
    assert_int_equal(vxc_command_encode(&command, &out), 0);
    assert_int_equal(vxc_command_decode(vxc_buffer_slice(&out), &decoded), 0);
    assert_same(&command, &decoded);
    vxc_buffer_clear(&out);
    assert_int_equal(vxc_command_encode(&bare, &out), 0);
    assert_int_equal(out.size, 4);
    assert_int_equal(vxc_command_decode(vxc_buffer_slice(&out), &decoded), 0);
    assert_same(&bare, &decoded);
    vxc_buffer_free(&out);
}

static void the_encoding_is_the_documented_one(void **state)
{
    const uint8_t expected[] = {21, 0, 0x82, 0x03, 7, 0, 0, 0, 0,   0, 0, 0, 1,
                                0,  0, 0,    'm',  1, 0, 0, 0, 'k', 0, 0, 0, 0};
    struct vxc_command command = {.op = VXC_OP_MAP_PUT,
                                  .namespace_id = 7,
                                  .name = text("m"),
                                  .key = text("k"),
                                  .value = text("")};
    struct vxc_buffer out = {0};

    (void)state;
    assert_int_equal(vxc_command_encode(&command, &out), 0);
    assert_int_equal(out.size, sizeof expected);
    assert_memory_equal(out.data, expected, sizeof expected);
    vxc_buffer_free(&out);
}

static void every_truncation_is_refused(void **state)
{
    struct vxc_command command = full_command(), decoded;
    struct vxc_buffer out = {0};

    (void)state;
    assert_int_equal(vxc_command_encode(&command, &out), 0);
    for (size_t size = 0; size < out.size; size++) {
        assert_int_equal(vxc_command_decode(vxc_slice(out.data, size), &decoded), VXC_ECORRUPT);
    }
    (void)vxc_buffer_put_u8(&out, 0);
    assert_int_equal(vxc_command_decode(vxc_buffer_slice(&out), &decoded), VXC_ECORRUPT);
    vxc_buffer_free(&out);
}

static void what_encode_would_not_write_is_refused(void **state)
{
    const uint8_t unknown_op[] = {0x0f, 0x27, 0, 0};
    const uint8_t unknown_field[] = {27, 0, 0, 0x80};
    const uint8_t zero_word[] = {27, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct vxc_command decoded;

    (void)state;
    assert_int_equal(vxc_command_decode(vxc_slice(unknown_op, 4), &decoded), VXC_EVERSION);
    assert_int_equal(vxc_command_decode(vxc_slice(unknown_field, 4), &decoded), VXC_ECORRUPT);
    assert_int_equal(vxc_command_decode(vxc_slice(zero_word, 12), &decoded), VXC_ECORRUPT);
}

static void bounds_are_held_when_encoding(void **state)
{
    uint8_t *large = calloc(1, VXC_VALUE_SIZE_MAX + 1);
    struct vxc_command command = {.op = VXC_OP_MAP_PUT};
    struct vxc_buffer out = {0};

    (void)state;
    command.key = vxc_slice(large, VXC_KEY_SIZE_MAX);
    command.name = vxc_slice(large, VXC_NAME_SIZE_MAX);
    command.value = vxc_slice(large, VXC_VALUE_SIZE_MAX);
    assert_int_equal(vxc_command_encode(&command, &out), 0);
    vxc_buffer_clear(&out);
    command.expect = command.value; /* each fits, all together do not fit an entry */
    assert_int_equal(vxc_command_encode(&command, &out), VXC_ETOOBIG);
    command.expect = vxc_slice(NULL, 0);
    command.key.size++;
    assert_int_equal(vxc_command_encode(&command, &out), VXC_ETOOBIG);
    command.key.size--;
    command.name.size++;
    assert_int_equal(vxc_command_encode(&command, &out), VXC_ETOOBIG);
    command.name.size--;
    command.value.size++;
    assert_int_equal(vxc_command_encode(&command, &out), VXC_ETOOBIG);
    assert_int_equal(out.size, 0);
    vxc_buffer_free(&out);
    free(large);
}

static struct vxc_slice list_of(struct vxc_buffer *list, const struct vxc_command *command)
{
    struct vxc_buffer item = {0};

    assert_int_equal(vxc_command_encode(command, &item), 0);
    vxc_buffer_clear(list);
    assert_int_equal(vxc_buffer_put_u32(list, 1), 0);
    assert_int_equal(vxc_buffer_put_bytes(list, vxc_buffer_slice(&item)), 0);
    vxc_buffer_free(&item);
    return vxc_buffer_slice(list);
}

static void nested_lists_are_checked_at_the_gate(void **state)
{
    struct vxc_command put = {.op = VXC_OP_MAP_PUT, .name = text("m")};
    struct vxc_command transaction = {.op = VXC_OP_TRANSACTION}, nesting = transaction, decoded;
    struct vxc_buffer list = {0}, outer = {0}, out = {0};

    (void)state;
    transaction.value = list_of(&list, &put);
    assert_int_equal(vxc_command_encode(&transaction, &out), 0);
    assert_int_equal(vxc_command_decode(vxc_buffer_slice(&out), &decoded), 0);
    /* an operation of a later version, inside: the whole command is one of a later version */
    vxc_store_u16(out.data + out.size - list.size + 8, 9999);
    assert_int_equal(vxc_command_decode(vxc_buffer_slice(&out), &decoded), VXC_EVERSION);
    vxc_buffer_clear(&out);
    nesting.value = list_of(&outer, &transaction);
    assert_int_equal(vxc_command_encode(&nesting, &out), VXC_EINVAL);
    transaction.value.size--;
    assert_int_equal(vxc_command_encode(&transaction, &out), VXC_EINVAL);
    transaction.value = text("junk");
    assert_int_equal(vxc_command_encode(&transaction, &out), VXC_EINVAL);
    vxc_buffer_free(&list);
    vxc_buffer_free(&outer);
    vxc_buffer_free(&out);
}

static void an_entry_gives_back_its_commands(void **state)
{
    struct vxc_command command = full_command(), decoded;
    struct vxc_entry_head head;
    struct vxc_buffer entry = {0};
    struct vxc_slice rest, bytes;

    (void)state;
    assert_int_equal(vxc_entry_begin(&entry), 0);
    for (int i = 0; i < 3; i++) {
        command.a = i;
        assert_int_equal(vxc_entry_add(&entry, &command), 0);
    }
    vxc_entry_finish(&entry, 12345, 3);
    assert_int_equal(vxc_entry_read_head(vxc_buffer_slice(&entry), &head, &rest), 0);
    assert_int_equal(head.stamp_ms, 12345);
    assert_int_equal(head.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(vxc_entry_next(&rest, &bytes), 0);
        assert_int_equal(vxc_command_decode(bytes, &decoded), 0);
        assert_int_equal(decoded.a, i);
    }
    assert_int_equal(rest.size, 0);
    assert_int_equal(vxc_entry_next(&rest, &bytes), VXC_ECORRUPT);
    entry.data[0] = 2;
    assert_int_equal(vxc_entry_read_head(vxc_buffer_slice(&entry), &head, &rest), VXC_EVERSION);
    vxc_buffer_free(&entry);
}

static void results_survive_the_round_trip(void **state)
{
    struct vxc_result result = {.found = true,
                                .number = -1,
                                .token = 9,
                                .index = 77,
                                .value = text(""),
                                .next = text("next")};
    struct vxc_result decoded, nothing = {0}, failed = {.code = VXC_ENOSPC, .text = "full"};
    struct vxc_buffer out = {0};

    (void)state;
    assert_int_equal(vxc_result_encode(&result, &out), 0);
    assert_int_equal(vxc_result_decode(vxc_buffer_slice(&out), &decoded), 0);
    assert_true(decoded.found);
    assert_int_equal(decoded.number, -1);
    assert_int_equal(decoded.token, 9);
    assert_int_equal(decoded.index, 77);
    assert_same_slice(decoded.value, result.value);
    assert_same_slice(decoded.next, result.next);
    for (size_t size = 0; size < out.size; size++) {
        assert_int_equal(vxc_result_decode(vxc_slice(out.data, size), &decoded), VXC_ECORRUPT);
    }
    vxc_buffer_clear(&out);
    assert_int_equal(vxc_result_encode(&nothing, &out), 0);
    assert_int_equal(out.size, 1);
    vxc_buffer_clear(&out);
    assert_int_equal(vxc_result_encode(&failed, &out), 0);
    assert_int_equal(vxc_result_decode(vxc_buffer_slice(&out), &decoded), 0);
    assert_int_equal(decoded.code, VXC_ENOSPC);
    assert_string_equal(decoded.text, "no space");
    vxc_buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_survives_the_round_trip),
        cmocka_unit_test(the_encoding_is_the_documented_one),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(what_encode_would_not_write_is_refused),
        cmocka_unit_test(bounds_are_held_when_encoding),
        cmocka_unit_test(nested_lists_are_checked_at_the_gate),
        cmocka_unit_test(an_entry_gives_back_its_commands),
        cmocka_unit_test(results_survive_the_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
