/* One run of vxc: its options, its connection, and how it ends.
 *
 * A command is a row of its family's table. Most of them are one request: the row says which
 * operation, which positional argument fills which field, and what of the reply is shown. The
 * others have a function of their own.
 *
 * Exit statuses (docs/cli.md): 0 done or true · 1 not found or false, nothing on stdout · 2 usage
 * or configuration · 3 no server reached · 4 conflict · 5 refused · 6 integrity · 7 unsafe without
 * --yes · 124 no answer in time · 130, 143 interrupted; `lock run` passes the child's status.
 */
#ifndef VXC_TOOLS_CLI_H
#define VXC_TOOLS_CLI_H

#include "base/bytes.h"
#include "base/error.h"

#include "vxc/client.h"

#include "tools/vxc/output.h"

#include <stdbool.h>
#include <stdint.h>

enum vxc_exit {
    VXC_EXIT_DONE = 0,
    VXC_EXIT_FALSE = 1,
    VXC_EXIT_USAGE = 2,
    VXC_EXIT_UNREACHED = 3,
    VXC_EXIT_CONFLICT = 4,
    VXC_EXIT_REFUSED = 5,
    VXC_EXIT_INTEGRITY = 6,
    VXC_EXIT_UNSAFE = 7,
    VXC_EXIT_TIMEOUT = 124,
    VXC_EXIT_CANNOT_RUN = 126, /* lock run, as in env(1) */
    VXC_EXIT_NO_COMMAND = 127,
    VXC_EXIT_SIGNAL = 128, /* plus the signal's number */
};

/* X(ID, long name, letter or 0, argument or NULL, global, help) */
#define VXC_OPTION_MAP(X)                                                                          \
    X(ENDPOINTS, "endpoints", 'e', "HOST:PORT,...", true, "where the cluster is")                  \
    X(OUTPUT, "output", 'o', "FORMAT", true, "table, json, jsonl or raw")                          \
    X(TIMEOUT, "timeout", 0, "TIME", true,                                                         \
      "longest wait for an answer: 500ms, 2s, 1m; default 5s")                                     \
    X(NAMESPACE, "namespace", 'n', "NAME", true, "namespace; default is the unnamed one")          \
    X(QUIET, "quiet", 'q', NULL, true, "no messages, only errors")                                 \
    X(VERBOSE, "verbose", 'v', NULL, true, "more messages")                                        \
    X(NO_COLOR, "no-color", 0, NULL, true, "no colours")                                           \
    X(YES, "yes", 0, NULL, true, "do not ask before destroying")                                   \
    X(HELP, "help", 'h', NULL, true, "show help")                                                  \
    X(TTL, "ttl", 0, "TIME", false, "time to live of the entry: 500ms, 2s, 1m, 1h")                \
    X(FILE, "file", 0, "FILE", false, "value from (get: to) this file")                            \
    X(OLD, "old", 0, NULL, false, "show the value that was there before")                          \
    X(KEY64, "key64", 0, NULL, false, "KEY is given as base64")                                    \
    X(VALUE64, "value64", 0, NULL, false, "values are given as base64")                            \
    X(LIMIT, "limit", 0, "N", false, "show at most N rows")                                        \
    X(ACKED, "acked", 0, "FILE", false, "append each key here when it is acknowledged")            \
    X(PIPELINE, "pipeline", 0, "N", false, "requests under way at the same time")                  \
    X(COUNT, "count", 0, "N", false, "stop after N")                                               \
    X(DATA, "data", 0, "DIR", false,                                                               \
      "read this data directory, without a server; restore: make it")                              \
    X(LOG, "log", 0, NULL, false, "show the log's commands instead of the state")                  \
    X(WAIT, "wait", 0, "TIME", false, "wait at most so long; default: for ever")                   \
    X(NO_WAIT, "no-wait", 0, NULL, false, "do not wait; a lock that is held: exit 4")              \
    X(LEASE, "lease", 0, "TIME", false, "life of the session without a sign of life; default 20s") \
    X(TOKEN, "token", 0, "N", false, "fencing token to release")                                   \
    X(INFO, "info", 0, "TEXT", false, "info that other nodes see")                                 \
    X(OP, "op", 0, "NAME", false, "map-put, map-get, counter-add, lock, mixed or ping")            \
    X(CONNECTIONS, "connections", 0, "N", false, "connections; default 1")                         \
    X(SECONDS, "seconds", 0, "S", false, "run for so long; default 5")                             \
    X(KEYS, "keys", 0, "N", false, "different keys; default 100000")                               \
    X(VALUE_SIZE, "value-size", 0, "BYTES", false, "size of each value; default 64")               \
    X(NO_FILL, "no-fill", 0, NULL, false, "run on the map as it is, without filling it first")     \
    X(COMPRESSION, "compression", 0, "NAME", false, "lz4, zlib or none; default lz4")              \
    X(NODE_ID, "node-id", 0, "ID", false,                                                          \
      "of the restored node; default VERTX_CLUSTER_NODE_ID, else 1")                               \
    X(ID, "id", 0, "N", false, "id of the new node; default: the next free one")                   \
    X(STANDBY, "standby", 0, NULL, false, "it stays a standby: it has the log, but never votes")   \
    X(CHECKPOINT, "checkpoint", 0, NULL, false,                                                    \
      "let all write their state first, and compare the digests: exit 6 when they differ")         \
    X(INITIAL_CLUSTER, "initial-cluster", 0, "LIST", false,                                        \
      "restore a cluster of several: ID=HOST:PORT,... the same on each of them")

