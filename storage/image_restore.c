/* A new data directory from an image.
 *
 * Order matters: `state/` is there from the first moment on and `node` comes last, and vxcd refuses
 * a folder that holds a state without `node`. So a restore that was killed leaves something that
 * neither starts as an empty node nor as half a state. One that fails, or ends the process because
 * memory or the disk failed, leaves the folder as it was.
 */
#include "storage/image.h"

#include "base/check.h"
#include "base/memory.h"
#include "storage/disk.h"
#include "storage/image_internal.h"
#include "storage/log.h"
#include "storage/vote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDENTITY_FOLDER "restoring" /* where the hook puts `node` */

struct restore {
    const char *path; /* of the image; borrowed, as are the next ones */
    const char *folder;
    uint64_t node_id;
    const struct vxc_image_restore_hooks *hooks;
    const struct vxc_image_progress *progress;
    int fd; /* of the folder */
    bool made;
    char *state, *log, *vote, *identity; /* paths of its parts */
    struct vxc_image_reader reader;
    /* of the edited state */
    struct vxc_log_base base;
    struct vxc_buffer configuration;
};

/* NULL without memory. */
static char *path_of(const struct restore *r, const char *name)
{
    return vxc_format("%s/%s", r->folder, name);
}

static int failed(struct vxc_error *err, const char *doing, const char *path)
{
    return vxc_error_set(err, vxc_error_from_errno(errno), "%s: %s: %s", path, doing,
                         strerror(errno));
}

/* ---- the state ---- */

static int unpack(struct restore *r, const char *state, struct vxc_error *err)
{
    int fd;
    int rv;

    if (vxc_disk_open_folder(state, true, &fd) != 0) {
        return failed(err, "make the folder", state);
    }
    rv = vxc_image_unpack_state(&r->reader, fd, state, r->progress, err);
    (void)close(fd); /* only read from */
    return rv != 0 ? rv : vxc_image_check_state(state, &r->reader.info, r->progress, err);
}

/* What the state says after the edit is where the log begins. */
static int note_base(struct restore *r, const struct vxc_store_meta *meta, struct vxc_error *err)
{
    vxc_check(meta->applied_index > 0); /* the hook's promise: a state in use, of a whole entry */
    vxc_check(meta->applied_term > 0);
    vxc_check(meta->applied_position == 0);
    vxc_check(meta->configuration.size > 0);
    if (vxc_buffer_append(&r->configuration, meta->configuration.data, meta->configuration.size) !=
        0) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    r->base = (struct vxc_log_base){
        .index = meta->applied_index,
        .term = meta->applied_term,
        .configuration_index = meta->configuration_index,
        .configuration = vxc_buffer_slice(&r->configuration),
    };
    return 0;
}

static int edit(struct restore *r, const char *state, struct vxc_error *err)
{
    const struct vxc_store_options options = {.synchronous = true};
    struct vxc_store_stats stats;
    struct vxc_store *store;
    int rv = vxc_store_open(state, &options, &store, err);

    if (rv != 0) {
        return rv;
    }
    rv = r->hooks->edit(r->hooks->data, store, &r->reader.info, err);
    rv = rv != 0 ? rv : note_base(r, vxc_store_meta(store), err);
    if (rv == 0) {
        vxc_store_sync(store);
        vxc_store_wait(store);
        vxc_store_stats(store, &stats);
        vxc_check(stats.synced_index == r->base.index);
    }
    vxc_store_close(store);
    return rv;
}

/* ---- log, vote, node ---- */

static int make_log(struct restore *r, const char *path, struct vxc_error *err)
{
    const struct vxc_log_options options = {.io = VXC_LOG_IO_THREAD, .node_id = r->node_id};
    struct vxc_log *log;
    int rv = vxc_log_open(path, &options, &log, err);

    if (rv == 0) {
        rv = vxc_log_reset(log, &r->base, err);
        vxc_log_close(log);
    }
    return rv;
}

