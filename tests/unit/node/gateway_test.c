/* The gateway in a cluster: rounds of reads, roles, members, state sync. What one node alone does is
 * tested by the programs around it (node_test, tests/integration). */
#include "gateway_fixture.h"

#include "wire/operations.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- requests ---- */

static struct vxc_message put_of(const char *key, const char *value)
{
    struct vxc_message m = message_of(VXC_KIND_MAP_PUT);

    m.map_put.map = text("m");
    m.map_put.key = text(key);
    m.map_put.value = text(value);
    return m;
}

static struct vxc_message get_of(const char *key)
{
    struct vxc_message m = message_of(VXC_KIND_MAP_GET);

    m.map_get.map = text("m");
    m.map_get.key = text(key);
    return m;
}

static uint32_t put(struct client *c, const char *key, const char *value)
{
    struct vxc_message m = put_of(key, value);

    return client_send(c, &m);
}

static uint32_t get(struct client *c, const char *key)
{
    struct vxc_message m = get_of(key);

    return client_send(c, &m);
}

static void expect_read(struct client *c, uint32_t request_id, const char *value)
{
    struct vxc_message m;

    client_expect(c, request_id, VXC_KIND_VALUE_REPLY, &m);
    assert_int_equal(m.value_reply.value.present, value != NULL);
    if (value != NULL) {
        assert_slice_is(m.value_reply.value.bytes, value);
    }
}

static void store(struct world *w, struct client *c, const char *key, const char *value)
{
    uint32_t id = put(c, key, value);
    struct vxc_message m;

    world_commit(w);
    client_expect(c, id, VXC_KIND_VALUE_REPLY, &m);
}

static uint32_t hello(struct client *c, const char *namespace_name)
{
    struct vxc_message m = message_of(VXC_KIND_HELLO);

    m.hello.version_min = m.hello.version_max = VXC_PROTOCOL_VERSION;
    m.hello.namespace_name = text(namespace_name);
    return client_send(c, &m);
}

static uint32_t resume(struct client *c, const struct vxc_msg_session_reply *s, uint64_t last_index)
{
    struct vxc_message m = message_of(VXC_KIND_SESSION_RESUME);

    m.session_resume.session = s->session;
    m.session_resume.secret = s->secret;
    m.session_resume.last_event_index = last_index;
    return client_send(c, &m);
}

/* ---- rounds of reads ---- */

static void a_node_alone_answers_reads_at_once(void **state)
{
    struct world *w = *state;
    struct client c;

    client_open(w, &c);
    store(w, &c, "k", "v");
    expect_read(&c, get(&c, "k"), "v");
    client_close(&c);
}

static void a_read_waits_for_its_round(void **state)
{
    struct world *w = *state;
    struct client c;
    uint32_t id;

    client_open(w, &c);
    store(w, &c, "k", "v");
    w->replica.round = 7;
    id = get(&c, "k");
    client_expect_nothing(&c);
    world_confirm(w, 6);
    client_expect_nothing(&c);
    world_confirm(w, 7);
    expect_read(&c, id, "v");
    client_close(&c);
}

static void a_later_round_answers_earlier_reads_too(void **state)
{
    struct world *w = *state;
    struct client a;
    struct client b;
    uint32_t first;
    uint32_t second;

    client_open(w, &a);
    client_open(w, &b);
    w->replica.round = 1;
    first = get(&a, "k");
    w->replica.round = 2;
    second = get(&b, "k");
    world_confirm(w, 2);
    expect_read(&a, first, NULL);
    expect_read(&b, second, NULL);
    client_close(&a);
    client_close(&b);
}

static void replies_keep_the_order_of_requests(void **state)
{
    struct world *w = *state;
    struct vxc_gateway_stats stats;
    struct client c;
    uint32_t ids[4];
    struct vxc_message m;

    client_open(w, &c);
    w->replica.round = 1;
    ids[0] = get(&c, "k");
    ids[1] = put(&c, "k", "1");
    w->replica.round = 2;
    ids[2] = get(&c, "k");
    ids[3] = put(&c, "k", "2");
    world_confirm(w, 1);
    expect_read(&c, ids[0], NULL);
    client_expect_nothing(&c);
    world_commit(w); /* both writes; the read between them waits for its own round */
    client_expect(&c, ids[1], VXC_KIND_VALUE_REPLY, &m);
    client_expect_nothing(&c);
    world_confirm(w, 2);
    expect_read(&c, ids[2], "1"); /* and not what was written behind it */
    client_expect(&c, ids[3], VXC_KIND_VALUE_REPLY, &m);
    vxc_gateway_stats(w->gateway, &stats);
    assert_int_equal(stats.inflight_requests, 0);
    assert_int_equal(stats.inflight_bytes, 0);
    client_close(&c);
}

static void what_was_looked_at_early_is_refused_with_its_round(void **state)
{
    struct world *w = *state;
    struct vxc_gateway_stats stats;
    struct client c;
    uint32_t ids[3];

    client_open(w, &c);
    w->replica.round = 1;
    ids[0] = get(&c, "k");
    ids[1] = put(&c, "k", "v"); /* the read has looked */
    ids[2] = get(&c, "k");
    world_commit(w);
    client_expect_nothing(&c);
    vxc_gateway_on_reads(w->gateway, 1, VXC_ENOTPRIMARY);
    world_settle(w);
    client_expect_error(&c, ids[0], VXC_ENOTPRIMARY, "not the primary");
    client_expect(&c, ids[1], VXC_KIND_VALUE_REPLY,
                  &(struct vxc_message){0}); /* it was committed */
    client_expect_error(&c, ids[2], VXC_ENOTPRIMARY, "not the primary");
    vxc_gateway_stats(w->gateway, &stats);
    assert_int_equal(stats.inflight_bytes, 0);
    client_close(&c);
}

static void a_write_given_up_early_lets_no_read_overtake_the_write_before_it(void **state)
{
    const struct vxc_result full = {.code = VXC_ENOSPC, .text = "no space"};
    struct world *w = *state;
    struct client c;
    uint32_t ids[4];
    struct vxc_message m;

    client_open(w, &c);
    w->replica.round = 1;
    ids[0] = put(&c, "k", "1");
    ids[1] = put(&c, "k", "2"); /* does not reach the log: its failure comes first */
    ids[2] = get(&c, "k");
    ids[3] = put(&c, "k", "3");
    vxc_gateway_on_result(w->gateway, w->replica.proposals[1].proposal, &full);
    vxc_buffer_free(&w->replica.proposals[1].command);
    w->replica.proposals[1] = w->replica.proposals[2];
    w->replica.proposal_count = 2;
    world_commit(w);
    world_confirm(w, 1);
    client_expect(&c, ids[0], VXC_KIND_VALUE_REPLY, &m);
    client_expect_error(&c, ids[1], VXC_ENOSPC, "no space");
    expect_read(&c, ids[2], "1");
    client_expect(&c, ids[3], VXC_KIND_VALUE_REPLY, &m);
    client_close(&c);
}

