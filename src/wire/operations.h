/* State-sync operations: what the message state_sync (kind 73) carries, generated from message.def.
 *
 *     struct vxc_sync_operation o;
 *     while (vxc_list_next_sync(&m.state_sync.operations, &o)) … o.map_updated.key …
 *
 * An operation is a tag (u8) and its fields. Decoded slices borrow from the payload.
 */
#ifndef VXC_WIRE_OPERATIONS_H
#define VXC_WIRE_OPERATIONS_H

#include "base/bytes.h"
#include "base/error.h"
#include "wire/codec.h"
#include "wire/message.def"

#include <stdint.h>

enum vxc_sync_tag {
#define O(tag, NAME, name) VXC_SYNC_##NAME = (tag),
    VXC_SYNC_OPERATION_MAP(O)
#undef O
};

#define F(owner, TYPE, name) vxc_field_##TYPE name;
#define O(tag, NAME, name)                                                                         \
    struct vxc_sync_##name {                                                                       \
        VXC_SYNC_FIELDS_##name(F, name)                                                            \
    };
VXC_SYNC_OPERATION_MAP(O)
#undef O
#undef F

struct vxc_sync_operation {
    uint8_t tag; /* enum vxc_sync_tag */
    union {
#define O(tag, NAME, name) struct vxc_sync_##name name;
        VXC_SYNC_OPERATION_MAP(O)
#undef O
    };
};

/* Takes the next operation off *rest. VXC_EPROTO for an unknown tag or a short field: the length of
 * an unknown operation is not known, so nothing behind it can be read either; *rest is left alone.
 */
int vxc_sync_decode(struct vxc_slice *rest, struct vxc_sync_operation *operation);

/* Appends tag and fields; on failure nothing. VXC_EINVAL for an unknown tag, VXC_ENOMEM,
 * VXC_ETOOBIG. */
int vxc_sync_encode(const struct vxc_sync_operation *operation, struct vxc_buffer *out);

/* Walker of a decoded OPERATIONS list: takes the next one off *list; false at the end. */
bool vxc_list_next_sync(struct vxc_list *list, struct vxc_sync_operation *operation);

struct vxc_sync_schema {
    uint8_t tag;
    const char *name; /* "map_updated" */
    uint16_t fields_count;
    const struct vxc_field_schema *fields;
};

/* By tag, without gaps. */
const struct vxc_sync_schema *vxc_sync_schemas(size_t *count);

#endif
