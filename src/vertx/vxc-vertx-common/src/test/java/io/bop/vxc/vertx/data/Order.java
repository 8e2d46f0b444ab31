package io.bop.vxc.vertx.data;

import java.io.Serializable;
import java.util.Objects;

/** A value of somebody's own. */
public final class Order implements Serializable {
    private static final long serialVersionUID = 1;

    public enum Status { OPEN, SHIPPED }

    private final String article;
    private final Status status;

    public Order(String article, Status status) {
        this.article = article;
        this.status = status;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Order && ((Order) other).article.equals(article) && ((Order) other).status == status;
    }

    @Override
    public int hashCode() {
        return Objects.hash(article, status);
    }
}
