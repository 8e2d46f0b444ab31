/* Supplying images: a running node, and peers that fetch from it over a link of the test's. */
#include "embedded_fixture.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "consensus/freeze.h"
#include "node/fetch.h"
#include "node/node_internal.h"
#include "node/supply.h"
#include "storage/verify.h"

enum { PEERS = 2, QUEUE_MAX = 64, FIRST_PEER = 2 };

/* What is under way from the supply to a peer. */
struct parcel {
    struct vxc_message message;
    struct vxc_buffer bytes;
};

struct world {
    struct place place;
    struct end end;
    struct vxc_clock clock;
    uint64_t ahead_ms; /* of the machine's clock */
    struct vxc_supply *supply;
    struct vxc_fetch *fetch[PEERS];
    char incoming[PEERS][100];
    struct vxc_message questions[PEERS][QUEUE_MAX];
    int question_count[PEERS];
    struct parcel parcels[PEERS][QUEUE_MAX];
    int parcel_count[PEERS];
    bool full; /* the connection takes no pieces */
    uint64_t pieces, named;
    struct vxc_error err;
};

static uint64_t monotonic_ns(void *data)
{
    const struct world *w = data;
    const struct vxc_clock *real = vxc_clock_system();

    return real->monotonic_ns(real->data) + w->ahead_ms * 1000000;
}

static uint64_t wall_us(void *data)
{
    (void)data;
    return 1700000000000000;
}

static void draw(void *data, void *out, uint64_t size)
{
    (void)data;
    memset(out, 7, size);
}

static int to_peer(void *data, uint64_t peer, const struct vxc_message *message)
{
    struct world *w = data;
    size_t i = (size_t)(peer - FIRST_PEER);
    struct parcel *p;

    assert_true(i < PEERS && w->parcel_count[i] < QUEUE_MAX);
    if (message->kind == VXC_KIND_PEER_IMAGE_BYTES && message->peer_image_bytes.code == 0) {
        if (w->full) {
            return VXC_EBUSY;
        }
        w->pieces++;
    }
    w->named += message->kind == VXC_KIND_PEER_IMAGE;
    p = &w->parcels[i][w->parcel_count[i]++];
    *p = (struct parcel){.message = *message};
    if (message->kind == VXC_KIND_PEER_IMAGE_BYTES) {
        struct vxc_slice *bytes = &p->message.peer_image_bytes.bytes;

        assert_int_equal(vxc_buffer_append(&p->bytes, bytes->data, bytes->size), 0);
        *bytes = vxc_buffer_slice(&p->bytes);
    }
    return 0;
}

static int to_supply(struct world *w, size_t i, const struct vxc_message *message)
{
    assert_true(w->question_count[i] < QUEUE_MAX);
    w->questions[i][w->question_count[i]++] = *message;
    return 0;
}

static int from_first(void *data, uint64_t peer, const struct vxc_message *message)
{
    assert_int_equal(peer, 1);
    return to_supply(data, 0, message);
}

static int from_second(void *data, uint64_t peer, const struct vxc_message *message)
{
    assert_int_equal(peer, 1);
    return to_supply(data, 1, message);
}

static void put_much(struct world *w, int count)
{
    char value[8192];
    char name[20];

    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof value - 1; k++) {
            value[k] = (char)('a' + (k * 7 + (size_t)i * 31 + k * k % 11) % 26);
        }
        value[sizeof value - 1] = '\0';
        (void)snprintf(name, sizeof name, "key-%d", i);
        put(&w->end, name, value);
    }
}

/*
 * So much log that the store is synced behind entry `index`, which is when the log's base may move.
 * How much that is depends on the disk: a sync that begins late covers what was committed before,
 * and the next one waits for as much log again.
 */
static void write_until_synced_behind(struct world *w, uint64_t index)
{
    static char value[512 * 1024];
    struct vxc_replica_status status = {0};

    memset(value, 'v', sizeof value - 1);
    for (int i = 0; status.synced_index <= index; i++) {
        assert_true(i < 4 * (int)(VXC_SYNC_LOG_BYTES / sizeof value));
        put(&w->end, "large", value);
        vxc_replica_status(w->place.node->replica, &status);
    }
}

