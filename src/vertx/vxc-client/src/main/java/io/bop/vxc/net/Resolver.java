package io.bop.vxc.net;

import java.net.InetAddress;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;

/** Looks host names up without keeping the caller waiting: a name server may take longer than any deadline. */
public interface Resolver {
    /** The host's addresses, at least one, or why there are none. */
    CompletionStage<InetAddress[]> resolve(String host);

    /** Numbers at once, names on a thread of their own; one at a time per name. Thread-safe. */
    static Resolver system() {
        Map<String, CompletableFuture<InetAddress[]>> underWay = new ConcurrentHashMap<>();
        return host -> {
            if (host.indexOf(':') >= 0 || host.chars().allMatch(c -> c == '.' || c >= '0' && c <= '9')) {
                CompletableFuture<InetAddress[]> found = new CompletableFuture<>();
                lookUp(host, found);
                return found;
            }
            return underWay.computeIfAbsent(host, name -> {
                CompletableFuture<InetAddress[]> found = new CompletableFuture<>();
                Thread thread = new Thread(() -> {
                    lookUp(name, found);
                    underWay.remove(name);
                }, "vxc-resolver");
                thread.setDaemon(true);
                thread.start();
                return found;
            });
        };
    }

    /** Never throws: the outcome is the future's. */
    static void lookUp(String host, CompletableFuture<InetAddress[]> found) {
        try {
            found.complete(InetAddress.getAllByName(host));
        } catch (Exception e) {
            found.completeExceptionally(e);
        }
    }
}
