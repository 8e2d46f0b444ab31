/* Which operation of the state machine an extension request is, field by field. */
#include "node/gateway_internal.h"

#include <string.h>

static uint64_t limits(uint32_t rows, uint32_t bytes)
{
    return (uint64_t)rows << 32 | bytes;
}

/* An absent cursor begins at the beginning. */
static struct vxc_slice cursor(struct vxc_opt_bytes given)
{
    return given.present ? given.bytes : vxc_slice(NULL, 0);
}

static int ttl(uint64_t ttl_ms, struct vxc_command *c, const char **text)
{
    if (ttl_ms > INT64_MAX) {
        *text = "the time to live is too long; 0 means for ever";
        return VXC_EINVAL;
    }
    c->a = (int64_t)ttl_ms;
    return 0;
}

#define IS(operation) (c->op = VXC_OP_##operation)

static int route_map(const struct vxc_message *m, struct vxc_command *c, const char **text)
{
    switch (m->kind) {
    case VXC_KIND_MAP_GET:
        IS(MAP_GET), c->name = m->map_get.map, c->key = m->map_get.key;
        return 0;
    case VXC_KIND_MAP_CONTAINS:
        IS(MAP_CONTAINS), c->name = m->map_contains.map, c->key = m->map_contains.key;
        return 0;
    case VXC_KIND_MAP_PUT:
        IS(MAP_PUT), c->name = m->map_put.map, c->key = m->map_put.key;
        c->value = m->map_put.value;
        c->flags = m->map_put.want_old ? VXC_COMMAND_WANT_OLD : 0;
        return ttl(m->map_put.ttl_ms, c, text);
    case VXC_KIND_MAP_PUT_IF_ABSENT:
        IS(MAP_PUT_IF_ABSENT), c->name = m->map_put_if_absent.map;
        c->key = m->map_put_if_absent.key, c->value = m->map_put_if_absent.value;
        c->flags = VXC_COMMAND_WANT_OLD;
        return ttl(m->map_put_if_absent.ttl_ms, c, text);
    case VXC_KIND_MAP_REMOVE:
        IS(MAP_REMOVE), c->name = m->map_remove.map, c->key = m->map_remove.key;
        c->flags = m->map_remove.want_old ? VXC_COMMAND_WANT_OLD : 0;
        return 0;
    case VXC_KIND_MAP_REMOVE_IF:
        IS(MAP_REMOVE_IF), c->name = m->map_remove_if.map, c->key = m->map_remove_if.key;
        c->expect = m->map_remove_if.expected;
        return 0;
    case VXC_KIND_MAP_REPLACE:
        IS(MAP_REPLACE), c->name = m->map_replace.map, c->key = m->map_replace.key;
        c->value = m->map_replace.value, c->flags = VXC_COMMAND_WANT_OLD;
        return ttl(m->map_replace.ttl_ms, c, text);
    case VXC_KIND_MAP_REPLACE_IF:
        IS(MAP_REPLACE_IF), c->name = m->map_replace_if.map, c->key = m->map_replace_if.key;
        c->expect = m->map_replace_if.expected, c->value = m->map_replace_if.value;
        return ttl(m->map_replace_if.ttl_ms, c, text);
    case VXC_KIND_MAP_SIZE:
        IS(MAP_SIZE), c->name = m->map_size.map;
        return 0;
    case VXC_KIND_MAP_CLEAR:
        IS(MAP_CLEAR), c->name = m->map_clear.map;
        return 0;
    case VXC_KIND_MAP_SCAN:
        if (m->map_scan.what < VXC_SCAN_KEYS || m->map_scan.what > VXC_SCAN_ENTRIES) {
            *text = "scan: what must be 1 (keys), 2 (values) or 3 (entries)";
            return VXC_EINVAL;
        }
        IS(MAP_SCAN), c->name = m->map_scan.map, c->key = cursor(m->map_scan.cursor);
        c->a = m->map_scan.what, c->b = limits(m->map_scan.limit_rows, m->map_scan.limit_bytes);
        return 0;
    case VXC_KIND_MAP_DESTROY:
        IS(MAP_DESTROY), c->name = m->map_destroy.map;
        return 0;
    case VXC_KIND_MAP_LIST:
        IS(MAP_LIST), c->key = cursor(m->map_list.cursor), c->b = limits(m->map_list.limit, 0);
        return 0;
    case VXC_KIND_MAP_CREATE:
        IS(MAP_CREATE), c->name = m->map_create.map;
        return 0;
    default:
        return VXC_EKIND;
    }
}

