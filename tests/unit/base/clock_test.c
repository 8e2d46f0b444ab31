#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void monotonic_time_never_goes_back(void **state)
{
    const struct vxc_clock *clock = vxc_clock_system();
    uint64_t before = clock->monotonic_ns(clock->data);

    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t now = clock->monotonic_ns(clock->data);
        assert_true(now >= before);
        before = now;
    }
}

static void milliseconds_are_those_of_the_monotonic_clock(void **state)
{
    const struct vxc_clock *clock = vxc_clock_system();
    uint64_t before_ns = clock->monotonic_ns(clock->data);
    uint64_t ms = vxc_clock_ms(clock);
    uint64_t after_ns = clock->monotonic_ns(clock->data);

    (void)state;
    assert_true(ms >= before_ns / 1000000 && ms <= after_ns / 1000000);
}

static void wall_time_is_in_microseconds_since_1970(void **state)
{
    const struct vxc_clock *clock = vxc_clock_system();
    time_t before = time(NULL);
    uint64_t wall_us = clock->wall_us(clock->data);
    time_t after = time(NULL);

    (void)state;
    /* time() may lag behind by a tick of the kernel */
    assert_true(wall_us / 1000000 >= (uint64_t)before);
    assert_true(wall_us / 1000000 <= (uint64_t)after + 1);
}

static void random_bytes_fill_all_of_any_size(void **state)
{
    const struct vxc_clock *clock = vxc_clock_system();
    static uint8_t one[1000];
    static uint8_t other[1000];
    uint8_t seen = 0;

    (void)state;
    clock->random(clock->data, one, sizeof one);
    clock->random(clock->data, other, sizeof other);
    assert_memory_not_equal(one, other, sizeof one);
    for (size_t i = sizeof one - 16; i < sizeof one; i++) {
        seen |= one[i];
    }
    assert_int_not_equal(seen, 0); /* the last 16 bytes were filled too */

    memset(one, 0xaa, 2);
    clock->random(clock->data, one, 0);
    assert_int_equal(one[0], 0xaa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_time_never_goes_back),
        cmocka_unit_test(milliseconds_are_those_of_the_monotonic_clock),
        cmocka_unit_test(wall_time_is_in_microseconds_since_1970),
        cmocka_unit_test(random_bytes_fill_all_of_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
