/* The core among several servers: who is not the primary is left, what was refused or lost is asked
 * elsewhere, and everything takes effect once. */
#include "peer.h"

#include "client/router.h"

#include <stdio.h>

static const struct vxc_slice no_secret = {0};

static void on_session(void *data, int code, const char *text)
{
    (void)text;
    *(int *)data = code;
}

/* A session wanted at a node that is the primary and gives it. */
static void open_session(struct peer *p)
{
    int code = 1;
    struct vxc_frame frame;
    struct vxc_message m;

    assert_int_equal(
        vxc_core_want_session(p->core, 0, no_secret, 1, 9000, no_secret, &code, on_session), 0);
    assert_int_equal(peer_hello_of(p, 1, true, ""), 0);
    assert_true(peer_next(p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_SESSION_OPEN);
    peer_grant_session(p, frame.request_id, 42, false, false);
    assert_int_equal(code, 0);
}

/* ---- going to the primary ---- */

static void a_backup_is_left_at_its_hello_when_there_is_work_for_the_primary(void **state)
{
    struct outcome put;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &put), 0);
    assert_int_equal(peer_hello_of(&p, 2, false, "10.0.0.1:7401"), VXC_ENOTPRIMARY);
    assert_string_equal(vxc_core_primary_address(p.core), "10.0.0.1:7401");
    assert_true(vxc_core_is_searching(p.core));
    vxc_core_on_disconnected(p.core, "not the primary");
    assert_int_equal(p.notices_count, 0); /* a step of the search is no news */
    assert_int_equal(peer_hello_of(&p, 1, true, ""), 0);
    assert_false(vxc_core_is_searching(p.core));
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_MAP_PUT);
    assert_int_equal(peer_value(&p, frame.request_id, NULL), 0);
    assert_int_equal(put.code, 0);
    peer_deinit(&p);
}

static void a_backup_will_do_for_reads_that_may_be_stale_and_for_the_status(void **state)
{
    struct vxc_request get = vxc_request(VXC_CALL_MAP_GET);
    struct outcome read = {0}, status;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    get.name = vxc_text("m"), get.key = vxc_text("k"), get.flags = VXC_REQUEST_STALE;
    assert_int_equal(vxc_core_submit(p.core, &get, p.now_ms, UINT64_MAX, &read, on_outcome, NULL),
                     0);
    assert_int_equal(peer_submit(&p, VXC_CALL_STATUS, UINT64_MAX, &status), 0);
    assert_int_equal(peer_hello_of(&p, 2, false, "10.0.0.1:7401"), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.flags, VXC_FRAME_REQUEST | VXC_FRAME_STALE);
    assert_int_equal(peer_value(&p, frame.request_id, "v"), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.flags, VXC_FRAME_REQUEST);
    assert_int_equal(peer_value(&p, frame.request_id, "{}"), 0);
    assert_string_equal(read.value, "v");
    assert_string_equal(status.value, "{}");
    peer_deinit(&p);
}

static void a_refusal_names_the_primary_as_its_last_word(void **state)
{
    struct vxc_message redirect = {.kind = VXC_KIND_LEADER_REDIRECT};
    struct outcome get;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, UINT64_MAX, &get), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(
        peer_fail_with(&p, frame.request_id, VXC_ENOTPRIMARY, "the primary is at 10.0.0.3:7403"),
        VXC_ENOTPRIMARY);
    assert_string_equal(vxc_core_primary_address(p.core), "10.0.0.3:7403");
    vxc_core_on_disconnected(p.core, "not the primary");
    peer_hello(&p);
    assert_true(peer_next(&p, &frame, &m));
    redirect.leader_redirect.leader_address.present = true;
    redirect.leader_redirect.leader_address.bytes = vxc_slice_of_string("10.0.0.4:7404");
    assert_int_equal(peer_reply(&p, &redirect, frame.request_id), VXC_ENOTPRIMARY);
    assert_string_equal(vxc_core_primary_address(p.core), "10.0.0.4:7404");
    assert_int_equal(get.count, 0);
    peer_deinit(&p);
}

