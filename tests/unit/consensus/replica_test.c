/* The replica on the real log, vote, store, table and state machine. */
#include "world.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct vxc_slice text(const char *string)
{
    return vxc_slice_of_string(string);
}

/* May a read be answered at once? */
static int read_now(struct world *world)
{
    uint64_t round = 1;
    int rv = vxc_replica_read(world->replica, &round);

    assert_int_equal(round, 0); /* nobody is to be asked */
    return rv;
}

static void begin(struct world *world, const struct world_options *options)
{
    world_create(world, options);
    assert_int_equal(world_start(world), 0);
    world_ready(world);
}

/* Without space in the log, on demand: this program is linked with --wrap=vxc_log_append. */
int __real_vxc_log_append(struct vxc_log *log, uint64_t index, uint64_t term, uint16_t type,
                          struct vxc_slice payload);
int __wrap_vxc_log_append(struct vxc_log *log, uint64_t index, uint64_t term, uint16_t type,
                          struct vxc_slice payload);
static bool log_is_full;

int __wrap_vxc_log_append(struct vxc_log *log, uint64_t index, uint64_t term, uint16_t type,
                          struct vxc_slice payload)
{
    return log_is_full ? VXC_ENOSPC : __real_vxc_log_append(log, index, term, type, payload);
}

/* ---- becoming ready ---- */

static void fresh_directory_becomes_a_cluster_of_one(void **state)
{
    static const uint8_t zeros[16];
    struct world world;
    struct vxc_replica_status status;

    (void)state;
    world_create(&world, &(struct world_options){.seed = 1});
    assert_int_equal(world_start(&world), 0);
    assert_true(vxc_replica_is_primary(world.replica));
    assert_false(vxc_replica_is_ready(world.replica));
    assert_int_equal(read_now(&world), VXC_ENOTPRIMARY); /* before the first turn */
    world_ready(&world);
    assert_int_equal(read_now(&world), 0);
    vxc_replica_status(world.replica, &status);
    assert_string_equal(status.role, "primary");
    assert_int_equal(status.term, 2);
    assert_int_equal(status.voted_for, 1);
    assert_int_equal(status.primary_id, 1);
    assert_int_equal(status.applied_index, 3); /* configuration, no-op, bootstrap */
    assert_memory_not_equal(vxc_fsm_cluster_id(world.fsm), zeros, 16);
    assert_int_equal(world.role_calls, 2); /* primary; ready */
    /* No election timeout was waited for: the clock has hardly moved. */
    assert_true(world.now_ns < 1400000000u);
    world_destroy(&world);
}

static void proposals_before_readiness_are_busy(void **state)
{
    struct world world;
    struct write write;

    (void)state;
    world_create(&world, &(struct world_options){.seed = 1});
    assert_int_equal(world_start(&world), 0);
    assert_int_equal(world_put(&world, &write, "k", text("v")), VXC_EBUSY);
    world_destroy(&world);
}

static void crash_at_any_turn_of_the_first_start_is_survived(void **state)
{
    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        struct world world;
        struct write write;

        world_create(&world, &(struct world_options){.seed = 7, .synchronous = true});
        assert_int_equal(world_start(&world), 0);
        for (int i = 0; i < turns; i++) {
            world_turn(&world, 1);
        }
        world_crash(&world);
        assert_int_equal(world_start(&world), 0);
        world_ready(&world);
        assert_int_equal(world_put(&world, &write, "k", text("v")), 0);
        world_wait(&world, &write);
        assert_int_equal(write.code, 0);
        world_destroy(&world);
    }
}

/* ---- proposals ---- */

static void proposal_is_applied_and_answered_once_durable(void **state)
{
    struct world world;
    struct write write;
    struct vxc_slice value;
    struct vxc_replica_status status;

    (void)state;
    begin(&world, &(struct world_options){.seed = 2});
    assert_int_equal(world_put(&world, &write, "key", text("value")), 0);
    assert_false(write.done);
    world_wait(&world, &write);
    assert_int_equal(write.code, 0);
    assert_true(world_get(&world, "key", &value));
    assert_true(vxc_slice_equal(value, text("value")));
    vxc_replica_status(world.replica, &status);
    assert_int_equal(write.index, status.applied_index);
    assert_true(status.durable_index >= write.index);
    assert_int_equal(status.uncommitted_bytes, 0);
    world_destroy(&world);
}

