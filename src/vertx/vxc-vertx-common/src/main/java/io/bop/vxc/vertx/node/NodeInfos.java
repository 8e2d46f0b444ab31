package io.bop.vxc.vertx.node;

import io.vertx.core.VertxException;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonObject;
import io.vertx.core.spi.cluster.NodeInfo;

/** Where a node's event bus listens, as JSON: {@code {"host":"10.0.0.1","port":4711,"metadata":{…}}}. */
final class NodeInfos {
    private NodeInfos() {
    }

    static byte[] encode(NodeInfo info) {
        JsonObject json = new JsonObject().put("host", info.host()).put("port", info.port());
        if (info.metadata() != null) {
            json.put("metadata", info.metadata());
        }
        return json.toBuffer().getBytes();
    }

    static NodeInfo decode(String nodeId, byte[] bytes) {
        try {
            JsonObject json = new JsonObject(Buffer.buffer(bytes));
            return new NodeInfo(json.getString("host"), json.getInteger("port"), json.getJsonObject("metadata"));
        } catch (RuntimeException e) {
            throw new VertxException("the info of node " + nodeId + " is not one of Vert.x: " + e.getMessage(), e);
        }
    }
}
