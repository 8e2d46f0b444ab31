/* The log's formats: round trips, every flipped bit seen, nothing read beyond what was given. */
#include "log_fixture.h"

#include "base/crc.h"
#include "storage/log_format.h"

static const struct vxc_log_identity IDENTITY = {0x1122334455667788u, NODE, 1, 2};

static void base_record_round_trip(void **state)
{
    struct vxc_log_base_record in = {.identity = IDENTITY,
                                     .sequence = 3,
                                     .first_segment = 4,
                                     .head_segment = 5,
                                     .start_sequence = 6,
                                     .durable_sequence = 7,
                                     .index = 8,
                                     .term = 9,
                                     .configuration_index = 10,
                                     .configuration = vxc_slice("configuration", 13)};
    struct vxc_log_base_record out;
    struct vxc_error err = {0};
    uint8_t bytes[VXC_LOG_BASE_SIZE];

    (void)state;
    vxc_log_base_encode(&in, bytes);
    assert_int_equal(vxc_log_base_decode(vxc_slice(bytes, sizeof bytes), &out, &err), 0);
    assert_memory_equal(&out.identity, &in.identity, sizeof in.identity);
    assert_int_equal(out.sequence, 3);
    assert_int_equal(out.first_segment, 4);
    assert_int_equal(out.head_segment, 5);
    assert_int_equal(out.start_sequence, 6);
    assert_int_equal(out.durable_sequence, 7);
    assert_int_equal(out.index, 8);
    assert_int_equal(out.term, 9);
    assert_int_equal(out.configuration_index, 10);
    assert_true(vxc_slice_equal(out.configuration, in.configuration));
    for (size_t size = 0; size < sizeof bytes; size += 97) {
        assert_int_equal(vxc_log_base_decode(vxc_slice(bytes, size), &out, &err), VXC_ECORRUPT);
    }
}

static void segment_header_round_trip(void **state)
{
    struct vxc_log_segment_header in = {.identity = IDENTITY,
                                        .number = 3,
                                        .size = 65536,
                                        .first_index = 5,
                                        .first_sequence = 6,
                                        .prev_term = 7,
                                        .prev_chain = 8};
    struct vxc_log_segment_header out;
    struct vxc_error err = {0};
    uint8_t bytes[VXC_LOG_BLOCK_SIZE];

    (void)state;
    vxc_log_segment_encode(&in, bytes);
    assert_int_equal(vxc_log_segment_decode(vxc_slice(bytes, sizeof bytes), &out, &err), 0);
    assert_memory_equal(&out.identity, &in.identity, sizeof in.identity);
    assert_int_equal(out.number, 3);
    assert_int_equal(out.size, 65536);
    assert_int_equal(out.first_index, 5);
    assert_int_equal(out.first_sequence, 6);
    assert_int_equal(out.prev_term, 7);
    assert_int_equal(out.prev_chain, 8);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << bit % 8));
        assert_int_equal(vxc_log_segment_decode(vxc_slice(bytes, sizeof bytes), &out, &err),
                         VXC_ECORRUPT);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << bit % 8));
    }
}

static void a_newer_version_is_believed_only_behind_a_right_checksum(void **state)
{
    struct vxc_log_segment_header header = {
        .identity = IDENTITY, .number = 1, .size = 65536, .first_index = 1, .first_sequence = 1};
    struct vxc_error err = {0};
    uint8_t bytes[VXC_LOG_BLOCK_SIZE];

    (void)state;
    vxc_log_segment_encode(&header, bytes);
    bytes[12] = 9;
    assert_int_equal(vxc_log_segment_decode(vxc_slice(bytes, sizeof bytes), &header, &err),
                     VXC_ECORRUPT);
    vxc_store_u32(bytes + 8, vxc_crc32(0, bytes + 12, sizeof bytes - 12));
    assert_int_equal(vxc_log_segment_decode(vxc_slice(bytes, sizeof bytes), &header, &err),
                     VXC_EVERSION);
}

/* A unit with three records in whole blocks. */
static size_t make_unit(uint8_t *out, struct vxc_log_unit_header *header)
{
    struct vxc_log_record record = {.index = 10, .term = 4, .type = VXC_LOG_COMMAND, .chain = 77};
    uint32_t at = VXC_LOG_UNIT_HEADER_SIZE;

    memset(out, 0, 2 * VXC_LOG_BLOCK_SIZE);
    for (uint64_t i = 0; i < 3; i++) {
        uint8_t payload[200];
        record.index = 10 + i;
        record.term = 4 + i / 2;
        record.payload = vxc_slice(payload, i * 99);
        payload_make(payload, i * 99, record.index, record.term);
        record.chain = vxc_log_record_encode(&record, out + at);
        at += vxc_log_record_size(i * 99);
    }
    *header = (struct vxc_log_unit_header){.size = VXC_LOG_BLOCK_SIZE,
                                           .kind = VXC_LOG_UNIT_ENTRIES,
                                           .count = 3,
                                           .body_size = at - VXC_LOG_UNIT_HEADER_SIZE,
                                           .log_id = 1,
                                           .segment = 2,
                                           .offset = 3 * VXC_LOG_BLOCK_SIZE,
                                           .sequence = 40,
                                           .durable_sequence = 37,
                                           .durable_index = 9,
                                           .first_index = 10,
                                           .prev_term = 4,
                                           .prev_chain = 77};
    vxc_log_unit_encode(header, out);
    return at;
}

