package io.bop.vxc;

import io.bop.vxc.core.Call;
import io.bop.vxc.wire.Message;
import java.util.function.Function;

/** A call of the public API: its outcome goes to a stage, on the client's executor. */
class ClientCall<T> extends Call {
    final VxcClient client;
    final CallFuture<T> future = new CallFuture<>(this::canceled);
    private final Function<Message, T> decode;
    long queuedNs; // when it began to wait for its turn

    ClientCall(VxcClient client, Message request, long timeoutMs, boolean stale, Function<Message, T> decode) {
        super(request, timeoutMs, stale);
        this.client = client;
        this.decode = decode;
    }

    /** On the thread that drives, before the core knows of it. */
    void submitted() {
        // most calls need no more
    }

    @Override
    protected void done(Message reply) {
        client.ended(this);
        client.dispatch(() -> complete(reply));
    }

    @Override
    protected void failed(VxcException failure) {
        client.ended(this);
        client.dispatch(() -> future.completeExceptionally(failure));
    }

    private void complete(Message reply) {
        T result;
        try {
            result = decode.apply(reply);
        } catch (VxcException malformed) { // a record within it
            future.completeExceptionally(malformed);
            return;
        }
        if (!future.complete(result)) {
            unwanted(result);
        }
    }

    /** The result of a call that was canceled meanwhile. */
    void unwanted(T result) {
        // most results need no more
    }

    private void canceled() {
        client.cancel(this);
    }
}
