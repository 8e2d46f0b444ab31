#include "storage/image_source.h"

#include "base/thread.h"
#include "storage/image_read.h"
#include "storage/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
    PIPE_SIZE = 1024 * 1024, /* bytes; what LMDB writes at a time, and the most without privilege */
    META_PAGES = 2,          /* at the beginning of every LMDB file */
};

/* ---- what the state is ---- */

static int read_row(MDB_txn *txn, MDB_dbi dbi, const char *name, struct vxc_slice *body,
                    struct vxc_error *err)
{
    struct vxc_slice key = vxc_slice_of_string(name);
    MDB_val k = {key.size, (void *)(uintptr_t)key.data};
    MDB_val v;

    if (mdb_get(txn, dbi, &k, &v) != 0) {
        return vxc_error_set(err, VXC_ECORRUPT, "the row %s of meta is missing", name);
    }
    return vxc_store_row_decode(VXC_DB_META, key, v, body, err);
}

static int read_meta(MDB_txn *txn, MDB_dbi dbi, struct vxc_image_info *info, struct vxc_error *err)
{
    struct vxc_store_meta meta = {0};
    struct vxc_store_sums sums;
    struct vxc_slice body;
    int rv = read_row(txn, dbi, VXC_STORE_KEY_COMMIT, &body, err);

    rv = rv != 0 ? rv : vxc_store_commit_decode(body, &meta, &sums, err);
    rv = rv != 0 ? rv : read_row(txn, dbi, VXC_STORE_KEY_CONFIGURATION, &body, err);
    if (rv != 0) {
        return rv;
    }
    if (body.size > VXC_IMAGE_CONFIGURATION_MAX) {
        return vxc_error_set(err, VXC_ECORRUPT, "a configuration of %zu bytes", body.size);
    }
    info->applied_index = meta.applied_index;
    info->applied_term = meta.applied_term;
    info->applied_position = meta.applied_position;
    info->cluster_time_ms = meta.cluster_time_ms;
    info->digest = sums.total;
    info->configuration_index = meta.configuration_index;
    info->configuration_size = (uint32_t)body.size;
    if (body.size > 0) {
        memcpy(info->configuration, body.data, body.size);
    }
    return 0;
}

static uint64_t bytes_of(const MDB_stat *stat)
{
    return (uint64_t)(stat->ms_branch_pages + stat->ms_leaf_pages + stat->ms_overflow_pages) *
           stat->ms_psize;
}

/* Rows and bytes of all databases. A compact copy has the same pages under other numbers. */
static int count_databases(struct vxc_image_source *s, MDB_txn *txn, struct vxc_image_info *info,
                           struct vxc_error *err)
{
    MDB_stat stat;

    (void)mdb_env_stat(s->store->env, &stat); /* cannot fail on an open environment */
    s->size = (uint64_t)META_PAGES * stat.ms_psize + bytes_of(&stat);
    for (int db = 0; db < VXC_DB_COUNT; db++) {
        int rc;

        if (!s->store->db_known[db]) {
            continue; /* the state is older than this database */
        }
        rc = mdb_stat(txn, s->store->dbis[db], &stat);
        if (rc != 0) {
            return vxc_store_fail(s->store, err, rc, vxc_database_name((enum vxc_database)db));
        }
        info->databases[db].rows = stat.ms_entries;
        info->databases[db].bytes = bytes_of(&stat);
        s->size += info->databases[db].bytes;
    }
    return 0;
}

static int describe(struct vxc_image_source *s, struct vxc_image_info *info, struct vxc_error *err)
{
    MDB_txn *txn;
    int rv;
    int rc = mdb_txn_begin(s->store->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0) {
        return vxc_store_fail(s->store, err, rc, "read the state");
    }
    rv = count_databases(s, txn, info, err);
    if (rv == 0 && !s->store->db_known[VXC_DB_META]) {
        rv = vxc_error_set(err, VXC_ECORRUPT, "%s/data.mdb: there is no database meta",
                           s->store->path);
    }
    if (rv == 0) {
        rv = read_meta(txn, s->store->dbis[VXC_DB_META], info, err);
        rv = rv != 0 ? vxc_error_prefix(err, "%s/data.mdb", s->store->path) : 0;
    }
    mdb_txn_abort(txn);
    return rv;
}