static int route_set(const struct vxc_message *m, struct vxc_command *c)
{
    switch (m->kind) {
    case VXC_KIND_SET_ADD:
        IS(SET_ADD), c->name = m->set_add.set, c->key = m->set_add.value;
        return 0;
    case VXC_KIND_SET_REMOVE:
        IS(SET_REMOVE), c->name = m->set_remove.set, c->key = m->set_remove.value;
        return 0;
    case VXC_KIND_SET_CONTAINS:
        IS(SET_CONTAINS), c->name = m->set_contains.set, c->key = m->set_contains.value;
        return 0;
    case VXC_KIND_SET_SIZE:
        IS(SET_SIZE), c->name = m->set_size.set;
        return 0;
    case VXC_KIND_SET_CLEAR:
        IS(SET_CLEAR), c->name = m->set_clear.set;
        return 0;
    case VXC_KIND_SET_SCAN:
        IS(SET_SCAN), c->name = m->set_scan.set, c->key = cursor(m->set_scan.cursor);
        c->a = VXC_SCAN_KEYS, c->b = limits(m->set_scan.limit_rows, m->set_scan.limit_bytes);
        return 0;
    case VXC_KIND_SET_DESTROY:
        IS(SET_DESTROY), c->name = m->set_destroy.set;
        return 0;
    case VXC_KIND_SET_LIST:
        IS(SET_LIST), c->key = cursor(m->set_list.cursor), c->b = limits(m->set_list.limit, 0);
        return 0;
    case VXC_KIND_SET_CREATE:
        IS(SET_CREATE), c->name = m->set_create.set;
        return 0;
    default:
        return VXC_EKIND;
    }
}

static int route_multimap(const struct vxc_message *m, struct vxc_command *c, const char **text)
{
    switch (m->kind) {
    case VXC_KIND_MULTIMAP_PUT:
        IS(MULTIMAP_PUT), c->name = m->multimap_put.multimap;
        c->key = m->multimap_put.key, c->value = m->multimap_put.value;
        return 0;
    case VXC_KIND_MULTIMAP_REMOVE:
        IS(MULTIMAP_REMOVE), c->name = m->multimap_remove.multimap;
        c->key = m->multimap_remove.key, c->value = m->multimap_remove.value;
        return 0;
    case VXC_KIND_MULTIMAP_REMOVE_KEY:
        IS(MULTIMAP_REMOVE_KEY), c->name = m->multimap_remove_key.multimap;
        c->key = m->multimap_remove_key.key;
        return 0;
    case VXC_KIND_MULTIMAP_GET:
        IS(MULTIMAP_GET), c->name = m->multimap_get.multimap, c->key = m->multimap_get.key;
        c->expect = cursor(m->multimap_get.cursor);
        c->b = limits(m->multimap_get.limit_rows, m->multimap_get.limit_bytes);
        return 0;
    case VXC_KIND_MULTIMAP_CONTAINS_KEY:
        IS(MULTIMAP_CONTAINS_KEY), c->name = m->multimap_contains_key.multimap;
        c->key = m->multimap_contains_key.key;
        return 0;
    case VXC_KIND_MULTIMAP_CONTAINS_VALUE:
        IS(MULTIMAP_CONTAINS_VALUE), c->name = m->multimap_contains_value.multimap;
        c->value = m->multimap_contains_value.value;
        return 0;
    case VXC_KIND_MULTIMAP_CONTAINS_ENTRY:
        IS(MULTIMAP_CONTAINS_ENTRY), c->name = m->multimap_contains_entry.multimap;
        c->key = m->multimap_contains_entry.key, c->value = m->multimap_contains_entry.value;
        return 0;
    case VXC_KIND_MULTIMAP_SIZE:
        IS(MULTIMAP_SIZE), c->name = m->multimap_size.multimap;
        return 0;
    case VXC_KIND_MULTIMAP_KEY_SIZE:
        IS(MULTIMAP_KEY_SIZE), c->name = m->multimap_key_size.multimap;
        c->key = m->multimap_key_size.key;
        return 0;
    case VXC_KIND_MULTIMAP_SCAN:
        if (m->multimap_scan.what < VXC_SCAN_KEYS || m->multimap_scan.what > VXC_SCAN_ENTRIES) {
            *text = "scan: what must be 1 (keys), 2 (values) or 3 (entries)";
            return VXC_EINVAL;
        }
        IS(MULTIMAP_SCAN), c->name = m->multimap_scan.multimap;
        c->key = cursor(m->multimap_scan.cursor), c->a = m->multimap_scan.what;
        c->b = limits(m->multimap_scan.limit_rows, m->multimap_scan.limit_bytes);
        return 0;
    case VXC_KIND_MULTIMAP_CLEAR:
        IS(MULTIMAP_CLEAR), c->name = m->multimap_clear.multimap;
        return 0;
    case VXC_KIND_MULTIMAP_DESTROY:
        IS(MULTIMAP_DESTROY), c->name = m->multimap_destroy.multimap;
        return 0;
    case VXC_KIND_MULTIMAP_LIST:
        IS(MULTIMAP_LIST), c->key = cursor(m->multimap_list.cursor);
        c->b = limits(m->multimap_list.limit, 0);
        return 0;
    case VXC_KIND_MULTIMAP_CREATE:
        IS(MULTIMAP_CREATE), c->name = m->multimap_create.multimap;
        return 0;
    default:
        return VXC_EKIND;
    }
}

