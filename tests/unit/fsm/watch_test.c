#include "harness.h"

#include <stdio.h>

#include "fsm/event_ring.h"

static void put(struct harness *h, const char *map, const char *key, const char *value)
{
    assert_int_equal(harness_run(h, (struct vxc_command){.op = VXC_OP_MAP_PUT,
                                                         .name = text(map),
                                                         .key = text(key),
                                                         .value = text(value)})
                         ->code,
                     0);
}

/* ---- adding and removing ---- */

static void only_watched_objects_make_events(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    uint64_t id;

    assert_false(vxc_watched(h->f.fsm, VXC_WATCH_MAP, 0, text("m")));
    put(h, "m", "k", "v");
    id = watch(h, session, VXC_WATCH_MAP, "m", NULL);
    assert_true(vxc_watched(h->f.fsm, VXC_WATCH_MAP, 0, text("m")));
    assert_false(vxc_watched(h->f.fsm, VXC_WATCH_MAP, 0, text("n")));
    assert_false(vxc_watched(h->f.fsm, VXC_WATCH_MAP, 1, text("m")));
    assert_false(vxc_watched(h->f.fsm, VXC_WATCH_SET, 0, text("m")));
    put(h, "m", "k", "w");
    put(h, "n", "k", "w");
    assert_int_equal(h->event_count, 1);
    assert_int_equal(h->events[0].watch, id);
    assert_int_equal(h->events[0].session, session);
    assert_slice_is(h->events[0].value, "w");
    assert_int_equal(h->events[0].index, h->f.index - 2);
}

static void a_watch_may_be_of_one_key(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");

    (void)watch(h, session, VXC_WATCH_MAP, "m", "k1");
    put(h, "m", "k2", "v");
    put(h, "m", "k1", "v");
    (void)harness_run(h, (struct vxc_command){.op = VXC_OP_MAP_CLEAR, .name = text("m")});
    assert_int_equal(h->event_count, 2);
    assert_slice_is(h->events[0].key, "k1");
    assert_int_equal(h->events[1].type, VXC_EVENT_CLEAR);
}

static void one_place_in_the_order_for_all_watchers(void **state)
{
    struct harness *h = *state;
    uint64_t sessions[2] = {open_session(h, "c"), open_session(h, "c")};

    (void)watch(h, sessions[0], VXC_WATCH_MAP, "m", NULL);
    (void)watch(h, sessions[1], VXC_WATCH_MAP, "m", NULL);
    (void)watch(h, sessions[0], VXC_WATCH_MAP, "m", "k");
    put(h, "m", "k", "v");
    assert_int_equal(h->event_count, 3);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(h->events[i].index, h->events[0].index);
        assert_int_equal(h->events[i].ordinal, h->events[0].ordinal);
    }
}

static void a_removed_watch_is_silent(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    uint64_t other = open_session(h, "c");
    struct vxc_command remove = {.op = VXC_OP_WATCH_REMOVE};

    remove.a = (int64_t)watch(h, session, VXC_WATCH_MAP, "m", NULL);
    harness_restart(h);
    assert_false(run_as(h, other, remove)->found);
    assert_true(run_as(h, session, remove)->found);
    assert_false(run_as(h, session, remove)->found);
    put(h, "m", "k", "v");
    assert_int_equal(h->event_count, 0);
    assert_int_equal(h->f.fsm->stats.watches, 0);
    assert_int_equal(count_rows(h, VXC_DB_WATCHES, ""), 0);
}

static void bad_watches_are_refused(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    const struct {
        int64_t kind;
        const char *name, *key;
        int code;
    } bad[] = {
        {0, "m", NULL, VXC_EINVAL},
        {8, "m", NULL, VXC_EINVAL},
        {VXC_WATCH_MEMBERS, "m", NULL, VXC_EINVAL},
        {VXC_WATCH_COUNTER, "c", "k", VXC_EINVAL},
        {VXC_WATCH_REGISTRATIONS, "a", "k", VXC_EINVAL},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(run_as(h, session,
                                (struct vxc_command){.op = VXC_OP_WATCH_ADD,
                                                     .a = bad[i].kind,
                                                     .name = text(bad[i].name),
                                                     .key = text(bad[i].key)})
                             ->code,
                         bad[i].code);
    }
    assert_int_equal(
        harness_run(h, (struct vxc_command){.op = VXC_OP_WATCH_ADD, .a = VXC_WATCH_MAP})->code,
        VXC_ESESSION);
}

static void a_session_has_a_bounded_number_of_watches(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");

    for (unsigned i = 0; i < VXC_SESSION_WATCHES_MAX; i++) {
        (void)watch(h, session, VXC_WATCH_MAP, "m", NULL);
    }
    assert_int_equal(
        run_as(h, session,
               (struct vxc_command){.op = VXC_OP_WATCH_ADD, .a = VXC_WATCH_MAP, .name = text("m")})
            ->code,
        VXC_ELIMIT);
    put(h, "m", "k", "v");
    assert_int_equal(h->event_count, VXC_SESSION_WATCHES_MAX);
    (void)expire_session(h, session);
    assert_false(vxc_watched(h->f.fsm, VXC_WATCH_MAP, 0, text("m")));
}

