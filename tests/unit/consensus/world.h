/* A whole node without sockets, in a folder of its own: the real log, vote, store, table, state
 * machine and replica under a clock that only moves when told to. A crash is a copy of the folder,
 * opened instead of the original. */
#ifndef VXC_TESTS_UNIT_CONSENSUS_WORLD_H
#define VXC_TESTS_UNIT_CONSENSUS_WORLD_H

#include "consensus/replica.h"

#include <stdbool.h>
#include <stdint.h>

struct world_options {
    uint64_t seed; /* of cluster id and election jitter */
    bool apply_each;
    bool synchronous; /* commits of the store run in the caller */
    bool lockstep;    /* every write is durable at the end of its turn: the same run each time */
    uint64_t segment_size;                   /* of the log; 0 = 1 MiB */
    uint64_t trailing_bytes;                 /* of the log kept below its base; 0 = as usual */
    uint64_t map_size;                       /* of the store; 0 = 4 GiB */
    uint64_t node_id;                        /* 0 = 1 */
    const struct vxc_configuration *initial; /* of a cluster; NULL = alone */
    bool joins;
};

struct world {
    struct world_options options;
    char *root;   /* holds the folders of all lives */
    char *folder; /* of this one */
    unsigned lives;
    uint64_t now_ns;
    uint64_t random;
    struct vxc_clock clock;
    struct vxc_log *log;
    struct vxc_vote_file *vote;
    struct vxc_store *store;
    struct vxc_table *table;
    struct vxc_fsm *fsm;
    struct vxc_replica *replica; /* NULL: not started */
    struct vxc_error err;        /* why it did not start */
    int role_calls;
    uint64_t events;
    /* Test's own; called after the world has counted. */
    void *data;
    void (*on_result)(void *data, struct vxc_proposal *proposal, const struct vxc_result *result);
    void (*on_image_wanted)(void *data, uint64_t peer);
    void (*on_install)(void *data, uint64_t peer, const struct vxc_log_base *base);
    uint64_t reads_round; /* the newest that may be answered … */
    int reads_code;       /* … or not */
    uint64_t damages;     /* how often it was told that its state is damaged */
};

/* A write and what became of it. */
struct write {
    struct vxc_proposal proposal;
    int code;  /* of the result */
    bool done; /* a result came */
    bool found;
    int64_t number;
    uint64_t index;
};

void world_create(struct world *world, const struct world_options *options);
/* Opens the folder and starts the replica; does not wait until it is ready. 0 or the code. */
int world_start(struct world *world);
void world_stop(struct world *world);  /* clean */
void world_crash(struct world *world); /* goes on in a copy of the folder as it is now */
/* Copies the folder to go on in later, while this life runs to its end as if nothing had happened.
 */
char *world_snapshot(struct world *world);
/* Ends this life (cleanly, unseen) and makes a folder from world_snapshot() the next one's. */
void world_continue_from(struct world *world, char *folder);
void world_destroy(struct world *world);

/* One loop turn: waits for log and store a little, then moves the clock by `ms`. */
void world_turn(struct world *world, uint64_t ms);
void world_ready(struct world *world); /* turns until ready */
void world_quiet(struct world *world); /* turns until nothing is on its way */
void world_wait(struct world *world, const struct write *write);

uint64_t random_number(uint64_t *state, uint64_t below);

int world_put(struct world *world, struct write *write, const char *key, struct vxc_slice value);
int world_put_ttl(struct world *world, struct write *write, const char *key, const char *value,
                  int64_t ttl_ms);
int world_remove(struct world *world, struct write *write, const char *key);
int world_add(struct world *world, struct write *write, const char *counter, int64_t delta);
/* The applied value, false when there is none. */
bool world_get(struct world *world, const char *key, struct vxc_slice *value);
int64_t world_count(struct world *world, const char *counter);
uint64_t world_digest(struct world *world); /* of the whole state, committed */

#endif
