#include "fsm/describe.h"

#include "base/error.h"
#include "fsm/element.h"

enum {
    META_WORDS_OFFSET = 1 + 1 + 4 + 4 + 16,
    DEADLINE_HEAD_SIZE = 8 + 1,
    MULTIMAP_KEY_TAG = 'k',
};

/* ---- rows of objects ---- */

/* "map": "a", "namespace": 0 — or "set", "multimap". */
static void add_object(struct vxc_json *json, const struct vxc_object_header *header)
{
    static const char *const kinds[] = {"map", "set", "multimap"};

    vxc_json_bytes(json, kinds[header->kind - VXC_WATCH_MAP], header->name);
    vxc_json_u64(json, "namespace", header->namespace_id);
}

static bool is_header_of(enum vxc_database db, const struct vxc_object_header *header)
{
    return header->kind >= VXC_WATCH_MAP && header->kind <= VXC_WATCH_MULTIMAP &&
           vxc_object_database((enum vxc_watch_kind)header->kind) == db;
}

static int describe_header(enum vxc_database db, struct vxc_slice key, struct vxc_slice body,
                           struct vxc_json *json)
{
    struct vxc_object_header header;

    if (vxc_object_header_decode(body, &header) != 0 || !is_header_of(db, &header)) {
        return VXC_ECORRUPT;
    }
    add_object(json, &header);
    vxc_json_u64(json, "id", vxc_load_be64(key.data));
    vxc_json_u64(json, "generation", header.generation);
    vxc_json_u64(json, "count", header.count);
    vxc_json_u64(json, "bytes", header.bytes);
    vxc_json_u64(json, "created_index", header.created_index);
    return 0;
}

static int describe_map_entry(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    struct vxc_element element;

    if (vxc_element_decode(key, VXC_ROW_ELEMENT_KEY_MIN, body, &element) != 0) {
        return VXC_ECORRUPT;
    }
    vxc_json_bytes(json, "key", element.key);
    vxc_json_bytes(json, "value", element.value);
    vxc_json_u64(json, "version", element.version);
    if (element.expires_at_ms != 0) {
        vxc_json_u64(json, "expires_at_ms", element.expires_at_ms);
    }
    return 0;
}

static int describe_set_member(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    struct vxc_element element;

    if (vxc_element_decode(key, VXC_ROW_ELEMENT_KEY_MIN, body, &element) != 0) {
        return VXC_ECORRUPT;
    }
    vxc_json_bytes(json, "value", element.key);
    vxc_json_u64(json, "version", element.version);
    return 0;
}

static int describe_multimap_entry(struct vxc_slice key, struct vxc_slice body,
                                   struct vxc_json *json)
{
    struct vxc_reader reader = vxc_reader(body);
    uint64_t version = vxc_reader_u64(&reader);
    struct vxc_slice entry_key = vxc_reader_bytes(&reader);

    if (key.size <= VXC_ROW_ELEMENT_KEY_MIN || !vxc_reader_ok(&reader)) {
        return VXC_ECORRUPT;
    }
    vxc_json_bytes(json, "key", entry_key);
    vxc_json_bytes(json, "value", vxc_slice(reader.cursor, vxc_reader_left(&reader)));
    vxc_json_u64(json, "version", version);
    return 0;
}

static int describe_element(enum vxc_database db, struct vxc_slice key, struct vxc_slice body,
                            const struct vxc_row_resolver *resolver, struct vxc_json *json)
{
    struct vxc_object_header header;
    struct vxc_slice header_body;

    if (key.size < VXC_ROW_ELEMENT_KEY_MIN) {
        return VXC_ECORRUPT;
    }
    if (resolver->object(resolver->data, db, vxc_load_be64(key.data), &header_body) != 0) {
        return VXC_ENOTFOUND; /* of an object that is gone */
    }
    if (vxc_object_header_decode(header_body, &header) != 0 || !is_header_of(db, &header)) {
        return VXC_ECORRUPT;
    }
    if (header.generation != vxc_load_be64(key.data + VXC_ROW_OBJECT_ID_SIZE)) {
        return VXC_ENOTFOUND; /* cleared */
    }
    if (db == VXC_DB_MULTIMAPS && key.size > VXC_ROW_ELEMENT_KEY_MIN &&
        key.data[VXC_ROW_ELEMENT_KEY_MIN] == MULTIMAP_KEY_TAG) {
        return VXC_ENOTFOUND; /* the count of a key: its entries are shown */
    }
    add_object(json, &header);
    switch (db) {
    case VXC_DB_MAPS:
        return describe_map_entry(key, body, json);
    case VXC_DB_SETS:
        return describe_set_member(key, body, json);
    default:
        return describe_multimap_entry(key, body, json);
    }
}