static void many_reads_and_writes_in_one_pipeline_keep_their_values(void **state)
{
    enum { COUNT = 100 };
    struct world *w = *state;
    struct client c;
    struct vxc_message m;
    uint32_t writes[COUNT];
    uint32_t reads[COUNT];
    char values[COUNT][8];

    client_open(w, &c);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(values[i], sizeof values[i], "%d", i);
        w->replica.round = (uint64_t)i / 7 + 1;
        writes[i] = put(&c, "k", values[i]);
        reads[i] = get(&c, "k");
        if (i % 5 == 4) {
            world_commit(w);
        }
        if (i % 11 == 10) {
            world_confirm(w, (uint64_t)i / 7); /* not the newest ones */
        }
    }
    world_commit(w);
    world_confirm(w, COUNT);
    for (int i = 0; i < COUNT; i++) {
        client_expect(&c, writes[i], VXC_KIND_VALUE_REPLY, &m);
        expect_read(&c, reads[i], values[i]);
    }
    client_expect_nothing(&c);
    client_close(&c);
}

static void a_round_that_ends_before_the_write_in_front_still_counts(void **state)
{
    struct world *w = *state;
    struct client c;
    uint32_t written;
    uint32_t read;
    struct vxc_message m;

    client_open(w, &c);
    w->replica.round = 1;
    written = put(&c, "k", "v");
    read = get(&c, "k");
    world_confirm(w, 1);
    client_expect_nothing(&c);
    world_commit(w);
    client_expect(&c, written, VXC_KIND_VALUE_REPLY, &m);
    expect_read(&c, read, "v");
    client_close(&c);
}

static void a_read_whose_client_left_is_forgotten(void **state)
{
    struct world *w = *state;
    struct vxc_gateway_stats stats;
    struct client c;

    client_open(w, &c);
    w->replica.round = 1;
    (void)get(&c, "k");
    client_close(&c);
    world_confirm(w, 1);
    vxc_gateway_stats(w->gateway, &stats);
    assert_int_equal(stats.inflight_requests, 0);
    assert_int_equal(stats.inflight_bytes, 0);
}

static void a_refused_round_refuses_its_reads(void **state)
{
    struct world *w = *state;
    struct client c;
    uint32_t first;
    uint32_t second;

    client_open(w, &c);
    w->replica.round = 1;
    first = get(&c, "k");
    w->replica.round = 2;
    second = get(&c, "k");
    vxc_gateway_on_reads(w->gateway, 1, VXC_ENOTPRIMARY);
    world_settle(w);
    client_expect_error(&c, first, VXC_ENOTPRIMARY, "not the primary");
    client_expect_nothing(&c);
    world_confirm(w, 2);
    expect_read(&c, second, NULL);
    client_close(&c);
}

static void a_new_primary_that_is_not_ready_says_busy(void **state)
{
    struct world *w = *state;
    struct client c;

    client_open(w, &c);
    w->replica.read_code = VXC_EBUSY;
    client_expect_error(&c, get(&c, "k"), VXC_EBUSY, "busy");
    client_close(&c);
}

/* ---- backups ---- */

static void losing_the_role_refuses_reads_and_tells_where_to_go(void **state)
{
    struct world *w = *state;
    struct client c;
    uint32_t write;
    uint32_t reads[2];

    client_open(w, &c);
    w->replica.round = 1;
    reads[0] = get(&c, "k");
    write = put(&c, "k", "v");
    reads[1] = get(&c, "k");
    world_follow(w, 2);
    client_expect_error(&c, reads[0], VXC_ENOTPRIMARY, "it is node 2 at 10.0.0.2:7400");
    client_expect_error(&c, write, VXC_EUNKNOWN, "unknown");
    client_expect_error(&c, reads[1], VXC_ENOTPRIMARY, "it is node 2 at 10.0.0.2:7400");
    client_expect_error(&c, put(&c, "k", "v"), VXC_ENOTPRIMARY, "it is node 2 at 10.0.0.2:7400");
    w->replica.primary_id = 0;
    client_expect_error(&c, get(&c, "k"), VXC_ENOTPRIMARY, "no primary is known at present");
    assert_non_null(c.conn); /* without a session it stays */
    client_close(&c);
}

static void stale_reads_are_answered_by_any_node_and_say_what_they_saw(void **state)
{
    struct world *w = *state;
    struct vxc_message m = get_of("k");
    struct client c;
    uint32_t id;

    client_open(w, &c);
    store(w, &c, "k", "v");
    w->replica.round = 1;
    id = client_send_flags(&c, VXC_FRAME_REQUEST | VXC_FRAME_STALE, &m);
    expect_read(&c, id, "v"); /* no round, on the primary neither */
    world_follow(w, 2);
    id = client_send_flags(&c, VXC_FRAME_REQUEST | VXC_FRAME_STALE, &m);
    client_expect(&c, id, VXC_KIND_VALUE_REPLY, &m);
    assert_slice_is(m.value_reply.value.bytes, "v");
    assert_int_equal(m.value_reply.index, vxc_fsm_applied_index(w->state.fsm));
    client_close(&c);
}

static void stale_writes_are_writes(void **state)
{
    struct world *w = *state;
    struct vxc_message m = put_of("k", "v");
    struct client c;

    client_open(w, &c);
    world_follow(w, 2);
    client_expect_error(&c, client_send_flags(&c, VXC_FRAME_REQUEST | VXC_FRAME_STALE, &m),
                        VXC_ENOTPRIMARY, "not the primary");
    client_close(&c);
}

static void the_original_protocol_is_redirected(void **state)
{
    static const uint16_t kinds[] = {VXC_KIND_LEGACY_MAP_GET, VXC_KIND_LEGACY_MAP_PUT,
                                     VXC_KIND_JOIN,           VXC_KIND_LEGACY_LOCK_ACQUIRE,
                                     VXC_KIND_LEAVE,          VXC_KIND_STATE_SYNC};
    struct world *w = *state;
    struct client c;
    struct vxc_message m;
    uint32_t id;

    client_open(w, &c);
    world_follow(w, 2);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        m = message_of(kinds[i]);
        id = client_send_flags(&c, VXC_FRAME_REQUEST | VXC_FRAME_STALE, &m); /* they have none */
        client_expect(&c, id, VXC_KIND_LEADER_REDIRECT, &m);
        assert_int_equal(m.leader_redirect.code, 1);
        assert_true(m.leader_redirect.leader_address.present);
        assert_slice_is(m.leader_redirect.leader_address.bytes, "10.0.0.2:7400");
    }
    w->replica.primary_id = 0;
    m = message_of(VXC_KIND_GET_NODES);
    client_expect(&c, client_send(&c, &m), VXC_KIND_LEADER_REDIRECT, &m);
    assert_false(m.leader_redirect.leader_address.present);
    client_close(&c);
}

static void ping_status_and_members_are_answered_by_any_node(void **state)
{
    struct world *w = *state;
    struct client c;
    struct vxc_message m;

    client_open(w, &c);
    world_follow(w, 2);
    m = message_of(VXC_KIND_PING);
    client_expect(&c, client_send(&c, &m), VXC_KIND_PONG, &m);
    m = message_of(VXC_KIND_STATUS);
    client_expect(&c, client_send(&c, &m), VXC_KIND_VALUE_REPLY, &m);
    m = message_of(VXC_KIND_MEMBER_LIST);
    client_expect(&c, client_send(&c, &m), VXC_KIND_PAGE_REPLY, &m);
    client_close(&c);
}