static void one_write_at_a_time_costs_one_unit_of_the_log_each(void **state)
{
    struct world world;
    struct vxc_log_stats before, after;

    (void)state;
    begin(&world, &(struct world_options){.seed = 2});
    world_quiet(&world);
    vxc_log_stats(world.log, &before);
    for (int i = 0; i < 20; i++) {
        struct write write;

        assert_int_equal(world_put(&world, &write, "key", text("value")), 0);
        for (int turn = 0; !write.done; turn++) {
            assert_true(turn < 10000);
            world_turn(&world, 0); /* no timer is waited for: the clock stands still */
        }
    }
    vxc_log_stats(world.log, &after);
    assert_int_equal(after.units_total - before.units_total, 20);
    world_destroy(&world);
}

static void what_is_proposed_in_one_turn_travels_in_one_entry(void **state)
{
    static struct write writes[1000];
    struct world world;
    uint64_t last;

    (void)state;
    begin(&world, &(struct world_options){.seed = 2});
    world_quiet(&world);
    last = vxc_log_last_index(world.log);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(world_add(&world, &writes[i], "c", 1), 0);
    }
    world_wait(&world, &writes[999]);
    assert_int_equal(vxc_log_last_index(world.log), last + 1);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(writes[i].number, i + 1); /* in the order proposed */
    }
    world_destroy(&world);
}

static void nobody_has_to_wait_for_a_proposal(void **state)
{
    struct world world;
    struct vxc_command command = {
        .op = VXC_OP_COUNTER_ADD, .a = 5, .name = vxc_slice_of_string("c")};

    (void)state;
    begin(&world, &(struct world_options){.seed = 2});
    assert_int_equal(vxc_replica_propose(world.replica, &command, NULL), 0);
    world_quiet(&world);
    assert_int_equal(world_count(&world, "c"), 5);
    world_destroy(&world);
}

static void full_answers_busy_and_recovers(void **state)
{
    enum { VALUE = 100 * 1024, COUNT = 2000 };
    static struct write writes[COUNT];
    static uint8_t value[VALUE];
    struct world world;
    struct vxc_replica_status status;
    int accepted = 0;

    (void)state;
    begin(&world, &(struct world_options){.seed = 3, .segment_size = 32 * VXC_MIB});
    while (accepted < COUNT &&
           world_put(&world, &writes[accepted], "k", vxc_slice(value, VALUE)) == 0) {
        accepted++;
    }
    vxc_replica_status(world.replica, &status);
    assert_true(status.uncommitted_bytes <= VXC_LOG_UNCOMMITTED_MAX);
    assert_true(status.uncommitted_bytes > VXC_LOG_UNCOMMITTED_MAX - 2 * VXC_ENTRY_SIZE_TARGET);
    assert_int_equal(vxc_replica_admission_percent(world.replica), 0);
    assert_int_equal(world_put(&world, &writes[accepted], "k", vxc_slice(value, VALUE)), VXC_EBUSY);
    for (int i = 0; i < accepted; i++) {
        world_wait(&world, &writes[i]);
        assert_int_equal(writes[i].code, 0);
    }
    assert_int_equal(world_put(&world, &writes[0], "k", text("again")), 0);
    world_wait(&world, &writes[0]);
    vxc_replica_status(world.replica, &status);
    assert_int_equal(status.uncommitted_bytes, 0);
    world_destroy(&world);
}

static void largest_value_travels_in_an_entry_of_its_own(void **state)
{
    struct world world;
    struct write small, large, next;
    uint8_t *value = calloc(1, VXC_VALUE_SIZE_MAX + 1);
    struct vxc_slice got;

    (void)state;
    assert_non_null(value);
    memset(value, 'x', VXC_VALUE_SIZE_MAX + 1);
    begin(&world, &(struct world_options){.seed = 3, .segment_size = 64 * VXC_MIB});
    assert_int_equal(world_put(&world, &small, "small", text("v")), 0);
    assert_int_equal(world_put(&world, &large, "large", vxc_slice(value, VXC_VALUE_SIZE_MAX + 1)),
                     VXC_ETOOBIG);
    assert_int_equal(world_put(&world, &large, "large", vxc_slice(value, VXC_VALUE_SIZE_MAX)), 0);
    assert_int_equal(world_put(&world, &next, "next", text("v")), 0);
    world_wait(&world, &next);
    assert_int_equal(large.code, 0);
    assert_int_equal(large.index, small.index + 1);
    assert_int_equal(next.index, small.index + 2);
    assert_true(world_get(&world, "large", &got));
    assert_int_equal(got.size, VXC_VALUE_SIZE_MAX);
    free(value);
    world_destroy(&world);
}

