#include "client.h"

#include "check.h"
#include "conn.h"
#include "load.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLIENTS = 6,
    PARTS = 32, /* of what is sent at once */
    APART_PER_MILLE = 100,
    PING_MS = 1000,
};

uint64_t client_now_ms(const struct client *client)
{
    return client->world->now_ns / SIM_MS;
}

uint64_t client_latency_ns(struct world *world)
{
    const uint64_t us = sim_between(&world->network, 50, 500);

    return us * SIM_US * (sim_chance(&world->network, 10) ? 100 : 1);
}

/* ---- where it connects ---- */

static void plan_tick(struct client *client, uint64_t at_ns);

static void on_answer(struct world *world, void *subject, uint64_t number);

static void begin_connect(struct world *world, void *subject, uint64_t number)
{
    struct client *client = subject;

    if (number != client->attempt || client->conn != NULL) {
        return;
    }
    /* endpoints are called node-<id> */
    client->endpoint = strtoull(vxc_router_place(&client->router)->host + 5, NULL, 10);
    client->connecting = true;
    sim_after(world, client_latency_ns(world), on_answer, client, client->attempt);
}

static void plan_connect(struct client *client)
{
    const uint64_t due_ns = vxc_router_due_ms(&client->router) * SIM_MS;

    vxc_core_set_others(client->core, vxc_router_has_others(&client->router));
    client->connecting = false;
    client->attempt++;
    sim_at(client->world, due_ns, begin_connect, client, client->attempt);
}

static void disconnect(struct client *client, int code, const char *why)
{
    struct vxc_conn *conn = client->conn;

    client->conn = NULL;
    if (conn != NULL) {
        conn_leave(conn);
    }
    sim_trace(client->world, SIM_TRACE_DISCONNECT, client->number, (uint64_t)-code, 0, 0);
    vxc_router_ended(&client->router, client_now_ms(client),
                     vxc_core_is_leaving(client->core) ? VXC_ENOTPRIMARY : code,
                     vxc_core_primary_address(client->core));
    vxc_core_on_disconnected(client->core, why);
    plan_connect(client);
}

static void on_answer(struct world *world, void *subject, uint64_t number)
{
    struct client *client = subject;
    struct node *node = &world->nodes[client->endpoint];

    if (number != client->attempt || !client->connecting) {
        return;
    }
    if (!node->up || node->gateway == NULL) {
        disconnect(client, VXC_ECLOSED, "connection refused");
        client_turn(client);
        return;
    }
    client->connecting = false;
    sim_trace(world, SIM_TRACE_CONNECT, client->number, node->id, 0, 0);
    client->conn = conn_open(client, node);
    vxc_core_on_connected(client->core, client_now_ms(client));
    client_turn(client);
}

void client_disconnected(struct client *client, struct vxc_conn *conn)
{
    if (client->conn == conn) {
        client->conn = NULL;
        disconnect(client, VXC_ECLOSED, "the connection broke");
        client_turn(client);
    }
}

static void on_members(void *data, const struct vxc_slice *addresses, size_t count)
{
    struct client *client = data;

    vxc_router_learn(&client->router, addresses, count);
    vxc_core_set_others(client->core, vxc_router_has_others(&client->router));
}

/* ---- bytes and time ---- */

/* What leaves at once mostly arrives at once; sometimes each part by itself, as through a socket that
 * was full in between. */
static void send_parts(struct client *client, const struct vxc_slice *parts, size_t count)
{
    const bool apart = sim_chance(&client->world->network, APART_PER_MILLE);

    for (size_t i = 0; i < count;) {
        const size_t some = apart ? 1 : count - i;

        conn_send(client->conn, parts + i, some);
        i += some;
    }
}

static void send_output(struct client *client)
{
    struct vxc_slice parts[PARTS];
    size_t count;

    while (client->conn != NULL && (count = vxc_core_output(client->core, parts, PARTS)) > 0) {
        size_t size = 0;

        for (size_t i = 0; i < count; i++) {
            size += parts[i].size;
        }
        send_parts(client, parts, count);
        vxc_core_sent(client->core, size, client_now_ms(client));
    }
}

static void on_tick(struct world *world, void *subject, uint64_t number)
{
    struct client *client = subject;
    struct vxc_error err = {0};

    if (number != client->tick_number) {
        return;
    }
    client->tick_at_ns = UINT64_MAX;
    if (world->now_ns < client->stopped_until_ns) {
        plan_tick(client, client->stopped_until_ns);
        return;
    }
    const int rv = vxc_core_tick(client->core, client_now_ms(client), &err);
    if (rv != 0) {
        disconnect(client, rv, err.text);
    }
    client_turn(client);
}

