/* Every bound of the program: name, unit, reason, and its relation to the others.
 *
 * Nothing in this program grows in silence: what is full answers "busy" (try again) or "no space"
 * (give room first), and `vxc status` prints bounds and fill. A number that people may want to
 * change is an option of the daemon whose default stands here.
 */
#ifndef VXC_BASE_LIMITS_H
#define VXC_BASE_LIMITS_H

#include <assert.h>

#define VXC_KIB 1024u
#define VXC_MIB (1024u * 1024u)

/* ---- what travels ---- */
#define VXC_FRAME_HEADER_SIZE 16u             /* bytes; fixed by the protocol */
#define VXC_FRAME_SIZE_MAX    (16u * VXC_MIB) /* bytes; a reader can buffer one whole frame */
#define VXC_KEY_SIZE_MAX      (64u * VXC_KIB) /* bytes; map keys, set values, multimap keys */
#define VXC_NAME_SIZE_MAX     (64u * VXC_KIB) /* bytes; map, lock, node, namespace … names */
/* bytes; key + name + heads fit beside */
#define VXC_VALUE_SIZE_MAX          (VXC_FRAME_SIZE_MAX - 128u * VXC_KIB)
#define VXC_TRANSACTION_OPS_MAX     1024u  /* operations in one atomic request: bounds one apply */
#define VXC_SCAN_PAGE_ROWS_MAX      10000u /* rows per page: one turn stays short */
#define VXC_SCAN_PAGE_BYTES_MAX     (1u * VXC_MIB) /* bytes per page, at least one row */
#define VXC_SCAN_PAGE_BYTES_DEFAULT (256u * VXC_KIB)

/* ---- the client ---- */
/* bytes of a lent value; a smaller one is copied, which costs less than a part of its own in a write */
#define VXC_CLIENT_BORROW_SIZE_MIN (16u * VXC_KIB)
/* addresses of members that a client learns besides the endpoints it was given: all of a cluster */
#define VXC_CLIENT_LEARNED_MAX 16u
/* ms until a place that failed is tried again: doubled by each failure, half of it chance. A node
 * restarts in about the smallest. */
#define VXC_CLIENT_RECONNECT_MS_MIN 20u
#define VXC_CLIENT_RECONNECT_MS_MAX 1000u
/* ms until a node that is not the primary is asked again. An election takes one election timeout or
 * two, and a write is to be possible within a second of the old primary's end … */
#define VXC_CLIENT_SEARCH_MS_MIN 10u
#define VXC_CLIENT_SEARCH_MS_MAX 100u
/* … but a cluster that has had no primary for so long (ms) is asked so many times less often */
#define VXC_CLIENT_SEARCH_EAGER_MS   5000u
#define VXC_CLIENT_SEARCH_LAZY_TIMES 5u
/* ms for a connection to be accepted: with nowhere else to go, and else (doubled by each failure) */
#define VXC_CLIENT_CONNECT_MS_ALONE 3000u
#define VXC_CLIENT_CONNECT_MS       300u
/* ms until a node is left that accepts but does not answer the hello, if there are others */
#define VXC_CLIENT_HELLO_MS 500u
/* ms without a word after which a server with a request under way is pinged, and after which one that
 * was pinged is left, if there are others; the latter doubles each time the same node is left so */
#define VXC_CLIENT_ASK_MS     500u
#define VXC_CLIENT_SILENCE_MS 2000u
/* with nowhere else to go: three pings, but no longer than this (ms) */
#define VXC_CLIENT_SILENCE_MS_ALONE 20000u
/* ms that a client stays with a node that lost its primaryship, for the fate of what cannot be asked
 * again elsewhere; the node answers at once or is cut off */
#define VXC_CLIENT_LEAVE_MS 300u
/* ms between two looks at the list of members */
#define VXC_CLIENT_MEMBERS_MS 30000u

