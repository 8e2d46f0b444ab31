package io.bop.vxc;

import io.bop.vxc.wire.Message;
import io.bop.vxc.wire.Pair;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Rows of a scan or a list, and where it goes on. Immutable but for the arrays, which are the caller's. */
public final class Page {
    private final List<Entry> entries;
    private final byte[] next;

    private Page(List<Entry> entries, byte[] next) {
        this.entries = Collections.unmodifiableList(entries);
        this.next = next;
    }

    static Page of(Message reply) {
        List<Pair> rows = reply.pairs("rows");
        List<Entry> entries = new ArrayList<>(rows.size());
        rows.forEach(row -> entries.add(new Entry(row.first, row.second)));
        return new Page(entries, reply.bytes("next"));
    }

    /** In the order of their keys. What was not asked for (keys or values) is empty. */
    public List<Entry> entries() {
        return entries;
    }

    /** The cursor of the next page; {@code null}: this was the last. */
    public byte[] next() {
        return next;
    }
}
