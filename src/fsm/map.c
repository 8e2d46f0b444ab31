/* Maps: entries by key, each with an optional time to live.
 *
 *   MAP_PUT            name key value, a ttl ms (0 = for ever)  found = an entry was there
 *   MAP_PUT_IF_ABSENT  name key value, a                        found = an entry was there: nothing
 * changed MAP_REMOVE         name key                                 found = removed MAP_REMOVE_IF
 * name key expect                          found = removed MAP_REPLACE        name key value, a
 * found = replaced MAP_REPLACE_IF     name key expect value, a                 found = replaced
 *   MAP_CREATE, MAP_CLEAR, MAP_DESTROY   name                   see object.h
 *
 * With WANT_OLD the value that was there before comes back wherever found is true. A write without
 * a ttl cancels the one that was set before; the time counts from the stamp of the write's entry,
 * so that an entry disappears late rather than early. Puts create the map.
 */
#include "fsm/element.h"

#include "base/check.h"

static uint64_t entry_size(struct vxc_slice key, struct vxc_slice value)
{
    return key.size + value.size;
}

static void keep_old(struct vxc_fsm *fsm, const struct vxc_command *command,
                     const struct vxc_place *place, struct vxc_result *result)
{
    result->found = place->found;
    if (place->found && (command->flags & VXC_COMMAND_WANT_OLD) != 0) {
        result->value = vxc_fsm_keep(fsm, place->old.value);
    }
}

bool vxc_map_due(const struct vxc_fsm *fsm, int64_t ttl_ms, uint64_t *due_ms)
{
    if (ttl_ms < 0 || (uint64_t)ttl_ms > UINT64_MAX - 1 - fsm->stamp_ms) {
        return false;
    }
    *due_ms = ttl_ms == 0 ? 0 : fsm->stamp_ms + (uint64_t)ttl_ms;
    return true;
}

/* Puts the command's value at the place. Nothing was changed when the result is an error. */
static void write_entry(struct vxc_fsm *fsm, const struct vxc_command *command,
                        struct vxc_place *place, uint64_t due_ms, struct vxc_result *result)
{
    uint64_t size = entry_size(command->key, command->value);
    uint64_t old_size = place->found ? entry_size(command->key, place->old.value) : 0;
    uint64_t name_cost = place->object == NULL ? vxc_object_cost(command->name) : 0;
    struct vxc_element element = {.version = fsm->index,
                                  .expires_at_ms = due_ms,
                                  .key = command->key,
                                  .value = command->value};
    uint64_t old_due_ms = place->found ? place->old.expires_at_ms : 0;

    if (size > old_size && !vxc_quota_has_room(fsm, size - old_size + name_cost)) {
        vxc_result_fail(result, VXC_ENOSPC, VXC_TEXT_QUOTA);
        return;
    }
    keep_old(fsm, command, place, result);
    if (place->object == NULL) {
        place->object = vxc_object_create(fsm, VXC_WATCH_MAP, command->namespace_id, command->name);
        vxc_object_row_key(place->object, &place->key);
        vxc_row_key_user(&place->key, command->key);
    }
    if (old_due_ms != 0) {
        vxc_deadline_remove(fsm, old_due_ms, VXC_DEADLINE_MAP_ENTRY,
                            vxc_row_key_slice(&place->key));
    }
    if (element.expires_at_ms != 0) {
        vxc_deadline_add(fsm, element.expires_at_ms, VXC_DEADLINE_MAP_ENTRY,
                         vxc_row_key_slice(&place->key));
    }
    vxc_element_put(fsm, VXC_DB_MAPS, &place->key, &element);
    vxc_object_changed(fsm, place->object, place->found ? 0 : 1, (int64_t)(size - old_size));
    vxc_object_notify(fsm, VXC_EVENT_PUT, VXC_WATCH_MAP, command, command->key, command->value);
}

/* Removes what was found at the place. */
static void remove_entry(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct vxc_place *place, enum vxc_event_type why)
{
    uint64_t size = entry_size(command->key, place->old.value);

    if (place->old.expires_at_ms != 0 && why != VXC_EVENT_EXPIRE) {
        vxc_deadline_remove(fsm, place->old.expires_at_ms, VXC_DEADLINE_MAP_ENTRY,
                            vxc_row_key_slice(&place->key));
    }
    vxc_table_del(fsm->table, VXC_DB_MAPS, vxc_row_key_slice(&place->key));
    vxc_object_changed(fsm, place->object, -1, -(int64_t)size);
    vxc_object_notify(fsm, why, VXC_WATCH_MAP, command, command->key, vxc_slice(NULL, 0));
}

static void apply_entry(struct vxc_fsm *fsm, const struct vxc_command *command,
                        struct vxc_result *result)
{
    bool removes = command->op == VXC_OP_MAP_REMOVE || command->op == VXC_OP_MAP_REMOVE_IF;
    VXC_UNINITIALIZED struct vxc_place place;
    uint64_t due_ms = 0;
    bool matches;

