/* Where units go: the current segment, the spare behind it, and the keeper's jobs for both.
 *
 * Preallocation alone gains nothing, for the first write to a reserved block still costs a journal
 * commit; so zeros are written ahead of the units, in chunks: LOG_ZERO_AHEAD in the current
 * segment, and in the spare as far as the current one has been used, so that it is wholly zeroed
 * when its turn comes, and an idle node writes no zeros at all. A new segment begins with
 * LOG_ZERO_FIRST, which a start gets by with; the rest follows once half of that is used, so that
 * no start waits for a disk that is busy with zeros.
 *
 * A spare becomes the current segment at once, in memory; its header, name and entry in the base
 * record follow by an activation job, and until that is durable none of its units counts as
 * durable. A crash before leaves a file "spare", which open zeroes again. The next spare is made
 * only after that, so the name "spare" never means two files.
 */
#include "log_internal.h"

#include "base/check.h"
#include "base/memory.h"
#include "storage/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void submit(struct vxc_log *log, struct vxc_log_job *job)
{
    log->jobs++;
    job->data = log;
    vxc_log_keeper_submit(log->keeper, job);
}

/* Judges a finished job: true when it did its work, else it is tried again later; *failed tells
 * which. */
static bool job_succeeded(struct vxc_log *log, int rv, int errnum, bool *failed, const char *what)
{
    log->jobs--;
    *failed = rv != 0;
    if (rv != 0 && rv != VXC_ENOSPC && rv != VXC_ENOMEM) {
        vxc_fatal("%s: %s failed: %s", log->path, what, strerror(errnum));
    }
    if (rv != 0) {
        log->lack = rv;
        log->retry_us = log_now_us() + LOG_SPACE_RETRY_MS * 1000;
    }
    return rv == 0;
}

bool log_segment_no_space(const struct vxc_log *log)
{
    return log->no_spare || log->no_zeros || log->no_name || log->no_segment;
}

/* ---- the spare ---- */

/* An old spare may hold units of a rotation that a crash interrupted: whatever is not zero is
 * zeroed. Reading is cheaper than writing, and there is seldom anything to write. */
static int zero_what_is_not(int fd, uint64_t size)
{
    uint8_t *bytes = vxc_disk_memory(LOG_READ_WINDOW);
    int rv = bytes == NULL ? VXC_ENOMEM : 0;

    for (uint64_t at = vxc_disk_next_data(fd, 0, size); rv == 0 && at < size;) {
        size_t part = (size_t)least(size - at, LOG_READ_WINDOW);
        rv = vxc_disk_read(fd, at, bytes, part);
        if (rv == 0 && !vxc_disk_is_zero(bytes, part)) {
            rv = vxc_disk_zero(fd, at, at + part);
        }
        at = vxc_disk_next_data(fd, at + part, size);
    }
    vxc_disk_memory_free(bytes);
    return rv;
}

static int spare_make(struct prepare_job *p, struct log_spare *made)
{
    struct stat st;
    int rv = 0;

    if (fstat(made->fd, &st) != 0) {
        return vxc_error_from_errno(errno);
    }
    if ((uint64_t)st.st_size == p->size) {
        rv = zero_what_is_not(made->fd, p->size);
    } else if (ftruncate(made->fd, 0) != 0) {
        rv = vxc_error_from_errno(errno);
    }
    if (rv == 0) {
        rv = vxc_disk_allocate(made->fd, p->size, &made->reserved);
    }
    if (rv != 0) {
        return rv; /* errno is still that of the failed reservation */
    }
    made->size = p->size;
    made->zeroed_end =
        vxc_disk_next_hole(made->fd, 0, p->size) / VXC_LOG_BLOCK_SIZE * VXC_LOG_BLOCK_SIZE;
    if (made->zeroed_end < least(p->size, LOG_ZERO_FIRST)) {
        uint64_t to = least(p->size, LOG_ZERO_FIRST);
        rv = vxc_disk_zero(made->fd, made->zeroed_end, to);
        made->zeroed_end = to;
    }
    if (rv == 0 && fsync(made->fd) != 0) {
        rv = vxc_error_from_errno(errno);
    }
    return rv;
}

static void prepare_run(struct vxc_log_job *job)
{
    struct prepare_job *p = (struct prepare_job *)job;
    struct log_spare made = {.state = SPARE_READY, .fd = -1};

    job->rv =
        vxc_disk_open_block(p->folder, LOG_SPARE_NAME, O_RDWR | O_CREAT | p->open_flags, &made.fd);
    if (job->rv == 0) {
        job->rv = spare_make(p, &made);
    }
    p->errnum = errno;
    if (job->rv == 0) {
        p->made = made;
        return;
    }
    if (made.fd >= 0) {
        (void)close(made.fd);                         /* it is given up anyway, … */
        (void)unlinkat(p->folder, LOG_SPARE_NAME, 0); /* … and so is the little it reserved */
    }
}

