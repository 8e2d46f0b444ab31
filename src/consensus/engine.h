/* The engine: elections, commit and membership, decided by libraft 0.22.1's raft_step.
 *
 * raft_step is a pure state machine: events in, updates out. This module is the one shim in front
 * of it and the only one that sees raft.h. It gives every event a time that never goes back,
 * carries the updates out through the hooks below, and keeps the guards G1–G7 against bugs of that
 * version (docs/architecture.md), so that nobody else has to know them.
 *
 * After each event the hooks run in the one order that is safe:
 *   store_vote  term and vote, durable on return: nothing may leave the node before
 *   append      entries that came from a peer or from the engine itself (its barrier), see below
 *   install     an image is to be installed; it ends the engine, for another one begins with it
 *   send        messages
 * Afterwards the caller looks at vxc_engine_commit_index() and applies, at most up to what is
 * durable and never while installing; for each applied configuration entry it calls
 * vxc_engine_configured(). No hook may call back into the engine.
 *
 * Any failure of an event other than a refused submit may have left the engine half-changed: the
 * process ends (vxc_fatal). So does a committed entry that conflicts with ours.
 *
 * Threads: one engine, one thread. The engine holds {index, term} runs, never entry payloads.
 */
#ifndef VXC_CONSENSUS_ENGINE_H
#define VXC_CONSENSUS_ENGINE_H

#include "base/bytes.h"
#include "base/error.h"
#include "consensus/configuration.h"
#include "storage/log.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_engine;

enum vxc_engine_role {
    VXC_ENGINE_FOLLOWER = 1,
    VXC_ENGINE_CANDIDATE = 2,
    VXC_ENGINE_LEADER = 3,
};

struct vxc_engine_entry {
    uint64_t term;
    uint16_t type; /* enum vxc_log_entry_type */
    struct vxc_slice payload;
};

enum vxc_engine_message_type {
    VXC_ENGINE_APPEND = 1,
    VXC_ENGINE_APPEND_RESULT = 2,
    VXC_ENGINE_VOTE = 3,
    VXC_ENGINE_VOTE_RESULT = 4,
    VXC_ENGINE_IMAGE = 5,
    VXC_ENGINE_TIMEOUT_NOW = 6,
};

/* A message between two engines. Slices and arrays are borrowed during the call. */
struct vxc_engine_message {
    enum vxc_engine_message_type type;
    uint64_t peer; /* going out: to whom; coming in: from whom */
    uint64_t term;
    union {
        struct {
            uint64_t prev_index, prev_term, commit_index;
            uint32_t count;
            /* Going out: NULL, the sender fills in `count` entries behind prev_index from
             * its log. */
            const struct vxc_engine_entry *entries;
        } append;
        struct {
            uint64_t rejected; /* 0 = success, else the index refused */
            uint64_t last_index;
        } append_result;
        struct {
            uint64_t last_index, last_term;
            bool disrupt_leader, pre_vote;
        } vote;
        struct {
            bool granted, pre_vote;
        } vote_result;
        /* Going out: empty, the sender fills in what describes its newest image. */
        struct vxc_log_base image;
        struct {
            uint64_t last_index, last_term;
        } timeout_now;
    };
};

struct vxc_engine_options {
    uint64_t node_id; /* ≥ 1; also the engine's address */
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    uint32_t seed; /* of the election jitter */

    void *data; /* for the hooks */
    void (*store_vote)(void *data, uint64_t term, uint64_t voted_for);
    /* The log is cut before `index`, then gets these entries; borrowed during the call. Own
     * submitted entries are not announced here: their caller has appended them already. */
    void (*append)(void *data, uint64_t index, const struct vxc_engine_entry *entries,
                   uint32_t count);
    void (*install)(void *data, const struct vxc_log_base *base);
    void (*send)(void *data,
                 const struct vxc_engine_message *message); /* NULL: there are no peers */
};

/* What a node knows when it starts. */
struct vxc_engine_start {
    uint64_t term, voted_for;
    /* The state: what the log below it may lack. NULL when there is none; then the log begins with
     * entry 1, a configuration. */
    const struct vxc_log_base *base;
    uint64_t first_index, last_index; /* of the log; last < first when it is empty */
    /* Gives term and type of an entry; the payload only of configurations. */
    int (*entry)(void *data, uint64_t index, struct vxc_engine_entry *entry, struct vxc_error *err);
    void *data;
};

/* ---- birth and death ---- */

/* Of the engine that is linked: 2201 is libraft 0.22.1. Any thread. */
unsigned vxc_engine_version(void);

int vxc_engine_create(const struct vxc_engine_options *options, struct vxc_engine **engine,
                      struct vxc_error *err);
