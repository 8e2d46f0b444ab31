/* The public functions of a client: birth, calls, sessions, inspection. */
#include "client/client_internal.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"
#include "client/payload.h"

#include <stdio.h>
#include <unistd.h>

#define TIMEOUT_MS_DEFAULT 5000u

static void lock(struct vxc_client *client)
{
    (void)pthread_mutex_lock(&client->lock); /* fails for a mutex that is none */
}

static void unlock(struct vxc_client *client)
{
    (void)pthread_mutex_unlock(&client->lock);
}

/* ---- birth and death ---- */

struct vxc_client_options vxc_client_options(void)
{
    return (struct vxc_client_options){.struct_size = sizeof(struct vxc_client_options),
                                       .timeout_ms = TIMEOUT_MS_DEFAULT,
                                       .ping_interval_ms = VXC_PING_INTERVAL_MS_DEFAULT};
}

static void note_ready(struct vxc_client *client)
{
    struct waiter *waiter;

    lock(client);
    TAILQ_FOREACH(waiter, &client->waiters, link)
    {
        if (waiter->for_ready) {
            vxc_driver_done(waiter);
        }
    }
    unlock(client);
}

/* As all callbacks, on the thread that drives and without the lock. */
static void on_notice(void *data, const struct vxc_notice *notice)
{
    struct vxc_client *client = data;

    if (notice->type == VXC_NOTICE_CONNECTED) {
        note_ready(client);
    }
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
        .on_notice = on_notice,
        .leave = vxc_driver_leave,
        .enter = vxc_driver_enter,
        .on_members = vxc_connection_on_members};
    int rc;

    client->clock->random(client->clock->data, &core.random_seed, sizeof core.random_seed);
    rc = vxc_router_init(&client->router, options->endpoints, false, core.random_seed,
                         &client->error);
    return rc != VXC_OK ? rc : vxc_core_create(&core, &client->core);
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
    rc = vxc_driver_init(client);
    if (rc != VXC_OK) {
        vxc_free(client);
        return rc;
    }
    client->read_buffer = vxc_malloc(VXC_CLIENT_READ_SIZE);
    rc = client->read_buffer == NULL ? VXC_ENOMEM : VXC_OK;
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

void vxc_client_stay(struct vxc_client *client)
{
    lock(client);
    client->router.fixed = true;
    unlock(client);
}

void vxc_client_free(struct vxc_client *client)
{
    if (client == NULL) {
        return;
    }
    vxc_check(vxc_client_stop(client) == VXC_OK); /* not within a callback */
    lock(client);
    vxc_check(!client->driving);
    client->driving = true; /* the callbacks that come now are callbacks like any other */
    client->driver = pthread_self();
    vxc_core_free(client->core);
    client->core = NULL;
    unlock(client);
    if (client->fd >= 0) {
        (void)close(client->fd); /* nothing more is expected from it */
    }
    vxc_driver_deinit(client);
    vxc_free(client->read_buffer);
    vxc_free(client);
}

void vxc_client_abandon(struct vxc_client *client)
{
    /* The lock may be held by a thread that this process does not have. */
    if (client->fd >= 0) {
        (void)close(client->fd); /* the parent goes on with it */
    }
    (void)close(client->wake_fd);
    vxc_free(client->read_buffer);
    vxc_free(client);
}

/* ---- replies that own their bytes ---- */

void vxc_reply_free(struct vxc_reply *reply)
{
    vxc_free(reply->memory);
    *reply = (struct vxc_reply){.message = ""};
}

/* Fails the reply with a text that is copied. */
static void fail_reply(struct vxc_reply *reply, int code, const char *text)
{
    char *copy = vxc_strdup(text);

    vxc_reply_free(reply);
    reply->code = code;
    reply->memory = copy;
    reply->message = copy == NULL ? vxc_strerror(code) : copy;
}

static void *take_copy(uint8_t **at, const void *data, size_t size)
{
    uint8_t *copy = *at;

    if (size > 0) {
        memcpy(copy, data, size);
    }
    *at += size;
    return copy;
}

