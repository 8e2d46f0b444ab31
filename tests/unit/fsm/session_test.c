#include "harness.h"

#include <stdio.h>
#include <time.h>

#include "fsm/session_reply.h"

/* ---- opening ---- */

static void open_gives_an_id_and_remembers_name_and_secret(void **state)
{
    struct harness *h = *state;
    uint64_t id = open_session(h, "client");
    struct vxc_session_view view;

    harness_restart(h);
    assert_int_equal(vxc_fsm_session(h->f.fsm, id, &view), 0);
    assert_slice_is(view.secret, "0123456789abcdef");
    assert_int_equal(view.timeout_ms, 20000);
    assert_false(view.legacy);
    assert_int_equal(view.node_id.size, 0);
    assert_slice_is(vxc_session_client_name(vxc_session_find(h->f.fsm, id)), "client");
    assert_int_equal(vxc_fsm_session(h->f.fsm, id + 1, &view), VXC_ESESSION);
}

static void open_refuses_bad_secrets_and_timeouts(void **state)
{
    struct harness *h = *state;
    struct vxc_command open = {
        .op = VXC_OP_SESSION_OPEN, .value = text("0123456789abcdef"), .a = 99};

    assert_int_equal(harness_run(h, open)->code, VXC_EINVAL);
    open.a = 3600001;
    assert_int_equal(harness_run(h, open)->code, VXC_EINVAL);
    open.a = 100;
    assert_int_equal(harness_run(h, open)->code, 0);
    open.value = text("short");
    assert_int_equal(harness_run(h, open)->code, VXC_EINVAL);
    open.value = text("0123456789abcdef");
    open.flags = VXC_COMMAND_LEGACY;
    assert_int_equal(harness_run(h, open)->code, VXC_EINVAL);
}

static void a_legacy_node_has_one_session_per_namespace(void **state)
{
    struct harness *h = *state;
    struct vxc_command open = {.op = VXC_OP_SESSION_OPEN,
                               .flags = VXC_COMMAND_LEGACY,
                               .key = text("node-1"),
                               .value = text("0123456789abcdef"),
                               .a = 5000};
    uint64_t first = harness_run(h, open)->token;
    const struct vxc_result *again = harness_run(h, open);

    assert_true(again->found);
    assert_int_equal(again->token, first);
    assert_int_equal(again->number, 5000);
    open.namespace_id = 7;
    assert_int_not_equal(harness_run(h, open)->token, first);
    harness_restart(h);
    assert_int_equal(vxc_fsm_legacy_session(h->f.fsm, 0, text("node-1")), first);
    assert_int_equal(vxc_fsm_legacy_session(h->f.fsm, 0, text("node-2")), 0);
    assert_int_equal(h->f.fsm->stats.legacy_sessions, 2);
    (void)close_session(h, first);
    assert_int_equal(vxc_fsm_legacy_session(h->f.fsm, 0, text("node-1")), 0);
    assert_int_equal(h->f.fsm->stats.legacy_sessions, 1);
}

/* ---- the reply window ---- */

static const struct vxc_result *add_once(struct harness *h, uint64_t session, uint64_t sequence,
                                         uint64_t floor)
{
    return run_as(h, session,
                  (struct vxc_command){.op = VXC_OP_COUNTER_ADD,
                                       .name = text("c"),
                                       .a = 1,
                                       .sequence = sequence,
                                       .floor = floor});
}

static void a_retried_command_takes_effect_once(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    uint64_t index = add_once(h, session, 5, 0)->index;
    const struct vxc_result *r;

    harness_restart(h);
    r = add_once(h, session, 5, 0);
    assert_true(r->replayed);
    assert_int_equal(r->number, 1);
    assert_int_equal(r->index, index);
    assert_int_equal(add_once(h, session, 9, 0)->number, 2);
    assert_int_equal(add_once(h, session, 7, 0)->number, 3); /* overtaken, not lost */
    assert_int_equal(add_once(h, session, 9, 0)->number, 2);
    assert_int_equal(add_once(h, session, 7, 0)->number, 3);
    assert_true(h->f.result.replayed);
}

