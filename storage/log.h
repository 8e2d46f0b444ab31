/* The log: the ordered entries of the consensus engine, durable before they count.
 *
 * Life of an entry: append() encodes it into the open write unit → flush() issues the unit as one
 * write (padded to 4 KiB blocks, never rewritten once issued; up to VXC_LOG_INFLIGHT_MAX in flight)
 * → poll() collects completions and moves durable_index over the contiguous durable prefix only.
 * Entry payloads stay in memory (in their unit's buffer) until vxc_log_release(); older ones are
 * read back from the segment, checked by CRC.
 *
 * Formats (segments, units, records, markers, the base record), the recovery rules and the
 * uncovered window are written down in docs/format.md. In short: segments are preallocated and
 * zero-filled; every record carries CRC, index, term and the chain to the one before; every unit
 * header carries the durable index known when it was issued; an idle log or a clean close writes
 * one marker unit; damage at or below the highest durable index found by recovery is reported
 * (VXC_ECORRUPT, file and offset), never cut; above it is a torn tail and is cut, fsynced and
 * zeroed before open returns.
 *
 * Errors: no space while preallocating → append/flush give VXC_ENOSPC and may be tried again later
 * (one spare segment is kept so that the node can still vote and delete); any failed write or flush
 * of issued data is fatal to the process (vxc_fatal), for its outcome is unknown.
 *
 * Threads: everything is called on the loop thread. Completions arrive through a file descriptor
 * that becomes readable (vxc_log_fd); the loop then calls vxc_log_poll().
 */
#ifndef VXC_STORAGE_LOG_H
#define VXC_STORAGE_LOG_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_log;

/* How blocks reach the disk: io_uring, a thread with fdatasync, or a simulated disk in tests. */
enum vxc_log_io { VXC_LOG_IO_AUTO, VXC_LOG_IO_URING, VXC_LOG_IO_THREAD };

struct vxc_log_options {
    enum vxc_log_io io;
    uint64_t cluster_id_lo, cluster_id_hi; /* 0,0 = not known yet; a foreign one is VXC_EFOREIGN */
    uint64_t node_id;
    uint64_t segment_size; /* bytes; 0 = VXC_LOG_SEGMENT_SIZE; small in tests */
    bool read_only; /* offline tools: never writes, never cuts; torn tail is just not shown */
};

/* Entry types, equal to the engine's (checked by static_assert in src/consensus). */
enum vxc_log_entry_type { VXC_LOG_COMMAND = 1, VXC_LOG_BARRIER = 2, VXC_LOG_CHANGE = 3 };

struct vxc_log_entry {
    uint64_t index;
    uint64_t term;
    uint16_t type;            /* enum vxc_log_entry_type */
    struct vxc_slice payload; /* borrowed: until release/truncate past it, or the next get */
};

/* What the log begins after: everything up to `index` is in the committed, synced state. */
struct vxc_log_base {
    uint64_t index; /* 0 = the log holds everything from entry 1 */
    uint64_t term;
    uint64_t configuration_index;
    struct vxc_slice configuration; /* engine's encoding; owned by the log */
};

/* Creates the folder `path` when absent (not when read_only); recovers; leaves the log ready.
 * VXC_ECORRUPT with file and offset, VXC_EFOREIGN, VXC_ENOSPC, VXC_EREADONLY, VXC_EIO. */
int vxc_log_open(const char *path, const struct vxc_log_options *options, struct vxc_log **log,
                 struct vxc_error *err);

/* Waits for what is in flight, writes the closing marker, frees. NULL is fine. */
void vxc_log_close(struct vxc_log *log);

uint64_t
vxc_log_first_index(const struct vxc_log *log); /* base.index + 1 … or lower (trailing part) */
uint64_t vxc_log_last_index(const struct vxc_log *log); /* appended, perhaps not durable */
uint64_t
vxc_log_durable_index(const struct vxc_log *log); /* end of the contiguous durable prefix */
const struct vxc_log_base *vxc_log_base(const struct vxc_log *log);

