/* Inside the store: what its parts share. store.c opens, describes and closes; store_read.c serves
 * the loop thread; store_writer.c is the storage thread and its job slot; store_commit.c is what
 * one commit does to LMDB. Nobody else includes this, or lmdb.h. */
#ifndef VXC_STORAGE_STORE_INTERNAL_H
#define VXC_STORAGE_STORE_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>

#include "storage/store.h"

/* Rows of the store itself in `meta`; all other rows there belong to src/fsm. */
#define VXC_STORE_KEY_PREFIX        "store."
#define VXC_STORE_KEY_FORMAT        "store.format"
#define VXC_STORE_KEY_COMMIT        "store.commit"
#define VXC_STORE_KEY_CONFIGURATION "store.configuration"
#define VXC_STORE_FORMAT_MAGIC      "VXCSTATE"
#define VXC_STORE_FORMAT_VERSION    1u

enum {
    VXC_STORE_FORMAT_SIZE = 8 + 4,             /* magic, version */
    VXC_STORE_COMMIT_SIZE = 8 + 8 + 4 + 8 * 4, /* see vxc_store_meta_encode */
    VXC_STORE_GARBAGE_KEY_SIZE = 1 + 8 + 8,    /* database, object id, generation */
};

/* The two sums that a commit moves: `total` is replicated and compared between nodes, `local`
 * covers what differs between them (meta and garbage, less the row that holds the sums). */
struct vxc_store_sums {
    uint64_t total;
    uint64_t local;
};

struct vxc_store_job {
    struct vxc_store_change *changes; /* borrowed, or owned when fill is set */
    size_t count;
    void *fill_data;
    vxc_store_fill_cb fill;
    struct vxc_store_meta meta; /* its configuration lies in the buffer below */
    struct vxc_buffer configuration;
    struct vxc_key_sort_item *order; /* of the changes; made once, kept over retries */
};

/* State of the storage thread; nobody else touches it while the thread runs. */
struct vxc_store_writer {
    struct vxc_store_sums sums; /* of the last LMDB commit */
    uint64_t applied_index;     /* of the last LMDB commit */
    bool garbage_left;
};

struct vxc_store {
    struct vxc_store_options options;
    char *path;
    MDB_env *env;
    MDB_dbi dbis[VXC_DB_COUNT];
    bool db_known[VXC_DB_COUNT]; /* false only for a read-only state without that database */

    /* loop thread: reads */
    MDB_txn *reader; /* begun once, then reset and renewed */
    bool reading;
    struct vxc_store_cursor *idle_cursors;
    struct vxc_store_meta meta; /* of the last collected commit; configuration in the buffer */
    struct vxc_buffer configuration;
    uint64_t digest;

    struct vxc_store_writer writer;

    pthread_mutex_t gate; /* held by a commit; whoever holds it knows that none comes in between */

    /* shared, under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t work; /* to the storage thread: a job or closing */
    pthread_cond_t done; /* to waiters: a job has ended */
    pthread_t thread;
    bool thread_started;
    bool closing;
    bool abandoned;      /* a commit that meets no space is not tried again */
    bool commit_pending; /* given, not yet in LMDB */
    bool commit_done;    /* in LMDB, not yet collected */
    bool sync_pending;
    uint64_t digest_done; /* total after the commit that is done */
    struct vxc_store_job job;
    struct vxc_store_stats stats;
    int event_fd;
};

/* Puts what LMDB said into err: code translated, text with the path and what was being done. */
int vxc_store_fail(const struct vxc_store *store, struct vxc_error *err, int rc, const char *doing);

/* ---- meta rows (store_meta.c) ---- */

/* Value of a row as it lies in LMDB: checksum, then body. VXC_ENOTFOUND, VXC_ECORRUPT with database
 * and key. */
int vxc_store_row_decode(enum vxc_database db, struct vxc_slice key, MDB_val value,
                         struct vxc_slice *body, struct vxc_error *err);
void vxc_store_commit_encode(const struct vxc_store_meta *meta, const struct vxc_store_sums *sums,
                             uint8_t out[VXC_STORE_COMMIT_SIZE]);
/* VXC_ECORRUPT when the size is wrong. Leaves the configuration alone. */
int vxc_store_commit_decode(struct vxc_slice body, struct vxc_store_meta *meta,
                            struct vxc_store_sums *sums, struct vxc_error *err);
int vxc_store_format_check(struct vxc_slice body, struct vxc_error *err);

/* ---- reads (store_read.c) ---- */

int vxc_store_begin_read(struct vxc_store *store, struct vxc_error *err);
/* Reads format, commit and configuration through the reader into store->meta and *sums. */
int vxc_store_load_meta(struct vxc_store *store, struct vxc_store_sums *sums,
                        struct vxc_error *err);
void vxc_store_free_cursors(struct vxc_store *store);

/* ---- one commit (store_commit.c); return LMDB codes ---- */

/* Writes the job's rows and meta, and reclaims some garbage, in one LMDB transaction. */
int vxc_store_commit_job(struct vxc_store *store, struct vxc_store_job *job);
/* Only reclaims. */
int vxc_store_commit_reclaim(struct vxc_store *store);
/* The rows of an empty state. */
int vxc_store_commit_birth(struct vxc_store *store);

/* ---- the storage thread (store_writer.c) ---- */

int vxc_store_writer_start(struct vxc_store *store, struct vxc_error *err);
void vxc_store_writer_stop(struct vxc_store *store);

#endif
