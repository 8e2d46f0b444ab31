#define _GNU_SOURCE /* SOCK_CLOEXEC, SOCK_NONBLOCK */
#include "client/endpoint.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int vxc_endpoints_parse(const char *text, struct vxc_endpoint *endpoints, size_t *count,
                        struct vxc_error *err)
{
    size_t found = 0;

    for (const char *at = text;; found++) {
        const size_t size = strcspn(at, ",");
        if (found == VXC_ENDPOINTS_MAX) {
            return vxc_error_set(err, VXC_EADDRESS, "more than %u endpoints", VXC_ENDPOINTS_MAX);
        }
        if (vxc_endpoint_parse(at, size, &endpoints[found]) != VXC_OK) {
            return vxc_error_set(err, VXC_EADDRESS,
                                 "\"%.*s\" is not an endpoint; expected host:port, as in "
                                 "127.0.0.1:7400",
                                 size < 300 ? (int)size : 300, at);
        }
        if (at[size] == '\0') {
            *count = found + 1;
            return VXC_OK;
        }
        at += size + 1;
    }
}

static int connect_to(const struct addrinfo *address)
{
    const int one = 1;
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -1;
    }
    /* Small requests must not wait for each other; without it all still works. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS) {
        return fd;
    }
    const int saved = errno;
    (void)close(fd); /* nothing was sent through it */
    errno = saved;
    return -1;
}

int vxc_endpoint_connect(const struct vxc_endpoint *endpoint, int *fd, struct vxc_error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const int rc = getaddrinfo(endpoint->host, endpoint->port, &hints, &found);
    int connected = -1;

    if (rc != 0) {
        return vxc_error_set(err, VXC_EADDRESS, "%s:%s: %s", endpoint->host, endpoint->port,
                             gai_strerror(rc));
    }
    for (const struct addrinfo *a = found; a != NULL && connected < 0; a = a->ai_next) {
        connected = connect_to(a);
    }
    const int saved = errno;
    freeaddrinfo(found);
    if (connected < 0) {
        return vxc_error_set(err, VXC_ECLOSED, "%s:%s: %s", endpoint->host, endpoint->port,
                             strerror(saved));
    }
    *fd = connected;
    return VXC_OK;
}