/* ---- other rows ---- */

static int describe_counter(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    struct vxc_element element;

    if (vxc_element_decode(key, 8, body, &element) != 0 || element.value.size != 8) {
        return VXC_ECORRUPT;
    }
    vxc_json_bytes(json, "counter", element.key);
    vxc_json_u64(json, "namespace", vxc_load_be64(key.data));
    vxc_json_i64(json, "value", (int64_t)vxc_load_u64(element.value.data));
    vxc_json_u64(json, "version", element.version);
    return 0;
}

static int describe_namespace(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    struct vxc_element element;

    if (vxc_element_decode(key, 1, body, &element) != 0 || element.value.size != 8) {
        return VXC_ECORRUPT;
    }
    vxc_json_bytes(json, "namespace", element.key);
    vxc_json_u64(json, "id", vxc_load_u64(element.value.data));
    vxc_json_u64(json, "created_index", element.version);
    return 0;
}

static int describe_meta(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    static const char *const words[] = {
        "applied_index", "applied_term", "stamp_ms",   "time_ms",       "next_id",
        "next_token",    "quota_bytes",  "quota_used", "deadlines",     "objects",
        "counters",      "locks",        "locks_held", "locks_waiting", "nodes",
        "registrations", "expired_rows",
    };
    const size_t count = sizeof words / sizeof words[0];

    if (!vxc_slice_equal(key, vxc_slice_of_string("fsm"))) {
        return VXC_ENOTFOUND; /* the store's own */
    }
    if (body.size != META_WORDS_OFFSET + 8 * count) {
        return VXC_ECORRUPT;
    }
    vxc_json_bool(json, "bootstrapped", body.data[1] != 0);
    vxc_json_u64(json, "applied_position", vxc_load_u32(body.data + 2));
    vxc_json_hex(json, "cluster_id", vxc_slice(body.data + 10, 16));
    for (size_t i = 0; i < count; i++) {
        vxc_json_u64(json, words[i], vxc_load_u64(body.data + META_WORDS_OFFSET + 8 * i));
    }
    return 0;
}

static int describe_deadline(struct vxc_slice key, struct vxc_json *json)
{
    if (key.size < DEADLINE_HEAD_SIZE) {
        return VXC_ECORRUPT;
    }
    vxc_json_u64(json, "due_ms", vxc_load_be64(key.data));
    switch (key.data[8]) {
    case VXC_DEADLINE_MAP_ENTRY:
        vxc_json_string(json, "kind", "map entry");
        break;
    case VXC_DEADLINE_LOCK_WAIT:
        vxc_json_string(json, "kind", "lock wait");
        break;
    default:
        return VXC_ECORRUPT;
    }
    vxc_json_bytes(json, "row",
                   vxc_slice(key.data + DEADLINE_HEAD_SIZE, key.size - DEADLINE_HEAD_SIZE));
    return 0;
}

static int describe_row(enum vxc_database db, struct vxc_slice key, struct vxc_slice body,
                        const struct vxc_row_resolver *resolver, struct vxc_json *json)
{
    switch (db) {
    case VXC_DB_META:
        return describe_meta(key, body, json);
    case VXC_DB_NAMESPACES:
        return describe_namespace(key, body, json);
    case VXC_DB_MAPS:
    case VXC_DB_SETS:
    case VXC_DB_MULTIMAPS:
        return vxc_row_is_header(db, key) ? describe_header(db, key, body, json)
                                          : describe_element(db, key, body, resolver, json);
    case VXC_DB_COUNTERS:
        return describe_counter(key, body, json);
    case VXC_DB_LOCKS:
        return vxc_lock_describe_row(key, body, json);
    case VXC_DB_NODES:
        return vxc_member_describe_row(key, body, json);
    case VXC_DB_REGISTRATIONS:
        return vxc_registration_describe_row(key, body, json);
    case VXC_DB_SESSIONS:
        return vxc_session_describe_row(key, body, json);
    case VXC_DB_WATCHES:
        return vxc_watch_describe_row(key, body, json);
    case VXC_DB_DEADLINES:
        return describe_deadline(key, json);
    case VXC_DB_EVENTS:
        return vxc_event_describe_row(key, body, json);
    case VXC_DB_CLUSTER:
        return vxc_cluster_describe_row(key, body, json);
    default: /* names repeat what headers say, garbage is this node's own */
        return VXC_ENOTFOUND;
    }
}

