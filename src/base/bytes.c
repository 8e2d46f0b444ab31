#include "bytes.h"

#include "base/memory.h"

#include "error.h"

enum { BUFFER_SIZE_FIRST = 256 };

int vxc_slice_compare(struct vxc_slice a, struct vxc_slice b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);

    if (order != 0) {
        return order;
    }
    return a.size < b.size ? -1 : a.size > b.size;
}

void vxc_buffer_init(struct vxc_buffer *b)
{
    *b = (struct vxc_buffer){NULL, 0, 0};
}

void vxc_buffer_free(struct vxc_buffer *b)
{
    vxc_free(b->data);
    vxc_buffer_init(b);
}

int vxc_buffer_reserve(struct vxc_buffer *b, size_t more)
{
    size_t capacity = b->capacity == 0 ? BUFFER_SIZE_FIRST : b->capacity;
    uint8_t *data;

    if (more <= b->capacity - b->size) {
        return 0;
    }
    if (more > SIZE_MAX / 2 - b->size) {
        return VXC_ENOMEM;
    }
    while (capacity < b->size + more) {
        capacity *= 2;
    }
    data = vxc_realloc(b->data, capacity);
    if (data == NULL) {
        return VXC_ENOMEM;
    }
    b->data = data;
    b->capacity = capacity;
    return 0;
}

int vxc_buffer_append(struct vxc_buffer *b, const void *data, size_t size)
{
    int rv = vxc_buffer_reserve(b, size);

    if (rv != 0) {
        return rv;
    }
    if (size != 0) {
        memcpy(b->data + b->size, data, size);
        b->size += size;
    }
    return 0;
}

int vxc_buffer_put_u8(struct vxc_buffer *b, uint8_t v)
{
    return vxc_buffer_append(b, &v, 1);
}

int vxc_buffer_put_u16(struct vxc_buffer *b, uint16_t v)
{
    uint8_t raw[2];
    vxc_store_u16(raw, v);
    return vxc_buffer_append(b, raw, sizeof raw);
}

int vxc_buffer_put_u32(struct vxc_buffer *b, uint32_t v)
{
    uint8_t raw[4];
    vxc_store_u32(raw, v);
    return vxc_buffer_append(b, raw, sizeof raw);
}

int vxc_buffer_put_u64(struct vxc_buffer *b, uint64_t v)
{
    uint8_t raw[8];
    vxc_store_u64(raw, v);
    return vxc_buffer_append(b, raw, sizeof raw);
}

int vxc_buffer_put_bytes(struct vxc_buffer *b, struct vxc_slice bytes)
{
    int rv;

    if (bytes.size > UINT32_MAX) {
        return VXC_ETOOBIG;
    }
    rv = vxc_buffer_reserve(b, 4 + bytes.size);
    if (rv != 0) {
        return rv;
    }
    (void)vxc_buffer_put_u32(b, (uint32_t)bytes.size); /* room was just made */
    return vxc_buffer_append(b, bytes.data, bytes.size);
}

/* Gives the next `size` bytes or NULL, and then the reader is bad for good. */
static const uint8_t *take(struct vxc_reader *r, size_t size)
{
    const uint8_t *at = r->cursor;

    if (r->bad || size > vxc_reader_left(r)) {
        r->bad = true;
        r->cursor = r->end;
        return NULL;
    }
    if (size != 0) {
        r->cursor += size;
    }
    return at;
}

uint8_t vxc_reader_u8(struct vxc_reader *r)
{
    const uint8_t *p = take(r, 1);
    return p == NULL ? 0 : p[0];
}

uint16_t vxc_reader_u16(struct vxc_reader *r)
{
    const uint8_t *p = take(r, 2);
    return p == NULL ? 0 : vxc_load_u16(p);
}

uint32_t vxc_reader_u32(struct vxc_reader *r)
{
    const uint8_t *p = take(r, 4);
    return p == NULL ? 0 : vxc_load_u32(p);
}

uint64_t vxc_reader_u64(struct vxc_reader *r)
{
    const uint8_t *p = take(r, 8);
    return p == NULL ? 0 : vxc_load_u64(p);
}

struct vxc_slice vxc_reader_raw(struct vxc_reader *r, size_t size)
{
    const uint8_t *p = take(r, size);
    return p == NULL ? vxc_slice(NULL, 0) : vxc_slice(p, size);
}

struct vxc_slice vxc_reader_bytes(struct vxc_reader *r)
{
    uint32_t size = vxc_reader_u32(r);
    return vxc_reader_raw(r, size);
}
