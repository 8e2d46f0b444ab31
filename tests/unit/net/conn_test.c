/* A real listener on loopback, its client a blocking socket on another thread. */
#include "net/listener.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/failing_heap.h"

struct server {
    struct vxc_loop *loop;
    struct vxc_listener *listener;
    uint32_t next_id; /* of the request that must come next */
    bool in_order;
    uint64_t frames;
    uint64_t payload_bytes;
    uint32_t open, closed;
    int close_code;
    uint32_t pause_every; /* pauses after so many frames and resumes from the next turn */
    struct vxc_conn *paused;
    uint64_t
        stop_frames; /* stops the loop after so many frames; 0 = when the last connection ends */
    void *(*client)(void *);
    uint32_t guests_max;
    int guests_apart; /* guests that were members */
    uint64_t refused; /* at the end */
};

enum { MEMBER = 77 };

static int client_port;

static void *on_open(void *data, struct vxc_conn *conn)
{
    struct server *s = data;
    (void)conn;
    s->open++;
    return s;
}

/* Here a member is who sends a payload of MEMBER bytes. */
static bool is_let_in(struct server *s, struct vxc_conn *conn, const struct vxc_frame *frame)
{
    if (frame->payload.size == MEMBER) {
        s->guests_apart += vxc_conn_is_guest(conn);
        vxc_conn_set_apart(conn);
    } else if (vxc_conn_is_guest(conn) && !vxc_conn_take_place(conn)) {
        vxc_conn_cut(conn, VXC_ELIMIT, "full", false);
        return false;
    }
    return true;
}

static void on_frame(void *data, struct vxc_conn *conn, const struct vxc_frame *frame)
{
    struct server *s = data;
    size_t at;

    if (s->guests_max != 0 && !is_let_in(s, conn, frame)) {
        return;
    }
    s->in_order = s->in_order && frame->request_id == s->next_id++;
    s->frames++;
    s->payload_bytes += frame->payload.size;
    at = vxc_frame_begin(vxc_conn_out(conn), VXC_FRAME_RESPONSE, frame->kind, frame->request_id);
    assert_int_equal(vxc_frame_finish(vxc_conn_out(conn), at), 0);
    vxc_conn_touch(conn);
    if (s->pause_every != 0 && s->frames % s->pause_every == 0) {
        vxc_conn_pause(conn);
        s->paused = conn;
    }
}

static void on_close(void *data, struct vxc_conn *conn, int code, const char *reason)
{
    struct server *s = data;
    (void)reason;
    if (s->paused == conn) {
        s->paused = NULL;
    }
    s->closed++;
    s->close_code = code;
    vxc_loop_wake(s->loop);
}

static uint64_t on_turn(void *data)
{
    struct server *s = data;

    if (s->paused != NULL) {
        vxc_conn_resume(s->paused);
        s->paused = NULL;
    }
    vxc_listener_flush(s->listener);
    if (s->open > 0 && s->open == s->closed) {
        vxc_loop_stop(s->loop);
    }
    return UINT64_MAX;
}

static void serve(struct server *s, uint32_t connections_max)
{
    struct vxc_listener_options options = {
        .host = "127.0.0.1",
        .connections_max = connections_max,
        .guests_max = s->guests_max,
        .hooks = {.data = s, .on_open = on_open, .on_frame = on_frame, .on_close = on_close},
    };
    pthread_t thread;

    s->in_order = true;
    assert_int_equal(vxc_loop_create(&s->loop, NULL), 0);
    assert_int_equal(vxc_listener_open(s->loop, &options, &s->listener, NULL), 0);
    client_port = vxc_listener_port(s->listener);
    vxc_loop_on_turn(s->loop, on_turn, s);
    assert_int_equal(pthread_create(&thread, NULL, s->client, NULL), 0);
    vxc_loop_run(s->loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    s->refused = vxc_listener_refused_total(s->listener);
    vxc_listener_close(s->listener);
    vxc_loop_free(s->loop);
}

/* ---- clients ---- */

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)client_port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        abort();
    }
    return fd;
}

static void add_frame(struct vxc_buffer *out, uint32_t request_id, size_t payload)
{
    size_t at = vxc_frame_begin(out, VXC_FRAME_REQUEST, 71, request_id);
    static uint8_t zeros[1 << 20];

    for (size_t done = 0; done < payload;) {
        size_t piece = payload - done < sizeof zeros ? payload - done : sizeof zeros;
        if (vxc_buffer_append(out, zeros, piece) != 0) {
            abort();
        }
        done += piece;
    }
    if (vxc_frame_finish(out, at) != 0) {
        abort();
    }
}

