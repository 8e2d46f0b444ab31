/* One client and several threads, against a real server: whoever waits drives, or a thread of the
 * library's does; nothing is lost when the role goes from one to the other, or the server dies. */
#include "vxc/client.h"

#include "lib/daemon.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum {
    THREADS = 4,
    ROUNDS = 40,
    LARGE = 40000,
    BATCH = 1300 /* three of them may be under way at once */
};

static struct test_daemon server;

/* What notices brought; written on the thread that drives, read when it is done or under `lock`. */
struct heard {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned connected, doubtful, expired, queued;
    char lost[128]; /* "name:token " for each */
    unsigned lost_before_expired;
};

static void on_notice(void *data, const struct vxc_notice *notice)
{
    struct heard *heard = data;
    char text[64];

    (void)pthread_mutex_lock(&heard->lock);
    switch (notice->type) {
    case VXC_NOTICE_CONNECTED:
        heard->connected++;
        break;
    case VXC_NOTICE_LOCK_LOST:
        (void)snprintf(text, sizeof text, "%.*s:%llu ", (int)notice->name.size,
                       (const char *)notice->name.data, (unsigned long long)notice->token);
        strncat(heard->lost, text, sizeof heard->lost - strlen(heard->lost) - 1);
        heard->lost_before_expired += heard->expired == 0;
        break;
    case VXC_NOTICE_SESSION_EXPIRED:
        heard->expired++;
        break;
    case VXC_NOTICE_SESSION_DOUBTFUL:
        heard->doubtful++;
        break;
    case VXC_NOTICE_LOCK_QUEUED:
        heard->queued++;
        break;
    default:
        break;
    }
    (void)pthread_cond_broadcast(&heard->changed);
    (void)pthread_mutex_unlock(&heard->lock);
}

static void heard_init(struct heard *heard)
{
    memset(heard, 0, sizeof *heard);
    assert_int_equal(pthread_mutex_init(&heard->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&heard->changed, NULL), 0);
}

/* Waits until *count, which `heard` guards, is at least `least`; 30 s are a failure. */
static void await(struct heard *heard, const unsigned *count, unsigned least)
{
    struct timespec end;

    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 30;
    (void)pthread_mutex_lock(&heard->lock);
    while (*count < least) {
        assert_int_equal(pthread_cond_timedwait(&heard->changed, &heard->lock, &end), 0);
    }
    (void)pthread_mutex_unlock(&heard->lock);
}

static struct vxc_client *client_of(struct heard *heard)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_client *client = NULL;

    options.endpoints = server.endpoint;
    options.timeout_ms = 30000;
    if (heard != NULL) {
        options.data = heard;
        options.on_notice = on_notice;
    }
    assert_int_equal(vxc_client_create(&options, &client), 0);
    return client;
}

static int64_t counter(struct vxc_client *client, const char *name)
{
    struct vxc_request get = vxc_request(VXC_CALL_COUNTER_GET);
    struct vxc_reply reply;
    int64_t number;

    get.name = vxc_text(name);
    assert_int_equal(vxc_client_call(client, &get, &reply), 0);
    number = reply.number;
    vxc_reply_free(&reply);
    return number;
}

/* ---- several threads wait ---- */

struct worker {
    struct vxc_client *client;
    int number;
    unsigned wrong;
};

/* Puts values of its own, small and large, and reads them back while others do the same. */
static void *put_and_get(void *data)
{
    struct worker *w = data;
    char *value = malloc(LARGE);

    for (int i = 0; i < ROUNDS && value != NULL; i++) {
        const size_t size = i % 3 == 0 ? LARGE : 20;
        struct vxc_request put = vxc_request(VXC_CALL_MAP_PUT);
        struct vxc_request get = vxc_request(VXC_CALL_MAP_GET);
        struct vxc_request add = vxc_request(VXC_CALL_COUNTER_ADD);
        struct vxc_reply reply;
        char key[32];

        (void)snprintf(key, sizeof key, "%d-%d", w->number, i % 7);
        memset(value, w->number * 16 + i, size);
        put.name = get.name = vxc_text("shared");
        put.key = get.key = vxc_text(key);
        put.value = vxc_bytes(value, size);
        add.name = vxc_text("shared");
        add.number = 1;
        w->wrong += vxc_client_call(w->client, &put, NULL) != 0;
        w->wrong += vxc_client_call(w->client, &get, &reply) != 0 || reply.value.size != size ||
                    memcmp(reply.value.data, value, size) != 0;
        vxc_reply_free(&reply);
        w->wrong += vxc_client_call(w->client, &add, NULL) != 0;
    }
    w->wrong += value == NULL;
    free(value);
    return NULL;
}

