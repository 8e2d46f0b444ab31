#include "net/conn.h"

#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "net/conn_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

enum { KEEP_BUFFER_MAX = 64 * 1024, KEEPALIVE_SECONDS = 15 };

void *vxc_conn_user(const struct vxc_conn *conn)
{
    return conn->user;
}

uint32_t vxc_conn_id(const struct vxc_conn *conn)
{
    return conn->id;
}

const char *vxc_conn_address(const struct vxc_conn *conn)
{
    return conn->address;
}

/* ---- large buffers ---- */

/* The system takes longer to give and take memory for a large reply than to send it, so such buffers
 * go round. An emptied one that is small stays where it is. */
static void give_back(struct vxc_conn *conn, struct vxc_buffer *buffer)
{
    struct vxc_listener *l = conn->listener;

    vxc_buffer_clear(buffer);
    if (buffer->capacity <= KEEP_BUFFER_MAX) {
        return;
    }
    if (l->spare_count == VXC_NODE_SPARE_BUFFERS_MAX ||
        buffer->capacity > VXC_NODE_SPARE_BYTES_MAX - l->spare_bytes) {
        vxc_buffer_free(buffer);
        return;
    }
    l->spare_bytes += buffer->capacity;
    l->spares[l->spare_count++] = *buffer;
    vxc_buffer_init(buffer);
}

static void take_spare(struct vxc_listener *l, struct vxc_buffer *buffer)
{
    *buffer = l->spares[--l->spare_count];
    l->spare_bytes -= buffer->capacity;
    l->spare_taken = true;
}

void vxc_listener_free_spares(struct vxc_listener *l)
{
    while (l->spare_count > 0) {
        vxc_buffer_free(&l->spares[--l->spare_count]);
    }
    l->spare_bytes = 0;
}

struct vxc_buffer *vxc_conn_out(struct vxc_conn *conn)
{
    if (conn->closing) {
        return NULL;
    }
    if (conn->out.capacity == 0 && conn->listener->spare_count > 0) {
        take_spare(conn->listener, &conn->out);
    }
    return &conn->out;
}

bool vxc_conn_is_choked(const struct vxc_conn *conn)
{
    return conn->choked;
}

bool vxc_conn_is_read(const struct vxc_conn *conn)
{
    return conn->reading;
}

uint64_t vxc_conn_outbound_bytes(const struct vxc_conn *conn)
{
    return conn->out.size +
           (conn->writing ? uv_stream_get_write_queue_size((const uv_stream_t *)&conn->tcp) : 0);
}

uint64_t vxc_conn_taken_bytes(const struct vxc_conn *conn)
{
    return conn->written_bytes + conn->out.size - vxc_conn_outbound_bytes(conn);
}

bool vxc_conn_is_stalled(const struct vxc_conn *conn)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    uv_os_fd_t fd;

    return !conn->closing && uv_fileno((const uv_handle_t *)&conn->tcp, &fd) == 0 &&
           getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_retransmits > 0;
}

static bool has_peer(const struct vxc_conn *conn)
{
    return conn->peer.on_frame != NULL;
}

/* ---- what it holds ---- */

/* Brings the listener's sum up to date after the buffers of a connection changed. */
static void count_held(struct vxc_conn *conn)
{
    struct vxc_listener *l = conn->listener;
    uint64_t held = 0;

    if (!conn->closing) { /* what was allocated counts: a buffer has room for twice what it holds */
        held += conn->pending.size > conn->pending_at ? conn->pending.capacity : 0;
        held += conn->out.size > 0 ? conn->out.capacity : 0;
        held += conn->writing ? conn->sending.capacity : 0;
    }

    l->held_bytes = l->held_bytes - conn->held_bytes + held;
    conn->held_bytes = held;
    if (l->held_bytes > VXC_NODE_HELD_BYTES_MAX) {
        vxc_listener_bound_held(l);
    }
}

uint64_t vxc_conn_stuck_since_ms(const struct vxc_conn *conn)
{
    uint64_t waiting = conn->waiting_since_ms == 0 ? UINT64_MAX : conn->waiting_since_ms;
    uint64_t writing = conn->writing ? conn->writing_since_ms : UINT64_MAX;

    return waiting < writing ? waiting : writing;
}