static void prepare_done(struct vxc_log_job *job)
{
    struct vxc_log *log = job->data;

    log->spare.state = SPARE_NONE;
    if (job_succeeded(log, job->rv, log->prepare.errnum, &log->no_spare, "preparing a segment")) {
        log->spare = log->prepare.made;
    }
}

static void prepare_start(struct vxc_log *log)
{
    log->prepare = (struct prepare_job){.job = {.run = prepare_run, .done = prepare_done},
                                        .folder = log->folder,
                                        .open_flags = log->device->open_flags,
                                        .size = most(log->segment_size, log->wanted_size)};
    log->spare.state = SPARE_PREPARING;
    submit(log, &log->prepare.job);
}

int log_segment_prepare_now(struct vxc_log *log, struct vxc_error *err)
{
    struct prepare_job *p = &log->prepare;

    *p = (struct prepare_job){
        .folder = log->folder, .open_flags = log->device->open_flags, .size = log->segment_size};
    prepare_run(&p->job);
    if (p->job.rv != 0) {
        return vxc_error_set(err, p->job.rv, "%s: preparing a segment of %llu bytes: %s", log->path,
                             (unsigned long long)p->size, strerror(p->errnum));
    }
    log->spare = p->made;
    return 0;
}

/* ---- zeros ahead ---- */

static void zero_run(struct vxc_log_job *job)
{
    struct zero_job *z = (struct zero_job *)job;

    job->rv = vxc_disk_zero(z->fd, z->from, z->to);
    if (job->rv == 0 && fdatasync(z->fd) != 0) {
        job->rv = vxc_error_from_errno(errno);
    }
    z->errnum = errno;
}

static void close_when_done(struct vxc_log *log, struct log_segment *segment)
{
    bool zeroing = log->zero.busy && log->zero.segment == segment;

    if (segment != log_segment_current(log) && segment->fd >= 0 && !zeroing) {
        (void)close(segment->fd); /* all in it is durable already */
        segment->fd = -1;
    }
}

static void zero_done(struct vxc_log_job *job)
{
    struct vxc_log *log = job->data;
    struct zero_job *z = &log->zero;
    struct log_segment *segment = z->segment;
    bool done = job_succeeded(log, job->rv, z->errnum, &log->no_zeros, "zeroing a segment");

    z->busy = false;
    z->segment = NULL;
    if (z->of_spare) {
        log->spare.zeroed_end = done ? z->to : log->spare.zeroed_end;
        return;
    }
    segment->zeroed_end = done ? z->to : segment->zeroed_end;
}

static void zero_start(struct vxc_log *log, struct log_segment *segment, int fd, uint64_t from,
                       uint64_t goal)
{
    log->zero = (struct zero_job){.job = {.run = zero_run, .done = zero_done},
                                  .busy = true,
                                  .of_spare = segment == NULL,
                                  .segment = segment,
                                  .fd = fd,
                                  .from = from,
                                  .to = from + least(goal - from, LOG_ZERO_CHUNK)};
    submit(log, &log->zero.job);
}

/* How far the current segment is to be zeroed. */
static uint64_t zero_goal(const struct vxc_log *log, const struct log_segment *current)
{
    const uint64_t used = current->offset;
    const uint64_t goal = used <= LOG_ZERO_FIRST / 2 ? LOG_ZERO_FIRST : used + LOG_ZERO_AHEAD;

    return least(current->size, most(goal, log->wanted_zero));
}

/* A job flushes, and units wait behind its flush: it has to be worth a chunk, but for the last of a
 * segment and for what a unit waits for. */
static bool is_worth_a_job(uint64_t zeroed_end, uint64_t goal, uint64_t needed)
{
    return zeroed_end < goal && (goal - zeroed_end >= LOG_ZERO_CHUNK || zeroed_end < needed);
}

static void zero_upkeep(struct vxc_log *log, struct log_segment *current)
{
    uint64_t used = current == NULL ? 0 : current->offset;

    if (current != NULL) {
        uint64_t goal = zero_goal(log, current);
        uint64_t needed = goal == current->size ? goal : log->wanted_zero;

        if (is_worth_a_job(current->zeroed_end, goal, needed)) {
            zero_start(log, current, current->fd, current->zeroed_end, goal);
            return;
        }
    }
    if (log->spare.state == SPARE_READY) {
        uint64_t goal = log->spare.reserved ? least(log->spare.size, used) : log->spare.size;
        uint64_t needed = goal == log->spare.size ? goal : 0;
        if (is_worth_a_job(log->spare.zeroed_end, goal, needed)) {
            zero_start(log, NULL, log->spare.fd, log->spare.zeroed_end, goal);
        }
    }
}

