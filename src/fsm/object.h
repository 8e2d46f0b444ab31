/* Objects: the headers of maps, sets and multimaps.
 *
 * An object has an id that is never reused and a generation; its elements are rows under id and
 * generation. Clearing is a new generation, destroying drops the header: both take one step, and
 * the store reclaims the old rows later by itself. The header counts elements and bytes, so that
 * sizes and quota need no scan.
 *
 * Headers are resident, found by (kind, namespace, name) without a look at the names database. At
 * most VXC_OBJECTS_RESIDENT_MAX stay (plus those changed since the last flush); others are read
 * again from their rows. A changed header is written back by vxc_objects_flush().
 *
 * A pointer to an object is borrowed until the next call that looks one up.
 */
#ifndef VXC_FSM_OBJECT_H
#define VXC_FSM_OBJECT_H

#include "fsm/state.h"

/* Headers kept in memory: about 200 bytes each with their names. */
#define VXC_OBJECTS_RESIDENT_MAX 65536u

/* What refusals say. */
#define VXC_TEXT_TTL   "the time to live is negative or too long"
#define VXC_TEXT_QUOTA "the quota of bytes is used up: remove something first"
#define VXC_TEXT_NAME_COLLISION                                                                    \
    "another name over 440 bytes has the same first 440 bytes and the same hash: choose a new "    \
    "name"
#define VXC_TEXT_KEY_COLLISION                                                                     \
    "another key over 440 bytes has the same first 440 bytes and the same hash: choose a new key"

struct vxc_object_header {
    uint64_t generation;
    uint8_t kind; /* enum vxc_watch_kind: MAP, SET or MULTIMAP */
    uint64_t namespace_id;
    uint64_t count; /* elements */
    uint64_t bytes; /* of their keys and values */
    uint64_t created_index;
    struct vxc_slice name;
};

struct vxc_object {
    uint64_t id;
    struct vxc_object_header header; /* its name is owned by the object */

    /* private to object.c */
    uint64_t hash;
    struct vxc_object *next_in_bucket;
    struct vxc_object *next_dirty, *previous_dirty;
    struct vxc_object *next_in_ring, *previous_in_ring; /* all resident ones, for eviction */
    bool dirty;
    bool used; /* since the eviction hand passed */
};

int vxc_objects_create(struct vxc_fsm *fsm);
void vxc_objects_free(struct vxc_fsm *fsm);
/* Writes changed headers as rows. */
void vxc_objects_flush(struct vxc_fsm *fsm);

enum vxc_database vxc_object_database(enum vxc_watch_kind kind);

/* 0 with *object (NULL when there is none of that name), or VXC_ECONFLICT: another name has the
 * same first 440 bytes and the same 128 bits of hash. */
int vxc_object_find(struct vxc_fsm *fsm, enum vxc_watch_kind kind, uint64_t namespace_id,
                    struct vxc_slice name, struct vxc_object **object);
/* The same without a look at rows: NULL when it is not in memory. */
const struct vxc_object *vxc_object_resident(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                                             uint64_t namespace_id, struct vxc_slice name);
/* NULL when there is none (any more). */
struct vxc_object *vxc_object_find_by_id(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                                         uint64_t id);
/* Precondition: find gave none. */
struct vxc_object *vxc_object_create(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                                     uint64_t namespace_id, struct vxc_slice name);
/* Bytes that creating an object of this name takes of the quota. */
static inline uint64_t vxc_object_cost(struct vxc_slice name)
{
    return name.size;
}

/* To be called after every change of an element: moves count, bytes and quota, marks the header. */
void vxc_object_changed(struct vxc_fsm *fsm, struct vxc_object *object, int64_t count,
                        int64_t bytes);
/* Removes all elements, in one step. */
void vxc_object_clear(struct vxc_fsm *fsm, struct vxc_object *object);
/* Removes the object with all elements; the pointer is gone. */
void vxc_object_destroy(struct vxc_fsm *fsm, struct vxc_object *object);

/* True when `growth` more bytes fit the quota. */
static inline bool vxc_quota_has_room(const struct vxc_fsm *fsm, uint64_t growth)
{
    return growth <= fsm->quota_bytes && fsm->quota_bytes_used <= fsm->quota_bytes - growth;
}
/* Moves the quota's fill by what a write added or removed. */
void vxc_quota_move(struct vxc_fsm *fsm, int64_t bytes);

/* Begins the row key of an element: id and generation. */
static inline void vxc_object_row_key(const struct vxc_object *object, struct vxc_row_key *key)
{
    vxc_row_key_begin(key);
    vxc_row_key_u64(key, object->id);
    vxc_row_key_u64(key, object->header.generation);
}

/* VXC_ECORRUPT; the name borrows from body. */
int vxc_object_header_decode(struct vxc_slice body, struct vxc_object_header *header);

/* ---- what the modules of objects share ---- */

/* The three operations that work on an object as a whole, and the size query. */
void vxc_object_apply_create(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                             const struct vxc_command *command, struct vxc_result *result);
void vxc_object_apply_clear(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                            const struct vxc_command *command, struct vxc_result *result);
void vxc_object_apply_destroy(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                              const struct vxc_command *command, struct vxc_result *result);
void vxc_object_query_size(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                           const struct vxc_command *query, struct vxc_result *result);
/* Pairs (name, count u64 | bytes u64), in the order of names. */
void vxc_object_query_list(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                           const struct vxc_command *query, struct vxc_result *result);

/* Tells the watchers of an object, if there are any. */
void vxc_object_notify(struct vxc_fsm *fsm, enum vxc_event_type type, enum vxc_watch_kind kind,
                       const struct vxc_command *command, struct vxc_slice key,
                       struct vxc_slice value);

#endif
