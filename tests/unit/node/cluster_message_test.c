/* What replicas say to each other, through the codec and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/cluster_internal.h"

static struct vxc_engine_entry room[VXC_PEER_ENTRIES_MAX];

/* Out and in again; the frame stays in *out. */
static struct vxc_peer_message carried(const struct vxc_peer_message *message,
                                       struct vxc_buffer *out)
{
    struct vxc_peer_message back;
    struct vxc_frame frame;
    uint32_t need;

    vxc_buffer_clear(out);
    assert_int_equal(vxc_peer_message_encode(message, out), 0);
    assert_int_equal(
        vxc_frame_decode(vxc_buffer_slice(out), VXC_PEER_FRAME_SIZE_MAX, &frame, &need), 0);
    assert_int_equal(frame.size, out->size);
    assert_int_equal(frame.flags, VXC_FRAME_EVENT);
    assert_int_equal(vxc_peer_message_decode(frame.kind, frame.payload, 5, room, &back), 0);
    assert_int_equal(back.peer, 5);
    assert_int_equal(back.type, message->type);
    return back;
}

static struct vxc_peer_message engine_message(enum vxc_engine_message_type type)
{
    return (struct vxc_peer_message){.type = VXC_PEER_ENGINE,
                                     .engine = {.type = type, .term = 1000000000007}};
}

static void every_message_arrives_as_it_was_sent(void **state)
{
    struct vxc_buffer out = {0};
    struct vxc_peer_message m = engine_message(VXC_ENGINE_APPEND_RESULT);
    struct vxc_peer_message got;

    (void)state;
    m.engine.append_result.rejected = 17;
    m.engine.append_result.last_index = 16;
    got = carried(&m, &out);
    assert_int_equal(got.engine.peer, 5);
    assert_int_equal(got.engine.term, 1000000000007);
    assert_int_equal(got.engine.append_result.rejected, 17);
    assert_int_equal(got.engine.append_result.last_index, 16);

    for (int bits = 0; bits < 4; bits++) {
        m = engine_message(VXC_ENGINE_VOTE);
        m.engine.vote.last_index = 3;
        m.engine.vote.last_term = 2;
        m.engine.vote.disrupt_leader = (bits & 1) != 0;
        m.engine.vote.pre_vote = (bits & 2) != 0;
        got = carried(&m, &out);
        assert_int_equal(got.engine.type, VXC_ENGINE_VOTE);
        assert_int_equal(got.engine.vote.last_index, 3);
        assert_int_equal(got.engine.vote.last_term, 2);
        assert_int_equal(got.engine.vote.disrupt_leader, bits & 1);
        assert_int_equal(got.engine.vote.pre_vote, (bits & 2) != 0);

        m = engine_message(VXC_ENGINE_VOTE_RESULT);
        m.engine.vote_result.granted = (bits & 1) != 0;
        m.engine.vote_result.pre_vote = (bits & 2) != 0;
        got = carried(&m, &out);
        assert_int_equal(got.engine.type, VXC_ENGINE_VOTE_RESULT);
        assert_int_equal(got.engine.vote_result.granted, bits & 1);
        assert_int_equal(got.engine.vote_result.pre_vote, (bits & 2) != 0);
    }

    m = engine_message(VXC_ENGINE_TIMEOUT_NOW);
    m.engine.timeout_now.last_index = 9;
    m.engine.timeout_now.last_term = 8;
    got = carried(&m, &out);
    assert_int_equal(got.engine.timeout_now.last_index, 9);
    assert_int_equal(got.engine.timeout_now.last_term, 8);

    m = engine_message(VXC_ENGINE_IMAGE);
    m.engine.image = (struct vxc_log_base){.index = 400,
                                           .term = 6,
                                           .configuration_index = 1,
                                           .configuration = vxc_slice_of_string("who")};
    got = carried(&m, &out);
    assert_int_equal(got.engine.type, VXC_ENGINE_IMAGE);
    assert_int_equal(got.engine.image.index, 400);
    assert_int_equal(got.engine.image.term, 6);
    assert_int_equal(got.engine.image.configuration_index, 1);
    assert_true(vxc_slice_equal(got.engine.image.configuration, vxc_slice_of_string("who")));

    m = (struct vxc_peer_message){.type = VXC_PEER_PROBE, .probe = {.round = 4, .term = 3}};
    got = carried(&m, &out);
    assert_int_equal(got.probe.round, 4);
    assert_int_equal(got.probe.term, 3);

    m.type = VXC_PEER_PROBE_RESULT;
    m.probe_result.round = 6;
    m.probe_result.term = 5;
    got = carried(&m, &out);
    assert_int_equal(got.probe_result.round, 6);
    assert_int_equal(got.probe_result.term, 5);

    m = (struct vxc_peer_message){.type = VXC_PEER_DIGEST, .digest = {.index = 2, .digest = 1}};
    got = carried(&m, &out);
    assert_int_equal(got.digest.index, 2);
    assert_int_equal(got.digest.digest, 1);

    m = (struct vxc_peer_message){.type = VXC_PEER_LACK, .lack = {.code = VXC_ENOSPC}};
    got = carried(&m, &out);
    assert_int_equal(got.lack.code, VXC_ENOSPC);
    vxc_buffer_free(&out);
}

