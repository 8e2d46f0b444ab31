#include "wire/frame.h"

#include "base/crc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t payload[] = {1, 0, 0, 0, 'm', 1, 0, 0, 0, 'k'};

static struct vxc_buffer make_frame(uint8_t flags, uint16_t kind, uint32_t request_id)
{
    struct vxc_buffer out = {0};
    size_t at = vxc_frame_begin(&out, flags, kind, request_id);

    assert_int_equal(vxc_buffer_append(&out, payload, sizeof payload), 0);
    assert_int_equal(vxc_frame_finish(&out, at), 0);
    return out;
}

static int decode(struct vxc_slice bytes, struct vxc_frame *frame, uint32_t *need)
{
    return vxc_frame_decode(bytes, VXC_FRAME_SIZE_MAX, frame, need);
}

/* Makes the checksum true again after a change of the header. */
static void seal(struct vxc_buffer *frame)
{
    vxc_store_u32(frame->data, vxc_crc32(0, frame->data + 4, frame->size - 4));
}

static void frame_has_the_documented_bytes(void **state)
{
    static const uint8_t expected[] = {0x0e, 0xed, 0x01, 0xfc, 0x1a, 0, 0, 0,   1, 1, 0x82, 0, 7,
                                       0,    0,    0,    1,    0,    0, 0, 'm', 1, 0, 0,    0, 'k'};
    struct vxc_buffer out = make_frame(VXC_FRAME_REQUEST, 130, 7);

    (void)state;
    assert_int_equal(out.size, sizeof expected);
    assert_memory_equal(out.data, expected, sizeof expected);
    vxc_buffer_free(&out);
}

static void decoding_gives_back_what_was_encoded(void **state)
{
    struct vxc_buffer out = make_frame(VXC_FRAME_RESPONSE | VXC_FRAME_MORE, 0xabcd, 0xdeadbeef);
    struct vxc_frame frame;
    uint32_t need;

    (void)state;
    assert_int_equal(decode(vxc_buffer_slice(&out), &frame, &need), 0);
    assert_int_equal(frame.version, VXC_PROTOCOL_VERSION);
    assert_int_equal(frame.flags, VXC_FRAME_RESPONSE | VXC_FRAME_MORE);
    assert_int_equal(frame.kind, 0xabcd);
    assert_true(frame.request_id == 0xdeadbeef);
    assert_true(frame.sequence == 0 && frame.floor == 0);
    assert_int_equal(frame.size, 26);
    assert_true(vxc_slice_equal(frame.payload, vxc_slice(payload, sizeof payload)));
    vxc_buffer_free(&out);
}

static void sequence_head_is_taken_off_the_payload(void **state)
{
    struct vxc_buffer out = {0};
    size_t at = vxc_frame_begin_sequenced(&out, VXC_FRAME_REQUEST, 132, 9, UINT64_MAX, 41);
    struct vxc_frame frame;
    uint32_t need;

    (void)state;
    assert_int_equal(vxc_buffer_append(&out, payload, sizeof payload), 0);
    assert_int_equal(vxc_frame_finish(&out, at), 0);
    assert_int_equal(decode(vxc_buffer_slice(&out), &frame, &need), 0);
    assert_int_equal(frame.flags, VXC_FRAME_REQUEST | VXC_FRAME_SEQUENCED);
    assert_true(frame.sequence == UINT64_MAX);
    assert_true(frame.floor == 41);
    assert_int_equal(frame.size, 16 + 16 + sizeof payload);
    assert_true(vxc_slice_equal(frame.payload, vxc_slice(payload, sizeof payload)));
    vxc_buffer_free(&out);
}

static void frames_follow_one_another_in_one_buffer(void **state)
{
    struct vxc_buffer out = {0};
    struct vxc_slice rest;
    struct vxc_frame frame;
    uint32_t need;

    (void)state;
    for (uint32_t id = 0; id < 100; id++) {
        size_t at = vxc_frame_begin(&out, VXC_FRAME_REQUEST, 71, id);
        assert_int_equal(vxc_buffer_append(&out, payload, id % sizeof payload), 0);
        assert_int_equal(vxc_frame_finish(&out, at), 0);
    }
    rest = vxc_buffer_slice(&out);
    for (uint32_t id = 0; id < 100; id++) {
        assert_int_equal(decode(rest, &frame, &need), 0);
        assert_true(frame.request_id == id);
        assert_int_equal(frame.payload.size, id % sizeof payload);
        rest = vxc_slice(rest.data + frame.size, rest.size - frame.size);
    }
    assert_int_equal(rest.size, 0);
    vxc_buffer_free(&out);
}

