/* Load for etcd: its key-value service over gRPC, spoken directly on HTTP/2 by nghttp2, without a
 * client library's cost on the cores that the servers need. Options: load.h.
 *
 * Each request is a stream of its own, `pipeline` of them under way on each connection, which is how
 * gRPC pipelines. Messages are protocol buffers of api/etcdserverpb/rpc.proto; a get is linearizable,
 * which is what a RangeRequest without `serializable` is.
 */
#include "load.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE         (256 * 1024)
#define WINDOW_SIZE       (16 * 1024 * 1024) /* of flow control, per stream and connection */
#define REST_SIZE         128                /* of a message, beside its value */
#define ANSWERS_WITHIN_MS 60000

struct connection;

/* One request under way. */
struct slot {
    struct connection *connection;
    uint64_t began_ns;
    uint8_t *request; /* with gRPC's five bytes before it */
    size_t request_size, sent;
    uint8_t *answer; /* likewise */
    size_t answer_size;
    bool accepted; /* grpc-status was 0 */
};

struct connection {
    struct load *load;
    int fd;
    nghttp2_session *session;
    char authority[256];
    struct slot *slots;
};

struct load {
    const struct load_options *options;
    struct connection *connections;
    int epoll;
    uint64_t random;
    uint64_t now_ns;    /* when this turn began */
    uint64_t end_ns;    /* no request begins later */
    uint64_t next_fill; /* key */
    uint64_t under_way;
    size_t room; /* bytes of a slot's request or answer */
    uint8_t *input;
    struct load_tally tally;
};

static void check(const char *what, ssize_t rc)
{
    if (rc < 0) {
        load_fail(what, nghttp2_strerror((int)rc));
    }
}

/* ---- protocol buffers ---- */

static uint8_t *put_varint(uint8_t *p, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        *p++ = (uint8_t)(value | 0x80);
    }
    *p++ = (uint8_t)value;
    return p;
}

/* The head of a field of bytes. */
static uint8_t *put_field(uint8_t *p, unsigned field, size_t size)
{
    return put_varint(put_varint(p, field << 3 | 2), size);
}