static void send_all(int fd, const uint8_t *bytes, size_t size, size_t piece)
{
    for (size_t done = 0; done < size;) {
        size_t n = size - done < piece ? size - done : piece;
        ssize_t sent = send(fd, bytes + done, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        done += (size_t)sent;
    }
}

static void read_replies(int fd, size_t count)
{
    size_t want = count * VXC_FRAME_HEADER_SIZE;
    uint8_t bytes[4096];

    while (want > 0) {
        ssize_t got = recv(fd, bytes, want < sizeof bytes ? want : sizeof bytes, 0);
        if (got <= 0) {
            return;
        }
        want -= (size_t)got;
    }
}

static void *client_byte_by_byte(void *data)
{
    struct vxc_buffer out = {0};
    int fd = dial();

    (void)data;
    for (uint32_t i = 0; i < 20; i++) {
        add_frame(&out, i, i * 7);
    }
    send_all(fd, out.data, out.size, 1);
    read_replies(fd, 20);
    close(fd);
    vxc_buffer_free(&out);
    return NULL;
}

static void frames_that_arrive_byte_by_byte_are_whole(void **state)
{
    struct server s = {.client = client_byte_by_byte};
    (void)state;
    serve(&s, 10);
    assert_int_equal(s.frames, 20);
    assert_int_equal(s.payload_bytes, 7 * 190);
    assert_true(s.in_order);
}

static void *client_burst(void *data)
{
    struct vxc_buffer out = {0};
    int fd = dial();

    (void)data;
    for (uint32_t i = 0; i < 20000; i++) {
        add_frame(&out, i, i % 97);
    }
    send_all(fd, out.data, out.size, out.size);
    read_replies(fd, 20000);
    close(fd);
    vxc_buffer_free(&out);
    return NULL;
}

static void a_burst_keeps_its_order(void **state)
{
    struct server s = {.client = client_burst};
    (void)state;
    serve(&s, 10);
    assert_int_equal(s.frames, 20000);
    assert_true(s.in_order);
}

static void pausing_and_resuming_loses_and_swaps_nothing(void **state)
{
    struct server s = {.client = client_burst, .pause_every = 37};
    (void)state;
    serve(&s, 10);
    assert_int_equal(s.frames, 20000);
    assert_true(s.in_order);
}

static void *client_large(void *data)
{
    struct vxc_buffer out = {0};
    int fd = dial();

    (void)data;
    add_frame(&out, 0, 3);
    add_frame(&out, 1, VXC_FRAME_SIZE_MAX - VXC_FRAME_HEADER_SIZE);
    add_frame(&out, 2, 300 * 1024);
    add_frame(&out, 3, 0);
    send_all(fd, out.data, out.size, 100000);
    read_replies(fd, 4);
    close(fd);
    vxc_buffer_free(&out);
    return NULL;
}

static void the_largest_frame_passes_between_small_ones(void **state)
{
    struct server s = {.client = client_large};
    (void)state;
    serve(&s, 10);
    assert_int_equal(s.frames, 4);
    assert_true(s.in_order);
}

static void *client_garbage(void *data)
{
    uint8_t bytes[64];
    int fd = dial();

    (void)data;
    memset(bytes, 0x55, sizeof bytes);
    send_all(fd, bytes, sizeof bytes, sizeof bytes);
    read_replies(fd, 1); /* until the other side closes */
    close(fd);
    return NULL;
}

static void bytes_that_are_no_frame_end_the_connection_with_a_reason(void **state)
{
    struct server s = {.client = client_garbage};
    (void)state;
    serve(&s, 10);
    assert_int_equal(s.frames, 0);
    assert_int_equal(s.close_code, VXC_ETOOBIG);
}

static void *client_crowd(void *data)
{
    int fds[8];
    struct vxc_buffer out = {0};

    (void)data;
    add_frame(&out, 0, 0);
    for (int i = 0; i < 8; i++) {
        fds[i] = dial();
    }
    send_all(fds[0], out.data, out.size, out.size);
    read_replies(fds[0], 1); /* the first ones are served */
    for (int i = 7; i >= 0; i--) {
        close(fds[i]);
    }
    vxc_buffer_free(&out);
    return NULL;
}

static void connections_over_the_bound_are_closed_and_counted(void **state)
{
    struct server s = {.client = client_crowd};
    (void)state;
    serve(&s, 3);
    assert_int_equal(s.open, 3);
    assert_int_equal(s.frames, 1);
}

/* Sends one frame; is it answered? */
static bool is_answered(int fd, size_t payload)
{
    struct vxc_buffer out = {0};
    char byte;
    bool answered;

    add_frame(&out, 0, payload);
    answered = send(fd, out.data, out.size, MSG_NOSIGNAL) == (ssize_t)out.size &&
               recv(fd, &byte, 1, 0) == 1;
    vxc_buffer_free(&out);
    return answered;
}

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static bool is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, 0) <= 0;
}

