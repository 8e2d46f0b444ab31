/* Inside the watches: what watch.c and watch_replay.c share. Nobody else includes this. */
#ifndef VXC_FSM_WATCH_INTERNAL_H
#define VXC_FSM_WATCH_INTERNAL_H

#include <sys/queue.h>

#include "base/check.h"
#include "fsm/event_ring.h"
#include "fsm/event_rows.h"
#include "fsm/state.h"

#define uthash_fatal(message) vxc_fatal("watches: %s", message)
#include <uthash.h>

enum { VXC_WATCH_KINDS = VXC_WATCH_REGISTRATIONS };

/* Place in the order of events. */
struct vxc_event_place {
    uint64_t index;
    uint32_t ordinal;
};

struct vxc_watch {
    uint64_t id;
    uint64_t session;
    struct vxc_watched *on;
    struct vxc_event_place added;
    struct vxc_slice filter; /* owned; data == NULL: everything of `on` */
    TAILQ_ENTRY(vxc_watch) on_link;
    UT_hash_handle hh; /* by id */
};

/* Something that at least one watch looks at. */
struct vxc_watched {
    enum vxc_watch_kind kind;
    uint64_t namespace_id;
    struct vxc_slice name; /* owned; empty for members and registrations */
    uint64_t hash;
    TAILQ_HEAD(, vxc_watch) watches;
    struct vxc_watched *next; /* in its bucket */
};

struct vxc_watch_set {
    struct vxc_watch *by_id;
    struct vxc_watched **buckets;
    size_t bucket_count; /* a power of two */
    size_t watched_count;
    uint64_t count_of_kind[VXC_WATCH_KINDS + 1];
    uint64_t name_bytes;
    struct vxc_event_ring ring;
    struct vxc_event_rows rows;
};

static inline bool vxc_watch_is_of_state(enum vxc_watch_kind kind)
{
    return kind == VXC_WATCH_MEMBERS || kind == VXC_WATCH_REGISTRATIONS;
}

static inline bool vxc_event_is_before(struct vxc_event_place a, struct vxc_event_place b)
{
    return a.index != b.index ? a.index < b.index : a.ordinal < b.ordinal;
}

struct vxc_watch *vxc_watch_find(const struct vxc_watch_set *set, uint64_t id);
/* What an event is about, if anybody watches it, else NULL. */
struct vxc_watched *vxc_watched_of(const struct vxc_watch_set *set, uint64_t namespace_id,
                                   const struct vxc_event *event);
/* A whole map being cleared or destroyed concerns every key of it. */
bool vxc_watch_passes(const struct vxc_watch *watch, const struct vxc_event *event);
void vxc_event_emit(struct vxc_fsm *fsm, const struct vxc_event *event);

#endif
