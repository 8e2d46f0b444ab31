/* The load generator: many pipelined connections on one thread, without allocation per operation.
 *
 * It speaks frames itself instead of going through the client, because it is to measure a server
 * and not a library: each connection keeps `pipeline` requests under way, and all that became free in
 * a turn is written at once. Every operation is a frame of its own with a request id of its own, and
 * every reply is checked: checksum, request id, kind, and what the operation promises (load_ops.h).
 * Latency is from the turn of the connection in which a request was written to the one in which its
 * reply was read.
 *
 *   connect all → fill the map, unless told not to → the measured part
 *
 * Large replies are checked as they come, in a buffer that stays in the cache, and not kept.
 */
#ifndef VXC_TOOLS_LOAD_H
#define VXC_TOOLS_LOAD_H

#include "base/error.h"
#include "base/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VXC_LOAD_PIPELINE_MAX 4096u
#define VXC_LOAD_KEYS_MAX     1000000000u
#define VXC_LOAD_FAULTS_MAX   16u /* kinds of errors told apart; the rest count with the last */

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

#define VXC_LOAD_KEY_SIZE 16u

/* "key:000000000042": the bytes, without a NUL. */
void vxc_load_key(char out[VXC_LOAD_KEY_SIZE], uint64_t number);

struct vxc_load_options {
    enum vxc_load_op op;
    const char *endpoint;
    const char *namespace_name; /* NULL = the default one */
    unsigned connections;
    unsigned pipeline;
    uint64_t count;      /* operations; 0 = until the time is over */
    unsigned seconds;    /* 0 = until the count is reached */
    uint64_t keys;       /* 1 … VXC_LOAD_KEYS_MAX */
    uint32_t value_size; /* bytes */
    bool fill;           /* put every key once, before the measured part */
    uint64_t timeout_ms; /* without any reply */
    void *data;          /* of on_second */
    void (*on_second)(void *data, uint64_t second, uint64_t successes); /* may be NULL */
};

struct vxc_load_fault {
    int code; /* VXC_E… */
    uint64_t count;
};

struct vxc_load_report {
    uint64_t operations; /* answered, with success or not */
    uint64_t errors;
    struct vxc_load_fault faults[VXC_LOAD_FAULTS_MAX]; /* in the order in which they appeared */
    unsigned faults_count;
    double seconds;
    uint64_t stall_ns;    /* the longest time between two successes, or the start and the first */
    uint64_t *per_second; /* successes of each whole second; owned */
    size_t per_second_count;
    struct vxc_histogram latency_ns;
};

/* VXC_ECLOSED, VXC_ETIMEOUT, VXC_ENOMEM, VXC_EPROTO, VXC_ECRC, VXC_ENOTPRIMARY (also when it ceases to
 * be in the middle), or the server's code when the map could not be filled: the load could not be
 * carried out. The report is to be freed in any case. */
int vxc_load_run(const struct vxc_load_options *options, struct vxc_load_report *report,
                 struct vxc_error *err);
void vxc_load_report_free(struct vxc_load_report *report);

#endif