enum { CLIENTS = 2, GUESTS = 3, STRANGERS = 20 };

/* Two clients have all places; strangers come in crowds and say nothing. */
static void *client_of_a_full_server(void *data)
{
    int clients[CLIENTS];
    int strangers[STRANGERS];
    int members[CLIENTS];
    int late;

    (void)data;
    for (int i = 0; i < CLIENTS; i++) {
        must(is_answered(clients[i] = dial(), 0));
    }
    for (int i = 0; i < STRANGERS; i++) {
        strangers[i] = dial();
    }
    for (int i = 0; i < CLIENTS; i++) { /* it takes the place of the oldest that is silent */
        must(is_answered(members[i] = dial(), MEMBER));
    }
    for (int i = 0; i <= STRANGERS - GUESTS; i++) {
        must(is_closed(strangers[i]));
    }
    must(!is_answered(strangers[STRANGERS - 1], 0)); /* one more client */
    for (int i = 0; i < CLIENTS; i++) {
        must(is_answered(clients[i], 0) && is_answered(members[i], 0));
    }
    close(clients[0]); /* whoever asks now gets its place, once the server has noticed */
    while (!is_answered(late = dial(), 0)) {
        close(late);
    }
    must(is_answered(members[0], 0));
    for (int i = 0; i < STRANGERS; i++) {
        close(strangers[i]);
    }
    close(late);
    close(members[0]);
    close(members[1]);
    close(clients[1]);
    return NULL;
}

static void members_come_in_when_clients_have_all_places(void **state)
{
    struct server s = {.client = client_of_a_full_server, .guests_max = GUESTS};
    (void)state;
    serve(&s, CLIENTS);
    assert_int_equal(s.guests_apart, CLIENTS);
    assert_in_range(s.refused, STRANGERS - GUESTS + 2, UINT32_MAX);
}

/* ---- a peer in place of a socket ---- */

struct peer {
    struct server server;
    struct vxc_conn *conn;
    struct vxc_buffer out; /* fed piece by piece, whenever that is wanted */
    size_t fed, piece;
    uint32_t frames;   /* that came back, in order */
    uint32_t expected; /* then the connection is ended */
    bool wanted;
    int closes, close_code;
};

static void on_peer_frame(void *data, struct vxc_slice bytes)
{
    struct peer *p = data;
    struct vxc_frame frame;
    uint32_t need;

    assert_int_equal(vxc_frame_decode(bytes, VXC_FRAME_SIZE_MAX, &frame, &need), 0);
    assert_int_equal(frame.size, bytes.size);
    assert_int_equal(frame.request_id, p->frames++);
}

static void on_peer_want(void *data)
{
    struct peer *p = data;
    p->wanted = true;
}

static void on_peer_close(void *data, int code, const char *reason)
{
    struct peer *p = data;
    (void)reason;
    assert_int_equal(p->server.closed, 1); /* the owner heard of it first */
    p->closes++;
    p->close_code = code;
    vxc_loop_stop(p->server.loop);
}

static uint64_t on_peer_turn(void *data)
{
    struct peer *p = data;
    size_t left = p->out.size - p->fed;

    (void)on_turn(&p->server);
    if (p->closes == 0 && left > 0 && vxc_conn_is_read(p->conn)) {
        size_t size = left < p->piece ? left : p->piece;
        assert_true(p->wanted);
        vxc_conn_feed(p->conn, vxc_slice(p->out.data + p->fed, size));
        p->fed += size;
    } else if (p->frames == p->expected && p->closes == 0) {
        vxc_conn_cut(p->conn, VXC_ECLOSED, "done", false);
    }
    return 0;
}

/* Until the connection ends: fed to the end and answered, or cut. */
static void attach(struct peer *p, uint32_t connections_max)
{
    struct vxc_listener_options options = {
        .connections_max = connections_max, /* no host: it listens nowhere */
        .hooks = {.data = &p->server,
                  .on_open = on_open,
                  .on_frame = on_frame,
                  .on_close = on_close},
    };
    const struct vxc_conn_peer peer = {
        .data = p, .on_frame = on_peer_frame, .on_want = on_peer_want, .on_close = on_peer_close};
    struct vxc_conn *second;

    p->server.in_order = true;
    assert_int_equal(vxc_loop_create(&p->server.loop, NULL), 0);
    assert_int_equal(vxc_listener_open(p->server.loop, &options, &p->server.listener, NULL), 0);
    assert_int_equal(vxc_listener_port(p->server.listener), 0);
    assert_int_equal(vxc_listener_attach(p->server.listener, &peer, &p->conn), 0);
    assert_int_equal(vxc_listener_attach(p->server.listener, &peer, &second), VXC_ELIMIT);
    assert_string_equal(vxc_conn_address(p->conn), "local");
    vxc_loop_on_turn(p->server.loop, on_peer_turn, p);
    vxc_loop_run(p->server.loop);
    assert_int_equal(p->closes, 1);
    vxc_listener_stop(p->server.listener);
    assert_int_equal(vxc_listener_attach(p->server.listener, &peer, &second), VXC_ECLOSED);
    vxc_listener_close(p->server.listener);
    vxc_loop_free(p->server.loop);
    vxc_buffer_free(&p->out);
}

