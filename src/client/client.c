#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"

#include "vxc/client.h"

#include "client/core.h"
#include "client/endpoint.h"
#include "client/payload.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_MS_DEFAULT 5000u
#define RECONNECT_MS_MIN   20u /* a node restarts in about this time */
#define RECONNECT_MS_MAX   1000u
#define CONNECT_MS_MAX     3000u /* then the next endpoint gets its turn */
#define POLL_MS_MAX        60000 /* callers look again after a minute at the latest */
#define READ_SIZE          (256u * 1024u)
#define READS_PER_DISPATCH 16 /* then deadlines and the caller get their turn */

struct vxc_client {
    struct vxc_core *core;
    const struct vxc_clock *clock;
    struct vxc_endpoint endpoints[VXC_ENDPOINTS_MAX];
    size_t endpoints_count;
    size_t endpoint_at;
    struct vxc_endpoint current; /* may be one that a server named */
    uint64_t timeout_ms;
    void *data;
    void (*on_notice)(void *data, const struct vxc_notice *notice);

    int fd; /* -1 = no connection */
    bool connecting;
    uint64_t connect_due_ms; /* connecting: give up then; no connection: try then */
    unsigned failures;       /* connections failed in a row */
    bool reached;
    uint32_t random;

    struct vxc_buffer kept; /* what the last synchronous reply points into */
    struct vxc_error error;
    char endpoint_text[VXC_ENDPOINT_HOST_MAX + 10];
    uint8_t *read_buffer;
};

static uint64_t now_ms(const struct vxc_client *client)
{
    return vxc_clock_ms(client->clock);
}

/* ---- birth and death ---- */

struct vxc_client_options vxc_client_options(void)
{
    return (struct vxc_client_options){.struct_size = sizeof(struct vxc_client_options),
                                       .timeout_ms = TIMEOUT_MS_DEFAULT,
                                       .ping_interval_ms = VXC_PING_INTERVAL_MS_DEFAULT};
}

static void on_notice(void *data, const struct vxc_notice *notice)
{
    struct vxc_client *client = data;
    if (client->on_notice != NULL) {
        client->on_notice(client->data, notice);
    }
}

static int create_core(struct vxc_client *client, const struct vxc_client_options *options)
{
    struct vxc_core_options core = {
        .namespace_name = vxc_slice_of(options->namespace_name),
        .client_name = options->client_name == NULL ? "libvxc" : options->client_name,
        .ping_interval_ms = options->ping_interval_ms,
        .data = client,
        .on_notice = on_notice};

    client->clock->random(client->clock->data, &core.random_seed, sizeof core.random_seed);
    client->random = core.random_seed;
    return vxc_core_create(&core, &client->core);
}

int vxc_client_create(const struct vxc_client_options *options, struct vxc_client **out)
{
    struct vxc_client *client;
    int rc;

    if (options->struct_size != sizeof *options || options->endpoints == NULL ||
        options->namespace_name.size > VXC_NAME_SIZE_MAX) {
        return VXC_EINVAL;
    }
    client = vxc_calloc(1, sizeof *client);
    if (client == NULL) {
        return VXC_ENOMEM;
    }
    client->fd = -1;
    client->clock = vxc_clock_system();
    client->timeout_ms = options->timeout_ms;
    client->data = options->data;
    client->on_notice = options->on_notice;
    client->read_buffer = vxc_malloc(READ_SIZE);
    rc = client->read_buffer == NULL ? VXC_ENOMEM : VXC_OK;
    if (rc == VXC_OK) {
        rc = vxc_endpoints_parse(options->endpoints, client->endpoints, &client->endpoints_count,
                                 &client->error);
    }
    if (rc == VXC_OK) {
        rc = create_core(client, options);
    }
    if (rc != VXC_OK) {
        vxc_client_free(client);
        return rc;
    }
    *out = client;
    return VXC_OK;
}

void vxc_client_free(struct vxc_client *client)
{
    if (client == NULL) {
        return;
    }
    vxc_core_free(client->core);
    vxc_client_abandon(client);
}

void vxc_client_abandon(struct vxc_client *client)
{
    if (client->fd >= 0) {
        (void)close(client->fd); /* nothing more is expected from it */
    }
    vxc_buffer_free(&client->kept);
    vxc_free(client->read_buffer);
    vxc_free(client);
}

/* ---- the connection ---- */

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

/* Drops the connection, or what was to become one, and arranges for the next try. */
static void disconnect(struct vxc_client *client, const char *reason)
{
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
    client->connect_due_ms = now_ms(client) + reconnect_delay(client);
    vxc_core_on_disconnected(client->core, reason);
}