static void truncated_frame_asks_for_the_rest(void **state)
{
    struct vxc_buffer out = make_frame(VXC_FRAME_REQUEST, 130, 7);
    struct vxc_frame frame;
    uint32_t need;

    (void)state;
    for (size_t size = 0; size < out.size; size++) {
        assert_int_equal(decode(vxc_slice(out.data, size), &frame, &need), VXC_EBUSY);
        assert_int_equal(need, size < 8 ? 16 : 26);
    }
    assert_int_equal(decode(vxc_slice(NULL, 0), &frame, &need), VXC_EBUSY);
    vxc_buffer_free(&out);
}

static int decode_size(uint32_t size, uint32_t size_max)
{
    uint8_t head[8] = {0};
    struct vxc_frame frame;
    uint32_t need;

    vxc_store_u32(head + 4, size);
    return vxc_frame_decode(vxc_slice(head, sizeof head), size_max, &frame, &need);
}

static void peeking_finds_whole_frames_only_and_trusts_nothing(void **state)
{
    struct vxc_buffer out = make_frame(VXC_FRAME_REQUEST, 130, 7);
    struct vxc_frame frame;

    (void)state;
    for (size_t size = 0; size < out.size; size++) {
        assert_false(vxc_frame_peek(vxc_slice(out.data, size), &frame));
    }
    out.data[0] ^= 1; /* the checksum is for decode to judge */
    assert_true(vxc_frame_peek(vxc_buffer_slice(&out), &frame));
    assert_int_equal(frame.kind, 130);
    assert_int_equal(frame.size, out.size);
    assert_true(vxc_slice_equal(frame.payload, vxc_slice(payload, sizeof payload)));
    for (uint32_t size = 0; size < VXC_FRAME_HEADER_SIZE; size++) {
        vxc_store_u32(out.data + 4, size);
        assert_false(vxc_frame_peek(vxc_buffer_slice(&out), &frame));
    }
    vxc_store_u32(out.data + 4, UINT32_MAX);
    assert_false(vxc_frame_peek(vxc_buffer_slice(&out), &frame));
    vxc_buffer_free(&out);
}

static void size_is_judged_as_soon_as_it_is_there(void **state)
{
    (void)state;
    for (uint32_t size = 0; size < 16; size++) {
        assert_int_equal(decode_size(size, VXC_FRAME_SIZE_MAX), VXC_EPROTO);
    }
    assert_int_equal(decode_size(16, VXC_FRAME_SIZE_MAX), VXC_EBUSY);
    assert_int_equal(decode_size(VXC_FRAME_SIZE_MAX, VXC_FRAME_SIZE_MAX), VXC_EBUSY);
    assert_int_equal(decode_size(VXC_FRAME_SIZE_MAX + 1, VXC_FRAME_SIZE_MAX), VXC_ETOOBIG);
    assert_int_equal(decode_size(0x7fffffff, VXC_FRAME_SIZE_MAX), VXC_ETOOBIG);
    assert_int_equal(decode_size(0x80000000, VXC_FRAME_SIZE_MAX), VXC_ETOOBIG);
    assert_int_equal(decode_size(0xffffffff, VXC_FRAME_SIZE_MAX), VXC_ETOOBIG);
    assert_int_equal(decode_size(101, 100), VXC_ETOOBIG);
    assert_int_equal(decode_size(100, 100), VXC_EBUSY);
}

static void largest_frame_passes_and_a_larger_one_is_taken_back(void **state)
{
    struct vxc_buffer out = {0};
    uint8_t *bytes = calloc(1, VXC_FRAME_SIZE_MAX);
    struct vxc_frame frame;
    uint32_t need;
    size_t at;

    (void)state;
    assert_non_null(bytes);
    at = vxc_frame_begin(&out, VXC_FRAME_REQUEST, 132, 1);
    assert_int_equal(vxc_buffer_append(&out, bytes, VXC_FRAME_SIZE_MAX - 16), 0);
    assert_int_equal(vxc_frame_finish(&out, at), 0);
    assert_int_equal(decode(vxc_buffer_slice(&out), &frame, &need), 0);
    assert_int_equal(frame.size, VXC_FRAME_SIZE_MAX);

    at = vxc_frame_begin(&out, VXC_FRAME_REQUEST, 132, 2);
    assert_int_equal(vxc_buffer_append(&out, bytes, VXC_FRAME_SIZE_MAX - 15), 0);
    assert_int_equal(vxc_frame_finish(&out, at), VXC_ETOOBIG);
    assert_int_equal(out.size, VXC_FRAME_SIZE_MAX);
    free(bytes);
    vxc_buffer_free(&out);
}

