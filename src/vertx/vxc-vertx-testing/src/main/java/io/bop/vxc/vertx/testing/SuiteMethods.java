package io.bop.vxc.vertx.testing;

import java.io.IOException;
import java.lang.reflect.AnnotatedElement;
import java.lang.reflect.Method;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.Ignore;
import org.junit.Test;
import org.junit.jupiter.api.Disabled;

/** What a suite has to run, of JUnit 4 or 5, by reflection. */
public final class SuiteMethods {
    private SuiteMethods() {
    }

    /**
     * The names of all that run.
     *
     * @throws AssertionError when one is ignored
     */
    public static List<String> run(Class<?> suite) {
        List<Method> tests = tests(suite.getMethods()).collect(Collectors.toList());
        List<String> ignored = tests.stream().filter(SuiteMethods::isIgnored).map(Method::toString)
                .collect(Collectors.toList());
        if (isIgnored(suite) || !ignored.isEmpty()) {
            throw new AssertionError(suite + " ignores " + (isIgnored(suite) ? "all" : ignored.toString()));
        }
        return tests.stream().map(Method::getName).collect(Collectors.toList());
    }

    /** Those that the suite itself has, which upstream's class has too or not. */
    public static List<String> declared(Class<?> suite) {
        Set<String> upstream = tests(suite.getSuperclass().getMethods()).map(Method::getName)
                .collect(Collectors.toSet());
        return Arrays.stream(suite.getDeclaredMethods())
                .filter(method -> isTest(method) || upstream.contains(method.getName()))
                .map(Method::getName).collect(Collectors.toList());
    }

    /** The simple names of all suites in the package of this one. */
    public static Set<String> suitesBeside(Class<?> suite) {
        try {
            Path folder = Paths.get(suite.getResource(suite.getSimpleName() + ".class").toURI()).getParent();
            try (Stream<Path> files = Files.list(folder)) {
                return files.map(file -> file.getFileName().toString()).filter(name -> name.endsWith("Test.class"))
                        .map(name -> name.substring(0, name.length() - ".class".length())).collect(Collectors.toSet());
            }
        } catch (URISyntaxException | IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Stream<Method> tests(Method[] methods) {
        return Arrays.stream(methods).filter(SuiteMethods::isTest);
    }

    private static boolean isTest(Method method) {
        return method.isAnnotationPresent(Test.class)
                || method.isAnnotationPresent(org.junit.jupiter.api.Test.class);
    }

    private static boolean isIgnored(AnnotatedElement element) {
        return element.isAnnotationPresent(Ignore.class) || element.isAnnotationPresent(Disabled.class);
    }
}
