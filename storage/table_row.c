#include "table_internal.h"

#include "base/memory.h"

#include <stddef.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    HEAD_SIZE = offsetof(struct vxc_row, data),
    CACHE_LINE_SIZE = 64, /* bytes */
    ROUND_SMALL = 16,     /* bytes; allocation step of small rows */
    ROUND_SHIFT = 3,      /* larger rows grow in steps of an eighth */
    CAPACITY_MIN = 8,     /* bytes; the address of an outside value fits */
    OVERHEAD = 8 + 16, /* bytes per row: the allocator's head and the row's share of the buckets */
    WASTE_MIN = 1024,  /* bytes of room from which a much smaller value moves to a smaller row */
    WASTE_FACTOR = 4,
    LOAD_NUMERATOR = 1, /* rows per bucket at most 1/2: 1.25 rows looked at per hit */
    LOAD_DENOMINATOR = 2,
};

static _Noreturn void out_of_memory(void)
{
    vxc_fatal("out of memory for rows of the table");
}

/* ---- rows ---- */

static struct vxc_row_outside *outside_of(const struct vxc_row *row)
{
    struct vxc_row_outside *outside;

    memcpy(&outside, row->data + row->key_size, sizeof outside);
    return outside;
}

uint8_t *vxc_row_room(struct vxc_row *row)
{
    return row->outside ? outside_of(row)->data : row->data + row->key_size;
}

/* Steps of allocation, so that a value may change its size a little in place. */
static size_t round_size(size_t size)
{
    size_t step = ROUND_SMALL;

    if (size > (ROUND_SMALL << ROUND_SHIFT)) {
        step = (size_t)1 << (63 - __builtin_clzll(size) - ROUND_SHIFT);
    }
    return (size + step - 1) & ~(step - 1);
}

struct vxc_row *vxc_row_create(enum vxc_database db, struct vxc_slice key, uint32_t hash,
                               size_t value_size)
{
    size_t room = value_size < CAPACITY_MIN ? CAPACITY_MIN : value_size;
    size_t size = round_size((size_t)HEAD_SIZE + key.size + room);
    struct vxc_row *row;

    vxc_check(key.size > 0 && key.size <= VXC_ROW_KEY_SIZE_MAX);
    vxc_check(value_size <= UINT32_MAX / 2);
    row = vxc_malloc(size);
    if (row == NULL) {
        out_of_memory();
    }
    row->hash_next = NULL;
    row->hash = hash;
    row->epoch = 0;
    row->value_size = (uint32_t)value_size;
    row->capacity = (uint32_t)(size - HEAD_SIZE - key.size);
    row->key_size = (uint16_t)key.size;
    row->db = (uint8_t)db;
    row->marks = 0;
    row->deleted = 0;
    row->outside = 0;
    memcpy(row->data, key.data, key.size);
    return row;
}

void vxc_row_free(struct vxc_row *row)
{
    if (row->outside) {
        vxc_free(outside_of(row));
    }
    vxc_free(row);
}

static size_t capacity_of(const struct vxc_row *row)
{
    return row->outside ? outside_of(row)->capacity : row->capacity;
}

bool vxc_row_fits(const struct vxc_row *row, size_t value_size)
{
    return value_size <= capacity_of(row);
}

bool vxc_row_wastes(const struct vxc_row *row, size_t value_size)
{
    size_t capacity = capacity_of(row);

    return capacity >= WASTE_MIN && value_size < capacity / WASTE_FACTOR;
}

void vxc_row_grow(struct vxc_row *row, size_t value_size, struct vxc_row_outside **old)
{
    size_t size = round_size(sizeof(struct vxc_row_outside) + value_size);
    struct vxc_row_outside *outside = vxc_malloc(size);

    if (outside == NULL) {
        out_of_memory();
    }
    outside->capacity = size - sizeof *outside;
    *old = row->outside ? outside_of(row) : NULL;
    memcpy(row->data + row->key_size, &outside, sizeof outside);
    row->outside = 1;
}

uint64_t vxc_row_bytes(struct vxc_row *row)
{
    uint64_t bytes = (uint64_t)HEAD_SIZE + row->key_size + row->capacity + OVERHEAD;

    if (row->outside) {
        bytes += outside_of(row)->capacity + sizeof(struct vxc_row_outside) + 8;
    }
    return bytes;
}

/* ---- the hash ---- */

static void add_segment(struct vxc_row_hash *hash, size_t index)
{
    if (index >= hash->segments_capacity) {
        size_t capacity = hash->segments_capacity == 0 ? 64 : hash->segments_capacity * 2;
        struct vxc_row ***segments = vxc_realloc(hash->segments, capacity * sizeof *segments);

        if (segments == NULL) {
            out_of_memory();
        }
        hash->segments = segments;
        hash->segments_capacity = capacity;
    }
    hash->segments[index] = vxc_calloc(VXC_HASH_SEGMENT_BUCKETS, sizeof *hash->segments[index]);
    if (hash->segments[index] == NULL) {
        out_of_memory();
    }
}

void vxc_row_hash_init(struct vxc_row_hash *hash)
{
    *hash = (struct vxc_row_hash){.bucket_count = VXC_HASH_SEGMENT_BUCKETS,
                                  .level_mask = VXC_HASH_SEGMENT_BUCKETS - 1};
    if (getrandom(&hash->seed, sizeof hash->seed, GRND_NONBLOCK) != (ssize_t)sizeof hash->seed) {
        hash->seed = (uint64_t)(uintptr_t)hash; /* early at boot: address randomisation must do */
    }
    add_segment(hash, 0);
}

