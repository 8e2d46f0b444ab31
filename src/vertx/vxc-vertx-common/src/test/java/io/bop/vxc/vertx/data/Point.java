package io.bop.vxc.vertx.data;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.shareddata.ClusterSerializable;

/** Writes and reads itself. */
public class Point implements ClusterSerializable {
    private int x;
    private int y;

    public Point() {
    }

    public Point(int x, int y) {
        this.x = x;
        this.y = y;
    }

    @Override
    public void writeToBuffer(Buffer buffer) {
        buffer.appendInt(x).appendInt(y);
    }

    @Override
    public int readFromBuffer(int at, Buffer buffer) {
        x = buffer.getInt(at);
        y = buffer.getInt(at + 4);
        return at + 8;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Point && ((Point) other).x == x && ((Point) other).y == y;
    }

    @Override
    public int hashCode() {
        return 31 * x + y;
    }
}
