#include "conn.h"

#include "world.h"

#include <stdlib.h>
#include <string.h>

/* Never freed: events may speak of it. */
struct vxc_conn {
    struct node *node;
    unsigned life; /* of the node */
    struct client *client;
    struct vxc_conn *next; /* of the node */
    uint32_t id;
    char address[16];
    struct vxc_conn_hooks hooks;
    void *user;

    bool left;   /* the client is gone */
    bool closed; /* the node's end is */
    bool opened;
    bool paused;
    bool cut; /* after this turn's flush */
    int cut_code;
    char reason[64];
    struct vxc_buffer in, out;
    size_t taken;        /* of `in` */
    uint64_t to_node_ns; /* nothing that is sent later arrives earlier */
    uint64_t to_client_ns;
};

struct parcel {
    struct vxc_conn *conn;
    size_t size;
    uint8_t bytes[];
};

static struct parcel *pack(struct vxc_conn *conn, const struct vxc_slice *parts, size_t count)
{
    struct parcel *parcel;
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        size += parts[i].size;
    }
    parcel = malloc(sizeof *parcel + size);
    if (parcel == NULL) {
        sim_broken("out of memory");
    }
    parcel->conn = conn;
    parcel->size = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(parcel->bytes + parcel->size, parts[i].data, parts[i].size);
        parcel->size += parts[i].size;
    }
    return parcel;
}

static uint64_t arrival(struct world *world, uint64_t *latest_ns)
{
    uint64_t at_ns = world->now_ns + client_latency_ns(world);

    at_ns = at_ns > *latest_ns ? at_ns : *latest_ns + 1;
    return *latest_ns = at_ns;
}

/* ---- the client's side ---- */

static void on_arrived(struct world *world, void *subject, uint64_t number)
{
    struct parcel *parcel = subject;
    struct vxc_conn *conn = parcel->conn;

    (void)world, (void)number;
    if (!conn->closed && conn->node->up && conn->node->life == conn->life) {
        if (vxc_buffer_append(&conn->in, parcel->bytes, parcel->size) != 0) {
            sim_broken("out of memory");
        }
        node_wake(conn->node, NODE_WAKE_FRAMES);
    }
    free(parcel);
}

struct vxc_conn *conn_open(struct client *client, struct node *node)
{
    struct vxc_conn *conn = calloc(1, sizeof *conn);

    if (conn == NULL) {
        sim_broken("out of memory");
    }
    conn->node = node;
    conn->life = node->life;
    conn->client = client;
    conn->id = ++node->world->next_conn;
    conn->hooks = (struct vxc_conn_hooks){.data = node->gateway,
                                          .on_open = vxc_gateway_on_open,
                                          .on_frame = vxc_gateway_on_frame,
                                          .on_room = vxc_gateway_on_room,
                                          .on_close = vxc_gateway_on_close};
    conn->next = node->conns;
    node->conns = conn;
    return conn;
}

void conn_send(struct vxc_conn *conn, const struct vxc_slice *parts, size_t count)
{
    struct world *world = conn->node->world;

    sim_at(world, arrival(world, &conn->to_node_ns), on_arrived, pack(conn, parts, count), 0);
}

static void on_left(struct world *world, void *subject, uint64_t number)
{
    struct vxc_conn *conn = subject;

    (void)world, (void)number;
    if (!conn->closed && conn->node->up && conn->node->life == conn->life) {
        conn->cut = true;
        conn->cut_code = VXC_ECLOSED;
        node_wake(conn->node, NODE_WAKE_FRAMES);
    }
}

void conn_leave(struct vxc_conn *conn)
{
    struct world *world = conn->node->world;

    conn->left = true;
    sim_at(world, arrival(world, &conn->to_node_ns), on_left, conn, 0);
}

static void on_broken(struct world *world, void *subject, uint64_t number)
{
    struct vxc_conn *conn = subject;

    (void)world, (void)number;
    if (!conn->left) {
        conn->left = true;
        client_disconnected(conn->client, conn);
    }
}

void conn_break(struct vxc_conn *conn)
{
    struct world *world = conn->node->world;

    sim_after(world, client_latency_ns(world), on_broken, conn, 0);
    sim_after(world, client_latency_ns(world), on_left, conn, 0);
}

struct node *conn_node(const struct vxc_conn *conn)
{
    return conn->node;
}

/* ---- the node's side ---- */

static void on_reply(struct world *world, void *subject, uint64_t number)
{
    struct parcel *parcel = subject;

    (void)world, (void)number;
    if (!parcel->conn->left) {
        client_receive(parcel->conn->client, parcel->conn, vxc_slice(parcel->bytes, parcel->size));
    }
    free(parcel);
}

static void close_conn(struct vxc_conn *conn, int code, const char *reason)
{
    struct world *world = conn->node->world;

    conn->closed = true;
    if (conn->opened) {
        conn->hooks.on_close(conn->hooks.data, conn, code, reason);
    }
    sim_at(world, arrival(world, &conn->to_client_ns), on_broken, conn, 0);
}

