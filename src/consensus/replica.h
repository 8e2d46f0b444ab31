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
#include "consensus/configuration.h"
#include "consensus/peer.h"
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

    /* What an empty node begins with: entry 1 of every voter of a new cluster, all the same. NULL: a
     * cluster of its own, with itself as the only voter. Not looked at when there is a log. */
    const struct vxc_configuration *initial;
    /* An empty node writes no entry 1: it waits until a cluster that has added it sends its log. */
    bool joins;

    /* How closely the state follows the log to LMDB and how much log is kept; 0: what limits.h and
     * freeze.h say. For tests and the simulator, which want in seconds what else takes hours. */
    uint32_t freeze_idle_ms;
    uint64_t sync_log_bytes; /* log between two syncs of the state */
    uint64_t trailing_bytes; /* log kept below its base */

    void *data; /* for the hooks below */
    /* Once for each accepted proposal. result->code VXC_EUNKNOWN when its fate cannot be known (the
     * primaryship was lost while it was in flight). Slices are borrowed during the call. */
    void (*on_result)(void *data, struct vxc_proposal *proposal, const struct vxc_result *result);
    /* Every event while applying, on every node; before the results of the same command. */
    void (*on_event)(void *data, const struct vxc_event *event);
    /* Role, term or primary changed; also once when a new primary's own no-op is applied. */
    void (*on_role)(void *data);
    /* All reads of this round and of those before it may be answered from the applied state (code
     * 0), or must be refused (VXC_ENOTPRIMARY). */
    void (*on_reads)(void *data, uint64_t round, int code);
    /* `peer` needs what the log no longer holds: the owner makes an image at or above
     * vxc_replica_base_index() and gives it to vxc_replica_offer_image(). May come again while that
     * is under way. NULL: nobody is helped so. */
    void (*on_image_wanted)(void *data, uint64_t peer);
    /* `peer`, the primary, has an image for us that ends at `base`. From now on nothing is applied;
     * the owner fetches it, stops the replica, puts it in place and starts another one on it. To give
     * up it starts another one on what is there. base is borrowed. NULL: ends the process. */
    void (*on_install)(void *data, uint64_t peer, const struct vxc_log_base *base);
    /* At a checkpoint a majority of the voters agrees on another digest than ours: our state is
     * damaged, and nothing that is read from it can be trusted. NULL: it is only logged. */
    void (*on_damaged)(void *data, uint64_t index, uint64_t ours, uint64_t theirs);
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

/* May a linearizable read be answered from the applied state? 0 and *round 0: right now (this node is
 * alone in the committed and in the newest configuration). 0 and *round > 0: when on_reads says so of
 * this round or a later one; all reads of one turn share a round. VXC_ENOTPRIMARY, VXC_EBUSY: a new
 * primary is not ready yet. */
int vxc_replica_read(struct vxc_replica *replica, uint64_t *round);

/* ---- peers: all other members of the newest configuration ---- */

/* A message came. VXC_EPROTO: no replica sends such a thing; the connection deserves to end. */
int vxc_replica_receive(struct vxc_replica *replica, const struct vxc_peer_message *message);

/* Takes the next message for `peer`; false when there is none at present. An append has at least
 * one of its entries and then as many as bytes_max allows; what is left comes with the next call.
 * Slices live until the replica is called again. */
bool vxc_replica_next(struct vxc_replica *replica, uint64_t peer, size_t bytes_max,
                      struct vxc_peer_message *message);

/* The connection to `peer` is gone or new: what waited for it is lost. */
void vxc_replica_disconnected(struct vxc_replica *replica, uint64_t peer);

/* `peer` closed the connection that it sends on: its process has ended, or is about to. If it was the
 * primary, another one is elected without waiting for the election timeout. */
void vxc_replica_peer_gone(struct vxc_replica *replica, uint64_t peer);

/* Below it the log may be gone: an image for a peer must end here or higher. */
uint64_t vxc_replica_base_index(const struct vxc_replica *replica);
/* An image is there for `peer`: it is announced, if we are still primary and it is still of use. */
void vxc_replica_offer_image(struct vxc_replica *replica, uint64_t peer,
                             const struct vxc_log_base *image);
/* The log keeps all entries behind `index`, and its base stays at or below it, until it is held anew or
 * released (UINT64_MAX). */
void vxc_replica_hold_log(struct vxc_replica *replica, uint64_t index);

/* ---- members ---- */

struct vxc_replica_member {
    uint64_t id;
    enum vxc_member_role role; /* in the newest configuration */
    uint64_t match_index;      /* the primary's knowledge; 0 elsewhere */
    uint64_t heard_ms;         /* since a message of it came; UINT64_MAX = never */
};
/* Fills at most VXC_CONFIGURATION_MEMBERS_MAX and returns how many. */
uint32_t vxc_replica_members(const struct vxc_replica *replica, struct vxc_replica_member *members);

/* Changes of the membership, one at a time: on_result comes for the proposal once the new
 * configuration is committed (result->index its entry). Each refuses with a text that says what to
 * do: VXC_ENOTPRIMARY, VXC_EBUSY (another change is under way), VXC_EINVAL (the cluster would lose
 * its quorum, or the engine does not survive it), VXC_ENOTFOUND, VXC_EEXISTS, VXC_ELIMIT. */
int vxc_replica_add_standby(struct vxc_replica *replica, uint64_t id, struct vxc_proposal *proposal,
                            struct vxc_error *err);
/* A standby that has caught up becomes a voter: VXC_EBUSY when it has not yet. */
int vxc_replica_promote(struct vxc_replica *replica, uint64_t id, struct vxc_proposal *proposal,
                        struct vxc_error *err);
int vxc_replica_remove(struct vxc_replica *replica, uint64_t id, struct vxc_proposal *proposal,
                       struct vxc_error *err);
/* Hands the primaryship to `id` (0: to the best there is); on_role tells the outcome. */
int vxc_replica_transfer(struct vxc_replica *replica, uint64_t id, struct vxc_error *err);

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
    uint64_t checkpoint_index,
        checkpoint_digest;      /* of the last checkpoint; 0 = none in this life */
    uint64_t uncommitted_bytes; /* fill of VXC_LOG_UNCOMMITTED_MAX */
    uint64_t primary_id;        /* 0 = unknown */
    uint64_t entries_total, commands_total;
    bool no_space;
};
void vxc_replica_status(struct vxc_replica *replica, struct vxc_replica_status *status);

/* Proposes a checkpoint: every node commits to LMDB exactly there, and digests are compared. The
 * proposal's result->index says where. As propose(). */
int vxc_replica_checkpoint(struct vxc_replica *replica, struct vxc_proposal *proposal);

/* Makes a commit to LMDB due of all that is applied now, which is all that was acknowledged;
 * returns the index. It is begun in one of the next turns, at the end of an entry. */
uint64_t vxc_replica_ask_commit(struct vxc_replica *replica);
/* Is it there? 0, VXC_EBUSY (not yet), VXC_ENOSPC (not before there is room; it is tried again). */
int vxc_replica_asked_commit(const struct vxc_replica *replica, uint64_t index);

/* Commits everything applied to LMDB now and waits for it (clean stop, snapshot, tests). */
void vxc_replica_settle(struct vxc_replica *replica);

#endif
