/* The core with a session: sequences, floors, resuming, locks, events, the end of a session. */
#include "peer.h"

struct session_done {
    int count;
    int code;
};

static void on_session_done(void *data, int code, const char *text)
{
    struct session_done *done = data;
    assert_non_null(text);
    done->count++;
    done->code = code;
}

/* Connected, with session 42 open. */
static void open_session(struct peer *p, struct session_done *done)
{
    struct vxc_frame frame;
    struct vxc_message m;

    *done = (struct session_done){0};
    assert_int_equal(vxc_core_want_session(p->core, 0, vxc_slice(NULL, 0), 1, 9000,
                                           vxc_slice_of_string("test"), done, on_session_done),
                     0);
    peer_hello(p);
    assert_true(peer_next(p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_SESSION_OPEN);
    assert_int_equal(m.session_open.timeout_ms, 9000);
    assert_int_equal(done->count, 0);
    peer_grant_session(p, frame.request_id, 42, false, false);
    assert_int_equal(done->count, 1);
    assert_int_equal(done->code, 0);
    assert_int_equal(vxc_core_session(p->core, NULL), 42);
}

/* The connection breaks; the session is resumed on the next one. */
static void resume_session(struct peer *p, uint64_t *last_event_index)
{
    struct vxc_frame frame;
    struct vxc_message m;

    vxc_core_on_disconnected(p->core, "cable");
    peer_hello(p);
    assert_true(peer_next(p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_SESSION_RESUME);
    assert_int_equal(m.session_resume.session, 42);
    assert_memory_equal(m.session_resume.secret.data, "0123456789abcdef", 16);
    if (last_event_index != NULL) {
        *last_event_index = m.session_resume.last_event_index;
    }
    peer_grant_session(p, frame.request_id, 42, true, false);
}

static void writes_of_a_session_carry_rising_sequences_and_the_floor(void **state)
{
    struct outcome first, second, third;
    struct vxc_frame f1, f2, f3;
    struct session_done done;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &first), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &second), 0);
    assert_true(peer_next(&p, &f1, &m));
    assert_true(peer_next(&p, &f2, &m));
    assert_int_equal(f1.sequence, 1);
    assert_int_equal(f1.floor, 0);
    assert_int_equal(f2.sequence, 2);
    assert_int_equal(f2.floor, 0);
    assert_int_equal(peer_value(&p, f1.request_id, NULL), 0);
    assert_int_equal(first.sequence, 1);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &third), 0);
    assert_true(peer_next(&p, &f3, &m));
    assert_int_equal(f3.sequence, 3);
    assert_int_equal(f3.floor, 1);
    peer_deinit(&p);
}

static void unacknowledged_writes_are_sent_again_with_their_sequences(void **state)
{
    struct outcome first, second;
    struct vxc_frame f1, f2;
    struct session_done done;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &first), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_COUNTER_ADD, UINT64_MAX, &second), 0);
    assert_true(peer_next(&p, &f1, &m));
    assert_true(peer_next(&p, &f2, &m));
    assert_int_equal(peer_value(&p, f1.request_id, NULL), 0);
    resume_session(&p, NULL);
    assert_true(peer_next(&p, &f2, &m));
    assert_int_equal(f2.kind, VXC_KIND_COUNTER_ADD);
    assert_int_equal(f2.sequence, 2);
    assert_int_equal(f2.floor, 1);
    assert_false(peer_next(&p, &f1, &m)); /* the acknowledged one is not sent again */
    m = (struct vxc_message){.kind = VXC_KIND_NUMBER_REPLY};
    assert_int_equal(peer_reply(&p, &m, f2.request_id), 0);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.code, 0);
    peer_deinit(&p);
}

static void the_end_of_a_session_makes_what_was_sent_unknown(void **state)
{
    struct outcome sent, later, refused;
    struct session_done done;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &sent), 0);
    assert_true(peer_next(&p, &frame, &m));
    vxc_core_on_disconnected(p.core, "cable");
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &later), 0);
    peer_hello(&p);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_SESSION_RESUME);
    assert_int_equal(peer_fail(&p, frame.request_id, VXC_ESESSION), 0);
    assert_int_equal(sent.code, VXC_EUNKNOWN);
    assert_int_equal(later.code, VXC_ESESSION); /* it never left */
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_EXPIRED), 1);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &refused), VXC_ESESSION);
    assert_int_equal(refused.count, 0);
    assert_int_equal(vxc_core_state(p.core), VXC_CORE_READY); /* reads still work */
    peer_deinit(&p);
}

