/* The log from inside: what its parts share. Nothing but storage/log*.c includes this.
 *
 *   log.c          birth and death, base, accessors
 *   log_recover.c  segments on disk → what the log holds
 *   log_unit.c     write units in memory: encode entries into them, find entries in them
 *   log_write.c    append → issue → durable; truncation, markers
 *   log_segment.c  where units go: the current segment, the spare one, housekeeping jobs
 *   log_read.c     entries back from disk
 *
 * A unit's life: OPEN (entries are added) → ISSUED (placed, header written, in flight) → durable
 * (its sequence ≤ durable_sequence) → gone (all its entries released). Units live in one ring in
 * order of sequence; `units_issued` and `units_durable` say how far each step has come.
 */
#ifndef VXC_STORAGE_LOG_INTERNAL_H
#define VXC_STORAGE_LOG_INTERNAL_H

#include "storage/log.h"
#include "storage/log_format.h"
#include "storage/log_index.h"
#include "storage/log_io.h"
#include "storage/log_keeper.h"
#include "storage/pair.h"

#include <pthread.h>

enum {
    LOG_UNIT_SIZE_TARGET = 1024 * 1024,   /* bytes; a unit of several entries is closed here */
    LOG_UNITS_PER_SEGMENT_MIN = 4,        /* … or at this part of a (small) segment */
    LOG_UNIT_CAPACITY_MIN = 16 * 1024,    /* bytes of the smallest unit buffer */
    LOG_POOL_CLASSES = 12,                /* buffers of 16 KiB · 2^n, n below this: to 32 MiB */
    LOG_POOL_BYTES_MAX = 8 * 1024 * 1024, /* bytes of unused buffers kept for reuse */
    LOG_ZERO_FIRST = 128 * 1024,          /* bytes zeroed when a segment is made */
    LOG_ZERO_CHUNK = 4 * 1024 * 1024,     /* bytes zeroed per job */
    LOG_ZERO_AHEAD = 8 * 1024 * 1024,     /* bytes kept zeroed ahead of the write position */
    LOG_SPACE_RETRY_MS = 100,             /* after "no space", ask the file system again */
    LOG_READ_WINDOW = 256 * 1024,         /* bytes read at once; more for a larger unit */
    LOG_READ_KEEP = 1024 * 1024,          /* bytes; a larger read buffer is given back */
    LOG_SCAN_WINDOW = 4 * 1024 * 1024,    /* bytes read at once by recovery */
};

#define LOG_SPARE_NAME "spare"

struct log_segment {
    uint64_t number;
    uint64_t size;        /* bytes of the file */
    uint64_t first_index; /* of its first live entry; lowered by truncation */
    uint32_t first_chain; /* CRC of the record before that one */
    uint64_t first_sequence;
    uint64_t offset;     /* where the next unit goes */
    uint64_t zeroed_end; /* below it all is written zeros or units */
    int fd;              /* open for writing; -1 once it is full and durable */
    bool active;         /* its name is durable: its units may count as durable */
    bool activating;     /* the job is under way */
    char name[VXC_LOG_SEGMENT_NAME_SIZE];
    struct vxc_log *log;
    struct vxc_log_segment_header header; /* to be written by the activation job */
    struct vxc_log_job job;               /* activation, at the end the unlinking */
};

struct log_unit {
    uint8_t *data;        /* capacity bytes, aligned to a block */
    size_t capacity;      /* bytes */
    size_t size;          /* bytes in use, header included, not yet padded */
    uint64_t first_index; /* of its first record; for other kinds last index + 1 at the time */
    uint64_t prev_term;
    uint32_t prev_chain;
    uint16_t kind;     /* enum vxc_log_unit_kind */
    uint32_t count;    /* records */
    uint32_t *offsets; /* of each record in data */
    uint32_t offsets_capacity;
    uint64_t sequence;           /* once issued */
    struct log_segment *segment; /* once issued */
    struct vxc_log_write write;
    uint64_t issued_us;
    bool written;          /* the device has finished it */
    struct log_unit *next; /* in the pool */
};

