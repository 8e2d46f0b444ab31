#include "store_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/thread.h"
#include "storage/key_sort.h"

enum {
    RETRY_MS = 200,        /* between tries of a commit that met no space */
    RECLAIM_PAUSE_MS = 20, /* idle time before garbage is deleted outside of commits */
    READER_CHECK_MS = 5000 /* idle time before stale readers are looked for */
};

#define NEARLY_FULL_BYTES (64ull * VXC_MIB) /* free space below which a failed write means full */

static uint64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail on Linux */
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Whether the file could hardly grow: the disk is nearly full, or the process's limit near. */
static bool is_nearly_full(const struct vxc_store *store)
{
    struct statvfs fs;
    struct rlimit limit;
    struct stat file;
    int fd;

    if (statvfs(store->path, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < NEARLY_FULL_BYTES) {
        return true;
    }
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           mdb_env_get_fd(store->env, &fd) == 0 && fstat(fd, &file) == 0 &&
           limit.rlim_cur < (uint64_t)file.st_size + NEARLY_FULL_BYTES;
}

/* Whether LMDB gave its environment up, as it does when a meta page could not be written: nothing
 * can be read or committed any more, so trying again is in vain even when there is room again. */
static bool is_given_up(const struct vxc_store *store)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc == 0) {
        mdb_txn_abort(txn);
    }
    return rc == MDB_PANIC;
}

/* LMDB reports a short write, which is how a disk becomes full, as EIO. Trying again is safe then:
 * the pages written so far belong to no state, and the next try writes all of its pages again. */
static bool is_no_space(const struct vxc_store *store, int rc)
{
    return (rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT || rc == EFBIG ||
            (rc == EIO && is_nearly_full(store))) &&
           !is_given_up(store);
}

static void signal_done(struct vxc_store *store)
{
    uint64_t one = 1;
    ssize_t written = write(store->event_fd, &one, sizeof one);

    (void)written; /* the counter cannot overflow: it is drained by each collect */
    (void)pthread_cond_broadcast(&store->done);
}

static void free_job(struct vxc_store_job *job)
{
    vxc_free(job->order);
    job->order = NULL;
    if (job->fill != NULL) {
        vxc_free(job->changes);
    }
    job->changes = NULL;
}

/* ---- jobs: called with the mutex held, which they let go while they work ---- */

/* One try of the commit; false when there was no space and it has to be tried again. */
static bool run_commit(struct vxc_store *store)
{
    uint64_t begun = now_us();
    uint64_t took;
    bool full;
    int rc;

    (void)pthread_mutex_unlock(&store->mutex);
    rc = vxc_store_commit_job(store, &store->job);
    full = is_no_space(store, rc);
    if (rc != 0 && !full) {
        vxc_fatal("%s/data.mdb: commit of entry %llu: %s", store->path,
                  (unsigned long long)store->job.meta.applied_index, mdb_strerror(rc));
    }
    took = now_us() - begun;
    (void)pthread_mutex_lock(&store->mutex);

    store->stats.no_space = full;
    if (full) {
        return false;
    }
    store->stats.commits_total++;
    store->stats.rows_total += store->job.count;
    store->stats.commit_us_last = took;
    if (took > store->stats.commit_us_max) {
        store->stats.commit_us_max = took;
    }
    store->stats.garbage_left = store->writer.garbage_left;
    store->digest_done = store->writer.sums.total;
    free_job(&store->job);
    store->commit_pending = false;
    store->commit_done = true;
    signal_done(store);
    return true;
}

static void run_sync(struct vxc_store *store)
{
    uint64_t covered = store->writer.applied_index;
    int rc;

    (void)pthread_mutex_unlock(&store->mutex);
    rc = mdb_env_sync(store->env, 1);
    if (rc != 0) {
        vxc_fatal("%s/data.mdb: flush: %s", store->path, mdb_strerror(rc));
    }
    (void)pthread_mutex_lock(&store->mutex);
    store->stats.synced_index = covered;
    store->sync_pending = false;
    signal_done(store);
}

