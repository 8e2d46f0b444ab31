package io.bop.vxc.vertx.testing;

import io.bop.vxc.testing.SharedVxcd;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.rules.TestRule;
import org.junit.runner.Description;
import org.junit.runners.model.Statement;

/**
 * A rule of JUnit 4 and an extension of JUnit 5 around each method of an upstream suite: gives it a namespace of its own
 * on the one server, makes a manager for each of its nodes, and when the method has passed asserts that
 *
 * <ul>
 *   <li>it asked for managers, and they are of the class under test and no other;
 *   <li>the server saw exactly the sessions that these managers joined with (upstream's jar has a manager that needs no
 *       server, and would find it if ours were not asked for);
 *   <li>none of these nodes is a member any more: closing a node takes it away at once.
 * </ul>
 *
 * @param <M> the manager
 */
public final class Managed<M> implements TestRule, BeforeEachCallback, AfterEachCallback {
    /**
     * The order of a rule within those of JUnit 4: inside upstream's own, so that each run of a method that is repeated
     * has a namespace of its own.
     */
    public static final int INNERMOST = Integer.MAX_VALUE;

    private final Class<M> type;
    private final Function<Map<String, Object>, M> factory;
    private final Function<M, String> nodeId;
    private int others;
    private final List<M> managers = new CopyOnWriteArrayList<>();
    private final List<Path> files = new CopyOnWriteArrayList<>();
    private String namespace;
    private Witness witness;

    /**
     * @param factory makes a manager from its configuration
     * @param nodeId of a manager that has joined
     */
    public Managed(Class<M> type, Function<Map<String, Object>, M> factory, Function<M, String> nodeId) {
        this.type = type;
        this.factory = factory;
        this.nodeId = nodeId;
    }

    /** So many nodes join that are not of this JVM. */
    public Managed<M> withOthers(int count) {
        others = count;
        return this;
    }

    /** A new manager, for one node of the method that runs. */
    public M manager() {
        Map<String, Object> configuration = new LinkedHashMap<>();
        configuration.put("endpoints", SharedVxcd.endpoint());
        configuration.put("namespace", namespace());
        // upstream's tests put objects of their own classes into maps
        configuration.put("serialization", Collections.singletonMap("allow", Collections.singletonList("io.vertx.**")));
        M manager = factory.apply(configuration);
        managers.add(manager);
        return manager;
    }

    /** What tells a JVM of its own where to find the method's namespace. */
    public List<String> systemProperties() {
        try {
            Path file = Files.createTempFile("vxc-", ".json");
            files.add(file);
            Files.write(file, ("{\"namespace\": \"" + namespace() + "\"}").getBytes(StandardCharsets.UTF_8));
            return Arrays.asList("-Dvxc.endpoints=" + SharedVxcd.endpoint(), "-Dvxc.config=" + file);
        } catch (IOException e) {
            throw new UncheckedIOException("no configuration can be written", e);
        }
    }

    /** Of the method that runs. */
    public String namespace() {
        return Objects.requireNonNull(namespace, "managers are made while a test method runs");
    }

    @Override
    public Statement apply(Statement base, Description description) {
        return new Statement() {
            @Override
            public void evaluate() throws Throwable {
                begin();
                try {
                    base.evaluate();
                    verify();
                } finally {
                    end();
                }
            }
        };
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        begin();
    }

    @Override
    public void afterEach(ExtensionContext context) {
        try {
            if (!context.getExecutionException().isPresent()) {
                verify();
            }
        } finally {
            end();
        }
    }

    private void begin() {
        namespace = UUID.randomUUID().toString();
        witness = new Witness(SharedVxcd.endpoint(), namespace);
    }

    private void end() {
        witness.close();
        managers.clear();
        files.forEach(file -> file.toFile().delete());
        files.clear();
        namespace = null;
    }

    private void verify() {
        if (managers.isEmpty()) {
            throw new AssertionError("the test asked for no manager: what did it run on?");
        }
        for (M manager : managers) {
            if (manager.getClass() != type) {
                throw new AssertionError("the test ran on a " + manager.getClass().getName());
            }
        }
        Set<String> ids = managers.stream().map(nodeId).collect(Collectors.toSet());
        List<String> joined = witness.joined();
        if (!joined.containsAll(ids) || joined.size() != ids.size() + others) {
            throw new AssertionError("the managers are " + ids + ", and " + others + " others; the server saw " + joined);
        }
        Set<String> left = new HashSet<>(witness.present());
        left.retainAll(ids);
        if (!left.isEmpty()) {
            throw new AssertionError("nodes are closed, and members still: " + left);
        }
    }
}
