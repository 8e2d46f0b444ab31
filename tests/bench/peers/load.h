/* What the loads of other servers share: options as `vxc bench` has them, keys, the count of what was
 * answered, and its JSON, so that tests/bench reads all of them alike.
 *
 *   etcd_load      puts and linearizable gets over gRPC, on HTTP/2 streams
 *   zookeeper_load sets, and a sync with a get behind it, by the asynchronous C library
 *
 * A load keeps `pipeline` requests under way on each of its connections, over uniform random keys
 * that it wrote once beforehand. Each answer is judged; a failed one ends the load. Latency is from the
 * moment in which a request was handed to the connection to the one in which its answer was read.
 */
#ifndef VXC_BENCH_PEERS_LOAD_H
#define VXC_BENCH_PEERS_LOAD_H

#include "base/histogram.h"

#include <stdbool.h>
#include <stdint.h>

#define LOAD_KEY_SIZE 16u

struct load_options {
    const char *endpoints; /* host:port,… ; connection i speaks to the i-th, around and around */
    bool get;              /* else put */
    unsigned connections;
    unsigned pipeline; /* requests under way on each */
    unsigned seconds;
    uint64_t keys;
    unsigned value_size; /* bytes */
    bool fill;           /* write each key once and measure nothing else */
};

/* Of one thread, or under the caller's lock. */
struct load_tally {
    uint64_t operations;
    struct vxc_histogram latency_ns;
};

/* Reads the command line; a mistake in it ends the program with status 2. */
struct load_options load_options(int argc, char **argv);

/* Says why the load cannot go on, and ends the program with status 1. */
_Noreturn void load_fail(const char *what, const char *why);

uint64_t load_now_ns(void);

/* "key:000000000042": the bytes, without a NUL. */
void load_key(char out[LOAD_KEY_SIZE], uint64_t number);
/* A number below options->keys; `state` is any that is not 0, and the caller's to keep. */
uint64_t load_random_key(const struct load_options *options, uint64_t *state);

/* One line of JSON on stdout. */
void load_report(const struct load_options *options, const struct load_tally *tally,
                 uint64_t began_ns, uint64_t ended_ns);

#endif
