package io.bop.vxc.core;

import io.bop.vxc.ServerInfo;
import io.bop.vxc.wire.Message;
import java.util.List;

/** What the core tells beside the outcomes of calls; on the thread that drives it. Must not call the core. */
public interface CoreListener {
    /** Ready for requests. @param session its id, 0 when there is none */
    void connected(ServerInfo server, long session);

    void disconnected(String reason);

    /** The session is gone with all that it owned; {@link #lockLost} was told for each lock before. */
    void sessionLost(long session, String reason);

    /** Nothing was heard for nine tenths of the lease: it may be over. */
    void sessionDoubtful(long session);

    void lockLost(byte[] name, long token, String reason);

    /** EVENT_DATA, EVENT_MEMBERS or EVENT_REGISTRATIONS, each once and in order. */
    void event(Message event);

    /** Events up to this index were missed: what is watched is to be read again. */
    void resync(long index);

    /** The addresses of all members, as the server knows them. */
    void members(List<String> addresses);
}
