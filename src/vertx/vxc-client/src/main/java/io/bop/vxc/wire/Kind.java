package io.bop.vxc.wire;

import static io.bop.vxc.wire.Role.EVENT;
import static io.bop.vxc.wire.Role.RECORD;
import static io.bop.vxc.wire.Role.REPLY;
import static io.bop.vxc.wire.Role.REQUEST;

import java.util.Locale;

/**
 * The vocabulary of the wire: number, role, usual reply and fields of each message kind.
 *
 * <p>A copy of {@code src/wire/message.def}, row by row; {@code KindTest} reads that file and fails, naming the
 * row, when the two differ. Thread-safe: constants.
 */
public enum Kind {
    JOIN(1, REQUEST, "join_reply", "node_id:BYTES"),
    JOIN_REPLY(2, REPLY, null, "code:CODE connection_id:U64"),
    LEAVE(3, REQUEST, "leave_reply", "node_id:BYTES"),
    LEAVE_REPLY(4, REPLY, null, "code:CODE"),
    GET_NODES(5, REQUEST, "get_nodes_reply", ""),
    GET_NODES_REPLY(6, REPLY, null, "code:CODE nodes:ITEMS"),
    CREATE_MAP(7, REQUEST, "create_map_reply", "name:BYTES"),
    CREATE_MAP_REPLY(8, REPLY, null, "code:CODE map_name:BYTES"),
    LEGACY_MAP_PUT(9, REQUEST, "legacy_map_put_reply", "map_name:BYTES key:BYTES value:BYTES"),
    LEGACY_MAP_PUT_REPLY(10, REPLY, null, "code:CODE"),
    LEGACY_MAP_GET(11, REQUEST, "legacy_map_get_reply", "map_name:BYTES key:BYTES"),
    LEGACY_MAP_GET_REPLY(12, REPLY, null, "code:CODE value:OPT_BYTES"),
    LEGACY_MAP_REMOVE(13, REQUEST, "legacy_map_remove_reply", "map_name:BYTES key:BYTES"),
    LEGACY_MAP_REMOVE_REPLY(14, REPLY, null, "code:CODE"),
    LEGACY_MAP_SIZE(15, REQUEST, "legacy_map_size_reply", "map_name:BYTES"),
    LEGACY_MAP_SIZE_REPLY(16, REPLY, null, "code:CODE size:U64"),
    CREATE_SET(17, REQUEST, "create_set_reply", "name:BYTES"),
    CREATE_SET_REPLY(18, REPLY, null, "code:CODE set_name:BYTES"),
    LEGACY_SET_ADD(19, REQUEST, "legacy_set_add_reply", "set_name:BYTES value:BYTES"),
    LEGACY_SET_ADD_REPLY(20, REPLY, null, "code:CODE"),
    LEGACY_SET_REMOVE(21, REQUEST, "legacy_set_remove_reply", "set_name:BYTES value:BYTES"),
    LEGACY_SET_REMOVE_REPLY(22, REPLY, null, "code:CODE"),
    LEGACY_SET_CONTAINS(23, REQUEST, "legacy_set_contains_reply", "set_name:BYTES value:BYTES"),
    LEGACY_SET_CONTAINS_REPLY(24, REPLY, null, "code:CODE contains:BOOL"),
    LEGACY_SET_SIZE(25, REQUEST, "legacy_set_size_reply", "set_name:BYTES"),
    LEGACY_SET_SIZE_REPLY(26, REPLY, null, "code:CODE size:U64"),
    CREATE_COUNTER(27, REQUEST, "create_counter_reply", "name:BYTES"),
    CREATE_COUNTER_REPLY(28, REPLY, null, "code:CODE counter_name:BYTES"),
    LEGACY_COUNTER_GET(29, REQUEST, "legacy_counter_get_reply", "counter_name:BYTES"),
    LEGACY_COUNTER_GET_REPLY(30, REPLY, null, "code:CODE value:I64"),
    COUNTER_INCREMENT(31, REQUEST, "counter_increment_reply", "counter_name:BYTES delta:I64"),
    COUNTER_INCREMENT_REPLY(32, REPLY, null, "code:CODE new_value:I64"),
    CREATE_LOCK(33, REQUEST, "create_lock_reply", "name:BYTES"),
    CREATE_LOCK_REPLY(34, REPLY, null, "code:CODE lock_name:BYTES"),
    LEGACY_LOCK_ACQUIRE(35, REQUEST, "legacy_lock_acquire_reply", "lock_name:BYTES"),
    LEGACY_LOCK_ACQUIRE_REPLY(36, REPLY, null, "code:CODE acquired:BOOL queue_position:OPT_U64"),
    LEGACY_LOCK_RELEASE(37, REQUEST, "legacy_lock_release_reply", "lock_name:BYTES"),
    LEGACY_LOCK_RELEASE_REPLY(38, REPLY, null, "code:CODE"),
    LOCK_SYNC(39, REQUEST, "lock_sync_reply", "held_locks:ITEMS"),
    LOCK_SYNC_REPLY(40, REPLY, null, "code:CODE synchronized_locks:ITEMS failed_locks:ITEMS"),
    CREATE_MULTIMAP(41, REQUEST, "create_multimap_reply", "name:BYTES"),
    CREATE_MULTIMAP_REPLY(42, REPLY, null, "code:CODE multimap_name:BYTES"),
    LEGACY_MULTIMAP_PUT(43, REQUEST, "legacy_multimap_put_reply",
            "multimap_name:BYTES key:BYTES value:BYTES"),
    LEGACY_MULTIMAP_PUT_REPLY(44, REPLY, null, "code:CODE"),
    LEGACY_MULTIMAP_GET(45, REQUEST, "legacy_multimap_get_reply", "multimap_name:BYTES key:BYTES"),
    LEGACY_MULTIMAP_GET_REPLY(46, REPLY, null, "code:CODE values:ITEMS"),
    LEGACY_MULTIMAP_REMOVE(47, REQUEST, "legacy_multimap_remove_reply", "multimap_name:BYTES key:BYTES"),
    LEGACY_MULTIMAP_REMOVE_REPLY(48, REPLY, null, "code:CODE"),
    MULTIMAP_REMOVE_VALUE(49, REQUEST, "multimap_remove_value_reply",
            "multimap_name:BYTES key:BYTES value:BYTES"),
    MULTIMAP_REMOVE_VALUE_REPLY(50, REPLY, null, "code:CODE"),
    LEGACY_MULTIMAP_SIZE(51, REQUEST, "legacy_multimap_size_reply", "multimap_name:BYTES"),
    LEGACY_MULTIMAP_SIZE_REPLY(52, REPLY, null, "code:CODE size:U64"),
    LEGACY_MULTIMAP_KEY_SIZE(53, REQUEST, "legacy_multimap_key_size_reply",
            "multimap_name:BYTES key:BYTES"),
    LEGACY_MULTIMAP_KEY_SIZE_REPLY(54, REPLY, null, "code:CODE size:U64"),
    LEGACY_CONTAINS_KEY(55, REQUEST, "legacy_contains_key_reply", "multimap_name:BYTES key:BYTES"),
    LEGACY_CONTAINS_KEY_REPLY(56, REPLY, null, "code:CODE contains:BOOL"),
    LEGACY_CONTAINS_VALUE(57, REQUEST, "legacy_contains_value_reply", "multimap_name:BYTES value:BYTES"),
    LEGACY_CONTAINS_VALUE_REPLY(58, REPLY, null, "code:CODE contains:BOOL"),
    LEGACY_CONTAINS_ENTRY(59, REQUEST, "legacy_contains_entry_reply",
            "multimap_name:BYTES key:BYTES value:BYTES"),
    LEGACY_CONTAINS_ENTRY_REPLY(60, REPLY, null, "code:CODE contains:BOOL"),
    LEGACY_KEYS(61, REQUEST, "legacy_keys_reply", "multimap_name:BYTES"),
    LEGACY_KEYS_REPLY(62, REPLY, null, "code:CODE keys:ITEMS"),
    LEGACY_VALUES(63, REQUEST, "legacy_values_reply", "multimap_name:BYTES"),
    LEGACY_VALUES_REPLY(64, REPLY, null, "code:CODE values:ITEMS"),
    LEGACY_ENTRIES(65, REQUEST, "legacy_entries_reply", "multimap_name:BYTES"),
    LEGACY_ENTRIES_REPLY(66, REPLY, null, "code:CODE entries:MULTI"),
    LEGACY_CLEAR(67, REQUEST, "legacy_clear_reply", "multimap_name:BYTES"),
    LEGACY_CLEAR_REPLY(68, REPLY, null, "code:CODE"),
    LEGACY_ERROR(69, REPLY, null, "code:CODE error:BYTES"),
    LEADER_REDIRECT(70, REPLY, null, "code:CODE leader_address:OPT_BYTES"),
    PING(71, REQUEST, "pong", ""),
    PONG(72, REPLY, null, ""),
    STATE_SYNC(73, REQUEST, "state_sync_ack", "sync_id:U64 operations:OPERATIONS"),
    STATE_SYNC_ACK(74, REPLY, null, "code:CODE sync_id:U64"),
    ERROR_REPLY(100, REPLY, null, "code:I64 index:U64 message:BYTES"),
    DONE_REPLY(101, REPLY, null, "index:U64"),
    VALUE_REPLY(102, REPLY, null, "index:U64 value:OPT_BYTES"),
    NUMBER_REPLY(103, REPLY, null, "index:U64 number:I64 found:BOOL"),
    TRUTH_REPLY(104, REPLY, null, "index:U64 truth:BOOL"),
    PAGE_REPLY(105, REPLY, null, "index:U64 next:OPT_BYTES rows:PAIRS"),
    ITEMS_REPLY(106, REPLY, null, "index:U64 items:ITEMS"),
    HELLO(110, REQUEST, "hello_reply",
            "version_min:U8 version_max:U8 features:U64 client_name:BYTES namespace_name:BYTES"),
    HELLO_REPLY(111, REPLY, null,
            "version:U8 features:U64 node_id:U64 cluster_id:BYTES connection_id:U64 "
            + "server_version:BYTES primary:BOOL primary_address:BYTES frame_size_max:U64"),
    USE_NAMESPACE(112, REQUEST, "done_reply", "namespace_name:BYTES"),
    NAMESPACE_LIST(113, REQUEST, "page_reply", "cursor:OPT_BYTES limit:U32"),
    SESSION_OPEN(120, REQUEST, "session_reply", "timeout_ms:U32 name:BYTES close_grace_ms:U32"),
    SESSION_REPLY(121, REPLY, null,
            "index:U64 session:U64 secret:BYTES timeout_ms:U32 resumed:BOOL resync:BOOL"),
    SESSION_RESUME(122, REQUEST, "session_reply",
            "session:U64 secret:BYTES last_event_index:U64 close_grace_ms:U32"),
    SESSION_CLOSE(123, REQUEST, "done_reply", ""),
    SESSION_LIST(124, REQUEST, "page_reply", "cursor:OPT_BYTES limit:U32"),
    SESSION_GET(125, REQUEST, "value_reply", "session:U64"),
    SESSION_INFO(126, RECORD, null,
            "session:U64 name:BYTES namespace_name:BYTES timeout_ms:U32 legacy:BOOL node_id:BYTES "
            + "opened_index:U64 locks_held:U64 locks_waiting:U64 registrations:U64 watches:U64 "
            + "connected:BOOL idle_ms:U64 address:BYTES"),
    SESSION_EXPIRE(127, REQUEST, "truth_reply", "session:U64"),
    MAP_GET(130, REQUEST, "value_reply", "map:BYTES key:BYTES"),
    MAP_CONTAINS(131, REQUEST, "truth_reply", "map:BYTES key:BYTES"),
    MAP_PUT(132, REQUEST, "value_reply", "map:BYTES key:BYTES value:BYTES ttl_ms:U64 want_old:BOOL"),
    MAP_PUT_IF_ABSENT(133, REQUEST, "value_reply", "map:BYTES key:BYTES value:BYTES ttl_ms:U64"),
    MAP_REMOVE(134, REQUEST, "value_reply", "map:BYTES key:BYTES want_old:BOOL"),
    MAP_REMOVE_IF(135, REQUEST, "truth_reply", "map:BYTES key:BYTES expected:BYTES"),
    MAP_REPLACE(136, REQUEST, "value_reply", "map:BYTES key:BYTES value:BYTES ttl_ms:U64"),
    MAP_REPLACE_IF(137, REQUEST, "truth_reply",
            "map:BYTES key:BYTES expected:BYTES value:BYTES ttl_ms:U64"),
    MAP_SIZE(138, REQUEST, "number_reply", "map:BYTES"),
    MAP_CLEAR(139, REQUEST, "number_reply", "map:BYTES"),
    MAP_SCAN(140, REQUEST, "page_reply",
            "map:BYTES what:U8 cursor:OPT_BYTES limit_rows:U32 limit_bytes:U32"),
    MAP_DESTROY(141, REQUEST, "truth_reply", "map:BYTES"),
    MAP_LIST(142, REQUEST, "page_reply", "cursor:OPT_BYTES limit:U32"),
    MAP_CREATE(143, REQUEST, "truth_reply", "map:BYTES"),
    SET_ADD(150, REQUEST, "truth_reply", "set:BYTES value:BYTES"),
    SET_REMOVE(151, REQUEST, "truth_reply", "set:BYTES value:BYTES"),
    SET_CONTAINS(152, REQUEST, "truth_reply", "set:BYTES value:BYTES"),
    SET_SIZE(153, REQUEST, "number_reply", "set:BYTES"),
    SET_CLEAR(154, REQUEST, "number_reply", "set:BYTES"),
    SET_SCAN(155, REQUEST, "page_reply", "set:BYTES cursor:OPT_BYTES limit_rows:U32 limit_bytes:U32"),
    SET_DESTROY(156, REQUEST, "truth_reply", "set:BYTES"),
    SET_LIST(157, REQUEST, "page_reply", "cursor:OPT_BYTES limit:U32"),
    SET_CREATE(158, REQUEST, "truth_reply", "set:BYTES"),
    MULTIMAP_PUT(160, REQUEST, "truth_reply", "multimap:BYTES key:BYTES value:BYTES"),
    MULTIMAP_REMOVE(161, REQUEST, "truth_reply", "multimap:BYTES key:BYTES value:BYTES"),
    MULTIMAP_REMOVE_KEY(162, REQUEST, "number_reply", "multimap:BYTES key:BYTES"),
    MULTIMAP_GET(163, REQUEST, "page_reply",
            "multimap:BYTES key:BYTES cursor:OPT_BYTES limit_rows:U32 limit_bytes:U32"),
    MULTIMAP_CONTAINS_KEY(164, REQUEST, "truth_reply", "multimap:BYTES key:BYTES"),
    MULTIMAP_CONTAINS_VALUE(165, REQUEST, "truth_reply", "multimap:BYTES value:BYTES"),
    MULTIMAP_CONTAINS_ENTRY(166, REQUEST, "truth_reply", "multimap:BYTES key:BYTES value:BYTES"),
    MULTIMAP_SIZE(167, REQUEST, "number_reply", "multimap:BYTES"),
    MULTIMAP_KEY_SIZE(168, REQUEST, "number_reply", "multimap:BYTES key:BYTES"),
    MULTIMAP_SCAN(169, REQUEST, "page_reply",
            "multimap:BYTES what:U8 cursor:OPT_BYTES limit_rows:U32 limit_bytes:U32"),
    MULTIMAP_CLEAR(170, REQUEST, "number_reply", "multimap:BYTES"),
    MULTIMAP_DESTROY(171, REQUEST, "truth_reply", "multimap:BYTES"),
    MULTIMAP_LIST(172, REQUEST, "page_reply", "cursor:OPT_BYTES limit:U32"),
    MULTIMAP_CREATE(173, REQUEST, "truth_reply", "multimap:BYTES"),
    COUNTER_GET(180, REQUEST, "number_reply", "counter:BYTES"),
    COUNTER_ADD(181, REQUEST, "number_reply", "counter:BYTES delta:I64 want_old:BOOL"),
    COUNTER_COMPARE_AND_SET(182, REQUEST, "truth_reply", "counter:BYTES expected:I64 value:I64"),
    COUNTER_LIST(183, REQUEST, "page_reply", "cursor:OPT_BYTES limit:U32"),
    COUNTER_DESTROY(184, REQUEST, "truth_reply", "counter:BYTES"),
    LOCK_ACQUIRE(190, REQUEST, "lock_reply", "lock:BYTES wait_ms:I64"),
    LOCK_REPLY(191, REPLY, null, "index:U64 acquired:BOOL token:U64 queue_position:U64"),
    LOCK_CANCEL(192, REQUEST, "truth_reply", "lock:BYTES acquire_sequence:U64"),
    LOCK_RELEASE(193, REQUEST, "truth_reply", "lock:BYTES token:U64"),
    LOCK_GET(194, REQUEST, "value_reply", "lock:BYTES"),
    LOCK_LIST(195, REQUEST, "page_reply", "cursor:OPT_BYTES limit:U32"),
    LOCK_INFO(196, RECORD, null,
            "name:BYTES held:BOOL session:U64 owner:BYTES token:U64 since_ms:U64 waiting:U64 "
            + "waiters:ITEMS"),
    LOCK_WAITER(197, RECORD, null, "session:U64 owner:BYTES since_ms:U64 wait_ms:I64"),
    LOCK_DESTROY(198, REQUEST, "truth_reply", "lock:BYTES"),
    REGISTRATION_ADD(200, REQUEST, "done_reply", "address:BYTES node_id:BYTES seq:U64 data:BYTES"),
    REGISTRATION_REMOVE(201, REQUEST, "truth_reply", "address:BYTES node_id:BYTES seq:U64"),
    REGISTRATION_GET(202, REQUEST, "page_reply", "address:BYTES"),
    REGISTRATION_RESYNC(203, REQUEST, "done_reply", "registrations:MESSAGES"),
    REGISTRATION_LIST(204, REQUEST, "page_reply", "cursor:OPT_BYTES limit:U32"),
    REGISTRATION_INFO(205, RECORD, null, "seq:U64 data:BYTES"),
    NODE_JOIN(210, REQUEST, "members_reply", "node_id:BYTES info:BYTES clear_map_if_first:OPT_BYTES"),
    MEMBERS_REPLY(211, REPLY, null, "index:U64 epoch:U64 nodes:ITEMS"),
    NODE_SET_INFO(212, REQUEST, "done_reply", "info:BYTES"),
    NODE_GET(213, REQUEST, "value_reply", "node_id:BYTES"),
    NODE_LIST(214, REQUEST, "page_reply", ""),
    NODE_LEAVE(215, REQUEST, "truth_reply", ""),
    WATCH_ADD(220, REQUEST, "number_reply", "kind:U8 name:BYTES key:OPT_BYTES"),
    WATCH_REMOVE(221, REQUEST, "truth_reply", "watch:U64"),
    EVENT_DATA(230, EVENT, null,
            "index:U64 ordinal:U32 watch:U64 kind:U8 type:U8 name:BYTES key:OPT_BYTES "
            + "value:OPT_BYTES number:I64 token:U64"),
    EVENT_MEMBERS(231, EVENT, null,
            "index:U64 ordinal:U32 watch:U64 type:U8 epoch:U64 node_id:BYTES info:BYTES "
            + "view:ITEMS"),
    EVENT_REGISTRATIONS(232, EVENT, null,
            "index:U64 ordinal:U32 watch:U64 address:BYTES registrations:PAIRS"),
    EVENT_LOCK(233, EVENT, null,
            "index:U64 ordinal:U32 acquire_sequence:U64 type:U8 lock:BYTES token:U64"),
    EVENT_SESSION(234, EVENT, null, "index:U64 ordinal:U32 session:U64 type:U8"),
    EVENT_RESYNC(235, EVENT, null, "index:U64"),
    TRANSACTION(240, REQUEST, "transaction_reply",
            "compares:MESSAGES then_operations:MESSAGES else_operations:MESSAGES"),
    TRANSACTION_REPLY(241, REPLY, null, "index:U64 succeeded:BOOL replies:MESSAGES"),
    COMPARE(242, RECORD, null, "target:U16 operator:U8 name:BYTES key:BYTES expected:BYTES number:I64"),
    STATUS(250, REQUEST, "value_reply", ""),
    DUMP(251, REQUEST, "page_reply", "cursor:OPT_BYTES limit:U32"),
    SNAPSHOT_BEGIN(260, REQUEST, "value_reply", "compression:U8"),
    SNAPSHOT_INFO(261, RECORD, null,
            "id:U64 ready:BOOL step:U8 done:U64 total:U64 index:U64 term:U64 file_bytes:U64 "
            + "sha256:BYTES"),
    SNAPSHOT_GET(262, REQUEST, "value_reply", "id:U64"),
    SNAPSHOT_READ(263, REQUEST, "value_reply", "id:U64 offset:U64 size:U32"),
    SNAPSHOT_END(264, REQUEST, "truth_reply", "id:U64"),
    MEMBER_LIST(270, REQUEST, "page_reply", ""),
    MEMBER_INFO(271, RECORD, null, "id:U64 role:U8 address:BYTES match_index:U64 silent_ms:OPT_U64"),
    MEMBER_ADD(272, REQUEST, "number_reply", "id:U64 address:BYTES"),
    MEMBER_PROMOTE(273, REQUEST, "done_reply", "id:U64"),
    MEMBER_REMOVE(274, REQUEST, "done_reply", "id:U64"),
    MEMBER_TRANSFER(275, REQUEST, "done_reply", "id:U64"),
    CHECKPOINT(276, REQUEST, "done_reply", ""),
    PEER_HELLO(300, REQUEST, "peer_challenge",
            "version_min:U8 version_max:U8 cluster_id:BYTES node_id:U64 target_id:U64 "
            + "incarnation:U64 life:U64 last_index:U64 address:BYTES nonce:BYTES"),
    PEER_CHALLENGE(301, REPLY, null,
            "version:U8 cluster_id:BYTES node_id:U64 incarnation:U64 life:U64 nonce:BYTES "
            + "proof:BYTES"),
    PEER_PROOF(302, REQUEST, "peer_welcome", "proof:BYTES"),
    PEER_WELCOME(303, REPLY, null, ""),
    PEER_APPEND(310, EVENT, null,
            "term:U64 prev_index:U64 prev_term:U64 commit_index:U64 count:U32 entries:BYTES"),
    PEER_APPEND_RESULT(311, EVENT, null, "term:U64 rejected:U64 last_index:U64"),
    PEER_VOTE(312, EVENT, null,
            "term:U64 last_index:U64 last_term:U64 disrupt_leader:BOOL pre_vote:BOOL"),
    PEER_VOTE_RESULT(313, EVENT, null, "term:U64 granted:BOOL pre_vote:BOOL"),
    PEER_TIMEOUT_NOW(314, EVENT, null, "term:U64 last_index:U64 last_term:U64"),
    PEER_PROBE(315, EVENT, null, "round:U64 term:U64"),
    PEER_PROBE_RESULT(316, EVENT, null, "round:U64 term:U64"),
    PEER_DIGEST(317, EVENT, null, "index:U64 digest:U64"),
    PEER_MEMBERS(318, EVENT, null, "members:PAIRS"),
    PEER_LACK(319, EVENT, null, "code:I64"),
    PEER_IMAGE(320, EVENT, null,
            "term:U64 image:U64 file_bytes:U64 index:U64 index_term:U64 configuration_index:U64 "
            + "configuration:BYTES"),
    PEER_IMAGE_WANT(321, EVENT, null, "index:U64"),
    PEER_IMAGE_READ(322, EVENT, null, "image:U64 offset:U64 size:U32"),
    PEER_IMAGE_BYTES(323, EVENT, null, "image:U64 offset:U64 code:I64 bytes:BYTES");