static void stop_answers_unknown_for_what_is_still_on_its_way(void **state)
{
    struct world world;
    struct write first, second;

    (void)state;
    begin(&world, &(struct world_options){.seed = 4});
    assert_int_equal(world_put(&world, &first, "a", text("v")), 0);
    world_wait(&world, &first);
    assert_int_equal(world_put(&world, &second, "b", text("v")), 0);
    world_stop(&world);
    assert_true(second.done);
    assert_int_equal(second.code, VXC_EUNKNOWN);
    world_destroy(&world);
}

static void log_without_space_refuses_and_recovers(void **state)
{
    struct world world;
    struct write waiting, refused, later;
    struct vxc_replica_status status;

    (void)state;
    begin(&world, &(struct world_options){.seed = 5});
    assert_int_equal(world_put(&world, &waiting, "a", text("v")), 0);
    log_is_full = true;
    world_wait(&world, &waiting);
    assert_int_equal(waiting.code, VXC_ENOSPC); /* it never left: its fate is known */
    assert_int_equal(world_put(&world, &refused, "b", text("v")), VXC_ENOSPC);
    vxc_replica_status(world.replica, &status);
    assert_true(status.no_space);
    assert_true(vxc_replica_is_primary(world.replica));
    log_is_full = false;
    for (int i = 0; i < 200; i++) {
        world_turn(&world, 1);
    }
    assert_int_equal(world_put(&world, &later, "c", text("v")), 0);
    world_wait(&world, &later);
    assert_int_equal(later.code, 0);
    vxc_replica_status(world.replica, &status);
    assert_false(status.no_space);
    world_destroy(&world);
}

static void log_without_space_at_the_start_delays_readiness(void **state)
{
    struct world world;

    (void)state;
    begin(&world, &(struct world_options){.seed = 5});
    world_stop(&world);
    assert_int_equal(world_start(&world), 0);
    log_is_full = true;
    for (int i = 0; i < 300; i++) {
        world_turn(&world, 1);
    }
    assert_false(vxc_replica_is_ready(world.replica));
    log_is_full = false;
    world_ready(&world);
    world_destroy(&world);
}

static void store_without_space_takes_removals_and_loses_nothing(void **state)
{
    static uint8_t value[64 * 1024];
    struct world world;
    struct write write;
    struct vxc_replica_status status;
    struct vxc_slice got;
    char key[32];
    int acknowledged = 0;
    int rv;

    (void)state;
    begin(&world, &(struct world_options){.seed = 5, .map_size = 4 * VXC_MIB});
    for (;;) {
        (void)snprintf(key, sizeof key, "k%d", acknowledged);
        rv = world_put(&world, &write, key, vxc_slice(value, sizeof value));
        if (rv != 0) {
            break;
        }
        world_wait(&world, &write);
        assert_int_equal(write.code, 0); /* it is in the log: acknowledged in earnest */
        assert_true(++acknowledged < 2000);
        world_turn(&world, 20);
    }
    assert_int_equal(rv, VXC_ENOSPC);
    vxc_replica_status(world.replica, &status);
    assert_true(status.no_space);
    assert_int_equal(world_remove(&world, &write, "k0"), 0);
    world_wait(&world, &write);
    assert_true(write.found);
    assert_int_equal(read_now(&world), 0); /* and reads go on */
    world_stop(&world);                    /* does not wait for space */
    world.options.map_size = 0;
    assert_int_equal(world_start(&world), 0);
    world_ready(&world);
    assert_false(world_get(&world, "k0", &got));
    for (int i = 1; i < acknowledged; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        assert_true(world_get(&world, key, &got));
    }
    assert_int_equal(world_put(&world, &write, "again", text("v")), 0);
    world_wait(&world, &write);
    assert_int_equal(write.code, 0);
    world_destroy(&world);
}

/* ---- time ---- */

static void idle_primary_reaps_what_falls_due(void **state)
{
    struct world world;
    struct write write;
    struct vxc_slice value;
    uint64_t last;

    (void)state;
    begin(&world, &(struct world_options){.seed = 6});
    assert_int_equal(world_put_ttl(&world, &write, "k", "v", 5000), 0);
    world_wait(&world, &write);
    last = vxc_log_last_index(world.log);
    for (int i = 0; i < 48; i++) {
        world_turn(&world, 100);
    }
    assert_true(world_get(&world, "k", &value));           /* never early */
    assert_int_equal(vxc_log_last_index(world.log), last); /* and no entries while nothing is due */
    for (int i = 0; i < 10; i++) {
        world_turn(&world, 100);
    }
    world_quiet(&world);
    assert_false(world_get(&world, "k", &value));
    world_destroy(&world);
}

