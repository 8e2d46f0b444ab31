#include "faults.h"

#include "conn.h"
#include "members.h"
#include "world.h"

enum {
    FAULT_MS_MIN = 200, /* between faults */
    FAULT_MS_MAX = 1400,
    DOWN_MS_MAX = 1500,
    PAUSE_MS_MAX = 4000,
    FULL_MS_MAX = 3000,
    STEPS_MAX = 60, /* calls to the disk until a planned crash */
};

enum fault {
    FAULT_KILL,
    FAULT_POWER_CUT,
    FAULT_CUT_ALL,
    FAULT_CRASH_POINT,
    FAULT_PAUSE,
    FAULT_SLOW_DISK,
    FAULT_FULL_DISK,
    FAULT_CLOCK,
    FAULT_BREAK_CLIENTS,
    FAULT_BREAK_PEERS,
    FAULT_ISOLATE,
    FAULT_ONE_WAY,
    FAULT_FLAP,
    FAULT_SPLIT,
    FAULT_PAUSE_CLIENT,
    FAULT_MEMBERS,
    FAULT_KINDS,
};

static void on_boot(struct world *world, void *subject, uint64_t number)
{
    struct node *node = subject;

    (void)world;
    if (!node->up && !node->removed && number == node->life) {
        node_boot(node);
    }
}

/* Somebody looks after dead nodes, however they died. */
static void on_watchman(struct world *world, void *subject, uint64_t number)
{
    (void)subject, (void)number;
    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        struct node *node = &world->nodes[id];

        if (node->member && !node->removed && !node->up) {
            sim_after(world, sim_draw(&world->faults, DOWN_MS_MAX) * SIM_MS, on_boot, node,
                      node->life);
        }
    }
    if (!world->healed) {
        sim_after(world, 200 * SIM_MS, on_watchman, NULL, 0);
    }
}

/* The primary more often than others: most of what can go wrong goes wrong there. */
static struct node *any_node(struct world *world)
{
    const uint64_t at = sim_draw(&world->faults, SIM_NODES_MAX);
    const bool primary = sim_chance(&world->faults, 300);

    for (uint64_t id = 1; primary && id <= SIM_NODES_MAX; id++) {
        if (node_is_ready(&world->nodes[id])) {
            return &world->nodes[id];
        }
    }
    for (uint64_t i = 0; i < SIM_NODES_MAX; i++) {
        struct node *node = &world->nodes[(at + i) % SIM_NODES_MAX + 1];

        if (node->member && !node->removed && node->up) {
            return node;
        }
    }
    return NULL;
}

static void on_space(struct world *world, void *subject, uint64_t number)
{
    (void)world, (void)number;
    ((struct node *)subject)->disk.full = false;
}

static void on_quick_disk(struct world *world, void *subject, uint64_t number)
{
    (void)world, (void)number;
    ((struct node *)subject)->flush_us = 200;
}

/* One of them, or all. */
static void slow_disks(struct world *world, struct node *node)
{
    const uint64_t us = sim_between(&world->faults, 1000, 100000);
    const uint64_t duration_ns = sim_between(&world->faults, 100, 3000) * SIM_MS;
    const bool all = sim_chance(&world->faults, 400);

    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        if (all || id == node->id) {
            world->nodes[id].flush_us = (unsigned)us;
            sim_after(world, duration_ns, on_quick_disk, &world->nodes[id], 0);
        }
    }
}

static void cut_all_power(struct world *world)
{
    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        node_crash(&world->nodes[id], NODE_CUT);
    }
}

static void crash_point(struct world *world, struct node *node)
{
    node->disk.calls_left = (unsigned)sim_between(&world->faults, 1, STEPS_MAX);
}

/* ---- partitions ---- */

static void on_rejoined(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    peers_cut(world, number / 16, number % 16, false);
}

/* Swallows what `from` sends to `to` for a while. */
static void cut(struct world *world, uint64_t from, uint64_t to, uint64_t duration_ns)
{
    peers_cut(world, from, to, true);
    sim_after(world, duration_ns, on_rejoined, NULL, from * 16 + to);
}

static void cut_all(struct world *world, uint64_t id, bool to_it, bool from_it,
                    uint64_t duration_ns)
{
    for (uint64_t other = 1; other <= SIM_NODES_MAX; other++) {
        if (other != id && to_it) {
            cut(world, other, id, duration_ns);
        }
        if (other != id && from_it) {
            cut(world, id, other, duration_ns);
        }
    }
}

/* Each pair across a line through the cluster; one of the sides may still have the primary. */
static void split(struct world *world, uint64_t duration_ns)
{
    const uint64_t side = sim_draw(&world->faults, 1u << SIM_NODES_MAX);

    for (uint64_t a = 1; a <= SIM_NODES_MAX; a++) {
        for (uint64_t b = 1; b <= SIM_NODES_MAX; b++) {
            if (a != b && (side >> (a - 1) & 1) != (side >> (b - 1) & 1)) {
                cut(world, a, b, duration_ns);
            }
        }
    }
}

