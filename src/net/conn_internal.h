/* What conn.c and listener.c share; nobody else includes this. */
#ifndef VXC_NET_CONN_INTERNAL_H
#define VXC_NET_CONN_INTERNAL_H

#include "net/conn.h"
#include "net/listener.h"

#include <sys/queue.h>
#include <uv.h>

/* A connection whose unread replies exceed this is not read from until they are gone. */
#define VXC_CONN_CHOKE_BYTES (VXC_CONN_OUTBOUND_BYTES_MAX / 16)

struct vxc_conn {
    uv_tcp_t tcp;
    uv_write_t write;
    struct vxc_listener *listener;      /* borrowed */
    struct vxc_conn_peer peer;          /* in place of a socket when it has an on_frame */
    const struct vxc_conn_hooks *hooks; /* the listener's, or those of another owner */
    void *user;
    struct vxc_dial *dial; /* on its way out; NULL = it is there */
    uint32_t id;
    char address[64];

    uint64_t waiting_since_ms; /* an unfinished frame or no frame at all; 0 = nothing is awaited */
    uint64_t writing_since_ms;
    bool outgoing; /* we dialed */
    bool guest;    /* came when there was no place; still so while it closes */
    bool apart;    /* takes none */
    bool paused;   /* by the owner */
    bool choked;   /* by its unread replies */
    bool room;     /* was choked; the owner is to hear of the end of it */
    bool greeted;  /* its first frame came whole */
    bool reading;
    bool writing;
    bool closing;
    bool cut_after_flush;
    int close_code;
    char close_reason[160];

    struct vxc_buffer pending; /* read but not yet handed out */
    size_t pending_at;         /* first byte of pending that counts */
    uint32_t need;             /* size of the frame that pending begins, when known */
    struct vxc_buffer out;     /* gathered in this turn */
    struct vxc_buffer sending; /* being written */
    uint64_t held_bytes;       /* of the three, as counted by the listener */
    uint64_t written_bytes;    /* since it began, `sending` included */

    struct vxc_conn *next, *previous; /* of the listener */
    TAILQ_ENTRY(vxc_conn) of_guests;  /* valid while it is a guest and not closing */
    struct vxc_conn *next_dirty;      /* has something to flush */
    struct vxc_conn *next_resumed;    /* has frames to hand out */
    bool dirty, resumed;
};

struct vxc_listener {
    uv_tcp_t tcp;
    uv_tcp_t refused; /* takes what no memory is left for, only to close it */
    uv_timer_t sweep;
    uv_idle_t idle; /* runs while resumed connections wait */
    struct vxc_loop *loop;
    struct vxc_conn_hooks hooks;
    uint32_t connections_max;
    uint32_t guests_max;
    uint32_t count;     /* all */
    uint32_t uncounted; /* of them, those that take no place: dialed, guests, set apart */
    uint32_t guest_count;
    TAILQ_HEAD(, vxc_conn) guests; /* that are not closing; the oldest first */
    uint32_t next_id;
    uint64_t refused_total;
    uint64_t silent_total; /* cut by the sweep */
    uint64_t held_bytes;   /* unfinished frames and unread replies of all connections */
    uint64_t swept_ms;
    int percent;
    int handles;        /* of our own, still open */
    bool refusing;      /* `refused` is closing */
    bool another_waits; /* a further one is to be accepted when that is done */
    bool accept_paused;
    bool stopped;
    bool closing;
    uint16_t port;
    struct vxc_conn *conns;
    struct vxc_conn *dirty;
    struct vxc_conn *resumed;
    uint8_t *scratch; /* VXC_CONN_READ_SIZE bytes, shared by all connections */

    /* large buffers that replies have left: memory that is there already, for the next large ones */
    struct vxc_buffer spares[VXC_NODE_SPARE_BUFFERS_MAX];
    unsigned spare_count;
    size_t spare_bytes;
    bool spare_taken; /* since the last sweep, which frees what nobody takes */
};

/* Takes an accepted socket over; 0 or a uv error. UV_ENOMEM: it was not accepted. */
int vxc_conn_start(struct vxc_listener *listener);
/* A connection of the listener that has neither socket nor user yet; NULL without memory. */
struct vxc_conn *vxc_conn_add(struct vxc_listener *listener);
/* The socket is connected: its options, and reading. */
void vxc_conn_tune(struct vxc_conn *conn);
void vxc_conn_free(struct vxc_conn *conn);
/* The handle is closed: the owner hears of it, the connection is freed. */
void vxc_conn_on_closed(uv_handle_t *handle);
/* The same for a peer; VXC_ENOMEM, VXC_ELIMIT, VXC_ECLOSED. */
int vxc_conn_start_local(struct vxc_listener *listener, const struct vxc_conn_peer *peer,
                         struct vxc_conn **conn);
/* ---- dial.c ---- */
/* Ends the attempt; true when the connection's handle is closed already, or about to be. */
bool vxc_dial_stop(struct vxc_conn *conn);
/* false: something of the attempt is still under way, and frees the connection when it is done. */
bool vxc_dial_is_over(struct vxc_conn *conn);

void vxc_conn_flush(struct vxc_conn *conn);
/* Ends the connection now, also one that only waits for its last bytes to leave. */
void vxc_conn_abort(struct vxc_conn *conn, int code, const char *reason);
void vxc_conn_update_reading(struct vxc_conn *conn);
void vxc_conn_run_resumed(struct vxc_listener *listener);
void vxc_conn_sweep(struct vxc_conn *conn, uint64_t now_ms);
/* Since when the connection has been stuck: an unfinished frame, an unread reply; UINT64_MAX = not.
 */
uint64_t vxc_conn_stuck_since_ms(const struct vxc_conn *conn);
void vxc_listener_free_spares(struct vxc_listener *listener);
void vxc_listener_bound_held(struct vxc_listener *listener);
void vxc_listener_finish(struct vxc_listener *listener); /* frees when the last handle is gone */

#endif
