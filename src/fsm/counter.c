/* Counters: one signed 64-bit number per name, wrapping around.
 *
 *   COUNTER_CREATE   name                      found = created now (with 0)
 *   COUNTER_ADD      name, a delta, WANT_OLD   number = new value, or the old one; found = it was
 * there COUNTER_CAS      name, a expect, b value   found = set; number = value afterwards
 *   COUNTER_DESTROY  name                      found = removed
 *   COUNTER_GET      name                      absent: number 0, found false
 *   COUNTER_LIST     key cursor, b limits      pairs (name, value u64)
 *
 * An absent counter counts as 0 and is created by ADD and by a CAS that holds.
 *
 *   row key  namespace u64 | name (or 440 bytes of it and 16 of its SHA-256)
 *   body     flags u8 (2: the full name is there) | version u64 | [name u32 length + bytes] | value
 * u64
 */
#include "fsm/element.h"

#include "base/check.h"

enum { NAME_OFFSET = 8, VALUE_SIZE = 8 };

struct place {
    struct vxc_row_key key;
    bool found;
    uint64_t value; /* 0 when not found */
};

static uint64_t counter_cost(struct vxc_slice name)
{
    return name.size + VALUE_SIZE;
}

static void row_key(const struct vxc_command *command, struct vxc_row_key *key)
{
    vxc_row_key_begin(key);
    vxc_row_key_u64(key, command->namespace_id);
    vxc_row_key_user(key, command->name);
}

void vxc_counter_expect(struct vxc_fsm *fsm, const struct vxc_command *command)
{
    VXC_UNINITIALIZED struct vxc_row_key key;

    if (command->name.size <= VXC_ROW_KEY_PLAIN_MAX) { /* hashing would cost more */
        row_key(command, &key);
        vxc_table_expect(fsm->table, VXC_DB_COUNTERS, vxc_row_key_slice(&key));
    }
}

static bool locate(struct vxc_fsm *fsm, const struct vxc_command *command, struct place *place,
                   struct vxc_result *result)
{
    struct vxc_element element;
    struct vxc_slice body;

    place->found = false;
    place->value = 0;
    row_key(command, &place->key);
    if (vxc_table_get(fsm->table, VXC_DB_COUNTERS, vxc_row_key_slice(&place->key), &body) != 0) {
        return true;
    }
    if (vxc_element_decode(vxc_row_key_slice(&place->key), NAME_OFFSET, body, &element) != 0 ||
        element.value.size != VALUE_SIZE) {
        vxc_fsm_damaged(fsm, VXC_DB_COUNTERS, "counter");
        return true;
    }
    if (place->key.hashed && !vxc_slice_equal(element.key, command->name)) {
        vxc_result_fail(result, VXC_ECONFLICT, VXC_TEXT_NAME_COLLISION);
        return false;
    }
    place->found = true;
    place->value = vxc_load_u64(element.value.data);
    return true;
}

/* Sets the value; nothing was changed when the result is an error. */
static bool set_value(struct vxc_fsm *fsm, const struct vxc_command *command, struct place *place,
                      uint64_t value, struct vxc_result *result)
{
    uint8_t raw[VALUE_SIZE];
    struct vxc_element element = {
        .version = fsm->index, .key = command->name, .value = {raw, sizeof raw}};

    if (!place->found) {
        if (!vxc_quota_has_room(fsm, counter_cost(command->name))) {
            vxc_result_fail(result, VXC_ENOSPC, VXC_TEXT_QUOTA);
            return false;
        }
        vxc_quota_move(fsm, (int64_t)counter_cost(command->name));
        fsm->stats.counters++;
    }
    vxc_store_u64(raw, value);
    vxc_element_put(fsm, VXC_DB_COUNTERS, &place->key, &element);
    return true;
}

static void notify(struct vxc_fsm *fsm, enum vxc_event_type type, const struct vxc_command *command,
                   uint64_t value)
{
    if (vxc_watched(fsm, VXC_WATCH_COUNTER, command->namespace_id, command->name)) {
        struct vxc_event event = {
            .type = type,
            .kind = VXC_WATCH_COUNTER,
            .name = command->name,
            .number = (int64_t)value,
        };
        vxc_watch_notify(fsm, command->namespace_id, &event);
    }
}