static void every_other_version_is_refused(void **state)
{
    struct vxc_buffer out = make_frame(VXC_FRAME_REQUEST, 130, 7);
    struct vxc_frame frame;
    uint32_t need;

    (void)state;
    for (unsigned version = 0; version < 256; version++) {
        out.data[8] = (uint8_t)version;
        seal(&out);
        assert_int_equal(decode(vxc_buffer_slice(&out), &frame, &need),
                         version == VXC_PROTOCOL_VERSION ? 0 : VXC_EVERSION);
    }
    vxc_buffer_free(&out);
}

static void every_flipped_bit_is_noticed(void **state)
{
    struct vxc_buffer out = make_frame(VXC_FRAME_REQUEST, 130, 7);
    struct vxc_frame frame;
    uint32_t need;

    (void)state;
    for (size_t bit = 0; bit < 8 * out.size; bit++) {
        bool in_size = bit / 8 >= 4 && bit / 8 < 8;
        int rv;
        out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        rv = decode(vxc_buffer_slice(&out), &frame, &need);
        out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (in_size) {
            assert_true(rv == VXC_ECRC || rv == VXC_ETOOBIG || rv == VXC_EPROTO || rv == VXC_EBUSY);
        } else {
            assert_int_equal(rv, VXC_ECRC);
        }
    }
    vxc_buffer_free(&out);
}

static void sequenced_frame_without_its_head_is_refused(void **state)
{
    struct vxc_frame frame;
    uint32_t need;

    (void)state;
    for (size_t size = 0; size <= 16; size++) {
        static const uint8_t zeros[16];
        struct vxc_buffer out = {0};
        size_t at = vxc_frame_begin(&out, VXC_FRAME_REQUEST, 132, 1);
        assert_int_equal(vxc_buffer_append(&out, zeros, size), 0);
        assert_int_equal(vxc_frame_finish(&out, at), 0);
        out.data[9] |= VXC_FRAME_SEQUENCED;
        seal(&out);
        assert_int_equal(decode(vxc_buffer_slice(&out), &frame, &need), size < 16 ? VXC_EPROTO : 0);
        vxc_buffer_free(&out);
    }
}

static void refused_frame_leaves_the_result_alone(void **state)
{
    struct vxc_buffer out = make_frame(VXC_FRAME_REQUEST, 130, 7);
    struct vxc_frame frame = {.kind = 4711, .size = 4711};
    uint32_t need;

    (void)state;
    out.data[20] ^= 1;
    assert_int_equal(decode(vxc_buffer_slice(&out), &frame, &need), VXC_ECRC);
    assert_int_equal(frame.kind, 4711);
    assert_int_equal(frame.size, 4711);
    vxc_buffer_free(&out);
}

static void frame_that_found_no_room_is_taken_back(void **state)
{
    /* A buffer so full that no 16 bytes can be added; its data is never touched. */
    struct vxc_buffer out = {.size = SIZE_MAX / 2 - 8, .capacity = SIZE_MAX / 2 - 8};
    size_t at = vxc_frame_begin(&out, VXC_FRAME_REQUEST, 130, 7);

    (void)state;
    assert_true(at == SIZE_MAX / 2 - 8);
    assert_int_equal(vxc_frame_finish(&out, at), VXC_ENOMEM);
    assert_true(out.size == at);
}

static void canceled_frame_leaves_those_before_it(void **state)
{
    struct vxc_buffer out = make_frame(VXC_FRAME_REQUEST, 130, 7);
    size_t size = out.size;
    size_t at = vxc_frame_begin(&out, VXC_FRAME_REQUEST, 130, 8);

    (void)state;
    assert_int_equal(vxc_buffer_append(&out, payload, sizeof payload), 0);
    vxc_frame_cancel(&out, at);
    assert_int_equal(out.size, size);
    vxc_buffer_free(&out);
}