/* Copies a reply together with all that it points to. */
static void copy_reply(struct vxc_reply *to, const struct vxc_reply *from)
{
    const size_t text_size = strlen(from->message) + 1;
    struct vxc_bytes *const parts[] = {&to->value, &to->next, &to->rows.rest};
    size_t size = text_size == 1 ? 0 : text_size;
    bool owns = size > 0;
    uint8_t *at;

    *to = *from;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size += parts[i]->size;
        owns = owns || parts[i]->data != NULL;
    }
    to->message = "";
    to->memory = NULL;
    if (!owns) {
        return;
    }
    to->memory = at = vxc_malloc(size + 1); /* an empty value has an address too */
    if (at == NULL) {
        fail_reply(to, VXC_ENOMEM, vxc_strerror(VXC_ENOMEM));
        to->index = from->index;
        return;
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i]->data != NULL) {
            parts[i]->data = take_copy(&at, parts[i]->data, parts[i]->size);
        }
    }
    if (text_size > 1) {
        to->message = take_copy(&at, from->message, text_size);
    }
}

/* ---- work ---- */

static uint64_t deadline_of(const struct vxc_client *client, const struct vxc_request *request)
{
    uint64_t timeout_ms = client->timeout_ms;

    if (request->timeout_ms < 0) {
        return UINT64_MAX;
    }
    if (request->timeout_ms > 0) {
        return vxc_client_now_ms(client) + (uint64_t)request->timeout_ms;
    }
    if (request->operation == VXC_CALL_LOCK_ACQUIRE) {
        if (request->number < 0) {
            return UINT64_MAX;
        }
        timeout_ms += (uint64_t)request->number;
    }
    return vxc_client_now_ms(client) + timeout_ms;
}

static int submit(struct vxc_client *client, const struct vxc_request *request, void *data,
                  vxc_reply_cb on_reply)
{
    struct vxc_error err = {0};
    const int rc = vxc_core_submit(client->core, request, vxc_client_now_ms(client),
                                   deadline_of(client, request), data, on_reply, &err);

    return rc == VXC_OK ? VXC_OK
                        : vxc_error_set(&client->error, rc, "%s",
                                        err.text[0] != '\0' ? err.text : vxc_strerror(rc));
}

int vxc_client_submit(struct vxc_client *client, const struct vxc_request *request, void *data,
                      vxc_reply_cb on_reply)
{
    int rc;

    lock(client);
    rc = submit(client, request, data, on_reply);
    if (rc == VXC_OK) {
        vxc_driver_wake(client); /* which sends all that is submitted until it runs */
    }
    unlock(client);
    return rc;
}

size_t vxc_client_pending(struct vxc_client *client)
{
    size_t count;

    lock(client);
    count = vxc_core_pending(client->core);
    unlock(client);
    return count;
}

/* A request whose thread waits for the answer. */
struct call {
    struct vxc_client *client;
    struct waiter waiter;
    struct vxc_reply *reply;
};

static void call_done(struct vxc_client *client, struct waiter *waiter)
{
    lock(client);
    vxc_driver_done(waiter);
    unlock(client);
}

static void on_call_reply(void *data, const struct vxc_reply *reply)
{
    struct call *call = data;

    copy_reply(call->reply, reply);
    call_done(call->client, &call->waiter);
}

/* A request that no server was reached for says so instead of "no answer". */
static void explain(struct vxc_client *client, struct vxc_reply *reply)
{
    if (reply->code == VXC_OK) {
        return;
    }
    if (reply->code == VXC_ETIMEOUT && !client->reached && client->error.text[0] != '\0') {
        fail_reply(reply, VXC_ECLOSED, client->error.text);
    } else if (reply->message[0] == '\0') {
        reply->message = vxc_strerror(reply->code);
    }
    (void)vxc_error_set(&client->error, reply->code, "%s", reply->message);
}

static int refuse_in_callback(struct vxc_client *client)
{
    return !vxc_driver_within_callback(client)
               ? VXC_OK
               : vxc_error_set(&client->error, VXC_EINVAL,
                               "this function waits, which a callback must not: submit instead");
}

