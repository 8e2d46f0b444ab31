/* What replicas say to each other: the engine's messages and some of our own.
 *
 * The replica gives and takes them one at a time (vxc_replica_next, vxc_replica_receive); who carries
 * them is not its concern: a socket to another node, or the simulator. Towards one peer they keep
 * their order, any of them may be lost, and none of an older connection may arrive after one of a
 * newer.
 */
#ifndef VXC_CONSENSUS_PEER_H
#define VXC_CONSENSUS_PEER_H

#include "consensus/engine.h"

enum vxc_peer_message_type {
    VXC_PEER_ENGINE = 1,
    VXC_PEER_PROBE = 2,        /* is somebody's term higher than mine? see read_index.h */
    VXC_PEER_PROBE_RESULT = 3, /* the term that the answerer has stored */
    VXC_PEER_DIGEST = 4,       /* of the state at a checkpoint */
    VXC_PEER_LACK = 5,         /* entries were left out: the sender's log has no room for them */
};

struct vxc_peer_message {
    enum vxc_peer_message_type type;
    uint64_t peer; /* going out: to whom; coming in: from whom */
    union {
        struct vxc_engine_message engine; /* its peer is the same; an append has its entries */
        struct {
            uint64_t round; /* of the asker, rising */
            uint64_t term;
        } probe, probe_result;
        struct {
            uint64_t index;
            uint64_t digest;
        } digest;
        struct {
            int code; /* of what it has none: VXC_ENOSPC, VXC_ENOMEM */
        } lack;
    };
};

#endif
