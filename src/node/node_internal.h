/* What node.c and status.c share. */
#ifndef VXC_NODE_NODE_INTERNAL_H
#define VXC_NODE_NODE_INTERNAL_H

#include <stdatomic.h>

#include "consensus/replica.h"
#include "net/listener.h"
#include "net/loop.h"
#include "node/config.h"
#include "node/gateway.h"
#include "node/identity.h"
#include "node/node.h"
#include "node/snapshot.h"
#include "storage/verify.h"

struct vxc_node {
    struct vxc_config config;
    struct vxc_logger logger;
    const struct vxc_clock *clock;
    struct vxc_identity identity;
    struct vxc_loop *loop;
    struct vxc_log *log;
    struct vxc_vote_file *vote;
    struct vxc_store *store;
    struct vxc_table *table;
    struct vxc_fsm *fsm;
    struct vxc_replica *replica;
    struct vxc_snapshots *snapshots;
    struct vxc_gateway *gateway;
    struct vxc_listener *listener;
    char address[160];
    uint64_t started_ns; /* when start() began */
    uint64_t ready_ms;   /* how long start() took */
    uint64_t recovered_index;
    uint64_t verified_rows;
    uint64_t stop_deadline_ms; /* a graceful stop waits for requests until then; 0 = not stopping */
    bool started;
    bool stopping;
    atomic_bool stop_asked; /* by another thread */
};

#endif
