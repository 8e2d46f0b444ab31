/* The engine from inside, for engine.c (events) and engine_message.c (messages and their guards).
 * Only these see raft.h.
 *
 * Who owns what, per event of raft_step in exactly this version (another one frees differently):
 *
 *   event              passes to the engine            stays ours
 *   START              metadata.configuration          entries array, payloads, batches
 *   SUBMIT             nothing                         entry, payload, batch (anything but NULL)
 *   RECEIVE append     the one batch of all entries    entries array, payloads
 *   RECEIVE image      conf and data                   nothing
 *   CONFIGURATION      conf                            nothing
 *   SNAPSHOT           metadata.configuration          nothing
 *
 *   update             what comes back
 *   entries            batch[0].batch of a RECEIVE or of the own barrier; ours to free
 *   snapshot           conf, kept here until the engine's end; data, ours to free
 *   messages           array and addresses, which live until the next raft_step()
 *
 * An image that arrives while one is being installed would be leaked, so the engine never sees it.
 * The batch of a received message is one byte that only carries this ownership: the engine reads
 * payloads during the step and never after, so they stay in the receive buffer and are not copied.
 */
#ifndef VXC_CONSENSUS_ENGINE_INTERNAL_H
#define VXC_CONSENSUS_ENGINE_INTERNAL_H

#include "consensus/engine.h"

#include <raft.h>

#if !defined(RAFT_VERSION_NUMBER) || RAFT_VERSION_NUMBER != 2201
#error "needs libraft 0.22.1 exactly: older ones lose data, newer ones own memory differently"
#endif

_Static_assert((int)VXC_LOG_COMMAND == (int)RAFT_COMMAND, "entry types are the engine's");
_Static_assert((int)VXC_LOG_BARRIER == (int)RAFT_BARRIER, "entry types are the engine's");
_Static_assert((int)VXC_LOG_CHANGE == (int)RAFT_CHANGE, "entry types are the engine's");
_Static_assert((int)VXC_ENGINE_APPEND == (int)RAFT_APPEND_ENTRIES, "message types too");
_Static_assert((int)VXC_ENGINE_APPEND_RESULT == (int)RAFT_APPEND_ENTRIES_RESULT, "…");
_Static_assert((int)VXC_ENGINE_VOTE == (int)RAFT_REQUEST_VOTE, "…");
_Static_assert((int)VXC_ENGINE_VOTE_RESULT == (int)RAFT_REQUEST_VOTE_RESULT, "…");
_Static_assert((int)VXC_ENGINE_IMAGE == (int)RAFT_INSTALL_SNAPSHOT, "…");
_Static_assert((int)VXC_ENGINE_TIMEOUT_NOW == (int)RAFT_TIMEOUT_NOW, "…");
_Static_assert((int)VXC_ENGINE_FOLLOWER == (int)RAFT_FOLLOWER, "and roles");
_Static_assert((int)VXC_ENGINE_CANDIDATE == (int)RAFT_CANDIDATE, "…");
_Static_assert((int)VXC_ENGINE_LEADER == (int)RAFT_LEADER, "…");
_Static_assert((int)VXC_MEMBER_STANDBY == (int)RAFT_STANDBY, "and members");
_Static_assert((int)VXC_MEMBER_VOTER == (int)RAFT_VOTER, "…");
_Static_assert((int)VXC_MEMBER_SPARE == (int)RAFT_SPARE, "…");

enum {
    ADDRESS_SIZE = 24, /* bytes: a node id in decimal */
    CAPACITY = 65535,  /* the engine's own space check is off: we refuse before we submit */
    /* An image announced so long ago is announced again: whoever is about to install it ignores that,
     * and whoever gave up would else wait for as long as the engine thinks a copy may take. */
    INSTALL_AGAIN_MS = 3000,
    INFLIGHT_ENTRIES = 128,    /* per follower; 64–256 keeps a pipe full at one batch per entry */
    REQUEST_VOTE_VERSION = 2,  /* of the engine's messages: with pre-vote */
    APPEND_RESULT_VERSION = 2, /* with features and capacity */
    FEATURE_CAPACITY = 1,
};

struct vxc_engine {
    struct vxc_engine_options options;
    char address[ADDRESS_SIZE];

    struct raft raft;
    bool started;
    uint64_t now_ms;         /* of the last event: the engine's time never goes back */
    uint64_t confirmed_term; /* an own entry of this term was applied (G4) */
    bool installing;
    struct raft_snapshot_metadata image; /* while installing */
    uint64_t heir_id; /* who is to be told to take over once it has all of the log; 0 = nobody */
    uint64_t heir_until_ms; /* then that is given up */
};

/* Feeds one event and carries its updates out, in the order of engine.h. Only a submit
 * or a transfer may fail;
 * `configuration` is that of an image being announced. */
int vxc_engine_step(struct vxc_engine *engine, uint64_t now_ms, struct raft_event *event,
                    struct vxc_slice configuration);

/* The heir has all of the log by now, or will not get it: G7. Part of every event that may tell. */
void vxc_engine_look_after_heir(struct vxc_engine *engine, uint64_t now_ms);

/* Sends the messages of an update. */
void vxc_engine_send(struct vxc_engine *engine, const struct raft_update *update);

/* Decodes bytes that vxc_configuration_decode() has found good. */
void vxc_engine_decode_configuration(struct vxc_slice bytes, struct raft_configuration *out);

/* A follower and the only voter of the newest configuration: its next timeout makes it leader. */
bool vxc_engine_would_elect_itself(const struct vxc_engine *engine);

#endif
