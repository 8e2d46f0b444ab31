/* Resync: after a gap a node says what all its registrations are, and the rest follows in one
 * command. Nothing is written before it is known that every address can take what is wanted. */
#include "fsm/registration_internal.h"

#include "base/check.h"
#include "base/memory.h"
#include "fsm/memory.h"

#include <stdlib.h>

/* The wanted set, in order of (address, node id, seq), each once. */
struct wanted {
    struct vxc_command *adds; /* owned */
    size_t count;
};

static int compare_adds(const void *a, const void *b)
{
    const struct vxc_command *left = a;
    const struct vxc_command *right = b;
    int order = vxc_slice_compare(left->name, right->name);

    if (order == 0) {
        order = vxc_slice_compare(left->key, right->key);
    }
    if (order == 0 && left->a != right->a) {
        order = (uint64_t)left->a < (uint64_t)right->a ? -1 : 1;
    }
    return order;
}

static int wanted_read(const struct vxc_command *command, struct wanted *wanted, const char **text)
{
    struct vxc_slice rest;
    uint32_t count;
    int rv = vxc_list_read_head(command->value, &count, &rest);

    *text = "a resync takes a list of encoded adds";
    if (rv != 0) {
        return VXC_EINVAL;
    }
    wanted->adds = vxc_must_calloc(count, sizeof *wanted->adds);
    for (uint32_t i = 0; i < count; i++) {
        struct vxc_command *add = &wanted->adds[i];
        struct vxc_slice item;
        if (vxc_list_next(&rest, &item) != 0 || vxc_command_decode(item, add) != 0 ||
            add->op != VXC_OP_REGISTRATION_ADD) {
            return VXC_EINVAL;
        }
        rv = vxc_registration_check_names(add->name, add->key, text);
        if (rv != 0) {
            return rv;
        }
        add->namespace_id = command->namespace_id;
        add->session = command->session;
    }
    if (rest.size != 0) {
        return VXC_EINVAL;
    }
    wanted->count = count;
    qsort(wanted->adds, count, sizeof *wanted->adds, compare_adds);
    for (uint32_t i = 1; i < count; i++) {
        if (compare_adds(&wanted->adds[i - 1], &wanted->adds[i]) == 0) {
            *text = "a resync names each registration once";
            return VXC_EINVAL;
        }
    }
    return 0;
}

/* End of the run of wanted registrations with the address of the first. */
static size_t run_end(const struct wanted *wanted, size_t first)
{
    size_t end = first + 1;

    while (end < wanted->count &&
           vxc_slice_equal(wanted->adds[end].name, wanted->adds[first].name)) {
        end++;
    }
    return end;
}

static int compare_add_item(const void *key, const void *element)
{
    const struct vxc_address_item *item = key;
    const struct vxc_command *add = element;
    int order = vxc_slice_compare(item->node_id, add->key);

    if (order == 0 && item->seq != (uint64_t)add->a) {
        order = item->seq < (uint64_t)add->a ? -1 : 1;
    }
    return order;
}

/* Makes the list of an address what it shall be: those of others as they are unless wanted, of ours
 * exactly adds[0..count). `kept` tells which adds were found. True when a reader would see a
 * change. */
static bool merge(struct vxc_address *address, const struct vxc_command *adds, size_t count,
                  uint64_t session)
{
    bool *kept = vxc_must_calloc(count, sizeof *kept);
    size_t filled = 0;
    bool changed = false;

    for (size_t i = 0; i < address->count; i++) {
        struct vxc_address_item item = address->items[i];
        const struct vxc_command *add = bsearch(&item, adds, count, sizeof *adds, compare_add_item);
        if (add == NULL && item.session == session) {
            changed = true;
            continue;
        }
        if (add != NULL) {
            kept[add - adds] = true;
            item.taken_from = item.session == session ? 0 : item.session;
            item.session = session;
            changed = changed || !vxc_slice_equal(item.data, add->value);
            item.data = add->value;
        }
        address->items[filled++] = item;
    }
    address->count = filled;
    for (size_t i = 0; i < count; i++) {
        if (!kept[i]) {
            changed = true;
            (void)vxc_address_push(address, (struct vxc_address_item){.session = session,
                                                                      .seq = (uint64_t)adds[i].a,
                                                                      .node_id = adds[i].key,
                                                                      .data = adds[i].value});
        }
    }
    vxc_free(kept);
    return changed;
}

