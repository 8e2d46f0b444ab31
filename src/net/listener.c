#include "net/listener.h"

#include "base/check.h"
#include "base/memory.h"
#include "net/conn_internal.h"

#include <string.h>

enum { BACKLOG = 1024, SWEEP_MS = 1000 };

static void refuse(struct vxc_listener *l);

static void accept_one(struct vxc_listener *l)
{
    if (vxc_conn_start(l) == UV_ENOMEM) { /* another failure concerns that connection alone */
        refuse(l);
    }
}

static void on_refused_closed(uv_handle_t *handle)
{
    struct vxc_listener *l = handle->data;

    l->handles--;
    l->refusing = false;
    if (l->another_waits && !l->stopped) {
        l->another_waits = false;
        accept_one(l);
    }
    vxc_listener_finish(l);
}

/* libuv offers no further connection before this one is accepted: without memory it is accepted by a
 * handle of our own, and closed. */
static void refuse(struct vxc_listener *l)
{
    if (l->refusing) {
        l->another_waits = true;
        return;
    }
    if (uv_tcp_init(vxc_loop_handle(l->loop), &l->refused) != 0) {
        return;
    }
    l->refusing = true;
    l->handles++;
    l->refused.data = l;
    l->refused_total++;
    (void)uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&l->refused); /* closed in any case */
    uv_close((uv_handle_t *)&l->refused, on_refused_closed);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct vxc_listener *l = stream->data;

    if (status == UV_EMFILE || status == UV_ENFILE) {
        l->accept_paused = true; /* the sweep tries again; libuv already shed this one */
        return;
    }
    if (status == 0 && !l->stopped) {
        accept_one(l);
    }
}

void vxc_listener_sweep(struct vxc_listener *l)
{
    uint64_t now_ms = vxc_loop_now_ms(l->loop);
    struct vxc_conn *next;

    bool late = now_ms - l->swept_ms > 2 * SWEEP_MS;

    l->accept_paused = false;
    l->swept_ms = now_ms;
    if (late) {
        return; /* the process stood still: what came meanwhile is yet to be read */
    }
    for (struct vxc_conn *c = l->conns; c != NULL; c = next) {
        next = c->next;
        vxc_conn_sweep(c, now_ms);
    }
    if (!l->spare_taken) {
        vxc_listener_free_spares(l);
    }
    l->spare_taken = false;
}

static void on_sweep(uv_timer_t *timer)
{
    vxc_listener_sweep(timer->data);
}

/* 0 with the address, VXC_EADDRESS for what is not numeric. */
static int parse_address(const char *host, uint16_t port, struct sockaddr_storage *address)
{
    memset(address, 0, sizeof *address);
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)address) == 0) {
        return 0;
    }
    return uv_ip6_addr(host, port, (struct sockaddr_in6 *)address) == 0 ? 0 : VXC_EADDRESS;
}

static int bind_and_listen(struct vxc_listener *l, const struct vxc_listener_options *options,
                           struct vxc_error *err)
{
    struct sockaddr_storage address;
    int size = (int)sizeof address;
    int rv;