static void below_the_floor_a_command_is_stale(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");

    (void)add_once(h, session, 1, 0);
    (void)add_once(h, session, 2, 0);
    assert_int_equal(add_once(h, session, 3, 2)->number, 3);
    harness_restart(h);
    assert_int_equal(add_once(h, session, 2, 0)->code, VXC_ESEQUENCE);
    assert_int_equal(add_once(h, session, 3, 0)->number, 3);
    assert_int_equal(add_once(h, session + 1, 3, 0)->code, VXC_ESESSION);
}

static void a_full_window_is_busy_before_anything_is_done(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");

    for (uint64_t i = 1; i <= VXC_SESSION_REPLIES_MAX; i++) {
        assert_int_equal(add_once(h, session, i, 0)->number, i);
    }
    assert_int_equal(add_once(h, session, VXC_SESSION_REPLIES_MAX + 1, 0)->code, VXC_EBUSY);
    harness_restart(h);
    assert_int_equal(add_once(h, session, VXC_SESSION_REPLIES_MAX + 1, 0)->code, VXC_EBUSY);
    assert_int_equal(add_once(h, session, 17, 0)->number, 17); /* a retry finds its place */
    assert_int_equal(add_once(h, session, VXC_SESSION_REPLIES_MAX + 1, 1)->number,
                     VXC_SESSION_REPLIES_MAX + 1);
}

static void large_results_fill_the_window_by_their_bytes(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    size_t size = VXC_SESSION_REPLY_BYTES_MAX / 2;
    uint8_t *value = calloc(1, size);
    struct vxc_command put = {
        .op = VXC_OP_MAP_PUT, .flags = VXC_COMMAND_WANT_OLD, .name = text("m"), .key = text("k")};

    put.value = vxc_slice(value, size);
    for (put.sequence = 1; put.sequence <= 3; put.sequence++) {
        assert_int_equal(run_as(h, session, put)->code, 0);
    }
    assert_int_equal(run_as(h, session, put)->code, VXC_EBUSY);
    put.sequence = 3;
    assert_int_equal(run_as(h, session, put)->value.size, size);
    assert_true(h->f.result.replayed);
    put.sequence = 4;
    put.floor = 3;
    assert_int_equal(run_as(h, session, put)->code, 0);
    free(value);
}

static void failures_are_remembered_like_results(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    struct vxc_command bad = {.op = VXC_OP_LOCK_ACQUIRE, .name = text("l"), .a = -2, .sequence = 4};

    assert_int_equal(run_as(h, session, bad)->code, VXC_EINVAL);
    harness_restart(h);
    assert_int_equal(run_as(h, session, bad)->code, VXC_EINVAL);
    assert_true(h->f.result.replayed);
    assert_non_null(h->f.result.text);
}

static void a_sequence_that_comes_again_for_another_operation_is_refused(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    struct vxc_command add = {.op = VXC_OP_COUNTER_ADD, .sequence = 1, .name = text("c"), .a = 5};
    struct vxc_command put = {.op = VXC_OP_MAP_PUT,
                              .sequence = 1,
                              .name = text("m"),
                              .key = text("k"),
                              .value = text("v")};

    assert_int_equal(run_as(h, session, add)->number, 5);
    assert_int_equal(run_as(h, session, put)->code, VXC_ESEQUENCE);
    harness_restart(h);
    assert_int_equal(run_as(h, session, put)->code, VXC_ESEQUENCE);
    assert_int_equal(run_as(h, session, add)->number, 5);
    assert_true(h->f.result.replayed);
}