static void a_backup_answers_hello_and_proposes_nothing(void **state)
{
    struct world *w = *state;
    struct client c;
    struct vxc_message m;

    client_open(w, &c);
    world_follow(w, 2);
    client_expect(&c, hello(&c, "orders"), VXC_KIND_HELLO_REPLY, &m);
    assert_false(m.hello_reply.primary);
    assert_slice_is(m.hello_reply.primary_address, "10.0.0.2:7400");
    assert_int_equal(w->replica.proposal_count, 0);
    client_close(&c);
}

static void a_namespace_that_a_backup_has_not_got_is_empty_until_it_has(void **state)
{
    struct world *w = *state;
    struct vxc_message m;
    struct client reader;
    struct client writer;
    uint32_t id;

    client_open(w, &reader);
    client_open(w, &writer);
    store(w, &writer, "k", "of the default namespace");
    world_follow(w, 2);
    client_expect(&reader, hello(&reader, "orders"), VXC_KIND_HELLO_REPLY, &m);
    m = get_of("k");
    id = client_send_flags(&reader, VXC_FRAME_REQUEST | VXC_FRAME_STALE, &m);
    expect_read(&reader, id, NULL);
    world_lead(w);
    /* it said hello to a backup: what it writes has no namespace yet */
    client_expect_error(&reader, put(&reader, "k", "v"), VXC_ENOTPRIMARY, "say hello again");
    id = hello(&writer, "orders");
    world_commit(w);
    client_expect(&writer, id, VXC_KIND_HELLO_REPLY, &m);
    assert_true(m.hello_reply.primary);
    assert_slice_is(m.hello_reply.primary_address, "10.0.0.1:7400");
    store(w, &writer, "k", "of orders");
    world_follow(w, 2);
    m = get_of("k");
    id = client_send_flags(&reader, VXC_FRAME_REQUEST | VXC_FRAME_STALE, &m);
    expect_read(&reader, id, "of orders");
    client_close(&reader);
    client_close(&writer);
}

/* ---- sessions and roles ---- */

static void a_session_is_cut_when_the_role_is_lost_and_lives_on(void **state)
{
    struct world *w = *state;
    struct client c;
    struct client again;
    struct vxc_msg_session_reply session;
    struct vxc_gateway_stats stats;
    struct vxc_message m = put_of("k", "v");
    uint8_t secret[16];
    uint32_t id;

    client_open(w, &c);
    session = client_open_session(&c);
    memcpy(secret, session.secret.data, sizeof secret);
    session.secret = vxc_slice(secret, sizeof secret);
    (void)client_send_sequenced(&c, 1, &m);
    world_follow(w, 2);
    assert_null(c.conn);
    assert_int_equal(c.close_code, VXC_ENOTPRIMARY);
    client_expect_nothing(&c); /* the next primary knows what became of it */
    w->now_ms += 100000;
    (void)vxc_gateway_turn(w->gateway); /* who is no primary lets no session expire */
    assert_int_equal(w->replica.proposal_count, 0);

    world_lead(w);
    client_open(w, &again);
    id = resume(&again, &session, 0);
    world_commit(w);
    client_expect(&again, id, VXC_KIND_SESSION_REPLY, &m);
    assert_true(m.session_reply.resumed);
    vxc_gateway_stats(w->gateway, &stats);
    assert_int_equal(stats.sessions_connected, 1);
    client_close(&c);
    client_close(&again);
}

static void pending_requests_are_answered_before_the_cut(void **state)
{
    struct world *w = *state;
    struct client c;
    uint32_t ids[2];

    client_open(w, &c);
    (void)client_open_session(&c);
    w->replica.round = 1;
    ids[0] = put(&c, "k", "v"); /* without a sequence: nobody will ever know */
    ids[1] = get(&c, "k");
    world_follow(w, 2);
    client_expect_error(&c, ids[0], VXC_EUNKNOWN, "unknown");
    client_expect_error(&c, ids[1], VXC_ENOTPRIMARY, "node 2");
    assert_null(c.conn);
    client_close(&c);
}

/* A full disk: the open entry is given up, while one before it is on its way. */
static void what_never_left_is_refused_before_what_did_is_answered(void **state)
{
    struct world *w = *state;
    struct vxc_result full = {.code = VXC_ENOSPC, .text = "no space"};
    struct client c[2];
    struct vxc_message m;
    uint32_t ids[2];

    for (unsigned i = 0; i < 2; i++) {
        struct puppet_proposal *second = &w->replica.proposals[1];

        client_open(w, &c[i]);
        ids[0] = put(&c[i], "k", "v");
        ids[1] = put(&c[i], "k", "w");
        world_settle(w);
        assert_int_equal(w->replica.proposal_count, 2);
        if (i == 1) {
            client_close(&c[i]); /* nobody waits for either */
        }
        vxc_gateway_on_result(w->gateway, second->proposal, &full);
        vxc_buffer_free(&second->command);
        w->replica.proposal_count = 1;
        world_commit(w);
        if (i == 0) {
            client_expect(&c[i], ids[0], VXC_KIND_VALUE_REPLY, &m);
            client_expect_error(&c[i], ids[1], VXC_ENOSPC, "space");
            client_close(&c[i]);
        }
    }
}

static void pass_seconds(struct world *w, int seconds)
{
    for (int i = 0; i < seconds; i++) { /* small steps: a gap would be added to the lease */
        w->now_ms += 1000;
        (void)vxc_gateway_turn(w->gateway);
    }
}

static void a_new_primary_gives_every_session_its_whole_timeout(void **state)
{
    struct world *w = *state;
    struct client c;

    client_open(w, &c);
    (void)client_open_session(&c);
    client_close(&c);
    w->now_ms += 19000;
    world_follow(w, 2);
    world_lead(w);
    pass_seconds(w, 19);
    assert_int_equal(w->replica.proposal_count, 0);
    pass_seconds(w, 2);
    assert_int_equal(w->replica.proposal_count, 1); /* its expiry */
}

/* The session's client comes on a new connection while the log has no room. */
static void a_session_is_resumed_without_space(void **state)
{
    struct world *w = *state;
    struct client c;
    struct vxc_msg_session_reply session;
    struct vxc_message m;
    uint8_t secret[16];

    client_open(w, &c);
    session = client_open_session(&c); /* of 20 s */
    memcpy(secret, session.secret.data, sizeof secret);
    session.secret = vxc_slice(secret, sizeof secret);
    client_close(&c);
    w->replica.propose_code = VXC_ENOSPC;
    for (int i = 0; i < 3; i++) {
        pass_seconds(w, 15);
        client_open(w, &c);
        client_expect(&c, resume(&c, &session, 0), VXC_KIND_SESSION_REPLY, &m);
        assert_true(m.session_reply.resumed);
        assert_int_equal(m.session_reply.session, session.session);
        client_close(&c);
    }
    pass_seconds(w, 15);
    secret[3] ^= 1; /* that is somebody else */
    client_open(w, &c);
    client_expect_error(&c, resume(&c, &session, 0), VXC_ENOSPC, "space");
    client_close(&c);
    w->replica.propose_code = 0;
    pass_seconds(w, 6);
    assert_int_equal(w->replica.proposal_count, 1); /* its expiry */
    client_open(w, &c);
    secret[3] ^= 1;
    const uint32_t id = resume(&c, &session, 0); /* too late, and it has to wait for that */
    world_commit(w);
    client_expect_error(&c, id, VXC_ESESSION, "expired");
    client_close(&c);
}

