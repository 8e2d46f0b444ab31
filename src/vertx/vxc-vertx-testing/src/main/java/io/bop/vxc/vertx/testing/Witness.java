package io.bop.vxc.vertx.testing;

import static io.bop.vxc.testing.Wait.of;

import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcOptions;
import io.bop.vxc.WatchEvent;
import io.bop.vxc.WatchListener;
import io.bop.vxc.WatchTarget;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Knows from the server, and from nobody else, which nodes have joined a namespace since the witness was made, however
 * soon they left. Every one of them is a session: the server takes joins only within one, and takes the node away with
 * its session. It is a client of its own that watches the namespace, and joins nothing.
 */
public final class Witness implements AutoCloseable {
    private static final long LEASE_MS = 60_000; // longer than any pause of a busy machine

    private final VxcClient client;
    private final Set<String> joined = Collections.synchronizedSet(new LinkedHashSet<>());
    private volatile String gap; // why the watch does not know all; null when it does

    /** From when this returns no join is missed. */
    public Witness(String endpoint, String namespace) {
        client = VxcClient.create(new VxcOptions(endpoint).namespace(namespace).clientName("witness"));
        of(client.openSession(LEASE_MS));
        of(client.watch(WatchTarget.nodes(), new WatchListener() {
            @Override
            public void event(WatchEvent event) {
                if (event.type() == WatchEvent.Type.NODE_JOINED) {
                    joined.add(event.name());
                }
            }

            @Override
            public void resync(long index) {
                gap = "events before " + index + " were missed";
            }

            @Override
            public void lost(String reason) {
                gap = reason;
            }
        }));
    }

    /** All that have joined so far, in that order. */
    public List<String> joined() {
        present(); // what happened before a read is told before its answer
        if (gap != null) {
            throw new IllegalStateException("the witness does not know who joined: " + gap);
        }
        synchronized (joined) {
            return new ArrayList<>(joined);
        }
    }

    /** Those that are members now. */
    public Set<String> present() {
        return of(client.nodes().list()).keySet();
    }

    @Override
    public void close() {
        client.close();
    }
}