/* With the lock. The value is lent: it is there as long as this function. */
static void call(struct vxc_client *client, const struct vxc_request *request,
                 struct vxc_reply *reply)
{
    struct call call = {.client = client, .reply = reply};
    struct vxc_request lending = *request;
    int rc = refuse_in_callback(client);

    if (rc == VXC_OK) {
        lending.flags |= VXC_REQUEST_BORROW;
        rc = submit(client, &lending, &call, on_call_reply);
    }
    if (rc != VXC_OK) {
        fail_reply(reply, rc, client->error.text);
        return;
    }
    vxc_driver_send(client);
    vxc_waiter_init(&call.waiter);
    vxc_driver_wait(client, &call.waiter, UINT64_MAX);
    vxc_waiter_deinit(&call.waiter);
    explain(client, reply);
}

int vxc_client_call(struct vxc_client *client, const struct vxc_request *request,
                    struct vxc_reply *reply)
{
    struct vxc_reply own = {.message = ""};
    int code;

    if (reply != NULL) {
        *reply = own; /* it may hold anything */
    }
    lock(client);
    call(client, request, reply == NULL ? &own : reply);
    unlock(client);
    code = reply == NULL ? own.code : reply->code;
    vxc_reply_free(&own);
    return code;
}

/* ---- sessions ---- */

struct session_call {
    struct vxc_client *client;
    struct waiter waiter;
    int code;
    char text[VXC_ERROR_TEXT_MAX];
};

static void on_session_done(void *data, int code, const char *text)
{
    struct session_call *call = data;

    call->code = code;
    (void)snprintf(call->text, sizeof call->text, "%s", text);
    call_done(call->client, &call->waiter);
}

