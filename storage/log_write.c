/* From append to durable: units are filled, placed, issued, collected; truncation and markers.
 *
 * At most VXC_LOG_INFLIGHT_MAX units are issued beyond the contiguous durable prefix (not merely
 * unfinished: a unit that finished early still counts), so a crash leaves a hole of fewer units
 * than that. While all slots are taken the last unit stays open and collects more entries: group
 * commit.
 */
#include "log_internal.h"

#include "base/check.h"
#include "storage/disk.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

uint64_t log_now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- append ---- */

/* The unit that takes the next entry, or NULL. */
static struct log_unit *open_unit(const struct vxc_log *log)
{
    struct log_unit *unit;

    if (log->units_end == log->units_issued) {
        return NULL;
    }
    unit = log_unit_at(log, log->units_end - 1);
    return unit->kind == VXC_LOG_UNIT_ENTRIES ? unit : NULL;
}

static int unit_for(struct vxc_log *log, uint32_t size, struct log_unit **found)
{
    struct log_unit *unit = open_unit(log);
    bool fits = false;
    int rv = 0;

    if (unit != NULL) {
        rv = log_unit_reserve(log, unit, size, &fits);
        if (rv != 0) {
            return rv;
        }
    }
    if (log_segment_is_full(log, fits ? size : VXC_LOG_UNIT_HEADER_SIZE + size)) {
        log_segment_upkeep(log);
        return VXC_ENOSPC;
    }
    if (!fits) {
        if (unit != NULL && log->unit_capacity < LOG_UNIT_SIZE_TARGET) {
            log->unit_capacity *= 2; /* one turn fills more than a unit */
        }
        rv = log_unit_begin(log, VXC_LOG_UNIT_ENTRIES, size, &unit);
        if (rv != 0) {
            return rv;
        }
        rv = log_unit_reserve(log, unit, size, &fits);
        if (rv != 0) {
            log_unit_pop(log);
            return rv;
        }
        vxc_check(fits);
    }
    *found = unit;
    return 0;
}

int vxc_log_append(struct vxc_log *log, uint64_t index, uint64_t term, uint16_t type,
                   struct vxc_slice payload)
{
    struct vxc_log_record record = {index, term, type, log->last_chain, 0, payload};
    struct log_unit *unit;
    int rv;

    if (log->read_only) {
        return VXC_EREADONLY;
    }
    if (index != log->last_index + 1 || term == 0 || term < log->last_term ||
        type < VXC_LOG_COMMAND || type > VXC_LOG_CHANGE) {
        return VXC_EINVAL;
    }
    if (payload.size > VXC_ENTRY_SIZE_MAX) {
        return VXC_ETOOBIG;
    }
    rv = unit_for(log, vxc_log_record_size(payload.size), &unit);
    if (rv != 0) {
        return rv;
    }
    rv = vxc_log_index_add(&log->index, index, term, type);
    if (rv != 0) {
        if (unit->count == 0) {
            log_unit_pop(log);
        }
        return rv;
    }
    log_unit_put(unit, &record, &log->last_chain);
    log->last_index = index;
    log->last_term = term;
    return 0;
}

/* ---- issue ---- */

/* The next buffer is as large as the recent units ask for, shrinking slowly. */
static void learn_capacity(struct vxc_log *log, size_t size)
{
    size_t want = 2 * size;
    size_t slow = log->unit_capacity - log->unit_capacity / 8;

    want = want > slow ? want : slow;
    want = want < LOG_UNIT_CAPACITY_MIN ? LOG_UNIT_CAPACITY_MIN : want;
    log->unit_capacity = want > LOG_UNIT_SIZE_TARGET ? LOG_UNIT_SIZE_TARGET : want;
}

static bool issue_unit(struct vxc_log *log, struct log_unit *unit)
{
    uint64_t size = vxc_disk_round_up(unit->size);
    struct vxc_log_unit_header header = {.size = (uint32_t)size,
                                         .kind = unit->kind,
                                         .count = unit->count,
                                         .log_id = log->identity.log_id,
                                         .durable_sequence = log->durable_sequence,
                                         .durable_index = log->durable_index,
                                         .first_index = unit->first_index,
                                         .prev_term = unit->prev_term,
                                         .prev_chain = unit->prev_chain};
    struct log_segment *segment;

    if (!log_segment_room(log, size, unit->first_index, unit->prev_term, unit->prev_chain,
                          &segment)) {
        return false;
    }
    header.body_size = (uint32_t)unit->size - VXC_LOG_UNIT_HEADER_SIZE;
    header.segment = segment->number;
    header.offset = segment->offset;
    header.sequence = log->next_sequence++;
    vxc_log_unit_encode(&header, unit->data);
    memset(unit->data + unit->size, 0, (size_t)size - unit->size);

    unit->sequence = header.sequence;
    unit->segment = segment;
    unit->issued_us = log_now_us();
    unit->write = (struct vxc_log_write){.owner = unit,
                                         .fd = segment->fd,
                                         .offset = segment->offset,
                                         .data = unit->data,
                                         .size = (size_t)size};
    log->marked_sequence = log->durable_sequence;
    if (unit->kind != VXC_LOG_UNIT_MARKER) {
        log->content_sequence = header.sequence;
    }
    if (unit->count > 0) {
        log->issued_index = unit->first_index + unit->count - 1;
        vxc_log_index_place(&log->index, unit->first_index, segment->number, segment->offset);
        learn_capacity(log, unit->size);
    }
    segment->offset += size;
    log->stats.units_total++;
    log->stats.bytes_total += size;
    log->device->submit(log->device, &unit->write);
    return true;
}