static void window_agrees_with_a_naive_one(void **state)
{
    enum { SEQUENCES = 400, OP = VXC_OP_COUNTER_ADD };
    static const uint8_t bytes[300];
    struct vxc_reply_window window = {0};
    struct vxc_result kept[SEQUENCES + 1] = {0};
    bool known[SEQUENCES + 1] = {false};
    uint64_t floor = 0;
    unsigned seed = 12345;

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int step = 0; step < 20000; step++) {
        uint64_t sequence = 1 + (uint64_t)rand() % SEQUENCES;
        uint64_t raised = rand() % 200 == 0 ? (floor + 3) % SEQUENCES : 0;
        struct vxc_result result = {0};
        int rv = vxc_reply_window_admit(&window, sequence, raised, OP, &result);

        floor = raised > floor ? raised : floor;
        if (sequence <= floor) {
            assert_int_equal(rv, VXC_ESEQUENCE);
            continue;
        }
        assert_int_equal(rv, known[sequence] ? 1 : 0);
        if (rv == 1) {
            assert_int_equal(result.number, kept[sequence].number);
            assert_int_equal(result.value.size, kept[sequence].value.size);
            assert_int_equal(result.next.size, kept[sequence].next.size);
            assert_int_equal(result.value.data == NULL, kept[sequence].value.data == NULL);
        }
        result = (struct vxc_result){
            .number = rand(),
            .value = rand() % 3 == 0 ? vxc_slice(NULL, 0)
                                     : vxc_slice(bytes, (size_t)rand() % sizeof bytes),
            .next = vxc_slice(bytes, (size_t)rand() % 20),
        };
        if (rv == 0) {
            vxc_reply_window_remember(&window, sequence, (uint64_t)step + 1, OP, &result);
        } else if (rand() % 4 == 0) {
            assert_true(vxc_reply_window_amend(&window, sequence, &result));
        } else {
            continue;
        }
        kept[sequence] = result;
        known[sequence] = true;
        if (step % 100 == 0) { /* through its row and back */
            struct vxc_buffer row = {0};
            struct vxc_buffer again = {0};
            vxc_reply_window_encode(&window, &row);
            vxc_reply_window_deinit(&window);
            assert_int_equal(vxc_reply_window_decode(vxc_buffer_slice(&row), &window), 0);
            vxc_reply_window_encode(&window, &again);
            assert_true(vxc_slice_equal(vxc_buffer_slice(&row), vxc_buffer_slice(&again)));
            vxc_buffer_free(&row);
            vxc_buffer_free(&again);
        }
    }
    vxc_reply_window_deinit(&window);
}

static void a_damaged_window_row_is_refused(void **state)
{
    enum { OP = VXC_OP_COUNTER_ADD };
    struct vxc_reply_window window = {0};
    struct vxc_reply_window read = {0};
    struct vxc_buffer row = {0};
    struct vxc_result result = {.number = 7, .value = text("value")};

    (void)state;
    vxc_reply_window_remember(&window, 3, 10, OP, &result);
    vxc_reply_window_remember(&window, 4, 11, OP, &result);
    vxc_reply_window_encode(&window, &row);
    for (size_t size = 0; size < row.size; size++) {
        assert_int_equal(vxc_reply_window_decode(vxc_slice(row.data, size), &read), VXC_ECORRUPT);
    }
    row.data[8 + 8 + 4] = 5; /* sequences out of order */
    assert_int_equal(vxc_reply_window_decode(vxc_buffer_slice(&row), &read), VXC_ECORRUPT);
    vxc_reply_window_deinit(&window);
    vxc_buffer_free(&row);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* No bound is asserted: the machine is shared. The number is for the eye; it should stay below 100.
 */
static void the_gate_costs_little(void **state)
{
    enum { SESSIONS = 1000, ROUNDS = 1000, IN_FLIGHT = 16 };
    struct harness *h = *state;
    uint64_t sessions[SESSIONS];
    uint64_t start;

    for (int i = 0; i < SESSIONS; i++) {
        sessions[i] = open_session(h, "c");
    }
    start = now_ns();
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < SESSIONS; i++) {
            struct vxc_command command = {.op = VXC_OP_MAP_PUT,
                                          .session = sessions[i],
                                          .sequence = round,
                                          .floor = round > IN_FLIGHT ? round - IN_FLIGHT : 0};
            struct vxc_result result = {.index = round, .found = true};
            assert_true(vxc_session_admit(h->f.fsm, &command, &result) == 0);
            vxc_session_remember(h->f.fsm, &command, &result);
        }
    }
    print_message("admit + remember: %.0f ns over %d sessions\n",
                  (double)(now_ns() - start) / SESSIONS / ROUNDS, SESSIONS);
}

