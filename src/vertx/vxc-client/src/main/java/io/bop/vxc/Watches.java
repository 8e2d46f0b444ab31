package io.bop.vxc;

import io.bop.vxc.wire.Message;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Which listener hears of which watch. Used on the client's executor alone, so it sees replies and events in the order
 * of the stream.
 *
 * <p>Events of a watch may come before the answer that tells its id: a watch and a write of somebody else can share an
 * entry of the log. They are kept while an answer is open.
 */
final class Watches {
    private final Map<Long, WatchListener> listeners = new HashMap<>();
    private final List<WatchEvent> early = new ArrayList<>();
    private long missedIndex; // of an early one that was not kept, 0 = none
    private int opening;

    void opening() {
        opening++;
    }

    /** The answer has come: what came before it is told now. */
    void opened(long id, WatchListener listener) {
        listeners.put(id, listener);
        for (WatchEvent event : early) {
            if (event.watch() == id) {
                listener.event(event);
            }
        }
        if (missedIndex != 0) {
            listener.resync(missedIndex);
        }
        answered();
    }

    void refused() {
        answered();
    }

    private void answered() {
        opening--;
        if (opening == 0) {
            early.clear();
            missedIndex = 0;
        }
    }

    void closed(long id) {
        listeners.remove(id);
    }

    void event(Message message) {
        WatchEvent event = new WatchEvent(message);
        WatchListener listener = listeners.get(event.watch());
        if (listener != null) {
            listener.event(event);
        } else if (opening > 0 && early.size() < Limits.EARLY_EVENTS_MAX) {
            early.add(event);
        } else if (opening > 0) {
            missedIndex = event.index();
        }
    }

    void resync(long index) {
        new ArrayList<>(listeners.values()).forEach(listener -> listener.resync(index));
    }

    void lost(String reason) {
        List<WatchListener> all = new ArrayList<>(listeners.values());
        listeners.clear();
        all.forEach(listener -> listener.lost(reason));
    }
}
