#include "client/payload.h"

#include "base/limits.h"
#include "wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const int operations[] = {
    VXC_CALL_NAMESPACE_LIST,
    VXC_CALL_SESSION_LIST,
    VXC_CALL_SESSION_GET,
    VXC_CALL_SESSION_EXPIRE,
    VXC_CALL_MAP_GET,
    VXC_CALL_MAP_CONTAINS,
    VXC_CALL_MAP_PUT,
    VXC_CALL_MAP_PUT_IF_ABSENT,
    VXC_CALL_MAP_REMOVE,
    VXC_CALL_MAP_REMOVE_IF,
    VXC_CALL_MAP_REPLACE,
    VXC_CALL_MAP_REPLACE_IF,
    VXC_CALL_MAP_SIZE,
    VXC_CALL_MAP_CLEAR,
    VXC_CALL_MAP_SCAN,
    VXC_CALL_MAP_DESTROY,
    VXC_CALL_MAP_LIST,
    VXC_CALL_MAP_CREATE,
    VXC_CALL_SET_ADD,
    VXC_CALL_SET_REMOVE,
    VXC_CALL_SET_CONTAINS,
    VXC_CALL_SET_SIZE,
    VXC_CALL_SET_CLEAR,
    VXC_CALL_SET_SCAN,
    VXC_CALL_SET_DESTROY,
    VXC_CALL_SET_LIST,
    VXC_CALL_SET_CREATE,
    VXC_CALL_MULTIMAP_PUT,
    VXC_CALL_MULTIMAP_REMOVE,
    VXC_CALL_MULTIMAP_REMOVE_KEY,
    VXC_CALL_MULTIMAP_GET,
    VXC_CALL_MULTIMAP_CONTAINS_KEY,
    VXC_CALL_MULTIMAP_CONTAINS_VALUE,
    VXC_CALL_MULTIMAP_CONTAINS_ENTRY,
    VXC_CALL_MULTIMAP_SIZE,
    VXC_CALL_MULTIMAP_KEY_SIZE,
    VXC_CALL_MULTIMAP_SCAN,
    VXC_CALL_MULTIMAP_CLEAR,
    VXC_CALL_MULTIMAP_DESTROY,
    VXC_CALL_MULTIMAP_LIST,
    VXC_CALL_MULTIMAP_CREATE,
    VXC_CALL_COUNTER_GET,
    VXC_CALL_COUNTER_ADD,
    VXC_CALL_COUNTER_COMPARE_AND_SET,
    VXC_CALL_COUNTER_LIST,
    VXC_CALL_COUNTER_DESTROY,
    VXC_CALL_LOCK_ACQUIRE,
    VXC_CALL_LOCK_CANCEL,
    VXC_CALL_LOCK_RELEASE,
    VXC_CALL_LOCK_GET,
    VXC_CALL_LOCK_LIST,
    VXC_CALL_LOCK_DESTROY,
    VXC_CALL_REGISTRATION_ADD,
    VXC_CALL_REGISTRATION_REMOVE,
    VXC_CALL_REGISTRATION_GET,
    VXC_CALL_REGISTRATION_LIST,
    VXC_CALL_NODE_JOIN,
    VXC_CALL_NODE_SET_INFO,
    VXC_CALL_NODE_GET,
    VXC_CALL_NODE_LIST,
    VXC_CALL_NODE_LEAVE,
    VXC_CALL_WATCH_ADD,
    VXC_CALL_WATCH_REMOVE,
    VXC_CALL_TRANSACTION,
    VXC_CALL_STATUS,
    VXC_CALL_DUMP,
    VXC_CALL_SNAPSHOT_BEGIN,
    VXC_CALL_SNAPSHOT_GET,
    VXC_CALL_SNAPSHOT_READ,
    VXC_CALL_SNAPSHOT_END,
    VXC_CALL_MEMBER_LIST,
    VXC_CALL_MEMBER_ADD,
    VXC_CALL_MEMBER_PROMOTE,
    VXC_CALL_MEMBER_REMOVE,
    VXC_CALL_MEMBER_TRANSFER,
    VXC_CALL_CHECKPOINT,
};

#define OPERATIONS_COUNT (sizeof operations / sizeof operations[0])

