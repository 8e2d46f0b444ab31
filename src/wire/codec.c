#include "codec.h"

#include "operations.h"

#include <assert.h>

/* What is left to read. Kept apart from struct vxc_reader so that the compiler sees every step of
 * the loop below: a map_get costs a few nanoseconds. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static inline size_t left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* Bytes without an address get one, so that no arithmetic is done on a null pointer. */
static struct cursor cursor_of(struct vxc_slice bytes)
{
    static const uint8_t nothing[1];
    const uint8_t *at = bytes.data == NULL ? nothing : bytes.data;

    return (struct cursor){at, at + bytes.size};
}

static inline struct vxc_slice slice_of(const struct cursor *c)
{
    return vxc_slice(c->at, left(c));
}

static inline bool take_u8(struct cursor *c, uint8_t *v)
{
    if (left(c) < 1) {
        return false;
    }
    *v = *c->at++;
    return true;
}

/* A byte that may only be 0 or 1. */
static inline bool take_flag(struct cursor *c, bool *v)
{
    if (left(c) < 1 || *c->at > 1) {
        return false;
    }
    *v = *c->at++ == 1;
    return true;
}

static inline bool take_u16(struct cursor *c, uint16_t *v)
{
    if (left(c) < 2) {
        return false;
    }
    *v = vxc_load_u16(c->at);
    c->at += 2;
    return true;
}

static inline bool take_u32(struct cursor *c, uint32_t *v)
{
    if (left(c) < 4) {
        return false;
    }
    *v = vxc_load_u32(c->at);
    c->at += 4;
    return true;
}

static inline bool take_u64(struct cursor *c, uint64_t *v)
{
    if (left(c) < 8) {
        return false;
    }
    *v = vxc_load_u64(c->at);
    c->at += 8;
    return true;
}

static inline bool take_bytes(struct cursor *c, struct vxc_slice *v)
{
    uint32_t size;

    if (!take_u32(c, &size) || size > left(c)) {
        return false;
    }
    *v = vxc_slice(c->at, size);
    c->at += size;
    return true;
}

/* ---- lists ---- */

/* The least that one item takes: a count beyond left/least is refused before the items are looked
 * at. */
static size_t item_size_min(enum vxc_field_type type)
{
    switch (type) {
    case VXC_TYPE_PAIRS: /* two lengths */
    case VXC_TYPE_MULTI: /* a length and a count */
        return 8;
    case VXC_TYPE_MESSAGES: /* a kind and a length */
        return 6;
    case VXC_TYPE_OPERATIONS: /* a tag and a length */
        return 5;
    default:
        return 4;
    }
}

static bool skip_item(struct cursor *c, enum vxc_field_type type);

static bool take_list(struct cursor *c, enum vxc_field_type type, struct vxc_list *v)
{
    uint32_t count;
    const uint8_t *first;

    if (!take_u32(c, &count) || count > left(c) / item_size_min(type)) {
        return false;
    }
    first = c->at;
    for (uint32_t i = 0; i < count; i++) {
        if (!skip_item(c, type)) {
            return false;
        }
    }
    *v = (struct vxc_list){count, vxc_slice(first, (size_t)(c->at - first))};
    return true;
}

static bool skip_operation(struct cursor *c)
{
    struct vxc_slice rest = slice_of(c);
    struct vxc_sync_operation operation;

    if (vxc_sync_decode(&rest, &operation) != 0) {
        return false;
    }
    c->at = rest.data;
    return true;
}

/* Lists nest once (MULTI holds ITEMS), so this calls itself at most once. */
static bool skip_item(struct cursor *c, enum vxc_field_type type)
{
    struct vxc_slice bytes;
    struct vxc_list items;
    uint16_t kind;

    switch (type) {
    case VXC_TYPE_PAIRS:
        return take_bytes(c, &bytes) && take_bytes(c, &bytes);
    case VXC_TYPE_MULTI:
        return take_bytes(c, &bytes) && take_list(c, VXC_TYPE_ITEMS, &items);
    case VXC_TYPE_MESSAGES:
        return take_u16(c, &kind) && take_bytes(c, &bytes);
    case VXC_TYPE_OPERATIONS:
        return skip_operation(c);
    default:
        return take_bytes(c, &bytes);
    }
}