static void a_resume_waits_for_its_round(void **state)
{
    struct world *w = *state;
    struct client c;
    struct vxc_msg_session_reply session;
    struct vxc_message m;
    uint8_t secret[16];
    uint32_t ids[2];

    client_open(w, &c);
    session = client_open_session(&c);
    memcpy(secret, session.secret.data, sizeof secret);
    session.secret = vxc_slice(secret, sizeof secret);
    client_close(&c);
    client_open(w, &c);
    w->replica.round = 1;
    ids[0] = resume(&c, &session, 0);
    ids[1] = get(&c, "k"); /* waits for its turn behind it */
    client_expect_nothing(&c);
    world_confirm(w, 1);
    client_expect(&c, ids[0], VXC_KIND_SESSION_REPLY, &m);
    assert_true(m.session_reply.resumed);
    client_send(&c, &(struct vxc_message){.kind = VXC_KIND_PING}); /* feeds what waited */
    expect_read(&c, ids[1], NULL);
    client_close(&c);

    w->replica.round = 2;
    client_open(w, &c);
    ids[0] = resume(&c, &session, 0);
    client_expect_nothing(&c);
    world_follow(w, 2);
    client_expect_error(&c, ids[0], VXC_ENOTPRIMARY, "node 2");
    client_close(&c);
}

static void events_are_resumed_without_gap_or_repetition(void **state)
{
    struct world *w = *state;
    struct client watcher;
    struct client writer;
    struct client again;
    struct vxc_msg_session_reply session;
    struct vxc_message m = message_of(VXC_KIND_WATCH_ADD);
    uint8_t secret[16];
    uint64_t seen;
    uint32_t id;

    client_open(w, &watcher);
    client_open(w, &writer);
    session = client_open_session(&watcher);
    memcpy(secret, session.secret.data, sizeof secret);
    session.secret = vxc_slice(secret, sizeof secret);
    m.watch_add.kind = VXC_WATCH_MAP;
    m.watch_add.name = text("m");
    id = client_send(&watcher, &m);
    world_commit(w);
    client_expect(&watcher, id, VXC_KIND_NUMBER_REPLY, &m);
    store(w, &writer, "a", "1");
    client_expect(&watcher, 0, VXC_KIND_EVENT_DATA, &m);
    seen = m.event_data.index;
    world_follow(w, 2);
    /* the other primary's entries, applied here as a backup */
    (void)fixture_run(&w->state, &(struct vxc_command){.op = VXC_OP_MAP_PUT,
                                                       .name = text("m"),
                                                       .key = text("b"),
                                                       .value = text("2")});
    world_lead(w);
    client_open(w, &again);
    id = resume(&again, &session, seen);
    world_commit(w);
    client_expect(&again, 0, VXC_KIND_EVENT_DATA, &m);
    assert_slice_is(m.event_data.key.bytes, "b");
    client_expect(&again, id, VXC_KIND_SESSION_REPLY, &m);
    assert_false(m.session_reply.resync);
    store(w, &writer, "c", "3");
    client_expect(&again, 0, VXC_KIND_EVENT_DATA, &m);
    client_expect_nothing(&again);
    client_close(&watcher);
    client_close(&writer);
    client_close(&again);
}

static void a_legacy_node_rejoins_at_the_new_primary(void **state)
{
    struct world *w = *state;
    struct client holder;
    struct client waiter;
    struct client again;
    struct vxc_message m;
    uint32_t id;

    client_open(w, &holder);
    client_open(w, &waiter);
    for (int i = 0; i < 2; i++) {
        struct client *c = i == 0 ? &holder : &waiter;

        m = message_of(VXC_KIND_JOIN);
        m.join.node_id = text(i == 0 ? "holder" : "waiter");
        id = client_send(c, &m);
        world_commit(w);
        client_expect(c, id, VXC_KIND_JOIN_REPLY, &m);
        m = message_of(VXC_KIND_LEGACY_LOCK_ACQUIRE);
        m.legacy_lock_acquire.lock_name = text("l");
        id = client_send(c, &m);
        world_commit(w);
        client_expect(c, id, VXC_KIND_LEGACY_LOCK_ACQUIRE_REPLY, &m);
        assert_int_equal(m.legacy_lock_acquire_reply.acquired, i == 0);
    }
    world_follow(w, 2);
    assert_null(waiter.conn);
    world_lead(w);

    client_open(w, &again);
    m = message_of(VXC_KIND_JOIN);
    m.join.node_id = text("holder");
    id = client_send(&again, &m);
    world_commit(w);
    client_expect(&again, id, VXC_KIND_JOIN_REPLY, &m);
    m = message_of(VXC_KIND_LOCK_SYNC);
    m.lock_sync.held_locks = (struct vxc_list){1, vxc_slice("\1\0\0\0l", 5)};
    client_expect(&again, client_send(&again, &m), VXC_KIND_LOCK_SYNC_REPLY, &m);
    assert_int_equal(m.lock_sync_reply.synchronized_locks.count, 1);
    client_close(&holder);
    client_close(&waiter);
    client_close(&again);

    client_open(w, &again); /* it waits on, and asks again on its new connection */
    m = message_of(VXC_KIND_JOIN);
    m.join.node_id = text("waiter");
    id = client_send(&again, &m);
    world_commit(w);
    client_expect(&again, id, VXC_KIND_JOIN_REPLY, &m);
    m = message_of(VXC_KIND_LEGACY_LOCK_ACQUIRE);
    m.legacy_lock_acquire.lock_name = text("l");
    id = client_send(&again, &m);
    world_commit(w);
    client_expect(&again, id, VXC_KIND_LEGACY_LOCK_ACQUIRE_REPLY, &m);
    assert_int_equal(m.legacy_lock_acquire_reply.queue_position.number, 1);
    client_open(w, &holder);
    m = message_of(VXC_KIND_LEAVE);
    m.leave.node_id = text("holder");
    (void)client_send(&holder, &m);
    world_commit(w);
    client_expect(&again, id, VXC_KIND_LEGACY_LOCK_ACQUIRE_REPLY, &m);
    assert_true(m.legacy_lock_acquire_reply.acquired);
    client_close(&holder);
    client_close(&again);
}

/* ---- no state for a while ---- */

