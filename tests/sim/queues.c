#include "queues.h"

#include "fsm/state.h"
#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct waiting {
    uint64_t lock, session, ticket;
};

struct queues {
    struct world *world;
    struct waiting *all; /* of all locks, in the order of the log */
    size_t count, room;
    uint64_t token; /* of the last grant */
};

struct queues *queues_create(struct world *world)
{
    struct queues *queues = calloc(1, sizeof *queues);

    if (queues == NULL) {
        sim_broken("out of memory");
    }
    queues->world = world;
    return queues;
}

static void drop(struct queues *queues, size_t at)
{
    queues->count--;
    memmove(&queues->all[at], &queues->all[at + 1], (queues->count - at) * sizeof queues->all[0]);
}

/* queues->count when it does not wait. */
static size_t find(const struct queues *queues, uint64_t session, uint64_t ticket)
{
    size_t at = 0;

    while (at < queues->count &&
           (queues->all[at].session != session || queues->all[at].ticket != ticket)) {
        at++;
    }
    return at;
}

void queues_wait(struct queues *queues, uint64_t lock, uint64_t session, uint64_t ticket)
{
    if (queues->count == queues->room) {
        queues->room = queues->room == 0 ? 64 : 2 * queues->room;
        queues->all = realloc(queues->all, queues->room * sizeof queues->all[0]);
        if (queues->all == NULL) {
            sim_broken("out of memory");
        }
    }
    queues->all[queues->count++] = (struct waiting){lock, session, ticket};
}

void queues_leave(struct queues *queues, uint64_t session, uint64_t ticket)
{
    const size_t at = find(queues, session, ticket);

    if (at < queues->count) {
        drop(queues, at);
    }
}

void queues_grant(struct queues *queues, const struct vxc_fsm *fsm, uint64_t session,
                  uint64_t ticket)
{
    const size_t granted = find(queues, session, ticket);

    if (granted == queues->count) {
        sim_violation(queues->world,
                      "lock order: session %" PRIu64 " is granted ticket %" PRIu64
                      ", which does not wait",
                      session, ticket);
    }
    for (size_t at = 0; at < granted; at++) {
        const struct waiting *other = &queues->all[at];

        if (other->lock == queues->all[granted].lock && vxc_session_live(fsm, other->session)) {
            sim_violation(queues->world,
                          "lock order: session %" PRIu64 " is granted ticket %" PRIu64
                          ", but session %" PRIu64 " has waited for longer, with ticket %" PRIu64,
                          session, ticket, other->session, other->ticket);
        }
    }
    drop(queues, granted);
}

void queues_take_token(struct queues *queues, uint64_t session, uint64_t token)
{
    if (token <= queues->token) {
        sim_violation(queues->world,
                      "fences: session %" PRIu64 " is granted token %" PRIu64
                      " after token %" PRIu64,
                      session, token, queues->token);
    }
    queues->token = token;
}
