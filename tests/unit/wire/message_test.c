#include "wire/message.h"

#include "base/limits.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define S(text) vxc_slice(text, sizeof(text) - 1)

/* xorshift64: the same bytes in every run. */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void map_get_round_trip_borrows_from_the_payload(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_MAP_GET, .map_get = {.map = S("m"), .key = S("key")}};
    struct vxc_message back;
    struct vxc_buffer out = {0};

    (void)state;
    assert_int_equal(vxc_message_encode(&m, &out), 0);
    assert_int_equal(out.size, vxc_message_payload_size(&m));
    assert_int_equal(vxc_message_decode(VXC_KIND_MAP_GET, vxc_buffer_slice(&out), &back), 0);
    assert_int_equal(back.kind, VXC_KIND_MAP_GET);
    assert_true(vxc_slice_equal(back.map_get.key, S("key")));
    assert_ptr_equal(back.map_get.key.data, out.data + 9);
    vxc_buffer_free(&out);
}

static void unknown_kinds_are_refused(void **state)
{
    struct vxc_message m;
    struct vxc_buffer out = {0};

    (void)state;
    for (uint32_t kind = 0; kind <= UINT16_MAX; kind++) {
        if (vxc_message_schema((uint16_t)kind) == NULL) {
            assert_int_equal(vxc_message_decode((uint16_t)kind, S("\0\0\0\0"), &m), VXC_EKIND);
            m.kind = (uint16_t)kind;
            assert_int_equal(vxc_message_encode(&m, &out), VXC_EKIND);
            assert_int_equal(vxc_message_frame(&m, 0, 0, &out), VXC_EKIND);
            assert_int_equal(out.size, 0);
        }
    }
    vxc_buffer_free(&out);
    assert_null(vxc_message_schema(0));
    assert_null(vxc_message_schema(75));
    assert_null(vxc_message_schema(99));
    assert_null(vxc_message_schema(UINT16_MAX));
}

static void schema_names_kinds_and_replies(void **state)
{
    size_t count;
    const struct vxc_message_schema *all = vxc_message_schemas(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(vxc_message_schema(all[i].kind), &all[i]);
        assert_true(i == 0 || all[i].kind > all[i - 1].kind);
        if (all[i].role == VXC_ROLE_REQUEST) {
            assert_int_equal(vxc_message_schema(all[i].reply)->role, VXC_ROLE_REPLY);
        } else {
            assert_int_equal(all[i].reply, 0);
        }
    }
    for (uint16_t kind = 1; kind <= 74; kind++) {
        assert_non_null(vxc_message_schema(kind));
    }
    assert_string_equal(vxc_message_schema(132)->name, "map_put");
    assert_string_equal(vxc_message_schema(132)->fields[2].name, "value");
    assert_int_equal(vxc_message_schema(132)->fields_count, 5);
}

static void extensions_read_missing_fields_as_absent(void **state)
{
    struct vxc_message m;

    (void)state;
    memset(&m, 0xff, sizeof m);
    assert_int_equal(vxc_message_decode(VXC_KIND_MAP_SCAN, S("\1\0\0\0m\3"), &m), 0);
    assert_int_equal(m.map_scan.what, 3);
    assert_false(m.map_scan.cursor.present);
    assert_null(m.map_scan.cursor.bytes.data);
    assert_int_equal(m.map_scan.limit_rows, 0);
    assert_int_equal(m.map_scan.limit_bytes, 0);

    memset(&m, 0xff, sizeof m);
    assert_int_equal(vxc_message_decode(VXC_KIND_PAGE_REPLY, vxc_slice(NULL, 0), &m), 0);
    assert_true(m.page_reply.index == 0);
    assert_int_equal(m.page_reply.rows.count, 0);
    assert_int_equal(m.page_reply.rows.raw.size, 0);
}

static void legacy_messages_need_all_their_fields(void **state)
{
    struct vxc_message m;

    (void)state;
    assert_int_equal(vxc_message_decode(VXC_KIND_LEGACY_MAP_GET, S("\1\0\0\0m"), &m), VXC_EPROTO);
    assert_int_equal(vxc_message_decode(VXC_KIND_PING, vxc_slice(NULL, 0), &m), 0);
}

static void bytes_behind_the_last_field_are_skipped(void **state)
{
    struct vxc_message m;

    (void)state;
    assert_int_equal(vxc_message_decode(VXC_KIND_MAP_SIZE, S("\1\0\0\0mfuture"), &m), 0);
    assert_int_equal(vxc_message_decode(VXC_KIND_LEGACY_MAP_SIZE, S("\1\0\0\0mfuture"), &m), 0);
    assert_int_equal(vxc_message_decode(VXC_KIND_PING, S("future"), &m), 0);
}

