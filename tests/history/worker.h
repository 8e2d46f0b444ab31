/* A sequential client: one operation at a time, by a client object and a session of its own.
 *
 * Its session is opened when it is needed and again whenever it was lost. After an operation whose
 * outcome nobody knows the worker goes on under a new client number, for a sequential client cannot
 * have two operations open; after such an operation on a lock it ends the session too, for that may
 * hold a lock that it does not know of.
 *
 * An impatient worker makes a new connection, to another server, after such an operation: it meets a
 * new primary while others still wait for the old one, and makes the old one's knowledge stale.
 *
 * An idle one has a connection on which it asks for something only now and then: perhaps just when a
 * primary does not know yet that it was replaced.
 *
 * One thread per worker, but for `stopping`.
 */
#ifndef VXC_TESTS_HISTORY_WORKER_H
#define VXC_TESTS_HISTORY_WORKER_H

#include "history/keys.h"
#include "history/record.h"
#include "vxc/client.h"

struct settings {
    const char *endpoints;
    uint32_t clients;
    double seconds;
    double rate; /* operations per second of all clients; 0 = as many as they can */
    uint64_t seed;
    uint32_t session_ms;      /* lease */
    uint32_t idle;            /* so many wait for up to a second before each operation */
    uint32_t impatient;       /* so many of the clients wait a tenth of that, then go elsewhere */
    uint32_t timeout_ms;      /* of one operation */
    uint32_t final_seconds;   /* for the reads at the end */
    uint32_t mix[KIND_COUNT]; /* shares */
    struct keys *keys;
    atomic_bool stopping;
    atomic_ullong next_client; /* number for whoever needs a new one */
};

struct worker {
    struct settings *settings;
    bool impatient, idle;
    uint32_t timeout_ms;  /* of its operations */
    char endpoints[1024]; /* each worker begins with another one */
    uint64_t random;      /* state of its generator */
    struct vxc_client *client;
    uint64_t number;      /* `c` of its records */
    uint64_t session;     /* 0 = none */
    uint64_t values;      /* that it has made */
    uint64_t disconnects; /* that it was told of */
    int64_t queued_ns;    /* when the acquire under way was told that it waits; 0 = it was not */
    bool session_lost;    /* told while a call was under way */
    int64_t alive_ns;     /* the session was surely known to the server after this moment */
};

/* Prepares a worker; `index` distinguishes it within the run. 0, or a VXC_E… code. */
int worker_init(struct worker *worker, struct settings *settings, uint32_t index);
/* Closes the session, with a record, and frees the client. */
void worker_deinit(struct worker *worker);

/* Opens a session when there is none. False when it is time to stop. */
bool worker_has_session(struct worker *worker);
/* Waits while the client's connection is cared for. */
void worker_pause(struct worker *worker, int64_t ms);
uint64_t worker_random(struct worker *worker, uint64_t below);

/* Carries out the request, fills in of the record all but what was asked and what was read, and
 * gives the reply: to be given to vxc_reply_free(). */
void worker_call(struct worker *worker, struct vxc_request *request, struct record *record,
                 struct vxc_reply *reply);
/* Writes the record, and draws the consequences of an unknown outcome or a lost session. */
void worker_record(struct worker *worker, struct record *record, const struct key *key);

/* ---- operations.c ---- */

/* One operation on a random key (an acquire and its release, for locks). */
void operation_run(struct worker *worker);
/* Reads what became of the key. False when it could not be read. */
bool operation_final_read(struct worker *worker, const struct key *key);

#endif
