/* Three replicas on real logs, votes, stores and state machines, and the messages between them carried
 * by hand. */
#include "cluster.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- replication ---- */

static void three_nodes_elect_one_and_agree(void **state)
{
    struct cluster c;
    uint64_t id;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    put(&c, id, "a", "1");
    settle(&c);
    for (uint64_t i = 1; i <= 3; i++) {
        has(&c, i, "a", "1");
        assert_int_equal(vxc_replica_is_primary(c.worlds[i].replica), i == id);
    }
    assert_int_equal(world_digest(&c.worlds[1]), world_digest(&c.worlds[2]));
    assert_int_equal(world_digest(&c.worlds[1]), world_digest(&c.worlds[3]));
    assert_memory_equal(vxc_fsm_cluster_id(c.worlds[1].fsm), vxc_fsm_cluster_id(c.worlds[3].fsm),
                        16);
    cluster_destroy(&c);
}

static void nothing_is_acknowledged_without_a_majority(void **state)
{
    struct cluster c;
    struct write write;
    uint64_t id;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    for (uint64_t other = 1; other <= 3; other++) {
        c.cut[id][other] = other != id;
    }
    assert_int_equal(world_put(&c.worlds[id], &write, "a", vxc_slice_of_string("1")), 0);
    turns(&c, 20);
    assert_false(write.done);
    turns(&c, 200); /* it steps down, another one is elected */
    assert_true(write.done);
    assert_int_equal(write.code, VXC_EUNKNOWN);
    assert_false(vxc_replica_is_primary(c.worlds[id].replica));
    assert_int_not_equal(primary(&c), id);
    cluster_destroy(&c);
}

static void a_killed_primary_is_replaced_and_comes_back(void **state)
{
    struct cluster c;
    uint64_t first, second;

    (void)state;
    cluster_create_of(&c, 3);
    first = primary(&c);
    put(&c, first, "a", "1");
    crash(&c, first);
    second = primary(&c);
    assert_int_not_equal(first, second);
    has(&c, second, "a", "1");
    put(&c, second, "b", "2");
    start_node(&c, first);
    settle(&c);
    has(&c, first, "b", "2");
    assert_int_equal(world_digest(&c.worlds[first]), world_digest(&c.worlds[second]));
    cluster_destroy(&c);
}

static void a_primary_that_ended_is_replaced_at_once(void **state)
{
    struct cluster c;
    uint64_t first;
    int waited = 0;

    (void)state;
    cluster_create_of(&c, 3);
    first = primary(&c);
    settle(&c);
    crash(&c, first);
    for (uint64_t other = 1; other <= 3; other++) {
        if (other != first) {
            vxc_replica_peer_gone(c.worlds[other].replica, first);
        }
    }
    for (uint64_t id = 0; id == 0; waited++) {
        assert_true(waited < 60); /* 5 ms each: less than an election timeout */
        cluster_turn(&c);
        for (uint64_t other = 1; other <= 3; other++) {
            id = c.up[other] && vxc_replica_is_ready(c.worlds[other].replica) ? other : id;
        }
    }
    cluster_destroy(&c);
}

static void a_primary_that_only_seemed_to_end_stays(void **state)
{
    struct cluster c;
    uint64_t id;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    settle(&c);
    vxc_replica_peer_gone(c.worlds[another(&c, id)].replica, id); /* the other one knows better */
    turns(&c, 300);
    assert_true(vxc_replica_is_primary(c.worlds[id].replica));
    cluster_destroy(&c);
}

static void a_range_travels_in_pieces(void **state)
{
    struct cluster c;
    uint64_t id, slow;
    char key[16];

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    slow = another(&c, id);
    c.cut[id][slow] = true;
    c.frame_bytes = 100; /* less than two entries */
    for (int i = 0; i < 300; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        put(&c, id, key, "0123456789012345678901234567890123456789");
    }
    c.cut[id][slow] = false;
    settle(&c);
    has(&c, slow, "k299", "0123456789012345678901234567890123456789");
    cluster_destroy(&c);
}

