/* Connections that we begin: a name is looked up, its addresses are tried one after the other.
 *
 *   looking up ──► connecting ──► there (the attempt is freed, on_open)
 *                   ▲     │ refused, and there is another address
 *                   └─ closing the handle, for a new one
 *
 * However it ends, the connection ends as every other does, by its handle's close callback; only its
 * memory outlives that while the lookup's thread has not come back.
 */
#include "base/endpoint.h"
#include "base/memory.h"
#include "net/conn_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct vxc_dial {
    uv_getaddrinfo_t lookup;
    uv_connect_t connect;
    struct addrinfo *found;         /* libuv's */
    const struct addrinfo *address; /* the next one to try */
    uint32_t patience_ms;
    bool looking_up;
    bool renewing; /* the handle is being closed, for another one */
    bool closed;   /* the connection has ended, but the lookup has not */
};

static void end_dial(struct vxc_conn *conn)
{
    if (conn->dial->found != NULL) {
        uv_freeaddrinfo(conn->dial->found);
    }
    vxc_free(conn->dial);
    conn->dial = NULL;
}

bool vxc_dial_is_over(struct vxc_conn *conn)
{
    if (conn->dial->looking_up) {
        conn->dial->closed = true;
        return false;
    }
    end_dial(conn);
    return true;
}

bool vxc_dial_stop(struct vxc_conn *conn)
{
    if (conn->dial->looking_up) {
        (void)uv_cancel((uv_req_t *)&conn->dial->lookup); /* too late when it runs */
    }
    return conn->dial->renewing;
}

static void connect_to(struct vxc_conn *conn, const struct sockaddr *address);

static void on_renewed(uv_handle_t *handle)
{
    struct vxc_conn *conn = handle->data;
    const struct addrinfo *address = conn->dial->address;

    conn->dial->renewing = false;
    if (conn->closing) {
        vxc_conn_on_closed(handle);
        return;
    }
    (void)uv_tcp_init(vxc_loop_handle(conn->listener->loop), &conn->tcp); /* opens nothing yet */
    conn->tcp.data = conn;
    conn->dial->address = address->ai_next;
    connect_to(conn, address->ai_addr);
}

/* This address did not do: the next one, with a new handle, or the end. */
static void failed(struct vxc_conn *conn, int uv_code)
{
    char reason[160];

    if (conn->dial->address != NULL) {
        conn->dial->renewing = true;
        uv_close((uv_handle_t *)&conn->tcp, on_renewed);
        return;
    }
    (void)snprintf(reason, sizeof reason, "cannot connect: %s", uv_strerror(uv_code));
    vxc_conn_abort(conn, VXC_ECLOSED, reason);
}

/* A socket of our own making, for the patience counts from the first packet on. */
static int make_socket(struct vxc_conn *conn, int family)
{
    const unsigned ms = conn->dial->patience_ms;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rv;

    if (fd < 0) {
        return uv_translate_sys_error(errno);
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms); /* it only helps */
    rv = uv_tcp_open(&conn->tcp, fd);
    if (rv != 0) {
        (void)close(fd);
    }
    return rv;
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct vxc_conn *conn = connect->data;

    if (conn->closing) {
        return;
    }
    if (status != 0) {
        failed(conn, status);
        return;
    }
    end_dial(conn);
    conn->waiting_since_ms = vxc_loop_now_ms(conn->listener->loop);
    vxc_conn_tune(conn);
    conn->user = conn->hooks->on_open(conn->hooks->data, conn);
    if (conn->user == NULL) {
        vxc_conn_abort(conn, VXC_ECANCELED, "not wanted any more");
        return;
    }
    vxc_conn_update_reading(conn);
}

static void connect_to(struct vxc_conn *conn, const struct sockaddr *address)
{
    int rv;

    conn->dial->connect.data = conn;
    rv = make_socket(conn, address->sa_family);
    if (rv == 0) {
        rv = uv_tcp_connect(&conn->dial->connect, &conn->tcp, address, on_connected);
    }
    if (rv != 0) {
        failed(conn, rv);
    }
}

static void on_found(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct vxc_conn *conn = lookup->data;
    struct vxc_dial *dial = conn->dial;
    char reason[160];

    dial->looking_up = false;
    dial->found = found;
    if (dial->closed) {
        end_dial(conn);
        vxc_conn_free(conn);
    } else if (conn->closing) {
        return; /* its close callback follows */
    } else if (status != 0 || found == NULL) {
        (void)snprintf(reason, sizeof reason, "cannot look the name up: %s",
                       status != 0 ? uv_strerror(status) : "it has no address");
        vxc_conn_abort(conn, VXC_EADDRESS, reason);
    } else {
        dial->address = found->ai_next;
        connect_to(conn, found->ai_addr);
    }
}

/* The first lookup starts libuv's threads, which are to take no signals. */
static int look_up(struct vxc_conn *conn, const struct vxc_endpoint *endpoint)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    sigset_t all;
    sigset_t before;
    int rv;

    conn->dial->lookup.data = conn;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rv = uv_getaddrinfo(vxc_loop_handle(conn->listener->loop), &conn->dial->lookup, on_found,
                        endpoint->host, endpoint->port, &hints);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    conn->dial->looking_up = rv == 0;
    return rv;
}

static bool is_numeric(const struct vxc_endpoint *endpoint, struct sockaddr_storage *address)
{
    int port = (int)strtol(endpoint->port, NULL, 10); /* its digits were looked at */

    memset(address, 0, sizeof *address);
    return uv_ip4_addr(endpoint->host, port, (struct sockaddr_in *)address) == 0 ||
           uv_ip6_addr(endpoint->host, port, (struct sockaddr_in6 *)address) == 0;
}

int vxc_listener_dial(struct vxc_listener *l, const char *address, uint32_t patience_ms,
                      const struct vxc_conn_hooks *hooks, struct vxc_conn **out,
                      struct vxc_error *err)
{
    struct sockaddr_storage numeric;
    struct vxc_endpoint endpoint;
    struct vxc_conn *conn;
    int rv;

    if (vxc_endpoint_parse(address, strlen(address), &endpoint) != 0) {
        return vxc_error_set(err, VXC_EINVAL, "\"%s\" is not an address; expected host:port",
                             address);
    }
    if (l->closing) {
        return vxc_error_set(err, VXC_ECLOSED, "the listener is closed");
    }
    conn = vxc_conn_add(l);
    if (conn == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    conn->outgoing = true;
    l->uncounted++;
    conn->id = ++l->next_id;
    conn->hooks = hooks;
    conn->waiting_since_ms = vxc_loop_now_ms(l->loop);
    (void)snprintf(conn->address, sizeof conn->address, "%.63s", address);
    *out = conn;
    conn->dial = vxc_calloc(1, sizeof *conn->dial);
    if (conn->dial == NULL) {
        vxc_conn_abort(conn, VXC_ENOMEM, "out of memory");
        return 0;
    }
    conn->dial->patience_ms = patience_ms;
    if (is_numeric(&endpoint, &numeric)) {
        connect_to(conn, (const struct sockaddr *)&numeric);
    } else if ((rv = look_up(conn, &endpoint)) != 0) {
        vxc_conn_abort(conn, VXC_EIO, uv_strerror(rv));
    }
    return 0;
}