void log_issue(struct vxc_log *log)
{
    while (log->units_issued < log->units_flushed &&
           log->units_issued - log->units_durable < VXC_LOG_INFLIGHT_MAX &&
           issue_unit(log, log_unit_at(log, log->units_issued))) {
        log->units_issued++;
    }
    log_segment_upkeep(log);
}

int vxc_log_flush(struct vxc_log *log)
{
    if (log->read_only) {
        return VXC_EREADONLY;
    }
    log->units_flushed = log->units_end;
    log_issue(log);
    return log->units_issued < log->units_end && log_segment_no_space(log) &&
                   log->units_issued == log->units_durable
               ? VXC_ENOSPC
               : 0;
}

/* ---- completion ---- */

static void collect_writes(struct vxc_log *log)
{
    struct vxc_log_write *write;

    while ((write = log->device->collect(log->device)) != NULL) {
        struct log_unit *unit = write->owner;
        uint64_t us = log_now_us() - unit->issued_us;

        if (write->result != 0) {
            vxc_fatal("%s/%s: writing %zu bytes at offset %" PRIu64 " failed: %s", log->path,
                      unit->segment->name, write->size, write->offset, strerror(write->result));
        }
        unit->written = true;
        log_read_written(log, unit->segment->number, write->offset);
        log->stats.flush_us_last = us;
        log->stats.flush_us_max = us > log->stats.flush_us_max ? us : log->stats.flush_us_max;
    }
}

/* Moves over the contiguous prefix of written units whose segments are in place. */
static bool advance(struct vxc_log *log)
{
    uint64_t before = log->durable_index;

    while (log->units_durable < log->units_issued) {
        const struct log_unit *unit = log_unit_at(log, log->units_durable);
        if (!unit->written || !unit->segment->active) {
            break;
        }
        vxc_check(unit->sequence == log->durable_sequence + 1);
        log->durable_sequence = unit->sequence;
        if (unit->count > 0) {
            log->durable_index = unit->first_index + unit->count - 1;
        }
        log->units_durable++;
    }
    return log->durable_index != before;
}

bool vxc_log_poll(struct vxc_log *log)
{
    bool moved;

    if (log->read_only) {
        return false;
    }
    if (log->device->event_fd >= 0) {
        eventfd_t count;
        (void)eventfd_read(log->device->event_fd, &count); /* nothing to read: nothing to clear */
    }
    vxc_log_keeper_collect(log->keeper);
    collect_writes(log);
    moved = advance(log);
    log_issue(log);
    log_unit_collect(log);
    return moved;
}

/* Something will finish: a write, a job. */
static bool is_waiting_for_disk(const struct vxc_log *log)
{
    if (log->jobs > 0) {
        return true;
    }
    for (uint64_t i = log->units_durable; i < log->units_issued; i++) {
        if (!log_unit_at(log, i)->written) {
            return true;
        }
    }
    return false;
}

static void wait_for_progress(struct vxc_log *log)
{
    if (is_waiting_for_disk(log)) {
        log->device->wait(log->device);
    } else {
        (void)poll(NULL, 0, LOG_SPACE_RETRY_MS / 10); /* no space: until it is tried again */
    }
    (void)vxc_log_poll(log);
}

void log_drain(struct vxc_log *log)
{
    (void)vxc_log_poll(log);
    while (log->units_durable < log->units_issued) {
        wait_for_progress(log);
    }
}

void log_settle(struct vxc_log *log)
{
    (void)vxc_log_poll(log);
    while (is_waiting_for_disk(log)) {
        wait_for_progress(log);
    }
}

void vxc_log_sync(struct vxc_log *log)
{
    if (log->read_only) {
        return;
    }
    (void)vxc_log_flush(log); /* lack of space shows in the loop */
    (void)vxc_log_poll(log);
    while (log->units_durable < log->units_end) {
        if (log_segment_no_space(log) && !is_waiting_for_disk(log)) {
            return;
        }
        wait_for_progress(log);
    }
}

