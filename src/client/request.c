#include "client/payload.h"

#include "base/limits.h"

#include <assert.h>

/* The public numbers are the protocol's. */
#define SAME(NAME)                                                                                 \
    static_assert((int)VXC_CALL_##NAME == (int)VXC_KIND_##NAME, "numbers of the wire");
SAME(NAMESPACE_LIST)
SAME(SESSION_LIST)
SAME(SESSION_GET)
SAME(SESSION_EXPIRE)
SAME(MAP_GET)
SAME(MAP_CREATE)
SAME(SET_ADD)
SAME(SET_CREATE)
SAME(MULTIMAP_PUT)
SAME(MULTIMAP_CREATE)
SAME(COUNTER_GET)
SAME(COUNTER_DESTROY)
SAME(LOCK_ACQUIRE)
SAME(LOCK_CANCEL)
SAME(LOCK_RELEASE)
SAME(LOCK_GET)
SAME(LOCK_LIST)
SAME(LOCK_DESTROY)
SAME(REGISTRATION_ADD)
SAME(REGISTRATION_REMOVE)
SAME(REGISTRATION_GET)
SAME(REGISTRATION_LIST)
SAME(NODE_JOIN)
SAME(NODE_SET_INFO)
SAME(NODE_GET)
SAME(NODE_LIST)
SAME(NODE_LEAVE)
SAME(WATCH_ADD)
SAME(WATCH_REMOVE)
SAME(TRANSACTION)
SAME(STATUS)
SAME(DUMP)
SAME(SNAPSHOT_BEGIN)
SAME(SNAPSHOT_GET)
SAME(SNAPSHOT_READ)
SAME(SNAPSHOT_END)
SAME(MEMBER_LIST)
SAME(MEMBER_ADD)
SAME(MEMBER_PROMOTE)
SAME(MEMBER_REMOVE)
SAME(MEMBER_TRANSFER)
SAME(CHECKPOINT)
#undef SAME

bool vxc_operation_is_read(int operation)
{
    switch (operation) {
    case VXC_CALL_NAMESPACE_LIST:
    case VXC_CALL_SESSION_LIST:
    case VXC_CALL_SESSION_GET:
    case VXC_CALL_MAP_GET:
    case VXC_CALL_MAP_CONTAINS:
    case VXC_CALL_MAP_SIZE:
    case VXC_CALL_MAP_SCAN:
    case VXC_CALL_MAP_LIST:
    case VXC_CALL_SET_CONTAINS:
    case VXC_CALL_SET_SIZE:
    case VXC_CALL_SET_SCAN:
    case VXC_CALL_SET_LIST:
    case VXC_CALL_MULTIMAP_GET:
    case VXC_CALL_MULTIMAP_CONTAINS_KEY:
    case VXC_CALL_MULTIMAP_CONTAINS_VALUE:
    case VXC_CALL_MULTIMAP_CONTAINS_ENTRY:
    case VXC_CALL_MULTIMAP_SIZE:
    case VXC_CALL_MULTIMAP_KEY_SIZE:
    case VXC_CALL_MULTIMAP_SCAN:
    case VXC_CALL_MULTIMAP_LIST:
    case VXC_CALL_COUNTER_GET:
    case VXC_CALL_COUNTER_LIST:
    case VXC_CALL_LOCK_GET:
    case VXC_CALL_LOCK_LIST:
    case VXC_CALL_REGISTRATION_GET:
    case VXC_CALL_REGISTRATION_LIST:
    case VXC_CALL_NODE_GET:
    case VXC_CALL_NODE_LIST:
    case VXC_CALL_STATUS:
    case VXC_CALL_DUMP:
    /* these change nothing that outlives the connection */
    case VXC_CALL_SNAPSHOT_BEGIN:
    case VXC_CALL_SNAPSHOT_GET:
    case VXC_CALL_SNAPSHOT_READ:
    case VXC_CALL_SNAPSHOT_END:
    case VXC_CALL_MEMBER_LIST:
    /* nor does one checkpoint more change what the state says */
    case VXC_CALL_CHECKPOINT:
        return true;
    default:
        return false;
    }
}

bool vxc_operation_is_of_members(int operation)
{
    return operation >= VXC_CALL_MEMBER_ADD && operation <= VXC_CALL_MEMBER_TRANSFER;
}

static struct vxc_opt_bytes optional(struct vxc_bytes bytes)
{
    return (struct vxc_opt_bytes){.present = bytes.data != NULL, .bytes = vxc_slice_of(bytes)};
}

static bool fill_map(const struct vxc_request *r, struct vxc_message *m)
{
    const struct vxc_slice name = vxc_slice_of(r->name), key = vxc_slice_of(r->key);
    const struct vxc_slice value = vxc_slice_of(r->value), expected = vxc_slice_of(r->expected);
    const bool want_old = (r->flags & VXC_REQUEST_WANT_OLD) != 0;

    switch (r->operation) {
    case VXC_CALL_MAP_GET:
        m->map_get = (struct vxc_msg_map_get){.map = name, .key = key};
        return true;
    case VXC_CALL_MAP_CONTAINS:
        m->map_contains = (struct vxc_msg_map_contains){.map = name, .key = key};
        return true;
    case VXC_CALL_MAP_PUT:
        m->map_put = (struct vxc_msg_map_put){
            .map = name, .key = key, .value = value, .ttl_ms = r->ttl_ms, .want_old = want_old};
        return true;
    case VXC_CALL_MAP_PUT_IF_ABSENT:
        m->map_put_if_absent = (struct vxc_msg_map_put_if_absent){
            .map = name, .key = key, .value = value, .ttl_ms = r->ttl_ms};
        return true;
    case VXC_CALL_MAP_REMOVE:
        m->map_remove = (struct vxc_msg_map_remove){.map = name, .key = key, .want_old = want_old};
        return true;
    case VXC_CALL_MAP_REMOVE_IF:
        m->map_remove_if =
            (struct vxc_msg_map_remove_if){.map = name, .key = key, .expected = expected};
        return true;
    case VXC_CALL_MAP_REPLACE:
        m->map_replace = (struct vxc_msg_map_replace){
            .map = name, .key = key, .value = value, .ttl_ms = r->ttl_ms};
        return true;
    case VXC_CALL_MAP_REPLACE_IF:
        m->map_replace_if = (struct vxc_msg_map_replace_if){
            .map = name, .key = key, .expected = expected, .value = value, .ttl_ms = r->ttl_ms};
        return true;
    case VXC_CALL_MAP_SIZE:
        m->map_size = (struct vxc_msg_map_size){.map = name};
        return true;
    case VXC_CALL_MAP_CLEAR:
        m->map_clear = (struct vxc_msg_map_clear){.map = name};
        return true;
    case VXC_CALL_MAP_SCAN:
        m->map_scan = (struct vxc_msg_map_scan){.map = name,
                                                .what = (uint8_t)r->what,
                                                .cursor = optional(r->cursor),
                                                .limit_rows = r->limit_rows,
                                                .limit_bytes = r->limit_bytes};
        return true;
    case VXC_CALL_MAP_DESTROY:
        m->map_destroy = (struct vxc_msg_map_destroy){.map = name};
        return true;
    case VXC_CALL_MAP_LIST:
        m->map_list =
            (struct vxc_msg_map_list){.cursor = optional(r->cursor), .limit = r->limit_rows};
        return true;
    case VXC_CALL_MAP_CREATE:
        m->map_create = (struct vxc_msg_map_create){.map = name};
        return true;
    default:
        return false;
    }
}

static bool fill_set(const struct vxc_request *r, struct vxc_message *m)
{
    const struct vxc_slice name = vxc_slice_of(r->name), value = vxc_slice_of(r->value);

    switch (r->operation) {
    case VXC_CALL_SET_ADD:
        m->set_add = (struct vxc_msg_set_add){.set = name, .value = value};
        return true;
    case VXC_CALL_SET_REMOVE:
        m->set_remove = (struct vxc_msg_set_remove){.set = name, .value = value};
        return true;
    case VXC_CALL_SET_CONTAINS:
        m->set_contains = (struct vxc_msg_set_contains){.set = name, .value = value};
        return true;
    case VXC_CALL_SET_SIZE:
        m->set_size = (struct vxc_msg_set_size){.set = name};
        return true;
    case VXC_CALL_SET_CLEAR:
        m->set_clear = (struct vxc_msg_set_clear){.set = name};
        return true;
    case VXC_CALL_SET_SCAN:
        m->set_scan = (struct vxc_msg_set_scan){.set = name,
                                                .cursor = optional(r->cursor),
                                                .limit_rows = r->limit_rows,
                                                .limit_bytes = r->limit_bytes};
        return true;
    case VXC_CALL_SET_DESTROY:
        m->set_destroy = (struct vxc_msg_set_destroy){.set = name};
        return true;
    case VXC_CALL_SET_LIST:
        m->set_list =
            (struct vxc_msg_set_list){.cursor = optional(r->cursor), .limit = r->limit_rows};
        return true;
    case VXC_CALL_SET_CREATE:
        m->set_create = (struct vxc_msg_set_create){.set = name};
        return true;
    default:
        return false;
    }
}

static bool fill_multimap(const struct vxc_request *r, struct vxc_message *m)
{
    const struct vxc_slice name = vxc_slice_of(r->name), key = vxc_slice_of(r->key);
    const struct vxc_slice value = vxc_slice_of(r->value);

    switch (r->operation) {
    case VXC_CALL_MULTIMAP_PUT:
        m->multimap_put =
            (struct vxc_msg_multimap_put){.multimap = name, .key = key, .value = value};
        return true;
    case VXC_CALL_MULTIMAP_REMOVE:
        m->multimap_remove =
            (struct vxc_msg_multimap_remove){.multimap = name, .key = key, .value = value};
        return true;
    case VXC_CALL_MULTIMAP_REMOVE_KEY:
        m->multimap_remove_key = (struct vxc_msg_multimap_remove_key){.multimap = name, .key = key};
        return true;
    case VXC_CALL_MULTIMAP_GET:
        m->multimap_get = (struct vxc_msg_multimap_get){.multimap = name,
                                                        .key = key,
                                                        .cursor = optional(r->cursor),
                                                        .limit_rows = r->limit_rows,
                                                        .limit_bytes = r->limit_bytes};
        return true;
    case VXC_CALL_MULTIMAP_CONTAINS_KEY:
        m->multimap_contains_key =
            (struct vxc_msg_multimap_contains_key){.multimap = name, .key = key};
        return true;
    case VXC_CALL_MULTIMAP_CONTAINS_VALUE:
        m->multimap_contains_value =
            (struct vxc_msg_multimap_contains_value){.multimap = name, .value = value};
        return true;
    case VXC_CALL_MULTIMAP_CONTAINS_ENTRY:
        m->multimap_contains_entry =
            (struct vxc_msg_multimap_contains_entry){.multimap = name, .key = key, .value = value};
        return true;
    case VXC_CALL_MULTIMAP_SIZE:
        m->multimap_size = (struct vxc_msg_multimap_size){.multimap = name};
        return true;
    case VXC_CALL_MULTIMAP_KEY_SIZE:
        m->multimap_key_size = (struct vxc_msg_multimap_key_size){.multimap = name, .key = key};
        return true;
    case VXC_CALL_MULTIMAP_SCAN:
        m->multimap_scan = (struct vxc_msg_multimap_scan){.multimap = name,
                                                          .what = (uint8_t)r->what,
                                                          .cursor = optional(r->cursor),
                                                          .limit_rows = r->limit_rows,
                                                          .limit_bytes = r->limit_bytes};
        return true;
    case VXC_CALL_MULTIMAP_CLEAR:
        m->multimap_clear = (struct vxc_msg_multimap_clear){.multimap = name};
        return true;
    case VXC_CALL_MULTIMAP_DESTROY:
        m->multimap_destroy = (struct vxc_msg_multimap_destroy){.multimap = name};
        return true;
    case VXC_CALL_MULTIMAP_LIST:
        m->multimap_list =
            (struct vxc_msg_multimap_list){.cursor = optional(r->cursor), .limit = r->limit_rows};
        return true;
    case VXC_CALL_MULTIMAP_CREATE:
        m->multimap_create = (struct vxc_msg_multimap_create){.multimap = name};
        return true;
    default:
        return false;
    }
}

static bool fill_counter(const struct vxc_request *r, struct vxc_message *m)
{
    const struct vxc_slice name = vxc_slice_of(r->name);

    switch (r->operation) {
    case VXC_CALL_COUNTER_GET:
        m->counter_get = (struct vxc_msg_counter_get){.counter = name};
        return true;
    case VXC_CALL_COUNTER_ADD:
        m->counter_add =
            (struct vxc_msg_counter_add){.counter = name,
                                         .delta = r->number,
                                         .want_old = (r->flags & VXC_REQUEST_WANT_OLD) != 0};
        return true;
    case VXC_CALL_COUNTER_COMPARE_AND_SET:
        m->counter_compare_and_set = (struct vxc_msg_counter_compare_and_set){
            .counter = name, .expected = r->expected_number, .value = r->number};
        return true;
    case VXC_CALL_COUNTER_LIST:
        m->counter_list =
            (struct vxc_msg_counter_list){.cursor = optional(r->cursor), .limit = r->limit_rows};
        return true;
    case VXC_CALL_COUNTER_DESTROY:
        m->counter_destroy = (struct vxc_msg_counter_destroy){.counter = name};
        return true;
    default:
        return false;
    }
}

static bool fill_lock(const struct vxc_request *r, struct vxc_message *m)
{
    const struct vxc_slice name = vxc_slice_of(r->name);

    switch (r->operation) {
    case VXC_CALL_LOCK_ACQUIRE:
        m->lock_acquire = (struct vxc_msg_lock_acquire){.lock = name, .wait_ms = r->number};
        return true;
    case VXC_CALL_LOCK_CANCEL:
        m->lock_cancel = (struct vxc_msg_lock_cancel){.lock = name, .acquire_sequence = r->id};
        return true;
    case VXC_CALL_LOCK_RELEASE:
        m->lock_release = (struct vxc_msg_lock_release){.lock = name, .token = r->id};
        return true;
    case VXC_CALL_LOCK_GET:
        m->lock_get = (struct vxc_msg_lock_get){.lock = name};
        return true;
    case VXC_CALL_LOCK_LIST:
        m->lock_list =
            (struct vxc_msg_lock_list){.cursor = optional(r->cursor), .limit = r->limit_rows};
        return true;
    case VXC_CALL_LOCK_DESTROY:
        m->lock_destroy = (struct vxc_msg_lock_destroy){.lock = name};
        return true;
    default:
        return false;
    }
}

static bool fill_member(const struct vxc_request *r, struct vxc_message *m)
{
    const struct vxc_slice name = vxc_slice_of(r->name), key = vxc_slice_of(r->key);
    const struct vxc_slice value = vxc_slice_of(r->value);

    switch (r->operation) {
    case VXC_CALL_REGISTRATION_ADD:
        m->registration_add = (struct vxc_msg_registration_add){
            .address = name, .node_id = key, .seq = r->id, .data = value};
        return true;
    case VXC_CALL_REGISTRATION_REMOVE:
        m->registration_remove =
            (struct vxc_msg_registration_remove){.address = name, .node_id = key, .seq = r->id};
        return true;
    case VXC_CALL_REGISTRATION_GET:
        m->registration_get = (struct vxc_msg_registration_get){.address = name};
        return true;
    case VXC_CALL_REGISTRATION_LIST:
        m->registration_list = (struct vxc_msg_registration_list){.cursor = optional(r->cursor),
                                                                  .limit = r->limit_rows};
        return true;
    case VXC_CALL_NODE_JOIN:
        m->node_join = (struct vxc_msg_node_join){
            .node_id = key, .info = value, .clear_map_if_first = optional(r->expected)};
        return true;
    case VXC_CALL_NODE_SET_INFO:
        m->node_set_info = (struct vxc_msg_node_set_info){.info = value};
        return true;
    case VXC_CALL_NODE_GET:
        m->node_get = (struct vxc_msg_node_get){.node_id = key};
        return true;
    case VXC_CALL_NODE_LIST:
    case VXC_CALL_NODE_LEAVE:
        return true;
    default:
        return false;
    }
}

static bool fill_other(const struct vxc_request *r, struct vxc_message *m)
{
    switch (r->operation) {
    case VXC_CALL_SESSION_LIST:
        m->session_list =
            (struct vxc_msg_session_list){.cursor = optional(r->cursor), .limit = r->limit_rows};
        return true;
    case VXC_CALL_SESSION_GET:
        m->session_get = (struct vxc_msg_session_get){.session = r->id};
        return true;
    case VXC_CALL_SESSION_EXPIRE:
        m->session_expire = (struct vxc_msg_session_expire){.session = r->id};
        return true;
    case VXC_CALL_WATCH_ADD:
        m->watch_add = (struct vxc_msg_watch_add){
            .kind = (uint8_t)r->what, .name = vxc_slice_of(r->name), .key = optional(r->key)};
        return true;
    case VXC_CALL_WATCH_REMOVE:
        m->watch_remove = (struct vxc_msg_watch_remove){.watch = r->id};
        return true;
    case VXC_CALL_DUMP:
        m->dump = (struct vxc_msg_dump){.cursor = optional(r->cursor), .limit = r->limit_rows};
        return true;
    case VXC_CALL_NAMESPACE_LIST:
        m->namespace_list =
            (struct vxc_msg_namespace_list){.cursor = optional(r->cursor), .limit = r->limit_rows};
        return true;
    case VXC_CALL_STATUS:
        return true;
    case VXC_CALL_SNAPSHOT_BEGIN:
        m->snapshot_begin = (struct vxc_msg_snapshot_begin){.compression = (uint8_t)r->what};
        return true;
    case VXC_CALL_SNAPSHOT_GET:
        m->snapshot_get = (struct vxc_msg_snapshot_get){.id = r->id};
        return true;
    case VXC_CALL_SNAPSHOT_READ:
        m->snapshot_read = (struct vxc_msg_snapshot_read){
            .id = r->id, .offset = (uint64_t)r->number, .size = r->limit_bytes};
        return true;
    case VXC_CALL_SNAPSHOT_END:
        m->snapshot_end = (struct vxc_msg_snapshot_end){.id = r->id};
        return true;
    case VXC_CALL_MEMBER_LIST:
    case VXC_CALL_CHECKPOINT:
        return true;
    case VXC_CALL_MEMBER_ADD:
        m->member_add = (struct vxc_msg_member_add){.id = r->id, .address = vxc_slice_of(r->name)};
        return true;
    case VXC_CALL_MEMBER_PROMOTE:
        m->member_promote = (struct vxc_msg_member_promote){.id = r->id};
        return true;
    case VXC_CALL_MEMBER_REMOVE:
        m->member_remove = (struct vxc_msg_member_remove){.id = r->id};
        return true;
    case VXC_CALL_MEMBER_TRANSFER:
        m->member_transfer = (struct vxc_msg_member_transfer){.id = r->id};
        return true;
    default:
        return false;
    }
}

static int check_sizes(const struct vxc_request *r, struct vxc_error *err)
{
    if (r->name.size > VXC_NAME_SIZE_MAX) {
        return vxc_error_set(err, VXC_ETOOBIG, "the name has %zu bytes; the limit is %u",
                             r->name.size, VXC_NAME_SIZE_MAX);
    }
    if (r->key.size > VXC_KEY_SIZE_MAX) {
        return vxc_error_set(err, VXC_ETOOBIG, "the key has %zu bytes; the limit is %u",
                             r->key.size, VXC_KEY_SIZE_MAX);
    }
    /* What stands in a set is a key to it, sent in the field `value`. */
    const bool element = r->operation >= VXC_CALL_SET_ADD && r->operation <= VXC_CALL_SET_CONTAINS;
    const size_t value_max = element ? VXC_KEY_SIZE_MAX : VXC_VALUE_SIZE_MAX;
    if (r->value.size > value_max || r->expected.size > VXC_VALUE_SIZE_MAX) {
        return vxc_error_set(err, VXC_ETOOBIG, "the value has %zu bytes; the limit is %zu",
                             r->value.size > value_max ? r->value.size : r->expected.size,
                             value_max);
    }
    return VXC_OK;
}

/* One operation that is not a transaction, as a message that borrows from the request. */
static int fill(const struct vxc_request *r, struct vxc_message *m, struct vxc_error *err)
{
    const int rc = check_sizes(r, err);
    if (rc != VXC_OK) {
        return rc;
    }
    memset(m, 0, sizeof *m);
    m->kind = (uint16_t)r->operation;
    if (fill_map(r, m) || fill_set(r, m) || fill_multimap(r, m) || fill_counter(r, m) ||
        fill_lock(r, m) || fill_member(r, m) || fill_other(r, m)) {
        return VXC_OK;
    }
    return vxc_error_set(err, VXC_EINVAL, "%d is not an operation", r->operation);
}

/* Lists of messages within a transaction: (u16 kind, bytes) each, in front of them their count. */
static int append_message(const struct vxc_message *m, struct vxc_buffer *raw)
{
    struct vxc_buffer payload = {0};
    int rc = vxc_message_encode(m, &payload);

    if (rc == VXC_OK) {
        rc = vxc_buffer_put_u16(raw, m->kind);
    }
    if (rc == VXC_OK) {
        rc = vxc_buffer_put_bytes(raw, vxc_buffer_slice(&payload));
    }
    vxc_buffer_free(&payload);
    return rc;
}

static int write_compares(const struct vxc_request *r, struct vxc_buffer *raw)
{
    int rc = VXC_OK;
    for (size_t i = 0; rc == VXC_OK && i < r->compares_count; i++) {
        const struct vxc_condition_on *c = &r->compares[i];
        struct vxc_message m = {.kind = VXC_KIND_COMPARE};
        m.compare = (struct vxc_msg_compare){.target = (uint16_t)c->target,
                                             .operator=(uint8_t) c->condition,
                                             .name = vxc_slice_of(c->name),
                                             .key = vxc_slice_of(c->key),
                                             .expected = vxc_slice_of(c->expected),
                                             .number = c->number};
        rc = append_message(&m, raw);
    }
    return rc;
}

static int write_calls(const struct vxc_request *calls, size_t count, struct vxc_buffer *raw,
                       struct vxc_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct vxc_message m;
        int rc = fill(&calls[i], &m, err);
        if (rc == VXC_OK) {
            rc = append_message(&m, raw);
        }
        if (rc != VXC_OK) {
            return rc;
        }
    }
    return VXC_OK;
}

