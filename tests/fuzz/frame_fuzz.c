/* A stream of frames, as a connection reads it: each sound frame, made again from what was decoded,
 * must be the same bytes. A wrong checksum is put right once, so that inputs get past it. */
#include "base/check.h"
#include "base/crc.h"
#include "wire/frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct vxc_frame *frame, const uint8_t *bytes)
{
    struct vxc_buffer out = {0};
    uint8_t flags = (uint8_t)(frame->flags & ~VXC_FRAME_SEQUENCED);
    size_t at = (frame->flags & VXC_FRAME_SEQUENCED) != 0
                    ? vxc_frame_begin_sequenced(&out, flags, frame->kind, frame->request_id,
                                                frame->sequence, frame->floor)
                    : vxc_frame_begin(&out, flags, frame->kind, frame->request_id);

    vxc_check(vxc_buffer_append(&out, frame->payload.data, frame->payload.size) == 0);
    vxc_check(vxc_frame_finish(&out, at) == 0);
    vxc_check(vxc_slice_equal(vxc_buffer_slice(&out), vxc_slice(bytes, frame->size)));
    vxc_buffer_free(&out);
}

static void read_stream(uint8_t *bytes, size_t size)
{
    while (size > 0) {
        struct vxc_frame frame;
        uint32_t need = 0;
        int rv = vxc_frame_decode(vxc_slice(bytes, size), VXC_FRAME_SIZE_MAX, &frame, &need);
        if (rv == VXC_ECRC) {
            uint32_t frame_size = vxc_load_u32(bytes + 4);
            vxc_check(frame_size >= VXC_FRAME_HEADER_SIZE && frame_size <= size);
            vxc_store_u32(bytes, vxc_crc32(0, bytes + 4, frame_size - 4));
            continue;
        }
        if (rv != 0) {
            vxc_check(rv != VXC_EBUSY || (need > size && need <= VXC_FRAME_SIZE_MAX));
            return;
        }
        vxc_check(frame.size >= VXC_FRAME_HEADER_SIZE && frame.size <= size);
        vxc_check(frame.payload.data + frame.payload.size == bytes + frame.size);
        check_same(&frame, bytes);
        bytes += frame.size;
        size -= frame.size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);

    if (copy == NULL) {
        return 0;
    }
    if (size != 0) {
        memcpy(copy, data, size);
    }
    read_stream(copy, size);
    free(copy);
    return 0;
}
