/* A gateway in front of a real state machine and a replica that is a test's puppet: what is proposed
 * waits until the test commits it, rounds of reads until the test confirms them, and the role is what
 * the test says. Clients are peers of the listener in this process; frames go over no socket. */
#ifndef TESTS_UNIT_NODE_GATEWAY_FIXTURE_H
#define TESTS_UNIT_NODE_GATEWAY_FIXTURE_H

#include "consensus/replica.h"
#include "net/listener.h"
#include "net/loop.h"
#include "node/gateway.h"
#include "unit/fsm/fixture.h"
#include "wire/message.h"

enum { PUPPET_PROPOSALS_MAX = 64 };

/* What the wrapped vxc_replica_… functions look at. */
struct vxc_replica {
    bool primary, ready;
    uint64_t term, primary_id;
    uint64_t round; /* 0 = alone: reads need none */
    int read_code, propose_code;
    struct puppet_proposal {
        struct vxc_proposal *proposal;
        struct vxc_buffer command; /* empty: not one of the state machine */
    } proposals[PUPPET_PROPOSALS_MAX];
    unsigned proposal_count;
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    uint32_t member_count;
    int change_code; /* of add_standby, promote, remove, transfer */
    const char *change_text;
    uint64_t added, promoted, removed, transferred; /* ids of the last calls; UINT64_MAX = none */
};

struct world {
    struct fixture state; /* its hooks are the world's */
    struct vxc_replica replica;
    struct vxc_loop *loop;
    struct vxc_listener *listener;
    struct vxc_gateway *gateway;
    struct vxc_clock clock;
    uint64_t now_ms;
    struct vxc_conn *peer; /* the last one that was handed over */
    unsigned peer_hellos;
    unsigned position; /* of the command that is applied, among the proposals … */
    bool committing;   /* … when it is one of them */
};

struct client {
    struct world *world;
    struct vxc_conn *conn;  /* NULL once closed */
    struct vxc_buffer out;  /* not fed yet */
    struct vxc_buffer in;   /* not looked at yet */
    size_t taken;           /* of `in`: the message returned last and what is before it */
    uint32_t request_id;    /* of the last request */
    struct vxc_frame frame; /* of the last answer */
    int close_code;
    char close_reason[128];
};

/* For cmocka: *state is a struct world, primary, alone, with no members. */
int world_setup(void **state);
int world_teardown(void **state);

/* Everything that can happen without the test's doing happens. */
void world_settle(struct world *w);
/* Applies what is proposed, in order; configuration changes succeed. */
void world_commit(struct world *w);
void world_confirm(struct world *w, uint64_t round);
/* Becomes ready primary, or a backup of `primary_id`; what is proposed fails as the replica fails
 * it. */
void world_lead(struct world *w);
void world_follow(struct world *w, uint64_t primary_id);

void client_open(struct world *w, struct client *c);
void client_close(struct client *c);
/* Returns the request id. */
uint32_t client_send(struct client *c, const struct vxc_message *m);
uint32_t client_send_flags(struct client *c, uint8_t flags, const struct vxc_message *m);
uint32_t client_send_sequenced(struct client *c, uint64_t sequence, const struct vxc_message *m);
/* The next message that came, in *m and c->frame; false when there is none. */
bool client_next(struct client *c, struct vxc_message *m);
/* The next message must be of this kind and answer this request. */
void client_expect(struct client *c, uint32_t request_id, uint16_t kind, struct vxc_message *m);
void client_expect_nothing(struct client *c);
/* Must be error_reply with this code. */
void client_expect_error(struct client *c, uint32_t request_id, int code, const char *part);

/* Opens a session; the secret is valid until the next message comes. */
struct vxc_msg_session_reply client_open_session(struct client *c);

struct vxc_message message_of(uint16_t kind);

#endif
