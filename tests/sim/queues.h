/* Who waits for which lock, as the log orders it: a lock goes to whoever asked for it first of those
 * who still wait and whose session lives, and every grant has a higher fencing token than all before. */
#ifndef VXC_TESTS_SIM_QUEUES_H
#define VXC_TESTS_SIM_QUEUES_H

#include "fsm/fsm.h"
#include "sim.h"

struct queues;

struct queues *queues_create(struct world *world);
/* `lock` stands for the lock's namespace and name. */
void queues_wait(struct queues *queues, uint64_t lock, uint64_t session, uint64_t ticket);
/* The wait ran out or was called off. */
void queues_leave(struct queues *queues, uint64_t session, uint64_t ticket);
/* A waiter got its lock. */
void queues_grant(struct queues *queues, const struct vxc_fsm *fsm, uint64_t session,
                  uint64_t ticket);
/* Somebody got a lock, having waited for it or not. */
void queues_take_token(struct queues *queues, uint64_t session, uint64_t token);

#endif