static void begin_connect(struct vxc_client *client)
{
    if (client->endpoint_text[0] == '\0') {
        set_endpoint(client, &client->endpoints[0]);
    }
    if (vxc_endpoint_connect(&client->current, &client->fd, &client->error) != VXC_OK) {
        disconnect(client, client->error.text);
        return;
    }
    client->connecting = true;
    client->connect_due_ms = now_ms(client) + CONNECT_MS_MAX;
}

static void finish_connect(struct vxc_client *client)
{
    struct pollfd poller = {.fd = client->fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;

    if (poll(&poller, 1, 0) == 0) {
        if (now_ms(client) >= client->connect_due_ms) {
            (void)vxc_error_set(&client->error, VXC_ECLOSED, "%s: no answer to the connection",
                                client->endpoint_text);
            disconnect(client, client->error.text);
        }
        return;
    }
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        (void)vxc_error_set(&client->error, VXC_ECLOSED, "%s: %s", client->endpoint_text,
                            strerror(error));
        disconnect(client, client->error.text);
        return;
    }
    client->connecting = false;
    client->reached = true;
    vxc_core_on_connected(client->core, now_ms(client));
}

static bool read_socket(struct vxc_client *client)
{
    for (int i = 0; i < READS_PER_DISPATCH && client->fd >= 0; i++) {
        const ssize_t got = recv(client->fd, client->read_buffer, READ_SIZE, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return true;
        }
        if (got <= 0) {
            (void)vxc_error_set(&client->error, VXC_ECLOSED, "%s: %s", client->endpoint_text,
                                got == 0 ? "the server closed the connection" : strerror(errno));
            disconnect(client, client->error.text);
            return false;
        }
        const int rc = vxc_core_input(client->core, vxc_slice(client->read_buffer, (size_t)got),
                                      now_ms(client), &client->error);
        if (rc != VXC_OK) {
            (void)vxc_error_prefix(&client->error, "%s", client->endpoint_text);
            client->failures = rc == VXC_ENOTPRIMARY ? 0 : client->failures;
            disconnect(client, client->error.text);
            return false;
        }
        if (vxc_core_state(client->core) == VXC_CORE_READY) {
            client->failures = 0;
        }
        if ((size_t)got < READ_SIZE) {
            return true;
        }
    }
    return true;
}

