#include "peers.h"

#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    UNDER_WAY_MAX = 32,    /* messages; then the sender's socket is full */
    MESSAGE_BYTES = 65536, /* asked of the replica at a time */
    CONNECT_MS_MAX = 60,   /* until a connection is there again */
    LINGER_MS_MAX = 2500,  /* until a connection that lost something breaks */
};

/* A message with all it points to. */
struct letter {
    struct letter *next;
    struct world *world;
    uint64_t from, to;
    uint64_t connection;
    bool lost;
    struct vxc_peer_message message;
    struct vxc_engine_entry *entries;
    uint8_t bytes[];
};

static struct link *link_of(struct world *world, uint64_t from, uint64_t to)
{
    return &world->links[from][to];
}

/* ---- a message in an envelope ---- */

static size_t size_of(const struct vxc_peer_message *message)
{
    size_t size = 0;

    if (message->type != VXC_PEER_ENGINE) {
        return 0;
    }
    if (message->engine.type == VXC_ENGINE_APPEND) {
        for (uint32_t i = 0; i < message->engine.append.count; i++) {
            size += message->engine.append.entries[i].payload.size;
        }
    } else if (message->engine.type == VXC_ENGINE_IMAGE) {
        size = message->engine.image.configuration.size;
    }
    return size;
}

static struct vxc_slice keep(uint8_t **at, struct vxc_slice bytes)
{
    struct vxc_slice kept = vxc_slice(*at, bytes.size);

    if (bytes.size > 0) {
        memcpy(*at, bytes.data, bytes.size);
    }
    *at += bytes.size;
    return kept;
}

static struct letter *seal(struct world *world, uint64_t from, uint64_t to,
                           const struct vxc_peer_message *message)
{
    struct letter *letter = malloc(sizeof *letter + size_of(message));
    struct vxc_engine_message *engine;
    uint8_t *at;

    if (letter == NULL) {
        sim_broken("out of memory");
    }
    *letter = (struct letter){.world = world, .from = from, .to = to, .message = *message};
    letter->message.peer = from;
    at = letter->bytes;
    engine = &letter->message.engine;
    if (message->type != VXC_PEER_ENGINE) {
        return letter;
    }
    engine->peer = from;
    if (engine->type == VXC_ENGINE_APPEND && engine->append.count > 0) {
        const uint32_t count = engine->append.count;

        letter->entries = malloc(count * sizeof *letter->entries);
        if (letter->entries == NULL) {
            sim_broken("out of memory");
        }
        memcpy(letter->entries, engine->append.entries, count * sizeof *letter->entries);
        for (uint32_t i = 0; i < count; i++) {
            letter->entries[i].payload = keep(&at, letter->entries[i].payload);
        }
        engine->append.entries = letter->entries;
    } else if (engine->type == VXC_ENGINE_IMAGE) {
        engine->image.configuration = keep(&at, engine->image.configuration);
    }
    return letter;
}

static void burn(struct letter *letter)
{
    free(letter->entries);
    free(letter);
}

/* ---- sending and receiving ---- */

static uint64_t latency_ns(struct world *world)
{
    const uint64_t us = sim_between(&world->network, 100, 1000);

    return us * SIM_US * (sim_chance(&world->network, world->spiky_per_mille) ? 200 : 1);
}

static void on_arrived(struct world *world, void *subject, uint64_t number)
{
    struct letter *letter = subject;
    struct link *link = link_of(world, letter->from, letter->to);
    struct node *to = &world->nodes[letter->to];

    (void)number;
    if (!link->open || link->number != letter->connection) {
        burn(letter);
        return;
    }
    if (link->under_way-- == UNDER_WAY_MAX) {
        node_wake(&world->nodes[letter->from], NODE_WAKE_FRAMES);
    }
    if (letter->lost) {
        burn(letter);
        return;
    }
    if (link->last == NULL) {
        link->first = letter;
    } else {
        link->last->next = letter;
    }
    link->last = letter;
    node_wake(to, NODE_WAKE_FRAMES);
}

static void post(struct world *world, struct link *link, struct letter *letter)
{
    const uint64_t at_ns = world->now_ns + latency_ns(world);

    letter->connection = link->number;
    link->under_way++;
    link->latest_ns = at_ns > link->latest_ns ? at_ns : link->latest_ns + 1;
    if (link->cut) {
        letter->lost = link->swallowed = true;
    } else if (sim_chance(&world->network, world->lossy_per_mille)) {
        letter->lost = true;
    }
    if (letter->lost) {
        sim_trace(world, SIM_TRACE_LOST, link->from, link->to, (uint64_t)letter->message.type, 0);
    }
    sim_at(world, link->latest_ns, on_arrived, letter, 0);
}

void peers_send(struct node *node)
{
    struct world *world = node->world;

    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        struct link *link = link_of(world, node->id, id);
        struct vxc_peer_message message;

        while (link->open && link->under_way < UNDER_WAY_MAX &&
               vxc_replica_next(node->replica, id, MESSAGE_BYTES, &message)) {
            sim_trace(world, SIM_TRACE_MESSAGE, node->id, id,
                      (uint64_t)message.type * 16 +
                          (message.type == VXC_PEER_ENGINE ? (uint64_t)message.engine.type : 0),
                      message.type == VXC_PEER_ENGINE ? message.engine.term : 0);
            post(world, link, seal(world, node->id, id, &message));
        }
    }
}

