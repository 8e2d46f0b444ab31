#include "message.h"

#include "base/check.h"
#include "base/limits.h"
#include "wire/frame.h"

#include <assert.h>

/* Extensions may gain fields at their end, so older ones lack some; the original kinds never
 * change. */
enum { EXTENSION_FIRST = 100, PAYLOAD_SIZE_MAX = VXC_FRAME_SIZE_MAX - VXC_FRAME_HEADER_SIZE };

/* ---- the tables, from message.def ---- */

enum kind_of {
    KIND_OF_none = 0,
#define M(kind, NAME, name, role, reply) KIND_OF_##name = (kind),
    VXC_MESSAGE_MAP(M)
#undef M
};

/* Each list ends with a row that is not counted, because a list may be empty. */
#define F(owner, TYPE, name) {#name, VXC_TYPE_##TYPE, offsetof(struct vxc_msg_##owner, name)},
#define M(kind, NAME, name, role, reply)                                                           \
    static const struct vxc_field_schema fields_of_##name[] = {                                    \
        VXC_FIELDS_##name(F, name){NULL, VXC_TYPE_U8, 0}};                                         \
    static_assert(sizeof(struct vxc_msg_##name) <= UINT16_MAX, "offsets fit");
VXC_MESSAGE_MAP(M)
#undef M
#undef F

#define M(kind, NAME, name, role, reply)                                                           \
    {(kind),                                                                                       \
     #name,                                                                                        \
     VXC_ROLE_##role,                                                                              \
     KIND_OF_##reply,                                                                              \
     sizeof fields_of_##name / sizeof fields_of_##name[0] - 1,                                     \
     fields_of_##name},
static const struct vxc_message_schema schemas[] = {VXC_MESSAGE_MAP(M)};
#undef M

enum { SCHEMAS_COUNT = sizeof schemas / sizeof schemas[0] };

enum position_of {
#define M(kind, NAME, name, role, reply) POSITION_OF_##name,
    VXC_MESSAGE_MAP(M)
#undef M
};

/* By kind: one more than the position in schemas, 0 for a kind that is not ours. */
static const uint8_t positions[] = {
#define M(kind, NAME, name, role, reply) [kind] = POSITION_OF_##name + 1,
    VXC_MESSAGE_MAP(M)
#undef M
};

static_assert(SCHEMAS_COUNT < UINT8_MAX, "positions fit a byte");

const struct vxc_message_schema *vxc_message_schema(uint16_t kind)
{
    if (kind >= sizeof positions || positions[kind] == 0) {
        return NULL;
    }
    return &schemas[positions[kind] - 1];
}

const struct vxc_message_schema *vxc_message_schemas(size_t *count)
{
    *count = SCHEMAS_COUNT;
    return schemas;
}

/* ---- the codec ---- */

/* All messages begin where the union does, so one offset serves them all. */
#define M(kind, NAME, name, role, reply)                                                           \
    static_assert(offsetof(struct vxc_message, name) == offsetof(struct vxc_message, join),        \
                  "messages overlay one another");
VXC_MESSAGE_MAP(M)
#undef M

int vxc_message_decode(uint16_t kind, struct vxc_slice payload, struct vxc_message *message)
{
    const struct vxc_message_schema *schema = vxc_message_schema(kind);

    if (schema == NULL) {
        return VXC_EKIND;
    }
    message->kind = kind;
    return vxc_fields_decode(schema->fields, schema->fields_count, kind >= EXTENSION_FIRST,
                             &payload, &message->join);
}

size_t vxc_message_payload_size(const struct vxc_message *message)
{
    const struct vxc_message_schema *schema = vxc_message_schema(message->kind);

    return schema == NULL ? 0
                          : vxc_fields_size(schema->fields, schema->fields_count, &message->join);
}

int vxc_message_encode(const struct vxc_message *message, struct vxc_buffer *out)
{
    const struct vxc_message_schema *schema = vxc_message_schema(message->kind);
    size_t size;
    uint8_t *end;
    int rv;

    if (schema == NULL) {
        return VXC_EKIND;
    }
    size = vxc_fields_size(schema->fields, schema->fields_count, &message->join);
    if (size > PAYLOAD_SIZE_MAX) {
        return VXC_ETOOBIG;
    }
    rv = vxc_buffer_reserve(out, size);
    if (rv != 0 || size == 0) {
        return rv;
    }
    end = vxc_fields_write(schema->fields, schema->fields_count, &message->join,
                           out->data + out->size);
    vxc_check(end == out->data + out->size + size);
    out->size += size;
    return 0;
}

static bool is_hole(const struct vxc_field_schema *field, const void *in, struct vxc_slice hole)
{
    const struct vxc_slice *bytes = (const void *)((const char *)in + field->offset);

    return field->type == VXC_TYPE_BYTES && bytes->data == hole.data && bytes->size == hole.size;
}

int vxc_message_encode_around(const struct vxc_message *message, struct vxc_slice hole,
                              struct vxc_buffer *out, size_t *hole_at)
{
    const struct vxc_message_schema *schema = vxc_message_schema(message->kind);
    size_t at = 0, size;
    uint8_t *end;
    int rv;

    if (schema == NULL) {
        return VXC_EKIND;
    }
    while (at < schema->fields_count && !is_hole(&schema->fields[at], &message->join, hole)) {
        at++;
    }
    if (at == schema->fields_count) {
        return VXC_EINVAL;
    }
    size = vxc_fields_size(schema->fields, schema->fields_count, &message->join);
    if (size > PAYLOAD_SIZE_MAX) {
        return VXC_ETOOBIG;
    }
    rv = vxc_buffer_reserve(out, size - hole.size);
    if (rv != 0) {
        return rv;
    }
    end = vxc_fields_write(schema->fields, at, &message->join, out->data + out->size);
    vxc_store_u32(end, (uint32_t)hole.size);
    *hole_at = (size_t)(end + 4 - out->data);
    end = vxc_fields_write(schema->fields + at + 1, schema->fields_count - at - 1, &message->join,
                           end + 4);
    vxc_check(end == out->data + out->size + size - hole.size);
    out->size += size - hole.size;
    return 0;
}

/* Ends the frame that was begun at `offset` with the message as its payload. */
static int finish_with(const struct vxc_message *message, size_t offset, struct vxc_buffer *out)
{
    int rv = vxc_message_encode(message, out);

    if (rv != 0) {
        vxc_frame_cancel(out, offset);
        return rv;
    }
    return vxc_frame_finish(out, offset);
}

int vxc_message_frame(const struct vxc_message *message, uint8_t flags, uint32_t request_id,
                      struct vxc_buffer *out)
{
    return finish_with(message, vxc_frame_begin(out, flags, message->kind, request_id), out);
}

int vxc_message_frame_sequenced(const struct vxc_message *message, uint8_t flags,
                                uint32_t request_id, uint64_t sequence, uint64_t floor,
                                struct vxc_buffer *out)
{
    size_t offset =
        vxc_frame_begin_sequenced(out, flags, message->kind, request_id, sequence, floor);

    return finish_with(message, offset, out);
}
