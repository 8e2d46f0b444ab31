/* Namespaces: names that keep the objects of different applications apart.
 *
 *   NAMESPACE_ENSURE  name   number = its id; found = it was there
 *   NAMESPACE_FIND    name   found, number = its id
 *   NAMESPACE_LIST    key cursor, b limits   pairs (name, id u64), in the order of names
 *
 * The empty name is the default namespace, id 0: it always exists and has no row.
 *
 *   row key  'n' | name (or 440 bytes of it and 16 of its SHA-256)
 *   body     flags u8 (2: the full name is there) | version u64 | [name u32 length + bytes] | id
 * u64
 */
#include "fsm/element.h"

enum { TAG = 'n', NAME_OFFSET = 1, ID_SIZE = 8 };

static void row_key_of(struct vxc_slice name, struct vxc_row_key *key)
{
    vxc_row_key_begin(key);
    vxc_row_key_u8(key, TAG);
    vxc_row_key_user(key, name);
}

/* True when there is a row. False with an error in *result when another name is in its place. */
static bool find(struct vxc_fsm *fsm, struct vxc_slice name, const struct vxc_row_key *key,
                 struct vxc_result *result)
{
    struct vxc_element element;
    struct vxc_slice body;

    if (vxc_table_get(fsm->table, VXC_DB_NAMESPACES, vxc_row_key_slice(key), &body) != 0) {
        return false;
    }
    if (vxc_element_decode(vxc_row_key_slice(key), NAME_OFFSET, body, &element) != 0 ||
        element.value.size != ID_SIZE) {
        vxc_fsm_damaged(fsm, VXC_DB_NAMESPACES, "namespace");
        return false;
    }
    if (!vxc_slice_equal(element.key, name)) {
        vxc_result_fail(result, VXC_ECONFLICT, VXC_TEXT_NAME_COLLISION);
        return false;
    }
    result->found = true;
    result->number = (int64_t)vxc_load_u64(element.value.data);
    return true;
}

void vxc_namespace_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct vxc_result *result)
{
    uint8_t id[ID_SIZE];
    struct vxc_element element = {
        .version = fsm->index, .key = command->name, .value = {id, sizeof id}};
    struct vxc_row_key key;

    if (command->name.size == 0) {
        result->found = true;
        return;
    }
    row_key_of(command->name, &key);
    if (find(fsm, command->name, &key, result) || result->code != 0) {
        return;
    }
    if (!vxc_quota_has_room(fsm, command->name.size + ID_SIZE)) {
        vxc_result_fail(result, VXC_ENOSPC, VXC_TEXT_QUOTA);
        return;
    }
    vxc_quota_move(fsm, (int64_t)(command->name.size + ID_SIZE));
    result->number = (int64_t)vxc_fsm_take_id(fsm);
    vxc_store_u64(id, (uint64_t)result->number);
    vxc_element_put(fsm, VXC_DB_NAMESPACES, &key, &element);
}

static void query_list(struct vxc_fsm *fsm, const struct vxc_command *query,
                       struct vxc_result *result)
{
    static const uint8_t no_id[ID_SIZE];
    struct vxc_slice zero = vxc_slice(no_id, ID_SIZE);
    struct vxc_table_scan *scan;
    struct vxc_page page;
    struct vxc_row_key prefix;
    struct vxc_slice key, body;
    bool more = false;

    vxc_row_key_begin(&prefix);
    vxc_row_key_u8(&prefix, TAG);
    scan = vxc_page_scan(fsm, VXC_DB_NAMESPACES, &prefix, query->key, result);
    if (scan == NULL) {
        return;
    }
    vxc_page_begin(fsm, &page, query->b);
    if (query->key.data == NULL) {
        vxc_page_add(&page, vxc_slice(NULL, 0), vxc_slice(NULL, 0), &zero);
    }
    while (!more && vxc_table_scan_next(scan, &key, &body)) {
        struct vxc_element element;
        if (vxc_element_decode(key, NAME_OFFSET, body, &element) != 0) {
            vxc_fsm_damaged(fsm, VXC_DB_NAMESPACES, "namespace");
            break;
        }
        more = !vxc_page_has_room(&page, 4 + element.key.size + 4 + ID_SIZE);
        if (!more) {
            vxc_page_add(&page, vxc_slice(key.data + prefix.size, key.size - prefix.size),
                         element.key, &element.value);
        }
    }
    vxc_table_scan_close(scan);
    vxc_page_end(&page, more, result);
}

void vxc_namespace_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                         struct vxc_result *result)
{
    struct vxc_row_key key;

    if (query->op == VXC_OP_NAMESPACE_LIST) {
        query_list(fsm, query, result);
    } else if (query->name.size == 0) {
        result->found = true;
    } else {
        row_key_of(query->name, &key);
        (void)find(fsm, query->name, &key, result); /* the result says it all */
    }
}
