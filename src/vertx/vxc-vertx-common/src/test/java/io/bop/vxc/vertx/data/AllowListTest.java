package io.bop.vxc.vertx.data;

import static java.util.Collections.emptyList;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AllowListTest {
    private static AllowList of(String... patterns) {
        return AllowList.of(Arrays.asList(patterns));
    }

    @Test
    void aClassIsThatClassAlone() {
        AllowList list = of("com.acme.Order");
        assertTrue(list.allows("com.acme.Order"));
        assertFalse(list.allows("com.acme.Order2"));
        assertFalse(list.allows("com.acme.Order$Status"));
        assertFalse(list.allows("com.acme.Order.Status"));
        assertFalse(list.allows("acme.Order"));
    }

    @Test
    void aPackageIsNotThoseBelowIt() {
        AllowList list = of("com.acme.*");
        assertTrue(list.allows("com.acme.Order"));
        assertTrue(list.allows("com.acme.Order$Status"));
        assertFalse(list.allows("com.acme.shop.Order"));
        assertFalse(list.allows("com.acmeOrder"));
        assertFalse(list.allows("com.acme2.Order"));
    }

    @Test
    void aTreeIsAllBelowIt() {
        AllowList list = of("com.acme.**");
        assertTrue(list.allows("com.acme.Order"));
        assertTrue(list.allows("com.acme.shop.Order"));
        assertFalse(list.allows("com.acme2.Order"));
        assertFalse(list.allows("com.Order"));
    }

    @Test
    void anArrayIsJudgedByItsElements() {
        AllowList list = of("com.acme.Order");
        assertTrue(list.allows("[[Lcom.acme.Order;"));
        assertTrue(list.allows("[[[I"));
        assertTrue(list.allows(String[].class.getName()));
        assertFalse(list.allows("[Lcom.acme.Other;"));
    }

    @Test
    void theJdkHasValuesButNoMachinery() {
        AllowList list = AllowList.of(emptyList());
        for (Class<?> type : new Class<?>[] {Integer.class, java.math.BigDecimal.class, java.util.UUID.class,
            java.time.Instant.class, java.util.ArrayList.class, java.net.URI.class, java.util.Date.class}) {
            assertTrue(list.allows(type.getName()), type.getName());
        }
        for (Class<?> type : new Class<?>[] {java.lang.invoke.SerializedLambda.class, java.net.URL.class, Class.class,
            java.rmi.server.UnicastRemoteObject.class, javax.management.BadAttributeValueExpException.class,
            java.util.PriorityQueue.class, java.io.File.class, java.lang.reflect.Proxy.class, Thread.class}) {
            assertFalse(list.allows(type.getName()), type.getName());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "*", "**", ".*", ".**", "com.*.Order", "com..acme", "com.acme.***",
        "com.acme.", ".acme", "[Lcom.acme.Order;", "com.acme.Or der", "com/acme/Order", "com.acme*",
        "com.acme.Order[]"})
    void whatIsNoPatternIsRefused(String pattern) {
        Exception e = assertThrows(IllegalArgumentException.class,
                () -> AllowList.of(Collections.singletonList(pattern)));
        assertEquals("\"" + pattern + "\" is not a class name; expected com.acme.Order, com.acme.* or com.acme.**",
                e.getMessage());
    }
}
