/* Recovery: what is on disk → what the log holds. The rules are written down in docs/format.md.
 *
 * Units are read in order of segment and place; each must carry the next sequence. The first place
 * where the next unit is not found is the end of the log, or a hole. Whatever lies behind it is
 * searched for valid unit headers (right log, segment and place), and the highest durable sequence
 * that any of them carries, or that the base record carries, decides: if it reaches the missing
 * unit, that one was durable once, and this is damage: reported, never cut. If not, it is a torn
 * tail: at most VXC_LOG_INFLIGHT_MAX units that were in flight together, none of which was ever
 * acknowledged unless the last marker was lost with it (the uncovered window of docs/format.md). A
 * torn tail is cut: the base record stops counting later segments, these are unlinked, the rest of
 * this one is zeroed, and all is flushed before open returns.
 */
#include "log_internal.h"

#include "base/check.h"
#include "base/memory.h"
#include "storage/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One segment file as found in the folder. */
struct found {
    uint64_t number;
    uint64_t first_index;
    char name[VXC_LOG_SEGMENT_NAME_SIZE];
};

struct scan {
    struct vxc_log *log;
    struct vxc_error *err;
    struct found *files; /* in order of number, from record.first_segment on */
    size_t file_count, file_capacity;
    /* the window, for one segment at a time */
    int fd;
    size_t fd_file; /* whose it is: of files[] */
    uint8_t *window;
    size_t capacity;
    uint64_t window_offset;
    size_t window_size;
    /* what was seen */
    uint64_t sequence; /* that the next unit must carry; 0 = not known yet */
    uint64_t evidence; /* highest durable sequence that anything valid carries */
    uint64_t content;  /* sequence of the last unit that is no marker */
    /* the first place without its unit */
    size_t hole_file;
    uint64_t hole_offset;
    struct vxc_error hole_err;
    uint64_t garbage_end; /* in the hole's file: end of what is not zero */
    /* where a record visit adds to */
    int visit_rv;
};

/* ---- the folder ---- */

