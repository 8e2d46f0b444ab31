/* Sets of byte strings.
 *
 *   SET_ADD     name key   found = added now
 *   SET_REMOVE  name key   found = removed
 *   SET_CREATE, SET_CLEAR, SET_DESTROY   name   see object.h
 *
 * Adding creates the set. A member's row is an element (element.h) without a value.
 */
#include "fsm/element.h"

#include "base/check.h"

static void add_member(struct vxc_fsm *fsm, const struct vxc_command *command,
                       struct vxc_place *place, struct vxc_result *result)
{
    uint64_t name_cost = place->object == NULL ? vxc_object_cost(command->name) : 0;
    struct vxc_element element = {.version = fsm->index, .key = command->key};

    if (!vxc_quota_has_room(fsm, command->key.size + name_cost)) {
        vxc_result_fail(result, VXC_ENOSPC, VXC_TEXT_QUOTA);
        return;
    }
    if (place->object == NULL) {
        place->object = vxc_object_create(fsm, VXC_WATCH_SET, command->namespace_id, command->name);
        vxc_object_row_key(place->object, &place->key);
        vxc_row_key_user(&place->key, command->key);
    }
    vxc_element_put(fsm, VXC_DB_SETS, &place->key, &element);
    vxc_object_changed(fsm, place->object, 1, (int64_t)command->key.size);
    result->found = true;
    vxc_object_notify(fsm, VXC_EVENT_PUT, VXC_WATCH_SET, command, command->key, vxc_slice(NULL, 0));
}

static void apply_member(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct vxc_result *result)
{
    VXC_UNINITIALIZED struct vxc_place place;

    if (!vxc_element_locate(fsm, VXC_WATCH_SET, command, &place, result)) {
        return;
    }
    if (command->op == VXC_OP_SET_ADD) {
        if (!place.found) {
            add_member(fsm, command, &place, result);
        }
    } else if (place.found) { /* SET_REMOVE */
        vxc_table_del(fsm->table, VXC_DB_SETS, vxc_row_key_slice(&place.key));
        vxc_object_changed(fsm, place.object, -1, -(int64_t)command->key.size);
        result->found = true;
        vxc_object_notify(fsm, VXC_EVENT_REMOVE, VXC_WATCH_SET, command, command->key,
                          vxc_slice(NULL, 0));
    }
}

void vxc_set_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                   struct vxc_result *result)
{
    switch (command->op) {
    case VXC_OP_SET_CREATE:
        vxc_object_apply_create(fsm, VXC_WATCH_SET, command, result);
        break;
    case VXC_OP_SET_CLEAR:
        vxc_object_apply_clear(fsm, VXC_WATCH_SET, command, result);
        break;
    case VXC_OP_SET_DESTROY:
        vxc_object_apply_destroy(fsm, VXC_WATCH_SET, command, result);
        break;
    default:
        apply_member(fsm, command, result);
        break;
    }
}

void vxc_set_query(struct vxc_fsm *fsm, const struct vxc_command *query, struct vxc_result *result)
{
    VXC_UNINITIALIZED struct vxc_place place;

    switch (query->op) {
    case VXC_OP_SET_SIZE:
        vxc_object_query_size(fsm, VXC_WATCH_SET, query, result);
        break;
    case VXC_OP_SET_LIST:
        vxc_object_query_list(fsm, VXC_WATCH_SET, query, result);
        break;
    case VXC_OP_SET_SCAN:
        vxc_element_scan(fsm, VXC_WATCH_SET, query, VXC_SCAN_KEYS, result);
        break;
    default: /* SET_CONTAINS */
        result->found =
            vxc_element_locate(fsm, VXC_WATCH_SET, query, &place, result) && place.found;
        break;
    }
}