/* Every field is filled with something of its own; returns how many bytes of text were used. */
static struct vxc_request full_request(int operation)
{
    struct vxc_request r = vxc_request(operation);
    r.name = vxc_text("the name");
    r.key = vxc_text("the key");
    r.value = vxc_text("the value");
    r.expected = vxc_text("the expected");
    r.cursor = vxc_text("the cursor");
    r.number = -5;
    r.expected_number = 77;
    r.id = 0x1122334455667788u;
    r.ttl_ms = 123456;
    r.what = 2;
    r.limit_rows = 11;
    r.limit_bytes = 22;
    r.flags = VXC_REQUEST_WANT_OLD;
    return r;
}

static void every_operation_is_a_message_that_can_be_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPERATIONS_COUNT; i++) {
        const struct vxc_request r = full_request(operations[i]);
        struct vxc_buffer payload = {0};
        struct vxc_error err = {0};
        struct vxc_message m;

        assert_int_equal(vxc_payload_write(&r, &payload, &err), 0);
        assert_int_equal(
            vxc_message_decode((uint16_t)operations[i], vxc_buffer_slice(&payload), &m), 0);
        assert_int_equal(vxc_message_schema((uint16_t)operations[i])->role, VXC_ROLE_REQUEST);
        vxc_buffer_free(&payload);
    }
}

/* No field of the schema is left empty: each finds its value in a full request. */
static void every_field_of_every_operation_is_filled(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPERATIONS_COUNT; i++) {
        const struct vxc_request r = full_request(operations[i]);
        const struct vxc_message_schema *schema = vxc_message_schema((uint16_t)operations[i]);
        const struct vxc_request nothing = vxc_request(operations[i]);
        struct vxc_buffer full = {0}, empty = {0};

        if (operations[i] == VXC_CALL_TRANSACTION) {
            continue; /* its lists have a test of their own */
        }
        assert_int_equal(vxc_payload_write(&r, &full, NULL), 0);
        assert_int_equal(vxc_payload_write(&nothing, &empty, NULL), 0);
        for (uint16_t f = 0; f < schema->fields_count; f++) {
            struct vxc_message a, b;
            assert_int_equal(vxc_message_decode(schema->kind, vxc_buffer_slice(&full), &a), 0);
            assert_int_equal(vxc_message_decode(schema->kind, vxc_buffer_slice(&empty), &b), 0);
            /* Compare the field's first 8 bytes, or fewer for the small types. */
            static const size_t sizes[] = {1, 2, 4, 8, 8, 1, 1, 16, 24, 16, 16, 16, 16, 16, 16};
            const size_t offset = schema->fields[f].offset;
            const uint8_t *in_a = (const uint8_t *)&a.map_get + offset;
            const uint8_t *in_b = (const uint8_t *)&b.map_get + offset;
            if (memcmp(in_a, in_b, sizes[schema->fields[f].type]) == 0) {
                fail_msg("%s.%s is not filled", schema->name, schema->fields[f].name);
            }
        }
        vxc_buffer_free(&full);
        vxc_buffer_free(&empty);
    }
}

static void reads_are_known_from_writes(void **state)
{
    (void)state;
    assert_true(vxc_operation_is_read(VXC_CALL_MAP_GET));
    assert_true(vxc_operation_is_read(VXC_CALL_STATUS));
    assert_false(vxc_operation_is_read(VXC_CALL_MAP_PUT));
    assert_false(vxc_operation_is_read(VXC_CALL_LOCK_ACQUIRE));
    assert_false(vxc_operation_is_read(VXC_CALL_WATCH_ADD));
    assert_false(vxc_operation_is_read(VXC_CALL_TRANSACTION));
    assert_false(vxc_operation_is_read(VXC_CALL_SESSION_EXPIRE));
    assert_true(vxc_operation_is_read(VXC_CALL_MEMBER_LIST));
    for (int operation = VXC_CALL_MEMBER_ADD; operation <= VXC_CALL_MEMBER_TRANSFER; operation++) {
        assert_false(vxc_operation_is_read(operation));
        assert_true(vxc_operation_is_of_members(operation));
    }
    assert_false(vxc_operation_is_of_members(VXC_CALL_MEMBER_LIST));
    assert_false(vxc_operation_is_of_members(VXC_CALL_CHECKPOINT));
}

