/* Inside the registrations: one address while it is read or changed; what registration.c and
 * registration_resync.c share. Nobody else includes this. */
#ifndef VXC_FSM_REGISTRATION_INTERNAL_H
#define VXC_FSM_REGISTRATION_INTERNAL_H

#include "base/limits.h"
#include "fsm/state.h"

/* The encoded list of one address: it travels whole in every event of the address. */
#define VXC_ADDRESS_VIEW_SIZE_MAX (4u * VXC_MIB)

static_assert(VXC_ADDRESS_VIEW_SIZE_MAX + VXC_NAME_SIZE_MAX < VXC_VALUE_SIZE_MAX,
              "a registration event fits a frame");

struct vxc_address_item {
    uint64_t session;
    uint64_t seq;
    struct vxc_slice node_id;
    struct vxc_slice data;
    uint64_t taken_from; /* session that owned it before this command; 0 = none */
};

/* One address while it is being read or changed. */
struct vxc_address {
    struct vxc_row_key key;
    uint64_t namespace_id;
    bool exists;
    bool clash;            /* the row is that of another long address with the same hash */
    struct vxc_buffer row; /* owned copy of the body: what name and items borrow from */
    struct vxc_slice name;
    struct vxc_address_item *items; /* owned */
    size_t count;
    size_t capacity;
};

/* ---- an address (registration.c) ---- */

/* Loads the row of a name, or whose key is set; without one the address has no registrations. */
void vxc_address_load(struct vxc_fsm *fsm, uint64_t namespace_id, struct vxc_slice name,
                      struct vxc_address *address);
void vxc_address_load_row(struct vxc_fsm *fsm, struct vxc_address *address);
/* Writes the row, or deletes it when nothing is left. */
void vxc_address_store(struct vxc_fsm *fsm, const struct vxc_address *address);
void vxc_address_deinit(struct vxc_address *address);

/* The item is borrowed until the next push. */
struct vxc_address_item *vxc_address_push(struct vxc_address *address,
                                          struct vxc_address_item item);
size_t vxc_address_count_of(const struct vxc_address *address, uint64_t session);
size_t vxc_address_view_size(const struct vxc_address *address);
/* Tells the watchers the whole list. */
void vxc_address_notify(struct vxc_fsm *fsm, const struct vxc_address *address);
/* Keeps the books of a session that had `before` registrations at the address and has `after`. */
void vxc_address_settle_owner(struct vxc_fsm *fsm, const struct vxc_address *address,
                              uint64_t session, size_t before, size_t after);

/* 0, or a code with *text for people. */
int vxc_registration_check_session(struct vxc_fsm *fsm, const struct vxc_command *command,
                                   const char **text);
int vxc_registration_check_names(struct vxc_slice address, struct vxc_slice node_id,
                                 const char **text);
int vxc_address_check_clash(const struct vxc_address *address, const char **text);

/* ---- registration_resync.c ---- */

void vxc_registration_resync(struct vxc_fsm *fsm, const struct vxc_command *command,
                             struct vxc_result *result);

#endif
