#include "harness.h"

#include <stdio.h>

static const struct vxc_result *release(struct harness *h, uint64_t session, const char *lock,
                                        uint64_t token)
{
    return run_as(h, session,
                  (struct vxc_command){.op = VXC_OP_LOCK_RELEASE, .name = text(lock), .b = token});
}

static const struct vxc_result *cancel(struct harness *h, uint64_t session, const char *lock,
                                       uint64_t ticket)
{
    return run_as(h, session,
                  (struct vxc_command){.op = VXC_OP_LOCK_CANCEL, .name = text(lock), .b = ticket});
}

static const struct vxc_result *held(struct harness *h, uint64_t session, const char *lock)
{
    return harness_ask(
        h, (struct vxc_command){.op = VXC_OP_LOCK_HELD, .session = session, .name = text(lock)});
}

static const struct vxc_result *info(struct harness *h, const char *lock)
{
    return harness_ask(h, (struct vxc_command){.op = VXC_OP_LOCK_INFO, .name = text(lock)});
}

static const struct vxc_event *last_event(const struct harness *h)
{
    assert_true(h->event_count > 0);
    return &h->events[h->event_count - 1];
}

/* ---- acquire ---- */

static void a_free_lock_is_acquired_with_a_rising_token(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    uint64_t token = acquire(h, session, "l", 1, 0)->token;

    assert_true(h->f.result.found);
    assert_int_not_equal(token, 0);
    assert_true(release(h, session, "l", token)->found);
    harness_restart(h);
    assert_true(acquire(h, session, "l", 2, 0)->token > token);
}

static void waiters_are_granted_in_fifo_order(void **state)
{
    struct harness *h = *state;
    uint64_t sessions[4];

    for (int i = 0; i < 4; i++) {
        sessions[i] = open_session(h, "c");
        assert_int_equal(acquire(h, sessions[i], "l", 10, -1)->number, i);
    }
    harness_restart(h);
    for (int i = 0; i < 3; i++) {
        uint64_t token = held(h, sessions[i], "l")->token;
        assert_true(h->f.result.found);
        assert_true(release(h, sessions[i], "l", token)->found);
        assert_int_equal(last_event(h)->type, VXC_EVENT_LOCK_GRANTED);
        assert_int_equal(last_event(h)->session, sessions[i + 1]);
        assert_int_equal(last_event(h)->ticket, 10);
        assert_slice_is(last_event(h)->name, "l");
        assert_true(last_event(h)->token > token);
    }
    assert_int_equal(h->event_count, 3);
}

static void without_wait_a_held_lock_is_refused(void **state)
{
    struct harness *h = *state;
    uint64_t holder = open_session(h, "c");
    uint64_t other = open_session(h, "c");

    (void)acquire(h, holder, "l", 1, 0);
    assert_false(acquire(h, other, "l", 1, 0)->found);
    assert_int_equal(h->f.result.code, 0);
    assert_int_equal(h->f.result.number, 0);
    assert_true(release(h, holder, "l", 0)->found);
    assert_int_equal(h->event_count, 0);
}

static void the_same_session_waits_for_itself(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");

    assert_true(acquire(h, session, "l", 1, -1)->found);
    assert_false(acquire(h, session, "l", 2, -1)->found);
    assert_int_equal(h->f.result.number, 1);
    assert_true(release(h, session, "l", 0)->found);
    assert_int_equal(last_event(h)->ticket, 2);
    assert_true(held(h, session, "l")->found);
}

static void the_same_ticket_reattaches(void **state)
{
    struct harness *h = *state;
    uint64_t holder = open_session(h, "c");
    uint64_t waiter = open_session(h, "c");
    uint64_t token = acquire(h, holder, "l", 1, -1)->token;

    assert_int_equal(acquire(h, waiter, "l", 7, -1)->number, 1);
    assert_int_equal(acquire(h, waiter, "l", 7, -1)->number, 1);
    assert_true(acquire(h, holder, "l", 1, -1)->found);
    assert_int_equal(h->f.result.token, token);
    assert_int_equal(info(h, "l")->number, 1);
}

