#include "store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "storage/verify.h"
#include "storage/verify_pages.h"

/* The thread sanitizer leaves too little address space for the usual map. */
#if defined(__SANITIZE_THREAD__)
#define MAP_SIZE_DEFAULT (64ull << 30)
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MAP_SIZE_DEFAULT (64ull << 30)
#endif
#endif
#ifndef MAP_SIZE_DEFAULT
#define MAP_SIZE_DEFAULT VXC_LMDB_MAP_SIZE
#endif
/* below this the machine's address space is too small to go on */
#define MAP_SIZE_MIN (1ull << 30)

static int code_of(int rc)
{
    switch (rc) {
    case MDB_NOTFOUND:
        return VXC_ENOTFOUND;
    case MDB_MAP_FULL:
        return VXC_ENOSPC;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return VXC_ECORRUPT;
    case MDB_VERSION_MISMATCH:
        return VXC_EVERSION;
    default:
        return rc > 0 ? vxc_error_from_errno(rc) : VXC_EIO;
    }
}

int vxc_store_fail(const struct vxc_store *store, struct vxc_error *err, int rc, const char *doing)
{
    return vxc_error_set(err, code_of(rc), "%s/data.mdb: %s: %s", store->path, doing,
                         mdb_strerror(rc));
}

/* ---- environment and databases ---- */

/* Maps as much address space as asked for, or less on a machine that limits it. */
static int open_env(struct vxc_store *store, const char *path, uint64_t map_size,
                    struct vxc_error *err)
{
    unsigned flags = MDB_NOTLS | (store->options.read_only ? MDB_RDONLY : MDB_NOMETASYNC);
    int dead;
    int rc;

    for (;;) {
        rc = mdb_env_create(&store->env);
        if (rc != 0) {
            store->env = NULL;
            return vxc_store_fail(store, err, rc, "create the environment");
        }
        (void)mdb_env_set_maxdbs(store->env, VXC_LMDB_DATABASES_MAX); /* fails only once open */
        if (!store->options.read_only) {
            (void)mdb_env_set_mapsize(store->env, map_size); /* the same */
        }
        rc = mdb_env_open(store->env, path, flags, 0600);
        if (rc != ENOMEM || store->options.read_only || map_size / 2 < MAP_SIZE_MIN) {
            break;
        }
        mdb_env_close(store->env);
        map_size /= 2;
    }
    if (rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH) {
        /* The meta pages were found good before, so it is the lock file, which LMDB would have made
         * anew if nobody else held it. */
        return vxc_error_set(err, VXC_ELOCKED,
                             "%s/lock.mdb: damaged, and another process uses the state: stop it",
                             path);
    }
    if (rc != 0) {
        return vxc_store_fail(store, err, rc, "open");
    }
    (void)mdb_reader_check(store->env, &dead); /* best effort: slots of dead readers */
    return 0;
}

static int open_databases(struct vxc_store *store, struct vxc_error *err)
{
    bool read_only = store->options.read_only;
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, read_only ? MDB_RDONLY : 0, &txn);

    if (rc != 0) {
        return vxc_store_fail(store, err, rc, "begin a transaction");
    }
    for (int db = 0; db < VXC_DB_COUNT; db++) {
        const char *name = vxc_database_name((enum vxc_database)db);

        rc = mdb_dbi_open(txn, name, read_only ? 0 : MDB_CREATE, &store->dbis[db]);
        if (rc == MDB_NOTFOUND) {
            continue; /* only when read-only: the file is older than this database */
        }
        if (rc != 0) {
            mdb_txn_abort(txn);
            return vxc_store_fail(store, err, rc, name);
        }
        store->db_known[db] = true;
    }
    rc = mdb_txn_commit(txn);
    return rc == 0 ? 0 : vxc_store_fail(store, err, rc, "open the databases");
}

static void close_env(struct vxc_store *store)
{
    vxc_store_free_cursors(store);
    if (store->reader != NULL) {
        mdb_txn_abort(store->reader);
        store->reader = NULL;
        store->reading = false;
    }
    if (store->env != NULL) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
}

/* ---- files ---- */

static int file_error(struct vxc_error *err, const char *doing, const char *path)
{
    return vxc_error_set(err, vxc_error_from_errno(errno), "%s: %s: %s", path, doing,
                         strerror(errno));
}

static int sync_folder(const char *path, struct vxc_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rv = 0;

    if (fd < 0) {
        return file_error(err, "open", path);
    }
    if (fsync(fd) != 0) {
        rv = file_error(err, "flush", path);
    }
    (void)close(fd); /* nothing was written through it */
    return rv;
}

static int sync_parent(const char *path, struct vxc_error *err)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL   ? vxc_strdup(".")
                   : slash == path ? vxc_strdup("/")
                                   : vxc_strndup(path, (size_t)(slash - path));
    int rv;

    if (parent == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    rv = sync_folder(parent, err);
    vxc_free(parent);
    return rv;
}

