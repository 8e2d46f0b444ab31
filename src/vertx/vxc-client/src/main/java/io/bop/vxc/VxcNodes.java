package io.bop.vxc;

import static io.bop.vxc.Arguments.info;
import static io.bop.vxc.Arguments.name;

import io.bop.vxc.wire.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;

/**
 * The node registry of the namespace: who has joined, in which order, with what info. An entry belongs to the session
 * that joined and goes with it. See {@link Handle} for how calls end.
 */
public final class VxcNodes extends Handle<VxcNodes> {
    VxcNodes(VxcClient client, long timeoutMs, boolean stale) {
        super(client, null, timeoutMs, stale);
    }

    @Override
    VxcNodes with(long timeoutMs, boolean stale) {
        return new VxcNodes(client, timeoutMs, stale);
    }

    /** Joins under this id, which moves here if it had joined elsewhere; all node ids, in join order. */
    public CompletionStage<List<String>> join(String nodeId, byte[] info) {
        return join(nodeId, info, null);
    }

    /**
     * The same; the map of that name is emptied in the same step when nobody had joined before.
     *
     * @param mapToClearIfFirst {@code null} = none
     */
    public CompletionStage<List<String>> join(String nodeId, byte[] info, String mapToClearIfFirst) {
        return call(() -> message(Kind.NODE_JOIN, name(nodeId), info(info),
                        mapToClearIfFirst == null ? null : name(mapToClearIfFirst)),
                reply -> texts(reply.items("nodes")));
    }

    /** Sets the info of the node that this session joined as; at most 64 KiB. */
    public CompletionStage<Void> setInfo(byte[] info) {
        return done(() -> message(Kind.NODE_SET_INFO, info(info)));
    }

    /** Its info; {@code null} when it is no member or has none yet. */
    public CompletionStage<byte[]> get(String nodeId) {
        return bytes(() -> message(Kind.NODE_GET, name(nodeId)));
    }

    /** All node ids with their info, in join order. */
    public CompletionStage<Map<String, byte[]>> list() {
        return call(() -> message(Kind.NODE_LIST), reply -> {
            Map<String, byte[]> nodes = new LinkedHashMap<>();
            reply.pairs("rows").forEach(row -> nodes.put(Arguments.text(row.first), row.second));
            return nodes;
        });
    }

    /** Takes the node's registrations away, then the node; the session stays. */
    public CompletionStage<Boolean> leave() {
        return truth(() -> message(Kind.NODE_LEAVE));
    }

    static List<String> texts(List<byte[]> items) {
        List<String> texts = new ArrayList<>(items.size());
        items.forEach(item -> texts.add(Arguments.text(item)));
        return texts;
    }
}
