package io.bop.vxc;

import static io.bop.vxc.Arguments.name;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import io.bop.vxc.wire.Part;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;

/**
 * Who listens on which event-bus address of the namespace. A registration belongs to the session that added it and goes
 * with it; when the stage of an addition completes, every later read sees it. See {@link Handle} for how calls end.
 */
public final class VxcRegistrations extends Handle<VxcRegistrations> {
    VxcRegistrations(VxcClient client, long timeoutMs, boolean stale) {
        super(client, null, timeoutMs, stale);
    }

    @Override
    VxcRegistrations with(long timeoutMs, boolean stale) {
        return new VxcRegistrations(client, timeoutMs, stale);
    }

    /** This session owns it from now on, whoever did before. */
    public CompletionStage<Void> add(String address, Registration registration) {
        return done(() -> adding(address, registration));
    }

    /** Whether it was there; whoever owns it. */
    public CompletionStage<Boolean> remove(String address, String nodeId, long seq) {
        return truth(() -> message(Kind.REGISTRATION_REMOVE, name(address), name(nodeId), seq));
    }

    /** All of the address, in the order of adding. */
    public CompletionStage<List<Registration>> get(String address) {
        return call(() -> message(Kind.REGISTRATION_GET, name(address)), reply -> Registration.of(reply.pairs("rows")));
    }

    /**
     * The whole own set, by address: what the session has beyond it is removed, what is missing is added, in one step.
     */
    public CompletionStage<Void> resync(Map<String, List<Registration>> own) {
        return done(() -> {
            List<Part> parts = new ArrayList<>();
            own.forEach((address, registrations) ->
                    registrations.forEach(registration -> parts.add(Part.of(adding(address, registration)))));
            return message(Kind.REGISTRATION_RESYNC, parts);
        });
    }

    /** All addresses of the namespace, as {@link VxcMap#keys}. */
    public CompletionStage<List<String>> addresses() {
        return Pages.all(cursor -> page(() -> message(Kind.REGISTRATION_LIST, cursor, 0L)),
                entry -> Arguments.text(entry.key()));
    }

    private static Message adding(String address, Registration registration) {
        return message(Kind.REGISTRATION_ADD, name(address), name(registration.nodeId()), registration.seq(),
                Arguments.value(registration.data()));
    }
}
