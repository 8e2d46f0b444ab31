package io.bop.vxc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bop.vxc.wire.Kind;
import io.bop.vxc.wire.Message;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class AdmissionTest {
    private final List<ClientCall<?>> started = new ArrayList<>();

    private static ClientCall<Void> call(int size) {
        Message put = new Message(Kind.MAP_PUT, new byte[0], new byte[0], new byte[size], 0L, false);
        return new ClientCall<>(null, put, 1000, false, reply -> null);
    }

    private static List<ClientCall<?>> enter(Admission admission, int count) {
        List<ClientCall<?>> calls = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            calls.add(call(1));
            admission.enter(calls.get(i));
        }
        return calls;
    }

    @Test
    void withoutAQueueOneTooManyIsBusy() {
        Admission admission = new Admission(0, started::add);
        enter(admission, Limits.PENDING_MAX);
        VxcException busy = assertThrows(VxcException.class, () -> admission.enter(call(1)));
        assertEquals(VxcError.EBUSY, busy.error());
        admission.leave(started.get(0));
        admission.enter(call(1));
        assertEquals(Limits.PENDING_MAX + 1, started.size());
    }

    @Test
    void whatWaitsIsStartedInOrder() {
        Admission admission = new Admission(100, started::add);
        List<ClientCall<?>> calls = enter(admission, Limits.PENDING_MAX + 100);
        assertEquals(Limits.PENDING_MAX, started.size());
        VxcException busy = assertThrows(VxcException.class, () -> admission.enter(call(1)));
        assertTrue(busy.getMessage().contains("and 100 wait"), busy.getMessage());
        for (int i = 0; i < 100; i++) {
            admission.leave(calls.get(i));
        }
        assertEquals(calls, started);
    }

    @Test
    void bytesAreBoundedToo() {
        Admission admission = new Admission(1000, started::add);
        int size = 8 << 20;
        for (int i = 0; i < 14; i++) { // 7 of them and their heads are under way, 7 wait
            admission.enter(call(size));
        }
        assertEquals(7, started.size());
        assertThrows(VxcException.class, () -> admission.enter(call(size)));
        admission.leave(started.get(0));
        assertEquals(8, started.size());
    }
}