/* Ends a walker's step: what stands before the cursor has been taken off the list. */
static bool advance(struct vxc_list *list, const struct cursor *c)
{
    list->count--;
    list->raw = slice_of(c);
    return true;
}

bool vxc_list_next_item(struct vxc_list *list, struct vxc_slice *item)
{
    struct cursor c = cursor_of(list->raw);

    return list->count > 0 && take_bytes(&c, item) && advance(list, &c);
}

bool vxc_list_next_pair(struct vxc_list *list, struct vxc_slice *first, struct vxc_slice *second)
{
    struct cursor c = cursor_of(list->raw);

    return list->count > 0 && take_bytes(&c, first) && take_bytes(&c, second) && advance(list, &c);
}

bool vxc_list_next_multi(struct vxc_list *list, struct vxc_slice *key, struct vxc_list *items)
{
    struct cursor c = cursor_of(list->raw);

    return list->count > 0 && take_bytes(&c, key) && take_list(&c, VXC_TYPE_ITEMS, items) &&
           advance(list, &c);
}

bool vxc_list_next_message(struct vxc_list *list, uint16_t *kind, struct vxc_slice *payload)
{
    struct cursor c = cursor_of(list->raw);

    return list->count > 0 && take_u16(&c, kind) && take_bytes(&c, payload) && advance(list, &c);
}

static int read_list(struct vxc_slice encoded, enum vxc_field_type type, struct vxc_list *list)
{
    struct cursor c = cursor_of(encoded);
    struct vxc_list read;

    if (!take_list(&c, type, &read) || left(&c) != 0) {
        return VXC_EPROTO;
    }
    *list = read;
    return 0;
}

int vxc_list_read_items(struct vxc_slice encoded, struct vxc_list *list)
{
    return read_list(encoded, VXC_TYPE_ITEMS, list);
}

int vxc_list_read_pairs(struct vxc_slice encoded, struct vxc_list *list)
{
    return read_list(encoded, VXC_TYPE_PAIRS, list);
}

/* ---- reading fields ---- */

static bool take_opt_bytes(struct cursor *c, struct vxc_opt_bytes *v)
{
    v->bytes = vxc_slice(NULL, 0);
    return take_flag(c, &v->present) && (!v->present || take_bytes(c, &v->bytes));
}

static bool take_opt_u64(struct cursor *c, struct vxc_opt_u64 *v)
{
    v->number = 0;
    return take_flag(c, &v->present) && (!v->present || take_u64(c, &v->number));
}

static inline bool take_field(struct cursor *c, enum vxc_field_type type, void *field)
{
    switch (type) {
    case VXC_TYPE_BYTES:
        return take_bytes(c, field);
    case VXC_TYPE_U8:
        return take_u8(c, field);
    case VXC_TYPE_U16:
        return take_u16(c, field);
    case VXC_TYPE_U32:
        return take_u32(c, field);
    case VXC_TYPE_U64:
    case VXC_TYPE_I64: /* two's complement, as the field is stored */
        return take_u64(c, field);
    case VXC_TYPE_BOOL:
        return take_flag(c, field);
    case VXC_TYPE_CODE:
        return take_u8(c, field) && *(const uint8_t *)field <= 1;
    case VXC_TYPE_OPT_BYTES:
        return take_opt_bytes(c, field);
    case VXC_TYPE_OPT_U64:
        return take_opt_u64(c, field);
    case VXC_TYPE_ITEMS:
    case VXC_TYPE_PAIRS:
    case VXC_TYPE_MULTI:
    case VXC_TYPE_MESSAGES:
    case VXC_TYPE_OPERATIONS:
        return take_list(c, type, field);
    }
    return false;
}

static size_t field_size(enum vxc_field_type type)
{
    switch (type) {
    case VXC_TYPE_U8:
    case VXC_TYPE_BOOL:
    case VXC_TYPE_CODE:
        return 1;
    case VXC_TYPE_U16:
        return 2;
    case VXC_TYPE_U32:
        return 4;
    case VXC_TYPE_U64:
    case VXC_TYPE_I64:
        return 8;
    case VXC_TYPE_BYTES:
        return sizeof(struct vxc_slice);
    case VXC_TYPE_OPT_BYTES:
        return sizeof(struct vxc_opt_bytes);
    case VXC_TYPE_OPT_U64:
        return sizeof(struct vxc_opt_u64);
    default:
        return sizeof(struct vxc_list);
    }
}

