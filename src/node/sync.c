/* State sync (kind 73): what another server of the original protocol did, as one command.
 *
 * Its operations on maps, sets, counters and multimaps, and the making and destroying of locks,
 * become commands of the same meaning in one list: one entry of the log, applied wholly or not at
 * all, and once per sync id. A counter is set by destroying it and adding. Who holds a lock and who
 * is a node belongs to sessions here, and every node speaks for itself (Join, LockAcquire): a lock
 * that was acquired comes into being, and lock_released, node_joined, node_left and the two about
 * connections are taken and do nothing.
 */
#include "node/gateway_internal.h"
#include "wire/operations.h"

#include <string.h>

/* Operations become at most two commands each. */
struct sync_commands {
    struct vxc_command commands[2];
    uint32_t count;
};

static void put(struct sync_commands *s, uint16_t op, struct vxc_slice name, struct vxc_slice key,
                struct vxc_slice value)
{
    s->commands[s->count++] =
        (struct vxc_command){.op = op, .name = name, .key = key, .value = value};
}

static void set_counter(struct sync_commands *s, struct vxc_slice name, int64_t value)
{
    const struct vxc_slice none = {0};

    put(s, VXC_OP_COUNTER_DESTROY, name, none, none);
    put(s, VXC_OP_COUNTER_ADD, name, none, none);
    s->commands[1].a = value;
}

static void route_operation(const struct vxc_sync_operation *o, struct sync_commands *s)
{
    const struct vxc_slice none = {0};

    switch (o->tag) {
    case VXC_SYNC_MAP_CREATED:
        put(s, VXC_OP_MAP_CREATE, o->map_created.map_name, none, none);
        break;
    case VXC_SYNC_MAP_UPDATED:
        if (o->map_updated.value.present) {
            put(s, VXC_OP_MAP_PUT, o->map_updated.map_name, o->map_updated.key,
                o->map_updated.value.bytes);
        } else {
            put(s, VXC_OP_MAP_REMOVE, o->map_updated.map_name, o->map_updated.key, none);
        }
        break;
    case VXC_SYNC_MAP_DELETED:
        put(s, VXC_OP_MAP_DESTROY, o->map_deleted.map_name, none, none);
        break;
    case VXC_SYNC_SET_CREATED:
        put(s, VXC_OP_SET_CREATE, o->set_created.set_name, none, none);
        break;
    case VXC_SYNC_SET_UPDATED:
        put(s, o->set_updated.added ? VXC_OP_SET_ADD : VXC_OP_SET_REMOVE, o->set_updated.set_name,
            o->set_updated.value, none);
        break;
    case VXC_SYNC_SET_DELETED:
        put(s, VXC_OP_SET_DESTROY, o->set_deleted.set_name, none, none);
        break;
    case VXC_SYNC_COUNTER_CREATED:
        put(s, VXC_OP_COUNTER_CREATE, o->counter_created.counter_name, none, none);
        break;
    case VXC_SYNC_COUNTER_UPDATED:
        set_counter(s, o->counter_updated.counter_name, o->counter_updated.value);
        break;
    case VXC_SYNC_COUNTER_DELETED:
        put(s, VXC_OP_COUNTER_DESTROY, o->counter_deleted.counter_name, none, none);
        break;
    case VXC_SYNC_MULTIMAP_CREATED:
        put(s, VXC_OP_MULTIMAP_CREATE, o->multimap_created.multimap_name, none, none);
        break;
    case VXC_SYNC_MULTIMAP_UPDATED:
        put(s, o->multimap_updated.added ? VXC_OP_MULTIMAP_PUT : VXC_OP_MULTIMAP_REMOVE,
            o->multimap_updated.multimap_name, o->multimap_updated.key, o->multimap_updated.value);
        break;
    case VXC_SYNC_MULTIMAP_KEY_CLEARED:
        put(s, VXC_OP_MULTIMAP_REMOVE_KEY, o->multimap_key_cleared.multimap_name,
            o->multimap_key_cleared.key, none);
        break;
    case VXC_SYNC_MULTIMAP_DELETED:
        put(s, VXC_OP_MULTIMAP_DESTROY, o->multimap_deleted.multimap_name, none, none);
        break;
    case VXC_SYNC_LOCK_CREATED:
        put(s, VXC_OP_LOCK_CREATE, o->lock_created.lock_name, none, none);
        break;
    case VXC_SYNC_LOCK_ACQUIRED:
        put(s, VXC_OP_LOCK_CREATE, o->lock_acquired.lock_name, none, none);
        break;
    case VXC_SYNC_LOCK_DELETED:
        put(s, VXC_OP_LOCK_DESTROY, o->lock_deleted.lock_name, none, none);
        break;
    default: /* of sessions, which speak for themselves */
        break;
    }
}

int vxc_sync_route(struct vxc_gateway *g, const struct vxc_msg_state_sync *sync,
                   struct vxc_command *command, const char **text)
{
    struct vxc_list list = sync->operations;
    struct vxc_buffer encoded = {0};
    struct vxc_sync_operation operation;
    uint32_t count = 0;
    int rv;

    vxc_buffer_clear(&g->scratch);
    rv = vxc_buffer_put_u32(&g->scratch, 0);
    while (rv == 0 && vxc_list_next_sync(&list, &operation)) {
        struct sync_commands s = {.count = 0};

        route_operation(&operation, &s);
        for (uint32_t i = 0; rv == 0 && i < s.count; i++) {
            vxc_buffer_clear(&encoded);
            rv = vxc_command_encode(&s.commands[i], &encoded);
            rv = rv != 0 ? rv : vxc_buffer_put_bytes(&g->scratch, vxc_buffer_slice(&encoded));
        }
        count += s.count;
    }
    vxc_buffer_free(&encoded);
    if (rv != 0) {
        *text = rv == VXC_ETOOBIG ? "a name, key or value of the sync is too long" : NULL;
        return rv;
    }
    vxc_store_u32(g->scratch.data, count);
    *command = (struct vxc_command){.op = VXC_OP_STATE_SYNC,
                                    .a = (int64_t)sync->sync_id,
                                    .value = vxc_buffer_slice(&g->scratch)};
    return 0;
}