static void run_reclaim(struct vxc_store *store)
{
    int rc;

    (void)pthread_mutex_unlock(&store->mutex);
    rc = vxc_store_commit_reclaim(store);
    if (rc != 0 && !is_no_space(store, rc)) {
        vxc_fatal("%s/data.mdb: reclaim: %s", store->path, mdb_strerror(rc));
    }
    (void)pthread_mutex_lock(&store->mutex);
    store->stats.garbage_left = store->writer.garbage_left;
}

/* Its rows are in the log; the next start replays them. */
static void drop_commit(struct vxc_store *store)
{
    free_job(&store->job);
    store->commit_pending = false;
    (void)pthread_cond_broadcast(&store->done);
}

/* ---- the thread ---- */

/* Waits for work at most `ms`; true when the time has run out. */
static bool wait_for_work(struct vxc_store *store, uint64_t ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_cond_timedwait(&store->work, &store->mutex, &until) == ETIMEDOUT;
}

static bool has_job(const struct vxc_store *store)
{
    return store->commit_pending || store->sync_pending || store->closing;
}

/* Nothing to do: after a pause garbage is deleted, or slots of dead readers are given back. */
static void be_idle(struct vxc_store *store)
{
    bool garbage = store->writer.garbage_left;
    bool elapsed = wait_for_work(store, garbage ? RECLAIM_PAUSE_MS : READER_CHECK_MS);

    if (!elapsed || has_job(store)) {
        return;
    }
    if (garbage) {
        run_reclaim(store);
    } else {
        int dead;

        (void)mdb_reader_check(store->env, &dead); /* best effort: it is tried again */
    }
}

static void *storage_thread(void *data)
{
    struct vxc_store *store = data;

    (void)pthread_setname_np(pthread_self(), "vxc-store"); /* for people who look at threads */
    vxc_thread_stand_back(); /* nobody waits for a commit, everybody waits for the log */
    (void)pthread_mutex_lock(&store->mutex);
    for (;;) {
        if (store->commit_pending) {
            if (run_commit(store)) {
                continue;
            }
            if (store->closing || store->abandoned) {
                drop_commit(store);
                continue;
            }
            (void)wait_for_work(store, RETRY_MS);
        } else if (store->sync_pending) {
            run_sync(store);
        } else if (store->closing) {
            break;
        } else {
            be_idle(store);
        }
    }
    (void)pthread_mutex_unlock(&store->mutex);
    return NULL;
}

int vxc_store_writer_start(struct vxc_store *store, struct vxc_error *err)
{
    int rc;

    if (store->options.synchronous || store->options.read_only) {
        return 0;
    }
    rc = vxc_thread_create(&store->thread, storage_thread, store);
    if (rc != 0) {
        return vxc_error_set(err, vxc_error_from_errno(rc), "start the storage thread: %s",
                             strerror(rc));
    }
    store->thread_started = true;
    return 0;
}

void vxc_store_writer_stop(struct vxc_store *store)
{
    if (store->thread_started) {
        (void)pthread_mutex_lock(&store->mutex);
        store->closing = true;
        (void)pthread_cond_signal(&store->work);
        (void)pthread_mutex_unlock(&store->mutex);
        (void)pthread_join(store->thread, NULL);
        store->thread_started = false;
    }
    free_job(&store->job); /* of a synchronous store that met no space */
}

/* ---- the loop's side ---- */

static void submit(struct vxc_store *store)
{
    store->commit_pending = true;
    if (store->options.synchronous) {
        (void)run_commit(store); /* without space it stays pending: see collect */
    } else {
        (void)pthread_cond_signal(&store->work);
    }
}

