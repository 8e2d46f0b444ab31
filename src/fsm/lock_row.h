/* Locks and queue places as rows: what lock.c changes and lock_query.c shows. Nobody else includes
 * this.
 *
 * The queue is a doubly linked list of waiter rows, so that every operation touches a handful of
 * rows, found by their keys, however long the queue is.
 *
 *   'l' namespace(8) name
 *       flags u8 (1 created) | id u64 | holder u64 | token u64 | ticket u64 | since ms u64 |
 *       waiters u32 | next order u64 | first (session u64, ticket u64) |
 *       last (session u64, ticket u64) | name (the rest)
 *   'w' lock id(8) session(8) ticket(8)
 *       flags u8 (1 legacy) | order u64 | ticket to answer u64 | sequence u64 | since ms u64 |
 *       due ms u64 (all ones = never) | before (session u64, ticket u64) |
 *       behind (session u64, ticket u64) | row key of the lock (the rest)
 */
#ifndef VXC_FSM_LOCK_ROW_H
#define VXC_FSM_LOCK_ROW_H

#include "fsm/state.h"

enum { VXC_WAITER_KEY_SIZE = 1 + 3 * 8 };

#define VXC_WAIT_NEVER UINT64_MAX /* due time of a wait without end */

/* Names a waiter within its lock; session 0 = none. */
struct vxc_waiter_ref {
    uint64_t session;
    uint64_t ticket; /* 0 for the one place of a legacy session */
};

struct vxc_lock {
    struct vxc_row_key key;
    bool created;
    uint64_t id;
    uint64_t holder; /* session; 0 = free */
    uint64_t token;
    uint64_t ticket;
    uint64_t since_ms;
    uint32_t waiter_count;
    uint64_t next_order;
    struct vxc_waiter_ref first;
    struct vxc_waiter_ref last;
    uint64_t namespace_id; /* from the key */
    struct vxc_slice name; /* borrowed from the command, or kept in scratch */
};

struct vxc_waiter {
    uint64_t lock_id;
    struct vxc_waiter_ref ref;
    bool legacy;
    uint64_t order;    /* rises along the queue */
    uint64_t ticket;   /* to answer */
    uint64_t sequence; /* whose cached reply follows the outcome */
    uint64_t since_ms;
    uint64_t due_ms;
    struct vxc_waiter_ref before;
    struct vxc_waiter_ref behind;
    struct vxc_row_key lock_key;
};

/* ---- rows ---- */

/* Everything but the key; the name borrows from the body. VXC_ECORRUPT. */
int vxc_lock_decode(struct vxc_slice body, struct vxc_lock *lock);
void vxc_lock_put(struct vxc_fsm *fsm, const struct vxc_lock *lock);

void vxc_waiter_key(struct vxc_row_key *key, uint64_t lock_id, struct vxc_waiter_ref ref);
int vxc_waiter_decode(struct vxc_slice key, struct vxc_slice body, struct vxc_waiter *waiter);
void vxc_waiter_put(struct vxc_fsm *fsm, const struct vxc_waiter *waiter);
void vxc_waiter_del(struct vxc_fsm *fsm, const struct vxc_waiter *waiter);

/* ---- loading ---- */

/* Loads the lock whose key is set; its name is kept in scratch, for the row may change. */
bool vxc_lock_load_row(struct vxc_fsm *fsm, struct vxc_lock *lock);
/* Loads the lock of a name; without one *lock is made ready for it, with id 0. */
bool vxc_lock_load(struct vxc_fsm *fsm, uint64_t namespace_id, struct vxc_slice name,
                   struct vxc_lock *lock);
/* True, with *result set, after a load that met another long name with the same hash (nobody meets
 * that by chance) or an unreadable row. */
bool vxc_lock_is_unusable(const struct vxc_lock *lock, struct vxc_result *result);
bool vxc_waiter_load(struct vxc_fsm *fsm, uint64_t lock_id, struct vxc_waiter_ref ref,
                     struct vxc_waiter *waiter);
/* A waiter that the queue says is there. False only when it cannot be read, which stops the node
 * before anything of this entry is seen. */
bool vxc_waiter_load_linked(struct vxc_fsm *fsm, const struct vxc_lock *lock,
                            struct vxc_waiter_ref ref, struct vxc_waiter *waiter);

#endif