static void stopped_process_does_not_make_time_jump(void **state)
{
    struct world world;
    struct write write;
    uint64_t before;

    (void)state;
    begin(&world, &(struct world_options){.seed = 6});
    before = vxc_replica_time_ms(world.replica);
    world.now_ns += 3600ull * 1000000000; /* nobody called for an hour */
    assert_true(vxc_replica_time_ms(world.replica) - before <= VXC_STAMP_STEP_MS_MAX);
    assert_int_equal(world_put(&world, &write, "k", text("v")), 0);
    world_wait(&world, &write);
    assert_true(vxc_fsm_stamp_ms(world.fsm) - before <= VXC_STAMP_STEP_MS_MAX + 100);
    world_destroy(&world);
}

static void cluster_time_goes_on_from_the_last_stamp_after_a_restart(void **state)
{
    struct world world;
    struct write write;
    uint64_t stamp;

    (void)state;
    begin(&world, &(struct world_options){.seed = 6, .synchronous = true});
    for (int i = 0; i < 50; i++) {
        world_turn(&world, 500);
    }
    assert_int_equal(world_put(&world, &write, "k", text("v")), 0);
    world_wait(&world, &write);
    stamp = vxc_fsm_stamp_ms(world.fsm);
    assert_true(stamp >= 25000);
    world_crash(&world);
    world.now_ns = 500; /* another boot of the machine: its clock begins anew */
    assert_int_equal(world_start(&world), 0);
    world_ready(&world);
    assert_true(vxc_fsm_stamp_ms(world.fsm) >= stamp);
    assert_true(vxc_fsm_stamp_ms(world.fsm) < stamp + 1000);
    for (int i = 0; i < 4; i++) {
        world_turn(&world, 500);
    }
    assert_int_equal(world_put(&world, &write, "k", text("w")), 0);
    world_wait(&world, &write);
    assert_true(vxc_fsm_stamp_ms(world.fsm) >= stamp + 2000);
    world_destroy(&world);
}

/* ---- write-behind and truncation ---- */

static void idle_state_reaches_the_store_within_the_freeze_age(void **state)
{
    struct world world;
    struct write write;
    struct vxc_replica_status status;

    (void)state;
    begin(&world, &(struct world_options){.seed = 8, .synchronous = true});
    world_quiet(&world);
    for (int i = 0; i < 120; i++) {
        world_turn(&world, 1);
    }
    assert_int_equal(world_put(&world, &write, "k", text("v")), 0);
    world_wait(&world, &write);
    vxc_replica_status(world.replica, &status);
    assert_true(status.lmdb_applied_index < write.index);
    for (int i = 0; i < (int)VXC_FREEZE_IDLE_MS + 5; i++) {
        world_turn(&world, 1);
    }
    vxc_replica_status(world.replica, &status);
    assert_int_equal(status.lmdb_applied_index, write.index);
    assert_int_equal(status.digest_index, write.index);
    world_destroy(&world);
}

static void much_at_once_is_frozen_by_size_without_waiting_for_age(void **state)
{
    enum { VALUE = 1000 * 1000, COUNT = 80 };
    static uint8_t value[VALUE];
    struct world world;
    struct vxc_replica_status status;
    uint64_t before;
    char key[32];

    (void)state;
    begin(&world,
          &(struct world_options){.seed = 8, .synchronous = true, .segment_size = 64 * VXC_MIB});
    vxc_replica_settle(world.replica);
    before = vxc_store_meta(world.store)->applied_index;
    for (int i = 0; i < COUNT; i++) {
        struct write write;

        (void)snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(world_put(&world, &write, key, vxc_slice(value, VALUE)), 0);
        while (!write.done) {
            world_turn(&world, 0);
        }
    }
    vxc_replica_status(world.replica, &status);
    assert_true(status.lmdb_applied_index > before);
    assert_true(status.lmdb_applied_index < status.applied_index);
    world_destroy(&world);
}

static void settled_state_is_in_the_store(void **state)
{
    struct world world;
    struct write write;
    struct vxc_replica_status status;

    (void)state;
    begin(&world, &(struct world_options){.seed = 8});
    assert_int_equal(world_put(&world, &write, "k", text("v")), 0);
    world_wait(&world, &write);
    vxc_replica_settle(world.replica);
    vxc_replica_status(world.replica, &status);
    assert_int_equal(status.lmdb_applied_index, write.index);
    assert_int_equal(vxc_replica_admission_percent(world.replica), 100);
    world_destroy(&world);
}

