package io.bop.vxc;

import io.bop.vxc.wire.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionStage;

/** The cluster itself: its members, its status, the sessions of this namespace's clients and others. */
public final class VxcCluster extends Handle<VxcCluster> {
    VxcCluster(VxcClient client, long timeoutMs, boolean stale) {
        super(client, null, timeoutMs, stale);
    }

    @Override
    VxcCluster with(long timeoutMs, boolean stale) {
        return new VxcCluster(client, timeoutMs, stale);
    }

    /** All members by id, as the primary knows them; {@link #stale}: as any of them does. */
    public CompletionStage<List<Member>> members() {
        return call(() -> message(Kind.MEMBER_LIST), reply -> {
            List<Member> members = new ArrayList<>();
            reply.pairs("rows").forEach(row -> members.add(Member.of(row.second)));
            return members;
        });
    }

    /** Of the node at the other end, whatever its role: a JSON object, as {@code vxc status -o json} prints it. */
    public CompletionStage<String> status() {
        return call(() -> message(Kind.STATUS), reply -> {
            byte[] json = reply.bytes("value");
            return json == null ? "{}" : Arguments.text(json);
        });
    }

    /** Hands the primaryship to a member; 0 = to the best there is. Within a session or not: nothing is sent twice. */
    public CompletionStage<Void> transferPrimary(long memberId) {
        return done(() -> message(Kind.MEMBER_TRANSFER, memberId));
    }

    /** All sessions, as {@link VxcMap#keys}. */
    public CompletionStage<List<SessionInfo>> sessions() {
        return Pages.all(cursor -> page(() -> message(Kind.SESSION_LIST, cursor, 0L)),
                entry -> SessionInfo.of(entry.value()));
    }

    /** Ends a session as if its client had been silent for too long; whether there was one. */
    public CompletionStage<Boolean> expireSession(long session) {
        return truth(() -> message(Kind.SESSION_EXPIRE, session));
    }
}
