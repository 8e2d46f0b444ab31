/* A node of vertx-cluster inside this program.
 *
 *     struct vxc_node_options options = vxc_node_options();
 *     options.data = "./data";
 *     struct vxc_error err;
 *     struct vxc_node *node = NULL;
 *     if (vxc_node_create(&options, &node, &err) != 0 || vxc_node_start(node, &err) != 0 ||
 *         vxc_node_spawn(node, &err) != 0)
 *         puts(err.text);
 *     else
 *         … vxc_node_address(node) is where clients find it …
 *     vxc_node_free(node);
 *
 * Life: create → start, which opens, verifies, recovers and listens → driven in one of three ways →
 * stop → free. Each way serves clients, and only while the node is driven does it:
 *   - vxc_node_spawn(): on a thread of its own, until vxc_node_stop();
 *   - vxc_node_run(): on the calling thread, until vxc_node_stop();
 *   - a loop of the caller's: poll vxc_node_fd() for at most vxc_node_timeout_ms(), then
 *     vxc_node_dispatch(), until that says false.
 * Several nodes may live in one process, each with a data directory of its own, driven by one
 * thread or by several. They share nothing but the allocator (vxc.h).
 *
 * Threads: the driver is the thread that runs or dispatches the node; all callbacks come from it,
 * one at a time. "Any thread" below means from a successful create until free begins, also from a
 * callback. "Any thread, driven" means any thread while the node is spawned or run; in a loop of
 * the caller's, and while nobody drives the node, it is the one thread that has it. Everything else
 * is for that one thread. A process that forks may not use its nodes in the child.
 *
 * Ownership: options and all that they point to are copied by create. What a callback is given is
 * borrowed until it returns.
 *
 * Errors: 0 or a negative code of vxc/error.h; the text says what, where, and what to do. A failed
 * flush of the log or an invariant that is lost ends the process: what is on the disk is unknown
 * then, and only a restart reads it back.
 *
 * The library installs no signal handler unless asked to, raises no SIGPIPE, and prints nothing but
 * log lines, and on stderr the reason when it ends the process.
 */
#ifndef VXC_NODE_H
#define VXC_NODE_H

#include "vxc.h"
#include "vxc/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vxc_node;

/* ---- options ---- */

/* Those of vxcd (docs/operations.md), under the same names and with the same bounds. */
struct vxc_node_options {
    size_t struct_size;        /* set by vxc_node_options() */
    const char *data;          /* data directory; made when it is not there */
    const char *host;          /* numeric address to listen on; NULL = none (vxc_node_connect) */
    uint64_t port;             /* 0 = any free one */
    uint64_t node_id;          /* from 1; for ever the same for one data directory */
    uint64_t timeout_ms;       /* of sessions that name none */
    uint64_t ping_interval_ms; /* pace of nodes of the original protocol */
    uint64_t election_timeout_ms;
    uint64_t heartbeat_ms;
    uint64_t clean_cache_mib; /* rows kept in memory besides those not yet in LMDB */
    uint64_t connections_max;
    bool apply_each;                 /* commit LMDB once per message: the reference mode, slow */
    enum vxc_log_level log_level;    /* lines above it are left out */
    const char *accept_plaintext_on; /* = host, when that is off loopback: nothing is encrypted */
    void *data_of_log;               /* given to on_log */
    /* One line without newline; NULL = to stderr. From the thread that is in create, start or free,
     * else from the driver: never from two threads at once. It may not call the node. */
    void (*on_log)(void *data_of_log, enum vxc_log_level level, const char *line);
    /* A cluster of several nodes; NULL or "" = none: alone, or as the data directory says. */
    const char *initial_cluster; /* of a new one, all the same on each: "1=host:port,2=host:port" */
    const char *join;            /* nodes of a running one: "host:port,host:port" */
    const char *secret_file; /* what all its nodes know; 16 to 4096 bytes, nobody else's to read */
};

/* The defaults: node 1 in "./vxc-data", 127.0.0.1, any free port. */
struct vxc_node_options vxc_node_options(void);

