/* The client of vertx-cluster: talks to a cluster over one connection at a time.
 *
 *     struct vxc_client_options options = vxc_client_options();
 *     options.endpoints = "127.0.0.1:7400";
 *     struct vxc_client *client;
 *     if (vxc_client_create(&options, &client) != 0) …
 *     struct vxc_request get = vxc_request(VXC_CALL_MAP_GET);
 *     get.name = vxc_text("greetings"), get.key = vxc_text("hello");
 *     struct vxc_reply reply;
 *     if (vxc_client_call(client, &get, &reply) != 0) puts(reply.message);
 *     … reply.found, reply.value …
 *     vxc_reply_free(&reply);
 *
 * Life: create → (session_open) → call or submit … → (session_close) → free. The connection is made
 * on demand, and made again with a jittered, growing delay when it breaks. What a broken connection
 * means for a request under way:
 *   - a read is asked again;
 *   - a write within a session is sent again under the same sequence: it takes effect once, and its
 *     caller sees the first effect's answer;
 *   - a write without a session that may have reached the server ends with VXC_EUNKNOWN, never with
 *     another code: whether it took effect cannot be known. One that never left is sent again.
 * A server that is full ("busy") is asked again too, until the deadline.
 *
 *
 * The primary: only one node of a cluster writes, and answers reads that must not be old. The client
 * finds it, from any endpoint: nodes name it, and from whoever serves it the client learns where all
 * members are, so that one endpoint is enough to begin with and to survive. A node that has lost its
 * primaryship refuses, and what was refused is asked again at the next primary, with or without a
 * session, until its deadline (then VXC_ENOTPRIMARY). Sessions go on there, with their locks and
 * watches. A server that is silent is left after about 2 s, if there is another one to go to.
 *
 * Driving: somebody has to read and write the socket and to look at the clock. Three ways:
 *   - nobody in particular: whoever waits in vxc_client_call() (or in another function that is
 *     marked "waits") does it. Several threads may be in there at once; one of them drives for all,
 *     and their requests share the connection, pipelined;
 *   - a thread of the library's, between vxc_client_start() and vxc_client_stop(): callbacks run
 *     there, vxc_client_submit() wakes it, and other threads may call beside it;
 *   - the caller's own loop: vxc_client_fd(), _poll_events(), _timeout_ms(), then _dispatch().
 *
 * Threads: every function may be called from any thread, except that vxc_client_free() ends the
 * client for all: no other thread may be in a function of it or call one later. Callbacks of one
 * client never run at the same time, and always on the thread that drives: within start and stop
 * that is the library's, else one that waits or dispatches. No lock is held while a callback runs.
 * A callback may submit, and call whatever answers at once (those of "inspection"); functions marked
 * "waits", dispatch, start and stop refuse with VXC_EINVAL within a callback of the same client, and
 * free and abandon are forbidden there. Two clients are independent. A function marked "waits" may
 * run callbacks or wait for one: do not call it while holding a lock that a callback takes.
 *
 * The library starts no thread but that of vxc_client_start(), which takes no signals; it installs
 * no signal handler, never prints, and never raises SIGPIPE. After fork() the child may only call
 * vxc_client_abandon().
 *
 * Ownership: what is given to a function is copied before it returns, but for a value lent by
 * VXC_REQUEST_BORROW. What a callback is given is borrowed until it returns. What
 * vxc_client_call() stores in a reply belongs to the reply, until vxc_reply_free().
 *
 * Errors: 0 or a negative VXC_E… code; vxc_reply.message and vxc_client_message() say what and
 * where.
 */
#ifndef VXC_CLIENT_H
#define VXC_CLIENT_H

#include "vxc.h"
#include "vxc/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- bytes ---- */

struct vxc_bytes {
    const void *data; /* NULL = not given, where that makes a difference */
    size_t size;      /* bytes */
};

static inline struct vxc_bytes vxc_bytes(const void *data, size_t size)
{
    struct vxc_bytes bytes;
    bytes.data = data;
    bytes.size = size;
    return bytes;
}

