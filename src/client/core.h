/* The client core: requests in, bytes out; bytes in, replies and notices out. No I/O, no clock.
 *
 * Whoever drives it (the synchronous client of client.c; later a thread of its own, or the caller's
 * loop) makes the connection, carries bytes both ways, and says what time it is:
 *
 *     DOWN ── on_connected ──→ HELLO ── hello_reply ──→ SESSION ── session_reply ──→ READY
 *       ↑                        │  (no session wanted: straight to READY)             │
 *       └────── on_disconnected ─┴──────────────────────────────────────────────────────┘
 *
 * Requests stand in one list in the order of their submission, which is the order of their
 * sequences. In READY they are written to the output as they come; after a break those that may be
 * asked again go back to waiting and are written again, in order, when READY is reached once more.
 * The floor sent with each sequenced request is one less than the oldest sequence without answer.
 * A server that is not the primary is left, for the one that it names if it does: at its hello_reply
 * when there is something only a primary can do (all but status, the list of members and reads that
 * may be stale), else at its first refusal. Refused requests were not carried out and are asked again
 * elsewhere, sequenced or not; so are sequenced ones whose fate the server does not know.
 *
 * An acquire that was told `queued` keeps its place (and holds the floor down) until its outcome
 * comes: after a break it is sent again and so re-attaches.
 */
#ifndef VXC_CLIENT_CORE_H
#define VXC_CLIENT_CORE_H

#include "base/bytes.h"
#include "base/error.h"
#include "vxc/client.h"

#include <stdbool.h>
#include <stdint.h>

/* Requests under way in one client; beyond it submit says busy. A session's window is as wide. */
#define VXC_CLIENT_PENDING_MAX 4096u

struct vxc_core;

struct vxc_core_options {
    struct vxc_slice namespace_name; /* copied */
    const char *client_name;         /* copied */
    uint64_t ping_interval_ms;
    uint32_t random_seed; /* spreads the retries of many clients */
    void *data;
    void (*on_notice)(void *data, const struct vxc_notice *notice);
    /* Called before and after every callback, NULL = nothing: a driver with a lock gives it away in
     * between. Other threads may submit then, nothing else. */
    void (*leave)(void *data);
    void (*enter)(void *data);
    /* The addresses of all members, as the server knows them; asked for by each connection and then
     * now and then. Borrowed; must not call the core. NULL = not asked for. */
    void (*on_members)(void *data, const struct vxc_slice *addresses, size_t count);
};

enum vxc_core_state { VXC_CORE_DOWN, VXC_CORE_HELLO, VXC_CORE_SESSION, VXC_CORE_READY };

int vxc_core_create(const struct vxc_core_options *options, struct vxc_core **core);
/* All requests end with VXC_ECANCELED. NULL is fine. */
void vxc_core_free(struct vxc_core *core);

/* ---- the connection ---- */

void vxc_core_on_connected(struct vxc_core *core, uint64_t now_ms);
/* Ends what cannot be asked again (VXC_EUNKNOWN), keeps the rest. */
void vxc_core_on_disconnected(struct vxc_core *core, const char *reason);

/* Are there other servers to go to? Then silence ends a connection much sooner. */
void vxc_core_set_others(struct vxc_core *core, bool others);

/* Bytes that arrived. Anything but 0: this connection is of no use any more (err says why).
 * VXC_ENOTPRIMARY: go to vxc_core_primary_address(), or look for the primary elsewhere. VXC_EBUSY,
 * VXC_ENOQUORUM, VXC_EUNKNOWN: it gives no session yet; connect again soon. */
int vxc_core_input(struct vxc_core *core, struct vxc_slice bytes, uint64_t now_ms,
                   struct vxc_error *err);
/* Bytes to be sent, in parts one after the other, and how many of them have been. A part is the
 * caller's own memory where a request lent its value. Valid until the core is called again. */
size_t vxc_core_output(const struct vxc_core *core, struct vxc_slice *parts, size_t parts_max);
bool vxc_core_has_output(const struct vxc_core *core);
void vxc_core_sent(struct vxc_core *core, size_t size, uint64_t now_ms);

/* Deadlines, retries, pings. Not 0: drop the connection. VXC_ETIMEOUT: the server is silent;
 * VXC_ENOTPRIMARY as above. */
int vxc_core_tick(struct vxc_core *core, uint64_t now_ms, struct vxc_error *err);
/* When tick is wanted next; UINT64_MAX when not. */
uint64_t vxc_core_due_ms(const struct vxc_core *core);

/* ---- work ---- */

int vxc_core_submit(struct vxc_core *core, const struct vxc_request *request, uint64_t now_ms,
                    uint64_t deadline_ms, void *data, vxc_reply_cb on_reply, struct vxc_error *err);
size_t vxc_core_pending(const struct vxc_core *core);

/* ---- the session ---- */

/* Wants a session: opened (session 0) or resumed. on_done runs once: with its answer, or
 * VXC_ECLOSED if no connection came (the caller's own deadline ends it by vxc_core_forget_session).
 */
int vxc_core_want_session(struct vxc_core *core, uint64_t session, struct vxc_slice secret,
                          uint64_t first_sequence, uint32_t timeout_ms, struct vxc_slice name,
                          void *data, void (*on_done)(void *data, int code, const char *text));
/* Asks the server to close it; the answer comes to on_reply like any other. */
int vxc_core_close_session(struct vxc_core *core, uint64_t now_ms, uint64_t deadline_ms, void *data,
                           vxc_reply_cb on_reply);
void vxc_core_forget_session(struct vxc_core *core);
uint64_t vxc_core_session(const struct vxc_core *core, struct vxc_slice *secret);
uint64_t vxc_core_sequence(const struct vxc_core *core); /* of the next sequenced request */

/* ---- inspection ---- */

enum vxc_core_state vxc_core_state(const struct vxc_core *core);
bool vxc_core_was_ready(const struct vxc_core *core);
uint64_t vxc_core_told(const struct vxc_core *core); /* callbacks run so far */
/* When the server last said anything; with a session: one that serves it. 0 = never. */
uint64_t vxc_core_heard_ms(const struct vxc_core *core);
/* Has this server said that it is not the primary, and is left? */
bool vxc_core_is_leaving(const struct vxc_core *core);
/* Is a primary being looked for, none of the servers asked last having been it? */
bool vxc_core_is_searching(const struct vxc_core *core);
const struct vxc_server *vxc_core_server(const struct vxc_core *core);
/* Where the server says the primary is; "" when it is here or nobody knows. */
const char *vxc_core_primary_address(const struct vxc_core *core);

#endif