static void hammer(struct vxc_client *client)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.client = client, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_get, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
    }
}

static void threads_share_one_connection_and_each_gets_its_own_answers(void **state)
{
    struct heard heard;
    struct vxc_client *client;

    (void)state;
    heard_init(&heard);
    client = client_of(&heard);
    const int64_t before = counter(client, "shared");
    hammer(client);
    assert_int_equal(counter(client, "shared") - before, THREADS * ROUNDS);
    assert_int_equal(heard.connected, 1);
    vxc_client_free(client);
}

static void a_session_serves_several_threads(void **state)
{
    struct vxc_client *client = client_of(NULL);

    (void)state;
    const int64_t before = counter(client, "shared");
    assert_int_equal(vxc_client_session_open(client, 20000, vxc_text("threads")), 0);
    hammer(client);
    assert_int_equal(counter(client, "shared") - before, THREADS * ROUNDS);
    assert_int_equal(vxc_client_session_close(client), 0);
    vxc_client_free(client);
}

/* ---- one waits long, others do not ---- */

struct acquiring {
    struct vxc_client *client;
    int code;
    bool found;
    uint64_t token;
};

static void *acquire(void *data)
{
    struct acquiring *a = data;
    struct vxc_request r = vxc_request(VXC_CALL_LOCK_ACQUIRE);
    struct vxc_reply reply;

    r.name = vxc_text("gate");
    r.number = 30000;
    a->code = vxc_client_call(a->client, &r, &reply);
    a->found = reply.found;
    a->token = reply.token;
    vxc_reply_free(&reply);
    return NULL;
}

static void release(struct vxc_client *client, const char *name)
{
    struct vxc_request r = vxc_request(VXC_CALL_LOCK_RELEASE);
    r.name = vxc_text(name);
    assert_int_equal(vxc_client_call(client, &r, NULL), 0);
}

/* A client whose session holds the lock "gate". */
static struct vxc_client *holder_of_gate(void)
{
    struct acquiring a = {.client = client_of(NULL)};

    assert_int_equal(vxc_client_session_open(a.client, 20000, vxc_text("holder")), 0);
    (void)acquire(&a);
    assert_int_equal(a.code, 0);
    assert_true(a.found);
    return a.client;
}

static void a_thread_that_waits_for_a_lock_drives_for_the_others_and_they_for_it(void **state)
{
    struct vxc_client *holder = holder_of_gate();
    struct acquiring waiting;
    struct heard heard;
    pthread_t thread;

    (void)state;
    heard_init(&heard);
    waiting = (struct acquiring){.client = client_of(&heard)};
    assert_int_equal(vxc_client_session_open(waiting.client, 20000, vxc_text("waiting")), 0);
    assert_int_equal(pthread_create(&thread, NULL, acquire, &waiting), 0);
    await(&heard, &heard.queued, 1);
    hammer(waiting.client); /* the thread that waits has the role, and answers theirs */
    release(holder, "gate");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(waiting.code, 0);
    assert_true(waiting.found);
    assert_int_equal(vxc_client_session_close(waiting.client), 0); /* gives the lock back */
    vxc_client_free(waiting.client);
    vxc_client_free(holder);
}

static void the_role_goes_on_when_the_librarys_thread_stops(void **state)
{
    struct vxc_client *holder = holder_of_gate();
    struct acquiring waiting;
    struct heard heard;
    pthread_t thread;

    (void)state;
    heard_init(&heard);
    waiting = (struct acquiring){.client = client_of(&heard)};
    assert_int_equal(vxc_client_start(waiting.client), 0);
    assert_int_equal(vxc_client_start(waiting.client), VXC_EEXISTS);
    assert_int_equal(vxc_client_session_open(waiting.client, 20000, vxc_text("waiting")), 0);
    assert_int_equal(pthread_create(&thread, NULL, acquire, &waiting), 0);
    await(&heard, &heard.queued, 1);
    assert_int_equal(vxc_client_stop(waiting.client), 0);
    assert_int_equal(vxc_client_stop(waiting.client), 0);
    release(holder, "gate"); /* the thread that waits hears of it by itself */
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(waiting.found);
    release(waiting.client, "gate");
    vxc_client_free(holder);

    /* And the other way round: started while somebody waits and drives. */
    holder = holder_of_gate();
    assert_int_equal(pthread_create(&thread, NULL, acquire, &waiting), 0);
    await(&heard, &heard.queued, 2);
    assert_int_equal(vxc_client_start(waiting.client), 0);
    hammer(waiting.client);
    release(holder, "gate");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(waiting.found);
    assert_int_equal(vxc_client_session_close(waiting.client), 0); /* gives the lock back */
    vxc_client_free(waiting.client);                               /* stops the thread */
    vxc_client_free(holder);
}

