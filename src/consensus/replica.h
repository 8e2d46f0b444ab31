/* The replica: our Raft server. It drives the engine, the log, the vote and the state machine.
 *
 * A command's way: propose() encodes it into the open entry → turn() stamps and closes the entry,
 * submits it to the engine, appends what the engine says to the log and issues one write → when
 * that is durable on a majority, the engine commits → apply, at most up to min(commit, durable) →
 * on_result for each of our proposals, in log order. One node alone is a cluster of one voter on
 * the same path.
 *
 * The replica reads no clock and no socket of its own: time, randomness, log, vote and state come
 * in through the options, and the owner calls turn() once per loop turn and on_log()/on_store()
 * when the descriptors of log and store are readable. So the same code runs under the simulator.
 *
 * When to freeze: by size under load (VXC_FREEZE_ROWS/BYTES), by age (VXC_FREEZE_IDLE_MS) when
 * idle, always at an entry boundary. Log truncation: applied index of a committed LMDB transaction
 * → vxc_store_sync → vxc_log_set_base → engine told (RAFT_SNAPSHOT event) → segments dropped.
 *
 * Failure: an engine error other than a refused submit, damage met while reading, a failed flush
 * end the process (vxc_fatal) with a report; no space refuses proposals (VXC_ENOSPC) and is
 * retried.
 */
#ifndef VXC_CONSENSUS_REPLICA_H
#define VXC_CONSENSUS_REPLICA_H

#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "consensus/proposal.h"
#include "fsm/command.h"
#include "fsm/fsm.h"
#include "storage/log.h"
#include "storage/store.h"
#include "storage/table.h"
#include "storage/vote.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_replica;

struct vxc_replica_options {
    uint64_t node_id;              /* ≥ 1; also the engine's address */
    struct vxc_log *log;           /* borrowed, opened */
    struct vxc_vote_file *vote;    /* borrowed, opened */
    struct vxc_vote initial_vote;  /* as loaded */
    struct vxc_store *store;       /* borrowed, opened, verified */
    struct vxc_table *table;       /* borrowed */
    struct vxc_fsm *fsm;           /* borrowed; the replica sets its hooks */
    const struct vxc_clock *clock; /* borrowed */
    const struct vxc_logger *logger;
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    bool apply_each; /* reference mode: commit LMDB after every command */

    void *data; /* for the hooks below */
    /* Once for each accepted proposal. result->code VXC_EUNKNOWN when its fate cannot be known (the
     * primaryship was lost while it was in flight). Slices are borrowed during the call. */
    void (*on_result)(void *data, struct vxc_proposal *proposal, const struct vxc_result *result);
    /* Every event while applying, on every node; before the results of the same command. */
    void (*on_event)(void *data, const struct vxc_event *event);
    /* Role, term or primary changed; also once when a new primary's own no-op is applied. */
    void (*on_role)(void *data);
};

/* Recovers: replays the log from the state's applied index, bootstraps a fresh directory as a sole
 * voter (entry 1), starts the engine. After a successful start the owner calls turn() until
 * vxc_replica_is_ready(). VXC_ECORRUPT (e.g. a log that ends before the state's applied index), …
 */
int vxc_replica_start(const struct vxc_replica_options *options, struct vxc_replica **replica,
                      struct vxc_error *err);

/* Stops: drains log and store, commits what is applied, syncs. Pending proposals get VXC_EUNKNOWN.
 */
void vxc_replica_stop(struct vxc_replica *replica);

/* Adds a command to the open entry. proposal may be NULL (nobody waits). Borrowed slices are
 * copied. VXC_ENOTPRIMARY, VXC_EBUSY (a bound of limits.h), VXC_ENOSPC, VXC_ETOOBIG: nothing was
 * added. */
int vxc_replica_propose(struct vxc_replica *replica, const struct vxc_command *command,
                        struct vxc_proposal *proposal);

/* The work of one loop turn; returns ms until it wants to be called again at the latest. */
uint64_t vxc_replica_turn(struct vxc_replica *replica);
/* The log's / store's descriptor was readable. */
void vxc_replica_on_log(struct vxc_replica *replica);
void vxc_replica_on_store(struct vxc_replica *replica);

/* May a linearizable read be answered from the applied state right now? Alone in the committed and
 * in the newest configuration: yes as soon as the own no-op is applied. (With more voters a read
 * waits for a term probe; src/consensus/read_index.) VXC_ENOTPRIMARY, VXC_EBUSY (not ready yet). */
int vxc_replica_read(struct vxc_replica *replica);

bool vxc_replica_is_primary(const struct vxc_replica *replica);
bool vxc_replica_is_ready(
    const struct vxc_replica *replica); /* primary, no-op applied, bootstrapped */

/* 0..100: how much of the usual reading from sockets is advised; below 100 while a commit runs and
 * the dirty rows are over half their bound, 0 when a bound is reached. */
int vxc_replica_admission_percent(const struct vxc_replica *replica);

/* Estimated cluster time now, for leases and status: last stamp plus the monotonic time since. */
uint64_t vxc_replica_time_ms(const struct vxc_replica *replica);

struct vxc_replica_status {
    const char *role; /* primary, backup, standby, candidate */
    uint64_t term, voted_for;
    uint64_t commit_index, applied_index, last_index, durable_index;
    uint64_t lmdb_applied_index, synced_index, log_first_index;
    uint64_t state_digest, digest_index; /* of the last LMDB commit */
    uint64_t uncommitted_bytes;          /* fill of VXC_LOG_UNCOMMITTED_MAX */
    uint64_t primary_id;                 /* 0 = unknown */
    uint64_t entries_total, commands_total;
    bool no_space;
};
void vxc_replica_status(struct vxc_replica *replica, struct vxc_replica_status *status);

/* Makes a commit to LMDB due of all that is applied now, which is all that was acknowledged;
 * returns the index. It is begun in one of the next turns, at the end of an entry. */
uint64_t vxc_replica_ask_commit(struct vxc_replica *replica);
/* Is it there? 0, VXC_EBUSY (not yet), VXC_ENOSPC (not before there is room; it is tried again). */
int vxc_replica_asked_commit(const struct vxc_replica *replica, uint64_t index);

/* Commits everything applied to LMDB now and waits for it (clean stop, snapshot, tests). */
void vxc_replica_settle(struct vxc_replica *replica);

#endif
