package io.bop.vxc.wire;

/**
 * What kind 73 carries besides: state-sync operations of the original protocol, a tag and fields each.
 *
 * <p>A copy of {@code src/wire/message.def}, compared with it by {@code KindTest}. The tag is the ordinal.
 */
public enum SyncOperation {
    MAP_CREATED("map_name:BYTES"),
    MAP_UPDATED("map_name:BYTES key:BYTES value:OPT_BYTES"),
    MAP_DELETED("map_name:BYTES"),
    SET_CREATED("set_name:BYTES"),
    SET_UPDATED("set_name:BYTES value:BYTES added:BOOL"),
    SET_DELETED("set_name:BYTES"),
    COUNTER_CREATED("counter_name:BYTES"),
    COUNTER_UPDATED("counter_name:BYTES value:I64"),
    COUNTER_DELETED("counter_name:BYTES"),
    MULTIMAP_CREATED("multimap_name:BYTES"),
    MULTIMAP_UPDATED("multimap_name:BYTES key:BYTES value:BYTES added:BOOL"),
    MULTIMAP_KEY_CLEARED("multimap_name:BYTES key:BYTES"),
    MULTIMAP_DELETED("multimap_name:BYTES"),
    LOCK_CREATED("lock_name:BYTES"),
    LOCK_ACQUIRED("lock_name:BYTES node_id:BYTES"),
    LOCK_RELEASED("lock_name:BYTES node_id:BYTES"),
    LOCK_DELETED("lock_name:BYTES"),
    NODE_JOINED("node_id:BYTES"),
    NODE_LEFT("node_id:BYTES"),
    NODE_CONNECTION_ADDED("node_id:BYTES connection_id:U64"),
    NODE_CONNECTION_REMOVED("node_id:BYTES connection_id:U64");

    private static final SyncOperation[] BY_TAG = values();

    final Field[] fields;

    SyncOperation(String fields) {
        this.fields = Field.parse(fields);
    }

    /** The operation with that tag, {@code null} when there is none. */
    static SyncOperation of(int tag) {
        return tag < BY_TAG.length ? BY_TAG[tag] : null;
    }

    int indexOf(String field) {
        return Field.indexOf(fields, field, this);
    }
}
