/* Multimaps: any number of different values per key.
 *
 *   MULTIMAP_PUT         name key value   found = added now (an entry that is there stays as it is)
 *   MULTIMAP_REMOVE      name key value   found = removed
 *   MULTIMAP_REMOVE_KEY  name key         found = the key was there, number = entries removed
 *   MULTIMAP_CREATE, MULTIMAP_CLEAR, MULTIMAP_DESTROY   name   see object.h
 *
 * Two kinds of rows under id and generation:
 *
 *   'k' key                                  one per key: an element (element.h), value = entries
 * u64 'v' size u16 key-part mark u8 value-part one per entry: version u64 | key u32 length + bytes
 * | value
 *
 * The key-part is the user key as in 'k' (a hash beyond 440 bytes); its size before it (big-endian)
 * keeps the entries of one key together and apart from those of a longer key. The value-part is the
 * value itself (mark 0) when the row key has room for it, else 16 bytes of its SHA-256 (mark 1).
 * So keys come in their order, entries in the order of (size of key, key, value).
 */
#include "base/check.h"
#include "fsm/element.h"

enum {
    KEY_TAG = 'k',
    VALUE_TAG = 'v',
    KEY_OFFSET = VXC_ROW_ELEMENT_KEY_MIN + 1,
    VALUE_PLAIN = 0,
    VALUE_HASHED = 1,
    VALUE_HASH_SIZE = 16,
};

static_assert(KEY_OFFSET + 2 + VXC_ROW_KEY_PLAIN_MAX + 16 + 1 + VALUE_HASH_SIZE <=
                  VXC_ROW_KEY_SIZE_MAX,
              "a hashed key and a hashed value fit a row key");

struct entry {
    uint64_t version;
    struct vxc_slice key;
    struct vxc_slice value;
};

struct key_place {
    struct vxc_object *object; /* NULL when there is no such multimap; then nothing else is set */
    struct vxc_row_key row;    /* of the key */
    bool found;
    uint64_t count; /* entries of the key, when found */
};

/* ---- rows ---- */

static void key_row_key(const struct vxc_object *object, struct vxc_slice key,
                        struct vxc_row_key *row)
{
    vxc_object_row_key(object, row);
    vxc_row_key_u8(row, KEY_TAG);
    vxc_row_key_user(row, key);
}

/* What all entries of one key begin with. */
static void entry_prefix(const struct vxc_row_key *key_row, struct vxc_row_key *row)
{
    size_t part_size = (size_t)key_row->size - KEY_OFFSET;

    memcpy(row->data, key_row->data, VXC_ROW_ELEMENT_KEY_MIN);
    row->size = VXC_ROW_ELEMENT_KEY_MIN;
    row->hashed = key_row->hashed;
    vxc_row_key_u8(row, VALUE_TAG);
    vxc_row_key_u8(row, (uint8_t)(part_size >> 8));
    vxc_row_key_u8(row, (uint8_t)part_size);
    memcpy(row->data + row->size, key_row->data + KEY_OFFSET, part_size);
    row->size = (uint16_t)(row->size + part_size);
}

static void entry_row_key(const struct vxc_row_key *key_row, struct vxc_slice value,
                          struct vxc_row_key *row)
{
    uint8_t digest[32];
    bool hashed;

    entry_prefix(key_row, row);
    hashed = value.size > (size_t)VXC_ROW_KEY_SIZE_MAX - 1 - row->size;
    vxc_row_key_u8(row, hashed ? VALUE_HASHED : VALUE_PLAIN);
    if (hashed) {
        vxc_sha256(value, digest);
        value = vxc_slice(digest, VALUE_HASH_SIZE);
    }
    if (value.size != 0) {
        memcpy(row->data + row->size, value.data, value.size);
    }
    row->size = (uint16_t)(row->size + value.size);
}

