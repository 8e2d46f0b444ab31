/* Registrations: who listens at which address of the event bus.
 *
 *   REGISTRATION_ADD     session, name address, key node id, a seq, value data
 *                        → found = the list changed, number registrations of the address
 *   REGISTRATION_REMOVE  session, name address, key node id, a seq → found = it was there, number
 *   REGISTRATION_RESYNC  session, value list of encoded ADD commands: afterwards the session has
 * exactly these → found = something changed, number registrations of the session REGISTRATION_GET
 * name address → found, number, value pairs (node id, seq 8 LE + data) REGISTRATION_LIST    key
 * cursor, b limits → value pairs (address, its list as GET gives it)
 *
 * A registration is named by (address, node id, seq). Whoever adds it last owns it: a node that
 * comes back under a new session takes its own over, so that the end of the old session does not
 * touch them. REMOVE takes it away whoever owns it. Every address whose list changed is one event
 * with its whole new list, the empty list included; what changes nothing is no event.
 *
 * An address is one row with its whole list, in the order of first adding: a read is one look-up
 * and an event, which carries the whole list anyway, needs no walk over rows. A session owns an
 * address (once) while it has registrations there.
 *
 *   namespace(8) address   address (u32 length + bytes) | items to the end of the row:
 *                          session u64 | seq u64 | node id | data (u32 length + bytes each)
 */
#include "base/check.h"
#include "base/limits.h"
#include "fsm/describe.h"
#include "fsm/memory.h"
#include "fsm/state.h"

/* The encoded list of one address: it travels whole in every event of the address. */
#define ADDRESS_VIEW_SIZE_MAX (4u * VXC_MIB)

static_assert(ADDRESS_VIEW_SIZE_MAX + VXC_NAME_SIZE_MAX < VXC_VALUE_SIZE_MAX,
              "a registration event fits a frame");

enum { ITEMS_FIRST = 4, VIEW_ITEM_SIZE = 4 + 4 + 8 };

struct item {
    uint64_t session;
    uint64_t seq;
    struct vxc_slice node_id;
    struct vxc_slice data;
    uint64_t taken_from; /* session that owned it before this command; 0 = none */
};

/* One address while it is being read or changed. */
struct address {
    struct vxc_row_key key;
    uint64_t namespace_id;
    bool exists;
    bool clash;            /* the row is that of another long address with the same hash */
    struct vxc_buffer row; /* owned copy of the body: what name and items borrow from */
    struct vxc_slice name;
    struct item *items; /* owned */
    size_t count;
    size_t capacity;
};

/* ---- rows ---- */

static void address_key(struct vxc_row_key *key, uint64_t namespace_id, struct vxc_slice name)
{
    vxc_row_key_begin(key);
    vxc_row_key_u64(key, namespace_id);
    vxc_row_key_user(key, name);
}

static struct item *item_push(struct address *address, struct item item)
{
    if (address->count == address->capacity) {
        address->capacity = address->capacity == 0 ? ITEMS_FIRST : address->capacity * 2;
        address->items =
            vxc_must_realloc(address->items, address->capacity, sizeof *address->items);
    }
    address->items[address->count] = item;
    return &address->items[address->count++];
}

static int body_decode(struct vxc_slice body, struct address *address)
{
    struct vxc_reader reader = vxc_reader(body);

    address->name = vxc_reader_bytes(&reader);
    while (vxc_reader_ok(&reader) && vxc_reader_left(&reader) > 0) {
        struct item item = {.session = vxc_reader_u64(&reader)};
        item.seq = vxc_reader_u64(&reader);
        item.node_id = vxc_reader_bytes(&reader);
        item.data = vxc_reader_bytes(&reader);
        (void)item_push(address, item);
    }
    return vxc_reader_ok(&reader) && address->count > 0 ? 0 : VXC_ECORRUPT;
}

static void address_deinit(struct address *address)
{
    free(address->items);
    vxc_buffer_free(&address->row);
}

/* Loads the row whose key is set; without one the address has no registrations. */
static void address_load_key(struct vxc_fsm *fsm, struct address *address)
{
    struct vxc_slice body;

    if (vxc_table_get(fsm->table, VXC_DB_REGISTRATIONS, vxc_row_key_slice(&address->key), &body) !=
        0) {
        return;
    }
    address->namespace_id = vxc_load_be64(address->key.data);
    vxc_must(vxc_buffer_append(&address->row, body.data, body.size));
    address->exists = true;
    if (body_decode(vxc_buffer_slice(&address->row), address) != 0) {
        vxc_fsm_damaged(fsm, VXC_DB_REGISTRATIONS, "an address cannot be read");
        address->clash = true; /* nothing more is done with it */
    }
}

