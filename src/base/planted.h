/* Planted bugs: proof that the simulator sees what it is there to see (tests/sim/planted.txt).
 *
 *     if (!VXC_PLANTED(vote_not_flushed) && fdatasync(fd) != 0) …
 *
 * The condition is a constant 0, which the compiler removes, in every build but the one that
 * `tools/test planted NAME` makes with -DVXC_PLANTED_<name>=1. Nothing else looks at that macro.
 */
#ifndef VXC_BASE_PLANTED_H
#define VXC_BASE_PLANTED_H

#define VXC_PLANTED(name) VXC_PLANTED_IS(VXC_PLANTED_##name)

/* 1 when the macro named in the argument is defined as 1, else 0. */
#define VXC_PLANTED_IS(value)                VXC_PLANTED_LOOK(value)
#define VXC_PLANTED_LOOK(value)              VXC_PLANTED_SPLIT(VXC_PLANTED_COMMA_##value)
#define VXC_PLANTED_SPLIT(comma)             VXC_PLANTED_PICK(comma 1, 0, 0)
#define VXC_PLANTED_PICK(ignored, pick, ...) pick
#define VXC_PLANTED_COMMA_1                  0,

#endif
