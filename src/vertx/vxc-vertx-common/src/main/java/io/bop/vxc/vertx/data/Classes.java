package io.bop.vxc.vertx.data;

/** Where classes of values come from. */
final class Classes {
    private Classes() {
    }

    /** By the loader of the application, then by ours; not initialized: none of its code has run. */
    static Class<?> load(String name) throws ClassNotFoundException {
        ClassLoader context = Thread.currentThread().getContextClassLoader();
        if (context != null) {
            try {
                return Class.forName(name, false, context);
            } catch (ClassNotFoundException e) {
                // threads of a pool may have a loader that knows little
            }
        }
        return Class.forName(name, false, Classes.class.getClassLoader());
    }
}