static void address_load(struct vxc_fsm *fsm, uint64_t namespace_id, struct vxc_slice name,
                         struct address *address)
{
    *address = (struct address){.namespace_id = namespace_id};
    address_key(&address->key, namespace_id, name);
    address_load_key(fsm, address);
    if (address->exists && !vxc_slice_equal(address->name, name)) {
        address->clash = true;
    }
    address->name = name;
}

static void address_store(struct vxc_fsm *fsm, const struct address *address)
{
    struct vxc_buffer body = {0};

    if (address->count == 0) {
        vxc_table_del(fsm->table, VXC_DB_REGISTRATIONS, vxc_row_key_slice(&address->key));
        return;
    }
    vxc_must(vxc_buffer_put_bytes(&body, address->name));
    for (size_t i = 0; i < address->count; i++) {
        const struct item *item = &address->items[i];
        vxc_must(vxc_buffer_put_u64(&body, item->session));
        vxc_must(vxc_buffer_put_u64(&body, item->seq));
        vxc_must(vxc_buffer_put_bytes(&body, item->node_id));
        vxc_must(vxc_buffer_put_bytes(&body, item->data));
    }
    vxc_table_put(fsm->table, VXC_DB_REGISTRATIONS, vxc_row_key_slice(&address->key),
                  vxc_buffer_slice(&body), vxc_slice(NULL, 0));
    vxc_buffer_free(&body);
}

/* ---- the list of an address ---- */

static struct item *find_item(const struct address *address, struct vxc_slice node_id, uint64_t seq)
{
    for (size_t i = 0; i < address->count; i++) {
        struct item *item = &address->items[i];
        if (item->seq == seq && vxc_slice_equal(item->node_id, node_id)) {
            return item;
        }
    }
    return NULL;
}

static size_t count_of(const struct address *address, uint64_t session)
{
    size_t count = 0;

    for (size_t i = 0; i < address->count; i++) {
        count += address->items[i].session == session;
    }
    return count;
}

static size_t view_item_size(struct vxc_slice node_id, struct vxc_slice data)
{
    return VIEW_ITEM_SIZE + node_id.size + data.size;
}

static size_t view_size(const struct address *address)
{
    size_t size = 4;

    for (size_t i = 0; i < address->count; i++) {
        size += view_item_size(address->items[i].node_id, address->items[i].data);
    }
    return size;
}

/* Pairs (node id, seq + data), in scratch. */
static struct vxc_slice view_of(struct vxc_fsm *fsm, const struct address *address)
{
    struct vxc_list_writer list;
    struct vxc_buffer second = {0};
    struct vxc_slice view;

    vxc_list_begin(fsm, &list);
    for (size_t i = 0; i < address->count; i++) {
        const struct item *item = &address->items[i];
        vxc_buffer_clear(&second);
        vxc_must(vxc_buffer_put_u64(&second, item->seq));
        vxc_must(vxc_buffer_append(&second, item->data.data, item->data.size));
        vxc_list_add(&list, item->node_id);
        vxc_list_add(&list, vxc_buffer_slice(&second));
    }
    view = vxc_list_end(&list);
    vxc_buffer_free(&second);
    return view;
}

static void notify(struct vxc_fsm *fsm, const struct address *address)
{
    struct vxc_event event = {.type = VXC_EVENT_REGISTRATIONS, .kind = VXC_WATCH_REGISTRATIONS};
    size_t kept = fsm->scratch.size;

    if (vxc_watched(fsm, VXC_WATCH_REGISTRATIONS, address->namespace_id, vxc_slice(NULL, 0))) {
        event.name = address->name;
        event.view = view_of(fsm, address);
        vxc_watch_notify(fsm, address->namespace_id, &event);
        fsm->scratch.size = kept; /* one of perhaps very many */
    }
}

/* Keeps the books of a session that had `before` registrations at the address and has `after`. */
static void settle_owner(struct vxc_fsm *fsm, const struct address *address, uint64_t session,
                         size_t before, size_t after)
{
    struct vxc_slice key = vxc_row_key_slice(&address->key);

    if (before == 0 && after != 0) {
        vxc_session_own(fsm, session, VXC_OWNED_REGISTRATION, key);
    }
    vxc_session_count_registrations(fsm, session, (int64_t)after - (int64_t)before);
    if (before != 0 && after == 0) {
        vxc_session_disown(fsm, session, VXC_OWNED_REGISTRATION, key);
    }
}

