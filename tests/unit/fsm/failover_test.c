/* Events across a failover: a session that was told by one node resumes at another one, which applied
 * the same log and never had it connected.
 *
 * A seeded random log is applied to several state machines. The first tells its sessions at once, and
 * what it told is written down. The others tell nobody until a session resumes there: then they must
 * give what the first one told behind that index — same events, same order, none twice, none left
 * out — or say "resync", and that only where something may be missing: after a restart or on an image.
 *
 * VXC_FAILOVER_SEED and VXC_FAILOVER_STEPS in the environment replay or lengthen a run. */
#include "harness.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "storage/image.h"

enum {
    SEEDS_DEFAULT = 12,
    STEPS_DEFAULT = 600,
    SESSIONS_MAX = 6,
    WATCHES_MAX = 12,
    NODES = 4, /* the one that tells, one without a fault, one that restarts, one from images */
};

enum { TELLING, QUIET, RESTARTING, REBUILT };

struct node {
    struct harness h;
    uint64_t begun_index; /* applied index at its last start: nothing before is in its ring */
    uint64_t told_index;  /* of the event last handed out by a replay */
};

struct world {
    uint64_t random;
    struct node nodes[NODES];
    uint64_t sessions[SESSIONS_MAX];
    uint64_t watches[WATCHES_MAX];       /* ids */
    uint64_t watch_session[WATCHES_MAX]; /* whose */
    uint64_t spaces[2];
    uint64_t ticket;
    uint64_t compared, resyncs, resyncs_of_quiet;
};

static uint32_t roll(struct world *w, uint32_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (uint32_t)((w->random >> 32) % below);
}

static const char *any(struct world *w, const char *const *words, uint32_t count)
{
    return words[roll(w, count)];
}

/* ---- nodes ---- */

/* No hook for events: nobody of its sessions is connected there. */
static void fall_silent(struct node *node)
{
    struct vxc_fsm_hooks hooks = node->h.f.fsm->hooks;

    hooks.on_event = NULL;
    vxc_fsm_set_hooks(node->h.f.fsm, &hooks);
}