/* ---- the log ---- */
#define VXC_ENTRY_SIZE_TARGET  (1u * VXC_MIB) /* bytes; an entry is closed at this size … */
#define VXC_ENTRY_SIZE_MAX     (VXC_FRAME_SIZE_MAX + 4u * VXC_KIB) /* … or holds one larger message */
#define VXC_ENTRY_COMMANDS_MAX 65535u          /* position within an entry fits 16 bits */
#define VXC_LOG_BLOCK_SIZE     4096u           /* bytes; write units are padded to it */
#define VXC_LOG_SEGMENT_SIZE   (64u * VXC_MIB) /* bytes; preallocated and zero-filled */
#define VXC_LOG_INFLIGHT_MAX   4u /* write units in flight: 2–4 give 2.4x the flushes */
/* bytes submitted but not yet applied; then busy */
#define VXC_LOG_UNCOMMITTED_MAX (64u * VXC_MIB)
#define VXC_LOG_TRAILING_SIZE   (64u * VXC_MIB) /* bytes kept below the base for slow backups */
#define VXC_LOG_MARKER_IDLE_MS  100u            /* an idle log writes one marker unit after this */

/* ---- between the nodes of a cluster ---- */
#define VXC_OUTBOX_MESSAGES_MAX                                                                    \
    256u /* to one peer; a range of the log is one; more is taken for lost */
#define VXC_PEER_ENTRIES_MAX 256u /* entries in one message: twice what the engine has in flight */
#define VXC_CHECKPOINT_MS    60000u /* between comparisons of the members' digests */

/* ---- the state ---- */
#define VXC_ROW_KEY_SIZE_MAX    511u /* bytes; LMDB's own limit */
#define VXC_ROW_KEY_PLAIN_MAX   440u /* bytes of a user key stored plainly in a row key */
#define VXC_CLEAN_BYTES_DEFAULT (256ull * VXC_MIB) /* bytes of clean rows kept resident */
/* bytes of dirty + frozen rows; admission paces at half */
#define VXC_DIRTY_BYTES_MAX (512ull * VXC_MIB)
/* a longer replay reads a state that fits memory as a whole before */
#define VXC_PRELOAD_LOG_BYTES       (16ull * VXC_MIB)
#define VXC_FREEZE_ROWS             250000u /* dirty rows that start a commit under load */
#define VXC_FREEZE_BYTES            (64ull * VXC_MIB) /* dirty bytes that start a commit under load */
#define VXC_FREEZE_IDLE_MS          100u /* age of the oldest dirty row that starts one when idle */
#define VXC_RECLAIM_ROWS_PER_COMMIT 20000u       /* rows of cleared objects deleted per commit */
#define VXC_LMDB_MAP_SIZE           (1ull << 40) /* bytes of address space, not of disk */
#define VXC_LMDB_DATABASES_MAX      16u          /* named databases, never one per map */
/* bytes of keys + values; replicated, checked in apply */
#define VXC_QUOTA_BYTES_DEFAULT (64ull << 30)

/* ---- sessions and what they own ---- */
#define VXC_SESSIONS_MAX               65536u /* replicated leases */
#define VXC_SESSION_TIMEOUT_MS_MIN     100u
#define VXC_SESSION_TIMEOUT_MS_MAX     3600000u
#define VXC_SESSION_TIMEOUT_MS_DEFAULT 20000u
#define VXC_SESSION_REPLIES_MAX        4096u /* cached replies per session = its in-flight window */
#define VXC_SESSION_REPLY_BYTES_MAX    (1u * VXC_MIB) /* bytes of cached replies per session */
#define VXC_SESSION_LOCKS_MAX          131072u        /* locks held or waited for per session */
#define VXC_SESSION_WATCHES_MAX        4096u
#define VXC_SESSION_REGISTRATIONS_MAX  1048576u
#define VXC_LOCK_WAITERS_MAX           65536u          /* per lock */
#define VXC_EVENT_HISTORY_BYTES        (64u * VXC_MIB) /* data-watch events kept for resuming sessions */
#define VXC_REAP_ROWS_PER_ENTRY        1000u /* due rows reaped at the head of one entry */
#define VXC_STAMP_STEP_MS_MAX          1000u /* cluster time moves at most this per look at the clock */

/* ---- the cluster's members ---- */
/* rows of members that are not forgotten: twice a configuration (VXC_CONFIGURATION_MEMBERS_MAX), for
 * one is announced before it takes part and forgotten after it has left */
