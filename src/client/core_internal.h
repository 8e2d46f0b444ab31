/* What core.c, core_input.c, core_output.c and core_session.c share; nobody else includes this. */
#ifndef VXC_CLIENT_CORE_INTERNAL_H
#define VXC_CLIENT_CORE_INTERNAL_H

#include "client/core.h"

#include "base/limits.h"
#include "client/payload.h"
#include "wire/frame.h"
#include "wire/message.h"

#include <sys/queue.h>

#define BUSY_RETRY_MS_MIN 5u
#define BUSY_RETRY_MS_MAX 250u
#define SECRET_SIZE_MAX   64u
#define ADDRESS_SIZE_MAX  300u

enum pending_state {
    PENDING_WAITING, /* to be written when READY and not before retry_ms */
    PENDING_SENT,    /* written on this connection */
    PENDING_QUEUED,  /* an acquire that was told `queued`; its outcome comes as an event */
};

struct pending {
    TAILQ_ENTRY(pending) link;
    uint16_t kind;
    enum pending_state state;
    bool read;
    bool any_node;        /* a backup can answer it too */
    bool ever_sent;       /* on any connection: then it may have taken effect */
    uint8_t flags;        /* of its frame */
    uint8_t busy_count;   /* answers "busy" so far */
    uint32_t request_id;  /* on this connection, while SENT or QUEUED */
    uint64_t sequence;    /* 0 = not sequenced */
    uint64_t end_offset;  /* of its frame within all that this connection sends */
    uint64_t retry_ms;    /* WAITING: not before */
    uint64_t deadline_ms; /* UINT64_MAX = none */
    void *data;
    vxc_reply_cb on_reply;
    struct held_lock *lock; /* of an acquire; owned until it is granted */
    struct loan *loan;      /* its part of the output, until that was sent; owned by the output */
    struct vxc_slice lent;  /* the caller's bytes, which belong into the payload … */
    size_t lent_at;         /* … at this offset */
    size_t payload_size;    /* without them */
    uint8_t payload[];
};

TAILQ_HEAD(pending_list, pending);

/* Bytes of a caller's that stand in the output, to be sent from where they lie. */
struct loan {
    TAILQ_ENTRY(loan) link;
    struct pending *owner; /* NULL: its request has ended, and the bytes are our copy */
    uint64_t own_at;       /* they go before this own byte of the connection */
    struct vxc_slice rest; /* not sent yet */
    uint8_t *copy;         /* owned; NULL while they are the caller's */
};

TAILQ_HEAD(loan_list, loan);

/* A lock that the session holds, or that a pending acquire may bring. */
struct held_lock {
    TAILQ_ENTRY(held_lock) link;
    uint64_t sequence; /* of the acquire */
    uint64_t token;
    size_t name_size;
    uint8_t name[];
};

TAILQ_HEAD(held_locks, held_lock);

struct core_session {
    bool wanted;   /* to be opened or resumed when connected */
    bool lost;     /* the server does not know it any more */
    bool closing;  /* at our own wish: its end is no loss */
    bool doubtful; /* told that its lease may be over */
    uint64_t id;   /* 0 = not open yet */
    uint8_t secret[SECRET_SIZE_MAX];
    size_t secret_size;
    uint32_t timeout_ms;
    uint64_t next_sequence;
    struct vxc_buffer name;
    uint64_t seen_index;     /* replies prove that all events up to it came */
    uint64_t event_index;    /* of the newest watch event, … */
    uint64_t event_ordinal;  /* … its place within the index, … */
    uint64_t event_watch;    /* … and which of the watches it was for */
    struct held_locks locks; /* newest first */
    void *data;
    void (*on_done)(void *data, int code, const char *text);
};

struct vxc_core {
    struct vxc_core_options options;
    struct vxc_buffer namespace_name;
    struct vxc_buffer client_name;

    enum vxc_core_state state;
    bool was_ready;
    struct core_session session;
    struct vxc_server server;
    char primary_address[ADDRESS_SIZE_MAX];

