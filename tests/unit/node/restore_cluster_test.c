/* A cluster of three from one snapshot: each node is restored by itself, and all begin alike. */
#include "embedded_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "consensus/configuration.h"
#include "fsm/fsm.h"
#include "storage/log.h"
#include "storage/store.h"
#include "storage/table.h"
#include "storage/vote.h"

#define LIST "1=127.0.0.1:7401,2=Node-B:7402,3=[::1]:7403"

enum { NODES = 3 };

struct world {
    struct place p; /* its node made the snapshots */
    char snapshot[100];
    char later[100]; /* another one, of a later index */
    uint64_t token;  /* a fencing token that was given after the snapshot */
};

/* What a restored directory says. */
struct beginning {
    uint64_t index, term, time_ms, digest;
    uint64_t configuration_index;
    struct vxc_configuration configuration;
    uint64_t log_index, log_term, log_configuration_index;
    struct vxc_configuration log_configuration;
    struct vxc_vote vote;
    char members[200];
};

/* ---- the snapshots ---- */

static uint64_t lock_once(struct end *e, const char *name)
{
    struct vxc_message m = message(VXC_KIND_LOCK_ACQUIRE);
    struct vxc_message reply;

    m.lock_acquire.lock = vxc_slice_of_string(name);
    m.lock_acquire.wait_ms = -1;
    ask(e, &m, true, &reply);
    assert_int_equal(reply.kind, VXC_KIND_LOCK_REPLY);
    return reply.lock_reply.token;
}

static int set_up(void **state)
{
    static struct world w;
    struct end e;

    make_place(&w.p);
    (void)snprintf(w.snapshot, sizeof w.snapshot, "%s/s", w.p.root);
    (void)snprintf(w.later, sizeof w.later, "%s/later", w.p.root);
    spawn(&w.p);
    dial(&e, w.p.node, false);
    put(&e, "k", "v");
    assert_true(open_session(&e, 60000) > 0); /* which the restore ends */
    (void)lock_once(&e, "before");
    assert_int_equal(vxc_node_snapshot(w.p.node, w.snapshot, VXC_SNAPSHOT_LZ4, NULL, NULL), 0);
    w.token = lock_once(&e, "after");
    assert_int_equal(vxc_node_snapshot(w.p.node, w.later, VXC_SNAPSHOT_LZ4, NULL, NULL), 0);
    hang_up(&e);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    remove_place(&w->p);
    return 0;
}

/* ---- restoring ---- */

static void path_of(const struct world *w, uint64_t id, char out[100])
{
    (void)snprintf(out, 100, "%s/r%u", w->p.root, (unsigned)id);
}

static int restore(const struct world *w, const char *snapshot, uint64_t id, const char *list,
                   struct vxc_restore_report *report, struct vxc_error *err)
{
    struct vxc_restore_options options = vxc_restore_options();
    char data[100];

    path_of(w, id, data);
    options.path = snapshot;
    options.data = data;
    options.node_id = id;
    options.initial_cluster = list;
    return vxc_node_restore(&options, report, err);
}

