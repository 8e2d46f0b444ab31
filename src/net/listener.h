/* The listener: one accepting socket and the connections it accepted.
 *
 * Accepting is bounded: past connections_max a new one is a guest (conn.h), of which there are at most
 * guests_max; one more takes the place of the one that has been there longest, those first that have
 * not said a word. So a full listener can still be reached by whoever it sets apart. Without guests a
 * connection too many is closed at once. Both are counted. When descriptors run out accepting pauses and is tried again each second, so that the
 * reserved descriptors stay for files. A sweep once a second cuts connections that keep a frame or
 * their first frame waiting too long.
 */
#ifndef VXC_NET_LISTENER_H
#define VXC_NET_LISTENER_H

#include "base/error.h"
#include "net/conn.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_listener;

struct vxc_listener_options {
    const char *host; /* numeric address; NULL = accepts nothing, only peers are attached */
    uint16_t port;    /* 0 = any free one */
    uint32_t connections_max;
    uint32_t guests_max;         /* beyond them */
    struct vxc_conn_hooks hooks; /* for every connection */
};

/* Binds and listens. VXC_EADDRINUSE, VXC_EADDRESS, VXC_EIO; the text names address and reason. */
int vxc_listener_open(struct vxc_loop *loop, const struct vxc_listener_options *options,
                      struct vxc_listener **listener, struct vxc_error *err);

uint16_t vxc_listener_port(const struct vxc_listener *listener);
/* Live connections that came to it, without guests and those set apart. */
uint32_t vxc_listener_count(const struct vxc_listener *listener);
/* Closed because all places were taken. */
uint64_t vxc_listener_refused_total(const struct vxc_listener *listener);
uint64_t vxc_listener_silent_total(const struct vxc_listener *listener); /* cut by the sweep */
/* Bytes of unfinished frames and unread replies; bounded by VXC_NODE_HELD_BYTES_MAX. */
uint64_t vxc_listener_held_bytes(const struct vxc_listener *listener);

/* A connection to a peer in this process, open at once; on_want says when it may feed, and that may
 * be before this returns its connection. VXC_ELIMIT: connections_max are there; VXC_ECLOSED: no more
 * accepting; VXC_ENOMEM. */
int vxc_listener_attach(struct vxc_listener *listener, const struct vxc_conn_peer *peer,
                        struct vxc_conn **conn);

/* Connects to a numeric address, or to a name, which is looked up on a thread of its own. The
 * connection belongs to the caller: on_open comes when it is there (its user pointer is what that
 * returns), on_close in any case exactly once, with the reason, also when it never came about. Until
 * on_open only vxc_conn_cut() may be called. `hooks` and what it points to outlive the connection.
 * It is there within VXC_CONN_CONNECT_MS and a second, or fails; and it fails, also later, when the
 * other machine has not answered for patience_ms to what was sent (0: as TCP thinks best). Not counted against
 * connections_max. VXC_EINVAL: not an address; VXC_ECLOSED: the listener is closed; VXC_ENOMEM,
 * VXC_EIO. */
int vxc_listener_dial(struct vxc_listener *listener, const char *address, uint32_t patience_ms,
                      const struct vxc_conn_hooks *hooks, struct vxc_conn **conn,
                      struct vxc_error *err);

/* Sweeps now, as it is done once a second. */
void vxc_listener_sweep(struct vxc_listener *listener);

/* Writes what the connections have gathered in this turn: one write each. End of every turn. */
void vxc_listener_flush(struct vxc_listener *listener);

/* Percent of the usual bytes taken from each client's socket per turn; 0 stops reading (replies still
 * go out). Connections that were dialed or handed over are read as ever. */
void vxc_listener_admit(struct vxc_listener *listener, int percent);

/* Calls `each` for every live connection. */
void vxc_listener_each(struct vxc_listener *listener,
                       void (*each)(void *data, struct vxc_conn *conn), void *data);

/* No more accepting; existing connections go on. */
void vxc_listener_stop(struct vxc_listener *listener);
/* Closes everything; frees the listener once its handles are gone (within vxc_loop_free at the
 * latest). */
void vxc_listener_close(struct vxc_listener *listener);

#endif
