package io.bop.vxc.vertx.data;

import java.io.Serializable;
import java.util.concurrent.atomic.AtomicInteger;

/** Counts the code of classes that runs. */
final class Initialized {
    static final AtomicInteger COUNT = new AtomicInteger();

    private Initialized() {
    }

    static final class Gadget implements Serializable {
        private static final long serialVersionUID = 1;

        static {
            COUNT.incrementAndGet();
        }

        private Object readResolve() {
            COUNT.incrementAndGet();
            return "resolved";
        }
    }

    public static final class Plain {
        static {
            COUNT.incrementAndGet();
        }

        public Plain() {
            COUNT.incrementAndGet();
        }
    }
}
