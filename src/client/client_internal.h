/* What client.c, connection.c and driver.c share; nobody else includes this.
 *
 * client.c has the public functions, connection.c the socket, driver.c the question who drives. All
 * of a client is guarded by its one lock, which is given away while a callback runs or the driver
 * sleeps. Exactly one thread at a time has the driver's role: it alone opens, closes and reads the
 * connection and lets time pass in the core, so callbacks come one after the other. Other threads
 * may, with the lock, submit to the core and write its output to the socket.
 */
#ifndef VXC_CLIENT_CLIENT_INTERNAL_H
#define VXC_CLIENT_CLIENT_INTERNAL_H

#include "base/clock.h"
#include "base/error.h"
#include "client/core.h"
#include "client/router.h"

#include <pthread.h>
#include <sys/queue.h>

#define VXC_CLIENT_READ_SIZE (256u * 1024u)

/* A thread that waits for something; lives on its stack. */
struct waiter {
    TAILQ_ENTRY(waiter) link;
    pthread_cond_t changed; /* signalled when it is done, or may take the driver's role */
    bool done;
    bool for_ready; /* done as soon as a connection is ready */
};

TAILQ_HEAD(waiter_list, waiter);

struct vxc_client {
    struct vxc_core *core;
    const struct vxc_clock *clock;
    struct vxc_router router;
    uint64_t timeout_ms;
    void *data;
    void (*on_notice)(void *data, const struct vxc_notice *notice);

    pthread_mutex_t lock;

    /* the driver's role */
    bool driving; /* `driver` has it */
    pthread_t driver;
    bool in_callback; /* the driver is in one, and the lock is free */
    bool asleep;      /* the driver polls, and the lock is free … */
    uint64_t asleep_until_ms;
    bool woken;           /* … and was told to look */
    int wake_fd;          /* an eventfd that it polls too */
    pthread_cond_t quiet; /* a callback has returned */
    pthread_cond_t role_free;
    struct waiter_list waiters;
    bool started; /* the library's thread is there, and has the role or will get it */
    bool stopping;
    pthread_t thread;

    /* the connection */
    int fd; /* -1 = none */
    bool connecting;
    uint64_t connect_due_ms; /* connecting: give up then; no connection: try then */
    bool reached;
    char endpoint_text[VXC_ENDPOINT_HOST_MAX + 10];
    uint8_t *read_buffer;

    struct vxc_error error; /* what last went wrong */
};

static inline uint64_t vxc_client_now_ms(const struct vxc_client *client)
{
    return vxc_clock_ms(client->clock);
}

/* ---- connection.c; the lock is held ---- */

/* By the driver alone: connects when it is time, reads, lets time pass, writes. Callbacks run. */
void vxc_connection_turn(struct vxc_client *client);
/* By any thread. False when the driver has to look at it: not all could be written. */
bool vxc_connection_write(struct vxc_client *client);
/* For the core: where the members are. */
void vxc_connection_on_members(void *client, const struct vxc_slice *addresses, size_t count);
short vxc_connection_events(const struct vxc_client *client);
/* When the driver has something to do even if nothing arrives; UINT64_MAX = never. */
uint64_t vxc_connection_due_ms(const struct vxc_client *client);

/* ---- driver.c; the lock is held ---- */

int vxc_driver_init(struct vxc_client *client); /* VXC_EIO, VXC_ENOMEM */
void vxc_driver_deinit(struct vxc_client *client);
/* For the core, around callbacks: gives the lock away and takes it again. */
void vxc_driver_leave(void *client);
void vxc_driver_enter(void *client);

/* True on the thread on which a callback of this client runs right now. */
bool vxc_driver_within_callback(const struct vxc_client *client);
/* Waits until no callback runs: whoever changes more than the list of requests needs that. */
void vxc_driver_quiet(struct vxc_client *client);
/* The driver has something new to do: wakes it if it sleeps. */
void vxc_driver_wake(struct vxc_client *client);
/* Output has been added by a thread that waits for the answer: sends it, without a detour over the
 * driver where that is possible. */
void vxc_driver_send(struct vxc_client *client);

void vxc_waiter_init(struct waiter *waiter);
void vxc_waiter_deinit(struct waiter *waiter);
/* Waits until the waiter is done or the deadline (UINT64_MAX = none) has come, driving if nobody
 * else does. */
void vxc_driver_wait(struct vxc_client *client, struct waiter *waiter, uint64_t deadline_ms);
void vxc_driver_done(struct waiter *waiter);

#endif
