/* Lines: a descriptor read in whole lines, without waiting for more than is there. */
#ifndef VXC_TOOLS_LINES_H
#define VXC_TOOLS_LINES_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct vxc_lines {
    int fd;               /* owned unless it is standard input */
    size_t size_max;      /* of one line */
    bool at_end;          /* nothing more will come; what is buffered may still hold lines */
    uint64_t number;      /* of the line last given, from 1 */
    uint64_t bytes_taken; /* of all lines given */
    struct vxc_buffer buffer;
    size_t begin;    /* of what was not given yet */
    size_t searched; /* no line ends before here */
};

void vxc_lines_init(struct vxc_lines *lines, int fd, size_t size_max);
void vxc_lines_free(struct vxc_lines *lines);

/* Reads once what is there (blocks when nothing is). VXC_EIO with errno, VXC_ETOOBIG, VXC_ENOMEM.
 */
int vxc_lines_read(struct vxc_lines *lines);

/* The next line that is whole and not blank, without its end; borrowed until the next read. */
bool vxc_lines_next(struct vxc_lines *lines, struct vxc_slice *line);

#endif