static void while_there_is_no_state_everything_is_busy(void **state)
{
    static const uint16_t kinds[] = {
        VXC_KIND_MAP_GET,    VXC_KIND_MAP_PUT,    VXC_KIND_SESSION_OPEN, VXC_KIND_MEMBER_LIST,
        VXC_KIND_MEMBER_ADD, VXC_KIND_CHECKPOINT, VXC_KIND_LOCK_ACQUIRE, VXC_KIND_SNAPSHOT_BEGIN};
    struct world *w = *state;
    struct client waiting;
    struct client c;
    struct vxc_message m;
    uint32_t read;

    client_open(w, &waiting);
    client_open(w, &c);
    w->replica.round = 1;
    read = get(&waiting, "k");
    world_follow(w, 2);
    client_expect_error(&waiting, read, VXC_ENOTPRIMARY, "node 2");
    vxc_gateway_set_replica(w->gateway, NULL, NULL);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        m = message_of(kinds[i]);
        client_expect_error(&c, client_send(&c, &m), VXC_EBUSY, "getting its state from a peer");
        client_expect_error(&c, client_send_flags(&c, VXC_FRAME_REQUEST | VXC_FRAME_STALE, &m),
                            VXC_EBUSY, "getting its state from a peer");
    }
    m = message_of(VXC_KIND_HELLO); /* who it is, and how it is, can be asked */
    m.hello.version_min = m.hello.version_max = 1;
    client_expect(&c, client_send(&c, &m), VXC_KIND_HELLO_REPLY, &m);
    assert_false(m.hello_reply.primary);
    m = message_of(VXC_KIND_STATUS);
    client_expect(&c, client_send(&c, &m), VXC_KIND_VALUE_REPLY, &m);
    m = message_of(VXC_KIND_LEGACY_MAP_GET);
    client_expect(&c, client_send(&c, &m), VXC_KIND_LEGACY_ERROR, &m);
    m = message_of(VXC_KIND_JOIN);
    client_expect(&c, client_send(&c, &m), VXC_KIND_LEGACY_ERROR, &m);
    m = message_of(VXC_KIND_PING);
    client_expect(&c, client_send(&c, &m), VXC_KIND_PONG, &m);
    (void)vxc_gateway_turn(w->gateway);
    vxc_gateway_set_replica(w->gateway, &w->replica, w->state.fsm);
    world_lead(w);
    w->replica.round = 1; /* a replica counts its rounds from one: an old one says nothing of it */
    read = get(&c, "k");
    client_expect_nothing(&c);
    world_confirm(w, 1);
    expect_read(&c, read, NULL);
    client_close(&waiting);
    client_close(&c);
}

/* ---- between nodes ---- */

static void a_first_frame_of_a_node_hands_the_connection_over(void **state)
{
    struct world *w = *state;
    struct vxc_message m = message_of(VXC_KIND_PEER_HELLO);
    struct vxc_gateway_stats stats;
    struct client c;

    client_open(w, &c);
    (void)client_send(&c, &m);
    assert_non_null(w->peer);
    assert_int_equal(w->peer_hellos, 1);
    vxc_gateway_stats(w->gateway, &stats);
    assert_int_equal(stats.active_connections, 0);
    m = message_of(VXC_KIND_MAP_GET);
    (void)client_send(&c, &m); /* whatever comes is the other owner's */
    assert_int_equal(w->peer_hellos, 2);
    client_expect_nothing(&c);
    client_close(&c);
    assert_null(w->peer);
}

static void a_client_that_speaks_as_a_node_is_cut(void **state)
{
    struct world *w = *state;
    struct vxc_message m;
    struct client c;

    client_open(w, &c);
    expect_read(&c, get(&c, "k"), NULL);
    m = message_of(VXC_KIND_PEER_HELLO); /* not the first frame */
    (void)client_send(&c, &m);
    assert_null(c.conn);
    assert_int_equal(c.close_code, VXC_EPROTO);
    client_close(&c);

    client_open(w, &c);
    m = message_of(VXC_KIND_PEER_APPEND); /* no hello before it */
    (void)client_send_flags(&c, VXC_FRAME_EVENT, &m);
    assert_null(c.conn);
    assert_int_equal(c.close_code, VXC_EPROTO);
    assert_int_equal(w->peer_hellos, 0);
    client_close(&c);
}

/* ---- members ---- */

static uint32_t member_add(struct client *c, uint64_t id, const char *address)
{
    struct vxc_message m = message_of(VXC_KIND_MEMBER_ADD);

    m.member_add.id = id;
    m.member_add.address = text(address);
    return client_send(c, &m);
}

static uint32_t member_remove(struct client *c, uint64_t id)
{
    struct vxc_message m = message_of(VXC_KIND_MEMBER_REMOVE);

    m.member_remove.id = id;
    return client_send(c, &m);
}

static uint32_t member_transfer(struct client *c, uint64_t id)
{
    struct vxc_message m = message_of(VXC_KIND_MEMBER_TRANSFER);

    m.member_transfer.id = id;
    return client_send(c, &m);
}

static uint64_t add_member(struct world *w, struct client *c, uint64_t id, const char *address)
{
    uint32_t request = member_add(c, id, address);
    struct vxc_message m;

    world_commit(w);
    client_expect(c, request, VXC_KIND_NUMBER_REPLY, &m);
    assert_true(m.number_reply.found);
    return (uint64_t)m.number_reply.number;
}

static void have_members(struct world *w, uint32_t count)
{
    w->replica.member_count = count;
    for (uint32_t i = 0; i < count; i++) {
        w->replica.members[i] = (struct vxc_replica_member){
            .id = i + 1, .role = VXC_MEMBER_VOTER, .match_index = 10 + i, .heard_ms = i};
    }
}

static void members_are_listed_with_role_and_address(void **state)
{
    struct world *w = *state;
    struct vxc_message m = message_of(VXC_KIND_MEMBER_LIST);
    struct vxc_message info;
    struct vxc_slice key;
    struct vxc_slice value;
    struct client c;

    client_open(w, &c);
    have_members(w, 2);
    w->replica.members[2] = w->replica.members[0]; /* in no order */
    w->replica.members[0] =
        (struct vxc_replica_member){.id = 9, .role = VXC_MEMBER_STANDBY, .heard_ms = UINT64_MAX};
    w->replica.member_count = 3;
    client_expect(&c, client_send(&c, &m), VXC_KIND_PAGE_REPLY, &m);
    assert_int_equal(m.page_reply.rows.count, 3);

    assert_true(vxc_list_next_pair(&m.page_reply.rows, &key, &value));
    assert_int_equal(vxc_load_be64(key.data), 1);
    assert_int_equal(vxc_message_decode(VXC_KIND_MEMBER_INFO, value, &info), 0);
    assert_int_equal(info.member_info.role, 2);
    assert_slice_is(info.member_info.address, "10.0.0.1:7400");
    assert_false(info.member_info.silent_ms.present); /* of itself */

    assert_true(vxc_list_next_pair(&m.page_reply.rows, &key, &value));
    assert_int_equal(vxc_message_decode(VXC_KIND_MEMBER_INFO, value, &info), 0);
    assert_int_equal(info.member_info.id, 2);
    assert_int_equal(info.member_info.role, 1);
    assert_int_equal(info.member_info.match_index, 11);
    assert_slice_is(info.member_info.address, "10.0.0.2:7400");
    assert_true(info.member_info.silent_ms.present);
    assert_int_equal(info.member_info.silent_ms.number, 1);

    assert_true(vxc_list_next_pair(&m.page_reply.rows, &key, &value));
    assert_int_equal(vxc_message_decode(VXC_KIND_MEMBER_INFO, value, &info), 0);
    assert_int_equal(info.member_info.id, 9);
    assert_int_equal(info.member_info.role, 0);
    assert_int_equal(info.member_info.address.size, 0);
    assert_false(info.member_info.silent_ms.present); /* never heard */
    client_close(&c);
}

