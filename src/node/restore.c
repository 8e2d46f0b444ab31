/* A data directory for a new cluster of one, from a snapshot file (vxc_node_restore). */
#include "fsm/restore.h"
#include "base/clock.h"
#include "consensus/configuration.h"
#include "node/identity.h"
#include "storage/image.h"
#include "vxc/node.h"

#include <inttypes.h>
#include <string.h>

#define REASON "restored from a snapshot"

/* The new life of the state. */
struct life {
    uint64_t node_id;
    struct vxc_fsm_restore_options options;
    struct vxc_fsm_restore_report report;
};

struct vxc_restore_options vxc_restore_options(void)
{
    return (struct vxc_restore_options){.struct_size = sizeof(struct vxc_restore_options),
                                        .node_id = 1};
}

static int edit(void *data, struct vxc_store *store, const struct vxc_image_info *info,
                struct vxc_error *err)
{
    struct life *life = data;

    (void)info;
    return vxc_fsm_restore(store, &life->options, &life->report, err);
}

static int identify(void *data, const char *folder, struct vxc_error *err)
{
    const struct life *life = data;
    struct vxc_identity identity;
    int rv = vxc_identity_open(folder, life->node_id, &identity, err);

    if (rv == 0) {
        vxc_identity_close(&identity, false); /* not "clean": a node looks at all of it once */
    }
    return rv;
}

static bool on_progress(void *data, enum vxc_image_step step, uint64_t done, uint64_t total)
{
    const struct vxc_restore_options *options = data;

    return options->on_progress(options->data_of_progress, (int)step, done, total);
}

static int begin_life(struct life *life, struct vxc_buffer *configuration, struct vxc_error *err)
{
    const struct vxc_clock *clock = vxc_clock_system();
    struct vxc_configuration alone = {.count = 1};

    alone.members[0].id = life->node_id;
    alone.members[0].role = VXC_MEMBER_VOTER;
    if (vxc_configuration_encode(&alone, configuration) != 0) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    clock->random(clock->data, life->options.cluster_id, sizeof life->options.cluster_id);
    life->options.wall_us = clock->wall_us(clock->data);
    life->options.configuration = vxc_buffer_slice(configuration);
    life->options.reason = vxc_slice_of_string(REASON);
    return 0;
}

static void describe(const struct life *life, struct vxc_restore_report *report)
{
    const struct vxc_fsm_restore_report *r = &life->report;

    *report = (struct vxc_restore_report){
        .from_index = r->index,
        .from_term = r->term,
        .index = r->restored_index,
        .next_token = r->next_token,
        .sessions = r->sessions,
        .locks_held = r->locks_held,
        .locks_waiting = r->locks_waiting,
        .nodes = r->nodes,
        .registrations = r->registrations,
        .watches = r->watches,
    };
    memcpy(report->cluster_id, life->options.cluster_id, sizeof report->cluster_id);
    memcpy(report->from_cluster_id, r->cluster_id, sizeof report->from_cluster_id);
}

int vxc_node_restore(const struct vxc_restore_options *options, struct vxc_restore_report *report,
                     struct vxc_error *err)
{
    struct vxc_restore_options o = vxc_restore_options();
    struct life life = {.node_id = options->node_id};
    const struct vxc_image_restore_hooks hooks = {&life, edit, identify};
    const struct vxc_image_progress progress = {&o, on_progress};
    struct vxc_buffer configuration = {0};
    int rv;

    memcpy(&o, options, options->struct_size < sizeof o ? options->struct_size : sizeof o);
    if (o.path == NULL || o.data == NULL || o.node_id == 0 || o.node_id > UINT32_MAX) {
        return vxc_error_set(err, VXC_EINVAL,
                             "a restore needs a file, a data directory and a node id from 1 to "
                             "%" PRIu32,
                             UINT32_MAX);
    }
    rv = begin_life(&life, &configuration, err);
    rv = rv != 0 ? rv
                 : vxc_image_restore(o.path, o.data, o.node_id, &hooks,
                                     o.on_progress == NULL ? NULL : &progress, NULL, err);
    if (rv == 0 && report != NULL) {
        describe(&life, report);
    }
    vxc_buffer_free(&configuration);
    return rv;
}
