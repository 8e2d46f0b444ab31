/* A node whose state is damaged and who is not alone gets another one from a peer.
 *
 * Its log and its vote are whole, so it has forgotten no promise: it keeps its id. The replica is not
 * started before there is a state again. It could vote and acknowledge without one, but it could also
 * be elected and then be a primary that applies nothing; so it takes part again when it can do all of
 * it, and until then it is a member that is down, which a cluster survives. It listens, is connected
 * to the others, refuses its clients, and says so.
 *
 * Whom it asks does not matter: a state at any committed index is the state of all nodes at that
 * index. The image has to end where our log still goes on, or later; in the second case the log is
 * emptied, for all that it held is in the image.
 */
#include "node/reopen.h"

#include "base/memory.h"
#include "node/node_internal.h"
#include "storage/image_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char prefix[] = "state.damaged-";

/* ---- who we are ---- */

/* The newest configuration that the log knows, be it committed or not. VXC_ENOTFOUND. */
static int read_configuration(struct vxc_log *log, struct vxc_configuration *configuration,
                              struct vxc_error *err)
{
    const struct vxc_log_base *base = vxc_log_base(log);
    struct vxc_log_entry entry;

    for (uint64_t i = vxc_log_last_index(log); i >= vxc_log_first_index(log) && i > 0; i--) {
        if (vxc_log_type(log, i) == VXC_LOG_CHANGE) {
            int rv = vxc_log_get(log, i, &entry, err);

            return rv != 0 ? rv : vxc_configuration_decode(entry.payload, configuration);
        }
    }
    return base->configuration.size == 0
               ? VXC_ENOTFOUND
               : vxc_configuration_decode(base->configuration, configuration);
}

/* Is there anybody who could help, and is it us whom they would help? */
static bool has_peers(const struct vxc_configuration *c, uint64_t node_id)
{
    bool member = false;
    uint32_t others = 0;

    for (uint32_t i = 0; i < c->count; i++) {
        member = member || c->members[i].id == node_id;
        others += c->members[i].id != node_id && c->members[i].role == VXC_MEMBER_VOTER;
    }
    return member && others > 0;
}

/* ---- the damaged state ---- */

/* The number of a state that was put aside before; 0 = it is none. */
static unsigned long number_of(const char *name)
{
    return strncmp(name, prefix, sizeof prefix - 1) == 0
               ? strtoul(name + sizeof prefix - 1, NULL, 10)
               : 0;
}

static unsigned long highest_number(DIR *folder)
{
    const struct dirent *entry;
    unsigned long highest = 0;

    rewinddir(folder);
    while ((entry = readdir(folder)) != NULL) {
        unsigned long number = number_of(entry->d_name);

        highest = number > highest ? number : highest;
    }
    return highest;
}

/* Only the newest one stays: it may be wanted by who looks for the cause. */
static void remove_older(struct vxc_node *n, DIR *folder, unsigned long newest)
{
    const struct dirent *entry;
    char path[1500];

    rewinddir(folder);
    while ((entry = readdir(folder)) != NULL) {
        unsigned long number = number_of(entry->d_name);

        if (number != 0 && number < newest &&
            snprintf(path, sizeof path, "%.1200s/%.255s", n->options.data, entry->d_name) > 0) {
            vxc_image_remove_folder(path);
        }
    }
}

static int put_aside(struct vxc_node *n, struct vxc_error *err)
{
    DIR *folder = opendir(n->options.data);
    unsigned long number;
    int rv = 0;

    if (folder == NULL) {
        return vxc_error_set(err, vxc_error_from_errno(errno), "%s: open: %s", n->options.data,
                             strerror(errno));
    }
    number = highest_number(folder) + 1;
    (void)snprintf(n->repair.aside, sizeof n->repair.aside, "%s%lu", prefix, number);
    if ((renameat(dirfd(folder), "state", dirfd(folder), n->repair.aside) != 0 &&
         errno != ENOENT) ||
        fsync(dirfd(folder)) != 0) {
        rv = vxc_error_set(err, vxc_error_from_errno(errno), "%s/state: put aside as %s: %s",
                           n->options.data, n->repair.aside, strerror(errno));
    } else {
        remove_older(n, folder, number);
    }
    (void)closedir(folder); /* only read from */
    return rv;
}

/* ---- begin ---- */

/* What was opened anew in the place of a state that was absent is nobody's. */
static int clear_place(struct vxc_node *n, struct vxc_error *err)
{
    char path[1200];

    vxc_store_close(n->store);
    n->store = NULL;
    if (!n->repair.absent) {
        return put_aside(n, err);
    }
    (void)snprintf(n->repair.aside, sizeof n->repair.aside, "none");
    vxc_identity_path(&n->identity, "state", path);
    vxc_image_remove_folder(path);
    return 0;
}

int vxc_node_begin_repair(struct vxc_node *n, struct vxc_error *err)
{
    struct vxc_error ignored = {0};
    struct vxc_vote vote;

    if (vxc_node_open_log(n, &vote, &ignored) != 0 ||
        read_configuration(n->log, &n->repair.configuration, &ignored) != 0 ||
        !has_peers(&n->repair.configuration, n->options.node_id)) {
        return err->code;
    }
    n->repair.index = vxc_log_first_index(n->log) - 1; /* from there on it goes on */
    n->repair.index = n->repair.index == 0 ? 1 : n->repair.index;
    n->repair.active = true;
    vxc_log_event(&n->logger, VXC_LOG_WARN, "state_damaged",
                  "why=\"%s\" do=\"get one from a peer\" index=%" PRIu64, err->text,
                  n->repair.index);
    return clear_place(n, err);
}

void vxc_node_explain_loss(const struct vxc_node *n, struct vxc_error *err)
{
    struct vxc_configuration c = {0};
    struct vxc_error ignored = {0};
    struct vxc_slice stored = {0};

    if (n->store != NULL) {
        stored = vxc_store_meta(n->store)->configuration;
    }
    if (n->repair.damaged ||
        ((stored.size == 0 || vxc_configuration_decode(stored, &c) != 0) &&
         (n->log == NULL || read_configuration(n->log, &c, &ignored) != 0)) ||
        !has_peers(&c, n->options.node_id)) {
        return;
    }
    (void)vxc_error_set(
        err, err->code,
        "%.250s. It may have forgotten what it promised to its cluster, so it comes "
        "back under another id only: vxc member remove %" PRIu64
        ", then start it with an empty --data, a new --node-id and --join, and vxc "
        "member add its address",
        err->text, n->options.node_id);
}

uint64_t vxc_node_repair_peer(struct vxc_node *n)
{
    const struct vxc_configuration *c = &n->repair.configuration;

    for (uint32_t i = 0; i < c->count; i++) {
        uint64_t id = c->members[n->repair.asked++ % c->count].id;

        if (id != n->options.node_id && vxc_cluster_is_connected(n->cluster, id)) {
            return id;
        }
    }
    return 0;
}

void vxc_node_stand_in(struct vxc_node *n)
{
    struct vxc_cluster_stand_in stand_in = {.last_index = vxc_log_last_index(n->log),
                                            .configuration = n->repair.configuration};
    uint64_t lo;
    uint64_t hi;

    vxc_vote_cluster_id(n->vote, &lo, &hi);
    stand_in.has_cluster_id = lo != 0 || hi != 0;
    vxc_store_u64(stand_in.cluster_id, lo);
    vxc_store_u64(stand_in.cluster_id + 8, hi);
    vxc_cluster_set_stand_in(n->cluster, &stand_in);
}