static void refused_writes_without_a_session_are_all_asked_elsewhere(void **state)
{
    struct outcome first, second, third;
    struct vxc_frame frames[2], frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_COUNTER_ADD, UINT64_MAX, &first), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_COUNTER_ADD, UINT64_MAX, &second), 0);
    assert_true(peer_next(&p, &frames[0], &m));
    assert_true(peer_next(&p, &frames[1], &m));
    /* The second one's fate is not known yet, so the node is not left. */
    assert_int_equal(peer_fail(&p, frames[0].request_id, VXC_ENOTPRIMARY), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_COUNTER_ADD, UINT64_MAX, &third), 0);
    assert_false(peer_next(&p, &frame, &m)); /* but nothing more is asked there */
    assert_int_equal(peer_fail(&p, frames[1].request_id, VXC_ENOTPRIMARY), VXC_ENOTPRIMARY);
    vxc_core_on_disconnected(p.core, "not the primary");
    peer_hello(&p);
    for (int i = 0; i < 3; i++) {
        assert_true(peer_next(&p, &frame, &m));
        assert_int_equal(frame.kind, VXC_KIND_COUNTER_ADD);
    }
    assert_int_equal(first.count + second.count + third.count, 0);
    peer_deinit(&p);
}

static void a_node_that_does_not_tell_the_fate_of_a_write_is_left_after_a_while(void **state)
{
    struct outcome first, second;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_COUNTER_ADD, UINT64_MAX, &first), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_COUNTER_ADD, UINT64_MAX, &second), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(peer_fail(&p, frame.request_id, VXC_ENOTPRIMARY), 0);
    assert_int_equal(vxc_core_due_ms(p.core), p.now_ms + VXC_CLIENT_LEAVE_MS);
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    p.now_ms += VXC_CLIENT_LEAVE_MS;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), VXC_ENOTPRIMARY);
    vxc_core_on_disconnected(p.core, "not the primary");
    assert_int_equal(first.count, 0);
    assert_int_equal(second.code, VXC_EUNKNOWN);
    peer_deinit(&p);
}

static void without_a_primary_a_request_ends_at_its_deadline_and_says_so(void **state)
{
    struct outcome get, put;
    struct peer p;

    (void)state;
    peer_init(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, p.now_ms + 500, &get), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, p.now_ms + 500, &put), 0);
    for (; get.count == 0; p.now_ms += 50) {
        assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
        if (get.count == 0) {
            assert_int_equal(peer_hello_of(&p, 2, false, ""), VXC_ENOTPRIMARY);
            vxc_core_on_disconnected(p.core, "not the primary");
        }
    }
    assert_int_equal(get.code, VXC_ENOTPRIMARY);
    assert_int_equal(put.code, VXC_ENOTPRIMARY);
    peer_deinit(&p);
}

/* ---- sessions ---- */

static void an_unknown_outcome_within_a_session_is_asked_again_and_without_one_told(void **state)
{
    struct outcome sequenced, plain;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;
    uint64_t sequence;

    (void)state;
    peer_init(&p);
    open_session(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_COUNTER_ADD, UINT64_MAX, &sequenced), 0);
    assert_true(peer_next(&p, &frame, &m));
    sequence = frame.sequence;
    assert_int_equal(peer_fail(&p, frame.request_id, VXC_EUNKNOWN), 0);
    assert_int_equal(sequenced.count, 0);
    p.now_ms += 250;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_true(peer_next(&p, &frame, &m)); /* the same node, which is a backup by now */
    assert_int_equal(peer_fail_with(&p, frame.request_id, VXC_ENOTPRIMARY, "h:2"), VXC_ENOTPRIMARY);
    vxc_core_on_disconnected(p.core, "not the primary");
    assert_int_equal(peer_hello_of(&p, 2, true, ""), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_SESSION_RESUME);
    peer_grant_session(&p, frame.request_id, 42, true, false);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_COUNTER_ADD);
    assert_int_equal(frame.sequence, sequence);
    assert_int_equal(sequenced.count, 0);
    peer_deinit(&p);

    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_COUNTER_ADD, UINT64_MAX, &plain), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(peer_fail(&p, frame.request_id, VXC_EUNKNOWN), 0);
    assert_int_equal(plain.code, VXC_EUNKNOWN);
    peer_deinit(&p);
}