/* ---- reads ---- */

static void a_read_waits_for_the_terms_of_a_majority(void **state)
{
    struct cluster c;
    uint64_t id, round = 0, later = 0;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    assert_int_equal(vxc_replica_read(c.worlds[another(&c, id)].replica, &round), VXC_ENOTPRIMARY);
    assert_int_equal(vxc_replica_read(c.worlds[id].replica, &round), 0);
    assert_true(round > 0);
    assert_int_equal(vxc_replica_read(c.worlds[id].replica, &later), 0);
    assert_int_equal(round, later); /* those of one turn share a round */
    assert_true(c.worlds[id].reads_round < round);
    turns(&c, 3);
    assert_int_equal(c.worlds[id].reads_round, round);
    assert_int_equal(c.worlds[id].reads_code, 0);
    assert_int_equal(vxc_replica_read(c.worlds[id].replica, &later), 0);
    assert_true(later > round);
    turns(&c, 3);
    assert_int_equal(c.worlds[id].reads_round, later);
    cluster_destroy(&c);
}

static void a_primary_that_was_cut_off_answers_no_read(void **state)
{
    struct cluster c;
    uint64_t old, round = 0;

    (void)state;
    cluster_create_of(&c, 3);
    old = primary(&c);
    for (uint64_t other = 1; other <= 3; other++) {
        c.cut[old][other] = c.cut[other][old] = other != old;
    }
    assert_int_equal(vxc_replica_read(c.worlds[old].replica, &round), 0);
    turns(&c, 300);
    assert_true(c.worlds[old].reads_round >= round);
    assert_int_equal(c.worlds[old].reads_code, VXC_ENOTPRIMARY);
    cluster_destroy(&c);
}

static void lost_questions_are_asked_again(void **state)
{
    struct cluster c;
    uint64_t id, round = 0;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    for (uint64_t other = 1; other <= 3; other++) {
        c.cut[id][other] = other != id;
    }
    assert_int_equal(vxc_replica_read(c.worlds[id].replica, &round), 0);
    turns(&c, 2);
    memset(c.cut, 0, sizeof c.cut);
    assert_true(c.worlds[id].reads_round < round);
    turns(&c, 40); /* a heartbeat later */
    assert_int_equal(c.worlds[id].reads_round, round);
    assert_int_equal(c.worlds[id].reads_code, 0);
    cluster_destroy(&c);
}

/* ---- members ---- */

static void a_node_joins_catches_up_and_votes(void **state)
{
    struct cluster c;
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    struct vxc_error err;
    struct write write = {.proposal = {.data = &write}};
    uint64_t id;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    put(&c, id, "a", "1");
    settle(&c);
    assert_int_equal(vxc_replica_add_standby(c.worlds[id].replica, 4, &write.proposal, &err), 0);
    assert_int_equal(vxc_replica_add_standby(c.worlds[id].replica, 5, NULL, &err), VXC_EBUSY);
    wait_for(&c, &write, 0);
    assert_int_equal(vxc_replica_promote(c.worlds[id].replica, 4, NULL, &err), VXC_EBUSY);
    world_create(
        &c.worlds[4],
        &(struct world_options){
            .seed = 4, .node_id = 4, .synchronous = true, .lockstep = true, .joins = true});
    c.count = 4;
    start_node(&c, 4);
    settle(&c);
    has(&c, 4, "a", "1");
    write = (struct write){.proposal = {.data = &write}};
    assert_int_equal(vxc_replica_promote(c.worlds[id].replica, 4, &write.proposal, &err), 0);
    wait_for(&c, &write, 0);
    assert_int_equal(vxc_replica_members(c.worlds[id].replica, members), 4);
    assert_int_equal(members[3].id, 4);
    assert_int_equal(members[3].role, VXC_MEMBER_VOTER);
    settle(&c);
    /* with one of the old ones gone, the new one counts */
    crash(&c, another(&c, id) == 4 ? 1 : another(&c, id));
    put(&c, id, "b", "2");
    cluster_destroy(&c);
}