static void restart(struct node *node)
{
    fixture_restart(&node->h.f);
    fall_silent(node);
    node->begun_index = vxc_fsm_applied_index(node->h.f.fsm);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Throws the state away and takes an image of the telling node's in its place. */
static void rebuild(struct world *w, struct node *node)
{
    struct harness *from = &w->nodes[TELLING].h;
    const struct vxc_image_write_options options = {.compression = VXC_IMAGE_LZ4, .node_id = 1};
    struct vxc_image_info info;
    struct vxc_error err = {0};
    char image[100];

    fixture_commit(&from->f);
    (void)snprintf(image, sizeof image, "%s.image", node->h.f.folder);
    if (vxc_image_write(from->f.store, image, &options, NULL, &info, &err) != 0) {
        fail_msg("%s", err.text);
    }
    vxc_fsm_free(node->h.f.fsm);
    vxc_table_free(node->h.f.table);
    vxc_store_close(node->h.f.store);
    assert_int_equal(nftw(node->h.f.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    if (vxc_image_extract(image, node->h.f.folder, NULL, &info, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(unlink(image), 0);
    fixture_reopen(&node->h.f);
    fall_silent(node);
    node->begun_index = vxc_fsm_applied_index(node->h.f.fsm);
    assert_int_equal(node->begun_index + 1, from->f.index);
}

static const struct vxc_result *run_on_all(struct world *w, const struct vxc_command *command)
{
    struct vxc_result first = *fixture_run(&w->nodes[TELLING].h.f, command);

    for (int i = 1; i < NODES; i++) {
        const struct vxc_result *r = fixture_run(&w->nodes[i].h.f, command);
        assert_int_equal(r->code, first.code);
        assert_int_equal(r->number, first.number);
        assert_true(r->token == first.token);
        assert_true(r->found == first.found);
    }
    return &w->nodes[TELLING].h.f.result;
}

/* ---- the random log ---- */

static uint64_t any_session(struct world *w)
{
    return w->sessions[roll(w, SESSIONS_MAX)];
}

static void replace_session(struct world *w)
{
    uint32_t which = roll(w, SESSIONS_MAX);
    struct vxc_command end = {.op = VXC_OP_SESSION_EXPIRE, .a = (int64_t)w->sessions[which]};
    const struct vxc_command open = {
        .op = VXC_OP_SESSION_OPEN, .value = text("0123456789abcdef"), .a = 20000};

    if (w->sessions[which] != 0) {
        if (roll(w, 2) == 0) {
            end = (struct vxc_command){.op = VXC_OP_SESSION_CLOSE, .session = w->sessions[which]};
        }
        (void)run_on_all(w, &end);
        for (int i = 0; i < WATCHES_MAX; i++) {
            if (w->watch_session[i] == w->sessions[which]) {
                w->watches[i] = 0;
            }
        }
    }
    w->sessions[which] = run_on_all(w, &open)->token;
}

static void change_watch(struct world *w)
{
    static const char *const names[] = {"m", "n"};
    static const char *const keys[] = {NULL, NULL, "a", "b"};
    uint32_t which = roll(w, WATCHES_MAX);
    struct vxc_command c = {.op = VXC_OP_WATCH_REMOVE,
                            .session = w->watch_session[which],
                            .a = (int64_t)w->watches[which]};

    if (w->watches[which] != 0) {
        (void)run_on_all(w, &c);
    }
    c = (struct vxc_command){.op = VXC_OP_WATCH_ADD,
                             .session = any_session(w),
                             .namespace_id = w->spaces[roll(w, 2)],
                             .a = 1 + roll(w, 7)};
    if (c.a == VXC_WATCH_REGISTRATIONS) {
        c.name = text(roll(w, 2) == 0 ? "" : "p");
    } else if (c.a == VXC_WATCH_MEMBERS) {
        c.key = text(roll(w, 3) == 0 ? "node1" : NULL);
    } else {
        c.name = text(any(w, names, 2));
        c.key = c.a <= VXC_WATCH_MULTIMAP ? text(any(w, keys, 4)) : text(NULL);
    }
    w->watches[which] = (uint64_t)run_on_all(w, &c)->number;
    w->watch_session[which] = c.session;
}

static void change_data(struct world *w, struct vxc_command *c)
{
    static const uint16_t ops[] = {
        VXC_OP_MAP_PUT,      VXC_OP_MAP_PUT,     VXC_OP_MAP_REMOVE,      VXC_OP_MAP_CLEAR,
        VXC_OP_MAP_DESTROY,  VXC_OP_SET_ADD,     VXC_OP_SET_REMOVE,      VXC_OP_SET_CLEAR,
        VXC_OP_MULTIMAP_PUT, VXC_OP_COUNTER_ADD, VXC_OP_MULTIMAP_REMOVE, VXC_OP_COUNTER_DESTROY};
    static const char *const names[] = {"m", "n"};
    static const char *const keys[] = {"a", "b", "c"};
    static const char *const values[] = {"1", "2", ""};

    c->op = ops[roll(w, 12)];
    c->name = text(any(w, names, 2));
    c->key = text(any(w, keys, 3));
    c->value = text(any(w, values, 3));
    if (c->op == VXC_OP_MAP_PUT && roll(w, 3) == 0) {
        c->a = 1 + roll(w, 40);
    } else if (c->op == VXC_OP_COUNTER_ADD) {
        c->a = 1;
    }
}

static void change_lock(struct world *w, struct vxc_command *c)
{
    static const uint16_t ops[] = {VXC_OP_LOCK_ACQUIRE, VXC_OP_LOCK_ACQUIRE, VXC_OP_LOCK_ACQUIRE,
                                   VXC_OP_LOCK_RELEASE, VXC_OP_LOCK_RELEASE, VXC_OP_LOCK_CANCEL};
    static const char *const names[] = {"m", "n"};

    c->op = ops[roll(w, 6)];
    c->session = any_session(w);
    c->name = text(any(w, names, 2));
    if (c->op == VXC_OP_LOCK_ACQUIRE) {
        c->a = roll(w, 3) == 0 ? -1 : (int64_t)(1 + roll(w, 60));
        c->b = ++w->ticket;
    } else if (c->op == VXC_OP_LOCK_CANCEL) {
        c->b = w->ticket - roll(w, 6);
    }
}

static void change_node(struct world *w, struct vxc_command *c)
{
    static const char *const nodes[] = {"node1", "node2", "node3"};
    static const char *const addresses[] = {"p", "q"};
    static const char *const values[] = {"1", "2", ""};

    c->session = any_session(w);
    switch (roll(w, 6)) {
    case 0:
    case 1:
        c->op = VXC_OP_NODE_JOIN;
        c->key = text(any(w, nodes, 3));
        c->value = text(roll(w, 2) == 0 ? NULL : "info");
        break;
    case 2:
        c->op = VXC_OP_NODE_LEAVE;
        break;
    case 3:
        c->op = VXC_OP_NODE_SET_INFO;
        c->value = text(any(w, values, 3));
        break;
    default:
        c->op = roll(w, 3) == 0 ? VXC_OP_REGISTRATION_REMOVE : VXC_OP_REGISTRATION_ADD;
        c->name = text(any(w, addresses, 2));
        c->key = text(any(w, nodes, 3));
        c->a = roll(w, 2);
        c->value = text(any(w, values, 3));
        break;
    }
}

/* One entry that makes several events of one index. */
static void change_at_once(struct world *w, struct vxc_command *c, struct vxc_buffer *list)
{
    struct vxc_buffer item = {0};
    uint32_t count = 1 + roll(w, 4);

    assert_int_equal(vxc_buffer_put_u32(list, count), 0);
    for (uint32_t i = 0; i < count; i++) {
        struct vxc_command nested = {0};

        change_data(w, &nested);
        vxc_buffer_clear(&item);
        assert_int_equal(vxc_command_encode(&nested, &item), 0);
        assert_int_equal(vxc_buffer_put_bytes(list, vxc_buffer_slice(&item)), 0);
    }
    vxc_buffer_free(&item);
    c->op = VXC_OP_STATE_SYNC;
    c->a = (int64_t)++w->ticket;
    c->value = vxc_buffer_slice(list);
}

static void step(struct world *w)
{
    struct vxc_command c = {.namespace_id = w->spaces[roll(w, 2)]};
    struct vxc_buffer list = {0};
    uint32_t kind = roll(w, 40);

    for (int i = 0; i < NODES; i++) {
        w->nodes[i].h.f.stamp_ms += kind; /* the same on all */
    }
    if (kind == 0) {
        replace_session(w);
        return;
    }
    if (kind < 5) {
        change_watch(w);
        return;
    }
    if (kind < 20) {
        change_data(w, &c);
    } else if (kind < 28) {
        change_lock(w, &c);
    } else if (kind < 36) {
        change_node(w, &c);
    } else {
        change_at_once(w, &c, &list);
    }
    (void)run_on_all(w, &c);
    vxc_buffer_free(&list);
}

/* ---- comparing ---- */

static bool same_part(struct vxc_slice a, struct vxc_slice b)
{
    return (a.data == NULL) == (b.data == NULL) && vxc_slice_equal(a, b);
}

static bool same_event(const struct vxc_event *a, const struct vxc_event *b)
{
    return a->type == b->type && a->kind == b->kind && a->index == b->index &&
           a->ordinal == b->ordinal && a->session == b->session && a->watch == b->watch &&
           a->ticket == b->ticket && a->token == b->token && a->number == b->number &&
           vxc_slice_equal(a->name, b->name) && same_part(a->key, b->key) &&
           same_part(a->value, b->value) && same_part(a->view, b->view);
}

/* A session that gave a watch up hears no more of it, nor of what it missed before. */
static bool is_watched(const struct world *w, uint64_t watch)
{
    bool found = watch == 0;

    for (int i = 0; i < WATCHES_MAX; i++) {
        found = found || w->watches[i] == watch;
    }
    return found;
}

/* The next event from `at` on that was told to the session behind the index; count when none is. */
static size_t next_told(const struct world *w, size_t at, uint64_t session, uint64_t last_index)
{
    const struct harness *h = &w->nodes[TELLING].h;

    while (at < h->event_count &&
           (h->events[at].session != session || h->events[at].index <= last_index ||
            !is_watched(w, h->events[at].watch))) {
        at++;
    }
    return at;
}

static void expect_all_that_was_told(const struct world *w, const struct node *node,
                                     uint64_t session, uint64_t last_index)
{
    const struct harness *told = &w->nodes[TELLING].h;
    size_t at = next_told(w, 0, session, last_index);

    for (size_t i = 0; i < node->h.event_count; i++) {
        if (at == told->event_count || !same_event(&told->events[at], &node->h.events[i])) {
            fail_msg("session %llu from %llu: event %zu of the replay (index %llu, ordinal %u) is "
                     "not the one that was told",
                     (unsigned long long)session, (unsigned long long)last_index, i,
                     (unsigned long long)node->h.events[i].index, node->h.events[i].ordinal);
        }
        at = next_told(w, at + 1, session, last_index);
    }
    if (at != told->event_count) {
        fail_msg("session %llu from %llu: the event of index %llu is not replayed",
                 (unsigned long long)session, (unsigned long long)last_index,
                 (unsigned long long)told->events[at].index);
    }
}

static void resume(struct world *w, struct node *node, uint64_t session, uint64_t last_index)
{
    int rv;

    harness_listen(&node->h);
    harness_forget(&node->h);
    rv = vxc_fsm_replay(node->h.f.fsm, session, last_index);
    fall_silent(node);
    w->compared++;
    if (rv == 0) {
        expect_all_that_was_told(w, node, session, last_index);
        return;
    }
    assert_int_equal(rv, VXC_ERESYNC);
    assert_int_equal(node->h.event_count, 0);
    assert_true(last_index < node->begun_index); /* something may be missing there */
    w->resyncs++;
}

static void resume_somewhere(struct world *w)
{
    uint64_t applied = vxc_fsm_applied_index(w->nodes[QUIET].h.f.fsm);
    uint64_t back = roll(w, 3) == 0 ? applied : 40;
    uint64_t last_index = applied - roll(w, (uint32_t)(back < applied ? back : applied) + 1);

    for (int i = QUIET; i < NODES; i++) {
        for (int s = 0; s < SESSIONS_MAX; s++) {
            resume(w, &w->nodes[i], w->sessions[s], last_index);
        }
    }
}

/* ---- a run ---- */

static void begin(struct world *w)
{
    for (int i = 0; i < NODES; i++) {
        harness_open(&w->nodes[i].h);
        if (i != TELLING) {
            fall_silent(&w->nodes[i]);
        }
    }
    w->spaces[1] = (uint64_t)run_on_all(w, &(struct vxc_command){.op = VXC_OP_NAMESPACE_ENSURE,
                                                                 .name = text("space")})
                       ->number;
    for (int i = 0; i < 100; i++) {
        replace_session(w);
    }
}

static void run(uint64_t seed, uint64_t steps)
{
    struct world *w = calloc(1, sizeof *w);

    print_message("seed %llu, %llu entries\n", (unsigned long long)seed, (unsigned long long)steps);
    assert_non_null(w);
    w->random = seed * 0x9e3779b97f4a7c15ull + 1;
    begin(w);
    for (uint64_t i = 0; i < steps; i++) {
        step(w);
        if (roll(w, 60) == 0) {
            restart(&w->nodes[RESTARTING]);
        }
        if (roll(w, 100) == 0) {
            rebuild(w, &w->nodes[REBUILT]);
        }
        if (roll(w, 4) == 0) {
            resume_somewhere(w);
        }
    }
    assert_true(w->compared > 4 * w->resyncs); /* resync is the exception */
    assert_true(w->resyncs > 0 || steps < STEPS_DEFAULT);
    for (int i = 0; i < NODES; i++) {
        harness_close(&w->nodes[i].h);
    }
    free(w);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);

    return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

static void a_resumed_session_hears_all_that_it_missed_and_nothing_twice(void **state)
{
    uint64_t seed = from_environment("VXC_FAILOVER_SEED", 0);
    uint64_t steps = from_environment("VXC_FAILOVER_STEPS", STEPS_DEFAULT);

    (void)state;
    if (seed != 0) {
        run(seed, steps);
        return;
    }
    for (seed = 1; seed <= SEEDS_DEFAULT; seed++) {
        run(seed, steps);
    }
}

int main(void)
{
    /* In memory where there is such a folder: what a disk keeps is not the matter here. */
    if (access("/dev/shm", W_OK) == 0) {
        assert_int_equal(setenv("TMPDIR", "/dev/shm", 1), 0);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resumed_session_hears_all_that_it_missed_and_nothing_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