static void sizes_beyond_the_bounds_are_refused_before_they_travel(void **state)
{
    struct vxc_buffer payload = {0};
    struct vxc_error err = {0};
    struct vxc_request r = vxc_request(VXC_CALL_MAP_PUT);
    char *big = calloc(1, VXC_VALUE_SIZE_MAX + 1);

    (void)state;
    r.name = vxc_text("m");
    r.key = vxc_bytes(big, VXC_KEY_SIZE_MAX);
    r.value = vxc_bytes(big, VXC_VALUE_SIZE_MAX);
    assert_int_equal(vxc_payload_write(&r, &payload, &err), 0);
    vxc_buffer_clear(&payload);
    r.key.size++;
    assert_int_equal(vxc_payload_write(&r, &payload, &err), VXC_ETOOBIG);
    r.key.size--;
    r.value.size++;
    assert_int_equal(vxc_payload_write(&r, &payload, &err), VXC_ETOOBIG);
    r.value.size--;
    r.name = vxc_bytes(big, VXC_NAME_SIZE_MAX + 1);
    assert_int_equal(vxc_payload_write(&r, &payload, &err), VXC_ETOOBIG);
    assert_int_equal(payload.size, 0);
    r = vxc_request(VXC_CALL_SET_ADD);
    r.value = vxc_bytes(big, VXC_KEY_SIZE_MAX + 1);
    assert_int_equal(vxc_payload_write(&r, &payload, &err), VXC_ETOOBIG);
    vxc_buffer_free(&payload);
    free(big);
}

static void what_is_no_request_is_refused(void **state)
{
    struct vxc_buffer payload = {0};
    struct vxc_error err = {0};
    struct vxc_request r = vxc_request(3);

    (void)state;
    assert_int_equal(vxc_payload_write(&r, &payload, &err), VXC_EINVAL);
    r = (struct vxc_request){.operation = VXC_CALL_MAP_GET}; /* not made by vxc_request() */
    assert_int_equal(vxc_payload_write(&r, &payload, &err), VXC_EINVAL);
    vxc_buffer_free(&payload);
}

static void a_transaction_carries_compares_and_both_branches(void **state)
{
    struct vxc_condition_on compares[2] = {{.target = VXC_CALL_MAP_GET,
                                            .condition = VXC_IF_EQUAL,
                                            .name = vxc_text("m"),
                                            .key = vxc_text("k"),
                                            .expected = vxc_text("v")},
                                           {.target = VXC_CALL_COUNTER_GET,
                                            .condition = VXC_IF_LESS,
                                            .name = vxc_text("c"),
                                            .number = 9}};
    struct vxc_request then_calls[1], else_calls[1];
    struct vxc_request r = vxc_request(VXC_CALL_TRANSACTION);
    struct vxc_buffer payload = {0};
    struct vxc_message m, inner;
    struct vxc_slice bytes;
    uint16_t kind;

    (void)state;
    then_calls[0] = full_request(VXC_CALL_MAP_PUT);
    else_calls[0] = full_request(VXC_CALL_SET_ADD);
    r.compares = compares, r.compares_count = 2;
    r.then_calls = then_calls, r.then_count = 1;
    r.else_calls = else_calls, r.else_count = 1;
    assert_int_equal(vxc_payload_write(&r, &payload, NULL), 0);
    assert_int_equal(vxc_message_decode(VXC_KIND_TRANSACTION, vxc_buffer_slice(&payload), &m), 0);
    assert_int_equal(m.transaction.compares.count, 2);
    assert_true(vxc_list_next_message(&m.transaction.compares, &kind, &bytes));
    assert_int_equal(kind, VXC_KIND_COMPARE);
    assert_int_equal(vxc_message_decode(kind, bytes, &inner), 0);
    assert_int_equal(inner.compare.target, VXC_KIND_MAP_GET);
    assert_int_equal(inner.compare.operator, VXC_IF_EQUAL);
    assert_true(vxc_list_next_message(&m.transaction.compares, &kind, &bytes));
    assert_int_equal(vxc_message_decode(kind, bytes, &inner), 0);
    assert_int_equal(inner.compare.number, 9);
    assert_true(vxc_list_next_message(&m.transaction.then_operations, &kind, &bytes));
    assert_int_equal(kind, VXC_KIND_MAP_PUT);
    assert_true(vxc_list_next_message(&m.transaction.else_operations, &kind, &bytes));
    assert_int_equal(kind, VXC_KIND_SET_ADD);
    vxc_buffer_free(&payload);
}

/* ---- replies ---- */

static void read_reply(const struct vxc_message *m, struct vxc_buffer *payload,
                       struct vxc_reply *reply, struct vxc_error *err)
{
    vxc_buffer_clear(payload);
    assert_int_equal(vxc_message_encode(m, payload), 0);
    vxc_payload_read_reply(m->kind, vxc_buffer_slice(payload), reply, err);
}

