/* The core without a session: order, deadlines, broken connections, pings, nonsense from the
 * server. */
#include "peer.h"

static void requests_wait_for_the_hello_and_then_go_in_order(void **state)
{
    struct outcome get, put;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &put), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, UINT64_MAX, &get), 0);
    assert_int_equal(peer_waiting(&p), 0);
    peer_hello(&p);
    assert_int_equal(p.last_notice.type, VXC_NOTICE_CONNECTED);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_MAP_PUT);
    assert_int_equal(frame.flags, VXC_FRAME_REQUEST); /* no session: not sequenced */
    assert_int_equal(peer_value(&p, frame.request_id, NULL), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_MAP_GET);
    assert_int_equal(peer_value(&p, frame.request_id, "v"), 0);
    assert_int_equal(put.count, 1);
    assert_int_equal(put.code, 0);
    assert_int_equal(get.count, 1);
    assert_string_equal(get.value, "v");
    assert_int_equal(vxc_core_pending(p.core), 0);
    peer_deinit(&p);
}

static void a_read_is_asked_again_after_a_break_and_a_write_is_unknown(void **state)
{
    struct outcome get, put;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &put), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, UINT64_MAX, &get), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_true(peer_next(&p, &frame, &m));
    vxc_core_on_disconnected(p.core, "cable");
    assert_int_equal(put.count, 1);
    assert_int_equal(put.code, VXC_EUNKNOWN);
    assert_int_equal(get.count, 0);
    peer_hello(&p);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_MAP_GET);
    assert_int_equal(peer_value(&p, frame.request_id, "v"), 0);
    assert_int_equal(get.count, 1);
    peer_deinit(&p);
}

static void a_write_that_did_not_leave_whole_is_sent_again(void **state)
{
    struct outcome first, second;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;
    size_t size;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &first), 0);
    size = peer_waiting(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_COUNTER_ADD, UINT64_MAX, &second), 0);
    peer_take(&p, size + 5); /* the first whole, five bytes of the second */
    vxc_core_on_disconnected(p.core, "cable");
    assert_int_equal(first.code, VXC_EUNKNOWN);
    assert_int_equal(second.count, 0);
    peer_hello(&p);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_COUNTER_ADD);
    peer_deinit(&p);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.code, VXC_ECANCELED);
}

static void a_deadline_ends_a_request_and_its_late_answer_is_nobodys(void **state)
{
    struct outcome get, next;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, p.now_ms + 500, &get), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(vxc_core_due_ms(p.core), p.now_ms + 500);
    p.now_ms += 499;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_int_equal(get.count, 0);
    p.now_ms += 1;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_int_equal(get.count, 1);
    assert_int_equal(get.code, VXC_ETIMEOUT);
    assert_int_equal(peer_value(&p, frame.request_id, "late"), 0);
    assert_int_equal(get.count, 1);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, UINT64_MAX, &next), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(peer_value(&p, frame.request_id, "v"), 0);
    assert_int_equal(next.count, 1);
    peer_deinit(&p);
}

static void a_busy_server_is_asked_again_later_until_the_deadline(void **state)
{
    struct outcome put;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;
    int asked = 0;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, p.now_ms + 2000, &put), 0);
    while (put.count == 0) {
        while (peer_next(&p, &frame, &m)) {
            asked++;
            assert_int_equal(peer_fail(&p, frame.request_id, VXC_EBUSY), 0);
            assert_false(peer_next(&p, &frame, &m)); /* not at once */
        }
        const uint64_t due_ms = vxc_core_due_ms(p.core);
        assert_true(due_ms > p.now_ms);
        assert_true(due_ms <= p.now_ms + 250 || due_ms == 3000);
        p.now_ms = due_ms;
        assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    }
    assert_true(asked > 5);
    assert_int_equal(put.code, VXC_EBUSY);
    peer_deinit(&p);
}

static void an_idle_connection_is_pinged_and_a_silent_one_dropped(void **state)
{
    static const struct vxc_message pong = {.kind = VXC_KIND_PONG};
    struct vxc_error err = {0};
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    p.now_ms = vxc_core_due_ms(p.core);
    assert_int_equal(p.now_ms, 1000 + 20000);
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, &err), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_PING);
    assert_true((frame.flags & VXC_FRAME_PING) != 0);
    assert_int_equal(peer_send(&p, &pong, VXC_FRAME_PONG, frame.request_id), 0);
    p.now_ms = vxc_core_due_ms(p.core);
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, &err), 0);
    assert_true(peer_next(&p, &frame, &m));
    p.now_ms = vxc_core_due_ms(p.core);
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, &err), VXC_ETIMEOUT);
    assert_true(err.text[0] != '\0');
    peer_deinit(&p);
}