/* In the term of the base nobody has voted in this new cluster: it has one member. */
static int make_vote(struct restore *r, const char *path, struct vxc_error *err)
{
    struct vxc_vote_file *file;
    struct vxc_vote vote;
    int rv = vxc_vote_open(path, 1, r->node_id, &file, &vote, err);

    if (rv == 0) {
        vote = (struct vxc_vote){.term = r->base.term, .voted_for = 0};
        vxc_vote_store(file, &vote);
        vxc_vote_close(file);
    }
    return rv;
}

static int make_node(struct restore *r, const char *path, struct vxc_error *err)
{
    int rv;

    if (mkdir(path, 0700) != 0) {
        return failed(err, "make the folder", path);
    }
    rv = r->hooks->identify(r->hooks->data, path, err);
    if (rv != 0) {
        return rv;
    }
    if (vxc_disk_sync_folder(r->fd) != 0) { /* before `node`: all the rest */
        return failed(err, "flush", r->folder);
    }
    if (renameat(r->fd, IDENTITY_FOLDER "/node", r->fd, "node") != 0) {
        return failed(err, "move the file node out of", path);
    }
    vxc_image_remove_folder(path);
    return vxc_disk_sync_folder(r->fd) == 0 ? 0 : failed(err, "flush", r->folder);
}

/* ---- all of it ---- */

static int make_parts(struct restore *r, struct vxc_error *err)
{
    int rv = unpack(r, r->state, err);

    rv = rv != 0 ? rv : edit(r, r->state, err);
    rv = rv != 0 ? rv : make_log(r, r->log, err);
    rv = rv != 0 ? rv : make_vote(r, r->vote, err);
    return rv != 0 ? rv : make_node(r, r->identity, err);
}

/* The folder as it was. */
static void remove_parts(void *data)
{
    const struct restore *r = data;

    (void)unlinkat(r->fd, "node", 0); /* first: without it nothing starts here */
    vxc_image_remove_folder(r->identity);
    vxc_image_remove_folder(r->vote);
    vxc_image_remove_folder(r->log);
    vxc_image_remove_folder(r->state);
    if (r->made) {
        (void)rmdir(r->folder);
    }
}

static int make_all(struct restore *r, struct vxc_error *err)
{
    struct vxc_last_wish wish = {.run = remove_parts, .data = r};
    int rv;

    vxc_last_wish_add(&wish);
    rv = make_parts(r, err);
    vxc_last_wish_withdraw(&wish);
    if (rv != 0) {
        remove_parts(r);
    }
    return rv;
}

/* False without memory; to be freed in any case. */
static bool name_parts(struct restore *r)
{
    r->state = path_of(r, "state");
    r->log = path_of(r, "log");
    r->vote = path_of(r, "vote");
    r->identity = path_of(r, IDENTITY_FOLDER);
    return r->state != NULL && r->log != NULL && r->vote != NULL && r->identity != NULL;
}

static void free_names(struct restore *r)
{
    vxc_free(r->state);
    vxc_free(r->log);
    vxc_free(r->vote);
    vxc_free(r->identity);
}

int vxc_image_restore(const char *path, const char *folder, uint64_t node_id,
                      const struct vxc_image_restore_hooks *hooks,
                      const struct vxc_image_progress *progress, struct vxc_image_info *info,
                      struct vxc_error *err)
{
    struct restore r = {
        .path = path, .folder = folder, .node_id = node_id, .hooks = hooks, .progress = progress};
    int rv = vxc_image_reader_open(path, &r.reader, err);

    if (rv != 0) {
        return rv;
    }
    rv = name_parts(&r) ? vxc_image_take_folder(folder, &r.fd, &r.made, err)
                        : vxc_error_set(err, VXC_ENOMEM, "out of memory");
    if (rv == 0) {
        rv = make_all(&r, err);
        (void)close(r.fd); /* only read from */
    }
    free_names(&r);
    if (rv == 0 && info != NULL) {
        *info = r.reader.info;
    }
    vxc_buffer_free(&r.configuration);
    vxc_image_reader_close(&r.reader);
    return rv;
}
