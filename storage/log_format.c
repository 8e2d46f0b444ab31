#include "log_format.h"

#include "base/check.h"
#include "base/crc.h"
#include "storage/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Base record and segment header begin alike, so that in every version the CRC can be checked
 * before the version is believed: magic (8 bytes), u32 CRC of all that follows it, u16 version. */
enum { AT_MAGIC = 0, AT_CRC = 8, AT_VERSION = 12, AT_BODY = 16 };

static const uint8_t BASE_MAGIC[8] = "VXCBASE\n";
static const uint8_t SEGMENT_MAGIC[8] = "VXCSEGM\n";
#define UNIT_MAGIC 0x55435856u /* "VXCU" */

static_assert(VXC_LOG_UNIT_SIZE_MAX <= UINT32_MAX, "a unit's size fits its field");
static_assert(VXC_LOG_UNIT_SIZE_MAX + VXC_LOG_BLOCK_SIZE <= VXC_LOG_SEGMENT_SIZE,
              "the largest unit fits a segment");

/* Writes words one after the other into memory that is known to suffice. */
struct cursor {
    uint8_t *at;
};

static void put_u64(struct cursor *c, uint64_t v)
{
    vxc_store_u64(c->at, v);
    c->at += 8;
}

static void put_u32(struct cursor *c, uint32_t v)
{
    vxc_store_u32(c->at, v);
    c->at += 4;
}

static void put_identity(struct cursor *c, const struct vxc_log_identity *identity)
{
    put_u64(c, identity->log_id);
    put_u64(c, identity->node_id);
    put_u64(c, identity->cluster_id_lo);
    put_u64(c, identity->cluster_id_hi);
}

static struct vxc_log_identity get_identity(struct vxc_reader *r)
{
    struct vxc_log_identity identity;

    identity.log_id = vxc_reader_u64(r);
    identity.node_id = vxc_reader_u64(r);
    identity.cluster_id_lo = vxc_reader_u64(r);
    identity.cluster_id_hi = vxc_reader_u64(r);
    return identity;
}

static void head_begin(uint8_t *out, size_t size, const uint8_t magic[8])
{
    memset(out, 0, size);
    memcpy(out + AT_MAGIC, magic, 8);
    vxc_store_u16(out + AT_VERSION, VXC_LOG_FORMAT_VERSION);
}

static void head_end(uint8_t *out, size_t size)
{
    vxc_store_u32(out + AT_CRC, vxc_crc32(0, out + AT_VERSION, size - AT_VERSION));
}

static int head_check(struct vxc_slice bytes, size_t size, const uint8_t magic[8], const char *what,
                      struct vxc_error *err)
{
    uint16_t version;

    if (bytes.size < size) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %zu: %s is cut short", bytes.size, what);
    }
    if (memcmp(bytes.data + AT_MAGIC, magic, 8) != 0) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: not %s", AT_MAGIC, what);
    }
    if (vxc_load_u32(bytes.data + AT_CRC) !=
        vxc_crc32(0, bytes.data + AT_VERSION, size - AT_VERSION)) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: checksum mismatch in %s", AT_CRC, what);
    }
    version = vxc_load_u16(bytes.data + AT_VERSION);
    if (version != VXC_LOG_FORMAT_VERSION) {
        return vxc_error_set(err, VXC_EVERSION,
                             "offset %d: %s has format version %u, this program knows %u",
                             AT_VERSION, what, version, VXC_LOG_FORMAT_VERSION);
    }
    return 0;
}

/* ---- the base record ---- */

void vxc_log_base_encode(const struct vxc_log_base_record *record, uint8_t out[VXC_LOG_BASE_SIZE])
{
    struct cursor c = {out + AT_BODY};

    vxc_check(record->configuration.size <= VXC_LOG_CONFIGURATION_MAX);
    head_begin(out, VXC_LOG_BASE_SIZE, BASE_MAGIC);
    put_identity(&c, &record->identity);
    put_u64(&c, record->sequence);
    put_u64(&c, record->first_segment);
    put_u64(&c, record->head_segment);
    put_u64(&c, record->start_sequence);
    put_u64(&c, record->durable_sequence);
    put_u64(&c, record->index);
    put_u64(&c, record->term);
    put_u64(&c, record->configuration_index);
    put_u32(&c, (uint32_t)record->configuration.size);
    if (record->configuration.size != 0) {
        memcpy(out + VXC_LOG_BASE_HEADER_SIZE, record->configuration.data,
               record->configuration.size);
    }
    head_end(out, VXC_LOG_BASE_SIZE);
}

int vxc_log_base_decode(struct vxc_slice bytes, struct vxc_log_base_record *record,
                        struct vxc_error *err)
{
    struct vxc_log_base_record got;
    struct vxc_reader r;
    uint32_t size;
    int rv = head_check(bytes, VXC_LOG_BASE_SIZE, BASE_MAGIC, "a base record", err);

