/* Load for ZooKeeper, by its own asynchronous C library (libzookeeper_mt). Options: load.h.
 *
 * A put is zoo_aset of an existing node. A get is zoo_async with zoo_aget right behind it on the same
 * session, which is how ZooKeeper's guide makes a read that misses no write: requests of a session
 * are carried out in their order. Only the get's answer counts as an operation.
 *
 * Every session has a thread of the library's on which its answers come and on which its next
 * requests are made, so that what a session counts needs no lock.
 */
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

#define ROOT              "/bench"
#define PATH_SIZE         64
#define SESSION_MS        30000
#define ANSWERS_WITHIN_MS 60000

struct session;

/* One request under way. */
struct slot {
    struct session *session;
    uint64_t began_ns;
};

struct session {
    zhandle_t *handle;
    struct load *load;
    struct slot *slots;
    uint64_t random;
    unsigned under_way;
    uint64_t next_fill, fill_step; /* of the keys that this session writes */
    struct load_tally tally;
};

struct load {
    const struct load_options *options;
    uint64_t end_ns; /* no request begins later */
    char *value;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned left; /* sessions that are not done; under the mutex */
};

static void check(const char *what, int rc)
{
    if (rc != ZOK) {
        load_fail(what, zerror(rc));
    }
}

static void on_data(int rc, const char *value, int size, const struct Stat *stat, const void *data);
static void on_stat(int rc, const struct Stat *stat, const void *data);
static void on_path(int rc, const char *path, const void *data);

/* What was given to the library for a callback, which it hands back const. */
static void *own(const void *data)
{
    void *given;

    memcpy(&given, &data, sizeof given);
    return given;
}

/* The next request in this slot. False: there is none any more. */
static bool begin(struct slot *slot)
{
    struct session *s = slot->session;
    const struct load_options *o = s->load->options;
    char path[PATH_SIZE] = ROOT "/";
    char *key = path + sizeof ROOT; /* its NUL is the slash here */
    uint64_t number = s->next_fill;

    slot->began_ns = load_now_ns();
    if (o->fill ? s->next_fill >= o->keys : slot->began_ns >= s->load->end_ns) {
        return false;
    }
    if (o->fill) {
        s->next_fill += s->fill_step;
    } else {
        number = load_random_key(o, &s->random);
    }
    load_key(key, number);
    if (o->fill) {
        check("create", zoo_acreate(s->handle, path, s->load->value, (int)o->value_size,
                                    &ZOO_OPEN_ACL_UNSAFE, 0, on_path, slot));
    } else if (o->get) {
        check("sync", zoo_async(s->handle, path, on_path, NULL));
        check("get", zoo_aget(s->handle, path, 0, on_data, slot));
    } else {
        check("set",
              zoo_aset(s->handle, path, s->load->value, (int)o->value_size, -1, on_stat, slot));
    }
    return true;
}

/* A slot has nothing more to do. */
static void end(struct session *s)
{
    if (--s->under_way == 0) {
        (void)pthread_mutex_lock(&s->load->mutex);
        s->load->left--;
        (void)pthread_cond_signal(&s->load->changed);
        (void)pthread_mutex_unlock(&s->load->mutex);
    }
}

static void on_answer(const char *what, int rc, const void *data)
{
    struct slot *slot = own(data);
    struct session *s = slot->session;

    check(what, rc);
    vxc_histogram_record(&s->tally.latency_ns, load_now_ns() - slot->began_ns);
    s->tally.operations++;
    if (!begin(slot)) {
        end(s);
    }
}

static void on_path(int rc, const char *path, const void *data)
{
    (void)path;
    if (data == NULL) { /* a sync: the get behind it is what counts */
        check("sync", rc);
        return;
    }
    on_answer("create", rc, data);
}

static void on_stat(int rc, const struct Stat *stat, const void *data)
{
    (void)stat;
    on_answer("set", rc, data);
}

static void on_data(int rc, const char *value, int size, const struct Stat *stat, const void *data)
{
    const struct slot *slot = own(data);
    const struct load *l = slot->session->load;

    (void)stat;
    if (rc == ZOK && ((unsigned)size != l->options->value_size ||
                      memcmp(value, l->value, l->options->value_size) != 0)) {
        load_fail("get", "another value than was put");
    }
    on_answer("get", rc, data);
}

