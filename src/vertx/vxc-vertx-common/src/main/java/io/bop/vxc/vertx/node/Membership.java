package io.bop.vxc.vertx.node;

import io.vertx.core.spi.cluster.NodeListener;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executor;

/**
 * Who is in the cluster, in the order of joining, and who is told of changes. All nodes see the same sequence of views,
 * and while a change is told, {@link #nodes} answers with the view of that change. Thread-safe; {@link #update} is
 * called in the order of the log.
 */
final class Membership {
    private final String self;
    private final Executor executor; // a listener may block for minutes: it redeploys what failed over
    private final ThreadLocal<List<String>> told = new ThreadLocal<>();
    private volatile List<String> view = Collections.emptyList();
    private volatile NodeListener listener;

    Membership(String self, Executor executor) {
        this.self = self;
        this.executor = executor;
    }

    void listener(NodeListener listener) {
        this.listener = listener;
    }

    /** Within a listener the view of what it is told, elsewhere the latest one. */
    List<String> nodes() {
        List<String> now = told.get();
        return now != null ? now : view;
    }

    /** The view after a change. A gap may hold several changes: the left are told before the new. */
    void update(List<String> next) {
        List<String> before = view;
        List<String> after = Collections.unmodifiableList(new ArrayList<>(next));
        view = after;
        for (String left : without(before, after)) {
            tell(after, target -> target.nodeLeft(left));
        }
        for (String added : without(after, before)) {
            tell(after, target -> target.nodeAdded(added));
        }
    }

    /** The own comings and goings are no news to the own Vert.x: it would fail over to itself. */
    private List<String> without(List<String> some, List<String> others) {
        Set<String> known = new HashSet<>(others);
        known.add(self);
        List<String> rest = new ArrayList<>(some);
        rest.removeIf(known::contains);
        return rest;
    }

    private interface Telling {
        void to(NodeListener target);
    }

    private void tell(List<String> after, Telling telling) {
        executor.execute(() -> {
            NodeListener target = listener;
            if (target == null) {
                return;
            }
            told.set(after);
            try {
                telling.to(target);
            } finally {
                told.remove();
            }
        });
    }
}
