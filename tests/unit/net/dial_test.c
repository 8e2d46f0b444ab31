/* Connections that a listener dials, to another one on the same loop. */
#include "net/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/failing_heap.h"

/* One side of a connection, and what it saw. */
struct side {
    struct world *world;
    struct vxc_conn *conn;
    int opens, closes, frames;
    int close_code;
    char reason[160];
    bool unwanted; /* refuses in on_open */
    const struct vxc_conn_hooks *heir;
};

struct world {
    struct vxc_loop *loop;
    struct vxc_listener *listener; /* accepts, and dials */
    char address[64];
    struct side accepted, dialed, heir;
    struct vxc_conn_hooks dialed_hooks, heir_hooks;
    bool (*is_done)(struct world *w);
    bool late; /* the loop gave up */
    uint32_t patience_ms;
};

static void *on_open(void *data, struct vxc_conn *conn)
{
    struct side *s = data;
    s->opens++;
    s->conn = conn;
    return s->unwanted ? NULL : s;
}

static void on_frame(void *data, struct vxc_conn *conn, const struct vxc_frame *frame)
{
    struct side *s = data;
    (void)frame;
    assert_ptr_equal(vxc_conn_user(conn), s);
    s->frames++;
    if (s->heir != NULL) {
        vxc_conn_hand_over(conn, s->heir, s->heir->data);
    }
}

static void on_close(void *data, struct vxc_conn *conn, int code, const char *reason)
{
    struct side *s = data;
    (void)conn;
    s->conn = NULL;
    s->closes++;
    s->close_code = code;
    (void)snprintf(s->reason, sizeof s->reason, "%s", reason);
}

static uint64_t on_turn(void *data)
{
    struct world *w = data;

    vxc_listener_flush(w->listener);
    if (w->is_done(w)) {
        vxc_loop_stop(w->loop);
    }
    return 10;
}

static void give_up(void *data)
{
    struct world *w = data;
    w->late = true;
    vxc_loop_stop(w->loop);
}

static void begin(struct world *w)
{
    struct vxc_listener_options options = {
        .host = "127.0.0.1",
        .connections_max = 1, /* what is dialed does not count */
        .hooks = {.data = &w->accepted,
                  .on_open = on_open,
                  .on_frame = on_frame,
                  .on_close = on_close},
    };

    w->accepted.world = w->dialed.world = w->heir.world = w;
    w->dialed_hooks = options.hooks;
    w->dialed_hooks.data = &w->dialed;
    w->heir_hooks = options.hooks;
    w->heir_hooks.data = &w->heir;
    assert_int_equal(vxc_loop_create(&w->loop, NULL), 0);
    assert_int_equal(vxc_listener_open(w->loop, &options, &w->listener, NULL), 0);
    (void)snprintf(w->address, sizeof w->address, "127.0.0.1:%u", vxc_listener_port(w->listener));
    vxc_loop_on_turn(w->loop, on_turn, w);
    assert_int_equal(vxc_loop_every(w->loop, 20000, give_up, w), 0);
}

static void until(struct world *w, bool (*is_done)(struct world *w))
{
    w->is_done = is_done;
    vxc_loop_run(w->loop);
    assert_false(w->late);
}

static void end(struct world *w)
{
    vxc_listener_close(w->listener);
    vxc_loop_free(w->loop);
}

static void dial(struct world *w, const char *address)
{
    struct vxc_conn *conn;
    assert_int_equal(
        vxc_listener_dial(w->listener, address, w->patience_ms, &w->dialed_hooks, &conn, NULL), 0);
    w->dialed.conn = conn;
}

static void send_frame(struct vxc_conn *conn, size_t payload)
{
    static const uint8_t zeros[4096];
    struct vxc_buffer *out = vxc_conn_out(conn);
    size_t at = vxc_frame_begin(out, VXC_FRAME_EVENT, 71, 0);

    assert_true(payload <= sizeof zeros);
    assert_int_equal(vxc_buffer_append(out, zeros, payload), 0);
    assert_int_equal(vxc_frame_finish(out, at), 0);
    vxc_conn_touch(conn);
}

static bool both_are_open(struct world *w)
{
    return w->accepted.opens == 1 && w->dialed.opens == 1;
}

static bool both_have_frames(struct world *w)
{
    return w->accepted.frames == 1 && w->dialed.frames == 1;
}

static bool dialed_is_closed(struct world *w)
{
    return w->dialed.closes > 0;
}

static bool accepted_is_closed(struct world *w)
{
    return w->accepted.closes + w->heir.closes > 0;
}

static void frames_go_both_ways(struct world *w)
{
    until(w, both_are_open);
    assert_int_equal(vxc_listener_count(w->listener), 1);
    send_frame(w->dialed.conn, 10);
    send_frame(w->accepted.conn, 4000);
    until(w, both_have_frames);
    vxc_conn_cut(w->dialed.conn, VXC_ECLOSED, "done", false);
    until(w, accepted_is_closed);
    assert_int_equal(w->dialed.closes, 1);
    assert_string_equal(w->dialed.reason, "done");
}

