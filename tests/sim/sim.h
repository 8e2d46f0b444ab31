/* The simulator: a whole cluster and its clients in one thread, from a seed.
 *
 * What runs is the product: replica, engine, state machine, sessions, table, LMDB store, log, vote,
 * gateway and the client's core. What is simulated is the world around them, and it is all here:
 *
 *   world.c    virtual time, the queue of events, the streams of chance
 *   disk.c     what the nodes' writes become: durable, or lost and torn at a power cut
 *   files.c    what files hold: memory, LMDB's map included
 *   heap.c     what the product's code allocates, by lives
 *   device.c   the log's device: writes in flight complete later, in any order
 *   fatal.c    base/check.h: the end of a node's process is the end of one life of that node
 *   node.c     lives of a node: start, turns, crash
 *   conn.c     net/conn.h between clients and nodes, in memory
 *   peers.c    connections between nodes: delay, loss, partitions
 *   client.c   clients on the real core: endpoints, reconnects
 *   load.c     what they ask, and what they note about it
 *   faults.c   what goes wrong, and when
 *   witness.c  the one true history: each entry as first applied, replayed by a second state machine
 *              and by the naive model of tests/unit/fsm
 *   queues.c   who waits for which lock, as the log orders it
 *   check.c    what must hold of every reply, read and event
 *   main.c     options, seeds, what is printed
 *
 * One event runs at a time, to its end; nothing here reads a real clock, a socket or an address of
 * memory to decide anything, so a seed gives the same run each time. A seed has a process of its own.
 */
#ifndef VXC_TESTS_SIM_SIM_H
#define VXC_TESTS_SIM_SIM_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SIM_NODES_MAX = 9, /* ids 1…9: members come and go, an id never comes back */
    SIM_CLIENTS_MAX = 16,
};

#define SIM_MS 1000000u    /* ns */
#define SIM_US 1000u       /* ns */
#define SIM_S  1000000000u /* ns */

struct world;
struct node;
struct client;

struct sim_options {
    uint64_t seed;
    unsigned seconds; /* simulated, of load and faults; healing comes on top */
    unsigned nodes;   /* voters at the start */
    bool trace;
};

/* ---- world.c: chance ---- */

struct stream {
    uint64_t state;
};

uint64_t sim_draw(struct stream *stream, uint64_t below); /* 0 ≤ … < below; 0 when below is 0 */
uint64_t sim_between(struct stream *stream, uint64_t least, uint64_t most);
bool sim_chance(struct stream *stream, unsigned per_mille);

/* ---- world.c: events ---- */

typedef void (*sim_event_cb)(struct world *world, void *subject, uint64_t number);

/* Runs `run` at `at_ns`; events of one time run in the order in which they were asked for. */
void sim_at(struct world *world, uint64_t at_ns, sim_event_cb run, void *subject, uint64_t number);
void sim_after(struct world *world, uint64_t delay_ns, sim_event_cb run, void *subject,
               uint64_t number);

/* What is counted, and the name under which it is printed. */
struct sim_counts {
    uint64_t simulated_ms;
#define SIM_COUNTS(X)                                                                              \
    X(submitted, "operations")                                                                     \
    X(acknowledged, "acknowledged")                                                                \
    X(unknown, "unknown")                                                                          \
    X(refused, "refused")                                                                          \
    X(reads, "reads")                                                                              \
    X(stale_reads, "stale_reads")                                                                  \
    X(notices, "events")                                                                           \
    X(resyncs, "resyncs")                                                                          \
    X(sessions_lost, "sessions_lost")                                                              \
    X(entries, "entries")                                                                          \
    X(faults, "faults")                                                                            \
    X(crashes, "crashes")                                                                          \
    X(power_cuts, "power_cuts")                                                                    \
    X(torn_writes, "torn")                                                                         \
    X(pauses, "pauses")                                                                            \
    X(partitions, "partitions")                                                                    \
    X(breaks, "breaks")                                                                            \
    X(full_disks, "full_disks")                                                                    \
    X(elections, "elections")                                                                      \
    X(images, "images")                                                                            \
    X(changes, "changes")                                                                          \
    X(checkpoints, "checkpoints")
#define X(field, name) uint64_t field;
    SIM_COUNTS(X)
#undef X
};

/* What happened, in numbers: goes into the trace hash, and is printed with --trace. */
enum sim_trace {
#define SIM_TRACES(X)                                                                              \
    X(SEED, "seed")                                                                                \
    X(START, "start node life")                                                                    \
    X(CRASH, "crash node kind")                                                                    \
    X(STOP, "stop node")                                                                           \
    X(ROLE, "role node term primary")                                                              \
    X(SUBMIT, "submit client kind key")                                                            \
    X(REPLY, "reply client sequence code index")                                                   \
    X(NOTICE, "notice client type index")                                                          \
    X(CONNECT, "connect client node")                                                              \
    X(DISCONNECT, "disconnect client")                                                             \
    X(SESSION, "session client id")                                                                \
    X(MESSAGE, "message from to type")                                                             \
    X(LOST, "lost from to")                                                                        \
    X(BREAK, "break from to")                                                                      \
    X(APPLY, "apply node index")                                                                   \
    X(FAULT, "fault kind a b")                                                                     \
    X(HEAL, "heal")                                                                                \
    X(INSTALL, "install node index")                                                               \
    X(CHANGE, "change kind id code")                                                               \
    X(END, "end entries")
#define X(name, text) SIM_TRACE_##name,
    SIM_TRACES(X)
#undef X
};
void sim_trace(struct world *world, enum sim_trace what, uint64_t a, uint64_t b, uint64_t c,
               uint64_t d);

/* The run has shown that something is wrong: says what and how to see it again, and ends the seed. */
_Noreturn void sim_violation(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The simulator itself cannot go on. */
_Noreturn void sim_broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs one seed, prints its line, and gives its counts; 0 clean. */
int sim_run(const struct sim_options *options, const char *folder, struct sim_counts *counts);

/* ---- world.c: what was counted, of one seed or of many ---- */

void sim_counts_add(struct sim_counts *sum, const struct sim_counts *counts);
/* The end of a line: " simulated_s=… operations=…" and so on. */
void sim_counts_print(const struct sim_counts *counts);

#endif
