#include "log.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "storage/disk.h"
#include "storage/log_internal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { READ_ONLY_TRIES = 3 };

/* ---- the base record ---- */

struct judge_data {
    const struct vxc_log_options *options;
};

/* A copy of another node or cluster is final: healing must never change whose log this is. */
static int judge_base(void *data, const void *bytes, size_t size, uint64_t *sequence,
                      struct vxc_error *err)
{
    const struct vxc_log_options *o = ((struct judge_data *)data)->options;
    struct vxc_log_base_record record;
    const struct vxc_log_identity *id = &record.identity;
    int rv = vxc_log_base_decode(vxc_slice(bytes, size), &record, err);

    if (rv != 0) {
        return rv;
    }
    if (o->node_id != 0 && id->node_id != o->node_id) {
        return vxc_error_set(err, VXC_EFOREIGN,
                             "the log of node %" PRIu64 ", this is node %" PRIu64, id->node_id,
                             o->node_id);
    }
    if ((o->cluster_id_lo != 0 || o->cluster_id_hi != 0) &&
        (id->cluster_id_lo != 0 || id->cluster_id_hi != 0) &&
        (id->cluster_id_lo != o->cluster_id_lo || id->cluster_id_hi != o->cluster_id_hi)) {
        return vxc_error_set(err, VXC_EFOREIGN,
                             "the log of cluster %016" PRIx64 "%016" PRIx64
                             ", this is cluster %016" PRIx64 "%016" PRIx64,
                             id->cluster_id_hi, id->cluster_id_lo, o->cluster_id_hi,
                             o->cluster_id_lo);
    }
    *sequence = record.sequence;
    return 0;
}

void log_base_store(struct vxc_log *log)
{
    uint8_t bytes[VXC_LOG_BASE_SIZE];

    log->record.sequence++;
    vxc_log_base_encode(&log->record, bytes);
    vxc_pair_store(&log->base_pair, bytes);
}

/* Takes the configuration over into memory of the log. */
static int base_adopt(struct vxc_log *log, const struct vxc_log_base *base)
{
    size_t size = base->configuration.size;
    uint8_t *configuration = vxc_malloc(size == 0 ? 1 : size);

    if (configuration == NULL) {
        return VXC_ENOMEM;
    }
    if (size != 0) {
        memcpy(configuration, base->configuration.data, size);
    }
    vxc_free(log->configuration);
    log->configuration = configuration;
    log->base = *base;
    log->base.configuration = vxc_slice(configuration, size);
    log->record.index = base->index;
    log->record.term = base->term;
    log->record.configuration_index = base->configuration_index;
    log->record.configuration = log->base.configuration;
    return 0;
}

/* A folder with segments but without a base record lost something; without both it is a new log. */
static int check_no_segments(struct vxc_log *log, struct vxc_error *err)
{
    DIR *dir = opendir(log->path);
    struct dirent *entry;
    int rv = 0;

    if (dir == NULL) {
        return vxc_error_set(err, VXC_EIO, "%s: reading the folder: %s", log->path,
                             strerror(errno));
    }
    while (rv == 0 && (entry = readdir(dir)) != NULL) {
        uint64_t number, first_index;
        if (vxc_log_segment_parse(entry->d_name, &number, &first_index)) {
            rv = vxc_error_set(err, VXC_ECORRUPT,
                               "%s/base-a: offset 0: missing, as base-b is, beside segment %s",
                               log->path, entry->d_name);
        }
    }
    (void)closedir(dir);
    return rv;
}

static int base_create(struct vxc_log *log, const struct vxc_log_options *options,
                       struct vxc_error *err)
{
    uint8_t bytes[VXC_LOG_BASE_SIZE];
    const struct vxc_clock *clock = vxc_clock_system();
    int rv = check_no_segments(log, err);

    if (rv == 0 && log->read_only) {
        rv = vxc_error_set(err, VXC_ENOTFOUND, "%s: there is no log here", log->path);
    }
    if (rv != 0) {
        return rv;
    }
    log->record =
        (struct vxc_log_base_record){.identity = {.node_id = options->node_id,
                                                  .cluster_id_lo = options->cluster_id_lo,
                                                  .cluster_id_hi = options->cluster_id_hi},
                                     .sequence = 1,
                                     .first_segment = 1,
                                     .start_sequence = 1};
    clock->random(clock->data, &log->record.identity.log_id, sizeof log->record.identity.log_id);
    vxc_log_base_encode(&log->record, bytes);
    rv = vxc_pair_create(&log->base_pair, log->folder, "base", bytes, sizeof bytes, err);
    return rv == 0 ? 0 : vxc_error_prefix(err, "%s", log->path);
}

