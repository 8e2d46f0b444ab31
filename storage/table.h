/* The table: resident rows, dirty or clean, in front of the store. It decides the speed of the
 * node.
 *
 * A row is found in a hash; a miss reads the store (and remembers the row as clean; clean rows are
 * bounded by clean_bytes_max and evicted, least recently used first or nearly so). put and del make
 * rows dirty. At an entry boundary freeze() hands all dirty rows to the store as one commit; writes
 * meanwhile go on beside them (a frozen value is kept until the commit is collected). Scans merge
 * the store's order with that of the dirty rows, whose ordered view is built lazily, per scanned
 * prefix.
 *
 * There are no blind puts: callers read the old row first (size, TTL and quota need it).
 * Threads: loop thread only. Deterministic: what scans return does not depend on what was frozen
 * when.
 */
#ifndef VXC_STORAGE_TABLE_H
#define VXC_STORAGE_TABLE_H

#include "base/bytes.h"
#include "base/error.h"
#include "storage/row.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_table;
struct vxc_table_scan;

/* Takes the store on loan; it must outlive the table. */
int vxc_table_create(struct vxc_store *store, uint64_t clean_bytes_max, struct vxc_table **table);
void vxc_table_free(struct vxc_table *table);

/* Reads the rows of the store, about `rows`, in their order until the clean rows reach their bound.
 * For an empty table before a long replay, which would else look for nearly each of them by itself,
 * at five times the cost. What cannot be read is left for the get that needs it. */
void vxc_table_preload(struct vxc_table *table, uint64_t rows);

/* 0 with the body (borrowed until the next put, del or end_turn), or VXC_ENOTFOUND.
 * Damage or a failed read of the store is latched: see vxc_table_error(). */
int vxc_table_get(struct vxc_table *table, enum vxc_database db, struct vxc_slice key,
                  struct vxc_slice *body);

/* Says that a get or put of this key comes soon, some VXC_TABLE_EXPECT_AHEAD calls of this one from
 * now: what it will look at is fetched into the processor's caches meanwhile, for in a large table
 * nearly all of its time is waiting for memory. Changes nothing. */
#define VXC_TABLE_EXPECT_AHEAD 8u
void vxc_table_expect(struct vxc_table *table, enum vxc_database db, struct vxc_slice key);

/* Copies key and body. `body` may be given in two parts, written one after the other (a head that
 * the caller encodes and the user's value), so that large values are copied once. */
void vxc_table_put(struct vxc_table *table, enum vxc_database db, struct vxc_slice key,
                   struct vxc_slice head, struct vxc_slice tail);
void vxc_table_del(struct vxc_table *table, enum vxc_database db, struct vxc_slice key);

/* Ordered walk over rows whose key begins with prefix, from the first key ≥ from (or > from when
 * `after`). The table must not be changed while a scan is open, except by deleting or overwriting
 * the row just returned. Slices are borrowed until the next step. */
struct vxc_table_scan *vxc_table_scan_open(struct vxc_table *table, enum vxc_database db,
                                           struct vxc_slice prefix, struct vxc_slice from,
                                           bool after);
bool vxc_table_scan_next(struct vxc_table_scan *scan, struct vxc_slice *key,
                         struct vxc_slice *body);
void vxc_table_scan_close(struct vxc_table_scan *scan);

/* First damage or failed read met: 0 or the code, with text. The replica stops the node on it. */
int vxc_table_error(const struct vxc_table *table, struct vxc_error *err);

/* Hands all dirty rows to the store as one commit under `meta`. Precondition: no commit is running
 * (vxc_table_freezing() is false). With nothing dirty it still commits meta when that moved. */
void vxc_table_freeze(struct vxc_table *table, const struct vxc_store_meta *meta);
bool vxc_table_freezing(const struct vxc_table *table);

/* To be called when vxc_store_collect() returned true for a commit: frozen rows become clean. */
void vxc_table_thaw(struct vxc_table *table);

/* End of a loop turn: ends the store's reads, evicts clean rows over the bound. */
void vxc_table_end_turn(struct vxc_table *table);

struct vxc_table_stats {
    uint64_t dirty_rows, dirty_bytes;   /* not yet frozen */
    uint64_t frozen_rows, frozen_bytes; /* in the running commit */
    uint64_t clean_rows, clean_bytes;
    uint64_t hits_total, misses_total;
};
void vxc_table_stats(const struct vxc_table *table, struct vxc_table_stats *stats);

#endif
