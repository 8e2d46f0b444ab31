/* A restore whose k-th allocation fails, for every k: it may refuse, or end the process by the fatal
 * message, but what it does not finish is gone, and what it finishes starts. */
#include "embedded_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/failing_heap.h"

struct world {
    struct place p; /* its node made the snapshot */
    char snapshot[100];
    char target[100];
    bool taken; /* the target is there beforehand, and empty */
};

/* ---- in the child ---- */

static int restore(void *data)
{
    struct world *w = data;
    struct vxc_restore_options options = vxc_restore_options();
    struct vxc_error err = {0};

    options.path = w->snapshot;
    options.data = w->target;
    return vxc_node_restore(&options, NULL, &err);
}

/* ---- before and after ---- */

static void make_target(void *data)
{
    struct world *w = data;

    if (w->taken) {
        assert_int_equal(mkdir(w->target, 0700), 0);
    }
}

static void start_restored(struct world *w)
{
    struct place restored = w->p;
    struct end e;

    restored.options.data = w->target;
    start(&restored);
    dial(&e, restored.node, true);
    assert_true(holds(&e, "k", "v"));
    hang_up(&e);
    vxc_node_free(restored.node);
}

static void check_target(void *data)
{
    struct world *w = data;
    char node[110];

    (void)snprintf(node, sizeof node, "%s/node", w->target);
    if (access(node, F_OK) == 0) {
        start_restored(w);
        remove_folder(w->target);
        return;
    }
    assert_int_equal(access(w->target, F_OK) == 0, w->taken);
    if (w->taken) {
        assert_int_equal(rmdir(w->target), 0); /* empty as it was */
    }
}

static void sweep_restores(bool taken)
{
    struct world w = {.taken = taken};
    const struct failing_heap_story story = {
        .data = &w, .prepare = make_target, .run = restore, .check = check_target, .may_end = true};
    struct end e;

    make_place(&w.p);
    (void)snprintf(w.snapshot, sizeof w.snapshot, "%s/s", w.p.root);
    (void)snprintf(w.target, sizeof w.target, "%s/target", w.p.root);
    spawn(&w.p);
    dial(&e, w.p.node, false);
    put(&e, "k", "v");
    assert_true(open_session(&e, 60000) > 0); /* which the restore ends */
    assert_int_equal(vxc_node_snapshot(w.p.node, w.snapshot, VXC_SNAPSHOT_LZ4, NULL, NULL), 0);
    hang_up(&e);
    vxc_node_free(w.p.node); /* of no use in a child */
    w.p.node = NULL;
    failing_heap_sweep(&story);
    remove_place(&w.p);
}

static void a_new_folder_is_a_whole_node_or_not_there(void **state)
{
    (void)state;
    sweep_restores(false);
}

static void an_empty_folder_is_a_whole_node_or_empty(void **state)
{
    (void)state;
    sweep_restores(true);
}

#define sweep(test) cmocka_unit_test_teardown(test, failing_heap_give_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        sweep(a_new_folder_is_a_whole_node_or_not_there),
        sweep(an_empty_folder_is_a_whole_node_or_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
