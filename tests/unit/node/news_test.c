/* Lists of addresses that wait for the end of a turn, and what must not overtake them. */
#include "gateway_fixture.h"

#include "base/limits.h"
#include "wire/operations.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LARGE = VXC_NEWS_HELD_SIZE_MIN, SMALL = 10 }; /* bytes with a registration */

/* A client that leaves unread what it gets: this program is linked with --wrap=vxc_conn_is_choked. */
static const struct vxc_conn *choked;

bool __wrap_vxc_conn_is_choked(const struct vxc_conn *conn);

bool __wrap_vxc_conn_is_choked(const struct vxc_conn *conn)
{
    return conn == choked;
}

/* ---- requests ---- */

static void watch(struct world *w, struct client *c, uint8_t kind, const char *name)
{
    struct vxc_message m = message_of(VXC_KIND_WATCH_ADD);
    uint32_t id;

    m.watch_add.kind = kind;
    m.watch_add.name = text(name);
    id = client_send(c, &m);
    world_commit(w);
    client_expect(c, id, VXC_KIND_NUMBER_REPLY, &m);
}

/* The secret stays valid until the next one is opened. */
static struct vxc_msg_session_reply open_watcher(struct world *w, struct client *c)
{
    static uint8_t secret[16];
    struct vxc_msg_session_reply session;

    client_open(w, c);
    session = client_open_session(c);
    assert_int_equal(session.secret.size, sizeof secret);
    memcpy(secret, session.secret.data, sizeof secret);
    session.secret = vxc_slice(secret, sizeof secret);
    watch(w, c, VXC_WATCH_REGISTRATIONS, "");
    return session;
}

static uint32_t add(struct client *c, const char *address, uint64_t seq, size_t data_size)
{
    static const uint8_t data[LARGE];
    struct vxc_message m = message_of(VXC_KIND_REGISTRATION_ADD);

    m.registration_add.address = text(address);
    m.registration_add.node_id = text("n");
    m.registration_add.seq = seq;
    m.registration_add.data = vxc_slice(data, data_size);
    return client_send(c, &m);
}

static uint32_t put(struct client *c)
{
    struct vxc_message m = message_of(VXC_KIND_MAP_PUT);

    m.map_put.map = text("m");
    m.map_put.key = text("k");
    m.map_put.value = text("v");
    return client_send(c, &m);
}

/* The next thing is the list of this address, so long. Returns its index. */
static uint64_t expect_list(struct client *c, const char *address, size_t count)
{
    struct vxc_message m;

    client_expect(c, 0, VXC_KIND_EVENT_REGISTRATIONS, &m);
    assert_slice_is(m.event_registrations.address, address);
    assert_int_equal(m.event_registrations.registrations.count, count);
    return m.event_registrations.index;
}

static void expect_added(struct client *c, uint32_t request_id)
{
    struct vxc_message m;

    client_expect(c, request_id, vxc_message_schema(VXC_KIND_REGISTRATION_ADD)->reply, &m);
}

/* ---- tests ---- */

static void the_last_list_of_a_turn_is_told_and_before_the_replies(void **state)
{
    struct world *w = *state;
    struct client node;
    struct client other;
    uint32_t ids[10];
    uint64_t index;

    (void)open_watcher(w, &node);
    (void)open_watcher(w, &other);
    for (unsigned i = 0; i < 10; i++) {
        ids[i] = add(&node, "news", i, LARGE);
    }
    world_commit(w);
    index = expect_list(&other, "news", 10);
    client_expect_nothing(&other);
    assert_int_equal(expect_list(&node, "news", 10), index);
    for (unsigned i = 0; i < 10; i++) {
        expect_added(&node, ids[i]);
    }
    client_expect_nothing(&node);
    ids[0] = add(&node, "news", 10, LARGE);
    world_commit(w);
    assert_true(expect_list(&node, "news", 11) > index);
    expect_added(&node, ids[0]);
    client_close(&node);
    client_close(&other);
}