/* Takes what the environment says: VERTX_CLUSTER_… as vxcd does (VERTX_CLUSTER_DATA, …_TIMEOUT, …);
 * where that is not set, NODE_ID, CLUSTER_HOST, CLUSTER_PORT. What is not set is left as it is.
 * VXC_EINVAL names the variable, its value and what was expected; the options are then as before.
 * Texts point into the environment: create the node before changing it. */
int vxc_node_options_environment(struct vxc_node_options *options, struct vxc_error *err);

/* ---- life ---- */

/* Makes a node; touches neither disk nor network. VXC_EINVAL for an option out of its bounds (the
 * text names it), VXC_ENOMEM. */
int vxc_node_create(const struct vxc_node_options *options, struct vxc_node **node,
                    struct vxc_error *err);

/* Opens and verifies the data, recovers, listens; takes as long as that does, without a callback
 * but on_log. VXC_ELOCKED (the directory is another node's at work), VXC_EREADONLY, VXC_ENOSPC,
 * VXC_EFOREIGN (of another node), VXC_ECORRUPT, VXC_EVERSION, VXC_EADDRINUSE, VXC_EADDRESS, VXC_EIO,
 * VXC_ENOMEM; VXC_EEXISTS: it was started before. After a failure the node can only be freed. */
int vxc_node_start(struct vxc_node *node, struct vxc_error *err);

/* Did the node end by itself, and why: 0 while it runs, or when it was stopped. VXC_EFOREIGN: its
 * cluster refuses it for ever, because it was removed, or its disk was wiped or put back to an older
 * copy; the text says how to come back. Any thread. */
int vxc_node_ended(const struct vxc_node *node, struct vxc_error *err);

/* "127.0.0.1:7400" from a successful start on, "" when it listens nowhere. Any thread; lives as long
 * as the node. */
const char *vxc_node_address(const struct vxc_node *node);

/* Drives the node on a thread of its own, which receives no signals. VXC_EINVAL: not started, or
 * driven already. */
int vxc_node_spawn(struct vxc_node *node, struct vxc_error *err);
/* Waits for the end of that thread: for as long as nobody stops the node. Fine without a thread. */
void vxc_node_join(struct vxc_node *node);

/* Drives the node on this thread until it is stopped, or ends by itself (vxc_node_ended). VXC_EINVAL as
 * above. */
int vxc_node_run(struct vxc_node *node);
/* SIGTERM and SIGINT stop the node; for a program that is one node. After start. VXC_EIO. */
int vxc_node_handle_signals(struct vxc_node *node);

/* Drives the node from a loop of the caller's. The descriptor is for reading only, and the same for
 * the node's life; the timeout is in ms, -1 = none, and is to be asked for before every wait.
 * Dispatch does what is to be done and never waits; false: the node has stopped, or ended by itself. */
int vxc_node_fd(const struct vxc_node *node);
int vxc_node_timeout_ms(struct vxc_node *node);
bool vxc_node_dispatch(struct vxc_node *node);

/* Asks the node to stop: it accepts nothing more, answers what is under way (5 s at the most), and
 * is driven no longer. Asked again: at once. Any thread; also from a signal handler. */
void vxc_node_stop(struct vxc_node *node);

/* Stops and joins a spawned node, brings LMDB up to date, syncs, ends all connections (their
 * callbacks run), gives everything back. Not from a callback. NULL is fine. */
void vxc_node_free(struct vxc_node *node);

/* ---- connections without a socket ---- */

/* Talks to the node as a client does over a socket, in the protocol of docs/protocol.md: for a
 * transport of one's own, or for none. Sessions, leases, order, bounds are the same; one rule is
 * not: the first frame may take its time. */
struct vxc_connection;

struct vxc_connection_options {
    size_t struct_size; /* set by vxc_connection_options() */
    void *data;         /* given to both */
    /* One whole frame for the other side: a reply or an event. May process, disconnect and stop. */
    void (*on_frame)(void *data, const void *frame, size_t size);
    /* The end, exactly once; nothing is called afterwards. code VXC_ECLOSED: disconnected, or the
     * node stops; else why the node ended it (VXC_EPROTO, VXC_ECRC … bytes that are no frames,
     * VXC_ELIMIT over a bound). May disconnect. */
    void (*on_close)(void *data, int code, const char *reason);
};

struct vxc_connection_options vxc_connection_options(void);