static void a_refused_session_is_told_to_who_wanted_it(void **state)
{
    struct session_done done = {0};
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    peer_hello(&p);
    assert_int_equal(vxc_core_want_session(p.core, 0, vxc_slice(NULL, 0), 1, 9000,
                                           vxc_slice(NULL, 0), &done, on_session_done),
                     0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_SESSION_OPEN);
    assert_int_equal(peer_fail(&p, frame.request_id, VXC_ELIMIT), 0);
    assert_int_equal(done.count, 1);
    assert_int_equal(done.code, VXC_ELIMIT);
    assert_int_equal(vxc_core_session(p.core, NULL), 0);
    peer_deinit(&p);
}

static void a_session_is_pinged_three_times_in_its_lease(void **state)
{
    struct session_done done;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    assert_int_equal(vxc_core_due_ms(p.core), p.now_ms + 3000);
    p.now_ms += 3000;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_PING);
    peer_deinit(&p);
}

/* ---- locks ---- */

static void tell_queued(struct peer *p, uint32_t request_id)
{
    struct vxc_message m = {.kind = VXC_KIND_LOCK_REPLY};
    m.lock_reply.queue_position = 2;
    assert_int_equal(peer_send(p, &m, VXC_FRAME_RESPONSE | VXC_FRAME_MORE, request_id), 0);
}

static void tell_outcome(struct peer *p, uint8_t type, uint64_t sequence, uint64_t token)
{
    struct vxc_message m = {.kind = VXC_KIND_EVENT_LOCK};
    m.event_lock.type = type;
    m.event_lock.acquire_sequence = sequence;
    m.event_lock.token = token;
    m.event_lock.lock = vxc_slice_of_string("m");
    assert_int_equal(peer_send(p, &m, VXC_FRAME_EVENT, 0), 0);
}

static void an_acquire_is_answered_by_the_grant(void **state)
{
    struct outcome acquire, put;
    struct session_done done;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    assert_int_equal(peer_submit(&p, VXC_CALL_LOCK_ACQUIRE, UINT64_MAX, &acquire), 0);
    assert_true(peer_next(&p, &frame, &m));
    tell_queued(&p, frame.request_id);
    assert_int_equal(acquire.count, 0);
    assert_int_equal(p.last_notice.type, VXC_NOTICE_LOCK_QUEUED);
    assert_int_equal(p.last_notice.number, 2);
    /* The acquire holds the floor down, so that it can be asked again. */
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &put), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.sequence, 2);
    assert_int_equal(frame.floor, 0);
    assert_int_equal(peer_value(&p, frame.request_id, NULL), 0);
    tell_outcome(&p, 40, 1, 777);
    assert_int_equal(acquire.count, 1);
    assert_int_equal(acquire.code, 0);
    assert_true(acquire.found);
    assert_int_equal(acquire.token, 777);
    tell_outcome(&p, 40, 1, 777); /* a repeated one is nobody's */
    assert_int_equal(acquire.count, 1);
    peer_deinit(&p);
}

static void a_queued_acquire_reattaches_after_a_break(void **state)
{
    struct session_done done;
    struct outcome acquire;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    assert_int_equal(peer_submit(&p, VXC_CALL_LOCK_ACQUIRE, UINT64_MAX, &acquire), 0);
    assert_true(peer_next(&p, &frame, &m));
    tell_queued(&p, frame.request_id);
    resume_session(&p, NULL);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_LOCK_ACQUIRE);
    assert_int_equal(frame.sequence, 1);
    m = (struct vxc_message){.kind = VXC_KIND_LOCK_REPLY};
    m.lock_reply.acquired = true; /* granted while nobody listened */
    m.lock_reply.token = 9;
    assert_int_equal(peer_reply(&p, &m, frame.request_id), 0);
    assert_true(acquire.found);
    assert_int_equal(acquire.token, 9);
    peer_deinit(&p);
}