static void a_session_refused_by_a_backup_is_looked_for_at_the_node_it_names(void **state)
{
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p);
    vxc_core_on_disconnected(p.core, "killed");
    assert_int_equal(peer_hello_of(&p, 2, true, ""), 0); /* it was, when it said hello */
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_SESSION_RESUME);
    assert_int_equal(peer_fail_with(&p, frame.request_id, VXC_ENOTPRIMARY, "h:3"), VXC_ENOTPRIMARY);
    assert_string_equal(vxc_core_primary_address(p.core), "h:3");
    vxc_core_on_disconnected(p.core, "not the primary");
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_EXPIRED), 0);
    assert_int_equal(peer_hello_of(&p, 3, true, ""), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(m.session_resume.session, 42);
    peer_deinit(&p);
}

static void what_a_backup_says_is_no_life_sign_of_the_session(void **state)
{
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p); /* of 9 s */
    vxc_core_on_disconnected(p.core, "cable");
    for (int i = 0; i < 8; i++) {
        p.now_ms += 1000;
        assert_int_equal(peer_hello_of(&p, 2, false, ""), VXC_ENOTPRIMARY);
        vxc_core_on_disconnected(p.core, "not the primary");
        assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    }
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_DOUBTFUL), 0);
    p.now_ms += 100;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_DOUBTFUL), 1);
    peer_deinit(&p);
}

static void changes_of_the_membership_stand_in_no_sequence_and_may_be_told_busy(void **state)
{
    struct outcome promoted;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MEMBER_PROMOTE, UINT64_MAX, &promoted), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.flags, VXC_FRAME_REQUEST);
    assert_int_equal(peer_fail(&p, frame.request_id, VXC_EBUSY), 0);
    assert_int_equal(promoted.code, VXC_EBUSY);
    peer_deinit(&p);
}

/* ---- silence ---- */

static void a_silent_node_is_left_soon_where_there_are_others(void **state)
{
    struct vxc_error err = {0};
    struct outcome get;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    vxc_core_set_others(p.core, true);
    for (uint64_t patience_ms = 2000; patience_ms <= 8000; patience_ms *= 2) {
        const uint64_t began_ms = p.now_ms += 1000;
        peer_hello(&p);
        assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, UINT64_MAX, &get), 0);
        while (peer_next(&p, &frame, &m)) {
        }
        p.now_ms = vxc_core_due_ms(p.core);
        assert_int_equal(p.now_ms, began_ms + VXC_CLIENT_ASK_MS);
        assert_int_equal(vxc_core_tick(p.core, p.now_ms, &err), 0);
        assert_true(peer_next(&p, &frame, &m));
        assert_int_equal(frame.kind, VXC_KIND_PING);
        p.now_ms = vxc_core_due_ms(p.core);
        assert_int_equal(p.now_ms, began_ms + VXC_CLIENT_ASK_MS + patience_ms); /* it doubles */
        assert_int_equal(vxc_core_tick(p.core, p.now_ms, &err), VXC_ETIMEOUT);
        vxc_core_on_disconnected(p.core, err.text);
    }
    peer_deinit(&p);
}

static void a_node_that_answers_pings_is_waited_for(void **state)
{
    static const struct vxc_message pong = {.kind = VXC_KIND_PONG};
    struct outcome get;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    vxc_core_set_others(p.core, true);
    peer_hello(&p);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, UINT64_MAX, &get), 0);
    assert_true(peer_next(&p, &frame, &m));
    for (int i = 0; i < 100; i++) {
        p.now_ms = vxc_core_due_ms(p.core);
        assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
        assert_true(peer_next(&p, &frame, &m));
        assert_int_equal(peer_send(&p, &pong, VXC_FRAME_PONG, frame.request_id), 0);
    }
    assert_int_equal(get.count, 0);
    peer_deinit(&p);
}

