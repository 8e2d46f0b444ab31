/* What the files of the gateway share; nobody else includes this. */
#ifndef VXC_NODE_GATEWAY_INTERNAL_H
#define VXC_NODE_GATEWAY_INTERNAL_H

#include "base/limits.h"
#include "node/gateway.h"

#include <sys/queue.h>
#include <uthash.h>

#include <string.h>

/* The namespace of a caller whose hello a backup answered without having that namespace: nothing is
 * in it. */
#define VXC_NAMESPACE_NONE UINT64_MAX

/* A message with all fields zero, absent, empty. */
static inline struct vxc_message vxc_message_of(uint16_t kind)
{
    struct vxc_message message;

    memset(&message, 0, sizeof message);
    message.kind = kind;
    return message;
}

struct vxc_caller;

/* A session as its lease keeper sees it. Legacy sessions may have several callers, others one. */
struct vxc_lease {
    uint64_t session;
    uint64_t namespace_id;
    uint64_t heard_ms;  /* loop clock; restarted by a new primary */
    uint64_t closed_ms; /* its client has closed the connection; 0 = it has not */
    uint32_t timeout_ms;
    uint32_t close_grace_ms; /* how long it may stay closed; 0 = as long as it may be silent */
    bool legacy;
    bool expiring; /* the expiry is proposed */
    struct vxc_caller *callers;
    UT_hash_handle by_session;
};

enum vxc_request_state {
    VXC_REQUEST_WAITING,  /* for its turn, a read for its round too; payload kept */
    VXC_REQUEST_BEGUN,    /* session_resume: waits for its round */
    VXC_REQUEST_PROPOSED, /* in the log's hands */
    VXC_REQUEST_HELD,     /* waits for the role to change (member_transfer) */
    VXC_REQUEST_READY,    /* its reply is made and kept in place of the payload */
    VXC_REQUEST_REFUSED,  /* an error that waits for its turn */
    VXC_REQUEST_ANSWERED, /* nothing is owed any more */
};

enum { VXC_REQUEST_SMALL_SIZE = 64 };

struct vxc_request {
    struct vxc_proposal proposal; /* first: the replica hands it back */
    struct vxc_caller *caller;
    struct vxc_request *next;
    uint32_t request_id;
    uint16_t kind;
    uint8_t flags;           /* of the frame */
    uint8_t state;           /* enum vxc_request_state */
    uint8_t stage;           /* of requests that take several commands: 0, 1, … */
    int code;                /* REFUSED */
    const char *text;        /* REFUSED; static, or the payload */
    uint64_t round;          /* of a read or a resume, by our count; 0 = none */
    uint32_t cost;           /* bytes counted against the in-flight bounds */
    uint32_t close_grace_ms; /* of session_open and session_resume */
    uint8_t *payload;        /* owned, or `small`; WAITING, READY, or what a later stage needs */
    uint32_t payload_size;
    uint8_t small[VXC_REQUEST_SMALL_SIZE]; /* most payloads that are kept, without an allocation */
};

struct vxc_news_item;

/* Lists of addresses that have not left yet, and what waits behind them (news.c). */
struct vxc_news {
    TAILQ_HEAD(, vxc_news_item) items; /* valid while count > 0; by (index, ordinal) */
    uint32_t count;
    uint64_t bytes; /* that the items take */
    struct vxc_buffer replies;
};

struct vxc_caller {
    struct vxc_gateway *gateway;
    struct vxc_conn *conn; /* NULL once closed; the caller lives on until its proposals are back */
    uint32_t id;
    uint64_t namespace_id;
    uint8_t *namespace_name; /* owned; only while the namespace is VXC_NAMESPACE_NONE */
    uint32_t namespace_name_size;
    struct vxc_lease *lease; /* of its session; NULL without one */
    struct vxc_caller *next_of_lease;
    LIST_ENTRY(vxc_caller) of_waiting; /* valid while awaits_round */
    struct vxc_request *head, *tail;
    uint32_t requests;
    uint32_t proposed; /* of them: in the log's hands */
    uint64_t bytes;
    struct vxc_buffer *early; /* where a reply goes that comes before its turn; NULL: to conn */
    struct vxc_news news;
    LIST_ENTRY(vxc_caller) of_news; /* valid while news.count > 0 */
    uint64_t deferred;              /* bytes of reads that wait for room for their replies */
    uint64_t taken_bytes;           /* when its lease was last over and it was not read */
    bool blocked;                   /* by a request that decides what later ones mean */
    bool throttled;
    bool greeted;      /* its first frame has come */
    bool awaits_round; /* a read at the front waits for its round */
    bool leaving;      /* cut once nothing is owed */
};

