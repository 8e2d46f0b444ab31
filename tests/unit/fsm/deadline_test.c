#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void put(struct fixture *f, unsigned number, int64_t ttl_ms)
{
    char key[16];
    struct vxc_command c;

    (void)snprintf(key, sizeof key, "%05u", number);
    c = fixture_command(VXC_OP_MAP_PUT, "m", key, "v");
    c.a = ttl_ms;
    assert_int_equal(fixture_run(f, &c)->code, 0);
}

static int64_t size_of(struct fixture *f)
{
    struct vxc_command c = fixture_command(VXC_OP_MAP_SIZE, "m", NULL, NULL);

    return fixture_ask(f, &c)->number;
}

static void the_next_deadline_is_known_also_after_a_restart(void **state)
{
    struct fixture *f = *state;

    assert_true(vxc_fsm_next_deadline_ms(f->fsm) == UINT64_MAX);
    put(f, 1, 50);
    put(f, 2, 20);
    assert_int_equal(vxc_fsm_next_deadline_ms(f->fsm), f->stamp_ms + 20);
    fixture_restart(f);
    assert_int_equal(vxc_fsm_next_deadline_ms(f->fsm), f->stamp_ms + 20);
    fixture_pass_time(f, 20);
    assert_int_equal(size_of(f), 1);
    assert_int_equal(vxc_fsm_next_deadline_ms(f->fsm), f->stamp_ms + 30);
}

static void reaping_stops_at_its_bound_and_time_with_it(void **state)
{
    struct fixture *f = *state;
    unsigned count = VXC_REAP_ROWS_PER_ENTRY + 10;
    uint64_t start_ms = f->stamp_ms;

    for (unsigned i = 0; i < count; i++) {
        put(f, i, 100 + i);
    }
    fixture_pass_time(f, 100 + count);
    assert_int_equal(size_of(f), 10);
    assert_int_equal(vxc_fsm_time_ms(f->fsm), start_ms + 100 + VXC_REAP_ROWS_PER_ENTRY);
    assert_int_equal(vxc_fsm_next_deadline_ms(f->fsm), vxc_fsm_time_ms(f->fsm));
    assert_int_equal(vxc_fsm_stamp_ms(f->fsm), start_ms + 100 + count);
    put(f, count, 5); /* counts from the stamp, and its entry reaps the rest */
    assert_int_equal(size_of(f), 1);
    assert_int_equal(vxc_fsm_time_ms(f->fsm), f->stamp_ms);
    fixture_pass_time(f, 4);
    assert_int_equal(size_of(f), 1);
    fixture_pass_time(f, 1);
    assert_int_equal(size_of(f), 0);
}

static void time_never_goes_back(void **state)
{
    struct fixture *f = *state;

    fixture_pass_time(f, 100);
    f->stamp_ms -= 50;
    put(f, 1, 10);
    assert_int_equal(vxc_fsm_time_ms(f->fsm), 1100);
    assert_int_equal(vxc_fsm_next_deadline_ms(f->fsm), 1110);
}

static void expiry_frees_quota_and_is_told_to_watchers(void **state)
{
    struct fixture *f = *state;
    uint8_t secret[16] = {1};
    struct vxc_command open = {.op = VXC_OP_SESSION_OPEN, .value = {secret, 16}, .a = 20000};
    struct vxc_command watch = fixture_command(VXC_OP_WATCH_ADD, "m", NULL, NULL);
    struct vxc_fsm_stats before, after;

    open.name = text("client");
    assert_int_equal(fixture_run(f, &open)->code, 0);
    watch.session = f->result.token;
    watch.a = VXC_WATCH_MAP;
    assert_int_equal(fixture_run(f, &watch)->code, 0);
    put(f, 1, 0);
    vxc_fsm_stats(f->fsm, &before);
    put(f, 2, 10);
    fixture_forget_events(f);
    fixture_pass_time(f, 10);
    assert_int_equal(f->event_count, 1);
    assert_int_equal(f->events[0].type, VXC_EVENT_EXPIRE);
    assert_string_equal(f->events[0].name, "m");
    assert_string_equal(f->events[0].key, "00002");
    assert_int_equal(f->events[0].index, f->index - 1);
    vxc_fsm_stats(f->fsm, &after);
    assert_int_equal(after.quota_bytes_used, before.quota_bytes_used);
    assert_int_equal(after.expired_rows_total, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(the_next_deadline_is_known_also_after_a_restart),
        T(reaping_stops_at_its_bound_and_time_with_it),
        T(time_never_goes_back),
        T(expiry_frees_quota_and_is_told_to_watchers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