/* The spare segment: made and zeroed by jobs, then becomes the current one. */
enum spare_state { SPARE_NONE, SPARE_PREPARING, SPARE_READY };
struct log_spare {
    enum spare_state state;
    int fd;
    uint64_t size;
    uint64_t zeroed_end;
    bool reserved; /* the file system has reserved the blocks that are not zeroed yet */
};

struct prepare_job {
    struct vxc_log_job job;
    int folder;
    int open_flags;
    uint64_t size;
    struct log_spare made; /* result */
    int errnum;            /* of a failure */
};

struct zero_job {
    struct vxc_log_job job;
    bool busy;
    bool of_spare;
    struct log_segment *segment; /* NULL for the spare */
    int fd;
    uint64_t from, to;
    int errnum;
};

/* Reads entries back: one window over one segment. */
struct log_reader {
    int fd; /* -1 = none open */
    uint64_t segment;
    uint8_t *window;
    size_t capacity;
    uint64_t window_offset;
    size_t window_size;
    bool at_unit; /* unit and record below are valid */
    struct vxc_log_unit_header unit;
    uint64_t record_index;  /* next record to look at … */
    uint32_t record_offset; /* … and its place in the unit */
};

struct vxc_log {
    /* depends on */
    char *path;
    int folder;
    struct vxc_log_device *device;
    struct vxc_log_keeper *keeper;
    /* settings */
    bool read_only;
    uint64_t segment_size;
    struct vxc_log_identity identity;
    /* the base; `base_mutex` guards record and pair, which the keeper updates too */
    pthread_mutex_t base_mutex;
    struct vxc_pair base_pair;
    struct vxc_log_base_record record;
    struct vxc_log_base base;
    uint8_t *configuration; /* owned; base and record point to it */
    /* what the log holds */
    uint64_t first_index;
    uint64_t last_index, last_term;
    uint32_t last_chain;
    uint64_t durable_index;
    uint64_t released_index;
    struct vxc_log_index index;
    struct log_segment **segments; /* in order of number; the last one is the current one */
    size_t segment_count, segment_capacity;
    uint64_t next_segment; /* number */
    uint64_t next_sequence;
    uint64_t durable_sequence;
    uint64_t marked_sequence;  /* durable sequence that the last issued unit carries */
    uint64_t content_sequence; /* of the last unit that is not a marker */
    /* units: a ring of pointers, positions count for ever */
    struct log_unit **units;
    size_t unit_mask; /* ring size − 1 */
    uint64_t units_begin, units_durable, units_issued, units_flushed, units_end;
    uint64_t issued_index; /* last entry of the issued units */
    struct log_unit *pool[LOG_POOL_CLASSES];
    size_t pool_bytes;
    size_t unit_target;   /* bytes; a unit of several entries is closed here */
    size_t unit_capacity; /* of the next unit, by what the last ones took */
    /* housekeeping */
    struct log_spare spare;
    struct prepare_job prepare;
    struct zero_job zero;
    size_t jobs;          /* submitted, not collected */
    bool no_spare;        /* the last try to make a spare found no space */
    bool no_zeros;        /* the last try to zero ahead did (blocks were not reserved) */
    bool no_name;         /* the last try to rename the spare did */
    bool no_segment;      /* the last try to take the spare found no memory */
    int lack;             /* what the last try that failed had none of: VXC_ENOSPC, VXC_ENOMEM */
    uint64_t retry_us;    /* then the next try is at this time */
    uint64_t wanted_size; /* of the spare, when a unit needs more than segment_size */
    uint64_t wanted_zero; /* of the current segment: a waiting unit ends here */
    struct log_reader reader;
    /* idle */
    uint64_t idle_sequence; /* next_sequence when vxc_log_idle last looked */
    uint64_t idle_since_ms;
    struct vxc_log_stats stats;
};

