/* The operations of the load: what each sends, and whether a reply is what it asked for.
 *
 * Requests are copied from frames that were made once; only key, value, request id and checksum
 * change. Which operation the n-th request of a connection is follows from n, so nothing has to be
 * remembered to judge its reply: connections answer in the order in which they were asked.
 *
 *   map-put, map-get   map `bench`, key `key:000000000042`
 *   counter-add        counter `bench/42`, plus 1
 *   lock               lock `bench-7` of connection 7: acquired and released in turn
 *
 * Values are stretches of one pool of printable random bytes, so that compression finds nothing in
 * them that real data would not offer.
 */
#ifndef VXC_TOOLS_LOAD_OPS_H
#define VXC_TOOLS_LOAD_OPS_H

#include "base/bytes.h"
#include "wire/frame.h"

#include "tools/vxc/load.h"

#define VXC_LOAD_DIGITS_MAX 9u /* of a counter's number: VXC_LOAD_KEYS_MAX counters */

struct vxc_load_ops {
    const struct vxc_load_options *options;     /* borrowed */
    uint64_t random;                            /* state of the generator; never 0 */
    uint8_t *pool;                              /* of values */
    struct vxc_buffer get, put, ping;           /* frames to copy; put ends before the value */
    struct vxc_buffer add[VXC_LOAD_DIGITS_MAX]; /* by digits of the number */
};

/* `seed` is not 0. VXC_ENOMEM; deinit in any case. */
int vxc_load_ops_init(struct vxc_load_ops *ops, const struct vxc_load_options *options,
                      uint64_t seed);
void vxc_load_ops_deinit(struct vxc_load_ops *ops);

/* The most bytes that one request takes. */
size_t vxc_load_request_size_max(const struct vxc_load_options *options);

/* Appends request number `nth` (from 0) of connection `connection`. `out` has the room. */
void vxc_load_put_request(struct vxc_load_ops *ops, unsigned connection, uint64_t nth,
                          uint32_t request_id, struct vxc_buffer *out);

/* Appends the put of key `key`, whatever the options' operation is: filling the map. */
void vxc_load_put_fill(struct vxc_load_ops *ops, uint64_t key, uint32_t request_id,
                       struct vxc_buffer *out);

/* VXC_OK when the reply says that the request succeeded, with a value of the right size where it
 * was a get; else why not: the server's code, VXC_ENOTFOUND, or VXC_EPROTO for a reply that does not
 * fit. Of a frame in pieces only the first bytes of the payload need to be there. */
int vxc_load_judge(const struct vxc_load_ops *ops, unsigned connection, uint64_t nth,
                   const struct vxc_frame *reply);
/* The same for the reply to vxc_load_put_fill(). */
int vxc_load_judge_fill(const struct vxc_frame *reply);

#endif