/* Removes what an interrupted birth left behind. */
static void remove_folder(const char *path)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
            (void)unlinkat(fd, files[i], 0); /* if it stays, mkdir or rename will say so */
        }
        (void)close(fd);
        (void)rmdir(path);
    }
}

/* Fills the folder `path` with an empty, durable state. */
static int bear(struct vxc_store *store, const char *path, struct vxc_error *err)
{
    int rv;
    int rc;

    if (mkdir(path, 0700) != 0) {
        return file_error(err, "create the folder", path);
    }
    rv = open_env(store, path, store->options.map_size, err);
    if (rv == 0) {
        rv = open_databases(store, err);
    }
    if (rv == 0) {
        rc = vxc_store_commit_birth(store);
        rc = rc == 0 ? mdb_env_sync(store->env, 1) : rc;
        if (rc != 0) {
            rv = vxc_store_fail(store, err, rc, "write the first rows");
        }
    }
    close_env(store);
    return rv == 0 ? sync_folder(path, err) : rv;
}

/* A state comes to be at once: made beside, then renamed. So an empty or headless file
 * is damage. */
static int create_state(struct vxc_store *store, struct vxc_error *err)
{
    char *fresh = vxc_format("%s.new", store->path);
    int rv;

    if (fresh == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    remove_folder(fresh);
    rv = bear(store, fresh, err);
    if (rv == 0 && rename(fresh, store->path) != 0) {
        rv = file_error(err, "rename", fresh);
    }
    if (rv != 0) {
        remove_folder(fresh);
    } else {
        rv = sync_parent(store->path, err);
    }
    vxc_free(fresh);
    return rv;
}

static int extend_file(const char *file, const struct vxc_pages_meta *meta, struct vxc_error *err)
{
    if (truncate(file, (off_t)((meta->last_page + 1) * meta->page_size)) != 0) {
        return file_error(err, "extend", file);
    }
    return 0;
}

/* What must be known before LMDB touches the file: a file that ends early would end the process. */
static int check_file(struct vxc_store *store, struct vxc_error *err)
{
    struct vxc_verify_report report;
    struct vxc_pages_meta meta;
    char *file = vxc_format("%s/data.mdb", store->path);
    int fd;
    int rv;

    if (file == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    fd = open(file, (store->options.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (fd < 0) {
        rv = file_error(err, "open", file);
    } else {
        rv = vxc_pages_read_meta(fd, file, &meta, err);
        (void)close(fd);
    }
    if (rv == 0 && !vxc_pages_complete(&meta)) {
        rv = vxc_verify_state(store->path, &report, err);
        if (rv == 0 && !store->options.read_only) {
            rv = extend_file(file, &meta, err);
        }
    }
    vxc_free(file);
    return rv;
}

static int find_or_create(struct vxc_store *store, struct vxc_error *err)
{
    int rv = vxc_verify_presence(store->path, err);

    if (rv == VXC_ENOTFOUND && !store->options.read_only) {
        rv = create_state(store, err);
    }
    return rv == 0 ? check_file(store, err) : rv;
}

/* ---- open and close ---- */

static int init_sync(struct vxc_store *store, struct vxc_error *err)
{
    pthread_condattr_t attr;

    store->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (store->event_fd < 0) {
        return vxc_error_set(err, vxc_error_from_errno(errno), "eventfd: %s", strerror(errno));
    }
    /* These cannot fail on Linux with these arguments. */
    (void)pthread_mutex_init(&store->mutex, NULL);
    (void)pthread_mutex_init(&store->gate, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&store->work, &attr);
    (void)pthread_cond_init(&store->done, NULL);
    (void)pthread_condattr_destroy(&attr);
    return 0;
}

static void set_close_on_exec(MDB_env *env)
{
    int fd;

    if (mdb_env_get_fd(env, &fd) == 0) {
        int flags = fcntl(fd, F_GETFD);

        if (flags >= 0) {
            (void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC); /* LMDB does so itself for the others */
        }
    }
}

static bool has_garbage(struct vxc_store *store)
{
    MDB_stat info;

    return store->db_known[VXC_DB_GARBAGE] &&
           mdb_stat(store->reader, store->dbis[VXC_DB_GARBAGE], &info) == 0 && info.ms_entries > 0;
}

static int open_parts(struct vxc_store *store, struct vxc_error *err)
{
    int rv = find_or_create(store, err);

    if (rv == 0) {
        rv = open_env(store, store->path, store->options.map_size, err);
    }
    if (rv == 0) {
        set_close_on_exec(store->env);
        rv = open_databases(store, err);
    }
    if (rv == 0) {
        rv = vxc_store_load_meta(store, &store->writer.sums, err);
    }
    if (rv != 0) {
        return rv;
    }
    store->digest = store->writer.sums.total;
    store->writer.applied_index = store->meta.applied_index;
    store->writer.garbage_left = has_garbage(store);
    store->stats.garbage_left = store->writer.garbage_left;
    if (!store->options.read_only) {
        vxc_store_end_reads(store); /* an offline tool stays at what it saw first */
    }
    return vxc_store_writer_start(store, err);
}

/* Without slashes at the end, for names are made by adding to it. */
static char *copy_path(const char *path)
{
    size_t size = strlen(path);

    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    return vxc_strndup(path, size);
}

int vxc_store_open(const char *path, const struct vxc_store_options *options,
                   struct vxc_store **store, struct vxc_error *err)
{
    struct vxc_store *s = vxc_calloc(1, sizeof *s);
    int rv;

    if (s == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    s->options = *options;
    if (s->options.map_size == 0) {
        s->options.map_size = MAP_SIZE_DEFAULT;
    }
    rv = init_sync(s, err);
    if (rv != 0) {
        vxc_free(s);
        return rv;
    }
    s->path = copy_path(path);
    rv = s->path == NULL ? vxc_error_set(err, VXC_ENOMEM, "out of memory") : open_parts(s, err);
    if (rv != 0) {
        vxc_store_close(s);
        return rv;
    }
    *store = s;
    return 0;
}

void vxc_store_close(struct vxc_store *store)
{
    if (store == NULL) {
        return;
    }
    vxc_store_writer_stop(store);
    close_env(store);
    vxc_buffer_free(&store->configuration);
    vxc_buffer_free(&store->job.configuration);
    (void)pthread_cond_destroy(&store->work);
    (void)pthread_cond_destroy(&store->done);
    (void)pthread_mutex_destroy(&store->gate);
    (void)pthread_mutex_destroy(&store->mutex);
    (void)close(store->event_fd);
    vxc_free(store->path);
    vxc_free(store);
}

/* ---- inspection ---- */

unsigned vxc_store_lmdb_version(void)
{
    int major, minor, patch;

    (void)mdb_version(&major, &minor, &patch); /* the text has a date as well */
    return (unsigned)(major * 10000 + minor * 100 + patch);
}

const struct vxc_store_meta *vxc_store_meta(const struct vxc_store *store)
{
    return &store->meta;
}

uint64_t vxc_store_digest(const struct vxc_store *store)
{
    return store->digest;
}

struct oldest_reader {
    uint64_t txnid;
    int pid; /* 0 = none */
};

/* A line of mdb_reader_list: pid, thread, transaction (or "-" for none). */
static int on_reader_line(const char *line, void *data)
{
    struct oldest_reader *oldest = data;
    char *at;
    char *end;
    long pid = strtol(line, &at, 10);
    unsigned long txnid;

    (void)strtoul(at, &at, 16); /* the thread */
    txnid = strtoul(at, &end, 10);
    if (pid > 0 && end != at && pid != (long)getpid() &&
        (oldest->pid == 0 || txnid < oldest->txnid)) {
        oldest->pid = (int)pid;
        oldest->txnid = txnid;
    }
    return 0;
}

/* Pages freed by transactions that the reader does not see yet cannot be used again: they stand in
 * LMDB's own free tree (dbi 0) under the transaction that freed them. */
static uint64_t pinned_pages(struct vxc_store *store, uint64_t txnid)
{
    bool was_reading = store->reading;
    uint64_t pages = 0;
    size_t from = (size_t)txnid;
    MDB_cursor *cursor;
    MDB_val k = {sizeof from, &from};
    MDB_val v;
    int rc;

    if (vxc_store_begin_read(store, NULL) != 0 || mdb_cursor_open(store->reader, 0, &cursor) != 0) {
        return 0;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (rc == 0) {
        if (v.mv_size >= 8) {
            pages += vxc_load_u64(v.mv_data);
        }
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (!was_reading) {
        vxc_store_end_reads(store); /* or this read would pin pages itself */
    }
    return pages;
}

void vxc_store_stats(struct vxc_store *store, struct vxc_store_stats *stats)
{
    struct oldest_reader oldest = {0, 0};
    MDB_envinfo info;
    MDB_stat page;

    (void)pthread_mutex_lock(&store->mutex);
    *stats = store->stats;
    (void)pthread_mutex_unlock(&store->mutex);
    (void)mdb_env_info(store->env, &info); /* neither can fail on an open environment */
    (void)mdb_env_stat(store->env, &page);
    stats->file_bytes = (uint64_t)(info.me_last_pgno + 1) * page.ms_psize;
    (void)mdb_reader_list(store->env, on_reader_line, &oldest);
    stats->pinned_by_pid = 0;
    stats->pinned_bytes = 0;
    if (oldest.pid != 0) {
        stats->pinned_bytes = pinned_pages(store, oldest.txnid + 1) * page.ms_psize;
        stats->pinned_by_pid = stats->pinned_bytes != 0 ? oldest.pid : 0;
    }
}
