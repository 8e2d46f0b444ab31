/* A naive model of the replicated state, written from the documents and not from the code: flat
 * arrays, linear searches, nothing kept twice. It answers what every command and query must answer.
 *
 * What it cannot know (numbers of namespaces, sessions and watches; members) it takes from the real
 * answer and then holds the state machine to it. Not modelled: events, limits, quota, legacy
 * clients. */
#ifndef TESTS_UNIT_FSM_MODEL_H
#define TESTS_UNIT_FSM_MODEL_H

#include "fsm/command.h"

struct model;

struct model_result {
    struct vxc_result result; /* its value lies in the buffer */
    struct vxc_buffer value;
};

struct model *model_create(void);
void model_free(struct model *model);

/* Moves time and takes away what is due. */
void model_begin_entry(struct model *model, uint64_t index, uint64_t stamp_ms);
/* `real` is what the state machine answered. */
void model_apply(struct model *model, const struct vxc_command *command,
                 const struct vxc_result *real, struct model_result *out);
/* Lists come whole, in no particular order. */
void model_query(struct model *model, const struct vxc_command *query, struct model_result *out);

/* For the generator: a live session's id, 0 when there is none; `choice` picks one. */
uint64_t model_session(const struct model *model, uint32_t choice);
unsigned model_session_count(const struct model *model);

/* A member of the cluster; NULL behind the last one. */
struct model_member {
    uint64_t id, incarnation, life;
    bool gone;
    struct vxc_slice address;
};
const struct model_member *model_member(const struct model *model, unsigned position);

#endif