static bool read_varint(const uint8_t **p, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        const uint8_t byte = *(*p)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

/* Looks for a field of bytes in a message of numbers and bytes: its first occurrence. */
static bool find_field(const uint8_t *message, size_t size, unsigned field, const uint8_t **out,
                       size_t *out_size)
{
    const uint8_t *p = message, *const end = message + size;
    uint64_t tag, number;

    while (p < end && read_varint(&p, end, &tag) && read_varint(&p, end, &number)) {
        if ((tag & 7) == 0) {
            continue;
        }
        if ((tag & 7) != 2 || number > (uint64_t)(end - p)) {
            return false;
        }
        if (tag >> 3 == field) {
            *out = p;
            *out_size = number;
            return true;
        }
        p += number;
    }
    return false;
}

/* PutRequest {key = 1, value = 2}, RangeRequest {key = 1} */
static void make_request(struct slot *slot, uint64_t number, bool get)
{
    const size_t value_size = slot->connection->load->options->value_size;
    uint8_t *const message = slot->request + 5;
    uint8_t *p = put_field(message, 1, LOAD_KEY_SIZE);
    char key[LOAD_KEY_SIZE];

    load_key(key, number);
    memcpy(p, key, LOAD_KEY_SIZE);
    p += LOAD_KEY_SIZE;
    if (!get) {
        p = put_field(p, 2, value_size);
        memset(p, 'x', value_size);
        p += value_size;
    }
    const uint32_t size = (uint32_t)(p - message);
    slot->request[0] = 0; /* not compressed */
    for (unsigned i = 0; i < 4; i++) {
        slot->request[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    }
    slot->request_size = 5 + size;
}

/* RangeResponse {kvs = 2}, KeyValue {value = 5}: is the value there, and what was put? */
static bool has_value(const struct slot *slot)
{
    const struct load_options *o = slot->connection->load->options;
    const uint8_t *kv, *value;
    size_t kv_size, size;

    return slot->answer_size > 5 &&
           find_field(slot->answer + 5, slot->answer_size - 5, 2, &kv, &kv_size) &&
           find_field(kv, kv_size, 5, &value, &size) && size == o->value_size && value[0] == 'x' &&
           value[size - 1] == 'x';
}

/* ---- requests ---- */

static ssize_t on_body(nghttp2_session *session, int32_t stream, uint8_t *out, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *data)
{
    struct slot *slot = source->ptr;
    const size_t left = slot->request_size - slot->sent, size = left < room ? left : room;

    (void)session;
    (void)stream;
    (void)data;
    memcpy(out, slot->request + slot->sent, size);
    slot->sent += size;
    if (slot->sent == slot->request_size) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)size;
}

static nghttp2_nv header(const char *name, const char *value)
{
    /* nghttp2 copies both; it only wants pointers that could be written to. */
    union {
        const char *given;
        uint8_t *wanted;
    } n = {.given = name}, v = {.given = value};

    return (nghttp2_nv){n.wanted, v.wanted, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* The next request in this slot, unless keys or time have run out. */
static void begin(struct slot *slot)
{
    struct connection *c = slot->connection;
    struct load *l = c->load;
    const struct load_options *o = l->options;
    const bool get = o->get && !o->fill;
    const nghttp2_nv headers[] = {
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path", get ? "/etcdserverpb.KV/Range" : "/etcdserverpb.KV/Put"),
        header(":authority", c->authority),
        header("content-type", "application/grpc"),
        header("te", "trailers"),
    };
    const nghttp2_data_provider body = {.source.ptr = slot, .read_callback = on_body};

    if (o->fill ? l->next_fill >= o->keys : l->now_ns >= l->end_ns) {
        return;
    }
    make_request(slot, o->fill ? l->next_fill++ : load_random_key(o, &l->random), get);
    slot->sent = slot->answer_size = 0;
    slot->accepted = false;
    slot->began_ns = l->now_ns;
    check("request", nghttp2_submit_request(c->session, NULL, headers,
                                            sizeof headers / sizeof *headers, &body, slot));
    l->under_way++;
}

/* ---- answers ---- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *data)
{
    struct slot *slot = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)flags;
    (void)data;
    if (name_size == 11 && memcmp(name, "grpc-status", 11) == 0 && slot != NULL) {
        slot->accepted = value_size == 1 && *value == '0';
    }
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                    size_t size, void *data)
{
    struct slot *slot = nghttp2_session_get_stream_user_data(session, stream);
    struct connection *c = data;

    (void)flags;
    if (slot == NULL || size > c->load->room - slot->answer_size) {
        load_fail("answer", "larger than it can be");
    }
    memcpy(slot->answer + slot->answer_size, bytes, size);
    slot->answer_size += size;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *data)
{
    struct slot *slot = nghttp2_session_get_stream_user_data(session, stream);
    struct load *l = ((struct connection *)data)->load;

    if (slot == NULL) {
        return 0;
    }
    if (error != NGHTTP2_NO_ERROR || !slot->accepted) {
        load_fail("answer", error != NGHTTP2_NO_ERROR ? nghttp2_http2_strerror(error) : "refused");
    }
    if (l->options->get && !l->options->fill && !has_value(slot)) {
        load_fail("get", "another value than was put");
    }
    vxc_histogram_record(&l->tally.latency_ns, l->now_ns - slot->began_ns);
    l->tally.operations++;
    l->under_way--;
    begin(slot);
    return 0;
}

/* ---- the socket ---- */

static void send_all(const struct connection *c, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t sent = send(c->fd, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            load_fail(c->authority, strerror(errno));
        }
        bytes += sent < 0 ? 0 : sent;
        size -= sent < 0 ? 0 : (size_t)sent;
    }
}

/* Writes what the session has to say. The socket blocks: the server reads at all times, and what it
 * may owe is bounded by the requests under way. */
static void flush(struct connection *c)
{
    static uint8_t batch[READ_SIZE];
    const uint8_t *bytes;
    size_t size = 0;
    ssize_t more;

    while ((more = nghttp2_session_mem_send(c->session, &bytes)) > 0) {
        if (size + (size_t)more > sizeof batch) {
            send_all(c, batch, size);
            size = 0;
        }
        memcpy(batch + size, bytes, (size_t)more); /* a frame: far smaller than the batch */
        size += (size_t)more;
    }
    check("sending", more);
    send_all(c, batch, size);
}

static void serve(struct connection *c)
{
    struct load *l = c->load;
    const ssize_t got = recv(c->fd, l->input, READ_SIZE, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        load_fail(c->authority, got == 0 ? "the server closed it" : strerror(errno));
    }
    l->now_ns = load_now_ns();
    check("receiving", nghttp2_session_mem_recv(c->session, l->input, (size_t)got));
    flush(c);
}

/* Connects to "host:port". */
static int dial(const char *where, size_t size)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[256];
    int one = 1;

    (void)snprintf(host, sizeof host, "%.*s", (int)size, where);
    char *colon = strrchr(host, ':');
    if (colon == NULL) {
        load_fail(host, "expected HOST:PORT");
    }
    *colon = 0;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
        load_fail(host, "no such host");
    }
    const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        load_fail(host, strerror(errno));
    }
    freeaddrinfo(found);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* only costs time */
    return fd;
}

