package io.bop.vxc.wire;

/** A state-sync operation with its fields, in the order of the wire. */
final class Sync {
    final SyncOperation operation;
    final Object[] values;

    Sync(SyncOperation operation, Object[] values) {
        this.operation = operation;
        this.values = values;
    }
}
