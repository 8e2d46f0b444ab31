#include "fsm/event_ring.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"
#include "fsm/memory.h"

enum { CAPACITY_FIRST = 256 };

struct vxc_event_record {
    struct vxc_event event; /* its slices point into bytes */
    uint64_t namespace_id;
    size_t size; /* of the whole record, for the bound */
    uint8_t bytes[];
};

void vxc_event_ring_init(struct vxc_event_ring *ring, uint64_t complete_after)
{
    *ring = (struct vxc_event_ring){.complete_after = complete_after};
}

static struct vxc_event_record **slot(const struct vxc_event_ring *ring, size_t position)
{
    return &ring->records[(ring->head + position) & (ring->capacity - 1)];
}

void vxc_event_ring_deinit(struct vxc_event_ring *ring)
{
    for (size_t i = 0; i < ring->count; i++) {
        vxc_free(*slot(ring, i));
    }
    vxc_free(ring->records);
    *ring = (struct vxc_event_ring){0};
}

static void grow(struct vxc_event_ring *ring)
{
    size_t capacity = ring->capacity == 0 ? CAPACITY_FIRST : ring->capacity * 2;
    struct vxc_event_record **records = vxc_must_calloc(capacity, sizeof *records);

    for (size_t i = 0; i < ring->count; i++) {
        records[i] = *slot(ring, i);
    }
    vxc_free(ring->records);
    ring->records = records;
    ring->capacity = capacity;
    ring->head = 0;
}

static void drop_oldest(struct vxc_event_ring *ring)
{
    struct vxc_event_record *record = *slot(ring, 0);

    ring->complete_after = record->event.index;
    ring->bytes -= record->size;
    ring->head = (ring->head + 1) & (ring->capacity - 1);
    ring->count--;
    vxc_free(record);
}

/* Moves *part behind the bytes already taken; one that was not given stays not given. */
static uint8_t *take_in(struct vxc_slice *part, uint8_t *at)
{
    if (part->data == NULL) {
        return at;
    }
    if (part->size != 0) {
        memcpy(at, part->data, part->size);
    }
    part->data = at;
    return at + part->size;
}

void vxc_event_ring_add(struct vxc_event_ring *ring, uint64_t namespace_id,
                        const struct vxc_event *event)
{
    size_t size = sizeof(struct vxc_event_record) + event->name.size + event->key.size +
                  event->value.size + event->view.size;
    struct vxc_event_record *record = vxc_must_calloc(1, size);
    uint8_t *at = record->bytes;

    vxc_check(ring->count == 0 || (*slot(ring, ring->count - 1))->event.index <= event->index);
    record->event = *event;
    record->namespace_id = namespace_id;
    record->size = size;
    at = take_in(&record->event.name, at);
    at = take_in(&record->event.key, at);
    at = take_in(&record->event.value, at);
    (void)take_in(&record->event.view, at); /* the last part */
    if (ring->count == ring->capacity) {
        grow(ring);
    }
    ring->count++;
    *slot(ring, ring->count - 1) = record;
    ring->bytes += size;
    while (ring->bytes > VXC_EVENT_HISTORY_BYTES) {
        drop_oldest(ring);
    }
}

size_t vxc_event_ring_after(const struct vxc_event_ring *ring, uint64_t last_index)
{
    size_t low = 0;
    size_t high = ring->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((*slot(ring, middle))->event.index <= last_index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void vxc_event_ring_at(const struct vxc_event_ring *ring, size_t position, uint64_t *namespace_id,
                       struct vxc_event *event)
{
    const struct vxc_event_record *record = *slot(ring, position);

    vxc_check(position < ring->count);
    *namespace_id = record->namespace_id;
    *event = record->event;
}