/* Opens one; on_close will come. VXC_EINVAL without callbacks or before the start, VXC_ECLOSED when
 * the node has been stopped, VXC_ENOMEM. Too many connections are an early on_close with VXC_ELIMIT.
 * Any thread. */
int vxc_node_connect(struct vxc_node *node, const struct vxc_connection_options *options,
                     struct vxc_connection **connection, struct vxc_error *err);

/* Gives frames to the node: one, several, or a part of one. They are copied, and looked at when the
 * node is driven next; replies come by on_frame, those of writes once they are durable. 0;
 * VXC_EBUSY: 32 MiB wait already, nothing was taken, drive the node and try again; VXC_ECLOSED: the
 * connection has ended; VXC_ENOMEM. Any thread until it is disconnected. */
int vxc_node_process(struct vxc_connection *connection, const void *frames, size_t size);

/* Ends the connection, behind what was processed before, and gives it back: it may not be used any
 * more, but on_frame and on_close may still come. To be called once for each, also after on_close and
 * after the node was freed. Any thread. NULL is fine. */
void vxc_node_disconnect(struct vxc_connection *connection);

/* ---- time ---- */

/* Judges now who was silent for too long, and returns how many were cleaned away since the last
 * call, by it or meanwhile: connections cut because a frame, the first one or a read reply was
 * overdue, and sessions given up because their timeout has passed without a frame. A driven node
 * judges by itself, about once a second; this is for who wants to judge at a moment of their own,
 * and for who wants to know. What is readable is read first. Any thread, driven; not from a
 * callback. */
uint64_t vxc_node_process_timeouts(struct vxc_node *node);

/* ---- numbers ---- */

enum vxc_node_beginning {
    VXC_NODE_NEW,      /* of an empty data directory */
    VXC_NODE_CLEAN,    /* after a clean stop */
    VXC_NODE_RECOVERED /* after an unclean one */
};

struct vxc_node_stats {
    uint64_t node_id;
    uint8_t cluster_id[16];
    const char *role;    /* "primary", "backup", "standby", "candidate", "repairing"; static */
    uint64_t primary_id; /* 0 = unknown */
    uint64_t term;
    /* of the log: the newest entry, what is on disk, decided, in the state, in LMDB, synced there */
    uint64_t last_index, durable_index, commit_index, applied_index, lmdb_applied_index;
    uint64_t synced_index, log_first_index;
    uint64_t entries_total, commands_total; /* since start */
    uint64_t state_digest, digest_index;    /* of the last commit to LMDB */
    uint64_t cluster_time_ms;
    bool no_space;              /* growing writes are refused */
    uint64_t admission_percent; /* of the usual reading from sockets */
    /* the state */
    uint64_t sessions, sessions_connected, nodes_legacy, nodes_managed;
    uint64_t objects; /* maps, sets, multimaps */
    uint64_t counters, locks, locks_held, locks_waiting, registrations, watches;
    uint64_t quota_bytes; /* keys and values */
    uint64_t event_history_bytes;
    /* connections and requests */
    uint64_t connections, connections_refused_total, connections_silent_total;
    uint64_t active_connections;
    uint64_t inflight_requests, inflight_bytes, held_bytes, uncommitted_bytes;
    uint64_t requests_total, replies_total, errors_total, events_total, sessions_silent_total;
    /* storage */
    const char *log_io; /* "io_uring", "thread"; static */
    uint64_t log_segments, log_bytes, log_memory_bytes, log_units_total;
    uint64_t flush_us_last, flush_us_max; /* of one write of the log, until it is durable */
    uint64_t lmdb_commits_total, lmdb_rows_total, lmdb_commit_us_last, lmdb_commit_us_max;
    uint64_t lmdb_bytes, lmdb_pinned_bytes, lmdb_pinned_by_pid; /* pinned: by a foreign reader */
    bool lmdb_no_space;
    uint64_t clean_rows, clean_bytes, dirty_rows, dirty_bytes, frozen_rows, frozen_bytes;
    uint64_t cache_hits_total, cache_misses_total;
    /* this life */
    enum vxc_node_beginning beginning;
    uint64_t recovered_index, verified_rows; /* at the start */
    uint64_t ready_ms, uptime_ms;
    /* the cluster, as far as this node knows */
    uint64_t members;         /* of the newest configuration; 0 = none yet, it joins */
    uint64_t peers_connected; /* others that this node can send to */
};

