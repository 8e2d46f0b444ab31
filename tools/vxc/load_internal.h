/* What load.c (the run) and load_conn.c (one connection) share. Not for others. */
#ifndef VXC_TOOLS_LOAD_INTERNAL_H
#define VXC_TOOLS_LOAD_INTERNAL_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/limits.h"
#include "client/endpoint.h"

#include "tools/vxc/load.h"
#include "tools/vxc/load_ops.h"

#define VXC_LOAD_READ_SIZE (256u * VXC_KIB) /* per read; fits a second-level cache */
#define VXC_LOAD_REST_MAX  (4u * VXC_KIB) /* of an unfinished frame that is kept; larger ones pass */
#define VXC_LOAD_HEAD_SIZE 64u            /* of a passing frame: all that is looked at */

enum stage { STAGE_CONNECTING, STAGE_HELLO, STAGE_SESSION, STAGE_RUNNING, STAGE_DONE };
enum phase { PHASE_CONNECT, PHASE_FILL, PHASE_MEASURE };

/* Requests that were written at the same moment. */
struct batch {
    uint64_t ns;
    uint64_t left; /* of them, not yet answered */
};

/* A large frame on its way through: its bytes are summed up and forgotten. */
struct passing {
    uint8_t head[VXC_LOAD_HEAD_SIZE];
    uint32_t left; /* bytes; 0 = there is none */
    uint32_t crc;  /* of those that came */
};

struct load_conn {
    int fd;
    enum stage stage;
    unsigned index;
    uint32_t request_id;     /* of the last request */
    uint64_t sent, answered; /* requests after the handshake */
    struct batch *batches;   /* ring of `window_max`, of those between */
    uint64_t first, end;     /* batches in the ring, counted through */
    struct vxc_buffer rest;  /* the beginning of a frame that is not whole yet */
    struct passing passing;
    struct vxc_buffer out;
    size_t out_sent;
    bool wants_write;
};

struct load {
    const struct vxc_load_options *options;
    struct vxc_load_report *report;
    const struct vxc_clock *clock;
    struct vxc_endpoint endpoint;
    struct vxc_load_ops ops;
    int epoll;
    struct load_conn *conns;
    unsigned begun;   /* connections */
    unsigned running; /* of them ready */
    unsigned done;
    enum phase phase;
    unsigned window, window_max; /* requests under way per connection: now, in any phase */
    uint64_t issued, answered;   /* of this phase */
    uint64_t began_ns, end_ns;   /* of the measured part; end UINT64_MAX = none */
    uint64_t now_ns;             /* when the connection's turn began */
    uint64_t heard_ns;
    uint64_t success_ns;  /* of the last turn with one */
    uint64_t second_ends; /* of the second that is being counted */
    uint64_t second_successes;
    size_t per_second_room;
    uint8_t *input; /* VXC_LOAD_REST_MAX + VXC_LOAD_READ_SIZE */
    struct vxc_error *err;
};

/* Begins the next connection. VXC_EADDRESS, VXC_ECLOSED. */
int vxc_load_conn_begin(struct load *l);
/* A turn of one connection: takes what came (epoll's `events`; 0 = nothing), asks for more, writes.
 * VXC_ECLOSED, VXC_ENOMEM, VXC_EPROTO, VXC_ECRC …, said in l->err. */
int vxc_load_conn_serve(struct load *l, struct load_conn *c, uint32_t events);
int vxc_load_out_of_memory(struct load *l);

#endif
