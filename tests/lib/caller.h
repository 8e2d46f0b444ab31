/* A client of one socket, made of the wire codec: sends requests, gives what comes. For tests that
 * want to see each frame, and the moment when a connection ends. */
#ifndef VXC_TESTS_LIB_CALLER_H
#define VXC_TESTS_LIB_CALLER_H

#include "base/bytes.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

struct caller {
    int fd;
    uint32_t request_id;  /* of the last request */
    uint64_t sequence;    /* of the last sequenced one */
    struct vxc_buffer in; /* bytes read; the frame returned last is at its front */
    size_t used;          /* bytes of that frame */
    struct vxc_buffer out;
    uint8_t flags;  /* of the message returned last */
    bool timed_out; /* nothing came for `patience_s`, on an open connection */
};

/* Connects to a port of loopback. False when nobody listens there. */
bool caller_dial(struct caller *c, uint16_t port, int patience_s);
void caller_hang_up(struct caller *c);

/* Sends one request and returns its id; 0 when the connection is gone. */
uint32_t caller_post(struct caller *c, const struct vxc_message *m, bool sequenced);

/* The next message; its slices live until the next call. False at the end of the stream, or of
 * patience. */
bool caller_next(struct caller *c, struct vxc_message *m, uint32_t *request_id);

/* The message that answers a request; others are passed over. */
bool caller_answer(struct caller *c, uint32_t request_id, struct vxc_message *m);

/* A message whose fields are zero, absent or empty. */
struct vxc_message caller_message(uint16_t kind);

#endif