static void a_retried_acquire_follows_the_outcome(void **state)
{
    struct harness *h = *state;
    uint64_t holder = open_session(h, "c");
    uint64_t waiter = open_session(h, "c");
    struct vxc_command command = {
        .op = VXC_OP_LOCK_ACQUIRE, .name = text("l"), .a = -1, .sequence = 9};

    (void)acquire(h, holder, "l", 1, -1);
    assert_int_equal(run_as(h, waiter, command)->number, 1);
    assert_int_equal(run_as(h, waiter, command)->number, 1);
    assert_true(h->f.result.replayed);
    (void)release(h, holder, "l", 0);
    assert_int_equal(last_event(h)->ticket, 9);
    harness_restart(h);
    assert_true(run_as(h, waiter, command)->found);
    assert_true(h->f.result.replayed);
    assert_int_equal(h->f.result.token, held(h, waiter, "l")->token);
}

static void an_acquire_needs_a_live_session_and_a_ticket(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");

    assert_int_equal(acquire(h, 0, "l", 1, -1)->code, VXC_ESESSION);
    assert_int_equal(acquire(h, session + 1, "l", 1, -1)->code, VXC_ESESSION);
    assert_int_equal(acquire(h, session, "l", 0, -1)->code, VXC_EINVAL);
    assert_int_equal(acquire(h, session, "l", 1, -2)->code, VXC_EINVAL);
    assert_int_equal(count_rows(h, VXC_DB_LOCKS, ""), 0);
}

/* ---- time ---- */

static void a_wait_ends_at_its_deadline(void **state)
{
    struct harness *h = *state;
    uint64_t holder = open_session(h, "c");
    uint64_t waiter = open_session(h, "c");
    struct vxc_command command = {
        .op = VXC_OP_LOCK_ACQUIRE, .name = text("l"), .a = 100, .sequence = 3};

    (void)acquire(h, holder, "l", 1, -1);
    (void)run_as(h, waiter, command);
    fixture_pass_time(&h->f, 99);
    assert_int_equal(h->event_count, 0);
    harness_restart(h);
    fixture_pass_time(&h->f, 1);
    assert_int_equal(last_event(h)->type, VXC_EVENT_LOCK_TIMEOUT);
    assert_int_equal(last_event(h)->session, waiter);
    assert_int_equal(last_event(h)->ticket, 3);
    assert_int_equal(run_as(h, waiter, command)->code, VXC_ETIMEOUT);
    (void)release(h, holder, "l", 0);
    assert_int_equal(h->event_count, 1); /* the dead waiter is not granted */
    assert_int_equal(count_rows(h, VXC_DB_LOCKS, ""), 0);
}

static void released_twice_exactly_one_waiter_wins(void **state)
{
    struct harness *h = *state;
    uint64_t holder = open_session(h, "c");
    uint64_t first = open_session(h, "c");
    uint64_t second = open_session(h, "c");
    uint64_t token = acquire(h, holder, "l", 1, -1)->token;

    (void)acquire(h, first, "l", 1, 10);
    (void)acquire(h, second, "l", 1, 10);
    assert_true(release(h, holder, "l", token)->found);
    assert_false(release(h, holder, "l", token)->found);
    fixture_pass_time(&h->f, 10);
    assert_int_equal(h->event_count, 2);
    assert_int_equal(h->events[0].type, VXC_EVENT_LOCK_GRANTED);
    assert_int_equal(h->events[0].session, first);
    assert_int_equal(h->events[1].type, VXC_EVENT_LOCK_TIMEOUT);
    assert_int_equal(h->events[1].session, second);
}

/* ---- release and cancel ---- */

static void release_wants_the_right_holder_and_token(void **state)
{
    struct harness *h = *state;
    uint64_t holder = open_session(h, "c");
    uint64_t other = open_session(h, "c");
    uint64_t token = acquire(h, holder, "l", 1, -1)->token;

    assert_false(release(h, other, "l", token)->found);
    assert_false(release(h, holder, "l", token + 1)->found);
    assert_false(release(h, holder, "none", 0)->found);
    assert_int_equal(release(h, 0, "l", token)->code, VXC_ESESSION);
    assert_true(release(h, holder, "l", token)->found);
}

