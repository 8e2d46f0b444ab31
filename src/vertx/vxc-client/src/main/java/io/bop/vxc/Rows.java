package io.bop.vxc;

/** What a scan gives. */
public enum Rows {
    KEYS(1),
    VALUES(2),
    ENTRIES(3);

    final long number;

    Rows(long number) {
        this.number = number;
    }
}
