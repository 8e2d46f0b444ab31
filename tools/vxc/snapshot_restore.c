/* snapshot restore: a data directory for a new cluster, of one node or of several. */
#include "tools/vxc/cli.h"
#include "tools/vxc/snapshot.h"
#include "tools/vxc/text.h"
#include "vxc/node.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

static void show_hex(struct vxc_cli *cli, const uint8_t id[16])
{
    char text[33];

    for (size_t i = 0; i < 16; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", id[i]);
    }
    vxc_out_text(&cli->out, text);
}

/* Where the list says that the node lives. The list was read by the restore: it has this id. */
static const char *address_of(const char *list, uint64_t node_id)
{
    char *end;

    for (const char *at = list;; at = strchr(at, ',') + 1) {
        if (strtoull(at, &end, 10) == node_id) {
            return end + 1; /* over the = */
        }
    }
}

/* The line that starts the node, and what is to be done on the others. */
static void say_what_next(struct vxc_cli *cli, uint64_t node_id)
{
    const char *list = cli->value[VXC_OPTION_INITIAL_CLUSTER];
    const char *data = cli->value[VXC_OPTION_DATA];

    if (list == NULL) {
        vxc_cli_say(cli, "start it: vxcd --data %s --node-id %" PRIu64, data, node_id);
        return;
    }
    const char *address = address_of(list, node_id);
    const size_t size = strcspn(address, ",");
    const char *colon = memrchr(address, ':', size);
    const bool brackets = address[0] == '[';

    vxc_cli_say(cli,
                "start it: vxcd --data %s --node-id %" PRIu64
                " --host %.*s --port %.*s --initial-cluster %s",
                data, node_id, (int)(colon - address) - (brackets ? 2 : 0),
                address + (brackets ? 1 : 0), (int)(size - (size_t)(colon + 1 - address)),
                colon + 1, list);
    if (strchr(list, ',') != NULL) {
        vxc_cli_say(cli, "restore the same file with the same list on each of the others, too");
    }
}

static void show(struct vxc_cli *cli, uint64_t node_id, const struct vxc_restore_report *r)
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

    vxc_out_begin_single(&cli->out, columns);
    vxc_out_text(&cli->out, cli->value[VXC_OPTION_DATA]);
    vxc_out_u64(&cli->out, node_id);
    show_hex(cli, r->cluster_id);
    show_hex(cli, r->from_cluster_id);
    vxc_out_u64(&cli->out, r->from_index);
    vxc_out_u64(&cli->out, r->index);
    vxc_out_u64(&cli->out, r->next_token);
    vxc_out_u64(&cli->out, r->sessions);
    vxc_out_u64(&cli->out, r->locks_held);
    vxc_out_u64(&cli->out, r->locks_waiting);
    vxc_out_u64(&cli->out, r->nodes);
    vxc_out_u64(&cli->out, r->registrations);
    vxc_out_u64(&cli->out, r->watches);
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
    say_what_next(cli, node_id);
}

static bool on_progress(void *data, int step, uint64_t done, uint64_t total)
{
    const struct vxc_image_progress *bar = data;

    return bar->on_progress(bar->data, (enum vxc_image_step)step, done, total);
}

int vxc_run_snapshot_restore(struct vxc_cli *cli)
{
    struct vxc_restore_options options = vxc_restore_options();
    struct vxc_restore_report report;
    struct vxc_progress_bar bar;
    struct vxc_error err = {0};
    int rc;

    if (!vxc_cli_has(cli, VXC_OPTION_DATA)) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "name the new data directory with --data DIR");
    }
    options.path = cli->argv[0];
    options.data = cli->value[VXC_OPTION_DATA];
    options.initial_cluster = cli->value[VXC_OPTION_INITIAL_CLUSTER];
    options.data_of_progress = &bar.hooks;
    options.on_progress = on_progress;
    rc = node_id(cli, &options.node_id);
    rc = rc != 0 ? rc : vxc_progress_begin(cli, &bar);
    if (rc != 0) {
        return rc;
    }
    rc = vxc_node_restore(&options, &report, &err);
    vxc_progress_end(&bar);
    if (rc != VXC_OK) {
        return vxc_snapshot_fail(cli, &bar, rc, &err);
    }
    show(cli, options.node_id, &report);
    return 0;
}