static void clean_stop_leaves_nothing_to_replay(void **state)
{
    struct world world;
    struct write write;
    uint64_t index;

    (void)state;
    begin(&world, &(struct world_options){.seed = 8});
    assert_int_equal(world_put(&world, &write, "k", text("v")), 0);
    world_wait(&world, &write);
    index = write.index;
    world_stop(&world);
    assert_int_equal(world_start(&world), 0);
    assert_int_equal(vxc_store_meta(world.store)->applied_index, index);
    assert_int_equal(vxc_log_base(world.log)->index, index);
    world_ready(&world);
    world_destroy(&world);
}

static void log_is_dropped_behind_the_synced_state_and_restarts_work(void **state)
{
    enum { VALUE = 1000 * 1000, COUNT = 159, TURNS_MAX = 10000 }; /* more than between two syncs */
    static uint8_t value[VALUE];
    struct world world;
    struct vxc_replica_status status;
    uint64_t random = 12345;
    char key[32];
    int turns = 0;

    (void)state;
    begin(&world, &(struct world_options){.seed = 9, .segment_size = 8 * VXC_MIB});
    for (size_t i = 0; i < VALUE; i++) {
        value[i] = (uint8_t)random_number(&random, 256);
    }
    for (int i = 0; i < COUNT; i++) {
        struct write write;

        (void)snprintf(key, sizeof key, "k%d", i % 20);
        memcpy(value, &i, sizeof i);
        assert_int_equal(world_put(&world, &write, key, vxc_slice(value, VALUE)), 0);
        world_wait(&world, &write);
        assert_int_equal(write.code, 0);
        if (i % 40 == 39) {
            for (int turn = 0; turn < 1500; turn += 50) {
                world_turn(&world, 50);
            }
            world_crash(&world);
            assert_int_equal(world_start(&world), 0);
            world_ready(&world);
        }
    }
    do { /* the store commits and syncs at its own pace */
        world_turn(&world, 50);
        vxc_replica_status(world.replica, &status);
    } while (status.log_first_index <= 20 && ++turns < TURNS_MAX);
    assert_true(status.log_first_index > 20);
    assert_true(status.synced_index > status.log_first_index);
    world_crash(&world);
    assert_int_equal(world_start(&world), 0);
    world_ready(&world);
    for (int i = COUNT - 20; i < COUNT; i++) {
        struct vxc_slice got;

        (void)snprintf(key, sizeof key, "k%d", i % 20);
        memcpy(value, &i, sizeof i);
        assert_true(world_get(&world, key, &got));
        assert_true(vxc_slice_equal(got, vxc_slice(value, VALUE)));
    }
    world_destroy(&world);
}

/* ---- crashes ---- */

enum { COUNTERS = 8, WINDOW = 64, ROUNDS = 200, ROUNDS_OF_REFERENCE = 40 };

/* Every counter only grows by ones, so what it must hold lies between what was acknowledged and
 * what was ever proposed. */
struct ledger {
    int64_t proposed[COUNTERS];
    int64_t acknowledged[COUNTERS];
    struct write writes[WINDOW];
    int counters[WINDOW]; /* of each write */
};

static void check_ledger(struct world *world, struct ledger *ledger)
{
    for (int i = 0; i < COUNTERS; i++) {
        char name[16];
        int64_t held;

        (void)snprintf(name, sizeof name, "c%d", i);
        held = world_count(world, name);
        assert_true(held >= ledger->acknowledged[i]);
        assert_true(held <= ledger->proposed[i]);
        ledger->proposed[i] = held; /* the others were lost for good: they cannot come back */
        ledger->acknowledged[i] = held;
    }
}

static void propose_some(struct world *world, struct ledger *ledger, uint64_t *random)
{
    int count = (int)random_number(random, WINDOW);

    for (int i = 0; i < count; i++) {
        char name[16];
        struct write *write = &ledger->writes[i];

        ledger->counters[i] = (int)random_number(random, COUNTERS);
        (void)snprintf(name, sizeof name, "c%d", ledger->counters[i]);
        *write = (struct write){0};
        if (world_add(world, write, name, 1) == 0) {
            ledger->proposed[ledger->counters[i]]++;
        }
    }
    for (uint64_t turns = random_number(random, 6); turns > 0; turns--) {
        world_turn(world, random_number(random, 60));
    }
}