static void a_frame_around_a_hole_is_the_frame_with_the_bytes_in_it(void **state)
{
    const size_t split = 4; /* of the payload: these stay, three go their own way, the rest stays */
    struct vxc_buffer whole = make_frame(VXC_FRAME_REQUEST, 130, 7);
    struct vxc_buffer around = {0}, filled = {0};
    const struct vxc_slice hole = vxc_slice(payload + split, 3);
    size_t at = vxc_frame_begin(&around, VXC_FRAME_REQUEST, 130, 7), hole_at;

    (void)state;
    assert_int_equal(vxc_buffer_append(&around, payload, split), 0);
    hole_at = around.size;
    assert_int_equal(vxc_buffer_append(&around, payload + split + 3, sizeof payload - split - 3),
                     0);
    assert_int_equal(vxc_frame_finish_around(&around, at, hole, hole_at), 0);
    assert_int_equal(vxc_buffer_append(&filled, around.data, hole_at), 0);
    assert_int_equal(vxc_buffer_append(&filled, hole.data, hole.size), 0);
    assert_int_equal(vxc_buffer_append(&filled, around.data + hole_at, around.size - hole_at), 0);
    assert_int_equal(filled.size, whole.size);
    assert_memory_equal(filled.data, whole.data, whole.size);
    /* Too large with what is in the hole: taken back. */
    at = vxc_frame_begin(&around, VXC_FRAME_REQUEST, 130, 7);
    assert_int_equal(
        vxc_frame_finish_around(&around, at, vxc_slice(payload, VXC_FRAME_SIZE_MAX), around.size),
        VXC_ETOOBIG);
    assert_int_equal(around.size, at);
    vxc_buffer_free(&whole);
    vxc_buffer_free(&around);
    vxc_buffer_free(&filled);
}

static void copy_of_a_frame_is_sealed_under_its_own_id(void **state)
{
    struct vxc_buffer out = make_frame(VXC_FRAME_REQUEST, 130, 7);
    struct vxc_frame frame;
    uint32_t need;

    (void)state;
    out.data[out.size - 1] = 'l'; /* another key */
    assert_int_equal(decode(vxc_buffer_slice(&out), &frame, &need), VXC_ECRC);
    vxc_frame_seal(out.data, 8);
    assert_int_equal(decode(vxc_buffer_slice(&out), &frame, &need), 0);
    assert_int_equal(frame.request_id, 8);
    assert_int_equal(frame.payload.data[frame.payload.size - 1], 'l');
    vxc_buffer_free(&out);
}

static void frame_in_pieces_tells_its_head_and_checksum(void **state)
{
    static uint8_t large[100000];
    struct vxc_buffer out = {0};
    const size_t at = vxc_frame_begin(&out, VXC_FRAME_RESPONSE, 102, 7);
    struct vxc_frame frame;
    uint32_t checksum;

    (void)state;
    assert_int_equal(vxc_buffer_append(&out, large, sizeof large), 0);
    assert_int_equal(vxc_frame_finish(&out, at), 0);
    assert_int_equal(
        vxc_frame_decode_head(vxc_slice(out.data, 31), VXC_FRAME_SIZE_MAX, &frame, &checksum),
        VXC_EBUSY);
    assert_int_equal(vxc_frame_decode_head(vxc_slice(out.data, 64), 1000, &frame, &checksum),
                     VXC_ETOOBIG);
    assert_int_equal(
        vxc_frame_decode_head(vxc_slice(out.data, 64), VXC_FRAME_SIZE_MAX, &frame, &checksum), 0);
    assert_int_equal(frame.size, out.size);
    assert_int_equal(frame.kind, 102);
    assert_int_equal(frame.request_id, 7);
    assert_int_equal(frame.payload.size, 64 - VXC_FRAME_HEADER_SIZE);
    assert_true(checksum ==
                vxc_crc32(0, out.data + VXC_FRAME_CHECKED_FROM, out.size - VXC_FRAME_CHECKED_FROM));
    out.data[8] = 9;
    assert_int_equal(
        vxc_frame_decode_head(vxc_slice(out.data, 64), VXC_FRAME_SIZE_MAX, &frame, &checksum),
        VXC_EVERSION);
    vxc_buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_has_the_documented_bytes),
        cmocka_unit_test(decoding_gives_back_what_was_encoded),
        cmocka_unit_test(a_frame_around_a_hole_is_the_frame_with_the_bytes_in_it),
        cmocka_unit_test(sequence_head_is_taken_off_the_payload),
        cmocka_unit_test(frames_follow_one_another_in_one_buffer),
        cmocka_unit_test(truncated_frame_asks_for_the_rest),
        cmocka_unit_test(size_is_judged_as_soon_as_it_is_there),
        cmocka_unit_test(peeking_finds_whole_frames_only_and_trusts_nothing),
        cmocka_unit_test(largest_frame_passes_and_a_larger_one_is_taken_back),
        cmocka_unit_test(every_other_version_is_refused),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(sequenced_frame_without_its_head_is_refused),
        cmocka_unit_test(refused_frame_leaves_the_result_alone),
        cmocka_unit_test(frame_that_found_no_room_is_taken_back),
        cmocka_unit_test(canceled_frame_leaves_those_before_it),
        cmocka_unit_test(copy_of_a_frame_is_sealed_under_its_own_id),
        cmocka_unit_test(frame_in_pieces_tells_its_head_and_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
