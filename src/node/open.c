/* Opening what lies in the data directory: state, log and vote, and what of it is damaged how. */
#include "base/memory.h"
#include "consensus/recovery.h"
#include "node/node_internal.h"
#include "node/reopen.h"
#include "storage/image_internal.h"
#include "storage/verify.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- the state ---- */

/* The state is walked before it is believed: LMDB does not notice damage. */
static int verify_state(struct vxc_node *n, const char *path, struct vxc_error *err)
{
    struct vxc_verify_report report;
    int rv;

    if (n->identity.fresh) {
        return 0;
    }
    rv = vxc_verify_state(path, &report, err);
    if (rv == VXC_ENOTFOUND) {
        n->repair.absent = true;
        return 0; /* killed before the first commit: the log has it all */
    }
    if (rv == 0) {
        n->verified_rows = report.rows;
    }
    return rv;
}

static int open_state(struct vxc_node *n, bool verify, struct vxc_error *err)
{
    const struct vxc_store_options options = {.synchronous = n->options.apply_each};
    char path[1200];
    int rv = 0;

    vxc_identity_path(&n->identity, "state", path);
    if (verify) {
        rv = verify_state(n, path, err);
    }
    rv = rv != 0 ? rv : vxc_store_open(path, &options, &n->store, err);
    n->repair.damaged = rv == VXC_ECORRUPT;
    return rv;
}

/* ---- log and vote ---- */

int vxc_node_open_log(struct vxc_node *n, struct vxc_vote *vote, struct vxc_error *err)
{
    const struct vxc_log_options options = {.node_id = n->options.node_id};
    char path[1200];
    int rv = 0;

    if (n->log == NULL) {
        vxc_identity_path(&n->identity, "log", path);
        rv = vxc_log_open(path, &options, &n->log, err);
    }
    if (rv == 0 && n->vote == NULL) {
        /* a vote that is gone beside a log is a forgotten vote */
        vxc_identity_path(&n->identity, "vote", path);
        rv = vxc_vote_open(path, vxc_log_last_index(n->log) == 0, n->options.node_id, &n->vote,
                           vote, err);
        if (rv == VXC_ENOTFOUND) {
            rv = vxc_error_set(err, VXC_ECORRUPT,
                               "%s: the vote is missing beside a log: this node may have forgotten "
                               "whom it voted for",
                               path);
        }
    }
    return rv;
}

/* ---- all of it ---- */

/* A long replay asks for most rows of a state in no order; one that fits memory is read as a whole. */
static void preload(struct vxc_node *n)
{
    const uint64_t applied_index = vxc_store_meta(n->store)->applied_index;
    struct vxc_store_stats stats;

    vxc_store_stats(n->store, &stats);
    if (vxc_log_bytes_after(n->log, applied_index) >= VXC_PRELOAD_LOG_BYTES &&
        stats.file_bytes / 2 <= n->options.clean_cache_mib << 20) { /* half is rows, about */
        vxc_table_preload(n->table, n->verified_rows);
    }
}

int vxc_node_open_storage(struct vxc_node *n, bool verify, struct vxc_vote *vote,
                          struct vxc_error *err)
{
    int rv = open_state(n, verify, err);

    rv = rv != 0 ? rv : vxc_node_open_log(n, vote, err);
    if (rv == 0) { /* one that ends before the log is a loss that a peer can make good */
        rv = vxc_recovery_check_state(n->log, vxc_store_meta(n->store), err);
        n->repair.damaged = rv != 0;
    }
    if (rv == 0 && vxc_table_create(n->store, n->options.clean_cache_mib << 20, &n->table) != 0) {
        rv = vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    if (rv == 0) {
        preload(n);
        rv = vxc_fsm_create(n->table, &n->fsm, err);
    }
    return rv;
}

int vxc_node_open_snapshots(struct vxc_node *n, struct vxc_error *err)
{
    struct vxc_snapshots_options options = {
        .store = n->store, .clock = n->clock, .logger = &n->logger, .node_id = n->options.node_id};
    char path[1200];

    vxc_identity_path(&n->identity, "snapshots", path);
    options.folder = path;
    return vxc_snapshots_create(&options, &n->snapshots, err);
}