static void open_session(struct connection *c)
{
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                               {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_SIZE}};
    nghttp2_session_callbacks *callbacks;

    check("start", nghttp2_session_callbacks_new(&callbacks));
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    check("start", nghttp2_session_client_new(&c->session, callbacks, c));
    nghttp2_session_callbacks_del(callbacks);
    check("start", nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, 2));
    check("start", nghttp2_session_set_local_window_size(c->session, 0, 0, WINDOW_SIZE));
}

static void open_connection(struct load *l, struct connection *c, const char *where)
{
    const struct load_options *o = l->options;
    const size_t size = strcspn(where, ",");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    c->load = l;
    c->fd = dial(where, size);
    (void)snprintf(c->authority, sizeof c->authority, "%.*s", (int)size, where);
    open_session(c);
    c->slots = calloc(o->pipeline, sizeof *c->slots);
    if (c->slots == NULL || epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        load_fail("start", strerror(errno));
    }
    for (unsigned i = 0; i < o->pipeline; i++) {
        c->slots[i].connection = c;
        c->slots[i].request = malloc(l->room);
        c->slots[i].answer = malloc(l->room);
        if (c->slots[i].request == NULL || c->slots[i].answer == NULL) {
            load_fail("start", strerror(ENOMEM));
        }
    }
}

static void open_all(struct load *l)
{
    const struct load_options *o = l->options;
    const char *where = o->endpoints;

    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->input = malloc(READ_SIZE);
    l->connections = calloc(o->connections, sizeof *l->connections);
    l->room = o->value_size + REST_SIZE;
    if (l->epoll < 0 || l->input == NULL || l->connections == NULL) {
        load_fail("start", strerror(errno));
    }
    for (unsigned i = 0; i < o->connections; i++) {
        open_connection(l, &l->connections[i], where);
        where += strcspn(where, ",");
        where = *where == 0 ? o->endpoints : where + 1;
    }
}

static void close_all(struct load *l)
{
    const struct load_options *o = l->options;

    for (unsigned i = 0; i < o->connections; i++) {
        struct connection *c = &l->connections[i];
        nghttp2_session_del(c->session);
        (void)close(c->fd); /* all answers are here */
        for (unsigned k = 0; k < o->pipeline; k++) {
            free(c->slots[k].request);
            free(c->slots[k].answer);
        }
        free(c->slots);
    }
    free(l->connections);
    free(l->input);
    (void)close(l->epoll); /* held nothing */
}

static void run(struct load *l)
{
    const struct load_options *o = l->options;
    struct epoll_event events[64];

    for (unsigned i = 0; i < o->connections; i++) {
        l->now_ns = load_now_ns();
        for (unsigned k = 0; k < o->pipeline; k++) {
            begin(&l->connections[i].slots[k]);
        }
        flush(&l->connections[i]);
    }
    while (l->under_way > 0) {
        const int count = epoll_wait(l->epoll, events, 64, ANSWERS_WITHIN_MS);
        if (count == 0) {
            load_fail("load", "no answer");
        }
        for (int i = 0; i < count; i++) {
            serve(events[i].data.ptr);
        }
    }
}

int main(int argc, char **argv)
{
    const struct load_options options = load_options(argc, argv);
    static struct load l; /* 32 KiB of histogram */

    l.options = &options;
    l.random = 0x9e3779b97f4a7c15u;
    open_all(&l);
    const uint64_t began_ns = load_now_ns();
    l.end_ns = began_ns + options.seconds * 1000000000ull;
    run(&l);
    load_report(&options, &l.tally, began_ns, l.now_ns);
    close_all(&l);
    return 0;
}
