/* No socket and no thread: a node in this program's own loop, asked by frames of docs/protocol.md,
 * as a program does that has a transport of its own. node_process DIR */
#include <vxc/node.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { REQUEST = 1, COUNTER_ADD = 181, NUMBER_REPLY = 103, HEADER_SIZE = 16 };

/* ---- frames ---- */

static uint32_t crc32(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
        }
    }
    return ~crc;
}

static void put_number(uint8_t *at, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)(number >> (8 * i));
    }
}

static uint64_t take_number(const uint8_t *at, size_t size)
{
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++) {
        number |= (uint64_t)at[i] << (8 * i);
    }
    return number;
}

/* counter_add: counter bytes, delta i64, want_old bool. Returns the frame's size. */
static size_t counter_add(uint8_t *frame, uint32_t request_id, const char *counter, int64_t delta)
{
    size_t name_size = strlen(counter);
    size_t size = HEADER_SIZE + 4 + name_size + 8 + 1;

    put_number(frame + 4, size, 4);
    frame[8] = 1; /* protocol version */
    frame[9] = REQUEST;
    put_number(frame + 10, COUNTER_ADD, 2);
    put_number(frame + 12, request_id, 4);
    put_number(frame + 16, name_size, 4);
    memcpy(frame + 20, counter, name_size);
    put_number(frame + 20 + name_size, (uint64_t)delta, 8);
    frame[28 + name_size] = 0;
    put_number(frame, crc32(frame + 4, size - 4), 4);
    return size;
}

/* ---- the program's side of the connection ---- */

struct side {
    int64_t value; /* that the node answered last */
    int replies;
    bool ended;
};

static void on_frame(void *data, const void *bytes, size_t size)
{
    struct side *side = data;
    const uint8_t *frame = bytes;

    if (take_number(frame + 10, 2) == NUMBER_REPLY && size >= HEADER_SIZE + 16) {
        side->value = (int64_t)take_number(frame + HEADER_SIZE + 8, 8); /* behind the log index */
        side->replies++;
    }
}

static void on_close(void *data, int code, const char *reason)
{
    struct side *side = data;

    printf("closed: %s (%s)\n", vxc_error_name(code), reason);
    side->ended = true;
}

/* ---- the program's loop ---- */

static void look_at_node(struct vxc_node *node)
{
    struct pollfd fd = {.fd = vxc_node_fd(node), .events = POLLIN};

    (void)poll(&fd, 1,
               vxc_node_timeout_ms(node)); /* here other descriptors would be waited for too */
    (void)vxc_node_dispatch(node);
}

int main(int argc, char **argv)
{
    struct vxc_node_options options = vxc_node_options();
    struct vxc_connection_options connection_options = vxc_connection_options();
    struct vxc_connection *connection;
    struct vxc_node *node = NULL;
    struct vxc_error err;
    struct side side = {0};
    uint8_t frame[64];

    options.data = argc > 1 ? argv[1] : "./vxc-data";
    options.host = NULL; /* listens nowhere */
    connection_options.data = &side;
    connection_options.on_frame = on_frame;
    connection_options.on_close = on_close;
    if (vxc_node_create(&options, &node, &err) != VXC_OK || vxc_node_start(node, &err) != VXC_OK ||
        vxc_node_connect(node, &connection_options, &connection, &err) != VXC_OK) {
        fprintf(stderr, "%s\n", err.text);
        vxc_node_free(node);
        return 1;
    }
    for (uint32_t id = 1; id <= 3; id++) { /* pipelined: the replies come in this order */
        (void)vxc_node_process(connection, frame, counter_add(frame, id, "visits", 5));
    }
    while (side.replies < 3 && !side.ended) {
        look_at_node(node);
    }
    printf("visits: %" PRId64 "\n", side.value);
    vxc_node_disconnect(connection);
    while (!side.ended) {
        look_at_node(node);
    }
    vxc_node_free(node);
    return side.value == 15 ? 0 : 1;
}
