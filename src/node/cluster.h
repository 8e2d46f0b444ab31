/* The cluster as one node sees it: who the other members are, where they live, and the connections
 * that carry the replicas' messages.
 *
 * Every node dials every other member and sends on that connection; what it gets comes on the
 * connection that the other one dialed. So each direction has one connection, its frames keep their
 * order, and a new connection from a node ends the old one before its first frame is looked at.
 *
 *   dialer                                acceptor
 *   peer_hello (who I am, whom I mean) →
 *                                      ←  peer_challenge (who I am, proof of the secret)
 *   peer_proof                         →
 *                                      ←  peer_welcome
 *   peer_append, peer_vote, …          →
 *
 * The proofs are HMAC-SHA-256 of the shared secret over both hellos, as they were sent. Until the
 * proof is accepted nothing of a connection reaches the replica, and its bytes are bounded as those
 * of any client are. What a peer says is checked again behind it (vxc_engine_receive).
 *
 * Who may come in: a member of the configuration, or whoever knows the cluster's id (it may be a
 * member by a configuration that this node has yet to get), of this cluster or of none yet, under the
 * incarnation that the replicated member table has for it; into a node that joins, whoever knows the
 * secret. A member with another incarnation has lost its disk. One with an earlier life, with
 * another life of the same number, or with a shorter log than it has acknowledged has an old copy of
 * it. It is refused, told why and what to do, and the log says so.
 *
 * Addresses come from the replicated member table, else from --initial-cluster or --join, else from
 * what a peer says in its hello.
 *
 * Queues: what waits for a peer waits in the replica as ranges of the log; here are at most
 * VXC_PEER_OUTBOUND_BYTES_MAX in a connection. A peer that takes nothing for VXC_PEER_SILENCE_MS is
 * disconnected and dialed anew; so is one whose machine does not answer for two election timeouts. A
 * peer that is heard again after a silence, on its own connection, is dialed at once if ours waits
 * for the network.
 *
 * Loop thread only.
 */
#ifndef VXC_NODE_CLUSTER_H
#define VXC_NODE_CLUSTER_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "consensus/replica.h"
#include "fsm/fsm.h"
#include "net/listener.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_cluster;
struct vxc_message;

enum { VXC_ADDRESS_TEXT_MAX = 300 }; /* "host:port" with its NUL */

/* --initial-cluster or --join, parsed. */
struct vxc_cluster_spec {
    uint32_t count;
    struct vxc_cluster_address {
        uint64_t id; /* 0: not known (--join) */
        char address[VXC_ADDRESS_TEXT_MAX];
    } members[VXC_CONFIGURATION_MEMBERS_MAX];
};

/* "1=host:port,2=host:port,…": ids and addresses each once. VXC_EINVAL says what is wrong where. */
int vxc_cluster_parse_initial(const char *text, struct vxc_cluster_spec *spec,
                              struct vxc_error *err);
/* "host:port,host:port,…" */
int vxc_cluster_parse_join(const char *text, struct vxc_cluster_spec *spec, struct vxc_error *err);

/* Where `id` is to be reached; NULL: it is not in there. */
const char *vxc_cluster_spec_address(const struct vxc_cluster_spec *spec, uint64_t id);

struct vxc_cluster_options {
    uint64_t node_id;
    uint64_t incarnation; /* of the data directory: never the same again */
    uint64_t life; /* this start of it: which one in the upper half, a random number in the lower */
    uint32_t election_timeout_ms;
    const char *address;                 /* where this node can be reached; borrowed */
    const struct vxc_cluster_spec *spec; /* NULL = none; copied */
    struct vxc_slice secret;             /* size 0 = none; copied, wiped at the end */
    struct vxc_listener *listener;       /* borrowed; dials go through it too */
    const struct vxc_clock *clock;
    const struct vxc_logger *logger;

    void *data;
    /* Messages about images (kinds 320 to 323) of a peer that has proved itself. Slices are borrowed
     * during the call. */
    void (*on_image_message)(void *data, uint64_t peer, const struct vxc_message *message);
};

int vxc_cluster_create(const struct vxc_cluster_options *options, struct vxc_cluster **cluster,
                       struct vxc_error *err);
/* Closes all its connections. NULL is fine. */
void vxc_cluster_free(struct vxc_cluster *cluster);

/* The replica and the state change when an image was installed: NULL in between. */
void vxc_cluster_set_replica(struct vxc_cluster *cluster, struct vxc_replica *replica,
                             struct vxc_fsm *fsm);

/* What a node says of itself while its state is repaired and there is no replica: it is connected, so
 * that it can ask for an image, and that is all. */
struct vxc_cluster_stand_in {
    uint64_t last_index; /* of the log */
    bool has_cluster_id;
    uint8_t cluster_id[16];
    struct vxc_configuration configuration; /* the newest in the log */
};
/* Until the next vxc_cluster_set_replica(). Copied. */
void vxc_cluster_set_stand_in(struct vxc_cluster *cluster,
                              const struct vxc_cluster_stand_in *stand_in);

/* The first frame of a connection was a peer_hello: the connection is the cluster's from now on. Also
 * answers it. */
void vxc_cluster_accept(struct vxc_cluster *cluster, struct vxc_conn *conn,
                        const struct vxc_frame *frame);

/* Part of each turn, behind the replica's: dials who is due, moves the replica's messages into the
 * connections, announces what the member table lacks (as primary). Returns ms until it wants the
 * next turn. */
uint64_t vxc_cluster_turn(struct vxc_cluster *cluster);

/* Sends a message about an image. VXC_ECLOSED: no connection; VXC_EBUSY: it is full. */
int vxc_cluster_send(struct vxc_cluster *cluster, uint64_t peer, const struct vxc_message *message);

/* Where a member can be reached; "" when nobody knows. Lives until the next turn. */
const char *vxc_cluster_address(const struct vxc_cluster *cluster, uint64_t id);

/* Is there a proved connection to it, at present? */
bool vxc_cluster_is_connected(const struct vxc_cluster *cluster, uint64_t id);

/* Members of the newest configuration, and how many of the others can be sent to. */
void vxc_cluster_count(const struct vxc_cluster *cluster, uint64_t *members, uint64_t *connected);

/* This node was told by a member that it may not take part: why; NULL = it was not. */
const char *vxc_cluster_refused(const struct vxc_cluster *cluster);

#endif
