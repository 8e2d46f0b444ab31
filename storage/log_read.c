/* Entries back from disk: through one window, so that reading on in order costs one read per
 * LOG_READ_WINDOW, and through the places of log_index for a jump.
 *
 * Where a truncation has left dead units behind, the place found for an index lies behind them
 * (log_index.h), so the first unit from there on that holds the index is the live one. Whatever is
 * read is checked again: header, record CRC, index and the term that the log remembers.
 */
#include "log_internal.h"

#include "base/check.h"
#include "storage/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void log_read_reset(struct vxc_log *log)
{
    log->reader.at_unit = false;
    log->reader.window_size = 0;
}

void log_read_written(struct vxc_log *log, uint64_t segment, uint64_t offset)
{
    struct log_reader *r = &log->reader;

    if (r->segment == segment && r->window_size > 0 && offset < r->window_offset + r->window_size) {
        r->window_size = offset > r->window_offset ? (size_t)(offset - r->window_offset) : 0;
    }
}

static void close_segment(struct log_reader *r)
{
    if (r->fd >= 0) {
        (void)close(r->fd); /* opened for reading */
        r->fd = -1;
    }
    r->at_unit = false;
    r->window_size = 0;
}

void log_read_deinit(struct vxc_log *log)
{
    close_segment(&log->reader);
    vxc_disk_memory_free(log->reader.window);
    log->reader.window = NULL;
}

static struct log_segment *segment_by_number(const struct vxc_log *log, uint64_t number)
{
    uint64_t first = log->segment_count == 0 ? 0 : log->segments[0]->number;

    return number < first || number - first >= log->segment_count ? NULL
                                                                  : log->segments[number - first];
}

static int open_segment(struct vxc_log *log, const struct log_segment *segment,
                        struct vxc_error *err)
{
    struct log_reader *r = &log->reader;
    int rv;

    if (r->fd >= 0 && r->segment == segment->number) {
        return 0;
    }
    close_segment(r);
    rv = vxc_disk_open_block(log->folder, segment->name, O_RDONLY, &r->fd);
    if (rv != 0) {
        r->fd = -1;
        return vxc_error_set(err, rv, "%s/%s: open: %s", log->path, segment->name, strerror(errno));
    }
    r->segment = segment->number;
    return 0;
}

/* Has [offset, offset + size) of the segment in the window. */
static int fill(struct vxc_log *log, const struct log_segment *segment, uint64_t offset,
                size_t size, struct vxc_error *err)
{
    struct log_reader *r = &log->reader;
    size_t wanted = size > LOG_READ_WINDOW ? (size_t)vxc_disk_round_up(size) : LOG_READ_WINDOW;
    int rv;

    if (r->window_size > 0 && offset >= r->window_offset &&
        offset + size <= r->window_offset + r->window_size) {
        return 0;
    }
    if (wanted > segment->size - offset) {
        wanted = (size_t)(segment->size - offset);
    }
    if (wanted > r->capacity || (r->capacity > LOG_READ_KEEP && wanted <= LOG_READ_KEEP)) {
        vxc_disk_memory_free(r->window);
        r->capacity = wanted > LOG_READ_WINDOW ? wanted : LOG_READ_WINDOW;
        r->window = vxc_disk_memory(r->capacity);
        r->window_size = 0;
        if (r->window == NULL) {
            r->capacity = 0;
            return vxc_error_set(err, VXC_ENOMEM, "%s: out of memory", log->path);
        }
    }
    r->window_size = 0;
    rv = vxc_disk_read(r->fd, offset, r->window, wanted);
    if (rv != 0) {
        return vxc_error_set(err, VXC_EIO, "%s/%s: offset %" PRIu64 ": read: %s", log->path,
                             segment->name, offset, strerror(errno));
    }
    r->window_offset = offset;
    r->window_size = wanted;
    return 0;
}