/* Hands out what is whole, until the owner has enough. */
static void deliver(struct vxc_conn *conn)
{
    struct world *world = conn->node->world;

    while (!conn->closed && !conn->cut && !conn->paused && conn->taken < conn->in.size) {
        struct vxc_frame frame;
        uint32_t need;
        int rv =
            vxc_frame_decode(vxc_slice(conn->in.data + conn->taken, conn->in.size - conn->taken),
                             VXC_FRAME_SIZE_MAX, &frame, &need);

        if (rv == VXC_EBUSY) {
            break;
        }
        if (rv != 0) {
            sim_violation(world, "a client sent what is no frame: %s", vxc_error_name(rv));
        }
        conn->taken += frame.size;
        conn->hooks.on_frame(conn->hooks.data, conn, &frame);
    }
    if (conn->taken == conn->in.size) {
        conn->taken = 0;
        vxc_buffer_clear(&conn->in);
    }
}

void conns_deliver(struct node *node)
{
    for (struct vxc_conn *conn = node->conns; conn != NULL; conn = conn->next) {
        if (conn->closed) {
            continue;
        }
        if (!conn->opened) {
            conn->opened = true;
            conn->user = conn->hooks.on_open(conn->hooks.data, conn);
        }
        deliver(conn);
    }
}

static void flush(struct vxc_conn *conn)
{
    struct world *world = conn->node->world;

    if (conn->out.size > 0) {
        const struct vxc_slice bytes = vxc_buffer_slice(&conn->out);

        if (!conn->left) {
            sim_at(world, arrival(world, &conn->to_client_ns), on_reply, pack(conn, &bytes, 1), 0);
        }
        vxc_buffer_clear(&conn->out);
    }
    if (conn->cut) {
        close_conn(conn, conn->cut_code, conn->reason);
    }
}

void conns_flush(struct node *node)
{
    struct vxc_conn **at = &node->conns;

    while (*at != NULL) {
        struct vxc_conn *conn = *at;

        if (!conn->closed) {
            flush(conn);
        }
        if (conn->closed) {
            *at = conn->next;
            vxc_buffer_free(&conn->in);
            vxc_buffer_free(&conn->out);
        } else {
            at = &conn->next;
        }
    }
}

void conns_break(struct node *node)
{
    for (struct vxc_conn *conn = node->conns; conn != NULL; conn = conn->next) {
        conn->closed = true;
        sim_after(node->world, client_latency_ns(node->world), on_broken, conn, 0);
    }
    node->conns = NULL;
}

bool conns_break_one(struct node *node, uint64_t choice)
{
    struct vxc_conn *conn = node->conns;
    uint64_t count = 0;

    for (; conn != NULL; conn = conn->next) {
        count++;
    }
    if (count == 0) {
        return false;
    }
    conn = node->conns;
    for (uint64_t skip = choice % count; skip > 0; skip--) {
        conn = conn->next;
    }
    conn_break(conn);
    return true;
}

/* ---- net/conn.h ---- */

void vxc_conn_hand_over(struct vxc_conn *conn, const struct vxc_conn_hooks *hooks, void *user)
{
    conn->hooks = *hooks;
    conn->user = user;
}

void *vxc_conn_user(const struct vxc_conn *conn)
{
    return conn->user;
}

uint32_t vxc_conn_id(const struct vxc_conn *conn)
{
    return conn->id;
}

const char *vxc_conn_address(const struct vxc_conn *conn)
{
    (void)conn;
    return "simulated:1";
}

struct vxc_buffer *vxc_conn_out(struct vxc_conn *conn)
{
    return conn->closed || conn->cut ? NULL : &conn->out;
}

void vxc_conn_touch(struct vxc_conn *conn)
{
    (void)conn; /* all are looked at when the turn ends */
}

uint64_t vxc_conn_outbound_bytes(const struct vxc_conn *conn)
{
    return conn->out.size;
}

uint64_t vxc_conn_taken_bytes(const struct vxc_conn *conn)
{
    (void)conn;
    return 0; /* nobody is choked */
}

bool vxc_conn_is_choked(const struct vxc_conn *conn)
{
    (void)conn;
    return false;
}

bool vxc_conn_is_read(const struct vxc_conn *conn)
{
    return !conn->paused;
}

/* Here is room for everybody. */
bool vxc_conn_is_guest(const struct vxc_conn *conn)
{
    (void)conn;
    return false;
}

bool vxc_conn_take_place(struct vxc_conn *conn)
{
    (void)conn;
    return true;
}

void vxc_conn_pause(struct vxc_conn *conn)
{
    conn->paused = true;
}

void vxc_conn_resume(struct vxc_conn *conn)
{
    if (conn->paused) {
        conn->paused = false;
        node_wake(conn->node, NODE_WAKE_FRAMES);
    }
}

void vxc_conn_feed(struct vxc_conn *conn, struct vxc_slice bytes)
{
    (void)conn, (void)bytes;
    sim_broken("a simulated connection is fed by its client");
}

void vxc_conn_cut(struct vxc_conn *conn, int code, const char *reason, bool flush)
{
    if (conn->cut || conn->closed) {
        return;
    }
    conn->cut = true;
    conn->cut_code = code;
    (void)strncpy(conn->reason, reason, sizeof conn->reason - 1);
    if (!flush) {
        vxc_buffer_clear(&conn->out);
    }
}