static void collect_acknowledged(struct ledger *ledger)
{
    for (int i = 0; i < WINDOW; i++) {
        if (ledger->writes[i].done && ledger->writes[i].code == 0) {
            ledger->acknowledged[ledger->counters[i]]++;
        }
        ledger->writes[i].done = false;
        ledger->writes[i].code = 0;
    }
}

static void crash_rounds(const struct world_options *options, int rounds)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    struct world world;
    uint64_t random = options->seed;

    assert_non_null(ledger);
    begin(&world, options);
    for (int round = 0; round < rounds; round++) {
        for (uint64_t bursts = random_number(&random, 4); bursts > 0; bursts--) {
            char *snapshot;

            propose_some(&world, ledger, &random);
            if (random_number(&random, 3) != 0) {
                world_quiet(&world);
                collect_acknowledged(ledger);
                continue;
            }
            snapshot = world_snapshot(&world); /* only what was acknowledged by now must survive */
            collect_acknowledged(ledger);
            for (int i = 0; i < WINDOW; i++) {
                ledger->writes[i].done = false; /* results from here on are nobody's */
            }
            world_continue_from(&world, snapshot);
            memset(ledger->writes, 0, sizeof ledger->writes);
            assert_int_equal(world_start(&world), 0);
            world_ready(&world);
            check_ledger(&world, ledger);
        }
        if (random_number(&random, 4) == 0) {
            world_stop(&world);
            collect_acknowledged(ledger);
            assert_int_equal(world_start(&world), 0);
            world_ready(&world);
            check_ledger(&world, ledger);
        }
    }
    world_destroy(&world);
    free(ledger);
}

/* VXC_CRASH_ROUNDS=n: fewer of them, or more. */
static int rounds_or(int usual)
{
    const char *text = getenv("VXC_CRASH_ROUNDS");
    int rounds = text != NULL ? atoi(text) : usual;

    assert_true(rounds > 0);
    return rounds;
}

static void acknowledged_writes_survive_seeded_rounds_of_crashes(void **state)
{
    (void)state;
    print_message("seed 20261123\n");
    crash_rounds(&(struct world_options){.seed = 20261123}, rounds_or(ROUNDS));
}

static void acknowledged_writes_survive_crashes_in_the_reference_mode(void **state)
{
    (void)state;
    print_message("seed 77\n");
    crash_rounds(&(struct world_options){.seed = 77, .apply_each = true, .synchronous = true},
                 rounds_or(ROUNDS_OF_REFERENCE));
}

/* ---- the reference mode ---- */

/* A fixed history: the same bursts at the same times, whatever the mode. */
static void live_history(struct world *world, uint64_t seed, int bursts)
{
    static struct write writes[WINDOW];
    uint64_t random = seed;

    for (int burst = 0; burst < bursts; burst++) {
        int count = 1 + (int)random_number(&random, WINDOW);

        for (int i = 0; i < count; i++) {
            char key[32];
            uint64_t what = random_number(&random, 10);

            (void)snprintf(key, sizeof key, "k%llu",
                           (unsigned long long)random_number(&random, 40));
            if (what < 5) {
                assert_int_equal(world_put(world, &writes[i], key, text(key)), 0);
            } else if (what < 8) {
                assert_int_equal(world_put_ttl(world, &writes[i], key, "short", 20), 0);
            } else {
                assert_int_equal(world_add(world, &writes[i], key, 3), 0);
            }
        }
        for (int turn = 0; !writes[count - 1].done; turn++) {
            assert_true(turn < 100000);
            world_turn(world, 0);
        }
        world->now_ns += 10 * 1000000;
    }
}

static void both_apply_modes_give_the_same_digest(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world fast, each;
        uint64_t digest;

        begin(&fast, &(struct world_options){.seed = seed, .lockstep = true});
        begin(&each, &(struct world_options){
                         .seed = seed, .apply_each = true, .synchronous = true, .lockstep = true});
        live_history(&fast, seed * 31, 40);
        live_history(&each, seed * 31, 40);
        digest = world_digest(&fast);
        assert_int_not_equal(digest, 0);
        assert_int_equal(vxc_fsm_applied_index(each.fsm), vxc_fsm_applied_index(fast.fsm));
        assert_int_equal(world_digest(&each), digest);
        world_destroy(&fast);
        world_destroy(&each);
    }
}

struct within {
    struct world *world;
    int countdown; /* results until the copy is taken */
    char *snapshot;
};