static void changes_that_would_hurt_are_refused(void **state)
{
    struct cluster c;
    struct vxc_error err;
    struct write write = {.proposal = {.data = &write}};
    uint64_t id, other;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    settle(&c);
    other = another(&c, id);
    assert_int_equal(vxc_replica_add_standby(c.worlds[id].replica, other, NULL, &err), VXC_EEXISTS);
    assert_int_equal(vxc_replica_add_standby(c.worlds[id].replica, 0, NULL, &err), VXC_EINVAL);
    assert_int_equal(vxc_replica_promote(c.worlds[id].replica, 9, NULL, &err), VXC_ENOTFOUND);
    assert_int_equal(vxc_replica_promote(c.worlds[id].replica, other, NULL, &err), VXC_EEXISTS);
    assert_int_equal(vxc_replica_remove(c.worlds[id].replica, 9, NULL, &err), VXC_ENOTFOUND);
    assert_int_equal(vxc_replica_remove(c.worlds[id].replica, id, NULL, &err), VXC_EINVAL);
    assert_int_equal(vxc_replica_remove(c.worlds[other].replica, id, NULL, &err), VXC_ENOTPRIMARY);
    crash(&c, other);
    turns(&c, 150); /* longer than an election timeout */
    assert_int_equal(vxc_replica_add_standby(c.worlds[id].replica, 4, NULL, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "silent"));
    /* but the silent one itself may go, and then no other */
    assert_int_equal(vxc_replica_remove(c.worlds[id].replica, other, &write.proposal, &err), 0);
    wait_for(&c, &write, 0);
    assert_int_equal(vxc_replica_remove(c.worlds[id].replica, 6 - id - other, NULL, &err),
                     VXC_EINVAL);
    assert_non_null(strstr(err.text, "one voter"));
    cluster_destroy(&c);
}

static void the_primaryship_is_handed_over(void **state)
{
    struct cluster c;
    struct vxc_error err;
    struct write write;
    uint64_t id, other;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    settle(&c);
    other = another(&c, id);
    assert_int_equal(vxc_replica_transfer(c.worlds[id].replica, id, &err), VXC_EINVAL);
    assert_int_equal(vxc_replica_transfer(c.worlds[id].replica, 9, &err), VXC_ENOTFOUND);
    assert_string_equal(err.text, "9 is not a member; the members are 1, 2, 3");
    assert_int_equal(vxc_replica_transfer(c.worlds[other].replica, id, &err), VXC_ENOTPRIMARY);
    assert_int_equal(vxc_replica_transfer(c.worlds[id].replica, other, &err), 0);
    assert_int_equal(world_put(&c.worlds[id], &write, "a", vxc_slice_of_string("1")), VXC_EBUSY);
    turns(&c, 20); /* far below an election timeout */
    assert_true(vxc_replica_is_primary(c.worlds[other].replica));
    assert_int_equal(primary(&c), other);
    put(&c, other, "a", "1");
    cluster_destroy(&c);
}

/* Under load nobody has all of the log, and the last one in the configuration may be down. */
static void the_primaryship_goes_to_who_is_up(void **state)
{
    struct cluster c;
    struct vxc_error err;
    struct write write;
    uint64_t id, dead;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    settle(&c);
    dead = id == 3 ? 2 : 3;
    crash(&c, dead);
    put(&c, id, "a", "1");
    assert_int_equal(world_put(&c.worlds[id], &write, "b", vxc_slice_of_string("2")), 0);
    (void)vxc_replica_turn(c.worlds[id].replica); /* into its own log */
    assert_int_equal(vxc_replica_transfer(c.worlds[id].replica, 0, &err), 0);
    turns(&c, 20); /* far below an election timeout */
    assert_int_equal(primary(&c), 6 - id - dead);
    cluster_destroy(&c);
}

/* ---- checkpoints ---- */