static void a_dialed_connection_is_as_any_other(void **state)
{
    struct world w = {0};
    (void)state;
    begin(&w);
    dial(&w, w.address);
    frames_go_both_ways(&w);
    end(&w);
    assert_int_equal(w.dialed.closes, 1);
}

/* Where "localhost" is ::1 first, that address fails and the next one is tried. */
static void a_name_is_looked_up(void **state)
{
    struct world w = {0};
    char address[64];

    (void)state;
    begin(&w);
    (void)snprintf(address, sizeof address, "localhost:%u", vxc_listener_port(w.listener));
    dial(&w, address);
    frames_go_both_ways(&w);
    end(&w);
}

static void a_name_that_is_none_fails_once(void **state)
{
    struct world w = {0};
    (void)state;
    begin(&w);
    dial(&w, "no-such-host.invalid:7400");
    until(&w, dialed_is_closed);
    assert_int_equal(w.dialed.closes, 1);
    assert_int_equal(w.dialed.opens, 0);
    assert_int_equal(w.dialed.close_code, VXC_EADDRESS);
    end(&w);
    assert_int_equal(w.dialed.closes, 1);
}

static void a_port_where_nobody_listens_fails_once(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world w = {0};
        struct world other = {0};
        char address[64];

        begin(&other); /* for a port that is free again */
        (void)snprintf(address, sizeof address, "%s:%u", hosts[i],
                       vxc_listener_port(other.listener));
        end(&other);
        begin(&w);
        dial(&w, address);
        until(&w, dialed_is_closed);
        assert_int_equal(w.dialed.opens, 0);
        assert_int_equal(w.dialed.close_code, VXC_ECLOSED);
        assert_non_null(strstr(w.dialed.reason, "cannot connect"));
        end(&w);
        assert_int_equal(w.dialed.closes, 1);
    }
}

static void a_connection_that_is_cut_before_it_is_there_ends_once(void **state)
{
    (void)state;
    for (int by_name = 0; by_name < 2; by_name++) {
        struct world w = {0};
        char address[64];

        begin(&w);
        (void)snprintf(address, sizeof address, by_name ? "localhost:%u" : "127.0.0.1:%u",
                       vxc_listener_port(w.listener));
        dial(&w, address);
        vxc_conn_cut(w.dialed.conn, VXC_ECANCELED, "changed my mind", true);
        until(&w, dialed_is_closed);
        end(&w);
        assert_int_equal(w.dialed.opens, 0);
        assert_int_equal(w.dialed.closes, 1);
        assert_int_equal(w.dialed.close_code, VXC_ECANCELED);
    }
}

static void closing_the_listener_ends_what_it_dials_once(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "no-such-host.invalid"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct world w = {0};
        char address[64];

        begin(&w);
        (void)snprintf(address, sizeof address, "%s:%u", hosts[i], vxc_listener_port(w.listener));
        dial(&w, address);
        end(&w);
        assert_int_equal(w.dialed.opens, 0);
        assert_int_equal(w.dialed.closes, 1);
        assert_int_equal(w.dialed.close_code, VXC_ECLOSED);
    }
}

static void an_owner_that_does_not_want_it_any_more_hears_of_its_end(void **state)
{
    struct world w = {.dialed = {.unwanted = true}};
    (void)state;
    begin(&w);
    dial(&w, w.address);
    until(&w, dialed_is_closed);
    end(&w);
    assert_int_equal(w.dialed.closes, 1);
    assert_int_equal(w.dialed.close_code, VXC_ECANCELED);
}

/* A socket whose queue is full answers nobody, as a machine behind a broken line does. */
static void dial_the_deaf(uint32_t patience_ms, int code, const char *reason)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    struct world w = {.patience_ms = patience_ms};
    char text[64];
    int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int crowd[8];

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(deaf, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(deaf, 0), 0);
    assert_int_equal(getsockname(deaf, (struct sockaddr *)&address, &size), 0);
    for (int i = 0; i < 8; i++) {
        crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(crowd[i], (struct sockaddr *)&address, sizeof address);
    }
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(address.sin_port));
    begin(&w);
    dial(&w, text);
    until(&w, dialed_is_closed);
    assert_int_equal(w.dialed.opens, 0);
    assert_int_equal(w.dialed.close_code, code);
    assert_non_null(strstr(w.dialed.reason, reason));
    end(&w);
    assert_int_equal(w.dialed.closes, 1);
    for (int i = 0; i < 8; i++) {
        (void)close(crowd[i]);
    }
    (void)close(deaf);
}

static void nobody_who_answers_is_given_up_in_time(void **state)
{
    (void)state;
    dial_the_deaf(0, VXC_ETIMEOUT, "no connection in time");
}

static void who_dials_may_have_less_patience(void **state)
{
    (void)state;
    dial_the_deaf(500, VXC_ECLOSED, "timed out");
}