struct vxc_row **vxc_row_hash_bucket(const struct vxc_row_hash *hash, size_t index)
{
    return &hash->segments[index / VXC_HASH_SEGMENT_BUCKETS][index % VXC_HASH_SEGMENT_BUCKETS];
}

void vxc_row_hash_deinit(struct vxc_row_hash *hash)
{
    for (size_t i = 0; i < hash->bucket_count; i++) {
        struct vxc_row *row = *vxc_row_hash_bucket(hash, i);

        while (row != NULL) {
            struct vxc_row *next = row->hash_next;

            vxc_row_free(row);
            row = next;
        }
    }
    for (size_t i = 0; i * VXC_HASH_SEGMENT_BUCKETS < hash->bucket_count; i++) {
        vxc_free(hash->segments[i]);
    }
    vxc_free(hash->segments);
}

uint32_t vxc_row_hash_of(const struct vxc_row_hash *hash, enum vxc_database db,
                         struct vxc_slice key)
{
    return (uint32_t)XXH3_64bits_withSeed(key.data, key.size, hash->seed + (uint64_t)db);
}

static struct vxc_row **chain_of(const struct vxc_row_hash *hash, uint32_t value)
{
    size_t index = value & (hash->level_mask << 1 | 1);

    if (index >= hash->bucket_count) {
        index = value & hash->level_mask;
    }
    return vxc_row_hash_bucket(hash, index);
}

void vxc_row_hash_fetch_bucket(const struct vxc_row_hash *hash, uint32_t value)
{
    __builtin_prefetch(chain_of(hash, value));
}

/* Head and key, and the beginning of the value. */
static void fetch(const struct vxc_row *row)
{
    if (row != NULL) {
        __builtin_prefetch(row);
        __builtin_prefetch((const uint8_t *)row + CACHE_LINE_SIZE);
        __builtin_prefetch((const uint8_t *)row + CACHE_LINE_SIZE * 2);
    }
}

void vxc_row_hash_fetch_first(const struct vxc_row_hash *hash, uint32_t value)
{
    fetch(*chain_of(hash, value));
}

void vxc_row_hash_fetch_second(const struct vxc_row_hash *hash, uint32_t value)
{
    const struct vxc_row *row = *chain_of(hash, value);

    if (row != NULL && row->hash != value) {
        fetch(row->hash_next);
    }
}

struct vxc_row *vxc_row_hash_find(const struct vxc_row_hash *hash, enum vxc_database db,
                                  struct vxc_slice key, uint32_t value)
{
    struct vxc_row *row = *chain_of(hash, value);

    while (row != NULL) {
        if (row->hash == value && row->key_size == key.size && row->db == (uint8_t)db &&
            memcmp(row->data, key.data, key.size) == 0) {
            return row;
        }
        row = row->hash_next;
    }
    return NULL;
}

/* Adds one bucket and moves into it what belongs there from the bucket that it splits. */
static void split(struct vxc_row_hash *hash)
{
    size_t target = hash->bucket_count;
    size_t source = target & hash->level_mask;
    struct vxc_row **link;
    struct vxc_row **to;

    if (target % VXC_HASH_SEGMENT_BUCKETS == 0) {
        add_segment(hash, target / VXC_HASH_SEGMENT_BUCKETS);
    }
    hash->bucket_count++;
    link = vxc_row_hash_bucket(hash, source);
    to = vxc_row_hash_bucket(hash, target);
    while (*link != NULL) {
        struct vxc_row *row = *link;

        if ((row->hash & (hash->level_mask << 1 | 1)) == target) {
            *link = row->hash_next;
            row->hash_next = *to;
            *to = row;
        } else {
            link = &row->hash_next;
        }
    }
    if (hash->bucket_count == (hash->level_mask + 1) * 2) {
        hash->level_mask = hash->level_mask << 1 | 1;
    }
}

/* Beyond 2^31 buckets the 32-bit hash could not tell them apart; rows just get denser. */
static bool is_dense(const struct vxc_row_hash *hash, size_t rows)
{
    return rows * LOAD_DENOMINATOR > hash->bucket_count * LOAD_NUMERATOR &&
           hash->bucket_count < (size_t)1 << 31;
}

void vxc_row_hash_reserve(struct vxc_row_hash *hash, size_t rows)
{
    while (is_dense(hash, rows)) {
        split(hash);
    }
}

void vxc_row_hash_insert(struct vxc_row_hash *hash, struct vxc_row *row)
{
    struct vxc_row **chain;

    hash->row_count++;
    for (int i = 0; i < LOAD_DENOMINATOR && is_dense(hash, hash->row_count); i++) {
        split(hash); /* as many as one row needs, so that the density stays as it is */
    }
    chain = chain_of(hash, row->hash);
    row->hash_next = *chain;
    *chain = row;
}

static struct vxc_row **link_to(struct vxc_row_hash *hash, const struct vxc_row *row)
{
    struct vxc_row **link = chain_of(hash, row->hash);

    while (*link != row) {
        vxc_check(*link != NULL);
        link = &(*link)->hash_next;
    }
    return link;
}

void vxc_row_hash_remove(struct vxc_row_hash *hash, struct vxc_row *row)
{
    *link_to(hash, row) = row->hash_next;
    row->hash_next = NULL;
    hash->row_count--;
}

void vxc_row_hash_replace(struct vxc_row_hash *hash, struct vxc_row *old, struct vxc_row *row)
{
    *link_to(hash, old) = row;
    row->hash_next = old->hash_next;
    old->hash_next = NULL;
}
