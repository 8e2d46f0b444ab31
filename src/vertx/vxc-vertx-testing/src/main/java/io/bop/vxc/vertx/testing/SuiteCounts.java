package io.bop.vxc.vertx.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Upstream's suites run whole: as many methods as upstream has, none ignored, none rewritten. */
public abstract class SuiteCounts {
    private final int ofAll;
    private final Class<?> ssl;
    private final Class<?> locks;
    private final Map<Class<?>, Integer> suites;

    /**
     * @param ofAll methods without SSL, which no manager's own build runs
     * @param ssl the suite that has it
     * @param locks the suite with the two tests that upstream ignores
     * @param suites how many methods each has
     */
    protected SuiteCounts(int ofAll, Class<?> ssl, Class<?> locks, Map<Class<?>, Integer> suites) {
        this.ofAll = ofAll;
        this.ssl = ssl;
        this.locks = locks;
        this.suites = suites;
    }

    @Test
    void everyMethodRuns() {
        Map<Class<?>, Integer> run = new LinkedHashMap<>();
        suites.keySet().forEach(suite -> run.put(suite, SuiteMethods.run(suite).size()));
        assertEquals(suites, run);
        assertEquals(ofAll + run.get(ssl), run.values().stream().mapToInt(Integer::intValue).sum());
    }

    @Test
    void onlyTheTwoLockTestsThatUpstreamIgnoresAreOverridden() {
        Map<String, Object> overridden = new TreeMap<>();
        suites.keySet().forEach(suite -> SuiteMethods.declared(suite)
                .forEach(method -> overridden.put(method, suite)));
        assertEquals(new TreeMap<>(Arrays.asList("testLockReleasedForClosedNode", "testLockReleasedForKilledNode").stream()
                .collect(Collectors.toMap(method -> method, method -> locks))), overridden);
    }

    @Test
    void allSuitesAreCounted() {
        assertEquals(suites.keySet().stream().map(Class::getSimpleName).collect(Collectors.toSet()),
                SuiteMethods.suitesBeside(locks));
    }
}