static void a_wait_that_is_over_and_one_that_is_canceled_differ(void **state)
{
    struct outcome over, canceled, asked_again;
    struct session_done done;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    assert_int_equal(peer_submit(&p, VXC_CALL_LOCK_ACQUIRE, UINT64_MAX, &over), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_LOCK_ACQUIRE, UINT64_MAX, &canceled), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_LOCK_ACQUIRE, UINT64_MAX, &asked_again), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(peer_next(&p, &frame, &m));
    }
    tell_outcome(&p, 41, 1, 0);
    tell_outcome(&p, 42, 2, 0);
    assert_int_equal(peer_fail(&p, frame.request_id, VXC_ETIMEOUT), 0);
    assert_int_equal(over.code, 0);
    assert_false(over.found);
    assert_int_equal(canceled.code, VXC_ECANCELED);
    assert_int_equal(asked_again.code, 0);
    assert_false(asked_again.found);
    peer_deinit(&p);
}

/* ---- events ---- */

static void tell_data_at(struct peer *p, uint64_t index, uint32_t ordinal, uint64_t watch,
                         const char *key)
{
    struct vxc_message m = {.kind = VXC_KIND_EVENT_DATA};
    m.event_data.index = index;
    m.event_data.ordinal = ordinal;
    m.event_data.watch = watch;
    m.event_data.kind = VXC_WATCHED_MAP;
    m.event_data.type = VXC_NOTICE_PUT;
    m.event_data.name = vxc_slice_of_string("m");
    m.event_data.key.present = true;
    m.event_data.key.bytes = vxc_slice_of_string(key);
    assert_int_equal(peer_send(p, &m, VXC_FRAME_EVENT, 0), 0);
}

static void tell_data(struct peer *p, uint64_t index, const char *key)
{
    tell_data_at(p, index, 0, 1, key);
}

static void events_come_once_although_a_resume_repeats_some(void **state)
{
    struct session_done done;
    uint64_t from;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    tell_data(&p, 10, "a");
    tell_data(&p, 11, "b");
    tell_data_at(&p, 11, 1, 1, "c");
    assert_int_equal(peer_notices(&p, VXC_NOTICE_PUT), 3);
    resume_session(&p, &from);
    assert_int_equal(from, 10); /* index 11 may have had more */
    tell_data(&p, 11, "b");
    tell_data_at(&p, 11, 1, 1, "c");
    assert_int_equal(peer_notices(&p, VXC_NOTICE_PUT), 3);
    tell_data_at(&p, 11, 1, 2, "c"); /* the same for another watch */
    tell_data_at(&p, 11, 2, 1, "d");
    tell_data(&p, 12, "e");
    assert_int_equal(peer_notices(&p, VXC_NOTICE_PUT), 6);
    peer_deinit(&p);
}

static void an_event_is_not_taken_for_one_of_a_watch_that_was_removed(void **state)
{
    struct session_done done;
    uint64_t from;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    tell_data_at(&p, 11, 0, 1, "a");
    resume_session(&p, &from);
    assert_int_equal(from, 10);
    tell_data_at(&p, 11, 1, 2, "b"); /* watch 1 is gone: this is the first of index 11 now */
    assert_int_equal(peer_notices(&p, VXC_NOTICE_PUT), 2);
    peer_deinit(&p);
}

static void a_reply_proves_that_all_events_before_it_came(void **state)
{
    struct session_done done;
    struct vxc_frame frame;
    struct outcome get;
    struct vxc_message m;
    uint64_t from;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    tell_data(&p, 11, "b");
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, UINT64_MAX, &get), 0);
    assert_true(peer_next(&p, &frame, &m));
    m = (struct vxc_message){.kind = VXC_KIND_VALUE_REPLY};
    m.value_reply.index = 15;
    assert_int_equal(peer_reply(&p, &m, frame.request_id), 0);
    resume_session(&p, &from);
    assert_int_equal(from, 15);
    tell_data(&p, 16, "c");
    assert_int_equal(peer_notices(&p, VXC_NOTICE_PUT), 2);
    peer_deinit(&p);
}

/* Another client's write of the same entry may make an event behind it. */
static void the_reply_of_a_write_proves_only_what_was_before_its_entry(void **state)
{
    struct session_done done;
    struct vxc_frame frame;
    struct outcome put;
    struct vxc_message m;
    uint64_t from;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    tell_data(&p, 15, "a");
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &put), 0);
    assert_true(peer_next(&p, &frame, &m));
    m = (struct vxc_message){.kind = VXC_KIND_TRUTH_REPLY};
    m.truth_reply.index = 15;
    assert_int_equal(peer_reply(&p, &m, frame.request_id), 0);
    resume_session(&p, &from);
    assert_int_equal(from, 14);
    tell_data(&p, 15, "a");
    tell_data_at(&p, 15, 1, 1, "b");
    assert_int_equal(peer_notices(&p, VXC_NOTICE_PUT), 2);
    peer_deinit(&p);
}

