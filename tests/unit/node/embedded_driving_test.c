/* Nodes as a program embeds them: who drives them, several in one process, time, and the caller's
 * allocator. */
#include "embedded_fixture.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the ways to drive a node ---- */

static void a_node_in_the_callers_loop_answers_when_it_is_dispatched(void **state)
{
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    start(&p);
    dial(&e, p.node, true);
    put(&e, "k", "v");
    assert_true(holds(&e, "k", "v"));
    assert_int_equal(add(&e, 5), 5);
    assert_int_equal(stats_of(p.node).active_connections, 1);
    vxc_node_stop(p.node);
    while (vxc_node_dispatch(p.node)) {
        struct pollfd fd = {.fd = vxc_node_fd(p.node), .events = POLLIN};
        (void)poll(&fd, 1, vxc_node_timeout_ms(p.node));
    }
    assert_int_equal(e.closes, 0); /* it ends with the node */
    vxc_node_free(p.node);
    assert_int_equal(e.closes, 1);
    assert_int_equal(e.code, VXC_ECLOSED);
    start(&p);
    hang_up(&e);
    dial(&e, p.node, true);
    assert_true(holds(&e, "k", "v"));
    hang_up(&e);
    remove_place(&p);
}

static void *run(void *data)
{
    assert_int_equal(vxc_node_run(data), 0);
    return NULL;
}

static void a_node_runs_on_the_thread_that_runs_it(void **state)
{
    pthread_t thread;
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    start(&p);
    assert_int_equal(pthread_create(&thread, NULL, run, p.node), 0);
    dial(&e, p.node, false);
    put(&e, "k", "v");
    assert_true(stats_of(p.node).commands_total > 0);
    vxc_node_stop(p.node);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(stats_of(p.node).commands_total > 0); /* nobody runs it, and it still knows */
    vxc_node_free(p.node);
    p.node = NULL;
    hang_up(&e);
    remove_place(&p);
}

static void a_clean_stop_is_told_at_the_next_start(void **state)
{
    struct vxc_node_stats stats;
    struct place p;

    (void)state;
    make_place(&p);
    spawn(&p);
    assert_int_equal(stats_of(p.node).beginning, VXC_NODE_NEW);
    vxc_node_free(p.node);
    spawn(&p);
    stats = stats_of(p.node);
    assert_int_equal(stats.beginning, VXC_NODE_CLEAN);
    assert_true(stats.recovered_index > 0);
    assert_true(stats.verified_rows > 0);
    assert_string_equal(stats.role, "primary");
    assert_int_equal(stats.node_id, 1);
    assert_true(stats.ready_ms <= stats.uptime_ms);
    assert_true(atomic_load(&p.lines) > 0); /* at least of the stop */
    remove_place(&p);
}

static void a_node_that_listens_nowhere_leaves_no_endpoint(void **state)
{
    char path[100];
    struct place p;

    (void)state;
    make_place(&p);
    spawn(&p);
    assert_string_equal(vxc_node_address(p.node), "");
    (void)snprintf(path, sizeof path, "%s/endpoint", p.data);
    assert_int_not_equal(access(path, F_OK), 0);
    remove_place(&p);
}

/* ---- time ---- */

static void a_silent_session_is_cleaned_away_and_told_once(void **state)
{
    struct vxc_message m = message(VXC_KIND_LOCK_ACQUIRE);
    struct vxc_message reply;
    uint64_t cleaned = 0;
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    start(&p);
    dial(&e, p.node, true);
    assert_true(open_session(&e, 200) > 0);
    m.lock_acquire.lock = vxc_slice_of_string("l");
    ask(&e, &m, true, &reply);
    assert_true(reply.lock_reply.acquired);
    assert_int_equal(vxc_node_process_timeouts(p.node), 0);
    hang_up(&e);
    assert_int_equal(stats_of(p.node).sessions, 1); /* it lives without its connection */
    while (stats_of(p.node).sessions > 0) {
        cleaned += vxc_node_process_timeouts(p.node);
        drive(p.node);
    }
    assert_int_equal(cleaned, 1);
    assert_int_equal(vxc_node_process_timeouts(p.node), 0);
    assert_int_equal(stats_of(p.node).locks_held, 0);
    assert_int_equal(stats_of(p.node).sessions_silent_total, 1);
    remove_place(&p);
}