static int base_open(struct vxc_log *log, const struct vxc_log_options *options,
                     struct vxc_error *err)
{
    uint8_t bytes[VXC_LOG_BASE_SIZE];
    struct judge_data judge = {options};
    struct vxc_log_base base;
    int rv = vxc_pair_open(&log->base_pair, log->folder, "base", bytes, sizeof bytes,
                           log->read_only, judge_base, &judge, err);

    if (rv == VXC_ENOTFOUND) {
        rv = base_create(log, options, err);
    } else if (rv == 0) {
        rv = vxc_log_base_decode(vxc_slice(bytes, sizeof bytes), &log->record, err);
        vxc_check(rv == 0); /* just judged */
    } else {
        (void)vxc_error_prefix(err, "%s", log->path);
    }
    if (rv != 0) {
        return rv;
    }
    base = (struct vxc_log_base){log->record.index, log->record.term,
                                 log->record.configuration_index, log->record.configuration};
    if (base_adopt(log, &base) != 0) {
        return vxc_error_set(err, VXC_ENOMEM, "%s: out of memory", log->path);
    }
    if (!log->read_only && log->record.identity.cluster_id_lo == 0 &&
        log->record.identity.cluster_id_hi == 0 &&
        (options->cluster_id_lo != 0 || options->cluster_id_hi != 0)) {
        log->record.identity.cluster_id_lo = options->cluster_id_lo; /* known from now on */
        log->record.identity.cluster_id_hi = options->cluster_id_hi;
        log_base_store(log);
    }
    log->identity = log->record.identity;
    return 0;
}

/* ---- birth and death ---- */

static struct vxc_log *log_create(const char *path, const struct vxc_log_options *options)
{
    struct vxc_log *log = vxc_calloc(1, sizeof *log);

    if (log == NULL) {
        return NULL;
    }
    log->folder = -1;
    log->base_pair.fd[0] = log->base_pair.fd[1] = -1;
    log->reader.fd = -1;
    log->read_only = options->read_only;
    log->segment_size = vxc_disk_round_up(options->segment_size == 0 ? VXC_LOG_SEGMENT_SIZE
                                                                     : options->segment_size);
    if (log->segment_size < 2 * VXC_LOG_BLOCK_SIZE) {
        log->segment_size = 2 * VXC_LOG_BLOCK_SIZE;
    }
    log->unit_capacity = LOG_UNIT_CAPACITY_MIN;
    log->unit_target = LOG_UNIT_SIZE_TARGET;
    if (log->unit_target > log->segment_size / LOG_UNITS_PER_SEGMENT_MIN) {
        log->unit_target = (size_t)(log->segment_size / LOG_UNITS_PER_SEGMENT_MIN);
    }
    log->path = vxc_strdup(path);
    if (log->path == NULL || pthread_mutex_init(&log->base_mutex, NULL) != 0) {
        vxc_free(log->path);
        vxc_free(log);
        return NULL;
    }
    return log;
}

static void log_free(struct vxc_log *log)
{
    vxc_log_keeper_free(log->keeper);
    if (log->device != NULL) {
        log->device->free(log->device);
    }
    log_segment_deinit(log);
    log_unit_deinit(log);
    log_read_deinit(log);
    vxc_log_index_deinit(&log->index);
    vxc_pair_close(&log->base_pair);
    if (log->folder >= 0) {
        (void)close(log->folder); /* opened for reading */
    }
    (void)pthread_mutex_destroy(&log->base_mutex);
    vxc_free(log->configuration);
    vxc_free(log->path);
    vxc_free(log);
}

/* After recovery of a log that will be written to. */
static int make_ready(struct vxc_log *log, struct vxc_error *err)
{
    const struct log_segment *current = log_segment_current(log);
    int rv = 0;

    if (current != NULL && log->record.head_segment < current->number) {
        log->record.head_segment = current->number; /* a crash came between its name and this */
        log_base_store(log);
    }
    if (current == NULL) { /* a log without any room is not ready */
        rv = log_segment_prepare_now(log, err);
    }
    if (rv == 0) {
        log->keeper = vxc_log_keeper_create(log->device->event_fd);
        if (log->keeper == NULL) {
            return vxc_error_set(err, VXC_ENOMEM, "%s: no thread for the log", log->path);
        }
        log_segment_upkeep(log);
    }
    return rv;
}

static int open_once(const char *path, const struct vxc_log_options *options,
                     struct vxc_log_device *device, struct vxc_log **out, struct vxc_error *err)
{
    struct vxc_log *log = log_create(path, options);
    int rv;