/* ---- the end ---- */

static void own_some_of_everything(struct harness *h, uint64_t session)
{
    (void)join(h, session, "n", "info");
    assert_true(add_registration(h, session, "a1", "n", 1, "")->found);
    assert_true(add_registration(h, session, "a1", "n", 2, "")->found);
    assert_true(add_registration(h, session, "a2", "n", 3, "")->found);
    assert_true(acquire(h, session, "l1", 100, -1)->found);
    assert_false(acquire(h, session, "l1", 101, 5000)->found);
    (void)watch(h, session, VXC_WATCH_MAP, "m", NULL);
}

static void the_end_takes_all_away_in_order(void **state)
{
    struct harness *h = *state;
    uint64_t watcher = open_session(h, "watcher");
    uint64_t session = open_session(h, "dying");
    const enum vxc_event_type expected[] = {VXC_EVENT_REGISTRATIONS, VXC_EVENT_REGISTRATIONS,
                                            VXC_EVENT_LOCK_GRANTED, VXC_EVENT_NODE_LEFT,
                                            VXC_EVENT_SESSION_EXPIRED};

    own_some_of_everything(h, session);
    assert_false(acquire(h, watcher, "l1", 1, -1)->found);
    (void)watch(h, watcher, VXC_WATCH_MEMBERS, NULL, NULL);
    (void)watch(h, watcher, VXC_WATCH_REGISTRATIONS, NULL, NULL);
    harness_restart(h);
    harness_forget(h);
    assert_true(expire_session(h, session)->found);
    assert_int_equal(h->event_count, 5);
    for (size_t i = 0; i < h->event_count; i++) {
        assert_int_equal(h->events[i].type, expected[i]);
        assert_int_equal(h->events[i].session, i == 4 ? session : watcher);
        assert_int_equal(h->events[i].ordinal, i);
        assert_int_equal(h->events[i].index, h->f.index - 1);
    }
    (void)close_session(h, watcher);
    assert_int_equal(count_rows(h, VXC_DB_SESSIONS, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_LOCKS, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_REGISTRATIONS, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_WATCHES, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_EVENTS, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_DEADLINES, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_NODES, ""), 1); /* the epoch goes on */
    assert_int_equal(h->f.fsm->stats.locks, 0);
    assert_int_equal(h->f.fsm->stats.registrations, 0);
}

static void expiring_twice_or_closing_the_dead_is_harmless(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");

    assert_true(expire_session(h, session)->found);
    assert_false(expire_session(h, session)->found);
    assert_int_equal(h->f.result.code, 0);
    assert_int_equal(close_session(h, session)->code, VXC_ESESSION);
}

static void a_guard_spares_a_session_heard_since(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    uint64_t heard = add_once(h, session, 1, 0)->index;
    struct vxc_command expire = {
        .op = VXC_OP_SESSION_EXPIRE, .a = (int64_t)session, .b = heard - 1};

    harness_restart(h);
    assert_false(harness_run(h, expire)->found);
    expire.b = heard;
    assert_true(harness_run(h, expire)->found);
}

static void closing_is_answered_and_told(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    struct vxc_command close = {.op = VXC_OP_SESSION_CLOSE, .session = session, .sequence = 1};

    assert_true(harness_run(h, close)->found);
    assert_int_equal(h->event_count, 1);
    assert_int_equal(h->events[0].type, VXC_EVENT_SESSION_CLOSED);
    assert_int_equal(h->events[0].session, session);
    assert_int_equal(harness_run(h, close)->code, VXC_ESESSION);
}