static int check_unit(const uint8_t *bytes, size_t size)
{
    struct vxc_log_unit_header header;
    uint64_t term;
    uint32_t chain;
    int rv = vxc_log_unit_decode(vxc_slice(bytes, size), &header, NULL);

    return rv != 0 ? rv
                   : vxc_log_unit_check(vxc_slice(bytes, size), &header, &term, &chain, NULL, NULL,
                                        NULL);
}

static void every_flipped_bit_of_a_unit_is_seen(void **state)
{
    uint8_t bytes[2 * VXC_LOG_BLOCK_SIZE];
    struct vxc_log_unit_header header, out;
    size_t used = make_unit(bytes, &header);
    size_t harmless = 0;

    (void)state;
    assert_int_equal(check_unit(bytes, VXC_LOG_BLOCK_SIZE), 0);
    assert_int_equal(vxc_log_unit_decode(vxc_slice(bytes, sizeof bytes), &out, NULL), 0);
    assert_int_equal(out.sequence, header.sequence);
    assert_int_equal(out.durable_sequence, header.durable_sequence);
    assert_int_equal(out.prev_chain, header.prev_chain);
    for (size_t bit = 0; bit < 8 * used; bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << bit % 8));
        harmless += check_unit(bytes, VXC_LOG_BLOCK_SIZE) == 0;
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << bit % 8));
    }
    /* only the padding behind the payloads of 99 and 198 bytes: 5 and 2 bytes */
    assert_int_equal(harmless, 8 * (5 + 2));
    for (size_t size = 0; size < used; size++) {
        uint8_t *exact = malloc(size + 1); /* the sanitizer sees a read behind the end */
        assert_non_null(exact);
        memcpy(exact, bytes, size);
        assert_int_equal(check_unit(exact, size), VXC_ECORRUPT);
        free(exact);
    }
}

static void records_that_do_not_follow_each_other_are_refused(void **state)
{
    uint8_t bytes[2 * VXC_LOG_BLOCK_SIZE];
    struct vxc_log_unit_header header, changed;
    uint64_t term;
    uint32_t chain;

    (void)state;
    make_unit(bytes, &header);
    changed = header;
    changed.prev_chain++;
    assert_int_equal(vxc_log_unit_check(vxc_slice(bytes, sizeof bytes), &changed, &term, &chain,
                                        NULL, NULL, NULL),
                     VXC_ECORRUPT);
    changed = header;
    changed.first_index++;
    assert_int_equal(vxc_log_unit_check(vxc_slice(bytes, sizeof bytes), &changed, &term, &chain,
                                        NULL, NULL, NULL),
                     VXC_ECORRUPT);
    changed = header;
    changed.prev_term = 5; /* the first record is of term 4 */
    assert_int_equal(vxc_log_unit_check(vxc_slice(bytes, sizeof bytes), &changed, &term, &chain,
                                        NULL, NULL, NULL),
                     VXC_ECORRUPT);
    changed = header;
    changed.count = 2;
    assert_int_equal(vxc_log_unit_check(vxc_slice(bytes, sizeof bytes), &changed, &term, &chain,
                                        NULL, NULL, NULL),
                     VXC_ECORRUPT);
}

static void impossible_headers_are_refused_though_their_checksum_is_right(void **state)
{
    uint8_t bytes[2 * VXC_LOG_BLOCK_SIZE];
    struct vxc_log_unit_header good, bad;

    (void)state;
    make_unit(bytes, &good);
    for (int i = 0; i < 8; i++) {
        bad = good;
        bad.size = i == 0 ? 0 : i == 1 ? 4095 : i == 2 ? 0xFFFFF000u : bad.size;
        bad.body_size = i == 3 ? 4001 : i == 4 ? 0xFFFFFFFFu : bad.body_size;
        bad.durable_sequence = i == 5 ? bad.sequence : bad.durable_sequence;
        bad.count = i == 6 ? 0 : bad.count;
        bad.kind = i == 7 ? 4 : bad.kind;
        vxc_log_unit_encode(&bad, bytes);
        assert_int_equal(vxc_log_unit_decode(vxc_slice(bytes, sizeof bytes), &bad, NULL),
                         VXC_ECORRUPT);
    }
}

static void segment_names_have_one_spelling(void **state)
{
    char name[VXC_LOG_SEGMENT_NAME_SIZE];
    uint64_t number, first;

    (void)state;
    vxc_log_segment_name(12, 345, name);
    assert_string_equal(name, "0000000012-00000000000000000345.log");
    assert_true(vxc_log_segment_parse(name, &number, &first));
    assert_int_equal(number, 12);
    assert_int_equal(first, 345);
    vxc_log_segment_name(UINT64_MAX, UINT64_MAX, name);
    assert_true(vxc_log_segment_parse(name, &number, &first));
    assert_int_equal(number, UINT64_MAX);
    assert_false(vxc_log_segment_parse("spare", &number, &first));
    assert_false(vxc_log_segment_parse("", &number, &first));
    assert_false(vxc_log_segment_parse("12-345.log", &number, &first));
    assert_false(vxc_log_segment_parse("0000000012-00000000000000000345.log~", &number, &first));
    assert_false(vxc_log_segment_parse("99999999999999999999999-1.log", &number, &first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_record_round_trip),
        cmocka_unit_test(segment_header_round_trip),
        cmocka_unit_test(a_newer_version_is_believed_only_behind_a_right_checksum),
        cmocka_unit_test(every_flipped_bit_of_a_unit_is_seen),
        cmocka_unit_test(records_that_do_not_follow_each_other_are_refused),
        cmocka_unit_test(impossible_headers_are_refused_though_their_checksum_is_right),
        cmocka_unit_test(segment_names_have_one_spelling),
    };
    return cmocka_run_group_tests_name("log_format", tests, NULL, NULL);
}
