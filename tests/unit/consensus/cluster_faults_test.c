/* Disks without room, and restarts at bad moments: most of it what the simulator's seeds had found, told
 * by hand. */
#include "cluster.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- logs without room: this program is linked with --wrap ---- */

static struct {
    const struct vxc_log *log;
    int appends;      /* so many are refused */
    bool truncations; /* all are */
    int refused;
} full;
static const struct vxc_log *full_for_good[2]; /* all appends are refused, until it is set back */

int __real_vxc_log_append(struct vxc_log *log, uint64_t index, uint64_t term, uint16_t type,
                          struct vxc_slice payload);
int __wrap_vxc_log_append(struct vxc_log *log, uint64_t index, uint64_t term, uint16_t type,
                          struct vxc_slice payload);
int __real_vxc_log_truncate(struct vxc_log *log, uint64_t index, struct vxc_error *err);
int __wrap_vxc_log_truncate(struct vxc_log *log, uint64_t index, struct vxc_error *err);

int __wrap_vxc_log_append(struct vxc_log *log, uint64_t index, uint64_t term, uint16_t type,
                          struct vxc_slice payload)
{
    if (log == full.log && full.appends > 0) {
        full.appends--;
        full.refused++;
        return VXC_ENOSPC;
    }
    if (log == full_for_good[0] || log == full_for_good[1]) {
        return VXC_ENOSPC;
    }
    return __real_vxc_log_append(log, index, term, type, payload);
}

int __wrap_vxc_log_truncate(struct vxc_log *log, uint64_t index, struct vxc_error *err)
{
    if (log == full.log && full.truncations) {
        full.refused++;
        return vxc_error_set(err, VXC_ENOSPC, "no space");
    }
    return __real_vxc_log_truncate(log, index, err);
}

/* ---- small things ---- */

static void cut_off(struct cluster *c, uint64_t id, bool cut)
{
    for (uint64_t other = 1; other <= c->count; other++) {
        c->cut[id][other] = c->cut[other][id] = cut && other != id;
    }
}

static void name(char text[16], const char *prefix, int number)
{
    (void)snprintf(text, 16, "%s%d", prefix, number);
}

/* `count` writes at a node, each an entry of its own, in its log and nowhere else yet. */
static void write_alone(struct cluster *c, uint64_t id, const char *prefix, struct write *writes,
                        int count)
{
    for (int i = 0; i < count; i++) {
        char key[16];

        name(key, prefix, i);
        assert_int_equal(world_put(&c->worlds[id], &writes[i], key, vxc_slice_of_string(key)), 0);
        world_turn(&c->worlds[id], 0);
    }
}

static bool has_any(struct cluster *c, uint64_t id, const char *prefix, int count)
{
    struct vxc_slice value;
    bool found = false;

    for (int i = 0; i < count; i++) {
        char key[16];

        name(key, prefix, i);
        found = found || world_get(&c->worlds[id], key, &value);
    }
    return found;
}

static void all_are_equal(struct cluster *c)
{
    settle(c);
    for (uint64_t id = 2; id <= c->count; id++) {
        assert_int_equal(world_digest(&c->worlds[id]), world_digest(&c->worlds[1]));
    }
}

/* ---- the stories ---- */

/* Each is read back from the disk into the place of those before. */
static void entries_of_a_former_life_are_sent_as_they_are(void **state)
{
    enum { WRITES = 5, VALUE = 100 * 1000 }; /* together more than the log reads at once */
    static char values[WRITES][VALUE + 1];
    struct write writes[WRITES];
    struct cluster c;
    uint64_t first, heir, third;

    (void)state;
    cluster_create_of(&c, 3);
    first = primary(&c);
    settle(&c);
    heir = another(&c, first);
    third = another(&c, heir);
    c.frame_bytes = 2 * WRITES * VALUE; /* all of them travel in one message */
    for (int i = 0; i < WRITES; i++) {
        char key[16];

        name(key, "k", i);
        memset(values[i], 'a' + i, VALUE);
        assert_int_equal(
            world_put(&c.worlds[first], &writes[i], key, vxc_slice_of_string(values[i])), 0);
        world_turn(&c.worlds[first], 0);
        carry(&c, first, heir); /* and to nobody else */
        world_turn(&c.worlds[heir], 0);
    }
    assert_int_equal(vxc_log_last_index(c.worlds[heir].log),
                     vxc_log_last_index(c.worlds[first].log));
    assert_false(has_any(&c, heir, "k", WRITES)); /* it has not heard that they are committed */
    crash(&c, first);
    crash(&c, heir);
    start_node(&c, heir);
    assert_int_equal(primary(&c), heir);
    settle(&c);
    for (int i = 0; i < WRITES; i++) {
        char key[16];

        name(key, "k", i);
        has(&c, third, key, values[i]);
    }
    start_node(&c, first);
    all_are_equal(&c);
    cluster_destroy(&c);
}

static void full_logs_of_a_majority_refuse(void **state)
{
    struct cluster c;
    struct write open, refused;
    uint64_t id, other, third;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    other = another(&c, id);
    third = another(&c, other);
    full_for_good[0] = c.worlds[other].log;
    put(&c, id, "a", "1"); /* one of them stands in nobody's way */
    turns(&c, 300);
    put(&c, id, "a", "2");

    full_for_good[1] = c.worlds[third].log;
    assert_int_equal(world_put(&c.worlds[id], &open, "b", vxc_slice_of_string("1")), 0);
    turns(&c, 100);
    for (int i = 0; i < 10; i++) { /* again and again, as long as it lasts */
        assert_int_equal(world_put(&c.worlds[id], &refused, "c", vxc_slice_of_string("1")),
                         VXC_ENOSPC);
        turns(&c, 100);
    }
    assert_false(open.done); /* it is in the primary's log */
    assert_true(vxc_replica_is_primary(c.worlds[id].replica));

    full_for_good[1] = NULL; /* one is enough */
    turns(&c, (int)VXC_PEER_LACK_MS / 5 + 100);
    assert_true(open.done);
    assert_int_equal(open.code, 0);
    put(&c, id, "c", "1");
    full_for_good[0] = NULL;
    settle(&c);
    has(&c, other, "b", "1");
    has(&c, other, "c", "1");
    cluster_destroy(&c);
}