/* ---- the end ---- */

/* The owner has heard of its end. */
void vxc_conn_free(struct vxc_conn *conn)
{
    struct vxc_listener *l = conn->listener;

    vxc_buffer_free(&conn->pending);
    vxc_buffer_free(&conn->out);
    vxc_buffer_free(&conn->sending);
    vxc_check(l->count > 0);
    l->count--;
    l->uncounted -= conn->outgoing || conn->guest || conn->apart;
    vxc_free(conn);
    vxc_listener_finish(l);
}

void vxc_conn_on_closed(uv_handle_t *handle)
{
    struct vxc_conn *conn = handle->data;

    if (conn->user != NULL || conn->outgoing) {
        conn->hooks->on_close(conn->hooks->data, conn, conn->close_code, conn->close_reason);
    }
    if (has_peer(conn)) {
        conn->peer.on_close(conn->peer.data, conn->close_code, conn->close_reason);
    }
    if (conn->dial == NULL || vxc_dial_is_over(conn)) {
        vxc_conn_free(conn);
    }
}

static void unlink_from(struct vxc_conn **list, struct vxc_conn *conn, size_t link_offset)
{
    struct vxc_conn **at = list;

    while (*at != NULL && *at != conn) {
        at = (struct vxc_conn **)(void *)((char *)*at + link_offset);
    }
    if (*at == conn) {
        *at = *(struct vxc_conn **)(void *)((char *)conn + link_offset);
    }
}

/* ---- guests ---- */

bool vxc_conn_is_guest(const struct vxc_conn *conn)
{
    return conn->guest;
}

static void leave_guests(struct vxc_conn *conn)
{
    TAILQ_REMOVE(&conn->listener->guests, conn, of_guests);
    conn->listener->guest_count--;
}

bool vxc_conn_take_place(struct vxc_conn *conn)
{
    struct vxc_listener *l = conn->listener;

    vxc_check(conn->guest && !conn->closing);
    if (vxc_listener_count(l) >= l->connections_max) {
        l->refused_total++; /* it will not come back for it */
        return false;
    }
    leave_guests(conn);
    conn->guest = false;
    l->uncounted--;
    return true;
}

void vxc_conn_set_apart(struct vxc_conn *conn)
{
    vxc_check(!conn->outgoing && !conn->apart);
    if (conn->closing) {
        return;
    }
    if (conn->guest) {
        leave_guests(conn);
        conn->guest = false;
    } else {
        conn->listener->uncounted++;
    }
    conn->apart = true;
}

static void close_now(struct vxc_conn *conn)
{
    struct vxc_listener *l = conn->listener;

    if (conn->closing) {
        return;
    }
    conn->closing = true;
    if (conn->guest) {
        leave_guests(conn);
    }
    if (conn->dirty) {
        unlink_from(&l->dirty, conn, offsetof(struct vxc_conn, next_dirty));
        conn->dirty = false;
    }
    if (conn->resumed) {
        unlink_from(&l->resumed, conn, offsetof(struct vxc_conn, next_resumed));
        conn->resumed = false;
    }
    if (conn->previous != NULL) {
        conn->previous->next = conn->next;
    } else {
        l->conns = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->previous = conn->previous;
    }
    vxc_buffer_free(&conn->out); /* it may be large, and nobody will read it */
    count_held(conn);
    if (conn->dial == NULL || !vxc_dial_stop(conn)) {
        uv_close((uv_handle_t *)&conn->tcp, vxc_conn_on_closed);
    }
}

static void keep_reason(struct vxc_conn *conn, int code, const char *reason)
{
    conn->close_code = code;
    (void)snprintf(conn->close_reason, sizeof conn->close_reason, "%s", reason);
}

void vxc_conn_abort(struct vxc_conn *conn, int code, const char *reason)
{
    if (!conn->closing) {
        keep_reason(conn, code, reason);
        close_now(conn);
    }
}

