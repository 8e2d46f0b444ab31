#include "storage/image_format.h"

#include "base/check.h"
#include "base/crc.h"

#include <inttypes.h>
#include <lz4.h>
#include <zlib.h>

static const uint8_t MAGIC[8] = "VXCIMAGE";
static const uint8_t CHUNK_MARK[4] = "CHNK";
static const uint8_t TRAILER_MARK[4] = "TAIL";

/* Header; all parts: docs/format.md. The CRC covers what follows it. */
enum {
    AT_CRC = 8,
    AT_SIZE = 12,
    AT_VERSION = 16,
    AT_COMPRESSION = 18,
    AT_RESERVED = 19,
    AT_CHUNK_SIZE = 20,
    AT_CLUSTER_ID = 24,
    AT_NODE_ID = 40,
    AT_INDEX = 48,
    AT_TERM = 56,
    AT_POSITION = 64,
    AT_TIME = 68,
    AT_DIGEST = 76,
    AT_SAVED = 84,
    AT_CONFIGURATION_INDEX = 92,
    AT_CONFIGURATION_SIZE = 100,
    AT_RESERVED_2 = 104,
    AT_CONFIGURATION = 108,
};
static_assert((int)AT_CONFIGURATION == (int)VXC_IMAGE_HEADER_SIZE_MIN,
              "the fixed part of the header");

/* Chunk head. */
enum { CHUNK_CRC = 4, CHUNK_NUMBER = 8, CHUNK_RAW = 12, CHUNK_STORED = 16, CHUNK_FLAGS = 20 };
enum { CHUNK_PACKED = 1 };

/* Trailer. */
enum { TRAILER_SIZE = 4, TRAILER_DATABASES = 8, TRAILER_CHUNKS = 16 };
enum { TRAILER_RAW = 24, TRAILER_AT = 32 };
enum {
    TRAILER_TAIL_SIZE = VXC_IMAGE_SHA256_SIZE + 4, /* and the CRC */
    TRAILER_SIZE_MIN = VXC_IMAGE_TRAILER_HEAD_SIZE + TRAILER_TAIL_SIZE,
};

static int damaged(struct vxc_error *err, uint64_t offset, const char *what)
{
    return vxc_error_set(err, VXC_ECORRUPT, "offset %" PRIu64 ": %s", offset, what);
}

/* ---- compressions ---- */

static const char *const compression_names[VXC_IMAGE_COMPRESSIONS] = {"none", "lz4", "zlib"};

const char *vxc_image_compression_name(enum vxc_image_compression compression)
{
    vxc_check((unsigned)compression < VXC_IMAGE_COMPRESSIONS);
    return compression_names[compression];
}

int vxc_image_compression_parse(const char *text, enum vxc_image_compression *compression)
{
    for (unsigned i = 0; i < VXC_IMAGE_COMPRESSIONS; i++) {
        if (strcmp(text, compression_names[i]) == 0) {
            *compression = (enum vxc_image_compression)i;
            return 0;
        }
    }
    return VXC_EINVAL;
}

uint64_t vxc_image_rows(const struct vxc_image_info *info)
{
    uint64_t rows = 0;

    for (int db = 0; db < VXC_DB_COUNT; db++) {
        rows += info->databases[db].rows;
    }
    return rows;
}

size_t vxc_image_stored_size_max(const struct vxc_image_info *info)
{
    /* What does not shrink is stored plainly, so packed bytes are never more than raw ones. */
    return info->chunk_size;
}

bool vxc_image_pack(enum vxc_image_compression compression, const uint8_t *raw, uint32_t raw_size,
                    uint8_t *out, size_t capacity, uint32_t *stored_size)
{
    size_t room = capacity < raw_size ? capacity : raw_size;

    if (compression == VXC_IMAGE_LZ4) {
        int size = LZ4_compress_default((const char *)raw, (char *)out, (int)raw_size, (int)room);
        *stored_size = (uint32_t)size;
        return size > 0 && (uint32_t)size < raw_size;
    }
    if (compression == VXC_IMAGE_ZLIB) {
        uLongf size = room;
        if (compress2(out, &size, raw, raw_size, Z_DEFAULT_COMPRESSION) != Z_OK) {
            return false; /* does not fit: saves nothing */
        }
        *stored_size = (uint32_t)size;
        return size < raw_size;
    }
    return false;
}

