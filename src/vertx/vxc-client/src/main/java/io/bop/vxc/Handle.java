package io.bop.vxc;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * What the handles on maps, sets, counters … share: a client, how long a call may take, and which node may answer
 * reads.
 *
 * <p>A handle is immutable, cheap and thread-safe; {@link #withTimeout} and {@link #stale} make others. Methods answer
 * at once with a stage that always completes: with the result, or with a {@link VxcException} that tells whether the
 * operation can have taken effect. {@code null} arguments throw NullPointerException. Byte arrays given are to be left
 * alone until the stage completes; those returned are the caller's.
 *
 * @param <H> the handle's own type
 */
public abstract class Handle<H extends Handle<H>> {
    final VxcClient client;
    /** Of what it is a handle on; {@code null} where there is one for all. */
    final byte[] name;
    final long timeoutMs;
    final boolean stale;

    Handle(VxcClient client, byte[] name, long timeoutMs, boolean stale) {
        this.client = client;
        this.name = name;
        this.timeoutMs = timeoutMs;
        this.stale = stale;
    }

    abstract H with(long timeoutMs, boolean stale);

    /** The same with another time limit for each call, in milliseconds. */
    public H withTimeout(long timeoutMs) {
        if (timeoutMs <= 0) {
            throw new IllegalArgumentException("a time limit of " + timeoutMs + " ms");
        }
        return with(timeoutMs, stale);
    }

    /** The same, whose reads may be answered by any node from what it has applied: they may be old. */
    public H stale() {
        return with(timeoutMs, true);
    }

    /** Arguments over a bound fail the stage, not the caller. */
    <T> CompletionStage<T> call(Supplier<Message> request, Function<Message, T> decode) {
        try {
            checkName();
            return client.submit(new ClientCall<>(client, request.get(), timeoutMs, stale, decode));
        } catch (VxcException tooBig) {
            return client.failed(tooBig);
        }
    }

    void checkName() {
        if (name != null) {
            Arguments.name(name);
        }
    }

    CompletionStage<Boolean> truth(Supplier<Message> request) {
        return call(request, reply -> reply.truth("truth"));
    }

    CompletionStage<Long> number(Supplier<Message> request) {
        return call(request, reply -> reply.number("number"));
    }

    CompletionStage<byte[]> bytes(Supplier<Message> request) {
        return call(request, reply -> reply.bytes("value"));
    }

    CompletionStage<Void> done(Supplier<Message> request) {
        return call(request, reply -> null);
    }

    CompletionStage<Page> page(Supplier<Message> request) {
        return call(request, Page::of);
    }

    static Message message(Kind kind, Object... values) {
        return new Message(kind, values);
    }
}
