/* snapshot restore: a data directory for a new cluster of one. */
#include "base/clock.h"
#include "base/error.h"

#include "consensus/configuration.h"
#include "fsm/restore.h"
#include "node/identity.h"
#include "storage/image.h"
#include "tools/vxc/cli.h"
#include "tools/vxc/snapshot.h"
#include "tools/vxc/text.h"

#include <inttypes.h>
#include <stdlib.h>

#define REASON "restored from a snapshot"

struct life {
    uint64_t node_id;
    struct vxc_fsm_restore_options options;
    struct vxc_fsm_restore_report report;
};

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
    int rc = vxc_identity_open(folder, life->node_id, &identity, err);

    if (rc == VXC_OK) {
        vxc_identity_close(&identity, false); /* not "clean": vxcd looks at all of it once */
    }
    return rc;
}

/* As vxcd does: --node-id, else VERTX_CLUSTER_NODE_ID, else 1. */
static int node_id(struct vxc_cli *cli, uint64_t *id)
{
    const char *text = getenv("VERTX_CLUSTER_NODE_ID");

    if (vxc_cli_has(cli, VXC_OPTION_NODE_ID)) {
        return vxc_cli_count(cli, VXC_OPTION_NODE_ID, 1, UINT32_MAX, 1, id);
    }
    *id = 1;
    if (text != NULL && *text != '\0' &&
        (vxc_text_u64(text, id) != VXC_OK || *id == 0 || *id > UINT32_MAX)) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE,
                            "VERTX_CLUSTER_NODE_ID \"%s\": expected a number from 1 to %" PRIu32,
                            text, UINT32_MAX);
    }
    return 0;
}

static int begin_life(struct vxc_cli *cli, struct life *life, struct vxc_buffer *configuration)
{
    const struct vxc_clock *clock = vxc_clock_system();
    struct vxc_configuration alone = {.count = 1};
    int rc = node_id(cli, &life->node_id);

    if (rc != 0) {
        return rc;
    }
    alone.members[0].id = life->node_id;
    alone.members[0].role = VXC_MEMBER_VOTER;
    if (vxc_configuration_encode(&alone, configuration) != VXC_OK) {
        return vxc_cli_fail_code(cli, VXC_ENOMEM, "");
    }
    clock->random(clock->data, life->options.cluster_id, sizeof life->options.cluster_id);
    life->options.wall_us = clock->wall_us(clock->data);
    life->options.configuration = vxc_buffer_slice(configuration);
    life->options.reason = vxc_slice_of_string(REASON);
    return 0;
}

static void show_hex(struct vxc_cli *cli, const uint8_t id[16])
{
    char text[33];

    for (size_t i = 0; i < 16; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", id[i]);
    }
    vxc_out_text(&cli->out, text);
}

static void show(struct vxc_cli *cli, const struct life *life)
{
    static const char *const columns[] = {"data",
                                          "node",
                                          "cluster_id",
                                          "from_cluster_id",
                                          "from_index",
                                          "index",
                                          "next_token",
                                          "sessions_ended",
                                          "locks_released",
                                          "waits_ended",
                                          "nodes_left",
                                          "registrations_removed",
                                          "watches_removed",
                                          NULL};
    const struct vxc_fsm_restore_report *r = &life->report;

    vxc_out_begin_single(&cli->out, columns);
    vxc_out_text(&cli->out, cli->value[VXC_OPTION_DATA]);
    vxc_out_u64(&cli->out, life->node_id);
    show_hex(cli, life->options.cluster_id);
    show_hex(cli, r->cluster_id);
    vxc_out_u64(&cli->out, r->index);
    vxc_out_u64(&cli->out, r->restored_index);
    vxc_out_u64(&cli->out, r->next_token);
    vxc_out_u64(&cli->out, r->sessions);
    vxc_out_u64(&cli->out, r->locks_held);
    vxc_out_u64(&cli->out, r->locks_waiting);
    vxc_out_u64(&cli->out, r->nodes);
    vxc_out_u64(&cli->out, r->registrations);
    vxc_out_u64(&cli->out, r->watches);
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
    vxc_cli_say(cli, "start it: vxcd --data %s --node-id %" PRIu64, cli->value[VXC_OPTION_DATA],
                life->node_id);
}

int vxc_run_snapshot_restore(struct vxc_cli *cli)
{
    struct life life = {.node_id = 0};
    const struct vxc_image_restore_hooks hooks = {&life, edit, identify};
    struct vxc_buffer configuration = {0};
    struct vxc_progress_bar bar;
    struct vxc_error err = {0};
    int rc;

    if (!vxc_cli_has(cli, VXC_OPTION_DATA)) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "name the new data directory with --data DIR");
    }
    rc = begin_life(cli, &life, &configuration);
    rc = rc != 0 ? rc : vxc_progress_begin(cli, &bar);
    if (rc == 0) {
        rc = vxc_image_restore(cli->argv[0], cli->value[VXC_OPTION_DATA], life.node_id, &hooks,
                               &bar.hooks, NULL, &err);
        vxc_progress_end(&bar);
        if (rc != VXC_OK) {
            rc = vxc_snapshot_fail(cli, &bar, rc, &err);
        } else {
            show(cli, &life);
        }
    }
    vxc_buffer_free(&configuration);
    return rc;
}
