/* A state from a snapshot begins a new life: what ends, what stays, what is never given twice. */
#include "harness.h"

#include <stdio.h>

#include "fsm/restore.h"

static const uint8_t NEW_ID[16] = {9, 8, 7, 6, 5, 4, 3, 2, 1};

static struct vxc_fsm_restore_report restore(struct harness *h, uint64_t wall_us)
{
    struct vxc_fsm_restore_options options = {
        .wall_us = wall_us, .configuration = text("alone"), .reason = text("restored by a test")};
    struct vxc_fsm_restore_report report;
    struct vxc_error err = {0};

    memcpy(options.cluster_id, NEW_ID, sizeof NEW_ID);
    fixture_commit(&h->f);
    vxc_fsm_free(h->f.fsm);
    vxc_table_free(h->f.table);
    if (vxc_fsm_restore(h->f.store, &options, &report, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_slice_is(vxc_store_meta(h->f.store)->configuration, "alone");
    assert_int_equal(vxc_store_meta(h->f.store)->configuration_index, report.restored_index);
    assert_int_equal(vxc_store_meta(h->f.store)->applied_index, report.restored_index);
    assert_int_equal(vxc_table_create(h->f.store, 1u << 20, &h->f.table), 0);
    assert_int_equal(vxc_fsm_create(h->f.table, &h->f.fsm, &err), 0);
    h->f.index = report.restored_index + 1;
    fixture_restart(&h->f); /* and all of it is in LMDB */
    harness_listen(h);
    return report;
}

static void put(struct harness *h, const char *key, const char *value)
{
    assert_int_equal(harness_run(h, fixture_command(VXC_OP_MAP_PUT, "map", key, value))->code, 0);
}

static void bootstrap(struct harness *h)
{
    struct vxc_command command = {
        .op = VXC_OP_BOOTSTRAP, .value = text("0123456789abcdef"), .a = 1000};

    assert_int_equal(harness_run(h, command)->code, 0);
}

static void data_stays_and_the_cluster_is_another(void **state)
{
    struct harness *h = *state;
    struct vxc_fsm_restore_report report;
    uint8_t id[16];

    bootstrap(h);
    put(h, "a", "1");
    report = restore(h, 0);
    assert_memory_equal(report.cluster_id, "0123456789abcdef", 16);
    assert_int_equal(report.restored_index, report.index + 1);
    assert_int_equal(report.sessions, 0);
    assert_slice_is(harness_ask(h, fixture_command(VXC_OP_MAP_GET, "map", "a", NULL))->value, "1");
    assert_true(vxc_fsm_bootstrapped(h->f.fsm));
    assert_memory_equal(vxc_fsm_cluster_id(h->f.fsm), NEW_ID, 16);
    assert_int_equal(vxc_fsm_read_cluster_id(h->f.store, id, NULL), 0);
    assert_memory_equal(id, NEW_ID, 16);
}

static void sessions_end_with_all_they_owned(void **state)
{
    struct harness *h = *state;
    struct vxc_fsm_restore_report report;
    uint64_t holder, waiter, node;
    struct vxc_fsm_stats stats;

    bootstrap(h);
    holder = open_session(h, "holder");
    waiter = open_session(h, "waiter");
    node = open_session(h, "node");
    assert_int_equal(acquire(h, holder, "lock", 1, -1)->code, 0);
    (void)acquire(h, waiter, "lock", 2, -1);
    (void)acquire(h, node, "lock", 3, 100000);
    assert_int_equal(join(h, node, "n1", "info")->code, 0);
    assert_int_equal(add_registration(h, node, "address", "n1", 1, "data")->code, 0);
    (void)watch(h, waiter, VXC_WATCH_MAP, "map", NULL);
    report = restore(h, 0);
    assert_int_equal(report.sessions, 3);
    assert_int_equal(report.locks_held, 1);
    assert_int_equal(report.locks_waiting, 2);
    assert_int_equal(report.nodes, 1);
    assert_int_equal(report.registrations, 1);
    assert_int_equal(report.watches, 1);
    vxc_fsm_stats(h->f.fsm, &stats);
    assert_int_equal(stats.sessions + stats.nodes + stats.registrations + stats.watches, 0);
    assert_int_equal(stats.locks_held + stats.locks_waiting, 0);
    assert_int_equal(count_rows(h, VXC_DB_SESSIONS, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_WATCHES, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_LOCKS, "w"), 0);
    assert_int_equal(count_rows(h, VXC_DB_DEADLINES, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_REGISTRATIONS, ""), 0);
    assert_int_equal(run_as(h, holder, fixture_command(VXC_OP_MAP_PUT, "map", "k", "v"))->code,
                     VXC_ESESSION);
}

static uint64_t token_of_next_grant(struct harness *h)
{
    uint64_t session = open_session(h, "next");
    const struct vxc_result *r = acquire(h, session, "lock", 1, -1);

    assert_int_equal(r->code, 0);
    return r->token;
}

static void tokens_go_on_from_the_larger_of_stored_and_wall_clock(void **state)
{
    struct harness *h = *state;
    uint64_t before;
    uint64_t after;

    bootstrap(h);
    before = token_of_next_grant(h);
    (void)restore(h, 5); /* a clock that was set back */
    after = token_of_next_grant(h);
    assert_true(after > before);
    assert_int_equal(restore(h, 1700000000000000).next_token, 1700000000000000);
    assert_true(token_of_next_grant(h) >= 1700000000000000);
}

static void what_happened_is_recorded_with_its_reason(void **state)
{
    struct harness *h = *state;
    struct vxc_fsm_restore_report report;
    struct vxc_slice body;
    static const char reason[] = "restored by a test";

    bootstrap(h);
    (void)open_session(h, "one");
    report = restore(h, 77);
    assert_int_equal(vxc_table_get(h->f.table, VXC_DB_META, text("restored"), &body), 0);
    assert_int_equal(body.size, 1 + 16 + 11 * 8 + sizeof reason - 1);
    assert_memory_equal(body.data + 1, "0123456789abcdef", 16);
    assert_int_equal(vxc_load_u64(body.data + 17), report.index);
    assert_int_equal(vxc_load_u64(body.data + 33), 77);
    assert_int_equal(vxc_load_u64(body.data + 41), 1);
    assert_memory_equal(body.data + body.size - (sizeof reason - 1), reason, sizeof reason - 1);
}

static void a_hundred_thousand_registrations_end_in_several_commits(void **state)
{
    struct harness *h = *state;
    struct vxc_fsm_restore_report report;
    char address[32];

    bootstrap(h);
    for (int s = 0; s < 6; s++) {
        uint64_t session = open_session(h, "many");
        char node[16];

        (void)snprintf(node, sizeof node, "n%d", s);
        assert_int_equal(join(h, session, node, "")->code, 0);
        for (int i = 0; i < 18000; i++) {
            (void)snprintf(address, sizeof address, "address-%d-%d", s, i);
            assert_int_equal(add_registration(h, session, address, node, 1, "")->code, 0);
        }
        harness_forget(h);
    }
    report = restore(h, 0);
    assert_int_equal(report.registrations, 6 * 18000);
    assert_int_equal(count_rows(h, VXC_DB_REGISTRATIONS, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_SESSIONS, ""), 0);
}

static void an_empty_state_can_begin_too(void **state)
{
    struct harness *h = *state;
    struct vxc_fsm_restore_report report = restore(h, 12);

    assert_int_equal(report.restored_index, 1);
    assert_int_equal(vxc_store_meta(h->f.store)->applied_term, 1);
    assert_true(vxc_fsm_bootstrapped(h->f.fsm));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(data_stays_and_the_cluster_is_another),
        TEST(sessions_end_with_all_they_owned),
        TEST(tokens_go_on_from_the_larger_of_stored_and_wall_clock),
        TEST(what_happened_is_recorded_with_its_reason),
        TEST(a_hundred_thousand_registrations_end_in_several_commits),
        TEST(an_empty_state_can_begin_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