int vxc_row_describe(enum vxc_database db, struct vxc_slice key, struct vxc_slice body,
                     const struct vxc_row_resolver *resolver, struct vxc_buffer *out)
{
    size_t start = out->size;
    struct vxc_json json;
    int rv;

    vxc_json_open(&json, out);
    vxc_json_string(&json, "db", vxc_database_name(db));
    rv = describe_row(db, key, body, resolver, &json);
    vxc_json_close(&json);
    if (rv == 0) {
        rv = json.code;
    }
    if (rv != 0) {
        out->size = start;
    }
    return rv;
}

/* ---- commands ---- */

static void add_u64_unless_zero(struct vxc_json *json, const char *name, uint64_t value)
{
    if (value != 0) {
        vxc_json_u64(json, name, value);
    }
}

static void add_bytes_if_given(struct vxc_json *json, const char *name, struct vxc_slice value)
{
    if (value.data != NULL) {
        vxc_json_bytes(json, name, value);
    }
}

/* All members but the byte fields that hold lists of commands. */
static void add_fields(const struct vxc_command *command, bool lists, struct vxc_json *json)
{
    bool transaction = command->op == VXC_OP_TRANSACTION;

    vxc_json_string(json, "op", vxc_op_name(command->op));
    vxc_json_u64(json, "namespace", command->namespace_id);
    add_u64_unless_zero(json, "flags", command->flags);
    add_u64_unless_zero(json, "session", command->session);
    add_u64_unless_zero(json, "sequence", command->sequence);
    add_u64_unless_zero(json, "floor", command->floor);
    if (command->a != 0) {
        vxc_json_i64(json, "a", command->a);
    }
    add_u64_unless_zero(json, "b", command->b);
    add_bytes_if_given(json, "name", command->name);
    if (!transaction) {
        add_bytes_if_given(json, "key", command->key);
        add_bytes_if_given(json, "expect", command->expect);
    }
    if (!lists) {
        add_bytes_if_given(json, "value", command->value);
    }
}

/* What the fields of a MEMBER_SET mean; the incarnation in hex, as in its row. */
static void add_member(const struct vxc_command *command, struct vxc_json *json)
{
    uint8_t incarnation[8];

    vxc_store_be64(incarnation, command->b);
    vxc_json_string(json, "op", vxc_op_name(command->op));
    vxc_json_i64(json, "member", command->a);
    add_bytes_if_given(json, "address", command->name);
    if (command->b != 0) {
        vxc_json_hex(json, "incarnation", vxc_slice(incarnation, sizeof incarnation));
    }
    if (command->value.size == 8) {
        vxc_json_u64(json, "life", vxc_load_u64(command->value.data));
    }
}

static int add_list(struct vxc_json *json, const char *name, struct vxc_slice list)
{
    struct vxc_slice rest, bytes;
    struct vxc_command nested;
    uint32_t count;
    int rv = vxc_list_read_head(list, &count, &rest);

    vxc_json_array_open(json, name);
    for (uint32_t i = 0; rv == 0 && i < count; i++) {
        rv = vxc_list_next(&rest, &bytes);
        if (rv == 0) {
            rv = vxc_command_decode(bytes, &nested);
        }
        if (rv == 0) {
            vxc_json_item_open(json);
            add_fields(&nested, false, json);
            vxc_json_item_close(json);
        }
    }
    vxc_json_array_close(json);
    return rv;
}

int vxc_command_describe(const struct vxc_command *command, struct vxc_buffer *out)
{
    size_t start = out->size;
    bool transaction = command->op == VXC_OP_TRANSACTION;
    bool resync = command->op == VXC_OP_REGISTRATION_RESYNC;
    bool sync = command->op == VXC_OP_STATE_SYNC;
    struct vxc_json json;
    int rv = 0;

    if (vxc_op_name(command->op) == NULL) {
        return VXC_EVERSION;
    }
    vxc_json_open(&json, out);
    if (command->op == VXC_OP_MEMBER_SET) {
        add_member(command, &json);
    } else {
        add_fields(command, transaction || resync || sync, &json);
    }
    if (transaction) {
        rv = add_list(&json, "compares", command->key);
        rv = rv != 0 ? rv : add_list(&json, "then", command->value);
        rv = rv != 0 ? rv : add_list(&json, "else", command->expect);
    } else if (resync) {
        rv = add_list(&json, "registrations", command->value);
    } else if (sync) {
        rv = add_list(&json, "operations", command->value);
    }
    vxc_json_close(&json);
    rv = rv != 0 ? rv : json.code;
    if (rv != 0) {
        out->size = start;
    }
    return rv;
}
