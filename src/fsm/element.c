#include "fsm/element.h"

#include "base/check.h"

enum { HEAD_SIZE_FIXED = 1 + 8 + 8 + 4 };

int vxc_element_decode(struct vxc_slice row_key, size_t key_offset, struct vxc_slice body,
                       struct vxc_element *element)
{
    struct vxc_reader reader = vxc_reader(body);
    uint8_t flags = vxc_reader_u8(&reader);
    struct vxc_element read = {.version = vxc_reader_u64(&reader)};

    if (row_key.size < key_offset || flags > (VXC_ELEMENT_EXPIRES | VXC_ELEMENT_LONG_KEY)) {
        return VXC_ECORRUPT;
    }
    if ((flags & VXC_ELEMENT_EXPIRES) != 0) {
        read.expires_at_ms = vxc_reader_u64(&reader);
    }
    if ((flags & VXC_ELEMENT_LONG_KEY) != 0) {
        read.key = vxc_reader_bytes(&reader);
    } else {
        read.key = vxc_slice(row_key.data + key_offset, row_key.size - key_offset);
    }
    read.value = vxc_slice(reader.cursor, vxc_reader_left(&reader));
    if (!vxc_reader_ok(&reader)) {
        return VXC_ECORRUPT;
    }
    *element = read;
    return 0;
}

void vxc_element_put(struct vxc_fsm *fsm, enum vxc_database db, const struct vxc_row_key *key,
                     const struct vxc_element *element)
{
    size_t size = HEAD_SIZE_FIXED + (key->hashed ? element->key.size : 0);
    uint8_t *at;

    vxc_buffer_clear(&fsm->head);
    if (vxc_buffer_reserve(&fsm->head, size) != 0) {
        vxc_fatal("out of memory for the head of a row of %zu bytes", size);
    }
    at = fsm->head.data;
    *at++ = (uint8_t)((element->expires_at_ms != 0 ? VXC_ELEMENT_EXPIRES : 0) |
                      (key->hashed ? VXC_ELEMENT_LONG_KEY : 0));
    vxc_store_u64(at, element->version);
    at += 8;
    if (element->expires_at_ms != 0) {
        vxc_store_u64(at, element->expires_at_ms);
        at += 8;
    }
    if (key->hashed) {
        vxc_store_u32(at, (uint32_t)element->key.size);
        memcpy(at + 4, element->key.data, element->key.size);
        at += 4 + element->key.size;
    }
    fsm->head.size = (size_t)(at - fsm->head.data);
    vxc_table_put(fsm->table, db, vxc_row_key_slice(key), vxc_buffer_slice(&fsm->head),
                  element->value);
}

bool vxc_element_locate(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                        const struct vxc_command *command, struct vxc_place *place,
                        struct vxc_result *result)
{
    enum vxc_database db = vxc_object_database(kind);
    struct vxc_slice body;

    place->found = false;
    if (vxc_object_find(fsm, kind, command->namespace_id, command->name, &place->object) != 0) {
        vxc_result_fail(result, VXC_ECONFLICT, VXC_TEXT_NAME_COLLISION);
        return false;
    }
    if (place->object == NULL) {
        return true;
    }
    vxc_object_row_key(place->object, &place->key);
    vxc_row_key_user(&place->key, command->key);
    if (vxc_table_get(fsm->table, db, vxc_row_key_slice(&place->key), &body) != 0) {
        return true;
    }
    if (vxc_element_decode(vxc_row_key_slice(&place->key), VXC_ROW_ELEMENT_KEY_MIN, body,
                           &place->old) != 0) {
        vxc_fsm_damaged(fsm, db, "element");
        return true;
    }
    if (place->key.hashed && !vxc_slice_equal(place->old.key, command->key)) {
        vxc_result_fail(result, VXC_ECONFLICT, VXC_TEXT_KEY_COLLISION);
        return false;
    }
    place->found = true;
    return true;
}

void vxc_element_expect(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                        const struct vxc_command *command)
{
    const struct vxc_object *object =
        vxc_object_resident(fsm, kind, command->namespace_id, command->name);
    VXC_UNINITIALIZED struct vxc_row_key key;

    if (object != NULL &&
        command->key.size <= VXC_ROW_KEY_PLAIN_MAX) { /* hashing would cost more */
        vxc_object_row_key(object, &key);
        vxc_row_key_user(&key, command->key);
        vxc_table_expect(fsm->table, vxc_object_database(kind), vxc_row_key_slice(&key));
    }
}

static size_t item_size(const struct vxc_element *element, enum vxc_scan_what what)
{
    return what == VXC_SCAN_KEYS     ? 4 + element->key.size
           : what == VXC_SCAN_VALUES ? 4 + element->value.size
                                     : 8 + element->key.size + element->value.size;
}

void vxc_element_scan(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                      const struct vxc_command *query, enum vxc_scan_what what,
                      struct vxc_result *result)
{
    enum vxc_database db = vxc_object_database(kind);
    struct vxc_object *object;
    struct vxc_table_scan *scan;
    struct vxc_page page;
    struct vxc_row_key prefix;
    struct vxc_slice key, body;
    bool more = false;

    if (vxc_object_find(fsm, kind, query->namespace_id, query->name, &object) != 0) {
        object = NULL; /* the name that collides is not there */
    }
    vxc_page_begin(fsm, &page, query->b);
    if (object == NULL) {
        vxc_page_end(&page, false, result);
        return;
    }
    vxc_object_row_key(object, &prefix);
    scan = vxc_page_scan(fsm, db, &prefix, query->key, result);
    if (scan == NULL) {
        return;
    }
    while (!more && vxc_table_scan_next(scan, &key, &body)) {
        struct vxc_element element;
        if (vxc_element_decode(key, prefix.size, body, &element) != 0) {
            vxc_fsm_damaged(fsm, db, "element");
            break;
        }
        more = !vxc_page_has_room(&page, item_size(&element, what));
        if (!more) {
            vxc_page_add(&page, vxc_slice(key.data + prefix.size, key.size - prefix.size),
                         what == VXC_SCAN_VALUES ? element.value : element.key,
                         what == VXC_SCAN_ENTRIES ? &element.value : NULL);
        }
    }
    vxc_table_scan_close(scan);
    vxc_page_end(&page, more, result);
}