/* ---- the library's thread ---- */

struct counting {
    struct vxc_client *client;
    pthread_t callback_thread;
    bool any;
    unsigned done, failed, elsewhere; /* only on the thread of the callbacks … */
    atomic_uint finished;             /* … but this */
    struct heard *heard;
};

static void on_added(void *data, const struct vxc_reply *reply)
{
    struct counting *c = data;

    if (!c->any) {
        c->callback_thread = pthread_self();
        c->any = true;
    }
    c->elsewhere += !pthread_equal(c->callback_thread, pthread_self());
    c->failed += reply->code != 0;
    c->done++;
    atomic_store(&c->finished, c->done);
}

static void submit_add(struct counting *c)
{
    struct vxc_request add = vxc_request(VXC_CALL_COUNTER_ADD);
    int rc;

    add.name = vxc_text("async");
    add.number = 1;
    add.timeout_ms = 30000;
    do { /* at most 4096 are under way */
        rc = vxc_client_submit(c->client, &add, c, on_added);
    } while (rc == VXC_EBUSY && poll(NULL, 0, 1) == 0);
    assert_int_equal(rc, 0);
}

static void *submit_many(void *data)
{
    for (int i = 0; i < BATCH; i++) {
        submit_add(data);
    }
    return NULL;
}

/* Waits for a condition of another thread's, looking every millisecond, at most 30 s. */
static void await_count(atomic_uint *count, unsigned least)
{
    for (int i = 0; i < 30000 && atomic_load(count) < least; i++) {
        (void)poll(NULL, 0, 1);
    }
    assert_true(atomic_load(count) >= least);
}

static void callbacks_run_on_the_librarys_thread_and_others_call_beside_it(void **state)
{
    struct counting c = {.client = client_of(NULL)};
    pthread_t threads[2];

    (void)state;
    const int64_t before = counter(c.client, "async");
    assert_int_equal(vxc_client_start(c.client), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &c), 0);
    }
    hammer(c.client);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    await_count(&c.finished, 2 * BATCH);
    assert_int_equal(vxc_client_wait(c.client, 0), VXC_EINVAL); /* it is not ours to drive */
    assert_int_equal(vxc_client_dispatch(c.client), VXC_EINVAL);
    assert_int_equal(vxc_client_stop(c.client), 0);
    assert_int_equal(c.done, 2 * BATCH);
    assert_int_equal(c.failed, 0);
    assert_int_equal(c.elsewhere, 0);
    assert_false(pthread_equal(c.callback_thread, pthread_self()));
    assert_int_equal(counter(c.client, "async") - before, 2 * BATCH);
    vxc_client_free(c.client);
}

/* ---- what a callback may not do ---- */

struct tried {
    struct vxc_client *client;
    int codes[9];
    size_t pending;
    struct counting counting;
    atomic_uint done;
};

static void on_reply_try_all(void *data, const struct vxc_reply *reply)
{
    struct tried *t = data;
    const struct vxc_request status = vxc_request(VXC_CALL_STATUS);
    struct vxc_session_handle handle = {.session = 1, .next_sequence = 1};
    struct vxc_reply answer;

    assert_int_equal(reply->code, 0);
    t->codes[0] = vxc_client_call(t->client, &status, &answer);
    assert_non_null(strstr(answer.message, "callback"));
    vxc_reply_free(&answer);
    t->codes[1] = vxc_client_session_open(t->client, 20000, vxc_text("x"));
    t->codes[2] = vxc_client_session_resume(t->client, &handle);
    t->codes[3] = vxc_client_session_close(t->client);
    t->codes[4] = vxc_client_wait(t->client, 100);
    t->codes[5] = vxc_client_dispatch(t->client);
    t->codes[6] = vxc_client_start(t->client);
    t->codes[7] = vxc_client_stop(t->client);
    t->codes[8] = vxc_client_connect(t->client, NULL);
    t->pending = vxc_client_pending(t->client); /* what answers at once does */
    t->counting.client = t->client;
    submit_add(&t->counting);
    atomic_store(&t->done, 1);
}