static void cancel_leaves_the_queue_or_gives_the_lock_back(void **state)
{
    struct harness *h = *state;
    uint64_t holder = open_session(h, "c");
    uint64_t first = open_session(h, "c");
    uint64_t second = open_session(h, "c");

    (void)acquire(h, holder, "l", 1, -1);
    (void)acquire(h, first, "l", 5, 1000);
    (void)acquire(h, second, "l", 6, -1);
    assert_true(cancel(h, first, "l", 5)->found);
    assert_int_equal(h->f.result.number, 0);
    assert_int_equal(last_event(h)->type, VXC_EVENT_LOCK_CANCELED);
    assert_int_equal(last_event(h)->ticket, 5);
    assert_false(cancel(h, first, "l", 5)->found);
    assert_int_equal(count_rows(h, VXC_DB_DEADLINES, ""), 0);
    (void)release(h, holder, "l", 0);
    assert_int_equal(last_event(h)->session, second);
    assert_true(cancel(h, second, "l", 6)->found); /* granted meanwhile */
    assert_int_equal(h->f.result.number, 1);
    assert_false(info(h, "l")->found);
    assert_int_equal(cancel(h, 0, "l", 0)->code, VXC_ESESSION);
}

/* ---- legacy ---- */

static const struct vxc_result *legacy_acquire(struct harness *h, uint64_t session, uint64_t ticket)
{
    return run_as(h, session,
                  (struct vxc_command){.op = VXC_OP_LOCK_ACQUIRE,
                                       .flags = VXC_COMMAND_LEGACY,
                                       .name = text("l"),
                                       .b = ticket});
}

static void a_legacy_owner_asking_again_is_told_acquired(void **state)
{
    struct harness *h = *state;
    uint64_t owner = open_session(h, "c");
    uint64_t other = open_session(h, "c");
    uint64_t token = legacy_acquire(h, owner, 1)->token;

    assert_int_equal(legacy_acquire(h, owner, 2)->token, token);
    assert_true(h->f.result.found);
    assert_int_equal(legacy_acquire(h, other, 3)->number, 1);
    assert_int_equal(legacy_acquire(h, other, 4)->number, 1); /* one place per node */
    assert_int_equal(info(h, "l")->number, 1);
    (void)release(h, owner, "l", 0);
    assert_int_equal(last_event(h)->session, other);
    assert_int_equal(last_event(h)->ticket, 4);
}

/* ---- the objects ---- */

static void a_created_lock_stays_until_destroyed(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    struct vxc_command create = {.op = VXC_OP_LOCK_CREATE, .name = text("l")};
    struct vxc_command destroy = {.op = VXC_OP_LOCK_DESTROY, .name = text("l")};

    assert_false(harness_run(h, create)->found);
    assert_true(harness_run(h, create)->found);
    assert_int_not_equal(h->f.fsm->quota_bytes_used, 0);
    (void)acquire(h, session, "l", 1, -1);
    assert_int_equal(harness_run(h, destroy)->code, VXC_EBUSY);
    (void)release(h, session, "l", 0);
    assert_true(info(h, "l")->found);
    assert_int_equal(h->f.result.token, 0);
    assert_true(harness_run(h, destroy)->found);
    assert_false(harness_run(h, destroy)->found);
    assert_int_equal(h->f.fsm->quota_bytes_used, 0);
    h->f.fsm->quota_bytes = 10;
    assert_int_equal(harness_run(h, create)->code, VXC_ENOSPC);
    assert_int_equal(h->f.fsm->stats.locks, 0);
    assert_int_equal(count_rows(h, VXC_DB_LOCKS, ""), 0);
}