static int route_counter_or_lock(const struct vxc_message *m, struct vxc_command *c,
                                 const char **text)
{
    switch (m->kind) {
    case VXC_KIND_COUNTER_GET:
        IS(COUNTER_GET), c->name = m->counter_get.counter;
        return 0;
    case VXC_KIND_COUNTER_ADD:
        IS(COUNTER_ADD), c->name = m->counter_add.counter, c->a = m->counter_add.delta;
        c->flags = m->counter_add.want_old ? VXC_COMMAND_WANT_OLD : 0;
        return 0;
    case VXC_KIND_COUNTER_COMPARE_AND_SET:
        IS(COUNTER_CAS), c->name = m->counter_compare_and_set.counter;
        c->a = m->counter_compare_and_set.expected;
        c->b = (uint64_t)m->counter_compare_and_set.value;
        return 0;
    case VXC_KIND_COUNTER_LIST:
        IS(COUNTER_LIST), c->key = cursor(m->counter_list.cursor);
        c->b = limits(m->counter_list.limit, 0);
        return 0;
    case VXC_KIND_COUNTER_DESTROY:
        IS(COUNTER_DESTROY), c->name = m->counter_destroy.counter;
        return 0;
    case VXC_KIND_LOCK_ACQUIRE:
        if (m->lock_acquire.wait_ms < -1) {
            *text = "lock: wait_ms must be -1 (for ever), 0 (not at all) or a positive time";
            return VXC_EINVAL;
        }
        IS(LOCK_ACQUIRE), c->name = m->lock_acquire.lock, c->a = m->lock_acquire.wait_ms;
        return 0;
    case VXC_KIND_LOCK_CANCEL:
        IS(LOCK_CANCEL), c->name = m->lock_cancel.lock, c->b = m->lock_cancel.acquire_sequence;
        return 0;
    case VXC_KIND_LOCK_RELEASE:
        IS(LOCK_RELEASE), c->name = m->lock_release.lock, c->b = m->lock_release.token;
        return 0;
    case VXC_KIND_LOCK_GET:
        IS(LOCK_INFO), c->name = m->lock_get.lock;
        return 0;
    case VXC_KIND_LOCK_LIST:
        IS(LOCK_LIST), c->key = cursor(m->lock_list.cursor), c->b = limits(m->lock_list.limit, 0);
        return 0;
    case VXC_KIND_LOCK_DESTROY:
        IS(LOCK_DESTROY), c->name = m->lock_destroy.lock;
        return 0;
    default:
        return VXC_EKIND;
    }
}

static void registration(const struct vxc_msg_registration_add *add, struct vxc_command *c)
{
    IS(REGISTRATION_ADD), c->name = add->address, c->key = add->node_id;
    c->a = (int64_t)add->seq, c->value = add->data;
}

/* The whole own set, as a list of encoded commands. */
static int registration_resync(const struct vxc_message *m, struct vxc_buffer *scratch,
                               struct vxc_command *c, const char **text)
{
    struct vxc_list list = m->registration_resync.registrations;
    struct vxc_slice payload;
    uint16_t kind;
    int rv = vxc_buffer_put_u32(scratch, list.count);

