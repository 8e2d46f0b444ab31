/* Connections between clients and nodes, in memory: what net/conn.h promises, without sockets. */
#ifndef VXC_TESTS_SIM_CONN_H
#define VXC_TESTS_SIM_CONN_H

#include "net/conn.h"
#include "sim.h"

/* A client's connection to a node that is up. Bytes travel as the network lets them. */
struct vxc_conn *conn_open(struct client *client, struct node *node);
/* The client has bytes for the node. */
void conn_send(struct vxc_conn *conn, const struct vxc_slice *parts, size_t count);
/* The client has left it. */
void conn_leave(struct vxc_conn *conn);
/* Both ends hear that it is broken, sooner or later. */
void conn_break(struct vxc_conn *conn);
struct node *conn_node(const struct vxc_conn *conn);

/* ---- within the node's turn ---- */

void conns_deliver(struct node *node); /* frames that have arrived */
void conns_flush(struct node *node);   /* what was gathered leaves */
void conns_break(struct node *node);   /* the node is no more */
/* Breaks one of them, chosen by `choice`; false when there is none. */
bool conns_break_one(struct node *node, uint64_t choice);

#endif
