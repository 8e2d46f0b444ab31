/* The gateway: frames in, commands and queries out, replies and events back.
 *
 * Each connection is a caller with a FIFO of requests. A request that changes the state is proposed
 * to the replica and answered when its result comes, in log order; a read is answered at once when
 * nothing of its caller is before it in the FIFO, else it waits there with a copy of its payload.
 * So replies keep request order, and a read sees every earlier write of its connection. Deferred
 * lock grants and events are pushed in between, what a write causes before its reply. Requests that
 * decide what later ones mean (hello, session open and resume, join) block: frames behind them are
 * not looked at meanwhile.
 *
 * A read asks for its round (vxc_replica_read) when it arrives, and is answered when its turn has
 * come and the round was confirmed; all of one turn share a round, which runs while the writes before
 * it travel. A round that was begun before the read arrived would be too old, one that is confirmed
 * long before the read's turn is not: the state only grows. A read with STALE needs none.
 *
 * Roles: who is not primary answers hello, ping, status, member_list and reads with STALE, and
 * refuses the rest with the primary's address. A primary that loses its place cuts the connections
 * of sessions as soon as they are owed nothing; the sessions live on, and are resumed at the next
 * primary, which gives every one its whole timeout again at its own no-op.
 *
 * Leases: a session lives as long as frames come on its connection; src/node/lease.c proposes its
 * expiry.
 *
 * Files: caller.c FIFO · gateway.c dispatch and hooks · read.c reads · route.c message → command · reply.c result → message ·
 * legacy.c kinds 1–74 · sync.c kind 73 · session.c hello and sessions · lease.c leases ·
 * membership.c members of the cluster · push.c events · news.c those of addresses.
 * Loop thread only.
 */
#ifndef VXC_NODE_GATEWAY_H
#define VXC_NODE_GATEWAY_H

#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "consensus/replica.h"
#include "fsm/fsm.h"
#include "net/conn.h"
#include "node/snapshot.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_gateway;

struct vxc_gateway_options {
    struct vxc_replica *replica; /* borrowed; see vxc_gateway_set_replica */
    struct vxc_fsm *fsm;         /* borrowed */
    const struct vxc_clock *clock;
    const struct vxc_logger *logger;
    uint64_t node_id;
    const char *address;          /* of this node, for hello and redirects; borrowed */
    uint32_t timeout_ms;          /* VERTX_CLUSTER_TIMEOUT: default session timeout */
    uint32_t ping_interval_ms;    /* added for legacy nodes, who ping at their own pace */
    uint32_t election_timeout_ms; /* how long a transfer may take */
    uint32_t news_held_size_min;  /* 0 = VXC_NEWS_HELD_SIZE_MIN */
    void *data;
    struct vxc_snapshots *snapshots; /* borrowed */
    /* Appends the status JSON. */
    void (*status)(void *data, struct vxc_buffer *out);
    /* Where a member of the cluster can be reached, "" when nobody knows; NULL: there are none. */
    const char *(*address_of)(void *data, uint64_t node_id);
    /* The connection is another node's: it is to be handed over (vxc_conn_hand_over). The caller is
     * gone when this returns. NULL: such frames are refused. */
    void (*on_peer)(void *data, struct vxc_conn *conn, const struct vxc_frame *peer_hello);
};

int vxc_gateway_create(const struct vxc_gateway_options *options, struct vxc_gateway **gateway);
void vxc_gateway_free(struct vxc_gateway *gateway);
/* The replica is born after the gateway, whose hooks it calls; it and the state change when an image
 * is installed: NULL in between, when every request is refused. */
void vxc_gateway_set_replica(struct vxc_gateway *gateway, struct vxc_replica *replica,
                             struct vxc_fsm *fsm);

/* Hooks for the listener. */
void *vxc_gateway_on_open(void *gateway, struct vxc_conn *conn);
void vxc_gateway_on_frame(void *gateway, struct vxc_conn *conn, const struct vxc_frame *frame);
void vxc_gateway_on_ahead(void *gateway, struct vxc_conn *conn, const struct vxc_frame *frame);
void vxc_gateway_on_room(void *gateway, struct vxc_conn *conn);
void vxc_gateway_on_close(void *gateway, struct vxc_conn *conn, int code, const char *reason);

/* Hooks for the replica. */
void vxc_gateway_on_result(void *gateway, struct vxc_proposal *proposal,
                           const struct vxc_result *result);
void vxc_gateway_on_event(void *gateway, const struct vxc_event *event);
void vxc_gateway_on_role(void *gateway);
void vxc_gateway_on_reads(void *gateway, uint64_t round, int code);

/* Part of each turn, after sockets were read: judges leases. Returns ms until it wants the next. */
uint64_t vxc_gateway_turn(struct vxc_gateway *gateway);

/* The end of each turn, before connections send what was gathered: what was held back leaves. */
void vxc_gateway_end_turn(struct vxc_gateway *gateway);

/* Judges the leases now, due or not. Within or right after a turn, whose sockets were read. */
void vxc_gateway_judge(struct vxc_gateway *gateway);

/* True when the requests in flight exceed VXC_NODE_INFLIGHT_BYTES_MAX: reading should stop. */
bool vxc_gateway_full(const struct vxc_gateway *gateway);

struct vxc_gateway_stats {
    uint64_t legacy_nodes;       /* joined by kinds 1–74 */
    uint64_t managed_nodes;      /* joined by sessions */
    uint64_t active_connections; /* live connections */
    uint64_t sessions_connected;
    uint64_t inflight_requests;
    uint64_t inflight_bytes;
    uint64_t requests_total, replies_total, errors_total, events_total, frames_refused_total;
    uint64_t sessions_silent_total; /* ended because nothing was heard for their timeout or grace */
};
void vxc_gateway_stats(const struct vxc_gateway *gateway, struct vxc_gateway_stats *stats);

#endif
