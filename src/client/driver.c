/* Who drives a client: whoever waits, the library's thread, or the caller's loop. */
#define _GNU_SOURCE /* pthread_setname_np */
#include "client/client_internal.h"

#include "base/check.h"
#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS_MAX 60000 /* look again after a minute at the latest */

/* ---- birth and death ---- */

/* A condition whose deadlines are those of the clock that never jumps. */
static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    /* None of these can fail on Linux for a valid argument. */
    vxc_check(pthread_condattr_init(&attributes) == 0);
    vxc_check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    vxc_check(pthread_cond_init(condition, &attributes) == 0);
    (void)pthread_condattr_destroy(&attributes);
}

int vxc_driver_init(struct vxc_client *client)
{
    client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (client->wake_fd < 0) {
        return vxc_error_set(&client->error, VXC_EIO, "eventfd: %s", strerror(errno));
    }
    vxc_check(pthread_mutex_init(&client->lock, NULL) == 0);
    init_condition(&client->quiet);
    init_condition(&client->role_free);
    TAILQ_INIT(&client->waiters);
    return VXC_OK;
}

void vxc_driver_deinit(struct vxc_client *client)
{
    (void)pthread_cond_destroy(&client->role_free);
    (void)pthread_cond_destroy(&client->quiet);
    (void)pthread_mutex_destroy(&client->lock);
    (void)close(client->wake_fd);
}

void vxc_waiter_init(struct waiter *waiter)
{
    *waiter = (struct waiter){.done = false};
    init_condition(&waiter->changed);
}

void vxc_waiter_deinit(struct waiter *waiter)
{
    (void)pthread_cond_destroy(&waiter->changed);
}

void vxc_driver_done(struct waiter *waiter)
{
    waiter->done = true;
    (void)pthread_cond_signal(&waiter->changed);
}

/* ---- callbacks ---- */

void vxc_driver_leave(void *data)
{
    struct vxc_client *client = data;

    client->in_callback = true;
    (void)pthread_mutex_unlock(&client->lock);
}

void vxc_driver_enter(void *data)
{
    struct vxc_client *client = data;

    (void)pthread_mutex_lock(&client->lock);
    client->in_callback = false;
    (void)pthread_cond_broadcast(&client->quiet);
}

bool vxc_driver_within_callback(const struct vxc_client *client)
{
    return client->in_callback && pthread_equal(client->driver, pthread_self());
}

void vxc_driver_quiet(struct vxc_client *client)
{
    while (client->in_callback) {
        (void)pthread_cond_wait(&client->quiet, &client->lock);
    }
}

/* ---- sleeping and waking ---- */

void vxc_driver_wake(struct vxc_client *client)
{
    const uint64_t one = 1;

    if (client->asleep && !client->woken) {
        client->woken = true;
        /* It cannot be full: it is emptied after each sleep in which something was written. */
        (void)!write(client->wake_fd, &one, sizeof one);
    }
}

void vxc_driver_send(struct vxc_client *client)
{
    if (client->asleep && (!vxc_connection_write(client) ||
                           vxc_connection_due_ms(client) < client->asleep_until_ms)) {
        vxc_driver_wake(client);
    }
}

static int64_t until(uint64_t deadline_ms, uint64_t now_ms)
{
    if (deadline_ms == UINT64_MAX || deadline_ms - now_ms > POLL_MS_MAX) {
        return deadline_ms <= now_ms ? 0 : POLL_MS_MAX;
    }
    return deadline_ms <= now_ms ? 0 : (int64_t)(deadline_ms - now_ms);
}