static void start_commit(struct vxc_store *store, struct vxc_store_job job,
                         const struct vxc_store_meta *meta)
{
    vxc_check(!store->options.read_only);
    vxc_check(job.count <= UINT32_MAX);
    (void)pthread_mutex_lock(&store->mutex);
    vxc_check(!store->commit_pending && !store->commit_done);
    job.configuration = store->job.configuration;
    store->job = job;
    store->job.meta = *meta;
    vxc_buffer_clear(&store->job.configuration);
    if (vxc_buffer_append(&store->job.configuration, meta->configuration.data,
                          meta->configuration.size) != 0) {
        vxc_fatal("out of memory for a commit");
    }
    store->job.meta.configuration = vxc_buffer_slice(&store->job.configuration);
    submit(store);
    (void)pthread_mutex_unlock(&store->mutex);
}

void vxc_store_commit(struct vxc_store *store, struct vxc_store_change *changes, size_t count,
                      const struct vxc_store_meta *meta)
{
    start_commit(store, (struct vxc_store_job){.changes = changes, .count = count}, meta);
}

void vxc_store_commit_filled(struct vxc_store *store, size_t count, void *data,
                             const struct vxc_store_meta *meta, vxc_store_fill_cb fill)
{
    start_commit(store, (struct vxc_store_job){.count = count, .fill_data = data, .fill = fill},
                 meta);
}

bool vxc_store_busy(const struct vxc_store *store)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&store->mutex;
    bool busy;

    (void)pthread_mutex_lock(mutex);
    busy = store->commit_pending || store->commit_done;
    (void)pthread_mutex_unlock(mutex);
    return busy;
}

int vxc_store_fd(const struct vxc_store *store)
{
    return store->event_fd;
}

static void adopt_meta(struct vxc_store *store)
{
    struct vxc_buffer old = store->configuration;

    store->meta = store->job.meta;
    store->configuration = store->job.configuration;
    store->job.configuration = old;
    store->digest = store->digest_done;
}

bool vxc_store_collect(struct vxc_store *store)
{
    uint64_t counter;
    ssize_t got = read(store->event_fd, &counter, sizeof counter);
    bool collected;

    (void)got; /* nothing there is fine: the flag below decides */
    (void)pthread_mutex_lock(&store->mutex);
    if (store->options.synchronous && store->commit_pending) {
        (void)run_commit(store);
    }
    collected = store->commit_done;
    if (collected) {
        store->commit_done = false;
        adopt_meta(store);
    }
    (void)pthread_mutex_unlock(&store->mutex);
    if (collected) {
        vxc_store_end_reads(store); /* the next read sees the new commit */
    }
    return collected;
}

void vxc_store_wait(struct vxc_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    while (store->commit_pending || store->sync_pending) {
        if (!store->options.synchronous) {
            (void)pthread_cond_wait(&store->done, &store->mutex);
        } else if (!run_commit(store)) {
            (void)wait_for_work(store, RETRY_MS);
        }
    }
    (void)pthread_mutex_unlock(&store->mutex);
}

void vxc_store_abandon(struct vxc_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    if (store->options.synchronous && store->commit_pending) {
        drop_commit(store);
    }
    store->abandoned = true;
    (void)pthread_cond_signal(&store->work);
    while (store->commit_pending) {
        (void)pthread_cond_wait(&store->done, &store->mutex);
    }
    store->abandoned = false;
    store->commit_done = false;
    (void)pthread_mutex_unlock(&store->mutex);
}

void vxc_store_sync(struct vxc_store *store)
{
    vxc_check(!store->options.read_only);
    (void)pthread_mutex_lock(&store->mutex);
    if (store->options.synchronous) {
        run_sync(store);
    } else {
        store->sync_pending = true;
        (void)pthread_cond_signal(&store->work);
    }
    (void)pthread_mutex_unlock(&store->mutex);
}

bool vxc_store_reclaim(struct vxc_store *store)
{
    bool left;

    vxc_check(store->options.synchronous);
    (void)pthread_mutex_lock(&store->mutex);
    if (!store->commit_pending && store->writer.garbage_left) {
        run_reclaim(store);
    }
    left = store->writer.garbage_left;
    (void)pthread_mutex_unlock(&store->mutex);
    return left;
}