static void list_shows_own_or_all_watches(void **state)
{
    struct harness *h = *state;
    uint64_t sessions[2] = {open_session(h, "c"), open_session(h, "c")};
    struct vxc_command list = {.op = VXC_OP_WATCH_LIST};
    struct vxc_reader reader;
    uint64_t id;

    (void)watch(h, sessions[0], VXC_WATCH_MAP, "m", NULL);
    id = watch(h, sessions[1], VXC_WATCH_SET, "s", "member");
    assert_int_equal(harness_ask(h, list)->number, 2);
    list.session = sessions[1];
    assert_int_equal(harness_ask(h, list)->number, 1);
    reader = vxc_reader(fixture_item(h->f.result.value, 0));
    assert_int_equal(vxc_reader_u64(&reader), id);
    assert_int_equal(vxc_reader_u64(&reader), sessions[1]);
    assert_int_equal(vxc_reader_u64(&reader), 0);
    assert_int_equal(vxc_reader_u8(&reader), VXC_WATCH_SET);
    assert_int_equal(vxc_reader_u8(&reader), 1);
    assert_slice_is(vxc_reader_bytes(&reader), "s");
    assert_slice_is(vxc_reader_bytes(&reader), "member");
    assert_true(vxc_reader_at_end(&reader));
}

/* ---- replay ---- */

static bool same_event(const struct vxc_event *a, const struct vxc_event *b)
{
    return a->type == b->type && a->kind == b->kind && a->index == b->index &&
           a->ordinal == b->ordinal && a->session == b->session && a->watch == b->watch &&
           a->ticket == b->ticket && a->token == b->token && a->number == b->number &&
           vxc_slice_equal(a->name, b->name) && vxc_slice_equal(a->key, b->key) &&
           vxc_slice_equal(a->value, b->value) && vxc_slice_equal(a->view, b->view);
}

/* What replay gives a session must be what it was given at the time, from that index on. */
static void check_replay(struct harness *h, uint64_t session, uint64_t last_index)
{
    size_t given = h->event_count;
    size_t next = given;

    assert_int_equal(vxc_fsm_replay(h->f.fsm, session, last_index), 0);
    for (size_t i = 0; i < given; i++) {
        if (h->events[i].session == session && h->events[i].index > last_index) {
            assert_true(next < h->event_count);
            assert_true(same_event(&h->events[i], &h->events[next]));
            next++;
        }
    }
    assert_int_equal(next, h->event_count);
    h->event_count = given; /* forgets the replayed ones … */
    for (size_t i = given; i < next; i++) {
        harness_drop(h->events[i].name);
        harness_drop(h->events[i].key);
        harness_drop(h->events[i].value);
        harness_drop(h->events[i].view);
    }
}

static void some_of_everything(struct harness *h, uint64_t session, uint64_t other)
{
    put(h, "m", "k", "v1");
    (void)join(h, other, "n", "i");
    put(h, "m", "k", "v2");
    (void)add_registration(h, other, "a", "n", 1, "");
    (void)acquire(h, other, "l", 1, -1);
    (void)acquire(h, session, "l", 2, -1);
    (void)expire_session(h, other);
    put(h, "m", "k2", "v3");
}

static void replay_gives_what_was_missed_in_order(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    uint64_t bystander = open_session(h, "c");

    (void)watch(h, session, VXC_WATCH_MAP, "m", NULL);
    (void)watch(h, bystander, VXC_WATCH_MAP, "m", NULL);
    (void)watch(h, session, VXC_WATCH_MEMBERS, NULL, NULL);
    (void)watch(h, session, VXC_WATCH_REGISTRATIONS, NULL, NULL);
    some_of_everything(h, session, open_session(h, "o"));
    some_of_everything(h, session, open_session(h, "o"));
    for (uint64_t last = 0; last < h->f.index; last++) {
        check_replay(h, session, last);
        check_replay(h, bystander, last);
    }
}

static void replay_begins_where_the_watch_was_added(void **state)
{
    struct harness *h = *state;
    uint64_t other = open_session(h, "c");
    uint64_t session = open_session(h, "c");

    (void)watch(h, other, VXC_WATCH_MAP, "m", NULL);
    put(h, "m", "k", "before");
    (void)watch(h, session, VXC_WATCH_MAP, "m", NULL);
    put(h, "m", "k", "after");
    harness_forget(h);
    assert_int_equal(vxc_fsm_replay(h->f.fsm, session, 0), 0);
    assert_int_equal(h->event_count, 1);
    assert_slice_is(h->events[0].value, "after");
}

static void state_events_are_replayed_after_a_restart(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    uint64_t other = open_session(h, "o");

    (void)watch(h, session, VXC_WATCH_MEMBERS, NULL, NULL);
    (void)watch(h, session, VXC_WATCH_REGISTRATIONS, NULL, NULL);
    (void)join(h, other, "n", "i");
    (void)add_registration(h, other, "a", "n", 1, "d");
    (void)expire_session(h, other);
    harness_restart(h);
    for (uint64_t last = 0; last < h->f.index; last++) {
        check_replay(h, session, last);
    }
}