int vxc_image_unpack(enum vxc_image_compression compression, const struct vxc_image_chunk *chunk,
                     const uint8_t *stored, uint8_t *raw, uint64_t offset, struct vxc_error *err)
{
    bool whole;

    if (compression == VXC_IMAGE_LZ4) {
        int size = LZ4_decompress_safe((const char *)stored, (char *)raw, (int)chunk->stored_size,
                                       (int)chunk->raw_size);
        whole = size >= 0 && (uint32_t)size == chunk->raw_size;
    } else {
        uLongf size = chunk->raw_size;
        whole = compression == VXC_IMAGE_ZLIB &&
                uncompress(raw, &size, stored, chunk->stored_size) == Z_OK &&
                size == chunk->raw_size;
    }
    return whole ? 0 : damaged(err, offset, "a chunk that cannot be unpacked");
}

/* ---- header ---- */

int vxc_image_header_encode(const struct vxc_image_info *info, struct vxc_buffer *out)
{
    uint8_t head[AT_CONFIGURATION] = {0};
    uint32_t size = AT_CONFIGURATION + info->configuration_size;
    size_t start = out->size;
    uint8_t *bytes;

    vxc_check(info->configuration_size <= VXC_IMAGE_CONFIGURATION_MAX);
    memcpy(head, MAGIC, sizeof MAGIC);
    vxc_store_u32(head + AT_SIZE, size);
    vxc_store_u16(head + AT_VERSION, info->version);
    head[AT_COMPRESSION] = (uint8_t)info->compression;
    vxc_store_u32(head + AT_CHUNK_SIZE, info->chunk_size);
    memcpy(head + AT_CLUSTER_ID, info->cluster_id, sizeof info->cluster_id);
    vxc_store_u64(head + AT_NODE_ID, info->node_id);
    vxc_store_u64(head + AT_INDEX, info->applied_index);
    vxc_store_u64(head + AT_TERM, info->applied_term);
    vxc_store_u32(head + AT_POSITION, info->applied_position);
    vxc_store_u64(head + AT_TIME, info->cluster_time_ms);
    vxc_store_u64(head + AT_DIGEST, info->digest);
    vxc_store_u64(head + AT_SAVED, info->saved_at_us);
    vxc_store_u64(head + AT_CONFIGURATION_INDEX, info->configuration_index);
    vxc_store_u32(head + AT_CONFIGURATION_SIZE, info->configuration_size);
    if (vxc_buffer_reserve(out, size) != 0) {
        return VXC_ENOMEM;
    }
    (void)vxc_buffer_append(out, head, sizeof head); /* there is room */
    (void)vxc_buffer_append(out, info->configuration, info->configuration_size);
    bytes = out->data + start;
    vxc_store_u32(bytes + AT_CRC, vxc_crc32(0, bytes + AT_SIZE, size - AT_SIZE));
    return 0;
}

int vxc_image_header_size(const uint8_t *prefix, uint32_t *size, struct vxc_error *err)
{
    if (memcmp(prefix, MAGIC, sizeof MAGIC) != 0) {
        return damaged(err, 0, "not the beginning of a snapshot file");
    }
    *size = vxc_load_u32(prefix + AT_SIZE);
    if (*size < VXC_IMAGE_PREFIX_SIZE + 2 || *size > VXC_IMAGE_HEADER_SIZE_LIMIT) {
        return damaged(err, AT_SIZE, "a header size that cannot be");
    }
    return 0;
}