    if (rv != 0) {
        return rv;
    }
    r = vxc_reader(vxc_slice(bytes.data + AT_BODY, VXC_LOG_BASE_HEADER_SIZE - AT_BODY));
    got.identity = get_identity(&r);
    got.sequence = vxc_reader_u64(&r);
    got.first_segment = vxc_reader_u64(&r);
    got.head_segment = vxc_reader_u64(&r);
    got.start_sequence = vxc_reader_u64(&r);
    got.durable_sequence = vxc_reader_u64(&r);
    got.index = vxc_reader_u64(&r);
    got.term = vxc_reader_u64(&r);
    got.configuration_index = vxc_reader_u64(&r);
    size = vxc_reader_u32(&r);
    vxc_check(vxc_reader_ok(&r)); /* the header's size is fixed */
    if (size > VXC_LOG_CONFIGURATION_MAX || got.first_segment == 0 || got.start_sequence == 0) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: impossible numbers in a base record",
                             AT_BODY);
    }
    got.configuration = vxc_slice(bytes.data + VXC_LOG_BASE_HEADER_SIZE, size);
    *record = got;
    return 0;
}

/* ---- segments ---- */

void vxc_log_segment_encode(const struct vxc_log_segment_header *header,
                            uint8_t out[VXC_LOG_BLOCK_SIZE])
{
    struct cursor c = {out + AT_BODY};

    head_begin(out, VXC_LOG_BLOCK_SIZE, SEGMENT_MAGIC);
    put_identity(&c, &header->identity);
    put_u64(&c, header->number);
    put_u64(&c, header->size);
    put_u64(&c, header->first_index);
    put_u64(&c, header->first_sequence);
    put_u64(&c, header->prev_term);
    put_u32(&c, header->prev_chain);
    head_end(out, VXC_LOG_BLOCK_SIZE);
}

int vxc_log_segment_decode(struct vxc_slice bytes, struct vxc_log_segment_header *header,
                           struct vxc_error *err)
{
    struct vxc_log_segment_header got;
    struct vxc_reader r;
    int rv = head_check(bytes, VXC_LOG_BLOCK_SIZE, SEGMENT_MAGIC, "a segment header", err);

    if (rv != 0) {
        return rv;
    }
    r = vxc_reader(vxc_slice(bytes.data + AT_BODY, VXC_LOG_BLOCK_SIZE - AT_BODY));
    got.identity = get_identity(&r);
    got.number = vxc_reader_u64(&r);
    got.size = vxc_reader_u64(&r);
    got.first_index = vxc_reader_u64(&r);
    got.first_sequence = vxc_reader_u64(&r);
    got.prev_term = vxc_reader_u64(&r);
    got.prev_chain = vxc_reader_u32(&r);
    vxc_check(vxc_reader_ok(&r)); /* a block is larger than the header */
    if (got.size < 2 * VXC_LOG_BLOCK_SIZE || got.size % VXC_LOG_BLOCK_SIZE != 0 ||
        got.size > INT64_MAX || got.first_index == 0 || got.first_sequence == 0) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: impossible numbers in a segment header",
                             AT_BODY);
    }
    *header = got;
    return 0;
}

void vxc_log_segment_name(uint64_t number, uint64_t first_index,
                          char out[VXC_LOG_SEGMENT_NAME_SIZE])
{
    (void)snprintf(out, VXC_LOG_SEGMENT_NAME_SIZE, "%010" PRIu64 "-%020" PRIu64 ".log", number,
                   first_index);
}

bool vxc_log_segment_parse(const char *name, uint64_t *number, uint64_t *first_index)
{
    char again[VXC_LOG_SEGMENT_NAME_SIZE];
    char *end;
    uint64_t n, i;

    if (name[0] < '0' || name[0] > '9') {
        return false;
    }
    n = strtoull(name, &end, 10);
    if (end[0] != '-' || end[1] < '0' || end[1] > '9') {
        return false;
    }
    i = strtoull(end + 1, &end, 10);
    vxc_log_segment_name(n, i, again);
    if (strcmp(name, again) != 0) { /* only the one spelling counts; catches overflow too */
        return false;
    }
    *number = n;
    *first_index = i;
    return true;
}

/* ---- units ---- */

enum { UNIT_AT_MAGIC = 0, UNIT_AT_CRC = 4, UNIT_AT_BODY = 8 };