static int entry_decode(struct vxc_slice body, struct entry *entry)
{
    struct vxc_reader reader = vxc_reader(body);

    entry->version = vxc_reader_u64(&reader);
    entry->key = vxc_reader_bytes(&reader);
    entry->value = vxc_slice(reader.cursor, vxc_reader_left(&reader));
    return vxc_reader_ok(&reader) ? 0 : VXC_ECORRUPT;
}

static void put_entry_row(struct vxc_fsm *fsm, const struct vxc_row_key *row,
                          const struct vxc_command *command)
{
    vxc_buffer_clear(&fsm->head);
    if (vxc_buffer_put_u64(&fsm->head, fsm->index) != 0 ||
        vxc_buffer_put_bytes(&fsm->head, command->key) != 0) {
        vxc_fatal("out of memory for the head of a row");
    }
    vxc_table_put(fsm->table, VXC_DB_MULTIMAPS, vxc_row_key_slice(row),
                  vxc_buffer_slice(&fsm->head), command->value);
}

/* Writes the key's row with its new number of entries, or drops it at zero. */
static void put_key_row(struct vxc_fsm *fsm, const struct vxc_row_key *row, struct vxc_slice key,
                        uint64_t count)
{
    uint8_t raw[8];
    struct vxc_element element = {.version = fsm->index, .key = key, .value = {raw, sizeof raw}};

    if (count == 0) {
        vxc_table_del(fsm->table, VXC_DB_MULTIMAPS, vxc_row_key_slice(row));
    } else {
        vxc_store_u64(raw, count);
        vxc_element_put(fsm, VXC_DB_MULTIMAPS, row, &element);
    }
}

/* ---- looking up ---- */

/* False when the result already says why not. */
static bool locate_key(struct vxc_fsm *fsm, const struct vxc_command *command,
                       struct key_place *place, struct vxc_result *result)
{
    struct vxc_element element;
    struct vxc_slice body;

    place->found = false;
    if (vxc_object_find(fsm, VXC_WATCH_MULTIMAP, command->namespace_id, command->name,
                        &place->object) != 0) {
        vxc_result_fail(result, VXC_ECONFLICT, VXC_TEXT_NAME_COLLISION);
        return false;
    }
    if (place->object == NULL) {
        return true;
    }
    key_row_key(place->object, command->key, &place->row);
    if (vxc_table_get(fsm->table, VXC_DB_MULTIMAPS, vxc_row_key_slice(&place->row), &body) != 0) {
        return true;
    }
    if (vxc_element_decode(vxc_row_key_slice(&place->row), KEY_OFFSET, body, &element) != 0 ||
        element.value.size != 8) {
        vxc_fsm_damaged(fsm, VXC_DB_MULTIMAPS, "key of a multimap");
        return true;
    }
    if (!vxc_slice_equal(element.key, command->key)) {
        vxc_result_fail(result, VXC_ECONFLICT, VXC_TEXT_KEY_COLLISION);
        return false;
    }
    place->found = true;
    place->count = vxc_load_u64(element.value.data);
    return true;
}

/* Whether the entry is there; false in *ok when the result already says why not. */
static bool has_entry(struct vxc_fsm *fsm, const struct vxc_row_key *row, struct vxc_slice value,
                      struct vxc_result *result, bool *ok)
{
    struct vxc_slice body;
    struct entry entry;

    *ok = true;
    if (vxc_table_get(fsm->table, VXC_DB_MULTIMAPS, vxc_row_key_slice(row), &body) != 0) {
        return false;
    }
    if (entry_decode(body, &entry) != 0) {
        vxc_fsm_damaged(fsm, VXC_DB_MULTIMAPS, "entry of a multimap");
        return false;
    }
    if (!vxc_slice_equal(entry.value, value)) {
        vxc_result_fail(result, VXC_ECONFLICT,
                        "another long value of this key has the same hash: choose a new value");
        *ok = false;
        return false;
    }
    return true;
}

/* ---- changes ---- */

