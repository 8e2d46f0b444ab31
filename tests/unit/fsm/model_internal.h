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
    WAITERS_MAX = 64
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
int64_t model_registrations_of(const struct model *m, const struct vxc_command *c);

#endif
