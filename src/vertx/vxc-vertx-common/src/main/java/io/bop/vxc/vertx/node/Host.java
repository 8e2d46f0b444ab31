package io.bop.vxc.vertx.node;

import io.vertx.core.spi.cluster.RegistrationUpdateEvent;

/** The Vert.x that a node is part of, as far as the generations differ. Called on the node's threads. */
public interface Host {
    /** All registrations of an address as they are now. */
    void registrationsUpdated(RegistrationUpdateEvent event);

    /** What was told of registrations may be outdated. */
    void registrationsLost();

    /** Does the event bus keep the registrations of that address? */
    boolean wantsUpdatesFor(String address);

    /** Ends the whole Vert.x: its place in the cluster is lost, and the policy says so. */
    void closeVertx();

    Log log();
}
