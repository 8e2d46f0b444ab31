#include "model_internal.h"

/* ---- answers ---- */

void model_say_value(struct model_result *out, struct vxc_slice value)
{
    vxc_buffer_clear(&out->value);
    must(vxc_buffer_reserve(&out->value, value.size + 1));
    must(vxc_buffer_append(&out->value, value.data, value.size));
    out->result.value = vxc_buffer_slice(&out->value);
}

void model_begin_list(struct model_result *out)
{
    model_say_value(out, vxc_slice("\0\0\0\0", 4));
}

void model_add_item(struct model_result *out, struct vxc_slice item)
{
    must(vxc_buffer_put_bytes(&out->value, item));
    vxc_store_u32(out->value.data, vxc_load_u32(out->value.data) + 1);
    out->result.value = vxc_buffer_slice(&out->value);
}

static void add_u64_item(struct model_result *out, uint64_t first, uint64_t second, size_t size)
{
    uint8_t raw[16];

    vxc_store_u64(raw, first);
    vxc_store_u64(raw + 8, second);
    model_add_item(out, vxc_slice(raw, size));
}

/* ---- queries ---- */

static void count_items(struct model *m, uint16_t kind, const struct vxc_command *q, bool of_key,
                        uint64_t *count, uint64_t *bytes)
{
    *count = *bytes = 0;
    for (unsigned i = 0; i < m->item_count; i++) {
        const struct item *item = &m->items[i];
        if (model_in_object(item, kind, q) && (!of_key || vxc_slice_equal(item->key, q->key))) {
            *count += 1;
            *bytes += item->key.size + item->value.size;
        }
    }
}

static bool key_seen_before(struct model *m, unsigned position)
{
    for (unsigned i = 0; i < position; i++) {
        const struct item *a = &m->items[i], *b = &m->items[position];
        if (a->kind == b->kind && a->space == b->space && vxc_slice_equal(a->name, b->name) &&
            vxc_slice_equal(a->key, b->key)) {
            return true;
        }
    }
    return false;
}

static void scan(struct model *m, uint16_t kind, const struct vxc_command *q, int64_t what,
                 struct model_result *out)
{
    model_begin_list(out);
    for (unsigned i = 0; i < m->item_count; i++) {
        const struct item *item = &m->items[i];
        if (!model_in_object(item, kind, q) || (what == VXC_SCAN_KEYS && key_seen_before(m, i))) {
            continue;
        }
        if (what != VXC_SCAN_VALUES) {
            model_add_item(out, item->key);
        }
        if (what != VXC_SCAN_KEYS) {
            model_add_item(out, item->value);
        }
    }
}

static void list(struct model *m, uint16_t kind, const struct vxc_command *q,
                 struct model_result *out)
{
    model_begin_list(out);
    for (unsigned i = 0; i < m->named_count; i++) {
        const struct named *n = &m->named[i];
        struct vxc_command inside = {.namespace_id = n->space, .name = n->name};
        uint64_t count, bytes;
        if (n->kind != kind || n->space != q->namespace_id) {
            continue;
        }
        model_add_item(out, n->name);
        if (kind == VXC_WATCH_COUNTER) {
            add_u64_item(out, n->value, 0, 8);
        } else {
            count_items(m, kind, &inside, false, &count, &bytes);
            add_u64_item(out, count, bytes, 16);
        }
    }
}

static void query_multimap(struct model *m, const struct vxc_command *q, struct model_result *out)
{
    uint64_t count, bytes;

    model_begin_list(out);
    for (unsigned i = 0; i < m->item_count; i++) {
        const struct item *item = &m->items[i];
        bool same_key = vxc_slice_equal(item->key, q->key);
        bool same_value = vxc_slice_equal(item->value, q->value);
        if (!model_in_object(item, VXC_WATCH_MULTIMAP, q)) {
            continue;
        }
        if (q->op == VXC_OP_MULTIMAP_GET && same_key) {
            model_add_item(out, item->value);
        }
        out->result.found |= q->op == VXC_OP_MULTIMAP_CONTAINS_VALUE   ? same_value
                             : q->op == VXC_OP_MULTIMAP_CONTAINS_ENTRY ? same_key && same_value
                                                                       : same_key;
    }
    count_items(m, VXC_WATCH_MULTIMAP, q, true, &count, &bytes);
    out->result.number =
        q->op == VXC_OP_MULTIMAP_KEY_SIZE || q->op == VXC_OP_MULTIMAP_GET ? (int64_t)count : 0;
    if (q->op != VXC_OP_MULTIMAP_GET) {
        out->result.value = vxc_slice(NULL, 0);
    }
}

