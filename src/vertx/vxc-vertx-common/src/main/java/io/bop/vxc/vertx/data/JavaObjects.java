package io.bop.vxc.vertx.data;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InvalidClassException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.ObjectStreamClass;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.concurrent.TimeUnit;

/**
 * Java serialization behind an allow-list, which every class of a stream has to be on, at writing as at reading, before
 * it is loaded. Bounds of depth, references and array lengths go to the JDK's own filter (Java 9, and Java 8 since its
 * update 121); without one nothing is read.
 */
final class JavaObjects {
    /** Objects within objects; a superclass with fields counts as one too. */
    static final int DEPTH_MAX = 20;
    /** Objects and references to them in one value. */
    static final int REFERENCES_MAX = 1_000_000;
    /**
     * Elements of an array: as many as the value has bytes, for each takes one at least, so that a header cannot claim
     * memory that its value does not fill; but what an empty collection sets aside is always granted.
     */
    static final int ARRAY_LENGTH_GRANTED = 64;
    /**
     * Milliseconds of reading one value. Hashing sets that share their elements, which are such sets, takes width^depth
     * steps. The clock is looked at before each element, and adding one takes no longer than building it did.
     */
    static final int READ_MS_MAX = 5000;

    private final AllowList allowed;
    private final int readMsMax;

    JavaObjects(AllowList allowed) {
        this(allowed, READ_MS_MAX);
    }

    JavaObjects(AllowList allowed, int readMsMax) {
        this.allowed = allowed;
        this.readMsMax = readMsMax;
    }

    byte[] write(Object value) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (Output output = new Output(bytes)) {
            output.writeObject(value);
        }
        byte[] written = bytes.toByteArray();
        read(written); // what is too deep or large, or refuses itself, fails now rather than in whoever reads it
        return written;
    }

    Object read(byte[] bytes) throws Exception {
        try (Input input = new Input(new TimedInput(bytes, readMsMax))) {
            Filter.set(input, "maxdepth=" + DEPTH_MAX + ";maxrefs=" + REFERENCES_MAX + ";maxarray="
                    + Math.max(bytes.length, ARRAY_LENGTH_GRANTED));
            return input.readObject();
        } catch (InvalidClassException e) {
            if (e.classname == null && String.valueOf(e.getMessage()).contains("REJECTED")) {
                throw new ValueException("a serialized object exceeds a bound: depth " + DEPTH_MAX + ", "
                        + REFERENCES_MAX + " references, arrays no longer than its bytes, or the JVM's own filter", e);
            }
            throw e;
        }
    }

    private void check(String className, String verb) {
        if (!allowed.allows(className)) {
            throw new ValueException(AllowList.elementOf(className) + " may not be " + verb
                    + ": add it to serialization.allow in vxc.json, or make it a ClusterSerializable");
        }
    }

    private final class Output extends ObjectOutputStream {
        Output(OutputStream out) throws IOException {
            super(out);
        }

        @Override
        protected void annotateClass(Class<?> type) {
            check(type.getName(), "serialized");
        }

        @Override
        protected void annotateProxyClass(Class<?> type) {
            throw new ValueException("a dynamic proxy may not be serialized");
        }
    }

    private final class Input extends ObjectInputStream {
        Input(InputStream in) throws IOException {
            super(in);
        }

        @Override
        protected Class<?> resolveClass(ObjectStreamClass description) throws ClassNotFoundException {
            check(description.getName(), "deserialized");
            return Classes.load(description.getName());
        }

        @Override
        protected Class<?> resolveProxyClass(String[] interfaces) {
            throw new ValueException("a dynamic proxy may not be deserialized");
        }
    }

    /** Read in bulk at least once for each object and reference. */
    private static final class TimedInput extends ByteArrayInputStream {
        private final int limitMs;
        private final long endNs;

        TimedInput(byte[] bytes, int limitMs) {
            super(bytes);
            this.limitMs = limitMs;
            endNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(limitMs);
        }

        @Override
        public synchronized int read(byte[] target, int at, int size) {
            if (System.nanoTime() - endNs > 0) {
                throw new ValueException("a serialized object takes more than " + limitMs + " ms to read");
            }
            return super.read(target, at, size);
        }
    }

    /** The JDK's filter of streams, which Java 8 has under another name and does not let us compile against. */
    private static final class Filter {
        private static final Method CREATE;
        private static final Method SET;

        static {
            Method create = null;
            Method set = null;
            try {
                Class<?> type = Class.forName("java.io.ObjectInputFilter");
                create = Class.forName("java.io.ObjectInputFilter$Config").getMethod("createFilter", String.class);
                set = ObjectInputStream.class.getMethod("setObjectInputFilter", type);
            } catch (ReflectiveOperationException newer) {
                try {
                    Class<?> type = Class.forName("sun.misc.ObjectInputFilter");
                    Class<?> config = Class.forName("sun.misc.ObjectInputFilter$Config");
                    create = config.getMethod("createFilter", String.class);
                    set = config.getMethod("setObjectInputFilter", ObjectInputStream.class, type);
                } catch (ReflectiveOperationException older) {
                    // told by set
                }
            }
            CREATE = create;
            SET = set;
        }

        static void set(ObjectInputStream input, String bounds) throws ReflectiveOperationException {
            if (SET == null) {
                throw new ValueException("this JVM cannot bound what it deserializes: update it (Java 8u121 or later)");
            }
            try {
                Object filter = CREATE.invoke(null, bounds);
                if (SET.getParameterCount() == 1) {
                    SET.invoke(input, filter);
                } else {
                    SET.invoke(null, input, filter);
                }
            } catch (InvocationTargetException e) {
                throw new ValueException("the JVM's serialization filter refuses bounds: " + e.getCause(), e);
            }
        }
    }
}
