/* Replay: gives a session what it missed or says that it cannot, never less.
 *
 * An event is replayed to a watch only if it stands behind the place where the watch was added.
 * What a session is told about itself leaves its index in the lease, so that after a restart, when
 * the ring is empty, only those resynchronise who may have missed something.
 */
#include "fsm/watch_internal.h"

#include "base/memory.h"
#include "base/planted.h"

#include "fsm/memory.h"

struct replay {
    struct vxc_fsm *fsm;
    uint64_t session;
    uint64_t last_index;
    struct vxc_watch **watches; /* of the session, by what they look at */
    size_t watch_count;
    size_t ring_position;
    struct replay_space {
        uint64_t namespace_id;
        size_t position;
    } * spaces; /* namespaces whose members or registrations it watches */
    size_t space_count;
};

static int compare_watches(const void *a, const void *b)
{
    const struct vxc_watch *left = *(struct vxc_watch *const *)a;
    const struct vxc_watch *right = *(struct vxc_watch *const *)b;

    if (left->on != right->on) {
        return (uintptr_t)left->on < (uintptr_t)right->on ? -1 : 1;
    }
    return left->id < right->id ? -1 : left->id > right->id;
}

static void add_space(struct replay *replay, uint64_t namespace_id)
{
    for (size_t i = 0; i < replay->space_count; i++) {
        if (replay->spaces[i].namespace_id == namespace_id) {
            return;
        }
    }
    replay->spaces[replay->space_count].namespace_id = namespace_id;
    replay->spaces[replay->space_count].position =
        vxc_event_rows_after(&replay->fsm->watches->rows, namespace_id, replay->last_index);
    replay->space_count++;
}

static void collect_watch(struct vxc_fsm *fsm, uint64_t session, void *data, struct vxc_slice key)
{
    struct replay *replay = data;
    struct vxc_watch *watch = vxc_watch_find(fsm->watches, vxc_load_be64(key.data + 8));

    (void)session; /* the owner of what is walked */
    vxc_check(watch != NULL);
    replay->watches[replay->watch_count++] = watch;
    if (vxc_watch_is_of_state(watch->on->kind)) {
        add_space(replay, watch->on->namespace_id);
    }
}

static void replay_begin(struct vxc_fsm *fsm, uint64_t session, uint64_t last_index,
                         struct replay *replay)
{
    size_t count = vxc_session_owned_count(fsm, session, VXC_OWNED_WATCH);

    *replay = (struct replay){.fsm = fsm, .session = session, .last_index = last_index};
    replay->watches = vxc_must_calloc(count, sizeof(struct vxc_watch *));
    replay->spaces = vxc_must_calloc(count, sizeof *replay->spaces);
    replay->ring_position =
        vxc_event_ring_after(&fsm->watches->ring, last_index) + VXC_PLANTED(lost_watch_event);
    vxc_session_each_owned(fsm, session, VXC_OWNED_WATCH, collect_watch, replay);
    qsort(replay->watches, replay->watch_count, sizeof(struct vxc_watch *), compare_watches);
}

/* True when nothing that the session should have heard is gone. */
static bool reaches_back(const struct replay *replay)
{
    const struct vxc_watch_set *set = replay->fsm->watches;
    const struct vxc_session *session = vxc_session_find(replay->fsm, replay->session);

    if (replay->last_index > replay->fsm->applied_index) {
        return false; /* it has seen a history that is not ours */
    }
    if (vxc_session_notified_index(session) > replay->last_index &&
        set->ring.complete_after > replay->last_index) {
        return false;
    }
    for (size_t i = 0; i < replay->watch_count; i++) {
        const struct vxc_watch *watch = replay->watches[i];
        uint64_t from = watch->added.index == 0
                            ? 0
                            : watch->added.index - 1; /* what came before was not for it */
        uint64_t complete_after =
            vxc_watch_is_of_state(watch->on->kind)
                ? vxc_event_rows_complete_after(&set->rows, watch->on->namespace_id)
                : set->ring.complete_after;
        if (complete_after > (from > replay->last_index ? from : replay->last_index)) {
            return false;
        }
    }
    return true;
}

/* Emits the event to each watch of the session that it is for. */
static void replay_event(const struct replay *replay, uint64_t namespace_id,
                         struct vxc_event *event)
{
    struct vxc_event_place place = {event->index, event->ordinal};
    const struct vxc_watched *on;
    size_t low = 0;
    size_t high = replay->watch_count;

    if (event->kind == 0) {
        if (event->session == replay->session) {
            vxc_event_emit(replay->fsm, event);
        }
        return;
    }
    on = vxc_watched_of(replay->fsm->watches, namespace_id, event);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)replay->watches[middle]->on < (uintptr_t)on) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; on != NULL && low < replay->watch_count && replay->watches[low]->on == on; low++) {
        const struct vxc_watch *watch = replay->watches[low];
        if (vxc_watch_passes(watch, event) && !vxc_event_is_before(place, watch->added)) {
            event->session = replay->session;
            event->watch = watch->id;
            vxc_event_emit(replay->fsm, event);
        }
    }
}

/* The namespace whose next row comes first; NULL when all are at their end. */
static struct replay_space *first_space(const struct replay *replay, struct vxc_event_place *place)
{
    const struct vxc_event_rows *rows = &replay->fsm->watches->rows;
    struct replay_space *first = NULL;

    for (size_t i = 0; i < replay->space_count; i++) {
        struct replay_space *space = &replay->spaces[i];
        struct vxc_event_place next;
        if (vxc_event_rows_place(rows, space->namespace_id, space->position, &next.index,
                                 &next.ordinal) &&
            (first == NULL || vxc_event_is_before(next, *place))) {
            first = space;
            *place = next;
        }
    }
    return first;
}

/* Merges the ring and the rows in the order of their places. */
static int replay_run(struct replay *replay)
{
    struct vxc_watch_set *set = replay->fsm->watches;

    for (;;) {
        struct vxc_event_place row_place = {0, 0};
        struct replay_space *space = first_space(replay, &row_place);
        bool has_data = replay->ring_position < set->ring.count;
        struct vxc_event event;
        uint64_t namespace_id;

        if (!has_data && space == NULL) {
            return 0;
        }
        if (has_data) {
            vxc_event_ring_at(&set->ring, replay->ring_position, &namespace_id, &event);
        }
        if (space != NULL &&
            (!has_data || vxc_event_is_before(
                              row_place, (struct vxc_event_place){event.index, event.ordinal}))) {
            int rv = vxc_event_rows_at(replay->fsm, &set->rows, space->namespace_id,
                                       space->position++, &event);
            if (rv != 0) {
                return rv;
            }
            namespace_id = space->namespace_id;
        } else {
            replay->ring_position++;
        }
        replay_event(replay, namespace_id, &event);
    }
}

int vxc_fsm_replay(struct vxc_fsm *fsm, uint64_t session, uint64_t last_index)
{
    struct replay replay;
    int rv;

    if (!vxc_session_live(fsm, session)) {
        return VXC_ESESSION;
    }
    replay_begin(fsm, session, last_index, &replay);
    rv = VXC_PLANTED(resync_not_told) || reaches_back(&replay) ? replay_run(&replay) : VXC_ERESYNC;
    vxc_free(replay.watches);
    vxc_free(replay.spaces);
    return rv;
}