static void on_flap(struct world *world, void *subject, uint64_t number)
{
    struct node *node = subject;

    cut_all(world, node->id, true, true, sim_between(&world->faults, 20, 200) * SIM_MS);
    if (number > 0 && !world->healed) {
        sim_after(world, sim_between(&world->faults, 50, 500) * SIM_MS, on_flap, node, number - 1);
    }
}

static uint64_t partition_ns(struct world *world)
{
    world->counts.partitions++;
    return sim_between(&world->faults, 50, 4000) * SIM_MS;
}

/* Some clients of a node leave it when it is in trouble, others do not notice. */
static void scatter_clients(struct world *world, struct node *node)
{
    for (uint64_t n = sim_draw(&world->faults, 6); n > 0; n--) {
        world->counts.breaks += conns_break_one(node, sim_draw(&world->faults, 100));
    }
}

static void strike(struct world *world, enum fault fault, struct node *node)
{
    static const uint64_t rates[] = {500, 800, 1000, 1250, 2000};
    struct stream *s = &world->faults;

    switch (fault) {
    case FAULT_KILL:
        node_crash(node, NODE_KILLED);
        break;
    case FAULT_POWER_CUT:
        node_crash(node, NODE_CUT);
        break;
    case FAULT_CUT_ALL:
        cut_all_power(world);
        break;
    case FAULT_CRASH_POINT:
        crash_point(world, node);
        break;
    case FAULT_PAUSE:
        world->counts.pauses++;
        node_pause(node, sim_between(s, 10, PAUSE_MS_MAX) * SIM_MS);
        scatter_clients(world, node);
        break;
    case FAULT_SLOW_DISK:
        slow_disks(world, node);
        break;
    case FAULT_FULL_DISK:
        world->counts.full_disks++;
        node->disk.full = true;
        sim_after(world, sim_between(s, 50, FULL_MS_MAX) * SIM_MS, on_space, node, 0);
        break;
    case FAULT_CLOCK:
        node_set_rate(node, rates[sim_draw(s, 5)]);
        break;
    case FAULT_BREAK_CLIENTS:
        for (uint64_t n = sim_between(s, 1, 4); n > 0; n--) {
            world->counts.breaks += conns_break_one(node, sim_draw(s, 100));
        }
        break;
    case FAULT_BREAK_PEERS:
        world->counts.breaks++;
        peers_break(world, node->id, sim_between(s, 1, world->options.nodes));
        break;
    case FAULT_ISOLATE:
        cut_all(world, node->id, true, true, partition_ns(world));
        scatter_clients(world, node);
        break;
    case FAULT_ONE_WAY:
        if (sim_chance(s, 500)) {
            cut_all(world, node->id, true, false, partition_ns(world));
        } else {
            cut_all(world, node->id, false, true, partition_ns(world));
        }
        scatter_clients(world, node);
        break;
    case FAULT_FLAP:
        world->counts.partitions++;
        on_flap(world, node, sim_between(s, 2, 12));
        break;
    case FAULT_SPLIT:
        split(world, partition_ns(world));
        break;
    case FAULT_MEMBERS:
        if (world->options.nodes > 1) {
            members_change(world);
        }
        break;
    default:
        client_pause(&world->clients_of[sim_draw(s, world->client_count)],
                     sim_between(s, 100, 8000) * SIM_MS);
        break;
    }
}

static void on_fault(struct world *world, void *subject, uint64_t number)
{
    const enum fault fault = (enum fault)sim_draw(&world->faults, FAULT_KINDS);
    struct node *node = any_node(world);

    (void)subject, (void)number;
    if (world->healed) {
        return;
    }
    sim_after(world, sim_between(&world->faults, FAULT_MS_MIN, FAULT_MS_MAX) * SIM_MS, on_fault,
              NULL, 0);
    if (node == NULL) {
        return;
    }
    world->counts.faults++;
    sim_trace(world, SIM_TRACE_FAULT, (uint64_t)fault, node->id, 0, 0);
    strike(world, fault, node);
}

void faults_begin(struct world *world)
{
    sim_after(world, sim_between(&world->faults, 1, 2 * FAULT_MS_MAX) * SIM_MS, on_fault, NULL, 0);
    sim_after(world, 0, on_watchman, NULL, 0);
}

void faults_heal(struct world *world)
{
    peers_heal(world);
    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        struct node *node = &world->nodes[id];

        node->disk.full = false;
        node->disk.calls_left = 0;
        node->flush_us = 200;
        node->paused_until_ns = world->now_ns;
        if (node->born) {
            node_set_rate(node, 1000);
        }
        if (node->member && !node->removed && !node->up) {
            node_boot(node);
        }
    }
}
