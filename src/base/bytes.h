/* Bytes: borrowed slices, owned buffers, and bounds-checked little-endian cursors over them.
 *
 * Whatever is stored or sent is written field by field through a writer and read through a reader;
 * structs are never copied out. A reader never runs past its end: the first short read makes it
 * `bad`, all later reads give zeros, and the caller asks once at the end with vxc_reader_ok().
 * Length prefixes are compared with what is left before anything else happens.
 */
#ifndef VXC_BASE_BYTES_H
#define VXC_BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes: valid until the moment that the function handing them out states. */
struct vxc_slice {
    const uint8_t *data; /* may be NULL when size is 0 */
    size_t size;         /* bytes */
};

/* Owned, growing bytes. Zero-initialise or vxc_buffer_init(); free with vxc_buffer_free(). */
struct vxc_buffer {
    uint8_t *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
};

static inline struct vxc_slice vxc_slice(const void *data, size_t size)
{
    return (struct vxc_slice){(const uint8_t *)data, size};
}

static inline struct vxc_slice vxc_slice_of_string(const char *string)
{
    return vxc_slice(string, strlen(string));
}

static inline bool vxc_slice_equal(struct vxc_slice a, struct vxc_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* memcmp order, a prefix before what it begins. */
int vxc_slice_compare(struct vxc_slice a, struct vxc_slice b);

/* ---- little-endian words at an address, aligned or not ---- */

static inline void vxc_store_u16(uint8_t *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof v);
}

static inline void vxc_store_u32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static inline void vxc_store_u64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

static inline uint16_t vxc_load_u16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof v);
    return le16toh(v);
}

static inline uint32_t vxc_load_u32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static inline uint64_t vxc_load_u64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

/* Big-endian words, for keys that must sort by number. */
static inline void vxc_store_be32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof v);
}

static inline uint32_t vxc_load_be32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static inline void vxc_store_be64(uint8_t *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof v);
}

static inline uint64_t vxc_load_be64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

/* ---- buffers (they are the writers) ---- */

void vxc_buffer_init(struct vxc_buffer *b);
void vxc_buffer_free(struct vxc_buffer *b); /* leaves an empty buffer; fine on an empty one */

int vxc_buffer_grow(struct vxc_buffer *b, size_t more); /* the slow part of vxc_buffer_reserve */

/* Makes room for `more` bytes beyond size. 0 or VXC_ENOMEM (then nothing changed). */
static inline int vxc_buffer_reserve(struct vxc_buffer *b, size_t more)
{
    return more <= b->capacity - b->size ? 0 : vxc_buffer_grow(b, more);
}

static inline void vxc_buffer_clear(struct vxc_buffer *b)
{
    b->size = 0;
}

static inline struct vxc_slice vxc_buffer_slice(const struct vxc_buffer *b)
{
    return vxc_slice(b->data, b->size);
}

/* Appends; on VXC_ENOMEM nothing is appended. `data` must not point into b. */
static inline int vxc_buffer_append(struct vxc_buffer *b, const void *data, size_t size)
{
    int rv = vxc_buffer_reserve(b, size);

    if (rv == 0 && size != 0) {
        memcpy(b->data + b->size, data, size);
        b->size += size;
    }
    return rv;
}

static inline int vxc_buffer_put_u8(struct vxc_buffer *b, uint8_t v)
{
    int rv = vxc_buffer_reserve(b, sizeof v);

    if (rv == 0) {
        b->data[b->size] = v;
        b->size += sizeof v;
    }
    return rv;
}

static inline int vxc_buffer_put_u16(struct vxc_buffer *b, uint16_t v)
{
    int rv = vxc_buffer_reserve(b, sizeof v);

    if (rv == 0) {
        vxc_store_u16(b->data + b->size, v);
        b->size += sizeof v;
    }
    return rv;
}

static inline int vxc_buffer_put_u32(struct vxc_buffer *b, uint32_t v)
{
    int rv = vxc_buffer_reserve(b, sizeof v);

    if (rv == 0) {
        vxc_store_u32(b->data + b->size, v);
        b->size += sizeof v;
    }
    return rv;
}

static inline int vxc_buffer_put_u64(struct vxc_buffer *b, uint64_t v)
{
    int rv = vxc_buffer_reserve(b, sizeof v);

    if (rv == 0) {
        vxc_store_u64(b->data + b->size, v);
        b->size += sizeof v;
    }
    return rv;
}

/* u32 length, then the bytes. */
int vxc_buffer_put_bytes(struct vxc_buffer *b, struct vxc_slice bytes);

/* ---- readers ---- */

struct vxc_reader {
    const uint8_t *cursor;
    const uint8_t *end;
    bool bad; /* a read ran past the end */
};

static inline struct vxc_reader vxc_reader(struct vxc_slice s)
{
    return (struct vxc_reader){s.data, s.size == 0 ? s.data : s.data + s.size, false};
}

static inline size_t vxc_reader_left(const struct vxc_reader *r)
{
    return r->cursor == r->end ? 0 : (size_t)(r->end - r->cursor);
}

static inline bool vxc_reader_ok(const struct vxc_reader *r)
{
    return !r->bad;
}

static inline bool vxc_reader_at_end(const struct vxc_reader *r)
{
    return !r->bad && r->cursor == r->end;
}

/* The next `size` bytes, borrowed, or NULL, and then the reader is bad for good. */
static inline const uint8_t *vxc_reader_take(struct vxc_reader *r, size_t size)
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

static inline uint8_t vxc_reader_u8(struct vxc_reader *r)
{
    const uint8_t *p = vxc_reader_take(r, 1);

    return p == NULL ? 0 : p[0];
}

static inline uint16_t vxc_reader_u16(struct vxc_reader *r)
{
    const uint8_t *p = vxc_reader_take(r, 2);

    return p == NULL ? 0 : vxc_load_u16(p);
}

static inline uint32_t vxc_reader_u32(struct vxc_reader *r)
{
    const uint8_t *p = vxc_reader_take(r, 4);

    return p == NULL ? 0 : vxc_load_u32(p);
}

static inline uint64_t vxc_reader_u64(struct vxc_reader *r)
{
    const uint8_t *p = vxc_reader_take(r, 8);

    return p == NULL ? 0 : vxc_load_u64(p);
}

/* `size` raw bytes, borrowed from what the reader reads. */
static inline struct vxc_slice vxc_reader_raw(struct vxc_reader *r, size_t size)
{
    const uint8_t *p = vxc_reader_take(r, size);

    return p == NULL ? vxc_slice(NULL, 0) : vxc_slice(p, size);
}

/* u32 length, then the bytes; bad when the length exceeds what is left. */
static inline struct vxc_slice vxc_reader_bytes(struct vxc_reader *r)
{
    return vxc_reader_raw(r, vxc_reader_u32(r));
}

#endif
