/* Inside the table: what its parts share. table_row.c owns rows and their hash, table_batch.c the
 * rows of one freeze and their ordered views, table_scan.c the merge, table.c the rest. Nobody else
 * includes this.
 *
 * States of a resident row, told by its epoch, which is the number of the batch that holds its last
 * change (0 = clean):
 *
 *     clean ──put/del──▶ dirty ──freeze──▶ frozen ──thaw──▶ thawing ──settle──▶ clean, or gone
 *       ▲  (epoch 0)      (the dirty          (pinned: the     (in the store; settled a few
 *       └──load──┐         batch's)            storage thread   at a time)
 *              store                           reads it)
 *
 * Freeze and thaw move whole batches and touch no row, so neither stalls the loop. A write to a
 * frozen row leaves it to the storage thread (detached) and puts a new row in its place in the
 * hash.
 */
#ifndef VXC_STORAGE_TABLE_INTERNAL_H
#define VXC_STORAGE_TABLE_INTERNAL_H

#include "base/check.h"
#include "storage/table.h"

/* ---- rows (table_row.c) ---- */

enum {
    VXC_ROW_REFERENCED = 1, /* read since the clock's hand came by */
    VXC_ROW_DETACHED = 2,   /* no longer in the hash; freed when its batch is settled */
};

/* One allocation: this head, the key, room for the value. A value that outgrows its room while the
 * row is dirty moves outside, so that a dirty row keeps its address: batches and views point to it.
 */
struct vxc_row {
    struct vxc_row *hash_next;
    uint32_t hash;
    uint32_t epoch;
    uint32_t value_size;
    uint32_t capacity; /* bytes of room for the value */
    uint16_t key_size;
    uint8_t db;
    uint8_t marks;   /* loop thread only */
    uint8_t deleted; /* a tombstone; a byte of its own, for the storage thread reads it */
    uint8_t outside; /* the room holds the address of a struct vxc_row_outside */
    uint8_t data[];  /* key, then the room */
};

struct vxc_row_outside {
    size_t capacity;
    uint8_t data[];
};

/* Linear hashing: the table grows by one bucket at a time, so no insertion ever pays for all rows.
 */
struct vxc_row_hash {
    struct vxc_row ***segments; /* of VXC_HASH_SEGMENT_BUCKETS chains each */
    size_t segments_capacity;
    size_t bucket_count;
    size_t level_mask; /* the power of two at or below bucket_count, less one */
    size_t row_count;
    uint64_t seed; /* so that nobody can choose keys that collide */
};

enum { VXC_HASH_SEGMENT_BUCKETS = 8192 };

/* Calls of expect after which a key's bucket is there, and then its first row. */
enum { VXC_TABLE_BUCKET_CALLS = 3, VXC_TABLE_FIRST_CALLS = 3, VXC_TABLE_EXPECTED = 8 };
_Static_assert(VXC_TABLE_BUCKET_CALLS + VXC_TABLE_FIRST_CALLS < VXC_TABLE_EXPECT_AHEAD &&
                   VXC_TABLE_BUCKET_CALLS + VXC_TABLE_FIRST_CALLS < VXC_TABLE_EXPECTED,
               "all is on its way before the key is used");

static inline struct vxc_slice vxc_row_key_of(const struct vxc_row *row)
{
    return vxc_slice(row->data, row->key_size);
}

uint8_t *vxc_row_room(struct vxc_row *row);
static inline struct vxc_slice vxc_row_value_of(struct vxc_row *row)
{
    return vxc_slice(vxc_row_room(row), row->value_size);
}

/* Ends the process when memory is out: put cannot fail. The value is not filled in. */
struct vxc_row *vxc_row_create(enum vxc_database db, struct vxc_slice key, uint32_t hash,
                               size_t value_size);
void vxc_row_free(struct vxc_row *row);
bool vxc_row_fits(const struct vxc_row *row, size_t value_size);
/* True when a value of this size had better go into a smaller row. */
bool vxc_row_wastes(const struct vxc_row *row, size_t value_size);
/* Makes room for value_size bytes without moving the row; the value is lost when it grows. */
void vxc_row_grow(struct vxc_row *row, size_t value_size, struct vxc_row_outside **old);
/* Bytes of memory, with the overhead of allocator and hash. */
uint64_t vxc_row_bytes(struct vxc_row *row);

void vxc_row_hash_init(struct vxc_row_hash *hash);
void vxc_row_hash_deinit(struct vxc_row_hash *hash); /* frees all rows in it */
uint32_t vxc_row_hash_of(const struct vxc_row_hash *hash, enum vxc_database db,
                         struct vxc_slice key);
struct vxc_row *vxc_row_hash_find(const struct vxc_row_hash *hash, enum vxc_database db,
                                  struct vxc_slice key, uint32_t value);
/* Fetch into the caches, without waiting: the bucket of a hash; the first row of its bucket; the
 * second row where the first is not the one. Each is best called when what the one before it fetches
 * has come. */
