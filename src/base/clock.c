#include "clock.h"

#include "check.h"

#include <sys/random.h>
#include <time.h>

static uint64_t system_monotonic_ns(void *data)
{
    struct timespec t;

    (void)data;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with a clock that exists */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t system_wall_us(void *data)
{
    struct timespec t;

    (void)data;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void system_random(void *data, void *out, uint64_t size)
{
    (void)data;
    while (size > 0) {
        ssize_t got = getrandom(out, size > 256 ? 256 : size, 0);
        vxc_check(got > 0);
        out = (char *)out + got;
        size -= (uint64_t)got;
    }
}

const struct vxc_clock *vxc_clock_system(void)
{
    static const struct vxc_clock clock = {
        .data = NULL,
        .monotonic_ns = system_monotonic_ns,
        .wall_us = system_wall_us,
        .random = system_random,
    };
    return &clock;
}