static int compare_found(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static int note_file(struct scan *s, const char *name)
{
    struct found f;

    if (!vxc_log_segment_parse(name, &f.number, &f.first_index)) {
        size_t length = strlen(name);
        bool part = length > 5 && strcmp(name + length - 5, ".part") == 0;
        if (part && !s->log->read_only) {
            (void)unlinkat(s->log->folder, name, 0); /* a leftover; harmless if it stays */
        }
        return 0;
    }
    if (f.number < s->log->record.first_segment) {
        if (!s->log->read_only) {
            (void)unlinkat(s->log->folder, name, 0); /* dropped before; harmless if it stays */
        }
        return 0;
    }
    if (s->file_count == s->file_capacity) {
        size_t more = s->file_capacity == 0 ? 16 : s->file_capacity * 2;
        struct found *files = vxc_realloc(s->files, more * sizeof *files);
        if (files == NULL) {
            return VXC_ENOMEM;
        }
        s->files = files;
        s->file_capacity = more;
    }
    vxc_log_segment_name(f.number, f.first_index, f.name);
    s->files[s->file_count++] = f;
    return 0;
}

static int list_files(struct scan *s)
{
    struct vxc_log *log = s->log;
    int fd = openat(log->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int rv = 0;

    if (dir == NULL) {
        rv = vxc_error_set(s->err, VXC_EIO, "%s: reading the folder: %s", log->path,
                           strerror(errno));
        if (fd >= 0) {
            (void)close(fd); /* opened for reading */
        }
        return rv;
    }
    while (rv == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        rv = note_file(s, entry->d_name);
    }
    if (rv == 0 && errno != 0) {
        rv = vxc_error_set(s->err, VXC_EIO, "%s: reading the folder: %s", log->path,
                           strerror(errno));
    } else if (rv != 0) {
        (void)vxc_error_set(s->err, rv, "%s: out of memory", log->path);
    }
    (void)closedir(dir);
    if (s->file_count > 0) {
        qsort(s->files, s->file_count, sizeof *s->files, compare_found);
    }
    return rv;
}

/* Every number from first_segment to head_segment must be there, and once only. */
static int check_files(struct scan *s)
{
    const struct vxc_log_base_record *record = &s->log->record;
    uint64_t expected = record->first_segment;

    for (size_t i = 0; i < s->file_count; i++, expected++) {
        if (s->files[i].number < expected) {
            return vxc_error_set(s->err, VXC_ECORRUPT, "%s/%s: offset 0: a second segment %" PRIu64,
                                 s->log->path, s->files[i].name, s->files[i].number);
        }
        if (s->files[i].number > expected) {
            break;
        }
    }
    if (expected <= record->head_segment || expected - record->first_segment < s->file_count) {
        return vxc_error_set(s->err, VXC_ECORRUPT,
                             "%s: offset 0: the file of segment %" PRIu64 " (%010" PRIu64
                             "-….log) is missing",
                             s->log->path, expected, expected);
    }
    return 0;
}

/* ---- reading ---- */

/* Has [offset, offset + size) in the window; VXC_EIO. */
static int fill(struct scan *s, const struct log_segment *segment, uint64_t offset, uint64_t size)
{
    uint64_t wanted = size > LOG_SCAN_WINDOW ? size : LOG_SCAN_WINDOW;
    int rv;

    if (s->window_size > 0 && offset >= s->window_offset &&
        offset + size <= s->window_offset + s->window_size) {
        return 0;
    }
    if (wanted > segment->size - offset) {
        wanted = segment->size - offset;
    }
    vxc_check(size <= wanted);
    s->window_size = 0;
    if (wanted > s->capacity) {
        vxc_disk_memory_free(s->window);
        s->capacity = (size_t)wanted;
        s->window = vxc_disk_memory(s->capacity);
        if (s->window == NULL) {
            s->capacity = 0;
            return vxc_error_set(s->err, VXC_ENOMEM, "%s: out of memory", s->log->path);
        }
    }
    rv = vxc_disk_read(s->fd, offset, s->window, (size_t)wanted);
    if (rv != 0) {
        return vxc_error_set(s->err, VXC_EIO, "%s/%s: offset %" PRIu64 ": read: %s", s->log->path,
                             segment->name, offset, strerror(errno));
    }
    s->window_offset = offset;
    s->window_size = (size_t)wanted;
    return 0;
}

static const uint8_t *at(const struct scan *s, uint64_t offset)
{
    return s->window + (offset - s->window_offset);
}

/* ---- segment headers ---- */

static int check_owner(struct scan *s, const struct log_segment *segment,
                       const struct vxc_log_identity *found)
{
    const struct vxc_log_identity *own = &s->log->identity;

    if (found->log_id != own->log_id || found->node_id != own->node_id) {
        return vxc_error_set(s->err, VXC_EFOREIGN,
                             "%s/%s: offset 16: a segment of node %" PRIu64 "'s log %016" PRIx64
                             "; this is node %" PRIu64 "'s log %016" PRIx64,
                             s->log->path, segment->name, found->node_id, found->log_id,
                             own->node_id, own->log_id);
    }
    return 0;
}

/* Whoever looks whether the log goes on in the next file has read its beginning: it is kept. */
static int open_file(struct scan *s, size_t i)
{
    int rv;

    if (s->fd >= 0 && s->fd_file == i) {
        return 0;
    }
    s->window_size = 0;
    if (s->fd >= 0) {
        (void)close(s->fd); /* opened for reading */
    }
    rv = vxc_disk_open_block(s->log->folder, s->files[i].name, O_RDONLY, &s->fd);
    if (rv != 0) {
        s->fd = -1;
        return vxc_error_set(s->err, rv == VXC_ENOTFOUND ? VXC_EIO : rv, "%s/%s: open: %s",
                             s->log->path, s->files[i].name, strerror(errno));
    }
    s->fd_file = i;
    return 0;
}

/* Opens file i as the next segment of the log and reads its header. *bad: the header or the size of
 * the file is damaged (text in hole_err); other errors are final. */
static int open_segment(struct scan *s, size_t i, struct log_segment *segment, bool *bad)
{
    struct vxc_log *log = s->log;
    struct stat st;
    int rv;

    memcpy(segment->name, s->files[i].name, sizeof segment->name);
    segment->number = s->files[i].number;
    segment->first_index = s->files[i].first_index;
    segment->active = true;
    rv = open_file(s, i);
    if (rv != 0) {
        return rv;
    }
    if (fstat(s->fd, &st) != 0) {
        return vxc_error_set(s->err, VXC_EIO, "%s/%s: %s", log->path, segment->name,
                             strerror(errno));
    }
    segment->size = (uint64_t)st.st_size / VXC_LOG_BLOCK_SIZE * VXC_LOG_BLOCK_SIZE;
    *bad = segment->size == 0;
    if (*bad) {
        (void)vxc_error_set(&s->hole_err, VXC_ECORRUPT, "offset %lld: the file ends here",
                            (long long)st.st_size);
        return 0;
    }
    rv = fill(s, segment, 0, VXC_LOG_BLOCK_SIZE);
    if (rv != 0) {
        return rv;
    }
    rv = vxc_log_segment_decode(vxc_slice(at(s, 0), VXC_LOG_BLOCK_SIZE), &segment->header,
                                &s->hole_err);
    if (rv == VXC_EVERSION) {
        *s->err = s->hole_err;
        return vxc_error_prefix(s->err, "%s/%s", log->path, segment->name);
    }
    *bad = rv != 0;
    if (*bad) {
        return 0;
    }
    rv = check_owner(s, segment, &segment->header.identity);
    if (rv != 0) {
        return rv;
    }
    if (segment->header.size != (uint64_t)st.st_size) {
        return vxc_error_set(s->err, VXC_ECORRUPT,
                             "%s/%s: offset %lld: the file ends here, it should have %" PRIu64
                             " bytes",
                             log->path, segment->name, (long long)st.st_size, segment->header.size);
    }
    if (segment->header.number != segment->number ||
        segment->header.first_index != segment->first_index) {
        return vxc_error_set(s->err, VXC_ECORRUPT,
                             "%s/%s: offset 0: this is segment %" PRIu64 " from entry %" PRIu64
                             " under a wrong name",
                             log->path, segment->name, segment->header.number,
                             segment->header.first_index);
    }
    segment->first_sequence = segment->header.first_sequence;
    segment->first_chain = segment->header.prev_chain;
    return 0;
}

/* The first segment of the log says where the log begins. */
static void begin_at(struct scan *s, const struct log_segment *segment)
{
    struct vxc_log *log = s->log;

    log->first_index = segment->first_index;
    log->last_index = segment->first_index - 1;
    log->last_term = segment->header.prev_term;
    log->last_chain = segment->header.prev_chain;
    s->sequence = segment->first_sequence;
}

/* ---- units ---- */

static bool is_in_place(const struct scan *s, const struct log_segment *segment, uint64_t offset,
                        const struct vxc_log_unit_header *h)
{
    return h->log_id == s->log->identity.log_id && h->segment == segment->number &&
           h->offset == offset && h->size <= segment->size - offset;
}

static void add_record(void *data, const struct vxc_log_record *record, uint32_t offset)
{
    struct scan *s = data;

    (void)offset;
    if (s->visit_rv == 0) {
        s->visit_rv = vxc_log_index_add(&s->log->index, record->index, record->term, record->type);
    }
}

static void apply_truncation(struct vxc_log *log, const struct vxc_log_unit_header *h)
{
    vxc_log_index_truncate(&log->index, h->first_index);
    for (size_t i = log->segment_count; i > 0 && log->segments[i - 1]->first_index > h->first_index;
         i--) {
        log->segments[i - 1]->first_index = h->first_index;
        log->segments[i - 1]->first_chain = h->prev_chain;
    }
    if (h->first_index < log->first_index) {
        log->first_index = h->first_index;
    }
    log->last_index = h->first_index - 1;
    log->last_term = h->prev_term;
    log->last_chain = h->prev_chain;
}

/* Takes the unit at `offset` into the log. *bad: it is not a valid next unit (text in hole_err). */
static int take_unit(struct scan *s, struct log_segment *segment, uint64_t offset, bool *bad)
{
    struct vxc_log *log = s->log;
    struct vxc_log_unit_header h;
    uint64_t term;
    uint32_t chain;
    int rv = fill(s, segment, offset, VXC_LOG_BLOCK_SIZE);

    *bad = true;
    if (rv != 0) {
        return rv;
    }
    rv = vxc_log_unit_decode(vxc_slice(at(s, offset), VXC_LOG_BLOCK_SIZE), &h, &s->hole_err);
    if (rv != 0) {
        return 0;
    }
    if (!is_in_place(s, segment, offset, &h) || h.sequence != s->sequence ||
        (h.kind != VXC_LOG_UNIT_TRUNCATE &&
         (h.first_index != log->last_index + 1 || h.prev_term != log->last_term ||
          h.prev_chain != log->last_chain)) ||
        (h.kind == VXC_LOG_UNIT_TRUNCATE && h.first_index > log->last_index + 1)) {
        (void)vxc_error_set(&s->hole_err, VXC_ECORRUPT,
                            "offset 0: a unit that does not belong here");
        return 0;
    }
    rv = fill(s, segment, offset, h.size);
    if (rv != 0) {
        return rv;
    }
    s->visit_rv = 0;
    rv = vxc_log_unit_check(vxc_slice(at(s, offset), h.size), &h, &term, &chain, add_record, s,
                            &s->hole_err);
    if (rv != 0) { /* its first records may be whole, but a unit counts as one */
        vxc_log_index_truncate(&log->index, h.first_index);
        return 0;
    }
    if (s->visit_rv != 0) {
        return vxc_error_set(s->err, s->visit_rv, "%s: out of memory", log->path);
    }
    *bad = false;
    if (h.kind == VXC_LOG_UNIT_TRUNCATE) {
        apply_truncation(log, &h);
    } else if (h.kind == VXC_LOG_UNIT_ENTRIES) {
        vxc_log_index_place(&log->index, h.first_index, segment->number, offset);
        log->last_index += h.count;
        log->last_term = term;
        log->last_chain = chain;
    }
    if (h.kind != VXC_LOG_UNIT_MARKER) {
        s->content = h.sequence;
    }
    if (h.durable_sequence > s->evidence) {
        s->evidence = h.durable_sequence;
    }
    s->sequence++;
    segment->offset = offset + h.size;
    return 0;
}

/* ---- behind a hole ---- */

/* Looks at every block from `offset` on: valid unit headers are evidence, the last byte that is not
 * zero ends the garbage. */
static int search(struct scan *s, const struct log_segment *segment, uint64_t offset,
                  uint64_t *garbage_end)
{
    uint64_t o = vxc_disk_next_data(s->fd, offset, segment->size);

    while (o < segment->size) {
        struct vxc_log_unit_header h;
        int rv;

        o = o / VXC_LOG_BLOCK_SIZE * VXC_LOG_BLOCK_SIZE;
        rv = fill(s, segment, o, VXC_LOG_BLOCK_SIZE);
        if (rv != 0) {
            return rv;
        }
        if (!vxc_disk_is_zero(at(s, o), VXC_LOG_BLOCK_SIZE)) {
            *garbage_end = o + VXC_LOG_BLOCK_SIZE;
            if (vxc_log_unit_decode(vxc_slice(at(s, o), VXC_LOG_BLOCK_SIZE), &h, NULL) == 0 &&
                is_in_place(s, segment, o, &h) && h.durable_sequence > s->evidence) {
                s->evidence = h.durable_sequence;
            }
        }
        o += VXC_LOG_BLOCK_SIZE;
        if (o >= s->window_offset + s->window_size) {
            o = vxc_disk_next_data(s->fd, o, segment->size);
        }
    }
    return 0;
}

/* A hole whose missing unit was durable, or in a segment whose header was, is damage. */
static int judge_hole(struct scan *s, const struct log_segment *segment, bool header_bad)
{
    bool damage = s->evidence >= s->sequence ||
                  (header_bad && segment->number <= s->log->record.head_segment);
    uint64_t within = 0;
    const char *text = s->hole_err.text;

    if (!damage) {
        return 0;
    }
    if (strncmp(text, "offset ", 7) == 0 && strchr(text, ':') != NULL) {
        within = strtoull(text + 7, NULL, 10); /* counted from the unit; below from the file */
        text = strchr(text, ':') + 2;
    }
    return vxc_error_set(s->err, VXC_ECORRUPT,
                         "%s/%s: offset %" PRIu64 ": %s; entry %" PRIu64
                         " or its neighbours were durable (unit %" PRIu64 ", marker %" PRIu64 ")",
                         s->log->path, segment->name, s->hole_offset + within, text,
                         s->log->last_index + 1, s->sequence, s->evidence);
}

/* All that is behind the end of segment `i`, in it and in later files. */
static int search_rest(struct scan *s, size_t i, const struct log_segment *segment, bool header_bad)
{
    struct log_segment later;
    bool bad;
    int rv = search(s, segment, s->hole_offset, &s->garbage_end);
    struct vxc_error hole_err = s->hole_err;

    for (size_t j = i + 1; rv == 0 && j < s->file_count; j++) {
        uint64_t ignored = 0;
        memset(&later, 0, sizeof later);
        rv = open_segment(s, j, &later, &bad);
        if (rv == 0 && bad && later.number <= s->log->record.head_segment) {
            rv = vxc_error_set(s->err, VXC_ECORRUPT, "%s/%s: %s; the segment was durable",
                               s->log->path, later.name, s->hole_err.text);
        }
        if (rv == 0 && later.size > 0) {
            rv = search(s, &later, VXC_LOG_BLOCK_SIZE, &ignored);
        }
    }
    s->hole_err = hole_err;
    return rv != 0 ? rv : judge_hole(s, segment, header_bad);
}

/* ---- the scan ---- */

/* Whether segment i + 1 goes on where segment i stopped: then nothing is missing in between. */
static int goes_on(struct scan *s, size_t i, bool *yes)
{
    struct log_segment next;
    struct vxc_error hole_err = s->hole_err;
    bool bad;
    int rv;

    *yes = false;
    if (i + 1 == s->file_count) {
        return 0;
    }
    memset(&next, 0, sizeof next);
    rv = open_segment(s, i + 1, &next, &bad);
    if (rv == 0 && !bad) {
        /* Its first unit is judged as any other; a truncation may begin it, so no more is asked. */
        *yes = next.first_sequence == s->sequence;
    }
    s->hole_err = hole_err;
    return rv;
}

static int scan_segment(struct scan *s, size_t i, bool *end)
{
    struct vxc_log *log = s->log;
    struct log_segment *segment = log_segment_add(log);
    bool bad;
    int rv;

    if (segment == NULL) {
        return vxc_error_set(s->err, VXC_ENOMEM, "%s: out of memory", log->path);
    }
    segment->offset = VXC_LOG_BLOCK_SIZE;
    rv = open_segment(s, i, segment, &bad);
    if (rv != 0) {
        return rv;
    }
    s->hole_file = i;
    if (bad) {
        *end = true;
        s->hole_offset = 0;
        s->sequence = s->sequence == 0 ? log->record.start_sequence : s->sequence;
        return search_rest(s, i, segment, true);
    }
    if (i == 0) {
        begin_at(s, segment);
    }
    while (!bad && segment->offset < segment->size) {
        rv = take_unit(s, segment, segment->offset, &bad);
        if (rv != 0) {
            return rv;
        }
    }
    rv = goes_on(s, i, &bad);
    if (rv != 0 || bad) {
        return rv;
    }
    /* Here ends what is whole. Look behind it, in this segment again. */
    *end = true;
    s->hole_offset = segment->offset;
    if (i + 1 < s->file_count) {
        struct log_segment again = {.log = log};
        struct vxc_error hole_err = s->hole_err;
        rv = open_segment(s, i, &again, &bad);
        s->hole_err = hole_err;
    }
    return rv != 0 ? rv : search_rest(s, i, segment, false);
}

/* ---- cutting ---- */

static int io_error(struct scan *s, const char *name, const char *step, int rv)
{
    return vxc_error_set(s->err, rv, "%s/%s: %s: %s", s->log->path, name, step, strerror(errno));
}

/* Flushes a kept segment: what was read may have come from a cache that a power cut would empty. */
static int flush_file(struct scan *s, const char *name, uint64_t zero_from, uint64_t zero_to)
{
    int fd;
    int rv = vxc_disk_open_block(s->log->folder, name, O_RDWR, &fd);

    if (rv != 0) {
        return io_error(s, name, "open", rv);
    }
    if (zero_from < zero_to) {
        rv = vxc_disk_zero(fd, zero_from, zero_to);
    }
    if (rv == 0 && fsync(fd) != 0) {
        rv = vxc_error_from_errno(errno);
    }
    if (rv != 0) {
        (void)io_error(s, name, "flush", rv);
    }
    (void)close(fd); /* flushed above */
    return rv;
}

/* Segments after the hole's are no longer part of the log: first in the base record, then for good.
 */
static int cut_segments(struct scan *s, size_t keep)
{
    struct vxc_log *log = s->log;
    struct stat st;

    if (keep == s->file_count) {
        return 0;
    }
    log->record.head_segment = log->record.first_segment + keep - 1;
    log_base_store(log);
    for (size_t i = s->file_count; i > keep; i--) {
        const char *name = s->files[i - 1].name;
        if (fstatat(log->folder, name, &st, 0) == 0) {
            log->stats.recovered_cut_bytes += (uint64_t)st.st_size;
        }
        if (unlinkat(log->folder, name, 0) != 0) {
            return io_error(s, name, "unlink", vxc_error_from_errno(errno));
        }
    }
    if (vxc_disk_sync_folder(log->folder) != 0) {
        return io_error(s, "", "flush of the folder", VXC_EIO);
    }
    return 0;
}

static int cut(struct scan *s)
{
    struct vxc_log *log = s->log;
    bool header_bad = s->file_count > 0 && s->hole_offset == 0;
    size_t keep = s->file_count == 0 ? 0 : s->hole_file + (header_bad ? 0 : 1);
    int rv;

    if (header_bad) { /* the last segment never came to be */
        vxc_free(log->segments[--log->segment_count]);
        if (log->segment_count > 0) {
            struct log_segment *last = log_segment_current(log);
            s->hole_offset = last->offset;
        }
    }
    rv = cut_segments(s, keep);
    for (size_t i = 0; rv == 0 && i < keep; i++) {
        bool last = i + 1 == keep && !header_bad;
        rv = flush_file(s, s->files[i].name, last ? s->hole_offset : 0, last ? s->garbage_end : 0);
    }
    if (rv == 0 && !header_bad && s->garbage_end > s->hole_offset) {
        log->stats.recovered_cut_bytes += s->garbage_end - s->hole_offset;
    }
    return rv;
}

/* Opens the last segment for writing, where the log goes on. */
static int open_current(struct scan *s)
{
    struct vxc_log *log = s->log;
    struct log_segment *segment = log_segment_current(log);
    int rv;

    if (segment == NULL) {
        return 0;
    }
    rv = vxc_disk_open_block(log->folder, segment->name, O_RDWR | log->device->open_flags,
                             &segment->fd);
    if (rv != 0) {
        segment->fd = -1;
        return io_error(s, segment->name, "open", rv);
    }
    segment->zeroed_end = vxc_disk_next_hole(segment->fd, segment->offset, segment->size) /
                          VXC_LOG_BLOCK_SIZE * VXC_LOG_BLOCK_SIZE;
    return 0;
}

/* ---- against the base ---- */

static int check_base(struct scan *s)
{
    const struct vxc_log *log = s->log;
    const struct vxc_log_base_record *record = &log->record;

    if (log->first_index > record->index + 1) {
        return vxc_error_set(s->err, VXC_ECORRUPT,
                             "%s: offset 0: entries %" PRIu64 " to %" PRIu64
                             " are missing between the base and the first segment",
                             log->path, record->index + 1, log->first_index - 1);
    }
    if (log->last_index < record->index) {
        return vxc_error_set(s->err, VXC_ECORRUPT,
                             "%s: offset 0: the log ends at entry %" PRIu64
                             ", but the base record covers entry %" PRIu64,
                             log->path, log->last_index, record->index);
    }
    if (log->first_index <= record->index && vxc_log_term(log, record->index) != record->term) {
        return vxc_error_set(
            s->err, VXC_ECORRUPT,
            "%s: offset 0: entry %" PRIu64 " has term %" PRIu64 ", the base record says %" PRIu64,
            log->path, record->index, vxc_log_term(log, record->index), record->term);
    }
    return 0;
}

static int recover(struct scan *s)
{
    struct vxc_log *log = s->log;
    bool end = false;
    int rv = list_files(s);

    if (rv == 0) {
        rv = check_files(s);
    }
    for (size_t i = 0; rv == 0 && !end && i < s->file_count; i++) {
        rv = scan_segment(s, i, &end);
    }
    if (rv == 0 && s->sequence == 0) {
        s->sequence = log->record.start_sequence;
    }
    if (rv == 0) {
        rv = check_base(s);
    }
    if (rv == 0 && !log->read_only) {
        rv = cut(s);
    }
    if (rv == 0 && !log->read_only) {
        rv = open_current(s);
    }
    return rv;
}

int log_recover(struct vxc_log *log, struct vxc_error *err)
{
    struct scan s = {.log = log, .err = err, .fd = -1, .evidence = log->record.durable_sequence};
    int rv;

    log->first_index = log->record.index + 1;
    log->last_index = log->record.index;
    log->last_term = log->record.term;
    log->last_chain = 0;
    rv = recover(&s);
    if (rv == 0) {
        log->next_sequence = s.sequence;
        log->next_segment = log->record.first_segment + log->segment_count;
        log->durable_sequence = s.sequence - 1;
        log->marked_sequence = s.evidence;
        log->content_sequence = s.content;
        log->durable_index = log->last_index;
        log->released_index = log->last_index;
        log->issued_index = log->last_index;
    }
    if (s.fd >= 0) {
        (void)close(s.fd); /* opened for reading */
    }
    vxc_disk_memory_free(s.window);
    vxc_free(s.files);
    return rv;
}