static void a_read_comes_behind_what_it_shows_and_before_what_it_does_not(void **state)
{
    struct world *w = *state;
    struct client node;
    struct vxc_message m = message_of(VXC_KIND_REGISTRATION_GET);
    uint32_t ids[4];

    (void)open_watcher(w, &node);
    ids[0] = add(&node, "news", 0, LARGE);
    ids[1] = add(&node, "news", 1, LARGE);
    m.registration_get.address = text("news");
    ids[2] = client_send(&node, &m);
    ids[3] = add(&node, "news", 2, LARGE);
    world_commit(w);
    (void)expect_list(&node, "news", 2);
    expect_added(&node, ids[0]);
    expect_added(&node, ids[1]);
    client_expect(&node, ids[2], VXC_KIND_PAGE_REPLY, &m);
    assert_int_equal(m.page_reply.rows.count, 2);
    (void)expect_list(&node, "news", 3);
    expect_added(&node, ids[3]);
    client_expect_nothing(&node);
    client_close(&node);
}

/* As docs/protocol.md warns: whoever keeps lists must not keep this reply's. */
static void a_read_that_waits_for_its_round_comes_behind_newer_lists(void **state)
{
    struct world *w = *state;
    struct client node;
    struct vxc_message m = message_of(VXC_KIND_REGISTRATION_GET);
    uint32_t ids[2];

    (void)open_watcher(w, &node);
    w->replica.round = 1;
    m.registration_get.address = text("news");
    ids[0] = client_send(&node, &m);
    ids[1] = add(&node, "news", 0, LARGE);
    world_commit(w);
    (void)expect_list(&node, "news", 1);
    client_expect_nothing(&node);
    world_confirm(w, 1);
    client_expect(&node, ids[0], VXC_KIND_PAGE_REPLY, &m);
    assert_int_equal(m.page_reply.rows.count, 0);
    expect_added(&node, ids[1]);
    client_close(&node);
}

static void other_events_keep_their_place(void **state)
{
    struct world *w = *state;
    struct client node;
    struct client other;
    struct vxc_message m;
    uint64_t index;

    (void)open_watcher(w, &node);
    (void)open_watcher(w, &other);
    watch(w, &other, VXC_WATCH_MAP, "m");
    (void)add(&node, "news", 0, LARGE);
    (void)add(&node, "news", 1, LARGE);
    (void)put(&node);
    (void)add(&node, "news", 2, LARGE);
    world_commit(w);
    index = expect_list(&other, "news", 2);
    client_expect(&other, 0, VXC_KIND_EVENT_DATA, &m);
    assert_true(m.event_data.index > index);
    index = m.event_data.index;
    assert_true(expect_list(&other, "news", 3) > index);
    client_expect_nothing(&other);
    client_close(&node);
    client_close(&other);
}

static void small_lists_are_told_each_unless_a_large_one_waits(void **state)
{
    struct world *w = *state;
    struct client node;
    struct client other;
    uint64_t index;

    (void)open_watcher(w, &node);
    (void)open_watcher(w, &other);
    (void)add(&node, "small", 0, SMALL);
    (void)add(&node, "small", 1, SMALL);
    (void)add(&node, "large", 0, LARGE);
    (void)add(&node, "small", 2, SMALL);
    (void)add(&node, "small", 3, SMALL);
    (void)add(&node, "large", 1, LARGE);
    world_commit(w);
    (void)expect_list(&other, "small", 1);
    (void)expect_list(&other, "small", 2);
    index = expect_list(&other, "small", 4);
    assert_true(expect_list(&other, "large", 2) > index);
    client_expect_nothing(&other);
    client_close(&node);
    client_close(&other);
}

