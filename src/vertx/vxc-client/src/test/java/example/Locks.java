package example;

import io.bop.vxc.HeldLock;
import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcOptions;

/** One at a time in the whole cluster, with a token that a late one cannot pass. */
public final class Locks {
    private Locks() {
    }

    public static void main(String[] arguments) {
        try (VxcClient client = VxcClient.create(new VxcOptions(arguments[0]))) {
            client.openSession(20_000);
            client.lock("deploy").acquire(10_000).thenCompose(granted -> {
                HeldLock lock = granted.orElseThrow(() -> new IllegalStateException("somebody else deploys"));
                lock.lost().thenAccept(reason -> System.out.println("stop: " + reason));
                System.out.println("deploying under token " + lock.token());
                return lock.release();
            }).toCompletableFuture().join();
        }
    }
}