static void copy_within(void *data, struct vxc_proposal *proposal, const struct vxc_result *result)
{
    struct within *within = data;

    (void)proposal;
    (void)result;
    if (within->countdown-- == 0) {
        within->snapshot = world_snapshot(within->world);
    }
}

static void crash_within_an_entry_goes_on_behind_its_last_command(void **state)
{
    enum { COMMANDS = 10 };

    (void)state;
    for (int at = 0; at < COMMANDS; at++) {
        struct world world;
        struct write writes[COMMANDS];
        struct within within = {.world = &world, .countdown = at};
        uint64_t index;

        begin(&world, &(struct world_options){.seed = 11, .apply_each = true, .synchronous = true});
        world.data = &within;
        world.on_result = copy_within;
        for (int i = 0; i < COMMANDS; i++) {
            assert_int_equal(world_add(&world, &writes[i], "c", 1), 0);
        }
        world_wait(&world, &writes[COMMANDS - 1]);
        assert_non_null(within.snapshot);
        index = writes[0].index;
        world.on_result = NULL;
        world_continue_from(&world, within.snapshot);
        assert_int_equal(world_start(&world), 0);
        assert_int_equal(vxc_store_meta(world.store)->applied_index, index - 1);
        assert_int_equal(vxc_store_meta(world.store)->applied_position, at);
        assert_int_equal(world_count(&world, "c"), at);
        world_ready(&world);
        assert_int_equal(world_count(&world, "c"), COMMANDS);
        world_destroy(&world);
    }
}

/* ---- damage ---- */

static void exchange(struct world *world, const char *part, const char *from)
{
    char command[1024];

    (void)snprintf(command, sizeof command, "rm -rf %s/%s && cp -r %s/%s %s/", world->folder, part,
                   from, part, world->folder);
    assert_int_equal(system(command), 0);
}

static void put_and_wait(struct world *world, const char *key)
{
    struct write write;

    assert_int_equal(world_put(world, &write, key, text("v")), 0);
    world_wait(world, &write);
    assert_int_equal(write.code, 0);
}

static void log_that_ends_before_the_state_is_refused(void **state)
{
    struct world world;
    char *old;

    (void)state;
    begin(&world, &(struct world_options){.seed = 12});
    put_and_wait(&world, "a");
    vxc_replica_settle(world.replica);
    old = world_snapshot(&world);
    put_and_wait(&world, "b");
    vxc_replica_settle(world.replica);
    {
        char command[1024];
        (void)snprintf(command, sizeof command, "mv %s %s/old", old, world.root);
        assert_int_equal(system(command), 0);
        free(old);
        old = malloc(1024);
        (void)snprintf(old, 1024, "%s/old", world.root);
    }
    world_crash(&world);
    exchange(&world, "log", old);
    assert_int_equal(world_start(&world), VXC_ECORRUPT);
    assert_non_null(strstr(world.err.text, "the log ends at entry"));
    free(old);
    world_destroy(&world);
}

static void older_state_with_a_whole_log_is_replayed(void **state)
{
    struct world world;
    struct vxc_slice value;
    char *old;
    char command[1024];

    (void)state;
    begin(&world, &(struct world_options){.seed = 12});
    put_and_wait(&world, "a");
    vxc_replica_settle(world.replica);
    old = world_snapshot(&world);
    (void)snprintf(command, sizeof command, "mv %s %s/old", old, world.root);
    assert_int_equal(system(command), 0);
    put_and_wait(&world, "b");
    world_stop(&world);
    (void)snprintf(old, strlen(world.root) + 5, "%s/old", world.root);
    exchange(&world, "state", old);
    assert_int_equal(world_start(&world), 0);
    world_ready(&world);
    assert_true(world_get(&world, "b", &value));
    free(old);
    world_destroy(&world);
}

static void replay_commits_once_it_is_done(void **state)
{
    enum { VALUE = 1000 * 1000, COUNT = 80 }; /* more than starts a commit without a replay */
    static uint8_t value[VALUE];
    struct world world;
    struct write write = {0};
    struct vxc_slice read;
    uint64_t before, after;
    char *old;
    char line[1024];

    (void)state;
    begin(&world,
          &(struct world_options){.seed = 12, .synchronous = true, .segment_size = 64 * VXC_MIB});
    vxc_replica_settle(world.replica);
    before = vxc_store_meta(world.store)->applied_index;
    old = world_snapshot(&world);
    (void)snprintf(line, sizeof line, "mv %s %s/old", old, world.root);
    assert_int_equal(system(line), 0);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(line, sizeof line, "k%d", i);
        assert_int_equal(world_put(&world, &write, line, vxc_slice(value, VALUE)), 0);
        while (!write.done) {
            world_turn(&world, 0);
        }
    }
    after = vxc_store_meta(world.store)->applied_index;
    assert_true(after > before && after < write.index); /* by size, in the middle */
    world_stop(&world);
    (void)snprintf(old, strlen(world.root) + 5, "%s/old", world.root);
    exchange(&world, "state", old);
    if (world_start(&world) != 0) {
        fail_msg("start: %s", world.err.text);
    }
    world_ready(&world);
    after = vxc_store_meta(world.store)->applied_index;
    assert_true(after == before || after >= write.index);
    assert_true(world_get(&world, line, &read));
    assert_int_equal(read.size, VALUE);
    free(old);
    world_destroy(&world);
}

