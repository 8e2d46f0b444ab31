#include "lib/caller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "wire/frame.h"

enum { READ_SIZE = 65536 };

bool caller_dial(struct caller *c, uint16_t port, int patience_s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    const struct timeval patience = {.tv_sec = patience_s};

    memset(c, 0, sizeof *c);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(c->fd);
        c->fd = -1;
        return false;
    }
    return true;
}

void caller_hang_up(struct caller *c)
{
    if (c->fd >= 0) {
        (void)close(c->fd);
        c->fd = -1;
    }
    vxc_buffer_free(&c->in);
    vxc_buffer_free(&c->out);
}

uint32_t caller_post(struct caller *c, const struct vxc_message *m, bool sequenced)
{
    vxc_buffer_clear(&c->out);
    c->request_id++;
    if (sequenced) {
        assert_int_equal(vxc_message_frame_sequenced(m, VXC_FRAME_REQUEST, c->request_id,
                                                     ++c->sequence, 0, &c->out),
                         0);
    } else {
        assert_int_equal(vxc_message_frame(m, VXC_FRAME_REQUEST, c->request_id, &c->out), 0);
    }
    return send(c->fd, c->out.data, c->out.size, MSG_NOSIGNAL) == (ssize_t)c->out.size
               ? c->request_id
               : 0;
}

bool caller_next(struct caller *c, struct vxc_message *m, uint32_t *request_id)
{
    struct vxc_frame frame;
    uint32_t need;

    if (c->used > 0) {
        memmove(c->in.data, c->in.data + c->used, c->in.size - c->used);
        c->in.size -= c->used;
    }
    c->used = 0;
    while (vxc_frame_decode(vxc_buffer_slice(&c->in), VXC_FRAME_SIZE_MAX, &frame, &need) != 0) {
        ssize_t got;

        assert_int_equal(vxc_buffer_reserve(&c->in, READ_SIZE), 0);
        do {
            got = recv(c->fd, c->in.data + c->in.size, READ_SIZE, 0);
        } while (got < 0 && errno == EINTR); /* io_uring of a node in this process can do that */
        if (got <= 0) {
            c->timed_out = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
            return false;
        }
        c->in.size += (size_t)got;
    }
    c->used = frame.size;
    c->flags = frame.flags;
    *request_id = frame.request_id;
    assert_int_equal(vxc_message_decode(frame.kind, frame.payload, m), 0);
    return true;
}

bool caller_answer(struct caller *c, uint32_t request_id, struct vxc_message *m)
{
    uint32_t id;

    do {
        if (!caller_next(c, m, &id)) {
            return false;
        }
    } while (id != request_id);
    return true;
}

struct vxc_message caller_message(uint16_t kind)
{
    struct vxc_message m;

    memset(&m, 0, sizeof m);
    m.kind = kind;
    return m;
}
