/* Messages: typed payloads, generated from message.def by one table-driven codec.
 *
 *     struct vxc_message m;
 *     if (vxc_message_decode(frame.kind, frame.payload, &m) == 0) … m.map_put.key …
 *
 * Decoded slices and lists borrow from the payload. Lists are validated by decode (every length checked,
 * counts bounded by the bytes that are there) and walked with the iterators below; nothing is allocated.
 */
#ifndef VXC_WIRE_MESSAGE_H
#define VXC_WIRE_MESSAGE_H

#include "base/bytes.h"
#include "base/error.h"
#include "wire/message.def"

#include <stdbool.h>
#include <stdint.h>

/* A validated list: `count` items stand encoded one after the other in raw (without the count). */
struct vxc_list {
    uint32_t count;
    struct vxc_slice raw;
};

struct vxc_opt_bytes {
    bool present;
    struct vxc_slice bytes;
};

struct vxc_opt_u64 {
    bool present;
    uint64_t number;
};

typedef uint8_t vxc_field_U8;
typedef uint16_t vxc_field_U16;
typedef uint32_t vxc_field_U32;
typedef uint64_t vxc_field_U64;
typedef int64_t vxc_field_I64;
typedef bool vxc_field_BOOL;
typedef uint8_t vxc_field_CODE; /* 0 ok, 1 error */
typedef struct vxc_slice vxc_field_BYTES;
typedef struct vxc_opt_bytes vxc_field_OPT_BYTES;
typedef struct vxc_opt_u64 vxc_field_OPT_U64;
typedef struct vxc_list vxc_field_ITEMS;      /* BYTES each */
typedef struct vxc_list vxc_field_PAIRS;      /* BYTES, BYTES each */
typedef struct vxc_list vxc_field_MULTI;      /* BYTES, ITEMS each */
typedef struct vxc_list vxc_field_MESSAGES;   /* u16 kind, BYTES each */
typedef struct vxc_list vxc_field_OPERATIONS; /* state-sync operations */

enum vxc_message_kind {
#define M(kind, NAME, name, role, reply) VXC_KIND_##NAME = (kind),
    VXC_MESSAGE_MAP(M)
#undef M
};

#define F(TYPE, name) vxc_field_##TYPE name;
#define M(kind, NAME, name, role, reply)                                                           \
    struct vxc_msg_##name {                                                                        \
        uint8_t unused_head; /* a struct may not be empty */                                       \
        VXC_FIELDS_##name(F)                                                                       \
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

/* VXC_EKIND for an unknown kind, VXC_EPROTO for a payload that does not parse. Extensions (kind ≥ 100):
 * fields missing at the end read as zero/absent/empty; trailing bytes are skipped. Kinds 1–74: all
 * fields must be there; trailing bytes are skipped. */
int vxc_message_decode(uint16_t kind, struct vxc_slice payload, struct vxc_message *message);

/* Appends the payload of message->kind. VXC_EKIND, VXC_ENOMEM. */
int vxc_message_encode(const struct vxc_message *message, struct vxc_buffer *out);

/* A whole frame: begin, encode, finish. */
int vxc_message_frame(const struct vxc_message *message, uint8_t flags, uint32_t request_id,
                      struct vxc_buffer *out);

/* ---- lists ---- */

/* Walkers: take the next item off *list; false at the end. */
bool vxc_list_next_item(struct vxc_list *list, struct vxc_slice *item);
bool vxc_list_next_pair(struct vxc_list *list, struct vxc_slice *first, struct vxc_slice *second);
bool vxc_list_next_multi(struct vxc_list *list, struct vxc_slice *key, struct vxc_list *items);
bool vxc_list_next_message(struct vxc_list *list, uint16_t *kind, struct vxc_slice *payload);

/* Reads a list that stands encoded with its count in front (as the state machine gives them). 0 or
 * VXC_EPROTO. */
int vxc_list_read_items(struct vxc_slice encoded, struct vxc_list *list);
int vxc_list_read_pairs(struct vxc_slice encoded, struct vxc_list *list);

/* ---- the schema, for documentation, vectors and tests ---- */

enum vxc_message_role { VXC_ROLE_REQUEST, VXC_ROLE_REPLY, VXC_ROLE_EVENT, VXC_ROLE_RECORD };

enum vxc_field_type {
    VXC_TYPE_U8, VXC_TYPE_U16, VXC_TYPE_U32, VXC_TYPE_U64, VXC_TYPE_I64, VXC_TYPE_BOOL,
    VXC_TYPE_CODE, VXC_TYPE_BYTES, VXC_TYPE_OPT_BYTES, VXC_TYPE_OPT_U64, VXC_TYPE_ITEMS,
    VXC_TYPE_PAIRS, VXC_TYPE_MULTI, VXC_TYPE_MESSAGES, VXC_TYPE_OPERATIONS,
};

struct vxc_field_schema {
    const char *name;
    enum vxc_field_type type;
    uint16_t offset; /* within the struct */
};

struct vxc_message_schema {
    uint16_t kind;
    const char *name;       /* "map_put" */
    enum vxc_message_role role;
    uint16_t reply;         /* kind of the usual reply, 0 = none */
    uint16_t fields_count;
    const struct vxc_field_schema *fields;
};

const struct vxc_message_schema *vxc_message_schema(uint16_t kind); /* NULL when unknown */
const struct vxc_message_schema *vxc_message_schemas(size_t *count);

#endif