/* Could every address take what is wanted? Nothing is written before that is known. */
static int check_wanted(struct vxc_fsm *fsm, const struct vxc_command *command,
                        const struct wanted *wanted, const char **text)
{
    int rv = 0;

    if (wanted->count > VXC_SESSION_REGISTRATIONS_MAX) {
        *text = "the session has too many registrations";
        return VXC_ELIMIT;
    }
    for (size_t first = 0, end; rv == 0 && first < wanted->count; first = end) {
        struct vxc_address address;
        end = run_end(wanted, first);
        vxc_address_load(fsm, command->namespace_id, wanted->adds[first].name, &address);
        rv = vxc_address_check_clash(&address, text);
        if (rv == 0) {
            (void)merge(&address, &wanted->adds[first], end - first, command->session);
            rv = vxc_address_view_size(&address) > VXC_ADDRESS_VIEW_SIZE_MAX ? VXC_ELIMIT : 0;
            *text = "the registrations of an address take more than 4 MiB";
        }
        vxc_address_deinit(&address);
    }
    return rv;
}

/* Settles with those whose registrations were taken over: each once, with what it had and has. */
static void settle_taken(struct vxc_fsm *fsm, const struct vxc_address *address, size_t position)
{
    uint64_t owner = address->items[position].taken_from;
    size_t taken = 0;
    size_t left = vxc_address_count_of(address, owner);

    for (size_t i = 0; i < address->count; i++) {
        if (address->items[i].taken_from == owner) {
            if (i < position) {
                return; /* settled at its first one */
            }
            taken++;
        }
    }
    vxc_address_settle_owner(fsm, address, owner, left + taken, left);
}

static bool resync_address(struct vxc_fsm *fsm, const struct vxc_command *adds, size_t count)
{
    struct vxc_address address;
    uint64_t session = adds[0].session;
    size_t had;
    bool any_taken = false;
    bool changed;

    vxc_address_load(fsm, adds[0].namespace_id, adds[0].name, &address);
    had = vxc_address_count_of(&address, session);
    changed = merge(&address, adds, count, session);
    for (size_t i = 0; i < address.count; i++) {
        any_taken = any_taken || address.items[i].taken_from != 0;
    }
    if (changed || any_taken) {
        vxc_address_store(fsm, &address);
        vxc_address_settle_owner(fsm, &address, session, had,
                                 vxc_address_count_of(&address, session));
        for (size_t i = 0; any_taken && i < address.count; i++) {
            if (address.items[i].taken_from != 0) {
                settle_taken(fsm, &address, i);
            }
        }
    }
    if (changed) {
        vxc_address_notify(fsm, &address);
    }
    vxc_address_deinit(&address);
    return changed;
}

struct surplus {
    const struct vxc_command *command;
    const struct wanted *wanted;
    bool changed;
};

static int compare_name_add(const void *key, const void *element)
{
    return vxc_slice_compare(*(const struct vxc_slice *)key,
                             ((const struct vxc_command *)element)->name);
}

/* Takes the session away from an owned address where it wants nothing any more. */
static void drop_surplus(struct vxc_fsm *fsm, uint64_t session, void *data, struct vxc_slice key)
{
    struct surplus *surplus = data;
    struct vxc_slice body;
    struct vxc_reader reader;
    struct vxc_slice name;

    if (vxc_table_get(fsm->table, VXC_DB_REGISTRATIONS, key, &body) != 0) {
        vxc_fsm_damaged(fsm, VXC_DB_REGISTRATIONS, "a session owns an address that is not there");
        return;
    }
    reader = vxc_reader(body);
    name = vxc_reader_bytes(&reader);
    if (vxc_load_be64(key.data) == surplus->command->namespace_id &&
        bsearch(&name, surplus->wanted->adds, surplus->wanted->count, sizeof *surplus->wanted->adds,
                compare_name_add) != NULL) {
        return;
    }
    vxc_registration_disown(fsm, session, key);
    surplus->changed = true;
}

void vxc_registration_resync(struct vxc_fsm *fsm, const struct vxc_command *command,
                             struct vxc_result *result)
{
    struct wanted wanted = {0};
    struct surplus surplus = {.command = command, .wanted = &wanted};
    const char *text = NULL;
    int rv = vxc_registration_check_session(fsm, command, &text);

    if (rv == 0) {
        rv = wanted_read(command, &wanted, &text);
    }
    if (rv == 0) {
        rv = check_wanted(fsm, command, &wanted, &text);
    }
    if (rv != 0) {
        vxc_result_fail(result, rv, text);
        vxc_free(wanted.adds);
        return;
    }
    vxc_session_each_owned(fsm, command->session, VXC_OWNED_REGISTRATION, drop_surplus, &surplus);
    for (size_t first = 0, end; first < wanted.count; first = end) {
        end = run_end(&wanted, first);
        surplus.changed |= resync_address(fsm, &wanted.adds[first], end - first);
    }
    if (vxc_session_registration_count(fsm, command->session) != wanted.count) {
        vxc_fsm_damaged(fsm, VXC_DB_REGISTRATIONS, "registrations of a session are not all there");
    }
    result->found = surplus.changed;
    result->number = (int64_t)wanted.count;
    vxc_free(wanted.adds);
}
