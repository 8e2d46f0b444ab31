/* Open entry, bounds, first in first out; and cluster time, which stamps the entries. */
#include "consensus/admission.h"
#include "consensus/proposal.h"
#include "consensus/stamp.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct vxc_command put(const void *value, size_t size)
{
    return (struct vxc_command){.op = VXC_OP_MAP_PUT,
                                .name = vxc_slice_of_string("m"),
                                .key = vxc_slice_of_string("k"),
                                .value = vxc_slice(value, size)};
}

static uint32_t commands_in(struct vxc_slice entry)
{
    struct vxc_entry_head head;
    struct vxc_slice rest, bytes;

    assert_int_equal(vxc_entry_read_head(entry, &head, &rest), 0);
    for (uint32_t i = 0; i < head.count; i++) {
        struct vxc_command command;

        assert_int_equal(vxc_entry_next(&rest, &bytes), 0);
        assert_int_equal(vxc_command_decode(bytes, &command), 0);
    }
    assert_int_equal(rest.size, 0);
    return head.count;
}

struct failures {
    struct vxc_proposal *proposals[16];
    int codes[16];
    int count;
};

static void remember(void *data, struct vxc_proposal *proposal, int code)
{
    struct failures *failures = data;

    failures->proposals[failures->count] = proposal;
    failures->codes[failures->count++] = code;
}

/* ---- proposals ---- */

static void proposals_come_back_by_index_term_and_position(void **state)
{
    struct vxc_proposals proposals;
    struct vxc_proposal a, b, c;
    struct vxc_command command = put("v", 1);

    (void)state;
    assert_int_equal(vxc_proposals_init(&proposals), 0);
    assert_int_equal(vxc_proposals_add(&proposals, &command, &a), 0);
    assert_int_equal(vxc_proposals_add(&proposals, &command, NULL), 0);
    assert_int_equal(vxc_proposals_add(&proposals, &command, &b), 0);
    assert_int_equal(commands_in(vxc_proposals_close(&proposals, 7)), 3);
    vxc_proposals_submitted(&proposals, 10, 2);
    assert_int_equal(vxc_proposals_add(&proposals, &command, &c), 0);
    assert_int_equal(commands_in(vxc_proposals_close(&proposals, 8)), 1);
    vxc_proposals_submitted(&proposals, 11, 2);
    assert_int_equal(vxc_proposals_in_flight(&proposals), 2);

    assert_false(vxc_proposals_take(&proposals, 9, 2));
    assert_false(vxc_proposals_take(&proposals, 10, 1)); /* another primary's entry */
    assert_true(vxc_proposals_take(&proposals, 10, 2));
    assert_ptr_equal(vxc_proposals_at(&proposals, 0), &a);
    assert_null(vxc_proposals_at(&proposals, 1));
    assert_ptr_equal(vxc_proposals_at(&proposals, 2), &b);
    vxc_proposals_done(&proposals);
    assert_true(vxc_proposals_take(&proposals, 11, 2));
    assert_ptr_equal(vxc_proposals_at(&proposals, 0), &c);
    vxc_proposals_done(&proposals);
    assert_int_equal(vxc_proposals_bytes(&proposals), 0);
    vxc_proposals_deinit(&proposals);
}

static void entry_without_commands_is_a_tick(void **state)
{
    struct vxc_proposals proposals;
    struct vxc_entry_head head;
    struct vxc_slice rest;

    (void)state;
    assert_int_equal(vxc_proposals_init(&proposals), 0);
    assert_int_equal(vxc_entry_read_head(vxc_proposals_close(&proposals, 99), &head, &rest), 0);
    assert_int_equal(head.count, 0);
    assert_int_equal(head.stamp_ms, 99);
    assert_int_equal(rest.size, 0);
    vxc_proposals_submitted(&proposals, 2, 2);
    assert_true(vxc_proposals_take(&proposals, 2, 2));
    vxc_proposals_done(&proposals);
    vxc_proposals_deinit(&proposals);
}

static void lost_primaryship_is_unknown_for_submitted_and_certain_for_open(void **state)
{
    struct vxc_proposals proposals;
    struct vxc_proposal a, b, c;
    struct vxc_command command = put("v", 1);
    struct failures failures = {0};

    (void)state;
    assert_int_equal(vxc_proposals_init(&proposals), 0);
    assert_int_equal(vxc_proposals_add(&proposals, &command, &a), 0);
    (void)vxc_proposals_close(&proposals, 1);
    vxc_proposals_submitted(&proposals, 5, 2);
    assert_int_equal(vxc_proposals_add(&proposals, &command, &b), 0);
    assert_int_equal(vxc_proposals_add(&proposals, &command, NULL), 0);
    assert_int_equal(vxc_proposals_add(&proposals, &command, &c), 0);
    vxc_proposals_fail(&proposals, VXC_ENOTPRIMARY, &failures, remember);
    assert_int_equal(failures.count, 3);
    assert_ptr_equal(failures.proposals[0], &a);
    assert_int_equal(failures.codes[0], VXC_EUNKNOWN);
    assert_ptr_equal(failures.proposals[1], &b);
    assert_int_equal(failures.codes[1], VXC_ENOTPRIMARY);
    assert_ptr_equal(failures.proposals[2], &c);
    assert_int_equal(vxc_proposals_bytes(&proposals), 0);
    assert_int_equal(vxc_proposals_in_flight(&proposals), 0);
    assert_int_equal(vxc_proposals_add(&proposals, &command, &a), 0); /* usable afterwards */
    assert_int_equal(commands_in(vxc_proposals_close(&proposals, 1)), 1);
    vxc_proposals_deinit(&proposals);
}

