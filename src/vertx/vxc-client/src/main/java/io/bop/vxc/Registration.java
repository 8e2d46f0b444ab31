package io.bop.vxc;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import io.bop.vxc.wire.Pair;
import java.util.ArrayList;
import java.util.List;

/** One registration of an event-bus address: which node, under which number, with what data. Immutable. */
public final class Registration {
    private final String nodeId;
    private final long seq;
    private final byte[] data;

    public Registration(String nodeId, long seq, byte[] data) {
        this.nodeId = nodeId;
        this.seq = seq;
        this.data = data;
    }

    static List<Registration> of(List<Pair> rows) {
        List<Registration> registrations = new ArrayList<>(rows.size());
        for (Pair row : rows) {
            Message info = Arguments.record(Kind.REGISTRATION_INFO, row.second);
            registrations.add(new Registration(Arguments.text(row.first), info.number("seq"), info.bytes("data")));
        }
        return registrations;
    }

    public String nodeId() {
        return nodeId;
    }

    /** Tells several registrations of one node under one address apart. */
    public long seq() {
        return seq;
    }

    /** Whatever the registrant gave. */
    public byte[] data() {
        return data;
    }
}
