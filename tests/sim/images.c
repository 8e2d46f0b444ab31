#include "images.h"

#include "base/check.h"
#include "files.h"
#include "storage/install.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    MAKE_MS_MAX = 300,
    FETCH_MS_MAX = 1500,
    HOLD_MS = 6000, /* the log behind an image */
    LOST_PER_MILLE = 150,
    LIVES_MAX = 1024 * 1024,
};

/* One that a node has made for a peer; never freed, as the peer may still ask for it. */
struct image {
    struct image *next;
    uint64_t number, maker, peer;
    struct vxc_log_base base;
    uint8_t configuration[VXC_INSTALL_CONFIGURATION_MAX];
    uint8_t cluster_id[VXC_INSTALL_CLUSTER_ID_SIZE];
};

static void path_of(const struct world *world, const struct image *image, char *path, size_t size)
{
    (void)snprintf(path, size, "%s/image-%" PRIu64, world->folder, image->number);
}

/* ---- the primary ---- */

static void on_let_go(struct world *world, void *subject, uint64_t number)
{
    struct node *node = subject;

    (void)world;
    if (node->up && node->life == number && node->replica != NULL && --node->holds == 0) {
        vxc_replica_hold_log(node->replica, UINT64_MAX);
    }
}

/* Commits all that is applied; what the store says then describes the image. */
static void settle(struct node *node, void *data)
{
    struct image *image = data;
    const struct vxc_store_meta *meta;

    vxc_replica_settle(node->replica);
    meta = vxc_store_meta(node->store);
    image->base = (struct vxc_log_base){
        .index = meta->applied_index,
        .term = meta->applied_term,
        .configuration_index = meta->configuration_index,
        .configuration = vxc_slice(image->configuration, meta->configuration.size)};
    vxc_check(meta->configuration.size <= sizeof image->configuration);
    if (meta->configuration.size > 0) {
        memcpy(image->configuration, meta->configuration.data, meta->configuration.size);
    }
    memcpy(image->cluster_id, vxc_fsm_cluster_id(node->fsm), sizeof image->cluster_id);
}

static void offer(struct node *node, void *data)
{
    const struct image *image = data;

    /* who installs an older one has to go on from there, too */
    node->held_index = node->holds++ == 0 || image->base.index < node->held_index
                           ? image->base.index
                           : node->held_index;
    vxc_replica_hold_log(node->replica, node->held_index);
    vxc_replica_offer_image(node->replica, image->peer, &image->base);
}

static void on_make(struct world *world, void *subject, uint64_t number)
{
    struct node *node = subject;
    const uint64_t peer = number % 16;
    struct image *image;
    char from[300];
    char to[300];

    node->making[peer] = false;
    if (!node->up || node->life != number / 16 || !vxc_replica_is_ready(node->replica)) {
        return;
    }
    image = calloc(1, sizeof *image);
    if (image == NULL) {
        sim_broken("out of memory");
    }
    image->number = ++world->image_count;
    image->maker = node->id;
    image->peer = peer;
    if (!node_run(node, settle, image) ||
        image->base.index < vxc_replica_base_index(node->replica) ||
        image->base.configuration.size == 0) {
        free(image); /* no space for the commit, perhaps; it is asked for again */
        return;
    }
    (void)snprintf(from, sizeof from, "%s/state/data.mdb", node->folder);
    path_of(world, image, to, sizeof to);
    files_copy(from, to);
    image->next = world->images;
    world->images = image;
    if (node_run(node, offer, image)) {
        node_wake(node, NODE_WAKE_FRAMES);
        sim_after(world, HOLD_MS * SIM_MS, on_let_go, node, node->life);
    }
}

void images_on_wanted(void *data, uint64_t peer)
{
    struct node *node = data;

    if (!node->making[peer]) {
        node->making[peer] = true;
        sim_after(node->world, sim_between(&node->chance, 10, MAKE_MS_MAX) * SIM_MS, on_make, node,
                  (uint64_t)node->life * 16 + peer);
    }
}

/* ---- who gets it ---- */

static void plan(struct node *node, const struct image *image)
{
    struct vxc_install install = {.base = image->base,
                                  .keep_log = vxc_install_keeps_log(node->log, &image->base)};
    struct vxc_error err = {0};
    int rv;

    install.base.configuration = vxc_slice(image->configuration, image->base.configuration.size);
    memcpy(install.cluster_id, image->cluster_id, sizeof install.cluster_id);
    rv = vxc_install_plan(node->folder, &install, NULL, &err);
    if (rv != 0 && !(rv == VXC_ENOSPC && node->disk.full)) {
        sim_violation(node->world, "node %" PRIu64 " cannot plan to install an image: %s", node->id,
                      err.text);
    }
}

/* Everything is closed and opened again, with an image in the place of the state if there is one. */
static void reopen(struct node *node, void *data)
{
    const struct image *image = data;

    if (image != NULL) {
        plan(node, image);
    }
    node_close(node);
    node_open(node);
}

static void bring(struct node *node, const struct image *image)
{
    char from[300];
    char to[320];

    path_of(node->world, image, from, sizeof from);
    (void)snprintf(to, sizeof to, "%s/incoming", node->folder);
    (void)mkdir(to, 0700);
    (void)snprintf(to, sizeof to, "%s/incoming/state", node->folder);
    (void)mkdir(to, 0700);
    (void)snprintf(to, sizeof to, "%s/incoming/state/data.mdb", node->folder);
    files_copy(from, to);
}

static void on_fetched(struct world *world, void *subject, uint64_t number)
{
    struct node *node = subject;
    struct image *image = world->images;

    if (!node->up || number != node->life * (uint64_t)LIVES_MAX + node->installs) {
        return;
    }
    while (image != NULL && (image->peer != node->id || image->maker != node->install_from ||
                             image->base.index != node->install_index)) {
        image = image->next;
    }
    if (image != NULL && (!world->nodes[image->maker].up ||
                          (!world->healed && sim_chance(&world->faults, LOST_PER_MILLE)))) {
        image = NULL; /* the fetch has failed for good */
    }
    if (image != NULL) {
        world->counts.images++;
        sim_trace(world, SIM_TRACE_INSTALL, node->id, image->base.index, 0, 0);
        bring(node, image);
    }
    if (node_run(node, reopen, image)) {
        node_reopened(node);
    }
}

void images_on_install(void *data, uint64_t peer, const struct vxc_log_base *base)
{
    struct node *node = data;

    node->install_from = peer;
    node->install_index = base->index;
    node->installs++;
    sim_after(node->world, sim_between(&node->chance, 10, FETCH_MS_MAX) * SIM_MS, on_fetched, node,
              node->life * (uint64_t)LIVES_MAX + node->installs);
}
