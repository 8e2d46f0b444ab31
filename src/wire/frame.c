#include "frame.h"

#include "base/check.h"
#include "base/crc.h"

/* Offsets within the header. */
enum {
    AT_CHECKSUM = 0,
    AT_SIZE = 4,
    AT_VERSION = 8,
    AT_FLAGS = 9,
    AT_KIND = 10,
    AT_REQUEST_ID = 12
};

/* Stands in the checksum of a frame that was begun; its size is still 0, which no frame has. */
#define OPEN_FRAME 0x4e45504fu

static_assert(VXC_FRAME_HEADER_SIZE == AT_REQUEST_ID + 4, "the header is packed");
static_assert((int)VXC_FRAME_CHECKED_FROM == (int)AT_SIZE,
              "the checksum is of the size and what follows");
static_assert(VXC_FRAME_SIZE_MAX <= UINT32_MAX, "a frame's size fits its field");

static uint32_t checksum_of(const uint8_t *frame, uint32_t size)
{
    return vxc_crc32(0, frame + AT_SIZE, size - AT_SIZE);
}

/* Header and sequence head of a frame of `size` bytes, of which `bytes` holds at least these. */
static int read_heads(struct vxc_slice bytes, uint32_t size, struct vxc_frame *frame)
{
    const uint8_t *p = bytes.data;
    uint32_t head = VXC_FRAME_HEADER_SIZE;

    if (p[AT_VERSION] != VXC_PROTOCOL_VERSION) {
        return VXC_EVERSION;
    }
    if ((p[AT_FLAGS] & VXC_FRAME_SEQUENCED) != 0) {
        head += VXC_FRAME_SEQUENCED_SIZE;
        if (size < head) {
            return VXC_EPROTO;
        }
    }
    frame->version = p[AT_VERSION];
    frame->flags = p[AT_FLAGS];
    frame->kind = vxc_load_u16(p + AT_KIND);
    frame->request_id = vxc_load_u32(p + AT_REQUEST_ID);
    frame->sequence = head == VXC_FRAME_HEADER_SIZE ? 0 : vxc_load_u64(p + VXC_FRAME_HEADER_SIZE);
    frame->floor = head == VXC_FRAME_HEADER_SIZE ? 0 : vxc_load_u64(p + VXC_FRAME_HEADER_SIZE + 8);
    frame->payload = vxc_slice(p + head, (size < bytes.size ? size : bytes.size) - head);
    frame->size = size;
    return 0;
}

bool vxc_frame_peek(struct vxc_slice bytes, struct vxc_frame *frame)
{
    uint32_t size;

    if (bytes.size < VXC_FRAME_HEADER_SIZE) {
        return false;
    }
    size = vxc_load_u32(bytes.data + AT_SIZE);
    return size >= VXC_FRAME_HEADER_SIZE && size <= bytes.size &&
           read_heads(bytes, size, frame) == 0;
}

int vxc_frame_decode(struct vxc_slice bytes, uint32_t size_max, struct vxc_frame *frame,
                     uint32_t *need)
{
    const uint8_t *p = bytes.data;
    uint32_t size;

    *need = VXC_FRAME_HEADER_SIZE;
    if (bytes.size < AT_SIZE + 4) {
        return VXC_EBUSY;
    }
    size = vxc_load_u32(p + AT_SIZE);
    if (size < VXC_FRAME_HEADER_SIZE) {
        return VXC_EPROTO;
    }
    if (size > size_max) {
        return VXC_ETOOBIG;
    }
    *need = size;
    if (bytes.size < size) {
        return VXC_EBUSY;
    }
    /* The checksum comes before the version: a flipped bit is damage, not a newer client. */
    if (checksum_of(p, size) != vxc_load_u32(p + AT_CHECKSUM)) {
        return VXC_ECRC;
    }
    return read_heads(bytes, size, frame);
}

int vxc_frame_decode_head(struct vxc_slice bytes, uint32_t size_max, struct vxc_frame *frame,
                          uint32_t *checksum)
{
    uint32_t size;
    int rc;

    if (bytes.size < VXC_FRAME_HEADER_SIZE + VXC_FRAME_SEQUENCED_SIZE) {
        return VXC_EBUSY;
    }
    size = vxc_load_u32(bytes.data + AT_SIZE);
    if (size < VXC_FRAME_HEADER_SIZE) {
        return VXC_EPROTO;
    }
    if (size > size_max) {
        return VXC_ETOOBIG;
    }
    rc = read_heads(bytes, size, frame);
    if (rc == 0) {
        *checksum = vxc_load_u32(bytes.data + AT_CHECKSUM);
    }
    return rc;
}

