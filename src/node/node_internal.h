/* What the files of the node share: node.c birth, start, death · open.c the data
 * directory · reopen.c, repair.c images of the state · drive.c turns and who runs them ·
 * save.c snapshots · stats.c its numbers · status.c the same as JSON. */
#ifndef VXC_NODE_NODE_INTERNAL_H
#define VXC_NODE_NODE_INTERNAL_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/logger.h"
#include "consensus/replica.h"
#include "net/listener.h"
#include "net/loop.h"
#include "node/cluster.h"
#include "node/fetch.h"
#include "node/gateway.h"
#include "node/identity.h"
#include "node/mailbox.h"
#include "node/snapshot.h"
#include "node/supply.h"
#include "vxc/node.h"

/* Of a state that is damaged, until another one is there; see node/repair.c. */
struct vxc_repair {
    bool active;                            /* there is no replica meanwhile */
    bool damaged;                           /* what open() met concerns the state alone */
    bool absent;                            /* there was no state at all */
    uint64_t index;                         /* an image has to end there or later */
    uint64_t ask_ms;                        /* nobody is asked before */
    uint32_t asked;                         /* counts members, for who is next */
    struct vxc_configuration configuration; /* as the log knows it */
    char aside[64];                         /* where the damaged one is */
};

struct vxc_node {
    struct vxc_node_options options; /* its texts are ours */
    struct vxc_logger logger;
    const struct vxc_clock *clock;
    struct vxc_identity identity;
    struct vxc_loop *loop;
    struct vxc_mailbox *mailbox;
    struct vxc_log *log;
    struct vxc_vote_file *vote;
    struct vxc_store *store;
    struct vxc_table *table;
    struct vxc_fsm *fsm;
    struct vxc_replica *replica;
    struct vxc_snapshots *snapshots;
    struct vxc_gateway *gateway;
    struct vxc_listener *listener;
    struct vxc_cluster_spec spec; /* --initial-cluster or --join; count 0 = neither */
    struct vxc_buffer secret;
    struct vxc_cluster *cluster;
    struct vxc_supply *supply; /* images for peers */
    struct vxc_fetch *fetch;   /* an image of a peer for us */
    struct {
        bool asked; /* by the replica: fetch one */
        uint64_t peer, index;
        uint64_t damaged_index, ours,
            theirs; /* the majority has another state there; 0 = it has not */
    } install;
    struct vxc_repair repair;
    char address[160];                  /* "" = listens nowhere */
    char reached[VXC_ADDRESS_TEXT_MAX]; /* where others find it; "" = that is not known */
    uint64_t started_ns;                /* when start() began */
    uint64_t ready_ms;                  /* how long start() took */
    uint64_t recovered_index;
    uint64_t verified_rows;
    uint64_t stop_deadline_ms; /* a graceful stop waits for requests until then */
    uint64_t silent_told;      /* of those cleaned away, how many were told */
    struct {
        uint64_t term, primary_id;
    } told;     /* by the last line about roles in the log */
    bool begun; /* start() was called */
    bool started;
    bool stopping;
    bool vote_bound;        /* the vote knows of which cluster it is */
    bool hands_over;        /* the primaryship, before it stops */
    struct vxc_error ended; /* code 0 = it runs, or was stopped; else why it could not go on */
    bool dispatching;
    atomic_bool stopped;
    atomic_uint stops_asked; /* from any thread */
    unsigned stops_seen;
    bool spawned; /* and not yet joined */
    pthread_t thread;
};

/* ---- node.c ---- */

/* A vote of another cluster beside this state is somebody else's. The cluster is known once the state
 * is bootstrapped; VXC_EFOREIGN. */
int vxc_node_bind_vote(struct vxc_node *node, struct vxc_error *err);

/* A replica on what is open, known to the gateway; ready if this node is alone. */
int vxc_node_start_replica(struct vxc_node *node, const struct vxc_vote *vote,
                           struct vxc_error *err);

/* ---- open.c ---- */

/* State, log, vote, table and fsm. verify: all rows of the state are walked first. */
int vxc_node_open_storage(struct vxc_node *node, bool verify, struct vxc_vote *vote,
                          struct vxc_error *err);
/* Log and vote alone, unless they are open. */
int vxc_node_open_log(struct vxc_node *node, struct vxc_vote *vote, struct vxc_error *err);
int vxc_node_open_snapshots(struct vxc_node *node, struct vxc_error *err);

/* ---- drive.c ---- */

uint64_t vxc_node_on_turn(void *node);

/* Writing to a socket whose other side is gone raises SIGPIPE, which is not the program's concern:
 * between begin and end, on one thread, it is blocked, and taken back. */
struct vxc_pipe_guard {
    sigset_t before;
    bool pending;
};
void vxc_pipe_guard_begin(struct vxc_pipe_guard *guard);
void vxc_pipe_guard_end(const struct vxc_pipe_guard *guard);

/* ---- stats.c ---- */

void vxc_node_gather(struct vxc_node *node, struct vxc_node_stats *stats); /* on the driver */

/* ---- status.c ---- */

/* Appends the status as one JSON object; on the driver. */
void vxc_node_status(struct vxc_node *node, struct vxc_buffer *out);

#endif
