package io.bop.vxc.core;

import static io.bop.vxc.wire.Kind.*;

import io.bop.vxc.wire.Kind;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;

/** What kind of request a kind is. */
public final class Operations {
    private static final Set<Kind> READS = Collections.unmodifiableSet(EnumSet.of(
            NAMESPACE_LIST, SESSION_LIST, SESSION_GET,
            MAP_GET, MAP_CONTAINS, MAP_SIZE, MAP_SCAN, MAP_LIST,
            SET_CONTAINS, SET_SIZE, SET_SCAN, SET_LIST,
            MULTIMAP_GET, MULTIMAP_CONTAINS_KEY, MULTIMAP_CONTAINS_VALUE, MULTIMAP_CONTAINS_ENTRY, MULTIMAP_SIZE,
            MULTIMAP_KEY_SIZE, MULTIMAP_SCAN, MULTIMAP_LIST,
            COUNTER_GET, COUNTER_LIST,
            LOCK_GET, LOCK_LIST,
            REGISTRATION_GET, REGISTRATION_LIST,
            NODE_GET, NODE_LIST,
            STATUS, DUMP, MEMBER_LIST,
            // one checkpoint more does not change what the state says
            CHECKPOINT));

    private Operations() {
    }

    /** Does it change nothing, so that it may be asked twice? */
    public static boolean isRead(Kind kind) {
        return READS.contains(kind);
    }

    /**
     * Changes of the membership stand in no session's sequence, and "busy" is an answer to them that says what to do.
     */
    static boolean isOfMembers(Kind kind) {
        return kind.number >= MEMBER_ADD.number && kind.number <= MEMBER_TRANSFER.number;
    }
}