/* The live unit with this entry, looked for from a place on. */
static int seek_unit(struct vxc_log *log, uint64_t index, struct vxc_error *err)
{
    struct log_reader *r = &log->reader;
    const struct vxc_log_place *place = vxc_log_index_find(&log->index, index);
    uint64_t number, offset;
    const struct log_segment *segment;

    vxc_check(place != NULL);
    number = place->segment;
    offset = place->offset;
    if (r->at_unit && r->unit.first_index <= index &&
        (r->segment > number || (r->segment == number && r->unit.offset >= offset))) {
        number = r->segment; /* further on than the place: reading in order */
        offset = r->unit.offset;
    }
    while ((segment = segment_by_number(log, number)) != NULL) {
        struct vxc_log_unit_header h;
        int rv;

        if (offset + VXC_LOG_BLOCK_SIZE > segment->offset) { /* behind its last unit */
            number++;
            offset = VXC_LOG_BLOCK_SIZE;
            continue;
        }
        rv = open_segment(log, segment, err);
        if (rv == 0) {
            rv = fill(log, segment, offset, VXC_LOG_BLOCK_SIZE, err);
        }
        if (rv != 0) {
            return rv;
        }
        rv = vxc_log_unit_decode(
            vxc_slice(r->window + (offset - r->window_offset), VXC_LOG_BLOCK_SIZE), &h, NULL);
        if (rv != 0 || h.log_id != log->identity.log_id || h.segment != number ||
            h.offset != offset) {
            return vxc_error_set(err, VXC_ECORRUPT,
                                 "%s/%s: offset %" PRIu64
                                 ": damaged unit (looking for entry %" PRIu64 ")",
                                 log->path, segment->name, offset, index);
        }
        if (h.kind == VXC_LOG_UNIT_ENTRIES && index >= h.first_index &&
            index - h.first_index < h.count) {
            if (!r->at_unit || r->unit.sequence != h.sequence) {
                r->unit = h;
                r->at_unit = true;
                r->record_index = h.first_index;
                r->record_offset = VXC_LOG_UNIT_HEADER_SIZE;
            }
            return fill(log, segment, offset, h.size, err);
        }
        offset += h.size;
    }
    return vxc_error_set(err, VXC_ECORRUPT, "%s: entry %" PRIu64 " is not where it was", log->path,
                         index);
}

static int read_record(struct vxc_log *log, uint64_t index, struct vxc_log_record *record,
                       struct vxc_error *err)
{
    struct log_reader *r = &log->reader;
    const uint8_t *unit;
    uint32_t end;
    int rv = seek_unit(log, index, err);

    if (rv != 0) {
        r->at_unit = false;
        return rv;
    }
    if (r->record_index > index) { /* a step back within the unit */
        r->record_index = r->unit.first_index;
        r->record_offset = VXC_LOG_UNIT_HEADER_SIZE;
    }
    unit = r->window + (r->unit.offset - r->window_offset);
    end = VXC_LOG_UNIT_HEADER_SIZE + r->unit.body_size;
    for (;;) {
        uint32_t size;
        rv = vxc_log_record_decode(vxc_slice(unit + r->record_offset, end - r->record_offset),
                                   record, &size, NULL);
        if (rv != 0 || record->index != r->record_index ||
            (record->index == index && record->term != vxc_log_term(log, index))) {
            r->at_unit = false;
            return vxc_error_set(err, VXC_ECORRUPT,
                                 "%s/%s: offset %" PRIu64 ": entry %" PRIu64 " is damaged",
                                 log->path, segment_by_number(log, r->segment)->name,
                                 r->unit.offset + r->record_offset, r->record_index);
        }
        if (record->index == index) {
            return 0; /* stays at it: asked again, it is found again */
        }
        r->record_index++;
        r->record_offset += size;
    }
}

int log_read_entry(struct vxc_log *log, uint64_t index, struct vxc_log_entry *entry,
                   struct vxc_error *err)
{
    struct vxc_log_record record;
    int rv = read_record(log, index, &record, err);

    if (rv == 0) {
        *entry = (struct vxc_log_entry){record.index, record.term, record.type, record.payload};
    }
    return rv;
}

int log_read_chain(struct vxc_log *log, uint64_t index, uint32_t *chain, struct vxc_error *err)
{
    struct vxc_log_record record;
    const struct log_unit *unit;
    uint32_t size;
    int rv;

    if (index == log->last_index) {
        *chain = log->last_chain;
        return 0;
    }
    if (index + 1 == log->first_index) {
        *chain = log->segment_count == 0 ? 0 : log->segments[0]->first_chain;
        return 0;
    }
    unit = log_unit_find(log, index);
    if (unit == NULL) {
        rv = read_record(log, index, &record, err);
    } else {
        uint32_t at = unit->offsets[index - unit->first_index];
        rv =
            vxc_log_record_decode(vxc_slice(unit->data + at, unit->size - at), &record, &size, err);
    }
    if (rv == 0) {
        *chain = record.crc;
    }
    return rv;
}
