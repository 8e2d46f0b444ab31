/* Kinds 1–74: the original protocol, with behaviour behind every kind.
 *
 * A node of that protocol is a node id. Join makes an implicit session for it (one per node id,
 * however many connections), which owns its locks and its place in the registry and dies when none
 * of its connections was heard for TIMEOUT + PING_INTERVAL. Objects live in the default namespace
 * and come into being by their first write or their Create. Lists are answered whole, up to the
 * frame limit.
 *
 * LockAcquire answers at once: acquired, or the position in the queue (then with the flag MORE),
 * and the grant comes later as a second kind-36 frame with the same request id. The owner asking
 * again is told that it holds the lock.
 */
#include "base/check.h"
#include "node/gateway_internal.h"

#include <string.h>

enum { SECRET_SIZE = 16 };

/* ---- writes ---- */

/* The plain ones: one command each. */
static bool route(const struct vxc_message *m, struct vxc_command *c)
{
#define PLAIN(KIND, operation, message, name_field)                                                \
    case VXC_KIND_##KIND:                                                                          \
        c->op = VXC_OP_##operation;                                                                \
        c->name = m->message.name_field;
    switch (m->kind) {
        PLAIN(CREATE_MAP, MAP_CREATE, create_map, name)
        return true;
        PLAIN(LEGACY_MAP_PUT, MAP_PUT, legacy_map_put, map_name)
        c->key = m->legacy_map_put.key;
        c->value = m->legacy_map_put.value;
        return true;
        PLAIN(LEGACY_MAP_REMOVE, MAP_REMOVE, legacy_map_remove, map_name)
        c->key = m->legacy_map_remove.key;
        return true;
        PLAIN(CREATE_SET, SET_CREATE, create_set, name)
        return true;
        PLAIN(LEGACY_SET_ADD, SET_ADD, legacy_set_add, set_name)
        c->key = m->legacy_set_add.value;
        return true;
        PLAIN(LEGACY_SET_REMOVE, SET_REMOVE, legacy_set_remove, set_name)
        c->key = m->legacy_set_remove.value;
        return true;
        PLAIN(CREATE_COUNTER, COUNTER_CREATE, create_counter, name)
        return true;
        PLAIN(COUNTER_INCREMENT, COUNTER_ADD, counter_increment, counter_name)
        c->a = m->counter_increment.delta;
        return true;
        PLAIN(CREATE_LOCK, LOCK_CREATE, create_lock, name)
        return true;
        PLAIN(CREATE_MULTIMAP, MULTIMAP_CREATE, create_multimap, name)
        return true;
        PLAIN(LEGACY_MULTIMAP_PUT, MULTIMAP_PUT, legacy_multimap_put, multimap_name)
        c->key = m->legacy_multimap_put.key;
        c->value = m->legacy_multimap_put.value;
        return true;
        PLAIN(LEGACY_MULTIMAP_REMOVE, MULTIMAP_REMOVE_KEY, legacy_multimap_remove, multimap_name)
        c->key = m->legacy_multimap_remove.key;
        return true;
        PLAIN(MULTIMAP_REMOVE_VALUE, MULTIMAP_REMOVE, multimap_remove_value, multimap_name)
        c->key = m->multimap_remove_value.key;
        c->value = m->multimap_remove_value.value;
        return true;
        PLAIN(LEGACY_CLEAR, MULTIMAP_CLEAR, legacy_clear, multimap_name)
        return true;
    default:
        return false;
    }
#undef PLAIN
}

static void refuse(struct vxc_request *r, const char *text)
{
    vxc_request_refuse(r, VXC_EINVAL, text);
}