static struct vxc_peer_message append_of(const struct vxc_engine_entry *entries, uint32_t count)
{
    struct vxc_peer_message m = engine_message(VXC_ENGINE_APPEND);

    m.engine.append.prev_index = 11;
    m.engine.append.prev_term = 10;
    m.engine.append.commit_index = 9;
    m.engine.append.count = count;
    m.engine.append.entries = entries;
    return m;
}

static void entries_arrive_as_they_were_sent(void **state)
{
    struct vxc_engine_entry entries[VXC_PEER_ENTRIES_MAX];
    struct vxc_buffer out = {0};

    (void)state;
    for (uint32_t count = 0; count <= VXC_PEER_ENTRIES_MAX; count += count < 3 ? 1 : 11) {
        struct vxc_peer_message m;

        for (uint32_t i = 0; i < count; i++) {
            entries[i] = (struct vxc_engine_entry){.term = 10 + i,
                                                   .type = (uint16_t)(1 + i % 3),
                                                   .payload = vxc_slice("payload!", i % 9)};
        }
        m = append_of(entries, count);
        m = carried(&m, &out);
        assert_int_equal(m.engine.append.prev_index, 11);
        assert_int_equal(m.engine.append.prev_term, 10);
        assert_int_equal(m.engine.append.commit_index, 9);
        assert_int_equal(m.engine.append.count, count);
        for (uint32_t i = 0; i < count; i++) {
            const struct vxc_engine_entry *e = &m.engine.append.entries[i];
            assert_int_equal(e->term, 10 + i);
            assert_int_equal(e->type, 1 + i % 3);
            assert_true(vxc_slice_equal(e->payload, entries[i].payload));
        }
    }
    vxc_buffer_free(&out);
}

static void the_largest_entry_fits_a_frame_and_a_larger_one_leaves_nothing(void **state)
{
    uint8_t *bytes = calloc(1, VXC_PEER_FRAME_SIZE_MAX);
    struct vxc_engine_entry entry = {
        .term = 1, .type = 1, .payload = vxc_slice(bytes, VXC_ENTRY_SIZE_MAX)};
    struct vxc_peer_message m = append_of(&entry, 1);
    struct vxc_buffer out = {0};

    (void)state;
    assert_non_null(bytes);
    m = carried(&m, &out);
    assert_int_equal(m.engine.append.entries[0].payload.size, VXC_ENTRY_SIZE_MAX);
    entry.payload.size = VXC_PEER_FRAME_SIZE_MAX;
    m = append_of(&entry, 1);
    vxc_buffer_clear(&out);
    assert_int_equal(vxc_peer_message_encode(&m, &out), VXC_ETOOBIG);
    entry.payload.size = VXC_PEER_FRAME_SIZE_MAX - 40;
    assert_int_equal(vxc_peer_message_encode(&m, &out), VXC_ETOOBIG);
    assert_int_equal(out.size, 0);
    vxc_buffer_free(&out);
    free(bytes);
}