enum vxc_option_id {
#define X(ID, name, letter, argument, global, help) VXC_OPTION_##ID,
    VXC_OPTION_MAP(X)
#undef X
        VXC_OPTIONS_COUNT
};

struct vxc_option {
    const char *name;
    char letter;          /* 0 = none */
    const char *argument; /* NULL = a flag */
    bool global;
    const char *help;
};

extern const struct vxc_option vxc_options[VXC_OPTIONS_COUNT];

#define VXC_OPTION_BIT(ID) (1ull << VXC_OPTION_##ID)

struct vxc_cli;

/* What a reply shows and how it ends. */
enum vxc_show {
    VXC_SHOW_VALUE,   /* the value; exit 1 when there is none */
    VXC_SHOW_OLD,     /* done; with --old the value that was there */
    VXC_SHOW_REMOVED, /* exit 1 when there was nothing; with --old the value that was there */
    VXC_SHOW_TRUTH,   /* "true"; exit 1 when not */
    VXC_SHOW_DONE,    /* nothing; exit 1 when it changed nothing */
    VXC_SHOW_HELD,    /* nothing; exit 4 when the comparison did not hold */
    VXC_SHOW_ABSENT,  /* nothing; exit 4 when something stood there */
    VXC_SHOW_NUMBER,  /* the number */
    VXC_SHOW_COUNTER, /* name and number */
    VXC_SHOW_NOTHING, /* done */
    VXC_SHOW_KEYS,    /* pages of rows … */
    VXC_SHOW_VALUES,
    VXC_SHOW_ENTRIES,
    VXC_SHOW_MEMBERS,  /* … of (value) in the first place */
    VXC_SHOW_OBJECTS,  /* … of (name, count and bytes) */
    VXC_SHOW_COUNTERS, /* … of (name, value) */
};

struct vxc_cli_command {
    const char *name;      /* "put"; NULL ends a table */
    const char *arguments; /* "MAP KEY VALUE" */
    const char *help;
    int args_min;
    int args_max;     /* -1 = any number */
    uint64_t options; /* of its own, VXC_OPTION_BIT each */
    int operation;    /* enum vxc_operation */
    /* per argument: n name, k key, v value, x expected, d number, D expected number, i id */
    const char *fields;
    enum vxc_show show;
    bool destructive;
    int stop_after; /* after so many arguments all words are arguments; 0 = never */
    int (*run)(struct vxc_cli *cli); /* instead of operation, fields, show */
};

struct vxc_family {
    const char *name;
    const char *help;
    const struct vxc_cli_command *commands; /* a single one with name "" is the family itself */
};

struct vxc_cli {
    const struct vxc_family *family;
    const struct vxc_cli_command *command;
    int argc; /* arguments of the command */
    char **argv;
    uint64_t given; /* VXC_OPTION_BIT of what was given */
    const char *value[VXC_OPTIONS_COUNT];

    uint64_t timeout_ms;
    bool quiet;
    bool verbose;
    struct vxc_out out;
    struct vxc_client *client; /* made on demand */
    struct vxc_reply kept;     /* of the last call; freed at the end */
    char endpoints[1024];
    char doing[256]; /* "map put greetings", for messages */
    void *data;      /* of on_notice */
    void (*on_notice)(void *data,
                      const struct vxc_notice *notice); /* set before the client is made */
    struct vxc_buffer inputs[4]; /* values read from files, decoded keys; freed at the end */
    size_t inputs_count;
};

static inline bool vxc_cli_has(const struct vxc_cli *cli, enum vxc_option_id id)
{
    return (cli->given >> id & 1) != 0;
}

/* ---- messages; all go to stderr and begin with "vxc: " ---- */