static void what_is_no_address_is_refused_at_once(void **state)
{
    static const char *const texts[] = {"",    "localhost", "localhost:", ":7400",
                                        "h:0", "h:65536",   "::1:7400",   "h:7400x"};
    struct vxc_conn *conn;
    struct vxc_error err;
    struct world w = {0};

    (void)state;
    begin(&w);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(vxc_listener_dial(w.listener, texts[i], 0, &w.dialed_hooks, &conn, &err),
                         VXC_EINVAL);
        assert_non_null(strstr(err.text, "host:port"));
    }
    end(&w);
}

static void without_memory_nothing_is_left_behind(void **state)
{
    struct vxc_conn *conn;
    struct world w = {0};

    (void)state;
    failing_heap_install();
    begin(&w);
    failing_heap_arm(1, false);
    assert_int_equal(vxc_listener_dial(w.listener, w.address, 0, &w.dialed_hooks, &conn, NULL),
                     VXC_ENOMEM);
    failing_heap_arm(2, false);
    dial(&w, w.address);
    failing_heap_arm(0, false);
    until(&w, dialed_is_closed);
    assert_int_equal(w.dialed.close_code, VXC_ENOMEM);
    end(&w);
    assert_int_equal(w.dialed.closes, 1);
    assert_int_equal(failing_heap_balance(), 0);
    failing_heap_uninstall();
}

static bool heir_has_two(struct world *w)
{
    return w->heir.frames == 2;
}

static void what_is_handed_over_has_another_owner_from_the_next_frame_on(void **state)
{
    struct world w = {0};
    (void)state;
    begin(&w);
    w.accepted.heir = &w.heir_hooks;
    dial(&w, w.address);
    until(&w, both_are_open);
    for (int i = 0; i < 3; i++) { /* in one piece */
        send_frame(w.dialed.conn, 10);
    }
    until(&w, heir_has_two);
    assert_int_equal(w.accepted.frames, 1);
    assert_int_equal(w.heir.opens, 0);
    vxc_conn_cut(w.dialed.conn, VXC_ECLOSED, "done", false);
    until(&w, accepted_is_closed);
    end(&w);
    assert_int_equal(w.accepted.closes, 0);
    assert_int_equal(w.heir.closes, 1);
}

static void an_heir_says_how_large_a_frame_may_be(void **state)
{
    struct world w = {0};
    (void)state;
    begin(&w);
    w.heir_hooks.frame_size_max = 1000;
    w.accepted.heir = &w.heir_hooks;
    dial(&w, w.address);
    until(&w, both_are_open);
    send_frame(w.dialed.conn, 2000);
    send_frame(w.dialed.conn, 1000 - VXC_FRAME_HEADER_SIZE);
    send_frame(w.dialed.conn, 1001 - VXC_FRAME_HEADER_SIZE);
    until(&w, accepted_is_closed);
    end(&w);
    assert_int_equal(w.heir.frames, 1);
    assert_int_equal(w.heir.close_code, VXC_ETOOBIG);
}

static bool dialed_has_one(struct world *w)
{
    return w->dialed.frames == 1;
}

/* Clients wait while the node has enough to do; what other nodes say is how it gets done. */
static void clients_that_are_not_admitted_do_not_stop_who_was_dialed(void **state)
{
    struct world w = {0};
    (void)state;
    begin(&w);
    dial(&w, w.address);
    until(&w, both_are_open);
    vxc_listener_admit(w.listener, 0);
    assert_false(vxc_conn_is_read(w.accepted.conn));
    assert_true(vxc_conn_is_read(w.dialed.conn));
    send_frame(w.accepted.conn, 10);
    until(&w, dialed_has_one);
    vxc_conn_hand_over(w.accepted.conn, &w.heir_hooks, &w.heir);
    assert_true(vxc_conn_is_read(w.accepted.conn));
    end(&w);
    assert_int_equal(w.heir.closes, 1);
    assert_int_equal(w.accepted.closes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dialed_connection_is_as_any_other),
        cmocka_unit_test(a_name_is_looked_up),
        cmocka_unit_test(a_name_that_is_none_fails_once),
        cmocka_unit_test(a_port_where_nobody_listens_fails_once),
        cmocka_unit_test(a_connection_that_is_cut_before_it_is_there_ends_once),
        cmocka_unit_test(closing_the_listener_ends_what_it_dials_once),
        cmocka_unit_test(an_owner_that_does_not_want_it_any_more_hears_of_its_end),
        cmocka_unit_test(nobody_who_answers_is_given_up_in_time),
        cmocka_unit_test(who_dials_may_have_less_patience),
        cmocka_unit_test(what_is_no_address_is_refused_at_once),
        cmocka_unit_test(without_memory_nothing_is_left_behind),
        cmocka_unit_test(what_is_handed_over_has_another_owner_from_the_next_frame_on),
        cmocka_unit_test(an_heir_says_how_large_a_frame_may_be),
        cmocka_unit_test(clients_that_are_not_admitted_do_not_stop_who_was_dialed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