/* Sleeps until something arrives, something is due, or another thread wakes us. */
static void sleep_until(struct vxc_client *client, uint64_t deadline_ms)
{
    struct pollfd pollers[2] = {{.fd = client->wake_fd, .events = POLLIN},
                                {.fd = client->fd, .events = vxc_connection_events(client)}};
    const uint64_t due_ms = vxc_connection_due_ms(client);
    uint64_t wakes;

    deadline_ms = due_ms < deadline_ms ? due_ms : deadline_ms;
    client->asleep = true;
    client->asleep_until_ms = deadline_ms;
    (void)pthread_mutex_unlock(&client->lock);
    (void)poll(pollers, 2, (int)until(deadline_ms, vxc_client_now_ms(client)));
    (void)pthread_mutex_lock(&client->lock);
    client->asleep = false;
    if (client->woken) {
        client->woken = false;
        (void)!read(client->wake_fd, &wakes, sizeof wakes); /* empties it */
    }
}

/* ---- the role ---- */

static void take_role(struct vxc_client *client)
{
    vxc_check(!client->driving);
    client->driving = true;
    client->driver = pthread_self();
}

/* Nobody drives: the library's thread will, or the first one that waits. */
static void offer_role(struct vxc_client *client)
{
    struct waiter *waiter;

    (void)pthread_cond_signal(&client->role_free);
    TAILQ_FOREACH(waiter, &client->waiters, link)
    {
        if (!waiter->done && !client->started) {
            (void)pthread_cond_signal(&waiter->changed);
            return;
        }
    }
}

static void give_role(struct vxc_client *client)
{
    client->driving = false;
    offer_role(client);
}

/* As the driver. The first turn sends what was submitted, so that there is something to wait for;
 * returns how many callbacks ran. */
static int drive(struct vxc_client *client, uint64_t deadline_ms)
{
    const uint64_t told = vxc_core_told(client->core);

    vxc_connection_turn(client);
    if (vxc_core_told(client->core) == told) {
        sleep_until(client, deadline_ms);
        vxc_connection_turn(client);
    }
    return (int)(vxc_core_told(client->core) - told);
}

/* Returns at a signal, at the deadline, or for no reason. */
static void sleep_as_waiter(struct vxc_client *client, struct waiter *waiter, uint64_t deadline_ms)
{
    const struct timespec at = {.tv_sec = (time_t)(deadline_ms / 1000),
                                .tv_nsec = (long)(deadline_ms % 1000) * 1000000};

    if (deadline_ms == UINT64_MAX) {
        (void)pthread_cond_wait(&waiter->changed, &client->lock);
    } else {
        (void)pthread_cond_timedwait(&waiter->changed, &client->lock, &at);
    }
}

void vxc_driver_wait(struct vxc_client *client, struct waiter *waiter, uint64_t deadline_ms)
{
    TAILQ_INSERT_TAIL(&client->waiters, waiter, link);
    while (!waiter->done && vxc_client_now_ms(client) < deadline_ms) {
        if (client->driving || client->started) {
            sleep_as_waiter(client, waiter, deadline_ms);
            continue;
        }
        take_role(client);
        while (!waiter->done && !client->started && vxc_client_now_ms(client) < deadline_ms) {
            (void)drive(client, deadline_ms);
        }
        give_role(client);
    }
    TAILQ_REMOVE(&client->waiters, waiter, link);
    if (!client->driving) {
        offer_role(client); /* we may have been asked, just when our time was over */
    }
}

/* ---- the library's thread ---- */

static void *run(void *data)
{
    struct vxc_client *client = data;

    (void)pthread_setname_np(pthread_self(), "vxc-client"); /* for people who look */
    (void)pthread_mutex_lock(&client->lock);
    while (client->driving && !client->stopping) {
        (void)pthread_cond_wait(&client->role_free, &client->lock);
    }
    if (!client->driving) {
        take_role(client);
        while (!client->stopping) {
            (void)drive(client, UINT64_MAX);
        }
        client->driving = false;
    }
    (void)pthread_mutex_unlock(&client->lock);
    return NULL;
}

static int create_thread(struct vxc_client *client)
{
    const int rc = vxc_thread_create(&client->thread, run, client);

    return rc == 0 ? VXC_OK
                   : vxc_error_set(&client->error, VXC_ENOMEM, "a thread: %s", strerror(rc));
}