/* ---- sessions ---- */

static void on_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle;
    (void)path;
    (void)context;
    if (type == ZOO_SESSION_EVENT && (state == ZOO_EXPIRED_SESSION_STATE)) {
        load_fail("session", "expired");
    }
}

/* The i-th of the endpoints, around and around. */
static void endpoint(const char *endpoints, unsigned index, char *out, size_t size)
{
    unsigned count = 1;

    for (const char *c = endpoints; *c != 0; c++) {
        count += *c == ',';
    }
    for (index %= count; index > 0; index--) {
        endpoints = strchr(endpoints, ',') + 1;
    }
    (void)snprintf(out, size, "%.*s", (int)strcspn(endpoints, ","), endpoints);
}

static void open_session(struct load *l, struct session *s, unsigned index)
{
    const struct load_options *o = l->options;
    char where[256];

    endpoint(o->endpoints, index, where, sizeof where);
    s->load = l;
    s->random = 0x9e3779b97f4a7c15u * (index + 1);
    s->next_fill = index;
    s->fill_step = o->connections;
    s->slots = calloc(o->pipeline, sizeof *s->slots);
    s->handle = zookeeper_init(where, on_event, SESSION_MS, NULL, NULL, 0);
    if (s->slots == NULL || s->handle == NULL) {
        load_fail(where, strerror(errno));
    }
    for (int waited = 0; zoo_state(s->handle) != ZOO_CONNECTED_STATE; waited++) {
        if (waited > 20000) {
            load_fail(where, "no session within 20 s");
        }
        (void)poll(NULL, 0, 1);
    }
}

/* The answer to the first request of a session: from here on all of it happens on this thread. */
static void on_start(int rc, const char *path, const void *data)
{
    struct session *s = own(data);
    const unsigned pipeline = s->load->options->pipeline;

    (void)path;
    check("start", rc);
    s->under_way = pipeline;
    for (unsigned i = 0; i < pipeline; i++) {
        s->slots[i].session = s;
        if (!begin(&s->slots[i])) {
            end(s);
        }
    }
}

static void wait_for_all(struct load *l)
{
    struct timespec end;

    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += l->options->seconds + ANSWERS_WITHIN_MS / 1000;
    (void)pthread_mutex_lock(&l->mutex);
    while (l->left > 0) {
        if (pthread_cond_timedwait(&l->changed, &l->mutex, &end) == ETIMEDOUT) {
            load_fail("load", "no answer");
        }
    }
    (void)pthread_mutex_unlock(&l->mutex);
}

int main(int argc, char **argv)
{
    const struct load_options options = load_options(argc, argv);
    struct load l = {.options = &options,
                     .mutex = PTHREAD_MUTEX_INITIALIZER,
                     .changed = PTHREAD_COND_INITIALIZER,
                     .left = options.connections};
    static struct load_tally sum; /* 32 KiB of histogram */
    struct session *sessions = calloc(options.connections, sizeof *sessions);

    l.value = malloc(options.value_size);
    if (sessions == NULL || l.value == NULL) {
        load_fail("start", strerror(ENOMEM));
    }
    memset(l.value, 'x', options.value_size);
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    for (unsigned i = 0; i < options.connections; i++) {
        open_session(&l, &sessions[i], i);
    }
    if (options.fill) {
        const int rc =
            zoo_create(sessions[0].handle, ROOT, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
        check(ROOT, rc == ZNODEEXISTS ? ZOK : rc);
    }
    const uint64_t began_ns = load_now_ns();
    l.end_ns = options.fill ? UINT64_MAX : began_ns + options.seconds * 1000000000ull;
    for (unsigned i = 0; i < options.connections; i++) {
        check("start", zoo_async(sessions[i].handle, "/", on_start, &sessions[i]));
    }
    wait_for_all(&l);
    const uint64_t ended_ns = load_now_ns();
    for (unsigned i = 0; i < options.connections; i++) {
        sum.operations += sessions[i].tally.operations;
        vxc_histogram_merge(&sum.latency_ns, &sessions[i].tally.latency_ns);
        (void)zookeeper_close(sessions[i].handle); /* its thread has ended after this */
        free(sessions[i].slots);
    }
    load_report(&options, &sum, began_ns, ended_ns);
    free(sessions);
    free(l.value);
    return 0;
}
