/* Write units in memory: the ring, the buffers' pool, entries into units and back. */
#include "log_internal.h"

#include "base/check.h"
#include "base/memory.h"
#include "storage/disk.h"

#include <string.h>

enum { RING_SIZE_FIRST = 64, OFFSETS_FIRST = 32 };

static_assert((size_t)LOG_UNIT_CAPACITY_MIN << (LOG_POOL_CLASSES - 1) >= VXC_LOG_UNIT_SIZE_MAX,
              "the largest class holds the largest unit");
static_assert(LOG_UNIT_CAPACITY_MIN % VXC_LOG_BLOCK_SIZE == 0, "units end at blocks");

static unsigned pool_class(size_t capacity)
{
    unsigned class = 0;

    while (((size_t)LOG_UNIT_CAPACITY_MIN << class) < capacity) {
        class ++;
    }
    vxc_check(class < LOG_POOL_CLASSES);
    return class;
}

static struct log_unit *unit_take(struct vxc_log *log, size_t capacity)
{
    unsigned class = pool_class(capacity);
    struct log_unit *unit = log->pool[class];

    if (unit != NULL) {
        log->pool[class] = unit->next;
        log->pool_bytes -= unit->capacity;
        return unit;
    }
    unit = vxc_calloc(1, sizeof *unit);
    if (unit == NULL) {
        return NULL;
    }
    unit->capacity = (size_t)LOG_UNIT_CAPACITY_MIN << class;
    unit->data = vxc_disk_memory(unit->capacity);
    if (unit->data == NULL) {
        vxc_free(unit);
        return NULL;
    }
    return unit;
}

static void unit_free(struct log_unit *unit)
{
    vxc_disk_memory_free(unit->data);
    vxc_free(unit->offsets);
    vxc_free(unit);
}

static void unit_give_back(struct vxc_log *log, struct log_unit *unit)
{
    unsigned class = pool_class(unit->capacity);

    log->stats.bytes_in_memory -= unit->capacity;
    if (log->pool_bytes + unit->capacity > LOG_POOL_BYTES_MAX) {
        unit_free(unit);
        return;
    }
    unit->next = log->pool[class];
    log->pool[class] = unit;
    log->pool_bytes += unit->capacity;
}

/* The ring doubles when full; positions stay, for they are taken modulo its size. */
static int ring_reserve(struct vxc_log *log)
{
    size_t size = log->units == NULL ? 0 : log->unit_mask + 1;
    size_t more = size == 0 ? RING_SIZE_FIRST : size * 2;
    struct log_unit **units;

    if (log->units_end - log->units_begin < size) {
        return 0;
    }
    units = vxc_calloc(more, sizeof *units);
    if (units == NULL) {
        return VXC_ENOMEM;
    }
    for (uint64_t i = log->units_begin; i < log->units_end; i++) {
        units[i & (more - 1)] = log->units[i & log->unit_mask];
    }
    vxc_free(log->units);
    log->units = units;
    log->unit_mask = more - 1;
    return 0;
}

int log_unit_begin(struct vxc_log *log, uint16_t kind, size_t size, struct log_unit **unit)
{
    size_t capacity = VXC_LOG_UNIT_HEADER_SIZE + size;
    struct log_unit *u;
    int rv = ring_reserve(log);

    if (rv != 0) {
        return rv;
    }
    if (kind == VXC_LOG_UNIT_ENTRIES && capacity < log->unit_capacity) {
        capacity = log->unit_capacity;
    }
    u = unit_take(log, capacity);
    if (u == NULL) {
        return VXC_ENOMEM;
    }
    u->kind = kind;
    u->size = VXC_LOG_UNIT_HEADER_SIZE;
    u->count = 0;
    u->first_index = log->last_index + 1;
    u->prev_term = log->last_term;
    u->prev_chain = log->last_chain;
    u->sequence = 0;
    u->segment = NULL;
    u->written = false;
    log->stats.bytes_in_memory += u->capacity;
    log->units[log->units_end++ & log->unit_mask] = u;
    *unit = u;
    return 0;
}

int log_unit_reserve(const struct vxc_log *log, struct log_unit *unit, uint32_t size, bool *fits)
{
    *fits = unit->size + size <= unit->capacity &&
            (unit->count == 0 || unit->size + size <= log->unit_target);
    if (*fits && unit->count == unit->offsets_capacity) {
        uint32_t more = unit->offsets_capacity == 0 ? OFFSETS_FIRST : unit->offsets_capacity * 2;
        uint32_t *offsets = vxc_realloc(unit->offsets, more * sizeof *offsets);
        if (offsets == NULL) {
            return VXC_ENOMEM;
        }
        unit->offsets = offsets;
        unit->offsets_capacity = more;
    }
    return 0;
}

void log_unit_put(struct log_unit *unit, const struct vxc_log_record *record, uint32_t *crc)
{
    vxc_check(record->index == unit->first_index + unit->count);
    unit->offsets[unit->count++] = (uint32_t)unit->size;
    *crc = vxc_log_record_encode(record, unit->data + unit->size);
    unit->size += vxc_log_record_size(record->payload.size);
}

void log_unit_cut(struct log_unit *unit, uint64_t index)
{
    /* Wholly cut units begin at the cut, so that the ring stays in order for log_unit_find. */
    if (index <= unit->first_index) {
        unit->first_index = index;
        unit->size = VXC_LOG_UNIT_HEADER_SIZE;
        unit->count = 0;
    } else if (index - unit->first_index < unit->count) {
        unit->count = (uint32_t)(index - unit->first_index);
        unit->size = unit->offsets[unit->count];
    }
}

struct log_unit *log_unit_find(const struct vxc_log *log, uint64_t index)
{
    uint64_t low = log->units_begin;
    uint64_t high = log->units_end;
    struct log_unit *unit;

    while (low < high) { /* the last unit that begins at or before index */
        uint64_t middle = low + (high - low) / 2;
        if (log_unit_at(log, middle)->first_index <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == log->units_begin) {
        return NULL;
    }
    unit = log_unit_at(log, low - 1);
    return index - unit->first_index < unit->count ? unit : NULL;
}

void log_unit_collect(struct vxc_log *log)
{
    while (log->units_begin < log->units_durable) {
        struct log_unit *unit = log_unit_at(log, log->units_begin);
        if (unit->count > 0 && unit->first_index + unit->count - 1 > log->released_index) {
            return;
        }
        log->units_begin++;
        unit_give_back(log, unit);
    }
}

void log_unit_pop(struct vxc_log *log)
{
    vxc_check(log->units_end > log->units_begin);
    unit_give_back(log, log_unit_at(log, --log->units_end));
}

void log_unit_deinit(struct vxc_log *log)
{
    while (log->units_end > log->units_begin) {
        log_unit_pop(log);
    }
    for (unsigned class = 0; class < LOG_POOL_CLASSES; class ++) {
        while (log->pool[class] != NULL) {
            struct log_unit *unit = log->pool[class];
            log->pool[class] = unit->next;
            unit_free(unit);
        }
    }
    vxc_free(log->units);
    log->units = NULL;
}