void vxc_conn_cut(struct vxc_conn *conn, int code, const char *reason, bool flush)
{
    if (conn->closing || conn->cut_after_flush) {
        return;
    }
    keep_reason(conn, code, reason);
    if (flush && vxc_conn_outbound_bytes(conn) > 0) {
        conn->cut_after_flush = true;
        vxc_conn_update_reading(conn);
        vxc_conn_touch(conn);
        return;
    }
    close_now(conn);
}

/* ---- writing ---- */

static void enqueue_resumed(struct vxc_conn *conn);

static void after_flush(struct vxc_conn *conn)
{
    if (conn->out.size == 0) {
        give_back(conn, &conn->out);
    }
    count_held(conn);
    if (conn->closing) {
        return;
    }
    if (conn->choked && vxc_conn_outbound_bytes(conn) <= VXC_CONN_CHOKE_BYTES / 2) {
        conn->choked = false;
        conn->room = true;
        enqueue_resumed(conn);
    }
    if (conn->cut_after_flush && vxc_conn_outbound_bytes(conn) == 0) {
        close_now(conn);
    }
}

static void on_written(uv_write_t *request, int status)
{
    struct vxc_conn *conn = request->data;

    conn->writing = false;
    give_back(conn, &conn->sending);
    if (conn->closing) {
        return;
    }
    if (status != 0) {
        vxc_conn_cut(conn, VXC_ECLOSED, uv_strerror(status), false);
        return;
    }
    count_held(conn);
    vxc_conn_flush(conn);
}

static void swap_out(struct vxc_conn *conn)
{
    struct vxc_buffer swap = conn->sending;

    conn->sending = conn->out;
    conn->out = swap;
}

/* Frame by frame, as they were appended. The peer may end the connection meanwhile. */
static void give_to_peer(struct vxc_conn *conn)
{
    size_t at = 0;

    swap_out(conn);
    conn->written_bytes += conn->sending.size;
    while (!conn->closing && at < conn->sending.size) {
        const uint8_t *frame = conn->sending.data + at;
        size_t size = vxc_load_u32(frame + 4);

        vxc_check(size >= VXC_FRAME_HEADER_SIZE && size <= conn->sending.size - at);
        at += size;
        conn->peer.on_frame(conn->peer.data, vxc_slice(frame, size));
    }
    give_back(conn, &conn->sending);
    after_flush(conn);
}

void vxc_conn_flush(struct vxc_conn *conn)
{
    uv_buf_t buf;
    int sent;

    if (conn->closing || conn->writing) {
        return;
    }
    if (conn->out.size == 0) {
        after_flush(conn);
        return;
    }
    if (has_peer(conn)) {
        give_to_peer(conn);
        return;
    }
    buf = uv_buf_init((char *)conn->out.data, (unsigned)conn->out.size);
    sent = uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        vxc_conn_abort(conn, VXC_ECLOSED, uv_strerror(sent));
        return;
    }
    conn->written_bytes += conn->out.size;
    if (sent == (int)conn->out.size) {
        vxc_buffer_clear(&conn->out);
        after_flush(conn);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    swap_out(conn);
    buf = uv_buf_init((char *)conn->sending.data + sent,
                      (unsigned)(conn->sending.size - (size_t)sent));
    conn->writing = true;
    conn->writing_since_ms = vxc_loop_now_ms(conn->listener->loop);
    conn->write.data = conn;
    sent = uv_write(&conn->write, (uv_stream_t *)&conn->tcp, &buf, 1, on_written);
    if (sent != 0) {
        conn->writing = false;
        vxc_buffer_clear(&conn->sending);
        vxc_conn_abort(conn, VXC_ECLOSED, uv_strerror(sent));
    }
}

/* Many or large replies leave at once, while they are in the processor's cache: at the end of the
 * turn they would have to come from memory again. A peer is called at the end only. */
static void send_much(struct vxc_conn *conn)
{
    if (conn->out.size >= VXC_CONN_SEND_BYTES && !conn->writing && !has_peer(conn)) {
        vxc_conn_flush(conn);
    }
}