static void check_tried(struct tried *t)
{
    for (size_t i = 0; i < sizeof t->codes / sizeof t->codes[0]; i++) {
        assert_int_equal(t->codes[i], VXC_EINVAL);
    }
    assert_int_equal(t->pending, 0);
}

static void a_callback_that_would_wait_for_itself_is_refused(void **state)
{
    const struct vxc_request status = vxc_request(VXC_CALL_STATUS);
    struct tried own = {.client = client_of(NULL)}, loop = {.client = client_of(NULL)};

    (void)state;
    assert_int_equal(vxc_client_start(own.client), 0);
    assert_int_equal(vxc_client_submit(own.client, &status, &own, on_reply_try_all), 0);
    await_count(&own.done, 1);
    await_count(&own.counting.finished, 1);
    vxc_client_free(own.client);
    check_tried(&own);

    assert_int_equal(vxc_client_submit(loop.client, &status, &loop, on_reply_try_all), 0);
    while (loop.counting.done == 0) {
        assert_true(vxc_client_wait(loop.client, 1000) >= 0);
    }
    vxc_client_free(loop.client);
    check_tried(&loop);
}

/* Others need not wait for a callback that takes its time. */
struct slow {
    atomic_uint entered, leave;
};

static void on_reply_linger(void *data, const struct vxc_reply *reply)
{
    struct slow *slow = data;

    (void)reply;
    atomic_store(&slow->entered, 1);
    await_count(&slow->leave, 1);
}

static void no_lock_is_held_while_a_callback_runs(void **state)
{
    const struct vxc_request status = vxc_request(VXC_CALL_STATUS);
    struct counting c = {.client = client_of(NULL)};
    struct slow slow = {0};

    (void)state;
    assert_int_equal(vxc_client_start(c.client), 0);
    assert_int_equal(vxc_client_submit(c.client, &status, &slow, on_reply_linger), 0);
    await_count(&slow.entered, 1);
    submit_add(&c); /* does not wait for the callback */
    assert_int_equal(vxc_client_pending(c.client), 1);
    assert_true(vxc_client_reached(c.client));
    atomic_store(&slow.leave, 1);
    await_count(&c.finished, 1);
    vxc_client_free(c.client);
}

/* ---- a server that dies ---- */

static void writes_of_a_session_take_effect_once_although_the_server_is_killed(void **state)
{
    struct counting c = {0};
    struct heard heard;

    (void)state;
    heard_init(&heard);
    c.client = client_of(&heard);
    const int64_t before = counter(c.client, "async");
    assert_int_equal(vxc_client_start(c.client), 0);
    assert_int_equal(vxc_client_session_open(c.client, 60000, vxc_text("survivor")), 0);
    (void)submit_many(&c);
    await_count(&c.finished, 100);
    (void)submit_many(&c);
    daemon_kill(&server);
    (void)submit_many(&c); /* while nobody is there */
    daemon_start(&server);
    await_count(&c.finished, 3 * BATCH);
    assert_int_equal(vxc_client_stop(c.client), 0);
    assert_int_equal(c.failed, 0);
    assert_int_equal(counter(c.client, "async") - before, 3 * BATCH);
    assert_int_equal(heard.expired, 0);
    assert_true(heard.connected >= 2);
    assert_int_equal(vxc_client_session_close(c.client), 0);
    vxc_client_free(c.client);
}

/* ---- lost sessions, lost locks ---- */

static uint64_t hold(struct vxc_client *client, const char *name)
{
    struct vxc_request r = vxc_request(VXC_CALL_LOCK_ACQUIRE);
    struct vxc_reply reply;
    uint64_t token;

    r.name = vxc_text(name);
    assert_int_equal(vxc_client_call(client, &r, &reply), 0);
    assert_true(reply.found);
    token = reply.token;
    vxc_reply_free(&reply);
    return token;
}

static void end_by_expiry(struct vxc_client *other, struct vxc_client *client)
{
    struct vxc_request expire = vxc_request(VXC_CALL_SESSION_EXPIRE);
    expire.id = vxc_client_session(client);
    assert_int_equal(vxc_client_call(other, &expire, NULL), 0);
}

static void end_by_close(struct vxc_client *other, struct vxc_client *client)
{
    struct vxc_session_handle handle;
    vxc_client_session_handle(client, &handle);
    assert_int_equal(vxc_client_session_resume(other, &handle), 0);
    assert_int_equal(vxc_client_session_close(other), 0);
}

