/* Where to connect, and when: the endpoints that were given, the members that were learned, and what
 * became of each attempt. No I/O, no clock.
 *
 *     at a place ── failed ──→ the next place; this one again after a growing, jittered delay
 *         │
 *         ├── refused, names another ──→ that one at once, unless it failed or refused a moment ago
 *         ├── refused ──→ the next place; this one again in 10 to 100 ms: an election may be under way
 *         └── found ──→ all is forgotten
 *
 * Each place has a time before which it is not tried. The next place is the one whose time comes
 * first, and of equals the one that follows in the list. So everything that can be tried now is tried
 * now, nothing is tried in a loop without a pause, and two nodes that name each other lead nobody in
 * a circle: who has just refused is not believed to be the primary.
 */
#ifndef VXC_CLIENT_ROUTER_H
#define VXC_CLIENT_ROUTER_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"
#include "client/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

#define VXC_ROUTER_PLACES_MAX (VXC_ENDPOINTS_MAX + VXC_CLIENT_LEARNED_MAX)

struct vxc_router_place {
    struct vxc_endpoint endpoint;
    unsigned failures; /* in a row */
    uint64_t due_ms;   /* not to be tried before */
};

struct vxc_router {
    struct vxc_router_place places[VXC_ROUTER_PLACES_MAX]; /* given ones first, then learned ones */
    size_t given_count;
    size_t count;
    size_t at;                /* the place of the connection, or of the next one */
    bool fixed;               /* only those that were given; may be set at any time */
    uint64_t search_began_ms; /* 0: a primary was found last */
    uint32_t random;
};

/* Reads the endpoints. fixed: nothing is learned, and a named place is followed only if it was given.
 * VXC_EADDRESS. */
int vxc_router_init(struct vxc_router *router, const char *endpoints, bool fixed,
                    uint32_t random_seed, struct vxc_error *err);

/* ---- where and when ---- */

const struct vxc_endpoint *vxc_router_place(const struct vxc_router *router);
uint64_t vxc_router_due_ms(const struct vxc_router *router);     /* connect there then */
uint64_t vxc_router_connect_ms(const struct vxc_router *router); /* and give up after so long */
/* Is there another place to go to? */
bool vxc_router_has_others(const struct vxc_router *router);

/* ---- what became of it ---- */

/* The place serves. */
void vxc_router_found(struct vxc_router *router);
/* It could not be reached, broke, or (silent) gave no answer in time. */
void vxc_router_failed(struct vxc_router *router, uint64_t now_ms, bool silent);
/* The node there is not the primary, and says who is: "host:port", "" = it does not know. */
void vxc_router_refused(struct vxc_router *router, uint64_t now_ms, const char *primary);
/* It will serve soon, and is asked again. */
void vxc_router_postponed(struct vxc_router *router, uint64_t now_ms);
/* One of the three, by the code with which its connection ended; primary as for refused. */
void vxc_router_ended(struct vxc_router *router, uint64_t now_ms, int why, const char *primary);
/* These are all members: what was learned before and is not among them is forgotten. Addresses that
 * cannot be read, and those for which there is no room, are passed over. */
void vxc_router_learn(struct vxc_router *router, const struct vxc_slice *addresses, size_t count);

#endif