void vxc_conn_touch(struct vxc_conn *conn)
{
    uint64_t outbound;

    send_much(conn);
    if (conn->closing) {
        return;
    }
    outbound = vxc_conn_outbound_bytes(conn);
    if (outbound > VXC_CONN_OUTBOUND_BYTES_MAX) {
        vxc_conn_abort(conn, VXC_ELIMIT, "slow reader: too many unread replies");
        return;
    }
    count_held(conn);
    if (outbound > VXC_CONN_CHOKE_BYTES && !conn->choked) {
        conn->choked = true;
        vxc_conn_update_reading(conn);
    }
    if (!conn->dirty && !conn->closing) {
        conn->dirty = true;
        conn->next_dirty = conn->listener->dirty;
        conn->listener->dirty = conn;
    }
}

/* ---- reading ---- */

static bool stopped(const struct vxc_conn *conn)
{
    return conn->closing || conn->cut_after_flush || conn->paused || conn->choked ||
           conn->dial != NULL;
}

/* How far the hints about the frames of one batch have come. */
struct ahead {
    struct vxc_slice bytes; /* behind the last frame that was hinted at */
    unsigned frames;        /* hinted at and not yet handed out */
};

static void look_ahead(struct vxc_conn *conn, struct ahead *ahead)
{
    const struct vxc_conn_hooks *hooks = conn->hooks;
    struct vxc_frame frame;

    while (ahead->frames < VXC_CONN_AHEAD && vxc_frame_peek(ahead->bytes, &frame)) {
        ahead->bytes.data += frame.size;
        ahead->bytes.size -= frame.size;
        ahead->frames++;
        hooks->on_ahead(hooks->data, conn, &frame);
    }
}

static uint32_t frame_size_max(const struct vxc_conn *conn)
{
    return conn->hooks->frame_size_max != 0 ? conn->hooks->frame_size_max : VXC_FRAME_SIZE_MAX;
}

/* Hands out the whole frames at the front of `bytes`; returns how many bytes they took. */
static size_t hand_out(struct vxc_conn *conn, struct vxc_slice bytes)
{
    struct vxc_listener *l = conn->listener;
    struct ahead ahead = {.bytes = bytes};
    size_t used = 0;

    while (!stopped(conn)) {
        struct vxc_frame frame;
        struct vxc_slice rest = vxc_slice(bytes.data + used, bytes.size - used);
        int rv;

        if (rest.size == 0) {
            conn->need = 0;
            conn->waiting_since_ms = 0;
            break;
        }
        if (conn->hooks->on_ahead != NULL) {
            look_ahead(conn, &ahead);
        }
        rv = vxc_frame_decode(rest, frame_size_max(conn), &frame, &conn->need);
        if (rv == VXC_EBUSY) {
            if (conn->waiting_since_ms == 0 || used > 0) {
                conn->waiting_since_ms = vxc_loop_now_ms(l->loop);
            }
            break;
        }
        if (rv != 0) {
            char reason[128];
            (void)snprintf(reason, sizeof reason, "not a frame of ours: %s", vxc_strerror(rv));
            vxc_conn_cut(conn, rv, reason, true);
            break;
        }
        used += frame.size;
        ahead.frames -= ahead.frames > 0;
        conn->waiting_since_ms = 0;
        conn->greeted = true;
        conn->hooks->on_frame(conn->hooks->data, conn, &frame);
    }
    return used;
}

/* What counts of pending moves to its front. */
static void compact(struct vxc_conn *conn)
{
    if (conn->pending_at > 0) {
        conn->pending.size -= conn->pending_at;
        memmove(conn->pending.data, conn->pending.data + conn->pending_at, conn->pending.size);
        conn->pending_at = 0;
    }
}