/* Nothing came by the deadline: VXC_ECLOSED when no server was ever reached, else VXC_ETIMEOUT. */
static int no_answer(struct vxc_client *client)
{
    if (vxc_core_is_searching(client->core)) {
        return vxc_error_set(&client->error, VXC_ENOTPRIMARY,
                             "no node of the cluster is its primary now; asked last: %s",
                             client->endpoint_text);
    }
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

/* With the lock. */
static int want_session(struct vxc_client *client, uint64_t session, struct vxc_slice secret,
                        uint64_t first_sequence, uint32_t timeout_ms, struct vxc_slice name)
{
    struct session_call call = {.client = client};
    int rc = refuse_in_callback(client);

    if (rc != VXC_OK) {
        return rc;
    }
    vxc_driver_quiet(client);
    vxc_waiter_init(&call.waiter);
    rc = vxc_core_want_session(client->core, session, secret, first_sequence, timeout_ms, name,
                               &call, on_session_done);
    if (rc == VXC_OK) {
        vxc_driver_send(client);
        vxc_driver_wait(client, &call.waiter, vxc_client_now_ms(client) + client->timeout_ms);
        vxc_driver_quiet(client); /* or `call` might be told while it goes */
        if (call.waiter.done) {
            rc = vxc_error_set(&client->error, call.code, "%s", call.text);
        } else {
            rc = no_answer(client);
            vxc_core_forget_session(client->core);
        }
    } else {
        rc = vxc_error_set(&client->error, rc, "%s", vxc_strerror(rc));
    }
    vxc_waiter_deinit(&call.waiter);
    return rc;
}

int vxc_client_session_open(struct vxc_client *client, uint32_t timeout_ms, struct vxc_bytes name)
{
    int rc;

    lock(client);
    rc = want_session(client, 0, vxc_slice(NULL, 0), 1, timeout_ms, vxc_slice_of(name));
    unlock(client);
    return rc;
}

int vxc_client_session_resume(struct vxc_client *client, const struct vxc_session_handle *handle)
{
    int rc;

    lock(client);
    if (handle->session == 0 || handle->next_sequence == 0 ||
        handle->secret_size > sizeof handle->secret) {
        rc = vxc_error_set(&client->error, VXC_EINVAL,
                           "a session to be resumed has an id and a next sequence");
    } else {
        rc =
            want_session(client, handle->session, vxc_slice(handle->secret, handle->secret_size),
                         handle->next_sequence, VXC_SESSION_TIMEOUT_MS_DEFAULT, vxc_slice(NULL, 0));
    }
    unlock(client);
    return rc;
}

/* With the lock. */
static int close_session(struct vxc_client *client)
{
    struct vxc_reply reply = {.message = ""};
    struct call call = {.client = client, .reply = &reply};
    const uint64_t now_ms = vxc_client_now_ms(client);
    int rc;

    vxc_waiter_init(&call.waiter);
    rc = vxc_core_close_session(client->core, now_ms, now_ms + client->timeout_ms, &call,
                                on_call_reply);
    if (rc == VXC_OK) {
        vxc_driver_send(client);
        vxc_driver_wait(client, &call.waiter, UINT64_MAX);
        explain(client, &reply);
        rc = reply.code;
        vxc_reply_free(&reply);
    }
    vxc_waiter_deinit(&call.waiter);
    return rc == VXC_ESESSION ? VXC_OK : rc; /* gone is gone */
}

int vxc_client_session_close(struct vxc_client *client)
{
    int rc;

    lock(client);
    rc = refuse_in_callback(client);
    if (rc == VXC_OK) {
        if (vxc_core_session(client->core, NULL) != 0) {
            rc = close_session(client);
        }
        vxc_driver_quiet(client);
        vxc_core_forget_session(client->core);
    }
    unlock(client);
    return rc;
}

void vxc_client_session_handle(struct vxc_client *client, struct vxc_session_handle *handle)
{
    struct vxc_slice secret;

    memset(handle, 0, sizeof *handle);
    lock(client);
    handle->session = vxc_core_session(client->core, &secret);
    if (handle->session != 0) {
        handle->next_sequence = vxc_core_sequence(client->core);
        handle->secret_size = secret.size;
        memcpy(handle->secret, secret.data, secret.size);
    }
    unlock(client);
}

uint64_t vxc_client_session(struct vxc_client *client)
{
    uint64_t session;

    lock(client);
    session = vxc_core_session(client->core, NULL);
    unlock(client);
    return session;
}

/* ---- inspection ---- */

/* With the lock. A connection that is ready may break again before we look. */
static int await_ready(struct vxc_client *client)
{
    const uint64_t deadline_ms = vxc_client_now_ms(client) + client->timeout_ms;
    struct waiter waiter;
    int rc = VXC_OK;

    vxc_waiter_init(&waiter);
    waiter.for_ready = true;
    while (rc == VXC_OK && vxc_core_state(client->core) != VXC_CORE_READY) {
        waiter.done = false;
        vxc_driver_wait(client, &waiter, deadline_ms);
        if (!waiter.done && vxc_core_state(client->core) != VXC_CORE_READY) {
            rc = no_answer(client);
        }
    }
    vxc_waiter_deinit(&waiter);
    return rc;
}

int vxc_client_connect(struct vxc_client *client, struct vxc_server *server)
{
    int rc;

    lock(client);
    rc = refuse_in_callback(client);
    if (rc == VXC_OK) {
        rc = await_ready(client);
    }
    if (rc == VXC_OK && server != NULL) {
        *server = *vxc_core_server(client->core);
    }
    unlock(client);
    return rc;
}

bool vxc_client_reached(struct vxc_client *client)
{
    bool reached;

    lock(client);
    reached = client->reached;
    unlock(client);
    return reached;
}

int64_t vxc_client_silence_ms(struct vxc_client *client)
{
    uint64_t heard_ms, now_ms;

    lock(client);
    heard_ms = vxc_core_heard_ms(client->core);
    now_ms = vxc_client_now_ms(client);
    unlock(client);
    return heard_ms == 0 ? -1 : (int64_t)(now_ms - heard_ms);
}

const char *vxc_client_endpoint(struct vxc_client *client)
{
    static _Thread_local char text[sizeof client->endpoint_text];

    lock(client);
    memcpy(text, client->endpoint_text, sizeof text);
    unlock(client);
    return text;
}

const char *vxc_client_message(struct vxc_client *client)
{
    static _Thread_local char text[VXC_ERROR_TEXT_MAX];

    lock(client);
    (void)snprintf(text, sizeof text, "%s", client->error.text);
    unlock(client);
    return text;
}