static void put_entry(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct key_place *place, struct vxc_result *result)
{
    uint64_t name_cost = place->object == NULL ? vxc_object_cost(command->name) : 0;
    uint64_t size = command->key.size + command->value.size;
    struct vxc_row_key row;
    bool ok;

    if (place->object != NULL) {
        entry_row_key(&place->row, command->value, &row);
        if (has_entry(fsm, &row, command->value, result, &ok) || !ok) {
            return;
        }
    }
    if (!vxc_quota_has_room(fsm, size + name_cost)) {
        vxc_result_fail(result, VXC_ENOSPC, VXC_TEXT_QUOTA);
        return;
    }
    if (place->object == NULL) {
        place->object =
            vxc_object_create(fsm, VXC_WATCH_MULTIMAP, command->namespace_id, command->name);
        key_row_key(place->object, command->key, &place->row);
        entry_row_key(&place->row, command->value, &row);
    }
    put_entry_row(fsm, &row, command);
    put_key_row(fsm, &place->row, command->key, place->found ? place->count + 1 : 1);
    vxc_object_changed(fsm, place->object, 1, (int64_t)size);
    result->found = true;
    vxc_object_notify(fsm, VXC_EVENT_PUT, VXC_WATCH_MULTIMAP, command, command->key,
                      command->value);
}

static void remove_entry(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct key_place *place, struct vxc_result *result)
{
    struct vxc_row_key row;
    bool ok;

    entry_row_key(&place->row, command->value, &row);
    if (!has_entry(fsm, &row, command->value, result, &ok)) {
        return;
    }
    vxc_table_del(fsm->table, VXC_DB_MULTIMAPS, vxc_row_key_slice(&row));
    put_key_row(fsm, &place->row, command->key, place->count - 1);
    vxc_object_changed(fsm, place->object, -1, -(int64_t)(command->key.size + command->value.size));
    result->found = true;
    vxc_object_notify(fsm, VXC_EVENT_REMOVE, VXC_WATCH_MULTIMAP, command, command->key,
                      command->value);
}

static void remove_key(struct vxc_fsm *fsm, const struct vxc_command *command,
                       struct key_place *place, struct vxc_result *result)
{
    struct vxc_table_scan *scan;
    struct vxc_row_key prefix;
    struct vxc_slice key, body;
    uint64_t count = 0, size = 0;

    entry_prefix(&place->row, &prefix);
    scan = vxc_table_scan_open(fsm->table, VXC_DB_MULTIMAPS, vxc_row_key_slice(&prefix),
                               vxc_row_key_slice(&prefix), false);
    while (vxc_table_scan_next(scan, &key, &body)) {
        struct entry entry;
        if (entry_decode(body, &entry) != 0) {
            vxc_fsm_damaged(fsm, VXC_DB_MULTIMAPS, "entry of a multimap");
            break;
        }
        count++;
        size += entry.key.size + entry.value.size;
        vxc_table_del(fsm->table, VXC_DB_MULTIMAPS, key);
    }
    vxc_table_scan_close(scan);
    vxc_table_del(fsm->table, VXC_DB_MULTIMAPS, vxc_row_key_slice(&place->row));
    vxc_object_changed(fsm, place->object, -(int64_t)count, -(int64_t)size);
    result->found = true;
    result->number = (int64_t)count;
    vxc_object_notify(fsm, VXC_EVENT_REMOVE, VXC_WATCH_MULTIMAP, command, command->key,
                      vxc_slice(NULL, 0));
}

static void apply_key(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_result *result)
{
    struct key_place place;

    if (!locate_key(fsm, command, &place, result)) {
        return;
    }
    if (command->op == VXC_OP_MULTIMAP_PUT) {
        put_entry(fsm, command, &place, result);
    } else if (place.found && command->op == VXC_OP_MULTIMAP_REMOVE) {
        remove_entry(fsm, command, &place, result);
    } else if (place.found) {
        remove_key(fsm, command, &place, result);
    }
}