    if (!removes && !vxc_map_due(fsm, command->a, &due_ms)) {
        vxc_result_fail(result, VXC_EINVAL, VXC_TEXT_TTL);
        return;
    }
    if (!vxc_element_locate(fsm, VXC_WATCH_MAP, command, &place, result)) {
        return;
    }
    switch (command->op) {
    case VXC_OP_MAP_PUT:
        write_entry(fsm, command, &place, due_ms, result);
        break;
    case VXC_OP_MAP_PUT_IF_ABSENT:
        if (place.found) {
            keep_old(fsm, command, &place, result);
        } else {
            write_entry(fsm, command, &place, due_ms, result);
        }
        break;
    case VXC_OP_MAP_REPLACE:
    case VXC_OP_MAP_REPLACE_IF:
        matches = command->op == VXC_OP_MAP_REPLACE ||
                  (place.found && vxc_slice_equal(place.old.value, command->expect));
        if (place.found && matches) {
            write_entry(fsm, command, &place, due_ms, result);
        }
        break;
    default: /* MAP_REMOVE, MAP_REMOVE_IF */
        matches = command->op == VXC_OP_MAP_REMOVE ||
                  (place.found && vxc_slice_equal(place.old.value, command->expect));
        if (place.found && matches) {
            keep_old(fsm, command, &place, result);
            remove_entry(fsm, command, &place, VXC_EVENT_REMOVE);
        }
        break;
    }
}

void vxc_map_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                   struct vxc_result *result)
{
    switch (command->op) {
    case VXC_OP_MAP_CREATE:
        vxc_object_apply_create(fsm, VXC_WATCH_MAP, command, result);
        break;
    case VXC_OP_MAP_CLEAR:
        vxc_object_apply_clear(fsm, VXC_WATCH_MAP, command, result);
        break;
    case VXC_OP_MAP_DESTROY:
        vxc_object_apply_destroy(fsm, VXC_WATCH_MAP, command, result);
        break;
    default:
        apply_entry(fsm, command, result);
        break;
    }
}

void vxc_map_entry_due(struct vxc_fsm *fsm, struct vxc_slice row_key, uint64_t due_ms)
{
    struct vxc_command command = {.op = VXC_OP_MAP_REMOVE};
    VXC_UNINITIALIZED struct vxc_place place;
    struct vxc_slice body;

    if (row_key.size < VXC_ROW_ELEMENT_KEY_MIN || row_key.size > VXC_ROW_KEY_SIZE_MAX) {
        vxc_fsm_damaged(fsm, VXC_DB_DEADLINES, "row key of a map entry");
        return;
    }
    place.object = vxc_object_find_by_id(fsm, VXC_WATCH_MAP, vxc_load_be64(row_key.data));
    if (place.object == NULL ||
        place.object->header.generation != vxc_load_be64(row_key.data + VXC_ROW_OBJECT_ID_SIZE)) {
        return; /* the map was cleared or destroyed meanwhile */
    }
    memcpy(place.key.data, row_key.data, row_key.size);
    place.key.size = (uint16_t)row_key.size;
    if (vxc_table_get(fsm->table, VXC_DB_MAPS, row_key, &body) != 0 ||
        vxc_element_decode(row_key, VXC_ROW_ELEMENT_KEY_MIN, body, &place.old) != 0 ||
        place.old.expires_at_ms != due_ms) {
        vxc_fsm_damaged(fsm, VXC_DB_DEADLINES, "deadline of a map entry that has another one");
        return;
    }
    command.namespace_id = place.object->header.namespace_id;
    command.name = place.object->header.name;
    command.key = vxc_fsm_keep(fsm, place.old.key); /* the event outlives the row */
    remove_entry(fsm, &command, &place, VXC_EVENT_EXPIRE);
    fsm->stats.expired_rows_total++;
}

void vxc_map_clear_by_name(struct vxc_fsm *fsm, uint64_t namespace_id, struct vxc_slice name)
{
    struct vxc_command command = {
        .op = VXC_OP_MAP_CLEAR, .namespace_id = namespace_id, .name = name};
    struct vxc_result result = {0};

    vxc_object_apply_clear(fsm, VXC_WATCH_MAP, &command, &result);
}

void vxc_map_query(struct vxc_fsm *fsm, const struct vxc_command *query, struct vxc_result *result)
{
    VXC_UNINITIALIZED struct vxc_place place;

    switch (query->op) {
    case VXC_OP_MAP_SIZE:
        vxc_object_query_size(fsm, VXC_WATCH_MAP, query, result);
        break;
    case VXC_OP_MAP_LIST:
        vxc_object_query_list(fsm, VXC_WATCH_MAP, query, result);
        break;
    case VXC_OP_MAP_SCAN:
        if (query->a < VXC_SCAN_KEYS || query->a > VXC_SCAN_ENTRIES) {
            vxc_result_fail(result, VXC_EINVAL, "a scan gives keys (1), values (2) or entries (3)");
        } else {
            vxc_element_scan(fsm, VXC_WATCH_MAP, query, (enum vxc_scan_what)query->a, result);
        }
        break;
    default: /* MAP_GET, MAP_CONTAINS */
        if (vxc_element_locate(fsm, VXC_WATCH_MAP, query, &place, result) && place.found) {
            result->found = true;
            if (query->op == VXC_OP_MAP_GET) {
                result->value = place.old.value;
            }
        }
        break;
    }
}