static void make_world(struct world *w)
{
    static int (*const senders[PEERS])(void *, uint64_t,
                                       const struct vxc_message *) = {from_first, from_second};
    char path[100];
    struct vxc_supply_options supply = {.folder = path, .node_id = 1, .data = w, .send = to_peer};

    memset(w, 0, sizeof *w);
    make_place(&w->place);
    start(&w->place);
    dial(&w->end, w->place.node, true);
    w->clock = (struct vxc_clock){
        .data = w, .monotonic_ns = monotonic_ns, .wall_us = wall_us, .random = draw};
    supply.clock = &w->clock;
    (void)snprintf(path, sizeof path, "%s/outgoing", w->place.data);
    assert_int_equal(vxc_supply_create(&supply, &w->supply, &w->err), 0);
    for (size_t i = 0; i < PEERS; i++) {
        struct vxc_fetch_options fetch = {
            .folder = w->incoming[i], .clock = &w->clock, .data = w, .send = senders[i]};

        (void)snprintf(w->incoming[i], sizeof w->incoming[i], "%s/incoming-%zu", w->place.root, i);
        assert_int_equal(vxc_fetch_create(&fetch, &w->fetch[i], &w->err), 0);
    }
}

static void attach(struct world *w)
{
    struct vxc_node *n = w->place.node;

    vxc_supply_set_replica(w->supply, n->replica, n->fsm, n->store, n->log);
}

static void unmake_world(struct world *w)
{
    vxc_supply_set_replica(w->supply, NULL, NULL, NULL, NULL);
    vxc_supply_free(w->supply);
    for (size_t i = 0; i < PEERS; i++) {
        vxc_fetch_free(w->fetch[i]);
        for (int k = 0; k < w->parcel_count[i]; k++) {
            vxc_buffer_free(&w->parcels[i][k].bytes);
        }
    }
    hang_up(&w->end);
    remove_place(&w->place);
}

/* One turn of everything. */
static void turn(struct world *w)
{
    struct pollfd fd = {.fd = vxc_node_fd(w->place.node), .events = POLLIN};

    (void)poll(&fd, 1, 1);
    assert_true(vxc_node_dispatch(w->place.node));
    for (size_t i = 0; i < PEERS; i++) {
        for (int k = 0; k < w->question_count[i]; k++) {
            vxc_supply_on_message(w->supply, FIRST_PEER + i, &w->questions[i][k]);
        }
        w->question_count[i] = 0;
    }
    (void)vxc_supply_turn(w->supply);
    for (size_t i = 0; i < PEERS; i++) {
        struct parcel parcels[QUEUE_MAX];
        int count = w->parcel_count[i];

        memcpy(parcels, w->parcels[i], sizeof parcels);
        w->parcel_count[i] = 0;
        for (int k = 0; k < count; k++) {
            vxc_fetch_on_message(w->fetch[i], 1, &parcels[k].message);
            vxc_buffer_free(&parcels[k].bytes);
        }
        (void)vxc_fetch_turn(w->fetch[i]);
    }
}

/* Turns until the fetch of peer `i` is there. */
static void turn_until(struct world *w, size_t i, enum vxc_fetch_state state)
{
    for (int turns = 0; vxc_fetch_state(w->fetch[i]) != state; turns++) {
        if (turns > 20000) {
            fail_msg("state %d, \"%s\"", (int)vxc_fetch_state(w->fetch[i]),
                     vxc_fetch_error(w->fetch[i])->text);
        }
        turn(w);
    }
}

static uint64_t applied(const struct world *w)
{
    return vxc_fsm_applied_index(w->place.node->fsm);
}

static void fetch(struct world *w, size_t i, uint64_t index)
{
    vxc_fetch_begin(w->fetch[i], 1, index, vxc_fsm_cluster_id(w->place.node->fsm));
}

static void check_state(struct world *w, size_t i, uint64_t index)
{
    struct vxc_verify_report report;
    char path[120];

    (void)snprintf(path, sizeof path, "%s/state", w->incoming[i]);
    assert_int_equal(vxc_verify_state(path, &report, &w->err), 0);
    assert_true(report.applied_index >= index);
    assert_int_equal(vxc_fetch_info(w->fetch[i])->node_id, 1);
}

