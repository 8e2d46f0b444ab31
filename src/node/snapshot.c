#include "node/snapshot.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/thread.h"
#include "storage/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    READ_AHEAD = 4 * 1024 * 1024, /* bytes behind what was asked for, brought to memory */
    LOOK_MS = 100,                /* between looks while something is under way */
    SPACE_WAIT_MS = 5000,         /* for room for the commit that an image needs */
};

enum state {
    NONE,
    COMMITTING, /* waits for the replica's commit */
    WRITING,    /* the thread runs */
    READY,
    FAILED, /* its owner has not been told yet */
};

struct vxc_snapshots {
    struct vxc_snapshots_options options;
    char *folder;
    char *path; /* of the image until it is ready; not of a save */
    uint64_t last_id;

    /* the one that there is */
    enum state state;
    const void *owner; /* NULL: given up, but the thread still runs */
    uint64_t index;    /* has to be in it */
    uint64_t asked_ms; /* when its owner last asked for it */
    uint64_t began_ms;
    struct vxc_image_write_options write;
    uint64_t read_to; /* the end of the last read */
    uint64_t advised; /* the system was asked to bring the file to memory up to here */
    int fd;           /* READY, or once somebody reads along */
    /* of a save; its owner is the snapshots themselves: */
    char *target; /* NULL = it is none */
    vxc_snapshots_done_cb on_done;
    void *done_data;

    /* shared with the thread; what is not atomic is the thread's until `finished` */
    pthread_t thread;
    atomic_bool canceled;
    atomic_bool finished;
    atomic_uint step;
    _Atomic uint64_t done, total;
    _Atomic uint64_t stored; /* bytes of the file that can be read already */
    int code;
    struct vxc_error err;
    struct vxc_image_info info;

    /* shared with the thread that closes a file nobody reads any more */
    pthread_t closer;
    bool closing; /* it was started and not joined */
    int closing_fd;
    atomic_bool closed;
};

static uint64_t now_ms(const struct vxc_snapshots *s)
{
    return vxc_clock_ms(s->options.clock);
}

/* ---- the folder ---- */

static int empty_folder(const struct vxc_snapshots *s, struct vxc_error *err)
{
    DIR *folder = opendir(s->folder);
    struct dirent *entry;
    int rv = 0;

    if (folder == NULL) {
        return errno == ENOENT ? 0
                               : vxc_error_set(err, vxc_error_from_errno(errno), "%s: open: %s",
                                               s->folder, strerror(errno));
    }
    while (rv == 0 && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(dirfd(folder), entry->d_name, 0) != 0) {
            rv = vxc_error_set(err, vxc_error_from_errno(errno), "%s/%s: remove: %s", s->folder,
                               entry->d_name, strerror(errno));
        }
    }
    (void)closedir(folder); /* was only read */
    return rv;
}

int vxc_snapshots_create(const struct vxc_snapshots_options *options, struct vxc_snapshots **out,
                         struct vxc_error *err)
{
    struct vxc_snapshots *s = vxc_calloc(1, sizeof *s);
    int rv;