static void entry_closes_at_its_target_size(void **state)
{
    enum { VALUE = 10000 };
    static uint8_t value[VALUE];
    struct vxc_proposals proposals;
    struct vxc_command command = put(value, VALUE);
    int count = 0;

    (void)state;
    assert_int_equal(vxc_proposals_init(&proposals), 0);
    while (!vxc_proposals_overflow(&proposals, &command)) {
        assert_int_equal(vxc_proposals_add(&proposals, &command, NULL), 0);
        count++;
    }
    assert_true(proposals.open.size <= VXC_ENTRY_SIZE_TARGET);
    assert_true(proposals.open.size > VXC_ENTRY_SIZE_TARGET - 2 * VALUE);
    assert_int_equal(vxc_proposals_add(&proposals, &command, NULL), VXC_EBUSY);
    assert_int_equal(commands_in(vxc_proposals_close(&proposals, 1)), (uint32_t)count);
    vxc_proposals_deinit(&proposals);
}

static void one_larger_command_has_an_entry_to_itself(void **state)
{
    struct vxc_proposals proposals;
    uint8_t *value = calloc(1, VXC_VALUE_SIZE_MAX);
    struct vxc_command large = put(value, VXC_VALUE_SIZE_MAX);
    struct vxc_command small = put("v", 1);

    (void)state;
    assert_non_null(value);
    assert_int_equal(vxc_proposals_init(&proposals), 0);
    assert_false(vxc_proposals_overflow(&proposals, &large));
    assert_int_equal(vxc_proposals_add(&proposals, &large, NULL), 0);
    assert_true(vxc_proposals_overflow(&proposals, &small));
    assert_true(vxc_proposals_close(&proposals, 1).size <= VXC_ENTRY_SIZE_MAX);
    vxc_proposals_submitted(&proposals, 2, 2);
    assert_true(proposals.open.capacity < VXC_ENTRY_SIZE_TARGET); /* given back */
    vxc_proposals_deinit(&proposals);
    free(value);
}

static void entry_holds_no_more_commands_than_a_position_counts(void **state)
{
    struct vxc_proposals proposals;
    struct vxc_command command = {.op = VXC_OP_CHECKPOINT};

    (void)state;
    assert_int_equal(vxc_proposals_init(&proposals), 0);
    for (uint32_t i = 0; i < VXC_ENTRY_COMMANDS_MAX; i++) {
        assert_false(vxc_proposals_overflow(&proposals, &command));
        assert_int_equal(vxc_proposals_add(&proposals, &command, NULL), 0);
    }
    assert_true(vxc_proposals_overflow(&proposals, &command));
    assert_int_equal(commands_in(vxc_proposals_close(&proposals, 1)), VXC_ENTRY_COMMANDS_MAX);
    vxc_proposals_deinit(&proposals);
}

static void tiny_commands_are_bounded_by_their_overhead(void **state)
{
    struct vxc_proposals proposals;
    struct vxc_command command = {.op = VXC_OP_CHECKPOINT};
    uint64_t index = 2;
    uint64_t count = 0;
    int rv;

    (void)state;
    assert_int_equal(vxc_proposals_init(&proposals), 0);
    while ((rv = vxc_proposals_add(&proposals, &command, NULL)) == 0) {
        count++;
        if (vxc_proposals_overflow(&proposals, &command)) {
            (void)vxc_proposals_close(&proposals, 1);
            vxc_proposals_submitted(&proposals, index++, 2);
        }
    }
    assert_int_equal(rv, VXC_EBUSY);
    assert_true(count <= VXC_PROPOSALS_MAX);
    assert_true(count > VXC_PROPOSALS_MAX / 2);
    assert_true(vxc_proposals_bytes(&proposals) <= VXC_LOG_UNCOMMITTED_MAX);
    for (uint64_t i = 2; i < index; i++) {
        assert_true(vxc_proposals_take(&proposals, i, 2));
        vxc_proposals_done(&proposals);
    }
    assert_int_equal(vxc_proposals_add(&proposals, &command, NULL), 0);
    vxc_proposals_deinit(&proposals);
}