static inline struct vxc_bytes vxc_text(const char *text)
{
    return vxc_bytes(text, strlen(text));
}

/* ---- requests ---- */

/* What can be asked. The comment names the fields of vxc_request that count, and what of vxc_reply
 * is filled. Numbers are those of the protocol (docs/protocol.md). */
enum vxc_operation {
    VXC_CALL_NAMESPACE_LIST = 113, /* → rows of (name) */
    VXC_CALL_SESSION_LIST = 124,   /* cursor limit_rows → rows of (id, record) */
    VXC_CALL_SESSION_GET = 125,    /* id → found, value: vxc_session_record */
    VXC_CALL_SESSION_EXPIRE = 127, /* id → found */
    VXC_CALL_MAP_GET = 130,        /* name key → found value */
    VXC_CALL_MAP_CONTAINS = 131,   /* name key → found */
    VXC_CALL_MAP_PUT = 132, /* name key value ttl_ms, WANT_OLD → found value: the old one */
    VXC_CALL_MAP_PUT_IF_ABSENT = 133, /* name key value ttl_ms → found value: what stood there */
    VXC_CALL_MAP_REMOVE = 134,        /* name key, WANT_OLD → found value: the old one */
    VXC_CALL_MAP_REMOVE_IF = 135,     /* name key expected → found: done */
    VXC_CALL_MAP_REPLACE = 136,       /* name key value ttl_ms → found value: the old one */
    VXC_CALL_MAP_REPLACE_IF = 137,    /* name key expected value ttl_ms → found: done */
    VXC_CALL_MAP_SIZE = 138,          /* name → number */
    VXC_CALL_MAP_CLEAR = 139,         /* name → number: how many there were */
    VXC_CALL_MAP_SCAN = 140,          /* name what cursor limits → rows of (key, value), next */
    VXC_CALL_MAP_DESTROY = 141,       /* name → found: there was one */
    VXC_CALL_MAP_LIST = 142,          /* cursor limit_rows → rows of (name, …), next */
    VXC_CALL_MAP_CREATE = 143,        /* name → found: it is new */
    VXC_CALL_SET_ADD = 150,           /* name value → found: it is new */
    VXC_CALL_SET_REMOVE = 151,        /* name value → found: it was there */
    VXC_CALL_SET_CONTAINS = 152,      /* name value → found */
    VXC_CALL_SET_SIZE = 153,
    VXC_CALL_SET_CLEAR = 154,
    VXC_CALL_SET_SCAN = 155, /* name cursor limits → rows of (value) */
    VXC_CALL_SET_DESTROY = 156,
    VXC_CALL_SET_LIST = 157,
    VXC_CALL_SET_CREATE = 158,
    VXC_CALL_MULTIMAP_PUT = 160,        /* name key value → found: it is new */
    VXC_CALL_MULTIMAP_REMOVE = 161,     /* name key value → found: it was there */
    VXC_CALL_MULTIMAP_REMOVE_KEY = 162, /* name key → number of values removed */
    VXC_CALL_MULTIMAP_GET = 163,        /* name key cursor limits → rows of (key, value), next */
    VXC_CALL_MULTIMAP_CONTAINS_KEY = 164,   /* name key → found */
    VXC_CALL_MULTIMAP_CONTAINS_VALUE = 165, /* name value → found */
    VXC_CALL_MULTIMAP_CONTAINS_ENTRY = 166, /* name key value → found */
    VXC_CALL_MULTIMAP_SIZE = 167,           /* name → number of entries */
    VXC_CALL_MULTIMAP_KEY_SIZE = 168,       /* name key → number of values */
    VXC_CALL_MULTIMAP_SCAN = 169,           /* as MAP_SCAN; keys once each */
    VXC_CALL_MULTIMAP_CLEAR = 170,
    VXC_CALL_MULTIMAP_DESTROY = 171,
    VXC_CALL_MULTIMAP_LIST = 172,
    VXC_CALL_MULTIMAP_CREATE = 173,
    VXC_CALL_COUNTER_GET = 180,             /* name → number, found */
    VXC_CALL_COUNTER_ADD = 181,             /* name number, WANT_OLD → number: after, or before */
    VXC_CALL_COUNTER_COMPARE_AND_SET = 182, /* name expected_number number → found: done */
    VXC_CALL_COUNTER_LIST = 183,     /* cursor limit_rows → rows of (name, i64 little-endian) */
    VXC_CALL_COUNTER_DESTROY = 184,  /* name → found: there was one */
    VXC_CALL_LOCK_ACQUIRE = 190,     /* name, number: wait ms (0 do not wait, -1 for ever)
                                        → found: acquired, token; needs a session */
    VXC_CALL_LOCK_CANCEL = 192,      /* name, id: sequence of the acquire → found */
    VXC_CALL_LOCK_RELEASE = 193,     /* name, id: token, 0 = what this session holds → found */
    VXC_CALL_LOCK_GET = 194,         /* name → found, value: vxc_lock_record */
    VXC_CALL_LOCK_LIST = 195,        /* cursor limit_rows → rows of (name, record) */
    VXC_CALL_LOCK_DESTROY = 198,     /* name → found */
    VXC_CALL_REGISTRATION_ADD = 200, /* name: address, key: node id, id: seq, value: data */
    VXC_CALL_REGISTRATION_REMOVE = 201, /* name: address, key: node id, id: seq → found */
    VXC_CALL_REGISTRATION_GET = 202,    /* name: address → rows of (node id, record) */
    VXC_CALL_REGISTRATION_LIST = 204,   /* cursor limit_rows → rows of (address, …) */
    VXC_CALL_NODE_JOIN = 210,     /* key: node id, value: info; expected: map to clear if first
                                     → rows of (node id); needs a session */
    VXC_CALL_NODE_SET_INFO = 212, /* value: info */
    VXC_CALL_NODE_GET = 213,      /* key: node id → found, value: info */
    VXC_CALL_NODE_LIST = 214,     /* → rows of (node id, info) in join order */
    VXC_CALL_NODE_LEAVE = 215,    /* → found */
    VXC_CALL_WATCH_ADD = 220,     /* what: vxc_watched, name, key → number: watch id */
    VXC_CALL_WATCH_REMOVE = 221,  /* id: watch id → found */
    VXC_CALL_TRANSACTION = 240,   /* compares, then_calls, else_calls → found: compares held,
                                     replies by vxc_reply_next() */
    VXC_CALL_STATUS = 250,        /* → value: a JSON object */
    VXC_CALL_DUMP = 251,          /* cursor limit_rows → rows of (database, JSON line) */
    VXC_CALL_SNAPSHOT_BEGIN = 260, /* what: vxc_snapshot_compression → value: vxc_snapshot_record */
    VXC_CALL_SNAPSHOT_GET = 262,   /* id → value: vxc_snapshot_record */
    VXC_CALL_SNAPSHOT_READ = 263, /* id, number: offset, limit_bytes → value: bytes of the file */
    VXC_CALL_SNAPSHOT_END = 264,  /* id → found: there was one */
    /* Members of the cluster. Changes are refused with a text that says what to do; none is part of a
     * session's sequence, and VXC_EBUSY is not asked again. */
    VXC_CALL_MEMBER_LIST = 270,    /* → rows of (id, record); match_index only from the primary */
    VXC_CALL_MEMBER_ADD = 272,     /* name: address, id (0: the next free one) → number: id */
    VXC_CALL_MEMBER_PROMOTE = 273, /* id */
    VXC_CALL_MEMBER_REMOVE = 274,  /* id; it never comes back */
    VXC_CALL_MEMBER_TRANSFER = 275, /* id of the next primary, 0: the best there is */
    VXC_CALL_CHECKPOINT = 276       /* → index at which every node writes its state */
};