static void write_socket(struct vxc_client *client)
{
    struct vxc_slice out;

    while ((out = vxc_core_output(client->core)).size > 0) {
        const ssize_t sent = send(client->fd, out.data, out.size, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (sent < 0) {
            (void)vxc_error_set(&client->error, VXC_ECLOSED, "%s: %s", client->endpoint_text,
                                strerror(errno));
            disconnect(client, client->error.text);
            return;
        }
        vxc_core_sent(client->core, (size_t)sent, now_ms(client));
    }
}

/* ---- the caller's loop ---- */

int vxc_client_fd(const struct vxc_client *client)
{
    return client->fd;
}

short vxc_client_poll_events(const struct vxc_client *client)
{
    if (client->fd < 0) {
        return 0;
    }
    if (client->connecting) {
        return POLLOUT;
    }
    return vxc_core_output(client->core).size > 0 ? POLLIN | POLLOUT : POLLIN;
}

int64_t vxc_client_timeout_ms(const struct vxc_client *client)
{
    const uint64_t now = now_ms(client);
    uint64_t due = vxc_core_due_ms(client->core);

    if ((client->fd < 0 || client->connecting) && client->connect_due_ms < due) {
        due = client->connect_due_ms;
    }
    if (due == UINT64_MAX) {
        return -1;
    }
    return due <= now ? 0 : (int64_t)(due - now);
}

int vxc_client_dispatch(struct vxc_client *client)
{
    const uint64_t told_before = vxc_core_told(client->core);

    if (client->fd < 0 && now_ms(client) >= client->connect_due_ms) {
        begin_connect(client);
    }
    if (client->fd >= 0 && client->connecting) {
        finish_connect(client);
    }
    if (client->fd >= 0 && !client->connecting && read_socket(client)) {
        if (vxc_core_tick(client->core, now_ms(client), &client->error) != VXC_OK) {
            (void)vxc_error_prefix(&client->error, "%s", client->endpoint_text);
            disconnect(client, client->error.text);
        }
    } else {
        (void)vxc_core_tick(client->core, now_ms(client), NULL); /* only deadlines; cannot fail */
    }
    if (client->fd >= 0 && !client->connecting) {
        write_socket(client);
    }
    return (int)(vxc_core_told(client->core) - told_before);
}

int vxc_client_wait(struct vxc_client *client, int64_t timeout_ms)
{
    /* The first dispatch writes what was submitted, so that poll waits for something. */
    const int told = vxc_client_dispatch(client);
    const int64_t own = vxc_client_timeout_ms(client);
    struct pollfd poller = {.fd = client->fd, .events = vxc_client_poll_events(client)};

    if (told > 0) {
        return told;
    }
    if (own >= 0 && (timeout_ms < 0 || own < timeout_ms)) {
        timeout_ms = own;
    }
    if (timeout_ms > POLL_MS_MAX || timeout_ms < 0) {
        timeout_ms = POLL_MS_MAX;
    }
    return poll(&poller, 1, (int)timeout_ms) > 0 ? vxc_client_dispatch(client) : 0;
}

/* ---- work ---- */

static uint64_t deadline_of(const struct vxc_client *client, const struct vxc_request *request)
{
    uint64_t timeout_ms = client->timeout_ms;

    if (request->timeout_ms < 0) {
        return UINT64_MAX;
    }
    if (request->timeout_ms > 0) {
        return now_ms(client) + (uint64_t)request->timeout_ms;
    }
    if (request->operation == VXC_CALL_LOCK_ACQUIRE) {
        if (request->number < 0) {
            return UINT64_MAX;
        }
        timeout_ms += (uint64_t)request->number;
    }
    return now_ms(client) + timeout_ms;
}

int vxc_client_submit(struct vxc_client *client, const struct vxc_request *request, void *data,
                      vxc_reply_cb on_reply)
{
    return vxc_core_submit(client->core, request, now_ms(client), deadline_of(client, request),
                           data, on_reply, &client->error);
}

size_t vxc_client_pending(const struct vxc_client *client)
{
    return vxc_core_pending(client->core);
}

struct call {
    struct vxc_client *client;
    bool done;
    struct vxc_reply reply;
    char message[VXC_ERROR_TEXT_MAX];
};

/* Copies what the reply points to, for its bytes are gone when the callback returns. */
static void on_call_reply(void *data, const struct vxc_reply *reply)
{
    struct call *call = data;
    struct vxc_buffer *kept = &call->client->kept;
    struct vxc_reply *r = &call->reply;

    call->done = true;
    *r = *reply;
    (void)snprintf(call->message, sizeof call->message, "%s", reply->message);
    vxc_buffer_clear(kept);
    if (vxc_buffer_reserve(kept, reply->value.size + reply->next.size + reply->rows.rest.size +
                                     1) != VXC_OK) {
        *r = (struct vxc_reply){.code = VXC_ENOMEM, .index = reply->index};
        (void)snprintf(call->message, sizeof call->message, "%s", vxc_strerror(VXC_ENOMEM));
        return;
    }
    struct vxc_bytes *const parts[] = {&r->value, &r->next, &r->rows.rest};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i]->data != NULL) {
            uint8_t *to = kept->data + kept->size;
            memcpy(to, parts[i]->data, parts[i]->size);
            kept->size += parts[i]->size;
            parts[i]->data = to;
        }
    }
}

/* A request that no server was reached for says so instead of "no answer". */
static void explain(struct vxc_client *client, struct call *call)
{
    if (call->reply.code != VXC_OK && call->message[0] == '\0') {
        (void)snprintf(call->message, sizeof call->message, "%s", vxc_strerror(call->reply.code));
    }
    if (call->reply.code == VXC_ETIMEOUT && !client->reached && client->error.text[0] != '\0') {
        call->reply.code = VXC_ECLOSED;
        (void)snprintf(call->message, sizeof call->message, "%s", client->error.text);
    }
    (void)vxc_error_set(&client->error, call->reply.code, "%s", call->message);
    call->reply.message = client->error.text;
}

static void wait_for(struct vxc_client *client, const bool *done)
{
    while (!*done) {
        (void)vxc_client_wait(client, -1);
    }
}

int vxc_client_call(struct vxc_client *client, const struct vxc_request *request,
                    struct vxc_reply *reply)
{
    struct call call = {.client = client};
    const int rc = vxc_client_submit(client, request, &call, on_call_reply);

    if (rc != VXC_OK) {
        *reply = (struct vxc_reply){.code = rc, .message = client->error.text};
        return rc;
    }
    wait_for(client, &call.done);
    explain(client, &call);
    *reply = call.reply;
    return reply->code;
}

/* ---- sessions ---- */

struct session_call {
    bool done;
    int code;
    char text[VXC_ERROR_TEXT_MAX];
};

static void on_session_done(void *data, int code, const char *text)
{
    struct session_call *call = data;
    call->done = true;
    call->code = code;
    (void)snprintf(call->text, sizeof call->text, "%s", text);
}