    struct pending_list pending;
    size_t pending_count;
    size_t waiting_count; /* of them, those in PENDING_WAITING … */
    size_t sent_count;    /* … and in PENDING_SENT */
    struct vxc_buffer in;
    struct vxc_buffer out;  /* own bytes to be sent */
    size_t out_sent;        /* of them, those that were */
    uint64_t out_offset;    /* of out[0] among the connection's own bytes */
    struct loan_list loans; /* what goes between own bytes, in order */
    uint64_t lent_bytes;    /* of all loans of this connection */
    uint64_t sent_bytes;    /* of this connection, own and lent */
    bool out_torn;          /* no memory to keep lent bytes: the connection is of no use */
    uint64_t next_due_ms;   /* no deadline or retry of a request is earlier */
    uint64_t sent_ms;       /* when something was last sent, and received */
    uint64_t heard_ms;
    uint64_t life_ms;  /* when a server that serves the session last said anything */
    uint64_t asked_ms; /* since when there have been requests without answer */
    bool ping_open;    /* a ping is unanswered … */
    uint64_t ping_end; /* … its end within all that this connection sends … */
    uint64_t ping_ms;  /* … and when that was sent; 0 = not yet */
    uint32_t next_request_id;
    uint32_t handshake_id; /* request id of the hello or session request under way */
    uint32_t members_id;   /* of the last question for members */
    uint64_t members_due_ms;

    /* other servers */
    bool others;          /* there are some to go to */
    bool searching;       /* the last one was not the primary */
    bool leaving;         /* this one is not: nothing more is asked, what was is answered … */
    uint64_t leave_ms;    /* … until then at the latest */
    uint64_t silent_node; /* was left for its silence, and how often in a row */
    unsigned silent_count;
    uint32_t random;
    uint64_t told; /* callbacks run */
};

/* core.c */
uint32_t vxc_core_random(struct vxc_core *core);
uint32_t vxc_core_next_id(struct vxc_core *core);
void vxc_core_finish(struct vxc_core *core, struct pending *p, const struct vxc_reply *reply);
void vxc_core_fail(struct vxc_core *core, struct pending *p, int code, const char *text);
/* Writes what waits and may go now, in order. */
void vxc_core_write_waiting(struct vxc_core *core, uint64_t now_ms);
void vxc_core_become_ready(struct vxc_core *core, uint64_t now_ms);
/* The only way into another state. */
void vxc_core_move(struct vxc_core *core, struct pending *p, enum pending_state state);
/* Is there anything that only a primary can do? */
bool vxc_core_needs_primary(const struct vxc_core *core);
/* The server is not the primary: may it be left now? False: wait for what it still has to say. */
bool vxc_core_may_leave(const struct vxc_core *core);
int vxc_core_not_primary(const struct vxc_core *core, struct vxc_error *err);
/* A request wants attention at this time. */
void vxc_core_note_due(struct vxc_core *core, uint64_t due_ms);
void vxc_core_tell(struct vxc_core *core, const struct vxc_notice *notice);
void vxc_core_notice(struct vxc_core *core, int type, uint64_t id, int64_t number,
                     const char *text);
/* Around every callback: the driver's lock is given away and taken again. */
void vxc_core_leave(struct vxc_core *core);
void vxc_core_enter(struct vxc_core *core);

/* core_output.c */
void vxc_core_output_clear(struct vxc_core *core); /* a connection begins or is gone */
/* Appends the frame of a request. VXC_ENOMEM, VXC_ETOOBIG; then nothing was appended. */
int vxc_core_output_add(struct vxc_core *core, struct pending *p, uint64_t floor);
/* The request ends, so its caller takes the lent bytes back: what was not sent is copied. */
void vxc_core_output_release(struct vxc_core *core, struct pending *p);

/* core_time.c */
void vxc_core_ask_members(struct vxc_core *core, uint64_t now_ms);

/* core_session.c: what follows the hello */
int vxc_core_begin_session(struct vxc_core *core, uint64_t now_ms);
int vxc_core_on_session_reply(struct vxc_core *core, const struct vxc_message *m, uint64_t now_ms,
                              struct vxc_error *err);
void vxc_core_lose_session(struct vxc_core *core, const char *text);
/* Tells, once per silence, that the lease may be over. */
void vxc_core_doubt_session(struct vxc_core *core, uint64_t now_ms);
uint64_t vxc_core_doubt_ms(const struct vxc_core *core); /* when to call it; UINT64_MAX = never */
/* Which locks are held: noted by the replies to acquire and release. */
int vxc_core_prepare_lock(struct pending *p);
void vxc_core_note_lock(struct vxc_core *core, struct pending *p, const struct vxc_reply *reply);
void vxc_core_forget_locks(struct vxc_core *core);

/* core_input.c */
/* Where a server says that the primary is: the last word of its text. */
void vxc_core_note_primary(struct vxc_core *core, struct vxc_slice text);
int vxc_core_take_frame(struct vxc_core *core, const struct vxc_frame *frame, uint64_t now_ms,
                        struct vxc_error *err);

#endif