static void a_lock_row_is_laid_out_as_documented(void **state)
{
    struct harness *h = *state;
    uint64_t holder = open_session(h, "c");
    uint64_t waiter = open_session(h, "c");
    uint64_t token = acquire(h, holder, "name", 7, -1)->token;
    const uint8_t key[] = {'l', 0, 0, 0, 0, 0, 0, 0, 0, 'n', 'a', 'm', 'e'};
    struct vxc_slice body;

    (void)acquire(h, waiter, "name", 9, -1);
    assert_int_equal(vxc_table_get(h->f.table, VXC_DB_LOCKS, vxc_slice(key, sizeof key), &body), 0);
    assert_int_equal(body.size, 85 + 4);
    assert_int_equal(body.data[0], 0);
    assert_int_equal(vxc_load_u64(body.data + 9), holder);
    assert_int_equal(vxc_load_u64(body.data + 17), token);
    assert_int_equal(vxc_load_u64(body.data + 25), 7);
    assert_int_equal(vxc_load_u64(body.data + 33), 1000);
    assert_int_equal(vxc_load_u32(body.data + 41), 1);
    assert_int_equal(vxc_load_u64(body.data + 53), waiter);
    assert_int_equal(vxc_load_u64(body.data + 61), 9);
    assert_int_equal(vxc_load_u64(body.data + 69), waiter);
    assert_memory_equal(body.data + 85, "name", 4);
}

static void info_and_list_show_holder_and_queue(void **state)
{
    struct harness *h = *state;
    uint64_t holder = open_session(h, "holder");
    uint64_t waiter = open_session(h, "waiter");
    struct vxc_reader reader;
    const struct vxc_result *r;
    uint64_t token;

    (void)join(h, holder, "node-1", "");
    token = acquire(h, holder, "l", 1, -1)->token;
    fixture_pass_time(&h->f, 50);
    (void)acquire(h, waiter, "l", 2, 1000);
    r = info(h, "l");
    assert_true(r->found);
    assert_int_equal(r->number, 1);
    assert_int_equal(fixture_count(r->value), 2);
    reader = vxc_reader(fixture_item(r->value, 0));
    assert_int_equal(vxc_reader_u64(&reader), holder);
    assert_int_equal(vxc_reader_u64(&reader), token);
    assert_int_equal(vxc_reader_u64(&reader), 1);
    assert_int_equal(vxc_reader_u64(&reader), 1000);
    assert_int_equal(vxc_reader_u32(&reader), 1);
    assert_slice_is(vxc_reader_bytes(&reader), "node-1");
    assert_slice_is(vxc_reader_bytes(&reader), "holder");
    assert_true(vxc_reader_at_end(&reader));
    reader = vxc_reader(fixture_item(r->value, 1));
    assert_int_equal(vxc_reader_u64(&reader), waiter);
    assert_int_equal(vxc_reader_u64(&reader), 2);
    assert_int_equal(vxc_reader_u64(&reader), 1050);
    assert_int_equal(vxc_reader_u64(&reader), 2050);
    assert_slice_is(vxc_reader_bytes(&reader), "");
    assert_slice_is(vxc_reader_bytes(&reader), "waiter");
    assert_true(vxc_reader_at_end(&reader));
    r = harness_ask(h, (struct vxc_command){.op = VXC_OP_LOCK_LIST});
    assert_int_equal(fixture_count(r->value), 2);
    assert_slice_is(fixture_item(r->value, 0), "l");
}

static void a_long_queue_is_listed_in_pages(void **state)
{
    enum { WAITERS = 25 };
    struct harness *h = *state;
    uint64_t sessions[WAITERS];
    struct vxc_command query = {.op = VXC_OP_LOCK_INFO, .name = text("l"), .b = UINT64_C(10) << 32};
    uint8_t cursor[64];
    uint32_t seen = 0;

    (void)acquire(h, open_session(h, "c"), "l", 1, -1);
    for (int i = 0; i < WAITERS; i++) {
        sessions[i] = open_session(h, "c");
        assert_int_equal(acquire(h, sessions[i], "l", 1, -1)->number, i + 1);
    }
    for (;;) {
        const struct vxc_result *r = harness_ask(h, query);
        uint32_t first = query.key.data == NULL ? 1 : 0; /* the lock itself comes first */
        for (uint32_t i = first; i < fixture_count(r->value); i++) {
            assert_int_equal(vxc_load_u64(fixture_item(r->value, i).data), sessions[seen++]);
        }
        if (r->next.data == NULL) {
            break;
        }
        memcpy(cursor, r->next.data, r->next.size);
        query.key = vxc_slice(cursor, r->next.size);
    }
    assert_int_equal(seen, WAITERS);
    (void)close_session(h, vxc_load_be64(cursor + 1));
    assert_int_equal(harness_ask(h, query)->code, VXC_ENOTFOUND);
}