enum vxc_request_flags {
    VXC_REQUEST_WANT_OLD = 1, /* give the value that was there before */
    /* A read may be answered by a backup from what it knows (reply.index says up to where). It is
     * asked wherever the connection goes; nobody looks for the primary because of it. */
    VXC_REQUEST_STALE = 2,
    /* `value` is lent: its bytes stay as they are until the reply, and travel from where they lie,
     * also when they are sent again. Small values, and those within a transaction, are copied all
     * the same. vxc_client_call() always does so. */
    VXC_REQUEST_BORROW = 4
};

enum vxc_rows_what { VXC_ROWS_KEYS = 1, VXC_ROWS_VALUES = 2, VXC_ROWS_ENTRIES = 3 };

enum vxc_watched {
    VXC_WATCHED_MAP = 1, /* name, or name and key */
    VXC_WATCHED_SET = 2,
    VXC_WATCHED_MULTIMAP = 3,
    VXC_WATCHED_COUNTER = 4,
    VXC_WATCHED_LOCK = 5,
    VXC_WATCHED_MEMBERS = 6,      /* of the namespace */
    VXC_WATCHED_REGISTRATIONS = 7 /* of the namespace */
};

/* A condition of a transaction. */
enum vxc_condition {
    VXC_IF_EQUAL = 1,
    VXC_IF_NOT_EQUAL = 2,
    VXC_IF_LESS = 3,    /* counters */
    VXC_IF_GREATER = 4, /* counters */
    VXC_IF_EXISTS = 5,
    VXC_IF_ABSENT = 6
};