static void item_remove(struct address *address, struct item *item)
{
    size_t position = (size_t)(item - address->items);

    address->count--;
    memmove(item, item + 1, (address->count - position) * sizeof *item);
}

/* ---- add and remove ---- */

static int check_session(struct vxc_fsm *fsm, const struct vxc_command *command, const char **text)
{
    if (!vxc_session_live(fsm, command->session)) {
        *text = "a registration needs a live session";
        return VXC_ESESSION;
    }
    return 0;
}

static int check_names(struct vxc_slice address, struct vxc_slice node_id, const char **text)
{
    if (address.size == 0 || node_id.size == 0) {
        *text = "a registration needs an address and a node id";
        return VXC_EINVAL;
    }
    return 0;
}

static int check_clash(const struct address *address, const char **text)
{
    if (address->clash) {
        *text = "another address has the same hash; use another address";
        return VXC_EEXISTS;
    }
    return 0;
}

static int check_room(struct vxc_fsm *fsm, uint64_t session, uint64_t more, size_t size,
                      const char **text)
{
    if (vxc_session_registration_count(fsm, session) + more > VXC_SESSION_REGISTRATIONS_MAX) {
        *text = "the session has too many registrations";
        return VXC_ELIMIT;
    }
    if (size > ADDRESS_VIEW_SIZE_MAX) {
        *text = "the registrations of this address take more than 4 MiB";
        return VXC_ELIMIT;
    }
    return 0;
}

/* Adds or takes over one registration. The caller has checked that there is room. */
static bool add_item(struct vxc_fsm *fsm, const struct vxc_command *command,
                     struct address *address)
{
    struct item *item = find_item(address, command->key, (uint64_t)command->a);
    size_t had = count_of(address, command->session);
    uint64_t taken_from = 0;
    size_t other_had = 0;
    bool changed = item == NULL || !vxc_slice_equal(item->data, command->value);

    if (item == NULL) {
        item = item_push(address, (struct item){.session = command->session,
                                                .seq = (uint64_t)command->a,
                                                .node_id = command->key});
    } else if (item->session != command->session) {
        taken_from = item->session;
        other_had = count_of(address, taken_from);
    } else if (!changed) {
        return false;
    }
    item->session = command->session;
    item->data = command->value;
    address_store(fsm, address);
    settle_owner(fsm, address, command->session, had, count_of(address, command->session));
    if (taken_from != 0) {
        settle_owner(fsm, address, taken_from, other_had, other_had - 1);
    }
    if (changed) {
        notify(fsm, address);
    }
    return changed;
}

static void apply_add(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct address *address, struct vxc_result *result)
{
    const struct item *item = find_item(address, command->key, (uint64_t)command->a);
    bool own = item != NULL && item->session == command->session;
    size_t size = view_size(address) + view_item_size(command->key, command->value);
    const char *text = NULL;
    int rv;

    if (item != NULL) {
        size -= view_item_size(item->node_id, item->data);
    }
    rv = check_room(fsm, command->session, own ? 0 : 1, size, &text);
    if (rv != 0) {
        vxc_result_fail(result, rv, text);
        return;
    }
    result->found = add_item(fsm, command, address);
    result->number = (int64_t)address->count;
}

static void apply_remove(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct address *address, struct vxc_result *result)
{
    struct item *item = find_item(address, command->key, (uint64_t)command->a);

    if (item != NULL) {
        uint64_t owner = item->session;
        size_t had = count_of(address, owner);
        item_remove(address, item);
        address_store(fsm, address);
        settle_owner(fsm, address, owner, had, had - 1);
        notify(fsm, address);
        result->found = true;
    }
    result->number = (int64_t)address->count;
}

static void apply_one(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_result *result)
{
    struct address address;
    const char *text = NULL;
    int rv = check_session(fsm, command, &text);

    if (rv == 0) {
        rv = check_names(command->name, command->key, &text);
    }
    if (rv != 0) {
        vxc_result_fail(result, rv, text);
        return;
    }
    address_load(fsm, command->namespace_id, command->name, &address);
    rv = check_clash(&address, &text);
    if (rv != 0) {
        vxc_result_fail(result, rv, text);
    } else if (command->op == VXC_OP_REGISTRATION_ADD) {
        apply_add(fsm, command, &address, result);
    } else {
        apply_remove(fsm, command, &address, result);
    }
    address_deinit(&address);
}

