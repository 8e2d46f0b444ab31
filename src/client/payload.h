/* Payloads: public requests to message bytes, and message bytes to public replies and notices.
 * Pure. What replies point to borrows from the bytes that were read. */
#ifndef VXC_CLIENT_PAYLOAD_H
#define VXC_CLIENT_PAYLOAD_H

#include "base/bytes.h"
#include "base/error.h"
#include "vxc/client.h"
#include "wire/message.h"

/* Appends the payload of a request. VXC_EINVAL (no such operation, a field out of range),
 * VXC_ETOOBIG (a key, name or value over its bound), VXC_ENOMEM; `out` is then as before. */
int vxc_payload_write(const struct vxc_request *request, struct vxc_buffer *out,
                      struct vxc_error *err);

/* The same, but a value that the request lends (VXC_REQUEST_BORROW) and that is large enough is not
 * copied: *lent is the value and *lent_at the place in `out` where its bytes belong. *lent is empty
 * when all was copied. */
int vxc_payload_write_around(const struct vxc_request *request, struct vxc_buffer *out,
                             struct vxc_slice *lent, size_t *lent_at, struct vxc_error *err);

/* True when the operation changes nothing, so that it may be asked twice. */
bool vxc_operation_is_read(int operation);
/* True for changes of the membership: they stand in no session's sequence, and "busy" is an answer to
 * them that says what to do. */
bool vxc_operation_is_of_members(int operation);

/* Reads a reply of any request; a message that cannot be one is a reply with code VXC_EPROTO. */
void vxc_payload_read_reply(uint16_t kind, struct vxc_slice payload, struct vxc_reply *reply,
                            struct vxc_error *err);
void vxc_payload_reply_of(const struct vxc_message *message, struct vxc_reply *reply,
                          struct vxc_error *err);

/* Reads an event into a notice. VXC_EKIND for kinds that are none, VXC_EPROTO. Event kind 233 (the
 * outcome of an acquire) is not one: the core deals with it. */
int vxc_payload_read_notice(const struct vxc_message *message, struct vxc_notice *notice);

static inline struct vxc_slice vxc_slice_of(struct vxc_bytes bytes)
{
    return vxc_slice(bytes.data, bytes.size);
}

static inline struct vxc_bytes vxc_bytes_of(struct vxc_slice slice)
{
    return vxc_bytes(slice.data, slice.size);
}

#endif