struct vxc_condition_on {
    int target;    /* VXC_CALL_MAP_GET, _SET_CONTAINS or _COUNTER_GET */
    int condition; /* enum vxc_condition */
    struct vxc_bytes name;
    struct vxc_bytes key;      /* map key or set value */
    struct vxc_bytes expected; /* map value */
    int64_t number;            /* counter value */
};

struct vxc_request {
    size_t struct_size; /* set by vxc_request(); lets later versions add fields */
    int operation;      /* enum vxc_operation */
    unsigned flags;     /* enum vxc_request_flags */
    struct vxc_bytes name;
    struct vxc_bytes key;
    struct vxc_bytes value;
    struct vxc_bytes expected;
    struct vxc_bytes
        cursor; /* data NULL = from the beginning; else reply.next of the page before */
    int64_t number;
    int64_t expected_number;
    uint64_t id;
    uint64_t ttl_ms;      /* 0 = lives for ever */
    int what;             /* enum vxc_rows_what or vxc_watched */
    uint32_t limit_rows;  /* 0 = the server's own limit */
    uint32_t limit_bytes; /* 0 = the server's own limit */
    int64_t timeout_ms;   /* 0 = that of the client, -1 = none */
    const struct vxc_condition_on *compares;
    size_t compares_count;
    const struct vxc_request *then_calls; /* writes and MAP_GET, SET_CONTAINS, COUNTER_GET */
    size_t then_count;
    const struct vxc_request *else_calls;
    size_t else_count;
};

static inline struct vxc_request vxc_request(int operation)
{
    struct vxc_request request;
    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    request.operation = operation;
    return request;
}

/* ---- replies ---- */

/* Rows of a page, walked by vxc_rows_next(). */
struct vxc_rows {
    uint32_t count;        /* rows left to walk */
    int shape;             /* private */
    struct vxc_bytes rest; /* private */
};

struct vxc_reply {
    int code;            /* 0 or a VXC_E… code: then only message counts */
    const char *message; /* text for people, never NULL */
    uint64_t index;      /* log index at which it took effect; of a read: that it saw */
    uint64_t sequence;   /* within the session; 0 = was not sequenced */
    bool found;
    int64_t number;
    uint64_t token;         /* fencing token */
    struct vxc_bytes value; /* data NULL = none */
    struct vxc_bytes next;  /* cursor of the next page; data NULL = this was the last */
    struct vxc_rows rows;
    void *memory; /* private: what the fields above point into; NULL = nothing that is owned */
};

/* Gives back what a reply of vxc_client_call() owns, and leaves an empty one. Fine for every reply
 * that a function has filled, also twice; replies given to callbacks or by vxc_reply_next() own
 * nothing. Any thread. */
void vxc_reply_free(struct vxc_reply *reply);

/* Takes the next row off *rows; false at the end. `second` has data NULL in lists of single items.
 */