static void lost_data_events_are_told_never_skipped(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    uint64_t seen;

    (void)watch(h, session, VXC_WATCH_MAP, "m", NULL);
    seen = h->f.index - 1;
    put(h, "m", "k", "v");
    harness_restart(h);
    assert_int_equal(vxc_fsm_replay(h->f.fsm, session, seen), VXC_ERESYNC);
    assert_int_equal(vxc_fsm_replay(h->f.fsm, session, seen + 1), 0);
    put(h, "m", "k", "w");
    harness_forget(h);
    assert_int_equal(vxc_fsm_replay(h->f.fsm, session, seen + 1), 0);
    assert_int_equal(h->event_count, 1);
    assert_int_equal(vxc_fsm_replay(h->f.fsm, session, h->f.index), VXC_ERESYNC); /* the future */
    assert_int_equal(vxc_fsm_replay(h->f.fsm, session + 1, 0), VXC_ESESSION);
}

static void a_grant_lost_by_a_restart_is_told(void **state)
{
    struct harness *h = *state;
    uint64_t holder = open_session(h, "c");
    uint64_t waiter = open_session(h, "c");
    uint64_t seen;

    (void)acquire(h, holder, "l", 1, -1);
    (void)acquire(h, waiter, "l", 1, -1);
    harness_restart(h);
    seen = h->f.index - 1;
    assert_int_equal(vxc_fsm_replay(h->f.fsm, waiter, 0), 0); /* it was told nothing yet */
    (void)expire_session(h, holder);
    check_replay(h, waiter, seen);
    harness_restart(h);
    assert_int_equal(vxc_fsm_replay(h->f.fsm, waiter, seen), VXC_ERESYNC);
    assert_int_equal(vxc_fsm_replay(h->f.fsm, waiter, h->f.index - 1), 0);
}

static void kept_rows_are_bounded_and_then_resynchronise(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    uint64_t other = open_session(h, "o");
    uint64_t seen;

    (void)watch(h, session, VXC_WATCH_REGISTRATIONS, NULL, NULL);
    seen = h->f.index - 1;
    for (int i = 0; i < 10010; i++) {
        (void)add_registration(h, other, "a", "n", 1, i % 2 == 0 ? "x" : "y");
    }
    assert_int_equal(count_rows(h, VXC_DB_EVENTS, ""), 10000 + 1);
    harness_restart(h);
    assert_int_equal(count_rows(h, VXC_DB_EVENTS, ""), 10000 + 1);
    assert_int_equal(vxc_fsm_replay(h->f.fsm, session, seen), VXC_ERESYNC);
    assert_int_equal(vxc_fsm_replay(h->f.fsm, session, seen + 9), VXC_ERESYNC);
    check_replay(h, session, seen + 10);
    (void)expire_session(h, session); /* nobody watches: nothing is kept */
    assert_int_equal(count_rows(h, VXC_DB_EVENTS, ""), 0);
}

/* ---- the ring ---- */

static void the_ring_is_bounded_by_bytes(void **state)
{
    static uint8_t value[VXC_MIB];
    struct vxc_event_ring ring;
    struct vxc_event event = {.type = VXC_EVENT_PUT, .kind = VXC_WATCH_MAP, .name = text("m")};
    uint64_t namespace_id;
    uint64_t last = 0;

    (void)state;
    vxc_event_ring_init(&ring, 5);
    assert_int_equal(ring.complete_after, 5);
    event.value = vxc_slice(value, sizeof value);
    for (event.index = 6; event.index < 200; event.index++) {
        vxc_event_ring_add(&ring, 3, &event);
        assert_true(ring.bytes <= VXC_EVENT_HISTORY_BYTES);
    }
    assert_true(ring.complete_after > 100);
    for (size_t i = vxc_event_ring_after(&ring, ring.complete_after); i < ring.count; i++) {
        struct vxc_event kept;
        vxc_event_ring_at(&ring, i, &namespace_id, &kept);
        assert_int_equal(namespace_id, 3);
        assert_true(kept.index > ring.complete_after && kept.index > last);
        assert_int_equal(kept.value.size, sizeof value);
        assert_null(kept.key.data);
        last = kept.index;
    }
    assert_int_equal(last, 199);
    assert_int_equal(vxc_event_ring_after(&ring, 199), ring.count);
    vxc_event_ring_deinit(&ring);
}

#define test(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(only_watched_objects_make_events),
        test(a_watch_may_be_of_one_key),
        test(one_place_in_the_order_for_all_watchers),
        test(a_removed_watch_is_silent),
        test(bad_watches_are_refused),
        test(a_session_has_a_bounded_number_of_watches),
        test(list_shows_own_or_all_watches),
        test(replay_gives_what_was_missed_in_order),
        test(replay_begins_where_the_watch_was_added),
        test(state_events_are_replayed_after_a_restart),
        test(lost_data_events_are_told_never_skipped),
        test(a_grant_lost_by_a_restart_is_told),
        test(kept_rows_are_bounded_and_then_resynchronise),
        cmocka_unit_test(the_ring_is_bounded_by_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
