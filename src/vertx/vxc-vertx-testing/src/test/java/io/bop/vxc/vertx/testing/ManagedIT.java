package io.bop.vxc.vertx.testing;

import static io.bop.vxc.testing.Wait.of;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.VxcClient;
import io.bop.vxc.VxcOptions;
import io.bop.vxc.testing.SharedVxcd;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.runner.Description;
import org.junit.runners.model.Statement;

/** What is asserted of suites can fail, and passes when it should. */
class ManagedIT {
    /** Joins as a manager does. */
    private static class Joining {
        final String id = UUID.randomUUID().toString();
        private final VxcClient client;

        Joining(Map<String, Object> configuration) {
            client = VxcClient.create(new VxcOptions((String) configuration.get("endpoints"))
                    .namespace((String) configuration.get("namespace")));
        }

        Joining join() {
            client.openSession(10_000);
            of(client.nodes().join(id, new byte[0]));
            return this;
        }
    }

    /** Another class. */
    private static final class Fake extends Joining {
        Fake(Map<String, Object> configuration) {
            super(configuration);
        }
    }

    private final List<Joining> made = new ArrayList<>();
    private final Managed<Joining> managed = new Managed<>(Joining.class, this::made, joining -> joining.id);

    private Joining made(Map<String, Object> configuration) {
        made.add(new Joining(configuration));
        return made.get(made.size() - 1);
    }

    private void close() {
        made.forEach(joining -> joining.client.close());
    }

    private void run(Managed<Joining> around, Runnable method) throws Throwable {
        try {
            around.apply(new Statement() {
                @Override
                public void evaluate() {
                    method.run();
                }
            }, Description.EMPTY).evaluate();
        } finally {
            close();
        }
    }

    private String failure(Managed<Joining> around, Runnable method) {
        return assertThrows(AssertionError.class, () -> run(around, method)).getMessage();
    }

    @Test
    void managersThatJoinedAndLeftPassHoweverSoonTheyLeft() throws Throwable {
        run(managed, () -> {
            managed.manager().join();
            managed.manager().join();
            close();
        });
    }

    @Test
    void eachRunHasANamespaceOfItsOwn() throws Throwable {
        List<String> namespaces = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            run(managed, () -> {
                namespaces.add(managed.namespace());
                managed.manager().join();
                close();
            });
        }
        assertNotEquals(namespaces.get(0), namespaces.get(1));
    }

    @Test
    void aMethodThatAsksForNoManagerFails() {
        assertTrue(failure(managed, () -> { }).contains("asked for no manager"));
    }

    @Test
    void aManagerThatTheServerNeverSawFails() {
        assertTrue(failure(managed, () -> {
            managed.manager().join();
            managed.manager();
            close();
        }).contains(made.get(1).id));
    }

    @Test
    void aManagerOfAnotherClassFails() {
        Managed<Joining> faked = new Managed<>(Joining.class, configuration -> {
            made.add(new Fake(configuration));
            return made.get(0);
        }, joining -> joining.id);
        assertTrue(failure(faked, () -> {
            faked.manager().join();
            close();
        }).endsWith("Fake"));
    }

    @Test
    void aNodeThatStaysFails() {
        String failure = failure(managed, () -> managed.manager().join());
        assertTrue(failure.contains("members still") && failure.contains(made.get(0).id), failure);
    }

    @Test
    void nodesOfOtherJvmsAreCounted() throws Throwable {
        Runnable method = () -> {
            managed.manager().join();
            Map<String, Object> configuration = new HashMap<>();
            configuration.put("endpoints", SharedVxcd.endpoint());
            configuration.put("namespace", managed.namespace());
            made(configuration).join();
            close();
        };
        assertTrue(failure(managed, method).contains("and 0 others"));
        run(managed.withOthers(1), method);
    }

    @Test
    void theFailureOfAMethodIsToldAndNothingElse() {
        assertEquals("its own", failure(managed, () -> {
            throw new AssertionError("its own");
        }));
    }
}
