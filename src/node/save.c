/* Snapshots that the embedding program asks for. */
#include "base/memory.h"
#include "node/node_internal.h"

#include <poll.h>
#include <string.h>

struct order {
    struct vxc_node *node;
    const char *path;
    uint8_t compression;
    void *data;
    vxc_snapshots_done_cb on_done;
    struct vxc_error *err;
    int code;
};

/* On the driver. What was acknowledged until now is applied, so a commit of that holds it. */
static void begin(void *data)
{
    struct order *o = data;
    struct vxc_node *n = o->node;

    if (atomic_load(&n->stopped)) {
        o->code = vxc_error_set(o->err, VXC_ECLOSED, "the node has been stopped");
        return;
    }
    if (n->replica == NULL) {
        o->code = vxc_error_set(o->err, VXC_EBUSY, "the state of this node is being repaired");
        return;
    }
    o->code = vxc_snapshots_save(n->snapshots, o->path, o->compression, vxc_fsm_cluster_id(n->fsm),
                                 o->data, o->on_done, o->err);
    if (o->code == 0) {
        vxc_snapshots_await(n->snapshots, vxc_replica_ask_commit(n->replica));
        vxc_loop_wake(n->loop);
    }
}

static int order(struct vxc_node *n, const char *path, int compression, void *data,
                 vxc_snapshots_done_cb on_done, struct vxc_error *err)
{
    struct order o = {.node = n,
                      .path = path,
                      .compression = (uint8_t)compression,
                      .data = data,
                      .on_done = on_done,
                      .err = err};

    if (!n->started || path == NULL || path[0] == '\0') {
        return vxc_error_set(err, VXC_EINVAL,
                             n->started ? "a snapshot needs a path" : "the node was not started");
    }
    if (compression < 0 || compression >= VXC_IMAGE_COMPRESSIONS) {
        return vxc_error_set(err, VXC_EINVAL, "no compression has the number %d", compression);
    }
    vxc_mailbox_call(n->mailbox, begin, &o);
    return o.code;
}

static void describe(const struct vxc_image_info *image, struct vxc_snapshot_info *info)
{
    *info = (struct vxc_snapshot_info){
        .node_id = image->node_id,
        .index = image->applied_index,
        .term = image->applied_term,
        .cluster_time_ms = image->cluster_time_ms,
        .rows = vxc_image_rows(image),
        .file_bytes = image->file_bytes,
    };
    memcpy(info->cluster_id, image->cluster_id, sizeof info->cluster_id);
    memcpy(info->sha256, image->sha256, sizeof info->sha256);
}

/* ---- with a callback ---- */

struct promise {
    void *data;
    vxc_snapshot_cb on_done;
};

static void keep_promise(void *data, int code, const struct vxc_image_info *image,
                         const struct vxc_error *err)
{
    struct promise *p = data;
    struct vxc_snapshot_info info;

    if (code == 0) {
        describe(image, &info);
    }
    p->on_done(p->data, code, code == 0 ? &info : NULL, code == 0 ? "" : err->text);
    vxc_free(p);
}

int vxc_node_snapshot_begin(struct vxc_node *n, const char *path, int compression, void *data,
                            vxc_snapshot_cb on_done, struct vxc_error *err)
{
    struct promise *p = vxc_malloc(sizeof *p);
    int rv;

    if (p == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    *p = (struct promise){.data = data, .on_done = on_done};
    rv = order(n, path, compression, p, keep_promise, err);
    if (rv != 0) {
        vxc_free(p);
    }
    return rv;
}

/* ---- and wait ---- */

struct wait {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    int code;
    struct vxc_snapshot_info info;
    struct vxc_error err;
};

static void end_wait(void *data, int code, const struct vxc_image_info *image,
                     const struct vxc_error *err)
{
    struct wait *w = data;

    (void)pthread_mutex_lock(&w->lock);
    w->code = code;
    if (code == 0) {
        describe(image, &w->info);
    } else {
        w->err = *err;
    }
    w->done = true;
    (void)pthread_cond_signal(&w->changed);
    (void)pthread_mutex_unlock(&w->lock);
}

/* Somebody else drives the node. */
static void wait_for_driver(struct wait *w)
{
    (void)pthread_mutex_lock(&w->lock);
    while (!w->done) {
        (void)pthread_cond_wait(&w->changed, &w->lock);
    }
    (void)pthread_mutex_unlock(&w->lock);
}

/* Nobody else does. The end of the node cancels, so this ends. */
static void drive_meanwhile(struct vxc_node *n, struct wait *w)
{
    while (!w->done) {
        struct pollfd fd = {.fd = vxc_node_fd(n), .events = POLLIN};

        (void)poll(&fd, 1, vxc_node_timeout_ms(n)); /* interrupted or not: a look does no harm */
        (void)vxc_node_dispatch(n);
    }
}

int vxc_node_snapshot(struct vxc_node *n, const char *path, int compression,
                      struct vxc_snapshot_info *info, struct vxc_error *err)
{
    struct wait w = {.done = false};
    bool driven = vxc_mailbox_is_run(n->mailbox);
    int rv;

    if (n->dispatching || vxc_mailbox_is_driver(n->mailbox)) {
        return vxc_error_set(err, VXC_EINVAL, "a callback cannot wait for a snapshot");
    }
    (void)pthread_mutex_init(&w.lock, NULL); /* cannot fail on Linux */
    (void)pthread_cond_init(&w.changed, NULL);
    rv = order(n, path, compression, &w, end_wait, err);
    if (rv == 0) {
        if (driven) {
            wait_for_driver(&w);
        } else {
            drive_meanwhile(n, &w);
        }
        rv = w.code;
        if (rv != 0 && err != NULL) {
            *err = w.err;
        } else if (rv == 0 && info != NULL) {
            *info = w.info;
        }
    }
    (void)pthread_cond_destroy(&w.changed); /* nobody waits */
    (void)pthread_mutex_destroy(&w.lock);
    return rv;
}