#define VXC_MEMBERS_MAX 32u
/* ids that never come back; 40 bytes each. Beyond it nobody is removed: restore a snapshot */
#define VXC_MEMBERS_FORGOTTEN_MAX   65536u
#define VXC_MEMBER_ADDRESS_SIZE_MAX 299u /* bytes of "host:port"; names of hosts have at most 253 */
/* fencing tokens that a restore of several nodes leaves out, for it has no clock to begin from: more
 * than a cluster can have given since its snapshot was saved (12 days at a million a second) */
#define VXC_RESTORE_TOKEN_LEAP (1ull << 40)
#define VXC_STATE_SYNCS_KEPT   1024u /* ids of state syncs that are known when they come again */

/* ---- connections ---- */
#define VXC_CONNECTIONS_MAX 16384u /* below the usual descriptor limit of 20,000 */
/* descriptors for what is not a client: guests, two connections per member, log, state, images */
#define VXC_DESCRIPTORS_RESERVED 192u
/* connections beyond connections_max that may say that they are a member's: more than all members at
 * once, so that a flood of strangers has to be this wide within a handshake to keep one out */
#define VXC_CONN_GUESTS_MAX            64u
#define VXC_CONN_INFLIGHT_REQUESTS_MAX 8192u /* per connection; then its socket is not read */
#define VXC_CONN_INFLIGHT_BYTES_MAX    (32u * VXC_MIB) /* request bytes waiting per connection */
#define VXC_CONN_OUTBOUND_BYTES_MAX    (64u * VXC_MIB) /* unread replies; a slower reader is cut */
/* bytes of an address's list from which on it waits for the turn's end: smaller ones cost less to
 * send than to keep */
#define VXC_NEWS_HELD_SIZE_MIN    (4u * VXC_KIB)
#define VXC_NEWS_ADDRESSES_MAX    64u /* that wait so, per connection: they are searched one by one */
#define VXC_NEWS_BYTES_MAX        (8u * VXC_MIB) /* what they take, per connection: two largest ones */
#define VXC_NEWS_REPLIES_SIZE_MAX (64u * VXC_KIB)  /* bytes of replies that wait behind them */
#define VXC_CONN_SEND_BYTES       (256u * VXC_KIB) /* replies that do not wait for the turn's end */
#define VXC_CONN_READ_SIZE        (256u * VXC_KIB) /* bytes asked of the socket per read */
#define VXC_CONN_HELLO_MS         10000u /* to the first whole frame; a slowloris is cut */
#define VXC_CONN_FRAME_MS         30000u /* to complete a frame once begun */
/* request bytes waiting on all connections */
#define VXC_NODE_INFLIGHT_BYTES_MAX (256ull * VXC_MIB)
/* of reads whose client must first take earlier replies */
#define VXC_NODE_DEFERRED_BYTES_MAX (64ull * VXC_MIB)
/* unfinished frames + unread replies of all; then the stuck are cut */
#define VXC_NODE_HELD_BYTES_MAX (512ull * VXC_MIB)
/* lists of addresses that wait for their turn's end, or for their client to read */
#define VXC_NODE_NEWS_BYTES_MAX (64ull * VXC_MIB)
#define VXC_CONN_CONNECT_MS     2000u /* to look a name up and connect to it; the owner tries again */

/* ---- connections between nodes ---- */
/* bytes of an entry beside a frame's head and the few fields of an append */
#define VXC_PEER_FRAME_SIZE_MAX (VXC_ENTRY_SIZE_MAX + 1u * VXC_KIB)
/* bytes of entries per frame: the other side works on the first while the next one travels */
#define VXC_PEER_FRAME_SIZE_TARGET (256u * VXC_KIB)
/* bytes in a connection that the other side has not taken: some 100 ms of a fast network */
#define VXC_PEER_OUTBOUND_BYTES_MAX (2u * VXC_MIB)
/* election timeouts, and ms at least, without an answer of the other machine to what was sent, or to
 * the call itself: a new connection learns sooner than TCP, which waits twice as long each time, that
 * a network is whole again */