void vxc_registration_disown(struct vxc_fsm *fsm, uint64_t session, struct vxc_slice key)
{
    struct address address = {0};
    size_t kept = 0;
    size_t had;

    memcpy(address.key.data, key.data, key.size);
    address.key.size = (uint16_t)key.size;
    address_load_key(fsm, &address);
    had = count_of(&address, session);
    if (had == 0) {
        vxc_fsm_damaged(fsm, VXC_DB_REGISTRATIONS, "a session owns an address without being there");
    } else {
        for (size_t i = 0; i < address.count; i++) {
            if (address.items[i].session != session) {
                address.items[kept++] = address.items[i];
            }
        }
        address.count = kept;
        address_store(fsm, &address);
        settle_owner(fsm, &address, session, had, 0);
        notify(fsm, &address);
    }
    address_deinit(&address);
}

/* ---- resync ---- */

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
        rv = check_names(add->name, add->key, text);
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
    const struct item *item = key;
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
static bool merge(struct address *address, const struct vxc_command *adds, size_t count,
                  uint64_t session)
{
    bool *kept = vxc_must_calloc(count, sizeof *kept);
    size_t filled = 0;
    bool changed = false;

    for (size_t i = 0; i < address->count; i++) {
        struct item item = address->items[i];
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
            (void)item_push(address, (struct item){.session = session,
                                                   .seq = (uint64_t)adds[i].a,
                                                   .node_id = adds[i].key,
                                                   .data = adds[i].value});
        }
    }
    free(kept);
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
        struct address address;
        end = run_end(wanted, first);
        address_load(fsm, command->namespace_id, wanted->adds[first].name, &address);
        rv = check_clash(&address, text);
        if (rv == 0) {
            (void)merge(&address, &wanted->adds[first], end - first, command->session);
            rv = view_size(&address) > ADDRESS_VIEW_SIZE_MAX ? VXC_ELIMIT : 0;
            *text = "the registrations of an address take more than 4 MiB";
        }
        address_deinit(&address);
    }
    return rv;
}

/* Settles with those whose registrations were taken over: each once, with what it had and has. */
static void settle_taken(struct vxc_fsm *fsm, const struct address *address, size_t position)
{
    uint64_t owner = address->items[position].taken_from;
    size_t taken = 0;
    size_t left = count_of(address, owner);

    for (size_t i = 0; i < address->count; i++) {
        if (address->items[i].taken_from == owner) {
            if (i < position) {
                return; /* settled at its first one */
            }
            taken++;
        }
    }
    settle_owner(fsm, address, owner, left + taken, left);
}

static bool resync_address(struct vxc_fsm *fsm, const struct vxc_command *adds, size_t count)
{
    struct address address;
    uint64_t session = adds[0].session;
    size_t had;
    bool any_taken = false;
    bool changed;

    address_load(fsm, adds[0].namespace_id, adds[0].name, &address);
    had = count_of(&address, session);
    changed = merge(&address, adds, count, session);
    for (size_t i = 0; i < address.count; i++) {
        any_taken = any_taken || address.items[i].taken_from != 0;
    }
    if (changed || any_taken) {
        address_store(fsm, &address);
        settle_owner(fsm, &address, session, had, count_of(&address, session));
        for (size_t i = 0; any_taken && i < address.count; i++) {
            if (address.items[i].taken_from != 0) {
                settle_taken(fsm, &address, i);
            }
        }
    }
    if (changed) {
        notify(fsm, &address);
    }
    address_deinit(&address);
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

static void apply_resync(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct vxc_result *result)
{
    struct wanted wanted = {0};
    struct surplus surplus = {.command = command, .wanted = &wanted};
    const char *text = NULL;
    int rv = check_session(fsm, command, &text);

    if (rv == 0) {
        rv = wanted_read(command, &wanted, &text);
    }
    if (rv == 0) {
        rv = check_wanted(fsm, command, &wanted, &text);
    }
    if (rv != 0) {
        vxc_result_fail(result, rv, text);
        free(wanted.adds);
        return;
    }
    vxc_session_each_owned(fsm, command->session, VXC_OWNED_REGISTRATION, drop_surplus, &surplus);
    for (size_t first = 0, end; first < wanted.count; first = end) {
        end = run_end(&wanted, first);
        surplus.changed |= resync_address(fsm, &wanted.adds[first], end - first);
    }
    vxc_check(vxc_session_registration_count(fsm, command->session) == wanted.count);
    result->found = surplus.changed;
    result->number = (int64_t)wanted.count;
    free(wanted.adds);
}

void vxc_registration_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                            struct vxc_result *result)
{
    switch (command->op) {
    case VXC_OP_REGISTRATION_ADD:
    case VXC_OP_REGISTRATION_REMOVE:
        apply_one(fsm, command, result);
        break;
    case VXC_OP_REGISTRATION_RESYNC:
        apply_resync(fsm, command, result);
        break;
    default:
        vxc_result_fail(result, VXC_EUNSUPPORTED, "not an operation of registrations");
    }
}