static void a_node_that_is_not_the_primary_is_left_and_the_request_kept(void **state)
{
    struct outcome put;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &put), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(peer_fail(&p, frame.request_id, VXC_ENOTPRIMARY), VXC_ENOTPRIMARY);
    vxc_core_on_disconnected(p.core, "not the primary");
    assert_int_equal(put.count, 0); /* refused, hence not unknown */
    p.now_ms += 1000;
    peer_hello(&p);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_MAP_PUT);
    peer_deinit(&p);
}

static void bytes_may_come_one_by_one(void **state)
{
    struct vxc_message reply = {.kind = VXC_KIND_VALUE_REPLY};
    struct vxc_buffer bytes = {0};
    struct outcome get;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, UINT64_MAX, &get), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(vxc_message_frame(&reply, VXC_FRAME_RESPONSE, frame.request_id, &bytes), 0);
    for (size_t i = 0; i < bytes.size; i++) {
        assert_int_equal(get.count, 0);
        assert_int_equal(vxc_core_input(p.core, vxc_slice(bytes.data + i, 1), p.now_ms, NULL), 0);
    }
    assert_int_equal(get.count, 1);
    vxc_buffer_free(&bytes);
    peer_deinit(&p);
}

static void nonsense_from_the_server_ends_the_connection_with_a_reason(void **state)
{
    struct vxc_error err = {0};
    struct vxc_message m = {.kind = VXC_KIND_HELLO_REPLY};
    struct vxc_buffer bytes = {0};
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(vxc_message_frame(&m, VXC_FRAME_RESPONSE, 77, &bytes), 0);
    bytes.data[20] ^= 1;
    assert_int_equal(vxc_core_input(p.core, vxc_buffer_slice(&bytes), p.now_ms, &err), VXC_ECRC);
    assert_true(err.text[0] != '\0');
    vxc_core_on_disconnected(p.core, err.text);
    vxc_core_on_connected(p.core, p.now_ms);
    assert_int_not_equal(
        vxc_core_input(p.core, vxc_slice("HTTP/1.1 400 Bad Request\r\n", 26), p.now_ms, &err), 0);
    vxc_core_on_disconnected(p.core, err.text);
    vxc_buffer_free(&bytes);
    peer_deinit(&p);
}

static void an_event_of_a_later_version_is_passed_over(void **state)
{
    struct vxc_buffer bytes = {0};
    struct peer p;
    size_t at;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    at = vxc_frame_begin(&bytes, VXC_FRAME_EVENT, 239, 0);
    assert_int_equal(vxc_buffer_append(&bytes, "new", 3), 0);
    assert_int_equal(vxc_frame_finish(&bytes, at), 0);
    assert_int_equal(vxc_core_input(p.core, vxc_buffer_slice(&bytes), p.now_ms, NULL), 0);
    vxc_buffer_free(&bytes);
    peer_deinit(&p);
}

static void more_requests_than_the_bound_are_refused(void **state)
{
    static struct outcome outcomes[VXC_CLIENT_PENDING_MAX + 1];
    struct peer p;

    (void)state;
    peer_init(&p);
    for (unsigned i = 0; i < VXC_CLIENT_PENDING_MAX; i++) {
        assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, UINT64_MAX, &outcomes[i]), 0);
    }
    assert_int_equal(
        peer_submit(&p, VXC_CALL_MAP_GET, UINT64_MAX, &outcomes[VXC_CLIENT_PENDING_MAX]),
        VXC_EBUSY);
    peer_deinit(&p);
    for (unsigned i = 0; i < VXC_CLIENT_PENDING_MAX; i++) {
        assert_int_equal(outcomes[i].count, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_wait_for_the_hello_and_then_go_in_order),
        cmocka_unit_test(a_read_is_asked_again_after_a_break_and_a_write_is_unknown),
        cmocka_unit_test(a_write_that_did_not_leave_whole_is_sent_again),
        cmocka_unit_test(a_deadline_ends_a_request_and_its_late_answer_is_nobodys),
        cmocka_unit_test(a_busy_server_is_asked_again_later_until_the_deadline),
        cmocka_unit_test(an_idle_connection_is_pinged_and_a_silent_one_dropped),
        cmocka_unit_test(a_node_that_is_not_the_primary_is_left_and_the_request_kept),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(nonsense_from_the_server_ends_the_connection_with_a_reason),
        cmocka_unit_test(an_event_of_a_later_version_is_passed_over),
        cmocka_unit_test(more_requests_than_the_bound_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
