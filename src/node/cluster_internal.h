/* What the files of the cluster share: cluster.c life, peers, turns · cluster_handshake.c how a
 * connection comes to be proved · cluster_admission.c who may come in, and what the primary writes
 * down about members · cluster_message.c messages as frames · cluster_spec.c options as addresses. */
#ifndef VXC_NODE_CLUSTER_INTERNAL_H
#define VXC_NODE_CLUSTER_INTERNAL_H

#include "base/limits.h"
#include "node/cluster.h"
#include "wire/message.h"

/* Of the protocol between nodes. Nodes without a common version refuse each other, so that they
 * never misunderstand. The tests build a node of the next one. */
#ifndef VXC_PEER_PROTOCOL_VERSION
#define VXC_PEER_PROTOCOL_VERSION 1
#endif

enum {
    NONCE_SIZE = 16,
    PROOF_SIZE = 32,
    CLUSTER_ID_SIZE = 16,
    PEER_PROTOCOL_VERSION = VXC_PEER_PROTOCOL_VERSION,
    /* members, and as many addresses of --join behind which a member may be */
    PEERS_MAX = 2 * VXC_CONFIGURATION_MEMBERS_MAX,
};

/*                outgoing                                  incoming
 * DIALING        until on_open                             -
 * HELLO          hello sent, waits for the challenge       -
 * PROOF          proof sent, waits for the welcome         challenge sent, waits for the proof
 * OPEN           messages go out                           messages come in
 * CLOSING        on_close is all that still comes          the same
 */
enum link_state { LINK_DIALING, LINK_HELLO, LINK_PROOF, LINK_OPEN, LINK_CLOSING };

/* What a node says of itself in its hello or challenge. */
struct introduction {
    uint64_t id, incarnation, life;
    bool of_cluster;                    /* it has an id of a cluster, which is not another one */
    uint64_t last_index;                /* of a hello */
    char address[VXC_ADDRESS_TEXT_MAX]; /* of a hello; "" = it does not say */
};

/* One connection, from its first moment until on_close. */
struct link {
    struct vxc_cluster *cluster; /* NULL: the cluster is gone */
    struct peer *peer;           /* NULL: incoming and not yet proved, or CLOSING */
    struct vxc_conn *conn;
    struct vxc_conn_hooks hooks; /* of this connection; data = the link */
    bool outgoing;
    bool proved; /* the other side knows the secret */
    enum link_state state;
    struct introduction other;    /* incoming: as its hello says; outgoing: as its challenge */
    struct vxc_buffer transcript; /* both hellos as they were sent, for the proofs */
    uint64_t deadline_ms;         /* of the handshake */
    uint64_t taken_bytes;         /* by the other side's system, as last seen … */
    uint64_t taken_ms;            /* … to grow */
    uint64_t heard_ms;            /* incoming: of its last frame */
    struct link *next;            /* of the cluster */
};

/* Another node, or an address where one may be. */
struct peer {
    bool used;
    uint64_t id;                        /* 0: an address of --join, nobody has answered there yet */
    char given[VXC_ADDRESS_TEXT_MAX];   /* by an option or PEER_MEMBERS; "" = none */
    char address[VXC_ADDRESS_TEXT_MAX]; /* where it is reached, as of the last turn; "" = unknown */
    struct introduction said;           /* proved; incarnation 0 = it said nothing yet */
    struct link *out, *in;
    uint64_t dial_ms;     /* when it is to be dialed */
    uint64_t delay_ms;    /* the pause before that */
    uint64_t announce_ms; /* not announced again before */
    struct {
        int code;
        uint64_t logged_ms;
        uint64_t kept_back; /* lines since */
    } refusal;
};

struct vxc_cluster {
    uint64_t node_id, incarnation, life;
    uint32_t patience_ms;               /* with a machine that does not answer */
    char address[VXC_ADDRESS_TEXT_MAX]; /* "" = it means nothing to others */
    struct vxc_cluster_spec spec;
    struct vxc_buffer secret;
    struct vxc_listener *listener;
    const struct vxc_clock *clock;
    const struct vxc_logger *logger;
    void *data;
    void (*on_image_message)(void *data, uint64_t peer, const struct vxc_message *message);