/* Nothing came by the deadline: VXC_ECLOSED when no server was ever reached, else VXC_ETIMEOUT. */
static int no_answer(struct vxc_client *client)
{
    if (client->reached) {
        return vxc_error_set(&client->error, VXC_ETIMEOUT, "%s: no answer in time",
                             client->endpoint_text);
    }
    client->error.code = VXC_ECLOSED;
    return client->error.text[0] != '\0'
               ? VXC_ECLOSED
               : vxc_error_set(&client->error, VXC_ECLOSED, "%s: no answer to the connection",
                               client->endpoint_text);
}

static int wait_until_done(struct vxc_client *client, const bool *done)
{
    const uint64_t deadline = now_ms(client) + client->timeout_ms;

    while (!*done) {
        const uint64_t now = now_ms(client);
        if (now >= deadline) {
            return no_answer(client);
        }
        (void)vxc_client_wait(client, (int64_t)(deadline - now));
    }
    return VXC_OK;
}

static int want_session(struct vxc_client *client, uint64_t session, struct vxc_slice secret,
                        uint64_t first_sequence, uint32_t timeout_ms, struct vxc_slice name)
{
    struct session_call call = {0};
    int rc = vxc_core_want_session(client->core, session, secret, first_sequence, timeout_ms, name,
                                   &call, on_session_done);
    if (rc != VXC_OK) {
        return vxc_error_set(&client->error, rc, "%s", vxc_strerror(rc));
    }
    rc = wait_until_done(client, &call.done);
    if (rc != VXC_OK) {
        vxc_core_forget_session(client->core);
        return rc;
    }
    return vxc_error_set(&client->error, call.code, "%s", call.text);
}

int vxc_client_session_open(struct vxc_client *client, uint32_t timeout_ms, struct vxc_bytes name)
{
    return want_session(client, 0, vxc_slice(NULL, 0), 1, timeout_ms, vxc_slice_of(name));
}

int vxc_client_session_resume(struct vxc_client *client, uint64_t session, struct vxc_bytes secret,
                              uint64_t first_sequence)
{
    if (session == 0 || first_sequence == 0) {
        return vxc_error_set(&client->error, VXC_EINVAL,
                             "a session to be resumed has an id and a "
                             "next sequence");
    }
    return want_session(client, session, vxc_slice_of(secret), first_sequence,
                        VXC_SESSION_TIMEOUT_MS_DEFAULT, vxc_slice(NULL, 0));
}

int vxc_client_session_close(struct vxc_client *client)
{
    struct call call = {.client = client};
    int rc;

    if (vxc_core_session(client->core, NULL) == 0) {
        vxc_core_forget_session(client->core);
        return VXC_OK;
    }
    rc = vxc_core_close_session(client->core, now_ms(client), now_ms(client) + client->timeout_ms,
                                &call, on_call_reply);
    if (rc == VXC_OK) {
        wait_for(client, &call.done);
        explain(client, &call);
        rc = call.reply.code;
    }
    vxc_core_forget_session(client->core);
    return rc == VXC_ESESSION ? VXC_OK : rc; /* gone is gone */
}

uint64_t vxc_client_session(const struct vxc_client *client, struct vxc_bytes *secret)
{
    struct vxc_slice slice;
    const uint64_t session = vxc_core_session(client->core, &slice);

    if (secret != NULL) {
        *secret = vxc_bytes_of(slice);
    }
    return session;
}

uint64_t vxc_client_sequence(const struct vxc_client *client)
{
    return vxc_core_sequence(client->core);
}

/* ---- inspection ---- */

int vxc_client_connect(struct vxc_client *client, struct vxc_server *server)
{
    const uint64_t deadline = now_ms(client) + client->timeout_ms;

    while (vxc_core_state(client->core) != VXC_CORE_READY) {
        const uint64_t now = now_ms(client);
        if (now >= deadline) {
            return no_answer(client);
        }
        (void)vxc_client_wait(client, (int64_t)(deadline - now));
    }
    if (server != NULL) {
        *server = *vxc_core_server(client->core);
    }
    return VXC_OK;
}

bool vxc_client_reached(const struct vxc_client *client)
{
    return client->reached;
}

int64_t vxc_client_silence_ms(const struct vxc_client *client)
{
    const uint64_t heard_ms = vxc_core_heard_ms(client->core);
    return heard_ms == 0 ? -1 : (int64_t)(now_ms(client) - heard_ms);
}

const char *vxc_client_endpoint(const struct vxc_client *client)
{
    return client->endpoint_text;
}

const char *vxc_client_message(const struct vxc_client *client)
{
    return client->error.text;
}