static void empty_and_absent_bytes_differ(void **state)
{
    struct vxc_message m;

    (void)state;
    assert_int_equal(vxc_message_decode(VXC_KIND_LEGACY_MAP_GET_REPLY, S("\0\1\0\0\0\0"), &m), 0);
    assert_true(m.legacy_map_get_reply.value.present);
    assert_non_null(m.legacy_map_get_reply.value.bytes.data);
    assert_int_equal(m.legacy_map_get_reply.value.bytes.size, 0);
    assert_int_equal(vxc_message_decode(VXC_KIND_LEGACY_MAP_GET_REPLY, S("\0\0"), &m), 0);
    assert_false(m.legacy_map_get_reply.value.present);
    assert_null(m.legacy_map_get_reply.value.bytes.data);
}

static void flags_and_codes_other_than_0_and_1_are_refused(void **state)
{
    struct vxc_message m;

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t code = (uint8_t)byte;
        uint8_t contains[2] = {0, (uint8_t)byte};
        uint8_t option[6] = {0, (uint8_t)byte};
        int expected = byte < 2 ? 0 : VXC_EPROTO;
        assert_int_equal(vxc_message_decode(VXC_KIND_LEAVE_REPLY, vxc_slice(&code, 1), &m),
                         expected);
        assert_int_equal(
            vxc_message_decode(VXC_KIND_LEGACY_SET_CONTAINS_REPLY, vxc_slice(contains, 2), &m),
            expected);
        assert_int_equal(
            vxc_message_decode(VXC_KIND_LEGACY_MAP_GET_REPLY, vxc_slice(option, 6), &m), expected);
    }
}

static void lengths_beyond_the_payload_are_refused(void **state)
{
    static const uint32_t lengths[] = {2, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    struct vxc_message m;

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t bytes[5] = {0, 0, 0, 0, 'm'};
        vxc_store_u32(bytes, lengths[i]);
        assert_int_equal(vxc_message_decode(VXC_KIND_MAP_SIZE, vxc_slice(bytes, 5), &m),
                         VXC_EPROTO);
    }
}

/* Every kind with a list gets one whose count is far beyond its bytes. */
static void huge_counts_are_refused_at_once(void **state)
{
    static const uint32_t counts[] = {9, 1000, 0x7fffffff, 0x80000000, 0xffffffff};
    size_t kinds;
    const struct vxc_message_schema *all = vxc_message_schemas(&kinds);
    unsigned lists = 0;

    (void)state;
    for (size_t i = 0; i < kinds; i++) {
        uint8_t bytes[256] = {0}; /* zeros: empty fields, absent options, then the list */
        size_t at = 0;
        for (size_t f = 0; f < all[i].fields_count; f++) {
            static const uint8_t zero_size[] = {1, 2, 4, 8, 8, 1, 1, 4, 1, 1, 4, 4, 4, 4, 4};
            if (all[i].fields[f].type >= VXC_TYPE_ITEMS) {
                for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
                    struct vxc_message m;
                    vxc_store_u32(bytes + at, counts[c]);
                    assert_int_equal(
                        vxc_message_decode(all[i].kind, vxc_slice(bytes, at + 4 + 35), &m),
                        VXC_EPROTO);
                }
                lists++;
                break;
            }
            at += zero_size[all[i].fields[f].type];
        }
    }
    assert_true(lists > 15);
}

static void lists_are_walked_item_by_item(void **state)
{
    struct vxc_message m;
    struct vxc_slice a;
    struct vxc_slice b;
    struct vxc_list items;
    uint16_t kind;

    (void)state;
    assert_int_equal(
        vxc_message_decode(VXC_KIND_GET_NODES_REPLY, S("\0\2\0\0\0\1\0\0\0a\0\0\0\0"), &m), 0);
    assert_true(vxc_list_next_item(&m.get_nodes_reply.nodes, &a));
    assert_true(vxc_slice_equal(a, S("a")));
    assert_true(vxc_list_next_item(&m.get_nodes_reply.nodes, &a));
    assert_int_equal(a.size, 0);
    assert_false(vxc_list_next_item(&m.get_nodes_reply.nodes, &a));

    assert_int_equal(vxc_message_decode(VXC_KIND_EVENT_REGISTRATIONS,
                                        S("\1\0\0\0\0\0\0\0\2\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0"
                                          "\1\0\0\0\1\0\0\0n\2\0\0\0ii"),
                                        &m),
                     0);
    assert_true(vxc_list_next_pair(&m.event_registrations.registrations, &a, &b));
    assert_true(vxc_slice_equal(a, S("n")) && vxc_slice_equal(b, S("ii")));
    assert_false(vxc_list_next_pair(&m.event_registrations.registrations, &a, &b));

    assert_int_equal(vxc_message_decode(VXC_KIND_LEGACY_ENTRIES_REPLY,
                                        S("\0\1\0\0\0\1\0\0\0k\2\0\0\0\1\0\0\0v\1\0\0\0w"), &m),
                     0);
    assert_true(vxc_list_next_multi(&m.legacy_entries_reply.entries, &a, &items));
    assert_int_equal(items.count, 2);
    assert_true(vxc_list_next_item(&items, &b) && vxc_slice_equal(b, S("v")));
    assert_true(vxc_list_next_item(&items, &b) && vxc_slice_equal(b, S("w")));
    assert_false(vxc_list_next_multi(&m.legacy_entries_reply.entries, &a, &items));

    assert_int_equal(vxc_message_decode(VXC_KIND_TRANSACTION, S("\1\0\0\0\202\0\1\0\0\0x"), &m), 0);
    assert_true(vxc_list_next_message(&m.transaction.compares, &kind, &a));
    assert_int_equal(kind, 130);
    assert_true(vxc_slice_equal(a, S("x")));
    assert_false(vxc_list_next_message(&m.transaction.compares, &kind, &a));
    assert_false(vxc_list_next_message(&m.transaction.then_operations, &kind, &a));
}