/* ---- the copy ---- */

static int fail_errno(const struct vxc_image_source *s, int errnum, struct vxc_error *err)
{
    return vxc_store_fail(s->store, err, errnum, "copy the state");
}

static void *run_copy(void *data)
{
    struct vxc_image_source *s = data;

    (void)pthread_setname_np(pthread_self(), "vxc-copy"); /* for people who look at threads */
    s->rc = mdb_env_copyfd2(s->store->env, s->to, MDB_CP_COMPACT);
    (void)close(s->to); /* the other end sees the end */
    return NULL;
}

static int start_copy(struct vxc_image_source *s, struct vxc_error *err)
{
    int ends[2];
    int rc;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return fail_errno(s, errno, err);
    }
    (void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE); /* without, it works too, slower */
    s->from = ends[0];
    s->to = ends[1];
    rc = vxc_thread_create(&s->thread, run_copy, s);
    if (rc != 0) {
        (void)close(s->from); /* nothing is in it */
        (void)close(s->to);
        s->from = -1;
        return fail_errno(s, rc, err);
    }
    return 0;
}

/* A closed pipe ends the copy at its next write: LMDB takes the SIGPIPE on its own thread. */
static void end_copy(struct vxc_image_source *s)
{
    (void)close(s->from);                /* was only read from */
    (void)pthread_join(s->thread, NULL); /* fails for no thread of ours */
    s->from = -1;
}

/* Its first bytes, or its end: the copy's transaction has begun, or never will. */
static int await_copy(const struct vxc_image_source *s, struct vxc_error *err)
{
    struct pollfd ready = {.fd = s->from, .events = POLLIN};

    while (poll(&ready, 1, -1) < 0) {
        if (errno != EINTR) {
            return fail_errno(s, errno, err);
        }
    }
    return 0;
}

/* With the gate held. */
static int begin_copy(struct vxc_image_source *s, struct vxc_error *err)
{
    int rv = start_copy(s, err);

    if (rv != 0) {
        return rv;
    }
    rv = await_copy(s, err);
    if (rv != 0) {
        end_copy(s);
    }
    return rv;
}

/* ---- all of it ---- */

int vxc_image_source_open(struct vxc_image_source *source, struct vxc_store *store,
                          const struct vxc_image_progress *progress, struct vxc_image_info *info,
                          struct vxc_error *err)
{
    int rv = vxc_image_tell(progress, VXC_IMAGE_BEGINNING, 0, 0, err);

    *source = (struct vxc_image_source){.store = store, .from = -1};
    if (rv != 0) {
        return rv;
    }
    (void)pthread_mutex_lock(&store->gate);
    rv = describe(source, info, err);
    rv = rv != 0 ? rv : begin_copy(source, err);
    (void)pthread_mutex_unlock(&store->gate);
    return rv;
}

int vxc_image_source_read(struct vxc_image_source *source, void *data, size_t size, size_t *got,
                          struct vxc_error *err)
{
    uint8_t *to = data;
    size_t done = 0;

    while (done < size && source->from >= 0) {
        const ssize_t n = read(source->from, to + done, size - done);

        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            return fail_errno(source, errno, err);
        }
        done += n < 0 ? 0 : (size_t)n;
    }
    if (done < size &&
        source->from >= 0) { /* the copy has ended: by itself, or because it failed */
        end_copy(source);
        if (source->rc != 0) {
            return fail_errno(source, source->rc, err);
        }
    }
    *got = done;
    return 0;
}

void vxc_image_source_close(struct vxc_image_source *source)
{
    if (source->from >= 0) {
        end_copy(source);
    }
}