    if (log == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "%s: out of memory", path);
    }
    rv = vxc_disk_open_folder(path, !log->read_only, &log->folder);
    if (rv != 0) {
        (void)vxc_error_set(err, rv, "%s: %s", path, strerror(errno));
        goto free_log;
    }
    rv = base_open(log, options, err);
    if (rv == 0 && !log->read_only && device == NULL) {
        rv = vxc_log_device_create(options->io, &log->device, err);
    } else if (rv == 0 && !log->read_only) {
        log->device = device;
    }
    if (rv == 0) {
        rv = log_recover(log, err);
    }
    if (rv == 0 && !log->read_only) {
        rv = make_ready(log, err);
    }
    if (rv != 0) {
        goto free_log;
    }
    *out = log;
    return 0;

free_log:
    if (device != NULL) {
        log->device = NULL; /* stays the caller's */
    }
    log_free(log);
    return rv;
}

int vxc_log_open_on(const char *path, const struct vxc_log_options *options,
                    struct vxc_log_device *device, struct vxc_log **log, struct vxc_error *err)
{
    struct vxc_error own;
    int rv;

    err = err == NULL ? &own : err;
    rv = open_once(path, options, device, log, err);
    /* A reader beside a running node may see a unit before the one in front of it: look again. */
    for (int i = 1; i < READ_ONLY_TRIES && options->read_only && rv != 0 && rv != VXC_ENOTFOUND;
         i++) {
        rv = open_once(path, options, device, log, err);
    }
    return rv;
}

int vxc_log_open(const char *path, const struct vxc_log_options *options, struct vxc_log **log,
                 struct vxc_error *err)
{
    return vxc_log_open_on(path, options, NULL, log, err);
}

void vxc_log_close(struct vxc_log *log)
{
    if (log == NULL) {
        return;
    }
    if (!log->read_only) {
        vxc_log_sync(log);
        log_mark(log);
        vxc_log_sync(log);
        log_settle(log);
    }
    log_free(log);
}

/* ---- inspection ---- */

uint64_t vxc_log_first_index(const struct vxc_log *log)
{
    return log->first_index;
}

uint64_t vxc_log_last_index(const struct vxc_log *log)
{
    return log->last_index;
}

uint64_t vxc_log_durable_index(const struct vxc_log *log)
{
    return log->durable_index;
}

const struct vxc_log_base *vxc_log_base(const struct vxc_log *log)
{
    return &log->base;
}

int vxc_log_fd(const struct vxc_log *log)
{
    return log->device == NULL ? -1 : log->device->event_fd;
}

static const struct vxc_log_run *held_run(const struct vxc_log *log, uint64_t index)
{
    return index < log->first_index || index > log->last_index
               ? NULL
               : vxc_log_index_run(&log->index, index);
}

uint64_t vxc_log_term(const struct vxc_log *log, uint64_t index)
{
    const struct vxc_log_run *run = held_run(log, index);

    if (run != NULL) {
        return run->term;
    }
    return index == log->base.index ? log->base.term : 0;
}

uint16_t vxc_log_type(const struct vxc_log *log, uint64_t index)
{
    const struct vxc_log_run *run = held_run(log, index);

    return run == NULL ? 0 : run->type;
}

int vxc_log_get(struct vxc_log *log, uint64_t index, struct vxc_log_entry *entry,
                struct vxc_error *err)
{
    const struct log_unit *unit;

    if (index < log->first_index || index > log->last_index) {
        return vxc_error_set(err, VXC_ENOTFOUND,
                             "%s: entry %" PRIu64 " is not in the log, which holds %" PRIu64
                             " to %" PRIu64,
                             log->path, index, log->first_index, log->last_index);
    }
    unit = log_unit_find(log, index);
    if (unit == NULL) {
        return log_read_entry(log, index, entry, err);
    }
    *entry = (struct vxc_log_entry){
        index, vxc_log_term(log, index), vxc_log_type(log, index),
        vxc_log_record_payload(unit->data + unit->offsets[index - unit->first_index])};
    return 0;
}

void vxc_log_release(struct vxc_log *log, uint64_t index)
{
    if (index > log->released_index) {
        log->released_index = index < log->last_index ? index : log->last_index;
        log_unit_collect(log);
    }
}

void vxc_log_stats(const struct vxc_log *log, struct vxc_log_stats *stats)
{
    *stats = log->stats;
    stats->segments = log->segment_count;
    for (size_t i = 0; i < log->segment_count; i++) {
        stats->bytes_on_disk += log->segments[i]->size;
    }
    if (log->spare.state == SPARE_READY) {
        stats->bytes_on_disk += log->spare.size;
    }
    stats->io = log->device == NULL ? "none" : log->device->name;
    stats->no_space = log_segment_no_space(log);
    stats->lack = stats->no_space ? log->lack : 0;
}

