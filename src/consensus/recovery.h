/* Recovery: what a starting node makes of its log, its state and its vote.
 *
 * The three must tell one story. The log begins at or below the entry behind the state and does not
 * end before it; where both know a term they agree; the vote's term is not below the log's.
 * Anything else is damage, reported with what and where and never repaired by guessing: a node that
 * lost part of its log or its vote may have forgotten an acknowledgement or a vote.
 *
 * An empty node (no entry, no state, no vote beyond term 1, which is what a crash during bootstrap
 * leaves) becomes a cluster of one, or one of the voters of a new cluster: entry 1 is the
 * configuration. One that joins writes nothing and waits.
 */
#ifndef VXC_CONSENSUS_RECOVERY_H
#define VXC_CONSENSUS_RECOVERY_H

#include "base/error.h"
#include "consensus/engine.h"
#include "storage/log.h"
#include "storage/store.h"
#include "storage/vote.h"

/* Does the log go on where the state ends? VXC_ECORRUPT: the state is missing or an older copy, and the
 * log alone cannot bring it up to date. */
int vxc_recovery_check_state(const struct vxc_log *log, const struct vxc_store_meta *state,
                             struct vxc_error *err);

/* All of it. VXC_ECORRUPT with the reason. joins: the node waits for the log of a cluster that added it, so it
 * may have seen terms before any entry. */
int vxc_recovery_check(const struct vxc_log *log, const struct vxc_store_meta *state,
                       const struct vxc_vote *vote, bool joins, struct vxc_error *err);

/* Writes term 1 and entry 1, durably, when the node is empty; else does nothing. All voters of a new
 * cluster write the same. VXC_ENOSPC. */
int vxc_recovery_bootstrap(struct vxc_log *log, const struct vxc_store_meta *state,
                           struct vxc_vote_file *file, struct vxc_vote *vote,
                           const struct vxc_configuration *initial, struct vxc_error *err);

/* Feeds the engine its first event: terms and configurations from the log, the rest from `state`
 * (index 0: there is none). */
int vxc_recovery_start(struct vxc_engine *engine, uint64_t now_ms, struct vxc_log *log,
                       const struct vxc_log_base *state, const struct vxc_vote *vote,
                       struct vxc_error *err);

#endif
