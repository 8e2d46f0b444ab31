package io.bop.vxc;

import io.bop.vxc.core.CoreListener;
import io.bop.vxc.wire.Message;
import java.util.List;

/** Hands what the core tells to the client's executor. Called on the thread that drives. */
final class Notices implements CoreListener {
    private final VxcClient client;

    Notices(VxcClient client) {
        this.client = client;
    }

    @Override
    public void connected(ServerInfo server, long session) {
        client.server(server);
        client.tell(listener -> listener.connected(session));
    }

    @Override
    public void disconnected(String reason) {
        client.tell(listener -> listener.disconnected(reason));
    }

    @Override
    public void sessionLost(long session, String reason) {
        client.dispatch(() -> client.sessionEnded(reason));
        client.tell(listener -> listener.sessionLost(session, reason));
    }

    @Override
    public void sessionDoubtful(long session) {
        client.tell(listener -> listener.sessionDoubtful(session));
    }

    @Override
    public void lockLost(byte[] name, long token, String reason) {
        client.dispatch(() -> client.lockLost(token, reason));
        client.tell(listener -> listener.lockLost(Arguments.text(name), token, reason));
    }

    @Override
    public void event(Message event) {
        client.dispatch(() -> client.watches().event(event));
    }

    @Override
    public void resync(long index) {
        client.dispatch(() -> client.watches().resync(index));
        client.tell(listener -> listener.resync(index));
    }

    @Override
    public void members(List<String> addresses) {
        client.connection().learn(addresses);
    }
}