static struct vxc_restore_report restored(const struct world *w, const char *snapshot, uint64_t id,
                                          const char *list)
{
    struct vxc_restore_report report;
    struct vxc_error err = {0};

    if (restore(w, snapshot, id, list, &report, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return report;
}

static void forget(const struct world *w, uint64_t id)
{
    char data[100];

    path_of(w, id, data);
    remove_folder(data);
}

/* ---- looking ---- */

static void note_member(void *data, const struct vxc_member_view *view)
{
    char *text = data;
    size_t used = strlen(text);

    assert_int_equal(view->incarnation, 0);
    assert_false(view->gone);
    (void)snprintf(text + used, 200 - used, "%u=%.*s;", (unsigned)view->id, (int)view->address.size,
                   (const char *)view->address.data);
}

static void look_at_state(const char *data, struct beginning *b)
{
    const struct vxc_store_options options = {.read_only = true};
    const struct vxc_store_meta *meta;
    struct vxc_error err = {0};
    struct vxc_store *store;
    struct vxc_table *table;
    struct vxc_fsm *fsm;
    char path[120];

    (void)snprintf(path, sizeof path, "%s/state", data);
    assert_int_equal(vxc_store_open(path, &options, &store, &err), 0);
    meta = vxc_store_meta(store);
    b->index = meta->applied_index;
    b->term = meta->applied_term;
    b->time_ms = meta->cluster_time_ms;
    b->configuration_index = meta->configuration_index;
    b->digest = vxc_store_digest(store);
    assert_int_equal(vxc_configuration_decode(meta->configuration, &b->configuration), 0);
    assert_int_equal(vxc_table_create(store, 1 << 20, &table), 0);
    assert_int_equal(vxc_fsm_create(table, &fsm, &err), 0);
    vxc_fsm_each_member(fsm, note_member, b->members);
    vxc_fsm_free(fsm);
    vxc_table_free(table);
    vxc_store_close(store);
}

static struct beginning look_at(const struct world *w, uint64_t id)
{
    const struct vxc_log_options options = {.io = VXC_LOG_IO_THREAD, .node_id = id};
    struct beginning b = {0};
    struct vxc_error err = {0};
    struct vxc_vote_file *vote;
    struct vxc_log *log;
    char data[100], path[120];

    path_of(w, id, data);
    look_at_state(data, &b);
    (void)snprintf(path, sizeof path, "%s/log", data);
    assert_int_equal(vxc_log_open(path, &options, &log, &err), 0);
    b.log_index = vxc_log_base(log)->index;
    b.log_term = vxc_log_base(log)->term;
    b.log_configuration_index = vxc_log_base(log)->configuration_index;
    assert_int_equal(
        vxc_configuration_decode(vxc_log_base(log)->configuration, &b.log_configuration), 0);
    vxc_log_close(log);
    (void)snprintf(path, sizeof path, "%s/vote", data);
    assert_int_equal(vxc_vote_open(path, 0, id, &vote, &b.vote, &err), 0);
    vxc_vote_close(vote);
    return b;
}

static void check_configuration(const struct vxc_configuration *c)
{
    assert_int_equal(c->count, NODES);
    for (uint32_t i = 0; i < NODES; i++) {
        assert_int_equal(c->members[i].id, i + 1);
        assert_int_equal(c->members[i].role, VXC_MEMBER_VOTER);
    }
}

/* ---- tests ---- */

static void three_nodes_begin_with_one_state(void **state)
{
    struct world *w = *state;
    struct vxc_restore_report reports[NODES];
    struct beginning first, other;

    for (uint64_t id = 1; id <= NODES; id++) {
        reports[id - 1] = restored(w, w->snapshot, id, LIST);
        usleep(2000); /* at different times of the clock */
    }
    first = look_at(w, 1);
    check_configuration(&first.configuration);
    check_configuration(&first.log_configuration);
    assert_int_equal(first.index, reports[0].index);
    assert_int_equal(first.index, reports[0].from_index + 1);
    assert_int_equal(first.configuration_index, first.index);
    assert_int_equal(first.log_index, first.index);
    assert_int_equal(first.log_term, first.term);
    assert_int_equal(first.log_configuration_index, first.index);
    assert_int_equal(first.vote.term, first.term);
    assert_int_equal(first.vote.voted_for, 0);
    assert_string_equal(first.members, "1=127.0.0.1:7401;2=node-b:7402;3=[::1]:7403;");
    assert_true(reports[0].next_token > w->token);
    assert_int_equal(reports[0].locks_held, 1);
    for (uint64_t id = 2; id <= NODES; id++) {
        other = look_at(w, id);
        assert_memory_equal(&other, &first, sizeof first);
        assert_memory_equal(&reports[id - 1], &reports[0], sizeof reports[0]);
        forget(w, id);
    }
    forget(w, 1);
}

static void the_order_and_case_of_the_list_do_not_matter(void **state)
{
    struct world *w = *state;
    struct vxc_restore_report one = restored(w, w->snapshot, 1, LIST);
    struct vxc_restore_report two =
        restored(w, w->snapshot, 2, "3=[::1]:7403,1=127.0.0.1:7401,2=NODE-B:7402");
    struct beginning first = look_at(w, 1);
    struct beginning second = look_at(w, 2);

    assert_memory_equal(&one, &two, sizeof one);
    assert_memory_equal(&first, &second, sizeof first);
    forget(w, 1);
    forget(w, 2);
}

static void another_file_or_another_list_is_another_cluster(void **state)
{
    struct world *w = *state;
    struct vxc_restore_report reports[5];

    reports[0] = restored(w, w->snapshot, 1, LIST);
    reports[1] = restored(w, w->later, 2, LIST);
    reports[2] = restored(w, w->snapshot, 3, "1=127.0.0.1:7401,2=node-b:7402,3=[::1]:7404");
    reports[3] = restored(w, w->snapshot, 4, "4=[::1]:7403,1=127.0.0.1:7401,2=node-b:7402");
    reports[4] = restored(w, w->snapshot, 5, NULL);
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < i; k++) {
            assert_memory_not_equal(reports[i].cluster_id, reports[k].cluster_id, 16);
        }
        assert_memory_not_equal(reports[i].cluster_id, reports[i].from_cluster_id, 16);
        assert_true(reports[i].next_token > w->token);
        forget(w, (uint64_t)i + 1);
    }
}

