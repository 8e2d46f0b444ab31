#include "members.h"

#include "world.h"

enum { ADDED_MS_MAX = 300, SHUT_DOWN_MS = 1500, VOTERS_MIN = 3 };

enum change_kind { CHANGE_ADD = 1, CHANGE_PROMOTE, CHANGE_REMOVE, CHANGE_TRANSFER };

struct wish {
    enum change_kind kind;
    uint64_t id;
    int code;
};

static struct node *primary_of(struct world *world)
{
    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        if (node_is_ready(&world->nodes[id])) {
            return &world->nodes[id];
        }
    }
    return NULL;
}

/* ---- within the primary ---- */

static struct node_change *new_change(struct node *node, const struct wish *wish)
{
    for (unsigned i = 0; i < NODE_CHANGES_MAX; i++) {
        if (!node->changes[i].busy) {
            node->changes[i] =
                (struct node_change){.busy = true, .kind = (unsigned)wish->kind, .id = wish->id};
            return &node->changes[i];
        }
    }
    return NULL;
}

static void ask(struct node *node, void *data)
{
    struct wish *wish = data;
    struct vxc_error err = {0};
    struct node_change *change;

    if (wish->kind == CHANGE_TRANSFER) {
        wish->code = vxc_replica_transfer(node->replica, wish->id, &err);
        return;
    }
    change = new_change(node, wish);
    if (change == NULL) {
        wish->code = VXC_EBUSY;
        return;
    }
    switch (wish->kind) {
    case CHANGE_ADD:
        wish->code = vxc_replica_add_standby(node->replica, wish->id, &change->proposal, &err);
        break;
    case CHANGE_PROMOTE:
        wish->code = vxc_replica_promote(node->replica, wish->id, &change->proposal, &err);
        break;
    default:
        wish->code = vxc_replica_remove(node->replica, wish->id, &change->proposal, &err);
        break;
    }
    change->busy = wish->code == 0;
}

bool members_on_result(struct node *node, const struct vxc_proposal *proposal,
                       const struct vxc_result *result)
{
    for (unsigned i = 0; i < NODE_CHANGES_MAX; i++) {
        struct node_change *change = &node->changes[i];

        if (&change->proposal == proposal) {
            change->busy = false;
            sim_trace(node->world, SIM_TRACE_CHANGE, change->kind, change->id,
                      (uint64_t)-result->code, result->index);
            return true;
        }
    }
    return false;
}

static void carry_out(struct world *world, struct node *primary, struct wish wish)
{
    if (node_run(primary, ask, &wish)) {
        sim_trace(world, SIM_TRACE_CHANGE, (uint64_t)wish.kind, wish.id, (uint64_t)-wish.code, 0);
        node_wake(primary, NODE_WAKE_TIME);
    }
}

/* ---- what to ask for ---- */

/* A new node begins empty and waits; the primary hears of it a moment later. */
static void on_add(struct world *world, void *subject, uint64_t number)
{
    struct node *primary = primary_of(world);

    (void)subject;
    if (primary != NULL && !world->healed) {
        carry_out(world, primary, (struct wish){.kind = CHANGE_ADD, .id = number});
    }
}

static void add(struct world *world)
{
    for (uint64_t id = world->options.nodes + 1; id <= SIM_NODES_MAX; id++) {
        struct node *node = &world->nodes[id];

        if (!node->born) {
            node->member = node->joins = true;
            node_boot(node);
            sim_after(world, sim_draw(&world->faults, ADDED_MS_MAX) * SIM_MS, on_add, NULL, id);
            return;
        }
    }
}

/* Somebody of that role, other than the primary; 0: nobody. */
static uint64_t pick(struct world *world, struct node *primary, bool voter)
{
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    const uint32_t count = vxc_replica_members(primary->replica, members);
    const uint64_t at = sim_draw(&world->faults, count);

    for (uint32_t i = 0; i < count; i++) {
        const struct vxc_replica_member *m = &members[(at + i) % count];

        if (m->id != primary->id && (m->role == VXC_MEMBER_VOTER) == voter) {
            return m->id;
        }
    }
    return 0;
}

static uint32_t voters(const struct node *node)
{
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    const uint32_t count = vxc_replica_members(node->replica, members);
    uint32_t found = 0;

    for (uint32_t i = 0; i < count; i++) {
        found += members[i].role == VXC_MEMBER_VOTER;
    }
    return found;
}

void members_change(struct world *world)
{
    struct node *primary = primary_of(world);
    const uint64_t what = sim_draw(&world->faults, 4);

    if (primary == NULL) {
        return;
    }
    if (what == 0) {
        carry_out(
            world, primary,
            (struct wish){.kind = CHANGE_TRANSFER,
                          .id = sim_chance(&world->faults, 500) ? 0 : pick(world, primary, true)});
    } else if (pick(world, primary, false) != 0 && sim_chance(&world->faults, 700)) {
        carry_out(world, primary,
                  (struct wish){.kind = CHANGE_PROMOTE, .id = pick(world, primary, false)});
    } else if (voters(primary) > VOTERS_MIN && sim_chance(&world->faults, 600)) {
        carry_out(world, primary,
                  (struct wish){.kind = CHANGE_REMOVE, .id = pick(world, primary, true)});
    } else {
        add(world);
    }
}

/* ---- what is committed ---- */

static void on_shut_down(struct world *world, void *subject, uint64_t number)
{
    (void)world, (void)number;
    node_crash(subject, NODE_KILLED);
}

void members_committed(struct world *world, const struct vxc_configuration *configuration)
{
    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        struct node *node = &world->nodes[id];
        bool is_in = false;

        for (uint32_t i = 0; i < configuration->count; i++) {
            is_in = is_in || configuration->members[i].id == id;
        }
        if (!is_in && node->voted && !node->removed) {
            node->removed = true;
            sim_after(world, SHUT_DOWN_MS * SIM_MS, on_shut_down, node, 0);
        }
        node->voted = node->voted || is_in;
    }
}
