/* The log's formats: encode and decode, pure. docs/format.md says the same in words.
 *
 * A log is one base record and segments. A segment is one header block and then units, each at a
 * multiple of VXC_LOG_BLOCK_SIZE; a unit is a header and records, padded with zeros. All numbers
 * are little-endian. Decoders take any bytes: they answer VXC_ECORRUPT (the text begins with
 * "offset N", counted from the bytes given) or VXC_EVERSION and never read beyond what they were
 * given.
 *
 *     base-a, base-b      the base record, 16 KiB, kept as a pair (storage/pair.h)
 *     NNNNNNNNNN-IIII….log  segment N, whose first unit begins at entry I
 *     spare               the next segment, preallocated, not part of the log yet
 */
#ifndef VXC_STORAGE_LOG_FORMAT_H
#define VXC_STORAGE_LOG_FORMAT_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define VXC_LOG_FORMAT_VERSION     1u
#define VXC_LOG_BASE_SIZE          (16u * VXC_KIB) /* bytes; fixed, so that a store needs no space */
#define VXC_LOG_BASE_HEADER_SIZE   128u            /* bytes before the configuration */
#define VXC_LOG_CONFIGURATION_MAX  (VXC_LOG_BASE_SIZE - VXC_LOG_BASE_HEADER_SIZE) /* bytes */
#define VXC_LOG_UNIT_HEADER_SIZE   96u                                            /* bytes */
#define VXC_LOG_RECORD_HEADER_SIZE 32u                                            /* bytes */
#define VXC_LOG_RECORD_ALIGN       8u  /* bytes; records begin at multiples of it */
#define VXC_LOG_SEGMENT_NAME_SIZE  48u /* bytes, with the closing NUL */
/* The largest unit holds one largest entry alone. */
#define VXC_LOG_UNIT_SIZE_MAX                                                                      \
    ((VXC_LOG_UNIT_HEADER_SIZE + VXC_LOG_RECORD_HEADER_SIZE + VXC_ENTRY_SIZE_MAX +                 \
      VXC_LOG_BLOCK_SIZE) /                                                                        \
     VXC_LOG_BLOCK_SIZE * VXC_LOG_BLOCK_SIZE)

/* Whose log it is. */
struct vxc_log_identity {
    uint64_t log_id; /* random, drawn when the log was created: no block of another log fits */
    uint64_t node_id;
    uint64_t cluster_id_lo, cluster_id_hi; /* 0, 0 = not known yet */
};

struct vxc_log_base_record {
    struct vxc_log_identity identity;
    uint64_t sequence;         /* of this record; the higher one counts */
    uint64_t first_segment;    /* segments with a lower number are no longer part of the log */
    uint64_t head_segment;     /* segments from first to this one exist; lower than first = none */
    uint64_t start_sequence;   /* of the first unit in first_segment after a reset */
    uint64_t durable_sequence; /* units up to it were durable when the record was written */
    uint64_t index;            /* the base: all up to it is in the synced state */
    uint64_t term;
    uint64_t configuration_index;
    struct vxc_slice configuration; /* borrowed from the encoded bytes after a decode */
};

struct vxc_log_segment_header {
    struct vxc_log_identity identity;
    uint64_t number;         /* +1 per segment */
    uint64_t size;           /* bytes of the whole file */
    uint64_t first_index;    /* last index before it, plus 1 */
    uint64_t first_sequence; /* of its first unit */
    uint64_t prev_term;      /* of entry first_index − 1 */
    uint32_t prev_chain;     /* CRC of the record of entry first_index − 1 */
};

enum vxc_log_unit_kind {
    VXC_LOG_UNIT_ENTRIES = 1,  /* `count` records from first_index on */
    VXC_LOG_UNIT_MARKER = 2,   /* nothing but the durable sequence it carries */
    VXC_LOG_UNIT_TRUNCATE = 3, /* entries from first_index on are gone */
};

struct vxc_log_unit_header {
    uint32_t size;      /* bytes, a multiple of VXC_LOG_BLOCK_SIZE */
    uint16_t kind;      /* enum vxc_log_unit_kind */
    uint32_t count;     /* records */
    uint32_t body_size; /* bytes of records after the header */
    uint64_t log_id;
    uint64_t segment;          /* number and … */
    uint64_t offset;           /* … place: a misplaced unit does not count */
    uint64_t sequence;         /* +1 per unit over the whole life of the log */
    uint64_t durable_sequence; /* units up to it were durable when this one was issued */
    uint64_t durable_index;    /* entries up to it were (for people; the sequence decides) */
    uint64_t first_index;      /* entries: of the first record; marker: last index + 1 */
    uint64_t prev_term;        /* of entry first_index − 1 */
    uint32_t prev_chain;       /* CRC of the record of entry first_index − 1 */
};

struct vxc_log_record {
    uint64_t index;
    uint64_t term;
    uint16_t type;  /* enum vxc_log_entry_type */
    uint32_t chain; /* CRC of the record before */
    uint32_t crc;   /* of this record: over all of its header behind the CRC and its payload */
    struct vxc_slice payload;
};

void vxc_log_base_encode(const struct vxc_log_base_record *record, uint8_t out[VXC_LOG_BASE_SIZE]);
int vxc_log_base_decode(struct vxc_slice bytes, struct vxc_log_base_record *record,
                        struct vxc_error *err);

void vxc_log_segment_encode(const struct vxc_log_segment_header *header,
                            uint8_t out[VXC_LOG_BLOCK_SIZE]);
int vxc_log_segment_decode(struct vxc_slice bytes, struct vxc_log_segment_header *header,
                           struct vxc_error *err);

void vxc_log_unit_encode(const struct vxc_log_unit_header *header,
                         uint8_t out[VXC_LOG_UNIT_HEADER_SIZE]);
int vxc_log_unit_decode(struct vxc_slice bytes, struct vxc_log_unit_header *header,
                        struct vxc_error *err);

/* Bytes that a record with this payload takes, padding included. */
uint32_t vxc_log_record_size(size_t payload_size);

/* Writes header, payload and padding; returns the record's CRC, the chain of the next one. */
uint32_t vxc_log_record_encode(const struct vxc_log_record *record, uint8_t *out);

/* Payload of a record in memory that is known to be whole. */
struct vxc_slice vxc_log_record_payload(const uint8_t *record);

/* The record at the beginning of `bytes`; *size is what it takes. Index, chain and term are for the
 * caller to compare. */
int vxc_log_record_decode(struct vxc_slice bytes, struct vxc_log_record *record, uint32_t *size,
                          struct vxc_error *err);

/* Checks a whole unit whose header was decoded: records intact, consecutive, chained, terms never
 * falling, count and size as the header says. On success *last_term and *last_chain are those of
 * its last record (of the header when it has none). `visit` may be NULL; it sees each record in
 * order. */
typedef void (*vxc_log_record_cb)(void *data, const struct vxc_log_record *record, uint32_t offset);
int vxc_log_unit_check(struct vxc_slice unit, const struct vxc_log_unit_header *header,
                       uint64_t *last_term, uint32_t *last_chain, vxc_log_record_cb visit,
                       void *data, struct vxc_error *err);

void vxc_log_segment_name(uint64_t number, uint64_t first_index,
                          char out[VXC_LOG_SEGMENT_NAME_SIZE]);

/* False when `name` is not a segment's. */
bool vxc_log_segment_parse(const char *name, uint64_t *number, uint64_t *first_index);

#endif
