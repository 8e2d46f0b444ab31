#include "gateway_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- the puppet ---- */

int __wrap_vxc_replica_propose(struct vxc_replica *r, const struct vxc_command *command,
                               struct vxc_proposal *proposal);
int __wrap_vxc_replica_read(struct vxc_replica *r, uint64_t *round);
bool __wrap_vxc_replica_is_primary(const struct vxc_replica *r);
bool __wrap_vxc_replica_is_ready(const struct vxc_replica *r);
void __wrap_vxc_replica_status(struct vxc_replica *r, struct vxc_replica_status *status);
uint32_t __wrap_vxc_replica_members(const struct vxc_replica *r,
                                    struct vxc_replica_member *members);
int __wrap_vxc_replica_add_standby(struct vxc_replica *r, uint64_t id,
                                   struct vxc_proposal *proposal, struct vxc_error *err);
int __wrap_vxc_replica_promote(struct vxc_replica *r, uint64_t id, struct vxc_proposal *proposal,
                               struct vxc_error *err);
int __wrap_vxc_replica_remove(struct vxc_replica *r, uint64_t id, struct vxc_proposal *proposal,
                              struct vxc_error *err);
int __wrap_vxc_replica_transfer(struct vxc_replica *r, uint64_t id, struct vxc_error *err);
int __wrap_vxc_replica_checkpoint(struct vxc_replica *r, struct vxc_proposal *proposal);
uint64_t __wrap_vxc_replica_ask_commit(struct vxc_replica *r);
void __wrap_vxc_snapshots_forget(struct vxc_snapshots *snapshots, const void *owner);

static int enqueue(struct vxc_replica *r, const struct vxc_command *command,
                   struct vxc_proposal *proposal)
{
    struct puppet_proposal *p;

    if (!r->primary) {
        return VXC_ENOTPRIMARY;
    }
    if (r->propose_code != 0) {
        return r->propose_code;
    }
    assert_true(r->proposal_count < PUPPET_PROPOSALS_MAX);
    p = &r->proposals[r->proposal_count++];
    *p = (struct puppet_proposal){.proposal = proposal};
    return command == NULL ? 0 : vxc_command_encode(command, &p->command);
}

int __wrap_vxc_replica_propose(struct vxc_replica *r, const struct vxc_command *command,
                               struct vxc_proposal *proposal)
{
    return enqueue(r, command, proposal);
}

int __wrap_vxc_replica_read(struct vxc_replica *r, uint64_t *round)
{
    if (r->read_code != 0 || !r->primary) {
        return r->read_code != 0 ? r->read_code : VXC_ENOTPRIMARY;
    }
    *round = r->round;
    return 0;
}

bool __wrap_vxc_replica_is_primary(const struct vxc_replica *r)
{
    return r->primary;
}

bool __wrap_vxc_replica_is_ready(const struct vxc_replica *r)
{
    return r->primary && r->ready;
}

void __wrap_vxc_replica_status(struct vxc_replica *r, struct vxc_replica_status *status)
{
    *status = (struct vxc_replica_status){.term = r->term, .primary_id = r->primary_id};
}

uint32_t __wrap_vxc_replica_members(const struct vxc_replica *r, struct vxc_replica_member *members)
{
    memcpy(members, r->members, sizeof r->members);
    return r->member_count;
}

static int change(struct vxc_replica *r, uint64_t id, uint64_t *called,
                  struct vxc_proposal *proposal, struct vxc_error *err)
{
    *called = id;
    if (r->change_code != 0) {
        return vxc_error_set(err, r->change_code, "%s", r->change_text);
    }
    return proposal == NULL ? 0 : enqueue(r, NULL, proposal);
}

int __wrap_vxc_replica_add_standby(struct vxc_replica *r, uint64_t id,
                                   struct vxc_proposal *proposal, struct vxc_error *err)
{
    int rv = change(r, id, &r->added, proposal, err);

    if (rv == 0) {
        r->members[r->member_count++] = (struct vxc_replica_member){
            .id = id, .role = VXC_MEMBER_STANDBY, .heard_ms = UINT64_MAX};
    }
    return rv;
}