void vxc_legacy_join(struct vxc_request *r, struct vxc_slice node_id)
{
    struct vxc_gateway *g = r->caller->gateway;
    uint8_t secret[SECRET_SIZE] = {0};
    struct vxc_command open = {
        .op = VXC_OP_SESSION_OPEN,
        .flags = VXC_COMMAND_LEGACY,
        .a = (int64_t)g->options.timeout_ms + g->options.ping_interval_ms,
        .name = node_id,
        .key = node_id,
        .value = vxc_slice(secret, sizeof secret),
    };

    if (vxc_request_keep(r, node_id) != 0) {
        refuse(r, "out of memory");
        return;
    }
    g->options.clock->random(g->options.clock->data, secret, sizeof secret);
    vxc_request_propose(r, &open);
}

/* A lock needs a node that owns it: this connection must have joined. */
static void lock_command(struct vxc_request *r, const struct vxc_message *m)
{
    struct vxc_caller *caller = r->caller;
    struct vxc_command c = {.flags = VXC_COMMAND_LEGACY};

    if (caller->lease == NULL || !caller->lease->legacy) {
        refuse(r, "locks are owned by nodes: send Join on this connection first");
        return;
    }
    c.session = caller->lease->session;
    if (m->kind == VXC_KIND_LEGACY_LOCK_ACQUIRE) {
        c.op = VXC_OP_LOCK_ACQUIRE;
        c.name = m->legacy_lock_acquire.lock_name;
        c.a = -1;
        c.b = (uint64_t)caller->id << 32 | r->request_id;
    } else {
        c.op = VXC_OP_LOCK_RELEASE;
        c.name = m->legacy_lock_release.lock_name;
    }
    vxc_request_propose(r, &c);
}

static void leave(struct vxc_request *r, struct vxc_slice node_id)
{
    struct vxc_gateway *g = r->caller->gateway;
    struct vxc_command close = {
        .op = VXC_OP_SESSION_CLOSE,
        .session = vxc_fsm_legacy_session(g->options.fsm, 0, node_id),
    };

    if (close.session == 0) {
        refuse(r, "no such node has joined");
        return;
    }
    vxc_request_propose(r, &close);
}

/* The reply repeats the sync id. */
static void state_sync(struct vxc_request *r, const struct vxc_msg_state_sync *sync)
{
    struct vxc_command c;
    const char *text = NULL;
    uint8_t id[8];
    int rv = vxc_sync_route(r->caller->gateway, sync, &c, &text);

    vxc_store_u64(id, sync->sync_id);
    rv = rv != 0 ? rv : vxc_request_keep(r, vxc_slice(id, sizeof id));
    if (rv != 0) {
        vxc_request_refuse(r, rv, text);
        return;
    }
    vxc_request_propose(r, &c);
}

void vxc_legacy_request(struct vxc_caller *caller, const struct vxc_frame *frame,
                        const struct vxc_message *m)
{
    struct vxc_command c = {0};
    struct vxc_request *r = vxc_request_add(caller, frame);

    if (r == NULL) {
        return;
    }
    if (m->kind == VXC_KIND_LEAVE) {
        leave(r, m->leave.node_id);
    } else if (m->kind == VXC_KIND_LEGACY_LOCK_ACQUIRE || m->kind == VXC_KIND_LEGACY_LOCK_RELEASE) {
        lock_command(r, m);
    } else if (m->kind == VXC_KIND_STATE_SYNC) {
        state_sync(r, &m->state_sync);
    } else if (route(m, &c)) {
        /* Create answers with the name that was asked for */
        if (vxc_request_keep(r, c.name) != 0) {
            refuse(r, "out of memory");
        } else {
            vxc_request_propose(r, &c);
        }
    } else {
        refuse(r, "not a request");
    }
    vxc_caller_drain(caller);
}

/* ---- results of writes ---- */

static void answer_lock(struct vxc_request *r, const struct vxc_result *result)
{
    struct vxc_message m = vxc_message_of(VXC_KIND_LEGACY_LOCK_ACQUIRE_REPLY);

    m.legacy_lock_acquire_reply.acquired = result->found;
    m.legacy_lock_acquire_reply.queue_position.present = !result->found;
    m.legacy_lock_acquire_reply.queue_position.number = (uint64_t)result->number;
    vxc_reply_message(r->caller, r->request_id, result->found ? 0 : VXC_FRAME_MORE, &m);
}