/* The session holds two locks, gave a third back, and ends by the hands of another client. */
static void lose(void (*end)(struct vxc_client *other, struct vxc_client *client), bool own_thread)
{
    struct vxc_client *client, *other = client_of(NULL);
    struct vxc_request put = vxc_request(VXC_CALL_MAP_PUT);
    struct heard heard;
    char expected[128];

    heard_init(&heard);
    client = client_of(&heard);
    if (own_thread) {
        assert_int_equal(vxc_client_start(client), 0);
    }
    assert_int_equal(vxc_client_session_open(client, 20000, vxc_text("loser")), 0);
    const uint64_t first = hold(client, "first"), second = hold(client, "second");
    (void)hold(client, "third");
    release(client, "third");
    assert_true(second > first);
    end(other, client);
    if (own_thread) {
        await(&heard, &heard.expired, 1);
    } else {
        while (heard.expired == 0) {
            assert_true(vxc_client_wait(client, 30000) >= 0);
        }
    }
    (void)snprintf(expected, sizeof expected, "second:%llu first:%llu ", (unsigned long long)second,
                   (unsigned long long)first);
    (void)pthread_mutex_lock(&heard.lock);
    assert_string_equal(heard.lost, expected);
    assert_int_equal(heard.lost_before_expired, 2);
    (void)pthread_mutex_unlock(&heard.lock);
    assert_int_equal(vxc_client_session(client), 0);
    put.name = put.key = put.value = vxc_text("x");
    assert_int_equal(vxc_client_call(client, &put, NULL), VXC_ESESSION); /* until it is known … */
    assert_int_equal(vxc_client_session_open(client, 20000, vxc_text("next")), 0);
    assert_int_equal(vxc_client_call(client, &put, NULL), 0); /* … and another one is open */
    assert_true(hold(client, "first") > second);
    assert_int_equal(vxc_client_session_close(client), 0);
    vxc_client_free(client);
    vxc_client_free(other);
}

static void the_locks_of_an_expired_session_are_told_whoever_drives(void **state)
{
    (void)state;
    lose(end_by_expiry, false);
    lose(end_by_expiry, true);
}

static void the_locks_of_a_session_that_another_connection_closed_are_told(void **state)
{
    (void)state;
    lose(end_by_close, false);
    lose(end_by_close, true);
}

static void a_session_is_doubtful_while_the_server_is_away_and_not_when_it_is_back(void **state)
{
    struct vxc_client *client;
    struct heard heard;

    (void)state;
    heard_init(&heard);
    client = client_of(&heard);
    assert_int_equal(vxc_client_start(client), 0);
    /* Long enough for a busy machine to come back in time, and no longer: we wait for its end. */
    assert_int_equal(vxc_client_session_open(client, 4000, vxc_text("doubt")), 0);
    (void)hold(client, "doubt");
    daemon_kill(&server);
    await(&heard, &heard.doubtful, 1);
    daemon_start(&server); /* leases begin anew with a new primary */
    await(&heard, &heard.connected, 2);
    assert_int_equal(heard.expired, 0);
    assert_true(vxc_client_session(client) != 0);
    release(client, "doubt");
    vxc_client_free(client);
}

static int make_server(void **state)
{
    (void)state;
    daemon_make(&server);
    return 0;
}

static int unmake_server(void **state)
{
    (void)state;
    daemon_unmake(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_one_connection_and_each_gets_its_own_answers),
        cmocka_unit_test(a_session_serves_several_threads),
        cmocka_unit_test(a_thread_that_waits_for_a_lock_drives_for_the_others_and_they_for_it),
        cmocka_unit_test(the_role_goes_on_when_the_librarys_thread_stops),
        cmocka_unit_test(callbacks_run_on_the_librarys_thread_and_others_call_beside_it),
        cmocka_unit_test(a_callback_that_would_wait_for_itself_is_refused),
        cmocka_unit_test(no_lock_is_held_while_a_callback_runs),
        cmocka_unit_test(writes_of_a_session_take_effect_once_although_the_server_is_killed),
        cmocka_unit_test(the_locks_of_an_expired_session_are_told_whoever_drives),
        cmocka_unit_test(the_locks_of_a_session_that_another_connection_closed_are_told),
        cmocka_unit_test(a_session_is_doubtful_while_the_server_is_away_and_not_when_it_is_back),
    };
    return cmocka_run_group_tests(tests, make_server, unmake_server);
}
