#include "operations.h"

#include "base/check.h"
#include "base/limits.h"

#include <assert.h>

#define F(owner, TYPE, name) {#name, VXC_TYPE_##TYPE, offsetof(struct vxc_sync_##owner, name)},
#define O(tag, NAME, name)                                                                         \
    static const struct vxc_field_schema fields_of_##name[] = {VXC_SYNC_FIELDS_##name(F, name)};
VXC_SYNC_OPERATION_MAP(O)
#undef O
#undef F

#define O(tag, NAME, name)                                                                         \
    {(tag), #name, sizeof fields_of_##name / sizeof fields_of_##name[0], fields_of_##name},
static const struct vxc_sync_schema schemas[] = {VXC_SYNC_OPERATION_MAP(O)};
#undef O

enum { SCHEMAS_COUNT = sizeof schemas / sizeof schemas[0] };

static_assert(SCHEMAS_COUNT == VXC_SYNC_NODE_CONNECTION_REMOVED + 1, "tags have no gaps");

/* Operations begin where the union does, so one offset serves them all. */
#define O(tag, NAME, name)                                                                         \
    static_assert(offsetof(struct vxc_sync_operation, name) ==                                     \
                      offsetof(struct vxc_sync_operation, map_created),                            \
                  "operations overlay one another");
VXC_SYNC_OPERATION_MAP(O)
#undef O

const struct vxc_sync_schema *vxc_sync_schemas(size_t *count)
{
    *count = SCHEMAS_COUNT;
    return schemas;
}

int vxc_sync_decode(struct vxc_slice *rest, struct vxc_sync_operation *operation)
{
    const struct vxc_sync_schema *schema;
    struct vxc_slice fields;

    if (rest->size < 1 || rest->data[0] >= SCHEMAS_COUNT) {
        return VXC_EPROTO;
    }
    schema = &schemas[rest->data[0]];
    fields = vxc_slice(rest->data + 1, rest->size - 1);
    operation->tag = schema->tag;
    if (vxc_fields_decode(schema->fields, schema->fields_count, false, &fields,
                          &operation->map_created) != 0) {
        return VXC_EPROTO;
    }
    *rest = fields;
    return 0;
}

int vxc_sync_encode(const struct vxc_sync_operation *operation, struct vxc_buffer *out)
{
    const struct vxc_sync_schema *schema;
    size_t size;
    uint8_t *at;
    int rv;

    if (operation->tag >= SCHEMAS_COUNT) {
        return VXC_EINVAL;
    }
    schema = &schemas[operation->tag];
    size = vxc_fields_size(schema->fields, schema->fields_count, &operation->map_created);
    if (size > VXC_FRAME_SIZE_MAX) {
        return VXC_ETOOBIG;
    }
    rv = vxc_buffer_reserve(out, 1 + size);
    if (rv != 0) {
        return rv;
    }
    at = out->data + out->size;
    *at++ = schema->tag;
    at = vxc_fields_write(schema->fields, schema->fields_count, &operation->map_created, at);
    vxc_check(at == out->data + out->size + 1 + size);
    out->size += 1 + size;
    return 0;
}

bool vxc_list_next_sync(struct vxc_list *list, struct vxc_sync_operation *operation)
{
    if (list->count == 0 || vxc_sync_decode(&list->raw, operation) != 0) {
        return false;
    }
    list->count--;
    return true;
}