static void names_up_to_64_kib_of_any_bytes(void **state)
{
    static uint8_t name[VXC_NAME_SIZE_MAX];
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    struct vxc_command command = {
        .op = VXC_OP_LOCK_ACQUIRE, .name = vxc_slice(name, sizeof name), .a = -1, .b = 1};

    for (size_t i = 0; i < sizeof name; i++) {
        name[i] = (uint8_t)(i * 7);
    }
    assert_true(run_as(h, session, command)->found);
    name[sizeof name - 1] ^= 1;
    assert_true(run_as(h, session, command)->found); /* another lock */
    harness_restart(h);
    command.name.size = 0;
    assert_true(run_as(h, session, command)->found);
    assert_int_equal(h->f.fsm->stats.locks, 3);
    (void)expire_session(h, session);
    assert_int_equal(count_rows(h, VXC_DB_LOCKS, ""), 0);
}

static void watchers_hear_of_lock_and_unlock(void **state)
{
    struct harness *h = *state;
    uint64_t watcher = open_session(h, "c");
    uint64_t session = open_session(h, "c");
    uint64_t token;

    (void)watch(h, watcher, VXC_WATCH_LOCK, "l", NULL);
    token = acquire(h, session, "l", 1, -1)->token;
    (void)acquire(h, session, "other", 1, -1);
    (void)release(h, session, "l", 0);
    assert_int_equal(h->event_count, 2);
    assert_int_equal(h->events[0].type, VXC_EVENT_LOCKED);
    assert_int_equal(h->events[0].number, session);
    assert_int_equal(h->events[0].token, token);
    assert_int_equal(h->events[1].type, VXC_EVENT_UNLOCKED);
    assert_int_equal(h->events[1].session, watcher);
}

static void a_session_holds_a_bounded_number_of_locks(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    char name[32];

    for (unsigned i = 0; i < VXC_SESSION_LOCKS_MAX; i++) {
        (void)snprintf(name, sizeof name, "%u", i);
        assert_true(acquire(h, session, name, 1, -1)->found);
    }
    assert_int_equal(acquire(h, session, "one more", 1, -1)->code, VXC_ELIMIT);
    assert_int_equal(acquire(h, session, "0", 2, -1)->code, VXC_ELIMIT);
    (void)release(h, session, "0", 0);
    assert_true(acquire(h, session, "one more", 1, -1)->found);
}

static void a_queue_is_long_but_bounded(void **state)
{
    struct harness *h = *state;
    uint64_t holder = open_session(h, "c");
    uint64_t waiter = open_session(h, "c");
    uint64_t last = open_session(h, "c");

    (void)acquire(h, holder, "l", 1, -1);
    for (unsigned i = 1; i < VXC_LOCK_WAITERS_MAX; i++) {
        assert_int_equal(acquire(h, waiter, "l", i, 100000)->number, i);
    }
    assert_int_equal(acquire(h, last, "l", 1, -1)->number, VXC_LOCK_WAITERS_MAX);
    assert_int_equal(acquire(h, last, "l", 2, -1)->code, VXC_ELIMIT);
    assert_true(cancel(h, waiter, "l", VXC_LOCK_WAITERS_MAX / 2)->found);
    harness_restart(h);
    harness_forget(h);
    assert_true(expire_session(h, waiter)->found);
    assert_int_equal(info(h, "l")->number, 1);
    assert_int_equal(count_rows(h, VXC_DB_DEADLINES, ""), 0);
    assert_true(release(h, holder, "l", 0)->found);
    assert_int_equal(last_event(h)->session, last);
}

/* ---- against a naive model ---- */

/* Sessions ask for, cancel and release a few locks, expire, and time passes, at random. The model
 * is arrays and loops; it foretells every answer and every event in order. Only of time-outs that
 * fall due together it takes the order from the machine, and checks which they are. Beside it a
 * second machine goes through the same commands, but is written out and restarted at random: both
 * end with the same rows. */
enum {
    MODEL_SESSIONS = 6,
    MODEL_LOCKS = 3,
    MODEL_WAITERS = 64,
    MODEL_EVENTS = 256,
    MODEL_STEPS = 6000,
};