static void a_session_with_100000_locks_ends_in_one_command(void **state)
{
    enum { LOCKS = 100000 };
    struct harness *h = *state;
    uint64_t session = open_session(h, "many");
    uint64_t next = open_session(h, "next");
    uint64_t start;
    char name[32];

    for (int i = 0; i < LOCKS; i++) {
        (void)snprintf(name, sizeof name, "lock-%d", i);
        assert_true(acquire(h, session, name, 1, -1)->found);
        if (i % 1000 == 0) {
            assert_false(acquire(h, next, name, 1, -1)->found);
        }
    }
    fixture_commit(&h->f);
    start = now_ns();
    assert_true(expire_session(h, session)->found);
    print_message("%d locks given up in %.0f ms\n", LOCKS, (double)(now_ns() - start) / 1e6);
    assert_int_equal(h->f.fsm->stats.locks, LOCKS / 1000);
    assert_int_equal(h->f.fsm->stats.locks_held, LOCKS / 1000);
    assert_int_equal(h->f.fsm->stats.locks_waiting, 0);
    assert_int_equal(h->event_count, LOCKS / 1000 + 1);
    assert_true(expire_session(h, next)->found);
    assert_int_equal(count_rows(h, VXC_DB_LOCKS, ""), 0);
}

/* ---- listing ---- */

static void list_pages_through_all_by_id(void **state)
{
    struct harness *h = *state;
    struct vxc_command list = {.op = VXC_OP_SESSION_LIST, .b = UINT64_C(2) << 32};
    uint64_t seen = 0;
    uint64_t last = 0;
    uint8_t cursor[64];

    for (int i = 0; i < 5; i++) {
        (void)open_session(h, "c");
    }
    for (;;) {
        const struct vxc_result *r = harness_ask(h, list);
        assert_int_equal(r->code, 0);
        for (uint32_t i = 0; i < (uint32_t)r->number; i++) {
            uint64_t id = vxc_load_u64(fixture_item(r->value, i).data);
            assert_true(id > last);
            last = id;
            seen++;
        }
        if (r->next.data == NULL) {
            break;
        }
        memcpy(cursor, r->next.data, r->next.size);
        list.key = vxc_slice(cursor, r->next.size);
    }
    assert_int_equal(seen, 5);
    list.key = text("nonsense");
    assert_int_equal(harness_ask(h, list)->code, VXC_EINVAL);
}

static void get_shows_a_session_without_its_secret(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "client");
    const struct vxc_result *r;
    struct vxc_reader reader;

    own_some_of_everything(h, session);
    r = harness_ask(h, (struct vxc_command){.op = VXC_OP_SESSION_GET, .a = (int64_t)session});
    assert_true(r->found);
    reader = vxc_reader(r->value);
    assert_int_equal(vxc_reader_u64(&reader), session);
    assert_int_equal(vxc_reader_u64(&reader), 0);
    (void)vxc_reader_u64(&reader);
    assert_int_equal(vxc_reader_u32(&reader), 20000);
    assert_int_equal(vxc_reader_u8(&reader), 0);
    assert_int_equal(vxc_reader_u64(&reader), 1); /* held */
    assert_int_equal(vxc_reader_u64(&reader), 1); /* waiting */
    assert_int_equal(vxc_reader_u64(&reader), 3); /* registrations */
    assert_int_equal(vxc_reader_u64(&reader), 1); /* watches */
    assert_slice_is(vxc_reader_bytes(&reader), "n");
    assert_slice_is(vxc_reader_bytes(&reader), "client");
    assert_true(vxc_reader_at_end(&reader));
    r = harness_ask(h, (struct vxc_command){.op = VXC_OP_SESSION_GET, .a = 999});
    assert_false(r->found);
}

