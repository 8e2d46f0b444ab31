/* Registrations: who listens at which address of the event bus.
 *
 *   REGISTRATION_ADD     session, name address, key node id, a seq, value data
 *                        → found = the list changed, number registrations of the address
 *   REGISTRATION_REMOVE  session, name address, key node id, a seq → found = it was there, number
 *   REGISTRATION_RESYNC  session, value list of encoded ADD commands: afterwards the session has
 *                        exactly these → found = something changed, number its registrations
 *   REGISTRATION_GET     name address → found, number, value pairs (node id, seq u64 + data)
 *   REGISTRATION_LIST    key cursor, b limits → value pairs (address, its list as GET gives it)
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
#include "fsm/registration_internal.h"

#include "base/check.h"
#include "base/memory.h"
#include "fsm/describe.h"
#include "fsm/memory.h"

enum { ITEMS_FIRST = 4, VIEW_ITEM_SIZE = 4 + 4 + 8 };

/* ---- rows ---- */

static void address_key(struct vxc_row_key *key, uint64_t namespace_id, struct vxc_slice name)
{
    vxc_row_key_begin(key);
    vxc_row_key_u64(key, namespace_id);
    vxc_row_key_user(key, name);
}

struct vxc_address_item *vxc_address_push(struct vxc_address *address, struct vxc_address_item item)
{
    if (address->count == address->capacity) {
        address->capacity = address->capacity == 0 ? ITEMS_FIRST : address->capacity * 2;
        address->items =
            vxc_must_realloc(address->items, address->capacity, sizeof *address->items);
    }
    address->items[address->count] = item;
    return &address->items[address->count++];
}

static int body_decode(struct vxc_slice body, struct vxc_address *address)
{
    struct vxc_reader reader = vxc_reader(body);

    address->name = vxc_reader_bytes(&reader);
    while (vxc_reader_ok(&reader) && vxc_reader_left(&reader) > 0) {
        struct vxc_address_item item = {.session = vxc_reader_u64(&reader)};
        item.seq = vxc_reader_u64(&reader);
        item.node_id = vxc_reader_bytes(&reader);
        item.data = vxc_reader_bytes(&reader);
        (void)vxc_address_push(address, item);
    }
    return vxc_reader_ok(&reader) && address->count > 0 ? 0 : VXC_ECORRUPT;
}

void vxc_address_deinit(struct vxc_address *address)
{
    vxc_free(address->items);
    vxc_buffer_free(&address->row);
}

void vxc_address_load_row(struct vxc_fsm *fsm, struct vxc_address *address)
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

void vxc_address_load(struct vxc_fsm *fsm, uint64_t namespace_id, struct vxc_slice name,
                      struct vxc_address *address)
{
    *address = (struct vxc_address){.namespace_id = namespace_id};
    address_key(&address->key, namespace_id, name);
    vxc_address_load_row(fsm, address);
    if (address->exists && !vxc_slice_equal(address->name, name)) {
        address->clash = true;
    }
    address->name = name;
}