    struct vxc_replica *replica; /* NULL: there is none at present */
    struct vxc_fsm *fsm;
    bool stands_in; /* there is no replica, but this: */
    struct vxc_cluster_stand_in stand_in;
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX]; /* as of the last look */
    uint32_t member_count;
    uint64_t look_ms; /* when configuration and member table are looked at again */
    struct peer peers[PEERS_MAX];
    struct peer self; /* only for what is announced of it */
    struct link *links;
    struct vxc_engine_entry entries[VXC_PEER_ENTRIES_MAX]; /* of the frame that is looked at */
    struct {
        int code;
        uint64_t logged_ms;
        uint64_t kept_back;
    } stranger;                       /* as `refusal`, for those who are nobody's peer */
    char refused[VXC_ERROR_TEXT_MAX]; /* "" = we were not */
};

/* ---- cluster.c ---- */

/* NULL: nobody. */
struct peer *vxc_cluster_peer(struct vxc_cluster *c, uint64_t id);
/* The same, made when it is new; NULL: too many. */
struct peer *vxc_cluster_add_peer(struct vxc_cluster *c, uint64_t id);
/* Ends it; the link is nobody's from now on. flush: what was appended leaves before. */
void vxc_link_end(struct link *link, int code, const char *reason, bool flush);
/* Appends a message to the connection. */
int vxc_link_send(struct link *link, const struct vxc_message *message, uint8_t flags);
/* It is proved on both sides. */
void vxc_link_opened(struct link *link);
/* 16 bytes, or none when the cluster has no id yet. */
struct vxc_slice vxc_cluster_id(const struct vxc_cluster *c);
uint64_t vxc_cluster_now_ms(const struct vxc_cluster *c);
bool vxc_cluster_has_member(const struct vxc_cluster *c, uint64_t id);
/* Is the configuration that this node knows one that it is in? One that joins has none yet, or gets
 * old ones with the log. */
bool vxc_cluster_knows_members(const struct vxc_cluster *c);

/* ---- cluster_handshake.c ---- */

void vxc_link_greet(struct link *link); /* outgoing, the connection is there */
/* A frame of a link that is not open yet. */
void vxc_link_on_handshake(struct link *link, const struct vxc_frame *frame);
/* Incoming: its peer_hello. */
void vxc_link_on_hello(struct link *link, const struct vxc_frame *frame);

/* ---- cluster_admission.c ---- */

/* May a node that has proved to know the secret take part as who it says it is? 0; VXC_EFOREIGN: never
 * again; else not now. The text says why and what to do. Of an outgoing link the last index is not
 * known, and not judged. */
int vxc_cluster_admit(struct vxc_cluster *c, const struct introduction *who, bool incoming,
                      struct vxc_error *err);
/* As primary: writes down what the member table lacks. true: something was proposed. */
bool vxc_cluster_announce(struct vxc_cluster *c, uint64_t now_ms);
/* We are told, or read, that we may not take part. */
void vxc_cluster_take_refusal(struct vxc_cluster *c, const char *by, const char *text);
/* One line per peer and VXC_PEER_REFUSAL_LOG_MS at most; peer NULL: nobody we know. */
void vxc_cluster_log_refusal(struct vxc_cluster *c, struct peer *peer, const char *event, int code,
                             const char *address, const char *text);

/* ---- cluster_message.c ---- */

/* Appends the message as a frame; on failure nothing: VXC_ENOMEM, VXC_ETOOBIG. */
int vxc_peer_message_encode(const struct vxc_peer_message *message, struct vxc_buffer *out);
/* The other way; `message` borrows from the payload and from `entries`, which has room for
 * VXC_PEER_ENTRIES_MAX. VXC_EKIND: not one of these; VXC_EPROTO: no node of ours sends it. */
int vxc_peer_message_decode(uint16_t kind, struct vxc_slice payload, uint64_t peer,
                            struct vxc_engine_entry *entries, struct vxc_peer_message *message);

#endif
