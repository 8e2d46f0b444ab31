#include "tools/vxc/load_ops.h"

#include "wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 137, VALUE_SIZE = 50, REQUESTS = 20000 };

static struct vxc_load_options options_for(enum vxc_load_op op)
{
    return (struct vxc_load_options){
        .op = op, .connections = 1, .pipeline = 8, .keys = KEYS, .value_size = VALUE_SIZE};
}

/* The n-th request of connection 3, decoded; `out` holds its bytes. */
static struct vxc_message request_of(struct vxc_load_ops *ops, uint64_t nth, struct vxc_buffer *out,
                                     struct vxc_frame *frame)
{
    struct vxc_message m;
    uint32_t need;

    vxc_buffer_clear(out);
    assert_int_equal(vxc_buffer_reserve(out, vxc_load_request_size_max(ops->options)), 0);
    vxc_load_put_request(ops, 3, nth, (uint32_t)nth + 9, out);
    assert_int_equal(vxc_frame_decode(vxc_buffer_slice(out), VXC_FRAME_SIZE_MAX, frame, &need), 0);
    assert_int_equal(frame->size, out->size);
    assert_int_equal(frame->request_id, nth + 9);
    assert_int_equal(vxc_message_decode(frame->kind, frame->payload, &m), 0);
    return m;
}

/* The number behind `prefix`, of `digits` digits (0 = however many). */
static uint64_t number_in(struct vxc_slice name, const char *prefix, size_t digits)
{
    const size_t skip = strlen(prefix);
    uint64_t number = 0;

    assert_true(name.size > skip && memcmp(name.data, prefix, skip) == 0);
    assert_true(digits == 0 || name.size == skip + digits);
    for (size_t i = skip; i < name.size; i++) {
        assert_in_range(name.data[i], '0', '9');
        number = number * 10 + (uint64_t)(name.data[i] - '0');
    }
    assert_true(number < KEYS);
    return number;
}

static void assert_value(struct vxc_slice value)
{
    assert_int_equal(value.size, VALUE_SIZE);
    for (size_t i = 0; i < value.size; i++) {
        assert_in_range(value.data[i], '-', 'z');
    }
}

/* Asks often, and sees every key about equally often. */
static void assert_uniform(enum vxc_load_op op)
{
    const struct vxc_load_options options = options_for(op);
    struct vxc_load_ops ops;
    struct vxc_buffer out = {0};
    struct vxc_frame frame;
    unsigned seen[KEYS] = {0};

    assert_int_equal(vxc_load_ops_init(&ops, &options, 42), 0);
    for (uint64_t n = 0; n < REQUESTS; n++) {
        const struct vxc_message m = request_of(&ops, n, &out, &frame);
        assert_int_equal(frame.flags, VXC_FRAME_REQUEST);
        switch (op) {
        case VXC_LOAD_MAP_PUT:
            assert_int_equal(m.kind, VXC_KIND_MAP_PUT);
            assert_true(vxc_slice_equal(m.map_put.map, vxc_slice_of_string("bench")));
            assert_value(m.map_put.value);
            assert_true(m.map_put.ttl_ms == 0 && !m.map_put.want_old);
            seen[number_in(m.map_put.key, "key:", 12)]++;
            break;
        case VXC_LOAD_MAP_GET:
            assert_int_equal(m.kind, VXC_KIND_MAP_GET);
            assert_true(vxc_slice_equal(m.map_get.map, vxc_slice_of_string("bench")));
            seen[number_in(m.map_get.key, "key:", 12)]++;
            break;
        default:
            assert_int_equal(m.kind, VXC_KIND_COUNTER_ADD);
            assert_true(m.counter_add.delta == 1 && !m.counter_add.want_old);
            seen[number_in(m.counter_add.counter, "bench/", 0)]++;
        }
    }
    for (size_t i = 0; i < KEYS; i++) {
        assert_in_range(seen[i], REQUESTS / KEYS / 2, REQUESTS / KEYS * 2);
    }
    vxc_buffer_free(&out);
    vxc_load_ops_deinit(&ops);
}