    while (rv == 0 && vxc_list_next_message(&list, &kind, &payload)) {
        struct vxc_message item;
        struct vxc_command add = {0};
        struct vxc_buffer encoded = {0};

        if (kind != VXC_KIND_REGISTRATION_ADD || vxc_message_decode(kind, payload, &item) != 0) {
            *text = "resync: every item must be a registration_add";
            return VXC_EINVAL;
        }
        registration(&item.registration_add, &add);
        rv = vxc_command_encode(&add, &encoded);
        rv = rv != 0 ? rv : vxc_buffer_put_bytes(scratch, vxc_buffer_slice(&encoded));
        vxc_buffer_free(&encoded);
    }
    IS(REGISTRATION_RESYNC), c->value = vxc_buffer_slice(scratch);
    return rv;
}

static int route_members(const struct vxc_message *m, struct vxc_buffer *scratch,
                         struct vxc_command *c, const char **text)
{
    switch (m->kind) {
    case VXC_KIND_REGISTRATION_ADD:
        registration(&m->registration_add, c);
        return 0;
    case VXC_KIND_REGISTRATION_REMOVE:
        IS(REGISTRATION_REMOVE), c->name = m->registration_remove.address;
        c->key = m->registration_remove.node_id, c->a = (int64_t)m->registration_remove.seq;
        return 0;
    case VXC_KIND_REGISTRATION_GET:
        IS(REGISTRATION_GET), c->name = m->registration_get.address;
        return 0;
    case VXC_KIND_REGISTRATION_RESYNC:
        return registration_resync(m, scratch, c, text);
    case VXC_KIND_REGISTRATION_LIST:
        IS(REGISTRATION_LIST), c->key = cursor(m->registration_list.cursor);
        c->b = limits(m->registration_list.limit, 0);
        return 0;
    case VXC_KIND_NODE_JOIN:
        IS(NODE_JOIN), c->key = m->node_join.node_id, c->value = m->node_join.info;
        c->name = cursor(m->node_join.clear_map_if_first);
        return 0;
    case VXC_KIND_NODE_SET_INFO:
        IS(NODE_SET_INFO), c->value = m->node_set_info.info;
        return 0;
    case VXC_KIND_NODE_GET:
        IS(NODE_GET), c->key = m->node_get.node_id;
        return 0;
    case VXC_KIND_NODE_LIST:
        IS(NODE_LIST);
        return 0;
    case VXC_KIND_NODE_LEAVE:
        IS(NODE_LEAVE);
        return 0;
    case VXC_KIND_WATCH_ADD:
        if (m->watch_add.kind < VXC_WATCH_MAP || m->watch_add.kind > VXC_WATCH_REGISTRATIONS) {
            *text = "watch: unknown kind of thing to watch (1 to 7)";
            return VXC_EINVAL;
        }
        IS(WATCH_ADD), c->a = m->watch_add.kind, c->name = m->watch_add.name;
        c->key = cursor(m->watch_add.key);
        return 0;
    case VXC_KIND_WATCH_REMOVE:
        IS(WATCH_REMOVE), c->a = (int64_t)m->watch_remove.watch;
        return 0;
    case VXC_KIND_SESSION_CLOSE:
        IS(SESSION_CLOSE);
        return 0;
    case VXC_KIND_SESSION_EXPIRE:
        IS(SESSION_EXPIRE), c->a = (int64_t)m->session_expire.session;
        return 0;
    case VXC_KIND_SESSION_LIST:
        IS(SESSION_LIST), c->key = cursor(m->session_list.cursor);
        c->b = limits(m->session_list.limit, 0);
        return 0;
    case VXC_KIND_NAMESPACE_LIST:
        IS(NAMESPACE_LIST), c->key = cursor(m->namespace_list.cursor);
        c->b = limits(m->namespace_list.limit, 0);
        return 0;
    case VXC_KIND_DUMP:
        IS(DUMP), c->key = cursor(m->dump.cursor), c->b = limits(m->dump.limit, 0);
        return 0;
    default:
        return VXC_EKIND;
    }
}

/* ---- transactions ---- */

/* A compare becomes a query with the comparison in its flags. */
static int compare(struct vxc_slice payload, struct vxc_command *c, const char **text)
{
    struct vxc_message m;

    if (vxc_message_decode(VXC_KIND_COMPARE, payload, &m) != 0) {
        *text = "transaction: a compare does not parse";
        return VXC_EINVAL;
    }
    switch (m.compare.target) {
    case VXC_KIND_MAP_GET:
        IS(MAP_GET);
        break;
    case VXC_KIND_SET_CONTAINS:
        IS(SET_CONTAINS);
        break;
    case VXC_KIND_COUNTER_GET:
        IS(COUNTER_GET);
        break;
    default:
        *text = "transaction: a compare looks at map_get, set_contains or counter_get";
        return VXC_EINVAL;
    }
    c->flags = m.compare.operator;
    c->name = m.compare.name, c->key = m.compare.key;
    c->expect = m.compare.expected, c->b = (uint64_t)m.compare.number;
    return 0;
}