static int write_transaction(const struct vxc_request *r, struct vxc_buffer *out,
                             struct vxc_error *err)
{
    struct vxc_buffer compares = {0}, then_raw = {0}, else_raw = {0};
    int rc;

    if (r->compares_count + r->then_count + r->else_count > VXC_TRANSACTION_OPS_MAX) {
        return vxc_error_set(
            err, VXC_ETOOBIG, "the transaction has %zu operations; the limit is %u",
            r->compares_count + r->then_count + r->else_count, VXC_TRANSACTION_OPS_MAX);
    }
    rc = write_compares(r, &compares);
    if (rc == VXC_OK) {
        rc = write_calls(r->then_calls, r->then_count, &then_raw, err);
    }
    if (rc == VXC_OK) {
        rc = write_calls(r->else_calls, r->else_count, &else_raw, err);
    }
    if (rc == VXC_OK) {
        struct vxc_message m = {.kind = VXC_KIND_TRANSACTION};
        m.transaction.compares =
            (struct vxc_list){(uint32_t)r->compares_count, vxc_buffer_slice(&compares)};
        m.transaction.then_operations =
            (struct vxc_list){(uint32_t)r->then_count, vxc_buffer_slice(&then_raw)};
        m.transaction.else_operations =
            (struct vxc_list){(uint32_t)r->else_count, vxc_buffer_slice(&else_raw)};
        rc = vxc_message_encode(&m, out);
    }
    vxc_buffer_free(&compares);
    vxc_buffer_free(&then_raw);
    vxc_buffer_free(&else_raw);
    return rc;
}

