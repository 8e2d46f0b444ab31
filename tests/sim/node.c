#include "node.h"

#include "base/check.h"
#include "base/memory.h"
#include "check.h"
#include "conn.h"
#include "files.h"
#include "heap.h"
#include "images.h"
#include "members.h"
#include "storage/install.h"
#include "witness.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct node *node_current;

enum {
    SEGMENT_SIZE = 128 * 1024,
    MAP_SIZE = 256 * 1024 * 1024,
    CLEAN_BYTES = 1024 * 1024,
    ELECTION_MS = 500, /* the defaults of a node */
    HEARTBEAT_MS = 100,
    TIMEOUT_MS = 20000,
    TURN_US_MIN = 20, /* from something being ready to the turn: what comes meanwhile shares it */
    TURN_US_MAX = 200,
    COMMIT_US_MAX = 8000,
    RETRY_MS = 200, /* between tries of a commit that found no space, as the storage thread's */
};

/* ---- clock ---- */

static uint64_t monotonic(void *data)
{
    const struct node *node = data;

    return node->clock_ns + (node->world->now_ns - node->clock_at_ns) / 1000 * node->rate_per_mille;
}

static uint64_t wall(void *data)
{
    const struct node *node = data;

    return 1700000000000000u + node->wall_us + node->world->now_ns / 1000;
}

static void random_bytes(void *data, void *out, uint64_t size)
{
    struct node *node = data;

    for (uint64_t i = 0; i < size; i++) {
        ((uint8_t *)out)[i] = (uint8_t)sim_draw(&node->chance, 256);
    }
}

void node_set_rate(struct node *node, uint64_t per_mille)
{
    node->clock_ns = monotonic(node);
    node->clock_at_ns = node->world->now_ns;
    node->rate_per_mille = per_mille;
}

/* ---- its code ---- */

bool node_run(struct node *node, void (*work)(struct node *node, void *data), void *data)
{
    vxc_check(node_current == NULL);
    if (!node->up) {
        return false;
    }
    if (setjmp(node->end) != 0) {
        node_current = NULL;
        node_crash(node, node->end_kind);
        return false;
    }
    node_current = node;
    work(node, data);
    node_current = NULL;
    return true;
}

_Noreturn void node_end_now(enum node_end kind)
{
    struct node *node = node_current;

    node->end_kind = kind;
    longjmp(node->end, 1);
}

/* ---- turns ---- */

static void plan_turn(struct node *node, uint64_t at_ns);

static void on_role(void *data)
{
    struct node *node = data;
    struct vxc_replica_status status;

    if (node->replica == NULL) {
        return; /* within its start */
    }
    vxc_replica_status(node->replica, &status);
    sim_trace(node->world, SIM_TRACE_ROLE, node->id, status.term,
              vxc_replica_is_primary(node->replica), status.primary_id);
    if (vxc_replica_is_primary(node->replica) && !node->was_primary) {
        node->world->counts.elections++;
        check_elected(node->world, status.term, node->id);
    }
    node->was_primary = vxc_replica_is_primary(node->replica);
    vxc_gateway_on_role(node->gateway);
}

static void on_result(void *data, struct vxc_proposal *proposal, const struct vxc_result *result)
{
    struct node *node = data;

    if (members_on_result(node, proposal, result)) {
        return;
    }
    vxc_gateway_on_result(node->gateway, proposal, result);
}

static void on_event(void *data, const struct vxc_event *event)
{
    struct node *node = data;

    vxc_gateway_on_event(node->gateway, event);
}

