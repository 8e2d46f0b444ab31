package example;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.bop.vxc.ClientListener;
import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcOptions;
import io.bop.vxc.WatchEvent;
import io.bop.vxc.WatchListener;
import io.bop.vxc.WatchTarget;

/** A node that joins, hears who else does, and comes back when its session was lost. */
public final class Watching {
    private final VxcClient client;

    private Watching(String endpoints) {
        client = VxcClient.create(new VxcOptions(endpoints).listener(new ClientListener() {
            @Override
            public void sessionLost(long session, String reason) {
                System.out.println("back again: " + reason);
                begin();
            }
        }));
    }

    private void begin() {
        client.openSession(20_000);
        client.watch(WatchTarget.nodes(), new WatchListener() {
            @Override
            public void event(WatchEvent event) {
                System.out.println(event.type() + " " + event.name() + ", now " + event.view());
            }

            @Override
            public void resync(long index) {
                client.nodes().list().thenAccept(nodes -> System.out.println("missed some, now " + nodes.keySet()));
            }
        });
        client.nodes().join("node-1", "10.0.0.1:8080".getBytes(UTF_8));
    }

    public static void main(String[] arguments) {
        Watching watching = new Watching(arguments[0]);
        watching.begin();
        watching.client.nodes().list().toCompletableFuture().join();
        watching.client.close();
    }
}
