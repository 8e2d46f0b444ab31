#include "log_index.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"

#include <string.h>

enum { CAPACITY_FIRST = 16 };

/* Makes room for one more item of the given size. */
static int grow(void **items, size_t count, size_t *capacity, size_t item_size)
{
    size_t more = *capacity == 0 ? CAPACITY_FIRST : *capacity * 2;
    void *grown;

    if (count < *capacity) {
        return 0;
    }
    grown = vxc_realloc(*items, more * item_size);
    if (grown == NULL) {
        return VXC_ENOMEM;
    }
    *items = grown;
    *capacity = more;
    return 0;
}

void vxc_log_index_deinit(struct vxc_log_index *ix)
{
    vxc_free(ix->runs);
    vxc_free(ix->places);
    memset(ix, 0, sizeof *ix);
}

int vxc_log_index_add(struct vxc_log_index *ix, uint64_t index, uint64_t term, uint16_t type)
{
    const struct vxc_log_run *last = ix->run_count == 0 ? NULL : &ix->runs[ix->run_count - 1];
    void *items = ix->runs;
    int rv;

    if (last != NULL && last->term == term && last->type == type) {
        return 0;
    }
    rv = grow(&items, ix->run_count, &ix->run_capacity, sizeof *ix->runs);
    ix->runs = items;
    if (rv == 0) {
        ix->runs[ix->run_count++] = (struct vxc_log_run){index, term, type};
    }
    return rv;
}

void vxc_log_index_place(struct vxc_log_index *ix, uint64_t index, uint64_t segment,
                         uint64_t offset)
{
    const struct vxc_log_place *last =
        ix->place_count == 0 ? NULL : &ix->places[ix->place_count - 1];
    void *items = ix->places;

    if (last != NULL && !ix->want_place && last->segment == segment &&
        offset - last->offset < VXC_LOG_INDEX_STRIDE) {
        return;
    }
    if (grow(&items, ix->place_count, &ix->place_capacity, sizeof *ix->places) != 0) {
        return;
    }
    ix->places = items;
    ix->places[ix->place_count++] = (struct vxc_log_place){index, segment, offset};
    ix->want_place = false;
}

void vxc_log_index_truncate(struct vxc_log_index *ix, uint64_t index)
{
    while (ix->run_count > 0 && ix->runs[ix->run_count - 1].first_index >= index) {
        ix->run_count--;
    }
    while (ix->place_count > 0 && ix->places[ix->place_count - 1].index >= index) {
        ix->place_count--;
    }
    ix->want_place = true;
}

void vxc_log_index_drop(struct vxc_log_index *ix, uint64_t index, uint64_t segment)
{
    size_t n = 0;

    while (n + 1 < ix->run_count && ix->runs[n + 1].first_index <= index) {
        n++;
    }
    if (n > 0) {
        ix->run_count -= n;
        memmove(ix->runs, ix->runs + n, ix->run_count * sizeof *ix->runs);
    }
    n = 0;
    while (n < ix->place_count && ix->places[n].segment < segment) {
        n++;
    }
    if (n > 0) {
        ix->place_count -= n;
        memmove(ix->places, ix->places + n, ix->place_count * sizeof *ix->places);
    }
}

const struct vxc_log_run *vxc_log_index_run(const struct vxc_log_index *ix, uint64_t index)
{
    size_t low = 0;
    size_t high = ix->run_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ix->runs[middle].first_index <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? NULL : &ix->runs[low - 1];
}

/* How many places are at or before index. */
static size_t places_before(const struct vxc_log_index *ix, uint64_t index)
{
    size_t low = 0;
    size_t high = ix->place_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ix->places[middle].index <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct vxc_log_place *vxc_log_index_find(const struct vxc_log_index *ix, uint64_t index)
{
    const size_t count = places_before(ix, index);

    return count == 0 ? NULL : &ix->places[count - 1];
}

uint64_t vxc_log_index_bytes_after(const struct vxc_log_index *ix, uint64_t index)
{
    const struct vxc_log_place *from = vxc_log_index_find(ix, index);
    const struct vxc_log_place *last;

    if (ix->place_count == 0) {
        return 0;
    }
    from = from == NULL ? &ix->places[0] : from;
    last = &ix->places[ix->place_count - 1];
    return (last->segment - from->segment) * VXC_LOG_SEGMENT_SIZE + last->offset - from->offset;
}