struct model_wait {
    int who; /* index of a session */
    uint64_t ticket;
    uint64_t due_ms;
};

struct model_lock {
    int holder; /* -1 = free */
    uint64_t ticket;
    uint64_t token;
    struct model_wait queue[MODEL_WAITERS];
    int queued;
};

struct model_event {
    enum vxc_event_type type;
    uint64_t session;
    uint64_t ticket;
};

struct model {
    struct harness *h;
    struct harness *second;
    uint64_t sessions[MODEL_SESSIONS];
    struct model_lock locks[MODEL_LOCKS];
    struct model_event expected[MODEL_EVENTS];
    size_t expected_count;
    uint64_t next_ticket;
    uint64_t last_token;
};

static const char *const lock_names[MODEL_LOCKS] = {"a", "b", "c"};

static void expect(struct model *m, enum vxc_event_type type, int who, uint64_t ticket)
{
    assert_true(m->expected_count < MODEL_EVENTS);
    m->expected[m->expected_count++] = (struct model_event){type, m->sessions[who], ticket};
}

static void model_drop(struct model_lock *lock, int position)
{
    lock->queued--;
    for (int i = position; i < lock->queued; i++) {
        lock->queue[i] = lock->queue[i + 1];
    }
}

static void model_grant(struct model *m, struct model_lock *lock)
{
    lock->holder = -1;
    if (lock->queued > 0) {
        lock->holder = lock->queue[0].who;
        lock->ticket = lock->queue[0].ticket;
        expect(m, VXC_EVENT_LOCK_GRANTED, lock->holder, lock->ticket);
        model_drop(lock, 0);
    }
}

/* The real events are the foretold ones, tokens rise for ever, and the model learns them. */
static void check_events(struct model *m)
{
    assert_int_equal(m->h->event_count, m->expected_count);
    for (size_t i = 0; i < m->expected_count; i++) {
        const struct vxc_event *event = &m->h->events[i];
        assert_int_equal(event->type, m->expected[i].type);
        assert_int_equal(event->session, m->expected[i].session);
        assert_int_equal(event->ticket, m->expected[i].ticket);
        if (event->type == VXC_EVENT_LOCK_GRANTED) {
            assert_true(event->token > m->last_token);
            m->last_token = event->token;
            for (int l = 0; l < MODEL_LOCKS; l++) {
                if (m->locks[l].holder >= 0 && m->sessions[m->locks[l].holder] == event->session &&
                    m->locks[l].ticket == event->ticket) {
                    m->locks[l].token = event->token;
                }
            }
        }
    }
    m->expected_count = 0;
    harness_forget(m->h);
    harness_forget(m->second);
}

static const struct vxc_result *run_both(struct model *m, struct vxc_command command)
{
    (void)harness_run(m->second, command);
    return harness_run(m->h, command);
}

static void model_open(struct model *m, int who)
{
    m->sessions[who] = run_both(m, (struct vxc_command){.op = VXC_OP_SESSION_OPEN,
                                                        .value = text("0123456789abcdef"),
                                                        .a = 1000})
                           ->token;
}

static void step_acquire(struct model *m, int who, int l)
{
    static const int64_t waits[] = {-1, 0, 20, 60, 200};
    struct model_lock *lock = &m->locks[l];
    int64_t wait = waits[rand() % 5];
    uint64_t ticket = m->next_ticket++;
    const struct vxc_result *r = run_both(m, (struct vxc_command){.op = VXC_OP_LOCK_ACQUIRE,
                                                                  .session = m->sessions[who],
                                                                  .name = text(lock_names[l]),
                                                                  .sequence = ticket,
                                                                  .floor = ticket - 1,
                                                                  .a = wait});

    assert_int_equal(r->code, 0);
    if (lock->holder < 0) {
        assert_true(r->found);
        assert_true(r->token > m->last_token);
        m->last_token = r->token;
        lock->holder = who;
        lock->ticket = ticket;
        lock->token = r->token;
        return;
    }
    assert_false(r->found);
    if (wait == 0 || lock->queued == MODEL_WAITERS) {
        assert_int_equal(r->number, 0);
        return;
    }
    lock->queue[lock->queued++] =
        (struct model_wait){who, ticket, wait < 0 ? UINT64_MAX : m->h->f.stamp_ms + (uint64_t)wait};
    assert_int_equal(r->number, lock->queued);
}