void vxc_log_unit_encode(const struct vxc_log_unit_header *header,
                         uint8_t out[VXC_LOG_UNIT_HEADER_SIZE])
{
    struct cursor c = {out + UNIT_AT_BODY};

    memset(out, 0, VXC_LOG_UNIT_HEADER_SIZE);
    vxc_store_u32(out + UNIT_AT_MAGIC, UNIT_MAGIC);
    put_u32(&c, header->size);
    put_u32(&c, header->kind);
    put_u32(&c, header->count);
    put_u32(&c, header->body_size);
    put_u64(&c, header->log_id);
    put_u64(&c, header->segment);
    put_u64(&c, header->offset);
    put_u64(&c, header->sequence);
    put_u64(&c, header->durable_sequence);
    put_u64(&c, header->durable_index);
    put_u64(&c, header->first_index);
    put_u64(&c, header->prev_term);
    put_u32(&c, header->prev_chain);
    vxc_check(c.at <= out + VXC_LOG_UNIT_HEADER_SIZE);
    vxc_store_u32(out + UNIT_AT_CRC,
                  vxc_crc32(0, out + UNIT_AT_BODY, VXC_LOG_UNIT_HEADER_SIZE - UNIT_AT_BODY));
}

static bool unit_is_possible(const struct vxc_log_unit_header *h)
{
    if (h->size == 0 || h->size % VXC_LOG_BLOCK_SIZE != 0 || h->size > VXC_LOG_UNIT_SIZE_MAX ||
        h->body_size > h->size - VXC_LOG_UNIT_HEADER_SIZE || h->first_index == 0 ||
        h->sequence == 0 || h->durable_sequence >= h->sequence) {
        return false;
    }
    switch (h->kind) {
    case VXC_LOG_UNIT_ENTRIES:
        return h->count > 0 && h->body_size / VXC_LOG_RECORD_HEADER_SIZE >= h->count &&
               h->first_index <= UINT64_MAX - h->count;
    case VXC_LOG_UNIT_MARKER:
    case VXC_LOG_UNIT_TRUNCATE:
        return h->count == 0 && h->body_size == 0;
    default:
        return false;
    }
}

int vxc_log_unit_decode(struct vxc_slice bytes, struct vxc_log_unit_header *header,
                        struct vxc_error *err)
{
    struct vxc_log_unit_header got;
    struct vxc_reader r;
    uint32_t kind;

    if (bytes.size < VXC_LOG_UNIT_HEADER_SIZE) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %zu: a unit is cut short", bytes.size);
    }
    if (vxc_load_u32(bytes.data + UNIT_AT_MAGIC) != UNIT_MAGIC) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: not a unit", UNIT_AT_MAGIC);
    }
    if (vxc_load_u32(bytes.data + UNIT_AT_CRC) !=
        vxc_crc32(0, bytes.data + UNIT_AT_BODY, VXC_LOG_UNIT_HEADER_SIZE - UNIT_AT_BODY)) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: checksum mismatch in a unit header",
                             UNIT_AT_CRC);
    }
    r = vxc_reader(vxc_slice(bytes.data + UNIT_AT_BODY, VXC_LOG_UNIT_HEADER_SIZE - UNIT_AT_BODY));
    got.size = vxc_reader_u32(&r);
    kind = vxc_reader_u32(&r);
    got.kind = kind <= UINT16_MAX ? (uint16_t)kind : 0;
    got.count = vxc_reader_u32(&r);
    got.body_size = vxc_reader_u32(&r);
    got.log_id = vxc_reader_u64(&r);
    got.segment = vxc_reader_u64(&r);
    got.offset = vxc_reader_u64(&r);
    got.sequence = vxc_reader_u64(&r);
    got.durable_sequence = vxc_reader_u64(&r);
    got.durable_index = vxc_reader_u64(&r);
    got.first_index = vxc_reader_u64(&r);
    got.prev_term = vxc_reader_u64(&r);
    got.prev_chain = vxc_reader_u32(&r);
    vxc_check(vxc_reader_ok(&r)); /* the header's size is fixed */
    if (!unit_is_possible(&got)) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: impossible numbers in a unit header",
                             UNIT_AT_BODY);
    }
    *header = got;
    return 0;
}