static void query_lock(struct model *m, const struct vxc_command *q, struct model_result *out)
{
    const struct lock *lock = model_find_lock(m, q->namespace_id, q->name);

    if (lock != NULL && q->op == VXC_OP_LOCK_INFO) {
        out->result.found = true;
        out->result.token = lock->token;
        out->result.number = lock->waiter_count;
    } else if (lock != NULL && q->session != 0 && lock->holder == q->session) {
        out->result.found = true;
        out->result.token = lock->token;
    }
}

static void query_registrations(struct model *m, const struct vxc_command *q,
                                struct model_result *out)
{
    model_begin_list(out);
    for (unsigned i = 0; i < m->registration_count; i++) {
        const struct registration *r = &m->registrations[i];
        struct vxc_buffer second = {0};
        if (r->space != q->namespace_id || !vxc_slice_equal(r->address, q->name)) {
            continue;
        }
        must(vxc_buffer_put_u64(&second, r->seq));
        must(vxc_buffer_append(&second, r->data.data, r->data.size));
        model_add_item(out, r->node_id);
        model_add_item(out, vxc_buffer_slice(&second));
        vxc_buffer_free(&second);
    }
    out->result.number = model_registrations_of(m, q);
    out->result.found = out->result.number != 0;
}

static void query_size(struct model *m, uint16_t kind, const struct vxc_command *q,
                       struct model_result *out)
{
    uint64_t count, bytes;

    count_items(m, kind, q, false, &count, &bytes);
    out->result.found = model_find_named(m, kind, q->namespace_id, q->name) != NULL;
    out->result.number = (int64_t)count;
}

void model_query(struct model *m, const struct vxc_command *q, struct model_result *out)
{
    const struct item *item;
    const struct named *named;

    out->result = (struct vxc_result){0};
    switch (q->op) {
    case VXC_OP_MAP_GET:
    case VXC_OP_MAP_CONTAINS:
        item = model_find_item(m, VXC_WATCH_MAP, q);
        out->result.found = item != NULL;
        if (item != NULL && q->op == VXC_OP_MAP_GET) {
            model_say_value(out, item->value);
        }
        break;
    case VXC_OP_SET_CONTAINS:
        out->result.found = model_find_item(m, VXC_WATCH_SET, q) != NULL;
        break;
    case VXC_OP_MAP_SIZE:
        query_size(m, VXC_WATCH_MAP, q, out);
        break;
    case VXC_OP_SET_SIZE:
        query_size(m, VXC_WATCH_SET, q, out);
        break;
    case VXC_OP_MULTIMAP_SIZE:
        query_size(m, VXC_WATCH_MULTIMAP, q, out);
        break;
    case VXC_OP_MAP_SCAN:
        scan(m, VXC_WATCH_MAP, q, q->a, out);
        break;
    case VXC_OP_SET_SCAN:
        scan(m, VXC_WATCH_SET, q, VXC_SCAN_KEYS, out);
        break;
    case VXC_OP_MULTIMAP_SCAN:
        scan(m, VXC_WATCH_MULTIMAP, q, q->a, out);
        break;
    case VXC_OP_MAP_LIST:
        list(m, VXC_WATCH_MAP, q, out);
        break;
    case VXC_OP_SET_LIST:
        list(m, VXC_WATCH_SET, q, out);
        break;
    case VXC_OP_MULTIMAP_LIST:
        list(m, VXC_WATCH_MULTIMAP, q, out);
        break;
    case VXC_OP_COUNTER_LIST:
        list(m, VXC_WATCH_COUNTER, q, out);
        break;
    case VXC_OP_COUNTER_GET:
    case VXC_OP_NAMESPACE_FIND:
        named = q->op == VXC_OP_COUNTER_GET
                    ? model_find_named(m, VXC_WATCH_COUNTER, q->namespace_id, q->name)
                    : model_find_named(m, 0, 0, q->name);
        out->result.found = named != NULL || (q->op == VXC_OP_NAMESPACE_FIND && q->name.size == 0);
        out->result.number = named == NULL ? 0 : (int64_t)named->value;
        break;
    case VXC_OP_LOCK_INFO:
    case VXC_OP_LOCK_HELD:
        query_lock(m, q, out);
        break;
    case VXC_OP_REGISTRATION_GET:
        query_registrations(m, q, out);
        break;
    default:
        vxc_check(q->op >= VXC_OP_MULTIMAP_GET && q->op <= VXC_OP_MULTIMAP_KEY_SIZE);
        query_multimap(m, q, out);
        break;
    }
}
