/* The codec under messages and operations: fields of a struct, described by a schema, to bytes and
 * back.
 *
 * A schema is an array of (name, type, offset); the functions below walk it. Values are
 * little-endian and stand one after the other without tags; docs/protocol.md has the encoding of
 * each type. Decoding is the first thing that touches bytes of strangers: every length is compared
 * with what is left before it is used, every count with the least that so many items take, and
 * nothing is allocated.
 */
#ifndef VXC_WIRE_CODEC_H
#define VXC_WIRE_CODEC_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
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

enum vxc_field_type {
    VXC_TYPE_U8,
    VXC_TYPE_U16,
    VXC_TYPE_U32,
    VXC_TYPE_U64,
    VXC_TYPE_I64,
    VXC_TYPE_BOOL,
    VXC_TYPE_CODE,
    VXC_TYPE_BYTES,
    VXC_TYPE_OPT_BYTES,
    VXC_TYPE_OPT_U64,
    VXC_TYPE_ITEMS,
    VXC_TYPE_PAIRS,
    VXC_TYPE_MULTI,
    VXC_TYPE_MESSAGES,
    VXC_TYPE_OPERATIONS,
};

struct vxc_field_schema {
    const char *name;
    enum vxc_field_type type;
    uint16_t offset; /* within the struct */
};

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

/* ---- fields ---- */

/* Reads `count` fields off *rest into the struct at `out`. With `open_end` the fields that are
 * missing because *rest ends before them read as zero, absent or empty. VXC_EPROTO leaves *rest
 * alone. */
int vxc_fields_decode(const struct vxc_field_schema *fields, size_t count, bool open_end,
                      struct vxc_slice *rest, void *out);

/* Bytes that write will need. SIZE_MAX when a byte field is too long for its u32 length. */
size_t vxc_fields_size(const struct vxc_field_schema *fields, size_t count, const void *in);

/* Writes the fields to `at`, where vxc_fields_size() bytes of room are, and returns the end. */
uint8_t *vxc_fields_write(const struct vxc_field_schema *fields, size_t count, const void *in,
                          uint8_t *at);

#endif