/* However many tokens the old cluster gave behind the snapshot's back, within reason. */
static void tokens_leap_over_what_can_have_been_given_since(void **state)
{
    struct world *w = *state;
    struct vxc_restore_report report = restored(w, w->snapshot, 1, LIST);

    assert_true(report.next_token > w->token + VXC_RESTORE_TOKEN_LEAP / 2);
    forget(w, 1);
}

static void a_list_that_is_wrong_makes_nothing(void **state)
{
    struct world *w = *state;
    struct vxc_error err = {0};
    char data[100];

    path_of(w, 4, data);
    assert_int_equal(restore(w, w->snapshot, 4, LIST, NULL, &err), VXC_EINVAL);
    assert_string_equal(err.text, "node 4 is not in the initial cluster");
    assert_int_equal(restore(w, w->snapshot, 4, "4=a:1,4=b:1", NULL, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "initial cluster: part 2"));
    assert_int_equal(restore(w, w->snapshot, 4, "", NULL, &err), VXC_EINVAL);
    assert_int_not_equal(access(data, F_OK), 0);
}

/* A program that was built before there was a list passes shorter options. */
static void shorter_options_make_a_node_alone(void **state)
{
    struct world *w = *state;
    struct vxc_restore_options options = vxc_restore_options();
    struct beginning b;
    char data[100];

    path_of(w, 9, data);
    options.struct_size = offsetof(struct vxc_restore_options, initial_cluster);
    options.path = w->snapshot;
    options.data = data;
    options.node_id = 9;
    options.initial_cluster = "of no meaning to it";
    assert_int_equal(vxc_node_restore(&options, NULL, NULL), 0);
    b = look_at(w, 9);
    assert_int_equal(b.configuration.count, 1);
    assert_int_equal(b.configuration.members[0].id, 9);
    assert_string_equal(b.members, "");
    forget(w, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_nodes_begin_with_one_state),
        cmocka_unit_test(the_order_and_case_of_the_list_do_not_matter),
        cmocka_unit_test(another_file_or_another_list_is_another_cluster),
        cmocka_unit_test(tokens_leap_over_what_can_have_been_given_since),
        cmocka_unit_test(a_list_that_is_wrong_makes_nothing),
        cmocka_unit_test(shorter_options_make_a_node_alone),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