static void an_empty_value_is_there_and_an_absent_one_is_not(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_VALUE_REPLY};
    struct vxc_buffer payload = {0};
    struct vxc_reply reply;

    (void)state;
    read_reply(&m, &payload, &reply, NULL);
    assert_false(reply.found);
    assert_null(reply.value.data);
    m.value_reply.value.present = true;
    read_reply(&m, &payload, &reply, NULL);
    assert_true(reply.found);
    assert_non_null(reply.value.data);
    assert_int_equal(reply.value.size, 0);
    vxc_buffer_free(&payload);
}

static void an_error_reply_is_never_a_success(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_ERROR_REPLY};
    struct vxc_buffer payload = {0};
    struct vxc_error err = {0};
    struct vxc_reply reply;

    (void)state;
    m.error_reply.code = VXC_ENOSPC;
    m.error_reply.message = vxc_slice_of_string("the disk is full");
    read_reply(&m, &payload, &reply, &err);
    assert_int_equal(reply.code, VXC_ENOSPC);
    assert_string_equal(reply.message, "the disk is full");
    m.error_reply.code = 0;
    read_reply(&m, &payload, &reply, &err);
    assert_int_equal(reply.code, VXC_EPROTO);
    m.error_reply.code = INT64_MAX;
    read_reply(&m, &payload, &reply, &err);
    assert_int_equal(reply.code, VXC_EPROTO);
    vxc_payload_read_reply(9999, vxc_slice("x", 1), &reply, NULL);
    assert_true(reply.code < 0);
    vxc_payload_read_reply(VXC_KIND_PAGE_REPLY, vxc_slice("\xff\xff\xff", 3), &reply, NULL);
    assert_true(reply.code < 0);
    vxc_buffer_free(&payload);
}

static void rows_are_walked_once(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_PAGE_REPLY};
    struct vxc_buffer rows = {0}, payload = {0};
    struct vxc_bytes first, second;
    struct vxc_reply reply;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(vxc_buffer_put_bytes(&rows, vxc_slice_of_string("key")), 0);
        assert_int_equal(vxc_buffer_put_bytes(&rows, vxc_slice_of_string("")), 0);
    }
    m.page_reply.rows = (struct vxc_list){3, vxc_buffer_slice(&rows)};
    read_reply(&m, &payload, &reply, NULL);
    assert_null(reply.next.data);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(reply.rows.count, 3 - i);
        assert_true(vxc_rows_next(&reply.rows, &first, &second));
        assert_memory_equal(first.data, "key", 3);
        assert_int_equal(second.size, 0);
    }
    assert_false(vxc_rows_next(&reply.rows, &first, &second));
    vxc_buffer_free(&rows);
    vxc_buffer_free(&payload);
}

static void a_member_is_read_from_its_record(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_MEMBER_INFO};
    struct vxc_member_record member;
    struct vxc_buffer bytes = {0};

    (void)state;
    m.member_info.id = 7;
    m.member_info.role = VXC_RANK_VOTER;
    m.member_info.address = vxc_slice_of_string("h:7");
    m.member_info.match_index = 99;
    assert_int_equal(vxc_message_encode(&m, &bytes), 0);
    assert_int_equal(vxc_member_record_read(vxc_bytes(bytes.data, bytes.size), &member), 0);
    assert_int_equal(member.id, 7);
    assert_int_equal(member.rank, VXC_RANK_VOTER);
    assert_int_equal(member.match_index, 99);
    assert_int_equal(member.silent_ms, -1);
    assert_memory_equal(member.address.data, "h:7", 3);
    assert_int_equal(vxc_member_record_read(vxc_bytes(bytes.data, 3), &member), VXC_EPROTO);
    bytes.data[8] = 9; /* a role that there is not */
    assert_int_equal(vxc_member_record_read(vxc_bytes(bytes.data, bytes.size), &member),
                     VXC_EPROTO);
    vxc_buffer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_a_message_that_can_be_read),
        cmocka_unit_test(every_field_of_every_operation_is_filled),
        cmocka_unit_test(a_member_is_read_from_its_record),
        cmocka_unit_test(reads_are_known_from_writes),
        cmocka_unit_test(sizes_beyond_the_bounds_are_refused_before_they_travel),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(a_transaction_carries_compares_and_both_branches),
        cmocka_unit_test(an_empty_value_is_there_and_an_absent_one_is_not),
        cmocka_unit_test(an_error_reply_is_never_a_success),
        cmocka_unit_test(rows_are_walked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