void vxc_cli_say(const struct vxc_cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* not when quiet */
void vxc_cli_detail(const struct vxc_cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* only when verbose */
/* "vxc: <what we did>: <why it failed>"; returns status. */
int vxc_cli_fail(const struct vxc_cli *cli, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a VXC_E… code, with what to do about it; returns the status it maps to. */
int vxc_cli_fail_code(const struct vxc_cli *cli, int code, const char *text);
int vxc_cli_exit_of(const struct vxc_cli *cli, int code);

/* ---- options of commands: 0 or VXC_EXIT_USAGE with a message ---- */

int vxc_cli_count(const struct vxc_cli *cli, enum vxc_option_id id, uint64_t min, uint64_t max,
                  uint64_t otherwise, uint64_t *count);
int vxc_cli_time(const struct vxc_cli *cli, enum vxc_option_id id, uint64_t otherwise,
                 uint64_t *ms);
int vxc_cli_lease(const struct vxc_cli *cli, uint32_t *lease_ms);

/* ---- the connection ---- */

/* Makes the client (no connection yet). 0 or an exit status, said. */
int vxc_cli_client(struct vxc_cli *cli);
/* Asks; 0 or an exit status, said. What the reply points to lives until the next call. */
int vxc_cli_call(struct vxc_cli *cli, const struct vxc_request *request, struct vxc_reply *reply);
/* Opens the session of this run. */
int vxc_cli_session(struct vxc_cli *cli, uint32_t timeout_ms);
/* Asks a person, or demands --yes: 0 or VXC_EXIT_UNSAFE. */
int vxc_cli_confirm(struct vxc_cli *cli);

/* Waits until the descriptor (-1 = none) is readable, something came from the server, or the time
 * is over (-1 = never); deals with what came from the server. True when the descriptor is readable.
 */
bool vxc_cli_poll(struct vxc_cli *cli, int fd, int64_t timeout_ms);
/* From here on SIGINT, SIGTERM, SIGHUP and those of `more` (0 ends) arrive at this descriptor only.
 */
int vxc_cli_signals(struct vxc_cli *cli, int more, int *fd);

/* ---- input ---- */

/* The positional argument as bytes: as it stands, decoded (base64), or, for "-", read from stdin.
 * Lives as long as the run. */
int vxc_cli_bytes(struct vxc_cli *cli, const char *argument, bool base64, bool stdin_too,
                  struct vxc_bytes *bytes);
int vxc_cli_read_file(struct vxc_cli *cli, const char *path, struct vxc_bytes *bytes);

/* ---- the commands of one request (simple.c) ---- */

int vxc_cli_run_simple(struct vxc_cli *cli);
/* What a write shows: nothing, or as JSON the index at which it took effect. */
void vxc_cli_show_done(struct vxc_cli *cli, const struct vxc_reply *reply);
/* Pages of rows: calls on_row for each until it returns false or --limit is reached. */
int vxc_cli_pages(struct vxc_cli *cli, struct vxc_request *request,
                  void (*on_row)(struct vxc_cli *cli, struct vxc_bytes first,
                                 struct vxc_bytes second));

/* ---- running and help (main.c, help.c) ---- */

extern const struct vxc_family vxc_families[]; /* ends with name NULL */
const struct vxc_family *vxc_family_find(const char *name);
const struct vxc_cli_command *vxc_command_find(const struct vxc_family *family, const char *name);
void vxc_help_program(FILE *file);
void vxc_help_family(FILE *file, const struct vxc_family *family);
void vxc_help_command(FILE *file, const struct vxc_family *family,
                      const struct vxc_cli_command *command);
int vxc_cli_main(int argc, char **argv);

/* ---- the families ---- */

extern const struct vxc_cli_command vxc_status_commands[];
extern const struct vxc_cli_command vxc_map_commands[];
extern const struct vxc_cli_command vxc_set_commands[];
extern const struct vxc_cli_command vxc_multimap_commands[];
extern const struct vxc_cli_command vxc_counter_commands[];
extern const struct vxc_cli_command vxc_lock_commands[];
extern const struct vxc_cli_command vxc_node_commands[];
extern const struct vxc_cli_command vxc_member_commands[];
extern const struct vxc_cli_command vxc_session_commands[];
extern const struct vxc_cli_command vxc_namespace_commands[];
extern const struct vxc_cli_command vxc_registration_commands[];
extern const struct vxc_cli_command vxc_watch_commands[];
extern const struct vxc_cli_command vxc_txn_commands[];
extern const struct vxc_cli_command vxc_dump_commands[];
extern const struct vxc_cli_command vxc_snapshot_commands[];
extern const struct vxc_cli_command vxc_bench_commands[];
extern const struct vxc_cli_command vxc_ping_commands[];
extern const struct vxc_cli_command vxc_version_commands[];
extern const struct vxc_cli_command vxc_help_commands[];

/* Commands with files of their own. */
int vxc_run_map_import(struct vxc_cli *cli);
int vxc_run_map_export(struct vxc_cli *cli);
int vxc_run_lock_run(struct vxc_cli *cli);
int vxc_run_dump_offline(struct vxc_cli *cli);
/* One row of a dump: the name of its database, and the row as JSON. */
void vxc_cli_dump_row(struct vxc_cli *cli, struct vxc_bytes database, struct vxc_bytes line);

#endif