/* ---- queries ---- */

static void query_get(struct vxc_fsm *fsm, const struct vxc_command *query,
                      struct vxc_result *result)
{
    struct address address;

    address_load(fsm, query->namespace_id, query->name, &address);
    if (address.clash) {
        address.count = 0; /* the row is another address's: this one has none */
    }
    result->found = address.count != 0;
    result->number = (int64_t)address.count;
    result->value = view_of(fsm, &address);
    address_deinit(&address);
}

/* The list of a row as one item, built apart because the page grows in scratch. */
static void encode_list(const struct address *address, struct vxc_buffer *out)
{
    vxc_buffer_clear(out);
    vxc_must(vxc_buffer_put_u32(out, (uint32_t)(2 * address->count)));
    for (size_t i = 0; i < address->count; i++) {
        const struct item *item = &address->items[i];
        vxc_must(vxc_buffer_put_bytes(out, item->node_id));
        vxc_must(vxc_buffer_put_u32(out, (uint32_t)(8 + item->data.size)));
        vxc_must(vxc_buffer_put_u64(out, item->seq));
        vxc_must(vxc_buffer_append(out, item->data.data, item->data.size));
    }
}

static void query_list(struct vxc_fsm *fsm, const struct vxc_command *query,
                       struct vxc_result *result)
{
    struct vxc_buffer list = {0};
    struct vxc_table_scan *scan;
    struct vxc_row_key prefix;
    struct vxc_page page;
    struct vxc_slice key;
    struct vxc_slice body;
    bool more = false;

    vxc_row_key_begin(&prefix);
    vxc_row_key_u64(&prefix, query->namespace_id);
    scan = vxc_page_scan(fsm, VXC_DB_REGISTRATIONS, &prefix, query->key, result);
    if (scan == NULL) {
        return;
    }
    vxc_page_begin(fsm, &page, query->b);
    while (!more && vxc_table_scan_next(scan, &key, &body)) {
        struct address address = {0};
        struct vxc_slice second;
        if (body_decode(body, &address) != 0) {
            vxc_fsm_damaged(fsm, VXC_DB_REGISTRATIONS, "an address cannot be read");
            address_deinit(&address);
            break;
        }
        encode_list(&address, &list);
        second = vxc_buffer_slice(&list);
        more = !vxc_page_has_room(&page, address.name.size + second.size);
        if (!more) {
            vxc_page_add(&page, vxc_slice(key.data + prefix.size, key.size - prefix.size),
                         address.name, &second);
        }
        address_deinit(&address);
    }
    vxc_table_scan_close(scan);
    vxc_page_end(&page, more, result);
    vxc_buffer_free(&list);
}

void vxc_registration_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                            struct vxc_result *result)
{
    if (query->op == VXC_OP_REGISTRATION_GET) {
        query_get(fsm, query, result);
    } else if (query->op == VXC_OP_REGISTRATION_LIST) {
        query_list(fsm, query, result);
    } else {
        vxc_result_fail(result, VXC_EUNSUPPORTED, "not a query of registrations");
    }
}

/* ---- dumps ---- */

int vxc_registration_describe_row(struct vxc_slice key, struct vxc_slice body,
                                  struct vxc_json *json)
{
    struct address address = {0};

    if (key.size < 8 || body_decode(body, &address) != 0) {
        address_deinit(&address);
        return VXC_ECORRUPT;
    }
    vxc_json_u64(json, "namespace_id", vxc_load_be64(key.data));
    vxc_json_bytes(json, "address", address.name);
    vxc_json_array_open(json, "registrations");
    for (size_t i = 0; i < address.count; i++) {
        const struct item *item = &address.items[i];
        vxc_json_item_open(json);
        vxc_json_bytes(json, "node", item->node_id);
        vxc_json_u64(json, "seq", item->seq);
        vxc_json_u64(json, "session", item->session);
        vxc_json_bytes(json, "data", item->data);
        vxc_json_item_close(json);
    }
    vxc_json_array_close(json);
    address_deinit(&address);
    return json->code;
}
