#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_cluster_is_bootstrapped_once(void **state)
{
    struct fixture *f = *state;
    static const uint8_t id[16] = {9, 8, 7};
    struct vxc_command c = {.op = VXC_OP_BOOTSTRAP, .value = {id, 16}, .a = 1234567};

    assert_false(vxc_fsm_bootstrapped(f->fsm));
    c.value.size = 15;
    assert_int_equal(fixture_run(f, &c)->code, VXC_EINVAL);
    c.value.size = 16;
    assert_int_equal(fixture_run(f, &c)->code, 0);
    c.a = 99999999;
    assert_int_equal(fixture_run(f, &c)->code, VXC_EEXISTS);
    fixture_restart(f);
    assert_true(vxc_fsm_bootstrapped(f->fsm));
    assert_memory_equal(vxc_fsm_cluster_id(f->fsm), id, 16);
    assert_int_equal(vxc_fsm_take_token(f->fsm), 1234567);
}

static int apply(struct fixture *f, struct vxc_error *err)
{
    return vxc_fsm_apply(f->fsm, f->index, 1, vxc_buffer_slice(&f->entry), false, 0, NULL, NULL,
                         err);
}

static void an_entry_of_a_newer_version_is_left_alone_as_a_whole(void **state)
{
    struct fixture *f = *state;
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m", "k", "v");
    struct vxc_command get = fixture_command(VXC_OP_MAP_GET, "m", "k", NULL);
    struct vxc_error err = {0};
    size_t second;

    assert_int_equal(vxc_entry_begin(&f->entry), 0);
    assert_int_equal(vxc_entry_add(&f->entry, &put), 0);
    second = f->entry.size;
    assert_int_equal(vxc_entry_add(&f->entry, &put), 0);
    vxc_store_u16(f->entry.data + second + 4, 150);
    vxc_entry_finish(&f->entry, 1000, 2);
    assert_int_equal(apply(f, &err), VXC_EVERSION);
    assert_string_equal(err.text, "entry 1: command 1 needs a newer version");
    assert_false(fixture_ask(f, &get)->found);
    assert_int_equal(vxc_fsm_applied_index(f->fsm), 0);
    assert_int_equal(vxc_fsm_stamp_ms(f->fsm), 0); /* not even its time */
    vxc_store_u16(f->entry.data + second + 6, 0x8000);
    vxc_store_u16(f->entry.data + second + 4, VXC_OP_MAP_PUT);
    assert_int_equal(apply(f, &err), VXC_ECORRUPT);
    vxc_entry_finish(&f->entry, 1000, 1);
    assert_int_equal(apply(f, &err), VXC_ECORRUPT); /* bytes behind the last command */
    assert_false(fixture_ask(f, &get)->found);
}

/* An operation of a newer version inside a list counts like one that stands alone. */
static void a_newer_operation_in_a_list_is_one_too(void **state)
{
    struct fixture *f = *state;
    static const uint16_t ops[] = {VXC_OP_TRANSACTION, VXC_OP_STATE_SYNC,
                                   VXC_OP_REGISTRATION_RESYNC};
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m", "k", "v");
    struct vxc_buffer item = {0}, list = {0};

    assert_int_equal(vxc_command_encode(&put, &item), 0);
    assert_int_equal(vxc_buffer_put_u32(&list, 1), 0);
    assert_int_equal(vxc_buffer_put_bytes(&list, vxc_buffer_slice(&item)), 0);
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        struct vxc_command outer = {.op = ops[i], .value = vxc_buffer_slice(&list)};
        struct vxc_error err = {0};

        assert_int_equal(vxc_entry_begin(&f->entry), 0);
        assert_int_equal(vxc_entry_add(&f->entry, &put), 0);
        assert_int_equal(vxc_entry_add(&f->entry, &outer), 0);
        vxc_store_u16(f->entry.data + f->entry.size - item.size, 199);
        vxc_entry_finish(&f->entry, 1000, 2);
        assert_int_equal(apply(f, &err), VXC_EVERSION);
        assert_string_equal(err.text, "entry 1: command 1 needs a newer version");
        assert_int_equal(vxc_fsm_applied_index(f->fsm), 0);
    }
    put.op = VXC_OP_MAP_GET;
    assert_false(fixture_ask(f, &put)->found);
    vxc_buffer_free(&item);
    vxc_buffer_free(&list);
}

