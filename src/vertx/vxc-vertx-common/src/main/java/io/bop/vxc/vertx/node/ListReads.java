package io.bop.vxc.vertx.node;

import io.vertx.core.spi.cluster.RegistrationInfo;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads of lists that are under way, and what events have told of the same addresses meanwhile. A read shows the state
 * before the writes that follow it on its connection, so that its reply may come behind an event of one of them. All
 * events of what a reply does show come before it. So the last event since the read began, if there was one, is at
 * least as new as the reply. Used on the dispatcher alone.
 */
final class ListReads {
    private static final class Read {
        int count; // of reads under way
        List<RegistrationInfo> told; // by the last event; null: none
    }

    private final Map<String, Read> reads = new HashMap<>();

    void begins(String address) {
        reads.computeIfAbsent(address, none -> new Read()).count++;
    }

    boolean isUnderWay(String address) {
        return reads.containsKey(address);
    }

    /** By an event. */
    void told(String address, List<RegistrationInfo> list) {
        Read read = reads.get(address);
        if (read != null) {
            read.told = list;
        }
    }

    /** Events were missed: the replies may be newer than all that was told. */
    void missed() {
        reads.values().forEach(read -> read.told = null);
    }

    /**
     * A read that has begun ends.
     *
     * @param list its reply; {@code null} when it has failed
     * @return the newer list: of the reply, or of an event
     */
    List<RegistrationInfo> ends(String address, List<RegistrationInfo> list) {
        Read read = reads.get(address);
        if (--read.count == 0) {
            reads.remove(address);
        }
        return list == null || read.told == null ? list : read.told;
    }
}
