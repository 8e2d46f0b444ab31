/* Inside the naive model: what its commands and its queries share. */
#ifndef TESTS_UNIT_FSM_MODEL_INTERNAL_H
#define TESTS_UNIT_FSM_MODEL_INTERNAL_H

#include "base/check.h"
#include "model.h"

enum {
    ITEMS_MAX = 4096,
    STRINGS_MAX = 4096,
    SESSIONS_MAX = 64,
    REPLIES_MAX = 4096,
    WAITERS_MAX = 64,
    RESYNC_MAX = 16,
    MEMBERS_MAX = 64,
    SYNCS_MAX = 1024, /* as many as a state remembers: which are forgotten is not modelled */
};

struct item { /* an entry of a map or multimap, a member of a set */
    uint16_t kind;
    uint64_t space;
    struct vxc_slice name, key, value;
    uint64_t due_ms; /* 0 = never */
};

struct named {     /* an object, a counter or a namespace */
    uint16_t kind; /* enum vxc_watch_kind; 0 for namespaces */
    uint64_t space;
    struct vxc_slice name;
    uint64_t value;
};

struct reply {
    uint64_t sequence;
    struct vxc_result result; /* strings are interned */
};

struct session {
    uint64_t id;
    uint64_t floor;
    uint64_t heard_index;
    struct reply replies[REPLIES_MAX];
    unsigned reply_count;
};

struct waiter {
    uint64_t session, ticket, sequence;
    uint64_t due_ms; /* UINT64_MAX = never */
};

struct lock {
    uint64_t space;
    struct vxc_slice name;
    bool created;
    uint64_t holder, token, ticket;
    struct waiter waiters[WAITERS_MAX];
    unsigned waiter_count;
};

struct registration {
    uint64_t space, session, seq;
    struct vxc_slice address, node_id, data;
};

struct model {
    uint64_t index, stamp_ms, next_token;
    bool bootstrapped;
    struct vxc_slice strings[STRINGS_MAX];
    unsigned string_count;
    struct item items[ITEMS_MAX];
    unsigned item_count;
    struct named named[ITEMS_MAX];
    unsigned named_count;
    struct session *sessions[SESSIONS_MAX];
    unsigned session_count;
    struct lock locks[SESSIONS_MAX];
    unsigned lock_count;
    struct registration registrations[ITEMS_MAX];
    unsigned registration_count;
    struct model_member members[MEMBERS_MAX];
    unsigned member_count;
    uint64_t syncs[SYNCS_MAX];
    unsigned sync_count;
    uint64_t ending; /* session whose end is being carried out */
};

/* What must not fail in a test. */
static inline void must(int rv)
{
    vxc_check(rv == 0);
}

/* ---- answers (model_query.c) ---- */

void model_say_value(struct model_result *out, struct vxc_slice value);
void model_begin_list(struct model_result *out);
void model_add_item(struct model_result *out, struct vxc_slice item);

/* ---- looking things up (model.c) ---- */

struct named *model_find_named(struct model *m, uint16_t kind, uint64_t space,
                               struct vxc_slice name);
bool model_in_object(const struct item *item, uint16_t kind, const struct vxc_command *c);
struct item *model_find_item(struct model *m, uint16_t kind, const struct vxc_command *c);
struct lock *model_find_lock(struct model *m, uint64_t space, struct vxc_slice name);
struct session *model_find_session(const struct model *m, uint64_t id);
int64_t model_registrations_of(const struct model *m, const struct vxc_command *c);
/* A copy that lives as long as the model. */
struct vxc_slice model_intern(struct model *m, struct vxc_slice bytes);
/* Takes the next command off a nested list. */
bool model_nested_next(struct vxc_slice *rest, uint64_t space, struct vxc_command *c);

/* ---- commands (model.c, model_registration.c, model_cluster.c) ---- */

bool model_has_bad_ttl(const struct vxc_command *c);
/* False when it is none of maps, sets, multimaps and counters. */
bool model_apply_data(struct model *m, const struct vxc_command *c, struct model_result *out);
void model_apply_lock(struct model *m, const struct vxc_command *c, struct model_result *out);
void model_apply_registration(struct model *m, const struct vxc_command *c,
                              struct model_result *out);
void model_apply_resync(struct model *m, const struct vxc_command *c, struct model_result *out);
void model_drop_registrations_of(struct model *m, uint64_t session);
void model_apply_member(struct model *m, const struct vxc_command *c, struct model_result *out);
void model_apply_sync(struct model *m, const struct vxc_command *sync, struct model_result *out);

#endif
