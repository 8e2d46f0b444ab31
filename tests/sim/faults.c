#include "faults.h"

#include "conn.h"
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
    FAULT_CRASH_POINT,
    FAULT_PAUSE,
    FAULT_SLOW_DISK,
    FAULT_FULL_DISK,
    FAULT_CLOCK,
    FAULT_BREAK_CLIENTS,
    FAULT_PAUSE_CLIENT,
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

static struct node *any_node(struct world *world)
{
    const uint64_t at = sim_draw(&world->faults, SIM_NODES_MAX);

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

static void crash_point(struct world *world, struct node *node)
{
    node->disk.calls_left = (unsigned)sim_between(&world->faults, 1, STEPS_MAX);
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
    case FAULT_CRASH_POINT:
        crash_point(world, node);
        break;
    case FAULT_PAUSE:
        world->counts.pauses++;
        node_pause(node, sim_between(s, 10, PAUSE_MS_MAX) * SIM_MS);
        break;
    case FAULT_SLOW_DISK:
        node->flush_us = (unsigned)sim_between(s, 1000, 100000);
        sim_after(world, sim_between(s, 100, 3000) * SIM_MS, on_quick_disk, node, 0);
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