static void missed_events_are_told_as_a_resync(void **state)
{
    struct session_done done;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    tell_data(&p, 10, "a");
    vxc_core_on_disconnected(p.core, "cable");
    peer_hello(&p);
    assert_true(peer_next(&p, &frame, &m));
    peer_grant_session(&p, frame.request_id, 42, true, true);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_RESYNC), 1);
    tell_data(&p, 50, "b");
    assert_int_equal(peer_notices(&p, VXC_NOTICE_PUT), 2);
    peer_deinit(&p);
}

/* Who was told to read anew must not hear of what was before that. */
static void after_a_resync_events_go_on_from_its_index(void **state)
{
    struct session_done done;
    struct vxc_frame frame;
    struct vxc_message m = {.kind = VXC_KIND_SESSION_REPLY};
    uint64_t from;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    tell_data(&p, 10, "a");
    vxc_core_on_disconnected(p.core, "cable");
    peer_hello(&p);
    assert_true(peer_next(&p, &frame, &m));
    m = (struct vxc_message){.kind = VXC_KIND_SESSION_REPLY};
    m.session_reply.index = 40;
    m.session_reply.session = 42;
    m.session_reply.timeout_ms = 20000;
    m.session_reply.resumed = m.session_reply.resync = true;
    assert_int_equal(peer_reply(&p, &m, frame.request_id), 0);
    resume_session(&p, &from);
    assert_int_equal(from, 40);
    tell_data(&p, 41, "b");
    assert_int_equal(peer_notices(&p, VXC_NOTICE_PUT), 2);
    peer_deinit(&p);
}

static void an_expiry_that_the_server_tells_ends_the_session(void **state)
{
    struct vxc_message m = {.kind = VXC_KIND_EVENT_SESSION};
    struct session_done done;
    struct outcome put;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    m.event_session.session = 42;
    m.event_session.type = VXC_NOTICE_SESSION_EXPIRED;
    assert_int_equal(peer_send(&p, &m, VXC_FRAME_EVENT, 0), 0);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_EXPIRED), 1);
    assert_int_equal(vxc_core_session(p.core, NULL), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &put), VXC_ESESSION);
    peer_deinit(&p);
}

static void a_session_is_closed_and_another_one_opened(void **state)
{
    struct session_done done;
    struct vxc_frame frame;
    struct outcome closed = {0};
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    assert_int_equal(vxc_core_close_session(p.core, p.now_ms, UINT64_MAX, &closed, on_outcome), 0);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_SESSION_CLOSE);
    m = (struct vxc_message){.kind = VXC_KIND_DONE_REPLY};
    assert_int_equal(peer_reply(&p, &m, frame.request_id), 0);
    assert_int_equal(closed.count, 1);
    vxc_core_forget_session(p.core);
    assert_int_equal(vxc_core_session(p.core, NULL), 0);
    vxc_core_on_disconnected(p.core, "cable");
    open_session(&p, &done);
    peer_deinit(&p);
}

/* ---- what a lost session held ---- */

/* Acquires the lock `name` under `token`. */
static void acquire(struct peer *p, const char *name, uint64_t token)
{
    struct vxc_request r = vxc_request(VXC_CALL_LOCK_ACQUIRE);
    struct vxc_message m = {.kind = VXC_KIND_LOCK_REPLY};
    struct outcome outcome = {0};
    struct vxc_message asked;
    struct vxc_frame frame;

    r.name = vxc_text(name);
    assert_int_equal(
        vxc_core_submit(p->core, &r, p->now_ms, UINT64_MAX, &outcome, on_outcome, NULL), 0);
    assert_true(peer_next(p, &frame, &asked));
    m.lock_reply.acquired = true;
    m.lock_reply.token = token;
    assert_int_equal(peer_reply(p, &m, frame.request_id), 0);
    assert_true(outcome.found);
}