static void plan_tick(struct client *client, uint64_t at_ns)
{
    if (at_ns < client->tick_at_ns) {
        client->tick_at_ns = at_ns;
        sim_at(client->world, at_ns, on_tick, client, ++client->tick_number);
    }
}

void client_turn(struct client *client)
{
    uint64_t due_ms;

    load_after_turn(client);
    if (client->world->now_ns < client->stopped_until_ns) {
        plan_tick(client, client->stopped_until_ns);
        return;
    }
    send_output(client);
    due_ms = vxc_core_due_ms(client->core);
    if (due_ms != UINT64_MAX) {
        const uint64_t at_ns = due_ms * SIM_MS;

        plan_tick(client,
                  at_ns > client->world->now_ns ? at_ns : client->world->now_ns + 100 * SIM_US);
    }
}

struct kept {
    struct client *client;
    struct vxc_conn *conn;
    size_t size;
    uint8_t bytes[];
};

static void on_resumed_bytes(struct world *world, void *subject, uint64_t number)
{
    struct kept *kept = subject;

    (void)world, (void)number;
    client_receive(kept->client, kept->conn, vxc_slice(kept->bytes, kept->size));
    free(kept);
}

void client_receive(struct client *client, struct vxc_conn *conn, struct vxc_slice bytes)
{
    struct vxc_error err = {0};

    if (client->conn != conn) {
        return;
    }
    if (client->world->now_ns < client->stopped_until_ns) { /* it lies in the socket */
        struct kept *kept = malloc(sizeof *kept + bytes.size);

        if (kept == NULL) {
            sim_broken("out of memory");
        }
        *kept = (struct kept){client, conn, bytes.size};
        memcpy(kept->bytes, bytes.data, bytes.size);
        sim_at(client->world, client->stopped_until_ns, on_resumed_bytes, kept, 0);
        return;
    }
    const int rv = vxc_core_input(client->core, bytes, client_now_ms(client), &err);
    if (rv != 0) {
        if (rv != VXC_ENOTPRIMARY && rv != VXC_EBUSY && rv != VXC_ENOQUORUM && rv != VXC_EUNKNOWN &&
            rv != VXC_ENOSPC && rv != VXC_ESESSION) {
            sim_violation(client->world, "client %u got what it cannot use: %s (%s)",
                          client->number, err.text, vxc_error_name(rv));
        }
        disconnect(client, rv, err.text);
    } else if (vxc_core_state(client->core) == VXC_CORE_READY &&
               !vxc_core_is_searching(client->core)) {
        vxc_router_found(&client->router);
    }
    client_turn(client);
}

void client_pause(struct client *client, uint64_t duration_ns)
{
    if (client->world->now_ns >= client->stopped_until_ns) { /* what it was sent keeps its order */
        client->stopped_until_ns = client->world->now_ns + duration_ns;
    }
}

/* ---- all of them ---- */

static void on_notice(void *data, const struct vxc_notice *notice)
{
    load_on_notice(data, notice);
}

static void begin(struct world *world, unsigned number)
{
    struct client *client = &world->clients_of[number];
    struct vxc_core_options options = {
        .client_name = "simulated",
        .ping_interval_ms = PING_MS,
        .random_seed = (uint32_t)sim_draw(&world->clients, UINT32_MAX) + 1,
        .data = client,
        .on_notice = on_notice,
        .on_members = on_members,
    };
    char endpoints[SIM_NODES_MAX * 10] = "";
    struct vxc_error err = {0};

    client->world = world;
    client->number = number;
    client->tick_at_ns = UINT64_MAX;
    for (unsigned i = 0; i < world->options.nodes; i++) { /* each begins with another one */
        const size_t size = strlen(endpoints);

        (void)snprintf(endpoints + size, sizeof endpoints - size, "%snode-%u:1", i == 0 ? "" : ",",
                       (number + i) % world->options.nodes + 1);
    }
    if (vxc_router_init(&client->router, endpoints, false, options.random_seed, &err) != 0) {
        sim_broken("the router: %s", err.text);
    }
    if (vxc_core_create(&options, &client->core) != 0) {
        sim_broken("out of memory");
    }
    load_begin(client);
    plan_connect(client);
}

void clients_begin(struct world *world)
{
    world->client_count = CLIENTS;
    for (unsigned i = 0; i < world->client_count; i++) {
        begin(world, i);
    }
}

void clients_stop(struct world *world)
{
    for (unsigned i = 0; i < world->client_count; i++) {
        load_stop(&world->clients_of[i]);
    }
}
