#include "cases.h"

#include "base/crc.h"

/* Initialisers as macros, and one vector per line, read best as they stand. */
/* clang-format off */

#define S(text) {(const uint8_t *)(text), sizeof(text) - 1}
#define SOME(text) {true, S(text)}
#define NONE {false, {NULL, 0}}
#define LIST(count, raw) {(count), S(raw)}
#define EMPTY {0, {NULL, 0}}

/* One message in a frame; the fields are designated initialisers. Request ids are the kinds, so that
 * every head differs. */
#define FRAME(name_, flags_, KIND, member, ...)                                                    \
    {.name = name_,                                                                                \
     .flags = (flags_),                                                                            \
     .request_id = ((flags_) & VXC_FRAME_EVENT) != 0 ? 0 : VXC_KIND_##KIND,                        \
     .message = {.kind = VXC_KIND_##KIND, .member = {.unused_head = 0, __VA_ARGS__}}}
#define REQUEST(name_, KIND, member, ...) FRAME(name_, VXC_FRAME_REQUEST, KIND, member, __VA_ARGS__)
#define REPLY(name_, KIND, member, ...) FRAME(name_, VXC_FRAME_RESPONSE, KIND, member, __VA_ARGS__)
#define EVENT(name_, KIND, member, ...) FRAME(name_, VXC_FRAME_EVENT, KIND, member, __VA_ARGS__)
/* Records stand inside other payloads; here each has a frame of its own. */
#define RECORD(name_, KIND, member, ...) FRAME(name_, 0, KIND, member, __VA_ARGS__)
/* A request with its number within the session, and what the client has been answered so far. */
#define SEQUENCED(name_, KIND, member, sequence_, floor_, ...)                                     \
    {.name = name_,                                                                                \
     .flags = VXC_FRAME_REQUEST | VXC_FRAME_SEQUENCED,                                             \
     .request_id = VXC_KIND_##KIND,                                                                \
     .sequence = (sequence_),                                                                      \
     .floor = (floor_),                                                                            \
     .message = {.kind = VXC_KIND_##KIND, .member = {.unused_head = 0, __VA_ARGS__}}}

#define ID_16 "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17"

/* Items, pairs and the like as they stand on the wire: lengths are in octal. */
#define ITEM_A     "\1\0\0\0a"
#define ITEM_BC    "\2\0\0\0bc"
#define ITEM_EMPTY "\0\0\0\0"
#define NODES      "\2\0\0\0n1\2\0\0\0n2"
#define PAIR_K_V   "\1\0\0\0k\1\0\0\0v"
/* map_put m k v, ttl 0, old value not wanted: kind 132, 24 bytes. */
#define PUT_M_K_V "\204\0\30\0\0\0\1\0\0\0m\1\0\0\0k\1\0\0\0v\0\0\0\0\0\0\0\0\0"
/* One of each state-sync operation, by tag. */
#define ALL_OPERATIONS                                                                             \
    "\0\1\0\0\0m"                                                                                  \
    "\1\1\0\0\0m\1\0\0\0k\1\1\0\0\0v"                                                              \
    "\1\1\0\0\0m\1\0\0\0k\0"                                                                       \
    "\2\1\0\0\0m"                                                                                  \
    "\3\1\0\0\0s"                                                                                  \
    "\4\1\0\0\0s\1\0\0\0v\1"                                                                       \
    "\5\1\0\0\0s"                                                                                  \
    "\6\1\0\0\0c"                                                                                  \
    "\7\1\0\0\0c\376\377\377\377\377\377\377\377"                                                  \
    "\10\1\0\0\0c"                                                                                 \
    "\11\1\0\0\0p"                                                                                 \
    "\12\1\0\0\0p\1\0\0\0k\1\0\0\0v\0"                                                             \
    "\13\1\0\0\0p\1\0\0\0k"                                                                        \
    "\14\1\0\0\0p"                                                                                 \
    "\15\1\0\0\0l"                                                                                 \
    "\16\1\0\0\0l\2\0\0\0n1"                                                                       \
    "\17\1\0\0\0l\2\0\0\0n1"                                                                       \
    "\20\1\0\0\0l"                                                                                 \
    "\21\2\0\0\0n1"                                                                                \
    "\22\2\0\0\0n1"                                                                                \
    "\23\2\0\0\0n1\7\0\0\0\0\0\0\0"                                                                \
    "\24\2\0\0\0n1\7\0\0\0\0\0\0\0"

static const struct vector all_vectors[] = {
    /* ---- kinds 1–74 ---- */
    REQUEST("join", JOIN, join, .node_id = S("n1")),
    REPLY("join_reply", JOIN_REPLY, join_reply, .connection_id = 1),
    REPLY("join_reply_error", JOIN_REPLY, join_reply, .code = 1),
    REQUEST("leave", LEAVE, leave, .node_id = S("n1")),
    REPLY("leave_reply", LEAVE_REPLY, leave_reply, .code = 0),
    REQUEST("get_nodes", GET_NODES, get_nodes),
    REPLY("get_nodes_reply", GET_NODES_REPLY, get_nodes_reply, .nodes = LIST(2, NODES)),
    REPLY("get_nodes_reply_none", GET_NODES_REPLY, get_nodes_reply, .nodes = EMPTY),
    REQUEST("create_map", CREATE_MAP, create_map, .name = S("users")),
    REPLY("create_map_reply", CREATE_MAP_REPLY, create_map_reply, .map_name = S("users")),
    REQUEST("legacy_map_put", LEGACY_MAP_PUT, legacy_map_put, .map_name = S("users"), .key = S("k"), .value = S("v")),
    REQUEST("legacy_map_put_bytes", LEGACY_MAP_PUT, legacy_map_put, .map_name = S("\303\274"), .key = S("\0\377"), .value = S("")),
    REPLY("legacy_map_put_reply", LEGACY_MAP_PUT_REPLY, legacy_map_put_reply, .code = 0),
    REPLY("legacy_map_put_reply_error", LEGACY_MAP_PUT_REPLY, legacy_map_put_reply, .code = 1),
    REQUEST("legacy_map_get", LEGACY_MAP_GET, legacy_map_get, .map_name = S("users"), .key = S("k")),
    REPLY("legacy_map_get_reply", LEGACY_MAP_GET_REPLY, legacy_map_get_reply, .value = SOME("v")),
    REPLY("legacy_map_get_reply_none", LEGACY_MAP_GET_REPLY, legacy_map_get_reply, .value = NONE),
    REPLY("legacy_map_get_reply_empty", LEGACY_MAP_GET_REPLY, legacy_map_get_reply, .value = SOME("")),
    REQUEST("legacy_map_remove", LEGACY_MAP_REMOVE, legacy_map_remove, .map_name = S("users"), .key = S("k")),
    REPLY("legacy_map_remove_reply", LEGACY_MAP_REMOVE_REPLY, legacy_map_remove_reply, .code = 0),
    REQUEST("legacy_map_size", LEGACY_MAP_SIZE, legacy_map_size, .map_name = S("users")),
    REPLY("legacy_map_size_reply", LEGACY_MAP_SIZE_REPLY, legacy_map_size_reply, .size = 4294967296),
    REQUEST("create_set", CREATE_SET, create_set, .name = S("tags")),
    REPLY("create_set_reply", CREATE_SET_REPLY, create_set_reply, .set_name = S("tags")),
    REQUEST("legacy_set_add", LEGACY_SET_ADD, legacy_set_add, .set_name = S("tags"), .value = S("v")),
    REPLY("legacy_set_add_reply", LEGACY_SET_ADD_REPLY, legacy_set_add_reply, .code = 0),
    REQUEST("legacy_set_remove", LEGACY_SET_REMOVE, legacy_set_remove, .set_name = S("tags"), .value = S("v")),
    REPLY("legacy_set_remove_reply", LEGACY_SET_REMOVE_REPLY, legacy_set_remove_reply, .code = 0),
    REQUEST("legacy_set_contains", LEGACY_SET_CONTAINS, legacy_set_contains, .set_name = S("tags"), .value = S("v")),
    REPLY("legacy_set_contains_reply", LEGACY_SET_CONTAINS_REPLY, legacy_set_contains_reply, .contains = true),
    REQUEST("legacy_set_size", LEGACY_SET_SIZE, legacy_set_size, .set_name = S("tags")),
    REPLY("legacy_set_size_reply", LEGACY_SET_SIZE_REPLY, legacy_set_size_reply, .size = 3),
    REQUEST("create_counter", CREATE_COUNTER, create_counter, .name = S("hits")),
    REPLY("create_counter_reply", CREATE_COUNTER_REPLY, create_counter_reply, .counter_name = S("hits")),
    REQUEST("legacy_counter_get", LEGACY_COUNTER_GET, legacy_counter_get, .counter_name = S("hits")),
    REPLY("legacy_counter_get_reply", LEGACY_COUNTER_GET_REPLY, legacy_counter_get_reply, .value = INT64_MIN),
    REQUEST("counter_increment", COUNTER_INCREMENT, counter_increment, .counter_name = S("hits"), .delta = -1),
    REPLY("counter_increment_reply", COUNTER_INCREMENT_REPLY, counter_increment_reply, .new_value = 41),
    REQUEST("create_lock", CREATE_LOCK, create_lock, .name = S("l")),
    REPLY("create_lock_reply", CREATE_LOCK_REPLY, create_lock_reply, .lock_name = S("l")),
    REQUEST("legacy_lock_acquire", LEGACY_LOCK_ACQUIRE, legacy_lock_acquire, .lock_name = S("l")),
    REPLY("legacy_lock_acquire_reply", LEGACY_LOCK_ACQUIRE_REPLY, legacy_lock_acquire_reply, .acquired = true),
    FRAME("legacy_lock_acquire_reply_queued", VXC_FRAME_RESPONSE | VXC_FRAME_MORE, LEGACY_LOCK_ACQUIRE_REPLY, legacy_lock_acquire_reply, .queue_position = {true, 2}),
    REQUEST("legacy_lock_release", LEGACY_LOCK_RELEASE, legacy_lock_release, .lock_name = S("l")),
    REPLY("legacy_lock_release_reply", LEGACY_LOCK_RELEASE_REPLY, legacy_lock_release_reply, .code = 0),
    REQUEST("lock_sync", LOCK_SYNC, lock_sync, .held_locks = LIST(2, ITEM_A ITEM_BC)),
    REPLY("lock_sync_reply", LOCK_SYNC_REPLY, lock_sync_reply, .synchronized_locks = LIST(1, ITEM_A), .failed_locks = LIST(1, ITEM_BC)),
    REQUEST("create_multimap", CREATE_MULTIMAP, create_multimap, .name = S("subs")),
    REPLY("create_multimap_reply", CREATE_MULTIMAP_REPLY, create_multimap_reply, .multimap_name = S("subs")),
    REQUEST("legacy_multimap_put", LEGACY_MULTIMAP_PUT, legacy_multimap_put, .multimap_name = S("subs"), .key = S("k"), .value = S("v")),
    REPLY("legacy_multimap_put_reply", LEGACY_MULTIMAP_PUT_REPLY, legacy_multimap_put_reply, .code = 0),
    REQUEST("legacy_multimap_get", LEGACY_MULTIMAP_GET, legacy_multimap_get, .multimap_name = S("subs"), .key = S("k")),
    REPLY("legacy_multimap_get_reply", LEGACY_MULTIMAP_GET_REPLY, legacy_multimap_get_reply, .values = LIST(3, ITEM_EMPTY ITEM_A ITEM_BC)),
    REQUEST("legacy_multimap_remove", LEGACY_MULTIMAP_REMOVE, legacy_multimap_remove, .multimap_name = S("subs"), .key = S("k")),
    REPLY("legacy_multimap_remove_reply", LEGACY_MULTIMAP_REMOVE_REPLY, legacy_multimap_remove_reply, .code = 0),
    REQUEST("multimap_remove_value", MULTIMAP_REMOVE_VALUE, multimap_remove_value, .multimap_name = S("subs"), .key = S("k"), .value = S("v")),
    REPLY("multimap_remove_value_reply", MULTIMAP_REMOVE_VALUE_REPLY, multimap_remove_value_reply, .code = 1),
    REQUEST("legacy_multimap_size", LEGACY_MULTIMAP_SIZE, legacy_multimap_size, .multimap_name = S("subs")),
    REPLY("legacy_multimap_size_reply", LEGACY_MULTIMAP_SIZE_REPLY, legacy_multimap_size_reply, .size = 12),
    REQUEST("legacy_multimap_key_size", LEGACY_MULTIMAP_KEY_SIZE, legacy_multimap_key_size, .multimap_name = S("subs"), .key = S("k")),
    REPLY("legacy_multimap_key_size_reply", LEGACY_MULTIMAP_KEY_SIZE_REPLY, legacy_multimap_key_size_reply, .size = 2),
    REQUEST("legacy_contains_key", LEGACY_CONTAINS_KEY, legacy_contains_key, .multimap_name = S("subs"), .key = S("k")),
    REPLY("legacy_contains_key_reply", LEGACY_CONTAINS_KEY_REPLY, legacy_contains_key_reply, .contains = true),
    REQUEST("legacy_contains_value", LEGACY_CONTAINS_VALUE, legacy_contains_value, .multimap_name = S("subs"), .value = S("v")),
    REPLY("legacy_contains_value_reply", LEGACY_CONTAINS_VALUE_REPLY, legacy_contains_value_reply, .contains = false),
    REQUEST("legacy_contains_entry", LEGACY_CONTAINS_ENTRY, legacy_contains_entry, .multimap_name = S("subs"), .key = S("k"), .value = S("v")),
    REPLY("legacy_contains_entry_reply", LEGACY_CONTAINS_ENTRY_REPLY, legacy_contains_entry_reply, .contains = true),
    REQUEST("legacy_keys", LEGACY_KEYS, legacy_keys, .multimap_name = S("subs")),
    REPLY("legacy_keys_reply", LEGACY_KEYS_REPLY, legacy_keys_reply, .keys = LIST(2, ITEM_A ITEM_BC)),
    REQUEST("legacy_values", LEGACY_VALUES, legacy_values, .multimap_name = S("subs")),
    REPLY("legacy_values_reply", LEGACY_VALUES_REPLY, legacy_values_reply, .values = LIST(2, ITEM_A ITEM_A)),
    REQUEST("legacy_entries", LEGACY_ENTRIES, legacy_entries, .multimap_name = S("subs")),
    REPLY("legacy_entries_reply", LEGACY_ENTRIES_REPLY, legacy_entries_reply, .entries = LIST(2, "\2\0\0\0k1\2\0\0\0" ITEM_A ITEM_BC "\2\0\0\0k2\0\0\0\0")),
    REQUEST("legacy_clear", LEGACY_CLEAR, legacy_clear, .multimap_name = S("subs")),
    REPLY("legacy_clear_reply", LEGACY_CLEAR_REPLY, legacy_clear_reply, .code = 0),
    REPLY("legacy_error", LEGACY_ERROR, legacy_error, .code = 1, .error = S("EBUSY: busy")),
    REPLY("leader_redirect", LEADER_REDIRECT, leader_redirect, .code = 1, .leader_address = SOME("127.0.0.1:7400")),
    REPLY("leader_redirect_unknown", LEADER_REDIRECT, leader_redirect, .code = 1, .leader_address = NONE),
    FRAME("ping", VXC_FRAME_REQUEST | VXC_FRAME_PING, PING, ping),
    FRAME("pong", VXC_FRAME_RESPONSE | VXC_FRAME_PONG, PONG, pong),
    REQUEST("state_sync", STATE_SYNC, state_sync, .sync_id = 9, .operations = LIST(22, ALL_OPERATIONS)),
    REQUEST("state_sync_none", STATE_SYNC, state_sync, .sync_id = 10, .operations = EMPTY),
    REPLY("state_sync_ack", STATE_SYNC_ACK, state_sync_ack, .sync_id = 9),

    /* ---- replies shared by many requests ---- */
    REPLY("error_reply", ERROR_REPLY, error_reply, .code = -5, .index = 0, .message = S("busy")),
    REPLY("done_reply", DONE_REPLY, done_reply, .index = 17),
    REPLY("value_reply", VALUE_REPLY, value_reply, .index = 17, .value = SOME("v")),
    REPLY("value_reply_none", VALUE_REPLY, value_reply, .index = 17, .value = NONE),
    REPLY("number_reply", NUMBER_REPLY, number_reply, .index = 17, .number = -3, .found = true),
    REPLY("truth_reply", TRUTH_REPLY, truth_reply, .index = 17, .truth = true),
    REPLY("page_reply", PAGE_REPLY, page_reply, .index = 17, .next = SOME("k"), .rows = LIST(2, PAIR_K_V ITEM_A ITEM_EMPTY)),
    REPLY("page_reply_last", PAGE_REPLY, page_reply, .index = 17, .next = NONE, .rows = EMPTY),
    REPLY("items_reply", ITEMS_REPLY, items_reply, .index = 17, .items = LIST(2, ITEM_A ITEM_BC)),

    /* ---- connection and session ---- */
    REQUEST("hello", HELLO, hello, .version_min = 1, .version_max = 1, .features = 0, .client_name = S("app"), .namespace_name = S("")),
    REPLY("hello_reply", HELLO_REPLY, hello_reply, .version = 1, .node_id = 1, .cluster_id = S(ID_16), .connection_id = 7, .server_version = S("0.1.0"), .primary = true, .primary_address = S("127.0.0.1:7400"), .frame_size_max = 16777216),
    REQUEST("use_namespace", USE_NAMESPACE, use_namespace, .namespace_name = S("shop")),
    REQUEST("namespace_list", NAMESPACE_LIST, namespace_list),
    REQUEST("session_open", SESSION_OPEN, session_open, .timeout_ms = 20000, .name = S("worker-1"),
            .close_grace_ms = 500),
    REPLY("session_reply", SESSION_REPLY, session_reply, .index = 17, .session = 16, .secret = S(ID_16), .timeout_ms = 20000),
    REPLY("session_reply_resumed", SESSION_REPLY, session_reply, .index = 99, .session = 16, .secret = S(ID_16), .timeout_ms = 20000, .resumed = true, .resync = true),
    REQUEST("session_resume", SESSION_RESUME, session_resume, .session = 16, .secret = S(ID_16), .last_event_index = 90,
            .close_grace_ms = 500),
    REQUEST("session_close", SESSION_CLOSE, session_close),
    REQUEST("session_list", SESSION_LIST, session_list, .cursor = NONE, .limit = 100),
    REQUEST("session_get", SESSION_GET, session_get, .session = 16),
    RECORD("session_info", SESSION_INFO, session_info, .session = 16, .name = S("worker-1"), .namespace_name = S(""), .timeout_ms = 20000, .node_id = S("n1"), .opened_index = 16, .locks_held = 1, .locks_waiting = 2, .registrations = 3, .watches = 4, .connected = true, .idle_ms = 120, .address = S("127.0.0.1:40000")),
    REQUEST("session_expire", SESSION_EXPIRE, session_expire, .session = 16),

    /* ---- maps ---- */
    REQUEST("map_get", MAP_GET, map_get, .map = S("m"), .key = S("k")),
    FRAME("map_get_stale", VXC_FRAME_REQUEST | VXC_FRAME_STALE, MAP_GET, map_get, .map = S("m"), .key = S("k")),
    REQUEST("map_contains", MAP_CONTAINS, map_contains, .map = S("m"), .key = S("k")),
    REQUEST("map_put", MAP_PUT, map_put, .map = S("m"), .key = S("k"), .value = S("v")),
    SEQUENCED("map_put_sequenced", MAP_PUT, map_put, 5, 3, .map = S("m"), .key = S("k"), .value = S("v"), .ttl_ms = 1500, .want_old = true),
    SEQUENCED("map_put_if_absent", MAP_PUT_IF_ABSENT, map_put_if_absent, 6, 5, .map = S("m"), .key = S("k"), .value = S("v"), .ttl_ms = 0),
    SEQUENCED("map_remove", MAP_REMOVE, map_remove, 7, 6, .map = S("m"), .key = S("k"), .want_old = true),
    SEQUENCED("map_remove_if", MAP_REMOVE_IF, map_remove_if, 8, 7, .map = S("m"), .key = S("k"), .expected = S("v")),
    SEQUENCED("map_replace", MAP_REPLACE, map_replace, 9, 8, .map = S("m"), .key = S("k"), .value = S("w"), .ttl_ms = 60000),
    SEQUENCED("map_replace_if", MAP_REPLACE_IF, map_replace_if, 10, 9, .map = S("m"), .key = S("k"), .expected = S("v"), .value = S("w")),
    REQUEST("map_size", MAP_SIZE, map_size, .map = S("m")),
    REQUEST("map_clear", MAP_CLEAR, map_clear, .map = S("m")),
    REQUEST("map_scan", MAP_SCAN, map_scan, .map = S("m"), .what = 3, .cursor = NONE, .limit_rows = 100, .limit_bytes = 65536),
    REQUEST("map_scan_next", MAP_SCAN, map_scan, .map = S("m"), .what = 1, .cursor = SOME("k"), .limit_rows = 0, .limit_bytes = 0),
    REQUEST("map_destroy", MAP_DESTROY, map_destroy, .map = S("m")),
    REQUEST("map_list", MAP_LIST, map_list, .cursor = NONE, .limit = 10),
    REQUEST("map_create", MAP_CREATE, map_create, .map = S("m")),

    /* ---- sets ---- */
    SEQUENCED("set_add", SET_ADD, set_add, 11, 10, .set = S("s"), .value = S("v")),
    SEQUENCED("set_remove", SET_REMOVE, set_remove, 12, 11, .set = S("s"), .value = S("v")),
    REQUEST("set_contains", SET_CONTAINS, set_contains, .set = S("s"), .value = S("v")),
    REQUEST("set_size", SET_SIZE, set_size, .set = S("s")),
    REQUEST("set_clear", SET_CLEAR, set_clear, .set = S("s")),
    REQUEST("set_scan", SET_SCAN, set_scan, .set = S("s"), .cursor = NONE, .limit_rows = 10, .limit_bytes = 0),
    REQUEST("set_destroy", SET_DESTROY, set_destroy, .set = S("s")),
    REQUEST("set_list", SET_LIST, set_list, .cursor = SOME("s"), .limit = 10),
    REQUEST("set_create", SET_CREATE, set_create, .set = S("s")),

    /* ---- multimaps ---- */
    SEQUENCED("multimap_put", MULTIMAP_PUT, multimap_put, 13, 12, .multimap = S("p"), .key = S("k"), .value = S("v")),
    REQUEST("multimap_remove", MULTIMAP_REMOVE, multimap_remove, .multimap = S("p"), .key = S("k"), .value = S("v")),
    REQUEST("multimap_remove_key", MULTIMAP_REMOVE_KEY, multimap_remove_key, .multimap = S("p"), .key = S("k")),
    REQUEST("multimap_get", MULTIMAP_GET, multimap_get, .multimap = S("p"), .key = S("k"), .cursor = NONE, .limit_rows = 10, .limit_bytes = 0),
    REQUEST("multimap_contains_key", MULTIMAP_CONTAINS_KEY, multimap_contains_key, .multimap = S("p"), .key = S("k")),
    REQUEST("multimap_contains_value", MULTIMAP_CONTAINS_VALUE, multimap_contains_value, .multimap = S("p"), .value = S("v")),
    REQUEST("multimap_contains_entry", MULTIMAP_CONTAINS_ENTRY, multimap_contains_entry, .multimap = S("p"), .key = S("k"), .value = S("v")),
    REQUEST("multimap_size", MULTIMAP_SIZE, multimap_size, .multimap = S("p")),
    REQUEST("multimap_key_size", MULTIMAP_KEY_SIZE, multimap_key_size, .multimap = S("p"), .key = S("k")),
    REQUEST("multimap_scan", MULTIMAP_SCAN, multimap_scan, .multimap = S("p"), .what = 1, .cursor = NONE, .limit_rows = 10, .limit_bytes = 0),
    REQUEST("multimap_clear", MULTIMAP_CLEAR, multimap_clear, .multimap = S("p")),
    REQUEST("multimap_destroy", MULTIMAP_DESTROY, multimap_destroy, .multimap = S("p")),
    REQUEST("multimap_list", MULTIMAP_LIST, multimap_list, .cursor = NONE, .limit = 10),
    REQUEST("multimap_create", MULTIMAP_CREATE, multimap_create, .multimap = S("p")),

    /* ---- counters ---- */
    REQUEST("counter_get", COUNTER_GET, counter_get, .counter = S("c")),
    SEQUENCED("counter_add", COUNTER_ADD, counter_add, 14, 13, .counter = S("c"), .delta = INT64_MAX, .want_old = true),
    SEQUENCED("counter_compare_and_set", COUNTER_COMPARE_AND_SET, counter_compare_and_set, 15, 14, .counter = S("c"), .expected = 0, .value = -7),
    REQUEST("counter_list", COUNTER_LIST, counter_list, .cursor = NONE, .limit = 10),
    REQUEST("counter_destroy", COUNTER_DESTROY, counter_destroy, .counter = S("c")),

    /* ---- locks ---- */
    SEQUENCED("lock_acquire", LOCK_ACQUIRE, lock_acquire, 16, 15, .lock = S("l"), .wait_ms = -1),
    REPLY("lock_reply", LOCK_REPLY, lock_reply, .index = 17, .acquired = true, .token = 1764000000000000),
    FRAME("lock_reply_queued", VXC_FRAME_RESPONSE | VXC_FRAME_MORE, LOCK_REPLY, lock_reply, .index = 17, .acquired = false, .token = 0, .queue_position = 1),
    SEQUENCED("lock_cancel", LOCK_CANCEL, lock_cancel, 17, 15, .lock = S("l"), .acquire_sequence = 16),
    SEQUENCED("lock_release", LOCK_RELEASE, lock_release, 18, 17, .lock = S("l"), .token = 1764000000000000),
    REQUEST("lock_get", LOCK_GET, lock_get, .lock = S("l")),
    REQUEST("lock_list", LOCK_LIST, lock_list, .cursor = NONE, .limit = 10),
    RECORD("lock_info", LOCK_INFO, lock_info, .name = S("l"), .held = true, .session = 16, .owner = S("n1"), .token = 1764000000000000, .since_ms = 250, .waiting = 1, .waiters = LIST(1, "\36\0\0\0\21\0\0\0\0\0\0\0\2\0\0\0n2\5\0\0\0\0\0\0\0\144\0\0\0\0\0\0\0")),
    RECORD("lock_waiter", LOCK_WAITER, lock_waiter, .session = 17, .owner = S("n2"), .since_ms = 5, .wait_ms = 100),
    REQUEST("lock_destroy", LOCK_DESTROY, lock_destroy, .lock = S("l")),

    /* ---- event-bus registrations ---- */
    SEQUENCED("registration_add", REGISTRATION_ADD, registration_add, 19, 18, .address = S("news"), .node_id = S("n1"), .seq = 1, .data = S("{}")),
    SEQUENCED("registration_remove", REGISTRATION_REMOVE, registration_remove, 20, 19, .address = S("news"), .node_id = S("n1"), .seq = 1),
    REQUEST("registration_get", REGISTRATION_GET, registration_get, .address = S("news")),
    SEQUENCED("registration_resync", REGISTRATION_RESYNC, registration_resync, 21, 20, .registrations = LIST(1, "\310\0\34\0\0\0\4\0\0\0news\2\0\0\0n1\1\0\0\0\0\0\0\0\2\0\0\0{}")),
    REQUEST("registration_list", REGISTRATION_LIST, registration_list, .cursor = NONE, .limit = 10),
    RECORD("registration_info", REGISTRATION_INFO, registration_info, .seq = 1, .data = S("{}")),

    /* ---- node registry ---- */
    SEQUENCED("node_join", NODE_JOIN, node_join, 22, 21, .node_id = S("n1"), .info = S("{\"host\":\"127.0.0.1\"}"), .clear_map_if_first = SOME("__vertx.haInfo")),
    REPLY("members_reply", MEMBERS_REPLY, members_reply, .index = 17, .epoch = 4, .nodes = LIST(2, NODES)),
    SEQUENCED("node_set_info", NODE_SET_INFO, node_set_info, 23, 22, .info = S("{}")),
    REQUEST("node_get", NODE_GET, node_get, .node_id = S("n1")),
    REQUEST("node_list", NODE_LIST, node_list),
    SEQUENCED("node_leave", NODE_LEAVE, node_leave, 24, 23),

    /* ---- watches and events ---- */
    SEQUENCED("watch_add", WATCH_ADD, watch_add, 25, 24, .kind = 1, .name = S("m"), .key = SOME("k")),
    SEQUENCED("watch_add_members", WATCH_ADD, watch_add, 26, 25, .kind = 6, .name = S(""), .key = NONE),
    SEQUENCED("watch_remove", WATCH_REMOVE, watch_remove, 27, 26, .watch = 31),
    EVENT("event_data", EVENT_DATA, event_data, .index = 40, .ordinal = 1, .watch = 31, .kind = 1, .type = 1, .name = S("m"), .key = SOME("k"), .value = SOME("v")),
    EVENT("event_data_counter", EVENT_DATA, event_data, .index = 41, .ordinal = 0, .watch = 32, .kind = 4, .type = 1, .name = S("c"), .key = NONE, .value = NONE, .number = -2),
    EVENT("event_members", EVENT_MEMBERS, event_members, .index = 42, .ordinal = 3, .watch = 33, .type = 20, .epoch = 5, .node_id = S("n2"), .info = S("{}"), .view = LIST(2, NODES)),
    EVENT("event_registrations", EVENT_REGISTRATIONS, event_registrations, .index = 43, .watch = 34, .address = S("news"), .registrations = LIST(1, "\2\0\0\0n1\16\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0{}")),
    EVENT("event_lock", EVENT_LOCK, event_lock, .index = 44, .acquire_sequence = 16, .type = 40, .lock = S("l"), .token = 1764000000000001),
    EVENT("event_session", EVENT_SESSION, event_session, .index = 45, .session = 16, .type = 50),
    EVENT("event_resync", EVENT_RESYNC, event_resync, .index = 46),

    /* ---- transactions, status, dump ---- */
    SEQUENCED("transaction", TRANSACTION, transaction, 28, 27, .compares = LIST(1, "\362\0\31\0\0\0\202\0\5\1\0\0\0m\1\0\0\0k\0\0\0\0\0\0\0\0\0\0\0\0"), .then_operations = LIST(1, PUT_M_K_V), .else_operations = LIST(1, "\202\0\12\0\0\0\1\0\0\0m\1\0\0\0k")),
    REPLY("transaction_reply", TRANSACTION_REPLY, transaction_reply, .index = 17, .succeeded = true, .replies = LIST(1, "\146\0\11\0\0\0\21\0\0\0\0\0\0\0\0")),
    RECORD("compare", COMPARE, compare, .target = 130, .operator= 1, .name = S("m"), .key = S("k"), .expected = S("v")),
    RECORD("compare_counter", COMPARE, compare, .target = 180, .operator= 3, .name = S("c"), .key = S(""), .expected = S(""), .number = 10),
    REQUEST("status", STATUS, status),
    REQUEST("dump", DUMP, dump, .cursor = NONE, .limit = 1000),
    /* ---- snapshots ---- */
    REQUEST("snapshot_begin", SNAPSHOT_BEGIN, snapshot_begin, .compression = 1),
    RECORD("snapshot_info", SNAPSHOT_INFO, snapshot_info, .id = 3, .ready = true, .step = 2, .done = 4096, .total = 4096, .index = 1000, .term = 2, .file_bytes = 4500, .sha256 = S(ID_16 ID_16)),
    RECORD("snapshot_info_copying", SNAPSHOT_INFO, snapshot_info, .id = 3, .step = 0, .done = 1, .total = 4096),
    REQUEST("snapshot_get", SNAPSHOT_GET, snapshot_get, .id = 3),
    REQUEST("snapshot_read", SNAPSHOT_READ, snapshot_read, .id = 3, .offset = 1048576, .size = 262144),
    REQUEST("snapshot_end", SNAPSHOT_END, snapshot_end, .id = 3),
    /* ---- members of the cluster ---- */
    REQUEST("member_list", MEMBER_LIST, member_list),
    RECORD("member_info", MEMBER_INFO, member_info, .id = 2, .role = 1, .address = S("10.0.0.2:7400"), .match_index = 900, .silent_ms = {true, 12}),
    RECORD("member_info_unheard", MEMBER_INFO, member_info, .id = 4, .role = 0),
    REQUEST("member_add", MEMBER_ADD, member_add, .id = 4, .address = S("10.0.0.4:7400")),
    REQUEST("member_promote", MEMBER_PROMOTE, member_promote, .id = 4),
    REQUEST("member_remove", MEMBER_REMOVE, member_remove, .id = 2),
    REQUEST("member_transfer", MEMBER_TRANSFER, member_transfer, .id = 3),
    REQUEST("checkpoint", CHECKPOINT, checkpoint),
    /* ---- between the nodes of a cluster ---- */
    REQUEST("peer_hello", PEER_HELLO, peer_hello, .version_min = 1, .version_max = 1, .cluster_id = S(ID_16), .node_id = 1, .target_id = 2, .incarnation = 77, .life = 3, .last_index = 1000, .address = S("10.0.0.1:7400"), .nonce = S(ID_16)),
    REPLY("peer_challenge", PEER_CHALLENGE, peer_challenge, .version = 1, .cluster_id = S(ID_16), .node_id = 2, .incarnation = 78, .life = 1, .nonce = S(ID_16), .proof = S(ID_16 ID_16)),
    REQUEST("peer_proof", PEER_PROOF, peer_proof, .proof = S(ID_16 ID_16)),
    REPLY("peer_welcome", PEER_WELCOME, peer_welcome),
    EVENT("peer_append", PEER_APPEND, peer_append, .term = 2, .prev_index = 10, .prev_term = 1, .commit_index = 9, .count = 1, .entries = S("\2\0\0\0\0\0\0\0\1\0\1\0\0\0x")),
    EVENT("peer_append_result", PEER_APPEND_RESULT, peer_append_result, .term = 2, .rejected = 0, .last_index = 11),
    EVENT("peer_vote", PEER_VOTE, peer_vote, .term = 3, .last_index = 11, .last_term = 2, .disrupt_leader = false, .pre_vote = true),
    EVENT("peer_vote_result", PEER_VOTE_RESULT, peer_vote_result, .term = 3, .granted = true, .pre_vote = true),
    EVENT("peer_timeout_now", PEER_TIMEOUT_NOW, peer_timeout_now, .term = 3, .last_index = 11, .last_term = 2),
    EVENT("peer_probe", PEER_PROBE, peer_probe, .round = 5, .term = 3),
    EVENT("peer_probe_result", PEER_PROBE_RESULT, peer_probe_result, .round = 5, .term = 3),
    EVENT("peer_digest", PEER_DIGEST, peer_digest, .index = 1000, .digest = 12345),
    EVENT("peer_members", PEER_MEMBERS, peer_members, .members = {1, S("\10\0\0\0\2\0\0\0\0\0\0\0\15\0\0\00010.0.0.2:7400")}),
    EVENT("peer_lack", PEER_LACK, peer_lack, .code = -4),
    EVENT("peer_image", PEER_IMAGE, peer_image, .term = 3, .image = 1, .file_bytes = 4500, .index = 1000, .index_term = 2, .configuration_index = 1, .configuration = S("\1")),
    EVENT("peer_image_want", PEER_IMAGE_WANT, peer_image_want, .index = 1000),
    EVENT("peer_image_read", PEER_IMAGE_READ, peer_image_read, .image = 1, .offset = 0, .size = 1048576),
    EVENT("peer_image_bytes", PEER_IMAGE_BYTES, peer_image_bytes, .image = 1, .offset = 0, .code = 0, .bytes = S("abc")),
};

#define LEGACY_GET_UK "\5\0\0\0users\1\0\0\0k"
#define GET_M_K       "\1\0\0\0m\1\0\0\0k"
#define HUGE_COUNT    "\377\377\377\377"

/* An edge with a payload for a kind. */
#define PAYLOAD(name_, result_, kind_, raw)                                                        \
    {.name = name_,                                                                                \
     .result = (result_),                                                                          \
     .kind = (kind_),                                                                              \
     .flags = VXC_FRAME_REQUEST,                                                                   \
     .payload = S(raw)}
/* A map_get whose head is changed. */
#define HEAD(name_, result_, ...)                                                                  \
    {.name = name_,                                                                                \
     .result = (result_),                                                                          \
     .kind = VXC_KIND_MAP_GET,                                                                     \
     .flags = VXC_FRAME_REQUEST,                                                                   \
     .payload = S(GET_M_K),                                                                        \
     __VA_ARGS__}

static const struct edge all_edges[] = {
    /* ---- the stream ends early ---- */
    HEAD("cut_to_nothing", VXC_EBUSY, .cut = 26),
    HEAD("cut_within_size", VXC_EBUSY, .cut = 19),
    HEAD("cut_after_size", VXC_EBUSY, .cut = 18),
    HEAD("cut_within_header", VXC_EBUSY, .cut = 11),
    HEAD("cut_after_header", VXC_EBUSY, .cut = 10),
    HEAD("cut_last_byte", VXC_EBUSY, .cut = 1),
    /* ---- the size is wrong ---- */
    HEAD("size_0", VXC_EPROTO, .size_wrong = true, .size = 0),
    HEAD("size_8", VXC_EPROTO, .size_wrong = true, .size = 8),
    HEAD("size_15", VXC_EPROTO, .size_wrong = true, .size = 15),
    HEAD("size_shorter", VXC_ECRC, .size_wrong = true, .size = 25),
    HEAD("size_longer", VXC_EBUSY, .size_wrong = true, .size = 27),
    HEAD("size_max", VXC_EBUSY, .size_wrong = true, .size = 16777216),
    HEAD("size_max_plus_1", VXC_ETOOBIG, .size_wrong = true, .size = 16777217),
    HEAD("size_2_31", VXC_ETOOBIG, .size_wrong = true, .size = 2147483648),
    HEAD("size_2_32_minus_1", VXC_ETOOBIG, .size_wrong = true, .size = 4294967295),
    /* ---- the checksum does not fit ---- */
    HEAD("checksum_bit_0", VXC_ECRC, .checksum_xor = 1),
    HEAD("checksum_bit_31", VXC_ECRC, .checksum_xor = 2147483648),
    /* ---- another version ---- */
    HEAD("version_0", VXC_EVERSION, .version = 0xff),
    HEAD("version_2", VXC_EVERSION, .version = 2),
    HEAD("version_254", VXC_EVERSION, .version = 254),
    /* ---- a sequence head that is not there ---- */
    {.name = "sequenced_without_head", .result = VXC_EPROTO, .kind = VXC_KIND_MAP_CLEAR, .flags = 33, .payload = {NULL, 0}},
    {.name = "sequenced_short_head", .result = VXC_EPROTO, .kind = VXC_KIND_MAP_CLEAR, .flags = 33, .payload = S("\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
    {.name = "sequenced_no_payload", .result = VXC_EPROTO, .kind = VXC_KIND_LEGACY_CLEAR, .flags = 33, .payload = S("\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
    /* ---- kinds that are not ours ---- */
    PAYLOAD("kind_0", VXC_EKIND, 0, GET_M_K),
    PAYLOAD("kind_75", VXC_EKIND, 75, GET_M_K),
    PAYLOAD("kind_99", VXC_EKIND, 99, GET_M_K),
    PAYLOAD("kind_65535", VXC_EKIND, 65535, ""),
    /* ---- payloads that do not parse ---- */
    PAYLOAD("legacy_field_missing", VXC_EPROTO, VXC_KIND_LEGACY_MAP_GET, "\5\0\0\0users"),
    PAYLOAD("legacy_payload_missing", VXC_EPROTO, VXC_KIND_LEGACY_MAP_GET, ""),
    PAYLOAD("length_over_by_1", VXC_EPROTO, VXC_KIND_MAP_GET, "\1\0\0\0m\2\0\0\0k"),
    PAYLOAD("length_2_31", VXC_EPROTO, VXC_KIND_MAP_GET, "\0\0\0\200m"),
    PAYLOAD("length_2_32_minus_1", VXC_EPROTO, VXC_KIND_MAP_GET, "\377\377\377\377m"),
    PAYLOAD("length_cut", VXC_EPROTO, VXC_KIND_MAP_GET, "\1\0\0\0m\1\0\0"),
    PAYLOAD("number_cut", VXC_EPROTO, VXC_KIND_WATCH_REMOVE, "\1\0\0\0\0\0\0"),
    PAYLOAD("bool_2", VXC_EPROTO, VXC_KIND_MAP_REMOVE, GET_M_K "\2"),
    PAYLOAD("code_2", VXC_EPROTO, VXC_KIND_LEAVE_REPLY, "\2"),
    PAYLOAD("option_2", VXC_EPROTO, VXC_KIND_LEGACY_MAP_GET_REPLY, "\0\2\1\0\0\0v"),
    PAYLOAD("option_without_value", VXC_EPROTO, VXC_KIND_LEGACY_MAP_GET_REPLY, "\0\1"),
    PAYLOAD("option_u64_cut", VXC_EPROTO, VXC_KIND_LEGACY_LOCK_ACQUIRE_REPLY, "\0\0\1\1\0\0"),
    PAYLOAD("items_count_huge", VXC_EPROTO, VXC_KIND_LOCK_SYNC, HUGE_COUNT ITEM_A),
    PAYLOAD("items_count_over", VXC_EPROTO, VXC_KIND_LOCK_SYNC, "\3\0\0\0" ITEM_A ITEM_BC),
    PAYLOAD("items_item_cut", VXC_EPROTO, VXC_KIND_LOCK_SYNC, "\1\0\0\0\2\0\0\0a"),
    PAYLOAD("pairs_count_huge", VXC_EPROTO, VXC_KIND_PAGE_REPLY, "\1\0\0\0\0\0\0\0\0" HUGE_COUNT PAIR_K_V),
    PAYLOAD("pairs_second_missing", VXC_EPROTO, VXC_KIND_PAGE_REPLY, "\1\0\0\0\0\0\0\0\0\1\0\0\0\4\0\0\0abcd"),
    PAYLOAD("multi_count_huge", VXC_EPROTO, VXC_KIND_LEGACY_ENTRIES_REPLY, "\0" HUGE_COUNT ITEM_EMPTY ITEM_EMPTY),
    PAYLOAD("multi_inner_count_huge", VXC_EPROTO, VXC_KIND_LEGACY_ENTRIES_REPLY, "\0\1\0\0\0" ITEM_A HUGE_COUNT ITEM_A),
    PAYLOAD("messages_count_huge", VXC_EPROTO, VXC_KIND_TRANSACTION, HUGE_COUNT "\202\0\0\0\0\0"),
    PAYLOAD("messages_payload_cut", VXC_EPROTO, VXC_KIND_TRANSACTION, "\1\0\0\0\202\0\12\0\0\0\1"),
    PAYLOAD("operations_count_huge", VXC_EPROTO, VXC_KIND_STATE_SYNC, "\1\0\0\0\0\0\0\0" HUGE_COUNT "\0" ITEM_A),
    PAYLOAD("operations_tag_21", VXC_EPROTO, VXC_KIND_STATE_SYNC, "\1\0\0\0\0\0\0\0\1\0\0\0\25" ITEM_A),
    PAYLOAD("operations_field_missing", VXC_EPROTO, VXC_KIND_STATE_SYNC, "\1\0\0\0\0\0\0\0\1\0\0\0\7" ITEM_A),
    /* ---- from a newer or an older side: these are accepted ---- */
    PAYLOAD("legacy_bytes_behind", 0, VXC_KIND_LEGACY_MAP_GET, LEGACY_GET_UK "more"),
    PAYLOAD("extension_bytes_behind", 0, VXC_KIND_MAP_GET, GET_M_K "more"),
    PAYLOAD("extension_fields_missing", 0, VXC_KIND_MAP_PUT, GET_M_K "\1\0\0\0v"),
    PAYLOAD("extension_payload_missing", 0, VXC_KIND_MAP_SCAN, ""),
};
/* clang-format on */

const struct vector *vectors(size_t *count)
{
    *count = sizeof all_vectors / sizeof all_vectors[0];
    return all_vectors;
}

const struct edge *edges(size_t *count)
{
    *count = sizeof all_edges / sizeof all_edges[0];
    return all_edges;
}

int vector_frame(const struct vector *v, struct vxc_buffer *out)
{
    if ((v->flags & VXC_FRAME_SEQUENCED) != 0) {
        return vxc_message_frame_sequenced(&v->message, v->flags, v->request_id, v->sequence,
                                           v->floor, out);
    }
    return vxc_message_frame(&v->message, v->flags, v->request_id, out);
}

/* Written by hand, field by field: the encoder refuses to make most of these. */
int edge_frame(const struct edge *e, struct vxc_buffer *out)
{
    size_t offset = out->size;
    uint32_t size = VXC_FRAME_HEADER_SIZE + (uint32_t)e->payload.size;
    uint8_t header[VXC_FRAME_HEADER_SIZE] = {0};
    uint8_t *frame;

    vxc_store_u32(header + 4, e->size_wrong ? e->size : size);
    header[8] = e->version == 0 ? VXC_PROTOCOL_VERSION : e->version == 0xff ? 0 : e->version;
    header[9] = e->flags;
    vxc_store_u16(header + 10, e->kind);
    vxc_store_u32(header + 12, 7);
    if (vxc_buffer_append(out, header, sizeof header) != 0 ||
        vxc_buffer_append(out, e->payload.data, e->payload.size) != 0) {
        out->size = offset;
        return VXC_ENOMEM;
    }
    frame = out->data + offset;
    vxc_store_u32(frame, vxc_crc32(0, frame + 4, size - 4) ^ e->checksum_xor);
    out->size -= e->cut;
    return 0;
}