void vxc_engine_free(struct vxc_engine *engine); /* NULL is fine */

/* First event, once. A sole voter raises its term (G3), durably, and is leader on return.
 * VXC_ECORRUPT, VXC_ENOMEM: the engine was not started. */
int vxc_engine_start(struct vxc_engine *engine, uint64_t now_ms,
                     const struct vxc_engine_start *start, struct vxc_error *err);

/* ---- events ---- */

/* Proposes one entry, which the caller has already appended to its log behind the engine's last
 * index under the current term (so it can never be accepted and then find no space). Refusals leave
 * the engine untouched and the caller takes the entry back: VXC_ENOTPRIMARY, VXC_EBUSY (a
 * configuration change while one is pending, or before an own entry is applied: G4), VXC_ENOSPC,
 * VXC_ECORRUPT (not a configuration). */
int vxc_engine_submit(struct vxc_engine *engine, uint64_t now_ms,
                      const struct vxc_engine_entry *entry);

/* Everything up to `index` is durable and still what the engine knows. Ignored when not news. */
void vxc_engine_persisted(struct vxc_engine *engine, uint64_t now_ms, uint64_t index);

/* The configuration entry `index` was committed and applied. */
void vxc_engine_configured(struct vxc_engine *engine, uint64_t now_ms, uint64_t index,
                           struct vxc_slice configuration);

/* An entry of our own term was applied: configuration changes are allowed from now on (G4). */
void vxc_engine_confirmed(struct vxc_engine *engine);

/* The log was trimmed: the synced state covers `base`, the log begins at `first_index`. */
void vxc_engine_trimmed(struct vxc_engine *engine, uint64_t now_ms, const struct vxc_log_base *base,
                        uint64_t first_index);

/* `peer` has ended, as far as its connections tell. A follower whose leader it was does not wait for
 * its election timer: it forgets the leader, so that it grants votes, and stands for election itself
 * within a heartbeat. If the leader is alive after all, its next message makes good for it. */
void vxc_engine_peer_gone(struct vxc_engine *engine, uint64_t now_ms, uint64_t peer);

/* To be called at vxc_engine_timeout_ms(). */
void vxc_engine_timeout(struct vxc_engine *engine, uint64_t now_ms);

/* A message arrived; first in, first out per peer, and none of an older connection. VXC_EPROTO: no
 * engine sends such a thing, and it was not looked at further. */
int vxc_engine_receive(struct vxc_engine *engine, uint64_t now_ms,
                       const struct vxc_engine_message *message);

/* Hands the primaryship to `id` (0: to the best voter there is). Until that succeeds, or an election
 * timeout has passed, nothing can be submitted. VXC_ENOTPRIMARY, VXC_EINVAL: no other voter, or not
 * this one. */
int vxc_engine_transfer(struct vxc_engine *engine, uint64_t now_ms, uint64_t id);

/* ---- inspection ---- */

enum vxc_engine_role vxc_engine_role(const struct vxc_engine *engine);
uint64_t vxc_engine_term(const struct vxc_engine *engine);
uint64_t vxc_engine_voted_for(const struct vxc_engine *engine);
uint64_t vxc_engine_leader(const struct vxc_engine *engine); /* node id; 0 = unknown */
uint64_t vxc_engine_commit_index(const struct vxc_engine *engine);
uint64_t vxc_engine_last_index(const struct vxc_engine *engine);
uint64_t
vxc_engine_timeout_ms(const struct vxc_engine *engine); /* monotonic, when to call timeout */
bool vxc_engine_installing(const struct vxc_engine *engine);
/* Where the state ends that stands before the engine's log: as it was started or last trimmed. */
uint64_t vxc_engine_base_index(const struct vxc_engine *engine);
/* Leader, and not about to hand over: submit of a command will not be refused. */
bool vxc_engine_can_submit(const struct vxc_engine *engine);
/* Of the newest configuration, be it committed or not. */
void vxc_engine_configuration(const struct vxc_engine *engine,
                              struct vxc_configuration *configuration);
/* How far `id` is known to have our log, durably; 0 when unknown or when this is no leader. */
uint64_t vxc_engine_match_index(const struct vxc_engine *engine, uint64_t id);
/* Voter of the newest configuration? */
bool vxc_engine_is_voter(const struct vxc_engine *engine);
/* Alone in the committed and in the newest configuration. */
bool vxc_engine_is_alone(const struct vxc_engine *engine);
/* Index of the newest configuration known to be committed; of one still pending, 0 = none. */
uint64_t vxc_engine_committed_configuration(const struct vxc_engine *engine);
uint64_t vxc_engine_pending_configuration(const struct vxc_engine *engine);

#endif
