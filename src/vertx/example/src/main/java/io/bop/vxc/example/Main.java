package io.bop.vxc.example;

import io.bop.vxc.VxcError;
import io.bop.vxc.VxcException;
import io.bop.vxc.vertx.BopClusterManager;
import io.bop.vxc.vertx.config.ConfigException;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.spi.cluster.NodeListener;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Joins the cluster, runs a {@link Greeter} and a {@link Caller}, and tells what happens. */
public final class Main {
    private static final int FAILED = 1;
    private static final int USAGE = 2;
    private static final int NO_SERVER = 3;
    private static final long END_S_MAX = 10;
    private static final long LEADER_WAIT_MS = TimeUnit.DAYS.toMillis(365); // it may be a long reign
    private static final long ONCE_LEADER_WAIT_MS = 500;

    private final BopClusterManager manager;
    private final String node;
    private final boolean once;

    private Main(Options options) {
        manager = new BopClusterManager(options.config());
        node = nameOf(manager.getNodeId());
        once = options.once();
    }

    public static void main(String[] arguments) {
        System.setProperty("java.util.logging.SimpleFormatter.format", "%4$s %5$s%6$s%n"); // one line per event
        try {
            Options options = Options.parse(arguments);
            if (options.help()) {
                System.out.println(Options.HELP);
                return;
            }
            new Main(options).run();
        } catch (Options.UsageException e) {
            fail(USAGE, e.getMessage() + "; --help shows what there is");
        }
    }

    private void run() {
        Vertx.builder().withClusterManager(manager).buildClustered()
                .onFailure(Main::failToJoin)
                .onSuccess(vertx -> {
                    listenToNodes();
                    say("joined the cluster, " + manager.getNodes().size() + " nodes");
                    start(vertx).onFailure(failure -> fail(FAILED, failure.getMessage()));
                });
    }

    private void listenToNodes() {
        manager.nodeListener(new NodeListener() {
            @Override
            public void nodeAdded(String id) {
                say(nameOf(id) + " has joined, " + manager.getNodes().size() + " nodes");
            }

            @Override
            public void nodeLeft(String id) {
                say(nameOf(id) + " has left, " + manager.getNodes().size() + " nodes");
            }
        });
    }

    private Future<?> start(Vertx vertx) {
        Caller caller = new Caller(node, once ? ONCE_LEADER_WAIT_MS : LEADER_WAIT_MS, this::say);
        Future<String> deployed = vertx.deployVerticle(new Greeter(node)).compose(id -> vertx.deployVerticle(caller));
        if (once) {
            return deployed
                    .compose(id -> caller.lead().otherwiseEmpty()) // another one leads
                    .compose(done -> caller.round())
                    .compose(done -> vertx.close());
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> leave(vertx), "leave"));
        return deployed.onSuccess(id -> caller.callForEver());
    }

    /** On Ctrl-C: the others hear at once that this node is gone, and its lock is free. */
    private void leave(Vertx vertx) {
        try {
            vertx.close().await(END_S_MAX, TimeUnit.SECONDS);
            say("left the cluster");
        } catch (TimeoutException e) {
            say("cannot leave in " + END_S_MAX + " s; the cluster will notice by itself");
        }
    }

    private void say(String what) {
        System.out.println(node + "  " + what);
    }

    /** The first letters of a node's id, as vxc node list shows it. */
    private static String nameOf(String id) {
        return id.substring(0, Math.min(id.length(), 8));
    }

    private static void failToJoin(Throwable failure) {
        if (failure instanceof ConfigException) {
            fail(USAGE, failure.getMessage());
        }
        fail(isUnreached(failure.getCause()) ? NO_SERVER : FAILED, failure.getMessage());
    }

    private static boolean isUnreached(Throwable cause) {
        return cause instanceof VxcException && ((VxcException) cause).error() == VxcError.ECLOSED;
    }

    private static void fail(int status, String message) {
        System.err.println("example: " + message);
        System.exit(status);
    }
}
