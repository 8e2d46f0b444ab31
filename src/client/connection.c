/* The socket of a client: where to connect and when, reading, writing. */
#include "client/client_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define READS_PER_TURN  16 /* then deadlines and the caller get their turn */
#define PARTS_PER_WRITE 16

/* ---- where and when ---- */

static void go_on(struct vxc_client *client)
{
    const struct vxc_endpoint *place = vxc_router_place(&client->router);

    (void)snprintf(client->endpoint_text, sizeof client->endpoint_text,
                   strchr(place->host, ':') != NULL ? "[%s]:%s" : "%s:%s", place->host,
                   place->port);
    client->connect_due_ms = vxc_router_due_ms(&client->router);
    vxc_core_set_others(client->core, vxc_router_has_others(&client->router));
}

/* Drops the connection, or what was to become one; where the next one goes follows from why. The
 * reason stays in client->error. */
static void disconnect(struct vxc_client *client, int why)
{
    struct vxc_error reason = client->error; /* callbacks may bring another one */
    const uint64_t now_ms = vxc_client_now_ms(client);

    if (client->fd >= 0) {
        (void)close(client->fd); /* nothing more is expected from it */
        client->fd = -1;
    }
    client->connecting = false;
    /* However it ended: it had said that it is not the primary. */
    vxc_router_ended(&client->router, now_ms,
                     vxc_core_is_leaving(client->core) ? VXC_ENOTPRIMARY : why,
                     vxc_core_primary_address(client->core));
    go_on(client);
    vxc_core_on_disconnected(client->core, reason.text);
}

static void disconnect_because(struct vxc_client *client, int why, const char *text)
{
    (void)vxc_error_set(&client->error, VXC_ECLOSED, "%s: %s", client->endpoint_text, text);
    disconnect(client, why);
}

void vxc_connection_on_members(void *data, const struct vxc_slice *addresses, size_t count)
{
    struct vxc_client *client = data;

    vxc_router_learn(&client->router, addresses, count);
    vxc_core_set_others(client->core, vxc_router_has_others(&client->router));
}

/* Without the lock, for looking up a name may take long; only the driver comes here. */
static void begin_connect(struct vxc_client *client)
{
    struct vxc_endpoint endpoint;
    struct vxc_error err = {0};
    int rc, fd = -1;

    go_on(client);
    endpoint = *vxc_router_place(&client->router);
    (void)pthread_mutex_unlock(&client->lock);
    rc = vxc_endpoint_connect(&endpoint, &fd, &err);
    (void)pthread_mutex_lock(&client->lock);
    if (rc != VXC_OK) {
        client->error = err;
        disconnect(client, rc);
        return;
    }
    client->fd = fd;
    client->connecting = true;
    client->connect_due_ms = vxc_client_now_ms(client) + vxc_router_connect_ms(&client->router);
}

static void finish_connect(struct vxc_client *client)
{
    struct pollfd poller = {.fd = client->fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;

    if (poll(&poller, 1, 0) == 0) {
        if (vxc_client_now_ms(client) >= client->connect_due_ms) {
            disconnect_because(client, VXC_ETIMEOUT, "no answer to the connection");
        }
        return;
    }
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        disconnect_because(client, VXC_ECLOSED, strerror(error));
        return;
    }
    client->connecting = false;
    client->reached = true;
    vxc_core_on_connected(client->core, vxc_client_now_ms(client));
}

/* ---- bytes ---- */

static void read_socket(struct vxc_client *client)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        struct vxc_error err = {0};
        const ssize_t got = recv(client->fd, client->read_buffer, VXC_CLIENT_READ_SIZE, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            disconnect_because(client, VXC_ECLOSED,
                               got == 0 ? "the server closed the connection" : strerror(errno));
            return;
        }
        const int rc = vxc_core_input(client->core, vxc_slice(client->read_buffer, (size_t)got),
                                      vxc_client_now_ms(client), &err);
        if (rc != VXC_OK) {
            (void)vxc_error_prefix(&err, "%s", client->endpoint_text);
            client->error = err;
            disconnect(client, rc);
            return;
        }
        if (vxc_core_state(client->core) == VXC_CORE_READY &&
            !vxc_core_is_searching(client->core)) {
            vxc_router_found(&client->router);
        }
        if ((size_t)got < VXC_CLIENT_READ_SIZE) {
            return;
        }
    }
}

/* 0, VXC_EBUSY: the rest has to wait; VXC_ECLOSED with errno set. */
static int write_socket(struct vxc_client *client)
{
    while (vxc_core_has_output(client->core)) {
        struct vxc_slice parts[PARTS_PER_WRITE];
        struct iovec vectors[PARTS_PER_WRITE];
        const size_t count = vxc_core_output(client->core, parts, PARTS_PER_WRITE);
        const struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};

        for (size_t i = 0; i < count; i++) {
            /* sendmsg reads only, but its type does not say so */
            union {
                const uint8_t *in;
                void *out;
            } address = {.in = parts[i].data};
            vectors[i] = (struct iovec){.iov_base = address.out, .iov_len = parts[i].size};
        }
        const ssize_t sent = sendmsg(client->fd, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR ? VXC_EBUSY : VXC_ECLOSED;
        }
        vxc_core_sent(client->core, (size_t)sent, vxc_client_now_ms(client));
    }
    return VXC_OK;
}

bool vxc_connection_write(struct vxc_client *client)
{
    return client->fd < 0 || client->connecting || write_socket(client) == VXC_OK;
}

short vxc_connection_events(const struct vxc_client *client)
{
    if (client->fd < 0) {
        return 0;
    }
    if (client->connecting) {
        return POLLOUT;
    }
    return vxc_core_has_output(client->core) ? POLLIN | POLLOUT : POLLIN;
}

uint64_t vxc_connection_due_ms(const struct vxc_client *client)
{
    const uint64_t due_ms = vxc_core_due_ms(client->core);

    return (client->fd < 0 || client->connecting) && client->connect_due_ms < due_ms
               ? client->connect_due_ms
               : due_ms;
}

/* ---- a turn ---- */

void vxc_connection_turn(struct vxc_client *client)
{
    struct vxc_error err = {0};

    if (client->fd < 0 && vxc_client_now_ms(client) >= client->connect_due_ms) {
        begin_connect(client);
    }
    if (client->fd >= 0 && client->connecting) {
        finish_connect(client);
    }
    if (client->fd >= 0 && !client->connecting) {
        read_socket(client);
    }
    const int rc = vxc_core_tick(client->core, vxc_client_now_ms(client), &err);
    if (rc != VXC_OK) {
        disconnect_because(client, rc, err.text);
    }
    if (client->fd >= 0 && !client->connecting && write_socket(client) == VXC_ECLOSED) {
        disconnect_because(client, VXC_ECLOSED, strerror(errno));
    }
}