/* ---- activation ---- */

static int activate(struct log_segment *segment, const char **step)
{
    struct vxc_log *log = segment->log;
    uint8_t *block = vxc_disk_memory(VXC_LOG_BLOCK_SIZE);
    int rv = VXC_ENOMEM;

    *step = "memory";
    if (block == NULL) {
        return rv;
    }
    vxc_log_segment_encode(&segment->header, block);
    *step = "write";
    rv = vxc_disk_write(segment->fd, 0, block, VXC_LOG_BLOCK_SIZE);
    vxc_disk_memory_free(block);
    if (rv != 0) {
        return rv;
    }
    *step = "flush";
    if (fdatasync(segment->fd) != 0) {
        return vxc_error_from_errno(errno);
    }
    *step = "rename";
    if (renameat(log->folder, LOG_SPARE_NAME, log->folder, segment->name) != 0) {
        return vxc_error_from_errno(errno);
    }
    *step = "flush of the folder";
    return vxc_disk_sync_folder(log->folder);
}

static void activate_run(struct vxc_log_job *job)
{
    struct log_segment *segment =
        (struct log_segment *)((char *)job - offsetof(struct log_segment, job));
    struct vxc_log *log = segment->log;
    const char *step;

    job->rv = activate(segment, &step);
    if (job->rv == VXC_ENOSPC || job->rv == VXC_ENOMEM) {
        return; /* a rename may need a block for the folder: once more, later */
    }
    if (job->rv != 0) {
        vxc_fatal("%s/%s: %s failed: %s", log->path, segment->name, step, strerror(errno));
    }
    /* From now on a log without this segment is a damaged one. */
    (void)pthread_mutex_lock(&log->base_mutex);
    log->record.head_segment = segment->number;
    log_base_store(log);
    (void)pthread_mutex_unlock(&log->base_mutex);
}

static void activate_done(struct vxc_log_job *job)
{
    struct vxc_log *log = job->data;
    struct log_segment *segment = log_segment_current(log);

    vxc_check(job == &segment->job); /* the spare after it is not there yet: it is still current */
    segment->activating = false;
    segment->active = job_succeeded(log, job->rv, ENOSPC, &log->no_name, "activating a segment");
}

static void activate_start(struct vxc_log *log, struct log_segment *segment)
{
    segment->job = (struct vxc_log_job){.run = activate_run, .done = activate_done};
    segment->activating = true;
    submit(log, &segment->job);
}

/* ---- the current segment ---- */

struct log_segment *log_segment_add(struct vxc_log *log)
{
    struct log_segment *segment;

    if (log->segment_count == log->segment_capacity) {
        size_t more = log->segment_capacity == 0 ? 16 : log->segment_capacity * 2;
        struct log_segment **segments =
            vxc_realloc(log->segments, more * sizeof(struct log_segment *));
        if (segments == NULL) {
            return NULL;
        }
        log->segments = segments;
        log->segment_capacity = more;
    }
    segment = vxc_calloc(1, sizeof *segment);
    if (segment != NULL) {
        segment->log = log;
        segment->fd = -1;
        log->segments[log->segment_count++] = segment;
    }
    return segment;
}

/* Makes the spare the current segment. */
static bool rotate(struct vxc_log *log, uint64_t need, uint64_t first_index, uint64_t prev_term,
                   uint32_t prev_chain)
{
    struct log_segment *segment;
    bool zeroing_spare = log->zero.busy && log->zero.of_spare;

    if (log->spare.state != SPARE_READY) {
        return false;
    }
    if (log->spare.size < need) {
        log->wanted_size = need;
        if (!zeroing_spare) { /* upkeep makes a larger one */
            (void)close(log->spare.fd);
            log->spare.state = SPARE_NONE;
        }
        return false;
    }
    segment = log_segment_add(log);
    log->no_segment = segment == NULL;
    if (segment == NULL) {
        log->lack = VXC_ENOMEM;
        return false; /* tried again at the next issue */
    }
    segment->number = log->next_segment++;
    segment->size = log->spare.size;
    segment->first_index = first_index;
    segment->first_sequence = log->next_sequence;
    segment->offset = VXC_LOG_BLOCK_SIZE;
    segment->first_chain = prev_chain;
    segment->zeroed_end = log->spare.zeroed_end;
    segment->fd = log->spare.fd;
    segment->header = (struct vxc_log_segment_header){.identity = log->identity,
                                                      .number = segment->number,
                                                      .size = segment->size,
                                                      .first_index = first_index,
                                                      .first_sequence = segment->first_sequence,
                                                      .prev_term = prev_term,
                                                      .prev_chain = prev_chain};
    vxc_log_segment_name(segment->number, first_index, segment->name);
    if (zeroing_spare) {
        log->zero.of_spare = false;
        log->zero.segment = segment;
    }
    log->spare.state = SPARE_NONE;
    log->wanted_size = 0;
    log->wanted_zero = 0;
    activate_start(log, segment);
    return true;
}