static void who_does_not_read_gets_the_last_list_when_he_does(void **state)
{
    struct world *w = *state;
    struct client node;
    struct client other;
    uint32_t id;

    (void)open_watcher(w, &node);
    (void)open_watcher(w, &other);
    choked = other.conn;
    for (unsigned i = 0; i < 20; i++) {
        id = add(&node, "news", i, LARGE);
        world_commit(w);
        (void)expect_list(&node, "news", i + 1);
        expect_added(&node, id);
        client_expect_nothing(&other);
    }
    choked = NULL;
    vxc_gateway_on_room(w->gateway, other.conn);
    world_settle(w);
    (void)expect_list(&other, "news", 20);
    client_expect_nothing(&other);
    client_close(&node);
    client_close(&other);
}

static void what_waits_is_bounded(void **state)
{
    struct world *w = *state;
    struct client node;
    struct client other;
    char address[20];

    (void)open_watcher(w, &node);
    (void)open_watcher(w, &other);
    choked = other.conn;
    for (unsigned i = 0; i < VXC_NEWS_ADDRESSES_MAX; i++) {
        client_expect_nothing(&other);
        (void)snprintf(address, sizeof address, "news-%u", i);
        (void)add(&node, address, 0, LARGE);
        world_commit(w);
    }
    for (unsigned i = 0; i < VXC_NEWS_ADDRESSES_MAX; i++) {
        (void)snprintf(address, sizeof address, "news-%u", i);
        (void)expect_list(&other, address, 1);
    }
    client_expect_nothing(&other);
    choked = NULL;
    client_close(&node);
    client_close(&other);
}

static void what_waited_when_the_connection_broke_is_resumed(void **state)
{
    struct world *w = *state;
    struct client node;
    struct client other;
    struct vxc_msg_session_reply session;
    struct vxc_message m = message_of(VXC_KIND_SESSION_RESUME);
    uint32_t id;

    (void)open_watcher(w, &node);
    session = open_watcher(w, &other);
    (void)add(&node, "news", 0, LARGE);
    world_commit(w);
    m.session_resume.last_event_index = expect_list(&other, "news", 1);
    choked = other.conn;
    (void)add(&node, "news", 1, LARGE);
    (void)add(&node, "news", 2, LARGE);
    world_commit(w);
    client_expect_nothing(&other);
    choked = NULL;
    client_close(&other);
    client_open(w, &other);
    m.session_resume.session = session.session;
    m.session_resume.secret = session.secret;
    id = client_send(&other, &m);
    world_commit(w);
    (void)expect_list(&other, "news", 3);
    client_expect(&other, id, VXC_KIND_SESSION_REPLY, &m);
    assert_false(m.session_reply.resync);
    client_expect_nothing(&other);
    client_close(&node);
    client_close(&other);
}

static void who_is_sent_away_gets_what_waited(void **state)
{
    struct world *w = *state;
    struct client node;
    struct client other;

    (void)open_watcher(w, &node);
    (void)open_watcher(w, &other);
    choked = other.conn;
    (void)add(&node, "news", 0, LARGE);
    world_commit(w);
    client_expect_nothing(&other);
    world_follow(w, 2);
    choked = NULL;
    (void)expect_list(&other, "news", 1);
    client_expect_nothing(&other);
    assert_null(other.conn);
    assert_int_equal(other.close_code, VXC_ENOTPRIMARY);
    client_close(&node);
    client_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_list_of_a_turn_is_told_and_before_the_replies,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(
            a_read_comes_behind_what_it_shows_and_before_what_it_does_not, world_setup,
            world_teardown),
        cmocka_unit_test_setup_teardown(a_read_that_waits_for_its_round_comes_behind_newer_lists,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(other_events_keep_their_place, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(small_lists_are_told_each_unless_a_large_one_waits,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(who_does_not_read_gets_the_last_list_when_he_does,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_waits_is_bounded, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_waited_when_the_connection_broke_is_resumed,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(who_is_sent_away_gets_what_waited, world_setup,
                                        world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
