/* What the core wants sent: values that a caller lends are never copied, unless the caller wants
 * them back too early; frames are whole and right however they are cut on their way. */
#include "peer.h"

#include "base/limits.h"

enum { LARGE = VXC_CLIENT_BORROW_SIZE_MIN, SMALL = LARGE - 1 };

static uint8_t *value_of(size_t size, uint8_t salt)
{
    uint8_t *value = malloc(size);
    assert_non_null(value);
    for (size_t i = 0; i < size; i++) {
        value[i] = (uint8_t)(i * 7 + salt);
    }
    return value;
}

static struct vxc_request lending_put(const uint8_t *value, size_t size)
{
    struct vxc_request r = vxc_request(VXC_CALL_MAP_PUT);
    r.name = vxc_text("map");
    r.key = vxc_text("key");
    r.value = vxc_bytes(value, size);
    r.ttl_ms = 4711; /* stands behind the value */
    r.flags = VXC_REQUEST_BORROW;
    return r;
}

static void submit(struct peer *p, const struct vxc_request *r, uint64_t deadline_ms,
                   struct outcome *outcome)
{
    *outcome = (struct outcome){0};
    assert_int_equal(vxc_core_submit(p->core, r, p->now_ms, deadline_ms, outcome, on_outcome, NULL),
                     0);
}

/* Does any part of the output lie within the value? */
static bool is_sent_from(const struct peer *p, const uint8_t *value, size_t size)
{
    struct vxc_slice parts[64];
    const size_t count = vxc_core_output(p->core, parts, 64);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].data >= value && parts[i].data < value + size) {
            return true;
        }
    }
    return false;
}

/* The next frame is the put of lending_put(). */
static uint32_t expect_put(struct peer *p, const uint8_t *value, size_t size)
{
    struct vxc_frame frame;
    struct vxc_message m;
    assert_true(peer_next(p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_MAP_PUT);
    assert_int_equal(m.map_put.value.size, size);
    assert_memory_equal(m.map_put.value.data, value, size);
    assert_int_equal(m.map_put.ttl_ms, 4711);
    assert_memory_equal(m.map_put.key.data, "key", 3);
    return frame.request_id;
}

static void a_large_value_is_sent_from_where_it_lies(void **state)
{
    uint8_t *value = value_of(LARGE, 1);
    const struct vxc_request put = lending_put(value, LARGE);
    struct vxc_slice parts[8];
    struct outcome outcome;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    submit(&p, &put, UINT64_MAX, &outcome);
    assert_int_equal(vxc_core_output(p.core, parts, 8), 3); /* head, value, what is behind */
    assert_ptr_equal(parts[1].data, value);
    assert_int_equal(parts[1].size, LARGE);
    assert_true(parts[0].size + parts[2].size < 200);
    assert_int_equal(peer_value(&p, expect_put(&p, value, LARGE), NULL), 0);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.code, 0);
    peer_deinit(&p);
    free(value);
}

static void what_is_small_or_not_lent_or_within_a_transaction_is_copied(void **state)
{
    uint8_t *value = value_of(LARGE, 2);
    struct vxc_request put = lending_put(value, SMALL);
    struct vxc_request get = vxc_request(VXC_CALL_MAP_GET);
    struct vxc_request txn = vxc_request(VXC_CALL_TRANSACTION);
    struct outcome outcomes[4];
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    submit(&p, &put, UINT64_MAX, &outcomes[0]);
    put = lending_put(value, LARGE);
    put.flags = 0;
    submit(&p, &put, UINT64_MAX, &outcomes[1]);
    put.flags = VXC_REQUEST_BORROW;
    txn.then_calls = &put, txn.then_count = 1;
    txn.flags = VXC_REQUEST_BORROW;
    submit(&p, &txn, UINT64_MAX, &outcomes[2]);
    get.value = put.value; /* of no meaning to a get */
    get.flags = VXC_REQUEST_BORROW;
    submit(&p, &get, UINT64_MAX, &outcomes[3]);
    assert_false(is_sent_from(&p, value, LARGE));
    (void)expect_put(&p, value, SMALL);
    (void)expect_put(&p, value, LARGE);
    peer_deinit(&p);
    free(value);
}

static void many_lent_values_cut_anywhere_arrive_whole(void **state)
{
    enum { COUNT = 12 };
    uint8_t *values[COUNT];
    size_t sizes[COUNT], total = 0, step = 1;
    struct outcome outcomes[COUNT];
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    for (size_t i = 0; i < COUNT; i++) { /* large and small in turn, two large ones at last */
        sizes[i] = i % 3 == 1 ? 100 : LARGE + i;
        values[i] = value_of(sizes[i], (uint8_t)i);
        const struct vxc_request put = lending_put(values[i], sizes[i]);
        submit(&p, &put, UINT64_MAX, &outcomes[i]);
    }
    p.at = p.taken.size = 0; /* the hello is of no interest */
    total = peer_waiting(&p);
    while (peer_waiting(&p) > 0) {
        const size_t before = p.taken.size;
        peer_take(&p, step);
        assert_true(p.taken.size > before);
        step = step * 3 % 7001 + 1;
    }
    assert_int_equal(p.taken.size, total);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(peer_value(&p, expect_put(&p, values[i], sizes[i]), NULL), 0);
        assert_int_equal(outcomes[i].count, 1);
    }
    peer_deinit(&p);
    for (size_t i = 0; i < COUNT; i++) {
        free(values[i]);
    }
}

