/* Commands: what the log carries and the state machine carries out; queries have the same shape.
 *
 * Every operation uses a subset of one fixed set of fields, so one codec serves all. The table
 * below is the whole vocabulary; src/fsm/<module>.c says in its header which fields an operation
 * reads. An entry of the log is a head with the primary's time stamp and any number of commands.
 *
 *   entry    format u8 (1) | flags u8 | stamp_ms u64 | count u32 | count × (size u32 | command)
 *   command  op u16 | present u16 | the present fields in the order of enum vxc_field
 *            (u64 fields as 8 bytes, byte fields as u32 length + bytes), all little-endian
 *
 * Numbers of operations are written to disk and never change meaning; an unknown one stops the node
 * ("needs a newer version") before it is applied.
 */
#ifndef VXC_FSM_COMMAND_H
#define VXC_FSM_COMMAND_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* X(NAME, number, text). 1–199 change the state and travel through the log, 200 and up only read.
 */
#define VXC_OP_MAP(X)                                                                              \
    X(BOOTSTRAP, 1, "bootstrap")               /* value cluster id (16), a wall clock µs */       \
    X(NAMESPACE_ENSURE, 2, "namespace ensure") /* name → number: namespace id */                 \
    X(TRANSACTION, 3, "transaction")           /* key compares, value then, expect else */         \
    X(CHECKPOINT, 4, "checkpoint")             /* every node freezes here and compares digests */  \
    X(MEMBER_SET, 5, "member set")       /* a id, b incarnation, name address, value life u64 */   \
    X(MEMBER_FORGET, 6, "member forget") /* a id: it never comes back */                           \
    X(STATE_SYNC, 7, "state sync")       /* a sync id, value: list of encoded commands */          \
    X(SESSION_OPEN, 10,                                                                            \
      "session open") /* value secret (16), a timeout ms, name, key node id if legacy */           \
    X(SESSION_CLOSE, 11, "session close")   /* session */                                          \
    X(SESSION_EXPIRE, 12, "session expire") /* a session id, b last-heard guard */                 \
    X(MAP_CREATE, 20, "map create")         /* name */                                             \
    X(MAP_PUT, 21, "map put")               /* name key value, a ttl ms, flag WANT_OLD */          \
    X(MAP_PUT_IF_ABSENT, 22, "map put-if-absent")                                                  \
    X(MAP_REMOVE, 23, "map remove")                                                                \
    X(MAP_REMOVE_IF, 24, "map remove-if") /* name key expect */                                    \
    X(MAP_REPLACE, 25, "map replace")                                                              \
    X(MAP_REPLACE_IF, 26, "map replace-if") /* name key expect value, a ttl ms */                  \
    X(MAP_CLEAR, 27, "map clear")                                                                  \
    X(MAP_DESTROY, 28, "map destroy")                                                              \
    X(SET_CREATE, 30, "set create")                                                                \
    X(SET_ADD, 31, "set add") /* name key */                                                       \
    X(SET_REMOVE, 32, "set remove")                                                                \
    X(SET_CLEAR, 33, "set clear")                                                                  \
    X(SET_DESTROY, 34, "set destroy")                                                              \
    X(MULTIMAP_CREATE, 40, "multimap create")                                                      \
    X(MULTIMAP_PUT, 41, "multimap put")       /* name key value */                                 \
    X(MULTIMAP_REMOVE, 42, "multimap remove") /* name key value */                                 \
    X(MULTIMAP_REMOVE_KEY, 43, "multimap remove-key")                                              \
    X(MULTIMAP_CLEAR, 44, "multimap clear")                                                        \
    X(MULTIMAP_DESTROY, 45, "multimap destroy")                                                    \
    X(COUNTER_CREATE, 50, "counter create")                                                        \
    X(COUNTER_ADD, 51, "counter add")             /* name, a delta, flag WANT_OLD */               \
    X(COUNTER_CAS, 52, "counter compare-and-set") /* name, a expect, b value */                    \
    X(COUNTER_DESTROY, 53, "counter destroy")                                                      \
    X(LOCK_CREATE, 60, "lock create")                                                              \
    X(LOCK_ACQUIRE, 61, "lock acquire") /* name, a wait ms (-1 for ever), b ticket, flag LEGACY */ \
    X(LOCK_CANCEL, 62, "lock cancel")   /* name, b ticket */                                       \
    X(LOCK_RELEASE, 63, "lock release") /* name, b token (0 = whatever this session holds) */      \
    X(LOCK_DESTROY, 64, "lock destroy") /* only when free and without waiters */                   \
    X(NODE_JOIN, 70, "node join")       /* key node id, value info, name map to clear if first */  \
    X(NODE_LEAVE, 71, "node leave")                                                                \
    X(NODE_SET_INFO, 72, "node set-info")       /* value info */                                   \
    X(REGISTRATION_ADD, 80, "registration add") /* name address, key node id, a seq, value data */ \
    X(REGISTRATION_REMOVE, 81, "registration remove")                                              \
    X(REGISTRATION_RESYNC, 82,                                                                     \
      "registration resync") /* value: list of encoded ADD commands: the whole own set */          \
    X(WATCH_ADD, 90,                                                                               \
      "watch add") /* a enum vxc_watch_kind, name, key (optional) → number: watch id */          \
    X(WATCH_REMOVE, 91, "watch remove") /* a watch id */                                           \
    X(MAP_GET, 200, "map get")          /* name key */                                             \
    X(MAP_CONTAINS, 201, "map contains")                                                           \
    X(MAP_SIZE, 202, "map size")                                                                   \
    X(MAP_SCAN, 203,                                                                               \
      "map scan") /* name, key cursor, a enum vxc_scan_what, b limit rows << 32 | bytes */         \
    X(MAP_LIST, 204, "map list") /* key cursor, b limits */                                        \
    X(SET_CONTAINS, 210, "set contains")                                                           \
    X(SET_SIZE, 211, "set size")                                                                   \
    X(SET_SCAN, 212, "set scan")                                                                   \
    X(SET_LIST, 213, "set list")                                                                   \
    X(MULTIMAP_GET, 220, "multimap get") /* name key, expect cursor, b limits */                   \
    X(MULTIMAP_CONTAINS_KEY, 221, "multimap contains-key")                                         \
    X(MULTIMAP_CONTAINS_VALUE, 222, "multimap contains-value") /* name value */                    \
    X(MULTIMAP_CONTAINS_ENTRY, 223, "multimap contains-entry")                                     \
    X(MULTIMAP_SIZE, 224, "multimap size")                                                         \
    X(MULTIMAP_KEY_SIZE, 225, "multimap key-size")                                                 \
    X(MULTIMAP_SCAN, 226, "multimap scan") /* as MAP_SCAN; KEYS gives each key once */             \
    X(MULTIMAP_LIST, 227, "multimap list")                                                         \
    X(COUNTER_GET, 230, "counter get") /* absent = 0 with found false */                           \
    X(COUNTER_LIST, 231, "counter list")                                                           \
    X(LOCK_INFO, 240, "lock info")                                                                 \
    X(LOCK_LIST, 241, "lock list")                                                                 \
    X(LOCK_HELD, 242, "lock held") /* name: does this session hold it → truth, token */          \
    X(NODE_GET, 250, "node get")   /* key node id */                                               \
    X(NODE_LIST, 251, "node list") /* members in join order */                                     \
    X(REGISTRATION_GET, 260, "registration get") /* name address */                                \
    X(REGISTRATION_LIST, 261, "registration list")                                                 \
    X(SESSION_GET, 270, "session get") /* a session id */                                          \
    X(SESSION_LIST, 271, "session list")                                                           \
    X(NAMESPACE_FIND, 280, "namespace find") /* name → found, number */                          \
    X(NAMESPACE_LIST, 281, "namespace list")                                                       \
    X(WATCH_LIST, 290, "watch list")                                                               \
    X(DUMP, 300, "dump") /* key cursor, b limits → pairs (database, JSON line) */