void vxc_row_hash_fetch_bucket(const struct vxc_row_hash *hash, uint32_t value);
void vxc_row_hash_fetch_first(const struct vxc_row_hash *hash, uint32_t value);
void vxc_row_hash_fetch_second(const struct vxc_row_hash *hash, uint32_t value);
void vxc_row_hash_insert(struct vxc_row_hash *hash, struct vxc_row *row);
/* Buckets for so many rows at once, which is cheap while there are no rows to move. */
void vxc_row_hash_reserve(struct vxc_row_hash *hash, size_t rows);
void vxc_row_hash_remove(struct vxc_row_hash *hash, struct vxc_row *row);
/* Puts `row` into the place of `old`, which has the same key. */
void vxc_row_hash_replace(struct vxc_row_hash *hash, struct vxc_row *old, struct vxc_row *row);
struct vxc_row **vxc_row_hash_bucket(const struct vxc_row_hash *hash, size_t index);

/* ---- batches and views (table_batch.c) ---- */

/* A position in a view: the rows from there on in key order. NULL = the end. */
struct vxc_view_node {
    struct vxc_row *row;
    uint64_t word; /* eight bytes of the key, big-endian: decides most comparisons */
    struct vxc_view_node *next[];
};

enum { VXC_VIEW_HEIGHT_MAX = 12 };

/* Rows of a batch in key order: a skip list that takes rows in only when somebody scans. */
struct vxc_view {
    struct vxc_view_pending *pending; /* rows not yet taken in; the newest chunk first */
    size_t pending_count;
    struct vxc_view_node **tower; /* VXC_VIEW_HEIGHT_MAX first nodes; NULL until the first scan */
    unsigned height;
    unsigned word_offset; /* bytes that all keys of the view share */
};

struct vxc_view_pending; /* an array of rows and the chunk before it */
struct vxc_view_group;   /* the elements of one generation of an object */
struct vxc_view_chunk;   /* memory of views: given back with the batch */

/* The rows changed between two freezes. */
struct vxc_batch {
    struct vxc_batch *next; /* in the queue of those to be settled */
    uint32_t epoch;
    struct vxc_row **rows; /* in the order of their first change */
    size_t count;
    size_t capacity;
    uint64_t bytes; /* memory of its rows */
    struct vxc_view views[VXC_DB_COUNT];
    size_t view_taken[VXC_DB_COUNT]; /* object databases: rows[] before this are in the view */
    struct vxc_view_group **groups;  /* chains by (database, id, generation) */
    size_t group_buckets;            /* a power of two, or 0 */
    size_t group_count;
    struct vxc_view_group *group_last; /* of the row before: most rows share it */
    struct vxc_view_chunk *chunks;
    uint64_t random; /* state of the heights of nodes */
};

struct vxc_batch *vxc_batch_create(uint32_t epoch);
/* Frees list and views, not the rows. NULL is fine. */
void vxc_batch_free(struct vxc_batch *batch);
/* Frees the views only: the rows are still to be settled. */
void vxc_batch_drop_views(struct vxc_batch *batch);
/* Adds a row, once per row and batch. */
void vxc_batch_add(struct vxc_batch *batch, struct vxc_row *row);
/* First row of the database ≥ from among those that a scan of prefix has to see. */
struct vxc_view_node *vxc_batch_seek(struct vxc_batch *batch, enum vxc_database db,
                                     struct vxc_slice prefix, struct vxc_slice from);

/* ---- the table ---- */

enum {
    VXC_TABLE_GAPS = 16,     /* ranges without live rows remembered per database */
    VXC_TABLE_GAP_ROWS = 16, /* dead rows that a scan must have met to remember a range */
};

/* No row in [low, high) is live. Found by scans, cut short by puts. */
struct vxc_table_gap {
    struct vxc_row_key low;
    struct vxc_row_key high;
};

struct vxc_table_gaps {
    struct vxc_table_gap *gaps; /* VXC_TABLE_GAPS of them; NULL until the first */
    unsigned count;
    unsigned replace_next;
};

struct vxc_table {
    struct vxc_store *store; /* borrowed */
    uint64_t clean_bytes_max;
    struct vxc_row_hash hash;
    uint32_t expected[VXC_TABLE_EXPECTED]; /* ring of hashes, the newest at expected_count - 1 */
    unsigned expected_count;               /* wraps around */
    struct vxc_batch *dirty;               /* never NULL */
    struct vxc_batch *frozen;              /* in the running commit, or NULL */
    struct vxc_batch *thawing; /* queue: in the store, rows still to be settled; oldest first */
    size_t thawing_next;       /* first unsettled row of the oldest */
    uint64_t thawing_rows;     /* unsettled ones that have not been changed again */
    uint64_t thawing_bytes;
    size_t clock_hand;     /* bucket that eviction looks at next */
    size_t loaded_in_turn; /* rows */
    struct vxc_table_gaps gaps[VXC_DB_COUNT];
    struct vxc_table_scan *idle_scans;
    size_t open_scans;
    struct vxc_error error;
    uint64_t clean_rows;
    uint64_t clean_bytes;
    uint64_t hits_total;
    uint64_t misses_total;
};

/* Latches the first failure of the store. */
void vxc_table_latch(struct vxc_table *table, const struct vxc_error *err);

/* A live row may have come to be at key: ranges that said otherwise end before it. */
void vxc_table_gaps_cut(struct vxc_table *table, enum vxc_database db, struct vxc_slice key);
void vxc_table_scans_free(struct vxc_table *table);

#endif