static void puts_gets_and_adds_are_uniform_over_the_keys(void **state)
{
    (void)state;
    assert_uniform(VXC_LOAD_MAP_PUT);
    assert_uniform(VXC_LOAD_MAP_GET);
    assert_uniform(VXC_LOAD_COUNTER_ADD);
}

static void locks_are_acquired_and_released_in_turn_under_rising_sequences(void **state)
{
    const struct vxc_load_options options = options_for(VXC_LOAD_LOCK);
    struct vxc_load_ops ops;
    struct vxc_buffer out = {0};
    struct vxc_frame frame;

    (void)state;
    assert_int_equal(vxc_load_ops_init(&ops, &options, 42), 0);
    for (uint64_t n = 0; n < 100; n++) {
        const struct vxc_message m = request_of(&ops, n, &out, &frame);
        assert_int_equal(m.kind, n % 2 == 0 ? VXC_KIND_LOCK_ACQUIRE : VXC_KIND_LOCK_RELEASE);
        assert_true(vxc_slice_equal(n % 2 == 0 ? m.lock_acquire.lock : m.lock_release.lock,
                                    vxc_slice_of_string("bench-3")));
        assert_true(frame.sequence == n + 1);
        assert_true(frame.floor == (n > 8 ? n - 8 : 0)); /* a whole pipeline back */
    }
    vxc_buffer_free(&out);
    vxc_load_ops_deinit(&ops);
}

static void mixed_has_seven_gets_two_puts_and_an_add_of_ten(void **state)
{
    const struct vxc_load_options options = options_for(VXC_LOAD_MIXED);
    struct vxc_load_ops ops;
    struct vxc_buffer out = {0};
    struct vxc_frame frame;
    unsigned gets = 0, puts = 0, adds = 0;

    (void)state;
    assert_int_equal(vxc_load_ops_init(&ops, &options, 42), 0);
    for (uint64_t n = 0; n < REQUESTS; n++) {
        const struct vxc_message m = request_of(&ops, n, &out, &frame);
        gets += m.kind == VXC_KIND_MAP_GET;
        puts += m.kind == VXC_KIND_MAP_PUT;
        adds += m.kind == VXC_KIND_COUNTER_ADD;
    }
    assert_int_equal(gets + puts + adds, REQUESTS);
    assert_in_range(gets, REQUESTS * 68 / 100, REQUESTS * 72 / 100);
    assert_in_range(puts, REQUESTS * 18 / 100, REQUESTS * 22 / 100);
    vxc_buffer_free(&out);
    vxc_load_ops_deinit(&ops);
}

/* What the load thinks of this reply to the n-th request. */
static int judge(enum vxc_load_op op, uint64_t nth, const struct vxc_message *m, uint8_t flags)
{
    const struct vxc_load_options options = options_for(op);
    struct vxc_load_ops ops;
    struct vxc_buffer out = {0};
    struct vxc_frame frame;
    uint32_t need;
    int code;

    assert_int_equal(vxc_load_ops_init(&ops, &options, 42), 0);
    assert_int_equal(vxc_message_frame(m, flags, 1, &out), 0);
    assert_int_equal(vxc_frame_decode(vxc_buffer_slice(&out), VXC_FRAME_SIZE_MAX, &frame, &need),
                     0);
    code = vxc_load_judge(&ops, 3, nth, &frame);
    vxc_buffer_free(&out);
    vxc_load_ops_deinit(&ops);
    return code;
}

static struct vxc_message value_reply(bool present, size_t size)
{
    static const uint8_t bytes[VALUE_SIZE + 1];
    struct vxc_message m = {.kind = VXC_KIND_VALUE_REPLY};

    m.value_reply.value.present = present;
    m.value_reply.value.bytes = vxc_slice(bytes, size);
    return m;
}