static bool allowed_in_transaction(uint16_t kind)
{
    return (kind >= VXC_KIND_MAP_GET && kind <= VXC_KIND_MAP_CLEAR) ||
           (kind >= VXC_KIND_SET_ADD && kind <= VXC_KIND_SET_CLEAR) ||
           (kind >= VXC_KIND_COUNTER_GET && kind <= VXC_KIND_COUNTER_COMPARE_AND_SET);
}

/* Appends one list of nested commands to `out`. */
static int nested(struct vxc_list list, bool compares, struct vxc_buffer *out, const char **text)
{
    struct vxc_buffer encoded = {0};
    struct vxc_slice payload;
    uint16_t kind;
    int rv = vxc_buffer_put_u32(out, list.count);

    while (rv == 0 && vxc_list_next_message(&list, &kind, &payload)) {
        struct vxc_command c = {0};
        struct vxc_message m;

        if (compares) {
            rv = compare(payload, &c, text);
        } else if (!allowed_in_transaction(kind) || vxc_message_decode(kind, payload, &m) != 0) {
            *text = "transaction: only operations on maps, sets and counters, well formed";
            rv = VXC_EINVAL;
        } else {
            rv = vxc_route(&m, NULL, &c, text);
        }
        vxc_buffer_clear(&encoded);
        rv = rv != 0 ? rv : vxc_command_encode(&c, &encoded);
        rv = rv != 0 ? rv : vxc_buffer_put_bytes(out, vxc_buffer_slice(&encoded));
    }
    vxc_buffer_free(&encoded);
    return rv;
}

static int route_transaction(const struct vxc_msg_transaction *t, struct vxc_buffer *scratch,
                             struct vxc_command *c, const char **text)
{
    size_t then_at;
    size_t else_at;
    int rv;

    if (t->compares.count > VXC_TRANSACTION_OPS_MAX ||
        t->then_operations.count > VXC_TRANSACTION_OPS_MAX ||
        t->else_operations.count > VXC_TRANSACTION_OPS_MAX) {
        *text = "transaction: too many operations (1024 at the most in each list)";
        return VXC_ETOOBIG;
    }
    rv = nested(t->compares, true, scratch, text);
    then_at = scratch->size;
    rv = rv != 0 ? rv : nested(t->then_operations, false, scratch, text);
    else_at = scratch->size;
    rv = rv != 0 ? rv : nested(t->else_operations, false, scratch, text);
    IS(TRANSACTION);
    c->key = vxc_slice(scratch->data, then_at);
    c->value = vxc_slice(scratch->data + then_at, else_at - then_at);
    c->expect = vxc_slice(scratch->data + else_at, scratch->size - else_at);
    return rv;
}

/* kinds = u16 count of then, then its kinds, then those of else. */
int vxc_route_transaction_kinds(const struct vxc_message *m, struct vxc_buffer *kinds)
{
    struct vxc_list lists[2] = {m->transaction.then_operations, m->transaction.else_operations};
    int rv = vxc_buffer_put_u16(kinds, (uint16_t)lists[0].count);

    for (int i = 0; i < 2; i++) {
        struct vxc_slice payload;
        uint16_t kind;

        while (rv == 0 && vxc_list_next_message(&lists[i], &kind, &payload)) {
            rv = vxc_buffer_put_u16(kinds, kind);
        }
    }
    return rv;
}

int vxc_route(const struct vxc_message *m, struct vxc_buffer *scratch, struct vxc_command *c,
              const char **text)
{
    memset(c, 0, sizeof *c);
    if (scratch != NULL) {
        vxc_buffer_clear(scratch);
    }
    if (m->kind < VXC_KIND_MAP_GET || m->kind >= VXC_KIND_REGISTRATION_ADD) {
        return m->kind == VXC_KIND_TRANSACTION && scratch != NULL
                   ? route_transaction(&m->transaction, scratch, c, text)
                   : route_members(m, scratch, c, text);
    }
    if (m->kind < VXC_KIND_SET_ADD) {
        return route_map(m, c, text);
    }
    if (m->kind < VXC_KIND_MULTIMAP_PUT) {
        return route_set(m, c);
    }
    if (m->kind < VXC_KIND_COUNTER_GET) {
        return route_multimap(m, c, text);
    }
    return route_counter_or_lock(m, c, text);
}