static void release(struct peer *p, const char *name, uint64_t token, bool was_held)
{
    struct vxc_request r = vxc_request(VXC_CALL_LOCK_RELEASE);
    struct vxc_message m = {.kind = VXC_KIND_TRUTH_REPLY};
    struct outcome outcome = {0};
    struct vxc_message asked;
    struct vxc_frame frame;

    r.name = vxc_text(name);
    r.id = token;
    assert_int_equal(
        vxc_core_submit(p->core, &r, p->now_ms, UINT64_MAX, &outcome, on_outcome, NULL), 0);
    assert_true(peer_next(p, &frame, &asked));
    m.truth_reply.truth = was_held;
    assert_int_equal(peer_reply(p, &m, frame.request_id), 0);
    assert_int_equal(outcome.code, 0);
}

static void tell_end(struct peer *p, uint8_t type)
{
    struct vxc_message m = {.kind = VXC_KIND_EVENT_SESSION};
    m.event_session.session = 42;
    m.event_session.type = type;
    assert_int_equal(peer_send(p, &m, VXC_FRAME_EVENT, 0), 0);
}

static void the_locks_of_a_lost_session_are_told_one_by_one(void **state)
{
    struct session_done done;
    struct outcome waiting;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    acquire(&p, "one", 11);
    acquire(&p, "two", 12);
    acquire(&p, "three", 13);
    acquire(&p, "four", 14);
    release(&p, "two", 0, true);
    release(&p, "three", 99, false); /* another token: it is held still */
    release(&p, "four", 14, true);
    /* One that comes by a grant counts too. */
    assert_int_equal(peer_submit(&p, VXC_CALL_LOCK_ACQUIRE, UINT64_MAX, &waiting), 0);
    assert_true(peer_next(&p, &frame, &m));
    tell_queued(&p, frame.request_id);
    tell_outcome(&p, 40, frame.sequence, 15);
    tell_end(&p, 50);
    assert_string_equal(p.lost_names, "m three one ");
    assert_int_equal(p.lost_token, 11);
    assert_int_equal(p.last_notice.type, VXC_NOTICE_SESSION_EXPIRED); /* the last word */
    tell_end(&p, 50);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_LOCK_LOST), 3);
    peer_deinit(&p);
}

static void a_canceled_acquire_that_had_the_lock_already_loses_nothing(void **state)
{
    struct vxc_request cancel = vxc_request(VXC_CALL_LOCK_CANCEL);
    struct vxc_message reply = {.kind = VXC_KIND_TRUTH_REPLY};
    struct outcome outcome = {0};
    struct session_done done;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    acquire(&p, "one", 11); /* sequence 1 */
    acquire(&p, "two", 12); /* sequence 2 */
    cancel.name = vxc_text("one");
    cancel.id = 1;
    assert_int_equal(
        vxc_core_submit(p.core, &cancel, p.now_ms, UINT64_MAX, &outcome, on_outcome, NULL), 0);
    assert_true(peer_next(&p, &frame, &m));
    reply.truth_reply.truth = true;
    assert_int_equal(peer_reply(&p, &reply, frame.request_id), 0);
    tell_end(&p, 50);
    assert_string_equal(p.lost_names, "two ");
    peer_deinit(&p);
}

static void a_refused_resume_loses_the_locks_too(void **state)
{
    struct session_done done;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    acquire(&p, "one", 11);
    resume_session(&p, NULL);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_LOCK_LOST), 0); /* a resumed one holds it still */
    vxc_core_on_disconnected(p.core, "cable");
    peer_hello(&p);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(peer_fail(&p, frame.request_id, VXC_ESESSION), 0);
    assert_string_equal(p.lost_names, "one ");
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_EXPIRED), 1);
    peer_deinit(&p);
}

static void a_resume_for_which_there_is_no_space_is_asked_for_again(void **state)
{
    struct session_done done;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    acquire(&p, "one", 11);
    vxc_core_on_disconnected(p.core, "cable");
    peer_hello(&p);
    assert_true(peer_next(&p, &frame, &m));
    assert_int_equal(peer_fail(&p, frame.request_id, VXC_ENOSPC), VXC_ENOSPC);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_LOCK_LOST), 0);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_EXPIRED), 0);
    resume_session(&p, NULL);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_LOCK_LOST), 0);
    peer_deinit(&p);
}