int __wrap_vxc_replica_promote(struct vxc_replica *r, uint64_t id, struct vxc_proposal *proposal,
                               struct vxc_error *err)
{
    return change(r, id, &r->promoted, proposal, err);
}

int __wrap_vxc_replica_remove(struct vxc_replica *r, uint64_t id, struct vxc_proposal *proposal,
                              struct vxc_error *err)
{
    int rv = change(r, id, &r->removed, proposal, err);

    for (uint32_t i = 0; rv == 0 && i < r->member_count; i++) {
        if (r->members[i].id == id) {
            r->members[i] = r->members[--r->member_count];
        }
    }
    return rv;
}

int __wrap_vxc_replica_transfer(struct vxc_replica *r, uint64_t id, struct vxc_error *err)
{
    return change(r, id, &r->transferred, NULL, err);
}

int __wrap_vxc_replica_checkpoint(struct vxc_replica *r, struct vxc_proposal *proposal)
{
    return enqueue(r, NULL, proposal);
}

uint64_t __wrap_vxc_replica_ask_commit(struct vxc_replica *r)
{
    (void)r;
    return 0;
}

void __wrap_vxc_snapshots_forget(struct vxc_snapshots *snapshots, const void *owner)
{
    assert_null(snapshots);
    (void)owner;
}

/* ---- the state machine's hooks ---- */

static void on_result(void *data, uint32_t position, const struct vxc_result *result)
{
    struct world *w = data;

    assert_int_equal(position, 0);
    if (w->committing && w->replica.proposals[w->position].proposal != NULL) {
        vxc_gateway_on_result(w->gateway, w->replica.proposals[w->position].proposal, result);
    }
}

static void on_event(void *data, const struct vxc_event *event)
{
    vxc_gateway_on_event(((struct world *)data)->gateway, event);
}