void peers_receive(struct node *node)
{
    struct world *world = node->world;

    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        struct link *link = link_of(world, id, node->id);
        struct link *back = link_of(world, node->id, id);

        if (!link->open && !back->gone_told) {
            back->gone_told = true;
            vxc_replica_disconnected(node->replica, id);
        }
        while (link->first != NULL) {
            struct letter *letter = link->first;
            int rv;

            link->first = letter->next;
            link->last = link->first == NULL ? NULL : link->last;
            rv = vxc_replica_receive(node->replica, &letter->message);
            if (rv != 0) {
                sim_violation(world,
                              "node %" PRIu64 " refuses a message of type %d/%d of node %" PRIu64
                              ": %s",
                              node->id, (int)letter->message.type, (int)letter->message.engine.type,
                              id, vxc_error_name(rv));
            }
            burn(letter);
        }
    }
}

/* ---- connections ---- */

static void close_way(struct link *link)
{
    link->open = false;
    link->number++;
    link->under_way = 0;
    link->swallowed = false;
    link->gone_told = false;
    while (link->first != NULL) {
        struct letter *letter = link->first;
        link->first = letter->next;
        burn(letter);
    }
    link->last = NULL;
}

static void on_noticed(struct world *world, void *subject, uint64_t number)
{
    (void)world, (void)number;
    if (((struct node *)subject)->up) {
        node_wake(subject, NODE_WAKE_FRAMES);
    }
}

void peers_break(struct world *world, uint64_t a, uint64_t b)
{
    if (!link_of(world, a, b)->open) {
        return;
    }
    sim_trace(world, SIM_TRACE_BREAK, a, b, 0, 0);
    close_way(link_of(world, a, b));
    close_way(link_of(world, b, a));
    sim_after(world, latency_ns(world), on_noticed, &world->nodes[a], 0);
    sim_after(world, latency_ns(world), on_noticed, &world->nodes[b], 0);
}

void peers_forget(struct node *node)
{
    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        peers_break(node->world, node->id, id);
    }
}

static void open_way(struct link *link)
{
    link->open = true;
    link->number++;
}

/* Somebody tries again and again; both ends have heard of the old one's end by then. */
static void try_connect(struct world *world, uint64_t a, uint64_t b)
{
    struct link *there = link_of(world, a, b);
    struct link *back = link_of(world, b, a);

    if (there->open || there->cut || back->cut || !world->nodes[a].up || !world->nodes[b].up ||
        world->nodes[a].removed || world->nodes[b].removed || !there->gone_told ||
        !back->gone_told) {
        return;
    }
    open_way(there);
    open_way(back);
    node_wake(&world->nodes[a], NODE_WAKE_FRAMES);
    node_wake(&world->nodes[b], NODE_WAKE_FRAMES);
}

static void on_look(struct world *world, void *subject, uint64_t number)
{
    (void)subject, (void)number;
    for (uint64_t a = 1; a <= SIM_NODES_MAX; a++) {
        for (uint64_t b = a + 1; b <= SIM_NODES_MAX; b++) {
            struct link *there = link_of(world, a, b);
            struct link *back = link_of(world, b, a);

            if (!world->nodes[a].born || !world->nodes[b].born) {
                continue;
            }
            if (there->open && (there->swallowed || back->swallowed) &&
                sim_chance(&world->network, 1000 * CONNECT_MS_MAX / LINGER_MS_MAX)) {
                peers_break(world, a, b);
            }
            try_connect(world, a, b);
        }
    }
    sim_after(world, sim_between(&world->network, 1, CONNECT_MS_MAX) * SIM_MS, on_look, NULL, 0);
}

void peers_begin(struct world *world)
{
    static const unsigned lossy[] = {0, 0, 2, 20};
    static const unsigned spiky[] = {0, 2, 10};

    world->lossy_per_mille = lossy[sim_draw(&world->network, 4)];
    world->spiky_per_mille = spiky[sim_draw(&world->network, 3)];
    for (uint64_t a = 1; a <= SIM_NODES_MAX; a++) {
        for (uint64_t b = 1; b <= SIM_NODES_MAX; b++) {
            *link_of(world, a, b) = (struct link){.from = a, .to = b, .gone_told = true};
        }
    }
    if (world->options.nodes > 1) {
        sim_after(world, 0, on_look, NULL, 0);
    }
}

void peers_cut(struct world *world, uint64_t from, uint64_t to, bool cut)
{
    link_of(world, from, to)->cut = cut;
}

void peers_heal(struct world *world)
{
    world->lossy_per_mille = world->spiky_per_mille = 0;
    for (uint64_t a = 1; a <= SIM_NODES_MAX; a++) {
        for (uint64_t b = 1; b <= SIM_NODES_MAX; b++) {
            peers_cut(world, a, b, false);
        }
    }
}