static void lost_log_is_refused(void **state)
{
    struct world world;
    char command[1024];

    (void)state;
    begin(&world, &(struct world_options){.seed = 13});
    put_and_wait(&world, "a");
    world_stop(&world);
    (void)snprintf(command, sizeof command, "rm -rf %s/log", world.folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(world_start(&world), VXC_ECORRUPT);
    world_destroy(&world);
}

static void lost_log_and_state_beside_a_vote_are_refused(void **state)
{
    struct world world;
    char command[1024];

    (void)state;
    begin(&world, &(struct world_options){.seed = 13});
    world_stop(&world);
    (void)snprintf(command, sizeof command, "rm -rf %s/log %s/state", world.folder, world.folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(world_start(&world), VXC_ECORRUPT);
    assert_non_null(strstr(world.err.text, "the vote is of term"));
    world_destroy(&world);
}

static void lost_vote_is_refused(void **state)
{
    struct world world;
    char command[1024];

    (void)state;
    begin(&world, &(struct world_options){.seed = 13});
    put_and_wait(&world, "a");
    world_stop(&world);
    (void)snprintf(command, sizeof command, "rm -f %s/vote-*", world.folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(world_start(&world), VXC_ECORRUPT);
    assert_non_null(strstr(world.err.text, "the vote is of term 0"));
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_directory_becomes_a_cluster_of_one),
        cmocka_unit_test(proposals_before_readiness_are_busy),
        cmocka_unit_test(crash_at_any_turn_of_the_first_start_is_survived),
        cmocka_unit_test(proposal_is_applied_and_answered_once_durable),
        cmocka_unit_test(one_write_at_a_time_costs_one_unit_of_the_log_each),
        cmocka_unit_test(what_is_proposed_in_one_turn_travels_in_one_entry),
        cmocka_unit_test(nobody_has_to_wait_for_a_proposal),
        cmocka_unit_test(full_answers_busy_and_recovers),
        cmocka_unit_test(largest_value_travels_in_an_entry_of_its_own),
        cmocka_unit_test(stop_answers_unknown_for_what_is_still_on_its_way),
        cmocka_unit_test(log_without_space_refuses_and_recovers),
        cmocka_unit_test(log_without_space_at_the_start_delays_readiness),
        cmocka_unit_test(store_without_space_takes_removals_and_loses_nothing),
        cmocka_unit_test(idle_primary_reaps_what_falls_due),
        cmocka_unit_test(stopped_process_does_not_make_time_jump),
        cmocka_unit_test(cluster_time_goes_on_from_the_last_stamp_after_a_restart),
        cmocka_unit_test(idle_state_reaches_the_store_within_the_freeze_age),
        cmocka_unit_test(much_at_once_is_frozen_by_size_without_waiting_for_age),
        cmocka_unit_test(settled_state_is_in_the_store),
        cmocka_unit_test(clean_stop_leaves_nothing_to_replay),
        cmocka_unit_test(log_is_dropped_behind_the_synced_state_and_restarts_work),
        cmocka_unit_test(acknowledged_writes_survive_seeded_rounds_of_crashes),
        cmocka_unit_test(acknowledged_writes_survive_crashes_in_the_reference_mode),
        cmocka_unit_test(both_apply_modes_give_the_same_digest),
        cmocka_unit_test(crash_within_an_entry_goes_on_behind_its_last_command),
        cmocka_unit_test(log_that_ends_before_the_state_is_refused),
        cmocka_unit_test(older_state_with_a_whole_log_is_replayed),
        cmocka_unit_test(replay_commits_once_it_is_done),
        cmocka_unit_test(lost_log_is_refused),
        cmocka_unit_test(lost_log_and_state_beside_a_vote_are_refused),
        cmocka_unit_test(lost_vote_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