static void timeouts_are_told_of_a_node_with_its_own_thread(void **state)
{
    uint64_t cleaned = 0;
    struct place p;
    struct end e;

    (void)state;
    make_place(&p);
    spawn(&p);
    dial(&e, p.node, false);
    assert_true(open_session(&e, 100) > 0);
    hang_up(&e);
    while (cleaned == 0) {
        cleaned = vxc_node_process_timeouts(p.node);
    }
    assert_int_equal(cleaned, 1);
    vxc_node_stop(p.node);
    vxc_node_join(p.node);
    assert_int_equal(vxc_node_process_timeouts(p.node), 0);
    remove_place(&p);
}

/* ---- several ---- */

static void nodes_of_one_process(int count, bool own_threads)
{
    struct place places[3];
    struct end ends[3];
    pthread_t threads[3];
    char value[8];

    for (int i = 0; i < count; i++) {
        make_place(&places[i]);
        places[i].options.node_id = (uint64_t)i + 1;
        places[i].options.host = "127.0.0.1";
        start(&places[i]);
        if (own_threads) {
            assert_int_equal(vxc_node_spawn(places[i].node, NULL), 0);
            assert_int_equal(pthread_create(&threads[i], NULL, write_much, places[i].node), 0);
        }
    }
    for (int i = 0; i < count; i++) {
        dial(&ends[i], places[i].node, !own_threads);
        (void)snprintf(value, sizeof value, "%d", i);
        put(&ends[i], "who", value);
    }
    for (int i = 0; i < count; i++) {
        (void)snprintf(value, sizeof value, "%d", i);
        assert_true(holds(&ends[i], "who", value));
        assert_int_equal(stats_of(places[i].node).node_id, i + 1);
        if (own_threads) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(add(&ends[i], 0), 300);
        }
        hang_up(&ends[i]);
    }
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(vxc_node_address(places[i].node),
                                    vxc_node_address(places[j].node));
        }
    }
    for (int i = 0; i < count; i++) {
        remove_place(&places[i]);
    }
}

static void two_nodes_live_in_one_process(void **state)
{
    (void)state;
    nodes_of_one_process(2, true);
}

static void three_nodes_live_in_one_process(void **state)
{
    (void)state;
    nodes_of_one_process(3, true);
}

static void one_thread_drives_three_nodes(void **state)
{
    (void)state;
    nodes_of_one_process(3, false);
}

/* ---- memory ---- */

static atomic_llong blocks;
static atomic_llong calls;

static void *counted_malloc(void *data, size_t size)
{
    void *memory = malloc(size);

    (void)data;
    atomic_fetch_add(&calls, 1);
    atomic_fetch_add(&blocks, memory != NULL);
    return memory;
}

static void *counted_realloc(void *data, void *memory, size_t size)
{
    void *moved = realloc(memory, size);

    (void)data;
    atomic_fetch_add(&blocks, memory == NULL && moved != NULL);
    return moved;
}

static void counted_free(void *data, void *memory)
{
    (void)data;
    atomic_fetch_sub(&blocks, memory != NULL);
    free(memory);
}

static void all_memory_comes_from_the_callers_allocator_and_goes_back(void **state)
{
    const struct vxc_allocator allocator = {
        .malloc = counted_malloc, .realloc = counted_realloc, .free = counted_free};
    struct vxc_error err = {0};
    char path[100];
    struct place p;
    struct end e;

    (void)state;
    vxc_set_allocator(&allocator);
    make_place(&p);
    p.options.host = "127.0.0.1";
    spawn(&p);
    dial(&e, p.node, false);
    put(&e, "k", "v");
    assert_true(open_session(&e, 1000) > 0);
    (void)snprintf(path, sizeof path, "%s/s", p.root);
    assert_int_equal(vxc_node_snapshot(p.node, path, VXC_SNAPSHOT_LZ4, NULL, &err), 0);
    hang_up(&e);
    remove_place(&p);
    assert_true(atomic_load(&calls) > 50);
    assert_int_equal(atomic_load(&blocks), 0);
    vxc_set_allocator(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_in_the_callers_loop_answers_when_it_is_dispatched),
        cmocka_unit_test(a_node_runs_on_the_thread_that_runs_it),
        cmocka_unit_test(a_clean_stop_is_told_at_the_next_start),
        cmocka_unit_test(a_node_that_listens_nowhere_leaves_no_endpoint),
        cmocka_unit_test(a_silent_session_is_cleaned_away_and_told_once),
        cmocka_unit_test(timeouts_are_told_of_a_node_with_its_own_thread),
        cmocka_unit_test(two_nodes_live_in_one_process),
        cmocka_unit_test(three_nodes_live_in_one_process),
        cmocka_unit_test(one_thread_drives_three_nodes),
        cmocka_unit_test(all_memory_comes_from_the_callers_allocator_and_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
