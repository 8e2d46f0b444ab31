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

int vxc_buffer_grow(struct vxc_buffer *b, size_t more)
{
    size_t capacity = b->capacity == 0 ? BUFFER_SIZE_FIRST : b->capacity;
    uint8_t *data;

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