enum vxc_op {
#define X(name, number, text) VXC_OP_##name = (number),
    VXC_OP_MAP(X)
#undef X
};

const char *vxc_op_name(uint16_t op); /* "map put"; NULL for a number that is not ours */
static inline bool vxc_op_is_query(uint16_t op)
{
    return op >= 200;
}

enum vxc_command_flags {
    VXC_COMMAND_WANT_OLD = 1, /* give the value that was there before */
    VXC_COMMAND_LEGACY = 2,   /* from a client of the kinds 1–74: queue position, node-owned */
};

enum vxc_scan_what { VXC_SCAN_KEYS = 1, VXC_SCAN_VALUES = 2, VXC_SCAN_ENTRIES = 3 };

/* What a watch looks at; also the `kind` of an event's origin. */
enum vxc_watch_kind {
    VXC_WATCH_MAP = 1,
    VXC_WATCH_SET = 2,
    VXC_WATCH_MULTIMAP = 3,
    VXC_WATCH_COUNTER = 4,
    VXC_WATCH_LOCK = 5,
    VXC_WATCH_MEMBERS = 6,       /* of the watch's namespace */
    VXC_WATCH_REGISTRATIONS = 7, /* of the watch's namespace */
};

/* Field order of the codec. */
enum vxc_field {
    VXC_FIELD_FLAGS,     /* u64 */
    VXC_FIELD_NAMESPACE, /* u64 */
    VXC_FIELD_SESSION,   /* u64 */
    VXC_FIELD_SEQUENCE,  /* u64 */
    VXC_FIELD_FLOOR,     /* u64 */
    VXC_FIELD_A,         /* u64 (two's complement of a) */
    VXC_FIELD_B,         /* u64 */
    VXC_FIELD_NAME,      /* bytes */
    VXC_FIELD_KEY,       /* bytes */
    VXC_FIELD_VALUE,     /* bytes */
    VXC_FIELD_EXPECT,    /* bytes */
};

