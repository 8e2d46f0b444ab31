package io.bop.vxc.vertx.data;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.shareddata.ClusterSerializable;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Constructor;
import java.lang.reflect.Modifier;

/**
 * Objects that write and read themselves. Vert.x 4 has two interfaces for them, the newer one extending the older,
 * which Vert.x 5 lacks; so both methods are found in the widest interface that there is.
 */
final class ClusterObjects {
    private static final Class<?> TYPE = widest(ClusterSerializable.class);
    private static final MethodHandle WRITE = method("writeToBuffer", void.class, Buffer.class);
    private static final MethodHandle READ = method("readFromBuffer", int.class, int.class, Buffer.class);

    private ClusterObjects() {
    }

    private static Class<?> widest(Class<?> type) {
        Class<?>[] above = type.getInterfaces();
        return above.length == 0 ? type : widest(above[0]);
    }

    private static MethodHandle method(String name, Class<?> result, Class<?>... parameters) {
        try {
            return MethodHandles.publicLookup().findVirtual(TYPE, name, MethodType.methodType(result, parameters));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("this Vert.x has no " + TYPE.getName() + "." + name, e);
        }
    }

    static boolean accepts(Object value) {
        return TYPE.isInstance(value);
    }

    static byte[] write(Object value) throws Throwable {
        constructor(value.getClass()); // fails now rather than in whoever reads it
        Buffer buffer = Buffer.buffer();
        WRITE.invoke(value, buffer);
        return buffer.getBytes();
    }

    static Object read(String className, byte[] bytes) throws Throwable {
        Object value = constructor(Classes.load(className)).newInstance();
        int ignored = (int) READ.invoke(value, 0, Buffer.buffer(bytes)); // the whole is its own
        return value;
    }

    /** Nothing of the class has run when it is found unfit. */
    private static Constructor<?> constructor(Class<?> type) {
        if (!TYPE.isAssignableFrom(type)) {
            throw new ValueException(type.getName() + " is not a ClusterSerializable");
        }
        try {
            Constructor<?> constructor = type.getConstructor();
            int modifiers = type.getModifiers();
            if (Modifier.isPublic(modifiers) && !Modifier.isAbstract(modifiers)) {
                return constructor;
            }
        } catch (NoSuchMethodException e) {
            // told below
        }
        throw new ValueException(type.getName()
                + " could not be read back: make it a public class with a public constructor without parameters");
    }
}