static int check_header(const struct vxc_image_info *info, const uint8_t *bytes, uint32_t size,
                        struct vxc_error *err)
{
    if (bytes[AT_COMPRESSION] >= VXC_IMAGE_COMPRESSIONS) {
        return damaged(err, AT_COMPRESSION, "an unknown compression");
    }
    if (info->chunk_size < VXC_IMAGE_CHUNK_SIZE_MIN ||
        info->chunk_size > VXC_IMAGE_CHUNK_SIZE_MAX) {
        return damaged(err, AT_CHUNK_SIZE, "a chunk size that cannot be");
    }
    if (info->configuration_size > VXC_IMAGE_CONFIGURATION_MAX ||
        info->configuration_size != size - AT_CONFIGURATION) {
        return damaged(err, AT_CONFIGURATION_SIZE, "a configuration of another size");
    }
    return 0;
}

int vxc_image_header_decode(const uint8_t *bytes, uint32_t size, struct vxc_image_info *info,
                            struct vxc_error *err)
{
    int rv;

    if (vxc_load_u32(bytes + AT_CRC) != vxc_crc32(0, bytes + AT_SIZE, size - AT_SIZE)) {
        return damaged(err, AT_CRC, "checksum mismatch of the header");
    }
    if (vxc_load_u16(bytes + AT_VERSION) > VXC_IMAGE_VERSION) {
        return vxc_error_set(err, VXC_EVERSION,
                             "a snapshot file of version %u; this program reads up to %u",
                             vxc_load_u16(bytes + AT_VERSION), VXC_IMAGE_VERSION);
    }
    if (size < AT_CONFIGURATION || vxc_load_u16(bytes + AT_VERSION) == 0) {
        return damaged(err, AT_SIZE, "not a header that any version writes");
    }
    info->version = vxc_load_u16(bytes + AT_VERSION);
    info->chunk_size = vxc_load_u32(bytes + AT_CHUNK_SIZE);
    info->configuration_size = vxc_load_u32(bytes + AT_CONFIGURATION_SIZE);
    rv = check_header(info, bytes, size, err);
    if (rv != 0) {
        return rv;
    }
    info->compression = (enum vxc_image_compression)bytes[AT_COMPRESSION];
    memcpy(info->cluster_id, bytes + AT_CLUSTER_ID, sizeof info->cluster_id);
    info->node_id = vxc_load_u64(bytes + AT_NODE_ID);
    info->applied_index = vxc_load_u64(bytes + AT_INDEX);
    info->applied_term = vxc_load_u64(bytes + AT_TERM);
    info->applied_position = vxc_load_u32(bytes + AT_POSITION);
    info->cluster_time_ms = vxc_load_u64(bytes + AT_TIME);
    info->digest = vxc_load_u64(bytes + AT_DIGEST);
    info->saved_at_us = vxc_load_u64(bytes + AT_SAVED);
    info->configuration_index = vxc_load_u64(bytes + AT_CONFIGURATION_INDEX);
    memcpy(info->configuration, bytes + AT_CONFIGURATION, info->configuration_size);
    return 0;
}

/* ---- chunks ---- */

int vxc_image_part_of(const uint8_t *bytes, uint64_t offset, enum vxc_image_part *part,
                      struct vxc_error *err)
{
    if (memcmp(bytes, CHUNK_MARK, sizeof CHUNK_MARK) == 0) {
        *part = VXC_IMAGE_PART_CHUNK;
    } else if (memcmp(bytes, TRAILER_MARK, sizeof TRAILER_MARK) == 0) {
        *part = VXC_IMAGE_PART_TRAILER;
    } else {
        return damaged(err, offset, "neither a chunk nor the trailer begins here");
    }
    return 0;
}

static uint32_t chunk_crc(const uint8_t *head, const uint8_t *stored, uint32_t stored_size)
{
    uint32_t crc = vxc_crc32(0, head + CHUNK_NUMBER, VXC_IMAGE_CHUNK_HEAD_SIZE - CHUNK_NUMBER);

    return vxc_crc32(crc, stored, stored_size);
}