static void gets_need_a_value_of_the_right_size(void **state)
{
    const struct vxc_message right = value_reply(true, VALUE_SIZE);
    const struct vxc_message absent = value_reply(false, 0);
    const struct vxc_message small = value_reply(true, VALUE_SIZE - 1);
    const struct vxc_message large = value_reply(true, VALUE_SIZE + 1);
    const struct vxc_message other = {.kind = VXC_KIND_NUMBER_REPLY};

    (void)state;
    assert_int_equal(judge(VXC_LOAD_MAP_GET, 0, &right, VXC_FRAME_RESPONSE), VXC_OK);
    assert_int_equal(judge(VXC_LOAD_MAP_GET, 0, &absent, VXC_FRAME_RESPONSE), VXC_ENOTFOUND);
    assert_int_equal(judge(VXC_LOAD_MAP_GET, 0, &small, VXC_FRAME_RESPONSE), VXC_EPROTO);
    assert_int_equal(judge(VXC_LOAD_MAP_GET, 0, &large, VXC_FRAME_RESPONSE), VXC_EPROTO);
    assert_int_equal(judge(VXC_LOAD_MAP_GET, 0, &other, VXC_FRAME_RESPONSE), VXC_EPROTO);
}

static void writes_need_the_reply_of_their_kind(void **state)
{
    const struct vxc_message value = value_reply(false, 0);
    const struct vxc_message number = {.kind = VXC_KIND_NUMBER_REPLY};
    const struct vxc_message pong = {.kind = VXC_KIND_PONG};

    (void)state;
    assert_int_equal(judge(VXC_LOAD_MAP_PUT, 0, &value, VXC_FRAME_RESPONSE), VXC_OK);
    assert_int_equal(judge(VXC_LOAD_MAP_PUT, 0, &number, VXC_FRAME_RESPONSE), VXC_EPROTO);
    assert_int_equal(judge(VXC_LOAD_COUNTER_ADD, 0, &number, VXC_FRAME_RESPONSE), VXC_OK);
    assert_int_equal(judge(VXC_LOAD_COUNTER_ADD, 0, &value, VXC_FRAME_RESPONSE), VXC_EPROTO);
    assert_int_equal(judge(VXC_LOAD_PING, 0, &pong, VXC_FRAME_RESPONSE | VXC_FRAME_PONG), VXC_OK);
    assert_int_equal(judge(VXC_LOAD_PING, 0, &number, VXC_FRAME_RESPONSE), VXC_EPROTO);
}

static void locks_need_to_be_had(void **state)
{
    struct vxc_message lock = {.kind = VXC_KIND_LOCK_REPLY};
    struct vxc_message truth = {.kind = VXC_KIND_TRUTH_REPLY};

    (void)state;
    assert_int_equal(judge(VXC_LOAD_LOCK, 0, &lock, VXC_FRAME_RESPONSE), VXC_ENOTHELD);
    lock.lock_reply.acquired = true;
    assert_int_equal(judge(VXC_LOAD_LOCK, 0, &lock, VXC_FRAME_RESPONSE), VXC_OK);
    assert_int_equal(judge(VXC_LOAD_LOCK, 1, &lock, VXC_FRAME_RESPONSE), VXC_EPROTO);
    assert_int_equal(judge(VXC_LOAD_LOCK, 1, &truth, VXC_FRAME_RESPONSE), VXC_ENOTHELD);
    truth.truth_reply.truth = true;
    assert_int_equal(judge(VXC_LOAD_LOCK, 1, &truth, VXC_FRAME_RESPONSE), VXC_OK);
}

static void errors_of_the_server_keep_their_code(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_ERROR_REPLY};

    (void)state;
    m.error_reply.code = VXC_EBUSY;
    for (int op = VXC_LOAD_MAP_PUT; op <= VXC_LOAD_PING; op++) {
        assert_int_equal(judge((enum vxc_load_op)op, 0, &m, VXC_FRAME_RESPONSE), VXC_EBUSY);
    }
    m.error_reply.code = 0; /* an error all the same */
    assert_int_equal(judge(VXC_LOAD_MAP_PUT, 0, &m, VXC_FRAME_RESPONSE), VXC_EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_gets_and_adds_are_uniform_over_the_keys),
        cmocka_unit_test(locks_are_acquired_and_released_in_turn_under_rising_sequences),
        cmocka_unit_test(mixed_has_seven_gets_two_puts_and_an_add_of_ten),
        cmocka_unit_test(gets_need_a_value_of_the_right_size),
        cmocka_unit_test(writes_need_the_reply_of_their_kind),
        cmocka_unit_test(locks_need_to_be_had),
        cmocka_unit_test(errors_of_the_server_keep_their_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
