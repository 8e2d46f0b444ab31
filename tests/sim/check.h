/* What must hold, whatever went wrong: of elections, replies, reads, events, and in the end of all
 * nodes. Everything is held against the witness. */
#ifndef VXC_TESTS_SIM_CHECK_H
#define VXC_TESTS_SIM_CHECK_H

#include "load.h"
#include "sim.h"

struct check *check_create(struct world *world);

/* Election safety. */
void check_elected(struct world *world, uint64_t term, uint64_t id);

/* The highest index that anybody was told of: whatever begins from now on must see it. */
uint64_t check_floor(const struct world *world);
void check_reply(struct world *world, const struct op *op, const struct vxc_reply *reply);

void check_session_open(struct world *world, unsigned client, uint64_t session);
void check_session_lost(struct world *world, unsigned client, uint64_t session);
void check_resync(struct world *world, unsigned client);
void check_notice(struct world *world, unsigned client, uint64_t session,
                  const struct vxc_notice *notice);

/* After the faults have ended. */
void check_liveness_begin(struct world *world);
bool check_is_live(struct world *world); /* asks again when not yet; too late is a violation */
bool check_is_quiet(struct world *world);
void check_end(struct world *world);

#endif
