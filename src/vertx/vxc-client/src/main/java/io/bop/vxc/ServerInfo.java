package io.bop.vxc;

/** The node at the other end of the connection. Immutable. */
public final class ServerInfo {
    public static final ServerInfo UNKNOWN = new ServerInfo(0, new byte[0], "", false);

    private final long nodeId;
    private final byte[] clusterId;
    private final String version;
    private final boolean primary;

    public ServerInfo(long nodeId, byte[] clusterId, String version, boolean primary) {
        this.nodeId = nodeId;
        this.clusterId = clusterId;
        this.version = version;
        this.primary = primary;
    }

    /** The same node, in this role. */
    public ServerInfo as(boolean primary) {
        return new ServerInfo(nodeId, clusterId, version, primary);
    }

    public long nodeId() {
        return nodeId;
    }

    /** 16 bytes, the same for all nodes of a cluster. */
    public byte[] clusterId() {
        return clusterId.clone();
    }

    /** Of its program. */
    public String version() {
        return version;
    }

    public boolean isPrimary() {
        return primary;
    }
}