static int decoded(const struct vxc_buffer *payload, size_t size)
{
    struct vxc_peer_message back;
    uint8_t *exact = malloc(size > 0 ? size : 1); /* a sanitizer sees a read behind it */
    int rv;

    assert_non_null(exact);
    if (size > 0) {
        memcpy(exact, payload->data, size);
    }
    rv = vxc_peer_message_decode(VXC_KIND_PEER_APPEND, vxc_slice(exact, size), 5, room, &back);
    free(exact);
    return rv;
}

static void an_append_that_ends_anywhere_else_is_refused(void **state)
{
    struct vxc_engine_entry entries[3] = {{1, 1, vxc_slice("abc", 3)},
                                          {1, 2, vxc_slice("", 0)},
                                          {2, 3, vxc_slice("configuration", 13)}};
    struct vxc_peer_message m = append_of(entries, 3);
    struct vxc_buffer out = {0};
    struct vxc_buffer payload = {0};

    (void)state;
    assert_int_equal(vxc_peer_message_encode(&m, &out), 0);
    assert_int_equal(vxc_buffer_append(&payload, out.data + VXC_FRAME_HEADER_SIZE,
                                       out.size - VXC_FRAME_HEADER_SIZE),
                     0);
    assert_int_equal(decoded(&payload, payload.size), 0);
    for (size_t size = 0; size < payload.size; size++) {
        assert_int_equal(decoded(&payload, size), VXC_EPROTO);
    }
    vxc_buffer_free(&payload);
    vxc_buffer_free(&out);
}

/* count at 32, the size of all entries at 36, the first entry's term at 40, type 48, size 50. */
static void numbers_that_promise_more_than_there_is_are_refused(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
    } lies[] = {{32, 0},  {32, 1},          {32, 3},        {32, 257}, {32, UINT32_MAX}, {36, 0},
                {36, 33}, {36, UINT32_MAX}, {48, 0},        {48, 4},   {48, UINT32_MAX}, {50, 2},
                {50, 4},  {50, UINT32_MAX}, {50, 1u << 31}, {40, 0}};
    struct vxc_engine_entry entries[2] = {{1, 1, vxc_slice("abc", 3)}, {1, 1, vxc_slice("d", 1)}};
    struct vxc_peer_message m = append_of(entries, 2);
    struct vxc_buffer out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct vxc_buffer payload = {0};

        vxc_buffer_clear(&out);
        assert_int_equal(vxc_peer_message_encode(&m, &out), 0);
        assert_int_equal(vxc_buffer_append(&payload, out.data + VXC_FRAME_HEADER_SIZE,
                                           out.size - VXC_FRAME_HEADER_SIZE),
                         0);
        assert_int_equal(decoded(&payload, payload.size), 0);
        if (lies[i].at == 48) {
            vxc_store_u16(payload.data + 48, (uint16_t)lies[i].value);
        } else {
            vxc_store_u32(payload.data + lies[i].at, lies[i].value);
        }
        assert_int_equal(decoded(&payload, payload.size), VXC_EPROTO);
        vxc_buffer_free(&payload);
    }
    vxc_buffer_free(&out);
}

static void other_kinds_are_not_for_the_replica(void **state)
{
    static const uint16_t kinds[] = {1, 21, 300, 303, 318, 321, 323, 324, 65535};
    struct vxc_peer_message back;

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_int_equal(vxc_peer_message_decode(kinds[i], vxc_slice("", 0), 5, room, &back),
                         VXC_EKIND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_arrives_as_it_was_sent),
        cmocka_unit_test(entries_arrive_as_they_were_sent),
        cmocka_unit_test(the_largest_entry_fits_a_frame_and_a_larger_one_leaves_nothing),
        cmocka_unit_test(an_append_that_ends_anywhere_else_is_refused),
        cmocka_unit_test(numbers_that_promise_more_than_there_is_are_refused),
        cmocka_unit_test(other_kinds_are_not_for_the_replica),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
