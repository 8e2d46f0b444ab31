/* Any bytes as any part of the log: the decoders answer, and what they accept encodes to itself. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/crc.h"
#include "storage/log_format.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORK_SIZE = VXC_LOG_BASE_SIZE };

static void try_unit(struct vxc_slice bytes)
{
    struct vxc_log_unit_header header;
    uint8_t again[VXC_LOG_UNIT_HEADER_SIZE];
    uint64_t term;
    uint32_t chain;

    if (vxc_log_unit_decode(bytes, &header, NULL) != 0) {
        return;
    }
    (void)vxc_log_unit_check(bytes, &header, &term, &chain, NULL, NULL, NULL);
    vxc_log_unit_encode(&header, again);
    vxc_check(vxc_log_unit_decode(vxc_slice(again, sizeof again), &header, NULL) == 0);
}

static void try_record(struct vxc_slice bytes)
{
    struct vxc_log_record record;
    uint32_t size;

    if (vxc_log_record_decode(bytes, &record, &size, NULL) == 0) {
        vxc_check(size <= bytes.size);
        vxc_check(record.payload.data + record.payload.size <= bytes.data + bytes.size);
    }
}

static void try_name(struct vxc_slice bytes)
{
    char name[64] = {0};
    char again[VXC_LOG_SEGMENT_NAME_SIZE];
    uint64_t number, first_index;

    if (bytes.size != 0) {
        memcpy(name, bytes.data, bytes.size < sizeof name ? bytes.size : sizeof name - 1);
    }
    if (vxc_log_segment_parse(name, &number, &first_index)) {
        vxc_log_segment_name(number, first_index, again);
        vxc_check(strcmp(name, again) == 0);
    }
}

static void try_kind(unsigned kind, struct vxc_slice bytes)
{
    struct vxc_log_base_record base;
    struct vxc_log_segment_header segment;
    struct vxc_error err;

    switch (kind) {
    case 0:
        (void)vxc_log_base_decode(bytes, &base, &err);
        break;
    case 1:
        (void)vxc_log_segment_decode(bytes, &segment, &err);
        break;
    case 2:
        try_unit(bytes);
        break;
    case 3:
        try_record(bytes);
        break;
    default:
        try_name(bytes);
    }
}

/* Behind a wrong magic or checksum there is little to find: puts both right. */
static void repair(unsigned kind, uint8_t *work)
{
    uint32_t payload_size;

    switch (kind) {
    case 0:
        memcpy(work, "VXCBASE\n", 8);
        vxc_store_u32(work + 8, vxc_crc32(0, work + 12, VXC_LOG_BASE_SIZE - 12));
        break;
    case 1:
        memcpy(work, "VXCSEGM\n", 8);
        vxc_store_u32(work + 8, vxc_crc32(0, work + 12, VXC_LOG_BLOCK_SIZE - 12));
        break;
    case 2:
        memcpy(work, "VXCU", 4);
        vxc_store_u32(work + 4, vxc_crc32(0, work + 8, VXC_LOG_UNIT_HEADER_SIZE - 8));
        break;
    default:
        payload_size = vxc_load_u32(work + 24) % (WORK_SIZE - VXC_LOG_RECORD_HEADER_SIZE);
        vxc_store_u32(work + 24, payload_size);
        vxc_store_u32(work, vxc_crc32(0, work + 4, VXC_LOG_RECORD_HEADER_SIZE - 4 + payload_size));
    }
}

/* The first byte chooses the decoder. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t work[WORK_SIZE];
    unsigned kind;

    if (size < 1) {
        return 0;
    }
    kind = data[0] % 5;
    try_kind(kind, vxc_slice(data + 1, size - 1));
    if (kind < 4) {
        memset(work, 0, sizeof work);
        memcpy(work, data + 1, size - 1 < sizeof work ? size - 1 : sizeof work);
        repair(kind, work);
        try_kind(kind, vxc_slice(work, sizeof work));
    }
    return 0;
}
