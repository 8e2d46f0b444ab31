/* Any bytes as an image file: read to the end or refused with a code, never a crash, never more
 * memory than a header vouches for. Read twice: as they are, and with all checksums put right, so
 * that what lies behind them is reached. And as pieces that arrive: whatever a reader takes arrives
 * whole, whatever arrives is in the file byte by byte. */
#define _GNU_SOURCE /* memfd_create */
#include "base/bytes.h"
#include "base/crc.h"
#include "storage/image_arrival.h"
#include "storage/image_read.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* True when all of it arrived. The first byte says in pieces of which size. */
static bool arrive(const uint8_t *data, size_t size)
{
    struct vxc_image_arrival arrival = {.file_bytes = size};
    const size_t piece = size == 0 ? 1 : (size_t)data[0] * 7 + 1;
    struct vxc_error err;
    bool ended;

    arrival.fd = memfd_create("arrival", MFD_CLOEXEC);
    if (arrival.fd < 0) {
        abort();
    }
    while (vxc_image_arrival_next(&arrival) < size) {
        const uint64_t at = vxc_image_arrival_next(&arrival);
        const size_t left = size - (size_t)at;

        if (vxc_image_arrival_take(&arrival, vxc_slice(data + at, left < piece ? left : piece),
                                   &err) != 0) {
            break;
        }
    }
    for (uint64_t at = 0; at < arrival.good; at++) {
        uint8_t byte;

        if (pread(arrival.fd, &byte, 1, (off_t)at) != 1 || byte != data[at]) {
            abort();
        }
    }
    ended = arrival.ended;
    if (ended && arrival.good != size) {
        abort();
    }
    vxc_image_arrival_end(&arrival);
    return ended;
}

static void read_image(const uint8_t *data, size_t size)
{
    struct vxc_image_reader reader;
    struct vxc_error err;
    struct vxc_slice raw;
    const bool arrived = arrive(data, size);
    int rv;
    int fd = memfd_create("image", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    if (vxc_image_reader_begin(fd, "fuzz", &reader, &err) != 0) {
        return;
    }
    while ((rv = vxc_image_reader_next(&reader, &raw, &err)) == 0) {
        if (raw.size == 0 || raw.size > reader.info.chunk_size) {
            abort();
        }
    }
    if (rv == VXC_ENOTFOUND && !arrived) {
        abort();
    }
    vxc_image_reader_close(&reader);
}

/* Header and chunks as far as their sizes lead; what follows counts as the trailer. */
static void put_checksums_right(uint8_t *bytes, size_t size)
{
    size_t at;
    uint32_t header;

    if (size < VXC_IMAGE_PREFIX_SIZE) {
        return;
    }
    memcpy(bytes, "VXCIMAGE", 8);
    header = vxc_load_u32(bytes + 12);
    if (header < VXC_IMAGE_PREFIX_SIZE || header > size) {
        return;
    }
    vxc_store_u32(bytes + 8, vxc_crc32(0, bytes + 12, header - 12));
    at = header;
    while (size - at >= VXC_IMAGE_CHUNK_HEAD_SIZE && memcmp(bytes + at, "CHNK", 4) == 0) {
        uint32_t stored = vxc_load_u32(bytes + at + 16);

        if (stored > size - at - VXC_IMAGE_CHUNK_HEAD_SIZE) {
            return;
        }
        vxc_store_u32(bytes + at + 4,
                      vxc_crc32(0, bytes + at + 8, VXC_IMAGE_CHUNK_HEAD_SIZE - 8 + stored));
        at += VXC_IMAGE_CHUNK_HEAD_SIZE + stored;
    }
    if (size - at > VXC_IMAGE_TRAILER_HEAD_SIZE) {
        uint32_t trailer = vxc_load_u32(bytes + at + 4);

        if (trailer >= 12 && trailer <= size - at) {
            vxc_store_u32(bytes + at + trailer - 4, vxc_crc32(0, bytes + at + 4, trailer - 8));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *fixed = malloc(size + 1);

    if (fixed == NULL) {
        abort();
    }
    read_image(data, size);
    if (size > 0) {
        memcpy(fixed, data, size);
    }
    put_checksums_right(fixed, size);
    read_image(fixed, size);
    free(fixed);
    return 0;
}
