/* A node: its disk, which stays, and its lives, which end in crashes. */
#ifndef VXC_TESTS_SIM_NODE_H
#define VXC_TESTS_SIM_NODE_H

#include "consensus/replica.h"
#include "device.h"
#include "disk.h"
#include "net/conn.h"
#include "node/gateway.h"
#include "sim.h"

#include <setjmp.h>

enum node_wake { NODE_WAKE_LOG = 1, NODE_WAKE_STORE = 2, NODE_WAKE_FRAMES = 4, NODE_WAKE_TIME = 8 };

/* A change of the members that was asked of this node. */
struct node_change {
    struct vxc_proposal proposal;
    bool busy;
    unsigned kind; /* enum change_kind of members.c */
    uint64_t id;
};

enum { NODE_CHANGES_MAX = 4 };

enum node_end {
    NODE_KILLED = 1, /* the process ended, the machine goes on */
    NODE_CUT = 2,    /* the power went */
};

struct node {
    struct world *world;
    uint64_t id;
    char address[24];
    char folder[256];
    struct stream chance; /* of its own: ids, jitter, latencies */
    struct disk disk;
    bool born;    /* it had a life */
    bool member;  /* somebody looks after it: of the initial cluster, or to be added */
    bool joins;   /* it began empty, to be added */
    bool voted;   /* it was in a committed configuration */
    bool removed; /* and is in none any more: it stays down */

    /* the clock */
    struct vxc_clock clock;
    uint64_t clock_ns, clock_at_ns; /* it showed the one at the world's other */
    uint64_t rate_per_mille;        /* of the world's time */
    uint64_t wall_us;               /* added to what the world would say */

    /* a life */
    bool up;
    unsigned life;
    uint64_t paused_until_ns; /* stopped, as by SIGSTOP; what arrives waits */
    unsigned woken;           /* enum node_wake */
    uint64_t turn_at_ns;      /* the next turn; UINT64_MAX = none is planned */
    uint64_t turn_number;     /* of the planned one: others are stale */
    uint64_t store_retry_ns;  /* a commit that found no space is not tried again before */
    uint64_t flights;         /* log writes ever submitted */
    unsigned flush_us;        /* how long its disk takes for a write, about */
    uint32_t freeze_idle_ms;  /* of the replica: some are eager, some lazy */
    uint64_t sync_log_bytes, trailing_bytes;
    struct vxc_log_device *device;
    struct vxc_log *log;
    struct vxc_vote_file *vote;
    struct vxc_store *store;
    struct vxc_table *table;
    struct vxc_fsm *fsm;
    struct vxc_replica *replica;
    struct vxc_gateway *gateway;
    struct vxc_conn *conns; /* of clients */
    bool bound;             /* its vote knows the cluster */
    bool was_primary;
    struct node_change changes[NODE_CHANGES_MAX];
    bool making[SIM_NODES_MAX + 1]; /* an image for a peer */
    unsigned holds;                 /* images that are of use, and the oldest one's end */
    uint64_t held_index;
    uint64_t install_from, install_index; /* the image that is on its way here */
    unsigned installs;                    /* asked for in this life */

    /* how the current call into it ends early */
    jmp_buf end;
    enum node_end end_kind;

    /* what the witness has seen of it */
    uint64_t seen_index;  /* entries of its log that were compared */
    uint64_t *seen_terms; /* by index, of those */
    size_t seen_room;
    uint64_t applied_index; /* entries witnessed as applied in this life */
};

/* Whose code runs; NULL while the simulator's own does. */
extern struct node *node_current;

void node_init(struct node *node, uint64_t id, struct stream chance);
/* Starts a life. A start that fails is a violation. */
void node_boot(struct node *node);
/* Within its code: closes all that is open but the gateway, and opens what is there. */
void node_close(struct node *node);
void node_open(struct node *node);
/* Behind that: the witness looks at it anew, a turn follows. */
void node_reopened(struct node *node);
/* Ends it now, as `kind` says. */
void node_crash(struct node *node, enum node_end kind);
/* From within its code: the call does not return. */
_Noreturn void node_end_now(enum node_end kind);
/* Runs `work` as code of the node; false when its life ended in there. */
bool node_run(struct node *node, void (*work)(struct node *node, void *data), void *data);

/* Something is ready for it: a turn follows soon. */
void node_wake(struct node *node, enum node_wake why);
void node_pause(struct node *node, uint64_t duration_ns);
void node_set_rate(struct node *node, uint64_t per_mille);

/* ns that its disk takes for the next write. */
uint64_t node_flush_ns(struct node *node);
bool node_is_ready(const struct node *node);

#endif
