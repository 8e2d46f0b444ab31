#include "consensus/stamp.h"

#include "base/limits.h"

enum { NS_PER_MS = 1000000 };

static uint64_t step_ns(const struct vxc_stamp *stamp, uint64_t now_ns)
{
    uint64_t most = (uint64_t)VXC_STAMP_STEP_MS_MAX * NS_PER_MS;
    uint64_t passed = now_ns > stamp->seen_ns ? now_ns - stamp->seen_ns : 0;

    return passed < most ? passed : most;
}

void vxc_stamp_restart(struct vxc_stamp *stamp, uint64_t stamped_ms, uint64_t now_ns)
{
    *stamp = (struct vxc_stamp){.stamped_ms = stamped_ms, .seen_ns = now_ns};
}

void vxc_stamp_look(struct vxc_stamp *stamp, uint64_t now_ns)
{
    stamp->credit_ns += step_ns(stamp, now_ns);
    stamp->seen_ns = now_ns > stamp->seen_ns ? now_ns : stamp->seen_ns;
}

uint64_t vxc_stamp_estimate(const struct vxc_stamp *stamp, uint64_t now_ns)
{
    return stamp->stamped_ms + (stamp->credit_ns + step_ns(stamp, now_ns)) / NS_PER_MS;
}

uint64_t vxc_stamp_take(struct vxc_stamp *stamp, uint64_t now_ns)
{
    vxc_stamp_look(stamp, now_ns);
    stamp->stamped_ms += stamp->credit_ns / NS_PER_MS;
    stamp->credit_ns %= NS_PER_MS;
    return stamp->stamped_ms;
}