    if (s == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    s->options = *options;
    s->fd = -1;
    s->folder = vxc_strdup(options->folder);
    s->path = s->folder == NULL ? NULL : vxc_format("%s/image", s->folder);
    rv = s->path == NULL ? vxc_error_set(err, VXC_ENOMEM, "out of memory") : empty_folder(s, err);
    if (rv != 0) {
        vxc_snapshots_free(s);
        return rv;
    }
    *out = s;
    return 0;
}

/* ---- the thread ---- */

static bool on_progress(void *data, enum vxc_image_step step, uint64_t done, uint64_t total)
{
    struct vxc_snapshots *s = data;

    atomic_store(&s->done, 0); /* so that a look in between sees no more than all of it */
    atomic_store(&s->total, total);
    atomic_store(&s->step, (unsigned)step);
    atomic_store(&s->done, done);
    return !atomic_load(&s->canceled);
}

static void *write_image(void *data)
{
    struct vxc_snapshots *s = data;
    const struct vxc_image_progress progress = {s, on_progress};

    (void)pthread_setname_np(pthread_self(), "vxc-snapshot"); /* for people who look at threads */
    vxc_thread_stand_back();                                  /* clients come first */
    s->code = vxc_image_write(s->options.store, s->target != NULL ? s->target : s->path, &s->write,
                              &progress, &s->info, &s->err);
    atomic_store(&s->finished, true);
    return NULL;
}

static void end_save(struct vxc_snapshots *s);

static void fail(struct vxc_snapshots *s, int code, const char *text)
{
    s->state = FAILED;
    s->code = vxc_error_set(&s->err, code, "%s", text);
    if (s->target != NULL) {
        end_save(s);
    }
}

static void start_writing(struct vxc_snapshots *s)
{
    int rc;

    if (s->target == NULL && mkdir(s->folder, 0700) != 0 && errno != EEXIST) {
        s->state = FAILED;
        s->code = vxc_error_set(&s->err, vxc_error_from_errno(errno), "%s: create: %s", s->folder,
                                strerror(errno));
        return;
    }
    s->write.passing = s->target == NULL;
    s->write.stored = &s->stored;
    s->write.node_id = s->options.node_id;
    s->write.saved_at_us = s->options.clock->wall_us(s->options.clock->data);
    rc = vxc_thread_create(&s->thread, write_image, s);
    if (rc != 0) {
        fail(s, vxc_error_from_errno(rc), "no thread for the snapshot");
        return;
    }
    s->state = WRITING;
}

/* ---- closing ---- */

static void *close_file(void *data)
{
    struct vxc_snapshots *s = data;

    (void)pthread_setname_np(pthread_self(), "vxc-snapshot");
    vxc_thread_stand_back();
    (void)close(s->closing_fd); /* only read from */
    atomic_store(&s->closed, true);
    return NULL;
}

static void join_closer(struct vxc_snapshots *s)
{
    if (s->closing) {
        (void)pthread_join(s->closer, NULL); /* fails for no thread of ours */
        s->closing = false;
    }
}

/* The file has no name any more, so closing it frees its room; for a gigabyte that takes a third of
 * a second, which the loop cannot spare. */
static void give_room_back(struct vxc_snapshots *s)
{
    if (s->fd < 0) {
        return;
    }
    join_closer(s); /* the one before ended long ago: no image was begun beside it */
    s->closing_fd = s->fd;
    s->fd = -1;
    atomic_store(&s->closed, false);
    s->closing = vxc_thread_create(&s->closer, close_file, s) == 0;
    if (!s->closing) {
        (void)close(s->closing_fd); /* only read from */
    }
}

/* There is never the room of more than one image taken. */
static bool is_room_back(struct vxc_snapshots *s)
{
    if (s->closing && !atomic_load(&s->closed)) {
        return false;
    }
    join_closer(s);
    return true;
}

/* ---- its end ---- */

static void tell(struct vxc_snapshots *s, const char *what)
{
    vxc_log_event(s->options.logger, VXC_LOG_INFO, what,
                  "id=%" PRIu64 " index=%" PRIu64 " ms=%" PRIu64 " bytes=%" PRIu64, s->last_id,
                  s->state == READY ? s->info.applied_index : s->index, now_ms(s) - s->began_ms,
                  s->state == READY ? s->info.file_bytes : 0);
}

/* The open file is all that is needed: without a name it cannot outlive the node. */
static void take_file(struct vxc_snapshots *s)
{
    if (s->fd < 0) {
        s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    }
    if (s->fd < 0) {
        s->state = FAILED;
        s->code = vxc_error_set(&s->err, vxc_error_from_errno(errno), "%s: open: %s", s->path,
                                strerror(errno));
    } else {
        s->state = READY;
        s->asked_ms = now_ms(s);
        tell(s, "snapshot_ready");
    }
}

/* A save is over: its owner hears, and nothing is left of it but the file. */
static void end_save(struct vxc_snapshots *s)
{
    char *target = s->target;

    if (s->code == 0) {
        s->state = READY;
        tell(s, "snapshot_saved");
    } else {
        vxc_log_event(s->options.logger, VXC_LOG_WARN, "snapshot_failed",
                      "id=%" PRIu64 " why=\"%s\"", s->last_id, s->err.text);
    }
    s->state = NONE;
    s->owner = NULL;
    s->target = NULL;
    s->on_done(s->done_data, s->code, &s->info, &s->err);
    vxc_free(target);
}

static void collect(struct vxc_snapshots *s)
{
    if (s->state != WRITING || !atomic_load(&s->finished)) {
        return;
    }
    (void)pthread_join(s->thread, NULL); /* fails for no thread of ours */
    if (s->target != NULL) {
        end_save(s);
        return;
    }
    if (s->owner == NULL) {
        s->state = NONE;
        s->fd = open(s->path, O_RDONLY | O_CLOEXEC); /* absent unless it was finished */
    } else if (s->code != 0) {
        s->state = FAILED;
        vxc_log_event(s->options.logger, VXC_LOG_WARN, "snapshot_failed",
                      "id=%" PRIu64 " why=\"%s\"", s->last_id, s->err.text);
    } else {
        take_file(s);
    }
    (void)unlink(s->path); /* a name that stays is removed by the next start */
    if (s->owner == NULL) {
        give_room_back(s);
    }
}

/* Nobody wants it any more. */
static void drop(struct vxc_snapshots *s)
{
    s->owner = NULL;
    give_room_back(s);
    if (s->state == WRITING) {
        atomic_store(&s->canceled, true); /* collect() finds its end */
        collect(s);
        return;
    }
    s->state = NONE;
}

void vxc_snapshots_set_store(struct vxc_snapshots *s, struct vxc_store *store)
{
    vxc_snapshots_cancel(s);
    drop(s);
    if (s->state == WRITING) {
        (void)pthread_join(s->thread, NULL); /* it was told */
        (void)unlink(s->path);
        s->state = NONE;
    }
    s->options.store = store;
}

void vxc_snapshots_free(struct vxc_snapshots *s)
{
    if (s == NULL) {
        return;
    }
    vxc_snapshots_set_store(s, NULL);
    join_closer(s);
    if (s->folder != NULL) {
        (void)rmdir(s->folder); /* absent, or not empty: the next start empties it */
    }
    vxc_free(s->path);
    vxc_free(s->folder);
    vxc_free(s);
}

void vxc_snapshots_cancel(struct vxc_snapshots *s)
{
    if (s == NULL || s->target == NULL) {
        return;
    }
    if (s->state == WRITING) {
        atomic_store(&s->canceled, true);
        (void)pthread_join(s->thread,
                           NULL); /* it looks at every chunk; it may have got to its end */
        end_save(s);
    } else {
        fail(s, VXC_ECANCELED, "the node stops");
    }
}

/* ---- what callers ask ---- */

static int begin(struct vxc_snapshots *s, const void *owner, uint8_t compression,
                 const uint8_t *cluster_id, struct vxc_error *err)
{
    if (compression >= VXC_IMAGE_COMPRESSIONS) {
        return vxc_error_set(err, VXC_EINVAL, "no compression has the number %u", compression);
    }
    if (s->options.store == NULL) {
        return vxc_error_set(err, VXC_EBUSY, "this node has no state at present; try again");
    }
    collect(s);
    if (s->state != NONE) {
        return vxc_error_set(err, VXC_EBUSY, "another snapshot is being saved; try again");
    }
    s->state = COMMITTING;
    s->owner = owner;
    s->asked_ms = s->began_ms = now_ms(s);
    s->write =
        (struct vxc_image_write_options){.compression = (enum vxc_image_compression)compression};
    memcpy(s->write.cluster_id, cluster_id, sizeof s->write.cluster_id);
    s->index = UINT64_MAX;
    s->read_to = s->advised = 0;
    s->code = 0;
    s->err = (struct vxc_error){0};
    atomic_store(&s->canceled, false);
    atomic_store(&s->finished, false);
    atomic_store(&s->step, (unsigned)VXC_IMAGE_BEGINNING);
    atomic_store(&s->done, 0);
    atomic_store(&s->total, 0);
    atomic_store(&s->stored, 0);
    s->last_id++;
    return 0;
}

int vxc_snapshots_begin(struct vxc_snapshots *s, const void *owner, uint8_t compression,
                        const uint8_t *cluster_id, uint64_t *id, struct vxc_error *err)
{
    int rv = s == NULL ? vxc_error_set(err, VXC_EUNSUPPORTED, "this node makes no snapshots")
                       : begin(s, owner, compression, cluster_id, err);

    if (rv == 0) {
        *id = s->last_id;
    }
    return rv;
}

int vxc_snapshots_save(struct vxc_snapshots *s, const char *path, uint8_t compression,
                       const uint8_t *cluster_id, void *data, vxc_snapshots_done_cb on_done,
                       struct vxc_error *err)
{
    char *target = vxc_strdup(path);
    int rv = target == NULL ? vxc_error_set(err, VXC_ENOMEM, "out of memory")
                            : begin(s, s, compression, cluster_id, err);

