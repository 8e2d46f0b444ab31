package io.bop.vxc.vertx.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.vertx.core.buffer.Buffer;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import org.junit.jupiter.api.Test;

/** The older interface, which Vert.x 4 alone has. */
class LegacyClusterObjectTest {
    @SuppressWarnings("deprecation")
    public static final class Legacy implements io.vertx.core.shareddata.impl.ClusterSerializable {
        private String text = "";

        @Override
        public void writeToBuffer(Buffer buffer) {
            buffer.appendString(text);
        }

        @Override
        public int readFromBuffer(int at, Buffer buffer) {
            text = buffer.getString(at, buffer.length());
            return buffer.length();
        }
    }

    @Test
    void itIsWrittenAndRead() {
        Values values = new Values(AllowList.of(Collections.emptyList()));
        Legacy legacy = new Legacy();
        legacy.text = "old";
        byte[] bytes = values.encode(legacy);
        assertEquals("k:" + Legacy.class.getName() + "\0old", new String(bytes, StandardCharsets.UTF_8));
        Object back = values.decode(bytes);
        assertSame(Legacy.class, back.getClass());
        assertEquals("old", ((Legacy) back).text);
    }
}
