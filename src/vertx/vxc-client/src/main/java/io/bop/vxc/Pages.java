package io.bop.vxc;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;

/** All pages of a scan, one after the other. */
final class Pages {
    private Pages() {
    }

    /** @param ask the page at a cursor; {@code null} is the first */
    static <T> CompletionStage<List<T>> all(Function<byte[], CompletionStage<Page>> ask, Function<Entry, T> row) {
        return more(ask, row, null, new ArrayList<>());
    }

    private static <T> CompletionStage<List<T>> more(
            Function<byte[], CompletionStage<Page>> ask, Function<Entry, T> row, byte[] cursor, List<T> found) {
        return ask.apply(cursor).thenCompose(page -> {
            page.entries().forEach(entry -> found.add(row.apply(entry)));
            return page.next() == null
                    ? CompletableFuture.completedFuture(found)
                    : more(ask, row, page.next(), found);
        });
    }
}