static void two_peers_fetch_one_image_while_the_node_serves(void **state)
{
    struct world w;
    uint64_t index;

    (void)state;
    make_world(&w);
    attach(&w);
    put_much(&w, 600); /* some 5 MB */
    index = applied(&w);
    fetch(&w, 0, index);
    fetch(&w, 1, 1);
    turn_until(&w, 0, VXC_FETCH_FETCHING);
    assert_true(vxc_supply_index(w.supply) >= index);
    index = vxc_supply_index(w.supply);
    put_much(&w, 50);
    turn_until(&w, 0, VXC_FETCH_READY);
    turn_until(&w, 1, VXC_FETCH_READY);
    check_state(&w, 0, index);
    check_state(&w, 1, index);
    assert_int_equal(vxc_fetch_info(w.fetch[0])->applied_index,
                     vxc_fetch_info(w.fetch[1])->applied_index);
    assert_int_equal(w.named, 2);
    unmake_world(&w);
}

static void the_log_is_held_behind_an_image_until_nobody_asks_any_more(void **state)
{
    struct world w;
    uint64_t index;

    (void)state;
    make_world(&w);
    attach(&w);
    put_much(&w, 100);
    fetch(&w, 0, 1);
    turn_until(&w, 0, VXC_FETCH_READY);
    index = vxc_supply_index(w.supply);
    assert_true(index > 0);
    write_until_synced_behind(&w, index);
    for (int i = 0; i < 200; i++) {
        turn(&w);
        assert_true(vxc_replica_base_index(w.place.node->replica) <= index);
    }
    w.ahead_ms += VXC_SNAPSHOT_IDLE_MS + 1;
    turn(&w);
    assert_int_equal(vxc_supply_index(w.supply), 0);
    put_much(&w, 1); /* the base moves with the next turns */
    for (int i = 0; i < 5000 && vxc_replica_base_index(w.place.node->replica) <= index; i++) {
        turn(&w);
    }
    assert_true(vxc_replica_base_index(w.place.node->replica) > index);
    unmake_world(&w);
}

/* A log as long as the test says: this program is linked with --wrap=vxc_log_bytes_after. */
static uint64_t bytes_after; /* 0 = as many as there are */

uint64_t __real_vxc_log_bytes_after(const struct vxc_log *log, uint64_t index);
uint64_t __wrap_vxc_log_bytes_after(const struct vxc_log *log, uint64_t index);

uint64_t __wrap_vxc_log_bytes_after(const struct vxc_log *log, uint64_t index)
{
    return bytes_after != 0 ? bytes_after : __real_vxc_log_bytes_after(log, index);
}

static void the_log_held_behind_an_image_is_bounded(void **state)
{
    struct world w;
    uint64_t index;

    (void)state;
    make_world(&w);
    attach(&w);
    put_much(&w, 600);
    fetch(&w, 0, 1);
    turn_until(&w, 0, VXC_FETCH_FETCHING);
    index = vxc_supply_index(w.supply);
    write_until_synced_behind(&w, index);
    w.full = true; /* a connection that brings the image too slowly */
    bytes_after = VXC_LOG_HELD_BYTES_MAX;
    for (int i = 0; i < 100; i++) {
        turn(&w);
    }
    assert_int_equal(vxc_supply_index(w.supply), index);
    assert_true(vxc_replica_base_index(w.place.node->replica) <= index);
    bytes_after = VXC_LOG_HELD_BYTES_MAX + 1;
    turn(&w);
    bytes_after = 0;
    assert_int_equal(vxc_supply_index(w.supply), 0);
    w.full = false; /* who still fetches is told */
    w.ahead_ms += VXC_PEER_IMAGE_RETRY_MS;
    turn_until(&w, 0, VXC_FETCH_FAILED);
    assert_int_equal(vxc_fetch_error(w.fetch[0])->code, VXC_ENOTFOUND);
    put_much(&w, 1); /* the base moves with the next turns */
    for (int i = 0; i < 5000 && vxc_replica_base_index(w.place.node->replica) <= index; i++) {
        turn(&w);
    }
    assert_true(vxc_replica_base_index(w.place.node->replica) > index);
    fetch(&w, 0, 1); /* and gets another one */
    turn_until(&w, 0, VXC_FETCH_READY);
    check_state(&w, 0, index + 1);
    unmake_world(&w);
}

static void a_full_connection_is_tried_again_and_nothing_is_lost(void **state)
{
    struct world w;

    (void)state;
    make_world(&w);
    attach(&w);
    put_much(&w, 600);
    fetch(&w, 0, 1);
    turn_until(&w, 0, VXC_FETCH_FETCHING);
    w.full = true;
    for (int i = 0; i < 100; i++) {
        turn(&w);
    }
    assert_int_equal(vxc_fetch_state(w.fetch[0]), VXC_FETCH_FETCHING);
    w.full = false;
    turn_until(&w, 0, VXC_FETCH_READY);
    check_state(&w, 0, 1);
    unmake_world(&w);
}

