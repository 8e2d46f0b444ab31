/* The golden vectors in C: what tests/vectors/v1.txt and v1-edges.txt are made from.
 *
 * A vector is a message and the head of its frame; v1.txt shows the bytes that the codec makes of
 * it. An edge is a frame that is damaged, truncated, from the future or from the past, and what
 * decoding says.
 */
#ifndef VXC_TESTS_VECTORS_CASES_H
#define VXC_TESTS_VECTORS_CASES_H

#include "wire/frame.h"
#include "wire/message.h"

struct vector {
    const char *name;
    uint8_t flags;
    uint32_t request_id;
    uint64_t sequence; /* with the flag SEQUENCED */
    uint64_t floor;
    struct vxc_message message;
};

struct edge {
    const char *name;
    int result; /* of decoding frame and message: 0, or a code; VXC_EBUSY = more bytes are needed */
    uint16_t kind;
    uint8_t version; /* 0 = the current one; 0xff stands for 0 */
    uint8_t flags;
    struct vxc_slice payload;
    uint32_t size; /* written into the header when `size_wrong`, else the true one */
    bool size_wrong;
    uint32_t checksum_xor; /* damage done to the checksum */
    uint32_t cut;          /* bytes taken off the end after the checksum was made */
};

const struct vector *vectors(size_t *count);
const struct edge *edges(size_t *count);

/* Appends the frame. 0 or VXC_ENOMEM. */
int vector_frame(const struct vector *v, struct vxc_buffer *out);
int edge_frame(const struct edge *e, struct vxc_buffer *out);

#endif