uint64_t vxc_log_bytes_after(const struct vxc_log *log, uint64_t index)
{
    return vxc_log_index_bytes_after(&log->index, index);
}

/* ---- the base moves ---- */

/* How many segments from the front hold only entries at or below `index` and exceed the trailing
 * part. Never the current one; a segment begins where the one before has ended. */
static size_t droppable(const struct vxc_log *log, uint64_t index, uint64_t trailing_bytes)
{
    size_t covered = 0;
    uint64_t kept = 0;

    while (covered + 1 < log->segment_count &&
           log->segments[covered + 1]->first_index <= index + 1 &&
           log->segments[covered + 1]->first_sequence <= log->durable_sequence + 1 &&
           !(log->zero.busy && log->zero.segment == log->segments[covered])) {
        covered++;
    }
    while (covered > 0 && kept + log->segments[covered - 1]->size <= trailing_bytes) {
        kept += log->segments[--covered]->size;
    }
    return covered;
}

static int check_new_base(const struct vxc_log *log, const struct vxc_log_base *base,
                          struct vxc_error *err)
{
    if (log->read_only) {
        return vxc_error_set(err, VXC_EREADONLY, "%s: opened read-only", log->path);
    }
    if (base->configuration.size > VXC_LOG_CONFIGURATION_MAX) {
        return vxc_error_set(err, VXC_ETOOBIG, "%s: a configuration of %zu bytes, at most %u",
                             log->path, base->configuration.size, VXC_LOG_CONFIGURATION_MAX);
    }
    return 0;
}

int vxc_log_set_base(struct vxc_log *log, const struct vxc_log_base *base, uint64_t trailing_bytes,
                     struct vxc_error *err)
{
    uint64_t term = vxc_log_term(log, base->index);
    size_t drop;
    int rv = check_new_base(log, base, err);

    if (rv != 0) {
        return rv;
    }
    if (base->index < log->base.index || base->index > log->durable_index || term != base->term) {
        return vxc_error_set(
            err, VXC_EINVAL,
            "%s: base %" PRIu64 " of term %" PRIu64 " is not a durable entry behind "
            "base %" PRIu64 " (durable %" PRIu64 ", its term %" PRIu64 ")",
            log->path, base->index, base->term, log->base.index, log->durable_index, term);
    }
    drop = droppable(log, base->index, trailing_bytes);
    (void)pthread_mutex_lock(&log->base_mutex);
    rv = base_adopt(log, base);
    if (rv == 0) {
        log->record.durable_sequence = log->durable_sequence;
        if (drop > 0) {
            log->record.first_segment = log->segments[drop]->number;
        }
        log_base_store(log);
    }
    (void)pthread_mutex_unlock(&log->base_mutex);
    if (rv != 0) {
        return vxc_error_set(err, rv, "%s: out of memory", log->path);
    }
    if (drop > 0) {
        log_segment_drop(log, drop);
        log->first_index = log->segments[0]->first_index;
        vxc_log_index_drop(&log->index, log->first_index, log->segments[0]->number);
        log_read_reset(log);
    }
    return 0;
}

int vxc_log_reset(struct vxc_log *log, const struct vxc_log_base *base, struct vxc_error *err)
{
    int rv = check_new_base(log, base, err);

    if (rv != 0) {
        return rv;
    }
    log_unit_forget_waiting(log);
    log_settle(log);
    (void)pthread_mutex_lock(&log->base_mutex);
    rv = base_adopt(log, base);
    if (rv == 0) {
        /* One record makes the old segments past and the new ones not yet needed. A crash from here
         * on leaves files with lower numbers, which open removes. */
        log->record.first_segment = log->next_segment;
        log->record.head_segment = log->next_segment - 1;
        log->record.start_sequence = log->next_sequence;
        log->record.durable_sequence = log->next_sequence - 1;
        log_base_store(log);
    }
    (void)pthread_mutex_unlock(&log->base_mutex);
    if (rv != 0) {
        return vxc_error_set(err, rv, "%s: out of memory", log->path);
    }
    while (log->units_end > log->units_begin) {
        log_unit_pop(log);
    }
    log->units_begin = log->units_durable = log->units_issued = log->units_flushed = log->units_end;
    log_segment_drop(log, log->segment_count);
    log_read_reset(log);
    vxc_log_index_deinit(&log->index);
    log->first_index = base->index + 1;
    log->last_index = log->durable_index = log->released_index = log->issued_index = base->index;
    log->last_term = base->term;
    log->last_chain = 0;
    log->durable_sequence = log->next_sequence - 1;
    log->marked_sequence = log->content_sequence = 0;
    log_segment_upkeep(log);
    return 0;
}