static_assert(sizeof(bool) == 1, "a bool is stored as its byte");

int vxc_fields_decode(const struct vxc_field_schema *fields, size_t count, bool open_end,
                      struct vxc_slice *rest, void *out)
{
    struct cursor c = cursor_of(*rest);

    for (size_t i = 0; i < count; i++) {
        void *field = (char *)out + fields[i].offset;
        if (c.at == c.end && open_end) {
            memset(field, 0, field_size(fields[i].type));
        } else if (!take_field(&c, fields[i].type, field)) {
            return VXC_EPROTO;
        }
    }
    *rest = slice_of(&c);
    return 0;
}

/* ---- writing fields ---- */

/* Adds up without wrapping: SIZE_MAX, once reached, stays. */
static size_t add(size_t a, size_t b)
{
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static size_t bytes_size(struct vxc_slice bytes)
{
    return bytes.size > UINT32_MAX ? SIZE_MAX : 4 + bytes.size;
}

static size_t encoded_size(enum vxc_field_type type, const void *field)
{
    switch (type) {
    case VXC_TYPE_BYTES:
        return bytes_size(*(const struct vxc_slice *)field);
    case VXC_TYPE_OPT_BYTES: {
        const struct vxc_opt_bytes *v = field;
        return v->present ? add(1, bytes_size(v->bytes)) : 1;
    }
    case VXC_TYPE_OPT_U64:
        return ((const struct vxc_opt_u64 *)field)->present ? 9 : 1;
    case VXC_TYPE_ITEMS:
    case VXC_TYPE_PAIRS:
    case VXC_TYPE_MULTI:
    case VXC_TYPE_MESSAGES:
    case VXC_TYPE_OPERATIONS:
        return add(4, ((const struct vxc_list *)field)->raw.size);
    default:
        return field_size(type); /* numbers travel as they are stored */
    }
}

size_t vxc_fields_size(const struct vxc_field_schema *fields, size_t count, const void *in)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        size = add(size, encoded_size(fields[i].type, (const char *)in + fields[i].offset));
    }
    return size;
}

static uint8_t *write_raw(uint8_t *at, struct vxc_slice bytes)
{
    if (bytes.size != 0) {
        memcpy(at, bytes.data, bytes.size);
    }
    return at + bytes.size;
}

static uint8_t *write_bytes(uint8_t *at, struct vxc_slice bytes)
{
    vxc_store_u32(at, (uint32_t)bytes.size);
    return write_raw(at + 4, bytes);
}

static uint8_t *write_field(enum vxc_field_type type, const void *field, uint8_t *at)
{
    switch (type) {
    case VXC_TYPE_BYTES:
        return write_bytes(at, *(const struct vxc_slice *)field);
    case VXC_TYPE_U8:
    case VXC_TYPE_BOOL:
    case VXC_TYPE_CODE:
        *at = *(const uint8_t *)field;
        return at + 1;
    case VXC_TYPE_U16:
        vxc_store_u16(at, *(const uint16_t *)field);
        return at + 2;
    case VXC_TYPE_U32:
        vxc_store_u32(at, *(const uint32_t *)field);
        return at + 4;
    case VXC_TYPE_U64:
    case VXC_TYPE_I64:
        vxc_store_u64(at, *(const uint64_t *)field);
        return at + 8;
    case VXC_TYPE_OPT_BYTES: {
        const struct vxc_opt_bytes *v = field;
        *at++ = v->present;
        return v->present ? write_bytes(at, v->bytes) : at;
    }
    case VXC_TYPE_OPT_U64: {
        const struct vxc_opt_u64 *v = field;
        *at++ = v->present;
        if (v->present) {
            vxc_store_u64(at, v->number);
            at += 8;
        }
        return at;
    }
    default: {
        const struct vxc_list *v = field;
        vxc_store_u32(at, v->count);
        return write_raw(at + 4, v->raw);
    }
    }
}

uint8_t *vxc_fields_write(const struct vxc_field_schema *fields, size_t count, const void *in,
                          uint8_t *at)
{
    for (size_t i = 0; i < count; i++) {
        at = write_field(fields[i].type, (const char *)in + fields[i].offset, at);
    }
    return at;
}