static void a_query_is_no_command_and_a_command_no_query(void **state)
{
    struct fixture *f = *state;
    struct vxc_command get = fixture_command(VXC_OP_MAP_GET, "m", "k", NULL);
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m", "k", "v");

    assert_int_equal(fixture_run(f, &get)->code, VXC_EINVAL);
    assert_int_equal(fixture_ask(f, &put)->code, VXC_EINVAL);
}

static void a_command_of_an_unknown_session_is_refused(void **state)
{
    struct fixture *f = *state;
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m", "k", "v");
    struct vxc_command get = fixture_command(VXC_OP_MAP_GET, "m", "k", NULL);

    put.session = 77;
    assert_int_equal(fixture_run(f, &put)->code, VXC_ESESSION);
    put.sequence = 1;
    assert_int_equal(fixture_run(f, &put)->code, VXC_ESESSION);
    assert_false(fixture_ask(f, &get)->found);
}

static void a_command_sent_again_takes_effect_once(void **state)
{
    struct fixture *f = *state;
    static const uint8_t secret[16] = {1};
    struct vxc_command open = {.op = VXC_OP_SESSION_OPEN, .value = {secret, 16}, .a = 20000};
    struct vxc_command add = fixture_command(VXC_OP_COUNTER_ADD, "c", NULL, NULL);
    struct vxc_fsm_stats stats;
    uint64_t index;

    add.session = fixture_run(f, &open)->token;
    add.sequence = 5;
    add.a = 1;
    index = fixture_run(f, &add)->index;
    fixture_restart(f);
    assert_int_equal(fixture_run(f, &add)->number, 1);
    assert_true(f->result.replayed);
    assert_int_equal(f->result.index, index);
    vxc_fsm_stats(f->fsm, &stats);
    assert_int_equal(stats.replayed_total, 1);
}

static void entries_of_the_engine_move_the_index_only(void **state)
{
    struct fixture *f = *state;

    fixture_pass_time(f, 5);
    vxc_fsm_pass(f->fsm, f->index++, 2);
    assert_int_equal(vxc_fsm_applied_index(f->fsm), 2);
    fixture_restart(f);
    assert_int_equal(vxc_store_meta(f->store)->applied_index, 2);
    assert_int_equal(vxc_store_meta(f->store)->applied_term, 2);
    assert_int_equal(vxc_fsm_applied_index(f->fsm), 2);
    assert_int_equal(vxc_fsm_stamp_ms(f->fsm), 1005);
}

static uint64_t digest(struct fixture *f)
{
    fixture_commit(f);
    return vxc_store_digest(f->store);
}

static void a_checkpoint_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct vxc_command put = fixture_command(VXC_OP_MAP_PUT, "m", "k", "v");
    struct vxc_command checkpoint = {.op = VXC_OP_CHECKPOINT};
    struct vxc_fsm_stats before, after;
    uint64_t was;

    (void)fixture_run(f, &put);
    was = digest(f);
    vxc_fsm_stats(f->fsm, &before);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fixture_run(f, &checkpoint)->code, 0);
        assert_int_equal(f->result.index, f->index - 1);
        assert_int_equal(vxc_fsm_applied_index(f->fsm), f->index - 1);
        assert_true(digest(f) == was);
    }
    vxc_fsm_stats(f->fsm, &after);
    before.commands_total += 3;
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(f->event_count, 0);
}

static void a_row_that_nobody_wrote_stops_the_apply(void **state)
{
    struct fixture *f = *state;
    struct vxc_command add = fixture_command(VXC_OP_COUNTER_ADD, "c", NULL, NULL);
    struct vxc_error err = {0};
    struct vxc_row_key key;

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, 0);
    vxc_row_key_user(&key, text("c"));
    vxc_table_put(f->table, VXC_DB_COUNTERS, vxc_row_key_slice(&key), text("junk"), text(""));
    assert_int_equal(vxc_entry_begin(&f->entry), 0);
    assert_int_equal(vxc_entry_add(&f->entry, &add), 0);
    vxc_entry_finish(&f->entry, 1000, 1);
    assert_int_equal(apply(f, &err), VXC_ECORRUPT);
    assert_non_null(strstr(err.text, "counters"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_cluster_is_bootstrapped_once),
        T(an_entry_of_a_newer_version_is_left_alone_as_a_whole),
        T(a_newer_operation_in_a_list_is_one_too),
        T(a_query_is_no_command_and_a_command_no_query),
        T(a_command_of_an_unknown_session_is_refused),
        T(a_command_sent_again_takes_effect_once),
        T(entries_of_the_engine_move_the_index_only),
        T(a_checkpoint_changes_nothing),
        T(a_row_that_nobody_wrote_stops_the_apply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
