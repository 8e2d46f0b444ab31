package io.bop.vxc;

import io.bop.vxc.wire.Message;

/** Adds a watch: its listener hears of events from the answer on, and of those that came before it. */
final class WatchCall extends ClientCall<Watch> {
    private final Watches watches;
    private final WatchListener listener;
    private boolean submitted;

    WatchCall(VxcClient client, Watches watches, WatchTarget target, WatchListener listener, long timeoutMs) {
        super(client, target.request(), timeoutMs, false, reply -> new Watch(client, reply.number("number")));
        this.watches = watches;
        this.listener = listener;
    }

    @Override
    void submitted() {
        submitted = true;
        client.dispatch(watches::opening);
    }

    @Override
    protected void done(Message reply) {
        client.dispatch(() -> watches.opened(reply.number("number"), listener));
        super.done(reply);
    }

    @Override
    protected void failed(VxcException failure) {
        if (submitted) {
            client.dispatch(watches::refused);
        }
        super.failed(failure);
    }

    @Override
    void unwanted(Watch watch) {
        watch.close();
    }
}