static void a_member_is_noted_before_it_is_added(void **state)
{
    struct world *w = *state;
    struct vxc_member_view view;
    struct client c;
    struct vxc_message m;
    uint32_t id;

    client_open(w, &c);
    have_members(w, 1);
    id = member_add(&c, 0, "10.0.0.7:7400");
    assert_int_equal(w->replica.added, UINT64_MAX); /* its row is not committed yet */
    world_commit(w);
    assert_int_equal(w->replica.added, 2);
    client_expect(&c, id, VXC_KIND_NUMBER_REPLY, &m);
    assert_int_equal(m.number_reply.number, 2);
    assert_int_equal(vxc_fsm_member(w->state.fsm, 2, &view), 0);
    assert_slice_is(view.address, "10.0.0.7:7400");
    assert_int_equal(view.incarnation, 0);
    client_close(&c);
}

static void ids_of_members_are_never_used_again(void **state)
{
    struct world *w = *state;
    struct vxc_message m;
    struct client c;
    uint32_t id;

    client_open(w, &c);
    have_members(w, 3);
    assert_int_equal(add_member(w, &c, 0, "10.0.0.4:7400"), 4);
    id = member_remove(&c, 4);
    world_commit(w);
    client_expect(&c, id, VXC_KIND_DONE_REPLY, &m);
    assert_int_equal(add_member(w, &c, 0, "10.0.0.4:7400"), 5);
    client_expect_error(&c, member_add(&c, 4, "10.0.0.4:7400"), VXC_EEXISTS, "never comes back");
    client_expect_error(&c, member_add(&c, 3, "10.0.0.3:7400"), VXC_EEXISTS, "there is a member");
    client_expect_error(&c, member_add(&c, 0, "nowhere"), VXC_EINVAL, "HOST:PORT");
    client_close(&c);
}

static void an_add_that_was_refused_is_asked_again_under_its_id(void **state)
{
    struct world *w = *state;
    struct client c;
    uint32_t id;

    client_open(w, &c);
    have_members(w, 3);
    w->replica.change_code = VXC_EBUSY;
    w->replica.change_text = "a change is under way";
    id = member_add(&c, 0, "10.0.0.4:7400");
    world_commit(w);
    client_expect_error(&c, id, VXC_EBUSY, "a change is under way");
    w->replica.change_code = 0;
    assert_int_equal(add_member(w, &c, 0, "10.0.0.5:7400"), 5); /* another node */
    assert_int_equal(add_member(w, &c, 0, "10.0.0.4:7400"), 4);
    client_close(&c);
}

static void a_removal_that_stopped_half_way_goes_on(void **state)
{
    struct world *w = *state;
    struct vxc_member_view view;
    struct vxc_message m;
    struct client c;
    uint32_t id;

    client_open(w, &c);
    have_members(w, 3);
    assert_int_equal(add_member(w, &c, 0, "10.0.0.4:7400"), 4);
    w->replica.member_count--; /* the primary before came so far */
    w->replica.removed = UINT64_MAX;
    id = member_remove(&c, 4);
    world_commit(w);
    client_expect(&c, id, VXC_KIND_DONE_REPLY, &m);
    assert_int_equal(w->replica.removed, UINT64_MAX);
    assert_int_equal(vxc_fsm_member(w->state.fsm, 4, &view), 0);
    assert_true(view.gone);
    client_close(&c);
}

static void a_new_primary_forgets_who_was_removed(void **state)
{
    struct world *w = *state;
    uint8_t life[8] = {1};
    struct vxc_member_view view;

    have_members(w, 2);
    for (int64_t id = 1; id <= 3; id++) {
        (void)fixture_run(&w->state, &(struct vxc_command){.op = VXC_OP_MEMBER_SET,
                                                           .a = id,
                                                           .b = 77,
                                                           .name = text("10.0.0.9:7400"),
                                                           .value = vxc_slice(life, 8)});
    }
    world_follow(w, 2);
    world_lead(w);
    world_commit(w);
    assert_int_equal(vxc_fsm_member(w->state.fsm, 2, &view), 0);
    assert_false(view.gone);
    assert_int_equal(vxc_fsm_member(w->state.fsm, 3, &view), 0);
    assert_true(view.gone);
}

static void one_change_of_the_members_at_a_time(void **state)
{
    struct world *w = *state;
    struct vxc_message m;
    struct client a;
    struct client b;
    uint32_t id;

    client_open(w, &a);
    client_open(w, &b);
    have_members(w, 3);
    id = member_add(&a, 0, "10.0.0.4:7400");
    client_expect_error(&b, member_remove(&b, 3), VXC_EBUSY, "another change");
    world_commit(w);
    client_expect(&a, id, VXC_KIND_NUMBER_REPLY, &m);
    id = member_remove(&b, 3);
    world_commit(w);
    client_expect(&b, id, VXC_KIND_DONE_REPLY, &m);
    client_close(&a);
    client_close(&b);
}

static void a_change_waits_for_its_turn_and_what_follows_waits_for_it(void **state)
{
    struct world *w = *state;
    struct vxc_message m = put_of("k", "v");
    struct client c;
    uint32_t ids[3];

    client_open(w, &c);
    have_members(w, 3);
    ids[0] = client_send(&c, &m);
    ids[1] = member_add(&c, 0, "10.0.0.4:7400");
    ids[2] = client_send(&c, &m);
    assert_int_equal(w->replica.proposal_count, 1);
    world_commit(w);
    client_expect(&c, ids[0], VXC_KIND_VALUE_REPLY, &m);
    client_expect(&c, ids[1], VXC_KIND_NUMBER_REPLY, &m);
    world_settle(w);
    client_send(&c, &(struct vxc_message){.kind = VXC_KIND_PING}); /* feeds what waited */
    world_commit(w);
    client_expect(&c, ids[2], VXC_KIND_VALUE_REPLY, &m);
    client_close(&c);
}

static void a_refused_change_says_why(void **state)
{
    struct world *w = *state;
    struct client c;

    client_open(w, &c);
    have_members(w, 2);
    w->replica.change_code = VXC_EINVAL;
    w->replica.change_text = "the cluster would shrink to one voter";
    client_expect_error(&c, member_remove(&c, 2), VXC_EINVAL, "shrink to one voter");
    client_expect_error(&c, member_transfer(&c, 2), VXC_EINVAL, "shrink to one voter");
    client_close(&c);
}

