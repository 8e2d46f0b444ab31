/* Messages: typed payloads, generated from message.def by one table-driven codec.
 *
 *     struct vxc_message m;
 *     if (vxc_message_decode(frame.kind, frame.payload, &m) == 0) … m.map_put.key …
 *
 * Decoded slices and lists borrow from the payload. Lists are validated by decode (every length
 * checked, counts bounded by the bytes that are there) and walked with the iterators of codec.h and
 * operations.h; nothing is allocated. To add a message: a row and a list of fields in message.def,
 * a row in tests/vectors/semantics.def, a vector in tests/vectors/cases.c; then
 * tests/vectors/generate.
 */
#ifndef VXC_WIRE_MESSAGE_H
#define VXC_WIRE_MESSAGE_H

#include "base/bytes.h"
#include "base/error.h"
#include "wire/codec.h"
#include "wire/message.def"

#include <stdbool.h>
#include <stdint.h>

enum vxc_message_kind {
#define M(kind, NAME, name, role, reply) VXC_KIND_##NAME = (kind),
    VXC_MESSAGE_MAP(M)
#undef M
        VXC_KIND_PEER_LAST = 399, /* of what nodes say to each other, now or ever */
};

#define F(owner, TYPE, name) vxc_field_##TYPE name;
#define M(kind, NAME, name, role, reply)                                                           \
    struct vxc_msg_##name {                                                                        \
        uint8_t unused_head; /* a struct may not be empty */                                       \
        VXC_FIELDS_##name(F, name)                                                                 \
    };
VXC_MESSAGE_MAP(M)
#undef M
#undef F

struct vxc_message {
    uint16_t kind;
    union {
#define M(kind, NAME, name, role, reply) struct vxc_msg_##name name;
        VXC_MESSAGE_MAP(M)
#undef M
    };
};

/* VXC_EKIND for an unknown kind, VXC_EPROTO for a payload that does not parse: then *message holds
 * nothing of use. Extensions (kind ≥ 100): fields missing at the end read as zero/absent/empty;
 * trailing bytes are skipped. Kinds 1–74: all fields must be there; trailing bytes are skipped. */
int vxc_message_decode(uint16_t kind, struct vxc_slice payload, struct vxc_message *message);

/* Appends the payload of message->kind; on failure nothing. VXC_EKIND, VXC_ENOMEM, VXC_ETOOBIG for
 * a payload that no frame could carry. */
int vxc_message_encode(const struct vxc_message *message, struct vxc_buffer *out);

/* The same without the bytes of the field that is `hole` (the very slice: address and size): they
 * belong at offset *hole_at of `out`, and travel from where they lie. VXC_EINVAL when no field is
 * it. */
int vxc_message_encode_around(const struct vxc_message *message, struct vxc_slice hole,
                              struct vxc_buffer *out, size_t *hole_at);

/* Bytes that encode would append; 0 for an unknown kind. */
size_t vxc_message_payload_size(const struct vxc_message *message);

/* A whole frame: begin, encode, finish; on failure nothing is appended. VXC_EKIND, VXC_ENOMEM,
 * VXC_ETOOBIG. */
int vxc_message_frame(const struct vxc_message *message, uint8_t flags, uint32_t request_id,
                      struct vxc_buffer *out);
/* The same with a sequence head. */
int vxc_message_frame_sequenced(const struct vxc_message *message, uint8_t flags,
                                uint32_t request_id, uint64_t sequence, uint64_t floor,
                                struct vxc_buffer *out);

/* ---- the schema, for documentation, vectors and tests ---- */

enum vxc_message_role { VXC_ROLE_REQUEST, VXC_ROLE_REPLY, VXC_ROLE_EVENT, VXC_ROLE_RECORD };

struct vxc_message_schema {
    uint16_t kind;
    const char *name; /* "map_put" */
    enum vxc_message_role role;
    uint16_t reply; /* kind of the usual reply, 0 = none */
    uint16_t fields_count;
    const struct vxc_field_schema *fields;
};

const struct vxc_message_schema *vxc_message_schema(uint16_t kind); /* NULL when unknown */
const struct vxc_message_schema *vxc_message_schemas(size_t *count);

#endif
