/* The reply window of a session: results of its commands until the client has acknowledged them, so
 * that a command sent again after a broken connection or a change of primary takes effect once.
 *
 * Sequences rise, with gaps; the client names a floor below which it will never ask again. In
 * memory the window is a ring of fixed slots in order of sequence, small results inside the slot:
 * in steady state a command costs no allocation and no search. In the state it is one row, written
 * when a flush finds it changed. What the row says depends on the commands alone, never on when
 * flushes happened.
 *
 * Bounds: VXC_SESSION_REPLIES_MAX results and VXC_SESSION_REPLY_BYTES_MAX bytes. The size of a
 * result is known only after its command, so the last one admitted may go over; then the window is
 * full.
 */
#ifndef VXC_FSM_SESSION_REPLY_H
#define VXC_FSM_SESSION_REPLY_H

#include "base/bytes.h"
#include "fsm/command.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_reply_slot;

/* Zero-initialise; free with vxc_reply_window_deinit(). */
struct vxc_reply_window {
    uint64_t floor;       /* all sequences ≤ floor are forgotten */
    uint64_t heard_index; /* log index of the last command remembered */
    uint64_t bytes;       /* what the kept results weigh against the bound */
    struct vxc_reply_slot *slots;
    uint32_t capacity; /* a power of two, 0 before the first result */
    uint32_t head;     /* position of the lowest sequence */
    uint32_t count;
};

void vxc_reply_window_deinit(struct vxc_reply_window *window);

/* Before a command is carried out; also forgets what `floor` allows. 0 = new, carry it out;
 * 1 = *result is the cached one, its slices borrowed until the window changes;
 * VXC_ESEQUENCE = at or below the floor, or kept for another operation than `op`; VXC_EBUSY = the
 * window is full. */
int vxc_reply_window_admit(struct vxc_reply_window *window, uint64_t sequence, uint64_t floor,
                           uint16_t op, struct vxc_result *result);

/* After an admitted command was carried out at `index`. Copies the result. */
void vxc_reply_window_remember(struct vxc_reply_window *window, uint64_t sequence, uint64_t index,
                               uint16_t op, const struct vxc_result *result);

/* Replaces a result; false when that sequence is not kept (any more). */
bool vxc_reply_window_amend(struct vxc_reply_window *window, uint64_t sequence,
                            const struct vxc_result *result);

/* Nothing to say: such a window has no row. */
bool vxc_reply_window_is_blank(const struct vxc_reply_window *window);

/* Row body: floor u64 | heard index u64 | count u32 | count × (sequence u64 | op u16 | result, u32
 * length + vxc_result_encode()). Encoding also gives back slots of a burst long past. */
void vxc_reply_window_encode(struct vxc_reply_window *window, struct vxc_buffer *out);
int vxc_reply_window_decode(struct vxc_slice body, struct vxc_reply_window *window);

#endif