void vxc_address_store(struct vxc_fsm *fsm, const struct vxc_address *address)
{
    struct vxc_buffer body = {0};

    if (address->count == 0) {
        vxc_table_del(fsm->table, VXC_DB_REGISTRATIONS, vxc_row_key_slice(&address->key));
        return;
    }
    vxc_must(vxc_buffer_put_bytes(&body, address->name));
    for (size_t i = 0; i < address->count; i++) {
        const struct vxc_address_item *item = &address->items[i];
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

static struct vxc_address_item *find_item(const struct vxc_address *address,
                                          struct vxc_slice node_id, uint64_t seq)
{
    for (size_t i = 0; i < address->count; i++) {
        struct vxc_address_item *item = &address->items[i];
        if (item->seq == seq && vxc_slice_equal(item->node_id, node_id)) {
            return item;
        }
    }
    return NULL;
}

size_t vxc_address_count_of(const struct vxc_address *address, uint64_t session)
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

size_t vxc_address_view_size(const struct vxc_address *address)
{
    size_t size = 4;

    for (size_t i = 0; i < address->count; i++) {
        size += view_item_size(address->items[i].node_id, address->items[i].data);
    }
    return size;
}

/* Pairs (node id, seq + data), in scratch. */
static struct vxc_slice view_of(struct vxc_fsm *fsm, const struct vxc_address *address)
{
    struct vxc_list_writer list;
    struct vxc_buffer second = {0};
    struct vxc_slice view;

    vxc_list_begin(fsm, &list);
    for (size_t i = 0; i < address->count; i++) {
        const struct vxc_address_item *item = &address->items[i];
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

void vxc_address_notify(struct vxc_fsm *fsm, const struct vxc_address *address)
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

void vxc_address_settle_owner(struct vxc_fsm *fsm, const struct vxc_address *address,
                              uint64_t session, size_t before, size_t after)
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

static void item_remove(struct vxc_address *address, struct vxc_address_item *item)
{
    size_t position = (size_t)(item - address->items);

    address->count--;
    memmove(item, item + 1, (address->count - position) * sizeof *item);
}

/* ---- add and remove ---- */

int vxc_registration_check_session(struct vxc_fsm *fsm, const struct vxc_command *command,
                                   const char **text)
{
    if (!vxc_session_live(fsm, command->session)) {
        *text = "a registration needs a live session";
        return VXC_ESESSION;
    }
    return 0;
}

int vxc_registration_check_names(struct vxc_slice address, struct vxc_slice node_id,
                                 const char **text)
{
    if (address.size == 0 || node_id.size == 0) {
        *text = "a registration needs an address and a node id";
        return VXC_EINVAL;
    }
    return 0;
}

int vxc_address_check_clash(const struct vxc_address *address, const char **text)
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
    if (size > VXC_ADDRESS_VIEW_SIZE_MAX) {
        *text = "the registrations of this address take more than 4 MiB";
        return VXC_ELIMIT;
    }
    return 0;
}

/* Adds or takes over one registration. The caller has checked that there is room. */
static bool add_item(struct vxc_fsm *fsm, const struct vxc_command *command,
                     struct vxc_address *address)
{
    struct vxc_address_item *item = find_item(address, command->key, (uint64_t)command->a);
    size_t had = vxc_address_count_of(address, command->session);
    uint64_t taken_from = 0;
    size_t other_had = 0;
    bool changed = item == NULL || !vxc_slice_equal(item->data, command->value);

    if (item == NULL) {
        item = vxc_address_push(address, (struct vxc_address_item){.session = command->session,
                                                                   .seq = (uint64_t)command->a,
                                                                   .node_id = command->key});
    } else if (item->session != command->session) {
        taken_from = item->session;
        other_had = vxc_address_count_of(address, taken_from);
    } else if (!changed) {
        return false;
    }
    item->session = command->session;
    item->data = command->value;
    vxc_address_store(fsm, address);
    vxc_address_settle_owner(fsm, address, command->session, had,
                             vxc_address_count_of(address, command->session));
    if (taken_from != 0) {
        vxc_address_settle_owner(fsm, address, taken_from, other_had, other_had - 1);
    }
    if (changed) {
        vxc_address_notify(fsm, address);
    }
    return changed;
}

static void apply_add(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_address *address, struct vxc_result *result)
{
    const struct vxc_address_item *item = find_item(address, command->key, (uint64_t)command->a);
    bool own = item != NULL && item->session == command->session;
    size_t size = vxc_address_view_size(address) + view_item_size(command->key, command->value);
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
                         struct vxc_address *address, struct vxc_result *result)
{
    struct vxc_address_item *item = find_item(address, command->key, (uint64_t)command->a);

    if (item != NULL) {
        uint64_t owner = item->session;
        size_t had = vxc_address_count_of(address, owner);
        item_remove(address, item);
        vxc_address_store(fsm, address);
        vxc_address_settle_owner(fsm, address, owner, had, had - 1);
        vxc_address_notify(fsm, address);
        result->found = true;
    }
    result->number = (int64_t)address->count;
}

static void apply_one(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_result *result)
{
    struct vxc_address address;
    const char *text = NULL;
    int rv = vxc_registration_check_session(fsm, command, &text);

    if (rv == 0) {
        rv = vxc_registration_check_names(command->name, command->key, &text);
    }
    if (rv != 0) {
        vxc_result_fail(result, rv, text);
        return;
    }
    vxc_address_load(fsm, command->namespace_id, command->name, &address);
    rv = vxc_address_check_clash(&address, &text);
    if (rv != 0) {
        vxc_result_fail(result, rv, text);
    } else if (command->op == VXC_OP_REGISTRATION_ADD) {
        apply_add(fsm, command, &address, result);
    } else {
        apply_remove(fsm, command, &address, result);
    }
    vxc_address_deinit(&address);
}

void vxc_registration_disown(struct vxc_fsm *fsm, uint64_t session, struct vxc_slice key)
{
    struct vxc_address address = {0};
    size_t kept = 0;
    size_t had;

    memcpy(address.key.data, key.data, key.size);
    address.key.size = (uint16_t)key.size;
    vxc_address_load_row(fsm, &address);
    had = vxc_address_count_of(&address, session);
    if (had == 0) {
        vxc_fsm_damaged(fsm, VXC_DB_REGISTRATIONS, "a session owns an address without being there");
    } else {
        for (size_t i = 0; i < address.count; i++) {
            if (address.items[i].session != session) {
                address.items[kept++] = address.items[i];
            }
        }
        address.count = kept;
        vxc_address_store(fsm, &address);
        vxc_address_settle_owner(fsm, &address, session, had, 0);
        vxc_address_notify(fsm, &address);
    }
    vxc_address_deinit(&address);
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
        vxc_registration_resync(fsm, command, result);
        break;
    default:
        vxc_result_fail(result, VXC_EUNSUPPORTED, "not an operation of registrations");
    }
}

/* ---- queries ---- */

static void query_get(struct vxc_fsm *fsm, const struct vxc_command *query,
                      struct vxc_result *result)
{
    struct vxc_address address;

    vxc_address_load(fsm, query->namespace_id, query->name, &address);
    if (address.clash) {
        address.count = 0; /* the row is another address's: this one has none */
    }
    result->found = address.count != 0;
    result->number = (int64_t)address.count;
    result->value = view_of(fsm, &address);
    vxc_address_deinit(&address);
}

/* The list of a row as one item, built apart because the page grows in scratch. */
static void encode_list(const struct vxc_address *address, struct vxc_buffer *out)
{
    vxc_buffer_clear(out);
    vxc_must(vxc_buffer_put_u32(out, (uint32_t)(2 * address->count)));
    for (size_t i = 0; i < address->count; i++) {
        const struct vxc_address_item *item = &address->items[i];
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
        struct vxc_address address = {0};
        struct vxc_slice second;
        if (body_decode(body, &address) != 0) {
            vxc_fsm_damaged(fsm, VXC_DB_REGISTRATIONS, "an address cannot be read");
            vxc_address_deinit(&address);
            break;
        }
        encode_list(&address, &list);
        second = vxc_buffer_slice(&list);
        more = !vxc_page_has_room(&page, address.name.size + second.size);
        if (!more) {
            vxc_page_add(&page, vxc_slice(key.data + prefix.size, key.size - prefix.size),
                         address.name, &second);
        }
        vxc_address_deinit(&address);
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
    struct vxc_address address = {0};

    if (key.size < 8 || body_decode(body, &address) != 0) {
        vxc_address_deinit(&address);
        return VXC_ECORRUPT;
    }
    vxc_json_u64(json, "namespace_id", vxc_load_be64(key.data));
    vxc_json_bytes(json, "address", address.name);
    vxc_json_array_open(json, "registrations");
    for (size_t i = 0; i < address.count; i++) {
        const struct vxc_address_item *item = &address.items[i];
        vxc_json_item_open(json);
        vxc_json_bytes(json, "node", item->node_id);
        vxc_json_u64(json, "seq", item->seq);
        vxc_json_u64(json, "session", item->session);
        vxc_json_bytes(json, "data", item->data);
        vxc_json_item_close(json);
    }
    vxc_json_array_close(json);
    vxc_address_deinit(&address);
    return json->code;
}