static void an_image_that_is_gone_is_told_and_another_one_made(void **state)
{
    struct world w;

    (void)state;
    make_world(&w);
    attach(&w);
    put_much(&w, 600);
    fetch(&w, 0, 1);
    turn_until(&w, 0, VXC_FETCH_FETCHING);
    w.full = true;
    turn(&w);
    attach(&w); /* as when the node itself installs an image */
    w.full = false;
    turn_until(&w, 0, VXC_FETCH_FAILED);
    assert_int_equal(vxc_fetch_error(w.fetch[0])->code, VXC_ENOTFOUND);
    fetch(&w, 0, 1);
    turn_until(&w, 0, VXC_FETCH_READY);
    unmake_world(&w);
}

static void what_this_node_cannot_have_is_refused(void **state)
{
    struct world w;

    (void)state;
    make_world(&w);
    fetch(&w, 0, 1); /* no state at present */
    turn_until(&w, 0, VXC_FETCH_FAILED);
    assert_int_equal(vxc_fetch_error(w.fetch[0])->code, VXC_ENOTFOUND);
    attach(&w);
    fetch(&w, 0, applied(&w) + 1000);
    turn_until(&w, 0, VXC_FETCH_FAILED);
    assert_int_equal(vxc_fetch_error(w.fetch[0])->code, VXC_ENOTFOUND);
    unmake_world(&w);
}

/* An image that is there is given to whoever comes later, unless it ends too early for it. */
static void an_image_is_shared_as_long_as_it_is_new_enough(void **state)
{
    struct world w;
    uint64_t first;

    (void)state;
    make_world(&w);
    attach(&w);
    put_much(&w, 20);
    fetch(&w, 0, 1);
    turn_until(&w, 0, VXC_FETCH_READY);
    first = vxc_fetch_info(w.fetch[0])->applied_index;
    put_much(&w, 20);
    fetch(&w, 1, first);
    turn_until(&w, 1, VXC_FETCH_READY);
    assert_int_equal(vxc_fetch_info(w.fetch[1])->applied_index, first);
    fetch(&w, 1, applied(&w));
    turn_until(&w, 1, VXC_FETCH_READY);
    assert_true(vxc_fetch_info(w.fetch[1])->applied_index > first);
    unmake_world(&w);
}

/* Questions that make no sense get an answer or none, and harm nobody. */
static void senseless_questions_are_harmless(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_PEER_IMAGE_READ};
    struct world w;

    (void)state;
    make_world(&w);
    attach(&w);
    put_much(&w, 20);
    m.peer_image_read.size = 1 << 20;
    vxc_supply_on_message(w.supply, FIRST_PEER, &m); /* there is no image, and none of name 0 */
    fetch(&w, 0, 1);
    turn_until(&w, 0, VXC_FETCH_CHECKING);
    m.peer_image_read.image = 12345;
    vxc_supply_on_message(w.supply, FIRST_PEER, &m);
    for (int i = 0; i < 100; i++) { /* more than it keeps */
        m.peer_image_read.offset = UINT64_MAX - (uint64_t)i;
        m.peer_image_read.size = i % 2 == 0 ? 0 : UINT32_MAX;
        vxc_supply_on_message(w.supply, FIRST_PEER + 1, &m);
        turn(&w);
    }
    m.kind = VXC_KIND_PEER_IMAGE_BYTES;
    vxc_supply_on_message(w.supply, FIRST_PEER, &m);
    turn_until(&w, 0, VXC_FETCH_READY);
    unmake_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_peers_fetch_one_image_while_the_node_serves),
        cmocka_unit_test(the_log_is_held_behind_an_image_until_nobody_asks_any_more),
        cmocka_unit_test(the_log_held_behind_an_image_is_bounded),
        cmocka_unit_test(a_full_connection_is_tried_again_and_nothing_is_lost),
        cmocka_unit_test(an_image_that_is_gone_is_told_and_another_one_made),
        cmocka_unit_test(what_this_node_cannot_have_is_refused),
        cmocka_unit_test(an_image_is_shared_as_long_as_it_is_new_enough),
        cmocka_unit_test(senseless_questions_are_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