/* Entries behind a configuration are given to the log in a step of their own. */
static void a_message_that_found_no_room_half_way_is_not_gone_on_with(void **state)
{
    struct write change = {.proposal = {.data = &change}};
    struct vxc_error err;
    struct cluster c;
    uint64_t id, slow;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    settle(&c);
    slow = another(&c, id);
    c.cut[id][slow] = true; /* not for so long that it counts as silent */
    put(&c, id, "a", "1");
    assert_int_equal(vxc_replica_add_standby(c.worlds[id].replica, 4, &change.proposal, &err), 0);
    wait_for(&c, &change, 0);
    put(&c, id, "b", "2");
    full.log = c.worlds[slow].log;
    full.appends = 1;
    full.refused = 0;
    c.cut[id][slow] = false;
    settle(&c);
    assert_int_equal(full.refused, 1);
    has(&c, slow, "a", "1");
    has(&c, slow, "b", "2");
    all_are_equal(&c);
    cluster_destroy(&c);
}

/* The engine's commit index speaks of the entries that should stand where others do. */
static void what_could_not_be_cut_off_is_not_applied(void **state)
{
    enum { WRITES = 4 };
    struct write lost[WRITES];
    struct cluster c;
    uint64_t old, next;

    (void)state;
    cluster_create_of(&c, 3);
    old = primary(&c);
    settle(&c);
    cut_off(&c, old, true);
    write_alone(&c, old, "lost", lost, WRITES);
    turns(&c, 300); /* it steps down */
    next = primary(&c);
    assert_int_not_equal(next, old);
    for (int i = 0; i < 2 * WRITES; i++) {
        char key[16];

        name(key, "kept", i);
        put(&c, next, key, key);
    }
    full.log = c.worlds[old].log;
    full.truncations = true;
    full.refused = 0;
    cut_off(&c, old, false);
    for (int i = 0; i < 500; i++) {
        cluster_turn(&c);
        assert_false(has_any(&c, old, "lost", WRITES));
    }
    assert_true(full.refused > 0);
    full.truncations = false;
    all_are_equal(&c);
    assert_false(has_any(&c, old, "lost", WRITES));
    has(&c, old, "kept7", "kept7");
    cluster_destroy(&c);
}

/* The first sync after a start ends where the state did, which is where the engine began. */
static void a_restarted_primary_keeps_the_log_that_its_engine_believes_in(void **state)
{
    enum { WRITES = 30, VALUE = 100 * 1000 }; /* several segments */
    static char value[VALUE + 1];
    struct vxc_error err;
    struct cluster c;
    uint64_t id, behind, other;

    (void)state;
    memset(value, 'v', VALUE);
    cluster_create_of(&c, 3);
    id = primary(&c);
    settle(&c);
    behind = another(&c, id);
    other = another(&c, behind);
    crash(&c, behind);
    for (int i = 0; i < WRITES; i++) {
        char key[16];

        name(key, "k", i);
        put(&c, id, key, value);
    }
    settle(&c);
    vxc_replica_settle(c.worlds[id].replica);
    crash(&c, id);
    c.worlds[id].options.trailing_bytes = VXC_LOG_BLOCK_SIZE;
    start_node(&c, id);
    if (primary(&c) != id) {
        settle(&c);
        assert_int_equal(vxc_replica_transfer(c.worlds[other].replica, id, &err), 0);
        turns(&c, 40);
    }
    assert_int_equal(primary(&c), id);
    settle(&c);
    start_node(&c, behind);
    settle(&c); /* by entries: this test takes no image */
    has(&c, behind, "k29", value);
    all_are_equal(&c);
    cluster_destroy(&c);
}

/* Whoever hears that its write is given up may look at once whether this node is still the one. */
static void is_not_ready(void *data, struct vxc_proposal *proposal, const struct vxc_result *result)
{
    struct world *world = data;

    (void)proposal;
    if (result->code != 0) {
        assert_false(vxc_replica_is_ready(world->replica));
        full.refused++;
    }
}

static void who_is_primary_no_more_is_not_ready_when_writes_are_given_up(void **state)
{
    enum { WRITES = 3 };
    struct write writes[WRITES];
    struct cluster c;
    uint64_t id;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    settle(&c);
    c.worlds[id].data = &c.worlds[id];
    c.worlds[id].on_result = is_not_ready;
    full.refused = 0;
    cut_off(&c, id, true);
    write_alone(&c, id, "k", writes, WRITES);
    turns(&c, 300);
    assert_int_equal(full.refused, WRITES);
    cluster_destroy(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_of_a_former_life_are_sent_as_they_are),
        cmocka_unit_test(full_logs_of_a_majority_refuse),
        cmocka_unit_test(a_message_that_found_no_room_half_way_is_not_gone_on_with),
        cmocka_unit_test(what_could_not_be_cut_off_is_not_applied),
        cmocka_unit_test(a_restarted_primary_keeps_the_log_that_its_engine_believes_in),
        cmocka_unit_test(who_is_primary_no_more_is_not_ready_when_writes_are_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
