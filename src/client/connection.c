/* The socket of a client: where to connect and when, reading, writing. */
#include "client/client_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define RECONNECT_MS_MIN 20u /* a node restarts in about this time */
#define RECONNECT_MS_MAX 1000u
#define CONNECT_MS_MAX   3000u /* then the next endpoint gets its turn */
#define READS_PER_TURN   16    /* then deadlines and the caller get their turn */
#define PARTS_PER_WRITE  16

/* ---- where and when ---- */

static void set_endpoint(struct vxc_client *client, const struct vxc_endpoint *endpoint)
{
    client->current = *endpoint;
    (void)snprintf(client->endpoint_text, sizeof client->endpoint_text,
                   strchr(endpoint->host, ':') != NULL ? "[%s]:%s" : "%s:%s", endpoint->host,
                   endpoint->port);
}

/* Half of the delay is chance, so that clients of a restarted node do not come in step. */
static uint64_t reconnect_delay(struct vxc_client *client)
{
    const unsigned rounds = client->failures / (unsigned)client->endpoints_count;
    uint64_t delay_ms = RECONNECT_MS_MIN << (rounds < 6 ? rounds : 6);

    if (client->failures % client->endpoints_count != 0) {
        return 0; /* the other endpoints come first */
    }
    delay_ms = delay_ms < RECONNECT_MS_MAX ? delay_ms : RECONNECT_MS_MAX;
    client->random = client->random * 1664525u + 1013904223u;
    return delay_ms / 2 + (client->random >> 8) % (delay_ms / 2 + 1);
}

/* Drops the connection, or what was to become one, and arranges for the next try. The reason stays
 * in client->error. */
static void disconnect(struct vxc_client *client)
{
    struct vxc_error reason = client->error; /* callbacks may bring another one */
    struct vxc_endpoint primary;
    size_t count;

    if (client->fd >= 0) {
        (void)close(client->fd); /* nothing more is expected from it */
        client->fd = -1;
    }
    client->connecting = false;
    client->failures++;
    client->endpoint_at = (client->endpoint_at + 1) % client->endpoints_count;
    set_endpoint(client, &client->endpoints[client->endpoint_at]);
    if (vxc_core_primary_address(client->core)[0] != '\0' && client->failures <= 1 &&
        vxc_endpoints_parse(vxc_core_primary_address(client->core), &primary, &count, NULL) == 0) {
        set_endpoint(client, &primary);
    }
    client->connect_due_ms = vxc_client_now_ms(client) + reconnect_delay(client);
    vxc_core_on_disconnected(client->core, reason.text);
}

static void disconnect_because(struct vxc_client *client, const char *why)
{
    (void)vxc_error_set(&client->error, VXC_ECLOSED, "%s: %s", client->endpoint_text, why);
    disconnect(client);
}

/* Without the lock, for looking up a name may take long; only the driver comes here. */
static void begin_connect(struct vxc_client *client)
{
    struct vxc_error err = {0};
    int rc, fd = -1;

    if (client->endpoint_text[0] == '\0') {
        set_endpoint(client, &client->endpoints[0]);
    }
    (void)pthread_mutex_unlock(&client->lock);
    rc = vxc_endpoint_connect(&client->current, &fd, &err);
    (void)pthread_mutex_lock(&client->lock);
    if (rc != VXC_OK) {
        client->error = err;
        disconnect(client);
        return;
    }
    client->fd = fd;
    client->connecting = true;
    client->connect_due_ms = vxc_client_now_ms(client) + CONNECT_MS_MAX;
}

static void finish_connect(struct vxc_client *client)
{
    struct pollfd poller = {.fd = client->fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;

    if (poll(&poller, 1, 0) == 0) {
        if (vxc_client_now_ms(client) >= client->connect_due_ms) {
            disconnect_because(client, "no answer to the connection");
        }
        return;
    }
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        disconnect_because(client, strerror(error));
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
            disconnect_because(client,
                               got == 0 ? "the server closed the connection" : strerror(errno));
            return;
        }
        const int rc = vxc_core_input(client->core, vxc_slice(client->read_buffer, (size_t)got),
                                      vxc_client_now_ms(client), &err);
        if (rc != VXC_OK) {
            (void)vxc_error_prefix(&err, "%s", client->endpoint_text);
            client->error = err;
            client->failures = rc == VXC_ENOTPRIMARY ? 0 : client->failures;
            disconnect(client);
            return;
        }
        if (vxc_core_state(client->core) == VXC_CORE_READY) {
            client->failures = 0;
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
    if (vxc_core_tick(client->core, vxc_client_now_ms(client), &err) != VXC_OK) {
        disconnect_because(client, err.text);
    }
    if (client->fd >= 0 && !client->connecting && write_socket(client) == VXC_ECLOSED) {
        disconnect_because(client, strerror(errno));
    }
}