static void a_node_that_accepts_but_says_nothing_is_left_sooner_still(void **state)
{
    struct peer p;

    (void)state;
    peer_init(&p);
    vxc_core_set_others(p.core, true);
    vxc_core_on_connected(p.core, p.now_ms);
    assert_int_equal(vxc_core_due_ms(p.core), p.now_ms + VXC_CLIENT_HELLO_MS);
    p.now_ms += VXC_CLIENT_HELLO_MS;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), VXC_ETIMEOUT);
    peer_deinit(&p);
}

static void silence_is_noticed_well_within_a_session(void **state)
{
    struct vxc_error err = {0};
    const uint64_t lease_ms = 9000;
    uint64_t heard_ms;
    struct peer p;

    (void)state;
    peer_init(&p);
    vxc_core_set_others(p.core, true);
    open_session(&p);
    heard_ms = p.now_ms;
    do { /* idle: only pings */
        peer_take(&p, SIZE_MAX);
        p.now_ms = vxc_core_due_ms(p.core);
    } while (vxc_core_tick(p.core, p.now_ms, &err) == VXC_OK);
    assert_int_equal(err.code, VXC_ETIMEOUT);
    assert_true(p.now_ms - heard_ms <= lease_ms * 6 / 10);
    peer_deinit(&p);
}

/* ---- members ---- */

static char told[256];

static void on_members(void *data, const struct vxc_slice *addresses, size_t count)
{
    (void)data;
    told[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        strncat(told, (const char *)addresses[i].data, addresses[i].size);
        strcat(told, " ");
    }
}

static void put_member(struct vxc_buffer *rows, uint64_t id, const char *address)
{
    struct vxc_message m = {.kind = VXC_KIND_MEMBER_INFO};
    struct vxc_buffer record = {0};

    m.member_info.id = id;
    m.member_info.role = 1;
    m.member_info.address = vxc_slice_of_string(address);
    assert_int_equal(vxc_message_encode(&m, &record), 0);
    assert_int_equal(vxc_buffer_put_bytes(rows, vxc_slice("\0\0\0\0\0\0\0\1", 8)), 0);
    assert_int_equal(vxc_buffer_put_bytes(rows, vxc_buffer_slice(&record)), 0);
    vxc_buffer_free(&record);
}

static void the_members_are_asked_for_by_each_connection_and_now_and_then(void **state)
{
    static const struct vxc_message pong = {.kind = VXC_KIND_PONG};
    struct vxc_message page = {.kind = VXC_KIND_PAGE_REPLY};
    struct vxc_buffer rows = {0};
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init_with(&p, on_members);
    peer_hello(&p);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_MEMBER_LIST);
    put_member(&rows, 1, "h:1");
    put_member(&rows, 2, "h:2");
    page.page_reply.rows = (struct vxc_list){2, vxc_buffer_slice(&rows)};
    assert_int_equal(peer_reply(&p, &page, frame.request_id), 0);
    assert_string_equal(told, "h:1 h:2 ");
    for (uint64_t asked = 0; asked < 3;) {
        p.now_ms = vxc_core_due_ms(p.core);
        assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
        while (peer_next(&p, &frame, &m)) {
            if (frame.kind == VXC_KIND_PING) {
                assert_int_equal(peer_send(&p, &pong, VXC_FRAME_PONG, frame.request_id), 0);
                continue;
            }
            assert_int_equal(frame.kind, VXC_KIND_MEMBER_LIST);
            assert_int_equal(p.now_ms, 1000 + ++asked * VXC_CLIENT_MEMBERS_MS);
            told[0] = '\0';
            /* an older node knows no such kind: nothing happens */
            assert_int_equal(peer_fail(&p, frame.request_id, VXC_EKIND), 0);
            assert_string_equal(told, "");
        }
    }
    vxc_buffer_free(&rows);
    peer_deinit(&p);
}