struct vxc_command {
    uint16_t op;
    uint64_t flags;        /* enum vxc_command_flags */
    uint64_t namespace_id; /* 0 = the default namespace, which always exists */
    uint64_t session;      /* 0 = none */
    uint64_t sequence;     /* 0 = not to be remembered; else unique and rising within the session */
    uint64_t floor;        /* all sequences ≤ floor are acknowledged by the client: forget them */
    int64_t a;
    uint64_t b;
    struct vxc_slice name;
    struct vxc_slice key; /* data == NULL means "not given" for optional keys and cursors */
    struct vxc_slice value;
    struct vxc_slice expect;
};

/* Appends the encoding of one command. VXC_ETOOBIG (a field or the whole is over its bound),
 * VXC_EINVAL (not an operation of ours, or a nested list that decode() would not take) and
 * VXC_ENOMEM leave `out` unchanged. Nothing that encode() took makes apply() stop: it is the gate
 * in front of the log. */
int vxc_command_encode(const struct vxc_command *command, struct vxc_buffer *out);

/* Slices borrow from `bytes`. VXC_ECORRUPT on anything that encode() would not have written (bounds
 * of limits.h and nested lists are checked too), VXC_EVERSION for an operation that is not ours,
 * also a nested one. */
int vxc_command_decode(struct vxc_slice bytes, struct vxc_command *command);

/* ---- entries ---- */

enum { VXC_ENTRY_HEAD_SIZE = 1 + 1 + 8 + 4, VXC_ENTRY_FORMAT = 1 };

struct vxc_entry_head {
    uint8_t flags;
    uint64_t stamp_ms; /* cluster time; never goes back */
    uint32_t count;    /* commands that follow; 0 = a tick or a new primary's no-op */
};

/* Begins an entry in `out`; vxc_entry_finish() fills stamp and count in. */
int vxc_entry_begin(struct vxc_buffer *out);
int vxc_entry_add(struct vxc_buffer *out, const struct vxc_command *command);
void vxc_entry_finish(struct vxc_buffer *out, uint64_t stamp_ms, uint32_t count);

/* Reads the head and leaves `rest` at the first command. */
int vxc_entry_read_head(struct vxc_slice entry, struct vxc_entry_head *head,
                        struct vxc_slice *rest);
/* Takes the next command's bytes off `rest`. */
int vxc_entry_next(struct vxc_slice *rest, struct vxc_slice *command_bytes);

/* ---- lists inside results and nested fields: u32 count, then items of u32 length + bytes ---- */

/* Nested command lists (TRANSACTION, REGISTRATION_RESYNC, STATE_SYNC) are lists of encoded commands. A compare
 * is a query command whose `flags` hold enum vxc_compare and whose expected value stands in
 * `expect`/`b`: MAP_GET     EQUAL/NOT_EQUAL against expect, EXISTS, ABSENT SET_CONTAINS EXISTS,
 * ABSENT;   COUNTER_GET EQUAL, NOT_EQUAL, LESS, GREATER against (int64) b */
enum vxc_compare {
    VXC_COMPARE_EQUAL = 1,
    VXC_COMPARE_NOT_EQUAL = 2,
    VXC_COMPARE_LESS = 3,
    VXC_COMPARE_GREATER = 4,
    VXC_COMPARE_EXISTS = 5,
    VXC_COMPARE_ABSENT = 6,
};

/* Takes the head of a list (no bytes at all = an empty list) and leaves `rest` at the first item.
 */
int vxc_list_read_head(struct vxc_slice list, uint32_t *count, struct vxc_slice *rest);
/* Takes the next item off `rest`. VXC_ECORRUPT when it runs past the end. */
int vxc_list_next(struct vxc_slice *rest, struct vxc_slice *item);

/* ---- results ---- */

/* What a command or query answers. Slices are borrowed until the callback returns (commands) or the
 * next call of the state machine (queries). */
struct vxc_result {
    int code;               /* 0, or a VXC_E… code: then only `text` below is set */
    bool found;             /* value is there / the answer is yes / the lock was acquired */
    bool replayed;          /* answered from the session's reply cache */
    int64_t number;         /* counter value, size, namespace id, watch id, queue position */
    uint64_t token;         /* fencing token; session id for SESSION_OPEN */
    uint64_t index;         /* log index at which it took effect; for queries the applied index */
    struct vxc_slice value; /* value, or an encoded list: u32 count + items (pairs: key, value) */
    struct vxc_slice next;  /* cursor of the next page; data == NULL when there is none */
    const char *text;       /* static text for people when code != 0, else NULL */
};

/* The compact form kept by reply caches and given by transactions, one per operation:
 *   present u8 | the present ones of: code u16 (its negative), number u64, token u64, index u64,
 *   value, next (u32 length + bytes); bit 0 of `present` is `found` itself.
 * `replayed` and `text` are not kept; decode() gives the general text of the code. */
int vxc_result_encode(const struct vxc_result *result, struct vxc_buffer *out);
/* Slices borrow from `bytes`. VXC_ECORRUPT on anything that encode() would not have written. */
int vxc_result_decode(struct vxc_slice bytes, struct vxc_result *result);

#endif