static void encoded_lists_are_read_whole_or_not_at_all(void **state)
{
    struct vxc_list list = {.count = 4711};

    (void)state;
    assert_int_equal(vxc_list_read_items(S("\1\0\0\0\1\0\0\0a"), &list), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(vxc_list_read_pairs(S("\1\0\0\0\1\0\0\0a\0\0\0\0"), &list), 0);
    list.count = 4711;
    assert_int_equal(vxc_list_read_items(S("\1\0\0\0\1\0\0\0a!"), &list), VXC_EPROTO);
    assert_int_equal(vxc_list_read_items(S("\2\0\0\0\1\0\0\0a"), &list), VXC_EPROTO);
    assert_int_equal(vxc_list_read_items(vxc_slice(NULL, 0), &list), VXC_EPROTO);
    assert_int_equal(vxc_list_read_pairs(S("\1\0\0\0\1\0\0\0a"), &list), VXC_EPROTO);
    assert_int_equal(vxc_list_read_pairs(S("\377\377\377\377"), &list), VXC_EPROTO);
    assert_int_equal(list.count, 4711);
}

static void payload_that_no_frame_carries_is_refused(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_MAP_PUT};
    struct vxc_buffer out = {0};
    uint8_t *bytes = calloc(1, VXC_FRAME_SIZE_MAX);

    (void)state;
    assert_non_null(bytes);
    m.map_put.value = vxc_slice(bytes, VXC_FRAME_SIZE_MAX - 16 - 12 - 9);
    assert_int_equal(vxc_message_frame(&m, VXC_FRAME_REQUEST, 1, &out), 0);
    assert_int_equal(out.size, VXC_FRAME_SIZE_MAX);
    vxc_buffer_clear(&out);

    m.map_put.value.size++;
    assert_int_equal(vxc_message_frame(&m, VXC_FRAME_REQUEST, 1, &out), VXC_ETOOBIG);
    m.map_put.value.size--;
    assert_int_equal(vxc_message_frame_sequenced(&m, VXC_FRAME_REQUEST, 1, 1, 0, &out),
                     VXC_ETOOBIG);
    m.map_put.value.size = (size_t)UINT32_MAX + 1; /* never looked at */
    assert_int_equal(vxc_message_frame(&m, VXC_FRAME_REQUEST, 1, &out), VXC_ETOOBIG);
    assert_int_equal(vxc_message_encode(&m, &out), VXC_ETOOBIG);
    assert_int_equal(out.size, 0);
    free(bytes);
    vxc_buffer_free(&out);
}

static void no_room_leaves_the_buffer_as_it_was(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_MAP_GET};
    struct vxc_buffer out = {.size = SIZE_MAX / 2 - 4, .capacity = SIZE_MAX / 2 - 4};

    (void)state;
    assert_int_equal(vxc_message_encode(&m, &out), VXC_ENOMEM);
    assert_int_equal(vxc_message_frame(&m, 0, 1, &out), VXC_ENOMEM);
    assert_true(out.size == SIZE_MAX / 2 - 4);
}

/* Random payloads with many small numbers, so that lengths and counts often fit. */
static size_t random_payload(uint64_t *seed, uint8_t *bytes, size_t size_max)
{
    size_t size = next_random(seed) % size_max;

    for (size_t i = 0; i < size; i++) {
        uint64_t r = next_random(seed);
        bytes[i] = (r & 7) != 0 ? (uint8_t)(r >> 8 & 3) * (r >> 16 & 1) : (uint8_t)(r >> 24);
    }
    return size;
}