static void apply_add(struct vxc_fsm *fsm, const struct vxc_command *command, struct place *place,
                      struct vxc_result *result)
{
    uint64_t value = place->value + (uint64_t)command->a; /* wraps around by definition */
    bool want_old = (command->flags & VXC_COMMAND_WANT_OLD) != 0;

    if (set_value(fsm, command, place, value, result)) {
        result->found = place->found;
        result->number = (int64_t)(want_old ? place->value : value);
        notify(fsm, VXC_EVENT_PUT, command, value);
    }
}

static void apply_cas(struct vxc_fsm *fsm, const struct vxc_command *command, struct place *place,
                      struct vxc_result *result)
{
    if (place->value != (uint64_t)command->a) {
        result->number = (int64_t)place->value;
    } else if (set_value(fsm, command, place, command->b, result)) {
        result->found = true;
        result->number = (int64_t)command->b;
        notify(fsm, VXC_EVENT_PUT, command, command->b);
    }
}

static void apply_destroy(struct vxc_fsm *fsm, const struct vxc_command *command,
                          struct place *place, struct vxc_result *result)
{
    if (!place->found) {
        return;
    }
    vxc_table_del(fsm->table, VXC_DB_COUNTERS, vxc_row_key_slice(&place->key));
    vxc_quota_move(fsm, -(int64_t)counter_cost(command->name));
    fsm->stats.counters--;
    result->found = true;
    result->number = (int64_t)place->value;
    notify(fsm, VXC_EVENT_DESTROY, command, 0);
}

void vxc_counter_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                       struct vxc_result *result)
{
    VXC_UNINITIALIZED struct place place;

    if (!locate(fsm, command, &place, result)) {
        return;
    }
    switch (command->op) {
    case VXC_OP_COUNTER_CREATE:
        if (!place.found && set_value(fsm, command, &place, 0, result)) {
            result->found = true;
            notify(fsm, VXC_EVENT_PUT, command, 0);
        }
        break;
    case VXC_OP_COUNTER_ADD:
        apply_add(fsm, command, &place, result);
        break;
    case VXC_OP_COUNTER_CAS:
        apply_cas(fsm, command, &place, result);
        break;
    default:
        apply_destroy(fsm, command, &place, result);
        break;
    }
}

static void query_list(struct vxc_fsm *fsm, const struct vxc_command *query,
                       struct vxc_result *result)
{
    struct vxc_table_scan *scan;
    struct vxc_page page;
    struct vxc_row_key prefix;
    struct vxc_slice key, body;
    bool more = false;

    vxc_row_key_begin(&prefix);
    vxc_row_key_u64(&prefix, query->namespace_id);
    scan = vxc_page_scan(fsm, VXC_DB_COUNTERS, &prefix, query->key, result);
    if (scan == NULL) {
        return;
    }
    vxc_page_begin(fsm, &page, query->b);
    while (!more && vxc_table_scan_next(scan, &key, &body)) {
        struct vxc_element element;
        if (vxc_element_decode(key, NAME_OFFSET, body, &element) != 0) {
            vxc_fsm_damaged(fsm, VXC_DB_COUNTERS, "counter");
            break;
        }
        more = !vxc_page_has_room(&page, 4 + element.key.size + 4 + VALUE_SIZE);
        if (!more) {
            vxc_page_add(&page, vxc_slice(key.data + prefix.size, key.size - prefix.size),
                         element.key, &element.value);
        }
    }
    vxc_table_scan_close(scan);
    vxc_page_end(&page, more, result);
}

void vxc_counter_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                       struct vxc_result *result)
{
    VXC_UNINITIALIZED struct place place;

    if (query->op == VXC_OP_COUNTER_LIST) {
        query_list(fsm, query, result);
    } else if (locate(fsm, query, &place, result)) {
        result->found = place.found;
        result->number = (int64_t)place.value;
    }
}
