/* Clients: the real core (src/client/core.h), with the world in place of sockets and time. */
#ifndef VXC_TESTS_SIM_CLIENT_H
#define VXC_TESTS_SIM_CLIENT_H

#include "client/core.h"
#include "client/router.h"
#include "sim.h"

struct vxc_conn;
struct load;

struct client {
    struct world *world;
    unsigned number; /* from 0 */
    struct vxc_core *core;
    struct load *load; /* what it asks */

    struct vxc_conn *conn; /* NULL: none */
    bool connecting;       /* the answer to the latest attempt is on its way */
    uint64_t attempt;      /* others are stale */
    uint64_t endpoint;     /* node id of the current attempt or connection */
    struct vxc_router router;

    uint64_t tick_at_ns;
    uint64_t tick_number;
    uint64_t stopped_until_ns; /* it stands still, as by SIGSTOP */
};

void clients_begin(struct world *world);
void clients_stop(struct world *world); /* no more requests; sessions stay */

/* Carries out what a change of the core wants: sends, plans the next look at the clock. */
void client_turn(struct client *client);
uint64_t client_now_ms(const struct client *client);

/* ---- from the network ---- */

void client_receive(struct client *client, struct vxc_conn *conn, struct vxc_slice bytes);
void client_disconnected(struct client *client, struct vxc_conn *conn);
uint64_t client_latency_ns(struct world *world);

/* ---- faults ---- */

void client_pause(struct client *client, uint64_t duration_ns);

#endif