int vxc_client_start(struct vxc_client *client)
{
    int rc;

    (void)pthread_mutex_lock(&client->lock);
    if (vxc_driver_within_callback(client)) {
        rc = VXC_EINVAL;
    } else if (client->started) {
        rc = VXC_EEXISTS;
    } else {
        rc = create_thread(client);
        client->started = rc == VXC_OK;
        vxc_driver_wake(client); /* whoever drives gives the role to the thread */
    }
    (void)pthread_mutex_unlock(&client->lock);
    return rc;
}

int vxc_client_stop(struct vxc_client *client)
{
    int rc = VXC_OK;

    (void)pthread_mutex_lock(&client->lock);
    if (vxc_driver_within_callback(client)) {
        rc = VXC_EINVAL;
    } else if (client->stopping) {
        rc = VXC_EBUSY;
    } else if (client->started) {
        client->stopping = true;
        vxc_driver_wake(client);
        (void)pthread_cond_broadcast(&client->role_free);
        (void)pthread_mutex_unlock(&client->lock);
        vxc_check(pthread_join(client->thread, NULL) == 0);
        (void)pthread_mutex_lock(&client->lock);
        client->started = client->stopping = false;
        if (!client->driving) {
            offer_role(client);
        }
    }
    (void)pthread_mutex_unlock(&client->lock);
    return rc;
}

/* ---- the caller's loop ---- */

int vxc_client_dispatch(struct vxc_client *client)
{
    int told = 0;

    (void)pthread_mutex_lock(&client->lock);
    if (client->started || vxc_driver_within_callback(client)) {
        told = VXC_EINVAL;
    } else if (!client->driving) {
        const uint64_t before = vxc_core_told(client->core);
        take_role(client);
        vxc_connection_turn(client);
        told = (int)(vxc_core_told(client->core) - before);
        give_role(client);
    }
    (void)pthread_mutex_unlock(&client->lock);
    return told;
}

/* True when nobody drives any more. */
static bool await_role(struct vxc_client *client, uint64_t deadline_ms)
{
    struct waiter waiter;

    if (!client->driving) {
        return true;
    }
    vxc_waiter_init(&waiter);
    TAILQ_INSERT_TAIL(&client->waiters, &waiter, link);
    while (client->driving && vxc_client_now_ms(client) < deadline_ms) {
        sleep_as_waiter(client, &waiter, deadline_ms);
    }
    TAILQ_REMOVE(&client->waiters, &waiter, link);
    vxc_waiter_deinit(&waiter);
    return !client->driving && !client->started;
}

int vxc_client_wait(struct vxc_client *client, int64_t timeout_ms)
{
    int told = 0;
    uint64_t deadline_ms;

    (void)pthread_mutex_lock(&client->lock);
    deadline_ms = vxc_client_now_ms(client) +
                  (uint64_t)(timeout_ms < 0 || timeout_ms > POLL_MS_MAX ? POLL_MS_MAX : timeout_ms);
    if (client->started || vxc_driver_within_callback(client)) {
        told = VXC_EINVAL;
    } else if (await_role(client, deadline_ms)) {
        take_role(client);
        told = drive(client, deadline_ms);
        give_role(client);
    }
    (void)pthread_mutex_unlock(&client->lock);
    return told;
}

int vxc_client_fd(struct vxc_client *client)
{
    int fd;

    (void)pthread_mutex_lock(&client->lock);
    fd = client->fd;
    (void)pthread_mutex_unlock(&client->lock);
    return fd;
}

short vxc_client_poll_events(struct vxc_client *client)
{
    short events;

    (void)pthread_mutex_lock(&client->lock);
    events = vxc_connection_events(client);
    (void)pthread_mutex_unlock(&client->lock);
    return events;
}

int64_t vxc_client_timeout_ms(struct vxc_client *client)
{
    uint64_t due_ms;
    int64_t timeout_ms;

    (void)pthread_mutex_lock(&client->lock);
    due_ms = vxc_connection_due_ms(client);
    timeout_ms = due_ms == UINT64_MAX ? -1 : until(due_ms, vxc_client_now_ms(client));
    (void)pthread_mutex_unlock(&client->lock);
    return timeout_ms;
}
