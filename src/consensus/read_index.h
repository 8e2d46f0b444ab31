/* Linearizable reads without clocks: term probes.
 *
 * A read that arrives at time t may be answered from the applied state when it is certain that nobody
 * else was primary at t, and when everything committed until t is applied. So the primary of term T
 * notes its commit index and asks every voter, after t, which term it has stored. When a majority
 * (itself included) has answered with at most T, no later primary can have been elected before t: it
 * would have needed a majority that had stored a higher term, and any two majorities meet. While a
 * configuration is pending, the majority is needed in the committed and in the newest one.
 * (Ongaro's thesis, 6.4, with a term in place of a heartbeat.)
 *
 * One round of questions serves all reads that came before it was begun. Terms only rise, so an
 * answer to a later round is one to all rounds before it.
 */
#ifndef VXC_CONSENSUS_READ_INDEX_H
#define VXC_CONSENSUS_READ_INDEX_H

#include "consensus/configuration.h"

#include <stdbool.h>
#include <stdint.h>

enum { VXC_READ_ROUNDS_MAX = 16 }; /* under way; more would only wait for the same answers */

struct vxc_read_index {
    uint64_t next; /* of the reads that wait for a round to begin; begins at 1, never back */
    bool wanted;   /* there are such reads */
    struct {
        uint64_t round, commit_index;
    } rounds[VXC_READ_ROUNDS_MAX]; /* begun and not told, oldest first */
    uint32_t count;
    struct {
        uint64_t id, round; /* the highest that it answered */
    } answers[VXC_CONFIGURATION_MEMBERS_MAX];
    uint64_t asked_ms; /* when the newest round was sent */
};

void vxc_read_index_init(struct vxc_read_index *reads);

/* A read waits: its round. */
uint64_t vxc_read_index_want(struct vxc_read_index *reads);

/* Begins a round, if reads want one or if answers are overdue (asked more than retry_ms ago): the
 * number to ask the voters with; 0 = nothing is to be asked. */
uint64_t vxc_read_index_begin(struct vxc_read_index *reads, uint64_t commit_index, uint64_t now_ms,
                              uint64_t retry_ms);

/* A voter answered `round` with a term that is not above ours. */
void vxc_read_index_answer(struct vxc_read_index *reads, uint64_t id, uint64_t round);

/* The newest round that is confirmed by majorities of both configurations and whose commit index is
 * applied; 0 = none that was not given before. */
uint64_t vxc_read_index_collect(struct vxc_read_index *reads, uint64_t self,
                                const struct vxc_configuration *committed,
                                const struct vxc_configuration *newest, uint64_t applied_index);

/* The primaryship is lost: all that waits is to be refused. The newest round that somebody may wait
 * for; 0 = nobody does. */
uint64_t vxc_read_index_abort(struct vxc_read_index *reads);

/* Does anybody wait? */
bool vxc_read_index_is_busy(const struct vxc_read_index *reads);

#endif
