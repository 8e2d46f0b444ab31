#include "client/router.h"

#include <string.h>

int vxc_router_init(struct vxc_router *router, const char *endpoints, bool fixed,
                    uint32_t random_seed, struct vxc_error *err)
{
    struct vxc_endpoint given[VXC_ENDPOINTS_MAX];
    size_t count;
    const int rc = vxc_endpoints_parse(endpoints, given, &count, err);

    if (rc != VXC_OK) {
        return rc;
    }
    *router = (struct vxc_router){
        .given_count = count, .count = count, .fixed = fixed, .random = random_seed | 1};
    for (size_t i = 0; i < count; i++) {
        router->places[i].endpoint = given[i];
    }
    return VXC_OK;
}

/* ---- the list ---- */

static bool is_same(const struct vxc_endpoint *a, const struct vxc_endpoint *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

/* Its index, or `count`. */
static size_t find(const struct vxc_router *router, const struct vxc_endpoint *endpoint)
{
    size_t i = 0;

    while (i < router->count && !is_same(&router->places[i].endpoint, endpoint)) {
        i++;
    }
    return i;
}

/* Its index, found or added; `count` when there is no room for it. */
static size_t find_or_add(struct vxc_router *router, const struct vxc_endpoint *endpoint)
{
    const size_t i = find(router, endpoint);

    if (i < router->count || router->fixed || i == VXC_ROUTER_PLACES_MAX ||
        i - router->given_count == VXC_CLIENT_LEARNED_MAX) {
        return i;
    }
    router->places[i] = (struct vxc_router_place){.endpoint = *endpoint};
    router->count++;
    return i;
}

/* An address that a server sent. */
static bool read_address(struct vxc_slice address, struct vxc_endpoint *endpoint)
{
    struct vxc_endpoint list[VXC_ENDPOINTS_MAX];
    char text[sizeof *endpoint + 4]; /* a host in brackets, a colon and a port */
    size_t count;

    if (address.size == 0 || address.size >= sizeof text ||
        memchr(address.data, '\0', address.size) != NULL) {
        return false;
    }
    memcpy(text, address.data, address.size);
    text[address.size] = '\0';
    if (vxc_endpoints_parse(text, list, &count, NULL) != VXC_OK || count != 1) {
        return false;
    }
    *endpoint = list[0];
    return true;
}

static bool is_among(const struct vxc_endpoint *endpoint, const struct vxc_slice *addresses,
                     size_t count)
{
    struct vxc_endpoint other;

    for (size_t i = 0; i < count; i++) {
        if (read_address(addresses[i], &other) && is_same(endpoint, &other)) {
            return true;
        }
    }
    return false;
}

void vxc_router_learn(struct vxc_router *router, const struct vxc_slice *addresses, size_t count)
{
    size_t kept = router->given_count, at = router->at;
    struct vxc_endpoint endpoint;

    if (router->fixed) {
        return;
    }
    /* Where we are is kept in any case: there is a connection to it. */
    for (size_t i = router->given_count; i < router->count; i++) {
        if (i != router->at && !is_among(&router->places[i].endpoint, addresses, count)) {
            continue;
        }
        at = i == router->at ? kept : at;
        router->places[kept++] = router->places[i];
    }
    router->count = kept;
    router->at = at;
    for (size_t i = 0; i < count; i++) {
        if (read_address(addresses[i], &endpoint)) {
            (void)find_or_add(router, &endpoint); /* without room it is passed over */
        }
    }
}

/* ---- where and when ---- */

const struct vxc_endpoint *vxc_router_place(const struct vxc_router *router)
{
    return &router->places[router->at].endpoint;
}

uint64_t vxc_router_due_ms(const struct vxc_router *router)
{
    return router->places[router->at].due_ms;
}

bool vxc_router_has_others(const struct vxc_router *router)
{
    return router->count > 1;
}

uint64_t vxc_router_connect_ms(const struct vxc_router *router)
{
    const unsigned failures = router->places[router->at].failures;
    const uint64_t limit_ms = (uint64_t)VXC_CLIENT_CONNECT_MS << (failures < 4 ? failures : 4);

    return vxc_router_has_others(router) && limit_ms < VXC_CLIENT_CONNECT_MS_ALONE
               ? limit_ms
               : VXC_CLIENT_CONNECT_MS_ALONE;
}

/* From min to max. Spreads the clients of a node that has ended, guards nothing. */
static uint64_t chance(struct vxc_router *router, uint64_t min, uint64_t max)
{
    router->random = router->random * 1664525u + 1013904223u;
    return min + (router->random >> 8) % (max - min + 1);
}

/* The place whose time comes first, beginning behind the present one. */
static void choose(struct vxc_router *router, uint64_t now_ms)
{
    uint64_t best_ms = UINT64_MAX;
    size_t best = router->at;

    for (size_t i = 1; i <= router->count; i++) {
        const size_t at = (router->at + i) % router->count;
        const uint64_t due_ms = router->places[at].due_ms;
        const uint64_t from_ms = due_ms > now_ms ? due_ms : now_ms;
        if (from_ms < best_ms) {
            best_ms = from_ms;
            best = at;
        }
    }
    router->at = best;
}

/* ---- what became of it ---- */

void vxc_router_found(struct vxc_router *router)
{
    router->places[router->at].failures = 0;
    router->places[router->at].due_ms = 0;
    router->search_began_ms = 0;
}

void vxc_router_failed(struct vxc_router *router, uint64_t now_ms, bool silent)
{
    struct vxc_router_place *place = &router->places[router->at];
    uint64_t delay_ms = (uint64_t)VXC_CLIENT_RECONNECT_MS_MIN
                        << (place->failures < 6 ? place->failures : 6);

    /* Where nobody answers, the next attempt costs time again: the others come first. */
    if ((silent && vxc_router_has_others(router)) || delay_ms > VXC_CLIENT_RECONNECT_MS_MAX) {
        delay_ms = VXC_CLIENT_RECONNECT_MS_MAX;
    }
    place->failures++;
    place->due_ms = now_ms + chance(router, delay_ms / 2, delay_ms);
    choose(router, now_ms);
}

static uint64_t search_delay_ms(struct vxc_router *router, uint64_t now_ms)
{
    uint64_t times = 1;

    if (router->search_began_ms == 0) {
        router->search_began_ms = now_ms;
    } else if (now_ms - router->search_began_ms >= VXC_CLIENT_SEARCH_EAGER_MS) {
        times = VXC_CLIENT_SEARCH_LAZY_TIMES;
    }
    return chance(router, times * VXC_CLIENT_SEARCH_MS_MIN, times * VXC_CLIENT_SEARCH_MS_MAX);
}

void vxc_router_postponed(struct vxc_router *router, uint64_t now_ms)
{
    struct vxc_router_place *place = &router->places[router->at];

    place->failures = 0;
    place->due_ms = now_ms + search_delay_ms(router, now_ms);
}

void vxc_router_ended(struct vxc_router *router, uint64_t now_ms, int why, const char *primary)
{
    switch (why) {
    case VXC_ENOTPRIMARY:
        vxc_router_refused(router, now_ms, primary);
        break;
    case VXC_EBUSY:
    case VXC_ENOQUORUM:
    case VXC_EUNKNOWN:
    case VXC_ENOSPC:
    case VXC_ENOMEM:
        vxc_router_postponed(router, now_ms);
        break;
    default:
        vxc_router_failed(router, now_ms, why == VXC_ETIMEOUT);
        break;
    }
}

void vxc_router_refused(struct vxc_router *router, uint64_t now_ms, const char *primary)
{
    struct vxc_endpoint named;

    vxc_router_postponed(router, now_ms);
    if (read_address(vxc_slice_of_string(primary), &named)) {
        const size_t at = find_or_add(router, &named);
        if (at < router->count && at != router->at && router->places[at].due_ms <= now_ms) {
            router->at = at;
            return;
        }
    }
    choose(router, now_ms);
}