    if (parse_address(options->host, options->port, &address) != 0) {
        return vxc_error_set(err, VXC_EADDRESS,
                             "cannot listen on \"%s\": not a numeric IPv4 or IPv6 address",
                             options->host);
    }
    rv = uv_tcp_bind(&l->tcp, (struct sockaddr *)&address, 0);
    if (rv == 0) {
        rv = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
    }
    if (rv == UV_EADDRINUSE) {
        return vxc_error_set(err, VXC_EADDRINUSE,
                             "cannot listen on %s:%u: the port is in use by another process; "
                             "choose another --port or 0 for any free one",
                             options->host, options->port);
    }
    if (rv != 0) {
        return vxc_error_set(
            err, rv == UV_EADDRNOTAVAIL || rv == UV_EACCES ? VXC_EADDRESS : VXC_EIO,
            "cannot listen on %s:%u: %s", options->host, options->port, uv_strerror(rv));
    }
    (void)uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&address, &size); /* it is bound */
    l->port = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                                 : ((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

int vxc_listener_open(struct vxc_loop *loop, const struct vxc_listener_options *options,
                      struct vxc_listener **out, struct vxc_error *err)
{
    struct vxc_listener *l = vxc_calloc(1, sizeof *l);
    uv_loop_t *uv = vxc_loop_handle(loop);
    int rv;

    if (l == NULL || (l->scratch = vxc_malloc(VXC_CONN_READ_SIZE)) == NULL) {
        vxc_free(l);
        return vxc_error_set(err, VXC_ENOMEM, "listener: out of memory");
    }
    l->loop = loop;
    l->hooks = options->hooks;
    l->connections_max = options->connections_max;
    l->guests_max = options->guests_max;
    TAILQ_INIT(&l->guests);
    l->percent = 100;
    rv = uv_tcp_init(uv, &l->tcp);
    vxc_check(rv == 0); /* only allocates the handle; the socket comes with bind */
    (void)uv_timer_init(uv, &l->sweep);
    (void)uv_idle_init(uv, &l->idle);
    l->handles = 3;
    l->tcp.data = l->sweep.data = l->idle.data = l;
    rv = options->host == NULL ? 0 : bind_and_listen(l, options, err);
    if (rv != 0) {
        vxc_listener_close(l);
        return rv;
    }
    (void)uv_timer_start(&l->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    *out = l;
    return 0;
}

int vxc_listener_attach(struct vxc_listener *l, const struct vxc_conn_peer *peer,
                        struct vxc_conn **conn)
{
    return vxc_conn_start_local(l, peer, conn);
}

uint64_t vxc_listener_silent_total(const struct vxc_listener *l)
{
    return l->silent_total;
}

uint16_t vxc_listener_port(const struct vxc_listener *l)
{
    return l->port;
}

uint64_t vxc_listener_held_bytes(const struct vxc_listener *l)
{
    return l->held_bytes;
}

/* Cuts who has been stuck the longest, of those who hold no less than the average of all, until the
 * rest is within the bound. So a stalled crowd goes before somebody who sends or takes much. */
void vxc_listener_bound_held(struct vxc_listener *l)
{
    while (l->held_bytes > VXC_NODE_HELD_BYTES_MAX) {
        struct vxc_conn *stuck = NULL;

        for (struct vxc_conn *c = l->conns; c != NULL; c = c->next) {
            if (c->held_bytes >= l->held_bytes / l->count &&
                (stuck == NULL || vxc_conn_stuck_since_ms(c) < vxc_conn_stuck_since_ms(stuck))) {
                stuck = c;
            }
        }
        vxc_check(stuck != NULL); /* somebody holds the average */
        vxc_conn_abort(stuck, VXC_ELIMIT,
                       "all connections together hold too much, and this one is stuck the longest");
    }
}

uint32_t vxc_listener_count(const struct vxc_listener *l)
{
    return l->count - l->uncounted;
}

uint64_t vxc_listener_refused_total(const struct vxc_listener *l)
{
    return l->refused_total;
}

void vxc_listener_flush(struct vxc_listener *l)
{
    struct vxc_conn *list = l->dirty;

    l->dirty = NULL;
    while (list != NULL) {
        struct vxc_conn *conn = list;

        list = conn->next_dirty;
        conn->next_dirty = NULL;
        conn->dirty = false;
        vxc_conn_flush(conn);
    }
}

void vxc_listener_admit(struct vxc_listener *l, int percent)
{
    bool was_reading = l->percent > 0;

    l->percent = percent;
    if (was_reading != (percent > 0)) {
        for (struct vxc_conn *c = l->conns; c != NULL; c = c->next) {
            vxc_conn_update_reading(c);
        }
    }
}

void vxc_listener_each(struct vxc_listener *l, void (*each)(void *data, struct vxc_conn *conn),
                       void *data)
{
    struct vxc_conn *next;

    for (struct vxc_conn *c = l->conns; c != NULL; c = next) {
        next = c->next;
        each(data, c);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct vxc_listener *l = handle->data;

    l->handles--;
    vxc_listener_finish(l);
}

void vxc_listener_stop(struct vxc_listener *l)
{
    if (!l->stopped) {
        l->stopped = true;
        uv_close((uv_handle_t *)&l->tcp, on_handle_closed);
    }
}

static void cut_one(void *data, struct vxc_conn *conn)
{
    (void)data;
    vxc_conn_cut(conn, VXC_ECLOSED, "the node stops", false);
}

void vxc_listener_close(struct vxc_listener *l)
{
    if (l->closing) {
        return;
    }
    l->closing = true;
    vxc_listener_stop(l);
    vxc_listener_each(l, cut_one, NULL);
    uv_close((uv_handle_t *)&l->sweep, on_handle_closed);
    uv_close((uv_handle_t *)&l->idle, on_handle_closed);
}

void vxc_listener_finish(struct vxc_listener *l)
{
    if (l->closing && l->handles == 0 && l->count == 0) {
        vxc_listener_free_spares(l);
        vxc_free(l->scratch);
        vxc_free(l);
    }
}
