package io.bop.vxc.vertx.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.SessionInfo;
import io.bop.vxc.VxcClient;
import io.bop.vxc.testing.Vxcd;
import io.bop.vxc.testing.Wait;
import io.vertx.core.spi.cluster.NodeListener;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Who is in the cluster, what the others are told of him, and what he leaves behind. */
public abstract class Members extends Scenario {
    private static final String HA_INFO = "__vertx.haInfo"; // where Vert.x keeps who is to fail over what

    private Vxcd server;

    @BeforeEach
    void begin() {
        server = alone();
    }

    private Node join() {
        return join(config(server));
    }

    private static Map<String, String> haInfo(Node node) {
        return node.manager.getSyncMap(HA_INFO);
    }

    @Test
    void theEventBusListensWhereTheServerWasReachedFrom() {
        Node node = join();
        assertEquals("127.0.0.1", node.manager.clusterHost());
        assertEquals("127.0.0.1", node.manager.getNodeInfo().host());
        Node other = join(config(server).put("clusterHost", "localhost").put("clusterPublicHost", "127.0.0.1"));
        assertEquals("localhost", other.manager.clusterHost());
        assertEquals("127.0.0.1", other.manager.getNodeInfo().host());
    }

    @Test
    void allAreToldTheSameWithTheSameView() {
        Node first = join();
        Node second = join();
        List<String> firstHeard = listen(first);
        List<String> secondHeard = listen(second);
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Node third = Node.joined(config(server));
            expected.add("+" + Arrays.asList(first.id(), second.id(), third.id()));
            expected.add("-" + Arrays.asList(first.id(), second.id()));
            third.close();
        }
        Wait.until("all of it was heard", () -> firstHeard.size() == expected.size()
                && secondHeard.size() == expected.size());
        assertEquals(expected, firstHeard);
        assertEquals(expected, secondHeard);
    }

    /** Each event with what getNodes says meanwhile. */
    private static List<String> listen(Node node) {
        List<String> heard = new CopyOnWriteArrayList<>();
        node.manager.nodeListener(new NodeListener() {
            @Override
            public void nodeAdded(String id) {
                heard.add("+" + node.manager.getNodes());
            }

            @Override
            public void nodeLeft(String id) {
                heard.add("-" + node.manager.getNodes());
            }
        });
        return heard;
    }

    @Test
    void whatIsLeftToFailOverIsForgottenWithTheLastNode() {
        Node first = join();
        haInfo(first).put("dead", "{}");
        join();
        assertEquals(Collections.singletonMap("dead", "{}"), haInfo(first));
        closeNodes();
        assertTrue(haInfo(join()).isEmpty());
    }

    private void closeNodes() {
        try {
            closeAll();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
        server = alone();
    }

    @Test
    void aNodeThatComesBackTellsWhatToFailOverForIt() {
        Node first = join();
        Node second = join();
        haInfo(first).put(first.id(), "{\"verticles\":[]}");
        haInfo(second).remove(first.id()); // as one does that fails it over
        expire(first);
        Wait.until("it is gone", () -> second.heard("left", first));
        Wait.until("it is back", () -> second.heard("added", first));
        Wait.until("its entry is back", () -> haInfo(second).containsKey(first.id()));
        haInfo(first).remove(first.id());
        expire(first);
        Wait.until("it is back again", () -> second.news.stream().filter(("added " + first.id())::equals).count() == 2);
        first.put("map", "key", "value"); // behind all that it does when it comes back
        assertFalse(haInfo(second).containsKey(first.id()));
    }

    private void expire(Node node) {
        VxcClient client = client(server.endpoint());
        SessionInfo session = Wait.of(client.cluster().sessions()).stream()
                .filter(each -> each.nodeId().equals(node.id())).findFirst().orElseThrow(AssertionError::new);
        assertTrue(Wait.of(client.cluster().expireSession(session.session())));
    }

    @Test
    void whatIsLocalStaysSo() {
        Node here = join();
        Node there = join();
        here.consume("shared");
        here.vertx.eventBus().<String>localConsumer("local", message -> message.reply("local"));
        assertEquals("local", here.ask("local"));
        failure(there.asking("local"), SLACK_MS, "No handlers");
        assertEquals(Collections.singletonList("shared"), Wait.of(client(server.endpoint()).registrations().addresses()));
    }
}