/* What the listener admits is of its clients. */
static int percent(const struct vxc_conn *conn)
{
    return conn->hooks == &conn->listener->hooks ? conn->listener->percent : 100;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct vxc_conn *conn = handle->data;
    struct vxc_listener *l = conn->listener;
    size_t kept = conn->pending.size - conn->pending_at;
    size_t room = (size_t)VXC_CONN_READ_SIZE * (size_t)percent(conn) / 100;

    (void)suggested;
    if (room < VXC_LOG_BLOCK_SIZE) {
        room = VXC_LOG_BLOCK_SIZE;
    }
    if (conn->need <= VXC_CONN_READ_SIZE && kept < VXC_CONN_READ_SIZE / 2) {
        /* behind what is kept, which on_read puts in front of it */
        size_t most = VXC_CONN_READ_SIZE - kept;
        *buf = uv_buf_init((char *)l->scratch + kept, (unsigned)(room < most ? room : most));
        return;
    }
    compact(conn);
    /* it grows with what came: a length alone takes no memory */
    room = kept < VXC_CONN_READ_SIZE ? VXC_CONN_READ_SIZE : kept;
    if (conn->need > kept && conn->need - kept < room) {
        room = conn->need - kept;
    }
    if (vxc_buffer_reserve(&conn->pending, room) != 0) {
        *buf = uv_buf_init(NULL, 0); /* read_cb gets UV_ENOBUFS and cuts the connection */
        return;
    }
    *buf = uv_buf_init((char *)conn->pending.data + kept, (unsigned)room);
}

/* Keeps what hand_out left of the shared buffer. */
static void keep(struct vxc_conn *conn, struct vxc_slice rest)
{
    vxc_buffer_clear(&conn->pending);
    conn->pending_at = 0;
    if (rest.size == 0) {
        if (conn->pending.capacity > 0) {
            vxc_buffer_free(&conn->pending);
        }
        return;
    }
    if (vxc_buffer_append(&conn->pending, rest.data, rest.size) != 0) {
        vxc_conn_cut(conn, VXC_ENOMEM, "out of memory", false);
    }
}