struct vxc_gateway {
    struct vxc_gateway_options options;
    struct vxc_lease *leases; /* hash by session */
    bool leading;             /* primary, and the leases were begun */

    /* Rounds of reads, by our count: a replica's own begin anew with each, so `base` is added. */
    struct {
        LIST_HEAD(, vxc_caller) callers; /* whose front is a read that waits for its round */
        uint64_t base;
        uint64_t asked;     /* the highest that a read waits for */
        uint64_t confirmed; /* up to here they may be answered … */
        uint64_t refused;   /* … and what is not is refused up to here */
        int refusal;        /* why */
    } rounds;

    struct vxc_request *change; /* the one change of the members under way, if any */
    uint64_t change_due_ms;     /* of a transfer: when it has failed */
    struct vxc_request *free_requests;
    uint64_t leases_due_ms; /* next look at the leases */
    uint64_t last_turn_ms;
    uint64_t cut_logged_ms;  /* when a cut connection was last logged … */
    uint64_t cuts_left_out;  /* … and how many were not since */
    uint64_t deferred_bytes; /* of all callers */
    LIST_HEAD(, vxc_caller) with_news;
    uint64_t news_bytes; /* of all callers */
    struct vxc_buffer scratch;
    struct vxc_gateway_stats stats;
};

/* ---- caller.c: the FIFO ---- */

/* Appends a request; NULL: no memory, the connection is cut. It waits for its turn until something
 * else is said. */
struct vxc_request *vxc_request_add(struct vxc_caller *caller, const struct vxc_frame *frame);
/* The same with a copy of the payload. */
struct vxc_request *vxc_request_add_waiting(struct vxc_caller *caller,
                                            const struct vxc_frame *frame, uint16_t kind);
/* Keeps a copy of bytes with the request (a name or node id that a later stage needs). */
int vxc_request_keep(struct vxc_request *request, struct vxc_slice bytes);
/* It answers with this error in its turn, for which the caller is to be drained. text is static. */
void vxc_request_refuse(struct vxc_request *request, int code, const char *text);
/* Proposes a command for a request of the FIFO; what cannot be proposed is refused. */
void vxc_request_propose(struct vxc_request *request, const struct vxc_command *command);
/* It was handed to the replica: its result will come. */
void vxc_request_proposed(struct vxc_request *request);
/* The next command of a request whose last one just came back: true when proposed; else the error
 * has been answered and the request is done. */
bool vxc_request_continue(struct vxc_request *request, const struct vxc_command *command);
/* The result came; `reply` answers it, and says true when the next stage was proposed instead. */
void vxc_request_returned(struct vxc_request *request, const struct vxc_result *result,
                          bool (*reply)(struct vxc_request *, const struct vxc_result *));
/* Answers, and begins, everything at the front of the FIFO that waits for nothing else. */
void vxc_caller_drain(struct vxc_caller *caller);
/* The same for one that waited for a round. */
void vxc_caller_resume(struct vxc_caller *caller);
/* No frames are taken meanwhile. */
void vxc_caller_block(struct vxc_caller *caller);
void vxc_caller_unblock(struct vxc_caller *caller);
/* It is cut once nothing is owed to it, and not read any more. */
void vxc_caller_leave(struct vxc_caller *caller);
/* The connection is gone: forgets all but what the log holds. */
void vxc_caller_close(struct vxc_caller *caller);

/* ---- gateway.c ---- */

