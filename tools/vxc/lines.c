#include "tools/vxc/lines.h"

#include "base/error.h"

#include <errno.h>
#include <unistd.h>

#define READ_SIZE (256u * 1024u)

void vxc_lines_init(struct vxc_lines *lines, int fd, size_t size_max)
{
    *lines = (struct vxc_lines){.fd = fd, .size_max = size_max};
}

void vxc_lines_free(struct vxc_lines *lines)
{
    if (lines->fd > STDERR_FILENO) {
        (void)close(lines->fd); /* was only read */
    }
    vxc_buffer_free(&lines->buffer);
}

int vxc_lines_read(struct vxc_lines *lines)
{
    struct vxc_buffer *b = &lines->buffer;
    ssize_t got;

    if (lines->begin > 0) {
        memmove(b->data, b->data + lines->begin, b->size - lines->begin);
        b->size -= lines->begin;
        lines->searched -= lines->begin;
        lines->begin = 0;
    }
    if (b->size > lines->size_max) {
        lines->at_end = true;
        return VXC_ETOOBIG;
    }
    if (vxc_buffer_reserve(b, READ_SIZE) != VXC_OK) {
        return VXC_ENOMEM;
    }
    do {
        got = read(lines->fd, b->data + b->size, READ_SIZE);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        lines->at_end = true;
        return got == 0 ? VXC_OK : VXC_EIO;
    }
    b->size += (size_t)got;
    return VXC_OK;
}

static bool is_blank(struct vxc_slice line)
{
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r') {
            return false;
        }
    }
    return true;
}

bool vxc_lines_next(struct vxc_lines *lines, struct vxc_slice *line)
{
    const struct vxc_buffer *b = &lines->buffer;

    while (lines->begin < b->size) {
        const uint8_t *from = b->data + lines->searched;
        const uint8_t *end = memchr(from, '\n', b->size - lines->searched);
        if (end == NULL && !lines->at_end) {
            lines->searched = b->size;
            return false;
        }
        const size_t stop = end == NULL ? b->size : (size_t)(end - b->data);
        *line = vxc_slice(b->data + lines->begin, stop - lines->begin);
        lines->bytes_taken += line->size + 1;
        lines->number++;
        lines->begin = lines->searched = end == NULL ? stop : stop + 1;
        if (!is_blank(*line)) {
            return true;
        }
    }
    return false;
}