#define VXC_PEER_PATIENCE_TIMES  2u
#define VXC_PEER_PATIENCE_MS_MIN 1000u
/* nothing of what was sent was taken for so long, though the other machine answers: longer, for what
 * a thin link has still to carry looks the same */
#define VXC_PEER_SILENCE_MS      3000u
#define VXC_PEER_LACK_MS         1000u  /* a member without room for entries is believed so long */
#define VXC_PEER_HANDSHAKE_MS    5000u  /* from the connection to the welcome */
#define VXC_PEER_REDIAL_MS_MIN   20u    /* first pause before a member is dialed again … */
#define VXC_PEER_REDIAL_MS_MAX   250u   /* … which doubles up to this */
#define VXC_PEER_REFUSAL_LOG_MS  10000u /* the same refusal is logged at most so often */
#define VXC_PEER_SECRET_SIZE_MIN 16u    /* bytes; a shorter secret can be guessed */
#define VXC_PEER_SECRET_SIZE_MAX 4096u  /* bytes */

#define VXC_NODE_SPARE_BUFFERS_MAX 16u /* large buffers kept for the next large replies … */
#define VXC_NODE_SPARE_BYTES_MAX   (32u * VXC_MIB) /* … and what they may take together */

/* ---- snapshots ---- */
#define VXC_SNAPSHOT_READ_SIZE_MAX (1u * VXC_MIB) /* bytes per request: a turn stays short */
#define VXC_SNAPSHOT_IDLE_MS       60000u /* nobody asked for it so long: its room is given back */

/* ---- images for peers ---- */
#define VXC_PEER_IMAGE_READ_SIZE  (1u * VXC_MIB) /* bytes asked for at a time: a turn stays short */
#define VXC_PEER_IMAGE_INFLIGHT   4u /* pieces asked for and not there yet: heartbeats flow between */
#define VXC_PEER_IMAGE_TURN_BYTES (2u * VXC_MIB) /* bytes sent to all peers in one turn */
#define VXC_PEER_IMAGE_RETRY_MS   1000u /* what was asked for did not come: it is asked for again */
#define VXC_PEER_IMAGE_SILENCE_MS 30000u /* a peer that says nothing so long is given up */
#define VXC_PEER_IMAGE_REFUSALS_MAX                                                                \
    4u /* damaged pieces in one place before the image is given up */
/* bytes of log kept behind an image while it travels; then the transfer begins anew */
#define VXC_LOG_HELD_BYTES_MAX (4ull << 30)

/* ---- options of the daemon ---- */
#define VXC_TIMEOUT_MS_DEFAULT          20000u /* VERTX_CLUSTER_TIMEOUT */
#define VXC_PING_INTERVAL_MS_DEFAULT    20000u /* VERTX_CLUSTER_PING_INTERVAL */
#define VXC_ELECTION_TIMEOUT_MS_DEFAULT 500u
#define VXC_HEARTBEAT_MS_DEFAULT        100u

static_assert(VXC_VALUE_SIZE_MAX + VXC_KEY_SIZE_MAX + 4096 < VXC_FRAME_SIZE_MAX,
              "the largest value, a largest key and the heads fit one frame");
static_assert(VXC_ENTRY_SIZE_MAX < VXC_LOG_SEGMENT_SIZE, "an entry fits a segment");
static_assert(VXC_PEER_OUTBOUND_BYTES_MAX + 2 * VXC_PEER_FRAME_SIZE_MAX <
                  VXC_CONN_OUTBOUND_BYTES_MAX,
              "a peer is never cut as a slow reader");
static_assert(VXC_ENTRY_SIZE_MAX < VXC_CONN_INFLIGHT_BYTES_MAX, "one largest request is admitted");
static_assert(8 + 8 + VXC_ROW_KEY_PLAIN_MAX + 16 <= VXC_ROW_KEY_SIZE_MAX, "a row key fits LMDB");
static_assert(VXC_CONNECTIONS_MAX + VXC_DESCRIPTORS_RESERVED < 20000, "descriptors suffice");
static_assert(VXC_CONN_GUESTS_MAX + 64 < VXC_DESCRIPTORS_RESERVED, "and are left for files");

#endif
