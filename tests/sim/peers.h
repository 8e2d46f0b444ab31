/* Connections between nodes: one between each two, carrying messages both ways.
 *
 * As over TCP: what is sent arrives late, in order, or not at all; a connection that has lost
 * something breaks in the end, and nothing of it arrives behind anything of the next one. Some seeds
 * lose single messages besides, which the replica must bear, too. A partition swallows what is sent
 * in one direction or both. */
#ifndef VXC_TESTS_SIM_PEERS_H
#define VXC_TESTS_SIM_PEERS_H

#include "sim.h"

struct letter;

/* From one node to another; the way back is another one. */
struct link {
    uint64_t from, to;
    bool open;                   /* same for both ways */
    uint64_t number;             /* of the connection; same for both ways */
    bool cut;                    /* partitioned: what is sent is swallowed */
    bool swallowed;              /* something was: the connection is to break */
    unsigned under_way;          /* messages sent and not arrived */
    uint64_t latest_ns;          /* nothing sent later arrives earlier */
    bool gone_told;              /* `from` knows that there is none */
    struct letter *first, *last; /* arrived, and not looked at by `to` yet */
};

void peers_begin(struct world *world);

/* ---- within a node's turn ---- */

void peers_receive(struct node *node);
void peers_send(struct node *node);

/* ---- what goes wrong ---- */

/* The connection breaks now; both ends hear of it. */
void peers_break(struct world *world, uint64_t a, uint64_t b);
/* All connections of a node that is no more. */
void peers_forget(struct node *node);
void peers_cut(struct world *world, uint64_t from, uint64_t to, bool cut);
void peers_heal(struct world *world);

#endif
