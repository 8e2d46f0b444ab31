/* An endpoint: "host:port" as people write it; "[::1]:7400" for addresses of IP version 6. */
#ifndef VXC_BASE_ENDPOINT_H
#define VXC_BASE_ENDPOINT_H

#include <stddef.h>

#define VXC_ENDPOINT_HOST_MAX 256u /* bytes with NUL: longest host name of DNS */

struct vxc_endpoint {
    char host[VXC_ENDPOINT_HOST_MAX]; /* without brackets */
    char port[6];                     /* 1 to 65535 */
};

/* Reads the first `size` bytes of `text`. VXC_EADDRESS: not an endpoint. */
int vxc_endpoint_parse(const char *text, size_t size, struct vxc_endpoint *endpoint);

#endif