static void step_cancel(struct model *m, int l)
{
    struct model_lock *lock = &m->locks[l];
    int position = lock->queued == 0 ? -1 : rand() % lock->queued;
    struct model_wait wait = {0, m->next_ticket, 0};
    const struct vxc_result *r;

    if (position >= 0) {
        wait = lock->queue[position];
    }
    r = run_both(m, (struct vxc_command){.op = VXC_OP_LOCK_CANCEL,
                                         .session = m->sessions[wait.who],
                                         .name = text(lock_names[l]),
                                         .b = wait.ticket});
    assert_int_equal(r->found, position >= 0);
    if (position >= 0) {
        expect(m, VXC_EVENT_LOCK_CANCELED, wait.who, wait.ticket);
        model_drop(lock, position);
    }
}

static void step_release(struct model *m, int who, int l)
{
    struct model_lock *lock = &m->locks[l];
    bool holds = lock->holder == who;
    const struct vxc_result *r =
        run_both(m, (struct vxc_command){.op = VXC_OP_LOCK_RELEASE,
                                         .session = m->sessions[who],
                                         .name = text(lock_names[l]),
                                         .b = rand() % 2 == 0 ? lock->token : 0});

    assert_int_equal(r->found, holds);
    if (holds) {
        model_grant(m, lock);
    }
}

/* Locks held are given up in the order of their row keys, hence of their names. */
static void step_expire(struct model *m, int who)
{
    const struct vxc_result *r = run_both(
        m, (struct vxc_command){.op = VXC_OP_SESSION_EXPIRE, .a = (int64_t)m->sessions[who]});

    assert_true(r->found);
    for (int l = 0; l < MODEL_LOCKS; l++) {
        struct model_lock *lock = &m->locks[l];
        for (int i = lock->queued; i-- > 0;) {
            if (lock->queue[i].who == who) {
                model_drop(lock, i);
            }
        }
        if (lock->holder == who) {
            model_grant(m, lock);
        }
    }
    expect(m, VXC_EVENT_SESSION_EXPIRED, who, 0);
    check_events(m);
    model_open(m, who);
}

/* Waits end by (due time, row key of the waiter: lock id, session, ticket). */
static void step_time(struct model *m)
{
    uint64_t ms = (uint64_t)rand() % 40;

    fixture_pass_time(&m->second->f, ms);
    fixture_pass_time(&m->h->f, ms);
    /* Order between locks depends on their ids: foretell one wait at a time from what happened. */
    for (size_t e = 0; e < m->h->event_count; e++) {
        const struct vxc_event *event = &m->h->events[e];
        bool known = false;
        assert_int_equal(event->type, VXC_EVENT_LOCK_TIMEOUT);
        for (int l = 0; l < MODEL_LOCKS && !known; l++) {
            struct model_lock *lock = &m->locks[l];
            for (int i = 0; i < lock->queued && !known; i++) {
                struct model_wait wait = lock->queue[i];
                if (m->sessions[wait.who] == event->session && wait.ticket == event->ticket) {
                    known = true;
                    assert_true(wait.due_ms <= m->h->f.stamp_ms);
                    expect(m, VXC_EVENT_LOCK_TIMEOUT, wait.who, wait.ticket);
                    model_drop(lock, i);
                }
            }
        }
        assert_true(known);
    }
    for (int l = 0; l < MODEL_LOCKS; l++) {
        for (int i = 0; i < m->locks[l].queued; i++) {
            assert_true(m->locks[l].queue[i].due_ms > m->h->f.stamp_ms);
        }
    }
}

