/* Frames: the 16-byte header and the checks before anything else looks at a byte.
 *
 *   checksum u32 | size u32 | protocol_version u8 | flags u8 | message_kind u16 | request_id u32 |
 * payload
 *
 * Little-endian. size counts the whole frame; checksum is CRC-32 (IEEE) of the size field and all
 * that follows it. Bounds are checked before arithmetic and before anything is allocated. When the
 * flag SEQUENCED is set the payload begins with sequence u64 and floor u64 (src/fsm: exactly once).
 * Pure: no I/O, no allocation besides the caller's buffer.
 */
#ifndef VXC_WIRE_FRAME_H
#define VXC_WIRE_FRAME_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum { VXC_PROTOCOL_VERSION = 1, VXC_FRAME_SEQUENCED_SIZE = 16 };

enum vxc_frame_flags {
    VXC_FRAME_REQUEST = 1,
    VXC_FRAME_RESPONSE = 2,
    VXC_FRAME_PING = 4,
    VXC_FRAME_PONG = 8,
    VXC_FRAME_EVENT = 16,     /* pushed; request_id 0 */
    VXC_FRAME_SEQUENCED = 32, /* payload begins with sequence and floor */
    VXC_FRAME_STALE = 64,     /* a read may be answered by a backup */
    VXC_FRAME_MORE = 128,     /* a second answer to this request id will follow (queued lock) */
};

struct vxc_frame {
    uint8_t version;
    uint8_t flags;
    uint16_t kind;
    uint32_t request_id;
    uint64_t sequence; /* 0 unless SEQUENCED */
    uint64_t floor;
    struct vxc_slice payload; /* without the sequence head; borrowed from the input */
    uint32_t size;            /* of the whole frame on the wire */
};

/* Looks at the first `bytes.size` bytes of a stream:
 *   0            *frame is whole and sound; frame->size bytes are to be consumed
 *   VXC_EBUSY    more bytes are needed (*need is the whole frame's size when known, else 16)
 *   VXC_EPROTO (size below 16, or a SEQUENCED frame too short), VXC_ETOOBIG, VXC_ECRC,
 * VXC_EVERSION: the stream cannot be trusted any more; close it. The size is checked as soon as 8
 * bytes are there, before waiting for the rest. */
int vxc_frame_decode(struct vxc_slice bytes, uint32_t size_max, struct vxc_frame *frame,
                     uint32_t *need);

/* The frame at the front of `bytes` before anybody has checked it: false when it is not there whole.
 * For hints only: what it says may be wrong until vxc_frame_decode() has said otherwise. */
bool vxc_frame_peek(struct vxc_slice bytes, struct vxc_frame *frame);

/* For a large frame that is taken in pieces and not kept: reads header and sequence head from the
 * first `bytes.size` bytes, which is fewer than the frame has; frame->payload is what of the payload
 * is there. *checksum is what the CRC-32 of all bytes from VXC_FRAME_CHECKED_FROM on must be: until
 * it is compared nothing of the frame is to be believed. Errors as above, without VXC_ECRC; VXC_EBUSY
 * while `bytes` does not hold the heads. */
enum { VXC_FRAME_CHECKED_FROM = 4 };
int vxc_frame_decode_head(struct vxc_slice bytes, uint32_t size_max, struct vxc_frame *frame,
                          uint32_t *checksum);

/* Begins a frame at the end of `out` and returns its offset; the payload is then appended to `out`;
 * finish fills size and checksum in. Several frames may follow one another in one buffer. */
size_t vxc_frame_begin(struct vxc_buffer *out, uint8_t flags, uint16_t kind, uint32_t request_id);
/* The same with a sequence head (sets the SEQUENCED flag). */
size_t vxc_frame_begin_sequenced(struct vxc_buffer *out, uint8_t flags, uint16_t kind,
                                 uint32_t request_id, uint64_t sequence, uint64_t floor);
/* VXC_ETOOBIG over VXC_FRAME_SIZE_MAX, VXC_ENOMEM when begin found no room: then the frame is taken
 * back. Whoever fails to append the payload takes the frame back himself, with cancel. */
int vxc_frame_finish(struct vxc_buffer *out, size_t offset);
/* The same with a bound of one's own, for who takes larger frames than clients do. */
int vxc_frame_finish_within(struct vxc_buffer *out, size_t offset, uint32_t size_max);
void vxc_frame_cancel(struct vxc_buffer *out, size_t offset);
/* The same as finish for a frame whose payload has `hole` at offset `hole_at` of `out` without its
 * bytes being there: whoever sends the frame sends them in between. Size and checksum count them. */
int vxc_frame_finish_around(struct vxc_buffer *out, size_t offset, struct vxc_slice hole,
                            size_t hole_at);

/* For whoever copies a finished frame many times over: gives the copy at `frame` its request id and,
 * its payload being changed already, the checksum. */
void vxc_frame_seal(uint8_t *frame, uint32_t request_id);

#endif