static void a_peer_is_served_as_a_socket_is(void **state)
{
    static const size_t pieces[] = {1, 7, 16, 1000, 1 << 20};

    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct peer p = {
            .piece = pieces[i], .expected = 200, .server = {.pause_every = i % 2 == 0 ? 3 : 0}};

        for (uint32_t id = 0; id < 200; id++) {
            add_frame(&p.out, id, id % 50);
        }
        attach(&p, 1);
        assert_int_equal(p.server.frames, 200);
        assert_int_equal(p.frames, 200);
        assert_true(p.server.in_order);
        assert_int_equal(p.close_code, VXC_ECLOSED);
    }
}

static void a_peer_that_feeds_no_frames_is_cut(void **state)
{
    static const uint8_t nonsense[32];
    struct peer p = {.piece = 1 << 20, .expected = UINT32_MAX};

    (void)state;
    add_frame(&p.out, 0, 10);
    assert_int_equal(vxc_buffer_append(&p.out, nonsense, sizeof nonsense), 0);
    attach(&p, 1);
    assert_int_equal(p.server.frames, 1);
    assert_int_equal(p.frames, 1); /* what was gathered before leaves */
    assert_int_equal(p.close_code, VXC_EPROTO);
}

/* Three that no memory is there for, at once, and one for which there is some again. */
static void *client_without_memory(void *data)
{
    struct vxc_buffer out = {0};
    int fds[3];
    int fd;
    char byte;

    (void)data;
    add_frame(&out, 0, 3);
    failing_heap_arm(1, true);
    for (int i = 0; i < 3; i++) {
        fds[i] = dial();
    }
    for (int i = 0; i < 3; i++) {
        if (recv(fds[i], &byte, 1, 0) > 0) {
            abort();
        }
        close(fds[i]);
    }
    failing_heap_arm(0, false);
    fd = dial();
    send_all(fd, out.data, out.size, out.size);
    read_replies(fd, 1);
    close(fd);
    vxc_buffer_free(&out);
    return NULL;
}

static void a_connection_without_memory_does_not_stop_those_after_it(void **state)
{
    struct server s = {.client = client_without_memory};
    (void)state;
    failing_heap_install();
    serve(&s, 10);
    assert_int_equal(s.frames, 1);
    assert_int_equal(failing_heap_balance(), 0);
    failing_heap_uninstall();
}

static void a_port_in_use_is_told_by_name(void **state)
{
    struct vxc_listener_options options = {.host = "127.0.0.1", .connections_max = 1};
    struct vxc_listener *first;
    struct vxc_listener *second;
    struct vxc_error err = {0};
    struct vxc_loop *loop;

    (void)state;
    assert_int_equal(vxc_loop_create(&loop, NULL), 0);
    assert_int_equal(vxc_listener_open(loop, &options, &first, &err), 0);
    options.port = vxc_listener_port(first);
    assert_int_equal(vxc_listener_open(loop, &options, &second, &err), VXC_EADDRINUSE);
    assert_non_null(strstr(err.text, "in use"));
    options.host = "not an address";
    assert_int_equal(vxc_listener_open(loop, &options, &second, &err), VXC_EADDRESS);
    vxc_listener_close(first);
    vxc_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_that_arrive_byte_by_byte_are_whole),
        cmocka_unit_test(a_burst_keeps_its_order),
        cmocka_unit_test(pausing_and_resuming_loses_and_swaps_nothing),
        cmocka_unit_test(the_largest_frame_passes_between_small_ones),
        cmocka_unit_test(bytes_that_are_no_frame_end_the_connection_with_a_reason),
        cmocka_unit_test(connections_over_the_bound_are_closed_and_counted),
        cmocka_unit_test(members_come_in_when_clients_have_all_places),
        cmocka_unit_test(a_peer_is_served_as_a_socket_is),
        cmocka_unit_test(a_peer_that_feeds_no_frames_is_cut),
        cmocka_unit_test(a_connection_without_memory_does_not_stop_those_after_it),
        cmocka_unit_test(a_port_in_use_is_told_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
