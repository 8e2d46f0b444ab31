/* The load generator: many pipelined connections on one thread, without allocation per operation.
 *
 * It speaks frames itself instead of going through the client, because it is to measure a server
 * and not a library: each connection keeps `pipeline` requests under way, all that became free in a
 * turn is written at once, and a reply is looked at just enough to tell success from failure.
 * Latency is from the write's turn to the reply's turn.
 */
#ifndef VXC_TOOLS_LOAD_H
#define VXC_TOOLS_LOAD_H

#include "base/error.h"
#include "base/histogram.h"

#include <stdint.h>

#define VXC_LOAD_PIPELINE_MAX 4096u

/* X(ID, name) */
#define VXC_LOAD_OP_MAP(X)                                                                         \
    X(MAP_PUT, "map-put")                                                                          \
    X(MAP_GET, "map-get")                                                                          \
    X(COUNTER_ADD, "counter-add")                                                                  \
    X(LOCK, "lock")   /* acquire and release in turn, each one operation; a lock per connection */ \
    X(MIXED, "mixed") /* of 10: 7 get, 2 put, 1 counter add */                                     \
    X(PING, "ping")

enum vxc_load_op {
#define X(ID, name) VXC_LOAD_##ID,
    VXC_LOAD_OP_MAP(X)
#undef X
};

struct vxc_load_options {
    enum vxc_load_op op;
    const char *endpoint;
    const char *namespace_name; /* NULL = the default one */
    unsigned connections;
    unsigned pipeline;
    uint64_t count;   /* operations; 0 = until the time is over */
    unsigned seconds; /* 0 = until the count is reached */
    uint64_t keys;
    uint32_t value_size;
    uint64_t timeout_ms; /* without any reply */
};

struct vxc_load_report {
    uint64_t operations; /* answered, with success or not */
    uint64_t errors;
    int error_code; /* of the first one */
    double seconds;
    struct vxc_histogram latency_ns;
};

/* VXC_ECLOSED, VXC_ETIMEOUT, VXC_ENOMEM: the load could not be carried out. */
int vxc_load_run(const struct vxc_load_options *options, struct vxc_load_report *report,
                 struct vxc_error *err);

#endif
