/* A connection: frames cut from a byte stream, replies gathered and written once per turn.
 *
 * Reading: bytes land in the listener's shared buffer, whole frames are handed to on_frame in
 * place; only an unfinished frame is kept by the connection. Writing: everything appended to `out`
 * during a turn leaves in one write at its end; while a write is under way the next turns gather. A
 * reader that leaves more than VXC_CONN_OUTBOUND_BYTES_MAX unread is cut, and when all connections
 * together hold more than VXC_NODE_HELD_BYTES_MAX, so is the one that has been stuck the longest.
 * Bytes that are not frames close the connection with a reason; the owner hears of every end
 * through on_close, exactly once, after which the connection must not be touched.
 *
 * A connection may also have a peer in this process in place of a socket (vxc_listener_attach): the
 * bytes come by vxc_conn_feed(), the frames go to the peer. Nothing else differs.
 */
#ifndef VXC_NET_CONN_H
#define VXC_NET_CONN_H

#include "base/bytes.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stdint.h>

#define VXC_CONN_AHEAD 8u /* frames of a batch between the hint and the frame */

struct vxc_conn;
struct vxc_listener;

struct vxc_conn_hooks {
    void *data;
    /* A new connection; return value is kept as its user pointer (vxc_conn_user). NULL
     * refuses it. */
    void *(*on_open)(void *data, struct vxc_conn *conn);
    /* One sound frame; its payload is borrowed during the call. */
    void (*on_frame)(void *data, struct vxc_conn *conn, const struct vxc_frame *frame);
    /* May be NULL. This frame, not yet checked, will be handed out in some VXC_CONN_AHEAD frames, if
     * at all: time to fetch what it will look at. */
    void (*on_ahead)(void *data, struct vxc_conn *conn, const struct vxc_frame *frame);
    /* May be NULL. The connection was choked by unread replies and has room again; called before
     * frames are handed out. */
    void (*on_room)(void *data, struct vxc_conn *conn);
    /* The end. code and reason say why (VXC_ECLOSED: the other side left). */
    void (*on_close)(void *data, struct vxc_conn *conn, int code, const char *reason);
    uint32_t frame_size_max; /* bytes of a frame that is taken; 0 = VXC_FRAME_SIZE_MAX */
};

/* A guest came when all places of connections_max were taken. It keeps none from anybody else, and the
 * next guest may take its own: it is cut, or says something that gives it a place. */
bool vxc_conn_is_guest(const struct vxc_conn *conn);
/* Gives a guest one of the places if one is free by now; false: all are taken. */
bool vxc_conn_take_place(struct vxc_conn *conn);
/* The connection is a member's: it counts against no bound any more. Its owner bounds how many. */
void vxc_conn_set_apart(struct vxc_conn *conn);

/* What stands in for a socket. No call comes from within vxc_conn_feed(). */
struct vxc_conn_peer {
    void *data;
    /* One whole frame, at the end of a turn. The peer takes all that comes. */
    void (*on_frame)(void *data, struct vxc_slice frame);
    /* Bytes are taken (again): the peer may feed, but not from within this call. */
    void (*on_want)(void *data);
    /* After the owner's on_close, from the loop. The last call. */
    void (*on_close)(void *data, int code, const char *reason);
};

/* Gives the connection to another owner, whose hooks are called from now on: the frames that follow,
 * its end. To be called from on_frame, or from the loop. on_open is not called. The hooks outlive the
 * connection. It is read also when clients are not (vxc_listener_admit). */
void vxc_conn_hand_over(struct vxc_conn *conn, const struct vxc_conn_hooks *hooks, void *user);

void *vxc_conn_user(const struct vxc_conn *conn);
uint32_t vxc_conn_id(const struct vxc_conn *conn); /* ≥ 1, unique since start */
/* "127.0.0.1:51234", for people. */
const char *vxc_conn_address(const struct vxc_conn *conn);

/* Where replies are appended; whole frames only. Mark with vxc_conn_touch() after appending. NULL
 * when the connection is being closed and nothing more will leave. */
struct vxc_buffer *vxc_conn_out(struct vxc_conn *conn);
void vxc_conn_touch(struct vxc_conn *conn);
uint64_t vxc_conn_outbound_bytes(const struct vxc_conn *conn);
/* Of all that was written the part that is not outbound any more. While something is, and this stands
 * still, the other side takes nothing. */
uint64_t vxc_conn_taken_bytes(const struct vxc_conn *conn);
/* What was sent was not answered by the other machine in the usual time and is being sent again: the
 * next attempt comes late, although the network may be whole by now. */
bool vxc_conn_is_stalled(const struct vxc_conn *conn);
/* So many replies are unread that no frames are taken until they are gone; on_room follows. */
bool vxc_conn_is_choked(const struct vxc_conn *conn);
/* The socket is read at present, or the peer may feed; otherwise silence says nothing about the
 * other side. */
bool vxc_conn_is_read(const struct vxc_conn *conn);

/* Stops handing out frames (and reading) until resume; what was read is kept. May be called from
 * on_frame. Resuming hands out what waits, from the loop, never from inside the call. */
void vxc_conn_pause(struct vxc_conn *conn);
void vxc_conn_resume(struct vxc_conn *conn);

/* Bytes from the peer while the connection is read: frames in them are handed out, what remains is
 * kept. */
void vxc_conn_feed(struct vxc_conn *conn, struct vxc_slice bytes);

/* Ends the connection now (flush = after what was gathered has been written). on_close follows. */
void vxc_conn_cut(struct vxc_conn *conn, int code, const char *reason, bool flush);

#endif
