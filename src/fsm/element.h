/* Elements: the rows of map entries and set members, and the keys of multimaps.
 *
 *   row key  id u64 | generation u64 | [tag u8] | user key (or 440 bytes of it and 16 of its
 * SHA-256) body     flags u8 | version u64 | [expires_at u64] | [key u32 length + bytes] | value
 *
 * The full key stands in the body only when the row key holds a hash instead; it is compared on
 * every access, so that two keys with one hash are refused and never mixed up.
 */
#ifndef VXC_FSM_ELEMENT_H
#define VXC_FSM_ELEMENT_H

#include "fsm/object.h"

enum {
    VXC_ELEMENT_EXPIRES = 1,  /* expires_at is there */
    VXC_ELEMENT_LONG_KEY = 2, /* the full key is there */
};

struct vxc_element {
    uint64_t version;       /* log index of the last write */
    uint64_t expires_at_ms; /* 0 = never */
    struct vxc_slice key;   /* of the user, from the row key or the body */
    struct vxc_slice value;
};

/* VXC_ECORRUPT. The user's key begins at key_offset of the row key. Slices borrow from both. */
int vxc_element_decode(struct vxc_slice row_key, size_t key_offset, struct vxc_slice body,
                       struct vxc_element *element);

/* Writes the row: all but the value goes through fsm->head. `key` says whether the full key is
 * needed. */
void vxc_element_put(struct vxc_fsm *fsm, enum vxc_database db, const struct vxc_row_key *key,
                     const struct vxc_element *element);

/* Where an element is, or would be. */
struct vxc_place {
    struct vxc_object
        *object; /* NULL when there is no object of that name; then nothing else is set */
    struct vxc_row_key key;
    bool found;
    struct vxc_element old; /* when found; borrowed until the table changes */
};

/* Looks an element (command: namespace, name, key) up. False when the result already says why not.
 */
bool vxc_element_locate(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                        const struct vxc_command *command, struct vxc_place *place,
                        struct vxc_result *result);

/* For vxc_fsm_expect(): this element will be looked up soon. */
void vxc_element_expect(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                        const struct vxc_command *command);

/* Page of an object's elements in the order of keys; query: key cursor, b limits. */
void vxc_element_scan(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                      const struct vxc_command *query, enum vxc_scan_what what,
                      struct vxc_result *result);

#endif
