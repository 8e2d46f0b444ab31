/* The replica from inside: replica.c birth, turn, death, status · replica_apply.c what is committed
 * becomes state · replica_primary.c what only a primary does: proposals, reads, members ·
 * replica_peers.c messages to and from the other members. */
#ifndef VXC_CONSENSUS_REPLICA_INTERNAL_H
#define VXC_CONSENSUS_REPLICA_INTERNAL_H

#include "consensus/engine.h"
#include "consensus/freeze.h"
#include "consensus/outbox.h"
#include "consensus/read_index.h"
#include "consensus/replica.h"
#include "consensus/stamp.h"

/* Members of the newest configuration, and as many again that were or will be. */
enum { VXC_REPLICA_PEERS_MAX = 2 * VXC_CONFIGURATION_MEMBERS_MAX };

struct vxc_replica_peer {
    uint64_t id;
    uint64_t heard_ms; /* loop clock; meaningless until heard */
    bool heard;
    int lack;                        /* of what its log had none when it last said so; 0 = never */
    uint64_t lack_ms;                /* loop clock */
    bool image_wanted;               /* the engine asked for one; the owner has yet to be told */
    struct vxc_buffer image_offered; /* configuration of the image that the outbox announces */
    uint64_t digest_index, digest;   /* what it said at its last checkpoint */
    bool digest_seen;                /* that was compared with ours */
    struct vxc_outbox outbox;
};

struct vxc_replica {
    struct vxc_replica_options options;
    struct vxc_vote vote; /* as stored */
    struct vxc_engine *engine;
    struct vxc_proposals proposals;
    struct vxc_freeze freeze;
    struct vxc_stamp stamp;
    bool stopping;

    /* what the owner was told last */
    bool told;
    enum vxc_engine_role role;
    uint64_t term;
    uint64_t leader;

    /* of our own term as primary; zero when it begins */
    uint64_t noop_index;      /* our first entry; 0 = not written yet */
    uint64_t bootstrap_index; /* 0 = not proposed */
    bool ready;               /* no-op applied and the state bootstrapped */

    /* applying */
    uint64_t applied_index; /* whole entries */
    uint64_t
        recovered_index; /* end of the log when this life began: up to here it is on disk only */
    uint32_t applied_within; /* commands of the next one that a reference-mode commit has already */
    bool applying;
    bool applying_ours; /* the entry being applied is the oldest of our proposals */

    /* the log */
    uint64_t flushed[VXC_LOG_INFLIGHT_MAX]; /* last index at each of the last flushes */
    uint64_t flushes;
    uint64_t durable_index;     /* as the engine was told */
    uint64_t unflushed_bytes;   /* appended since the last flush */
    uint64_t no_space_until_ms; /* 0 = the log has space */
    int lack;                   /* of what it has none: VXC_ENOSPC or VXC_ENOMEM */
    bool peers_lack;            /* some have said so of their logs not long ago */
    uint64_t base_retry_ms;
    bool restart_engine; /* the log could not take what the engine believes to be there */

    /* members */
    struct vxc_configuration committed; /* the newest that is applied */
    struct vxc_replica_peer *peers[VXC_REPLICA_PEERS_MAX];
    uint32_t peers_count;
    uint64_t receiving_from; /* while a message of a peer is being taken */
    struct vxc_read_index reads;
    struct {
        uint64_t index, term; /* of the entry; index 0 = no change of ours is under way */
        struct vxc_proposal *proposal;
    } change;
    struct vxc_buffer outgoing; /* entries of the message given last that memory had no more */
    struct vxc_engine_entry outgoing_entries[VXC_PEER_ENTRIES_MAX];
    uint64_t held_index; /* the log keeps what is behind it; UINT64_MAX = nobody asks */
    bool install_asked;  /* the engine waits for an image */
    uint64_t install_from;
    struct vxc_log_base install; /* its configuration is in the buffer */
    struct vxc_buffer install_configuration;

    /* checkpoints */
    uint64_t checkpoint_due;  /* this entry was applied: a commit has to begin before the next */
    uint64_t checkpoint_told; /* digest of this one was sent */
    uint64_t checkpoint_ms;   /* when the primary proposes the next */
    uint64_t checkpoint_seen; /* what was applied when it proposed the last */

    uint64_t entries_total, commands_total;
};

static inline uint64_t vxc_replica_now_ms(const struct vxc_replica *replica)
{
    return vxc_clock_ms(replica->options.clock);
}

static inline uint64_t vxc_replica_now_ns(const struct vxc_replica *replica)
{
    return replica->options.clock->monotonic_ns(replica->options.clock->data);
}

/* ---- replica.c ---- */

/* Neither a damaged entry nor a damaged row may be passed over, and nor may one that could not be
 * read for want of memory or because the disk failed; but those say nothing about the data. */
_Noreturn void vxc_replica_end_unread(const struct vxc_error *err, const char *doing);

/* The log takes no more for a moment: for want of what. The primary is told, if that is another. */
void vxc_replica_refuse_for_a_while(struct vxc_replica *replica, int lack);

/* ---- replica_apply.c ---- */

/* Applies what is committed and durable; returns true when more is left than one turn should do. */
bool vxc_replica_advance(struct vxc_replica *replica);

/* From now on results and events of the state machine come to the replica. */
void vxc_replica_hook_fsm(struct vxc_replica *replica);

/* Tells the peers of a finished checkpoint and compares what they said of theirs. */
void vxc_replica_compare_digests(struct vxc_replica *replica);

/* ---- replica_primary.c ---- */

/* Looks whether role, term or primary have changed. */
void vxc_replica_observe(struct vxc_replica *replica);
/* A new primary's way to readiness: its no-op, the bootstrap of a state that never had one. */
void vxc_replica_get_ready(struct vxc_replica *replica);
/* Closes and submits what was proposed since the last turn. */
void vxc_replica_submit_proposed(struct vxc_replica *replica);
/* An idle primary moves cluster time when something falls due; ms until it wants to, at most. */
uint64_t vxc_replica_tick(struct vxc_replica *replica);
/* Proposes a checkpoint when one is due. */
void vxc_replica_keep_checkpoints(struct vxc_replica *replica, uint64_t now_ms);
/* Asks for terms and tells which reads may be answered; ms until it wants to be called again. */
uint64_t vxc_replica_serve_reads(struct vxc_replica *replica);
/* A configuration entry was applied. */
void vxc_replica_changed(struct vxc_replica *replica, const struct vxc_log_entry *entry);
void vxc_replica_fail_proposal(void *data, struct vxc_proposal *proposal, int code);
/* Outcomes that nobody here will learn any more. */
void vxc_replica_fail_all(struct vxc_replica *replica, int open_code);

/* ---- replica_peers.c ---- */

/* Hook of the engine. */
void vxc_replica_send(void *data, const struct vxc_engine_message *message);
void vxc_replica_push(struct vxc_replica *replica, uint64_t peer, struct vxc_peer_message message);
/* Tells a peer that entries had to be left out, and for want of what. */
void vxc_replica_tell_lack(struct vxc_replica *replica, uint64_t peer);
/* To all other members of the newest configuration; voters only, if so. */
void vxc_replica_push_all(struct vxc_replica *replica, const struct vxc_peer_message *message,
                          bool voters_only);
/* NULL when nothing is known of it. */
struct vxc_replica_peer *vxc_replica_peer(const struct vxc_replica *replica, uint64_t id);
/* Tells the owner which images are wanted. */
void vxc_replica_tell_images(struct vxc_replica *replica);
void vxc_replica_free_peers(struct vxc_replica *replica);

#endif
