#include "node/reopen.h"

#include "base/check.h"
#include "node/node_internal.h"
#include "storage/install.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ASK_AGAIN_MS = 1000 }; /* after a repair found nobody, or failed */

/* ---- hooks ---- */

static int send_to_peer(void *data, uint64_t peer, const struct vxc_message *message)
{
    struct vxc_node *n = data;

    return n->cluster == NULL ? VXC_ECLOSED : vxc_cluster_send(n->cluster, peer, message);
}

void vxc_node_on_image_wanted(void *data, uint64_t peer)
{
    struct vxc_node *n = data;

    if (n->supply != NULL) {
        vxc_supply_on_wanted(n->supply, peer);
    }
    vxc_loop_wake(n->loop);
}

/* Nothing is done within the replica's call. */
void vxc_node_on_install(void *data, uint64_t peer, const struct vxc_log_base *base)
{
    struct vxc_node *n = data;

    n->install.asked = true;
    n->install.peer = peer;
    n->install.index = base->index;
    vxc_loop_wake(n->loop);
}

void vxc_node_on_damaged(void *data, uint64_t index, uint64_t ours, uint64_t theirs)
{
    struct vxc_node *n = data;

    n->install.damaged_index = index;
    n->install.ours = ours;
    n->install.theirs = theirs;
    vxc_loop_wake(n->loop);
}

void vxc_node_on_image_message(void *data, uint64_t peer, const struct vxc_message *message)
{
    struct vxc_node *n = data;

    if (n->supply == NULL || n->fetch == NULL) {
        return; /* the node ends */
    }
    vxc_supply_on_message(n->supply, peer, message);
    vxc_fetch_on_message(n->fetch, peer, message);
    vxc_loop_wake(n->loop); /* what was asked for leaves with the next turn */
}

/* ---- birth and death ---- */

int vxc_node_open_images(struct vxc_node *n, struct vxc_error *err)
{
    char path[1200];
    struct vxc_supply_options supply = {.folder = path,
                                        .clock = n->clock,
                                        .logger = &n->logger,
                                        .node_id = n->options.node_id,
                                        .data = n,
                                        .send = send_to_peer};
    struct vxc_fetch_options fetch = {
        .folder = path, .clock = n->clock, .logger = &n->logger, .data = n, .send = send_to_peer};
    int rv;

    vxc_identity_path(&n->identity, "outgoing", path);
    rv = vxc_supply_create(&supply, &n->supply, err);
    if (rv == 0) {
        vxc_identity_path(&n->identity, "incoming", path);
        rv = vxc_fetch_create(&fetch, &n->fetch, err);
    }
    return rv;
}

void vxc_node_close_images(struct vxc_node *n)
{
    if (n->supply != NULL) {
        vxc_supply_set_replica(n->supply, NULL, NULL, NULL, NULL);
    }
    vxc_supply_free(n->supply);
    vxc_fetch_free(n->fetch);
    n->supply = NULL;
    n->fetch = NULL;
}

/* ---- closing and opening ---- */

static void on_log(void *data)
{
    struct vxc_node *n = data;
    vxc_replica_on_log(n->replica);
}

static void on_store(void *data)
{
    struct vxc_node *n = data;
    vxc_replica_on_store(n->replica);
}

static int watch_storage(struct vxc_node *n, struct vxc_error *err)
{
    int rv = vxc_loop_watch(n->loop, vxc_log_fd(n->log), on_log, n);

    rv = rv != 0 ? rv : vxc_loop_watch(n->loop, vxc_store_fd(n->store), on_store, n);
    return rv == 0
               ? 0
               : vxc_error_set(err, rv, "cannot watch the log's and the store's descriptors: %s",
                               vxc_strerror(rv));
}

int vxc_node_attach(struct vxc_node *n, struct vxc_error *err)
{
    int rv = watch_storage(n, err);

    if (rv == 0) {
        vxc_snapshots_set_store(n->snapshots, n->store);
        vxc_supply_set_replica(n->supply, n->replica, n->fsm, n->store, n->log);
        vxc_cluster_set_replica(n->cluster, n->replica, n->fsm);
    }
    return rv;
}

/* Who reads the state ends first; then the replica, which still tells the gateway what has become of
 * its proposals; then what it stood on. */
static void close_all(struct vxc_node *n)
{
    vxc_supply_set_replica(n->supply, NULL, NULL, NULL, NULL);
    vxc_snapshots_set_store(n->snapshots, NULL);
    vxc_replica_stop(n->replica);
    n->replica = NULL;
    vxc_gateway_set_replica(n->gateway, NULL, NULL);
    vxc_cluster_set_replica(n->cluster, NULL, NULL);
    vxc_loop_unwatch(n->loop, vxc_log_fd(n->log));
    if (n->store != NULL) {
        vxc_loop_unwatch(n->loop, vxc_store_fd(n->store));
    }
    vxc_fsm_free(n->fsm);
    vxc_table_free(n->table);
    vxc_store_close(n->store);
    vxc_log_close(n->log);
    vxc_vote_close(n->vote);
    n->fsm = NULL;
    n->table = NULL;
    n->store = NULL;
    n->log = NULL;
    n->vote = NULL;
}

static int open_all(struct vxc_node *n, bool *installed, struct vxc_error *err)
{
    struct vxc_vote vote = {0};
    int rv = vxc_install_finish(n->options.data, n->options.node_id, NULL, installed, err);

    rv = rv != 0 ? rv : vxc_node_open_storage(n, false, &vote, err);
    rv = rv != 0 ? rv : vxc_node_start_replica(n, &vote, err);
    return rv != 0 ? rv : vxc_node_attach(n, err);
}

