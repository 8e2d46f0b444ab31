/* Write-behind: when the dirty rows are frozen and handed to the store, and what follows from that.
 *
 * Freeze (always at an entry boundary, one commit at a time):
 *   by size    at VXC_FREEZE_ROWS or VXC_FREEZE_BYTES: large commits drain five times as fast; while
 *              the log is replayed only at half the bound of dirty rows, to be ready the sooner
 *   by age     when something applied is VXC_FREEZE_IDLE_MS old and either little of it is there or
 *              nothing came after it for as long: an idle node. Under load, where small commits
 *              dirty a page per row and steal the disk from the log, at VXC_FREEZE_LOADED_MS
 *
 * Truncation: after VXC_SYNC_LOG_BYTES of log (and at a
 * clean stop) the store is synced; what it then covers for sure becomes the log's base, and the
 * caller trims engine and log to it.
 *
 * Pacing: while a commit runs and the dirty and frozen rows fill more than half of their bound,
 * admission falls linearly from 100 to 0 percent, so that it settles where the store drains.
 *
 * `--apply each`, the reference mode, freezes and waits after every command instead.
 */
#ifndef VXC_CONSENSUS_FREEZE_H
#define VXC_CONSENSUS_FREEZE_H

#include "base/bytes.h"
#include "base/error.h"
#include "fsm/fsm.h"
#include "storage/log.h"
#include "storage/store.h"
#include "storage/table.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    VXC_FREEZE_SMALL_ROWS = 1000, /* a commit of fewer takes a few ms */
    VXC_FREEZE_LOADED_MS = 5000,  /* dump tools see a value at most this and one commit later */
    VXC_FREEZE_LOOK_MS = 100,     /* between looks at the store's statistics, which are costly */
    VXC_SYNC_LOG_BYTES = 32 * 1024 * 1024, /* bytes of log between syncs: half the trailing part */
};

struct vxc_freeze {
    struct vxc_table *table; /* borrowed, as all of these */
    struct vxc_store *store;
    struct vxc_fsm *fsm;
    uint64_t idle_ms;        /* VXC_FREEZE_IDLE_MS, if nobody wanted another */
    uint64_t sync_log_bytes; /* VXC_SYNC_LOG_BYTES, likewise */

    /* what is applied, beside what the state machine knows itself */
    struct vxc_buffer configuration; /* newest committed one that is applied */
    uint64_t configuration_index;
    uint64_t applied_ms; /* when the oldest entry not yet frozen was applied; 0 = none */
    uint64_t newest_ms;  /* when the newest one was */
    uint64_t wanted;     /* somebody waits for a commit of this entry; 0 = nobody does */

    /* what the store has */
    struct vxc_log_base frozen;          /* in the running commit */
    struct vxc_log_base committed;       /* in the last commit */
    struct vxc_log_base syncing;         /* of the sync under way; index 0 = none */
    struct vxc_log_base synced;          /* safe against a power cut; index 0 = none in this life */
    struct vxc_buffer configurations[4]; /* owned bytes of the four above */
    uint64_t unsynced_log_bytes;         /* log written since the last sync began */
    uint64_t looked_ms;                  /* at the statistics below */
    bool
        replaying; /* the node is not ready: what it replays is in the log, and commits only delay */
    bool no_space; /* the store keeps its frozen rows and tries again */

    uint64_t checkpoint_asked; /* the running commit is of this checkpoint */
    uint64_t checkpoint_index; /* of the last one that was committed; 0 = none in this life */
    uint64_t checkpoint_digest;
};

/* Reads where the store stands. idle_ms, sync_log_bytes: 0 = the usual. VXC_ENOMEM. */
int vxc_freeze_init(struct vxc_freeze *freeze, struct vxc_table *table, struct vxc_store *store,
                    struct vxc_fsm *fsm, uint64_t idle_ms, uint64_t sync_log_bytes);
void vxc_freeze_deinit(struct vxc_freeze *freeze);

/* ---- what happens to the state ---- */

/* A configuration entry is applied. */
void vxc_freeze_configure(struct vxc_freeze *freeze, uint64_t index,
                          struct vxc_slice configuration);
/* A whole entry is applied. */
void vxc_freeze_applied(struct vxc_freeze *freeze, uint64_t now_ms);
/* Bytes were handed to the log. */
void vxc_freeze_logged(struct vxc_freeze *freeze, uint64_t bytes);

/* ---- work ---- */

/* Makes a commit of this entry, which is applied, due with the next turn that no commit runs in. */
void vxc_freeze_want(struct vxc_freeze *freeze, uint64_t index);
/* The last applied entry is a checkpoint: begins a commit of exactly that. False while an earlier one
 * runs. Its digest is there once it is collected. */
bool vxc_freeze_checkpoint(struct vxc_freeze *freeze);
/* Starts what is due; returns ms until it wants to be called again. */
uint64_t vxc_freeze_turn(struct vxc_freeze *freeze, uint64_t now_ms);
/* Starts a commit if there is as much as the size rule wants (between entries of a long replay). */
void vxc_freeze_by_size(struct vxc_freeze *freeze);
/* Collects what the store has finished. */
void vxc_freeze_collect(struct vxc_freeze *freeze);

/* Commits all that is applied and waits. False: no space, the rows stay in memory (and the log). */
bool vxc_freeze_settle(struct vxc_freeze *freeze);
/* Settles and syncs. */
bool vxc_freeze_sync(struct vxc_freeze *freeze);
/* Reference mode: commits the state after a command or an entry and waits. Without space it waits a
 * while for some and then ends the process. */
void vxc_freeze_each(struct vxc_freeze *freeze);

/* ---- inspection ---- */

/* 0…100, see replica.h. */
int vxc_freeze_admission_percent(const struct vxc_freeze *freeze);

/* Dirty and frozen rows have reached their bound: nothing that grows is taken any more. */
bool vxc_freeze_is_full(const struct vxc_freeze *freeze);

#endif