/* ---- markers ---- */

void log_mark(struct vxc_log *log)
{
    struct log_unit *unit;

    if (log->content_sequence <= log->marked_sequence || log->units_end != log->units_durable ||
        log_segment_no_space(log)) {
        return;
    }
    if (log_unit_begin(log, VXC_LOG_UNIT_MARKER, 0, &unit) == 0) {
        log->units_flushed = log->units_end;
        log_issue(log);
    }
}

uint64_t vxc_log_idle(struct vxc_log *log, uint64_t now_ms)
{
    if (log->read_only) {
        return UINT64_MAX;
    }
    if (log->idle_sequence != log->next_sequence) {
        log->idle_sequence = log->next_sequence;
        log->idle_since_ms = now_ms;
    }
    if (log_segment_no_space(log)) {
        log_issue(log); /* tries again when it is time */
        return LOG_SPACE_RETRY_MS;
    }
    if (log->content_sequence <= log->marked_sequence) {
        return UINT64_MAX;
    }
    if (now_ms - log->idle_since_ms < VXC_LOG_MARKER_IDLE_MS) {
        return VXC_LOG_MARKER_IDLE_MS - (now_ms - log->idle_since_ms);
    }
    log_mark(log);
    return log->content_sequence <= log->marked_sequence ? UINT64_MAX : VXC_LOG_MARKER_IDLE_MS;
}

/* ---- truncation ---- */

void log_unit_forget_waiting(struct vxc_log *log)
{
    while (log->units_end > log->units_issued) {
        log_unit_pop(log);
    }
    log->units_flushed = log->units_issued;
}

/* In memory: entries ≥ index are gone. */
static void forget_entries(struct vxc_log *log, uint64_t index, uint64_t prev_term,
                           uint32_t prev_chain)
{
    for (uint64_t i = log->units_begin; i < log->units_end; i++) {
        log_unit_cut(log_unit_at(log, i), index);
    }
    for (size_t i = log->segment_count; i > 0 && log->segments[i - 1]->first_index > index; i--) {
        log->segments[i - 1]->first_index = index;
        log->segments[i - 1]->first_chain = prev_chain;
    }
    vxc_log_index_truncate(&log->index, index);
    log_read_reset(log);
    log->last_index = index - 1;
    log->last_term = prev_term;
    log->last_chain = prev_chain;
    if (log->durable_index >= index) {
        log->durable_index = index - 1;
    }
    if (log->released_index >= index) {
        log->released_index = index - 1;
    }
}

/* Units that were never issued are simply shortened; there is nothing on disk to take back. */
static void truncate_waiting(struct vxc_log *log, uint64_t index, uint64_t prev_term,
                             uint32_t prev_chain)
{
    forget_entries(log, index, prev_term, prev_chain);
    while (log->units_end > log->units_issued &&
           log_unit_at(log, log->units_end - 1)->kind == VXC_LOG_UNIT_ENTRIES &&
           log_unit_at(log, log->units_end - 1)->count == 0) {
        log_unit_pop(log);
    }
    if (log->units_flushed > log->units_end) {
        log->units_flushed = log->units_end;
    }
}

int vxc_log_truncate(struct vxc_log *log, uint64_t index, struct vxc_error *err)
{
    uint64_t prev_term = vxc_log_term(log, index - 1);
    struct log_unit *unit;
    uint32_t prev_chain;
    int rv;

    if (log->read_only) {
        return vxc_error_set(err, VXC_EREADONLY, "%s: opened read-only", log->path);
    }
    if (index > log->last_index) {
        return 0;
    }
    if (index <= log->base.index || index < log->first_index) {
        return vxc_error_set(err, VXC_EINVAL,
                             "%s: entry %" PRIu64 " is covered by the state: it cannot be removed",
                             log->path, index);
    }
    rv = log_read_chain(log, index - 1, &prev_chain, err);
    if (rv != 0) {
        return rv;
    }
    if (index > log->issued_index) {
        truncate_waiting(log, index, prev_term, prev_chain);
        return 0;
    }
    if (log_segment_is_full(log, VXC_LOG_UNIT_HEADER_SIZE)) {
        return vxc_error_set(err, VXC_ENOSPC, "%s: no space to truncate", log->path);
    }
    log_unit_forget_waiting(log);
    log_drain(log);
    forget_entries(log, index, prev_term, prev_chain);
    log->issued_index = index - 1;
    rv = log_unit_begin(log, VXC_LOG_UNIT_TRUNCATE, 0, &unit);
    if (rv != 0) {
        vxc_fatal("%s: out of memory while truncating", log->path);
    }
    /* Nothing appended from now on counts as durable before this unit does. */
    vxc_log_sync(log);
    return 0;
}
