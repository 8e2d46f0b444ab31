package example;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcException;
import io.bop.vxc.VxcMap;
import io.bop.vxc.VxcOptions;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;

/** Puts and gets, and what a failure means. */
public final class Maps {
    private Maps() {
    }

    public static void main(String[] arguments) {
        try (VxcClient client = VxcClient.create(new VxcOptions(arguments[0]))) {
            client.openSession(20_000); // calls need not wait for it
            VxcMap greetings = client.map("greetings");
            CompletionStage<String> greeting = greetings.put(utf8("hello"), utf8("world"))
                    .thenCompose(done -> greetings.get(utf8("hello")))
                    .thenApply(value -> new String(value, UTF_8));
            System.out.println("hello " + greeting.toCompletableFuture().join());

            try {
                client.counter("visits").withTimeout(2000).addAndGet(1).toCompletableFuture().join();
            } catch (CompletionException e) {
                VxcException failure = (VxcException) e.getCause();
                System.out.println(failure.isUnknown() ? "it may have been counted" : "it was not counted");
            }
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(UTF_8);
    }
}