void vxc_multimap_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                        struct vxc_result *result)
{
    switch (command->op) {
    case VXC_OP_MULTIMAP_CREATE:
        vxc_object_apply_create(fsm, VXC_WATCH_MULTIMAP, command, result);
        break;
    case VXC_OP_MULTIMAP_CLEAR:
        vxc_object_apply_clear(fsm, VXC_WATCH_MULTIMAP, command, result);
        break;
    case VXC_OP_MULTIMAP_DESTROY:
        vxc_object_apply_destroy(fsm, VXC_WATCH_MULTIMAP, command, result);
        break;
    default:
        apply_key(fsm, command, result);
        break;
    }
}

void vxc_multimap_probe(struct vxc_fsm *fsm, const struct vxc_command *command,
                        struct vxc_result *before)
{
    struct key_place place;
    struct vxc_row_key row;
    bool ok;

    if (!locate_key(fsm, command, &place, before) || !place.found) {
        return;
    }
    if (command->op == VXC_OP_MULTIMAP_REMOVE_KEY) {
        before->found = true;
        return;
    }
    entry_row_key(&place.row, command->value, &row);
    if (has_entry(fsm, &row, command->value, before, &ok)) {
        before->found = true;
    }
}

/* ---- queries ---- */

/* One page of entries under `prefix`: values, or pairs of key and value. */
static void scan_entries(struct vxc_fsm *fsm, const struct vxc_row_key *prefix,
                         struct vxc_slice cursor, uint64_t limits, bool with_keys,
                         struct vxc_result *result)
{
    struct vxc_table_scan *scan;
    struct vxc_page page;
    struct vxc_slice key, body;
    bool more = false;

    scan = vxc_page_scan(fsm, VXC_DB_MULTIMAPS, prefix, cursor, result);
    if (scan == NULL) {
        return;
    }
    vxc_page_begin(fsm, &page, limits);
    while (!more && vxc_table_scan_next(scan, &key, &body)) {
        struct entry entry;
        if (entry_decode(body, &entry) != 0) {
            vxc_fsm_damaged(fsm, VXC_DB_MULTIMAPS, "entry of a multimap");
            break;
        }
        more =
            !vxc_page_has_room(&page, 4 + entry.value.size + (with_keys ? 4 + entry.key.size : 0));
        if (!more) {
            vxc_page_add(&page, vxc_slice(key.data + prefix->size, key.size - prefix->size),
                         with_keys ? entry.key : entry.value, with_keys ? &entry.value : NULL);
        }
    }
    vxc_table_scan_close(scan);
    vxc_page_end(&page, more, result);
}

/* One page of keys, each once. */
static void scan_keys(struct vxc_fsm *fsm, const struct vxc_row_key *prefix,
                      const struct vxc_command *query, struct vxc_result *result)
{
    struct vxc_table_scan *scan;
    struct vxc_page page;
    struct vxc_slice key, body;
    bool more = false;

    scan = vxc_page_scan(fsm, VXC_DB_MULTIMAPS, prefix, query->key, result);
    if (scan == NULL) {
        return;
    }
    vxc_page_begin(fsm, &page, query->b);
    while (!more && vxc_table_scan_next(scan, &key, &body)) {
        struct vxc_element element;
        if (vxc_element_decode(key, KEY_OFFSET, body, &element) != 0) {
            vxc_fsm_damaged(fsm, VXC_DB_MULTIMAPS, "key of a multimap");
            break;
        }
        more = !vxc_page_has_room(&page, 4 + element.key.size);
        if (!more) {
            vxc_page_add(&page, vxc_slice(key.data + prefix->size, key.size - prefix->size),
                         element.key, NULL);
        }
    }
    vxc_table_scan_close(scan);
    vxc_page_end(&page, more, result);
}

static void give_empty_page(struct vxc_fsm *fsm, struct vxc_result *result)
{
    struct vxc_page page;

    vxc_page_begin(fsm, &page, 0);
    vxc_page_end(&page, false, result);
}