static void a_transfer_is_answered_when_the_role_has_changed(void **state)
{
    struct world *w = *state;
    struct vxc_message m;
    struct client c;
    uint32_t id;

    client_open(w, &c);
    have_members(w, 3);
    id = member_transfer(&c, 2);
    assert_int_equal(w->replica.transferred, 2);
    client_expect_nothing(&c);
    world_follow(w, 2);
    client_expect(&c, id, VXC_KIND_DONE_REPLY, &m);
    client_close(&c);
}

static void a_transfer_that_nobody_takes_times_out(void **state)
{
    struct world *w = *state;
    struct client c;
    uint32_t id;

    client_open(w, &c);
    have_members(w, 3);
    id = member_transfer(&c, 0);
    w->now_ms += 499;
    assert_true(vxc_gateway_turn(w->gateway) <= 1);
    client_expect_nothing(&c);
    w->now_ms += 1;
    (void)vxc_gateway_turn(w->gateway);
    world_settle(w);
    client_expect_error(&c, id, VXC_ETIMEOUT, "stays the primary");
    expect_read(&c, get(&c, "k"), NULL); /* its connection is served on */
    client_close(&c);
}

static void a_change_whose_client_left_ends_all_the_same(void **state)
{
    struct world *w = *state;
    struct vxc_member_view view;
    struct client c;
    struct client other;
    struct vxc_message m;
    uint32_t id;

    client_open(w, &c);
    have_members(w, 3);
    (void)fixture_run(&w->state,
                      &(struct vxc_command){
                          .op = VXC_OP_MEMBER_SET, .a = 3, .b = 5, .name = text("10.0.0.3:7400")});
    (void)member_remove(&c, 3);
    client_close(&c);
    world_commit(w);
    assert_int_equal(vxc_fsm_member(w->state.fsm, 3, &view), 0);
    assert_true(view.gone);
    client_open(w, &other);
    (void)member_transfer(&other, 2);
    client_close(&other);
    client_open(w, &other);
    id = member_transfer(&other, 2); /* nobody holds the place */
    world_follow(w, 2);
    client_expect(&other, id, VXC_KIND_DONE_REPLY, &m);
    client_close(&other);
}

static void a_checkpoint_says_where_it_is(void **state)
{
    struct world *w = *state;
    struct vxc_message m = message_of(VXC_KIND_CHECKPOINT);
    struct client c;
    uint32_t id;

    client_open(w, &c);
    id = client_send(&c, &m);
    world_commit(w);
    client_expect(&c, id, VXC_KIND_DONE_REPLY, &m);
    assert_int_equal(m.done_reply.index, w->state.index - 1);
    world_follow(w, 2);
    m = message_of(VXC_KIND_CHECKPOINT);
    client_expect_error(&c, client_send(&c, &m), VXC_ENOTPRIMARY, "node 2");
    client_close(&c);
}

/* ---- state sync ---- */

static uint32_t send_sync(struct client *c, uint64_t sync_id,
                          const struct vxc_sync_operation *operations, uint32_t count)
{
    struct vxc_message m = message_of(VXC_KIND_STATE_SYNC);
    struct vxc_buffer encoded = {0};
    uint32_t id;

    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(vxc_sync_encode(&operations[i], &encoded), 0);
    }
    m.state_sync.sync_id = sync_id;
    m.state_sync.operations = (struct vxc_list){count, vxc_buffer_slice(&encoded)};
    id = client_send(c, &m);
    vxc_buffer_free(&encoded);
    return id;
}

static void expect_ack(struct client *c, uint32_t request_id, uint64_t sync_id)
{
    struct vxc_message m;

    client_expect(c, request_id, VXC_KIND_STATE_SYNC_ACK, &m);
    assert_int_equal(m.state_sync_ack.code, 0);
    assert_int_equal(m.state_sync_ack.sync_id, sync_id);
}

static int64_t counter(struct world *w, const char *name)
{
    return fixture_ask(&w->state,
                       &(struct vxc_command){.op = VXC_OP_COUNTER_GET, .name = text(name)})
        ->number;
}

static void a_state_sync_is_one_entry_applied_once(void **state)
{
    struct world *w = *state;
    struct vxc_sync_operation operations[] = {
        {.tag = VXC_SYNC_MAP_UPDATED,
         .map_updated = {text("m"), text("k"), {.present = true, .bytes = text("v")}}},
        {.tag = VXC_SYNC_COUNTER_UPDATED, .counter_updated = {text("c"), 5}},
        {.tag = VXC_SYNC_NODE_CONNECTION_ADDED, .node_connection_added = {text("n"), 1}},
    };
    struct client c;
    uint64_t before;
    uint32_t id;

    client_open(w, &c);
    before = w->state.index;
    id = send_sync(&c, 9, operations, 3);
    client_expect_nothing(&c); /* it is acknowledged when it is committed */
    assert_int_equal(w->replica.proposal_count, 1);
    world_commit(w);
    assert_int_equal(w->state.index, before + 1);
    expect_ack(&c, id, 9);
    assert_int_equal(counter(w, "c"), 5);
    store(w, &c, "k", "newer");
    id = send_sync(&c, 9, operations, 3);
    world_commit(w);
    expect_ack(&c, id, 9);
    expect_read(&c, get(&c, "k"), "newer");
    client_close(&c);
}

static bool exists(struct world *w, uint16_t list_op, const char *name)
{
    const struct vxc_result *r = fixture_ask(&w->state, &(struct vxc_command){.op = list_op});
    uint32_t count = r->value.size == 0 ? 0 : fixture_count(r->value);

    for (uint32_t i = 0; i < count; i += 2) {
        if (vxc_slice_equal(fixture_item(r->value, i), text(name))) {
            return true;
        }
    }
    return false;
}

static uint64_t ask_number(struct world *w, uint16_t op, const char *name, const char *key,
                           const char *value)
{
    struct vxc_command query = fixture_command(op, name, key, value);
    const struct vxc_result *r = fixture_ask(&w->state, &query);

    return r->number != 0 ? (uint64_t)r->number : r->found;
}