uint64_t vxc_gateway_now_ms(const struct vxc_gateway *gateway);
/* 0, or why this node takes no requests that change anything now: VXC_EBUSY, VXC_ENOTPRIMARY. */
int vxc_gateway_serves(const struct vxc_gateway *gateway);
/* Of the state; 0 while there is none. */
uint64_t vxc_gateway_applied_index(const struct vxc_gateway *gateway);
/* The id that names of this caller's requests are looked up under. */
uint64_t vxc_caller_namespace(struct vxc_caller *caller);
/* The session that extensions of this connection act for; the implicit one of a node that joined by
 * kind 1 is not for them: it has neither sequences nor events. */
uint64_t vxc_caller_session(const struct vxc_caller *caller);
/* True for requests that are begun when they are at the front: they decide what later ones mean, or
 * take several steps. */
bool vxc_request_begins(uint16_t kind);
void vxc_request_begin(struct vxc_request *request, const struct vxc_message *message);

/* ---- read.c ---- */

/* True when the request only looks; then it has been taken care of. */
bool vxc_read_request(struct vxc_caller *caller, const struct vxc_frame *frame,
                      const struct vxc_message *message);
/* This request comes soon, VXC_FSM_EXPECT_AHEAD others later or so: what it will look at, if it is one
 * of the usual reads, is fetched meanwhile. */
void vxc_read_expect(const struct vxc_caller *caller, uint16_t kind, struct vxc_slice payload);
/* Its turn has come: 0, or why it may not be answered. */
int vxc_read_refusal(const struct vxc_request *request);
void vxc_read_answer(struct vxc_request *request);
/* From which round on what only looks may be answered; VXC_EBUSY, VXC_ENOTPRIMARY. */
int vxc_rounds_ask(struct vxc_gateway *gateway, uint64_t *round);
/* Reads that wait for this round or an earlier one are refused. */
void vxc_rounds_refuse(struct vxc_gateway *gateway, uint64_t round, int code);

/* ---- replies (reply.c): appended to the caller's connection ---- */

void vxc_reply_message(struct vxc_caller *caller, uint32_t request_id, uint8_t flags,
                       const struct vxc_message *message);
/* Replies that were made before their turn, as whole frames; nothing when the connection is cut. */
void vxc_reply_kept(struct vxc_caller *caller, struct vxc_slice frames);
/* Error in the dialect of the request's kind: 69 for kinds below 100, 100 above; VXC_ENOTPRIMARY
 * says who is, below 100 as leader_redirect. text NULL: the general one of the code. */
void vxc_reply_error(struct vxc_caller *caller, uint16_t kind, uint32_t request_id, int code,
                     const char *text);
/* Pairs as the state machine lists them: one item after the other, each counted. */
int vxc_state_pairs(struct vxc_slice encoded, struct vxc_list *pairs);
/* The list of one address as pairs of node id and registration_info, in the gateway's scratch. */
int vxc_reply_registrations(struct vxc_gateway *gateway, struct vxc_slice view,
                            struct vxc_list *pairs);
/* The reply that message.def names for the request's kind. */
void vxc_reply_result(struct vxc_caller *caller, const struct vxc_request *request,
                      const struct vxc_result *result);
/* Reads that the state machine does not answer alone: status, session lists, lock records … True
 * when the kind is one of them and has been answered. */
bool vxc_reply_local(struct vxc_caller *caller, uint32_t request_id,
                     const struct vxc_message *message);
/* Appends a record as an item: u32 length and its payload. */
int vxc_record_put(struct vxc_message *record, struct vxc_buffer *out);

/* ---- news.c ---- */

/* The list of an address has changed: the event leaves now, or when its turn comes. */
void vxc_news_add(struct vxc_caller *caller, const struct vxc_event *event);
/* Where the reply to a request of this kind goes, so that it stays behind what it tells; NULL: to the
 * connection, for nothing waits any more. */
struct vxc_buffer *vxc_news_replies(struct vxc_caller *caller, uint16_t kind);
/* All that waits leaves: before anything else does. */
void vxc_news_tell(struct vxc_caller *caller);
/* The connection is gone. */
void vxc_news_forget(struct vxc_caller *caller);

/* ---- route.c ---- */

/* Fills *command from an extension request. 0; VXC_EKIND when the kind has no operation of its own;
 * VXC_EINVAL / VXC_ETOOBIG with *text. Nested lists are encoded into `scratch`. */
