#include "cluster.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { FRAME_BYTES = 64 * 1024 };

void start_node(struct cluster *c, uint64_t id)
{
    assert_int_equal(world_start(&c->worlds[id]), 0);
    c->up[id] = true;
}

void cluster_create_of(struct cluster *c, uint32_t voters)
{
    memset(c, 0, sizeof *c);
    c->count = voters;
    c->frame_bytes = FRAME_BYTES;
    c->initial.count = voters;
    for (uint32_t i = 0; i < voters; i++) {
        c->initial.members[i].id = i + 1;
        c->initial.members[i].role = VXC_MEMBER_VOTER;
    }
    for (uint64_t id = 1; id <= voters; id++) {
        world_create(&c->worlds[id], &(struct world_options){.seed = id,
                                                             .node_id = id,
                                                             .synchronous = true,
                                                             .lockstep = true,
                                                             .initial = &c->initial});
        start_node(c, id);
    }
}

void cluster_destroy(struct cluster *c)
{
    for (uint64_t id = 1; id <= c->count; id++) {
        world_destroy(&c->worlds[id]);
    }
}

/* One entry, however large it is, or as many as fit. */
static void check_size(const struct vxc_peer_message *message, size_t bytes_max)
{
    size_t bytes = 0;

    if (message->type != VXC_PEER_ENGINE || message->engine.type != VXC_ENGINE_APPEND) {
        return;
    }
    for (uint32_t i = 0; i < message->engine.append.count; i++) {
        bytes += message->engine.append.entries[i].payload.size;
    }
    assert_true(message->engine.append.count <= 1 || bytes <= bytes_max);
}

/* What one has for the other arrives; entries stay in the sender's memory meanwhile. */
void carry(struct cluster *c, uint64_t from, uint64_t to)
{
    struct vxc_peer_message message;

    while (vxc_replica_next(c->worlds[from].replica, to, c->frame_bytes, &message)) {
        assert_int_equal(message.peer, to);
        check_size(&message, c->frame_bytes);
        c->carried[message.type]++;
        if (!c->up[to] || c->cut[from][to]) {
            continue;
        }
        message.peer = from;
        message.engine.peer = message.type == VXC_PEER_ENGINE ? from : message.engine.peer;
        assert_int_equal(vxc_replica_receive(c->worlds[to].replica, &message), 0);
    }
}

void cluster_turn(struct cluster *c)
{
    for (uint64_t id = 1; id <= c->count; id++) {
        if (c->up[id]) {
            world_turn(&c->worlds[id], 5);
        }
    }
    for (uint64_t from = 1; from <= c->count; from++) {
        for (uint64_t to = 1; c->up[from] && to <= c->count; to++) {
            if (to != from) {
                carry(c, from, to);
            }
        }
    }
}

void turns(struct cluster *c, int count)
{
    for (int i = 0; i < count; i++) {
        cluster_turn(c);
    }
}

/* The ready primary, once there is one. */
uint64_t primary(struct cluster *c)
{
    for (int i = 0; i < TURNS_MAX; i++) {
        for (uint64_t id = 1; id <= c->count; id++) {
            if (c->up[id] && vxc_replica_is_ready(c->worlds[id].replica) &&
                vxc_replica_is_primary(c->worlds[id].replica)) {
                return id;
            }
        }
        cluster_turn(c);
    }
    fail_msg("no primary");
    return 0;
}

uint64_t another(const struct cluster *c, uint64_t id)
{
    return id % c->count + 1;
}

void put(struct cluster *c, uint64_t id, const char *key, const char *value)
{
    struct write write;

    assert_int_equal(world_put(&c->worlds[id], &write, key, vxc_slice_of_string(value)), 0);
    for (int i = 0; i < TURNS_MAX && !write.done; i++) {
        cluster_turn(c);
    }
    assert_true(write.done);
    assert_int_equal(write.code, 0);
}

void has(struct cluster *c, uint64_t id, const char *key, const char *value)
{
    struct vxc_slice found;

    assert_true(world_get(&c->worlds[id], key, &found));
    assert_int_equal(found.size, strlen(value));
    assert_memory_equal(found.data, value, found.size);
}

static uint64_t applied(struct cluster *c, uint64_t id)
{
    struct vxc_replica_status status;

    vxc_replica_status(c->worlds[id].replica, &status);
    return status.applied_index;
}

/* Until all that are up have applied the same. */
void settle(struct cluster *c)
{
    for (int i = 0; i < TURNS_MAX; i++) {
        uint64_t low = UINT64_MAX, high = 0;

        cluster_turn(c);
        for (uint64_t id = 1; id <= c->count; id++) {
            uint64_t index = c->up[id] ? applied(c, id) : 0;
            low = c->up[id] && index < low ? index : low;
            high = index > high ? index : high;
        }
        if (low == high) {
            return;
        }
    }
    fail_msg("the nodes do not come together");
}

void crash(struct cluster *c, uint64_t id)
{
    world_crash(&c->worlds[id]);
    c->up[id] = false;
    for (uint64_t other = 1; other <= c->count; other++) {
        if (other != id && c->up[other]) {
            vxc_replica_disconnected(c->worlds[other].replica, id);
        }
    }
}

void wait_for(struct cluster *c, const struct write *write, int code)
{
    for (int i = 0; i < TURNS_MAX && !write->done; i++) {
        cluster_turn(c);
    }
    assert_true(write->done);
    assert_int_equal(write->code, code);
}
