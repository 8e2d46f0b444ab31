/* Putting an image in the place of the state, so that a crash at any moment leaves a whole node.
 *
 *   DATA/incoming/state   the new state: unpacked, checked, flushed
 *   DATA/install          the intent: where the new state ends and what becomes of the log
 *
 * Order: the new state is durable → plan() writes the intent (aside, flushed, renamed, folder
 * flushed) → nobody has log, vote and state open → finish(): the old state moves aside, the new one
 * to its place; the log is emptied and begins behind the new state, unless the intent says that it
 * goes on; a vote of a lower term than the state is raised to it, for nobody; the intent is removed,
 * and then what is left in DATA/incoming.
 *
 * Each step can be repeated, so with an intent present finish() goes on where a crash has stopped
 * it, and without one it only removes leftovers: it is the first thing that a start does to a data
 * directory. The vote stays: whoever installs a state forgets nobody it has voted for.
 *
 * Loop thread, or before there is one.
 */
#ifndef VXC_STORAGE_INSTALL_H
#define VXC_STORAGE_INSTALL_H

#include "base/error.h"
#include "storage/log.h"

#include <stdbool.h>
#include <stdint.h>

#define VXC_INSTALL_CLUSTER_ID_SIZE 16u

enum {
    VXC_INSTALL_HEAD_SIZE = 64,
    VXC_INSTALL_CONFIGURATION_MAX = 4096, /* bytes; as in an image */
    VXC_INSTALL_SIZE_MAX = VXC_INSTALL_HEAD_SIZE + VXC_INSTALL_CONFIGURATION_MAX,
};

struct vxc_install {
    uint8_t cluster_id[VXC_INSTALL_CLUSTER_ID_SIZE];
    struct vxc_log_base base; /* where the new state ends; its configuration is borrowed */
    bool keep_log;            /* it has the entries behind the state, or what it has is newer */
};

/* Appends; VXC_EINVAL for a configuration that is too large or absent, VXC_ENOMEM. */
int vxc_install_encode(const struct vxc_install *install, struct vxc_buffer *out);
/* VXC_ECORRUPT, VXC_EVERSION. The configuration points into `bytes`. */
int vxc_install_decode(struct vxc_slice bytes, struct vxc_install *install, struct vxc_error *err);

/* For tests: called before and after each step that changes something. NULL: nobody looks. */
struct vxc_install_watch {
    void *data;
    void (*on_step)(void *data, const char *step);
};

/* keep_log for an image that ends at `base`: does this log have the entries behind it, or end with
 * it? Where not, all that it has is in the image, or was never committed. The image does not end
 * further back than in front of the log's first entry. */
bool vxc_install_keeps_log(const struct vxc_log *log, const struct vxc_log_base *base);

/* Writes the intent, durably. The new state lies in DATA/incoming/state, durably: VXC_ENOTFOUND
 * else. On failure there is none. */
int vxc_install_plan(const char *data, const struct vxc_install *install,
                     const struct vxc_install_watch *watch, struct vxc_error *err);

/* Carries out an intent if there is one (*installed), and empties DATA/incoming; without an intent an
 * image that was still arriving stays there (node/fetch.h). A failure leaves what the next call goes on
 * with. VXC_ECORRUPT, VXC_EFOREIGN, VXC_ENOSPC, VXC_EIO. */
int vxc_install_finish(const char *data, uint64_t node_id, const struct vxc_install_watch *watch,
                       bool *installed, struct vxc_error *err);

#endif
