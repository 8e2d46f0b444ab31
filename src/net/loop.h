/* The loop: one thread that waits for sockets, descriptors, signals and time, in turns.
 *
 * A turn is: all callbacks of what became ready, then the turn hook once. The hook does the work
 * that is worth doing for a whole batch (submit, flush, apply, one write per connection) and says
 * in how many milliseconds it wants to run again at the latest. Everything here runs on the loop's
 * own thread except vxc_loop_wake(). The sockets were looked at right before every turn, also after
 * the process was stopped for a while, so a turn may judge by their silence.
 */
#ifndef VXC_NET_LOOP_H
#define VXC_NET_LOOP_H

#include "base/error.h"

#include <stdint.h>

struct vxc_loop;

int vxc_loop_create(struct vxc_loop **loop, struct vxc_error *err);
void vxc_loop_free(struct vxc_loop *loop); /* everything on it must be closed; NULL is fine */

/* Returns ms until the next turn at the latest; 0 = at once, UINT64_MAX = only on events. */
typedef uint64_t (*vxc_loop_turn_cb)(void *data);
void vxc_loop_on_turn(struct vxc_loop *loop, vxc_loop_turn_cb cb, void *data);

/* Calls back whenever the descriptor is readable. The descriptor stays the caller's. */
int vxc_loop_watch(struct vxc_loop *loop, int descriptor, void (*cb)(void *data), void *data);
/* Ends that; the descriptor may be closed at once. One that is not watched is fine. */
void vxc_loop_unwatch(struct vxc_loop *loop, int descriptor);
/* Calls back on the signal instead of its default action. */
int vxc_loop_signal(struct vxc_loop *loop, int signal_number, void (*cb)(void *data), void *data);
/* Calls back every interval_ms. */
int vxc_loop_every(struct vxc_loop *loop, uint64_t interval_ms, void (*cb)(void *data), void *data);

/* Runs until vxc_loop_stop(), which may be called from any callback. */
void vxc_loop_run(struct vxc_loop *loop);
/* The same in somebody else's loop: whenever the descriptor is readable, and at the latest after so
 * many ms (-1 = whenever), dispatch does what is ready, without waiting. */
int vxc_loop_fd(const struct vxc_loop *loop);
int vxc_loop_timeout_ms(struct vxc_loop *loop);
void vxc_loop_dispatch(struct vxc_loop *loop);
void vxc_loop_stop(struct vxc_loop *loop);
/* Asks for another turn, from any thread. */
void vxc_loop_wake(struct vxc_loop *loop);

/* Milliseconds of the loop's own clock, updated once per turn. */
uint64_t vxc_loop_now_ms(const struct vxc_loop *loop);

/* The underlying uv_loop_t, for this folder only. */
void *vxc_loop_handle(struct vxc_loop *loop);

#endif