/* Is the value to be left where it is? */
static bool is_lent(const struct vxc_request *request)
{
    return (request->flags & VXC_REQUEST_BORROW) != 0 &&
           request->value.size >= VXC_CLIENT_BORROW_SIZE_MIN;
}

static int write_one(const struct vxc_request *request, struct vxc_buffer *out,
                     struct vxc_slice *lent, size_t *lent_at, struct vxc_error *err)
{
    struct vxc_message m;
    int rc = fill(request, &m, err);

    if (rc == VXC_OK && lent != NULL && is_lent(request)) {
        *lent = vxc_slice_of(request->value);
        rc = vxc_message_encode_around(&m, *lent, out, lent_at);
        if (rc != VXC_EINVAL) { /* else the message has no value */
            return rc;
        }
        *lent = vxc_slice(NULL, 0);
        rc = VXC_OK;
    }
    return rc == VXC_OK ? vxc_message_encode(&m, out) : rc;
}

int vxc_payload_write_around(const struct vxc_request *request, struct vxc_buffer *out,
                             struct vxc_slice *lent, size_t *lent_at, struct vxc_error *err)
{
    const size_t before = out->size;
    size_t size;
    int rc;

    if (request->struct_size != sizeof *request) {
        return vxc_error_set(err, VXC_EINVAL, "the request was not made by vxc_request()");
    }
    if (lent != NULL) {
        *lent = vxc_slice(NULL, 0);
    }
    rc = request->operation == VXC_CALL_TRANSACTION ? write_transaction(request, out, err)
                                                    : write_one(request, out, lent, lent_at, err);
    size = out->size - before + (lent != NULL ? lent->size : 0);
    if (rc == VXC_OK && size > VXC_FRAME_SIZE_MAX - VXC_FRAME_HEADER_SIZE - 16) {
        rc = vxc_error_set(err, VXC_ETOOBIG, "the request has %zu bytes; a frame holds %u", size,
                           VXC_FRAME_SIZE_MAX);
    }
    if (rc != VXC_OK) {
        out->size = before;
    }
    if (rc == VXC_ENOMEM) {
        return vxc_error_set(err, rc, "%s", vxc_strerror(rc));
    }
    return rc;
}

int vxc_payload_write(const struct vxc_request *request, struct vxc_buffer *out,
                      struct vxc_error *err)
{
    return vxc_payload_write_around(request, out, NULL, NULL, err);
}