static void every_row_can_be_described(void **state)
{
    static const enum vxc_database databases[] = {VXC_DB_SESSIONS, VXC_DB_LOCKS,
                                                  VXC_DB_NODES,    VXC_DB_REGISTRATIONS,
                                                  VXC_DB_WATCHES,  VXC_DB_EVENTS};
    struct harness *h = *state;
    uint64_t session = open_session(h, "client");
    struct vxc_buffer line = {0};
    size_t count = 0;

    (void)watch(h, session, VXC_WATCH_MEMBERS, NULL, NULL);
    own_some_of_everything(h, session);
    (void)add_once(h, session, 1, 0);
    fixture_commit(&h->f);
    for (size_t i = 0; i < sizeof databases / sizeof *databases; i++) {
        struct vxc_slice all = {NULL, 0};
        struct vxc_slice key, body;
        struct vxc_table_scan *scan =
            vxc_table_scan_open(h->f.table, databases[i], all, all, false);
        while (vxc_table_scan_next(scan, &key, &body)) {
            vxc_buffer_clear(&line);
            assert_int_equal(vxc_row_describe(databases[i], key, body, NULL, &line), 0);
            assert_int_equal(line.data[0], '{');
            assert_int_equal(line.data[line.size - 1], '}');
            assert_null(memmem(line.data, line.size, "0123456789abcdef", 16)); /* the secret */
            count++;
        }
        vxc_table_scan_close(scan);
    }
    assert_true(count >= 15);
    vxc_buffer_free(&line);
}

/* ---- determinism ---- */

static void act(struct harness *h, unsigned step, uint64_t session)
{
    (void)add_once(h, session, step + 1, step > 3 ? step - 3 : 0);
    if (step % 5 == 0) {
        (void)run_as(h, session,
                     (struct vxc_command){.op = VXC_OP_LOCK_ACQUIRE,
                                          .name = text("l"),
                                          .a = 500,
                                          .sequence = 1000 + step,
                                          .floor = 0});
    }
    if (step % 7 == 0) {
        (void)add_registration(h, session, "a", "n", step, "d");
    }
    if (step % 11 == 0) {
        (void)run_as(h, session,
                     (struct vxc_command){.op = VXC_OP_LOCK_RELEASE, .name = text("l")});
    }
    fixture_pass_time(&h->f, 50);
}

static void rows_do_not_depend_on_when_they_were_written(void **state)
{
    struct harness *rare = *state;
    struct harness often;
    uint64_t sessions[2];

    harness_open(&often);
    for (int i = 0; i < 2; i++) {
        sessions[i] = open_session(rare, "c");
        assert_int_equal(open_session(&often, "c"), sessions[i]);
        (void)watch(rare, sessions[i], VXC_WATCH_REGISTRATIONS, NULL, NULL);
        (void)watch(&often, sessions[i], VXC_WATCH_REGISTRATIONS, NULL, NULL);
    }
    for (unsigned step = 0; step < 200; step++) {
        act(rare, step, sessions[step % 2]);
        act(&often, step, sessions[step % 2]);
        if (step % 3 == 0) {
            fixture_commit(&often.f);
        }
        if (step % 40 == 0) {
            harness_restart(&often);
        }
    }
    fixture_commit(&rare->f);
    fixture_commit(&often.f);
    assert_int_not_equal(vxc_store_digest(rare->f.store), 0);
    assert_int_equal(vxc_store_digest(rare->f.store), vxc_store_digest(often.f.store));
    harness_close(&often);
}

#define test(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(open_gives_an_id_and_remembers_name_and_secret),
        test(open_refuses_bad_secrets_and_timeouts),
        test(a_legacy_node_has_one_session_per_namespace),
        test(a_retried_command_takes_effect_once),
        test(below_the_floor_a_command_is_stale),
        test(a_full_window_is_busy_before_anything_is_done),
        test(large_results_fill_the_window_by_their_bytes),
        test(failures_are_remembered_like_results),
        test(a_sequence_that_comes_again_for_another_operation_is_refused),
        cmocka_unit_test(window_agrees_with_a_naive_one),
        cmocka_unit_test(a_damaged_window_row_is_refused),
        test(the_gate_costs_little),
        test(the_end_takes_all_away_in_order),
        test(expiring_twice_or_closing_the_dead_is_harmless),
        test(a_guard_spares_a_session_heard_since),
        test(closing_is_answered_and_told),
        test(a_session_with_100000_locks_ends_in_one_command),
        test(list_pages_through_all_by_id),
        test(get_shows_a_session_without_its_secret),
        test(every_row_can_be_described),
        test(rows_do_not_depend_on_when_they_were_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