static void write_header(uint8_t *p, uint8_t flags, uint16_t kind, uint32_t request_id)
{
    vxc_store_u32(p + AT_CHECKSUM, OPEN_FRAME);
    vxc_store_u32(p + AT_SIZE, 0);
    p[AT_VERSION] = VXC_PROTOCOL_VERSION;
    p[AT_FLAGS] = flags;
    vxc_store_u16(p + AT_KIND, kind);
    vxc_store_u32(p + AT_REQUEST_ID, request_id);
}

size_t vxc_frame_begin(struct vxc_buffer *out, uint8_t flags, uint16_t kind, uint32_t request_id)
{
    uint8_t header[VXC_FRAME_HEADER_SIZE];
    size_t offset = out->size;

    vxc_check((flags & VXC_FRAME_SEQUENCED) == 0);
    write_header(header, flags, kind, request_id);
    (void)vxc_buffer_append(out, header, sizeof header); /* finish sees when it is not there */
    return offset;
}

size_t vxc_frame_begin_sequenced(struct vxc_buffer *out, uint8_t flags, uint16_t kind,
                                 uint32_t request_id, uint64_t sequence, uint64_t floor)
{
    uint8_t header[VXC_FRAME_HEADER_SIZE + VXC_FRAME_SEQUENCED_SIZE];
    size_t offset = out->size;

    write_header(header, (uint8_t)(flags | VXC_FRAME_SEQUENCED), kind, request_id);
    vxc_store_u64(header + VXC_FRAME_HEADER_SIZE, sequence);
    vxc_store_u64(header + VXC_FRAME_HEADER_SIZE + 8, floor);
    (void)vxc_buffer_append(out, header, sizeof header); /* as above */
    return offset;
}

void vxc_frame_cancel(struct vxc_buffer *out, size_t offset)
{
    if (offset < out->size) {
        out->size = offset;
    }
}

/* Did begin find the room for its header? */
static bool was_begun(const struct vxc_buffer *out, size_t offset)
{
    if (out->size < offset || out->size - offset < VXC_FRAME_HEADER_SIZE) {
        return false;
    }
    return vxc_load_u32(out->data + offset + AT_CHECKSUM) == OPEN_FRAME &&
           vxc_load_u32(out->data + offset + AT_SIZE) == 0;
}

/* Gives the frame at `offset` its size, `more` bytes of which are not in `out`. The frame is taken
 * back on failure. */
static int close_frame(struct vxc_buffer *out, size_t offset, size_t more, uint32_t size_max)
{
    int rc = 0;

    if (!was_begun(out, offset)) {
        rc = VXC_ENOMEM;
    } else if (more > size_max || out->size - offset > size_max - more) {
        rc = VXC_ETOOBIG;
    }
    if (rc != 0) {
        vxc_frame_cancel(out, offset);
        return rc;
    }
    vxc_store_u32(out->data + offset + AT_SIZE, (uint32_t)(out->size - offset + more));
    return 0;
}

int vxc_frame_finish_around(struct vxc_buffer *out, size_t offset, struct vxc_slice hole,
                            size_t hole_at)
{
    int rc = close_frame(out, offset, hole.size, VXC_FRAME_SIZE_MAX);
    uint32_t crc;
    uint8_t *p;

    if (rc != 0) {
        return rc;
    }
    vxc_check(hole_at >= offset + VXC_FRAME_HEADER_SIZE);
    vxc_check(hole_at <= out->size);
    p = out->data + offset;
    crc = vxc_crc32(0, p + AT_SIZE, hole_at - offset - AT_SIZE);
    crc = vxc_crc32(crc, hole.data, hole.size);
    crc = vxc_crc32(crc, out->data + hole_at, out->size - hole_at);
    vxc_store_u32(p + AT_CHECKSUM, crc);
    return 0;
}

/* The same without a hole, in one pass: every reply comes by here. */
int vxc_frame_finish(struct vxc_buffer *out, size_t offset)
{
    return vxc_frame_finish_within(out, offset, VXC_FRAME_SIZE_MAX);
}

int vxc_frame_finish_within(struct vxc_buffer *out, size_t offset, uint32_t size_max)
{
    int rc = close_frame(out, offset, 0, size_max);
    uint8_t *p;

    if (rc != 0) {
        return rc;
    }
    p = out->data + offset;
    vxc_store_u32(p + AT_CHECKSUM, checksum_of(p, vxc_load_u32(p + AT_SIZE)));
    return 0;
}

void vxc_frame_seal(uint8_t *frame, uint32_t request_id)
{
    vxc_store_u32(frame + AT_REQUEST_ID, request_id);
    vxc_store_u32(frame + AT_CHECKSUM, checksum_of(frame, vxc_load_u32(frame + AT_SIZE)));
}