static void answer_created(struct vxc_request *r)
{
    struct vxc_slice name = vxc_slice(r->payload, r->payload_size);
    struct vxc_message m = vxc_message_of((uint16_t)(r->kind + 1));

    switch (r->kind) {
    case VXC_KIND_CREATE_MAP:
        m.create_map_reply.map_name = name;
        break;
    case VXC_KIND_CREATE_SET:
        m.create_set_reply.set_name = name;
        break;
    case VXC_KIND_CREATE_COUNTER:
        m.create_counter_reply.counter_name = name;
        break;
    case VXC_KIND_CREATE_LOCK:
        m.create_lock_reply.lock_name = name;
        break;
    default:
        m.create_multimap_reply.multimap_name = name;
        break;
    }
    vxc_reply_message(r->caller, r->request_id, 0, &m);
}

/* Join: the session is there, now the node; then the answer. */
static bool joined(struct vxc_request *r, const struct vxc_result *result)
{
    struct vxc_caller *caller = r->caller;
    struct vxc_gateway *g = caller->gateway;

    if (r->stage == 0) {
        struct vxc_lease *lease = vxc_lease_find(g, result->token);
        struct vxc_command c = {.op = VXC_OP_NODE_JOIN,
                                .key = vxc_slice(r->payload, r->payload_size)};

        if (lease == NULL) {
            vxc_reply_error(caller, r->kind, r->request_id, VXC_ENOMEM, NULL);
            return false;
        }
        vxc_lease_attach(lease, caller);
        r->stage = 1;
        c.session = lease->session;
        return vxc_request_continue(r, &c);
    } else {
        struct vxc_message m = vxc_message_of(VXC_KIND_JOIN_REPLY);
        m.join_reply.connection_id = caller->id;
        vxc_reply_message(caller, r->request_id, 0, &m);
        return false;
    }
}

bool vxc_legacy_result(struct vxc_request *r, const struct vxc_result *result)
{
    struct vxc_caller *caller = r->caller;
    struct vxc_message m = vxc_message_of((uint16_t)(r->kind + 1));
    bool more = false;

    if (result->code != 0) {
        vxc_reply_error(caller, r->kind, r->request_id, result->code, result->text);
    } else {
        switch (r->kind) {
        case VXC_KIND_JOIN:
            more = joined(r, result);
            break;
        case VXC_KIND_CREATE_MAP:
        case VXC_KIND_CREATE_SET:
        case VXC_KIND_CREATE_COUNTER:
        case VXC_KIND_CREATE_LOCK:
        case VXC_KIND_CREATE_MULTIMAP:
            answer_created(r);
            break;
        case VXC_KIND_LEGACY_LOCK_ACQUIRE:
            answer_lock(r, result);
            break;
        case VXC_KIND_COUNTER_INCREMENT:
            m.counter_increment_reply.new_value = result->number;
            vxc_reply_message(caller, r->request_id, 0, &m);
            break;
        case VXC_KIND_LEGACY_LOCK_RELEASE:
            m.legacy_lock_release_reply.code = result->found ? 0 : 1;
            vxc_reply_message(caller, r->request_id, 0, &m);
            break;
        case VXC_KIND_STATE_SYNC:
            m.state_sync_ack.sync_id = vxc_load_u64(r->payload);
            vxc_reply_message(caller, r->request_id, 0, &m);
            break;
        default: /* {code} */
            vxc_reply_message(caller, r->request_id, 0, &m);
            break;
        }
    }
    if (r->kind == VXC_KIND_JOIN && !more) {
        vxc_caller_unblock(caller);
    }
    return more;
}

/* ---- reads ---- */

static void ask(struct vxc_caller *caller, uint16_t op, struct vxc_slice name, struct vxc_slice key,
                struct vxc_slice value, struct vxc_result *result)
{
    struct vxc_command query = {.op = op, .name = name, .key = key, .value = value};