/* ---- log_unit.c ---- */
/* A unit at the end of the ring with room for `size` bytes behind its header. VXC_ENOMEM. */
int log_unit_begin(struct vxc_log *log, uint16_t kind, size_t size, struct log_unit **unit);
/* Room for one more record of `size` bytes, its offset entry included. */
int log_unit_reserve(const struct vxc_log *log, struct log_unit *unit, uint32_t size, bool *fits);
void log_unit_put(struct log_unit *unit, const struct vxc_log_record *record, uint32_t *crc);
/* Cuts records from index on off a unit that has not been issued or whose bytes stay on disk. */
void log_unit_cut(struct log_unit *unit, uint64_t index);
/* The unit in memory that holds entry `index`, or NULL. */
struct log_unit *log_unit_find(const struct vxc_log *log, uint64_t index);
/* Gives back units from the front that are durable and released. */
void log_unit_collect(struct vxc_log *log);
/* Removes the last unit of the ring. */
void log_unit_pop(struct vxc_log *log);
void log_unit_deinit(struct vxc_log *log); /* all units and the pool */
static inline struct log_unit *log_unit_at(const struct vxc_log *log, uint64_t position)
{
    return log->units[position & log->unit_mask];
}

/* ---- log_segment.c ---- */
static inline struct log_segment *log_segment_current(const struct vxc_log *log)
{
    return log->segment_count == 0 ? NULL : log->segments[log->segment_count - 1];
}
struct log_segment *log_segment_add(struct vxc_log *log); /* zeroed, at the end; NULL = no memory */
/* Finds room for `size` bytes; false when it has to wait (a job is under way, or no space). */
bool log_segment_room(struct vxc_log *log, uint64_t size, uint64_t first_index, uint64_t prev_term,
                      uint32_t prev_chain, struct log_segment **segment);
/* Submits what jobs are due: the spare, zeros ahead. Never blocks. */
void log_segment_upkeep(struct vxc_log *log);
/* Makes the spare here and now (open). */
int log_segment_prepare_now(struct vxc_log *log, struct vxc_error *err);
/* Forgets the first `count` segments and unlinks them in the background. */
void log_segment_drop(struct vxc_log *log, size_t count);
bool log_segment_no_space(const struct vxc_log *log);
/* Whether `more` bytes beyond what waits would have no place while there is no space. */
bool log_segment_is_full(const struct vxc_log *log, uint64_t more);
void log_segment_deinit(struct vxc_log *log);

/* ---- log_write.c ---- */
uint64_t log_now_us(void);
/* Blocks until all that is issued is durable. */
void log_drain(struct vxc_log *log);
/* Blocks until no write and no job is under way, whatever became of them. */
void log_settle(struct vxc_log *log);
/* Writes a marker unit when the durable sequence it would carry is news. */
void log_mark(struct vxc_log *log);
/* Forgets units that were not issued. */
void log_unit_forget_waiting(struct vxc_log *log);
/* Issues what has a slot and a place. */
void log_issue(struct vxc_log *log);

/* ---- log_read.c ---- */
int log_read_entry(struct vxc_log *log, uint64_t index, struct vxc_log_entry *entry,
                   struct vxc_error *err);
/* The CRC of the record of entry `index` (first_index − 1 … last_index). */
int log_read_chain(struct vxc_log *log, uint64_t index, uint32_t *chain, struct vxc_error *err);
void log_read_reset(struct vxc_log *log); /* forgets the window (truncation, drop, reset) */
/* A unit was written there: what the window holds from there on is of before. */
void log_read_written(struct vxc_log *log, uint64_t segment, uint64_t offset);
void log_read_deinit(struct vxc_log *log);

/* ---- log_recover.c ---- */
int log_recover(struct vxc_log *log, struct vxc_error *err);

/* ---- log.c ---- */
/* Encodes and stores log->record in both copies; base_mutex is held. */
void log_base_store(struct vxc_log *log);

#endif