bool vxc_rows_next(struct vxc_rows *rows, struct vxc_bytes *first, struct vxc_bytes *second);

/* Takes the next operation's reply off the rows of a transaction's reply; it borrows from that. */
bool vxc_reply_next(struct vxc_rows *replies, struct vxc_reply *reply);

struct vxc_session_record {
    uint64_t session;
    struct vxc_bytes name, namespace_name, node_id, address;
    uint32_t timeout_ms;
    bool legacy, connected;
    uint64_t opened_index, idle_ms;
    uint64_t locks_held, locks_waiting, registrations, watches;
};

struct vxc_lock_record {
    struct vxc_bytes name;
    bool held;
    uint64_t session;       /* of the holder */
    struct vxc_bytes owner; /* name or node id of the holder */
    uint64_t token;
    uint64_t since_ms;       /* cluster time of the grant */
    uint64_t waiting;        /* length of the queue */
    struct vxc_rows waiters; /* of encoded vxc_waiter_record, first in line first */
};

struct vxc_waiter_record {
    uint64_t session;
    struct vxc_bytes owner;
    uint64_t since_ms; /* cluster time of the request */
    int64_t wait_ms;   /* -1 = for ever */
};

/* A snapshot that the node makes or has made. It belongs to the connection that began it: once that
 * breaks, its id is unknown. */
struct vxc_snapshot_record {
    uint64_t id;
    bool ready;              /* then all below "ready" counts, else step, done and total */
    int step;                /* 0 not begun, 1 writing, 2 checking */
    uint64_t done, total;    /* bytes of the step */
    uint64_t index, term;    /* ready: of the state */
    uint64_t file_bytes;     /* that can be read by now; all of the file when it is ready */
    struct vxc_bytes sha256; /* as the file's trailer has it */
};

enum vxc_member_rank { VXC_RANK_STANDBY = 0, VXC_RANK_VOTER = 1, VXC_RANK_PRIMARY = 2 };

struct vxc_member_record {
    uint64_t id;
    int rank;                 /* enum vxc_member_rank */
    struct vxc_bytes address; /* empty when it is not known */
    uint64_t match_index;     /* on the primary: up to where it has the log, durably */
    int64_t silent_ms;        /* since something was heard of it; -1 = never, or the node asked */
};

struct vxc_registration_record {
    uint64_t seq;
    struct vxc_bytes data;
};

/* Records out of values and rows: 0, or VXC_EPROTO. What they point to lives as long as `bytes`. */
int vxc_session_record_read(struct vxc_bytes bytes, struct vxc_session_record *record);
int vxc_lock_record_read(struct vxc_bytes bytes, struct vxc_lock_record *record);
int vxc_waiter_record_read(struct vxc_bytes bytes, struct vxc_waiter_record *record);
int vxc_snapshot_record_read(struct vxc_bytes bytes, struct vxc_snapshot_record *record);
int vxc_member_record_read(struct vxc_bytes bytes, struct vxc_member_record *record);
int vxc_registration_record_read(struct vxc_bytes bytes, struct vxc_registration_record *record);

/* ---- notices: what the server says unasked ---- */