    vxc_fsm_query(caller->gateway->options.fsm, &query, result);
}

/* A whole multimap or a whole key of it, page by page. `out` gets the items one after the other;
 * pairs stay pairs. */
struct whole {
    struct vxc_command query;
    bool pairs;
    struct vxc_buffer cursor;
    uint32_t count;
};

static int read_whole(struct vxc_caller *caller, struct whole *w, struct vxc_buffer *out)
{
    struct vxc_result result;
    bool by_key = w->query.op == VXC_OP_MULTIMAP_GET;

    vxc_buffer_clear(out);
    do {
        struct vxc_list list;
        int rv;

        vxc_fsm_query(caller->gateway->options.fsm, &w->query, &result);
        if (result.code != 0) {
            return result.code;
        }
        if (result.value.size == 0) {
            return 0;
        }
        rv = w->pairs ? vxc_state_pairs(result.value, &list)
                      : vxc_list_read_items(result.value, &list);
        if (rv != 0) {
            return rv;
        }
        w->count += list.count;
        if (out->size + list.raw.size > VXC_FRAME_SIZE_MAX) {
            return VXC_ETOOBIG;
        }
        rv = vxc_buffer_append(out, list.raw.data, list.raw.size);
        vxc_buffer_clear(&w->cursor);
        rv = rv != 0 ? rv : vxc_buffer_append(&w->cursor, result.next.data, result.next.size);
        if (rv != 0) {
            return rv;
        }
        *(by_key ? &w->query.expect : &w->query.key) = vxc_buffer_slice(&w->cursor);
    } while (result.next.data != NULL);
    return 0;
}

/* Pairs sorted by key become key → set. */
static int group(struct vxc_list pairs, struct vxc_buffer *out, uint32_t *groups)
{
    struct vxc_slice last = {0};
    struct vxc_slice key;
    struct vxc_slice value;
    size_t count_at = 0;
    uint32_t in_group = 0;
    int rv = 0;

    *groups = 0;
    while (rv == 0 && vxc_list_next_pair(&pairs, &key, &value)) {
        if (*groups == 0 || !vxc_slice_equal(key, last)) {
            if (*groups > 0) {
                vxc_store_u32(out->data + count_at, in_group);
            }
            in_group = 0;
            ++*groups;
            last = key;
            rv = vxc_buffer_put_bytes(out, key);
            count_at = out->size;
            rv = rv != 0 ? rv : vxc_buffer_put_u32(out, 0);
        }
        rv = rv != 0 ? rv : vxc_buffer_put_bytes(out, value);
        in_group++;
    }
    if (rv == 0 && *groups > 0) {
        vxc_store_u32(out->data + count_at, in_group);
    }
    return rv;
}

static void answer_whole(struct vxc_caller *caller, uint32_t request_id,
                         const struct vxc_message *m)
{
    struct vxc_message reply = vxc_message_of((uint16_t)(m->kind + 1));
    struct vxc_buffer bytes = {0};
    struct vxc_buffer grouped = {0};
    struct whole w = {.query = {.op = VXC_OP_MULTIMAP_SCAN}};
    struct vxc_list list;
    int rv;

    switch (m->kind) {
    case VXC_KIND_LEGACY_MULTIMAP_GET:
        w.query.op = VXC_OP_MULTIMAP_GET;
        w.query.name = m->legacy_multimap_get.multimap_name;
        w.query.key = m->legacy_multimap_get.key;
        break;
    case VXC_KIND_LEGACY_KEYS:
        w.query.name = m->legacy_keys.multimap_name;
        w.query.a = VXC_SCAN_KEYS;
        break;
    case VXC_KIND_LEGACY_VALUES:
        w.query.name = m->legacy_values.multimap_name;
        w.query.a = VXC_SCAN_VALUES;
        break;
    default:
        w.query.name = m->legacy_entries.multimap_name;
        w.query.a = VXC_SCAN_ENTRIES;
        w.pairs = true;
        break;
    }
    rv = read_whole(caller, &w, &bytes);
    list = (struct vxc_list){.count = w.count, .raw = vxc_buffer_slice(&bytes)};
    if (rv == 0 && w.pairs) {
        uint32_t groups;
        rv = group(list, &grouped, &groups);
        reply.legacy_entries_reply.entries =
            (struct vxc_list){.count = groups, .raw = vxc_buffer_slice(&grouped)};
    } else if (m->kind == VXC_KIND_LEGACY_MULTIMAP_GET) {
        reply.legacy_multimap_get_reply.values = list;
    } else if (m->kind == VXC_KIND_LEGACY_KEYS) {
        reply.legacy_keys_reply.keys = list;
    } else {
        reply.legacy_values_reply.values = list;
    }
    if (rv == 0) {
        vxc_reply_message(caller, request_id, 0, &reply);
    } else {
        vxc_reply_error(caller, m->kind, request_id, rv,
                        rv == VXC_ETOOBIG ? "the answer is larger than a frame may be" : NULL);
    }
    vxc_buffer_free(&w.cursor);
    vxc_buffer_free(&grouped);
    vxc_buffer_free(&bytes);
}

