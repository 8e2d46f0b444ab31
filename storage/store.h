/* The store: the LMDB environment, commits on the storage thread, reads on the loop thread.
 *
 * Commits are whole frozen generations of dirty rows (storage/table.h), always the state after a
 * whole log entry, written key-sorted in one LMDB transaction together with that entry's index and
 * term, the cluster time and the committed configuration. The storage thread keeps the digests: per
 * object in its header row, in total in meta (sum of row checksums, modulo 2^64). Flags:
 * MDB_NOMETASYNC | MDB_NOTLS; the log replays what a power cut undoes.
 *
 * Reads see the last commit. A read transaction is begun lazily and ended at the end of the loop
 * turn (vxc_store_end_reads), so that it never pins pages for long.
 *
 * No space (ENOSPC or MAP_FULL) in a commit keeps the frozen rows and is retried; `no_space` in the
 * stats says so meanwhile. Any other failure of a commit or flush ends the process.
 */
#ifndef VXC_STORAGE_STORE_H
#define VXC_STORAGE_STORE_H

#include "base/bytes.h"
#include "base/error.h"
#include "storage/row.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_store;
struct vxc_store_cursor;

struct vxc_store_options {
    uint64_t map_size; /* bytes; 0 = VXC_LMDB_MAP_SIZE (64 GiB under the thread sanitizer) */
    bool read_only;    /* offline tools */
    bool synchronous;  /* commits run in the caller: tests, `--apply each`, the simulator */
};

/* What a commit says of itself, in one LMDB transaction with its rows. */
struct vxc_store_meta {
    uint64_t applied_index; /* last whole entry in the state; 0 = empty */
    uint64_t applied_term;
    uint32_t applied_position; /* `--apply each` only: commands of entry applied_index + 1 done */
    uint64_t cluster_time_ms;
    uint64_t configuration_index;
    struct vxc_slice configuration; /* engine's encoding; after load owned by the store */
};

/* One row of a frozen generation. Borrowed from the table until the commit is collected.
 *
 * Rows of objects (maps, sets, multimaps): whoever changes an element changes its header in the
 * same commit. A header whose generation differs from the stored one, or that is deleted, drops all
 * earlier elements of the object at once; elements of another generation than their header's are
 * not written. A header comes with its digest slot zero: the storage thread fills it. Keys of
 * `meta` that begin with "store." belong to the store. */
struct vxc_store_change {
    enum vxc_database db;
    struct vxc_slice key;
    struct vxc_slice value; /* body without checksum; ignored for a delete */
    uint64_t checksum;      /* vxc_row_checksum of a put */
    bool deleted;
};

/* Of the LMDB that is linked: 924 is 0.9.24. Any thread. */
unsigned vxc_store_lmdb_version(void);

/* Creates the folder when absent. VXC_ECORRUPT (size against the meta page, unreadable pages),
 * VXC_ENOSPC, VXC_EREADONLY, VXC_EVERSION (a newer format), VXC_EIO. */
int vxc_store_open(const char *path, const struct vxc_store_options *options,
                   struct vxc_store **store, struct vxc_error *err);
void vxc_store_close(struct vxc_store *store); /* waits for a running commit; NULL is fine */

/* Meta of the last commit (zeros when there was none). */
const struct vxc_store_meta *vxc_store_meta(const struct vxc_store *store);
uint64_t vxc_store_digest(const struct vxc_store *store); /* total, at meta.applied_index */

/* Reads of the last commit on the loop thread. Slices are borrowed until vxc_store_end_reads() or
 * the next collected commit. The checksum is verified: VXC_ECORRUPT names database and key. */
int vxc_store_get(struct vxc_store *store, enum vxc_database db, struct vxc_slice key,
                  struct vxc_slice *body, struct vxc_error *err);
void vxc_store_end_reads(struct vxc_store *store);

/* Ordered walk: first row ≥ from whose key begins with prefix. Valid until end_reads. */
int vxc_store_cursor_open(struct vxc_store *store, enum vxc_database db, struct vxc_slice prefix,
                          struct vxc_slice from, struct vxc_store_cursor **cursor,
                          struct vxc_error *err);
/* 0 with a row, VXC_ENOTFOUND at the end of the prefix, VXC_ECORRUPT. */
int vxc_store_cursor_next(struct vxc_store_cursor *cursor, struct vxc_slice *key,
                          struct vxc_slice *body, struct vxc_error *err);
void vxc_store_cursor_close(struct vxc_store_cursor *cursor);

/* Starts a commit of `count` changes in any order, one per row (the array and all it points to stay
 * untouched until collected). At most one at a time. */
void vxc_store_commit(struct vxc_store *store, struct vxc_store_change *changes, size_t count,
                      const struct vxc_store_meta *meta);

/* The same, for a caller that wants the array built on the storage thread: it allocates `count`
 * changes and calls fill once, which sets each of them; what they point to is borrowed until
 * collected. */
typedef void (*vxc_store_fill_cb)(void *data, struct vxc_store_change *changes, size_t count);
void vxc_store_commit_filled(struct vxc_store *store, size_t count, void *data,
                             const struct vxc_store_meta *meta, vxc_store_fill_cb fill);

/* True from the start of a commit until it is collected. */
bool vxc_store_busy(const struct vxc_store *store);

/* Readable when a commit or sync is done; collect() then returns true, once per commit. A
 * synchronous store that met no space tries the commit again in each collect(). */
int vxc_store_fd(const struct vxc_store *store);
bool vxc_store_collect(struct vxc_store *store);
/* Blocks until the running commit and sync, if any, are done (collect still returns true for it).
 */
void vxc_store_wait(struct vxc_store *store);
/* The same for a commit that its owner will not live to collect: one that meets no space is dropped
 * (its rows are in the log) instead of tried again. The store is no longer busy then. */
void vxc_store_abandon(struct vxc_store *store);

/* mdb_env_sync(force): on return everything committed survives a power cut. Runs as a job of the
 * storage thread; the index it covers is in stats.synced_index after collect. */
void vxc_store_sync(struct vxc_store *store);

/* Deletes up to VXC_RECLAIM_ROWS_PER_COMMIT rows of cleared objects; true when more are left. The
 * storage thread does this by itself; only for synchronous stores with no commit outstanding. */
bool vxc_store_reclaim(struct vxc_store *store);

struct vxc_store_stats {
    uint64_t commits_total;
    uint64_t rows_total; /* written or deleted */
    uint64_t commit_us_last;
    uint64_t commit_us_max;
    uint64_t synced_index; /* applied index covered by the last sync */
    uint64_t file_bytes;   /* used pages * page size */
    uint64_t pinned_bytes; /* held back by the oldest foreign reader */
    int pinned_by_pid;     /* 0 = nobody */
    bool no_space;         /* the last try of a commit met ENOSPC or MAP_FULL */
    bool garbage_left;     /* rows of cleared objects still wait for deletion */
};
void vxc_store_stats(struct vxc_store *store, struct vxc_store_stats *stats);

#endif