static void refused_command_leaves_the_entry_as_it_was(void **state)
{
    struct vxc_proposals proposals;
    struct vxc_command good = put("v", 1);
    struct vxc_command bad = {.op = 9999};
    uint64_t bytes;

    (void)state;
    assert_int_equal(vxc_proposals_init(&proposals), 0);
    assert_int_equal(vxc_proposals_add(&proposals, &good, NULL), 0);
    bytes = vxc_proposals_bytes(&proposals);
    assert_int_not_equal(vxc_proposals_add(&proposals, &bad, NULL), 0);
    assert_int_equal(vxc_proposals_bytes(&proposals), bytes);
    assert_int_equal(commands_in(vxc_proposals_close(&proposals, 1)), 1);
    vxc_proposals_deinit(&proposals);
}

/* ---- stamps ---- */

enum { MS = 1000000 };

static void stamp_follows_the_clock_without_losing_fractions(void **state)
{
    struct vxc_stamp stamp;
    uint64_t now = 5000;

    (void)state;
    vxc_stamp_restart(&stamp, 100, now);
    for (int i = 0; i < 1000; i++) {
        now += 300001;
        assert_true(vxc_stamp_estimate(&stamp, now) >= stamp.stamped_ms);
        (void)vxc_stamp_take(&stamp, now);
    }
    assert_int_equal(stamp.stamped_ms, 100 + 300);
}

static void stamp_counts_a_gap_for_a_second_at_most(void **state)
{
    struct vxc_stamp stamp;

    (void)state;
    vxc_stamp_restart(&stamp, 100, 0);
    assert_int_equal(vxc_stamp_estimate(&stamp, 3600ull * 1000 * MS), 1100);
    assert_int_equal(vxc_stamp_take(&stamp, 3600ull * 1000 * MS), 1100);
}

static void stamp_counts_idle_time_in_full_when_it_is_looked_at(void **state)
{
    struct vxc_stamp stamp;
    uint64_t now = 0;

    (void)state;
    vxc_stamp_restart(&stamp, 0, now);
    for (int i = 0; i < 120; i++) {
        now += 500 * (uint64_t)MS;
        vxc_stamp_look(&stamp, now);
    }
    assert_int_equal(vxc_stamp_estimate(&stamp, now), 60000);
    assert_int_equal(vxc_stamp_take(&stamp, now), 60000);
    assert_int_equal(vxc_stamp_take(&stamp, now), 60000);
}

static void stamp_never_goes_back(void **state)
{
    struct vxc_stamp stamp;

    (void)state;
    vxc_stamp_restart(&stamp, 100, 5000 * (uint64_t)MS);
    assert_int_equal(vxc_stamp_take(&stamp, 4000 * (uint64_t)MS), 100);
    assert_int_equal(vxc_stamp_take(&stamp, 5001 * (uint64_t)MS), 101);
}

/* ---- admission ---- */

static void only_what_makes_room_is_taken_without_space(void **state)
{
    static const uint16_t shrinking[] = {VXC_OP_MAP_REMOVE, VXC_OP_SESSION_EXPIRE,
                                         VXC_OP_LOCK_RELEASE, VXC_OP_SET_DESTROY};
    static const uint16_t growing[] = {VXC_OP_MAP_PUT, VXC_OP_TRANSACTION, VXC_OP_SESSION_OPEN,
                                       VXC_OP_LOCK_ACQUIRE, 9999};

    (void)state;
    for (size_t i = 0; i < sizeof shrinking / sizeof shrinking[0]; i++) {
        assert_false(vxc_command_grows(&(struct vxc_command){.op = shrinking[i]}));
    }
    for (size_t i = 0; i < sizeof growing / sizeof growing[0]; i++) {
        assert_true(vxc_command_grows(&(struct vxc_command){.op = growing[i]}));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proposals_come_back_by_index_term_and_position),
        cmocka_unit_test(entry_without_commands_is_a_tick),
        cmocka_unit_test(lost_primaryship_is_unknown_for_submitted_and_certain_for_open),
        cmocka_unit_test(entry_closes_at_its_target_size),
        cmocka_unit_test(one_larger_command_has_an_entry_to_itself),
        cmocka_unit_test(entry_holds_no_more_commands_than_a_position_counts),
        cmocka_unit_test(tiny_commands_are_bounded_by_their_overhead),
        cmocka_unit_test(refused_command_leaves_the_entry_as_it_was),
        cmocka_unit_test(stamp_follows_the_clock_without_losing_fractions),
        cmocka_unit_test(stamp_counts_a_gap_for_a_second_at_most),
        cmocka_unit_test(stamp_counts_idle_time_in_full_when_it_is_looked_at),
        cmocka_unit_test(stamp_never_goes_back),
        cmocka_unit_test(only_what_makes_room_is_taken_without_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