static void answer_nodes(struct vxc_caller *caller, uint32_t request_id)
{
    struct vxc_message reply = vxc_message_of(VXC_KIND_GET_NODES_REPLY);
    struct vxc_buffer names = {0};
    struct vxc_slice none = {0};
    struct vxc_slice node_id;
    struct vxc_slice info;
    struct vxc_result result;
    struct vxc_list pairs = {0};
    int rv;

    ask(caller, VXC_OP_NODE_LIST, none, none, none, &result);
    rv = result.code;
    if (rv == 0 && result.value.size > 0) {
        rv = vxc_state_pairs(result.value, &pairs);
    }
    reply.get_nodes_reply.nodes.count = pairs.count;
    while (rv == 0 && vxc_list_next_pair(&pairs, &node_id, &info)) {
        rv = vxc_buffer_put_bytes(&names, node_id);
    }
    reply.get_nodes_reply.nodes.raw = vxc_buffer_slice(&names);
    if (rv == 0) {
        vxc_reply_message(caller, request_id, 0, &reply);
    } else {
        vxc_reply_error(caller, VXC_KIND_GET_NODES, request_id, rv, NULL);
    }
    vxc_buffer_free(&names);
}

/* Which of the locks that a node believes to hold it does hold. */
static void answer_lock_sync(struct vxc_caller *caller, uint32_t request_id,
                             const struct vxc_msg_lock_sync *sync)
{
    struct vxc_message reply = vxc_message_of(VXC_KIND_LOCK_SYNC_REPLY);
    struct vxc_buffer lists[2] = {{0}, {0}}; /* held, not held */
    uint32_t counts[2] = {0, 0};
    struct vxc_list locks = sync->held_locks;
    struct vxc_slice name;
    int rv = 0;

    while (rv == 0 && vxc_list_next_item(&locks, &name)) {
        struct vxc_command query = {.op = VXC_OP_LOCK_HELD, .name = name};
        struct vxc_result result = {0};

        if (caller->lease != NULL) {
            query.session = caller->lease->session;
            vxc_fsm_query(caller->gateway->options.fsm, &query, &result);
        }
        counts[result.found ? 0 : 1]++;
        rv = vxc_buffer_put_bytes(&lists[result.found ? 0 : 1], name);
    }
    reply.lock_sync_reply.synchronized_locks =
        (struct vxc_list){.count = counts[0], .raw = vxc_buffer_slice(&lists[0])};
    reply.lock_sync_reply.failed_locks =
        (struct vxc_list){.count = counts[1], .raw = vxc_buffer_slice(&lists[1])};
    if (rv == 0) {
        vxc_reply_message(caller, request_id, 0, &reply);
    } else {
        vxc_reply_error(caller, VXC_KIND_LOCK_SYNC, request_id, rv, NULL);
    }
    vxc_buffer_free(&lists[0]);
    vxc_buffer_free(&lists[1]);
}

