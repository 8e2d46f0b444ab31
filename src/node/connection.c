#include "node/connection.h"

#include "base/limits.h"
#include "base/memory.h"

#include <pthread.h>
#include <string.h>

struct vxc_connection {
    struct vxc_letter letter;    /* first: the mailbox hands it back */
    struct vxc_mailbox *mailbox; /* kept */
    struct vxc_listener *listener;
    struct vxc_connection_options options;
    pthread_mutex_t lock;
    /* under the lock: */
    struct vxc_buffer inbox;
    bool let_go;     /* the owner has disconnected */
    bool ended;      /* on_close has run */
    bool letter_out; /* the mailbox has it, or it is about to be opened */
    /* the driver's: */
    struct vxc_conn *conn;    /* NULL until the first letter, and once it is being closed */
    struct vxc_buffer taking; /* what was in the inbox; kept for its memory */
    bool opened, cut;
};

struct vxc_connection_options vxc_connection_options(void)
{
    return (struct vxc_connection_options){.struct_size = sizeof(struct vxc_connection_options)};
}

/* The driver is to look at it. False: the node ends, and with it the connection. With the lock. */
static bool send_letter(struct vxc_connection *c)
{
    if (!c->letter_out) {
        c->letter_out = vxc_mailbox_post(c->mailbox, &c->letter);
    }
    return c->letter_out;
}

/* ---- death ---- */

/* Nobody has it any more, not even the mailbox. With the lock. */
static bool is_over(const struct vxc_connection *c)
{
    return c->let_go && c->ended && !c->letter_out;
}

static void destroy(struct vxc_connection *c)
{
    vxc_buffer_free(&c->inbox);
    vxc_buffer_free(&c->taking);
    (void)pthread_mutex_destroy(&c->lock);
    vxc_mailbox_release(c->mailbox);
    vxc_free(c);
}

static void on_close(void *data, int code, const char *reason)
{
    struct vxc_connection *c = data;
    bool over;

    c->conn = NULL;
    c->options.on_close(c->options.data, code, reason);
    (void)pthread_mutex_lock(&c->lock);
    c->ended = true;
    over = is_over(c);
    (void)pthread_mutex_unlock(&c->lock);
    if (over) {
        destroy(c);
    }
}

/* ---- life, on the driver ---- */

static void on_frame(void *data, struct vxc_slice frame)
{
    struct vxc_connection *c = data;

    c->options.on_frame(c->options.data, frame.data, frame.size);
}

static void on_want(void *data)
{
    struct vxc_connection *c = data;

    (void)pthread_mutex_lock(&c->lock);
    (void)send_letter(c);
    (void)pthread_mutex_unlock(&c->lock);
}

/* Hands over what is in the inbox; true when all of it has been looked at. Otherwise on_want brings
 * the letter again. */
static bool feed(struct vxc_connection *c)
{
    struct vxc_buffer full;

    if (!vxc_conn_is_read(c->conn)) {
        return false;
    }
    (void)pthread_mutex_lock(&c->lock);
    full = c->inbox;
    c->inbox = c->taking;
    (void)pthread_mutex_unlock(&c->lock);
    c->taking = full;
    if (c->taking.size > 0) {
        vxc_conn_feed(c->conn, vxc_buffer_slice(&c->taking));
    }
    vxc_buffer_clear(&c->taking);
    if (c->taking.capacity > VXC_CONN_READ_SIZE) {
        vxc_buffer_free(&c->taking); /* a burst is over */
    }
    return vxc_conn_is_read(c->conn);
}

static void open_letter(struct vxc_letter *letter)
{
    struct vxc_connection *c = (struct vxc_connection *)(void *)letter;
    const struct vxc_conn_peer peer = {
        .data = c, .on_frame = on_frame, .on_want = on_want, .on_close = on_close};
    bool let_go;
    bool ended;
    bool over;

    (void)pthread_mutex_lock(&c->lock);
    c->letter_out = false; /* whatever comes from here on sends it again */
    let_go = c->let_go;
    ended = c->ended;
    over = is_over(c);
    (void)pthread_mutex_unlock(&c->lock);
    if (over) {
        destroy(c);
    }
    if (ended) {
        return; /* the owner may free it from now on; before the end, only this thread can */
    }
    if (!c->opened) {
        int rv = vxc_listener_attach(c->listener, &peer, &c->conn);

        c->opened = true;
        if (rv != 0) {
            on_close(c, rv, rv == VXC_ELIMIT ? "too many connections" : vxc_strerror(rv));
            return;
        }
    }
    if (c->conn != NULL && !c->cut && feed(c) && let_go) {
        c->cut = true;
        vxc_conn_cut(c->conn, VXC_ECLOSED, "disconnected", false);
    }
}

/* ---- the owner's side ---- */

int vxc_connection_open(struct vxc_mailbox *mailbox, struct vxc_listener *listener,
                        const struct vxc_connection_options *options, struct vxc_connection **out,
                        struct vxc_error *err)
{
    struct vxc_connection_options own = vxc_connection_options();
    struct vxc_connection *c;
    bool sent;

    memcpy(&own, options, options->struct_size < sizeof own ? options->struct_size : sizeof own);
    if (own.on_frame == NULL || own.on_close == NULL) {
        return vxc_error_set(err, VXC_EINVAL, "a connection needs on_frame and on_close");
    }
    c = vxc_calloc(1, sizeof *c);
    if (c == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    (void)pthread_mutex_init(&c->lock, NULL); /* cannot fail on Linux */
    c->letter.open = open_letter;
    c->mailbox = vxc_mailbox_keep(mailbox);
    c->listener = listener;
    c->options = own;
    (void)pthread_mutex_lock(&c->lock);
    sent = send_letter(c);
    if (sent) {
        *out = c; /* a callback may need it, and the lock keeps the driver from one until here */
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (!sent) {
        destroy(c);
        return vxc_error_set(err, VXC_ECLOSED, "the node has been stopped");
    }
    return 0;
}

int vxc_node_process(struct vxc_connection *c, const void *frames, size_t size)
{
    int rv = 0;

    (void)pthread_mutex_lock(&c->lock);
    if (c->ended) {
        rv = VXC_ECLOSED;
    } else if (size > VXC_CONN_INFLIGHT_BYTES_MAX - c->inbox.size) {
        rv = VXC_EBUSY;
    } else if (vxc_buffer_append(&c->inbox, frames, size) != 0) {
        rv = VXC_ENOMEM;
    } else {
        rv = send_letter(c) ? 0 : VXC_ECLOSED;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return rv;
}

void vxc_node_disconnect(struct vxc_connection *c)
{
    bool over;

    if (c == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&c->lock);
    c->let_go = true;
    over = is_over(c);
    if (!c->ended) {
        (void)send_letter(c);
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (over) {
        destroy(c);
    }
}