int vxc_route(const struct vxc_message *message, struct vxc_buffer *scratch,
              struct vxc_command *command, const char **text);
/* Kinds of the operations of a transaction, so that its reply can be encoded later. */
int vxc_route_transaction_kinds(const struct vxc_message *message, struct vxc_buffer *kinds);
int vxc_reply_transaction(const struct vxc_request *request, const struct vxc_result *result,
                          struct vxc_buffer *scratch, struct vxc_message *message);

/* ---- legacy.c: kinds 1–74 ---- */

void vxc_legacy_request(struct vxc_caller *caller, const struct vxc_frame *frame,
                        const struct vxc_message *message);
void vxc_legacy_join(struct vxc_request *request, struct vxc_slice node_id);
/* Answers; true when instead a next stage was proposed. */
bool vxc_legacy_result(struct vxc_request *request, const struct vxc_result *result);
/* Answers a read of kinds 1–74. */
void vxc_legacy_read(struct vxc_caller *caller, uint32_t request_id,
                     const struct vxc_message *message);

/* ---- session.c: hello, namespaces, sessions ---- */

void vxc_session_begin(struct vxc_request *request, const struct vxc_message *message);
/* The round of a resume is confirmed: its reply. */
void vxc_session_resumed(struct vxc_request *request);
/* Answers any request from kind 100 up; true when instead a next stage was proposed. */
bool vxc_session_result(struct vxc_request *request, const struct vxc_result *result);

/* A session came into being: its lease begins, whether or not its connection is still there. */
void vxc_session_opened(struct vxc_gateway *gateway, uint64_t session);

/* Looks the name up in the applied state, and remembers it if it is not there. */
bool vxc_session_find_namespace(struct vxc_caller *caller, struct vxc_slice name);

/* ---- membership.c: kinds 270–276 ---- */

/* True for those that are begun when their turn has come. */
bool vxc_membership_is_change(uint16_t kind);
/* Its turn has come: it is proposed, held, or answered. */
void vxc_membership_begin(struct vxc_request *request, const struct vxc_message *message);
/* Answers; true when instead a next stage was proposed. Also when the connection is gone. */
bool vxc_membership_result(struct vxc_request *request, const struct vxc_result *result);
void vxc_membership_on_role(struct vxc_gateway *gateway);
/* A new primary: finishes what the one before it may have left half done. */
void vxc_membership_lead(struct vxc_gateway *gateway);
/* Gives up a transfer that takes too long; ms until it wants to be called again. */
uint64_t vxc_membership_turn(struct vxc_gateway *gateway, uint64_t now_ms);
void vxc_membership_list(struct vxc_caller *caller, uint32_t request_id);
/* Where a member can be reached, size 0 when nobody knows. */
struct vxc_slice vxc_membership_address(const struct vxc_gateway *gateway, uint64_t id);

/* ---- sync.c: kind 73 ---- */

/* The operations as one command; its list is encoded into the gateway's scratch. 0, or a code with
 * *text. */
int vxc_sync_route(struct vxc_gateway *gateway, const struct vxc_msg_state_sync *sync,
                   struct vxc_command *command, const char **text);

/* ---- lease.c ---- */

struct vxc_lease *vxc_lease_find(struct vxc_gateway *gateway, uint64_t session);
struct vxc_lease *vxc_lease_add(struct vxc_gateway *gateway, const struct vxc_session_view *view);
void vxc_lease_attach(struct vxc_lease *lease, struct vxc_caller *caller);
void vxc_lease_detach(struct vxc_caller *caller);
void vxc_lease_closed(struct vxc_caller *caller, int code); /* its connection is gone; detaches */
void vxc_lease_drop(struct vxc_gateway *gateway, struct vxc_lease *lease);
void vxc_leases_restart(struct vxc_gateway *gateway); /* a new primary: all begin anew */
/* No primary any more: who acted for a session is cut once nothing is owed. */
void vxc_leases_leave(struct vxc_gateway *gateway);
void vxc_leases_free(struct vxc_gateway *gateway);

#endif