void vxc_image_chunk_encode(struct vxc_image_chunk *chunk, const uint8_t *stored,
                            uint8_t out[VXC_IMAGE_CHUNK_HEAD_SIZE])
{
    memcpy(out, CHUNK_MARK, sizeof CHUNK_MARK);
    vxc_store_u32(out + CHUNK_NUMBER, chunk->number);
    vxc_store_u32(out + CHUNK_RAW, chunk->raw_size);
    vxc_store_u32(out + CHUNK_STORED, chunk->stored_size);
    vxc_store_u32(out + CHUNK_FLAGS, chunk->packed ? CHUNK_PACKED : 0);
    chunk->crc = chunk_crc(out, stored, chunk->stored_size);
    vxc_store_u32(out + CHUNK_CRC, chunk->crc);
}

int vxc_image_chunk_decode(const uint8_t head[VXC_IMAGE_CHUNK_HEAD_SIZE], uint64_t offset,
                           const struct vxc_image_info *info, uint64_t number,
                           struct vxc_image_chunk *chunk, struct vxc_error *err)
{
    uint32_t flags = vxc_load_u32(head + CHUNK_FLAGS);

    chunk->crc = vxc_load_u32(head + CHUNK_CRC);
    chunk->number = vxc_load_u32(head + CHUNK_NUMBER);
    chunk->raw_size = vxc_load_u32(head + CHUNK_RAW);
    chunk->stored_size = vxc_load_u32(head + CHUNK_STORED);
    chunk->packed = (flags & CHUNK_PACKED) != 0;
    if (chunk->number != number) {
        return damaged(err, offset + CHUNK_NUMBER, "a chunk out of order");
    }
    if (chunk->raw_size == 0 || chunk->raw_size > info->chunk_size) {
        return damaged(err, offset + CHUNK_RAW, "a chunk size that cannot be");
    }
    if (chunk->stored_size == 0 || (chunk->packed ? chunk->stored_size >= chunk->raw_size
                                                  : chunk->stored_size != chunk->raw_size)) {
        return damaged(err, offset + CHUNK_STORED, "a chunk size that cannot be");
    }
    if (flags > CHUNK_PACKED || (chunk->packed && info->compression == VXC_IMAGE_PLAIN)) {
        return damaged(err, offset + CHUNK_FLAGS, "unknown flags of a chunk");
    }
    return 0;
}

int vxc_image_chunk_check(const struct vxc_image_chunk *chunk,
                          const uint8_t head[VXC_IMAGE_CHUNK_HEAD_SIZE], const uint8_t *stored,
                          uint64_t offset, struct vxc_error *err)
{
    return chunk->crc == chunk_crc(head, stored, chunk->stored_size)
               ? 0
               : damaged(err, offset, "checksum mismatch of a chunk");
}

/* ---- trailer ---- */

int vxc_image_trailer_begin(const struct vxc_image_info *info, struct vxc_buffer *out)
{
    uint8_t head[VXC_IMAGE_TRAILER_HEAD_SIZE] = {0};
    size_t start = out->size;

    memcpy(head, TRAILER_MARK, sizeof TRAILER_MARK);
    vxc_store_u32(head + TRAILER_DATABASES, VXC_DB_COUNT);
    vxc_store_u64(head + TRAILER_CHUNKS, info->chunks);
    vxc_store_u64(head + TRAILER_RAW, info->raw_bytes);
    vxc_store_u64(head + TRAILER_AT, info->file_bytes);
    if (vxc_buffer_reserve(out, VXC_IMAGE_TRAILER_SIZE_MAX) != 0) {
        return VXC_ENOMEM;
    }
    /* There is room for all of it. */
    (void)vxc_buffer_append(out, head, sizeof head);
    for (int db = 0; db < VXC_DB_COUNT; db++) {
        struct vxc_slice name = vxc_slice_of_string(vxc_database_name((enum vxc_database)db));
        (void)vxc_buffer_put_u8(out, (uint8_t)name.size);
        (void)vxc_buffer_append(out, name.data, name.size);
        (void)vxc_buffer_put_u64(out, info->databases[db].rows);
        (void)vxc_buffer_put_u64(out, info->databases[db].bytes);
    }
    vxc_store_u32(out->data + start + TRAILER_SIZE,
                  (uint32_t)(out->size - start) + TRAILER_TAIL_SIZE);
    return 0;
}