/* Hands out from pending and drops what was used. */
static void hand_out_pending(struct vxc_conn *conn)
{
    struct vxc_slice bytes =
        vxc_slice(conn->pending.data + conn->pending_at, conn->pending.size - conn->pending_at);

    conn->pending_at += hand_out(conn, bytes);
    if (conn->pending_at == conn->pending.size) {
        keep(conn, vxc_slice(NULL, 0));
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct vxc_conn *conn = stream->data;
    struct vxc_listener *l = conn->listener;
    size_t kept = conn->pending.size - conn->pending_at;

    if (count == 0) {
        return; /* EAGAIN */
    }
    if (count < 0) {
        vxc_conn_abort(conn, VXC_ECLOSED,
                       count == UV_EOF ? "the other side closed" : uv_strerror((int)count));
        return;
    }
    if ((uint8_t *)buf->base == l->scratch + kept) {
        struct vxc_slice all = vxc_slice(l->scratch, kept + (size_t)count);
        size_t used;

        if (kept > 0) {
            memcpy(l->scratch, conn->pending.data + conn->pending_at, kept);
        }
        used = hand_out(conn, all);
        if (!conn->closing) {
            keep(conn, vxc_slice(all.data + used, all.size - used));
        }
    } else {
        conn->pending.size += (size_t)count;
        hand_out_pending(conn);
    }
    if (!conn->closing) {
        count_held(conn);
    }
}

void vxc_conn_feed(struct vxc_conn *conn, struct vxc_slice bytes)
{
    vxc_check(has_peer(conn) && conn->reading);
    if (conn->pending.size > conn->pending_at) { /* the beginning of a frame */
        compact(conn);
        if (vxc_buffer_append(&conn->pending, bytes.data, bytes.size) != 0) {
            vxc_conn_cut(conn, VXC_ENOMEM, "out of memory", false);
            return;
        }
        hand_out_pending(conn);
    } else {
        size_t used = hand_out(conn, bytes);

        if (!conn->closing) {
            keep(conn, vxc_slice(bytes.data + used, bytes.size - used));
        }
    }
    if (!conn->closing) {
        count_held(conn);
    }
}

void vxc_conn_update_reading(struct vxc_conn *conn)
{
    bool want = !stopped(conn) && percent(conn) > 0;

    if (conn->closing || want == conn->reading) {
        return;
    }
    conn->reading = want;
    if (has_peer(conn)) {
        if (want) {
            conn->peer.on_want(conn->peer.data);
        }
    } else if (want) {
        int rv;

        if (conn->waiting_since_ms != 0) {
            conn->waiting_since_ms = vxc_loop_now_ms(conn->listener->loop); /* we did not look */
        }
        rv = uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
        if (rv != 0) {
            vxc_conn_cut(conn, VXC_EIO, uv_strerror(rv), false);
        }
    } else {
        (void)uv_read_stop((uv_stream_t *)&conn->tcp); /* always succeeds */
    }
}

void vxc_conn_hand_over(struct vxc_conn *conn, const struct vxc_conn_hooks *hooks, void *user)
{
    conn->hooks = hooks;
    conn->user = user;
    vxc_conn_update_reading(conn);
}

void vxc_conn_pause(struct vxc_conn *conn)
{
    conn->paused = true;
    vxc_conn_update_reading(conn);
}

/* Hands out what waits. The idle handle stays active for this iteration, so that it does not block
 * before the turn that the frames need; it stops in the next one when nothing was resumed again. */
static void on_idle(uv_idle_t *idle)
{
    struct vxc_listener *l = idle->data;

    if (l->resumed == NULL) {
        (void)uv_idle_stop(idle);
        return;
    }
    vxc_conn_run_resumed(l);
}

static void enqueue_resumed(struct vxc_conn *conn)
{
    struct vxc_listener *l = conn->listener;

    if (!conn->resumed) {
        conn->resumed = true;
        conn->next_resumed = l->resumed;
        l->resumed = conn;
        (void)uv_idle_start(&l->idle, on_idle); /* fails only without a callback */
    }
}

void vxc_conn_resume(struct vxc_conn *conn)
{
    if (!conn->paused || conn->closing) {
        return;
    }
    conn->paused = false;
    enqueue_resumed(conn);
}

void vxc_conn_run_resumed(struct vxc_listener *l)
{
    struct vxc_conn *list = l->resumed;

    l->resumed = NULL;
    while (list != NULL) {
        struct vxc_conn *conn = list;

        list = conn->next_resumed;
        conn->resumed = false;
        conn->next_resumed = NULL;
        if (conn->room && !conn->closing) {
            conn->room = false;
            if (conn->hooks->on_room != NULL) {
                conn->hooks->on_room(conn->hooks->data, conn); /* may choke it again */
            }
        }
        if (!stopped(conn) && conn->pending.size > conn->pending_at) {
            hand_out_pending(conn);
        }
        vxc_conn_update_reading(conn);
    }
}

/* ---- birth and upkeep ---- */

static void name_address(struct vxc_conn *conn)
{
    struct sockaddr_storage peer;
    int size = (int)sizeof peer;
    char host[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;

    if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&peer, &size) == 0) {
        if (peer.ss_family == AF_INET) {
            const struct sockaddr_in *in = (const struct sockaddr_in *)&peer;
            (void)uv_ip4_name(in, host, sizeof host);
            port = ntohs(in->sin_port);
        } else if (peer.ss_family == AF_INET6) {
            const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&peer;
            (void)uv_ip6_name(in, host, sizeof host);
            port = ntohs(in->sin6_port);
        }
    }
    (void)snprintf(conn->address, sizeof conn->address,
                   strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
}

struct vxc_conn *vxc_conn_add(struct vxc_listener *l)
{
    struct vxc_conn *conn = vxc_calloc(1, sizeof *conn);

    if (conn == NULL) {
        return NULL;
    }
    conn->listener = l;
    conn->hooks = &l->hooks;
    if (uv_tcp_init(vxc_loop_handle(l->loop), &conn->tcp) != 0) {
        vxc_free(conn);
        return NULL;
    }
    conn->tcp.data = conn;
    l->count++;
    conn->next = l->conns;
    if (l->conns != NULL) {
        l->conns->previous = conn;
    }
    l->conns = conn;
    conn->close_code = VXC_ECLOSED;
    return conn;
}

void vxc_conn_tune(struct vxc_conn *conn)
{
    (void)uv_tcp_nodelay(&conn->tcp, 1); /* a slower connection is still a connection */
    (void)uv_tcp_keepalive(&conn->tcp, 1, KEEPALIVE_SECONDS);
}

/* Its owner takes it, or it goes. */
static int open_up(struct vxc_conn *conn)
{
    conn->user = conn->hooks->on_open(conn->hooks->data, conn);
    if (conn->user == NULL) {
        conn->peer.on_frame = NULL; /* whoever asked for it hears of it by the code */
        close_now(conn);
        return VXC_ENOMEM;
    }
    vxc_conn_update_reading(conn);
    return 0;
}

/* Who has not said a word goes first, then who has been there longest. */
static void make_room_for_guest(struct vxc_listener *l)
{
    struct vxc_conn *oldest = TAILQ_FIRST(&l->guests);
    struct vxc_conn *c;

    TAILQ_FOREACH(c, &l->guests, of_guests)
    {
        if (!c->greeted) {
            oldest = c;
            break;
        }
    }
    l->refused_total++;
    vxc_conn_abort(oldest, VXC_ELIMIT, "all connections are taken, and others came after this one");
}

/* There is no place: it is a guest; false: nor are there guests, and it goes. */
static bool receive_guest(struct vxc_conn *conn)
{
    struct vxc_listener *l = conn->listener;

    if (l->guests_max == 0) {
        l->refused_total++;
        close_now(conn);
        return false;
    }
    if (l->guest_count == l->guests_max) {
        make_room_for_guest(l);
    }
    TAILQ_INSERT_TAIL(&l->guests, conn, of_guests);
    l->guest_count++;
    l->uncounted++;
    conn->guest = true;
    return true;
}

int vxc_conn_start(struct vxc_listener *l)
{
    struct vxc_conn *conn = vxc_conn_add(l);
    int rv;

    if (conn == NULL) {
        return UV_ENOMEM;
    }
    rv = uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&conn->tcp);
    if (rv != 0) {
        close_now(conn);
        return rv;
    }
    if (vxc_listener_count(l) > l->connections_max && !receive_guest(conn)) {
        return 0;
    }
    conn->id = ++l->next_id;
    conn->waiting_since_ms = vxc_loop_now_ms(l->loop);
    vxc_conn_tune(conn);
    name_address(conn);
    (void)open_up(conn); /* refused is refused */
    return 0;
}