static void a_lent_value_is_sent_again_after_a_break(void **state)
{
    uint8_t *value = value_of(LARGE, 3);
    struct vxc_request get = vxc_request(VXC_CALL_MAP_GET);
    const struct vxc_request put = lending_put(value, LARGE);
    struct outcome outcome, read;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    submit(&p, &put, UINT64_MAX, &outcome);
    submit(&p, &get, UINT64_MAX, &read);
    peer_take(&p, LARGE / 2); /* not the whole frame: it cannot have taken effect */
    vxc_core_on_disconnected(p.core, "cable");
    assert_int_equal(outcome.count, 0);
    assert_int_equal(peer_waiting(&p), 0);
    peer_hello(&p);
    assert_true(is_sent_from(&p, value, LARGE));
    assert_int_equal(peer_value(&p, expect_put(&p, value, LARGE), NULL), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_MAP_GET);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.code, 0);
    peer_deinit(&p);
    free(value);
}

static void a_write_whose_last_byte_left_is_unknown_after_a_break(void **state)
{
    uint8_t *value = value_of(LARGE, 4);
    const struct vxc_request put = lending_put(value, LARGE);
    struct outcome left, stayed;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    submit(&p, &put, UINT64_MAX, &left);
    const size_t whole = peer_waiting(&p);
    submit(&p, &put, UINT64_MAX, &stayed);
    peer_take(&p, whole);
    vxc_core_on_disconnected(p.core, "cable");
    assert_int_equal(left.code, VXC_EUNKNOWN);
    assert_int_equal(stayed.count, 0);
    peer_deinit(&p);
    assert_int_equal(stayed.code, VXC_ECANCELED);
    free(value);
}

/* The caller takes its memory back at the deadline, in the middle of the frame. */
static void the_rest_of_a_value_is_copied_when_its_request_ends_early(void **state)
{
    uint8_t *value = value_of(LARGE, 5);
    uint8_t *mine = value_of(LARGE, 5);
    const struct vxc_request put = lending_put(mine, LARGE);
    struct outcome begun, waiting, next;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    submit(&p, &put, p.now_ms + 100, &begun);
    submit(&p, &put, p.now_ms + 100, &waiting);
    submit(&p, &put, UINT64_MAX, &next);
    peer_take(&p, LARGE / 3);
    p.now_ms += 100;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_int_equal(begun.code, VXC_ETIMEOUT);
    assert_int_equal(waiting.code, VXC_ETIMEOUT);
    assert_int_equal(next.count, 0);
    (void)expect_put(&p, value, LARGE);
    (void)expect_put(&p, value, LARGE);
    assert_int_equal(peer_value(&p, expect_put(&p, value, LARGE), NULL), 0);
    assert_int_equal(next.count, 1);
    assert_int_equal(next.code, 0);
    peer_deinit(&p);
    free(mine);
    free(value);
}

/* As above, but the memory is overwritten at once, so that a pointer that was kept would show. */
static void memory_given_back_is_not_read_again(void **state)
{
    uint8_t *value = value_of(LARGE, 6);
    uint8_t *mine = value_of(LARGE, 6);
    const struct vxc_request put = lending_put(mine, LARGE);
    struct outcome outcome;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    submit(&p, &put, p.now_ms + 100, &outcome);
    peer_take(&p, LARGE / 3);
    p.now_ms += 100;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_int_equal(outcome.code, VXC_ETIMEOUT);
    free(mine); /* the address sanitizer sees who looks */
    (void)expect_put(&p, value, LARGE);
    peer_deinit(&p);
    free(value);
}

/* A server that says "busy" before it has the whole question. */
static void an_answer_that_comes_too_early_leaves_both_frames_whole(void **state)
{
    uint8_t *value = value_of(LARGE, 7);
    const struct vxc_request put = lending_put(value, LARGE);
    struct vxc_frame head;
    struct outcome outcome;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    submit(&p, &put, UINT64_MAX, &outcome);
    p.at = p.taken.size = 0;
    peer_take(&p, LARGE / 2);
    head.request_id = vxc_load_u32(p.taken.data + 12);
    assert_int_equal(peer_fail(&p, head.request_id, VXC_EBUSY), 0);
    p.now_ms += 1000;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_int_equal(expect_put(&p, value, LARGE), head.request_id);
    assert_int_equal(outcome.count, 0);
    assert_int_equal(peer_value(&p, expect_put(&p, value, LARGE), NULL), 0);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.code, 0);
    peer_deinit(&p);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_value_is_sent_from_where_it_lies),
        cmocka_unit_test(what_is_small_or_not_lent_or_within_a_transaction_is_copied),
        cmocka_unit_test(many_lent_values_cut_anywhere_arrive_whole),
        cmocka_unit_test(a_lent_value_is_sent_again_after_a_break),
        cmocka_unit_test(a_write_whose_last_byte_left_is_unknown_after_a_break),
        cmocka_unit_test(the_rest_of_a_value_is_copied_when_its_request_ends_early),
        cmocka_unit_test(memory_given_back_is_not_read_again),
        cmocka_unit_test(an_answer_that_comes_too_early_leaves_both_frames_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
