#include "net/loop.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    struct vxc_loop *loop;
    int descriptor;
    int turns;
    int readable;
    int signals;
    int ticks;
    int stop_after;
};

static uint64_t count_turn(void *data)
{
    struct seen *s = data;
    if (++s->turns >= s->stop_after) {
        vxc_loop_stop(s->loop);
    }
    return 0;
}

static void a_turn_that_asks_for_no_wait_comes_again_at_once(void **state)
{
    struct seen s = {.stop_after = 5};
    (void)state;
    assert_int_equal(vxc_loop_create(&s.loop, NULL), 0);
    vxc_loop_on_turn(s.loop, count_turn, &s);
    vxc_loop_run(s.loop);
    assert_int_equal(s.turns, 5);
    vxc_loop_free(s.loop);
}

static void on_readable(void *data)
{
    struct seen *s = data;
    uint64_t value;
    assert_int_equal(read(s->descriptor, &value, sizeof value), sizeof value);
    s->readable++;
}

static uint64_t stop_when_read(void *data)
{
    struct seen *s = data;
    s->turns++;
    if (s->readable > 0) {
        vxc_loop_stop(s->loop);
    }
    return UINT64_MAX;
}

static void a_readable_descriptor_is_followed_by_a_turn(void **state)
{
    struct seen s = {.descriptor = eventfd(1, EFD_CLOEXEC)};
    (void)state;
    assert_int_equal(vxc_loop_create(&s.loop, NULL), 0);
    assert_int_equal(vxc_loop_watch(s.loop, s.descriptor, on_readable, &s), 0);
    vxc_loop_on_turn(s.loop, stop_when_read, &s);
    vxc_loop_run(s.loop);
    assert_int_equal(s.readable, 1);
    vxc_loop_free(s.loop);
    close(s.descriptor);
}

/* A turn ends the watch of its descriptor and watches another one of the same number. */
static uint64_t exchange_descriptor(void *data)
{
    struct seen *s = data;
    int before = s->descriptor;

    if (s->turns++ == 0) {
        vxc_loop_unwatch(s->loop, s->descriptor);
        vxc_loop_unwatch(s->loop, s->descriptor); /* which is fine */
        assert_int_equal(close(s->descriptor), 0);
        s->descriptor = eventfd(1, EFD_CLOEXEC);
        assert_int_equal(s->descriptor, before);
        assert_int_equal(vxc_loop_watch(s->loop, s->descriptor, on_readable, s), 0);
        return UINT64_MAX;
    }
    if (s->readable > 0) {
        vxc_loop_stop(s->loop);
    }
    return UINT64_MAX;
}

static void a_descriptor_is_exchanged_for_another_one(void **state)
{
    struct seen s = {.descriptor = eventfd(0, EFD_CLOEXEC)};
    (void)state;
    assert_int_equal(vxc_loop_create(&s.loop, NULL), 0);
    assert_int_equal(vxc_loop_watch(s.loop, s.descriptor, on_readable, &s), 0);
    vxc_loop_on_turn(s.loop, exchange_descriptor, &s);
    vxc_loop_run(s.loop);
    assert_int_equal(s.readable, 1);
    assert_true(s.turns >= 2);
    vxc_loop_free(s.loop);
    close(s.descriptor);
}

static void on_signal(void *data)
{
    struct seen *s = data;
    s->signals++;
    vxc_loop_stop(s->loop);
}

static void a_signal_calls_back_instead_of_killing(void **state)
{
    struct seen s = {0};
    (void)state;
    assert_int_equal(vxc_loop_create(&s.loop, NULL), 0);
    assert_int_equal(vxc_loop_signal(s.loop, SIGUSR2, on_signal, &s), 0);
    assert_int_equal(raise(SIGUSR2), 0);
    vxc_loop_run(s.loop);
    assert_int_equal(s.signals, 1);
    vxc_loop_free(s.loop);
}

static void on_tick(void *data)
{
    struct seen *s = data;
    if (++s->ticks == 3) {
        vxc_loop_stop(s->loop);
    }
}

static void an_interval_repeats(void **state)
{
    struct seen s = {0};
    (void)state;
    assert_int_equal(vxc_loop_create(&s.loop, NULL), 0);
    assert_int_equal(vxc_loop_every(s.loop, 1, on_tick, &s), 0);
    vxc_loop_run(s.loop);
    assert_int_equal(s.ticks, 3);
    vxc_loop_free(s.loop);
}

static void a_loop_of_somebody_elses_knows_when_to_dispatch(void **state)
{
    struct seen s = {.descriptor = eventfd(0, EFD_CLOEXEC)};
    uint64_t one = 1;
    struct pollfd fd;

    (void)state;
    assert_int_equal(vxc_loop_create(&s.loop, NULL), 0);
    assert_int_equal(vxc_loop_watch(s.loop, s.descriptor, on_readable, &s), 0);
    vxc_loop_on_turn(s.loop, stop_when_read, &s);
    fd = (struct pollfd){.fd = vxc_loop_fd(s.loop), .events = POLLIN};
    assert_int_equal(vxc_loop_timeout_ms(s.loop), 0); /* the first turn comes at once */
    while (vxc_loop_timeout_ms(s.loop) == 0) {
        vxc_loop_dispatch(s.loop);
        assert_true(s.turns < 10);
    }
    assert_int_equal(vxc_loop_timeout_ms(s.loop), -1);
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_int_equal(write(s.descriptor, &one, sizeof one), sizeof one);
    assert_int_equal(poll(&fd, 1, 10000), 1);
    vxc_loop_dispatch(s.loop);
    assert_int_equal(s.readable, 1);
    assert_int_equal(poll(&fd, 1, 0), 0);
    vxc_loop_wake(s.loop);
    assert_int_equal(poll(&fd, 1, 10000), 1);
    vxc_loop_free(s.loop);
    close(s.descriptor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_that_asks_for_no_wait_comes_again_at_once),
        cmocka_unit_test(a_readable_descriptor_is_followed_by_a_turn),
        cmocka_unit_test(a_descriptor_is_exchanged_for_another_one),
        cmocka_unit_test(a_signal_calls_back_instead_of_killing),
        cmocka_unit_test(an_interval_repeats),
        cmocka_unit_test(a_loop_of_somebody_elses_knows_when_to_dispatch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
