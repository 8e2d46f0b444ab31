/* Time and randomness as parameters: the core asks a clock that it was given, so that the same code
 * runs under a simulated one. Monotonic time is in nanoseconds from an arbitrary start. */
#ifndef VXC_BASE_CLOCK_H
#define VXC_BASE_CLOCK_H

#include <stdint.h>

struct vxc_clock {
    void *data;
    uint64_t (*monotonic_ns)(void *data); /* never goes back */
    uint64_t (*wall_us)(void *data);      /* microseconds since 1970; only for people and fences */
    void (*random)(void *data, void *out, uint64_t size); /* unguessable bytes */
};

/* The machine's own clock and randomness. */
const struct vxc_clock *vxc_clock_system(void);

static inline uint64_t vxc_clock_ms(const struct vxc_clock *c)
{
    return c->monotonic_ns(c->data) / 1000000;
}

#endif
