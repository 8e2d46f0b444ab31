/* The witness: the one true history.
 *
 * It compares every entry that any node has in its log (same index and term, same bytes) and every
 * entry that any node applies (same index, same entry). The first time an index is applied anywhere
 * it is replayed by a state machine of the witness's own, which never crashes, and by the naive
 * model of tests/unit/fsm, whose answers must agree. What they say is kept: results by (session,
 * sequence), versions of keys, events by session. */
#ifndef VXC_TESTS_SIM_WITNESS_H
#define VXC_TESTS_SIM_WITNESS_H

#include "fsm/fsm.h"
#include "sim.h"

/* What became of one sequenced command. */
struct outcome {
    uint64_t session, sequence; /* 0, 0: a free place */
    uint64_t index;
    uint16_t op;
    bool queued; /* an acquire that waits: its outcome is yet to come */
    bool found;
    bool has_value;
    int code;
    int64_t number;
    uint64_t token;
    uint64_t value; /* hash */
};

/* What a key held from a place in the log on. */
struct version {
    uint64_t index;
    uint32_t position; /* command of the entry; 0 = what fell due before them, then 1, … */
    bool found;
    int64_t number;
    uint64_t value; /* hash; or 1 of a set's member */
};

struct event_seen {
    uint64_t index, ordinal, watch, token, hash;
    uint64_t address, list; /* hashes of name and list when it is of an address; else 0 */
    int64_t number;
    uint32_t type;
};

struct witness *witness_create(struct world *world);
void witness_begin_life(struct world *world, struct node *node);
/* After a turn of the node. */
void witness_look(struct world *world, struct node *node);

uint64_t witness_applied(const struct witness *witness); /* highest index anywhere */
/* NULL when no entry carries it. */
const struct outcome *witness_outcome(const struct witness *witness, uint64_t session,
                                      uint64_t sequence);
/* All versions of a key, oldest first. `what` is 'm', 'c' or 's'. */
const struct version *witness_versions(struct witness *witness, char what, const char *name,
                                       const char *key, size_t *count);
/* Events for a session's watches, in order. */
const struct event_seen *witness_events(const struct witness *witness, uint64_t session,
                                        size_t *count);
/* Digest of the witness's own state. */
uint64_t witness_digest(struct witness *witness);

uint64_t witness_hash(struct vxc_slice bytes);
/* Of a list of registrations: begin with 0, go on with each. */
uint64_t witness_hash_registration(uint64_t before, struct vxc_slice node_id, uint64_t seq,
                                   struct vxc_slice data);
uint64_t witness_hash_event(struct vxc_slice name, struct vxc_slice key, struct vxc_slice value);

#endif
