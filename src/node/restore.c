/* A data directory for a new cluster, from a snapshot file (vxc_node_restore).
 *
 * A cluster of several nodes is restored on each of them, without a word between them, and all must
 * begin with the same state and log base, or they would answer differently ever after. So everything
 * there comes of the file and of --initial-cluster alone: the cluster's id is a hash of both (two
 * files, or two lists, make clusters that do not talk to each other), the clock is that of the save,
 * and the fencing tokens leap over all that can have been given since. Only the file `node` and the
 * ids in log and vote differ. */
#include "fsm/restore.h"
#include "base/clock.h"
#include "consensus/configuration.h"
#include "node/cluster.h"
#include "node/identity.h"
#include "storage/image.h"
#include "storage/row.h"
#include "vxc/node.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REASON        "restored from a snapshot"
#define ID_OF_CLUSTER "vxc restored cluster 1\n" /* what the hash begins with */

/* The new life of the state. */
struct life {
    uint64_t node_id;
    struct vxc_cluster_spec spec; /* by id; count 0: this node alone */
    struct vxc_member_view members[VXC_CONFIGURATION_MEMBERS_MAX];
    struct vxc_buffer configuration;
    struct vxc_fsm_restore_options options;
    struct vxc_fsm_restore_report report;
};

struct vxc_restore_options vxc_restore_options(void)
{
    return (struct vxc_restore_options){.struct_size = sizeof(struct vxc_restore_options),
                                        .node_id = 1};
}

/* ---- who is in it ---- */

static int compare_ids(const void *a, const void *b)
{
    const struct vxc_cluster_address *left = a;
    const struct vxc_cluster_address *right = b;

    return left->id < right->id ? -1 : left->id > right->id;
}

/* One order and one spelling, so that it does not matter how the list was written on which node. */
static void make_canonical(struct vxc_cluster_spec *spec)
{
    qsort(spec->members, spec->count, sizeof spec->members[0], compare_ids);
    for (uint32_t i = 0; i < spec->count; i++) {
        for (char *at = spec->members[i].address; *at != '\0'; at++) {
            *at = (char)tolower((unsigned char)*at); /* ASCII, as the parser says */
        }
    }
}

static int read_spec(struct life *life, const char *initial_cluster, struct vxc_error *err)
{
    bool found = false;
    int rv;

    if (initial_cluster == NULL) {
        return 0;
    }
    rv = vxc_cluster_parse_initial(initial_cluster, &life->spec, err);
    if (rv != 0) {
        (void)vxc_error_prefix(err, "initial cluster");
        return rv;
    }
    make_canonical(&life->spec);
    for (uint32_t i = 0; i < life->spec.count; i++) {
        const struct vxc_cluster_address *member = &life->spec.members[i];

        found = found || member->id == life->node_id;
        life->members[i] = (struct vxc_member_view){
            .id = member->id, .address = vxc_slice_of_string(member->address)};
    }
    return found ? 0
                 : vxc_error_set(err, VXC_EINVAL, "node %" PRIu64 " is not in the initial cluster",
                                 life->node_id);
}

static int encode_configuration(struct life *life, struct vxc_error *err)
{
    struct vxc_configuration configuration = {.count = 1};

    configuration.members[0].id = life->node_id;
    configuration.members[0].role = VXC_MEMBER_VOTER;
    for (uint32_t i = 0; i < life->spec.count; i++) {
        configuration.members[i].id = life->spec.members[i].id;
        configuration.members[i].role = VXC_MEMBER_VOTER;
        configuration.count = i + 1;
    }
    return vxc_configuration_encode(&configuration, &life->configuration) == 0
               ? 0
               : vxc_error_set(err, VXC_ENOMEM, "out of memory");
}

/* ---- its beginning ---- */

static void begin_alone(struct vxc_fsm_restore_options *options)
{
    const struct vxc_clock *clock = vxc_clock_system();

    clock->random(clock->data, options->cluster_id, sizeof options->cluster_id);
    options->wall_us = clock->wall_us(clock->data);
}

/* The id is the beginning of SHA-256 over a head, the file's SHA-256 and the list. */
static int begin_together(struct life *life, const struct vxc_image_info *info,
                          struct vxc_error *err)
{
    struct vxc_fsm_restore_options *options = &life->options;
    struct vxc_buffer text = {0};
    uint8_t hash[32];
    int rv = vxc_buffer_append(&text, ID_OF_CLUSTER, strlen(ID_OF_CLUSTER));

    rv = rv != 0 ? rv : vxc_buffer_append(&text, info->sha256, sizeof info->sha256);
    for (uint32_t i = 0; rv == 0 && i < life->spec.count; i++) {
        const struct vxc_cluster_address *member = &life->spec.members[i];

        rv = vxc_buffer_put_u64(&text, member->id);
        rv = rv != 0 ? rv : vxc_buffer_put_bytes(&text, vxc_slice_of_string(member->address));
    }
    if (rv == 0) {
        vxc_sha256(vxc_buffer_slice(&text), hash);
        memcpy(options->cluster_id, hash, sizeof options->cluster_id);
    }
    vxc_buffer_free(&text);
    options->wall_us = info->saved_at_us;
    options->token_leap = VXC_RESTORE_TOKEN_LEAP;
    options->members = life->members;
    options->member_count = life->spec.count;
    return rv == 0 ? 0 : vxc_error_set(err, rv, "out of memory");
}

static int edit(void *data, struct vxc_store *store, const struct vxc_image_info *info,
                struct vxc_error *err)
{
    struct life *life = data;
    int rv = 0;

    life->options.configuration = vxc_buffer_slice(&life->configuration);
    life->options.reason = vxc_slice_of_string(REASON);
    if (life->spec.count == 0) {
        begin_alone(&life->options);
    } else {
        rv = begin_together(life, info, err);
    }
    return rv != 0 ? rv : vxc_fsm_restore(store, &life->options, &life->report, err);
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

/* ---- all of it ---- */

static bool on_progress(void *data, enum vxc_image_step step, uint64_t done, uint64_t total)
{
    const struct vxc_restore_options *options = data;

    return options->on_progress(options->data_of_progress, (int)step, done, total);
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
    int rv;

    memcpy(&o, options, options->struct_size < sizeof o ? options->struct_size : sizeof o);
    if (o.path == NULL || o.data == NULL || o.node_id == 0 || o.node_id > UINT32_MAX) {
        return vxc_error_set(err, VXC_EINVAL,
                             "a restore needs a file, a data directory and a node id from 1 to "
                             "%" PRIu32,
                             UINT32_MAX);
    }
    rv = read_spec(&life, o.initial_cluster, err);
    rv = rv != 0 ? rv : encode_configuration(&life, err);
    rv = rv != 0 ? rv
                 : vxc_image_restore(o.path, o.data, o.node_id, &hooks,
                                     o.on_progress == NULL ? NULL : &progress, NULL, err);
    if (rv == 0 && report != NULL) {
        describe(&life, report);
    }
    vxc_buffer_free(&life.configuration);
    return rv;
}