int vxc_log_unit_check(struct vxc_slice unit, const struct vxc_log_unit_header *header,
                       uint64_t *last_term, uint32_t *last_chain, vxc_log_record_cb visit,
                       void *data, struct vxc_error *err)
{
    uint64_t term = header->prev_term;
    uint32_t chain = header->prev_chain;
    uint32_t at = VXC_LOG_UNIT_HEADER_SIZE;
    uint32_t end = VXC_LOG_UNIT_HEADER_SIZE + header->body_size;

    if (unit.size < end) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %zu: a unit is cut short", unit.size);
    }
    for (uint32_t i = 0; i < header->count; i++) {
        struct vxc_log_record record;
        uint32_t size;
        int rv = vxc_log_record_decode(vxc_slice(unit.data + at, end - at), &record, &size, NULL);

        if (rv != 0) {
            return vxc_error_set(err, rv, "offset %u: entry %" PRIu64 " is damaged", at,
                                 header->first_index + i);
        }
        if (record.index != header->first_index + i || record.chain != chain ||
            record.term < term) {
            return vxc_error_set(err, VXC_ECORRUPT,
                                 "offset %u: entry %" PRIu64 " of term %" PRIu64
                                 " does not follow entry %" PRIu64 " of term %" PRIu64,
                                 at, record.index, record.term, header->first_index + i - 1, term);
        }
        if (visit != NULL) {
            visit(data, &record, at);
        }
        chain = record.crc;
        term = record.term;
        at += size;
    }
    if (at != end) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %u: bytes behind a unit's last record", at);
    }
    *last_term = term;
    *last_chain = chain;
    return 0;
}

/* ---- records ---- */

enum {
    RECORD_AT_CRC = 0,
    RECORD_AT_CHAIN = 4,
    RECORD_AT_INDEX = 8,
    RECORD_AT_TERM = 16,
    RECORD_AT_SIZE = 24,
    RECORD_AT_TYPE = 28, /* u16, then two zero bytes */
};

uint32_t vxc_log_record_size(size_t payload_size)
{
    vxc_check(payload_size <= VXC_ENTRY_SIZE_MAX);
    return (uint32_t)(VXC_LOG_RECORD_HEADER_SIZE + payload_size + VXC_LOG_RECORD_ALIGN - 1) /
           VXC_LOG_RECORD_ALIGN * VXC_LOG_RECORD_ALIGN;
}

uint32_t vxc_log_record_encode(const struct vxc_log_record *record, uint8_t *out)
{
    uint32_t used = VXC_LOG_RECORD_HEADER_SIZE + (uint32_t)record->payload.size;
    uint32_t whole = vxc_log_record_size(record->payload.size);
    uint32_t crc;

    vxc_store_u32(out + RECORD_AT_CHAIN, record->chain);
    vxc_store_u64(out + RECORD_AT_INDEX, record->index);
    vxc_store_u64(out + RECORD_AT_TERM, record->term);
    vxc_store_u32(out + RECORD_AT_SIZE, (uint32_t)record->payload.size);
    vxc_store_u32(out + RECORD_AT_TYPE, record->type);
    if (record->payload.size != 0) {
        memcpy(out + VXC_LOG_RECORD_HEADER_SIZE, record->payload.data, record->payload.size);
    }
    memset(out + used, 0, whole - used);
    crc = vxc_crc32(0, out + RECORD_AT_CHAIN, used - RECORD_AT_CHAIN);
    vxc_store_u32(out + RECORD_AT_CRC, crc);
    return crc;
}

struct vxc_slice vxc_log_record_payload(const uint8_t *record)
{
    return vxc_slice(record + VXC_LOG_RECORD_HEADER_SIZE, vxc_load_u32(record + RECORD_AT_SIZE));
}

int vxc_log_record_decode(struct vxc_slice bytes, struct vxc_log_record *record, uint32_t *size,
                          struct vxc_error *err)
{
    const uint8_t *p = bytes.data;
    uint32_t payload_size;
    uint32_t type;

    if (bytes.size < VXC_LOG_RECORD_HEADER_SIZE) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %zu: a record is cut short", bytes.size);
    }
    payload_size = vxc_load_u32(p + RECORD_AT_SIZE);
    if (payload_size > VXC_ENTRY_SIZE_MAX || vxc_log_record_size(payload_size) > bytes.size) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: impossible size of a record",
                             RECORD_AT_SIZE);
    }
    if (vxc_load_u32(p + RECORD_AT_CRC) !=
        vxc_crc32(0, p + RECORD_AT_CHAIN,
                  VXC_LOG_RECORD_HEADER_SIZE - RECORD_AT_CHAIN + payload_size)) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: checksum mismatch in a record",
                             RECORD_AT_CRC);
    }
    type = vxc_load_u32(p + RECORD_AT_TYPE);
    if (type < VXC_LOG_COMMAND || type > VXC_LOG_CHANGE) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: unknown entry type %u", RECORD_AT_TYPE,
                             type);
    }
    record->crc = vxc_load_u32(p + RECORD_AT_CRC);
    record->chain = vxc_load_u32(p + RECORD_AT_CHAIN);
    record->index = vxc_load_u64(p + RECORD_AT_INDEX);
    record->term = vxc_load_u64(p + RECORD_AT_TERM);
    record->type = (uint16_t)type;
    record->payload = vxc_slice(p + VXC_LOG_RECORD_HEADER_SIZE, payload_size);
    *size = vxc_log_record_size(payload_size);
    return 0;
}