    if (rv != 0) {
        vxc_free(target);
        return rv;
    }
    s->target = target;
    s->on_done = on_done;
    s->done_data = data;
    return 0;
}

void vxc_snapshots_await(struct vxc_snapshots *s, uint64_t index)
{
    vxc_check(s->state == COMMITTING);
    s->index = index;
}

uint64_t vxc_snapshots_turn(struct vxc_snapshots *s, struct vxc_replica *replica)
{
    if (s->state == NONE) {
        return UINT64_MAX;
    }
    collect(s);
    if (s->owner != NULL && s->target == NULL && now_ms(s) - s->asked_ms > VXC_SNAPSHOT_IDLE_MS) {
        tell(s, "snapshot_forgotten");
        drop(s);
    }
    if (s->state == COMMITTING) {
        int rv = vxc_replica_asked_commit(replica, s->index);

        if (rv == 0 && is_room_back(s)) {
            start_writing(s);
        } else if (rv == VXC_ENOSPC && now_ms(s) - s->began_ms > SPACE_WAIT_MS) {
            fail(s, rv, "no space for the commit that the snapshot is made of");
        }
    }
    return LOOK_MS;
}

static bool is_of(const struct vxc_snapshots *s, const void *owner, uint64_t id)
{
    return s != NULL && s->state != NONE && s->owner == owner && s->last_id == id;
}

static int find(struct vxc_snapshots *s, const void *owner, uint64_t id, struct vxc_error *err)
{
    if (!is_of(s, owner, id)) {
        return vxc_error_set(err, VXC_ENOTFOUND,
                             "this connection has no snapshot %" PRIu64
                             " (any more): the connection that began it is gone, or the node was "
                             "restarted; save again",
                             id);
    }
    s->asked_ms = now_ms(s);
    collect(s);
    return 0;
}

/* Of the file, that can be read by now. */
static uint64_t file_bytes(const struct vxc_snapshots *s)
{
    return s->state == READY     ? s->info.file_bytes
           : s->state == WRITING ? atomic_load(&s->stored)
                                 : 0;
}

/* The file while it is written has another name, and is the same file when it is ready. */
static int open_part(struct vxc_snapshots *s, struct vxc_error *err)
{
    char *part = vxc_format("%s" VXC_IMAGE_PART_SUFFIX, s->path);
    int rv = 0;

    if (part == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    s->fd = open(part, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 && errno == ENOENT) {
        s->fd = open(s->path, O_RDONLY | O_CLOEXEC); /* it became ready just now */
    }
    if (s->fd < 0) {
        rv = vxc_error_set(err, vxc_error_from_errno(errno), "%s: open: %s", part, strerror(errno));
    }
    vxc_free(part);
    return rv;
}

int vxc_snapshots_look(struct vxc_snapshots *s, const void *owner, uint64_t id,
                       struct vxc_snapshot_view *view, struct vxc_error *err)
{
    int rv = find(s, owner, id, err);

    if (rv != 0) {
        return rv;
    }
    if (s->state == FAILED) {
        *err = s->err;
        drop(s);
        return s->code;
    }
    *view = (struct vxc_snapshot_view){.id = s->last_id,
                                       .step = (uint8_t)atomic_load(&s->step),
                                       .done = atomic_load(&s->done),
                                       .total = atomic_load(&s->total),
                                       .file_bytes = file_bytes(s),
                                       .image = s->state == READY ? &s->info : NULL};
    return 0;
}

/* What is still being written is in memory anyhow. */
static void read_ahead(struct vxc_snapshots *s, uint64_t offset)
{
    if (s->state == READY && (offset + READ_AHEAD / 2 > s->advised || offset < s->read_to)) {
        (void)posix_fadvise(s->fd, (off_t)offset, READ_AHEAD, POSIX_FADV_WILLNEED); /* advice */
        s->advised = offset + READ_AHEAD;
    }
    s->read_to = offset;
}

/* A read on the loop's own thread: at most 1 MiB of a file that was read a moment ago, so it comes
 * from memory; what follows it is brought there meanwhile. What a client does not take is bounded
 * as all replies of its connection are. */
int vxc_snapshots_read(struct vxc_snapshots *s, const void *owner, uint64_t id, uint64_t offset,
                       uint32_t size, struct vxc_buffer *out, struct vxc_error *err)
{
    int rv = find(s, owner, id, err);
    uint64_t left;

    if (rv != 0) {
        return rv;
    }
    if (s->state == FAILED || offset > file_bytes(s) ||
        (s->state != READY && offset == file_bytes(s))) {
        return vxc_error_set(err, VXC_EBUSY, "this part of the snapshot is not there yet");
    }
    if (size == 0 || size > VXC_SNAPSHOT_READ_SIZE_MAX) {
        return vxc_error_set(err, VXC_EINVAL, "a read of %" PRIu32 " bytes; expected 1 to %u", size,
                             VXC_SNAPSHOT_READ_SIZE_MAX);
    }
    vxc_buffer_clear(out);
    left = file_bytes(s) - offset;
    if (left == 0) {
        return 0;
    }
    size = size > left ? (uint32_t)left : size;
    if (s->fd < 0) {
        rv = open_part(s, err);
        if (rv != 0) {
            return rv;
        }
    }
    if (vxc_buffer_reserve(out, size) != 0) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    if (vxc_disk_read(s->fd, offset, out->data, size) != 0) {
        return vxc_error_set(err, VXC_EIO, "%s: read: %s", s->path, strerror(errno));
    }
    out->size = size;
    read_ahead(s, offset + size);
    return 0;
}

bool vxc_snapshots_end(struct vxc_snapshots *s, const void *owner, uint64_t id)
{
    bool had = is_of(s, owner, id);

    if (had) {
        drop(s);
    }
    return had;
}

void vxc_snapshots_forget(struct vxc_snapshots *s, const void *owner)
{
    if (s != NULL && s->state != NONE && s->owner == owner) {
        drop(s);
    }
}
