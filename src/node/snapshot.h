/* Snapshots of a running node: the image file that somebody is fetching, one at a time.
 *
 * begin → the replica is asked for a commit of all that is applied, await() says which → once LMDB
 * has it, an image of its own thread is written into DATA/snapshots (storage/image.h), while the
 * node goes on → the finished file is opened and its name removed: it is gone when it is closed,
 * whatever happens → read in pieces → end.
 *
 * It belongs to the connection that began it and goes with that, also while it is being made; or
 * when it was not asked for in VXC_SNAPSHOT_IDLE_MS. What a node that was killed left in the
 * folder is removed at the next start.
 *
 * The other kind is a save to a path of an embedder's choice: the same way up to the image, which is
 * flushed and stays where it is. One of either kind at a time.
 *
 * Loop thread only; the thread that writes is private. NULL instead of snapshots is an error
 * VXC_EUNSUPPORTED, and nothing to forget or free.
 */
#ifndef VXC_NODE_SNAPSHOT_H
#define VXC_NODE_SNAPSHOT_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "consensus/replica.h"
#include "storage/image.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_snapshots;

struct vxc_snapshots_options {
    const char *folder;      /* made when it is needed; copied */
    struct vxc_store *store; /* borrowed */
    const struct vxc_clock *clock;
    const struct vxc_logger *logger;
    uint64_t node_id;
};

/* Empties the folder. VXC_ENOMEM, VXC_EIO. */
int vxc_snapshots_create(const struct vxc_snapshots_options *options, struct vxc_snapshots **out,
                         struct vxc_error *err);
/* Ends a thread that still writes and waits for it; before the store is closed. */
void vxc_snapshots_free(struct vxc_snapshots *snapshots);

/* The state is replaced by another one: what there is ends, and its thread is waited for. NULL: there
 * is no state at present, and no snapshot can be begun. */
void vxc_snapshots_set_store(struct vxc_snapshots *snapshots, struct vxc_store *store);

/* VXC_EBUSY: there is one, or no state; VXC_EINVAL: no such compression. `owner` is only compared. */
int vxc_snapshots_begin(struct vxc_snapshots *snapshots, const void *owner, uint8_t compression,
                        const uint8_t *cluster_id, uint64_t *id, struct vxc_error *err);
/* A save. On success on_done comes exactly once: from a turn, cancel or free. VXC_EBUSY,
 * VXC_EINVAL, VXC_ENOMEM. */
typedef void (*vxc_snapshots_done_cb)(void *data, int code, const struct vxc_image_info *info,
                                      const struct vxc_error *err);
int vxc_snapshots_save(struct vxc_snapshots *snapshots, const char *path, uint8_t compression,
                       const uint8_t *cluster_id, void *data, vxc_snapshots_done_cb on_done,
                       struct vxc_error *err);
/* Ends a save that is under way, and waits for its thread: VXC_ECANCELED. NULL is fine. */
void vxc_snapshots_cancel(struct vxc_snapshots *snapshots);
/* The one just begun has to hold this entry. */
void vxc_snapshots_await(struct vxc_snapshots *snapshots, uint64_t index);
/* Part of each turn; returns ms until it wants the next. */
uint64_t vxc_snapshots_turn(struct vxc_snapshots *snapshots, struct vxc_replica *replica);

struct vxc_snapshot_view {
    uint64_t id;
    uint8_t step; /* enum vxc_image_step */
    uint64_t done, total;
    uint64_t file_bytes;                /* that can be read by now; all of it once it is ready */
    const struct vxc_image_info *image; /* NULL until it is ready */
};
/* VXC_ENOTFOUND: the owner has no such snapshot; or why it could not be made, and then it is gone.
 */
int vxc_snapshots_look(struct vxc_snapshots *snapshots, const void *owner, uint64_t id,
                       struct vxc_snapshot_view *view, struct vxc_error *err);
/* Bytes from `offset` into `out`, which is emptied first; fewer at the end of the file. VXC_EBUSY
 * where it is not written yet, VXC_EINVAL, VXC_ENOTFOUND, VXC_EIO. */
int vxc_snapshots_read(struct vxc_snapshots *snapshots, const void *owner, uint64_t id,
                       uint64_t offset, uint32_t size, struct vxc_buffer *out,
                       struct vxc_error *err);
/* True when the owner had it. */
bool vxc_snapshots_end(struct vxc_snapshots *snapshots, const void *owner, uint64_t id);
/* The owner is gone. */
void vxc_snapshots_forget(struct vxc_snapshots *snapshots, const void *owner);

#endif