static void digests_are_compared_at_checkpoints(void **state)
{
    struct cluster c;
    struct write write = {.proposal = {.data = &write}};
    struct vxc_replica_status status[4];
    uint64_t id;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    put(&c, id, "a", "1");
    assert_int_equal(vxc_replica_checkpoint(c.worlds[id].replica, &write.proposal), 0);
    wait_for(&c, &write, 0);
    put(&c, id, "b", "2");
    settle(&c);
    for (uint64_t i = 1; i <= 3; i++) {
        vxc_replica_status(c.worlds[i].replica, &status[i]);
        assert_int_equal(status[i].checkpoint_index, write.index);
        assert_int_equal(status[i].checkpoint_digest, status[1].checkpoint_digest);
        assert_int_equal(c.worlds[i].damages, 0);
    }
    assert_int_equal(c.carried[VXC_PEER_DIGEST], 6);
    cluster_destroy(&c);
}

static void lie(struct cluster *c, uint64_t from, uint64_t to, uint64_t index)
{
    struct vxc_peer_message message = {.type = VXC_PEER_DIGEST, .peer = from};

    message.digest.index = index;
    message.digest.digest = 12345;
    assert_int_equal(vxc_replica_receive(c->worlds[to].replica, &message), 0);
    turns(c, 1);
}

static void a_majority_decides_whose_state_is_damaged(void **state)
{
    struct cluster c;
    struct write write = {.proposal = {.data = &write}};
    uint64_t id;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    assert_int_equal(vxc_replica_checkpoint(c.worlds[id].replica, &write.proposal), 0);
    wait_for(&c, &write, 0);
    settle(&c);
    lie(&c, another(&c, id), id, write.index);
    assert_int_equal(c.worlds[id].damages, 0); /* two agree, one does not: it is that one's */
    lie(&c, another(&c, another(&c, id)), id, write.index);
    assert_int_equal(c.worlds[id].damages, 1);
    cluster_destroy(&c);
}

static void a_primary_makes_checkpoints_while_there_is_news(void **state)
{
    struct cluster c;
    struct vxc_replica_status status;
    uint64_t id, first;

    (void)state;
    cluster_create_of(&c, 3);
    id = primary(&c);
    put(&c, id, "a", "1");
    turns(&c, (int)VXC_CHECKPOINT_MS / 5 + 100);
    vxc_replica_status(c.worlds[id].replica, &status);
    first = status.checkpoint_index;
    assert_true(first > 0);
    turns(&c, (int)VXC_CHECKPOINT_MS / 5 + 100);
    vxc_replica_status(c.worlds[id].replica, &status);
    assert_int_equal(status.checkpoint_index, first); /* nothing happened since */
    put(&c, id, "b", "1");
    turns(&c, (int)VXC_CHECKPOINT_MS / 5 + 100);
    vxc_replica_status(c.worlds[id].replica, &status);
    assert_true(status.checkpoint_index > first);
    cluster_destroy(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_nodes_elect_one_and_agree),
        cmocka_unit_test(nothing_is_acknowledged_without_a_majority),
        cmocka_unit_test(a_killed_primary_is_replaced_and_comes_back),
        cmocka_unit_test(a_primary_that_ended_is_replaced_at_once),
        cmocka_unit_test(a_primary_that_only_seemed_to_end_stays),
        cmocka_unit_test(a_range_travels_in_pieces),
        cmocka_unit_test(a_read_waits_for_the_terms_of_a_majority),
        cmocka_unit_test(a_primary_that_was_cut_off_answers_no_read),
        cmocka_unit_test(lost_questions_are_asked_again),
        cmocka_unit_test(a_node_joins_catches_up_and_votes),
        cmocka_unit_test(changes_that_would_hurt_are_refused),
        cmocka_unit_test(the_primaryship_is_handed_over),
        cmocka_unit_test(the_primaryship_goes_to_who_is_up),
        cmocka_unit_test(digests_are_compared_at_checkpoints),
        cmocka_unit_test(a_majority_decides_whose_state_is_damaged),
        cmocka_unit_test(a_primary_makes_checkpoints_while_there_is_news),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