bool log_segment_room(struct vxc_log *log, uint64_t size, uint64_t first_index, uint64_t prev_term,
                      uint32_t prev_chain, struct log_segment **segment)
{
    struct log_segment *current = log_segment_current(log);

    if (current == NULL || current->size - current->offset < size) {
        if (!rotate(log, VXC_LOG_BLOCK_SIZE + size, first_index, prev_term, prev_chain)) {
            return false;
        }
        current = log_segment_current(log);
    }
    if (current->zeroed_end < current->offset + size) {
        log->wanted_zero = current->offset + size;
        return false;
    }
    *segment = current;
    return true;
}

bool log_segment_is_full(const struct vxc_log *log, uint64_t more)
{
    const struct log_segment *current = log_segment_current(log);
    uint64_t waiting = vxc_disk_round_up(more);
    uint64_t room = 0;

    if (!log_segment_no_space(log)) {
        return false;
    }
    for (uint64_t i = log->units_issued; i < log->units_end; i++) {
        waiting += vxc_disk_round_up(log_unit_at(log, i)->size);
    }
    if (current != NULL) {
        room += (log->no_zeros ? current->zeroed_end : current->size) - current->offset;
    }
    if (log->spare.state == SPARE_READY) {
        room +=
            (log->spare.reserved ? log->spare.size : log->spare.zeroed_end) - VXC_LOG_BLOCK_SIZE;
    }
    return waiting > room;
}

void log_segment_upkeep(struct vxc_log *log)
{
    struct log_segment *current = log_segment_current(log);

    if (log_segment_no_space(log) && log_now_us() < log->retry_us) {
        return;
    }
    if (current != NULL && !current->active && !current->activating) {
        activate_start(log, current);
    }
    if (log->spare.state == SPARE_NONE && (current == NULL || current->active)) {
        prepare_start(log);
    }
    if (!log->zero.busy) {
        zero_upkeep(log, current);
    }
    /* Full segments whose units are all durable are at rest; open ones are the latest few. */
    for (size_t i = log->segment_count; i > 1 && log->segments[i - 2]->fd >= 0; i--) {
        if (log->segments[i - 1]->first_sequence <= log->durable_sequence + 1) {
            close_when_done(log, log->segments[i - 2]);
        }
    }
}

/* ---- the end of segments ---- */

static void unlink_run(struct vxc_log_job *job)
{
    struct log_segment *segment =
        (struct log_segment *)((char *)job - offsetof(struct log_segment, job));

    if (segment->fd >= 0) {
        (void)close(segment->fd); /* nobody needs its bytes any more */
    }
    /* A file that cannot be removed now is removed by the next open, which knows its number is
     * past. */
    (void)unlinkat(segment->log->folder, segment->name, 0);
    job->rv = 0;
}

static void unlink_done(struct vxc_log_job *job)
{
    struct log_segment *segment =
        (struct log_segment *)((char *)job - offsetof(struct log_segment, job));
    struct vxc_log *log = job->data;

    log->jobs--;
    log->retry_us = 0; /* there may be space now */
    vxc_free(segment);
}

void log_segment_drop(struct vxc_log *log, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct log_segment *segment = log->segments[i];
        vxc_check(!segment->activating);
        segment->job = (struct vxc_log_job){.run = unlink_run, .done = unlink_done};
        submit(log, &segment->job);
    }
    log->segment_count -= count;
    if (log->segment_count > 0) {
        memmove(log->segments, log->segments + count,
                log->segment_count * sizeof(struct log_segment *));
    }
}

void log_segment_deinit(struct vxc_log *log)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->fd >= 0) {
            (void)close(log->segments[i]->fd); /* all in it is durable, or was never promised */
        }
        vxc_free(log->segments[i]);
    }
    vxc_free(log->segments);
    log->segments = NULL;
    log->segment_count = 0;
    if (log->spare.state == SPARE_READY) {
        (void)close(log->spare.fd); /* zeros */
        log->spare.state = SPARE_NONE;
    }
}