/* With an intent the new state is there afterwards, without one what was there before. */
static void reopen(struct vxc_node *n)
{
    struct vxc_error err = {0};
    bool installed = false;
    int rv;

    close_all(n);
    rv = open_all(n, &installed, &err);
    if (rv == VXC_ECORRUPT) {
        vxc_fatal_damage("opening the state anew: %s", err.text);
    }
    if (rv != 0) {
        vxc_fatal("opening the state anew: %s", err.text);
    }
    vxc_loop_wake(n->loop); /* the new replica's first turn */
    if (installed) {
        vxc_log_event(&n->logger, VXC_LOG_INFO, "image_installed",
                      "index=%" PRIu64 " log_last_index=%" PRIu64,
                      vxc_store_meta(n->store)->applied_index, vxc_log_last_index(n->log));
    }
}

/* ---- installing ---- */

static int plan(struct vxc_node *n, struct vxc_error *err)
{
    const struct vxc_image_info *image = vxc_fetch_info(n->fetch);
    struct vxc_install install = {
        .base = {.index = image->applied_index,
                 .term = image->applied_term,
                 .configuration_index = image->configuration_index,
                 .configuration = vxc_slice(image->configuration, image->configuration_size)},
    };

    install.keep_log = vxc_install_keeps_log(n->log, &install.base);
    memcpy(install.cluster_id, image->cluster_id, sizeof install.cluster_id);
    return vxc_install_plan(n->options.data, &install, NULL, err);
}

static void install(struct vxc_node *n)
{
    const bool repairs = n->repair.active;
    struct vxc_error err = {0};
    int rv = plan(n, &err);

    if (rv != 0) { /* most likely for want of space */
        vxc_log_event(&n->logger, VXC_LOG_WARN, "image_not_installed", "why=\"%s\"", err.text);
        vxc_fetch_end(n->fetch);
        if (!repairs) {
            reopen(n);
        }
        return;
    }
    n->repair.active = false;
    reopen(n);
    vxc_fetch_end(n->fetch);
    if (repairs) {
        vxc_log_event(&n->logger, VXC_LOG_WARN, "state_repaired",
                      "index=%" PRIu64 " damaged_state=%s", vxc_store_meta(n->store)->applied_index,
                      n->repair.aside);
    }
}

/* ---- turns ---- */

/* NULL: this node belongs to no cluster yet. */
static const uint8_t *known_cluster(struct vxc_node *n, uint8_t id[VXC_IMAGE_CLUSTER_ID_SIZE])
{
    uint64_t lo;
    uint64_t hi;

    vxc_vote_cluster_id(n->vote, &lo, &hi);
    vxc_store_u64(id, lo);
    vxc_store_u64(id + 8, hi);
    return lo == 0 && hi == 0 ? NULL : id;
}

static void begin_to_fetch(struct vxc_node *n, uint64_t peer, uint64_t index)
{
    uint8_t id[VXC_IMAGE_CLUSTER_ID_SIZE];

    vxc_fetch_begin(n->fetch, peer, index, known_cluster(n, id));
}

/* A damaged state: one peer after the other is asked until one can help. */
static void go_on_with_repair(struct vxc_node *n)
{
    const uint64_t now_ms = vxc_clock_ms(n->clock);
    uint64_t peer;

    if (vxc_fetch_state(n->fetch) != VXC_FETCH_NONE || now_ms < n->repair.ask_ms) {
        return;
    }
    peer = vxc_node_repair_peer(n);
    if (peer != 0) {
        begin_to_fetch(n, peer, n->repair.index);
    }
    n->repair.ask_ms = now_ms + ASK_AGAIN_MS;
}

/* The others agree on another state at this entry: as if it had been found damaged by a start. */
static void repair_while_running(struct vxc_node *n)
{
    struct vxc_error err = {0};

    (void)vxc_error_set(&err, VXC_ECORRUPT,
                        "%s/state: its digest at entry %" PRIu64 " is %016" PRIx64
                        ", that of the majority %016" PRIx64,
                        n->options.data, n->install.damaged_index, n->install.ours,
                        n->install.theirs);
    n->install.damaged_index = 0;
    n->install.asked = false;
    vxc_fetch_end(n->fetch);
    close_all(n);
    n->repair.absent = false;
    if (vxc_node_begin_repair(n, &err) != 0) {
        vxc_fatal_damage("%s", err.text);
    }
    vxc_node_stand_in(n);
}

static void go_on_with_install(struct vxc_node *n)
{
    if (n->install.damaged_index != 0) {
        repair_while_running(n);
        return;
    }
    if (n->install.asked) {
        n->install.asked = false;
        begin_to_fetch(n, n->install.peer, n->install.index);
    }
}

static void take_outcome(struct vxc_node *n)
{
    switch (vxc_fetch_state(n->fetch)) {
    case VXC_FETCH_READY:
        install(n);
        break;
    case VXC_FETCH_FAILED:
        vxc_fetch_end(n->fetch);
        if (!n->repair.active) {
            reopen(n); /* the engine waits for an image that will not come */
        }
        break;
    default:
        break;
    }
}

uint64_t vxc_node_turn_images(struct vxc_node *n)
{
    uint64_t supply_ms = vxc_supply_turn(n->supply);
    uint64_t fetch_ms;

    if (n->repair.active) {
        go_on_with_repair(n);
    } else {
        go_on_with_install(n);
    }
    fetch_ms = vxc_fetch_turn(n->fetch);
    take_outcome(n);
    fetch_ms = n->repair.active && fetch_ms > ASK_AGAIN_MS / 4 ? ASK_AGAIN_MS / 4 : fetch_ms;
    return supply_ms < fetch_ms ? supply_ms : fetch_ms;
}