enum vxc_notice_type {
    VXC_NOTICE_PUT = 1,     /* name key value, or number of a counter */
    VXC_NOTICE_REMOVE = 2,  /* name key */
    VXC_NOTICE_EXPIRE = 3,  /* removed by its TTL */
    VXC_NOTICE_CLEAR = 4,   /* name */
    VXC_NOTICE_DESTROY = 5, /* name */
    VXC_NOTICE_LOCKED = 6,  /* name token */
    VXC_NOTICE_UNLOCKED = 7,
    VXC_NOTICE_NODE_JOINED = 20, /* key: node id, value: info, number: epoch, view: node ids */
    VXC_NOTICE_NODE_LEFT = 21,
    VXC_NOTICE_NODE_INFO = 22,
    VXC_NOTICE_REGISTRATIONS = 30,   /* name: address, view: pairs (node id, record) */
    VXC_NOTICE_LOCK_QUEUED = 39,     /* an acquire waits; number: its place; id: its sequence */
    VXC_NOTICE_SESSION_EXPIRED = 50, /* id: the session; what it owned is gone */
    VXC_NOTICE_SESSION_CLOSED = 51,  /* the same, at our own wish */
    /* name token: held by a session that is gone; one for each lock that this client acquired, before
     * SESSION_EXPIRED */
    VXC_NOTICE_LOCK_LOST = 52,
    /* id: the session. Nothing was heard from the server for nine tenths of its lease: it may be over,
     * and its locks with others. The next reply within it, or CONNECTED, says that it lives,
     * SESSION_EXPIRED that it does not */
    VXC_NOTICE_SESSION_DOUBTFUL = 53,
    VXC_NOTICE_RESYNC = 60,      /* events were missed: read again what you watch */
    VXC_NOTICE_CONNECTED = 70,   /* ready for requests; id: the session, 0 = none */
    VXC_NOTICE_DISCONNECTED = 71 /* text: why */
};

struct vxc_notice {
    int type;       /* enum vxc_notice_type */
    int watched;    /* enum vxc_watched, 0 = the session or connection itself */
    uint64_t index; /* log index */
    uint64_t id;    /* watch id; session id */
    uint64_t token;
    int64_t number;
    struct vxc_bytes name, key, value;
    struct vxc_rows view;
    const char *text; /* never NULL */
};

/* ---- birth and settings ---- */

struct vxc_client;

struct vxc_client_options {
    size_t struct_size;              /* set by vxc_client_options() */
    const char *endpoints;           /* "host:port", several with commas between */
    struct vxc_bytes namespace_name; /* empty = the default one */
    const char *client_name;         /* shown in the server's lists; NULL = "libvxc" */
    uint64_t timeout_ms;             /* default deadline of a request; 5000 */
    uint64_t ping_interval_ms;       /* at least one frame in this time while connected; 20000 */
    void *data;                      /* given to on_notice */
    void (*on_notice)(void *data, const struct vxc_notice *notice); /* NULL = not wanted */
};

struct vxc_client_options vxc_client_options(void);

/* Makes a client; no connection yet. The options are copied. VXC_EADDRESS for endpoints that cannot
 * be read, VXC_EINVAL, VXC_ENOMEM, VXC_EIO (no descriptor left). */
int vxc_client_create(const struct vxc_client_options *options, struct vxc_client **client);

/* From here on only the endpoints that were given are used: not those that a server names as its
 * primary's, nor those of the cluster's other members. For tools that ask certain nodes; to be called
 * before anything else. */
void vxc_client_stay(struct vxc_client *client);

/* Ends its thread and all requests under way with VXC_ECANCELED (callbacks run, here), closes the
 * connection, frees. NULL is fine. An open session is left to its lease: close it first, or resume
 * it elsewhere. */
void vxc_client_free(struct vxc_client *client);

/* In the child of a fork: gives the descriptors back without a word to the server or any callback.
 */
void vxc_client_abandon(struct vxc_client *client);

/* ---- sessions ---- */

/* Opens a session (one per client). From its answer on all writes are sequenced. Waits, at most for
 * the client's timeout. 0, VXC_EEXISTS, VXC_ETIMEOUT, VXC_ECLOSED, or what the server says. */
int vxc_client_session_open(struct vxc_client *client, uint32_t timeout_ms, struct vxc_bytes name);

/* What it takes to go on with a session in another client or process. */
struct vxc_session_handle {
    uint64_t session;       /* 0 = none */
    uint64_t next_sequence; /* above all that were used */
    size_t secret_size;     /* bytes */
    uint8_t secret[64];
};

/* Of the session that is open; session 0 when there is none. */
void vxc_client_session_handle(struct vxc_client *client, struct vxc_session_handle *handle);
/* Goes on with a session that another client opened and let go. Locks that it holds stay its own,
 * but VXC_NOTICE_LOCK_LOST tells only of those acquired by this client. Waits. VXC_ESESSION,
 * VXC_ESECRET, VXC_EINVAL, and as session_open. */
