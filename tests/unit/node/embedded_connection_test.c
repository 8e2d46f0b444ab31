/* Nodes as a program embeds them: connections without a socket, whose bytes come in any pieces and
 * which either side may end. */
#include "embedded_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "wire/frame.h"

static void bytes_may_come_in_any_pieces(void **state)
{
    struct vxc_message add_one = add_of(1);
    struct vxc_message reply;
    struct vxc_buffer out = {0};
    uint32_t id;
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    dial(&e, p.node, false);
    for (int i = 0; i < 10; i++) {
        encode(&e, &add_one, false, &out);
    }
    for (size_t at = 0, piece = 1; at < out.size; at += piece, piece++) {
        piece = piece < out.size - at ? piece : out.size - at;
        assert_int_equal(vxc_node_process(e.connection, out.data + at, piece), 0);
    }
    for (int i = 1; i <= 10; i++) {
        next(&e, &reply, &id);
        assert_int_equal(id, (uint32_t)i);
        assert_int_equal(reply.number_reply.number, i);
    }
    vxc_buffer_free(&out);
    hang_up(&e);
    remove_place(&p);
}

static void bytes_that_are_no_frame_end_the_connection(void **state)
{
    uint8_t nonsense[64];
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    dial(&e, p.node, false);
    put(&e, "k", "v");
    memset(nonsense, 0, sizeof nonsense);
    assert_int_equal(vxc_node_process(e.connection, nonsense, sizeof nonsense), 0);
    pthread_mutex_lock(&e.lock);
    wait_for(&e, 0, true);
    assert_int_equal(e.code, VXC_EPROTO);
    assert_non_null(strstr(e.reason, "not a frame"));
    pthread_mutex_unlock(&e.lock);
    while (vxc_node_process(e.connection, nonsense, 1) != VXC_ECLOSED) {
        /* on_close has run; that it has returned shows here */
    }
    hang_up(&e);
    assert_int_equal(e.closes, 1);
    remove_place(&p);
}

static void a_damaged_frame_ends_the_connection_and_an_unknown_kind_does_not(void **state)
{
    struct vxc_message m = message(VXC_KIND_PING);
    struct vxc_message reply;
    struct vxc_buffer out = {0};
    uint32_t id;
    size_t at;
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    dial(&e, p.node, false);
    at = vxc_frame_begin(&out, VXC_FRAME_REQUEST, 9999, 77);
    assert_int_equal(vxc_frame_finish(&out, at), 0);
    assert_int_equal(vxc_node_process(e.connection, out.data, out.size), 0);
    next(&e, &reply, &id);
    assert_int_equal(id, 77);
    assert_int_equal(reply.kind, VXC_KIND_ERROR_REPLY);
    assert_int_equal(reply.error_reply.code, VXC_EKIND);
    vxc_buffer_clear(&out);
    encode(&e, &m, false, &out);
    out.data[12] ^= 1;
    assert_int_equal(vxc_node_process(e.connection, out.data, out.size), 0);
    pthread_mutex_lock(&e.lock);
    wait_for(&e, 0, true);
    assert_int_equal(e.code, VXC_ECRC);
    pthread_mutex_unlock(&e.lock);
    vxc_buffer_free(&out);
    hang_up(&e);
    remove_place(&p);
}

static void what_was_processed_before_a_disconnect_takes_effect(void **state)
{
    enum { WRITES = 500 };
    struct vxc_message hello = message(VXC_KIND_HELLO);
    struct vxc_message add_one = add_of(1);
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    for (int round = 0; round < 3; round++) {
        dial(&e, p.node, false);
        hello.hello.version_min = hello.hello.version_max = VXC_PROTOCOL_VERSION;
        hello.hello.namespace_name = vxc_slice_of_string(round == 0 ? "new" : ""); /* blocks */
        post(&e, &hello, false);
        if (round == 0) {
            hello.kind = VXC_KIND_PING;
            post(&e, &hello, false);
            hello.kind = VXC_KIND_HELLO;
        } else {
            for (int i = 0; i < WRITES; i++) {
                post(&e, &add_one, false);
            }
        }
        hang_up(&e);
    }
    dial(&e, p.node, false);
    assert_int_equal(add(&e, 0), 2 * WRITES);
    hang_up(&e);
    remove_place(&p);
}

/* The owner lets go while letters of a connection that has ended are still on their way. */
static void an_end_from_both_sides_at_once_is_one_end(void **state)
{
    static const uint8_t nonsense[64];
    struct place p;

    (void)state;
    make_place(&p);
    spawn(&p);
    for (int i = 0; i < 300; i++) {
        struct end e;

        dial(&e, p.node, false);
        assert_int_equal(vxc_node_process(e.connection, nonsense, sizeof nonsense), 0);
        for (int j = 0; j < i % 50; j++) {
            if (vxc_node_process(e.connection, nonsense, 1) == VXC_ECLOSED) {
                break;
            }
        }
        hang_up(&e);
    }
    remove_place(&p);
}

static void a_connection_outlives_its_node_until_it_is_disconnected(void **state)
{
    struct place p;
    struct end e;
    struct end idle;

    (void)state;
    make_place(&p);
    spawn(&p);
    dial(&e, p.node, false);
    put(&e, "k", "v");
    dial(&idle, p.node, false);
    vxc_node_free(p.node);
    p.node = NULL;
    assert_int_equal(e.closes, 1);
    assert_int_equal(e.code, VXC_ECLOSED);
    assert_int_equal(idle.closes, 1);
    assert_int_equal(vxc_node_process(e.connection, "x", 1), VXC_ECLOSED);
    hang_up(&e);
    hang_up(&idle);
    remove_place(&p);
}