static void on_reads(void *data, uint64_t round, int code)
{
    struct node *node = data;

    vxc_gateway_on_reads(node->gateway, round, code);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The vote belongs to this cluster from the moment that its id is known. */
static void bind_vote(struct node *node)
{
    struct vxc_error err = {0};

    if (node->bound || !vxc_fsm_bootstrapped(node->fsm)) {
        return;
    }
    node->bound = true;
    if (vxc_vote_bind(node->vote, vxc_load_u64(vxc_fsm_cluster_id(node->fsm)),
                      vxc_load_u64(vxc_fsm_cluster_id(node->fsm) + 8), &err) != 0) {
        sim_violation(node->world, "node %" PRIu64 ": binding the vote: %s", node->id, err.text);
    }
}

static void on_store_retry(struct world *world, void *subject, uint64_t number)
{
    struct node *node = subject;

    (void)world;
    if (node->up && node->life == number) {
        node_wake(node, NODE_WAKE_STORE);
    }
}

/* A commit has ended, or found no space and is to be tried again. */
static void wake_for_store(struct node *node)
{
    const uint64_t now_ns = node->world->now_ns;

    if (!node->disk.full) {
        node_wake(node, NODE_WAKE_STORE);
    } else if (now_ns >= node->store_retry_ns) {
        node->store_retry_ns = now_ns + RETRY_MS * SIM_MS;
        sim_at(node->world, node->store_retry_ns, on_store_retry, node, node->life);
    }
}

static void turn(struct node *node, void *data)
{
    const unsigned woken = node->woken;
    uint64_t wait_ms;

    (void)data;
    node->woken = 0;
    vxc_replica_on_log(node->replica); /* each time: a device without descriptor tells of no job */
    if ((woken & NODE_WAKE_STORE) != 0) {
        vxc_replica_on_store(node->replica);
    }
    if (sim_chance(&node->chance, 500)) { /* sockets are read in any order */
        peers_receive(node);
        conns_deliver(node);
    } else {
        conns_deliver(node);
        peers_receive(node);
    }
    wait_ms = vxc_gateway_turn(node->gateway);
    wait_ms = least(wait_ms, vxc_replica_turn(node->replica));
    bind_vote(node);
    vxc_gateway_end_turn(node->gateway);
    conns_flush(node);
    peers_send(node);
    if (vxc_store_busy(node->store)) {
        wake_for_store(node);
    }
    plan_turn(node, node->world->now_ns + (wait_ms == 0 ? 10 * SIM_US : 0) +
                        wait_ms * SIM_MS * 1000 / node->rate_per_mille);
}

static void on_turn(struct world *world, void *subject, uint64_t number)
{
    struct node *node = subject;

    if (!node->up || number != node->turn_number) {
        return; /* of an older life, or an earlier one was planned */
    }
    node->turn_at_ns = UINT64_MAX;
    if (world->now_ns < node->paused_until_ns) {
        plan_turn(node, node->paused_until_ns);
        return;
    }
    if (node_run(node, turn, NULL)) {
        witness_look(world, node);
    }
}

static void plan_turn(struct node *node, uint64_t at_ns)
{
    if (at_ns < node->turn_at_ns) {
        node->turn_at_ns = at_ns;
        sim_at(node->world, at_ns, on_turn, node, ++node->turn_number);
    }
}

void node_wake(struct node *node, enum node_wake why)
{
    uint64_t delay_us = sim_between(&node->chance, TURN_US_MIN, TURN_US_MAX);

    if (why == NODE_WAKE_STORE) {
        delay_us += sim_draw(&node->chance, COMMIT_US_MAX);
    }
    node->woken |= why;
    plan_turn(node, node->world->now_ns + delay_us * SIM_US);
}

void node_pause(struct node *node, uint64_t duration_ns)
{
    node->paused_until_ns = node->world->now_ns + duration_ns;
}

uint64_t node_flush_ns(struct node *node)
{
    /* mostly quick, sometimes ten times as long */
    const uint64_t us = node->flush_us / 2 + sim_draw(&node->chance, node->flush_us);

    return us * SIM_US * (sim_chance(&node->chance, 20) ? 10 : 1);
}

bool node_is_ready(const struct node *node)
{
    return node->up && vxc_replica_is_ready(node->replica);
}

/* ---- lives ---- */

void node_init(struct node *node, uint64_t id, struct stream chance)
{
    static const uint32_t freezes[] = {100, 1000, 2500, 5000};
    static const uint64_t logs[] = {64 * 1024, 256 * 1024, 1024 * 1024};

    node->world = sim_world;
    node->id = id;
    node->chance = chance;
    node->disk.world = sim_world;
    node->clock = (struct vxc_clock){node, monotonic, wall, random_bytes};
    node->clock_at_ns = sim_world->now_ns;
    node->clock_ns = sim_between(&node->chance, 1, 1000) * SIM_S;
    node->rate_per_mille = 1000;
    node->flush_us = 200;
    node->freeze_idle_ms = freezes[sim_draw(&node->chance, 4)];
    node->sync_log_bytes = logs[sim_draw(&node->chance, 3)];
    node->trailing_bytes = logs[sim_draw(&node->chance, 3)];
    node->turn_at_ns = UINT64_MAX;
    (void)snprintf(node->address, sizeof node->address, "node-%" PRIu64 ":1", id);
    (void)snprintf(node->folder, sizeof node->folder, "%s/%" PRIu64, sim_world->folder, id);
}

static int open_storage(struct node *node, struct vxc_vote *vote, struct vxc_error *err)
{
    struct vxc_log_options log_options = {.node_id = node->id, .segment_size = SEGMENT_SIZE};
    struct vxc_store_options store_options = {.map_size = MAP_SIZE, .synchronous = true};
    char path[300];
    int rv;

    (void)snprintf(path, sizeof path, "%s/state", node->folder);
    rv = vxc_store_open(path, &store_options, &node->store, err);
    if (rv == 0) {
        (void)snprintf(path, sizeof path, "%s/log", node->folder);
        node->device = device_create(node);
        rv = vxc_log_open_on(path, &log_options, node->device, &node->log, err);
    }
    if (rv == 0) {
        (void)snprintf(path, sizeof path, "%s/vote", node->folder);
        rv = vxc_vote_open(path, vxc_log_last_index(node->log) == 0, node->id, &node->vote, vote,
                           err);
    }
    if (rv == 0) {
        rv = vxc_table_create(node->store, CLEAN_BYTES, &node->table);
    }
    return rv == 0 ? vxc_fsm_create(node->table, &node->fsm, err) : rv;
}

static const char *address_of(void *data, uint64_t id)
{
    struct node *node = data;

    return id >= 1 && id <= SIM_NODES_MAX ? node->world->nodes[id].address : "";
}

static void give_status(void *data, struct vxc_buffer *out)
{
    (void)data;
    (void)vxc_buffer_append(out, "{}", 2);
}

static struct vxc_configuration initial_configuration(const struct world *world)
{
    struct vxc_configuration initial = {.count = world->options.nodes};

    for (uint32_t i = 0; i < initial.count; i++) {
        initial.members[i].id = i + 1;
        initial.members[i].role = VXC_MEMBER_VOTER;
    }
    return initial;
}

static int start_replica(struct node *node, const struct vxc_vote *vote, struct vxc_error *err)
{
    struct vxc_gateway_options gateway_options = {
        .fsm = node->fsm,
        .clock = &node->clock,
        .node_id = node->id,
        .address = node->address,
        .timeout_ms = TIMEOUT_MS,
        .ping_interval_ms = TIMEOUT_MS,
        .election_timeout_ms = ELECTION_MS,
        .news_held_size_min = 1, /* lists are short here */
        .data = node,
        .status = give_status,
        .address_of = address_of,
    };
    struct vxc_configuration initial = initial_configuration(node->world);
    struct vxc_replica_options options = {
        .node_id = node->id,
        .initial = &initial,
        .joins = node->joins,
        .log = node->log,
        .vote = node->vote,
        .initial_vote = *vote,
        .store = node->store,
        .table = node->table,
        .fsm = node->fsm,
        .clock = &node->clock,
        .election_timeout_ms = ELECTION_MS,
        .heartbeat_ms = HEARTBEAT_MS,
        .freeze_idle_ms = node->freeze_idle_ms,
        .sync_log_bytes = node->sync_log_bytes,
        .trailing_bytes = node->trailing_bytes,
        .data = node,
        .on_result = on_result,
        .on_event = on_event,
        .on_role = on_role,
        .on_reads = on_reads,
        .on_image_wanted = images_on_wanted,
        .on_install = images_on_install,
    };
    int rv;

    if (node->gateway == NULL) {
        vxc_need_memory(vxc_gateway_create(&gateway_options, &node->gateway) == 0, "the gateway");
    }
    rv = vxc_replica_start(&options, &node->replica, err);
    if (rv == 0) {
        vxc_gateway_set_replica(node->gateway, node->replica, node->fsm);
    }
    return rv;
}

void node_open(struct node *node)
{
    struct vxc_error err = {0};
    struct vxc_vote vote = {0};
    bool installed;
    int rv = vxc_install_finish(node->folder, node->id, NULL, &installed, &err);

    rv = rv != 0 ? rv : open_storage(node, &vote, &err);
    rv = rv != 0 ? rv : start_replica(node, &vote, &err);
    if (rv == VXC_ENOSPC && node->disk.full) {
        node_end_now(NODE_KILLED); /* it says so and ends; somebody starts it again */
    }
    if (rv != 0) {
        const size_t skip =
            strncmp(err.text, node->folder, strlen(node->folder)) == 0 ? strlen(node->folder) : 0;

        sim_violation(node->world, "node %" PRIu64 " does not start: %s: %s", node->id,
                      vxc_error_name(rv), err.text + skip);
    }
}

void node_close(struct node *node)
{
    struct vxc_replica *replica = node->replica;

    node->was_primary = false;
    vxc_replica_stop(replica);
    node->replica = NULL;
    vxc_gateway_set_replica(node->gateway, NULL, NULL);
    vxc_fsm_free(node->fsm);
    vxc_table_free(node->table);
    vxc_store_close(node->store);
    vxc_log_close(node->log); /* frees the device, too */
    vxc_vote_close(node->vote);
    node->device = NULL;
    node->log = NULL;
}

static void boot(struct node *node, void *data)
{
    (void)data;
    (void)mkdir(node->folder, 0700);
    node_open(node);
}

void node_reopened(struct node *node)
{
    witness_begin_life(node->world, node);
    plan_turn(node, node->world->now_ns + TURN_US_MAX * SIM_US);
}

void node_boot(struct node *node)
{
    vxc_check(!node->up);
    node->born = node->up = true;
    node->life++;
    node->woken = 0;
    node->turn_at_ns = UINT64_MAX;
    node->turn_number++;
    node->paused_until_ns = node->store_retry_ns = 0;
    node->bound = node->was_primary = false;
    memset(node->making, 0, sizeof node->making);
    node->holds = 0;
    /* whoever was connected to the life before: that is over, and this one never knew */
    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        node->world->links[node->id][id].gone_told = true;
    }
    node->applied_index = 0;
    memset(node->changes, 0, sizeof node->changes);
    node->device = NULL;
    node->log = NULL;
    node->replica = NULL;
    node->gateway = NULL;
    node->conns = NULL;
    sim_trace(node->world, SIM_TRACE_START, node->id, node->life, 0, 0);
    if (node_run(node, boot, NULL)) {
        node_reopened(node);
    }
}

void node_crash(struct node *node, enum node_end kind)
{
    if (!node->up) {
        return;
    }
    node->up = false;
    node->world->counts.crashes++;
    node->world->counts.power_cuts += kind == NODE_CUT;
    sim_trace(node->world, SIM_TRACE_CRASH, node->id, (uint64_t)kind, 0, 0);
    if (node->device != NULL) {
        device_cut(node->device); /* what is under way is lost with a process, too */
    }
    if (kind == NODE_CUT) {
        disk_cut_power(&node->disk);
    } else {
        disk_keep_all(&node->disk);
    }
    files_close_all(node);
    heap_end_life(node);
    node->turn_at_ns = UINT64_MAX;
    node->turn_number++;
    conns_break(node);
    peers_forget(node);
}