int vxc_client_session_resume(struct vxc_client *client, const struct vxc_session_handle *handle);
/* Closes it: its locks, registrations, watches and node entry are gone when this returns 0. Waits.
 */
int vxc_client_session_close(struct vxc_client *client);
/* Its id; 0 = none. */
uint64_t vxc_client_session(struct vxc_client *client);

/* ---- work ---- */

/* Asks and waits for the answer, at most until the deadline. Returns the reply's code. `reply` is
 * written whatever happens and is to be given to vxc_reply_free(); NULL when only the code matters.
 * The request's value is not copied if it is large. */
int vxc_client_call(struct vxc_client *client, const struct vxc_request *request,
                    struct vxc_reply *reply);

/* Asks without waiting. If it succeeds, on_reply runs exactly once, later, on the thread that
 * drives. VXC_EINVAL, VXC_ETOOBIG, VXC_ENOMEM, VXC_ESESSION (the session is lost), VXC_EBUSY (4096
 * requests are under way): on_reply never runs. Many may be under way; those of one client take
 * effect in the order of submission, unless a busy server made one wait. */
typedef void (*vxc_reply_cb)(void *data, const struct vxc_reply *reply);
int vxc_client_submit(struct vxc_client *client, const struct vxc_request *request, void *data,
                      vxc_reply_cb on_reply);
size_t vxc_client_pending(struct vxc_client *client); /* requests without answer */

/* ---- driven by a thread of its own ---- */

/* Starts the thread. VXC_EEXISTS when it runs, VXC_ENOMEM, VXC_EINVAL. */
int vxc_client_start(struct vxc_client *client);
/* Ends it: when this returns no callback runs there any more. Requests stay under way, for whoever
 * drives next. 0 also when there was none; VXC_EINVAL within a callback, VXC_EBUSY while another
 * thread stops it. */
int vxc_client_stop(struct vxc_client *client);

/* ---- driven by the caller ---- */

/* Waits for something to happen, at most timeout_ms (-1: a minute at a time), and deals with it.
 * Returns how many callbacks ran; 0 may also mean that something else happened. VXC_EINVAL within
 * a callback and while the library's thread runs. */
int vxc_client_wait(struct vxc_client *client, int64_t timeout_ms);

/* The same in a loop of the caller's: poll fd for events (both may change in each dispatch and each
 * function that waits; fd -1 = only the timer), at most timeout_ms; then dispatch, which never
 * blocks but for the look-up of a host name. It also sends what was submitted since, so call it
 * after submitting too; nothing wakes a loop of the caller's when another thread submits. VXC_EINVAL
 * as above. */
int vxc_client_fd(struct vxc_client *client);
short vxc_client_poll_events(struct vxc_client *client);  /* POLLIN, POLLOUT */
int64_t vxc_client_timeout_ms(struct vxc_client *client); /* -1 = none */
int vxc_client_dispatch(struct vxc_client *client);       /* how many callbacks ran */

/* ---- inspection ---- */

struct vxc_server {
    char version[32]; /* of the program */
    uint8_t cluster_id[16];
    uint64_t node_id;
    uint64_t connection_id;
    bool primary;
};

/* Makes sure of a connection and tells who is at the other end (NULL when only the connection
 * matters). Waits, at most for the client's timeout. VXC_ECLOSED: never reached; VXC_ETIMEOUT:
 * reached, but no answer. */
int vxc_client_connect(struct vxc_client *client, struct vxc_server *server);

/* True when some server has accepted a connection of this client. */
bool vxc_client_reached(struct vxc_client *client);
/* How long ago the server last said anything; -1 = never. A client pings, so a session's lease is
 * in danger when this nears it. */
int64_t vxc_client_silence_ms(struct vxc_client *client);
/* Where the connection goes or last went: "127.0.0.1:7400". A copy that is the calling thread's,
 * until it asks again. */
const char *vxc_client_endpoint(struct vxc_client *client);
/* Detail of what last went wrong for any thread, "" when nothing did. A copy, as above. */
const char *vxc_client_message(struct vxc_client *client);

#ifdef __cplusplus
}
#endif

#endif