/* Term of an entry, or of the base; 0 when the log no longer knows. O(1) or O(log n), no I/O. */
uint64_t vxc_log_term(const struct vxc_log *log, uint64_t index);
/* Type of an entry without I/O, 0 when not held (the engine is restarted from terms and types). */
uint16_t vxc_log_type(const struct vxc_log *log, uint64_t index);

/* Adds the entry last_index + 1 to the open unit (copies the payload). Not durable, not issued yet.
 * VXC_ENOSPC, VXC_ENOMEM leave the log unchanged. VXC_EINVAL: not the next index, a falling term,
 * an unknown type; VXC_ETOOBIG: over VXC_ENTRY_SIZE_MAX. */
int vxc_log_append(struct vxc_log *log, uint64_t index, uint64_t term, uint16_t type,
                   struct vxc_slice payload);

/* Issues the open unit if it holds anything and a slot in flight is free; else it is issued from
 * poll() when one is. Called once per loop turn. */
int vxc_log_flush(struct vxc_log *log);

/* Readable when poll() has something to do. */
int vxc_log_fd(const struct vxc_log *log);

/* Collects completions; returns true when durable_index has moved. Also issues what waited. */
bool vxc_log_poll(struct vxc_log *log);

/* Blocks until all that was appended is durable (start-up, tests, clean stop); returns early only
 * when there is no space for it, which durable_index < last_index then shows. */
void vxc_log_sync(struct vxc_log *log);

/* Called when the loop idles: writes one marker unit if VXC_LOG_MARKER_IDLE_MS have passed since
 * the last unit and the durable index it would carry is news. Returns ms until it wants to be
 * called again, UINT64_MAX for not at all. */
uint64_t vxc_log_idle(struct vxc_log *log, uint64_t now_ms);

/* Entry by index: from memory while unreleased, else read back and checked.
 * VXC_ENOTFOUND outside first..last, VXC_ECORRUPT with file and offset. */
int vxc_log_get(struct vxc_log *log, uint64_t index, struct vxc_log_entry *entry,
                struct vxc_error *err);

/* Payloads up to `index` are no longer needed in memory (they are applied). */
void vxc_log_release(struct vxc_log *log, uint64_t index);

/* Removes entries ≥ index (a follower's conflicting tail): drains what is in flight first.
 * VXC_EINVAL at or below the base; VXC_ENOSPC leaves the log unchanged. */
int vxc_log_truncate(struct vxc_log *log, uint64_t index, struct vxc_error *err);

/* Records that the synced state covers `base` (durable record first), then drops whole segments at
 * or below it, keeping a trailing part of at most trailing_bytes. The base must be a durable entry
 * at or above the old base (VXC_EINVAL else); its configuration is copied. Needs no disk space. */
int vxc_log_set_base(struct vxc_log *log, const struct vxc_log_base *base, uint64_t trailing_bytes,
                     struct vxc_error *err);

/* Empties the log so that it begins after `base` (an installed image). Durable on return. */
int vxc_log_reset(struct vxc_log *log, const struct vxc_log_base *base, struct vxc_error *err);

struct vxc_log_stats {
    uint64_t bytes_in_memory; /* payloads not yet released, with their units */
    uint64_t bytes_on_disk;   /* of all segments */
    uint64_t segments;
    uint64_t units_total;   /* issued since open */
    uint64_t bytes_total;   /* issued since open */
    uint64_t flush_us_last; /* issue → durable of the last unit */
    uint64_t flush_us_max;
    const char *io;               /* "io_uring" or "thread" */
    uint64_t recovered_cut_bytes; /* torn tail cut by open */
    bool no_space; /* no further segment can be had now: refuse what grows the data */
    int lack;      /* for want of what: VXC_ENOSPC, VXC_ENOMEM; 0 = no_space is false */
};
void vxc_log_stats(const struct vxc_log *log, struct vxc_log_stats *stats);

/* About how many bytes the entries behind index take. */
uint64_t vxc_log_bytes_after(const struct vxc_log *log, uint64_t index);

#endif