static void a_session_closed_by_another_connection_is_lost(void **state)
{
    struct session_done done;
    struct outcome put;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    acquire(&p, "one", 11);
    tell_end(&p, 51);
    assert_string_equal(p.lost_names, "one ");
    assert_int_equal(vxc_core_session(p.core, NULL), 0);
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_PUT, UINT64_MAX, &put), VXC_ESESSION);
    peer_deinit(&p);
}

static void a_session_closed_at_our_own_wish_loses_nothing(void **state)
{
    struct outcome closed = {0};
    struct session_done done;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done);
    acquire(&p, "one", 11);
    assert_int_equal(vxc_core_close_session(p.core, p.now_ms, UINT64_MAX, &closed, on_outcome), 0);
    assert_true(peer_next(&p, &frame, &m));
    tell_end(&p, 51); /* the event comes before the reply */
    m = (struct vxc_message){.kind = VXC_KIND_DONE_REPLY};
    assert_int_equal(peer_reply(&p, &m, frame.request_id), 0);
    vxc_core_forget_session(p.core);
    assert_int_equal(closed.code, 0);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_CLOSED), 1);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_EXPIRED), 0);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_LOCK_LOST), 0);
    peer_deinit(&p);
}

static void a_silent_server_makes_the_session_doubtful_before_its_lease_is_over(void **state)
{
    struct session_done done;
    struct outcome get;
    struct vxc_frame frame;
    struct vxc_message m;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_session(&p, &done); /* of 9 s */
    vxc_core_on_disconnected(p.core, "cable");
    assert_int_equal(vxc_core_due_ms(p.core), p.now_ms + 8100);
    p.now_ms += 8099;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_DOUBTFUL), 0);
    p.now_ms += 1;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_DOUBTFUL), 1); /* once */
    assert_int_equal(p.last_notice.id, 42);
    resume_session(&p, NULL);
    assert_int_equal(p.last_notice.type, VXC_NOTICE_CONNECTED);
    assert_int_equal(p.last_notice.id, 42);
    /* And once more for the next silence, also of a connection that stands. */
    assert_int_equal(peer_submit(&p, VXC_CALL_MAP_GET, UINT64_MAX, &get), 0);
    assert_true(peer_next(&p, &frame, &m));
    p.now_ms += 8100;
    assert_int_equal(vxc_core_tick(p.core, p.now_ms, NULL), 0);
    assert_int_equal(peer_notices(&p, VXC_NOTICE_SESSION_DOUBTFUL), 2);
    peer_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_of_a_session_carry_rising_sequences_and_the_floor),
        cmocka_unit_test(unacknowledged_writes_are_sent_again_with_their_sequences),
        cmocka_unit_test(the_end_of_a_session_makes_what_was_sent_unknown),
        cmocka_unit_test(a_refused_session_is_told_to_who_wanted_it),
        cmocka_unit_test(a_session_is_pinged_three_times_in_its_lease),
        cmocka_unit_test(an_acquire_is_answered_by_the_grant),
        cmocka_unit_test(a_queued_acquire_reattaches_after_a_break),
        cmocka_unit_test(a_wait_that_is_over_and_one_that_is_canceled_differ),
        cmocka_unit_test(events_come_once_although_a_resume_repeats_some),
        cmocka_unit_test(an_event_is_not_taken_for_one_of_a_watch_that_was_removed),
        cmocka_unit_test(a_reply_proves_that_all_events_before_it_came),
        cmocka_unit_test(the_reply_of_a_write_proves_only_what_was_before_its_entry),
        cmocka_unit_test(missed_events_are_told_as_a_resync),
        cmocka_unit_test(after_a_resync_events_go_on_from_its_index),
        cmocka_unit_test(an_expiry_that_the_server_tells_ends_the_session),
        cmocka_unit_test(a_session_is_closed_and_another_one_opened),
        cmocka_unit_test(the_locks_of_a_lost_session_are_told_one_by_one),
        cmocka_unit_test(a_canceled_acquire_that_had_the_lock_already_loses_nothing),
        cmocka_unit_test(a_refused_resume_loses_the_locks_too),
        cmocka_unit_test(a_resume_for_which_there_is_no_space_is_asked_for_again),
        cmocka_unit_test(a_session_closed_by_another_connection_is_lost),
        cmocka_unit_test(a_session_closed_at_our_own_wish_loses_nothing),
        cmocka_unit_test(a_silent_server_makes_the_session_doubtful_before_its_lease_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
