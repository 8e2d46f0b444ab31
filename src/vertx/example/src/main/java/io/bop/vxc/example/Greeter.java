package io.bop.vxc.example;

import io.vertx.core.Future;
import io.vertx.core.VerticleBase;

/** Answers who calls. Every instance of the program has one, and the event bus takes turns with all of them. */
public final class Greeter extends VerticleBase {
    static final String ADDRESS = "greeter";

    private final String node;

    Greeter(String node) {
        this.node = node;
    }

    @Override
    public Future<?> start() {
        return vertx.eventBus()
                .<String>consumer(ADDRESS, call -> call.reply("hello " + call.body() + ", this is " + node))
                .completion();
    }
}
