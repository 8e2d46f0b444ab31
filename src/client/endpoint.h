/* Endpoints (base/endpoint.h), several with commas between, and how to get there. */
#ifndef VXC_CLIENT_ENDPOINT_H
#define VXC_CLIENT_ENDPOINT_H

#include "base/endpoint.h"
#include "base/error.h"

#include <stddef.h>
#include <sys/socket.h>

#define VXC_ENDPOINTS_MAX 16u /* of one client */

/* Reads a list. VXC_EADDRESS says which part of it is wrong. */
int vxc_endpoints_parse(const char *text, struct vxc_endpoint *endpoints, size_t *count,
                        struct vxc_error *err);

/* Looks the name up (may ask a name server, hence block) and begins a non-blocking connection; *fd
 * is to be polled for POLLOUT. VXC_EADDRESS, VXC_ECLOSED. */
int vxc_endpoint_connect(const struct vxc_endpoint *endpoint, int *fd, struct vxc_error *err);

#endif
