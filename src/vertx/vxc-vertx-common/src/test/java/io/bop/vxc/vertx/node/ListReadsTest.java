package io.bop.vxc.vertx.node;

import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.vertx.core.spi.cluster.RegistrationInfo;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ListReadsTest {
    private final ListReads reads = new ListReads();
    private final List<RegistrationInfo> older = new ArrayList<>();
    private final List<RegistrationInfo> newer = new ArrayList<>();

    @Test
    void aReplyBehindAnEventIsOlder() {
        reads.begins("address");
        reads.told("address", new ArrayList<>());
        reads.told("address", newer);
        assertSame(newer, reads.ends("address", older));
    }

    @Test
    void whatWasToldBeforeOrOfOthersIsNoMatter() {
        reads.told("address", older);
        reads.begins("address");
        reads.told("other", older);
        assertSame(newer, reads.ends("address", newer));
        reads.begins("address");
        assertSame(newer, reads.ends("address", newer));
    }

    @Test
    void eachReadOfAnAddressIsAnswered() {
        reads.begins("address");
        reads.begins("address");
        reads.told("address", newer);
        assertNull(reads.ends("address", null), "it has failed");
        assertSame(newer, reads.ends("address", older));
        reads.begins("address");
        assertSame(older, reads.ends("address", older), "that is over");
    }

    @Test
    void behindAGapTheReplyIsNewer() {
        reads.begins("address");
        reads.told("address", older);
        reads.missed();
        assertSame(newer, reads.ends("address", newer));
    }
}