int vxc_conn_start_local(struct vxc_listener *l, const struct vxc_conn_peer *peer,
                         struct vxc_conn **out)
{
    struct vxc_conn *conn;
    int rv;

    if (l->stopped) {
        return VXC_ECLOSED;
    }
    if (vxc_listener_count(l) >= l->connections_max) {
        l->refused_total++;
        return VXC_ELIMIT;
    }
    conn = vxc_conn_add(l);
    if (conn == NULL) {
        return VXC_ENOMEM;
    }
    conn->id = ++l->next_id;
    (void)snprintf(conn->address, sizeof conn->address, "local");
    conn->peer = *peer;
    rv = open_up(conn);
    if (rv == 0) {
        *out = conn;
    }
    return rv;
}

void vxc_conn_sweep(struct vxc_conn *conn, uint64_t now_ms)
{
    if (conn->out.size == 0) {
        give_back(conn, &conn->out); /* idle connections stay small */
    }
    if (conn->dial != NULL) {
        if (now_ms - conn->waiting_since_ms > VXC_CONN_CONNECT_MS) {
            vxc_conn_abort(conn, VXC_ETIMEOUT, "no connection in time");
        }
        return;
    }
    if (conn->writing && now_ms - conn->writing_since_ms > VXC_CONN_FRAME_MS) {
        conn->listener->silent_total++;
        vxc_conn_abort(conn, VXC_ETIMEOUT, "slow reader: a write did not finish in time");
    } else if (conn->waiting_since_ms != 0 && conn->reading) {
        bool first = !conn->greeted;
        uint64_t limit = first ? VXC_CONN_HELLO_MS : VXC_CONN_FRAME_MS;

        if (now_ms - conn->waiting_since_ms > limit) {
            conn->listener->silent_total++;
            vxc_conn_cut(conn, VXC_ETIMEOUT,
                         first ? "no first frame in time" : "a frame was not finished in time",
                         false);
        }
    }
}