static uint32_t trailer_crc(const uint8_t *bytes, size_t size)
{
    return vxc_crc32(0, bytes + TRAILER_SIZE, size - TRAILER_SIZE - 4);
}

int vxc_image_trailer_seal(const uint8_t sha256[VXC_IMAGE_SHA256_SIZE], struct vxc_buffer *out)
{
    if (vxc_buffer_reserve(out, TRAILER_TAIL_SIZE) != 0) {
        return VXC_ENOMEM;
    }
    (void)vxc_buffer_append(out, sha256, VXC_IMAGE_SHA256_SIZE); /* there is room */
    (void)vxc_buffer_put_u32(out, trailer_crc(out->data, out->size + 4));
    return 0;
}

int vxc_image_trailer_size(const uint8_t *head, uint64_t offset, uint32_t *size,
                           struct vxc_error *err)
{
    *size = vxc_load_u32(head + TRAILER_SIZE);
    if (*size < TRAILER_SIZE_MIN || *size > VXC_IMAGE_TRAILER_SIZE_MAX) {
        return damaged(err, offset + TRAILER_SIZE, "a trailer size that cannot be");
    }
    return 0;
}

/* A database that this program does not know is of no use to it: nothing would be restored of it.
 */
static int read_databases(struct vxc_reader *reader, uint32_t count, struct vxc_image_info *info)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t size = vxc_reader_u8(reader);
        struct vxc_slice name = vxc_reader_raw(reader, size);
        struct vxc_image_database database;
        int db = 0;

        database.rows = vxc_reader_u64(reader);
        database.bytes = vxc_reader_u64(reader);
        while (db < VXC_DB_COUNT && !vxc_slice_equal(name, vxc_slice_of_string(vxc_database_name(
                                                               (enum vxc_database)db)))) {
            db++;
        }
        if (!vxc_reader_ok(reader) || db == VXC_DB_COUNT) {
            return VXC_ECORRUPT;
        }
        info->databases[db] = database;
    }
    return 0;
}

int vxc_image_trailer_decode(const uint8_t *bytes, uint32_t size, uint64_t offset,
                             struct vxc_image_info *info, struct vxc_error *err)
{
    struct vxc_reader reader;

    if (vxc_load_u32(bytes + size - 4) != trailer_crc(bytes, size)) {
        return damaged(err, offset, "checksum mismatch of the trailer");
    }
    if (vxc_load_u32(bytes + TRAILER_DATABASES + 4) != 0) {
        return damaged(err, offset + TRAILER_DATABASES + 4, "unknown flags of the trailer");
    }
    if (vxc_load_u64(bytes + TRAILER_CHUNKS) != info->chunks ||
        vxc_load_u64(bytes + TRAILER_RAW) != info->raw_bytes ||
        vxc_load_u64(bytes + TRAILER_AT) != offset) {
        return damaged(err, offset + TRAILER_CHUNKS,
                       "the trailer counts other chunks than there are");
    }
    reader = vxc_reader(vxc_slice(bytes + VXC_IMAGE_TRAILER_HEAD_SIZE, size - TRAILER_SIZE_MIN));
    if (read_databases(&reader, vxc_load_u32(bytes + TRAILER_DATABASES), info) != 0 ||
        !vxc_reader_at_end(&reader)) {
        return damaged(err, offset + VXC_IMAGE_TRAILER_HEAD_SIZE,
                       "databases that no version of this program counts");
    }
    memcpy(info->sha256, bytes + size - TRAILER_TAIL_SIZE, VXC_IMAGE_SHA256_SIZE);
    info->file_bytes = offset + size;
    return 0;
}