static void every_operation_of_a_state_sync_means_something(void **state)
{
    struct world *w = *state;
    struct vxc_sync_operation making[] = {
        {.tag = VXC_SYNC_MAP_CREATED, .map_created = {text("m1")}},
        {.tag = VXC_SYNC_MAP_UPDATED,
         .map_updated = {text("m2"), text("k"), {.present = true, .bytes = text("v")}}},
        {.tag = VXC_SYNC_SET_CREATED, .set_created = {text("s1")}},
        {.tag = VXC_SYNC_SET_UPDATED, .set_updated = {text("s2"), text("x"), 1}},
        {.tag = VXC_SYNC_COUNTER_CREATED, .counter_created = {text("c1")}},
        {.tag = VXC_SYNC_COUNTER_UPDATED, .counter_updated = {text("c2"), 5}},
        {.tag = VXC_SYNC_COUNTER_UPDATED, .counter_updated = {text("c2"), -7}},
        {.tag = VXC_SYNC_MULTIMAP_CREATED, .multimap_created = {text("u1")}},
        {.tag = VXC_SYNC_MULTIMAP_UPDATED,
         .multimap_updated = {text("u2"), text("k"), text("a"), 1}},
        {.tag = VXC_SYNC_MULTIMAP_UPDATED,
         .multimap_updated = {text("u2"), text("k"), text("b"), 1}},
        {.tag = VXC_SYNC_LOCK_CREATED, .lock_created = {text("l1")}},
        {.tag = VXC_SYNC_LOCK_ACQUIRED, .lock_acquired = {text("l2"), text("n")}},
        {.tag = VXC_SYNC_LOCK_RELEASED, .lock_released = {text("l2"), text("n")}},
        {.tag = VXC_SYNC_NODE_JOINED, .node_joined = {text("n")}},
        {.tag = VXC_SYNC_NODE_LEFT, .node_left = {text("n")}},
        {.tag = VXC_SYNC_NODE_CONNECTION_REMOVED, .node_connection_removed = {text("n"), 1}},
    };
    struct vxc_sync_operation unmaking[] = {
        {.tag = VXC_SYNC_MAP_UPDATED, .map_updated = {text("m2"), text("k"), {.present = false}}},
        {.tag = VXC_SYNC_MAP_DELETED, .map_deleted = {text("m1")}},
        {.tag = VXC_SYNC_SET_UPDATED, .set_updated = {text("s2"), text("x"), 0}},
        {.tag = VXC_SYNC_SET_DELETED, .set_deleted = {text("s1")}},
        {.tag = VXC_SYNC_COUNTER_DELETED, .counter_deleted = {text("c2")}},
        {.tag = VXC_SYNC_MULTIMAP_UPDATED,
         .multimap_updated = {text("u2"), text("k"), text("a"), 0}},
        {.tag = VXC_SYNC_MULTIMAP_KEY_CLEARED, .multimap_key_cleared = {text("u2"), text("k")}},
        {.tag = VXC_SYNC_MULTIMAP_DELETED, .multimap_deleted = {text("u1")}},
        {.tag = VXC_SYNC_LOCK_DELETED, .lock_deleted = {text("l1")}},
    };
    struct client c;
    uint32_t id;

    client_open(w, &c);
    id = send_sync(&c, 1, making, sizeof making / sizeof making[0]);
    world_commit(w);
    expect_ack(&c, id, 1);
    assert_true(exists(w, VXC_OP_MAP_LIST, "m1"));
    assert_int_equal(ask_number(w, VXC_OP_MAP_CONTAINS, "m2", "k", NULL), 1);
    assert_true(exists(w, VXC_OP_SET_LIST, "s1"));
    assert_int_equal(ask_number(w, VXC_OP_SET_CONTAINS, "s2", "x", NULL), 1);
    assert_true(exists(w, VXC_OP_COUNTER_LIST, "c1"));
    assert_int_equal(counter(w, "c2"), -7);
    assert_true(exists(w, VXC_OP_MULTIMAP_LIST, "u1"));
    assert_int_equal(ask_number(w, VXC_OP_MULTIMAP_SIZE, "u2", NULL, NULL), 2);
    assert_true(exists(w, VXC_OP_LOCK_LIST, "l1"));
    assert_true(exists(w, VXC_OP_LOCK_LIST, "l2"));

    id = send_sync(&c, 2, unmaking, sizeof unmaking / sizeof unmaking[0]);
    world_commit(w);
    expect_ack(&c, id, 2);
    assert_false(exists(w, VXC_OP_MAP_LIST, "m1"));
    assert_int_equal(ask_number(w, VXC_OP_MAP_CONTAINS, "m2", "k", NULL), 0);
    assert_false(exists(w, VXC_OP_SET_LIST, "s1"));
    assert_int_equal(ask_number(w, VXC_OP_SET_CONTAINS, "s2", "x", NULL), 0);
    assert_false(exists(w, VXC_OP_COUNTER_LIST, "c2"));
    assert_false(exists(w, VXC_OP_MULTIMAP_LIST, "u1"));
    assert_int_equal(ask_number(w, VXC_OP_MULTIMAP_CONTAINS_KEY, "u2", "k", NULL), 0);
    assert_false(exists(w, VXC_OP_LOCK_LIST, "l1"));
    client_close(&c);
}

static void a_sync_of_nothing_is_acknowledged(void **state)
{
    struct world *w = *state;
    struct client c;
    uint32_t id;

    client_open(w, &c);
    id = send_sync(&c, 3, NULL, 0);
    world_commit(w);
    expect_ack(&c, id, 3);
    client_close(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_node_alone_answers_reads_at_once),
        TEST(a_read_waits_for_its_round),
        TEST(a_later_round_answers_earlier_reads_too),
        TEST(replies_keep_the_order_of_requests),
        TEST(what_was_looked_at_early_is_refused_with_its_round),
        TEST(a_write_given_up_early_lets_no_read_overtake_the_write_before_it),
        TEST(many_reads_and_writes_in_one_pipeline_keep_their_values),
        TEST(a_round_that_ends_before_the_write_in_front_still_counts),
        TEST(a_read_whose_client_left_is_forgotten),
        TEST(a_refused_round_refuses_its_reads),
        TEST(a_new_primary_that_is_not_ready_says_busy),
        TEST(losing_the_role_refuses_reads_and_tells_where_to_go),
        TEST(stale_reads_are_answered_by_any_node_and_say_what_they_saw),
        TEST(stale_writes_are_writes),
        TEST(the_original_protocol_is_redirected),
        TEST(ping_status_and_members_are_answered_by_any_node),
        TEST(a_backup_answers_hello_and_proposes_nothing),
        TEST(a_namespace_that_a_backup_has_not_got_is_empty_until_it_has),
        TEST(a_session_is_cut_when_the_role_is_lost_and_lives_on),
        TEST(pending_requests_are_answered_before_the_cut),
        TEST(what_never_left_is_refused_before_what_did_is_answered),
        TEST(a_new_primary_gives_every_session_its_whole_timeout),
        TEST(a_session_is_resumed_without_space),
        TEST(a_resume_waits_for_its_round),
        TEST(events_are_resumed_without_gap_or_repetition),
        TEST(a_legacy_node_rejoins_at_the_new_primary),
        TEST(while_there_is_no_state_everything_is_busy),
        TEST(a_first_frame_of_a_node_hands_the_connection_over),
        TEST(a_client_that_speaks_as_a_node_is_cut),
        TEST(members_are_listed_with_role_and_address),
        TEST(a_member_is_noted_before_it_is_added),
        TEST(ids_of_members_are_never_used_again),
        TEST(an_add_that_was_refused_is_asked_again_under_its_id),
        TEST(a_removal_that_stopped_half_way_goes_on),
        TEST(a_new_primary_forgets_who_was_removed),
        TEST(one_change_of_the_members_at_a_time),
        TEST(a_change_waits_for_its_turn_and_what_follows_waits_for_it),
        TEST(a_refused_change_says_why),
        TEST(a_transfer_is_answered_when_the_role_has_changed),
        TEST(a_transfer_that_nobody_takes_times_out),
        TEST(a_change_whose_client_left_ends_all_the_same),
        TEST(a_checkpoint_says_where_it_is),
        TEST(a_state_sync_is_one_entry_applied_once),
        TEST(every_operation_of_a_state_sync_means_something),
        TEST(a_sync_of_nothing_is_acknowledged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