static void check_holders(struct model *m)
{
    for (int l = 0; l < MODEL_LOCKS; l++) {
        const struct model_lock *lock = &m->locks[l];
        const struct vxc_result *r = info(m->h, lock_names[l]);
        assert_int_equal(r->found, lock->holder >= 0);
        assert_int_equal(r->number, lock->queued);
        for (int i = 0; r->found && i < lock->queued; i++) {
            struct vxc_slice waiter = fixture_item(r->value, (uint32_t)i + 1);
            assert_int_equal(vxc_load_u64(waiter.data), m->sessions[lock->queue[i].who]);
            assert_int_equal(vxc_load_u64(waiter.data + 8), lock->queue[i].ticket);
        }
        for (int who = 0; who < MODEL_SESSIONS; who++) {
            r = held(m->h, m->sessions[who], lock_names[l]);
            assert_int_equal(r->found, lock->holder == who);
            assert_int_equal(r->token, lock->holder == who ? lock->token : 0);
        }
    }
}

static void random_steps(struct model *m)
{
    for (int step = 0; step < MODEL_STEPS; step++) {
        int who = rand() % MODEL_SESSIONS;
        int l = rand() % MODEL_LOCKS;
        int dice = rand() % 100;
        if (dice < 45) {
            step_acquire(m, who, l);
        } else if (dice < 55) {
            step_cancel(m, l);
        } else if (dice < 80) {
            step_release(m, m->locks[l].holder >= 0 && dice < 75 ? m->locks[l].holder : who, l);
        } else if (dice < 85) {
            step_expire(m, who);
        } else {
            step_time(m);
        }
        check_events(m);
        if (step % 10 == 0) {
            check_holders(m);
        }
        if (rand() % 50 == 0) {
            fixture_commit(&m->second->f);
        }
        if (rand() % 400 == 0) {
            harness_restart(m->second);
        }
    }
}

static void locks_agree_with_a_naive_model(void **state)
{
    static const unsigned seeds[] = {1, 20261123, 77};
    (void)state;
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++) {
        struct harness first;
        struct harness second;
        struct model *m = calloc(1, sizeof *m);

        print_message("seed %u\n", seeds[s]);
        srand(seeds[s]);
        assert_non_null(m);
        harness_open(&first);
        harness_open(&second);
        m->h = &first;
        m->second = &second;
        m->next_ticket = 1;
        for (int l = 0; l < MODEL_LOCKS; l++) {
            m->locks[l].holder = -1;
        }
        for (int i = 0; i < MODEL_SESSIONS; i++) {
            model_open(m, i);
        }
        random_steps(m);
        fixture_commit(&first.f);
        fixture_commit(&second.f);
        assert_int_equal(vxc_store_digest(first.f.store), vxc_store_digest(second.f.store));
        for (int i = 0; i < MODEL_SESSIONS; i++) {
            (void)expire_session(&first, m->sessions[i]);
        }
        assert_int_equal(count_rows(&first, VXC_DB_SESSIONS, ""), 0);
        assert_int_equal(count_rows(&first, VXC_DB_LOCKS, ""), 0);
        assert_int_equal(count_rows(&first, VXC_DB_DEADLINES, ""), 0);
        assert_int_equal(first.f.fsm->stats.locks, 0);
        assert_int_equal(first.f.fsm->stats.locks_held, 0);
        assert_int_equal(first.f.fsm->stats.locks_waiting, 0);
        harness_close(&first);
        harness_close(&second);
        free(m);
    }
}

#define test(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_free_lock_is_acquired_with_a_rising_token),
        test(waiters_are_granted_in_fifo_order),
        test(without_wait_a_held_lock_is_refused),
        test(the_same_session_waits_for_itself),
        test(the_same_ticket_reattaches),
        test(a_retried_acquire_follows_the_outcome),
        test(an_acquire_needs_a_live_session_and_a_ticket),
        test(a_wait_ends_at_its_deadline),
        test(released_twice_exactly_one_waiter_wins),
        test(release_wants_the_right_holder_and_token),
        test(cancel_leaves_the_queue_or_gives_the_lock_back),
        test(a_legacy_owner_asking_again_is_told_acquired),
        test(a_created_lock_stays_until_destroyed),
        test(a_lock_row_is_laid_out_as_documented),
        test(info_and_list_show_holder_and_queue),
        test(a_long_queue_is_listed_in_pages),
        test(names_up_to_64_kib_of_any_bytes),
        test(watchers_hear_of_lock_and_unlock),
        test(a_session_holds_a_bounded_number_of_locks),
        test(a_queue_is_long_but_bounded),
        cmocka_unit_test(locks_agree_with_a_naive_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
