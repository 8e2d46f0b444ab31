/* An endpoint: "host:port" as people write it; "[::1]:7400" for addresses of IP version 6. */
#ifndef VXC_BASE_ENDPOINT_H
#define VXC_BASE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#define VXC_ENDPOINT_HOST_MAX 256u /* bytes with NUL: longest host name of DNS */

struct vxc_endpoint {
    char host[VXC_ENDPOINT_HOST_MAX]; /* without brackets */
    char port[6];                     /* 1 to 65535 */
};

/* Reads the first `size` bytes of `text`. VXC_EADDRESS: not an endpoint. */
int vxc_endpoint_parse(const char *text, size_t size, struct vxc_endpoint *endpoint);

/* Does the host never leave this machine: 127.0.0.0/8, ::1, "localhost"? */
bool vxc_host_is_loopback(const char *host);
/* An address that stands for all of this machine's, and means nothing elsewhere: 0.0.0.0, ::. */
bool vxc_host_is_wildcard(const char *host);
bool vxc_host_is_numeric(const char *host);

#endif
