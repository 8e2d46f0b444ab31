/* Inside the sessions: what session.c, session_row.c, session_owned.c and session_query.c share.
 * Nobody else includes this. */
#ifndef VXC_FSM_SESSION_INTERNAL_H
#define VXC_FSM_SESSION_INTERNAL_H

#include <sys/queue.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"
#include "fsm/memory.h"
#include "fsm/session_reply.h"
#include "fsm/state.h"

#define uthash_fatal(message)     vxc_fatal("sessions: %s", message)
#define uthash_malloc(size)       vxc_malloc(size)
#define uthash_free(memory, size) vxc_free(memory)
#include <uthash.h>

enum {
    VXC_SECRET_SIZE = 16,
    VXC_OWNED_KINDS = VXC_OWNED_NODE,
    VXC_OWNED_HEAD_SIZE = 1 + 8 + 1, /* of the row key before the key of the thing */
    VXC_RECENT_SESSIONS = 256,
};

struct vxc_session {
    uint64_t id;
    uint64_t namespace_id;
    uint64_t opened_index;
    uint32_t timeout_ms;
    bool legacy;
    bool ending;
    uint8_t secret[VXC_SECRET_SIZE];
    uint64_t owned[VXC_OWNED_KINDS + 1]; /* by enum vxc_owned_kind */
    uint64_t registrations;
    uint64_t notified_index;
    uint64_t node_namespace;
    struct vxc_slice node_id;    /* owned; size 0 = no node entry */
    struct vxc_slice name;       /* owned */
    struct vxc_slice legacy_key; /* owned: namespace (8), node id; size 0 when not legacy */
    struct vxc_reply_window replies;

    bool lease_dirty;
    bool replies_dirty;
    TAILQ_ENTRY(vxc_session) dirty_link; /* in `dirty` while one of the two is set */
    UT_hash_handle by_id;                /* in order of id, since ids rise */
    UT_hash_handle by_legacy;
};

struct vxc_session_set {
    struct vxc_session *by_id;
    struct vxc_session *by_legacy;
    /* By the low bits of the id: saves most searches. */
    struct vxc_session *recent[VXC_RECENT_SESSIONS];
    TAILQ_HEAD(, vxc_session) dirty;
    uint64_t name_bytes;
};

/* ---- indexes (session.c) ---- */

/* NULL when there is none. */
struct vxc_session *vxc_session_lookup(const struct vxc_session_set *set, uint64_t id);
/* Namespace (8) and node id as one key; owned by the caller. */
struct vxc_slice vxc_session_legacy_key(uint64_t namespace_id, struct vxc_slice node_id);
/* Takes a session whose id, names and legacy key are set into the indexes. */
void vxc_session_attach(struct vxc_fsm *fsm, struct vxc_session *session);

/* ---- rows (session_row.c) ---- */

void vxc_session_row_key(struct vxc_row_key *key, uint8_t kind, uint64_t id);
void vxc_session_lease_dirty(struct vxc_fsm *fsm, struct vxc_session *session);
void vxc_session_replies_dirty(struct vxc_fsm *fsm, struct vxc_session *session);
/* Fills fsm->sessions from the rows. VXC_ECORRUPT. */
int vxc_session_rows_load(struct vxc_fsm *fsm, struct vxc_error *err);

#endif