/* Fills in the first `size` bytes (sizeof *stats: a later version may have more fields). VXC_EINVAL:
 * not started. Any thread, driven. */
int vxc_node_stats(struct vxc_node *node, struct vxc_node_stats *stats, size_t size);

/* ---- snapshots ---- */

/* What a snapshot file holds: all that was acknowledged before it was asked for, at one index. */
struct vxc_snapshot_info {
    uint8_t cluster_id[16];
    uint64_t node_id; /* who saved it */
    uint64_t index, term;
    uint64_t cluster_time_ms;
    uint64_t rows;
    uint64_t file_bytes;
    uint8_t sha256[32]; /* as in the file's trailer */
};

/* Saves the state as the file `path`, while the node serves on: written aside, flushed, read back,
 * renamed, so that it is there whole or not at all; one that is there is replaced. On success
 * on_done comes exactly once, from the driver, with 0 and *info, or with a code (VXC_ENOSPC,
 * VXC_EREADONLY, VXC_EIO, VXC_ELOCKED: another process writes this file; VXC_ECANCELED: the node
 * stops); info is NULL then, and message says why. It may not call the node. `compression` is an
 * enum vxc_snapshot_compression (vxc.h). VXC_EINVAL, VXC_EBUSY: another one is being saved, VXC_ENOMEM. Any thread, driven. */
typedef void (*vxc_snapshot_cb)(void *data, int code, const struct vxc_snapshot_info *info,
                                const char *message);
int vxc_node_snapshot_begin(struct vxc_node *node, const char *path, int compression, void *data,
                            vxc_snapshot_cb on_done, struct vxc_error *err);

/* The same, and waits for it; a node that nobody else drives is driven meanwhile. info may be NULL.
 * Not from a callback. */
int vxc_node_snapshot(struct vxc_node *node, const char *path, int compression,
                      struct vxc_snapshot_info *info, struct vxc_error *err);

struct vxc_restore_options {
    size_t struct_size; /* set by vxc_restore_options() */
    const char *path;   /* of the snapshot file */
    const char *data;   /* data directory: absent or empty */
    uint64_t node_id;   /* of the node that will start there; 1 */
    void *data_of_progress;
    /* NULL = not wanted. Bytes done of a step; false ends the work with VXC_ECANCELED. */
    bool (*on_progress)(void *data_of_progress, int step, uint64_t done, uint64_t total);
    /* NULL = a cluster of this node alone. Else the voters of the new cluster, as in
     * "1=10.0.0.1:7400,2=10.0.0.2:7400,3=10.0.0.3:7400", with node_id among them: each of them has to
     * be restored from the same file with the same list, and then they are one cluster. Its id and its
     * next fencing token come of file and list alone, so a second restore of both is the same cluster
     * once more: let no directory of the first one start again. */
    const char *initial_cluster;
};

struct vxc_restore_options vxc_restore_options(void);

/* What a restore did. */
struct vxc_restore_report {
    uint8_t cluster_id[16];      /* of the new cluster */
    uint8_t from_cluster_id[16]; /* of the one that the snapshot is of */
    uint64_t from_index, from_term;
    uint64_t index;      /* of the restored state */
    uint64_t next_token; /* the fencing token that is given next, above all before */
    /* what ended with the old cluster */
    uint64_t sessions, locks_held, locks_waiting, nodes, registrations, watches;
};

/* Makes a data directory of a new cluster from a snapshot file. VXC_EEXISTS: the folder
 * is not empty; VXC_ECRC, VXC_ECORRUPT: the file is damaged, the text says at which byte;
 * VXC_EVERSION: of a newer version; VXC_ENOTFOUND, VXC_ENOSPC, VXC_EREADONLY, VXC_EIO, VXC_ECANCELED,
 * VXC_EINVAL. After a failure the folder is as it was. report may be NULL. Any thread; it concerns
 * no node. */
int vxc_node_restore(const struct vxc_restore_options *options, struct vxc_restore_report *report,
                     struct vxc_error *err);

#ifdef __cplusplus
}
#endif

#endif