static void a_connection_too_many_is_closed(void **state)
{
    struct place p;
    struct end first;
    struct end second;

    (void)state;
    make_place(&p);
    p.options.connections_max = 1;
    spawn(&p);
    dial(&first, p.node, false);
    put(&first, "k", "v");
    dial(&second, p.node, false);
    pthread_mutex_lock(&second.lock);
    wait_for(&second, 0, true);
    assert_int_equal(second.code, VXC_ELIMIT);
    pthread_mutex_unlock(&second.lock);
    hang_up(&second);
    assert_true(holds(&first, "k", "v"));
    assert_int_equal(stats_of(p.node).connections_refused_total, 1);
    hang_up(&first);
    remove_place(&p);
}

static void an_inbox_is_bounded(void **state)
{
    enum { PIECE = 8 << 20 };
    char *piece = calloc(1, PIECE);
    struct place p;
    struct end e;
    int taken = 0;

    (void)state;
    assert_non_null(piece);
    make_place(&p);
    start(&p);
    dial(&e, p.node, true);
    while (vxc_node_process(e.connection, piece, PIECE) == 0) {
        taken++;
        assert_true(taken <= 4);
    }
    assert_int_equal(vxc_node_process(e.connection, piece, PIECE), VXC_EBUSY);
    assert_int_equal(taken, VXC_CONN_INFLIGHT_BYTES_MAX / PIECE);
    free(piece);
    hang_up(&e); /* it was nonsense, which shows now */
    assert_int_equal(e.code, VXC_EPROTO);
    remove_place(&p);
}

/* Answers to each frame from within the callback, and ends after some. */
struct echo {
    struct vxc_connection *connection;
    struct vxc_buffer request;
    atomic_int answers;
    atomic_int closes;
};

static void ask_again(void *data, const void *frame, size_t size)
{
    struct echo *echo = data;

    (void)frame;
    (void)size;
    if (atomic_fetch_add(&echo->answers, 1) + 1 < 100) {
        assert_int_equal(vxc_node_process(echo->connection, echo->request.data, echo->request.size),
                         0);
    } else {
        vxc_node_disconnect(echo->connection);
    }
}

static void count_close(void *data, int code, const char *reason)
{
    struct echo *echo = data;

    (void)reason;
    assert_int_equal(code, VXC_ECLOSED);
    atomic_fetch_add(&echo->closes, 1);
}

static void callbacks_may_process_and_disconnect(void **state)
{
    struct vxc_connection_options options = vxc_connection_options();
    struct vxc_message add_one = add_of(1);
    struct echo echo = {0};
    struct end e = {0};
    struct place p;

    (void)state;
    make_place(&p);
    start(&p);
    encode(&e, &add_one, false, &echo.request);
    options.data = &echo;
    options.on_frame = ask_again;
    options.on_close = count_close;
    assert_int_equal(vxc_node_connect(p.node, &options, &echo.connection, NULL), 0);
    assert_int_equal(vxc_node_process(echo.connection, echo.request.data, echo.request.size), 0);
    while (atomic_load(&echo.closes) == 0) {
        drive(p.node);
    }
    assert_int_equal(atomic_load(&echo.answers), 100);
    vxc_buffer_free(&echo.request);
    remove_place(&p);
}

static void raise_pipe(void *data, const void *frame, size_t size)
{
    on_frame(data, frame, size);
    assert_int_equal(raise(SIGPIPE), 0); /* as a write to a socket that is gone */
}

static void a_broken_pipe_does_not_reach_the_program(void **state)
{
    struct vxc_connection_options options = vxc_connection_options();
    struct vxc_message add_one = add_of(1);
    struct vxc_buffer request = {0};
    struct vxc_connection *connection;
    struct place p;
    struct end e;
    sigset_t pending;

    (void)state;
    make_place(&p);
    start(&p);
    dial(&e, p.node, true);
    options.data = &e;
    options.on_frame = raise_pipe;
    options.on_close = on_close;
    assert_int_equal(vxc_node_connect(p.node, &options, &connection, NULL), 0);
    encode(&e, &add_one, false, &request);
    assert_int_equal(vxc_node_process(connection, request.data, request.size), 0);
    vxc_buffer_free(&request);
    while (e.frames == 0) {
        drive(p.node);
    }
    assert_int_equal(sigpending(&pending), 0);
    assert_false(sigismember(&pending, SIGPIPE));
    vxc_node_free(p.node);
    p.node = NULL;
    assert_int_equal(e.closes, 2);
    vxc_node_disconnect(connection);
    vxc_node_disconnect(e.connection);
    vxc_buffer_free(&e.in);
    remove_place(&p);
}

static void threads_have_connections_of_their_own(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_much, p.node), 0);
    }
    for (int i = 0; i < 50; i++) {
        assert_true(stats_of(p.node).applied_index > 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    dial(&e, p.node, false);
    assert_int_equal(add(&e, 0), THREADS * 300);
    hang_up(&e);
    remove_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_may_come_in_any_pieces),
        cmocka_unit_test(bytes_that_are_no_frame_end_the_connection),
        cmocka_unit_test(a_damaged_frame_ends_the_connection_and_an_unknown_kind_does_not),
        cmocka_unit_test(what_was_processed_before_a_disconnect_takes_effect),
        cmocka_unit_test(an_end_from_both_sides_at_once_is_one_end),
        cmocka_unit_test(a_connection_outlives_its_node_until_it_is_disconnected),
        cmocka_unit_test(a_connection_too_many_is_closed),
        cmocka_unit_test(an_inbox_is_bounded),
        cmocka_unit_test(callbacks_may_process_and_disconnect),
        cmocka_unit_test(a_broken_pipe_does_not_reach_the_program),
        cmocka_unit_test(threads_have_connections_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
