package io.bop.vxc.core;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** The locks that the session holds, as far as this client acquired them. */
final class Locks {
    static final class Held {
        final byte[] name;
        final long token;
        final long sequence; // of the acquire

        Held(byte[] name, long token, long sequence) {
            this.name = name;
            this.token = token;
            this.sequence = sequence;
        }
    }

    private final Map<Long, Held> byToken = new LinkedHashMap<>();

    void granted(byte[] name, long token, long sequence) {
        byToken.put(token, new Held(name, token, sequence));
    }

    /** Released by its token, or 0: whatever is held under that name. */
    void released(byte[] name, long token) {
        if (token != 0) {
            byToken.remove(token);
        } else {
            byToken.values().removeIf(held -> Arrays.equals(held.name, name));
        }
    }

    void canceled(long sequence) {
        byToken.values().removeIf(held -> held.sequence == sequence);
    }

    /** Takes all off. */
    Held[] takeAll() {
        Held[] all = byToken.values().toArray(new Held[0]);
        byToken.clear();
        return all;
    }
}