void vxc_legacy_read(struct vxc_caller *caller, uint32_t request_id, const struct vxc_message *m)
{
    struct vxc_message reply = vxc_message_of((uint16_t)(m->kind + 1));
    struct vxc_slice none = {0};
    struct vxc_result result = {0};

#define ASK(operation, name, key, value)                                                           \
    ask(caller, VXC_OP_##operation, m->name, key, value, &result)
    switch (m->kind) {
    case VXC_KIND_GET_NODES:
        answer_nodes(caller, request_id);
        return;
    case VXC_KIND_LOCK_SYNC:
        answer_lock_sync(caller, request_id, &m->lock_sync);
        return;
    case VXC_KIND_LEGACY_MULTIMAP_GET:
    case VXC_KIND_LEGACY_KEYS:
    case VXC_KIND_LEGACY_VALUES:
    case VXC_KIND_LEGACY_ENTRIES:
        answer_whole(caller, request_id, m);
        return;
    case VXC_KIND_LEGACY_MAP_GET:
        ASK(MAP_GET, legacy_map_get.map_name, m->legacy_map_get.key, none);
        reply.legacy_map_get_reply.value.present = result.found;
        reply.legacy_map_get_reply.value.bytes = result.value;
        break;
    case VXC_KIND_LEGACY_MAP_SIZE:
        ASK(MAP_SIZE, legacy_map_size.map_name, none, none);
        reply.legacy_map_size_reply.size = (uint64_t)result.number;
        break;
    case VXC_KIND_LEGACY_SET_CONTAINS:
        ASK(SET_CONTAINS, legacy_set_contains.set_name, m->legacy_set_contains.value, none);
        reply.legacy_set_contains_reply.contains = result.found;
        break;
    case VXC_KIND_LEGACY_SET_SIZE:
        ASK(SET_SIZE, legacy_set_size.set_name, none, none);
        reply.legacy_set_size_reply.size = (uint64_t)result.number;
        break;
    case VXC_KIND_LEGACY_COUNTER_GET:
        ASK(COUNTER_GET, legacy_counter_get.counter_name, none, none);
        reply.legacy_counter_get_reply.value = result.number;
        break;
    case VXC_KIND_LEGACY_MULTIMAP_SIZE:
        ASK(MULTIMAP_SIZE, legacy_multimap_size.multimap_name, none, none);
        reply.legacy_multimap_size_reply.size = (uint64_t)result.number;
        break;
    case VXC_KIND_LEGACY_MULTIMAP_KEY_SIZE:
        ASK(MULTIMAP_KEY_SIZE, legacy_multimap_key_size.multimap_name,
            m->legacy_multimap_key_size.key, none);
        reply.legacy_multimap_key_size_reply.size = (uint64_t)result.number;
        break;
    case VXC_KIND_LEGACY_CONTAINS_KEY:
        ASK(MULTIMAP_CONTAINS_KEY, legacy_contains_key.multimap_name, m->legacy_contains_key.key,
            none);
        reply.legacy_contains_key_reply.contains = result.found;
        break;
    case VXC_KIND_LEGACY_CONTAINS_VALUE:
        ASK(MULTIMAP_CONTAINS_VALUE, legacy_contains_value.multimap_name, none,
            m->legacy_contains_value.value);
        reply.legacy_contains_value_reply.contains = result.found;
        break;
    default:
        ASK(MULTIMAP_CONTAINS_ENTRY, legacy_contains_entry.multimap_name,
            m->legacy_contains_entry.key, m->legacy_contains_entry.value);
        reply.legacy_contains_entry_reply.contains = result.found;
        break;
    }
#undef ASK
    if (result.code != 0) {
        vxc_reply_error(caller, m->kind, request_id, result.code, result.text);
    } else {
        vxc_reply_message(caller, request_id, 0, &reply);
    }
}
