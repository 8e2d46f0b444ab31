/* A cluster without sockets: worlds of their own (world.h) and the messages between them carried by hand,
 * with what delay and loss a test wants. Every turn is 5 ms; the same run each time. */
#ifndef VXC_TESTS_UNIT_CONSENSUS_CLUSTER_H
#define VXC_TESTS_UNIT_CONSENSUS_CLUSTER_H

#include "base/limits.h"
#include "world.h"

enum { NODES_MAX = 4, TURNS_MAX = 20000 };

struct cluster {
    struct world worlds[NODES_MAX + 1]; /* by id, from 1 */
    bool up[NODES_MAX + 1];
    bool cut[NODES_MAX + 1][NODES_MAX + 1]; /* from, to */
    struct vxc_configuration initial;
    uint32_t count;
    size_t frame_bytes;
    uint64_t carried[VXC_PEER_LACK + 1]; /* messages by type */
};

/* All voters, all started. */
void cluster_create_of(struct cluster *c, uint32_t voters);
void cluster_destroy(struct cluster *c);

void start_node(struct cluster *c, uint64_t id);
/* It goes on in a copy of its folder when it is started again; the others hear that it is gone. */
void crash(struct cluster *c, uint64_t id);

/* What one has for the other arrives; entries stay in the sender's memory meanwhile. */
void carry(struct cluster *c, uint64_t from, uint64_t to);
/* All nodes that are up, then all messages. */
void cluster_turn(struct cluster *c);
void turns(struct cluster *c, int count);
/* Until all that are up have applied the same. */
void settle(struct cluster *c);
void wait_for(struct cluster *c, const struct write *write, int code);

/* The ready primary, once there is one. */
uint64_t primary(struct cluster *c);
uint64_t another(const struct cluster *c, uint64_t id);

/* A write at the primary, until it is acknowledged; what a node has applied. */
void put(struct cluster *c, uint64_t id, const char *key, const char *value);
void has(struct cluster *c, uint64_t id, const char *key, const char *value);

#endif
