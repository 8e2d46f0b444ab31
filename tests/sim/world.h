/* A world: everything of one seed. */
#ifndef VXC_TESTS_SIM_WORLD_H
#define VXC_TESTS_SIM_WORLD_H

#include "client.h"
#include "node.h"
#include "peers.h"
#include "sim.h"

struct sim_event {
    uint64_t at_ns;
    uint64_t order;
    sim_event_cb run;
    void *subject;
    uint64_t number;
};

struct witness;
struct check;

struct world {
    struct sim_options options;
    const char *folder; /* of its own; taken away by the caller */
    uint64_t now_ns;
    uint64_t calm_ns; /* when faults end */
    bool healed;
    uint64_t trace_hash;
    struct sim_counts counts;

    struct sim_event *events; /* a heap */
    size_t event_count, event_room;
    uint64_t event_order;

    /* One each, so that a new question to one does not shift the answers of the others. */
    struct stream network, disk, faults, load, clients;

    struct node nodes[SIM_NODES_MAX + 1]; /* by id */
    struct link links[SIM_NODES_MAX + 1][SIM_NODES_MAX + 1];
    struct client clients_of[SIM_CLIENTS_MAX];
    unsigned client_count;
    unsigned lossy_per_mille, spiky_per_mille; /* of the messages between nodes */
    struct image *images;                      /* newest first */
    uint64_t image_count;
    uint32_t next_conn;
    struct witness *witness;
    struct check *check;
};

extern struct world *sim_world; /* of this process: for what C functions of others call back into */

#endif