/* ---- all of it, by chance ---- */

enum { NODES = 3, ADDS = 60, NAME_NOBODY = -1 };

/* Three nodes that share one state, as a cluster does: what was carried out, by sequence. */
struct cluster {
    struct peer peer;
    struct vxc_router router;
    uint32_t random;
    bool up[NODES];
    int primary; /* NAME_NOBODY while an election is under way */
    int named;   /* whom the others believe to be it */
    uint64_t elected_ms;
    uint64_t effects[ADDS + 1]; /* of each sequence */
    uint64_t sum;
};

static uint32_t chance(struct cluster *c, uint32_t below)
{
    c->random = c->random * 1664525u + 1013904223u;
    return (c->random >> 8) % below;
}

static const char *address(int node)
{
    static const char *const texts[NODES] = {"h:1", "h:2", "h:3"};
    return node < 0 ? "" : texts[node];
}

static int here(const struct cluster *c)
{
    return atoi(vxc_router_place(&c->router)->port) - 1;
}

/* The connection ends. */
static void part(struct cluster *c, int why)
{
    vxc_router_ended(&c->router, c->peer.now_ms, why, vxc_core_primary_address(c->peer.core));
    vxc_core_on_disconnected(c->peer.core, "the test");
}

/* The primary ends, or only its primaryship does. */
static void depose(struct cluster *c)
{
    if (c->primary >= 0 && chance(c, 2) == 0) {
        c->up[c->primary] = false;
    }
    c->primary = NAME_NOBODY;
    c->elected_ms = c->peer.now_ms + 100 + chance(c, 500);
}

static void elect(struct cluster *c)
{
    if (c->primary == NAME_NOBODY && c->peer.now_ms >= c->elected_ms) {
        do {
            c->primary = (int)chance(c, NODES);
        } while (!c->up[c->primary]);
        for (int i = 0; i < NODES; i++) {
            c->up[i] = true;
        }
        c->named = chance(c, 3) == 0 ? (int)chance(c, NODES) : c->primary; /* some are mistaken */
    } else if (c->primary != NAME_NOBODY && chance(c, 4) == 0) {
        c->named = c->primary;
    }
}

/* What a node answers to one request; not 0: the connection is over. */
static int answer(struct cluster *c, const struct vxc_frame *frame)
{
    struct vxc_message m = {.kind = VXC_KIND_NUMBER_REPLY};

    if (here(c) != c->primary) {
        return peer_fail_with(&c->peer, frame->request_id, VXC_ENOTPRIMARY, address(c->named));
    }
    if (frame->kind == VXC_KIND_SESSION_OPEN || frame->kind == VXC_KIND_SESSION_RESUME) {
        if (chance(c, 5) == 0) {
            return peer_fail(&c->peer, frame->request_id, VXC_EBUSY);
        }
        peer_grant_session(&c->peer, frame->request_id, 42, true, false);
        return 0;
    }
    assert_int_equal(frame->kind, VXC_KIND_COUNTER_ADD);
    assert_in_range(frame->sequence, 1, ADDS);
    if (chance(c, 10) == 0) {
        depose(c); /* before it was carried out, or after */
        if (chance(c, 2) == 0) {
            return peer_fail(&c->peer, frame->request_id, VXC_EUNKNOWN);
        }
    }
    if (c->effects[frame->sequence] == 0) {
        c->effects[frame->sequence] = ++c->sum;
    }
    if (c->primary == NAME_NOBODY && (!c->up[here(c)] || chance(c, 2) == 0)) {
        return c->up[here(c)] ? peer_fail(&c->peer, frame->request_id, VXC_EUNKNOWN) : VXC_ECLOSED;
    }
    m.number_reply.number = (int64_t)c->effects[frame->sequence];
    m.number_reply.found = true;
    return peer_reply(&c->peer, &m, frame->request_id);
}