    /** Kinds below are the original protocol's, whose fields never change; from here on fields may be added. */
    public static final int EXTENSION_FIRST = 100;

    private static final Kind[] BY_NUMBER = byNumber();

    /** The kind's number in the frame's header. */
    public final int number;
    public final Role role;
    private final String replyName;
    private Kind reply;
    final Field[] fields;

    Kind(int number, Role role, String replyName, String fields) {
        this.number = number;
        this.role = role;
        this.replyName = replyName;
        this.fields = Field.parse(fields);
    }

    /** The kind with that number, {@code null} when there is none. */
    public static Kind of(int number) {
        return number >= 0 && number < BY_NUMBER.length ? BY_NUMBER[number] : null;
    }

    private static Kind[] byNumber() {
        Kind[] kinds = new Kind[values()[values().length - 1].number + 1];
        for (Kind kind : values()) {
            kinds[kind.number] = kind;
            kind.reply = kind.replyName == null ? null : valueOf(kind.replyName.toUpperCase(Locale.ROOT));
        }
        return kinds;
    }

    /** The kind of the usual reply, {@code null} when there is none. */
    public Kind reply() {
        return reply;
    }

    boolean isExtension() {
        return number >= EXTENSION_FIRST;
    }

    int indexOf(String field) {
        return Field.indexOf(fields, field, this);
    }
}