static void query_scan(struct vxc_fsm *fsm, const struct vxc_command *query,
                       struct vxc_result *result)
{
    struct vxc_object *object;
    struct vxc_row_key prefix;

    if (query->a < VXC_SCAN_KEYS || query->a > VXC_SCAN_ENTRIES) {
        vxc_result_fail(result, VXC_EINVAL, "a scan gives keys (1), values (2) or entries (3)");
        return;
    }
    if (vxc_object_find(fsm, VXC_WATCH_MULTIMAP, query->namespace_id, query->name, &object) != 0 ||
        object == NULL) {
        give_empty_page(fsm, result);
        return;
    }
    vxc_object_row_key(object, &prefix);
    if (query->a == VXC_SCAN_KEYS) {
        vxc_row_key_u8(&prefix, KEY_TAG);
        scan_keys(fsm, &prefix, query, result);
    } else {
        vxc_row_key_u8(&prefix, VALUE_TAG);
        scan_entries(fsm, &prefix, query->key, query->b, query->a == VXC_SCAN_ENTRIES, result);
    }
}

/* Looks at every entry: there is no index by value. */
static bool contains_value(struct vxc_fsm *fsm, const struct vxc_command *query)
{
    struct vxc_object *object;
    struct vxc_table_scan *scan;
    struct vxc_row_key prefix;
    struct vxc_slice key, body;
    struct entry entry;
    bool found = false;

    if (vxc_object_find(fsm, VXC_WATCH_MULTIMAP, query->namespace_id, query->name, &object) != 0 ||
        object == NULL) {
        return false;
    }
    vxc_object_row_key(object, &prefix);
    vxc_row_key_u8(&prefix, VALUE_TAG);
    scan = vxc_table_scan_open(fsm->table, VXC_DB_MULTIMAPS, vxc_row_key_slice(&prefix),
                               vxc_row_key_slice(&prefix), false);
    while (!found && vxc_table_scan_next(scan, &key, &body) && entry_decode(body, &entry) == 0) {
        found = vxc_slice_equal(entry.value, query->value);
    }
    vxc_table_scan_close(scan);
    return found;
}

static void query_key(struct vxc_fsm *fsm, const struct vxc_command *query,
                      struct vxc_result *result)
{
    struct key_place place;
    struct vxc_row_key row;
    bool ok;

    if (!locate_key(fsm, query, &place, result)) {
        *result = (struct vxc_result){0}; /* the key that collides is not there */
        place.found = false;
    }
    if (query->op == VXC_OP_MULTIMAP_GET) {
        if (place.found) {
            entry_prefix(&place.row, &row);
            scan_entries(fsm, &row, query->expect, query->b, false, result);
        } else {
            give_empty_page(fsm, result);
        }
        return;
    }
    if (!place.found) {
        return;
    }
    if (query->op == VXC_OP_MULTIMAP_CONTAINS_ENTRY) {
        entry_row_key(&place.row, query->value, &row);
        result->found = has_entry(fsm, &row, query->value, result, &ok);
        return;
    }
    result->found = true; /* MULTIMAP_CONTAINS_KEY, MULTIMAP_KEY_SIZE */
    result->number = query->op == VXC_OP_MULTIMAP_KEY_SIZE ? (int64_t)place.count : 0;
}

void vxc_multimap_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                        struct vxc_result *result)
{
    switch (query->op) {
    case VXC_OP_MULTIMAP_SIZE:
        vxc_object_query_size(fsm, VXC_WATCH_MULTIMAP, query, result);
        break;
    case VXC_OP_MULTIMAP_LIST:
        vxc_object_query_list(fsm, VXC_WATCH_MULTIMAP, query, result);
        break;
    case VXC_OP_MULTIMAP_SCAN:
        query_scan(fsm, query, result);
        break;
    case VXC_OP_MULTIMAP_CONTAINS_VALUE:
        result->found = contains_value(fsm, query);
        break;
    default:
        query_key(fsm, query, result);
        break;
    }
}