static void serve(struct cluster *c)
{
    struct vxc_frame frame;
    struct vxc_message m;
    int rc = 0;

    while (rc == 0 && peer_next(&c->peer, &frame, &m)) {
        rc = c->up[here(c)] ? answer(c, &frame) : VXC_ECLOSED;
        elect(c);
    }
    if (rc == 0) {
        rc = vxc_core_tick(c->peer.core, c->peer.now_ms, NULL);
    }
    if (rc != 0) {
        part(c, rc);
    }
}

static void step(struct cluster *c)
{
    elect(c);
    if (vxc_core_state(c->peer.core) != VXC_CORE_DOWN) {
        serve(c);
    } else if (vxc_router_due_ms(&c->router) <= c->peer.now_ms) {
        const bool primary = here(c) == c->primary;
        if (!c->up[here(c)]) {
            vxc_router_failed(&c->router, c->peer.now_ms, false);
            return;
        }
        const int rc = peer_hello_of(&c->peer, (uint64_t)here(c) + 1, primary,
                                     primary ? "" : address(c->named));
        if (rc != 0) {
            part(c, rc);
        }
    }
}

static void every_write_of_a_session_takes_effect_once_whoever_is_primary(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 200; seed++) {
        struct cluster c = {.random = seed, .primary = 0, .named = 0, .up = {true, true, true}};
        struct outcome outcomes[ADDS];
        size_t submitted = 0, answered = 0;
        int code = 1;

        assert_int_equal(vxc_router_init(&c.router, "h:1,h:2,h:3", false, seed, NULL), 0);
        peer_init(&c.peer);
        memset(outcomes, 0, sizeof outcomes);
        assert_int_equal(
            vxc_core_want_session(c.peer.core, 0, no_secret, 1, 9000, no_secret, &code, on_session),
            0);
        while (answered < ADDS) {
            if (code == 0 && submitted < ADDS && chance(&c, 3) == 0) {
                assert_int_equal(
                    peer_submit(&c.peer, VXC_CALL_COUNTER_ADD, UINT64_MAX, &outcomes[submitted]),
                    0);
                submitted++;
            }
            step(&c);
            c.peer.notices_count = 0;
            c.peer.now_ms += 5;
            assert_true(c.peer.now_ms < 1000000);
            for (answered = 0; answered < submitted && outcomes[answered].count > 0; answered++) {
                assert_int_equal(outcomes[answered].count, 1);
                assert_int_equal(outcomes[answered].code, 0);
            }
        }
        assert_int_equal(c.sum, ADDS);
        peer_deinit(&c.peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_is_left_at_its_hello_when_there_is_work_for_the_primary),
        cmocka_unit_test(a_backup_will_do_for_reads_that_may_be_stale_and_for_the_status),
        cmocka_unit_test(a_refusal_names_the_primary_as_its_last_word),
        cmocka_unit_test(refused_writes_without_a_session_are_all_asked_elsewhere),
        cmocka_unit_test(a_node_that_does_not_tell_the_fate_of_a_write_is_left_after_a_while),
        cmocka_unit_test(without_a_primary_a_request_ends_at_its_deadline_and_says_so),
        cmocka_unit_test(an_unknown_outcome_within_a_session_is_asked_again_and_without_one_told),
        cmocka_unit_test(a_session_refused_by_a_backup_is_looked_for_at_the_node_it_names),
        cmocka_unit_test(what_a_backup_says_is_no_life_sign_of_the_session),
        cmocka_unit_test(changes_of_the_membership_stand_in_no_sequence_and_may_be_told_busy),
        cmocka_unit_test(a_silent_node_is_left_soon_where_there_are_others),
        cmocka_unit_test(a_node_that_answers_pings_is_waited_for),
        cmocka_unit_test(a_node_that_accepts_but_says_nothing_is_left_sooner_still),
        cmocka_unit_test(silence_is_noticed_well_within_a_session),
        cmocka_unit_test(the_members_are_asked_for_by_each_connection_and_now_and_then),
        cmocka_unit_test(every_write_of_a_session_takes_effect_once_whoever_is_primary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