static void random_payloads_decode_to_what_encodes_the_same(void **state)
{
    enum { ROUNDS = 1500, SIZE_MAX_RANDOM = 96 };
    uint64_t seed = 20261123;
    uint8_t bytes[SIZE_MAX_RANDOM];
    struct vxc_buffer once = {0};
    struct vxc_buffer twice = {0};
    size_t kinds;
    const struct vxc_message_schema *all = vxc_message_schemas(&kinds);
    unsigned decoded = 0;

    (void)state;
    for (size_t i = 0; i < kinds * ROUNDS; i++) {
        uint16_t kind = all[i % kinds].kind;
        size_t size = random_payload(&seed, bytes, sizeof bytes);
        struct vxc_message m;
        if (vxc_message_decode(kind, vxc_slice(bytes, size), &m) != 0) {
            continue;
        }
        decoded++;
        vxc_buffer_clear(&once);
        vxc_buffer_clear(&twice);
        assert_int_equal(vxc_message_encode(&m, &once), 0);
        /* what was there comes back first; behind it only missing fields can follow */
        assert_memory_equal(once.data == NULL ? bytes : once.data, bytes,
                            size < once.size ? size : once.size);
        assert_int_equal(vxc_message_decode(kind, vxc_buffer_slice(&once), &m), 0);
        assert_int_equal(vxc_message_encode(&m, &twice), 0);
        assert_int_equal(once.size, twice.size);
        assert_true(once.size == 0 || memcmp(once.data, twice.data, once.size) == 0);
    }
    assert_true(decoded > 10000);
    vxc_buffer_free(&once);
    vxc_buffer_free(&twice);
}

/* What encode writes is what encode_around writes with the bytes put where it says. */
static void a_message_is_encoded_around_bytes_that_stay_where_they_are(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_MAP_REPLACE_IF};
    struct vxc_buffer whole = {0}, around = {0}, filled = {0};
    const struct vxc_slice hole = S("the value");
    size_t at;

    (void)state;
    m.map_replace_if = (struct vxc_msg_map_replace_if){
        .map = S("map"), .key = S("key"), .expected = S("old"), .value = hole, .ttl_ms = 77};
    assert_int_equal(vxc_message_encode(&m, &whole), 0);
    assert_int_equal(vxc_message_encode_around(&m, hole, &around, &at), 0);
    assert_int_equal(around.size + hole.size, whole.size);
    assert_int_equal(vxc_buffer_append(&filled, around.data, at), 0);
    assert_int_equal(vxc_buffer_append(&filled, hole.data, hole.size), 0);
    assert_int_equal(vxc_buffer_append(&filled, around.data + at, around.size - at), 0);
    assert_memory_equal(filled.data, whole.data, whole.size);
    /* Equal bytes elsewhere are not the hole; a message without the field has none. */
    assert_int_equal(
        vxc_message_encode_around(&m, vxc_slice(hole.data + 1, hole.size - 1), &around, &at),
        VXC_EINVAL);
    m.kind = VXC_KIND_STATUS;
    assert_int_equal(vxc_message_encode_around(&m, hole, &around, &at), VXC_EINVAL);
    m.kind = 9999;
    assert_int_equal(vxc_message_encode_around(&m, hole, &around, &at), VXC_EKIND);
    assert_int_equal(around.size + hole.size, whole.size);
    vxc_buffer_free(&whole);
    vxc_buffer_free(&around);
    vxc_buffer_free(&filled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_encoded_around_bytes_that_stay_where_they_are),
        cmocka_unit_test(map_get_round_trip_borrows_from_the_payload),
        cmocka_unit_test(unknown_kinds_are_refused),
        cmocka_unit_test(schema_names_kinds_and_replies),
        cmocka_unit_test(extensions_read_missing_fields_as_absent),
        cmocka_unit_test(legacy_messages_need_all_their_fields),
        cmocka_unit_test(bytes_behind_the_last_field_are_skipped),
        cmocka_unit_test(empty_and_absent_bytes_differ),
        cmocka_unit_test(flags_and_codes_other_than_0_and_1_are_refused),
        cmocka_unit_test(lengths_beyond_the_payload_are_refused),
        cmocka_unit_test(huge_counts_are_refused_at_once),
        cmocka_unit_test(lists_are_walked_item_by_item),
        cmocka_unit_test(encoded_lists_are_read_whole_or_not_at_all),
        cmocka_unit_test(payload_that_no_frame_carries_is_refused),
        cmocka_unit_test(no_room_leaves_the_buffer_as_it_was),
        cmocka_unit_test(random_payloads_decode_to_what_encodes_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