static void apply(struct world *w, const struct puppet_proposal *p)
{
    struct fixture *f = &w->state;
    struct vxc_command command;
    struct vxc_error err = {0};

    if (p->command.size == 0) {
        const struct vxc_result done = {.index = f->index++};

        vxc_fsm_pass(f->fsm, done.index, 1);
        vxc_gateway_on_result(w->gateway, p->proposal, &done);
        return;
    }
    assert_int_equal(vxc_command_decode(vxc_buffer_slice(&p->command), &command), 0);
    assert_int_equal(vxc_entry_begin(&f->entry), 0);
    assert_int_equal(vxc_entry_add(&f->entry, &command), 0);
    vxc_entry_finish(&f->entry, f->stamp_ms, 1);
    if (vxc_fsm_apply(f->fsm, f->index++, 1, vxc_buffer_slice(&f->entry), true, 0, NULL, NULL,
                      &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void forget_proposals(struct world *w)
{
    for (unsigned i = 0; i < w->replica.proposal_count; i++) {
        vxc_buffer_free(&w->replica.proposals[i].command);
    }
    w->replica.proposal_count = 0;
}

void world_commit(struct world *w)
{
    w->committing = true;
    for (w->position = 0; w->position < w->replica.proposal_count; w->position++) {
        apply(w, &w->replica.proposals[w->position]); /* results may propose more */
    }
    w->committing = false;
    forget_proposals(w);
    world_settle(w);
}

void world_confirm(struct world *w, uint64_t round)
{
    vxc_gateway_on_reads(w->gateway, round, 0);
    world_settle(w);
}

/* ---- role ---- */

void world_lead(struct world *w)
{
    w->replica.primary = w->replica.ready = true;
    w->replica.primary_id = 1;
    vxc_gateway_on_role(w->gateway);
    world_settle(w);
}

void world_follow(struct world *w, uint64_t primary_id)
{
    struct vxc_result unknown = {.code = VXC_EUNKNOWN, .text = "outcome unknown"};

    w->replica.primary = w->replica.ready = false;
    w->replica.primary_id = primary_id;
    for (unsigned i = 0; i < w->replica.proposal_count; i++) {
        if (w->replica.proposals[i].proposal != NULL) {
            vxc_gateway_on_result(w->gateway, w->replica.proposals[i].proposal, &unknown);
        }
    }
    forget_proposals(w);
    vxc_gateway_on_role(w->gateway);
    world_settle(w);
}

/* ---- birth and death ---- */

static uint64_t monotonic_ns(void *data)
{
    return ((struct world *)data)->now_ms * 1000000;
}

static uint64_t wall_us(void *data)
{
    (void)data;
    return 1000000;
}

static void not_so_random(void *data, void *out, uint64_t size)
{
    (void)data;
    memset(out, 7, size);
}

static void status(void *data, struct vxc_buffer *out)
{
    (void)data;
    assert_int_equal(vxc_buffer_append(out, "{}", 2), 0);
}

static const char *address_of(void *data, uint64_t node_id)
{
    (void)data;
    return node_id == 2 ? "10.0.0.2:7400" : "";
}

static void on_peer_later_frame(void *data, struct vxc_conn *conn, const struct vxc_frame *frame)
{
    (void)conn;
    (void)frame;
    ((struct world *)data)->peer_hellos++;
}

static void on_peer_gone(void *data, struct vxc_conn *conn, int code, const char *reason)
{
    (void)conn;
    (void)code;
    (void)reason;
    ((struct world *)data)->peer = NULL;
}

static void on_peer(void *data, struct vxc_conn *conn, const struct vxc_frame *frame)
{
    static struct vxc_conn_hooks hooks = {.on_frame = on_peer_later_frame,
                                          .on_close = on_peer_gone};
    struct world *w = data;

    assert_int_equal(frame->kind, VXC_KIND_PEER_HELLO);
    hooks.data = w;
    w->peer = conn;
    w->peer_hellos++;
    vxc_conn_hand_over(conn, &hooks, w);
}

int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct vxc_gateway_options options = {0};
    struct vxc_listener_options listening = {.connections_max = 16};

    assert_non_null(w);
    *state = w;
    fixture_open(&w->state);
    vxc_fsm_set_hooks(w->state.fsm, &(struct vxc_fsm_hooks){w, on_result, on_event});
    w->now_ms = 1000;
    w->clock = (struct vxc_clock){w, monotonic_ns, wall_us, not_so_random};
    w->replica = (struct vxc_replica){.term = 1,
                                      .added = UINT64_MAX,
                                      .promoted = UINT64_MAX,
                                      .removed = UINT64_MAX,
                                      .transferred = UINT64_MAX};
    options = (struct vxc_gateway_options){.clock = &w->clock,
                                           .node_id = 1,
                                           .address = "10.0.0.1:7400",
                                           .timeout_ms = 20000,
                                           .ping_interval_ms = 20000,
                                           .election_timeout_ms = 500,
                                           .data = w,
                                           .status = status,
                                           .address_of = address_of,
                                           .on_peer = on_peer};
    assert_int_equal(vxc_gateway_create(&options, &w->gateway), 0);
    vxc_gateway_set_replica(w->gateway, &w->replica, w->state.fsm);
    listening.hooks = (struct vxc_conn_hooks){.data = w->gateway,
                                              .on_open = vxc_gateway_on_open,
                                              .on_frame = vxc_gateway_on_frame,
                                              .on_ahead = vxc_gateway_on_ahead,
                                              .on_room = vxc_gateway_on_room,
                                              .on_close = vxc_gateway_on_close};
    assert_int_equal(vxc_loop_create(&w->loop, NULL), 0);
    assert_int_equal(vxc_listener_open(w->loop, &listening, &w->listener, NULL), 0);
    world_lead(w);
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;

    world_follow(w, 0); /* nothing is under way any more */
    vxc_listener_close(w->listener);
    vxc_loop_free(w->loop);
    vxc_gateway_free(w->gateway);
    fixture_close(&w->state);
    free(w);
    return 0;
}

/* ---- clients ---- */

static void on_peer_frame(void *data, struct vxc_slice frame)
{
    struct client *c = data;

    assert_int_equal(vxc_buffer_append(&c->in, frame.data, frame.size), 0);
}

static void on_want(void *data)
{
    (void)data; /* feeding looks for itself whether it may */
}

static void on_close(void *data, int code, const char *reason)
{
    struct client *c = data;

    c->conn = NULL;
    c->close_code = code;
    (void)snprintf(c->close_reason, sizeof c->close_reason, "%s", reason);
}

void client_open(struct world *w, struct client *c)
{
    const struct vxc_conn_peer peer = {
        .data = c, .on_frame = on_peer_frame, .on_want = on_want, .on_close = on_close};

    *c = (struct client){.world = w};
    assert_int_equal(vxc_listener_attach(w->listener, &peer, &c->conn), 0);
    world_settle(w);
}

void client_close(struct client *c)
{
    if (c->conn != NULL) {
        vxc_conn_cut(c->conn, VXC_ECLOSED, "the test is over", false);
        world_settle(c->world);
    }
    assert_null(c->conn);
    vxc_buffer_free(&c->out);
    vxc_buffer_free(&c->in);
}

void world_settle(struct world *w)
{
    for (int i = 0; i < 3; i++) { /* hand out what was resumed; send; close what was cut */
        vxc_loop_dispatch(w->loop);
        vxc_gateway_end_turn(w->gateway);
        vxc_listener_flush(w->listener);
    }
}

static void feed(struct client *c)
{
    if (c->conn != NULL && vxc_conn_is_read(c->conn)) {
        vxc_conn_feed(c->conn, vxc_buffer_slice(&c->out));
        vxc_buffer_clear(&c->out);
    }
    world_settle(c->world);
}

uint32_t client_send_flags(struct client *c, uint8_t flags, const struct vxc_message *m)
{
    assert_int_equal(vxc_message_frame(m, flags, ++c->request_id, &c->out), 0);
    feed(c);
    return c->request_id;
}

uint32_t client_send(struct client *c, const struct vxc_message *m)
{
    return client_send_flags(c, VXC_FRAME_REQUEST, m);
}

uint32_t client_send_sequenced(struct client *c, uint64_t sequence, const struct vxc_message *m)
{
    assert_int_equal(
        vxc_message_frame_sequenced(m, VXC_FRAME_REQUEST, ++c->request_id, sequence, 0, &c->out),
        0);
    feed(c);
    return c->request_id;
}

bool client_next(struct client *c, struct vxc_message *m)
{
    struct vxc_slice left = vxc_slice(c->in.data + c->taken, c->in.size - c->taken);
    uint32_t need;

    if (left.size == 0) {
        return false;
    }
    assert_int_equal(vxc_frame_decode(left, VXC_FRAME_SIZE_MAX, &c->frame, &need), 0);
    c->taken += c->frame.size;
    assert_int_equal(vxc_message_decode(c->frame.kind, c->frame.payload, m), 0);
    return true;
}

void client_expect(struct client *c, uint32_t request_id, uint16_t kind, struct vxc_message *m)
{
    if (!client_next(c, m)) {
        fail_msg("no answer to request %u", request_id);
    }
    assert_int_equal(m->kind, kind);
    assert_int_equal(c->frame.request_id, request_id);
}

void client_expect_nothing(struct client *c)
{
    struct vxc_message m;

    if (client_next(c, &m)) {
        fail_msg("an answer of kind %u to request %u", m.kind, c->frame.request_id);
    }
}

void client_expect_error(struct client *c, uint32_t request_id, int code, const char *part)
{
    struct vxc_message m;
    char text[512];

    client_expect(c, request_id, VXC_KIND_ERROR_REPLY, &m);
    assert_int_equal(m.error_reply.code, code);
    (void)snprintf(text, sizeof text, "%.*s", (int)m.error_reply.message.size,
                   (const char *)m.error_reply.message.data);
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", text, part);
    }
}

struct vxc_message message_of(uint16_t kind)
{
    struct vxc_message m;

    memset(&m, 0, sizeof m);
    m.kind = kind;
    return m;
}

struct vxc_msg_session_reply client_open_session(struct client *c)
{
    struct vxc_message m = message_of(VXC_KIND_SESSION_OPEN);
    uint32_t id = client_send(c, &m);

    world_commit(c->world);
    client_expect(c, id, VXC_KIND_SESSION_REPLY, &m);
    return m.session_reply;
}
